//! Learns what is normal from five benign minutes of a small network, judges minutes with known attacks among them, and says
//! which sessions are strange, and why.

use nf_core::{
    Capture, Detector, Event, Monitor, Result, Session, SessionConfig, Verdict,
    evaluate::{Label, Labels},
    session::Direction,
};
use nf_examples::{Phases, data, read_sessions};
use std::{collections::BTreeMap, net::IpAddr, ops::ControlFlow, process::ExitCode};

/// The share of benign sessions that may alert.
const BUDGET: f64 = 0.01;
/// Lines of the table of what is strangest.
const LINES: usize = 12;
/// Facts of each line.
const FACTS: usize = 2;

/// What alerted between two hosts: how often, and the strangest of it.
struct Group {
    alerts: usize,
    session: Session,
    verdict: Verdict,
}

/// How many sessions of one label alerted, and how many there were.
#[derive(Default)]
struct Count {
    alerts: usize,
    sessions: usize,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
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
    let mut groups: BTreeMap<(IpAddr, IpAddr), Group> = BTreeMap::new();
    phases.run("judge attacks.pcap.zst", |bar| {
        let mut monitor = Monitor::new(detector.clone().with_threads(0), &config)?;
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
                match event {
                    Event::Verdict { session, verdict } => {
                        count(&mut counts, &labels, &session, &verdict);
                        keep(&mut groups, session, verdict);
                    }
                    Event::Failure { error, .. } => return Err(error),
                    _ => {}
                }
            }
            bar.set(None, || format!("{} frames", capture.frames()));
        }
        Ok(())
    })?;
    phases.run("explain", |_| print_strangest(&detector, groups))?;
    print_counts(&counts);
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

/// Keeps the strangest alert between the two hosts.
fn keep(groups: &mut BTreeMap<(IpAddr, IpAddr), Group>, session: Session, verdict: Verdict) {
    if !verdict.is_anomaly() {
        return;
    }
    let hosts = (session.key().orig.addr, session.key().resp.addr);
    match groups.get_mut(&hosts) {
        None => {
            groups.insert(hosts, Group { alerts: 1, session, verdict });
        }
        Some(group) => {
            group.alerts += 1;
            if verdict.deciding_score() > group.verdict.deciding_score() {
                (group.session, group.verdict) = (session, verdict);
            }
        }
    }
}

fn print_strangest(detector: &Detector, groups: BTreeMap<(IpAddr, IpAddr), Group>) -> Result<()> {
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by(|a, b| b.verdict.deciding_score().total_cmp(&a.verdict.deciding_score()));
    println!("\nWhat is strangest, one line a pair of hosts:\n");
    println!("{:>6} {:>8}  session and why", "alerts", "p-value");
    for Group { alerts, session, verdict } in groups.iter().take(LINES) {
        let sent = |way| session.packets().iter().filter(|packet| packet.direction == way).count();
        let (out, back) = (sent(Direction::Orig), sent(Direction::Resp));
        println!(
            "{alerts:>6} {:>8.1e}  {}, {out} packets out and {back} back in {:.3} s, {}",
            verdict.deciding_p_value(),
            session.key(),
            session.duration().as_secs_f64(),
            session.outcome(),
        );
        for fact in detector.explain_verdict(session, verdict)?.facts.iter().take(FACTS) {
            println!("{:17}{fact}", "");
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
