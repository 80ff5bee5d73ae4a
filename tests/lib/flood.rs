//! Floods, and what they cost.

use crate::eth;
use std::{fs, time::Duration};

/// TCP segments of sessions from scattered addresses and ports, as forged senders have them: the first of each session, a
/// SYN to a scattered port, then the second of each, and so on.
#[derive(Debug)]
pub struct Flood {
    frame: Vec<u8>,
    sessions: u64,
    packets: u64,
    sent: u64,
}

impl Flood {
    /// So many sessions of so many packets each.
    pub fn new(sessions: u64, packets: u64) -> Self {
        let frame = eth().ipv4([10, 0, 0, 1], [10, 0, 0, 2]).tcp(1, 80).syn().seq(1).build();
        Self { frame, sessions, packets: sessions * packets, sent: 0 }
    }

    /// The next frame, Ethernet; `None` behind the last.
    pub fn next_frame(&mut self) -> Option<&[u8]> {
        if self.sent == self.packets {
            return None;
        }
        let bits = scatter(self.sent % self.sessions);
        self.frame[26..30].copy_from_slice(&(bits as u32).to_be_bytes());
        self.frame[34..36].copy_from_slice(&((bits >> 32) as u16).to_be_bytes());
        self.frame[36..38].copy_from_slice(&((bits >> 48) as u16).to_be_bytes());
        self.frame[47] = if self.sent < self.sessions { 0x02 } else { 0x10 };
        self.sent += 1;
        Some(&self.frame)
    }
}

/// Numbers that look random, another for each other one (SplitMix64).
fn scatter(i: u64) -> u64 {
    let i = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let i = (i ^ (i >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let i = (i ^ (i >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    i ^ (i >> 31)
}

/// Most memory this process ever had resident, in bytes; `None` where the system does not say.
pub fn peak_resident() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<usize>().ok()? << 10)
}

/// What this thread computed so far, waiting left out where the system tells.
pub fn cpu_time() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
    #[cfg(not(any(target_os = "linux", target_os = "macos")))]
    {
        static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
        START.elapsed()
    }
}
