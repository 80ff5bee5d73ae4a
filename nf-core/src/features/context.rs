//! The columns of what a session's hosts did around it, and of its DNS question.

use super::{
    Transform::{self, Divide, Gap, Identity, Variation},
    flow::COUNT,
    schema::Column,
    spec::FlatColumn,
};
use crate::{
    decode::{DnsFacts, Protocol},
    session::{Context, Service, Session},
};

const ENTROPY: Transform = Divide { scale: 8.0 };

pub(super) fn columns() -> Vec<FlatColumn> {
    let mut columns = Vec::new();
    let mut add = |name, unit, transform, meaning, catches, value: fn(&Session) -> f64| {
        columns.push((Column::new(name, unit, meaning).transform(transform).catches(catches), value));
    };
    macro_rules! counts {
        ($($name:literal, $unit:literal, $meaning:literal, $catches:literal, $($field:ident).+ $(, for each of $each:ident)?;)*) => {
            $(
                add(concat!($name, "_10s"), $unit, COUNT, concat!($meaning, ", in 10 s"), $catches, |s| {
                    context(s).$($field).+[0] $(/ $each(s))?
                });
                add(concat!($name, "_60s"), $unit, COUNT, concat!($meaning, ", in 60 s"), $catches, |s| {
                    context(s).$($field).+[1] $(/ $each(s))?
                });
            )*
        };
    }
    counts! {
        "source_attempts", "sessions", "sessions the source started within this class",
            "scans, sweeps and floods whose answers are still out", source.attempts;
        "source_sessions", "sessions", "the source's sessions of this class and outcome",
            "scans, sweeps and floods where they failed, guessing where they were answered", source.sessions;
        "source_ports", "ports", "different destination ports in these",
            "port scans, of one host or of several", source.ports;
        "source_hosts", "hosts", "different destinations in these",
            "sweeps, worms", source.hosts;
        "pair_attempts", "sessions", "sessions the pair started within this class",
            "scans, floods and guessing against one host, before outcomes are known", pair.attempts;
        "pair_sessions", "sessions", "the pair's sessions of this class and outcome",
            "port scans where they failed, guessing and searches for paths where they were answered", pair.sessions;
        "pair_ports", "ports", "different destination ports in these",
            "port scans of one host", pair.ports;
        "destination_sessions", "sessions per client",
            "the destination's sessions of this class and outcome, for each client of the network",
            "floods, also with forged senders; guessing from many hosts", destination.sessions, for each of clients;
        "destination_ports", "ports", "different destination ports in these",
            "port scans of one host from many", destination.ports;
        "destination_hosts", "hosts per client", "different sources in these, for each client of the network",
            "floods with forged senders, scans and guessing from many hosts", destination.hosts, for each of clients;
        "port_hosts", "hosts per client",
            "different sources in sessions of this outcome to this port of the destination, for each client of the network",
            "floods with forged senders and guessing from many hosts at one service", port_sources, for each of clients;
        "service_sessions", "sessions", "sessions of the pair to this service",
            "guessing, searches for paths and floods at one service; beacons where there is little else", service.sessions;
        "host_pair_sessions", "sessions", "sessions of the pair over all services",
            "scans, floods and guessing that change protocol or outcome from session to session", host_pair.sessions;
        "host_pair_ports", "ports", "different destination ports in these",
            "port scans of which some ports answer", host_pair.ports;
    }
    add(
        "service_failed",
        "share",
        Identity,
        "share of the service's sessions whose outcome became known in 60 s that failed; 0 without any",
        "scans and floods; guessing at a service that closes without a word",
        |s| context(s).service.failed,
    );
    add(
        "service_up",
        "bytes",
        COUNT,
        "payload from the source to the service in 60 s",
        "exfiltration in many small sessions",
        |s| context(s).service.bytes_up,
    );
    add(
        "service_down",
        "bytes",
        COUNT,
        "payload from the service in 60 s",
        "downloads of a whole service; with many sessions and none of it, scans and floods",
        |s| context(s).service.bytes_down,
    );
    add(
        "service_open",
        "sessions",
        COUNT,
        "sessions of the pair open at once to this service",
        "exhaustion of connections (slowloris), floods",
        |s| context(s).service.open,
    );
    add(
        "service_recent",
        "sessions",
        COUNT,
        "how many of the last 16 sessions to this service are known",
        "first contacts; says how much the regularity beside it rests on",
        |s| context(s).service.recent,
    );
    add(
        "service_gap",
        "s",
        Gap,
        "mean time between the starts of the last 16 sessions to this service; 60 below 4",
        "beacons; guessing at the pace of a machine",
        |s| context(s).service.gap_mean,
    );
    add(
        "service_gap_variation",
        "",
        Variation,
        "their deviation over their mean; 1 below 4 sessions and for ARP",
        "beacons: a timer is more regular than a person",
        |s| rhythm(s, |service| service.gap_variation),
    );
    add(
        "service_up_down",
        "",
        Identity,
        "ln((1 + payload up) / (1 + payload down)) of the last 16 sessions",
        "exfiltration and reverse shells: more goes out than comes in",
        |s| context(s).service.up_down,
    );
    add(
        "service_payload_variation",
        "",
        Variation,
        "deviation over mean of their payload; 1 below 4 sessions and for ARP",
        "beacons and guessing, whose sessions are alike",
        |s| rhythm(s, |service| service.payload_variation),
    );
    add(
        "host_pair_answered",
        "sessions",
        COUNT,
        "the pair's answered sessions in 60 s, over all services",
        "guessing and searches over several services",
        |s| context(s).host_pair.answered,
    );
    add(
        "host_pair_failed",
        "sessions",
        COUNT,
        "the pair's failed sessions in 60 s, over all services",
        "scans, also those that only resets answer",
        |s| context(s).host_pair.failed,
    );
    add(
        "host_pair_up",
        "bytes",
        COUNT,
        "payload from the source in 60 s, over all services",
        "exfiltration over several services or protocols",
        |s| context(s).host_pair.bytes_up,
    );
    add(
        "host_pair_down",
        "bytes",
        COUNT,
        "payload to the source in 60 s, over all services",
        "downloads over several services; with many sessions and none of it, scans",
        |s| context(s).host_pair.bytes_down,
    );
    add(
        "host_pair_open",
        "sessions",
        COUNT,
        "sessions of the pair open at once",
        "exhaustion of connections over several ports",
        |s| context(s).host_pair.open,
    );
    add(
        "dns_error",
        "",
        Identity,
        "1 where the DNS answer was an error, else 0",
        "names made by algorithm, which mostly do not exist",
        |s| dns(s, |dns| f64::from(u8::from(dns.answer_code.is_some_and(|code| code != 0)))),
    );
    add(
        "dns_answers",
        "records",
        COUNT,
        "records in the DNS answer; 0 without",
        "tunnels, whose answers are unlike those with addresses; amplification",
        |s| dns(s, |dns| f64::from(dns.answers)),
    );
    columns.extend(where_asked());
    columns
}

