//! Packets to sessions: what goes in comes out or is counted, within memory, whatever the times.

use super::frame::{LINK_TYPES, step};
use nf_core::{
    FeatureSpec, Session, SessionConfig, Timestamp,
    capture::{Frame, LinkType},
    session::{KeyKind, SessionTable},
};
use std::time::Duration;

/// Packets that one input may flood the table with: enough to fill the smallest memory, by sessions or by context. Only
/// some configurations let it, since such an input takes as long as hundreds of others.
fn most_flooded(config: &SessionConfig) -> u32 {
    match (config.entropy_bytes, config.context) {
        (FLOODED_ENTROPY, true) => 300,
        (FLOODED_ENTROPY, false) => 900,
        _ => 16,
    }
}

const FLOODED_ENTROPY: u32 = 1 + 3 * 16;

/// Cuts packets into sessions. Two bytes of configuration, then steps: a packet of few hosts and ports, a frame of any
/// link type, silence, sessions popped, or a flood.
pub fn sessions(bytes: &[u8]) {
    let [flags, sizes, ref steps @ ..] = *bytes else { return };
    let mut table = Table::new(config(flags, sizes));
    let mut steps = Steps(steps);
    while let Some(step) = steps.byte() {
        table.time = table.time.saturating_add(self::step(steps.byte().unwrap_or(0)));
        match step % 16 {
            0..=8 => {
                let packet = packet(&mut steps);
                let link_type = if packet[0] >> 4 == 4 { LinkType::RAW } else { LinkType::ETHERNET };
                table.push(link_type, &packet, u32::from(step >> 4) * 400);
            }
            9 | 10 => {
                let place = usize::from(steps.byte().unwrap_or(0)) % LINK_TYPES.len();
                let length = steps.byte().unwrap_or(0).into();
                table.push(LinkType(LINK_TYPES[place]), steps.take(length), 0);
            }
            11 | 12 => table.advance(),
            13 => table.pop(usize::from(step >> 4)),
            14 => table.flood(u32::from(steps.byte().unwrap_or(0)) * 8, step >> 4),
            _ => table.push(LinkType::RAW, &[], 0),
        }
    }
    table.finish();
}

/// A TCP packet: flags, sequence and acknowledgement number.
#[derive(Debug, Clone, Copy)]
struct Tcp(u8, u32, u32);

/// A few sessions with every column, from a fixed script.
pub fn training() -> Vec<Session> {
    let mut table = Table::new(SessionConfig::default());
    for i in 0..60u8 {
        for (up, tcp, payload) in [
            (true, Tcp(0x02, 0, 0), 0),
            (false, Tcp(0x12, 0, 1), 0),
            (true, Tcp(0x18, 1, 1), 40 + usize::from(i % 7) * 11),
            (false, Tcp(0x18, 1, 50), 300 + usize::from(i % 5) * 90),
            (true, Tcp(0x11, 200, 900), 0),
            (false, Tcp(0x11, 900, 201), 0),
        ] {
            let hosts = if up { [i % 4, 9] } else { [9, i % 4] };
            let ports = if up { [4000 + u16::from(i), 80] } else { [80, 4000 + u16::from(i)] };
            table.time += 7_000_000;
            table.push(LinkType::RAW, &ipv4(hosts, 6, &tcp_segment(ports, tcp, &vec![i; payload])), 0);
        }
        table.time += 500_000_000;
    }
    table.table.finish();
    std::iter::from_fn(|| table.table.pop()).collect()
}

fn config(flags: u8, sizes: u8) -> SessionConfig {
    let bit = |bit: u8| flags & (1 << bit) != 0;
    let timeout = |bit: u8, seconds| (flags & (1 << bit) == 0).then_some(Duration::from_secs(seconds));
    SessionConfig::default()
        .key(if bit(0) { KeyKind::HostPair } else { KeyKind::FiveTuple })
        .vlan_in_key(bit(1))
        .tunnels(flags >> 2 & 3)
        .context(!bit(4))
        .idle_tcp(timeout(5, 120))
        .idle_udp(timeout(6, 60))
        .active(timeout(7, 10))
        .max_packets(1 + u32::from(sizes & 15) * 4)
        .entropy_bytes(1 + u32::from(sizes >> 4) * 16)
        .memory_limit(1 << 20)
}

/// A table, and what is known of it without asking.
struct Table {
    table: SessionTable,
    time: i64,
    frames: u64,
    popped: Vec<Session>,
    packets: u64,
    ended: u64,
    flooded: u32,
}

impl Table {
    fn new(config: SessionConfig) -> Self {
        let table = SessionTable::new(config).expect("valid");
        Self { table, time: 0, frames: 0, popped: Vec::new(), packets: 0, ended: 0, flooded: 0 }
    }

    fn push(&mut self, link_type: LinkType, data: &[u8], beyond: u32) {
        let time = Timestamp::from_nanos(self.time);
        self.table.push(&Frame { time, link_type, wire_len: data.len() as u32 + beyond, data });
        self.frames += 1;
        self.check();
    }

    fn advance(&mut self) {
        self.table.advance(Timestamp::from_nanos(self.time));
        self.check();
    }

