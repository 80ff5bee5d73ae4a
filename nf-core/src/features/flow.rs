//! The columns of a whole session.

use super::{
    Transform::{self, Divide, Gap, Identity, Log},
    schema::Column,
    spec::FlatColumn,
};
use crate::{
    decode::{Protocol, TcpFlags},
    session::{DirectionStats, Outcome, Session},
};

/// Counts and bytes: `ln(1 + n)`.
pub(super) const COUNT: Transform = Log { scale: 1.0 };
const ENTROPY: Transform = Divide { scale: 8.0 };

pub(super) fn columns() -> Vec<FlatColumn> {
    let column = |name, unit, transform, meaning, value: fn(&Session) -> f64| -> FlatColumn {
        (Column::new(name, unit, meaning).transform(transform), value)
    };
    vec![
        column("duration", "s", Gap, "from the first packet to the last", |s| s.duration().as_secs_f64()),
        column("orig_packets", "packets", COUNT, "packets of the originator", |s| orig(s).packets as f64),
        column("resp_packets", "packets", COUNT, "packets of the responder", |s| resp(s).packets as f64),
        column("orig_bytes", "bytes", COUNT, "payload of the originator", |s| orig(s).payload_bytes as f64),
        column("resp_bytes", "bytes", COUNT, "payload of the responder", |s| resp(s).payload_bytes as f64),
        column("up_down", "", Identity, "ln((1 + originator's payload) / (1 + responder's payload))", |s| {
            ((1.0 + orig(s).payload_bytes as f64) / (1.0 + resp(s).payload_bytes as f64)).ln()
        }),
        column("orig_data_share", "share", Identity, "share of the originator's packets with payload", |s| {
            data(orig(s))
        }),
        column(
            "resp_data_share",
            "share",
            Identity,
            "share of the responder's packets with payload; 0 without packets",
            |s| data(resp(s)),
        ),
        column("orig_payload_mean", "bytes", COUNT, "mean payload of its packets with payload; 0 without", |s| {
            orig(s).payload.mean()
        }),
        column("resp_payload_mean", "bytes", COUNT, "mean payload of its packets with payload; 0 without", |s| {
            resp(s).payload.mean()
        }),
        column("orig_payload_deviation", "bytes", COUNT, "standard deviation of the same", |s| {
            orig(s).payload.deviation()
        }),
        column("resp_payload_deviation", "bytes", COUNT, "standard deviation of the same", |s| {
            resp(s).payload.deviation()
        }),
        column("orig_payload_max", "bytes", COUNT, "largest payload of the originator; 0 without", |s| {
            orig(s).payload.max()
        }),
        column("resp_payload_max", "bytes", COUNT, "largest payload of the responder; 0 without", |s| {
            resp(s).payload.max()
        }),
        column("gap_mean", "s", Gap, "mean time between packets; 0 for a single packet", |s| s.stats().gaps.mean()),
        column("gap_deviation", "s", Gap, "standard deviation of the same", |s| s.stats().gaps.deviation()),
        column("gap_min", "s", Gap, "shortest time between packets; 0 for a single packet", |s| s.stats().gaps.min()),
        column("gap_max", "s", Gap, "longest time between packets; 0 for a single packet", |s| s.stats().gaps.max()),
        column("orig_gap_mean", "s", Gap, "mean time between the originator's packets; 0 below 2", |s| {
            orig(s).gaps.mean()
        }),
        column("resp_gap_mean", "s", Gap, "mean time between the responder's packets; 0 below 2", |s| {
            resp(s).gaps.mean()
        }),
        column("orig_entropy", "bits", ENTROPY, "mean entropy of a payload byte; 0 without payload", |s| {
            orig(s).entropy.mean()
        }),
        column("resp_entropy", "bits", ENTROPY, "mean entropy of a payload byte; 0 without payload", |s| {
            resp(s).entropy.mean()
        }),
        column("turns", "turns", COUNT, "how often payload changed its direction", |s| f64::from(s.stats().turns)),
        column("handshake", "s", Gap, "from SYN to SYN with ACK; 0 where either was not seen", |s| {
            s.stats().handshake.unwrap_or_default().as_secs_f64()
        }),
        column("response", "s", Gap, "from the first payload to the first payload back; 0 where none came", |s| {
            s.stats().response.unwrap_or_default().as_secs_f64()
        }),
        column("syn", "packets", COUNT, "packets with SYN, both directions", |s| both(s, TcpFlags::SYN)),
        column("fin", "packets", COUNT, "packets with FIN, both directions", |s| both(s, TcpFlags::FIN)),
        column("orig_rst", "packets", COUNT, "resets of the originator", |s| flag(orig(s), TcpFlags::RST)),
        column("resp_rst", "packets", COUNT, "resets of the responder", |s| flag(resp(s), TcpFlags::RST)),
        column("push_share", "share", Identity, "share of TCP packets with PSH; 0 for other protocols", |s| {
            both(s, TcpFlags::PSH) / s.stats().packets().max(1) as f64
        }),
        column("ack_share", "share", Identity, "share of TCP packets with ACK; 0 for other protocols", |s| {
            both(s, TcpFlags::ACK) / s.stats().packets().max(1) as f64
        }),
        column("urgent", "packets", COUNT, "packets with URG, both directions", |s| both(s, TcpFlags::URG)),
        column("orig_window", "bytes", COUNT, "unscaled window of its first TCP packet; 0 for other protocols", |s| {
            f64::from(orig(s).first_window.unwrap_or(0))
        }),
        column("resp_window", "bytes", COUNT, "unscaled window of its first TCP packet; 0 for none", |s| {
            f64::from(resp(s).first_window.unwrap_or(0))
        }),
        column("zero_windows", "packets", COUNT, "TCP packets that closed the window, both directions", |s| {
            f64::from(orig(s).zero_windows + resp(s).zero_windows)
        }),
        column("retransmissions", "packets", COUNT, "retransmitted TCP segments, both directions", |s| {
            f64::from(orig(s).retransmissions + resp(s).retransmissions)
        }),
        column("disorder", "packets", COUNT, "TCP segments out of order or behind a hole, both directions", |s| {
            f64::from(orig(s).disorder + resp(s).disorder)
        }),
        column("fragments", "packets", COUNT, "IP fragments behind the first of their packet", |s| {
            f64::from(s.stats().fragments)
        }),
        column("tcp", "", Identity, "1 for TCP", |s| is(s.key().protocol == Protocol::Tcp)),
        column("udp", "", Identity, "1 for UDP", |s| is(s.key().protocol == Protocol::Udp)),
        column("icmp", "", Identity, "1 for ICMP and ICMPv6", |s| {
            is(matches!(s.key().protocol, Protocol::Icmp | Protocol::Icmpv6))
        }),
        column("arp", "", Identity, "1 for ARP", |s| is(s.key().protocol == Protocol::Arp)),
        column("answered", "", Identity, "1 where somebody answered", |s| is(s.outcome() == Outcome::Answered)),
        column(
            "to_itself",
            "",
            Identity,
            "1 where source and destination are one address, as in ARP announcements",
            |s| is(s.key().orig.addr == s.key().resp.addr),
        ),
    ]
}

fn orig(session: &Session) -> &DirectionStats {
    &session.stats().orig
}

fn resp(session: &Session) -> &DirectionStats {
    &session.stats().resp
}

fn data(side: &DirectionStats) -> f64 {
    side.payload.count() as f64 / side.packets.max(1) as f64
}

fn flag(side: &DirectionStats, flag: TcpFlags) -> f64 {
    f64::from(side.flags[flag.0.trailing_zeros() as usize])
}

fn both(session: &Session, of: TcpFlags) -> f64 {
    flag(orig(session), of) + flag(resp(session), of)
}

fn is(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}
