//! Trains the transformer on long sessions and tells what that costs: 12 layers of width 128 with 8 heads, 2048 packets a
//! session, 256 sessions an update, unless told otherwise. The sessions are generated, what they cost is that of any; or
//! those of a capture, to see that it learns.

use nf_benches::benign_capture;
use nf_core::{
    Capture, Device, Error, ErrorKind, Result, SessionConfig,
    features::{Column, FeatureSpec, Rows, Schema},
    model::{Attention, Model, Transformer, TransformerParams, TransformerScore},
};
use nf_tests::peak_resident;
use rustix::time::{ClockId, clock_gettime};
use std::{io::Cursor, ops::ControlFlow, process::ExitCode, sync::Arc, time::Instant};

const USAGE: &str = "\
usage: reference_configuration [OPTIONS]

  --attention A   full, window, linear or low-rank (window)
  --reach N       packets that a window reaches back, and ahead (64)
  --device D      cpu, or where nf-core was built with its feature ndarray, cuda:N or wgpu:N (cpu)
  --threads N     threads, 0 for one a core (0)
  --steps N       updates; with --real, epochs (1)
  --layers N      layers (12)
  --packets N     packets a session (2048)
  --sessions N    sessions an update (256)
  --at-once N     sessions whose gradient a thread computes at once (1)
  --real LEAST    train on the sessions of at least LEAST packets of the lab's train capture ($NF_DATA/lab, else the cut that
                  comes with the examples), a tenth of them held out
  --score         judge the sessions, instead of training on them
  --json          one line of JSON an update, and an epoch with --real";

#[derive(Debug)]
struct Options {
    attention: String,
    reach: usize,
    device: Device,
    threads: usize,
    steps: u32,
    layers: usize,
    packets: usize,
    sessions: usize,
    at_once: usize,
    real: Option<u64>,
    score: bool,
    json: bool,
}

fn main() -> ExitCode {
    let options = match arguments(lexopt::Parser::from_env()) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("reference_configuration: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("reference_configuration: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The options, or `None` where help was asked for.
fn arguments(mut parser: lexopt::Parser) -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options {
        attention: "window".to_owned(),
        reach: 64,
        device: Device::Cpu,
        threads: 0,
        steps: 1,
        layers: 12,
        packets: 2048,
        sessions: 256,
        at_once: 1,
        real: None,
        score: false,
        json: false,
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("attention") => options.attention = parser.value()?.string()?,
            Long("reach") => options.reach = parser.value()?.parse()?,
            Long("device") => options.device = parser.value()?.parse()?,
            Long("threads") => options.threads = parser.value()?.parse()?,
            Long("steps") => options.steps = parser.value()?.parse()?,
            Long("layers") => options.layers = parser.value()?.parse()?,
            Long("packets") => options.packets = parser.value()?.parse()?,
            Long("sessions") => options.sessions = parser.value()?.parse()?,
            Long("at-once") => options.at_once = parser.value()?.parse()?,
            Long("real") => options.real = Some(parser.value()?.parse()?),
            Long("score") => options.score = true,
            Long("json") => options.json = true,
            Long("help") | Short('h') => return Ok(None),
            _ => return Err(argument.unexpected()),
        }
    }
    if !["full", "window", "linear", "low-rank"].contains(&options.attention.as_str()) {
        return Err(
            format!("--attention is {:?}, it must be full, window, linear or low-rank", options.attention).into()
        );
    }
    Ok(Some(options))
}

fn run(options: &Options) -> Result<()> {
    let rows = match options.real {
        Some(least) => recorded(least, options.packets)?,
        None => generated(options.sessions, options.packets)?,
    };
    let length = packets(&rows) as f64 / rows.len().max(1) as f64;
    let params = params(options, length);
    if options.score {
        return score(options, &params, &rows);
    }
    if options.real.is_some() {
        eprintln!("{} sessions of {length:.0} packets", rows.len());
    }
    let mut before = Cost::now();
    let (mut updates, mut steps, mut held_out) = (0, 0, None);
    params.fit_with(&rows, &mut |progress| {
        if progress.updates > updates {
            let loss = f64::from(progress.loss.unwrap_or(f32::NAN));
            let norm = f64::from(progress.gradient_norm.unwrap_or(f32::NAN));
            let real = progress.real_share().unwrap_or(f64::NAN);
            let figures = [("loss", loss), ("gradient_norm", norm), ("real_share", real)];
            let cost = before.since();
            cost.print(options, &format!("step {}", progress.updates), progress.steps - steps, length, &figures);
            (updates, steps, before) = (progress.updates, progress.steps, Cost::now());
        }
        if progress.held_out_loss != held_out {
            held_out = progress.held_out_loss;
            let loss = f64::from(held_out.unwrap_or(f32::NAN));
            print(options, &format!("epoch {}", progress.epoch), &[("held_out_loss", loss)]);
            before = Cost::now();
        }
        ControlFlow::Continue(())
    })?;
    Ok(())
}

