//! The facts that columns state, and the words of their sentences.
//!
//! Columns that state the same fact stand together: what one of them says follows from, or bounds, what the others say, so that
//! none could be as expected while the others are not. A count over 10 s is part of that over 60 s; bytes are packets
//! times their mean payload; the longest silence is part of the duration. An explanation names a fact and sets all its columns
//! to what was expected.

use super::Column;
use std::{collections::HashMap, sync::LazyLock};

/// A fact: its name, whose values its columns are, and each column with the words of its sentence
/// ([`Column::phrase`](super::Column::phrase)). A column named without its span stands for those of 10 s and 60 s.
type Fact = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const SESSIONS: &str = "sessions";
const HOSTS: &str = "hosts";
const PAIRS: &str = "pairs of hosts";

const FACTS: &[Fact] = &[
    // Of the session itself.
    (
        "timing",
        SESSIONS,
        &[
            ("duration", "a duration of {}"),
            ("gap_mean", "{} between packets on average"),
            ("gap_deviation", "a deviation of {} in the time between packets"),
            ("gap_min", "at least {} between packets"),
            ("gap_max", "a longest silence of {}"),
            ("orig_gap_mean", "{} between the originator's packets on average"),
        ],
    ),
    (
        "request",
        SESSIONS,
        &[
            ("orig_packets", "{} from the originator"),
            ("orig_bytes", "{} of payload from the originator"),
            ("orig_data_share", "payload in {} of the originator's packets"),
            ("orig_payload_mean", "{} of payload a packet of the originator"),
            ("orig_payload_deviation", "a deviation of {} in the originator's payloads"),
            ("orig_payload_max", "{} in the largest payload of the originator"),
        ],
    ),
    // All 0 where nobody answered.
    (
        "answer",
        SESSIONS,
        &[
            ("answered", "nobody answered|somebody answered"),
            ("resp_packets", "{} from the responder"),
            ("resp_bytes", "{} of payload from the responder"),
            ("resp_data_share", "payload in {} of the responder's packets"),
            ("resp_payload_mean", "{} of payload a packet of the responder"),
            ("resp_payload_deviation", "a deviation of {} in the responder's payloads"),
            ("resp_payload_max", "{} in the largest payload of the responder"),
        ],
    ),
    // These follow from either side: they are set where one of them is.
    (
        "request answer",
        SESSIONS,
        &[("up_down", "a log ratio of payload up to payload down of {}"), ("turns", "{} of who sends payload")],
    ),
    ("request orig_content", SESSIONS, &[("orig_entropy", "{} of entropy a byte in the originator's payload")]),
    ("answer resp_content", SESSIONS, &[("resp_entropy", "{} of entropy a byte in the responder's payload")]),
    (
        "answer timing",
        SESSIONS,
        &[
            ("handshake", "a handshake of {}"),
            ("response", "{} until the first payload back"),
            ("resp_gap_mean", "{} between the responder's packets on average"),
        ],
    ),
    ("answer windows", SESSIONS, &[("resp_window", "a window of {} in the responder's first packet")]),
    // Counted over both directions, but for the originator's own.
    (
        "flags answer",
        SESSIONS,
        &[
            ("syn", "{} with SYN"),
            ("fin", "{} with FIN"),
            ("resp_rst", "{} with RST from the responder"),
            ("push_share", "PSH in {} of the packets"),
            ("ack_share", "ACK in {} of the packets"),
        ],
    ),
    ("flags", SESSIONS, &[("orig_rst", "{} with RST from the originator"), ("urgent", "{} with URG")]),
    (
        "windows",
        SESSIONS,
        &[
            ("orig_window", "a window of {} in the originator's first packet"),
            ("zero_windows", "{} that closed the window"),
        ],
    ),
    ("order", SESSIONS, &[("retransmissions", "{retransmitted}"), ("disorder", "{} out of order")]),
    ("fragments", SESSIONS, &[("fragments", "{} with IP fragments")]),
    (
        "protocol",
        SESSIONS,
        &[("tcp", "no TCP|TCP"), ("udp", "no UDP|UDP"), ("icmp", "no ICMP|ICMP"), ("arp", "no ARP|ARP")],
    ),
    ("to_itself", SESSIONS, &[("to_itself", "two addresses|one address as source and destination")]),
    // Of what its hosts did lately. The sessions of a service are among those of its pair of hosts, and these among those of the
    // source and those of the destination: one burst of sessions is in all of these counts.
    (
        "sessions",
        HOSTS,
        &[
            ("source_attempts", "{} started by the source"),
            ("source_sessions", "{[outcome]} of the source"),
            ("destination_sessions", "{[outcome]} to the destination"),
        ],
    ),
    (
        "sessions",
        PAIRS,
        &[
            ("pair_attempts", "{} started by the pair"),
            ("pair_sessions", "{[outcome]} of the pair"),
            ("host_pair_sessions", "{} of the pair over all services"),
            ("host_pair_answered", "{answered} of the pair in 60 s"),
            ("host_pair_failed", "{failed} of the pair in 60 s"),
            ("host_pair_open", "{} of the pair open at once"),
            ("service_sessions", "{} of the pair to this service"),
            ("service_open", "{} open at once to this service"),
        ],
    ),
    // Of the last 16 sessions to the service. How far apart they are is how many there are as well, and how they differ is said
    // from 4 of them on: with fewer sessions none of this would be there.
    (
        "regularity sessions",
        PAIRS,
        &[
            ("service_recent", "{} of the pair known to this service"),
            ("service_gap", "{} between sessions to this service on average"),
            ("service_gap_variation", "a time between sessions to this service that varies by {} of its mean"),
            ("service_payload_variation", "a payload of sessions to this service that varies by {} of its mean"),
        ],
    ),
    // Likewise the ports of the pair are among those of the source and those of the destination.
    (
        "ports",
        HOSTS,
        &[
            ("source_ports", "{destination} in the source's [outcome] sessions"),
            ("destination_ports", "{} of the destination in [outcome] sessions"),
        ],
    ),
    (
        "ports",
        PAIRS,
        &[
            ("pair_ports", "{destination} in the pair's [outcome] sessions"),
            ("host_pair_ports", "{destination} of the pair over all services"),
        ],
    ),
    ("destinations", HOSTS, &[("source_hosts", "{destination} in the source's [outcome] sessions")]),
    (
        "sources",
        HOSTS,
        &[
            ("destination_hosts", "{source} in [outcome] sessions to the destination"),
            ("port_hosts", "{source} in [outcome] sessions to this port of the destination"),
        ],
    ),
    ("failures", PAIRS, &[("service_failed", "{} of the service's sessions failed in 60 s")]),
    // What the session itself sent is among this.
    (
        "traffic request",
        PAIRS,
        &[
            ("service_up", "{} sent to the service in 60 s"),
            ("host_pair_up", "{} from the source to the destination in 60 s"),
        ],
    ),
    (
        "traffic answer",
        PAIRS,
        &[
            ("service_down", "{} sent by the service in 60 s"),
            ("host_pair_down", "{} from the destination to the source in 60 s"),
        ],
    ),
    (
        "traffic request answer",
        PAIRS,
        &[("service_up_down", "a log ratio of the service's payload up to payload down of {}")],
    ),
    (
        "dns_answer",
        SESSIONS,
        &[
            ("dns_error", "no error in the DNS answer|an error in the DNS answer"),
            ("dns_answers", "{} in the DNS answer"),
        ],
    ),
    // Each query is a session.
    ("queries sessions", HOSTS, &[("domain_queries", "{} under one domain")]),
    ("queries", HOSTS, &[("domain_names", "{different} under one domain in 60 s")]),
    (
        "dns_name",
        HOSTS,
        &[
            ("domain_name_length", "{} a name on average under one domain in 60 s"),
            ("domain_name_entropy", "{} of entropy a character in names under one domain in 60 s"),
        ],
    ),
    (
        "dns_name",
        SESSIONS,
        &[
            ("dns_name_length", "{} in the name asked"),
            ("dns_name_entropy", "{} of entropy a character in the name asked"),
            ("dns_labels", "{} in the name asked"),
            ("dns_longest_label", "{} in the longest label of the name asked"),
        ],
    ),
    (
        "dns_type",
        SESSIONS,
        &[("dns_type", "no DNS query|a query for an address|a query of a common type|a query of a rare type")],
    ),
    ("arp_claims", HOSTS, &[("arp_claims", "{} claimed by one hardware address by ARP in 60 s")]),
];

