//! What `python_peers.py` times in Python, in Rust and on one thread: CPU times of reading a capture as sessions and of judging them, medians in
//! seconds as JSON.

use nf_core::{Capture, Detector, Result, SessionConfig, Sessions};
use std::{hint::black_box, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(capture), Some(rounds)) = (arguments.next(), arguments.next().and_then(|n| n.parse().ok())) else {
        eprintln!("python_peers CAPTURE ROUNDS");
        return ExitCode::from(2);
    };
    match run(Path::new(&capture), rounds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("python_peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn read(path: &Path) -> Result<Sessions> {
    Capture::open(path)?.sessions(&SessionConfig::default())?.collect()
}

fn run(capture: &Path, rounds: usize) -> Result<()> {
    let benign = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/benign.pcap.zst");
    let detector = Detector::recipe().seed(7).fit(&read(&benign)?)?;
    let sessions = read(capture)?;
    let reading = median(rounds, || read(capture).map(drop))?;
    let judging = median(rounds, || detector.judge_all(&sessions).map(|verdicts| _ = black_box(verdicts)))?;
    println!("{{\"read_sessions\": {reading}, \"judge\": {judging}}}");
    Ok(())
}

/// CPU time of this thread, on Linux, in seconds.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok());
    nanos.unwrap_or_default() as f64 * 1e-9
}

/// The median CPU time of some rounds, after one that does not count.
fn median(rounds: usize, work: impl Fn() -> Result<()>) -> Result<f64> {
    work()?;
    let mut times = Vec::new();
    for _ in 0..rounds.max(1) {
        let start = cpu();
        work()?;
        times.push(cpu() - start);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