/// Judges with a transformer that has hardly been trained: the cost is the same.
fn score(options: &Options, params: &TransformerParams, rows: &Rows) -> Result<()> {
    let mut little = params.clone();
    (little.training.epochs, little.training.batch) = (1, 1);
    let model = little.fit(&rows.select([0, 0]))?;
    for _ in 0..options.steps {
        let before = Cost::now();
        let scores = model.score(rows)?;
        let mean = scores.iter().map(|score| f64::from(*score)).sum::<f64>() / scores.len() as f64;
        let count = packets(rows);
        before.since().print(options, "judged", count, count as f64 / rows.len() as f64, &[("score", mean)]);
    }
    Ok(())
}

/// With as many packets an update as so many sessions of this mean length have.
fn params(options: &Options, length: f64) -> TransformerParams {
    let attention = match options.attention.as_str() {
        "full" => Attention::Full,
        "window" => Attention::Window { left: options.reach, right: options.reach, global: false },
        "linear" => Attention::Linear,
        _ => Attention::LowRank { rank: 256 },
    };
    let mut training = Transformer::params().training;
    (training.epochs, training.threads) = (options.steps, options.threads);
    training.device = options.device;
    training.held_out = if options.real.is_some() { 0.1 } else { 0.0 };
    training.batch = (options.sessions as f64 * length) as usize;
    training.micro_batch = options.at_once * options.packets;
    let params = Transformer::params().d_model(128).layers(options.layers).heads(8).d_ff(512).attention(attention);
    params.max_steps(options.packets).dropout(0.0).score(TransformerScore::Error).training(training)
}

/// All packets of the rows.
fn packets(rows: &Rows) -> u64 {
    rows.lengths().iter().map(|length| u64::from(*length)).sum()
}

/// Sessions of at least so many packets, in time order; of longer ones than `most` the first packets.
fn recorded(least: u64, most: usize) -> Result<Rows> {
    let (_, bytes) = benign_capture().map_err(|error| Error::new(ErrorKind::Io, error.to_string()))?;
    let most = u32::try_from(most).unwrap_or(u32::MAX);
    let config = SessionConfig::default().max_packets(most);
    let sessions = Capture::from_reader(Cursor::new(bytes))?.sessions(&config)?.collect()?;
    let long = sessions.iter().filter(|session| session.stats().packets() >= least);
    FeatureSpec::packets(most).extract(long)
}

/// Sessions of eight columns, each a wave of its own with noise.
fn generated(count: usize, packets: usize) -> Result<Rows> {
    let columns = (0..8).map(|i| Column::new(format!("column_{i}"), "", "")).collect();
    let schema = Arc::new(Schema::new("generated", columns)?);
    let mut state = 1u32;
    let mut noise = || {
        // Park and Miller, "Random number generators: good ones are hard to find", 1988.
        state = (u64::from(state) * 48271 % 0x7fff_ffff) as u32;
        state as f32 / 0x7fff_ffff as f32 - 0.5
    };
    let mut data = Vec::with_capacity(count * packets * 8);
    for session in 0..count {
        for packet in 0..packets {
            let wave = |column: usize| ((packet * (column + 1)) as f32 * 0.05 + session as f32).sin();
            data.extend((0..8).map(|column| wave(column) + 0.2 * noise()));
        }
    }
    Rows::sequences(schema, packets, data, vec![packets as u32; count])
}

/// Time of the clock and of the processor, in seconds.
#[derive(Debug, Clone, Copy)]
struct Cost {
    start: Instant,
    wall: f64,
    cpu: f64,
}

impl Cost {
    fn now() -> Self {
        Self { start: Instant::now(), wall: 0.0, cpu: cpu() }
    }

    fn since(self) -> Self {
        Self { wall: self.start.elapsed().as_secs_f64(), cpu: cpu() - self.cpu, ..self }
    }

    /// What so many packets cost, of sessions of this mean length.
    fn print(self, options: &Options, what: &str, packets: u64, length: f64, more: &[(&str, f64)]) {
        let packets = packets as f64;
        let figures = [
            ("seconds", self.wall),
            ("cpu_seconds", self.cpu),
            ("sessions_a_second", packets / length / self.wall),
            ("sessions_a_cpu_second", packets / length / self.cpu),
            ("tokens_a_second", packets / self.wall),
            ("peak_rss_mb", peak_resident().map_or(f64::NAN, |bytes| bytes as f64 / f64::from(1 << 20))),
        ];
        print(options, what, &[&figures, more].concat());
    }
}

fn print(options: &Options, what: &str, figures: &[(&str, f64)]) {
    if options.json {
        let fields: Vec<String> = figures.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        println!("{{\"what\": \"{what}\", {}}}", fields.join(", "));
    } else {
        let fields: Vec<String> = figures.iter().map(|(name, value)| format!("{name} {value:.3}")).collect();
        println!("{what}: {}", fields.join(", "));
    }
}

fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}
