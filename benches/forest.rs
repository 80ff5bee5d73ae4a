//! Fits an isolation forest to a file of numbers and scores it, for `forest_peers.py`: the times as one line of JSON.

use nf_core::{Column, IsolationForest, Model, Result, Rows, Schema};
use rustix::time::{ClockId, clock_gettime};
use std::{env, fs, process::ExitCode, sync::Arc, time::Instant};

const USAGE: &str =
    "usage: forest FILE COLUMNS TREES SAMPLES EXTENSION THREADS REPEATS, the file holding little-endian f32";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let numbers: Option<Vec<usize>> = arguments.iter().skip(1).map(|argument| argument.parse().ok()).collect();
    let [columns, trees, samples, extension, threads, repeats] = numbers.unwrap_or_default()[..] else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let params = IsolationForest::params().trees(trees).samples(samples).extension(extension).threads(threads);
    match fs::read(&arguments[0]).map_err(|error| error.to_string()).and_then(|bytes| {
        let values = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let names = (0..columns).map(|i| Column::new(format!("x{i}"), "", "")).collect();
        let run = || -> Result<()> {
            let rows = Rows::flat(Arc::new(Schema::new("table", names)?), values)?;
            for seed in 0..repeats {
                let (forest, fit) = timed(|| params.clone().seed(seed as u64).fit(&rows))?;
                let (scores, score) = timed(|| forest.score(&rows))?;
                let mean = scores.iter().map(|score| f64::from(*score)).sum::<f64>() / scores.len() as f64;
                println!("{{\"fit\": {fit:?}, \"score\": {score:?}, \"mean\": {mean}}}");
            }
            Ok(())
        };
        run().map_err(|error| error.to_string())
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("forest: {}: {error}", arguments[0]);
            ExitCode::FAILURE
        }
    }
}

/// A result, and the seconds of clock and processor it took.
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, [f64; 2])> {
    let cpu = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
    };
    let (wall, before) = (Instant::now(), cpu());
    let result = work()?;
    Ok((result, [wall.elapsed().as_secs_f64(), cpu() - before]))
}
