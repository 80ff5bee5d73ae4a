//! What hostile traffic and broken files may cost: memory, time, and nothing that was read before the damage.
//!
//! `cargo test --release --test robust -- --ignored --nocapture` runs the long floods and prints what they cost.

use nf_core::{
    ErrorKind, SessionConfig, Timestamp,
    capture::{Capture, Frame, LinkType},
    session::SessionTable,
};
use nf_tests::{PcapWriter, eth};
use std::{
    fs,
    io::{self, Cursor, Read, Write},
    sync::LazyLock,
    time::{Duration, Instant},
};

const LIMIT: usize = 128 << 20;

/// Most that may be resident: the limit, and what the allocator, the tables' growth and the test itself take.
const RESIDENT: usize = 200 << 20;

/// Most memory this process ever had resident, in bytes; `None` where the system does not say.
fn peak_resident() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<usize>().ok()? << 10)
}

/// What this thread computed so far, waiting left out where the system tells.
fn cpu_time() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let nanos = fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok());
    nanos.map_or_else(|| START.elapsed(), Duration::from_nanos)
}

/// Sessions from scattered addresses, as forged senders have them: the first packet of each, then the second of each,
/// and so on, 1 us apart. Nothing may be lost silently. Gives packets a second.
fn flood(name: &str, sessions: u32, packets: u32, context: bool) -> f64 {
    let config = SessionConfig::default().memory_limit(LIMIT).context(context);
    let mut table = SessionTable::new(config).expect("valid");
    let mut data = eth().ipv4([10, 0, 0, 1], [10, 0, 0, 2]).tcp(1, 80).syn().seq(1).build();
    let (mut pushed, mut popped) = (0u64, 0u64);
    let started = cpu_time();
    for round in 0..packets {
        for session in 0..sessions {
            data[26..30].copy_from_slice(&session.wrapping_mul(2_654_435_761).to_be_bytes());
            data[47] = if round == 0 { 0x02 } else { 0x10 };
            let time = Timestamp::from_nanos(pushed as i64 * 1000);
            table.push(&Frame { time, link_type: LinkType::ETHERNET, wire_len: data.len() as u32, data: &data });
            pushed += 1;
            while let Some(session) = table.pop() {
                popped += session.stats().packets();
            }
        }
    }
    let rate = pushed as f64 / (cpu_time() - started).as_secs_f64();
    assert!(table.bytes() <= LIMIT && table.stats().peak_bytes <= LIMIT, "{} bytes", table.bytes());
    table.finish();
    while let Some(session) = table.pop() {
        popped += session.stats().packets();
    }
    let stats = table.stats();
    let resident = peak_resident().map_or("unknown".into(), |bytes| format!("{} MB", bytes >> 20));
    println!(
        "{name}: {rate:.0} packets/s, {} sessions, {} evicted, {} dropped, {} MB held, peak resident {resident}",
        stats.started,
        stats.evicted,
        stats.dropped,
        stats.peak_bytes >> 20,
    );
    assert_eq!((stats.frames, stats.packets, popped, stats.dropped), (pushed, pushed, pushed, 0), "{name}");
    rate
}

/// The floods of one process, one after the other: its peak of resident memory is that of all of them.
fn floods(scale: u32) {
    let only = std::env::var("NF_ONLY").is_ok();
    if only {
        flood("one", 300_000, 1, true);
        return;
    }
    let normal = flood("normal", 2_000, 250 * scale, true);
    let one_packet = flood("one packet each", 1_000_000 * scale, 1, true);
    let open = flood("100000 open", 100_000, 6 * scale + 4, true);
    let bare = flood("one packet each, no context", 1_000_000 * scale, 1, false);
    println!("share of normal: {:.2} {:.2} {:.2}", one_packet / normal, open / normal, bare / normal);
    if let Some(resident) = peak_resident() {
        assert!(resident < RESIDENT, "{} MB were resident", resident >> 20);
    }
}

#[test]
fn floods_stay_within_memory_and_lose_nothing() {
    floods(1);
}

#[test]
#[ignore = "slow: ten million packets a flood"]
fn long_floods_stay_within_memory_and_lose_nothing() {
    floods(10);
}
