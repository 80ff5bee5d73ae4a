//! Explains the strangest alert between two hosts of a capture, from the sentence down to single packets.

use nf_core::{
    Capture, Detector, Error, ErrorKind, Result, Session, SessionConfig, Verdict,
    detector::{Explanation, Fact},
    session::Direction,
};
use nf_examples::{Phases, data, exit, read_sessions};
use std::{net::IpAddr, ops::ControlFlow, path::PathBuf, process::ExitCode};

const USAGE: &str = "\
usage: explain SOURCE DESTINATION [OPTION]..

Learns from a benign capture, and explains the strangest alert from one host to another in a second capture.

  --train T           the benign capture (examples/data/benign.pcap.zst)
  --test S            the capture to judge (examples/data/attacks.pcap.zst)
  --heads NAME,..     heads of the detector (those of the default recipe); packets reads single packets
  --rate SHARE        the share of benign sessions that may alert (0.01)
  --seed N            seed of everything random (7)";

/// Packets of a session that are listed.
const LISTED: usize = 12;

struct Options {
    hosts: [IpAddr; 2],
    train: PathBuf,
    test: PathBuf,
    heads: Option<Vec<String>>,
    rate: f64,
    seed: u64,
}

fn main() -> ExitCode {
    match Options::parse(lexopt::Parser::from_env()) {
        Ok(Some(options)) => exit("explain", run(&options)),
        Ok(None) => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("explain: {error}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let (config, mut phases) = (SessionConfig::default(), Phases::default());
    let benign = phases.run("read benign traffic", |bar| read_sessions(&options.train, &config, bar))?;
    let detector = phases.run("fit and calibrate", |bar| {
        let mut recipe = Detector::recipe().false_positive_rate(options.rate).seed(options.seed);
        if let Some(heads) = &options.heads {
            recipe = recipe.heads(heads)?;
        }
        recipe.fit_with(&benign, |progress| {
            bar.fit(progress);
            ControlFlow::Continue(())
        })
    })?;
    let sessions = Capture::open(&options.test)?.sessions(&config)?.collect()?;
    let verdicts = phases.run("judge", |_| detector.clone().with_threads(0).judge_all(&sessions))?;
    let [source, destination] = options.hosts;
    let between = |session: &Session| (session.key().orig.addr, session.key().resp.addr) == (source, destination);
    let alerts = sessions.iter().zip(&verdicts).filter(|(session, verdict)| between(session) && verdict.is_anomaly());
    let strangest = alerts.clone().max_by(|(_, a), (_, b)| a.deciding_score().total_cmp(&b.deciding_score()));
    let Some((session, verdict)) = strangest else {
        return Err(Error::new(ErrorKind::Data, format!("no alert from {source} to {destination}")));
    };
    println!("{} alerts from {source} to {destination}, the strangest:\n", alerts.count());
    print(session, verdict, &detector.explain_verdict(session, verdict)?);
    Ok(())
}

fn print(session: &Session, verdict: &Verdict, explanation: &Explanation) {
    println!("{session}\n{explanation}\n");
    println!("The sessions that carry it:\n");
    println!("{:>8}  session", "score");
    for carrier in &explanation.carriers {
        println!("{:>8.2}  {} {}", carrier.score, carrier.start(), carrier.key());
    }
    println!("\nThe values of each fact, as seen and as expected, and what benign traffic reaches:\n");
    for fact in &explanation.facts {
        print_fact(fact);
    }
    println!("\nWhat each head said, and what it says with these facts as expected:\n");
    for (before, after) in verdict.heads.iter().zip(&explanation.after.heads) {
        println!("  {:<10} p-value {:.1e}, then {:.1e}", before.name, before.p_value, after.p_value);
    }
    print_packets(session, explanation);
}

fn print_fact(fact: &Fact) {
    let packet = fact.packet.map_or_else(String::new, |packet| format!(" of packet {}", packet + 1));
    println!("  {}{packet}", fact.name);
    for cell in &fact.cells {
        let reach = cell.reach.map_or_else(String::new, |[least, most]| format!("{least:.3} to {most:.3}"));
        println!("    {:<28} {:>12.3} {:>12.3} {:<10} {reach}", cell.column, cell.observed, cell.expected, cell.unit);
    }
}

fn print_packets(session: &Session, explanation: &Explanation) {
    println!("\nIts first packets, with the part of each in the score where a head reads packets:\n");
    println!("{:>6} {:>12}  {:<3} {:>8}  {:>7}  part", "packet", "time", "way", "payload", "control");
    let parts = if explanation.shown == 0 { &explanation.packets[..] } else { &[] };
    for (i, packet) in session.packets().iter().enumerate().take(LISTED) {
        let part = parts.get(i).filter(|part| **part > 0.0);
        println!(
            "{:>6} {:>10.6} s  {:<3} {:>6} B  {:>#7x}  {}",
            i + 1,
            packet.time.since(session.start()).as_secs_f64(),
            if packet.direction == Direction::Orig { "out" } else { "in" },
            packet.payload_len,
            packet.control,
            part.map_or_else(String::new, |part| format!("{:.0} %", 100.0 * part)),
        );
    }
}

impl Options {
    /// The options, or `None` where help was asked for.
    fn parse(mut parser: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        use lexopt::prelude::*;
        let mut hosts = Vec::new();
        let (mut train, mut test) = (data("benign.pcap.zst"), data("attacks.pcap.zst"));
        let (mut heads, mut rate, mut seed) = (None, 0.01, 7);
        while let Some(argument) = parser.next()? {
            match argument {
                Value(host) => hosts.push(host.parse()?),
                Long("train") => train = parser.value()?.into(),
                Long("test") => test = parser.value()?.into(),
                Long("heads") => {
                    heads = Some(parser.value()?.string()?.split(',').map(str::to_owned).collect());
                }
                Long("rate") => rate = parser.value()?.parse()?,
                Long("seed") => seed = parser.value()?.parse()?,
                Short('h') | Long("help") => return Ok(None),
                _ => return Err(argument.unexpected()),
            }
        }
        let count = hosts.len();
        let hosts = hosts.try_into().map_err(|_| format!("{count} hosts, it must be 2"))?;
        Ok(Some(Self { hosts, train, test, heads, rate, seed }))
    }
}
