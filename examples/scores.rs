//! Scores as bits, for other languages to be held against: fits the default detector with seed 7 on the benign capture of the
//! examples, judges the one with attacks, and writes the bits of each session's deciding score, a line each.

use nf_core::{Capture, Detector, Result, SessionConfig};
use std::{
    io::{BufWriter, Write},
    process::ExitCode,
};

fn main() -> ExitCode {
    nf_examples::exit("scores", run())
}

fn run() -> Result<()> {
    let config = SessionConfig::default();
    let read = |name| Capture::open(nf_examples::data(name))?.sessions(&config)?.collect();
    let detector = Detector::recipe().seed(7).fit(&read("benign.pcap.zst")?)?;
    let mut out = BufWriter::new(std::io::stdout());
    for verdict in detector.judge_all(&read("attacks.pcap.zst")?)? {
        // Nobody is left to be told where standard output is closed.
        let _ = writeln!(out, "{:08x}", verdict.deciding_score().to_bits());
    }
    Ok(())
}
