//! Whether the budget of false positives holds where benign traffic drifts: the default recipe calibrated on one stretch of time
//! and judged on another, and ways of choosing the cut beside each other.

use nf_core::{
    Detector, Result, SessionConfig,
    evaluate::{CutMetrics, JudgedCapture, JudgedSession, Label, Recording, Truth, empirical_threshold},
};
use nf_examples::{Inputs, Part, Phases, exit};
use std::{collections::BTreeMap, ops::ControlFlow, process::ExitCode, sync::Arc};

const USAGE: &str = "\
usage: budget [--seeds N]

Prints a table for each budget: realised false-positive rate and, where there are attacks, macro recall, means over N seeds (3);
a row for each pair of what is calibrated on and what is judged, a column for each way of choosing the cut. The lab corpus is read from $NF_DATA/lab where NF_DATA is set (with its val-long), else
from the cut that comes with the examples.";

const BUDGETS: [f64; 2] = [0.01, 0.001];

/// Parts that held-out sessions are cut into, by time.
const BLOCKS: usize = 5;
/// Held-out sessions that must be expected above a cut before a group has one of its own.
const EXPECTED: f64 = 3.0;
/// Held-out sessions above the cut at which the spread between blocks is measured.
const SPREAD_OF: f64 = 30.0;

/// Which sessions alert.
type Alerts = Box<dyn Fn(&JudgedSession) -> bool>;

/// A way of choosing the cut from judged held-out sessions.
type Way = fn(&[JudgedSession], f64) -> Alerts;

const WAYS: [(&str, Way); 7] = [
    ("the detector", |_, rate| Box::new(move |session| session.p_value <= rate)),
    ("quantile", |held, rate| above(quantile(held.iter(), rate))),
    ("mean p of 5 blocks", |held, rate| {
        by_blocks(held, rate, |shares| shares.iter().sum::<f64>() / shares.len() as f64)
    }),
    ("upper quartile of 5 blocks", |held, rate| {
        by_blocks(held, rate, |shares| shares[(shares.len() * 3).div_ceil(4) - 1])
    }),
    ("the detector and one standard error", |held, rate| {
        let error = relative_error(held, rate);
        Box::new(move |session| session.p_value * (1.0 + error) <= rate)
    }),
    ("by protocol", |held, rate| by_group(held, rate, |session| format!("{:?}", session.key.protocol))),
    ("by protocol and port", |held, rate| {
        by_group(held, rate, |session| format!("{:?} {}", session.key.protocol, session.key.resp.port))
    }),
];

fn quantile<'a>(held: impl Iterator<Item = &'a JudgedSession>, rate: f64) -> f32 {
    empirical_threshold(&held.map(|session| session.score).collect::<Vec<_>>(), rate).unwrap_or(f32::INFINITY)
}

fn above(cut: f32) -> Alerts {
    Box::new(move |session| session.score > cut)
}

/// The scores of each of five parts of the time, ascending.
fn blocks(held: &[JudgedSession]) -> Vec<Vec<f32>> {
    let first = held.iter().map(|session| session.start).min().unwrap_or_default();
    let last = held.iter().map(|session| session.start).max().unwrap_or_default();
    let length = last.since(first).as_nanos() / BLOCKS as u128 + 1;
    let mut blocks = vec![Vec::new(); BLOCKS];
    for session in held {
        blocks[(session.start.since(first).as_nanos() / length) as usize].push(session.score);
    }
    blocks.iter_mut().for_each(|scores| scores.sort_unstable_by(f32::total_cmp));
    blocks.retain(|scores| !scores.is_empty());
    blocks
}

/// What the p-values of the blocks, ascending, come to.
fn by_blocks(held: &[JudgedSession], rate: f64, together: fn(&[f64]) -> f64) -> Alerts {
    let blocks = blocks(held);
    Box::new(move |session| {
        let p_value = |scores: &Vec<f32>| {
            let below = scores.partition_point(|&score| score < session.score);
            (1 + scores.len() - below) as f64 / (1 + scores.len()) as f64
        };
        let mut shares: Vec<f64> = blocks.iter().map(p_value).collect();
        shares.sort_unstable_by(f64::total_cmp);
        together(&shares) <= rate
    })
}

/// The standard error of the share above a cut, over that share, from the spread between blocks.
fn relative_error(held: &[JudgedSession], rate: f64) -> f64 {
    let cut = quantile(held.iter(), rate.max(SPREAD_OF / held.len() as f64));
    let share = |scores: Vec<f32>| {
        let above = scores.len() - scores.partition_point(|&score| score <= cut);
        above as f64 / scores.len() as f64
    };
    let shares: Vec<f64> = blocks(held).into_iter().map(share).collect();
    let count = shares.len() as f64;
    let mean = shares.iter().sum::<f64>() / count;
    let variance = shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    if mean > 0.0 { (variance / count).sqrt() / mean } else { 0.0 }
}

/// A quantile for each group with enough sessions, and one for all others together.
fn by_group(held: &[JudgedSession], rate: f64, group: fn(&JudgedSession) -> String) -> Alerts {
    let mut groups: BTreeMap<String, Vec<&JudgedSession>> = BTreeMap::new();
    for session in held {
        groups.entry(group(session)).or_default().push(session);
    }
    let enough = |sessions: &[&JudgedSession]| sessions.len() as f64 * rate >= EXPECTED;
    let rest: Vec<&JudgedSession> = groups.values().filter(|sessions| !enough(sessions)).flatten().copied().collect();
    let others = if enough(&rest) { quantile(rest.into_iter(), rate) } else { quantile(held.iter(), rate) };
    groups.retain(|_, sessions| enough(sessions));
    let cuts: BTreeMap<String, f32> =
        groups.into_iter().map(|(name, sessions)| (name, quantile(sessions.into_iter(), rate))).collect();
    Box::new(move |session| session.score > cuts.get(&group(session)).copied().unwrap_or(others))
}

