//! Sessions of public captures against what other engines found in them; `docs/oracles.md` explains what differs.
//!
//! `cargo test --test oracles -- --nocapture` prints every disagreement and the share of captures that agree.

use nf_core::{
    SessionConfig,
    capture::Capture,
    decode::Protocol,
    session::{Session, TableStats},
};
use nf_tests::data_dir;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::IpAddr,
    path::Path,
    time::{Duration, Instant},
};

/// The longest that a capture of a few megabytes may take.
const TIME_LIMIT: Duration = Duration::from_secs(1);

/// A session as the oracles name it: IP protocol, and both ends with the smaller one first. ICMP has no ports.
type Key = (u8, [(IpAddr, u16); 2]);

fn key(protocol: u8, a: (IpAddr, u16), b: (IpAddr, u16)) -> Key {
    (protocol, if a <= b { [a, b] } else { [b, a] })
}

fn key_of(session: &Session) -> Option<Key> {
    let protocol = match session.key().protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Icmp => 1,
        Protocol::Icmpv6 => 58,
        Protocol::Other(number) => number,
        _ => return None,
    };
    let [a, b] = [session.key().orig, session.key().resp].map(|end| {
        let port = if matches!(protocol, 6 | 17) { end.port } else { 0 };
        (end.addr, port)
    });
    Some(key(protocol, a, b))
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
    if elapsed > TIME_LIMIT {
        println!("slow: {} took {elapsed:?}", path.display());
    }
    let stats = reader.stats().clone();
    let packets: u64 = sessions.iter().map(|session| session.stats().packets()).sum();
    assert_eq!((packets, packets + stats.skipped.total()), (stats.packets, stats.frames), "{}", path.display());
    (sessions, stats)
}

/// Rows of a table with tabs, as maps from column to cell.
fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = fs::read_to_string(path).expect("a table");
    let mut lines = text.lines().map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
    let names = lines.next().expect("column names");
    lines.map(|cells| names.iter().cloned().zip(cells).collect()).collect()
}

fn number(row: &BTreeMap<String, String>, column: &str) -> usize {
    row[column].parse().unwrap_or_else(|_| panic!("{column} is {:?}", row[column]))
}

/// How many captures agree, and how many sessions.
#[derive(Default)]
struct Agreement {
    captures: usize,
    agree: usize,
    sessions: usize,
    off: usize,
}

impl Agreement {
    fn add(&mut self, name: &str, ours: usize, theirs: usize, why: impl FnOnce() -> String) {
        self.captures += 1;
        self.agree += usize::from(ours == theirs);
        self.sessions += theirs;
        self.off += ours.abs_diff(theirs);
        if ours != theirs {
            println!("{name}: {ours} sessions, {theirs} there {}", why());
        }
    }

    fn percent(&self) -> f64 {
        100.0 * self.agree as f64 / self.captures as f64
    }

    fn print(&self, set: &str) {
        let Self { captures, agree, sessions, off } = self;
        println!(
            "{set}: {agree} of {captures} captures agree ({:.1} %), {off} of {sessions} sessions off",
            self.percent()
        );
    }
}

/// What only one side has.
fn difference(ours: &[Key], theirs: &[Key]) -> String {
    let count = |keys: &[Key]| {
        let mut counts = BTreeMap::<Key, i64>::new();
        keys.iter().for_each(|&key| *counts.entry(key).or_default() += 1);
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

fn patient() -> SessionConfig {
    SessionConfig::default().idle_tcp(None).idle_udp(None).idle_icmp(None).idle_arp(None).active(None).context(false)
}

#[test]
fn ndpi_flows() {
    let Some(data) = data_dir() else { return };
    let dir = data.join("captures/ndpi");
    let mut agreement = Agreement::default();
    for row in table(&dir.join("ORACLE.tsv")) {
        if row["naive_match"] != "1" {
            continue;
        }
        let (sessions, stats) = sessions(&dir.join(&row["pcap"]), &patient());
        let keys: Vec<_> = sessions.iter().filter_map(key_of).collect();
        let distinct: BTreeSet<_> = keys.iter().collect();
        let theirs = number(&row, "ndpi_flows");
        agreement.add(&row["pcap"], distinct.len(), theirs, || {
            format!("({} uncoarsened, {:?})", keys.len(), stats.skipped.iter().collect::<Vec<_>>())
        });
    }
    agreement.print("nDPI");
}

#[test]
fn arkime_sessions() {
    let Some(data) = data_dir() else { return };
    let dir = data.join("captures/arkime");
    let mut agreement = Agreement::default();
    let config = SessionConfig::default()
        .idle_tcp(Some(Duration::from_secs(480)))
        .idle_udp(Some(Duration::from_secs(60)))
        .idle_icmp(Some(Duration::from_secs(60)))
        .active(None)
        .context(false);
    for row in table(&dir.join("ORACLE.tsv")) {
        let (sessions, stats) = sessions(&dir.join(&row["pcap"]), &config);
        let ours: Vec<_> = sessions.iter().filter_map(key_of).collect();
        let text = fs::read_to_string(dir.join(format!("{}.sessions.tsv", row["pcap"]))).expect("a table");
        let theirs: Vec<_> = text
            .lines()
            .skip(1)
            .filter_map(|line| {
                let cells: Vec<_> = line.split('\t').collect();
                let end = |at: usize| Some((cells[at].parse().ok()?, cells[at + 1].parse().unwrap_or(0)));
                Some(key(cells[0].parse().ok()?, end(1)?, end(3)?))
            })
            .collect();
        agreement.add(&row["pcap"], sessions.len(), number(&row, "sessions"), || {
            format!("{:?}{}", stats.skipped.iter().collect::<Vec<_>>(), difference(&ours, &theirs))
        });
    }
    agreement.print("Arkime");
}

#[test]
fn zeek_connections() {
    let Some(data) = data_dir() else { return };
    let dir = data.join("captures/zeek");
    let mut agreement = Agreement::default();
    let config = SessionConfig::default().idle_tcp(Some(Duration::from_secs(300))).active(None).context(false);
    for row in table(&dir.join("ORACLE.tsv")) {
        let (sessions, stats) = sessions(&dir.join("pcap").join(&row["pcap"]), &config);
        let ours: Vec<_> = sessions.iter().filter_map(key_of).collect();
        let text = fs::read_to_string(dir.join("conn_log").join(format!("{}.conn.log", row["test"]))).expect("a log");
        let theirs: Vec<_> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| {
                let cells: Vec<_> = line.split('\t').collect();
                let protocol = match cells[6] {
                    "tcp" => 6,
                    "udp" => 17,
                    "icmp" if cells[2].contains(':') => 58,
                    "icmp" => 1,
                    _ => cells.get(21).and_then(|c| c.parse().ok()).unwrap_or(0),
                };
                let end = |at: usize| {
                    Some((
                        cells[at].parse().ok()?,
                        if matches!(protocol, 6 | 17) { cells[at + 1].parse().ok()? } else { 0 },
                    ))
                };
                Some(key(protocol, end(2)?, end(4)?))
            })
            .collect();
        agreement.add(&format!("{} {}", row["test"], row["pcap"]), ours.len(), number(&row, "conns"), || {
            format!("{:?}{}", stats.skipped.iter().collect::<Vec<_>>(), difference(&ours, &theirs))
        });
    }
    agreement.print("Zeek");
}
