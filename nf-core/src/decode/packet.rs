//! A decoded packet: what the rest of the engine needs of a frame, and nothing that owns memory.

use crate::Timestamp;
use std::{fmt, net::IpAddr};

/// A decoded packet. It borrows the payload from the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet<'a> {
    /// When the frame was captured.
    pub time: Timestamp,
    /// Bytes of the frame on the wire, link header included.
    pub wire_len: u32,
    /// Bytes of the frame that were captured.
    pub captured_len: u32,
    /// Bytes of the network packet (IP header and all behind it, or the ARP packet) on the wire.
    pub network_len: u32,
    /// Hardware addresses, sender first, where the link has them.
    pub macs: Option<[[u8; 6]; 2]>,
    /// VLAN identifiers, outermost first; 0 where there is no such tag.
    pub vlans: [u16; 2],
    /// Who sent the packet (for ARP the sender protocol address).
    pub src: IpAddr,
    /// Who it was sent to (for ARP the target protocol address).
    pub dst: IpAddr,
    /// Time to live or hop limit; 0 for ARP.
    pub ttl: u8,
    /// What the network packet carries.
    pub transport: Transport,
    /// Bytes of payload behind the transport header on the wire: from the IP header's length, so padding of a short
    /// Ethernet frame is not payload. For a later fragment everything behind the IP header.
    pub payload_len: u32,
    /// The payload bytes that were captured: `payload.len() <= payload_len`.
    pub payload: &'a [u8],
    /// The capture kept fewer bytes of the network packet than were sent.
    pub truncated: bool,
    /// Whether the packet is a fragment.
    pub fragment: Fragment,
}

/// Whether a packet is a piece of a larger IP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fragment {
    /// A whole packet.
    Whole,
    /// The first fragment, with the transport header.
    First,
    /// A later fragment; its transport facts are those of the first one where that was seen.
    Later,
}

/// What a network packet carries: the facts of its transport header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TCP (RFC 9293).
    Tcp(TcpFacts),
    /// UDP (RFC 768).
    Udp {
        /// Source port.
        src_port: u16,
        /// Destination port.
        dst_port: u16,
    },
    /// Another protocol with ports in its first four bytes: SCTP (132, RFC 9260), DCCP (33, RFC 4340), UDP-Lite (136,
    /// RFC 3828). All behind the ports is payload.
    Ports {
        /// IP protocol number.
        protocol: u8,
        /// Source port.
        src_port: u16,
        /// Destination port.
        dst_port: u16,
    },
    /// ICMP (RFC 792) or ICMPv6 (RFC 4443).
    Icmp {
        /// Whether this is ICMPv6.
        v6: bool,
        /// Message type.
        kind: u8,
        /// Message code.
        code: u8,
        /// Identifier of an echo or other query message; `None` for errors and messages without one.
        id: Option<u16>,
    },
    /// ARP (RFC 826); `operation` 1 asks and 2 answers.
    Arp {
        /// Operation.
        operation: u16,
    },
    /// Any other IP protocol, or one whose header is cut off or sits in an earlier fragment that was not seen.
    Other {
        /// IP protocol number.
        protocol: u8,
    },
}

/// What is kept of a TCP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpFacts {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number; means nothing without [`TcpFlags::ACK`].
    pub ack: u32,
    /// Flags.
    pub flags: TcpFlags,
    /// Window as written in the header, without scaling.
    pub window: u16,
}

/// The eight flag bits of TCP, as on the wire (RFC 9293 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// Synchronise sequence numbers.
    pub const SYN: Self = Self(0x02);
    /// Reset the connection.
    pub const RST: Self = Self(0x04);
    /// Push.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgement number counts.
    pub const ACK: Self = Self(0x10);
    /// The urgent pointer counts.
    pub const URG: Self = Self(0x20);
    /// ECN echo (RFC 3168).
    pub const ECE: Self = Self(0x40);
    /// Congestion window reduced (RFC 3168).
    pub const CWR: Self = Self(0x80);

    /// Whether all flags of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for TcpFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for TcpFlags {
    /// One letter a flag, in the order of RFC 9293 from the lowest bit: `FSRPAUEC`, `-` for none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("-");
        }
        "FSRPAUEC"
            .chars()
            .enumerate()
            .filter(|(bit, _)| self.0 & (1 << bit) != 0)
            .try_for_each(|(_, c)| write!(f, "{c}"))
    }
}

/// The protocol of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// IP protocol 6.
    Tcp,
    /// IP protocol 17.
    Udp,
    /// IP protocol 1.
    Icmp,
    /// IP protocol 58.
    Icmpv6,
    /// Address resolution, beside IP.
    Arp,
    /// Any other IP protocol by its number.
    Other(u8),
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("tcp"),
            Self::Udp => f.write_str("udp"),
            Self::Icmp => f.write_str("icmp"),
            Self::Icmpv6 => f.write_str("icmp6"),
            Self::Arp => f.write_str("arp"),
            Self::Other(number) => write!(f, "ip{number}"),
        }
    }
}

impl Packet<'_> {
    /// Whether this is a fragment behind the first of its packet: it has no transport header of its own.
    pub fn later_fragment(&self) -> bool {
        self.fragment == Fragment::Later
    }

    /// The packet apart from its frame's bytes: without payload.
    pub(crate) fn headers(&self) -> Packet<'static> {
        let Packet { time, wire_len, captured_len, network_len, macs, vlans, src, dst, .. } = *self;
        let Packet { ttl, transport, payload_len, truncated, fragment, .. } = *self;
        Packet {
            time,
            wire_len,
            captured_len,
            network_len,
            macs,
            vlans,
            src,
            dst,
            ttl,
            transport,
            payload_len,
            payload: &[],
            truncated,
            fragment,
        }
    }

    /// The protocol of the session this packet belongs to.
    pub fn protocol(&self) -> Protocol {
        match self.transport {
            Transport::Tcp(_) => Protocol::Tcp,
            Transport::Udp { .. } => Protocol::Udp,
            Transport::Icmp { v6: false, .. } => Protocol::Icmp,
            Transport::Icmp { v6: true, .. } => Protocol::Icmpv6,
            Transport::Arp { .. } => Protocol::Arp,
            // A later fragment of an unseen first one still belongs to its protocol, with ports unknown (0).
            Transport::Other { protocol: 6 } => Protocol::Tcp,
            Transport::Other { protocol: 17 } => Protocol::Udp,
            Transport::Other { protocol: 1 } => Protocol::Icmp,
            Transport::Other { protocol: 58 } => Protocol::Icmpv6,
            Transport::Other { protocol } | Transport::Ports { protocol, .. } => Protocol::Other(protocol),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_read_as_letters() {
        assert_eq!((TcpFlags::SYN | TcpFlags::ACK).to_string(), "SA");
        assert_eq!(TcpFlags::default().to_string(), "-");
        assert!((TcpFlags::SYN | TcpFlags::ACK).contains(TcpFlags::ACK));
        assert!(!TcpFlags::ACK.contains(TcpFlags::SYN | TcpFlags::ACK));
    }
}
