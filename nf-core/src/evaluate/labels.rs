//! Ground truth: which attack a session belongs to, by the rules of a label file.
//!
//! A label file is CSV with the header `id,category,start_ts,end_ts,src,dst,proto,dport,sport,match,tool,params`, times in
//! seconds since the epoch. `match=host`: every packet to or from `src` inside the window is the attack. `match=tuple`: `src`
//! has benign traffic of its own, and a session must fit `src`, `dst`, `proto` and `dport` in either orientation.

use super::patterns::{Addresses, Ports, wrong};
use crate::{
    Error, ErrorKind, Result, Timestamp,
    decode::Protocol,
    session::{Endpoint, FlowKey},
};
use std::{collections::BTreeSet, fs::File, net::IpAddr, path::Path, time::Duration};

/// How long before the written start of a window a session may begin and still belong to it: the clock that wrote the label
/// file and the one that stamped the packets are two.
const LEAD: Duration = Duration::from_millis(250);

/// What a session is, by a label file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label<'a> {
    /// Ordinary traffic.
    Benign,
    /// Traffic of an attacker's host outside every window (address resolution, stragglers): left out of every figure.
    AttackerOther,
    /// Part of an attack.
    Attack {
        /// The kind of attack.
        category: &'a str,
        /// Which row of the label file, by its `id`.
        id: &'a str,
    },
}

impl<'a> Label<'a> {
    /// The kind of attack, where it is one.
    pub fn category(self) -> Option<&'a str> {
        match self {
            Self::Attack { category, .. } => Some(category),
            Self::Benign | Self::AttackerOther => None,
        }
    }

    /// The label a strict evaluation uses: address resolution of an attacker's host inside a window carries the attack's
    /// label by the host rule though it is no attack, so ARP counts only where the attack is one of ARP (`arp*`) or a sweep
    /// (`*sweep`), and is left out elsewhere.
    #[must_use]
    pub fn strict(self, protocol: Protocol) -> Self {
        match self {
            Self::Attack { category, .. }
                if protocol == Protocol::Arp && !category.starts_with("arp") && !category.ends_with("sweep") =>
            {
                Self::AttackerOther
            }
            label => label,
        }
    }
}

/// The rules of a label file.
///
/// Patterns: an address is itself, `*` any, `!pattern` any other, `10.0.0.0/24` a network and `10.0.0.95-139` a range of the
/// last octet. Ports are `*`, or numbers and ranges between commas; anything else (a scanner's port list by name) fits no
/// port. Rows of tuples come before rows of hosts, and the earlier window before the later.
#[derive(Debug, Clone)]
pub struct Labels {
    rules: Vec<Rule>,
    attackers: BTreeSet<IpAddr>,
}

#[derive(Debug, Clone)]
struct Rule {
    id: String,
    category: String,
    start: Timestamp,
    end: Timestamp,
    kind: RuleKind,
}

#[derive(Debug, Clone)]
enum RuleKind {
    Tuple { src: Addresses, dst: Addresses, protocol: Option<String>, port: Ports },
    Host(IpAddr),
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    category: String,
    start_ts: String,
    end_ts: String,
    src: String,
    dst: String,
    proto: String,
    dport: String,
    r#match: String,
}

impl Labels {
    /// Reads a label file, and the file that names the attackers' hosts where there is one: a JSON object of which every
    /// member whose name starts with `atk` is an address.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] where a file cannot be read; [`ErrorKind::Data`] with path and line where a row is none of the form.
    pub fn read(labels: impl AsRef<Path>, attackers: Option<&Path>) -> Result<Self> {
        let path = labels.as_ref();
        let file = File::open(path).map_err(|error| Error::io(path, error))?;
        let at = |line: u64| format!("{}, line {line}", path.display());
        let mut rules = Vec::new();
        let mut reader = csv::Reader::from_reader(file);
        let refuse = |error: csv::Error| {
            let line = error.position().map_or(1, csv::Position::line);
            Error::new(ErrorKind::Data, format!("{}: {}", at(line), reason(&error))).with_source(error)
        };
        let header = reader.headers().map_err(refuse)?.clone();
        for record in reader.records() {
            let record = record.map_err(refuse)?;
            let line = record.position().map_or(1, csv::Position::line);
            let row: Row = record.deserialize(Some(&header)).map_err(refuse)?;
            rules.push(Rule::new(row).map_err(|error| error.at(at(line)))?);
        }
        // The sort is stable: of two windows that start together the one written first wins.
        rules.sort_by_key(|rule| (matches!(rule.kind, RuleKind::Host(_)), rule.start));
        let attackers = attackers.map_or_else(|| Ok(BTreeSet::new()), read_attackers)?;
        Ok(Self { rules, attackers })
    }