fn main() -> ExitCode {
    exit("budget", run())
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    use lexopt::prelude::*;
    let mut seeds: u64 = 3;
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
    if seeds == 0 {
        return Err("--seeds is 0, it must be at least 1".into());
    }
    let splits = splits()?;
    let config = SessionConfig::default();
    let mut phases = Phases::default();
    // By budget and way, for each split: sums over the seeds of the realised rate and the recall.
    let mut sums: BTreeMap<(usize, usize), Vec<[f64; 2]>> = BTreeMap::new();
    let mut names = Vec::new();
    for split in &splits {
        let (train, held) = (split.train.sessions(&config)?, split.held.sessions(&config)?);
        let truths = split.judged.iter().map(|part| part.truth(true, &config)).collect::<Result<Vec<_>>>()?;
        for seed in 1..=seeds {
            let (held, judged) = phases.run(&format!("{}, seed {seed}", split.name), |bar| {
                let recipe = Detector::recipe().false_positive_rate(0.5).seed(seed);
                let fitted = recipe.fit_on(&train, &held, |progress| {
                    bar.fit(progress);
                    ControlFlow::Continue(())
                })?;
                let detector = Arc::new(fitted.with_threads(0));
                let judge = |recording| JudgedCapture::of_recording(&detector, recording, &config, |_| {});
                let parts = split.judged.iter().map(|part| judge(&part.recording)).collect::<Result<Vec<_>>>()?;
                Ok((judge(&split.held)?, parts))
            })?;
            for (budget, rate) in BUDGETS.iter().enumerate() {
                for (way, (_, choose)) in WAYS.iter().enumerate() {
                    let alerts = choose(held.sessions(), *rate);
                    let cells = sums
                        .entry((budget, way))
                        .or_insert_with(|| vec![[0.0; 2]; splits.iter().map(|s| s.judged.len()).sum()]);
                    for (i, (judged, truth)) in judged.iter().zip(&truths).enumerate() {
                        let figures = figures(judged, truth, &alerts);
                        let cell = &mut cells[split.first + i];
                        cell[0] += figures.fpr.unwrap_or(f64::NAN) / seeds as f64;
                        cell[1] += figures.macro_recall.unwrap_or(f64::NAN) / seeds as f64;
                    }
                }
            }
        }
        names.extend(split.judged.iter().map(|part| format!("{} | {}", split.name, part.name)));
    }
    let ways: Vec<&str> = WAYS.iter().map(|(name, _)| *name).collect();
    for (budget, rate) in BUDGETS.iter().enumerate() {
        println!("\nBudget {} %:\n\n| calibrated on | judged | {} |", rate * 100.0, ways.join(" | "));
        println!("|---|---|{}", "---|".repeat(ways.len()));
        for (place, name) in names.iter().enumerate() {
            let cell = |way: usize| {
                let [fpr, recall] = sums[&(budget, way)][place];
                let recall = if recall.is_nan() { String::new() } else { format!(", {recall:.3}") };
                format!("{:.2} %{recall}", fpr * 100.0)
            };
            println!("| {name} | {} |", (0..ways.len()).map(cell).collect::<Vec<_>>().join(" | "));
        }
    }
    Ok(())
}

fn figures(judged: &JudgedCapture, truth: &Truth, alerts: &Alerts) -> CutMetrics {
    let (mut benign, mut attacks) = (Vec::new(), BTreeMap::<String, Vec<bool>>::new());
    for session in judged.sessions() {
        match truth.label(session) {
            Label::Benign => benign.push(alerts(session)),
            Label::Attack { category, .. } => attacks.entry(category.to_owned()).or_default().push(alerts(session)),
            Label::AttackerOther => {}
        }
    }
    CutMetrics::new(&benign, &attacks, judged.seconds())
}

/// What is fitted, calibrated and judged on.
struct Split {
    name: &'static str,
    train: Recording,
    held: Recording,
    judged: Vec<Part>,
    /// The place of its first column.
    first: usize,
}

fn splits() -> Result<Vec<Split>> {
    let short = Inputs::corpus("lab", "test", "val")?;
    let long = Inputs::corpus("lab", "test", "val-long")?.val;
    let (train, val, test) = (short.train, short.val, short.parts);
    let benign =
        |name: &str, recording: &Recording| Part::new(name, recording.clone(), nf_examples::TruthSource::Benign);
    let has_long = long.paths().all(std::path::Path::exists);
    let (early, late) = train.split(0.7)?;
    let mut splits = vec![
        ("val", train.clone(), val.clone(), test.clone()),
        ("last 30 % of train", early, late, [test.clone(), vec![benign("val", &val)]].concat()),
    ];
    if has_long {
        splits[0].3.push(benign("val-long", &long));
        splits[1].3.push(benign("val-long", &long));
        let (first, second) = long.split(0.5)?;
        splits.push(("val-long", train.clone(), long, [test.clone(), vec![benign("val", &val)]].concat()));
        let half = [test.clone(), vec![benign("second half", &second)]].concat();
        splits.push(("first half of val-long", train.clone(), first.clone(), half));
        let half = [test, vec![benign("first half", &first)]].concat();
        splits.push(("second half of val-long", train, second, half));
    }
    let mut first = 0;
    let place = |(name, train, held, judged): (&'static str, Recording, Recording, Vec<Part>)| {
        let split = Split { name, train, held, first, judged };
        first += split.judged.len();
        split
    };
    Ok(splits.into_iter().map(place).collect())
}
