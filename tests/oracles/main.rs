//! Sessions of public captures against what other engines found in them; `docs/oracles.md` explains what differs.
//!
//! `cargo test --test oracles -- --nocapture` prints every disagreement and the share of captures that agree.

mod arkime;
mod ndpi;
mod suites;
mod zeek;

use nf_core::{
    SessionConfig, Timestamp,
    capture::Capture,
    decode::Protocol,
    session::{Direction, Looks, Session, TableStats},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::IpAddr,
    path::Path,
    time::{Duration, Instant},
};

/// The longest that a capture of a few megabytes may take.
const TIME_LIMIT: Duration = Duration::from_secs(1);

type End = (IpAddr, u16);

/// A session as the oracles name it: IP protocol, and both ends with the smaller one first. ICMP has no ports.
type Key = (u8, [End; 2]);

fn key(protocol: u8, a: End, b: End) -> Key {
    (protocol, if a <= b { [a, b] } else { [b, a] })
}

/// What both sides know of a session. Pairs are of who sent the first packet, and of the other end.
#[derive(Debug, Clone)]
struct Seen {
    key: Key,
    orig: End,
    packets: [u64; 2],
    /// Of whole frames.
    wire_bytes: [u64; 2],
    /// From the IP header on.
    ip_bytes: [u64; 2],
    start: Timestamp,
    end: Timestamp,
    /// TCP flags that each end sent, over all packets.
    flags: [u8; 2],
}

impl Seen {
    /// `None` for ARP, which the oracles have no sessions of.
    fn of(session: &Session) -> Option<Self> {
        let protocol = match session.key().protocol {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Icmp => 1,
            Protocol::Icmpv6 => 58,
            Protocol::Other(number) => number,
            _ => return None,
        };
        let [orig, resp] = [session.key().orig, session.key().resp].map(|end| {
            let port = if matches!(protocol, 1 | 58) { 0 } else { end.port };
            (end.addr, port)
        });
        let stats = [&session.stats().orig, &session.stats().resp];
        let network = |direction| {
            let sent = session.packets().iter().filter(|packet| packet.direction == direction);
            sent.map(|packet| u64::from(packet.network_len)).sum()
        };
        Some(Self {
            key: key(protocol, orig, resp),
            orig,
            packets: stats.map(|side| side.packets),
            wire_bytes: stats.map(|side| side.wire_bytes),
            ip_bytes: [network(Direction::Orig), network(Direction::Resp)],
            start: session.start(),
            end: session.end(),
            flags: stats.map(|side| (0..8).filter(|&bit| side.flags[bit] > 0).map(|bit| 1 << bit).sum()),
        })
    }

    /// A pair with that of the smaller end first. Where both ends are one, who sent what cannot be told: all in one.
    fn sides(&self, pair: [u64; 2]) -> [u64; 2] {
        match self.key.1 {
            [a, b] if a == b => [pair[0] + pair[1], 0],
            [a, _] if a == self.orig => pair,
            _ => [pair[1], pair[0]],
        }
    }

    /// Takes in a later session of the same ends.
    fn join(&mut self, later: &Self) {
        let add = |ours: &mut [u64; 2], theirs: [u64; 2]| {
            let theirs = if later.orig == self.orig { theirs } else { [theirs[1], theirs[0]] };
            (ours[0], ours[1]) = (ours[0] + theirs[0], ours[1] + theirs[1]);
        };
        add(&mut self.packets, later.packets);
        add(&mut self.wire_bytes, later.wire_bytes);
        add(&mut self.ip_bytes, later.ip_bytes);
        self.end = self.end.max(later.end);
    }
}

