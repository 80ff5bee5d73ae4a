//! The columns of a packet: what its host, its channel and its socket did before it, at five rates of forgetting.

use super::{
    damped::{Damped, Pair, RATES},
    recent::Recent,
};
use crate::{
    Timestamp,
    decode::{Packet, Protocol},
    session::{Endpoint, FlowKey, KeyKind},
};
use std::net::IpAddr;

/// Columns of a packet: for each rate of forgetting 3 of the sending host, 7 of the channel, 3 of the gaps in it, 7 of the
/// socket. The authors' program has the same 100; the paper adds 3 of the sender's address alone.
pub(super) const COLUMNS: usize = RATES.len() * (3 + 7 + 3 + 7);

/// Streams of one sort that are remembered lately, and as many before these: their state is bounded, which the paper's is not.
const REMEMBERED: usize = 1 << 15;

/// The statistics of all streams that were seen lately.
#[derive(Debug)]
pub(super) struct Streams {
    hosts: Recent<([u8; 6], IpAddr), Host>,
    channels: Recent<(IpAddr, IpAddr), Channel>,
    sockets: Recent<(Endpoint, Endpoint, Protocol), Channel>,
}

impl Default for Streams {
    fn default() -> Self {
        Self { hosts: Recent::new(REMEMBERED), channels: Recent::new(REMEMBERED), sockets: Recent::new(REMEMBERED) }
    }
}

/// What one sender sends.
#[derive(Debug, Default)]
struct Host {
    sizes: [Damped; RATES.len()],
    last: Option<Timestamp>,
}

/// What two ends send each other; side 0 is the smaller end.
#[derive(Debug, Default)]
struct Channel {
    pairs: [Pair; RATES.len()],
    last: Option<Timestamp>,
    gaps: [[Damped; RATES.len()]; 2],
    last_of: [Option<Timestamp>; 2],
}

/// Seconds since `last`, which becomes `now`; a packet that comes late is one that comes at once.
fn passed(last: &mut Option<Timestamp>, now: Timestamp) -> f64 {
    let seconds = last.map_or(0.0, |last| now.since(last).as_secs_f64());
    *last = Some(last.map_or(now, |last| last.max(now)));
    seconds
}

impl Streams {
    /// Takes in a packet and gives its columns.
    pub(super) fn push(&mut self, packet: &Packet<'_>) -> [f64; COLUMNS] {
        let (now, size) = (packet.time, f64::from(packet.wire_len));
        let mut columns = Columns { values: [0.0; COLUMNS], filled: 0 };

        let mac = packet.macs.map_or([0; 6], |[sender, _]| sender);
        let host = self.hosts.entry((mac, packet.src));
        let seconds = passed(&mut host.last, now);
        for (damped, rate) in host.sizes.iter_mut().zip(RATES) {
            damped.decay(rate, seconds);
            damped.add(size);
            columns.one(damped);
        }

        let key = FlowKey::of(packet, KeyKind::FiveTuple);
        let side = usize::from(packet.src > packet.dst);
        let ends = if side == 0 { (packet.src, packet.dst) } else { (packet.dst, packet.src) };
        let channel = self.channels.entry(ends);
        channel.push(side, size, now, &mut columns);
        let gap = passed(&mut channel.last_of[side], now);
        for (damped, rate) in channel.gaps[side].iter_mut().zip(RATES) {
            damped.decay(rate, gap);
            damped.add(gap);
            columns.one(damped);
        }

        let canonical = key.canonical();
        let socket = self.sockets.entry((canonical.orig, canonical.resp, key.protocol));
        socket.push(usize::from(key.orig != canonical.orig), size, now, &mut columns);
        columns.values
    }
}

impl Channel {
    fn push(&mut self, side: usize, size: f64, now: Timestamp, columns: &mut Columns) {
        let seconds = passed(&mut self.last, now);
        for (pair, rate) in self.pairs.iter_mut().zip(RATES) {
            pair.push(side, size, rate, seconds);
            columns.one(&pair.sides[side]);
            columns.add(&pair.joint());
        }
    }
}

/// The columns of a packet while they are filled in.
struct Columns {
    values: [f64; COLUMNS],
    filled: usize,
}

impl Columns {
    fn one(&mut self, damped: &Damped) {
        self.add(&[damped.weight, damped.mean(), damped.deviation()]);
    }

    fn add(&mut self, values: &[f64]) {
        self.values[self.filled..self.filled + values.len()].copy_from_slice(values);
        self.filled += values.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        capture::{Frame, LinkType},
        decode::Decoder,
    };
    use nf_tests::eth;

    #[test]
    fn columns_of_three_packets_by_hand() {
        let mut streams = Streams::default();
        let mut push = |seconds: i64, up: bool, payload: usize| {
            let ends = ([10, 0, 0, 1], [10, 0, 0, 2]);
            let (from, to) = if up { ends } else { (ends.1, ends.0) };
            let ports = if up { (1000, 80) } else { (80, 1000) };
            let data = eth().ipv4(from, to).tcp(ports.0, ports.1).payload(&vec![0; payload]).build();
            let time = Timestamp::from_parts(seconds, 0);
            let frame = Frame { time, link_type: LinkType::ETHERNET, wire_len: data.len() as u32, data: &data };
            (streams.push(&Decoder::new().decode(&frame).unwrap()), data.len() as f64)
        };
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} is not {b}");
        let (host, channel, gaps, socket) = (0, 15, 50, 65);

        let (first, size) = push(0, true, 100);
        near(first[host], 1.0);
        near(first[host + 1], size);
        near(first[channel + 3], size); // the magnitude of one mean and none
        assert_eq!(first[socket..], first[channel..gaps]);

        let (answer, other) = push(1, false, 300);
        near(answer[host + 1], other);
        near(answer[channel + 1], other);
        near(answer[channel + 3], size.hypot(other));

        let (third, _) = push(2, true, 100);
        // Rate 5 is the first: two seconds leave 2^-10 of the first packet's weight.
        near(third[host], 1.0 + 2f64.powi(-10));
        near(third[host + 2], 0.0);
        // The gap of 2 s behind one of 0 s, weight 2^-10.
        near(third[gaps + 1], 2.0 / (1.0 + 2f64.powi(-10)));
    }
}
