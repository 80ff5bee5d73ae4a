//! Frame to packet: link, network, transport.

use super::{
    Fragment, Packet, Skip, Transport,
    fragments::{FragmentKey, Fragments},
    ip::Ip,
    link::{Link, Network},
    transport,
};
use crate::capture::Frame;
use etherparse::{ArpPacketSlice, EtherType};
use std::net::{IpAddr, Ipv4Addr};

/// Decodes frames. It keeps what the first fragments of packets said, in bounded memory (1024 packets, 30 s of packet
/// time), and nothing else; frames are best given in the order of capture.
///
/// * Link types: those named by [`LinkType`](crate::capture::LinkType), with up to three VLAN tags.
/// * Network: IPv4, IPv6 with extension headers, ARP for IPv4. Tunnels are not entered: their packets are those of the
///   tunnel's protocol.
/// * Lengths come from the IP header; where it says 0 (segmentation offload, jumbograms), from the frame's length on
///   the wire.
/// * A packet cut by the capture keeps its lengths and has [`truncated`](Packet::truncated) set. A TCP or UDP header
///   cut behind its ports keeps them, with 0 in the fields that are missing; cut before, it is [`Transport::Other`].
/// * A later fragment has the ports (or ICMP id) of its first, without TCP flags, or is [`Transport::Other`] where that
///   was not seen before it.
///
/// ```
/// use nf_core::{Timestamp, capture::{Frame, LinkType}, decode::{Decoder, Transport}};
/// # let bytes = nf_tests::eth().ipv4([10, 0, 0, 1], [10, 0, 0, 2]).udp(5000, 53).payload(b"query").build();
/// let frame = Frame {
///     time: Timestamp::from_nanos(0),
///     link_type: LinkType::ETHERNET,
///     wire_len: bytes.len() as u32,
///     data: &bytes,
/// };
/// let packet = Decoder::new().decode(&frame).expect("a UDP packet");
/// assert_eq!(packet.transport, Transport::Udp { src_port: 5000, dst_port: 53 });
/// assert_eq!(packet.payload, b"query");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    fragments: Fragments,
}

impl Decoder {
    /// A decoder that has seen no fragment.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes one frame; no bytes make it fail otherwise than by a [`Skip`].
    ///
    /// # Errors
    /// The reason why the frame gives no packet; count it with [`SkipCounts`](super::SkipCounts).
    pub fn decode<'a>(&mut self, frame: &Frame<'a>) -> Result<Packet<'a>, Skip> {
        let link = Link::decode(frame)?;
        match link.network {
            Network::Ip(data) => self.ip(frame, &link, data),
            Network::Arp(data) => arp(frame, &link, data),
        }
    }

    fn ip<'a>(&mut self, frame: &Frame<'a>, link: &Link<'a>, data: &'a [u8]) -> Result<Packet<'a>, Skip> {
        let link_len = frame.data.len() - data.len();
        let ip = Ip::decode(data, wire_len(frame).saturating_sub(link_len as u32))?;
        let (transport, header_len) = self.transport(&ip, frame)?;
        Ok(Packet {
            time: frame.time,
            wire_len: wire_len(frame),
            captured_len: captured_len(frame),
            network_len: ip.network_len,
            macs: link.macs,
            vlans: link.vlans,
            src: ip.src,
            dst: ip.dst,
            ttl: ip.ttl,
            transport,
            payload_len: ip.payload_len.saturating_sub(header_len),
            payload: ip.payload.get(header_len as usize..).unwrap_or_default(),
            truncated: (ip.payload.len() as u32) < ip.payload_len,
            fragment: match ip.fragment {
                None => Fragment::Whole,
                Some(fragment) if fragment.first => Fragment::First,
                Some(_) => Fragment::Later,
            },
        })
    }

    fn transport(&mut self, ip: &Ip<'_>, frame: &Frame<'_>) -> Result<(Transport, u32), Skip> {
        let Some(fragment) = ip.fragment else {
            return transport::decode(ip.protocol, ip.payload, ip.payload_len, true);
        };
        let protocol = if ip.src.is_ipv4() { ip.protocol } else { 0 };
        let key = FragmentKey { src: ip.src, dst: ip.dst, id: fragment.id, protocol };
        if !fragment.first {
            let unseen = Transport::Other { protocol: ip.protocol };
            return Ok((self.fragments.recall(&key, frame.time).unwrap_or(unseen), 0));
        }
        let (transport, header_len) = transport::decode(ip.protocol, ip.payload, ip.payload_len, false)?;
        self.fragments.remember(key, frame.time, transport);
        Ok((transport, header_len))
    }
}

/// Bytes on the wire; never below the captured ones, as damaged captures have it.
fn wire_len(frame: &Frame<'_>) -> u32 {
    frame.wire_len.max(captured_len(frame))
}

fn captured_len(frame: &Frame<'_>) -> u32 {
    u32::try_from(frame.data.len()).unwrap_or(u32::MAX)
}

fn arp<'a>(frame: &Frame<'a>, link: &Link<'a>, data: &'a [u8]) -> Result<Packet<'a>, Skip> {
    let packet = ArpPacketSlice::from_slice(data).map_err(|_| Skip::ShortArp)?;
    let address = |bytes: &[u8]| match bytes.try_into() {
        Ok(octets) if packet.proto_addr_type() == EtherType::IPV4 => Ok(IpAddr::V4(Ipv4Addr::from_octets(octets))),
        _ => Err(Skip::UnsupportedArp),
    };
    Ok(Packet {
        time: frame.time,
        wire_len: wire_len(frame),
        captured_len: captured_len(frame),
        network_len: packet.slice().len() as u32,
        macs: link.macs,
        vlans: link.vlans,
        src: address(packet.sender_protocol_addr())?,
        dst: address(packet.target_protocol_addr())?,
        ttl: 0,
        transport: Transport::Arp { operation: packet.operation().0 },
        payload_len: 0,
        payload: &[],
        truncated: false,
        fragment: Fragment::Whole,
    })
}

#[cfg(test)]
mod tests;
