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
    let mut add = |name, unit, transform, meaning, value: fn(&Session) -> f64| {
        columns.push((Column::new(name, unit, meaning).transform(transform), value));
    };
    macro_rules! counts {
        ($($name:literal, $unit:literal, $meaning:literal, $($field:ident).+;)*) => {
            $(
                add(concat!($name, "_10s"), $unit, COUNT, concat!($meaning, ", in 10 s"), |s| context(s).$($field).+[0]);
                add(concat!($name, "_60s"), $unit, COUNT, concat!($meaning, ", in 60 s"), |s| context(s).$($field).+[1]);
            )*
        };
    }
    counts! {
        "source_attempts", "sessions", "sessions the source started within this class", source.attempts;
        "source_sessions", "sessions", "the source's sessions of this class and outcome", source.sessions;
        "source_ports", "ports", "different destination ports in these", source.ports;
        "source_hosts", "hosts", "different destinations in these", source.hosts;
        "pair_attempts", "sessions", "sessions the pair started within this class", pair.attempts;
        "pair_sessions", "sessions", "the pair's sessions of this class and outcome", pair.sessions;
        "pair_ports", "ports", "different destination ports in these", pair.ports;
        "destination_sessions", "sessions", "the destination's sessions of this class and outcome", destination.sessions;
        "destination_ports", "ports", "different destination ports in these", destination.ports;
        "destination_hosts", "hosts", "different sources in these", destination.hosts;
        "port_hosts", "hosts", "different sources in sessions of this outcome to this port of the destination", port_sources;
        "service_sessions", "sessions", "sessions of the pair to this service", service.sessions;
        "host_pair_sessions", "sessions", "sessions of the pair over all services", host_pair.sessions;
        "host_pair_ports", "ports", "different destination ports in these", host_pair.ports;
    }
    add(
        "service_failed",
        "share",
        Identity,
        "share of the service's sessions whose outcome became known in 60 s that failed; 0 without any",
        |s| context(s).service.failed,
    );
    add("service_up", "bytes", COUNT, "payload from the source to the service in 60 s", |s| {
        context(s).service.bytes_up
    });
    add("service_down", "bytes", COUNT, "payload from the service in 60 s", |s| context(s).service.bytes_down);
    add("service_open", "sessions", COUNT, "sessions of the pair open at once to this service", |s| {
        context(s).service.open
    });
    add("service_recent", "sessions", COUNT, "how many of the last 16 sessions to this service are known", |s| {
        context(s).service.recent
    });
    add(
        "service_gap",
        "s",
        Gap,
        "mean time between the starts of the last 16 sessions to this service; 60 below 4",
        |s| context(s).service.gap_mean,
    );
    add(
        "service_gap_variation",
        "",
        Variation,
        "their deviation over their mean; 1 below 4 sessions and for ARP",
        |s| rhythm(s, |service| service.gap_variation),
    );
    add("service_up_down", "", Identity, "ln((1 + payload up) / (1 + payload down)) of the last 16 sessions", |s| {
        context(s).service.up_down
    });
    add(
        "service_payload_variation",
        "",
        Variation,
        "deviation over mean of their payload; 1 below 4 sessions and for ARP",
        |s| rhythm(s, |service| service.payload_variation),
    );
    add("host_pair_answered", "sessions", COUNT, "the pair's answered sessions in 60 s, over all services", |s| {
        context(s).host_pair.answered
    });
    add("host_pair_failed", "sessions", COUNT, "the pair's failed sessions in 60 s, over all services", |s| {
        context(s).host_pair.failed
    });
    add("host_pair_up", "bytes", COUNT, "payload from the source in 60 s, over all services", |s| {
        context(s).host_pair.bytes_up
    });
    add("host_pair_down", "bytes", COUNT, "payload to the source in 60 s, over all services", |s| {
        context(s).host_pair.bytes_down
    });
    add("host_pair_open", "sessions", COUNT, "sessions of the pair open at once", |s| context(s).host_pair.open);
    add("dns_error", "", Identity, "1 where the DNS answer was an error, else 0", |s| {
        dns(s, |dns| f64::from(u8::from(dns.answer_code.is_some_and(|code| code != 0))))
    });
    add("dns_answers", "records", COUNT, "records in the DNS answer; 0 without", |s| {
        dns(s, |dns| f64::from(dns.answers))
    });
    columns.extend(where_asked());
    columns
}

/// Columns of DNS and ARP alone: 0 says that a session has neither.
fn where_asked() -> Vec<FlatColumn> {
    let mut columns = Vec::new();
    let mut add = |name, unit, transform, meaning, value: fn(&Session) -> f64| {
        columns.push((Column::new(name, unit, meaning).transform(transform).missing(0.0), value));
    };
    add("domain_queries_10s", "queries", COUNT, "the source's DNS queries under this parent domain, in 10 s", |s| {
        context(s).domain.queries[0]
    });
    add("domain_queries_60s", "queries", COUNT, "the source's DNS queries under this parent domain, in 60 s", |s| {
        context(s).domain.queries[1]
    });
    add("domain_names", "names", COUNT, "different names in these, in 60 s", |s| context(s).domain.names);
    add("domain_name_length", "characters", COUNT, "their mean length", |s| context(s).domain.name_length);
    add("domain_name_entropy", "bits", ENTROPY, "their mean entropy a character", |s| context(s).domain.name_entropy);
    add("dns_name_length", "characters", COUNT, "length of the name asked first", |s| {
        dns(s, |dns| dns.name.len() as f64)
    });
    add("dns_name_entropy", "bits", ENTROPY, "its entropy a character", |s| {
        dns(s, |dns| crate::session::name_entropy(&dns.name))
    });
    add("dns_labels", "labels", COUNT, "its labels", |s| {
        dns(s, |dns| dns.name.split('.').filter(|label| !label.is_empty()).count() as f64)
    });
    add("dns_longest_label", "characters", COUNT, "its longest label", |s| {
        dns(s, |dns| dns.name.split('.').map(str::len).max().unwrap_or(0) as f64)
    });
    add("dns_type", "", Identity, "what was asked: 1/3 an address, 2/3 another common type, 1 a rare type", |s| {
        dns(s, |dns| type_class(dns.query_type))
    });
    add("arp_claims", "addresses", COUNT, "addresses that the sender's hardware address claimed by ARP in 60 s", |s| {
        context(s).arp_claims
    });
    columns
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