    /// The label of a session by its key and the time of its first packet. Which end is which does not matter.
    pub fn label(&self, key: &FlowKey, start: Timestamp) -> Label<'_> {
        // The label file's tuples name the ports of its own tools' keys: for ICMP without identifier these are by type.
        let (orig, resp) = numbered_ends(key);
        for rule in &self.rules {
            if rule.start <= start && start <= rule.end && rule.fits(&orig, &resp, key.protocol) {
                return Label::Attack { category: &rule.category, id: &rule.id };
            }
        }
        let attacker = self.attackers.contains(&orig.addr) || self.attackers.contains(&resp.addr);
        if attacker { Label::AttackerOther } else { Label::Benign }
    }

    /// The kinds of attack the label file names, sorted.
    pub fn categories(&self) -> Vec<&str> {
        let names: BTreeSet<&str> = self.rules.iter().map(|rule| rule.category.as_str()).collect();
        names.into_iter().collect()
    }
}

/// The ends of a session with the numbers that label and score files write as ports: ICMP by its identifier, ICMP without
/// one as 60000 + its type at both ends, ARP 0.
pub(super) fn numbered_ends(key: &FlowKey) -> (Endpoint, Endpoint) {
    let (mut orig, mut resp) = (key.orig, key.resp);
    if let Some(kind) = key.icmp_type {
        (orig.port, resp.port) = (60_000 + u16::from(kind), 60_000 + u16::from(kind));
    }
    (orig, resp)
}

/// A protocol as label and score files write it: `tcp`, `udp`, `icmp`, `arp`, or the IP protocol's number.
pub(super) fn protocol_name(protocol: Protocol) -> String {
    match protocol {
        Protocol::Icmpv6 => "58".to_owned(),
        Protocol::Other(number) => number.to_string(),
        named => named.to_string(),
    }
}

impl Rule {
    fn new(row: Row) -> Result<Self> {
        let kind = match row.r#match.as_str() {
            "host" => RuleKind::Host(address("src", &row.src)?),
            "tuple" => RuleKind::Tuple {
                src: Addresses::new("src", &row.src)?,
                dst: Addresses::new("dst", &row.dst)?,
                protocol: (row.proto != "*").then_some(row.proto),
                port: Ports::new(&row.dport),
            },
            other => return Err(wrong("match", other, "host or tuple")),
        };
        let (start, end) = (seconds("start_ts", &row.start_ts)?, seconds("end_ts", &row.end_ts)?);
        if end < start {
            return Err(wrong("end_ts", &row.end_ts, "start_ts or later"));
        }
        let start = Timestamp::from_nanos(start.as_nanos().saturating_sub(LEAD.as_nanos() as i64));
        Ok(Self { id: row.id, category: row.category, start, end, kind })
    }

    fn fits(&self, orig: &Endpoint, resp: &Endpoint, protocol: Protocol) -> bool {
        match &self.kind {
            RuleKind::Host(host) => *host == orig.addr || *host == resp.addr,
            RuleKind::Tuple { src, dst, protocol: wanted, port } => {
                let oriented = |a: &Endpoint, b: &Endpoint| src.fit(a.addr) && dst.fit(b.addr) && port.fit(b.port);
                wanted.as_deref().is_none_or(|wanted| wanted == protocol_name(protocol))
                    && (oriented(orig, resp) || oriented(resp, orig))
            }
        }
    }
}

