//! Which packets belong together: protocol and endpoints.

use super::{
    SessionConfig,
    keyed::{Key, address, number},
};
use crate::decode::{Packet, Protocol, TcpFacts, Transport};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
};

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

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FiveTuple => "five_tuple",
            Self::HostPair => "host_pair",
        })
    }
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

    /// The key of a packet under a configuration.
    #[inline(never)]
    pub(super) fn in_table(packet: &Packet<'_>, config: &SessionConfig) -> Self {
        let vlans = if config.vlan_in_key { packet.vlans } else { [0; 2] };
        Self { vlans, ..Self::of(packet, config.key) }
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

/// The [packed](FlowKey::packed) key of a packet, and whether its sender is the second end in it.
#[inline]
pub(super) fn packed(packet: &Packet<'_>, config: &SessionConfig) -> (Key, bool) {
    match (packet.src, packet.dst, packet.transport) {
        (IpAddr::V4(src), IpAddr::V4(dst), Transport::Tcp(TcpFacts { src_port, dst_port, .. }))
        | (IpAddr::V4(src), IpAddr::V4(dst), Transport::Udp { src_port, dst_port })
            if config.key == KeyKind::FiveTuple && !config.vlan_in_key =>
        {
            let end = |addr: Ipv4Addr, port: u16| u64::from(addr.to_bits()) << 16 | u64::from(port);
            let (src, dst) = (end(src, src_port), end(dst, dst_port));
            let (first, second) = (src.min(dst), src.max(dst));
            let addr = |end: u64| (end >> 16) as u32;
            let ports = u32::from(first as u16) << 16 | u32::from(second as u16);
            ([addr(first), 0, 0, 0, addr(second), 0, 0, 0, ports, number(packet.protocol()), 0, 0], src > dst)
        }
        _ => FlowKey::in_table(packet, config).packed(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Timestamp,
        capture::{Frame, LinkType},
        decode::Decoder,
    };
    use nf_tests::eth;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_short_way_packs_what_the_key_does(
            ends in prop::array::uniform2((prop::array::uniform4(any::<u8>()), any::<u16>())),
            like in 0..3u8, kind in 0..5u8, host_pair: bool, vlan_in_key: bool,
        ) {
            let [src, mut dst] = ends;
            // The same address, or all the same.
            match like {
                0 => dst.0 = src.0,
                1 => dst = src,
                _ => {}
            }
            let wide = |addr: [u8; 4]| std::array::from_fn(|i| addr[i % 4]);
            let v4 = eth().vlan(7).ipv4(src.0, dst.0);
            let bytes = match kind {
                0 => v4.tcp(src.1, dst.1).build(),
                1 => v4.udp(src.1, dst.1).build(),
                2 => v4.echo_request(src.1, 1).build(),
                3 => v4.udp(src.1, dst.1).fragment(64, false).build(),
                _ => eth().ipv6(wide(src.0), wide(dst.0)).tcp(src.1, dst.1).build(),
            };
            let (time, link_type) = (Timestamp::from_nanos(5), LinkType::ETHERNET);
            let frame = Frame { time, link_type, wire_len: bytes.len() as u32, data: &bytes };
            let packet = Decoder::new().decode(&frame).expect("a packet");
            let key = if host_pair { KeyKind::HostPair } else { KeyKind::FiveTuple };
            let config = SessionConfig::default().key(key).vlan_in_key(vlan_in_key);
            prop_assert_eq!(packed(&packet, &config), FlowKey::in_table(&packet, &config).packed());
        }
    }
}
