//! Packets a second of a session table under floods and under normal traffic, with what it held: each in a process of its
//! own, so that its peak of resident memory is its own. Three rounds, the median of each.
//!
//! `cargo bench -p nf-benches --bench flood -- 10` takes ten million packets a flood; without a number, one million.

use nf_benches::benign_capture;
use nf_core::{
    Capture, SessionConfig, Timestamp,
    capture::{Frame, LinkType},
    session::SessionTable,
};
use nf_tests::{Flood, cpu_time, peak_resident};
use std::{env, error::Error, io::Cursor, process::Command};

const LIMIT: usize = 128 << 20;
const ROUNDS: usize = 3;
const KINDS: [&str; 3] = ["normal", "one packet each", "100000 open"];

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    if let [kind, context, millions] = &words[..] {
        return Ok(measure(kind, context == "context", millions.parse()?)?);
    }
    let millions = words.first().map_or("1", String::as_str);
    println!("| traffic | context | packets/s | of normal | sessions | evicted | counters evicted | held | resident |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for context in ["no context", "context"] {
        let mut runs = vec![Vec::new(); KINDS.len()];
        for _ in 0..ROUNDS {
            for (kind, runs) in KINDS.iter().zip(&mut runs) {
                let output = Command::new(env::current_exe()?).args([kind, context, millions]).output()?;
                let line = String::from_utf8(output.stdout)?;
                let (nanos, rest) = line.trim().split_once(' ').ok_or(String::from_utf8(output.stderr)?)?;
                runs.push((nanos.parse::<f64>()?, rest.to_string()));
            }
        }
        let medians = runs.into_iter().map(|mut runs| {
            runs.sort_by(|a, b| a.0.total_cmp(&b.0));
            runs.swap_remove(ROUNDS / 2)
        });
        let mut normal = None;
        for (kind, (nanos, rest)) in KINDS.iter().zip(medians) {
            let share = *normal.get_or_insert(nanos) / nanos;
            println!("| {kind} | {context} | {:.2} million | {share:.2} | {rest} |", 1e3 / nanos);
        }
    }
    Ok(())
}

/// Prints nanoseconds a packet, and the rest of the table's row.
fn measure(kind: &str, context: bool, millions: u64) -> std::io::Result<()> {
    let config = SessionConfig::default().memory_limit(LIMIT).context(context);
    let mut table = SessionTable::new(config).expect("valid");
    let (mut pushed, mut popped) = (0, 0);
    let mut push = |table: &mut SessionTable, time: Timestamp, data: &[u8], wire_len: u32| {
        table.push(&Frame { time, link_type: LinkType::ETHERNET, wire_len, data });
        pushed += 1;
        while let Some(session) = table.pop() {
            popped += session.stats().packets();
        }
    };
    let mut frames = Vec::new();
    if kind == KINDS[0] {
        let mut capture = Capture::from_reader(Cursor::new(benign_capture()?.1)).expect("a capture");
        while let Some(frame) = capture.next_frame().expect("a whole capture") {
            frames.push((frame.time, frame.wire_len, frame.data.to_vec()));
        }
    }
    let mut flood = if kind == KINDS[1] {
        Flood::new(millions * 1_000_000, 1)
    } else {
        Flood::new(100_000, (millions * 10).min(64))
    };
    let start = cpu_time();
    for (time, wire_len, data) in &frames {
        push(&mut table, *time, data, *wire_len);
    }
    let mut nanos = 0;
    while let Some(data) = flood.next_frame().filter(|_| frames.is_empty()) {
        push(&mut table, Timestamp::from_nanos(nanos), data, data.len() as u32);
        nanos += 1000;
    }
    let nanos = (cpu_time() - start).as_nanos() as f64 / pushed as f64;
    table.finish();
    while let Some(session) = table.pop() {
        popped += session.stats().packets();
    }
    let stats = table.stats();
    assert_eq!((stats.dropped, popped + stats.skipped.total()), (0, pushed), "packets were lost");
    println!(
        "{nanos} {} | {} | {} | {} MB | {} MB",
        stats.started,
        stats.evicted,
        stats.context_evicted,
        stats.peak_bytes >> 20,
        peak_resident().unwrap_or(0) >> 20
    );
    Ok(())
}
