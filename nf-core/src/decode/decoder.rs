//! Frame to packet: link, network, transport.

use super::{
    Fragment, Packet, Skip, Transport,
    fragments::{First, FragmentKey, Fragments},
    ip::Ip,
    link::{Link, Network},
    plain, transport, tunnel,
};
use crate::capture::Frame;
use etherparse::{ArpPacketSlice, EtherType};
use std::net::{IpAddr, Ipv4Addr};

/// Decodes frames. It keeps what the first fragments of packets said, in bounded memory (1024 packets, 30 s of packet
/// time), and nothing else; frames are best given in the order of capture.
///
/// * Link types: those named by [`LinkType`](crate::capture::LinkType), with up to three VLAN tags. Headers between the
///   link's and the network's are passed: MPLS labels, PPPoE, LLC and SNAP, IEEE 802.1ah and 802.1BR, NSH, Cisco's
///   FabricPath and MetaData.
/// * Network: IPv4, IPv6 with extension headers, ARP for IPv4.
/// * Tunnels are entered, up to a [depth](Self::with_tunnels): IP in IP (IPv4 and IPv6 in either), GRE with PPTP and
///   ERSPAN I to III, EtherIP, MPLS in IP and UDP, and behind their UDP ports VXLAN, Geneve, GTP-U, GRE, Teredo and
///   AYIYA. The packet is then the innermost one, with the hardware addresses and VLAN identifiers that are nearest to
///   it; its frame's lengths stay those of the frame. What does not decode inside is a packet of the tunnel itself.
/// * Lengths come from the IP header; where it says 0 (segmentation offload, jumbograms), from the frame's length on
///   the wire.
/// * A packet cut by the capture keeps its lengths and has [`truncated`](Packet::truncated) set. A TCP or UDP header
///   cut behind its ports keeps them, with 0 in the fields that are missing; cut before, it is [`Transport::Other`].
/// * A later fragment has the ports (or ICMP id) of its first, without TCP flags, or is [`Transport::Other`] where that
///   was not seen before it. Where the first fragment opened a tunnel, the later ones are packets of the inner session.
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
#[derive(Debug, Clone)]
pub struct Decoder {
    fragments: Fragments,
    tunnels: u8,
}

impl Default for Decoder {
    /// Enters up to [`DEFAULT_TUNNELS`](Self::DEFAULT_TUNNELS) tunnels.
    fn default() -> Self {
        Self { fragments: Fragments::default(), tunnels: Self::DEFAULT_TUNNELS }
    }
}

impl Decoder {
    /// How many tunnels inside each other are entered unless told otherwise: 4, one more than was seen in any capture.
    pub const DEFAULT_TUNNELS: u8 = 4;

    /// A decoder that has seen no fragment.
    pub fn new() -> Self {
        Self::default()
    }

    /// Enters up to so many tunnels inside each other; with 0, packets of a tunnel are those of its outer protocol.
    #[must_use]
    pub fn with_tunnels(mut self, tunnels: u8) -> Self {
        self.tunnels = tunnels;
        self
    }

