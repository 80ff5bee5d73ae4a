//! One packet of a session.

use crate::{
    Timestamp,
    decode::{Packet, Protocol, Transport},
};

/// One packet of a session, as quantities that columns are made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PacketRecord {
    /// When it was captured.
    pub time: Timestamp,
    /// Bytes of payload behind the transport header, on the wire.
    pub payload_len: u32,
    /// Bytes of the network packet (from the IP header on), on the wire.
    pub network_len: u32,
    /// Shannon entropy of the first captured payload bytes, 0 to 8 bits a byte; 0 without captured payload.
    pub entropy: f32,
    /// Source and destination port; 0 without ports.
    pub ports: [u16; 2],
    /// Protocol: the session's, unless sessions are cut by host pair.
    pub protocol: Protocol,
    /// TCP window as in the header, without scaling; 0 for other protocols.
    pub window: u16,
    /// TCP flags, ICMP type or ARP operation; 0 for other protocols.
    pub control: u8,
    /// ICMP code; 0 for other protocols.
    pub code: u8,
    /// Who sent it.
    pub direction: Direction,
    /// Where it stands in the stream.
    pub order: Order,
}

/// Which way a packet went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the end that started the session.
    Orig,
    /// From the other end.
    Resp,
}

/// Where a packet stands in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Order {
    /// The next in its direction, or of a protocol without sequence numbers.
    Fresh,
    /// A TCP segment all of whose sequence space was seen before.
    Retransmission,
    /// A TCP segment that fills a hole left by an earlier one.
    OutOfOrder,
    /// A TCP segment that leaves a hole before it: something was lost, reordered or not captured.
    Gap,
    /// A fragment of an IP packet behind the first one.
    Fragment,
}

/// What statistics need of a packet beside its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PacketFacts {
    /// Its control byte holds TCP flags.
    pub(super) tcp: bool,
    /// It has captured payload.
    pub(super) payload: bool,
}

impl PacketFacts {
    pub(super) fn of(packet: &Packet<'_>, order: Order) -> Self {
        Self {
            tcp: matches!(packet.transport, Transport::Tcp(_)) && order != Order::Fragment,
            payload: !packet.payload.is_empty(),
        }
    }

    /// What nearly all packets with this record are: a TCP header cut off, or payload of which nothing was captured, is
    /// otherwise.
    pub(super) fn expected(record: &PacketRecord) -> Self {
        Self {
            tcp: record.protocol == Protocol::Tcp && record.order != Order::Fragment,
            payload: record.payload_len > 0,
        }
    }
}

impl PacketRecord {
    pub(super) fn new(packet: &Packet<'_>, direction: Direction, order: Order, entropy: f32) -> Self {
        let (control, code, window) = match packet.transport {
            Transport::Tcp(tcp) => (tcp.flags.0, 0, tcp.window),
            Transport::Icmp { kind, code, .. } => (kind, code, 0),
            Transport::Arp { operation } => (u8::try_from(operation).unwrap_or(u8::MAX), 0, 0),
            Transport::Udp { .. } | Transport::Ports { .. } | Transport::Other { .. } => (0, 0, 0),
        };
        Self {
            time: packet.time,
            payload_len: packet.payload_len,
            network_len: packet.network_len,
            entropy,
            window,
            control,
            code,
            protocol: packet.protocol(),
            ports: match packet.transport {
                Transport::Tcp(tcp) => [tcp.src_port, tcp.dst_port],
                Transport::Udp { src_port, dst_port } | Transport::Ports { src_port, dst_port, .. } => {
                    [src_port, dst_port]
                }
                _ => [0; 2],
            },
            direction,
            order,
        }
    }
}
