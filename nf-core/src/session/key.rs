//! Which packets belong together: protocol and endpoints.

use super::keyed::{Key, address, number};
use crate::decode::{Packet, Protocol, Transport};
use std::{fmt, net::IpAddr};

/// One end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Address.
    pub addr: IpAddr,
    /// Port of TCP, UDP, SCTP, DCCP or UDP-Lite; the identifier of ICMP echo and other query messages; 0 where there is neither.
    pub port: u16,
}

/// What identifies a session. `orig` sent the first packet (or the SYN), `resp` is the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowKey {
    /// The end that started the session.
    pub orig: Endpoint,
    /// The other end.
    pub resp: Endpoint,
    /// Protocol.
    pub protocol: Protocol,
    /// The message type of ICMP messages without an identifier (errors, neighbour discovery), each type a session of its
    /// own: merged, an echo flood and the errors it triggers would be one session.
    pub icmp_type: Option<u8>,
    /// VLAN identifiers, outermost first, where they are [part of the key](super::SessionConfig::vlan_in_key); else 0.
    pub vlans: [u16; 2],
}

/// What makes a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum KeyKind {
    /// Protocol, addresses and ports (for ICMP its identifier or type).
    #[default]
    FiveTuple,
    /// The two addresses alone, whatever they speak: sessions as the first neural-filter project cut them.
    HostPair,
}

impl FlowKey {
    /// The key of a packet, its sender as `orig`, VLANs left out.
    pub fn of(packet: &Packet<'_>, kind: KeyKind) -> Self {
        let mut key = Self {
            orig: Endpoint { addr: packet.src, port: 0 },
            resp: Endpoint { addr: packet.dst, port: 0 },
            protocol: packet.protocol(),
            icmp_type: None,
            vlans: [0; 2],
        };
        match (kind, packet.transport) {
            (KeyKind::HostPair, _) => key.protocol = Protocol::Other(0),
            (_, Transport::Tcp(tcp)) => (key.orig.port, key.resp.port) = (tcp.src_port, tcp.dst_port),
            (_, Transport::Udp { src_port, dst_port } | Transport::Ports { src_port, dst_port, .. }) => {
                (key.orig.port, key.resp.port) = (src_port, dst_port);
            }
            (_, Transport::Icmp { id: Some(id), .. }) => (key.orig.port, key.resp.port) = (id, id),
            (_, Transport::Icmp { kind, id: None, .. }) => key.icmp_type = Some(kind),
            (_, Transport::Arp { .. } | Transport::Other { .. }) => {}
        }
        key
    }

    /// The same session seen from the other end.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self { orig: self.resp, resp: self.orig, ..self }
    }

    /// One key for both directions: the smaller endpoint first.
    #[cfg(feature = "evaluate")]
    pub(crate) fn canonical(self) -> Self {
        if self.orig <= self.resp { self } else { self.reversed() }
    }

    /// One key for both directions as plain numbers, and whether `orig` is the second end in it.
    pub(crate) fn packed(&self) -> (Key, bool) {
        let end = |end: &Endpoint| (address(end.addr), end.port);
        let (orig, resp) = (end(&self.orig), end(&self.resp));
        let swapped = orig > resp;
        let (first, second) = if swapped { (resp, orig) } else { (orig, resp) };
        let ((([a0, a1, a2, a3], six_a), port_a), (([b0, b1, b2, b3], six_b), port_b)) = (first, second);
        let kind = number(self.protocol)
            | self.icmp_type.map_or(0, |kind| u32::from(kind) + 1) << 16
            | six_a << 30
            | six_b << 31;
        let pair = |[high, low]: [u16; 2]| u32::from(high) << 16 | u32::from(low);
        ([a0, a1, a2, a3, b0, b1, b2, b3, pair([port_a, port_b]), kind, pair(self.vlans), 0], swapped)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.addr, self.port) {
            (addr, 0) => write!(f, "{addr}"),
            (IpAddr::V4(addr), port) => write!(f, "{addr}:{port}"),
            (IpAddr::V6(addr), port) => write!(f, "[{addr}]:{port}"),
        }
    }
}

impl fmt::Display for FlowKey {
    /// `tcp 10.0.0.1:1025 > 10.0.0.2:80`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.protocol)?;
        if let Some(kind) = self.icmp_type {
            write!(f, " type {kind}")?;
        }
        for vlan in self.vlans.iter().filter(|&&vlan| vlan != 0) {
            write!(f, " vlan {vlan}")?;
        }
        write!(f, " {} > {}", self.orig, self.resp)
    }
}