    /// Decodes one frame; no bytes make it fail otherwise than by a [`Skip`].
    ///
    /// # Errors
    /// The reason why the frame gives no packet; count it with [`SkipCounts`](super::SkipCounts).
    pub fn decode<'a>(&mut self, frame: &Frame<'a>) -> Result<Packet<'a>, Skip> {
        match plain::decode(frame, self.tunnels > 0) {
            Some(packet) => Ok(packet),
            None => self.decode_any(frame),
        }
    }

    /// Decodes a frame of the plain case; `None` where [`decode`](Self::decode) must say what it is.
    #[inline(always)]
    pub(crate) fn decode_plain<'a>(&self, frame: &Frame<'a>) -> Option<Packet<'a>> {
        plain::decode(frame, self.tunnels > 0)
    }

    /// Decodes a frame where that takes nothing from the frames before it and leaves nothing for those behind it; `None`
    /// where the frame is a fragment, which [`decode`](Self::decode) must see in its turn.
    pub(crate) fn decode_apart<'a>(&self, frame: &Frame<'a>) -> Option<Result<Packet<'a>, Skip>> {
        if let Some(packet) = plain::decode(frame, self.tunnels > 0) {
            return Some(Ok(packet));
        }
        match self.enter(frame) {
            Ok((packet, first)) if first.is_some() || packet.later_fragment() => None,
            Ok((packet, _)) => Some(Ok(packet)),
            Err(skip) => Some(Err(skip)),
        }
    }

    /// Decodes any frame, plain or not.
    #[inline(never)]
    pub(super) fn decode_any<'a>(&mut self, frame: &Frame<'a>) -> Result<Packet<'a>, Skip> {
        let (packet, first) = self.enter(frame)?;
        if let Some(key) = first {
            let Packet { src, dst, transport, .. } = packet;
            self.fragments.remember(key, frame.time, First { src, dst, transport });
        }
        Ok(packet)
    }

    /// The innermost packet; where it or a tunnel around it is a first fragment, with what the later ones will ask for.
    fn enter<'a>(&self, frame: &Frame<'a>) -> Result<(Packet<'a>, Option<FragmentKey>), Skip> {
        if frame.data.len() > Frame::MAX_CAPTURED_LEN as usize {
            return Err(Skip::TooLong);
        }
        let link = Link::decode(frame)?;
        let (mut packet, mut first) = self.network(frame, &link, frame.data, None)?;
        for _ in 0..self.tunnels {
            if packet.later_fragment() {
                break;
            }
            let Some((header, data)) = tunnel::inner(packet.transport, packet.payload) else { break };
            let wire_len = packet.payload_len.saturating_sub((packet.payload.len() - data.len()) as u32);
            let Ok(link) = Link::walk(header, data) else { break };
            let Ok((inner, inner_first)) = self.network(frame, &link, data, Some(wire_len)) else { break };
            let (macs, vlans) = (inner.macs.or(packet.macs), inner.vlans);
            packet = Packet { macs, vlans: if vlans == [0; 2] { packet.vlans } else { vlans }, ..inner };
            first = first.or(inner_first);
        }
        Ok((packet, first))
    }

    /// A network packet behind link headers that began with `data`; for a first fragment with what its later ones will
    /// ask for. `room`: how many bytes from there on a tunnel's packet has on the wire.
    fn network<'a>(
        &self,
        frame: &Frame<'a>,
        link: &Link<'a>,
        data: &'a [u8],
        room: Option<u32>,
    ) -> Result<(Packet<'a>, Option<FragmentKey>), Skip> {
        match link.network {
            Network::Ip(ip) => self.ip(frame, link, ip, room, (data.len() - ip.len()) as u32),
            Network::Arp(data) => arp(frame, link, data).map(|packet| (packet, None)),
        }
    }

    fn ip<'a>(
        &self,
        frame: &Frame<'a>,
        link: &Link<'a>,
        data: &'a [u8],
        room: Option<u32>,
        link_len: u32,
    ) -> Result<(Packet<'a>, Option<FragmentKey>), Skip> {
        let on_wire = room.unwrap_or(wire_len(frame)).saturating_sub(link_len);
        let mut ip = Ip::decode(data, on_wire)?;
        if room.is_some() {
            // What does not fit is in the later fragments of the tunnel's packet.
            ip = ip.within(on_wire);
        }
        let mut first = None;
        let (flow, header_len) = match ip.fragment {
            None => {
                let (transport, header_len) = transport::decode(ip.protocol, ip.payload, ip.payload_len, true)?;
                (First { src: ip.src, dst: ip.dst, transport }, header_len)
            }
            Some(fragment) => {
                let protocol = if ip.src.is_ipv4() { ip.protocol } else { 0 };
                let key = FragmentKey { src: ip.src, dst: ip.dst, id: fragment.id, protocol };
                if fragment.first {
                    first = Some(key);
                    let (transport, header_len) = transport::decode(ip.protocol, ip.payload, ip.payload_len, false)?;
                    (First { src: ip.src, dst: ip.dst, transport }, header_len)
                } else {
                    let transport = Transport::Other { protocol: ip.protocol };
                    let unseen = First { src: ip.src, dst: ip.dst, transport };
                    (self.fragments.recall(&key, frame.time).unwrap_or(unseen), 0)
                }
            }
        };
        let packet = Packet {
            time: frame.time,
            wire_len: wire_len(frame),
            captured_len: captured_len(frame),
            network_len: ip.network_len,
            macs: link.macs,
            vlans: link.vlans,
            src: flow.src,
            dst: flow.dst,
            ttl: ip.ttl,
            transport: flow.transport,
            payload_len: ip.payload_len.saturating_sub(header_len),
            payload: ip.payload.get(header_len as usize..).unwrap_or_default(),
            truncated: (ip.payload.len() as u32) < ip.payload_len,
            fragment: match ip.fragment {
                None => Fragment::Whole,
                Some(fragment) if fragment.first => Fragment::First,
                Some(_) => Fragment::Later,
            },
        };
        Ok((packet, first))
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
