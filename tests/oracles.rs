//! Sessions of public captures against what other engines found in them; `docs/oracles.md` explains what differs.
//!
//! `cargo test --test oracles -- --nocapture` prints every disagreement and the share of captures that agree.

use nf_core::{
    SessionConfig, Timestamp,
    capture::Capture,
    decode::{Protocol, SkipCounts},
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
        let port = if matches!(protocol, 1 | 58) { 0 } else { end.port };
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
    assert!(elapsed < TIME_LIMIT, "{} took {elapsed:?}", path.display());
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

/// Nothing but the ends and the protocol makes a session.
fn patient() -> SessionConfig {
    SessionConfig::default()
        .tunnels(0)
        .idle_tcp(None)
        .idle_udp(None)
        .idle_icmp(None)
        .idle_arp(None)
        .active(None)
        .context(false)
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
    assert_eq!(agreement.agree, agreement.captures);
}

/// Sessions of one key with less than `idle` between them as one. ICMP is keyed by its identifier or type here, by the
/// addresses alone there; IGMP and PIM by nothing but the protocol.
fn merged(sessions: &[Session], idle: impl Fn(u8) -> Duration) -> Vec<Key> {
    let anywhere = [(IpAddr::from([0; 4]), 0); 2];
    let coarse = |key: Key| if matches!(key.0, 2 | 103) { (key.0, anywhere) } else { key };
    let mut spans: Vec<_> = sessions.iter().filter_map(|s| Some((coarse(key_of(s)?), s.start(), s.end()))).collect();
    spans.sort();
    let mut keys = Vec::new();
    let mut open: Option<(Key, Timestamp)> = None;
    for (key, start, end) in spans {
        match &mut open {
            Some((last, until)) if *last == key && !matches!(key.0, 6 | 17) && start.since(*until) <= idle(key.0) => {
                *until = end.max(*until);
            }
            _ => {
                keys.push(key);
                open = Some((key, end));
            }
        }
    }
    keys
}

#[test]
fn arkime_sessions() {
    let Some(data) = data_dir() else { return };
    let dir = data.join("captures/arkime");
    let mut agreement = Agreement::default();
    // The timeouts of the configuration that made the expectations.
    let [icmp, udp, tcp, other] = [60, 60, 480, 600].map(Duration::from_secs);
    let config = SessionConfig::default().idle_tcp(Some(tcp)).idle_udp(Some(udp)).idle_icmp(Some(icmp)).active(None);
    for row in table(&dir.join("ORACLE.tsv")) {
        let path = dir.join(&row["pcap"]);
        let (sessions, stats) = sessions(&path, &config);
        let ours = merged(&sessions, |protocol| if matches!(protocol, 1 | 58) { icmp } else { other });
        let lasting = merged(&self::sessions(&path, &patient().tunnels(4)).0, |_| Duration::MAX);
        let theirs = arkime_rows(&dir.join(format!("{}.sessions.tsv", row["pcap"])));
        // A session there outlives its timeout until its thread comes by: both counts are right by its own rules.
        let count = if lasting.len() == theirs.len() { lasting.len() } else { ours.len() };
        agreement.add(&row["pcap"], count, theirs.len(), || {
            format!("{:?}{}", stats.skipped.iter().collect::<Vec<_>>(), difference(&ours, &theirs))
        });
    }
    agreement.print("Arkime");
    assert!(agreement.percent() >= 90.0);
}

/// Rows with addresses (not of ARP, LLC or LLDP) and packets, once each: a session saved before its end stands there
/// twice, with the same start.
fn arkime_rows(path: &Path) -> Vec<Key> {
    let mut rows = BTreeSet::new();
    for row in table(path) {
        let end = |addr: &str, port: &str| Some((row[addr].parse().ok()?, row[port].parse().unwrap_or(0)));
        let (Some(a), Some(b)) = (end("src", "sport"), end("dst", "dport")) else { continue };
        if number(&row, "src_pkts") + number(&row, "dst_pkts") > 0 {
            rows.insert((key(number(&row, "ipproto") as u8, a, b), row["first_ms"].clone()));
        }
    }
    rows.into_iter().map(|(key, _)| key).collect()
}

#[test]
fn zeek_connections() {
    let Some(data) = data_dir() else { return };
    let dir = data.join("captures/zeek");
    let mut agreement = Agreement::default();
    let config = SessionConfig::default().idle_tcp(Some(Duration::from_secs(300))).active(None);
    for row in table(&dir.join("ORACLE.tsv")) {
        let (sessions, stats) = sessions(&dir.join("pcap").join(&row["pcap"]), &config);
        let name = format!("{} {}", row["test"], row["pcap"]);
        let Some((theirs, tunnels)) = zeek_rows(&dir.join("conn_log").join(format!("{}.conn.log", row["test"]))) else {
            let ours = sessions.iter().filter_map(key_of).count();
            agreement.add(&name, ours, number(&row, "conns"), String::new);
            continue;
        };
        let ours: Vec<_> = sessions.iter().filter_map(key_of).filter(|key| !tunnels.contains(key)).collect();
        agreement.add(&name, ours.len(), theirs.len(), || {
            format!("{:?}{}", stats.skipped.iter().collect::<Vec<_>>(), difference(&ours, &theirs))
        });
    }
    agreement.print("Zeek");
    assert!(agreement.percent() >= 95.0);
}

/// UDP ports of tunnels.
const TUNNEL_PORTS: [u16; 6] = [4789, 6081, 4754, 2152, 3544, 5072];

/// Connections, and those among them that others went through: of a packet in a tunnel, the log has the connection
/// outside as well, but does not always name it. `None` for a log in another format.
fn zeek_rows(path: &Path) -> Option<(Vec<Key>, BTreeSet<Key>)> {
    let text = fs::read_to_string(path).expect("a log");
    let names: Vec<_> = text.lines().find_map(|line| line.strip_prefix("#fields\t"))?.split('\t').collect();
    let rows: Vec<BTreeMap<_, _>> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| names.iter().copied().zip(line.split('\t')).collect())
        .collect();
    let parents: BTreeSet<_> =
        rows.iter().filter_map(|row| row.get("tunnel_parents")).flat_map(|uids| uids.split(',')).collect();
    let (mut keys, mut tunnels) = (Vec::new(), BTreeSet::new());
    for row in &rows {
        let end = |addr: &str, port: &str| Some((row.get(addr)?.parse().ok()?, row.get(port)?.parse().ok()?));
        let mut ends: [(IpAddr, u16); 2] = [end("id.orig_h", "id.orig_p")?, end("id.resp_h", "id.resp_p")?];
        let protocol = match row["proto"] {
            "tcp" => 6,
            "udp" => 17,
            "icmp" if ends[0].0.is_ipv6() => 58,
            "icmp" => 1,
            _ => row.get("ip_proto")?.parse().ok()?,
        };
        if !matches!(protocol, 6 | 17 | 132) {
            ends.iter_mut().for_each(|end| end.1 = 0);
        }
        let key = key(protocol, ends[0], ends[1]);
        let tunnel = protocol == 17 && ends.iter().any(|end| TUNNEL_PORTS.contains(&end.1));
        if tunnel || parents.contains(row["uid"]) {
            tunnels.insert(key);
        } else {
            keys.push(key);
        }
    }
    Some((keys, tunnels))
}

