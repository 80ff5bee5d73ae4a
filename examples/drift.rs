//! How long a detector fits: whether drift is called where there is none, how soon where there is some, and what it costs to
//! recalibrate on minutes that hold an attack. Fits on the lab corpus's train, calibrates on val.

use nf_core::{
    Detector, Result, Session, SessionConfig, Timestamp,
    evaluate::{Change, DriftTrial, Label, RecalibrationTrial, Truth},
};
use nf_examples::{Inputs, Phases, exit};
use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    process::ExitCode,
    time::{Duration, Instant},
};

const USAGE: &str = "\
usage: drift [--seed N] [--only drift|recalibration] [--card FILE]

Prints tables; --card writes the detector's card as a page. The lab corpus is read from $NF_DATA/lab, other networks from $NF_DATA/labelled.";

const RECALIBRATIONS: &str = "\
| ten minutes with | budget | sessions | left out: clumps + others | recall before | after | lost | false alarms before | after |
|---|---|---|---|---|---|---|---|---|";

fn main() -> ExitCode {
    exit("drift", run())
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    use lexopt::prelude::*;
    let (mut seed, mut only, mut card) = (1, String::new(), None);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("seed") => seed = parser.value()?.parse()?,
            Long("card") => card = Some(parser.value()?),
            Long("only") => only = parser.value()?.string()?,
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

    if let Some(path) = card {
        println!("{}\n", detector.card());
        std::fs::write(path, detector.card().to_html("The lab's detector"))?;
    }
    if only != "drift" {
        recalibrate(&detector, &long, &test, &truth)?;
        println!();
    }
    if only == "recalibration" {
        return Ok(());
    }
    println!("Unchanged traffic:\n");
    println!(
        "| unchanged | minutes | false alarms | strongest evidence, as a share of an alarm's |\n|---|---|---|---|"
    );
    let steady = |name: &str, detector: &Detector, sessions: &[Session]| {
        let trial = DriftTrial::run(name, detector, sessions, &Change::None, &[0.0])?;
        println!("| {name} | {:.0} | {} | {:.1e} |", trial.minutes, trial.false_alarms, trial.strongest);
        Ok::<_, nf_core::Error>(())
    };
    steady("val-long", &detector, &long)?;
    steady("test, benign sessions", &detector, &benign)?;
    steady("test, with 23 kinds of attack", &detector, &test)?;
    let middle = long.iter().map(Session::start).min().unwrap_or_default() + Duration::from_secs(750);
    let (first, second): (Vec<Session>, Vec<Session>) = long.iter().cloned().partition(|s| s.end() < middle);
    steady("second half of val-long, calibrated on the first", &fit(&train, &first)?, &second)?;
    steady("first half of val-long, calibrated on the second", &fit(&train, &second)?, &first)?;

    let moments: Vec<f64> = (0..5).map(|i| 180.0 + 107.0 * f64::from(i)).collect();
    let of = |service: &str, port: u16| {
        let count = long.iter().filter(|session| session.key().resp.port == port).count();
        format!("the {service}, which is {:.0} % of the sessions", 100.0 * count as f64 / long.len() as f64)
    };
    let (dns, https, http) = (of("DNS", 53), of("HTTPS", 443), of("HTTP", 80));
    let mut changes = vec![
        (
            "twice the load: all sessions once more between other hosts".to_owned(),
            Change::Overlay(Duration::from_secs(300)),
        ),
        ("0.7 times the load".to_owned(), Change::Load(0.7)),
        (format!("half of {dns}"), Change::Thin { port: 53, share: 0.5 }),
        ("a quarter of the DNS".to_owned(), Change::Thin { port: 53, share: 0.25 }),
        (format!("a third of {https}"), Change::Thin { port: 443, share: 1.0 / 3.0 }),
        ("a fifth of the HTTPS".to_owned(), Change::Thin { port: 443, share: 0.2 }),
        (format!("nothing of {http}"), Change::Thin { port: 80, share: 0.0 }),
        ("three times the HTTPS, same load".to_owned(), Change::Reweight { port: 443, factor: 3.0 }),
        ("four times the HTTP, same load".to_owned(), Change::Reweight { port: 80, factor: 4.0 }),
        ("half of the DNS, same load".to_owned(), Change::Reweight { port: 53, factor: 0.5 }),
    ];
    // Of the first all that is benign, of the other its longest capture: the rest lies days apart.
    let others = [
        ("westermo", Inputs::corpus("westermo", "test", "val").map(|inputs| vec![inputs.train, inputs.val])),
        ("maxf_dns", Inputs::corpus("maxf_dns", "test", "val").map(|inputs| vec![inputs.val])),
    ];
    let mut networks = Vec::new();
    for (name, recordings) in others {
        let recordings = recordings.unwrap_or_default();
        let sessions = recordings.iter().map(|recording| recording.sessions(&config)).collect::<Result<Vec<_>>>()?;
        networks.push((name, sessions.concat()));
    }
    for (name, sessions) in networks.iter().filter(|(_, sessions)| !sessions.is_empty()) {
        changes.push((format!("another network: {name}"), Change::Other(sessions)));
    }
    println!("\nval-long with a change from each of {} moments on:\n", moments.len());
    println!("| change to | false alarms before | called after, median | at the latest |\n|---|---|---|---|");
    let mut words = Vec::new();
    for (name, change) in &changes {
        let done = DriftTrial::run(name, &detector, &long, change, &moments)?;
        let delays = done.delay().map(|delay| delay.map_or("not called".to_owned(), |delay| format!("{delay:.0} s")));
        println!("| {name} | {} | {} |", done.false_alarms, delays.join(" | "));
        words.extend(done.alarm.map(|alarm| format!("* {name}: {alarm}")));
    }
    println!("\n{}\n", words.join("\n"));
    let start = Instant::now();
    let verdicts = detector.clone().with_threads(1).judge_all(&long)?;
    let judging = start.elapsed();
    let (start, mut drift) = (Instant::now(), detector.drift()?);
    for (session, verdict) in long.iter().zip(&verdicts) {
        drift.push(session, verdict);
    }
    let watching = start.elapsed();
    println!(
        "Watching takes {:.1} us a session, {:.1} % of the {:.1} us of judging it.",
        watching.as_secs_f64() * 1e6 / long.len() as f64,
        100.0 * watching.as_secs_f64() / judging.as_secs_f64(),
        judging.as_secs_f64() * 1e6 / long.len() as f64,
    );
    Ok(())
}

