//! Judges a capture on a small device, with a detector that `Detector::export_onnx` wrote and networks that tract runs. Says what
//! happened, a line an incident, and at the end how much memory that took.

use nf_core::{Capture, Error, ErrorKind, Event, Monitor, Result};
use nf_examples::{edge, exit, peak_rss};
use std::{
    fs::File,
    io::{self, BufWriter, Write, stdin},
    path::{Path, PathBuf},
    process::ExitCode,
};

const USAGE: &str = "\
usage: edge FOLDER [CAPTURE] [OPTION]..

Judges a capture with the detector that was exported to FOLDER. Without CAPTURE standard input is read:
tcpdump -U -w - | edge FOLDER

  --memory MIB    what sessions may take (4): beyond it some are ended early, those not answered first
  --scores FILE   for each session a line: its deciding score, and 1 where it is an alert, else 0";

struct Options {
    folder: PathBuf,
    capture: Option<PathBuf>,
    memory: usize,
    scores: Option<PathBuf>,
}

fn main() -> ExitCode {
    match Options::parse(lexopt::Parser::from_env()) {
        Ok(Some(options)) => exit("edge", run(&options)),
        Ok(None) => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("edge: {error}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let detector = edge::load(&options.folder)?;
    let config = detector.session_config().clone().memory_limit(options.memory.saturating_mul(1 << 20));
    let mut monitor = Monitor::new(detector, &config)?;
    let mut scores = options.scores.as_deref().map(Scores::create).transpose()?;
    let mut capture = match &options.capture {
        Some(path) => Capture::open(path)?,
        None => Capture::from_named("standard input", stdin())?,
    };
    while let Some(frame) = capture.next_frame()? {
        monitor.push(&frame);
        tell(&mut monitor, scores.as_mut())?;
    }
    monitor.finish();
    tell(&mut monitor, scores.as_mut())?;
    if let Some(scores) = &mut scores {
        scores.finish()?;
    }
    print_counts(&monitor);
    Ok(())
}

/// What happened since the last frame.
fn tell(monitor: &mut Monitor, mut scores: Option<&mut Scores>) -> Result<()> {
    while let Some(event) = monitor.pop() {
        match event {
            Event::Incident { change, incident } => println!("{change:?}: {incident}"),
            Event::Verdict { verdict, .. } => {
                if let Some(scores) = &mut scores {
                    scores.write(verdict.deciding_score(), verdict.is_anomaly())?;
                }
            }
            Event::Failure { error, .. } => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn print_counts(monitor: &Monitor) {
    let stats = monitor.stats();
    let table = &stats.table;
    println!("frames {}, sessions {}, ended early {}", table.frames, stats.judged, table.evicted);
    println!("alerts {}, incidents {}", stats.anomalies, stats.incidents.opened);
    println!("peak memory of the sessions {} kB", table.peak_bytes / 1000);
    if let Some(peak) = peak_rss() {
        println!("peak resident memory {} kB", peak / 1000);
    }
}

/// The file of scores.
struct Scores {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Scores {
    fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(|error| io_error(path, &error))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file) })
    }

    fn write(&mut self, score: f32, alert: bool) -> Result<()> {
        writeln!(self.file, "{score} {}", u8::from(alert)).map_err(|error| io_error(&self.path, &error))
    }

    fn finish(&mut self) -> Result<()> {
        self.file.flush().map_err(|error| io_error(&self.path, &error))
    }
}

fn io_error(path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("{}: {error}", path.display()))
}

impl Options {
    /// The options, or `None` where help was asked for.
    fn parse(mut parser: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        use lexopt::prelude::*;
        let mut paths: Vec<PathBuf> = Vec::new();
        let (mut memory, mut scores) = (4, None);
        while let Some(argument) = parser.next()? {
            match argument {
                Value(path) if paths.len() < 2 => paths.push(path.into()),
                Long("memory") => memory = parser.value()?.parse()?,
                Long("scores") => scores = Some(parser.value()?.into()),
                Short('h') | Long("help") => return Ok(None),
                _ => return Err(argument.unexpected()),
            }
        }
        let mut paths = paths.into_iter();
        let folder = paths.next().ok_or("FOLDER is missing")?;
        Ok(Some(Self { folder, capture: paths.next(), memory, scores }))
    }
}
