//! How long a detector fits: whether drift is called where there is none, how soon where there is some, and what it costs to
//! recalibrate on minutes that hold an attack. Fits on the lab corpus's train, calibrates on val.

use nf_core::{
    Detector, Result, Session, SessionConfig,
    evaluate::{Change, DriftTrial, Label},
};
use nf_examples::{Inputs, Phases};
use std::{ops::ControlFlow, process::ExitCode, time::Duration};

const USAGE: &str = "\
usage: drift [--seed N]

Prints tables. The lab corpus is read from $NF_DATA/lab, other networks from $NF_DATA/labelled.";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("drift: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    use lexopt::prelude::*;
    let mut seed = 1;
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("seed") => seed = parser.value()?.parse()?,
            Short('h') | Long("help") => {
                println!("{USAGE}");
                return Ok(());
            }
            _ => return Err(argument.unexpected().into()),
        }
    }
    let config = SessionConfig::default();
    let inputs = Inputs::corpus("lab", "test", "val")?;
    let long = Inputs::corpus("lab", "test", "val-long")?.val.sessions(&config)?;
    let (train, val) = (inputs.train.sessions(&config)?, inputs.val.sessions(&config)?);
    let mut phases = Phases::default();
    let fit = |training: &[Session], held_out: &[Session]| {
        let recipe = Detector::recipe().false_positive_rate(0.01).seed(seed);
        Ok(recipe.fit_on(training, held_out, |_| ControlFlow::Continue(()))?.with_threads(0))
    };
    let detector = phases.run("fit", |_| fit(&train, &val))?;
    let truth = inputs.parts[0].truth(true, &config)?;
    let test = inputs.parts[0].recording.sessions(&config)?;
    let benign: Vec<Session> =
        test.iter().filter(|session| truth.label_session(session) == Label::Benign).cloned().collect();

    println!("| recording | minutes | false alarms | strongest, of an alarm | called after | at the latest |");
    println!("|---|---|---|---|---|---|");
    let trial = |name: &str, detector: &Detector, sessions: &[Session], change: &Change<'_>, moments: &[f64]| {
        let trial = DriftTrial::run(name, detector, sessions, change, moments)?;
        println!("{trial}");
        Ok::<_, nf_core::Error>(trial)
    };
    let steady = &Change::None;
    trial("val-long", &detector, &long, steady, &[0.0])?;
    trial("test, benign sessions", &detector, &benign, steady, &[0.0])?;
    trial("test, with 23 kinds of attack", &detector, &test, steady, &[0.0])?;
    let middle = long.iter().map(Session::start).min().unwrap_or_default() + Duration::from_secs(750);
    let (first, second): (Vec<Session>, Vec<Session>) = long.iter().cloned().partition(|s| s.end() < middle);
    trial("second half of val-long, calibrated on the first", &fit(&train, &first)?, &second, steady, &[0.0])?;
    trial("first half of val-long, calibrated on the second", &fit(&train, &second)?, &first, steady, &[0.0])?;

    let moments: Vec<f64> = (0..5).map(|i| 180.0 + 107.0 * f64::from(i)).collect();
    let mut changes = vec![
        ("twice the load".to_owned(), Change::Overlay(Duration::from_secs(300))),
        ("half of the DNS".to_owned(), Change::Thin { port: 53, share: 0.5 }),
        ("a quarter of the DNS".to_owned(), Change::Thin { port: 53, share: 0.25 }),
        ("a third of the HTTPS".to_owned(), Change::Thin { port: 443, share: 1.0 / 3.0 }),
        ("a fifth of the HTTPS".to_owned(), Change::Thin { port: 443, share: 0.2 }),
        ("three times the HTTPS, same load".to_owned(), Change::Reweight { port: 443, factor: 3.0 }),
        ("four times the HTTP, same load".to_owned(), Change::Reweight { port: 80, factor: 4.0 }),
        ("half of the DNS, same load".to_owned(), Change::Reweight { port: 53, factor: 0.5 }),
    ];
    let other = |name: &str| -> Result<Vec<Session>> {
        match Inputs::corpus(name, "test", "val") {
            Ok(inputs) => inputs.train.sessions(&config),
            Err(_) => Ok(Vec::new()),
        }
    };
    let others = [("westermo", other("westermo")?), ("maxf_dns", other("maxf_dns")?)];
    for (name, sessions) in others.iter().filter(|(_, sessions)| !sessions.is_empty()) {
        changes.push((format!("another network: {name}"), Change::Other(sessions)));
    }
    let mut words = Vec::new();
    for (name, change) in &changes {
        let done = trial(name, &detector, &long, change, &moments)?;
        words.extend(done.alarm.map(|alarm| format!("* {name}: {alarm}")));
    }
    println!("\n{}", words.join("\n"));
    Ok(())
}