/// Ten minutes that hold attacks: a window of the test recording, or all sessions of one kind, beside benign sessions of
/// val-long.
fn recalibrate(detector: &Detector, long: &[Session], test: &[Session], truth: &Truth) -> Result<()> {
    let begin = |sessions: &[Session]| sessions.iter().map(Session::start).min().unwrap_or_default();
    let since = |session: &Session, begin: Timestamp| session.start().since(begin).as_secs_f64();
    let (of_long, of_test) = (begin(long), begin(test));
    let before = |seconds: f64| -> Vec<Session> {
        long.iter().filter(|session| (60.0..60.0 + seconds).contains(&since(session, of_long))).cloned().collect()
    };
    println!("Recalibrated on ten minutes with a window of test among them:\n\n{RECALIBRATIONS}");
    let (mut by_window, mut by_kind): (Vec<f64>, Vec<f64>) = Default::default();
    // Prints a row and gives the recall lost.
    let row = |name: &str, rate: f64, recent: &[Session], counts: &dyn Fn(&Session) -> bool| {
        let kind = |session: &Session| match truth.label_session(session) {
            Label::AttackerOther => None,
            _ if !counts(session) => None,
            Label::Benign => Some(""),
            Label::Attack { category, .. } => Some(category),
        };
        match RecalibrationTrial::run(name, detector, rate, recent, test, kind) {
            Ok(trial) => {
                println!("{trial}");
                trial.lost()
            }
            Err(error) => {
                println!("| {name} | {} % | {} | refused: {error} |", rate * 100.0, recent.len());
                None
            }
        }
    };
    for rate in [0.01, 0.001] {
        by_window.extend(row("no attack", rate, &before(600.0), &|_| true));
        for window in 0..4 {
            let (from, to) = (f64::from(window) * 135.0, f64::from(window + 1) * 135.0);
            let inside = |session: &Session| (from..to).contains(&since(session, of_test));
            let mut recent = before(465.0);
            recent.extend(test.iter().filter(|session| inside(session)).cloned());
            let name = format!("test from {from} to {to} s, judged on the rest");
            by_window.extend(row(&name, rate, &recent, &|session| !inside(session)));
        }
    }
    println!("\nRecalibrated on ten minutes with all sessions of one kind among them:\n\n{RECALIBRATIONS}");
    let mut kinds: BTreeMap<&str, Vec<Session>> = BTreeMap::new();
    for session in test {
        if let Label::Attack { category, .. } = truth.label_session(session) {
            kinds.entry(category).or_default().push(session.clone());
        }
    }
    for (kind, sessions) in &kinds {
        let recent = [&before(600.0)[..], sessions].concat();
        for rate in [0.001, 0.01] {
            by_kind.extend(row(&format!("all of {kind}, judged on all"), rate, &recent, &|_| true));
        }
    }
    println!("\nRecall lost:\n\n| ten minutes with | recalibrations | mean | at most |\n|---|---|---|---|");
    let all = [&by_window[..], &by_kind].concat();
    for (name, lost) in
        [("a window of test, or no attack", by_window), ("all sessions of one kind", by_kind), ("either", all)]
    {
        let most = lost.iter().copied().fold(f64::MIN, f64::max);
        let mean = lost.iter().sum::<f64>() / lost.len().max(1) as f64;
        println!("| {name} | {} | {mean:.4} | {most:.4} |", lost.len());
    }
    Ok(())
}