/// The sessions of a capture, as far as it can be read.
fn sessions(path: &Path, config: &SessionConfig) -> (Vec<Session>, TableStats) {
    let started = Instant::now();
    let capture = match Capture::open(path) {
        Ok(capture) => capture,
        Err(error) => {
            println!("refused: {error}");
            return Default::default();
        }
    };
    let mut reader = capture.sessions(config).expect("valid");
    let mut sessions = Vec::new();
    for session in &mut reader {
        match session {
            Ok(session) => sessions.push(session),
            Err(error) => println!("refused: {error}"),
        }
    }
    let elapsed = started.elapsed();
    assert!(elapsed < TIME_LIMIT, "{} took {elapsed:?}", path.display());
    let stats = reader.stats().clone();
    let packets: u64 = sessions.iter().map(|session| session.stats().packets()).sum();
    assert_eq!((packets, packets + stats.skipped.total()), (stats.packets, stats.frames), "{}", path.display());
    (sessions, stats)
}

/// Nothing but the ends and the protocol makes a session. Every packet is kept.
fn patient() -> SessionConfig {
    SessionConfig::default()
        .max_packets(65_536)
        .tunnels(0)
        .idle_tcp(None)
        .idle_udp(None)
        .idle_icmp(None)
        .idle_arp(None)
        .active(None)
        .context(false)
        .looks(Looks::none())
}

/// Rows of a table with tabs, as maps from column to cell.
fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = fs::read_to_string(path).expect("a table");
    let mut lines = text.lines().map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
    let names = lines.next().expect("column names");
    lines.map(|cells| names.iter().cloned().zip(cells).collect()).collect()
}

fn number(row: &BTreeMap<String, String>, column: &str) -> u64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column} is {:?}", row[column]))
}

/// How many of something agree.
#[derive(Debug, Default, Clone, Copy)]
struct Share {
    agree: usize,
    all: usize,
}

impl Share {
    fn add(&mut self, agrees: bool) {
        self.agree += usize::from(agrees);
        self.all += 1;
    }

    fn percent(self) -> f64 {
        100.0 * self.agree as f64 / self.all as f64
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} ({:.1} %)", self.agree, self.all, self.percent())
    }
}

/// How many captures agree on the number of sessions.
#[derive(Default)]
struct Agreement {
    captures: Share,
    sessions: usize,
    off: usize,
}

impl Agreement {
    fn add(&mut self, name: &str, ours: usize, theirs: usize, why: impl FnOnce() -> String) {
        self.captures.add(ours == theirs);
        self.sessions += theirs;
        self.off += ours.abs_diff(theirs);
        if ours != theirs {
            println!("{name}: {ours} sessions, {theirs} there {}", why());
        }
    }

    fn print(&self, set: &str) {
        let Self { captures, sessions, off } = self;
        println!("{set}: {captures} captures agree on the number of sessions, {off} of {sessions} sessions off");
    }
}

/// Sessions of both sides by their ends, as many as both have of each, in order of time.
fn pairs<'a>(ours: &'a [Seen], theirs: &'a [Seen]) -> Vec<(&'a Seen, &'a Seen)> {
    let grouped = |sessions: &'a [Seen]| {
        let mut groups = BTreeMap::<Key, Vec<&Seen>>::new();
        sessions.iter().for_each(|session| groups.entry(session.key).or_default().push(session));
        groups.values_mut().for_each(|group| group.sort_by_key(|session| session.start));
        groups
    };
    let theirs = grouped(theirs);
    let equal = grouped(ours).into_iter().filter_map(|(key, group)| Some((group, theirs.get(&key)?.clone())));
    equal.filter(|(a, b)| a.len() == b.len()).flat_map(|(a, b)| a.into_iter().zip(b)).collect()
}

/// What only one side has.
fn difference(ours: &[Seen], theirs: &[Seen]) -> String {
    let count = |sessions: &[Seen]| {
        let mut counts = BTreeMap::<Key, i64>::new();
        sessions.iter().for_each(|session| *counts.entry(session.key).or_default() += 1);
        counts
    };
    let (ours, theirs) = (count(ours), count(theirs));
    let keys: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    let mut text = String::new();
    for key in keys {
        let surplus = ours.get(key).unwrap_or(&0) - theirs.get(key).unwrap_or(&0);
        if surplus != 0 && text.len() < 600 {
            let (protocol, [a, b]) = key;
            text += &format!("\n    {surplus:+} ip{protocol} {}:{} {}:{}", a.0, a.1, b.0, b.1);
        }
    }
    text
}
