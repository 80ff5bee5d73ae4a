//! What the C door is held against: the same frames through the same monitor in Rust. `door_a MODEL CAPTURE` prints packets per
//! second of a core, the best of 3, as `speed a` of the C tests does.

use nf_core::{Capture, Detector, Event, Frame, LinkType, Monitor, Result, Timestamp};
use std::{fs, sync::Arc};

struct Owned {
    time: Timestamp,
    link_type: LinkType,
    wire_len: u32,
    data: Vec<u8>,
}

/// Seconds that this thread was on a core, as Linux counts them.
fn seconds() -> f64 {
    let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = told.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok());
    nanos.expect("Linux counts the time of threads") * 1e-9
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (model, path) = (arguments.next().unwrap_or_default(), arguments.next().unwrap_or_default());
    let detector = Arc::new(Detector::load(model)?);
    let mut capture = Capture::open(path)?;
    let mut frames = Vec::new();
    while let Some(Frame { time, link_type, wire_len, data }) = capture.next_frame()? {
        frames.push(Owned { time, link_type, wire_len, data: data.to_vec() });
    }
    let mut best: f64 = 0.0;
    for _ in 0..3 {
        let mut monitor = Monitor::new(detector.clone(), detector.session_config())?;
        let mut anomalies = 0_u64;
        let mut take = |monitor: &mut Monitor| {
            while let Some(event) = monitor.pop() {
                anomalies += u64::from(matches!(event, Event::Verdict { verdict, .. } if verdict.is_anomaly()));
            }
        };
        let start = seconds();
        for (i, Owned { time, link_type, wire_len, data }) in frames.iter().enumerate() {
            monitor.push(&Frame { time: *time, link_type: *link_type, wire_len: *wire_len, data });
            if i % 64 == 0 {
                take(&mut monitor);
            }
        }
        monitor.finish();
        take(&mut monitor);
        best = best.max(frames.len() as f64 / (seconds() - start));
        eprintln!("{anomalies} anomalies");
    }
    println!("{best:.0}");
    Ok(())
}
