//! Running statistics over all packets of a session.

use super::{
    moments::Moments,
    record::{Direction, Order, PacketFacts, PacketRecord},
};
use crate::decode::{Packet, TcpFlags};
use std::time::Duration;

/// Gaps are counted in nanoseconds.
const NANOS: u64 = 1_000_000_000;

/// Entropies are counted in steps that an `f32` between 0.5 and 1 bit a byte has; above, it has coarser ones.
const ENTROPY: u64 = 1 << 24;

/// What one direction of a session carried.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct DirectionStats {
    /// Packets.
    pub packets: u64,
    /// Bytes of whole frames on the wire.
    pub wire_bytes: u64,
    /// Bytes of payload on the wire.
    pub payload_bytes: u64,
    /// Payload lengths of the packets that carried any, in bytes.
    pub payload: Moments<1>,
    /// Time between packets of this direction, in seconds.
    pub gaps: Moments<NANOS>,
    /// Entropy of the packets with captured payload, in bits a byte.
    pub entropy: Moments<ENTROPY>,
    /// How many packets had each TCP flag, from FIN (bit 0) to CWR (bit 7).
    pub flags: [u32; 8],
    /// TCP window of the first packet, unscaled; `None` without TCP packets.
    pub first_window: Option<u16>,
    /// TCP packets that closed the window, resets left out.
    pub zero_windows: u32,
    /// Retransmitted TCP segments.
    pub retransmissions: u32,
    /// TCP segments out of order, and those that left a hole.
    pub disorder: u32,
    last: Option<crate::Timestamp>,
}

/// Statistics over all packets of a session, kept up to date with each.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct SessionStats {
    /// What the end that started the session sent.
    pub orig: DirectionStats,
    /// What the other end sent.
    pub resp: DirectionStats,
    /// Time between packets of either direction, in seconds.
    pub gaps: Moments<NANOS>,
    /// How often the direction changed between packets that carried payload.
    pub turns: u32,
    /// Fragments behind the first of their packet.
    pub fragments: u32,
    /// Packets of which the capture kept only a part.
    pub truncated: u32,
    /// From the first SYN to the first packet with SYN and ACK.
    pub handshake: Option<Duration>,
    /// From the first payload of `orig` to the first payload of `resp` after it.
    pub response: Option<Duration>,
    syn: Option<crate::Timestamp>,
    request: Option<crate::Timestamp>,
    last: Option<crate::Timestamp>,
    speaker: Option<Direction>,
}

impl SessionStats {
    /// Packets of both directions.
    pub fn packets(&self) -> u64 {
        self.orig.packets + self.resp.packets
    }

    /// Bytes of whole frames on the wire, both directions.
    pub fn wire_bytes(&self) -> u64 {
        self.orig.wire_bytes + self.resp.wire_bytes
    }

    /// Bytes of payload on the wire, both directions.
    pub fn payload_bytes(&self) -> u64 {
        self.orig.payload_bytes + self.resp.payload_bytes
    }

    /// Time of the last packet (the latest, where packets came out of order).
    pub(super) fn last(&self) -> Option<crate::Timestamp> {
        self.last
    }

    pub(super) fn set_totals(&mut self, totals: &Totals) {
        for (side, total) in [&mut self.orig, &mut self.resp].into_iter().zip(totals.sides) {
            (side.packets, side.wire_bytes, side.payload_bytes) =
                (total.packets, total.wire_bytes, total.payload_bytes);
        }
        self.truncated = totals.truncated;
    }

    /// Takes in one packet, all but what it adds to the totals.
    pub(super) fn push(&mut self, packet: &PacketRecord, facts: PacketFacts) {
        let nanos = |since: crate::Timestamp| packet.time.nanos_since(since);
        if let Some(last) = self.last {
            self.gaps.push(nanos(last));
        }
        self.last = Some(self.last.map_or(packet.time, |last| last.max(packet.time)));
        self.fragments += u32::from(packet.order == Order::Fragment);

        let side = match packet.direction {
            Direction::Orig => &mut self.orig,
            Direction::Resp => &mut self.resp,
        };
        if let Some(last) = side.last {
            side.gaps.push(nanos(last));
        }
        side.last = Some(side.last.map_or(packet.time, |last| last.max(packet.time)));
        if packet.payload_len > 0 {
            side.payload.push(packet.payload_len.into());
        }
        if facts.payload {
            side.entropy.push(entropy_steps(packet.entropy));
        }
        match packet.order {
            Order::Retransmission => side.retransmissions += 1,
            Order::OutOfOrder | Order::Gap => side.disorder += 1,
            Order::Fresh | Order::Fragment => {}
        }
        if facts.tcp {
            let flags = TcpFlags(packet.control);
            for (bit, count) in side.flags.iter_mut().enumerate() {
                *count += u32::from(packet.control & 1 << bit != 0);
            }
            side.first_window.get_or_insert(packet.window);
            side.zero_windows += u32::from(packet.window == 0 && !flags.contains(TcpFlags::RST));
            if flags.contains(TcpFlags::SYN | TcpFlags::ACK) {
                self.handshake = self.handshake.or_else(|| self.syn.map(|syn| packet.time.since(syn)));
            } else if flags.contains(TcpFlags::SYN) {
                self.syn.get_or_insert(packet.time);
            }
        }
        if packet.payload_len > 0 {
            match (packet.direction, self.request) {
                (Direction::Orig, None) => self.request = Some(packet.time),
                (Direction::Resp, Some(request)) if self.response.is_none() => {
                    self.response = Some(packet.time.since(request));
                }
                _ => {}
            }
            self.turns += u32::from(self.speaker.is_some_and(|speaker| speaker != packet.direction));
            self.speaker = Some(packet.direction);
        }
    }
}

/// What is summed up at each packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Totals {
    sides: [Total; 2],
    truncated: u32,
}

#[derive(Debug, Clone, Copy)]
struct Total {
    packets: u64,
    wire_bytes: u64,
    payload_bytes: u64,
}

impl Totals {
    pub(super) const NONE: Self =
        Self { sides: [Total { packets: 0, wire_bytes: 0, payload_bytes: 0 }; 2], truncated: 0 };

    /// Takes in one packet.
    pub(super) fn add(&mut self, record: &PacketRecord, packet: &Packet<'_>) {
        let side = &mut self.sides[record.direction as usize];
        side.packets += 1;
        side.wire_bytes += u64::from(packet.wire_len);
        side.payload_bytes += u64::from(packet.payload_len);
        self.truncated += u32::from(packet.truncated);
    }

    /// Packets of both directions.
    pub(super) fn packets(&self) -> u64 {
        self.sides[0].packets + self.sides[1].packets
    }

    /// Whether the other end sent any.
    pub(super) fn is_answered(&self) -> bool {
        self.sides[1].packets > 0
    }

    /// Payload bytes of orig and resp.
    pub(super) fn payload_bytes(&self) -> [u64; 2] {
        self.sides.map(|side| side.payload_bytes)
    }
}

/// An entropy in steps, to the nearest. Not by `f32::round`, which is a call where the processor need not have SSE 4.1: as a
/// double the product and the sum are exact.
fn entropy_steps(entropy: f32) -> u64 {
    (f64::from(entropy) * ENTROPY as f64 + 0.5) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn entropies_go_to_the_nearest_step(entropy in prop_oneof![0f32..8.0, 0f32..0.001, 0.25f32..1.0]) {
            prop_assert_eq!(entropy_steps(entropy), (entropy * ENTROPY as f32).round() as u64);
        }
    }
}
