//! Learns what is normal from five benign minutes of a small network, judges minutes with known attacks among them, and says
//! what happened: one line an incident, and a page with the evidence, `report.html`.

use nf_core::{
    Capture, Detector, Error, ErrorKind, Event, Incident, Monitor, Result, Session, SessionConfig, Verdict,
    evaluate::{Label, Labels},
    incident::Change,
    report::Report,
};
use nf_examples::{Phases, data, exit, read_sessions};
use std::{collections::BTreeMap, fs, ops::ControlFlow, process::ExitCode};

/// The share of benign sessions that may alert.
const BUDGET: f64 = 0.01;
/// Lines of the table of incidents.
const LINES: usize = 12;
/// Facts of each line.
const FACTS: usize = 2;
/// Where the page goes.
const PAGE: &str = "report.html";

/// How many sessions of one label alerted, and how many there were.
#[derive(Default)]
struct Count {
    alerts: usize,
    sessions: usize,
}

fn main() -> ExitCode {
    exit("quickstart", run())
}

fn run() -> Result<()> {
    let config = SessionConfig::default();
    let labels = Labels::read(data("lab/test.labels.csv"), Some(&data("lab/test.conf.json")))?;
    let mut phases = Phases::default();

    let benign = phases.run("read benign.pcap.zst", |bar| read_sessions(&data("benign.pcap.zst"), &config, bar))?;
    let detector = phases.run("fit and calibrate", |bar| {
        Detector::recipe().false_positive_rate(BUDGET).seed(7).fit_with(&benign, |progress| {
            bar.fit(progress);
            ControlFlow::Continue(())
        })
    })?;
    println!(
        "{} benign sessions learned, heads: {}",
        benign.len(),
        detector.head_names().collect::<Vec<_>>().join(", ")
    );

    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    let mut incidents: Vec<Incident> = Vec::new();
    let mut report = Report::new("attacks.pcap.zst");
    let mut monitor = Monitor::new(detector.clone().with_threads(0), &config)?;
    phases.run("judge attacks.pcap.zst", |bar| {
        let mut capture = Capture::open(data("attacks.pcap.zst"))?;
        let mut ended = false;
        while !ended {
            // Many sessions judged at once cost less than one at a time, and get the same verdicts.
            for _ in 0..4096 {
                match capture.next_frame()? {
                    Some(frame) => monitor.push(&frame),
                    None => ended = true,
                }
            }
            if ended {
                monitor.finish();
            }
            while let Some(event) = monitor.pop() {
                report.note(&event);
                match event {
                    Event::Verdict { session, verdict } => count(&mut counts, &labels, &session, &verdict),
                    Event::Incident { change: Change::Closed, incident } => incidents.push(*incident),
                    Event::Failure { error, .. } => return Err(error),
                    _ => {}
                }
            }
            bar.set(None, || format!("{} frames", capture.frames()));
        }
        Ok(())
    })?;
    phases.run("explain", |_| print_incidents(&detector, incidents))?;
    phases.run(&format!("write {PAGE}"), |_| {
        let page = report.to_html(&detector, &monitor.stats())?;
        fs::write(PAGE, page).map_err(|error| Error::new(ErrorKind::Io, format!("{PAGE}: {error}")))
    })?;
    print_counts(&counts);
    println!("\nThe evidence stands in {PAGE}.");
    println!();
    for (name, time) in phases.done() {
        println!("{name:<24} {:>6.1} s", time.as_secs_f64());
    }
    Ok(())
}

fn count(counts: &mut BTreeMap<String, Count>, labels: &Labels, session: &Session, verdict: &Verdict) {
    let name = match labels.label(session.key(), session.start()) {
        Label::Benign => "benign",
        Label::Attack { category, .. } => category,
        Label::AttackerOther => return,
    };
    let count = counts.entry(name.to_owned()).or_default();
    count.sessions += 1;
    count.alerts += usize::from(verdict.is_anomaly());
}

fn print_incidents(detector: &Detector, mut incidents: Vec<Incident>) -> Result<()> {
    incidents.sort_by_key(|incident| std::cmp::Reverse(incident.sessions));
    println!("\nWhat happened, the {} largest of {} incidents:\n", LINES.min(incidents.len()), incidents.len());
    for incident in incidents.iter().take(LINES) {
        println!("{incident}");
        for fact in incident.explain(detector)?.facts.iter().take(FACTS) {
            println!("    {fact}");
        }
    }
    Ok(())
}

fn print_counts(counts: &BTreeMap<String, Count>) {
    println!("\nEach kind of session, and what alerted at a budget of {} %:\n", BUDGET * 100.0);
    println!("{:<20} {:>8} {:>8} {:>8}", "", "sessions", "alerts", "share");
    let line = |name: &str, count: &Count| {
        let share = 100.0 * count.alerts as f64 / count.sessions.max(1) as f64;
        println!("{name:<20} {:>8} {:>8} {share:>6.1} %", count.sessions, count.alerts);
    };
    let mut attacks = Count::default();
    for (name, count) in counts.iter().filter(|(name, _)| *name != "benign") {
        line(name, count);
        attacks.sessions += count.sessions;
        attacks.alerts += count.alerts;
    }
    line("all attacks", &attacks);
    if let Some(benign) = counts.get("benign") {
        line("benign", benign);
    }
}