fn read_attackers(path: &Path) -> Result<BTreeSet<IpAddr>> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_reader(file).map_err(|error| {
        let message = format!("{}: {error}, it must be an object such as {{\"atk\": \"10.0.0.66\"}}", path.display());
        Error::new(ErrorKind::Data, message).with_source(error)
    })?;
    let named = object.iter().filter(|(name, _)| name.starts_with("atk"));
    named
        .map(|(name, value)| address(name, value.as_str().unwrap_or_default()).map_err(|e| e.at(path.display())))
        .collect()
}

fn address(field: &str, text: &str) -> Result<IpAddr> {
    text.parse().map_err(|_| wrong(field, text, "an address"))
}

/// Seconds since the epoch, in decimals, to the nanosecond: a double would round them to 240 ns.
fn seconds(field: &str, text: &str) -> Result<Timestamp> {
    let refuse = || wrong(field, text, "seconds since the epoch with at most 9 decimals");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refuse());
    }
    let whole: u32 = whole.parse().map_err(|_| refuse())?;
    let nanos = format!("{fraction:0<9}").parse().map_err(|_| refuse())?;
    Ok(Timestamp::from_parts(i64::from(whole), nanos))
}

/// What a CSV error says, without the place, which stands before it already.
fn reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => err.kind().to_string(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields, it must be {expected_len}, as many as in the header")
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const HEADER: &str = "id,category,start_ts,end_ts,src,dst,proto,dport,sport,match,tool,params\n";

    fn file(content: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(content.as_bytes()).expect("written");
        file
    }

    fn labels(rows: &str, attackers: &str) -> Labels {
        let (labels, attackers) = (file(&format!("{HEADER}{rows}")), file(attackers));
        Labels::read(labels.path(), Some(attackers.path())).expect("valid")
    }

    fn key(protocol: Protocol, orig: (&str, u16), resp: (&str, u16)) -> FlowKey {
        let end = |(addr, port): (&str, u16)| Endpoint { addr: addr.parse().expect("an address"), port };
        FlowKey { orig: end(orig), resp: end(resp), protocol, icmp_type: None, vlans: [0; 2] }
    }

    const ROWS: &str = "1,scan,1000.5,1010,10.0.0.66,10.0.0.1,tcp,top200,*,host,nmap,\"-p 1,2\"\n\
        2,beacon,1000,1100,10.0.0.5,203.0.113.9,tcp,443,*,tuple,x,\n\
        3,exfil,1005,1006,10.0.0.66,*,udp,\"53,5000-5010\",*,tuple,x,\n\
        4,late,1020,1030,10.0.0.66,*,*,*,*,host,x,\n";

    #[test]
    fn windows_orientation_and_precedence() {
        let labels = labels(ROWS, r#"{"atk": "10.0.0.66", "atk2": "10.0.0.67", "lan": "10.0.0.0/24"}"#);
        let at = |millis: i64, key: FlowKey| labels.label(&key, Timestamp::from_nanos(millis * 1_000_000));
        let scan = key(Protocol::Tcp, ("10.0.0.66", 4000), ("10.0.0.1", 80));
        // The window opens a quarter of a second early and closes on its written end.
        assert_eq!(at(1_000_249, scan), Label::AttackerOther);
        assert_eq!(at(1_000_250, scan), Label::Attack { category: "scan", id: "1" });
        assert_eq!(at(1_010_000, scan.reversed()).category(), Some("scan"));
        assert_eq!(at(1_010_001, scan), Label::AttackerOther);
        assert_eq!(at(1_025_000, scan), Label::Attack { category: "late", id: "4" });

        let beacon = key(Protocol::Tcp, ("10.0.0.5", 4000), ("203.0.113.9", 443));
        assert_eq!(at(1_000_000, beacon).category(), Some("beacon"));
        assert_eq!(at(1_000_000, beacon.reversed()).category(), Some("beacon"));
        assert_eq!(at(1_000_000, FlowKey { protocol: Protocol::Udp, ..beacon }), Label::Benign);
        let other_port = key(Protocol::Tcp, ("10.0.0.5", 443), ("203.0.113.9", 444));
        assert_eq!(at(1_000_000, other_port), Label::Benign, "the port belongs to the destination");

        // Tuples come before hosts, whatever stands first in the file or in time.
        let exfil = key(Protocol::Udp, ("10.0.0.66", 4000), ("10.0.0.1", 5007));
        assert_eq!(at(1_005_500, exfil).category(), Some("exfil"));
        assert_eq!(at(1_006_500, exfil).category(), Some("scan"));
        assert_eq!(at(1_006_500, key(Protocol::Tcp, ("10.0.0.67", 1), ("10.0.0.1", 2))), Label::AttackerOther);
        assert_eq!(labels.categories(), ["beacon", "exfil", "late", "scan"]);
    }

    #[test]
    fn strict_leaves_out_address_resolution_of_other_attacks() {
        let attack = |category| Label::Attack { category, id: "1" };
        assert_eq!(attack("icmp_tunnel").strict(Protocol::Arp), Label::AttackerOther);
        assert_eq!(attack("icmp_tunnel").strict(Protocol::Icmp), attack("icmp_tunnel"));
        assert_eq!(attack("arp_burst").strict(Protocol::Arp), attack("arp_burst"));
        assert_eq!(attack("host_sweep").strict(Protocol::Arp), attack("host_sweep"));
        assert_eq!(Label::Benign.strict(Protocol::Arp), Label::Benign);
    }

    #[test]
    fn ports_of_icmp_are_its_type_where_it_has_no_identifier() {
        let mut echo = key(Protocol::Icmp, ("10.0.0.1", 77), ("10.0.0.2", 77));
        assert_eq!(numbered_ends(&echo).0.port, 77);
        (echo.orig.port, echo.resp.port, echo.icmp_type) = (0, 0, Some(3));
        assert_eq!((numbered_ends(&echo).0.port, numbered_ends(&echo).1.port), (60_003, 60_003));
        assert_eq!(protocol_name(Protocol::Other(47)), "47");
        assert_eq!(protocol_name(Protocol::Icmpv6), "58");
    }

    #[test]
    fn refuses_with_path_line_field_and_what_would_be_right() {
        let refuse = |row: &str| {
            let file = file(&format!("{HEADER}{row}\n"));
            let error = Labels::read(file.path(), None).expect_err("must refuse");
            assert_eq!(error.kind(), ErrorKind::Data);
            let text = error.to_string();
            let place = format!("{}, line 2: ", file.path().display());
            text.strip_prefix(&place).unwrap_or_else(|| panic!("{text} does not begin with {place}")).to_owned()
        };
        assert_eq!(
            refuse("1,a,yesterday,2,10.0.0.1,*,*,*,*,host,x,"),
            "start_ts is \"yesterday\", it must be seconds since the epoch with at most 9 decimals"
        );
        assert_eq!(refuse("1,a,1,2,*,*,*,*,*,host,x,"), "src is \"*\", it must be an address");
        assert_eq!(refuse("1,a,1,2,10.0.0.1,*,*,*,*,pair,x,"), "match is \"pair\", it must be host or tuple");
        assert!(
            refuse("1,a,1,2,10.0.0.1,10.0.0.1/24,*,*,*,tuple,x,").starts_with("dst is \"10.0.0.1/24\", it must be")
        );
        assert_eq!(refuse("1,a,1"), "3 fields, it must be 12, as many as in the header");

        let error = Labels::read("no/such/labels.csv", None).expect_err("must refuse");
        assert_eq!(error.kind(), ErrorKind::Io);
        let attackers = file(r#"{"atk": "me"}"#);
        let error = Labels::read(file(HEADER).path(), Some(attackers.path())).expect_err("must refuse").to_string();
        assert!(error.ends_with("atk is \"me\", it must be an address"), "{error}");
    }
}
