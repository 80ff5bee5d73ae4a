//! Trains the transformer on long sessions and tells what that costs: 12 layers of width 128 with 8 heads, 2048 packets a
//! session, 256 sessions an update, unless told otherwise. The sessions are generated: what they cost is that of any.

use nf_core::{
    Device, Result,
    features::{Column, Rows, Schema},
    model::{Attention, Model, Transformer, TransformerParams, TransformerScore},
};
use rustix::time::{ClockId, clock_gettime};
use std::{fs, ops::ControlFlow, process::ExitCode, sync::Arc, time::Instant};

const USAGE: &str = "\
usage: reference_configuration [OPTIONS]

  --attention A   full, window, linear or low-rank (window)
  --reach N       packets that a window reaches back, and ahead (64)
  --device D      cpu, or where nf-core was built with its feature ndarray, cuda:N or wgpu:N (cpu)
  --threads N     threads, 0 for one a core (0)
  --steps N       updates (1)
  --layers N      layers (12)
  --packets N     packets a session (2048)
  --sessions N    sessions an update (256)
  --at-once N     sessions whose gradient a thread computes at once (1)
  --score         judge the sessions once, instead of training on them
  --json          one line of JSON an update";

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
    let (rows, params) = (sessions(options.sessions, options.packets)?, params(options));
    if options.score {
        return score(options, &params, &rows);
    }
    let mut before = Cost::now();
    let mut updates = 0;
    params.fit_with(&rows, &mut |progress| {
        if progress.updates > updates {
            updates = progress.updates;
            let cost = before.since();
            let loss = f64::from(progress.loss.unwrap_or(f32::NAN));
            let norm = f64::from(progress.gradient_norm.unwrap_or(f32::NAN));
            let real = progress.real_share().unwrap_or(f64::NAN);
            let figures = [("loss", loss), ("gradient_norm", norm), ("real_share", real)];
            cost.print(options, &format!("step {updates}"), &figures);
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
    let model = little.fit(&rows.select(0..2))?;
    for _ in 0..options.steps {
        let before = Cost::now();
        let scores = model.score(rows)?;
        let mean = scores.iter().map(|score| f64::from(*score)).sum::<f64>() / scores.len() as f64;
        before.since().print(options, "judged", &[("score", mean)]);
    }
    Ok(())
}

fn params(options: &Options) -> TransformerParams {
    let attention = match options.attention.as_str() {
        "full" => Attention::Full,
        "window" => Attention::Window { left: options.reach, right: options.reach, global: false },
        "linear" => Attention::Linear,
        _ => Attention::LowRank { rank: 256 },
    };
    let mut training = Transformer::params().training;
    (training.epochs, training.held_out, training.threads) = (options.steps, 0.0, options.threads);
    training.device = options.device;
    training.batch = options.sessions * options.packets;
    training.micro_batch = options.at_once * options.packets;
    let params = Transformer::params().d_model(128).layers(options.layers).heads(8).d_ff(512).attention(attention);
    params.max_steps(options.packets).dropout(0.0).score(TransformerScore::Error).training(training)
}

/// Sessions of eight columns, each a wave of its own with noise.
fn sessions(count: usize, packets: usize) -> Result<Rows> {
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

    fn print(self, options: &Options, what: &str, more: &[(&str, f64)]) {
        let sessions = options.sessions as f64;
        let packets = sessions * options.packets as f64;
        let figures = [
            ("seconds", self.wall),
            ("cpu_seconds", self.cpu),
            ("sessions_a_second", sessions / self.wall),
            ("sessions_a_cpu_second", sessions / self.cpu),
            ("tokens_a_second", packets / self.wall),
            ("peak_rss_mb", peak_rss_mb()),
        ];
        let figures = figures.iter().chain(more);
        if options.json {
            let fields: Vec<String> = figures.map(|(name, value)| format!("\"{name}\": {value}")).collect();
            println!("{{\"what\": \"{what}\", {}}}", fields.join(", "));
        } else {
            let fields: Vec<String> = figures.map(|(name, value)| format!("{name} {value:.3}")).collect();
            println!("{what}: {}", fields.join(", "));
        }
    }
}

fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// The most memory that was resident, in megabytes; NaN where the system does not say.
fn peak_rss_mb() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.map_or(f64::NAN, |kilobytes| kilobytes / 1024.0)
}
