//! What the process used so far.

use std::{
    fs,
    time::{Duration, Instant},
};

/// When the work began.
pub(super) struct Start {
    wall: Instant,
    cpu: Option<Duration>,
}

impl Start {
    pub(super) fn now() -> Self {
        Self { wall: Instant::now(), cpu: cpu() }
    }

    pub(super) fn wall(&self) -> Duration {
        self.wall.elapsed()
    }

    /// Processor time since, of all threads, in user and system mode; `None` where the system does not say.
    pub(super) fn cpu(&self) -> Option<Duration> {
        Some(cpu()?.saturating_sub(self.cpu?))
    }
}

#[cfg(unix)]
fn cpu() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
}

#[cfg(not(unix))]
fn cpu() -> Option<Duration> {
    None
}

/// Most memory that the process ever held at once, in bytes; `None` where the system does not say.
pub(super) fn peak_rss() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