/// Suites of hostile, odd and valid files: what is refused is refused with the byte.
#[test]
fn suites_are_read_to_the_end_or_refused_with_the_byte() {
    let Some(data) = data_dir() else { return };
    for folder in ["pcapng_suite", "tcpdump_tests"] {
        let mut counts = [0; 2];
        let mut skipped = SkipCounts::new();
        let mut folders = vec![data.join("captures").join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let extension = path.extension().and_then(|extension| extension.to_str());
                if path.is_dir() {
                    folders.push(path);
                } else if matches!(extension, Some("pcap" | "pcapng")) {
                    let (stats, refusal) = whole(&path);
                    stats.skipped.iter().for_each(|(skip, count)| (0..count).for_each(|_| skipped.add(skip)));
                    counts[usize::from(refusal.is_some())] += 1;
                    assert!(refusal.as_ref().is_none_or(|text| text.contains("byte")), "{refusal:?}");
                }
            }
        }
        let [read, refused] = counts;
        let reasons: Vec<_> = skipped.iter().map(|(skip, count)| format!("{skip}: {count}")).collect();
        println!("{folder}: {read} captures read, {refused} refused; frames skipped: {}", reasons.join(", "));
        assert!(read > 0);
    }
}

fn whole(path: &Path) -> (TableStats, Option<String>) {
    let started = Instant::now();
    let mut refusal = None;
    let mut stats = TableStats::default();
    match Capture::open(path) {
        Ok(capture) => {
            let mut reader = capture.sessions(&SessionConfig::default()).expect("valid");
            for session in &mut reader {
                refusal = refusal.or(session.err().map(|error| error.to_string()));
            }
            stats = reader.stats().clone();
        }
        Err(error) => refusal = Some(error.to_string()),
    }
    assert!(started.elapsed() < TIME_LIMIT, "{} took {:?}", path.display(), started.elapsed());
    assert_eq!(stats.packets + stats.skipped.total(), stats.frames, "{}", path.display());
    (stats, refusal)
}

#[test]
fn the_lab_corpus_has_the_sessions_it_says() {
    let Some(data) = data_dir() else { return };
    for (name, expected) in [("train", 11_550), ("val", 4_023), ("test", 17_826), ("val-long", 24_449)] {
        let capture = Capture::open(data.join(format!("lab/{name}.pcap.zst"))).expect("a capture");
        let config = SessionConfig::default().context(false).max_packets(1);
        let mut reader = capture.sessions(&config).expect("valid");
        let (sessions, packets) = (&mut reader)
            .map(|session| session.expect("a whole capture"))
            .fold((0, 0), |(sessions, packets), session| (sessions + 1, packets + session.stats().packets()));
        println!("{name}: {sessions} sessions of {packets} packets");
        assert_eq!((sessions, packets), (expected, reader.stats().frames), "{name}");
    }
}
