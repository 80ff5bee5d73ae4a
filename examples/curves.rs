//! How the training of the transformer goes: the held-out loss by epoch, for each attention and several seeds, at default settings
//! otherwise. Fits on the sessions of the lab's train capture.

use nf_core::{
    FeatureSpec, Result, Rows, SessionConfig, Transformer,
    model::{Attention, TransformerScore},
};
use nf_examples::{Bar, Inputs, Panel, Phases, exit, panels};
use std::{error::Error, ops::ControlFlow, path::PathBuf, process::ExitCode};

const USAGE: &str = "\
usage: curves [--seeds N] [--packets N] [--every N] [--svg FILE]

Prints the held-out loss of each epoch as a table. --seeds: how many (3). --packets: of each session (64). --every: take each Nth
session (1). --svg: draw the table into a file.
The lab corpus is read from $NF_DATA/lab where NF_DATA is set, else from the cut that comes with the examples.";

const ATTENTIONS: [(&str, Attention); 4] = [
    ("full", Attention::Full),
    ("window, 8 packets each way", Attention::Window { left: 8, right: 8, global: false }),
    ("linear", Attention::Linear),
    ("low rank, 16", Attention::LowRank { rank: 16 }),
];

fn main() -> ExitCode {
    exit("curves", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    use lexopt::prelude::*;
    let (mut seeds, mut packets, mut every, mut file) = (3, 64, 1, None);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("seeds") => seeds = parser.value()?.parse()?,
            Long("packets") => packets = parser.value()?.parse()?,
            Long("every") => every = parser.value()?.parse()?,
            Long("svg") => file = Some(PathBuf::from(parser.value()?)),
            Short('h') | Long("help") => {
                println!("{USAGE}");
                return Ok(());
            }
            _ => return Err(argument.unexpected().into()),
        }
    }
    if seeds == 0 || every == 0 {
        return Err("--seeds and --every must be at least 1".into());
    }
    let sessions = Inputs::corpus("lab", "test", "val")?.train.sessions(&SessionConfig::default())?;
    let rows = FeatureSpec::packets(packets).extract(sessions.iter().step_by(every))?;
    println!("{} sessions\n", rows.len());
    let (mut phases, mut drawn) = (Phases::default(), Vec::new());
    for (name, attention) in ATTENTIONS {
        let mut panel = Panel { title: name.to_owned(), curves: Vec::new() };
        for seed in 1..=seeds {
            let losses = phases.run(&format!("{name}, seed {seed}"), |bar| losses(&rows, attention, seed, bar))?;
            if drawn.is_empty() && seed == 1 {
                let epochs: Vec<String> = (1..=losses.len()).map(|epoch| format!(" {epoch} |")).collect();
                println!("| attention | seed |{}\n|---|---|{}", epochs.concat(), "---|".repeat(losses.len()));
            }
            let cells: Vec<String> = losses.iter().map(|loss| format!(" {loss:.4} |")).collect();
            println!("| {name} | {seed} |{}", cells.concat());
            panel.curves.push((format!("seed {seed}"), losses));
        }
        drawn.push(panel);
    }
    if let Some(file) = file {
        let svg = panels("epoch", "held-out loss", &drawn);
        std::fs::write(&file, svg).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}

/// The held-out loss of each epoch.
fn losses(rows: &Rows, attention: Attention, seed: u64, bar: &Bar) -> Result<Vec<f64>> {
    let mut losses = Vec::new();
    let params = Transformer::params().attention(attention).score(TransformerScore::Error).seed(seed);
    params.fit_with(rows, &mut |progress| {
        bar.fit(progress);
        if let Some(loss) = progress.held_out_loss {
            // Until an epoch's end the loss is that of the one before.
            losses.resize(progress.epoch as usize, 0.0);
            losses[progress.epoch as usize - 1] = f64::from(loss);
        }
        ControlFlow::Continue(())
    })?;
    Ok(losses)
}