/// Of one packet.
const PACKETS: &[Fact] = &[
    // No entropy without payload.
    ("payload", SESSIONS, &[("payload", "{} of payload"), ("entropy", "{} of entropy a byte")]),
    ("gap", SESSIONS, &[("gap", "{} after the packet before")]),
    ("direction", SESSIONS, &[("direction", "sent by the originator|sent by the responder")]),
    // The protocol decides what the control number means and whether there is a window.
    (
        "header",
        SESSIONS,
        &[
            ("class", "TCP|UDP|ICMP|another protocol"),
            ("control", "TCP flags, ICMP type or ARP operation {}"),
            ("window", "a window of {}"),
        ],
    ),
    ("order", SESSIONS, &[("order", "next in its stream|a retransmission or fragment|out of order")]),
    ("ip_len", SESSIONS, &[("ip_len", "a length of {}")]),
];

/// What is said of one column.
struct Words {
    fact: &'static str,
    subject: &'static str,
    phrase: String,
}

/// By column: schemas are made often, and searching the tables would cost more than all else of it.
type Dictionary = LazyLock<HashMap<String, Words>>;

static OF_SESSION: Dictionary = LazyLock::new(|| dictionary(FACTS));
static OF_PACKET: Dictionary = LazyLock::new(|| dictionary(PACKETS));

