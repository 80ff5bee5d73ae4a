//! What a transformer over packets should learn, and what of it is strange: each objective, judged by its error and by the density
//! of its latent, as the only head of a detector. Fits on a part of the lab corpus, the same for all, calibrates on val and judges
//! test.

use nf_core::{
    Detector, FeatureSpec, Result, Scaler, Session, SessionConfig, Transformer,
    evaluate::{JudgedCapture, Report, Truth},
    model::{Objective, TransformerScore},
};
use nf_examples::{FIGURES, Inputs, Part, Phases, exit, figures};
use std::{ops::ControlFlow, process::ExitCode, sync::Arc};

const USAGE: &str = "\
usage: objectives [--seeds N] [--only TEXT] [--packets N] [--every N] [--epochs N]

Prints a table: means over N seeds (1), of several with the least and the most. --only: the variants whose names hold TEXT.
--packets: of each session (64). --every: fits on every Nth session (4). --epochs: of the training (5).
The lab corpus is read from $NF_DATA/lab where NF_DATA is set, else from the cut that comes with the examples.";

const OBJECTIVES: [(&str, Objective); 3] = [
    ("reconstruct", Objective::Reconstruct),
    ("next packet", Objective::NextPacket),
    ("masked, 0.5", Objective::Masked { ratio: 0.5 }),
];
const SCORES: [(&str, TransformerScore); 2] =
    [("error", TransformerScore::Error), ("density", TransformerScore::Density)];

fn main() -> ExitCode {
    exit("objectives", run())
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    use lexopt::prelude::*;
    let (mut seeds, mut only, mut packets, mut every, mut epochs) = (1, String::new(), 64, 4, 5);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("seeds") => seeds = parser.value()?.parse()?,
            Long("only") => only = parser.value()?.string()?,
            Long("packets") => packets = parser.value()?.parse()?,
            Long("every") => every = parser.value()?.parse()?,
            Long("epochs") => epochs = parser.value()?.parse()?,
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
    let (inputs, config) = (Inputs::corpus("lab", "test", "val")?, SessionConfig::default());
    let truth = |part: &Part| part.truth(true, &config);
    let truths = inputs.parts.iter().map(truth).collect::<Result<Vec<Truth>>>()?;
    let spec = FeatureSpec::packets(packets);
    let (train, val) = (inputs.train.sessions(&config)?, inputs.val.sessions(&config)?);
    let fitted: Vec<Session> = train.iter().step_by(every).enumerate().map(one_look).collect();
    let rows = spec.extract(&fitted)?;
    let mut phases = Phases::default();
    println!("| learned | strange is | {FIGURES} |\n|---|---|---|---|---|---|---|---|---|");
    let variants = OBJECTIVES.iter().flat_map(|objective| SCORES.iter().map(move |score| (objective, score)));
    for ((learned, objective), (strange, score)) in variants {
        if !format!("{learned}, {strange}").contains(&only) {
            continue;
        }
        let mut reports = Vec::new();
        for seed in 1..=seeds {
            let report = phases.run(&format!("{learned}, {strange}, seed {seed}"), |bar| {
                let params = Transformer::params().objective(*objective).score(*score).epochs(epochs).seed(seed);
                let model = params.fit_with(&rows, &mut |progress| {
                    bar.fit(progress);
                    ControlFlow::Continue(())
                })?;
                let scaler = Scaler::identity(rows.schema());
                let builder = Detector::builder().head("packets", spec.clone(), scaler, model);
                let detector = Arc::new(builder.false_positive_rate(0.5).calibrate(&val)?.with_threads(0));
                let judge = |recording| JudgedCapture::of_recording(&detector, recording, &config, |_| {});
                let parts = inputs.parts.iter().map(|part| judge(&part.recording)).collect::<Result<Vec<_>>>()?;
                Ok(Report::new(&judge(&inputs.val)?, &parts.iter().zip(&truths).collect::<Vec<_>>()))
            })?;
            reports.push((seed, report));
        }
        println!("| {learned} | {strange} | {} |", figures(reports));
    }
    Ok(())
}

/// A session as it was at one of its looks, at each in turn: on the last alone every look in the middle of a session would be
/// strange.
fn one_look((place, session): (usize, &Session)) -> Session {
    session.at_look(place % (session.looks().len() + 1))
}