/// Columns of DNS and ARP alone: 0 says that a session has neither.
fn where_asked() -> Vec<FlatColumn> {
    let mut columns = Vec::new();
    let mut add = |name, unit, transform, meaning, catches, value: fn(&Session) -> f64| {
        let column = Column::new(name, unit, meaning).transform(transform).catches(catches);
        columns.push((column.missing(0.0), value));
    };
    add(
        "domain_queries_10s",
        "queries",
        COUNT,
        "the source's DNS queries under this parent domain, in 10 s",
        "DNS tunnels and exfiltration: many queries under one domain",
        |s| context(s).domain.queries[0],
    );
    add(
        "domain_queries_60s",
        "queries",
        COUNT,
        "the source's DNS queries under this parent domain, in 60 s",
        "DNS tunnels and exfiltration: many queries under one domain",
        |s| context(s).domain.queries[1],
    );
    add(
        "domain_names",
        "names",
        COUNT,
        "different names in these, in 60 s",
        "DNS tunnels and exfiltration: each query asks another name",
        |s| context(s).domain.names,
    );
    add(
        "domain_name_length",
        "characters",
        COUNT,
        "their mean length",
        "DNS tunnels and exfiltration: names as long as they may be",
        |s| context(s).domain.name_length,
    );
    add(
        "domain_name_entropy",
        "bits",
        ENTROPY,
        "their mean entropy a character",
        "DNS tunnels and exfiltration: names that hold encoded data; names made by algorithm",
        |s| context(s).domain.name_entropy,
    );
    add("dns_name_length", "characters", COUNT, "length of the name asked first", "the same, by a single name", |s| {
        dns(s, |dns| dns.name.len() as f64)
    });
    add("dns_name_entropy", "bits", ENTROPY, "its entropy a character", "the same, by a single name", |s| {
        dns(s, |dns| crate::session::name_entropy(&dns.name))
    });
    add("dns_labels", "labels", COUNT, "its labels", "exfiltration cut into labels", |s| {
        dns(s, |dns| dns.name.split('.').filter(|label| !label.is_empty()).count() as f64)
    });
    add(
        "dns_longest_label",
        "characters",
        COUNT,
        "its longest label",
        "encoded data: labels of people and services are short",
        |s| dns(s, |dns| dns.name.split('.').map(str::len).max().unwrap_or(0) as f64),
    );
    add(
        "dns_type",
        "",
        Identity,
        "what was asked: 1/3 an address, 2/3 another common type, 1 a rare type",
        "tunnels that ask for NULL, TXT under odd names or private types",
        |s| dns(s, |dns| type_class(dns.query_type)),
    );
    add(
        "arp_claims",
        "addresses",
        COUNT,
        "addresses that the sender's hardware address claimed by ARP in 60 s",
        "spoofed and bursting ARP: one network card that claims many addresses",
        |s| context(s).arp_claims,
    );
    columns
}

/// Sources of answered TCP sessions in the whole network, and at least one. What comes together at a server grows with the number
/// of its clients, so it is counted for each of them.
fn clients(session: &Session) -> f64 {
    context(session).clients.max(1.0)
}

fn context(session: &Session) -> Context {
    session.context().copied().unwrap_or_default()
}

/// How regular the use of a service is. Address resolution is not asked: hosts refresh it by a timer, so regularity says
/// nothing there.
fn rhythm(session: &Session, variation: impl FnOnce(&Service) -> f64) -> f64 {
    if session.key().protocol == Protocol::Arp { 1.0 } else { variation(&context(session).service) }
}

fn dns(session: &Session, value: impl FnOnce(&DnsFacts) -> f64) -> f64 {
    session.dns().map_or(0.0, value)
}

/// How usual a query type is: A and AAAA; types that clients and mail servers ask (NS, CNAME, SOA, PTR, MX, TXT, SRV,
/// HTTPS); all others, among them NULL and private ones that tunnels use.
fn type_class(query_type: u16) -> f64 {
    match query_type {
        1 | 28 => 1.0 / 3.0,
        2 | 5 | 6 | 12 | 15 | 16 | 33 | 65 => 2.0 / 3.0,
        _ => 1.0,
    }
}