fn dictionary(facts: &[Fact]) -> HashMap<String, Words> {
    let mut words = HashMap::new();
    for &(fact, subject, columns) in facts {
        for &(name, phrase) in columns {
            for (ending, span) in [("", ""), ("_10s", " in 10 s"), ("_60s", " in 60 s")] {
                let phrase = format!("{phrase}{span}");
                words.insert(format!("{name}{ending}"), Words { fact, subject, phrase });
            }
        }
    }
    words
}

/// A column of a whole session with its fact and its words.
pub(super) fn of_session(column: Column) -> Column {
    worded(&OF_SESSION, column)
}

/// A column of a packet with its fact and its words.
pub(super) fn of_packet(column: Column) -> Column {
    worded(&OF_PACKET, column)
}

fn worded(dictionary: &'static Dictionary, column: Column) -> Column {
    match dictionary.get(column.name.as_ref()) {
        Some(Words { fact, subject, phrase }) => column.fact(*fact).subject(*subject).phrase(phrase.as_str()),
        None => column,
    }
}

#[cfg(test)]
mod tests {
    use crate::features::FeatureSpec;

    #[test]
    fn every_column_has_words_for_its_value() {
        let flat = FeatureSpec::flow().and(FeatureSpec::context()).unwrap().schema();
        let packets = FeatureSpec::packets(1).schema();
        for column in flat.columns().iter().chain(packets.columns()) {
            let phrase = &column.phrase;
            assert!(phrase.contains('|') != phrase.contains('{'), "{}: {phrase}", column.name);
            assert_eq!(phrase.matches('{').count(), phrase.matches('}').count(), "{phrase}");
            assert!(phrase.matches('{').count() <= 1, "{phrase}");
        }
        let of = |name: &str| {
            let column = flat.columns().iter().find(|column| column.name == name).unwrap();
            (column.fact.to_string(), column.phrase.to_string())
        };
        let ports = "{destination} in the source's [outcome] sessions in 10 s";
        assert_eq!(of("source_ports_10s"), ("ports".to_owned(), ports.to_owned()));
        assert_eq!(of("up_down").0, "request answer");
    }

    #[test]
    fn no_words_without_a_column() {
        let flat = FeatureSpec::flow().and(FeatureSpec::context()).unwrap().schema();
        let named = |stem: &str| {
            flat.columns().iter().any(|column| column.name == stem || column.name == format!("{stem}_10s"))
        };
        for (fact, _, columns) in super::FACTS {
            assert!(columns.iter().all(|(stem, _)| named(stem)), "{fact}");
        }
    }
}
