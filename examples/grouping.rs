//! What the rules by which alerts become incidents are worth: each changed in turn, at a budget of 0.1 %, on benign traffic and
//! on attacks.

use nf_core::{
    Detector, Result, Session, SessionConfig, Verdict,
    evaluate::{IncidentReport, Truth},
    incident::IncidentConfig,
};
use nf_examples::{Inputs, Phases, exit};
use std::{ops::ControlFlow, process::ExitCode, time::Duration};

const USAGE: &str = "\
usage: grouping [--seeds N]

Fits on the lab's train, calibrates on val and on val-long, and prints a table: benign incidents an hour of test and of
val-long, and the attacks of test with an incident, over N seeds (3). The lab corpus is read from $NF_DATA/lab.";

const BUDGET: f64 = 0.001;

/// A rule that is changed, and to what.
type Variant = (&'static str, fn(&mut IncidentConfig));

const VARIANTS: &[Variant] = &[
    ("default", |_| {}),
    ("any alert opens one", |c| (c.from, c.from_suspect) = (0.25, 0.25)),
    ("from 2", |c| c.from = 2.0),
    ("from 3", |c| c.from = 3.0),
    ("from 6", |c| c.from = 6.0),
    ("from 8", |c| c.from = 8.0),
    ("of suspects no less", |c| c.from_suspect = c.from),
    ("of suspects 1", |c| c.from_suspect = 1.0),
    ("of crowds 4", |c| c.from_crowd = 4.0),
    ("of crowds 16", |c| c.from_crowd = 16.0),
    ("within 15 s", |c| c.within = Duration::from_secs(15)),
    ("within 60 s", |c| c.within = Duration::from_secs(60)),
    ("silence 60 s", |c| c.silence = Duration::from_secs(60)),
    ("silence 240 s", |c| c.silence = Duration::from_secs(240)),
];

/// What one detector said of a capture, and what is known of it.
struct Judged<'a> {
    detector: &'a Detector,
    sessions: &'a [Session],
    verdicts: Vec<Verdict>,
    truth: &'a Truth,
}

fn main() -> ExitCode {
    exit("grouping", run())
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    use lexopt::prelude::*;
    let mut seeds = 3;
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("seeds") => seeds = parser.value()?.parse()?,
            Short('h') | Long("help") => {
                println!("{USAGE}");
                return Ok(());
            }
            _ => return Err(argument.unexpected().into()),
        }
    }
    let config = SessionConfig::default();
    let calibrated_on = ["val", "val-long"];
    let [short, long] = calibrated_on.map(|name| Inputs::corpus("lab", "test", name));
    let (short, long) = (short?, long?);
    let truth = short.parts[0].truth(true, &config)?;
    let (train, test) = (short.train.sessions(&config)?, short.parts[0].recording.sessions(&config)?);
    let held_out = [short.val.sessions(&config)?, long.val.sessions(&config)?];
    let (mut phases, mut detectors) = (Phases::default(), Vec::new());
    for (name, held_out) in calibrated_on.iter().zip(&held_out) {
        for seed in 1..=seeds {
            let fitted = phases.run(&format!("fit, {name}, seed {seed}"), |bar| {
                Detector::recipe().false_positive_rate(BUDGET).seed(seed).fit_on(&train, held_out, |progress| {
                    bar.fit(progress);
                    ControlFlow::Continue(())
                })
            })?;
            detectors.push(fitted.with_threads(0));
        }
    }
    let benign = Truth::benign();
    let mut judged = Vec::new();
    for detector in &detectors {
        for (sessions, truth) in [(&test, &truth), (&held_out[1], &benign)] {
            judged.push(Judged { detector, sessions, verdicts: detector.judge_all(sessions)?, truth });
        }
    }
    println!(
        "| rule | calibrated on val: test, benign an hour | attacks | median time to it | val-long, benign an hour | \
        on val-long: test | attacks | median time | val-long |"
    );
    println!("|{}", "---|".repeat(9));
    for (name, change) in VARIANTS {
        let mut rules = IncidentConfig::default();
        change(&mut rules);
        let mut cells = Vec::new();
        for of_calibration in judged.chunks(2 * seeds as usize) {
            let reports = of_calibration.iter().map(|judged| report(judged, &rules)).collect::<Result<Vec<_>>>()?;
            let [test, long] = [0, 1].map(|of| reports.iter().skip(of).step_by(2).collect::<Vec<_>>());
            cells.extend([per_hour(&test), attacks(&test), delay(&test), per_hour(&long)]);
        }
        println!("| {name} | {} |", cells.join(" | "));
    }
    Ok(())
}

fn report(judged: &Judged<'_>, rules: &IncidentConfig) -> Result<IncidentReport> {
    let mut report = IncidentReport::new(judged.detector);
    report.add(judged.sessions, &judged.verdicts, rules, judged.truth)?;
    Ok(report)
}

/// Benign incidents an hour: the mean, the least and the most.
fn per_hour(reports: &[&IncidentReport]) -> String {
    let rates: Vec<f64> = reports.iter().filter_map(|report| report.benign_per_hour()).collect();
    let [least, most] = [f64::min, f64::max].map(|of| rates.iter().copied().reduce(of).unwrap_or_default());
    let mean = rates.iter().sum::<f64>() / rates.len().max(1) as f64;
    format!("{mean:.1} ({least:.1} to {most:.1})")
}

/// Attacks with an incident: of the seed with the fewest.
fn attacks(reports: &[&IncidentReport]) -> String {
    let fewest = reports.iter().map(|report| report.episodes_hit()).min().unwrap_or_default();
    format!("{} of {}", fewest.0, fewest.1)
}

/// The median time to the first incident: of the seed with the longest.
fn delay(reports: &[&IncidentReport]) -> String {
    let longest = reports.iter().filter_map(|report| report.median_delay()).max();
    longest.map_or("-".to_owned(), |delay| format!("{:.1} s", delay.as_secs_f64()))
}
