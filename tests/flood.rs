//! What floods may cost: bounded memory, bounded time, and no packet lost silently.
//!
//! `--nocapture` prints what they cost. Alone in its process, so that the peak of its memory is that of the floods.

use nf_core::{
    Capture, SessionConfig, Timestamp,
    capture::{Frame, LinkType},
    session::SessionTable,
};
use nf_tests::{Flood, cpu_time, peak_resident};
use std::time::Duration;

const LIMIT: usize = 128 << 20;

/// Most that may be resident: the limit, and what the allocator, the tables' growth and the test itself take.
const RESIDENT: usize = 200 << 20;

/// A flood may not be slower a packet than normal traffic by more than this. What is measured is about 2 and, with
/// context, 4; the rest is for machines whose caches are small or shared, and for builds that check every sum.
const SLOWER: f64 = 8.0;

/// A session table, what went into it, and what it took.
struct Run {
    table: SessionTable,
    pushed: u64,
    popped: u64,
    time: Duration,
}

impl Run {
    fn new(context: bool) -> Self {
        let config = SessionConfig::default().memory_limit(LIMIT).context(context);
        Self { table: SessionTable::new(config).expect("valid"), pushed: 0, popped: 0, time: Duration::ZERO }
    }

    fn push(&mut self, frame: &Frame<'_>) {
        self.table.push(frame);
        self.pushed += 1;
        self.pop();
    }

    fn pop(&mut self) {
        while let Some(session) = self.table.pop() {
            self.popped += session.stats().packets();
        }
    }

    /// Nothing may be lost silently, and memory stays within its limit. Gives nanoseconds a packet.
    fn check(mut self, name: &str) -> f64 {
        assert!(self.table.bytes() <= LIMIT && self.table.stats().peak_bytes <= LIMIT, "{} bytes", self.table.bytes());
        let nanos = self.time.as_nanos() as f64 / self.pushed as f64;
        self.table.finish();
        self.pop();
        let stats = self.table.stats();
        println!(
            "{name}: {:.0} packets/s, {} sessions, {} evicted, {} counters evicted, {} MB held, {} MB resident",
            1e9 / nanos,
            stats.started,
            stats.evicted,
            stats.context_evicted,
            stats.peak_bytes >> 20,
            peak_resident().unwrap_or(0) >> 20,
        );
        assert_eq!((stats.frames, stats.dropped), (self.pushed, 0), "{name}");
        assert_eq!(stats.packets + stats.skipped.total(), self.pushed, "{name}");
        assert_eq!(self.popped, stats.packets, "{name}");
        nanos
    }
}

/// Benign traffic of the lab, again and again, an hour later each time.
fn normal(context: bool, packets: u64) -> f64 {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/lab/train.pcap.zst");
    let mut capture = Capture::open(path).expect("comes with the examples");
    let mut frames = Vec::new();
    while let Some(frame) = capture.next_frame().expect("a whole capture") {
        frames.push((frame.time, frame.wire_len, frame.data.to_vec()));
    }
    let mut run = Run::new(context);
    let start = cpu_time();
    for hour in 0..packets.div_ceil(frames.len() as u64) {
        for (time, wire_len, data) in &frames {
            let time = *time + Duration::from_secs(3600 * hour);
            run.push(&Frame { time, link_type: LinkType::ETHERNET, wire_len: *wire_len, data });
        }
    }
    run.time = cpu_time() - start;
    run.check("normal")
}

/// A flood, 1 us between packets.
fn flood(name: &str, context: bool, mut frames: Flood) -> f64 {
    let mut run = Run::new(context);
    let start = cpu_time();
    while let Some(data) = frames.next_frame() {
        let time = Timestamp::from_nanos(run.pushed as i64 * 1000);
        run.push(&Frame { time, link_type: LinkType::ETHERNET, wire_len: data.len() as u32, data });
    }
    run.time = cpu_time() - start;
    run.check(name)
}

#[test]
fn floods_stay_within_memory_and_time_and_lose_nothing() {
    for context in [false, true] {
        println!("{} context", if context { "with" } else { "without" });
        let normal = normal(context, 500_000);
        let one = flood("one packet each", context, Flood::new(10_000_000, 1));
        let open = flood("100000 open", context, Flood::new(100_000, 64));
        println!("of the speed of normal traffic: {:.2} and {:.2}", normal / one, normal / open);
        assert!(one < normal * SLOWER && open < normal * SLOWER, "{normal} ns a packet, floods {one} and {open}");
    }
    if let Some(resident) = peak_resident() {
        assert!(resident < RESIDENT, "{} MB were resident", resident >> 20);
    }
}