    /// One packet each from scattered addresses.
    fn flood(&mut self, packets: u32, kind: u8) {
        for _ in 0..packets.min(most_flooded(self.table.config()) - self.flooded) {
            self.flooded += 1;
            let mut packet =
                ipv4([1, 2], 17, &udp_datagram([5, if kind.is_multiple_of(2) { 53 } else { 9 }], &[kind; 30]));
            packet[12..16].copy_from_slice(&self.flooded.wrapping_mul(2_654_435_761).to_be_bytes());
            self.push(LinkType::RAW, &packet, 0);
        }
    }

    fn pop(&mut self, count: usize) {
        for _ in 0..count {
            let Some(session) = self.table.pop() else { break };
            self.packets += session.stats().packets();
            self.ended += 1;
            let kept = (session.stats().packets()).min(self.table.config().max_packets.into());
            assert!(session.start() <= session.end(), "{session}");
            assert_eq!(session.packets().len() as u64, kept, "{session}");
            assert!(kept > 0, "{session}");
            if self.popped.len() < 64 {
                self.popped.push(session);
            }
        }
    }

    fn check(&self) {
        let (stats, limit) = (self.table.stats(), self.table.config().memory_limit);
        assert_eq!((stats.frames, stats.packets + stats.skipped.total()), (self.frames, self.frames));
        assert_eq!(self.table.open() as u64, stats.started - stats.ended);
        assert!(self.table.bytes() <= limit, "{} bytes held, {limit} allowed", self.table.bytes());
    }

    /// Nothing is left, and nothing is missing.
    fn finish(mut self) {
        self.table.finish();
        self.pop(usize::MAX);
        let stats = self.table.stats();
        assert_eq!((self.table.open(), stats.started), (0, stats.ended));
        assert_eq!(self.ended + stats.dropped, stats.ended);
        assert!(self.packets + stats.dropped <= stats.packets);
        assert!(stats.dropped > 0 || self.packets == stats.packets);
        let mut specs = vec![FeatureSpec::packets(5), FeatureSpec::addresses(3), FeatureSpec::flow()];
        if self.table.config().context {
            specs.push(FeatureSpec::context());
        }
        for spec in specs {
            let rows = spec.extract(&self.popped).expect("every column of every session is a finite number");
            assert_eq!(rows.len(), self.popped.len());
        }
    }
}

/// The bytes that are left.
struct Steps<'a>(&'a [u8]);

impl<'a> Steps<'a> {
    fn byte(&mut self) -> Option<u8> {
        self.take(1).first().copied()
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// A well-formed packet: hosts, kind and ports, two numbers, a payload behind its length.
fn packet(steps: &mut Steps<'_>) -> Vec<u8> {
    let mut next = || steps.byte().unwrap_or(0);
    let [hosts, kind, flags, seq, ack, length] = [(); 6].map(|()| next());
    let payload = steps.take(usize::from(length % 64));
    let hosts = [hosts & 3, hosts >> 2 & 3];
    let port = |bits: u8| [80, 53, 5353, 1000][usize::from(bits & 3)];
    let ports = [port(kind >> 4), port(kind >> 6)];
    // Both ends of the range, to wrap around.
    let number = |byte: u8| (u32::from(byte) << 4).wrapping_sub(if byte & 1 == 1 { 1 << 11 } else { 0 });
    match kind & 7 {
        0..=2 => ipv4(hosts, 6, &tcp_segment(ports, Tcp(flags, number(seq), number(ack)), payload)),
        3 | 4 => ipv4(hosts, 17, &udp_datagram(ports, payload)),
        5 => ipv4(hosts, 1, &[&[flags, seq, 0, 0, 0, ack, 0, 0][..], payload].concat()),
        6 => ipv4(hosts, ack, payload),
        _ => arp(hosts, flags),
    }
}

fn ipv4(hosts: [u8; 2], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = (20 + payload.len() as u16).to_be_bytes();
    let [src, dst] = hosts;
    [&[0x45, 0, high, low, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, src, 10, 0, 0, dst][..], payload].concat()
}

fn tcp_segment(ports: [u16; 2], Tcp(flags, seq, ack): Tcp, payload: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = ports.iter().flat_map(|port| port.to_be_bytes()).collect();
    bytes.extend([seq.to_be_bytes(), ack.to_be_bytes(), [0x50, flags, 0xff, 0], [0; 4]].concat());
    bytes.extend(payload);
    bytes
}

fn udp_datagram(ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
    let numbers = [ports[0], ports[1], 8 + payload.len() as u16, 0];
    numbers.iter().flat_map(|number| number.to_be_bytes()).chain(payload.iter().copied()).collect()
}

/// On Ethernet.
fn arp(hosts: [u8; 2], operation: u8) -> Vec<u8> {
    let [src, dst] = hosts;
    let mut bytes = vec![2, 0, 0, 0, 0, dst, 2, 0, 0, 0, 0, src, 8, 6, 0, 1, 8, 0, 6, 4, 0, operation];
    bytes.extend([2, 0, 0, 0, 0, src, 10, 0, 0, src, 2, 0, 0, 0, 0, dst, 10, 0, 0, dst]);
    bytes
}
