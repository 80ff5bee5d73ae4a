//! The plain case: Ethernet with up to three VLAN tags, IPv4 or IPv6 in one piece and without extension headers, TCP or
//! UDP that carries no tunnel. That is nearly every packet of most captures, and costs a quarter of the general way,
//! which decodes all others and is what tests hold this one equal to.

use super::{Fragment, Packet, TcpFacts, TcpFlags, Transport, tunnel};
use crate::capture::{Frame, LinkType};
use std::net::{IpAddr, Ipv4Addr};

const MAX_VLAN_TAGS: usize = 3;
const TCP: u8 = 6;
const UDP: u8 = 17;
const UDP_HEADER: usize = 8;

/// Decodes a plain frame; `None` says nothing but that the frame is not plain, and the general way must decide.
/// `tunnels`: whether tunnels are entered.
#[inline(always)]
pub(super) fn decode<'a>(frame: &Frame<'a>, tunnels: bool) -> Option<Packet<'a>> {
    let captured_len = u32::try_from(frame.data.len()).ok()?;
    if frame.link_type != LinkType::ETHERNET || captured_len > Frame::MAX_CAPTURED_LEN {
        return None;
    }
    let (ethernet, mut data) = frame.data.split_first_chunk::<14>()?;
    let mut ether_type = u16::from_be_bytes([ethernet[12], ethernet[13]]);
    let mut vlans = [0; 2];
    let mut tags = 0;
    while matches!(ether_type, 0x8100 | 0x88a8 | 0x9100) {
        if tags == MAX_VLAN_TAGS {
            return None;
        }
        let (&[c0, c1, t0, t1], rest) = data.split_first_chunk()?;
        if let Some(vlan) = vlans.get_mut(tags) {
            *vlan = u16::from_be_bytes([c0, c1]) & 0x0fff;
        }
        tags += 1;
        (ether_type, data) = (u16::from_be_bytes([t0, t1]), rest);
    }
    let ip = match ether_type {
        0x0800 => Ip::v4(data)?,
        0x86dd => Ip::v6(data)?,
        _ => return None,
    };
    let behind_ip = ip.network_len - ip.header_len;
    let data = data.get(ip.header_len as usize..)?;
    let data = &data[..data.len().min(behind_ip as usize)];
    let (transport, header_len) = match ip.protocol {
        TCP => tcp(data, behind_ip)?,
        UDP => udp(data, tunnels)?,
        _ => return None,
    };
    Some(Packet {
        time: frame.time,
        wire_len: frame.wire_len.max(captured_len),
        captured_len,
        network_len: ip.network_len,
        macs: macs(ethernet),
        vlans,
        src: ip.src,
        dst: ip.dst,
        ttl: ip.ttl,
        transport,
        payload_len: behind_ip - header_len,
        payload: data.get(header_len as usize..).unwrap_or_default(),
        truncated: (data.len() as u32) < behind_ip,
        fragment: Fragment::Whole,
    })
}

/// The hardware addresses, sender first. Put together in two registers: copied field by field, they are read again
/// before they are written, which costs as much as all the rest.
#[inline(always)]
fn macs(ethernet: &[u8; 14]) -> Option<[[u8; 6]; 2]> {
    let low = u64::from_le_bytes(*ethernet.first_chunk()?);
    let high = u64::from_le_bytes(*ethernet[4..].first_chunk()?);
    let mut macs = [0; 12];
    macs[..8].copy_from_slice(&(high >> 16 | low << 48).to_le_bytes());
    macs[8..].copy_from_slice(&((low >> 16) as u32).to_le_bytes());
    let (macs, _) = macs.as_chunks::<6>();
    macs.first_chunk().copied()
}

/// What is needed of an IP header that is whole and says how long its packet is: `header_len <= network_len`.
struct Ip {
    src: IpAddr,
    dst: IpAddr,
    ttl: u8,
    protocol: u8,
    header_len: u32,
    network_len: u32,
}

impl Ip {
    #[inline(always)]
    fn v4(data: &[u8]) -> Option<Self> {
        let header = data.first_chunk::<20>()?;
        let header_len = u32::from(header[0] & 0x0f) * 4;
        let network_len = u32::from(u16::from_be_bytes([header[2], header[3]]));
        // Everything but "don't fragment" and the reserved bit is 0 in a packet of one piece.
        let whole = (header[6] & 0x3f) | header[7] == 0;
        if header[0] >> 4 != 4 || header_len < 20 || header_len > network_len || !whole {
            return None;
        }
        let address = |at: usize| Ipv4Addr::from([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        Some(Self {
            src: IpAddr::V4(address(12)),
            dst: IpAddr::V4(address(16)),
            ttl: header[8],
            protocol: header[9],
            header_len,
            network_len,
        })
    }

    #[inline(always)]
    fn v6(data: &[u8]) -> Option<Self> {
        let header = data.first_chunk::<40>()?;
        let payload_len = u32::from(u16::from_be_bytes([header[4], header[5]]));
        // A length of 0 is that of segmentation offload and jumbograms.
        if header[0] >> 4 != 6 || payload_len == 0 {
            return None;
        }
        Some(Self {
            src: IpAddr::from(*header[8..].first_chunk::<16>()?),
            dst: IpAddr::from(*header[24..].first_chunk::<16>()?),
            ttl: header[7],
            protocol: header[6],
            header_len: 40,
            network_len: 40 + payload_len,
        })
    }
}

/// A TCP header captured whole but for its options, and its length.
#[inline(always)]
fn tcp(data: &[u8], wire_len: u32) -> Option<(Transport, u32)> {
    let header = data.first_chunk::<20>()?;
    let be16 = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let be32 = |at: usize| u32::from(be16(at)) << 16 | u32::from(be16(at + 2));
    let header_len = u32::from(header[12] >> 4) * 4;
    if !(20..=wire_len).contains(&header_len) {
        return None;
    }
    let facts = TcpFacts {
        src_port: be16(0),
        dst_port: be16(2),
        seq: be32(4),
        ack: be32(8),
        flags: TcpFlags(header[13]),
        window: be16(14),
    };
    Some((Transport::Tcp(facts), header_len))
}

/// A UDP header captured whole, and its length.
#[inline(always)]
fn udp(data: &[u8], tunnels: bool) -> Option<(Transport, u32)> {
    let (&[s0, s1, d0, d1, ..], payload) = data.split_first_chunk::<UDP_HEADER>()?;
    let (src_port, dst_port) = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
    let transport = Transport::Udp { src_port, dst_port };
    let tunnel = tunnels && tunnel::inner(transport, payload).is_some();
    (!tunnel).then_some((transport, UDP_HEADER as u32))
}

#[cfg(test)]
mod tests {
    use super::super::{Decoder, Skip};
    use super::*;
    use crate::{Timestamp, capture::Capture};
    use etherparse::{LaxSlicedPacket, TransportSlice};
    use nf_tests::{PacketBuilder, data_dir, eth};
    use proptest::{collection::vec, prelude::*, sample::Index};
    use std::path::{Path, PathBuf};

    fn frame(data: &[u8]) -> Frame<'_> {
        let wire_len = data.len() as u32;
        Frame { time: Timestamp::from_nanos(5), link_type: LinkType::ETHERNET, wire_len, data }
    }

    fn v4() -> PacketBuilder {
        eth().ipv4([10, 0, 0, 1], [10, 0, 0, 2])
    }

    #[test]
    fn plain_frames_are_taken_and_others_left() {
        let v6 = || eth().ipv6([1; 16], [2; 16]);
        let takes = |builder: PacketBuilder| decode(&frame(&builder.build()), true).is_some();
        for plain in [
            v4().tcp(1, 80).syn(),
            v4().udp(1, 53).payload(b"query").padded_to(60),
            v6().tcp(1, 80).options(&[1; 8]).payload(b"data"),
            v6().udp(1, 53),
            v4().tag(0x88a8, 100).vlan(7).vlan(9).udp(1, 2),
        ] {
            assert!(takes(plain));
        }
        for other in [
            v4().tag(0x88a8, 100).vlan(7).vlan(9).vlan(1).udp(1, 2),
            v4().udp(1, 2).total_length(0),
            v4().udp(1, 2).fragment(0, true),
            v6().extension(60, &[0; 8]).udp(1, 2),
            v4().echo_request(1, 1),
            eth().arp_request([10, 0, 0, 1], [10, 0, 0, 2]),
        ] {
            assert!(!takes(other));
        }
        let tunnel = v4().udp(1, 4789).payload(&[8; 60]).build();
        assert!(decode(&frame(&tunnel), true).is_none() && decode(&frame(&tunnel), false).is_some());
    }

    /// Both ways, each with a memory of fragments of its own.
    struct Both(Decoder, Decoder);

    impl Both {
        fn new(tunnels: u8) -> Self {
            Self(Decoder::new().with_tunnels(tunnels), Decoder::new().with_tunnels(tunnels))
        }

        fn decode<'a>(&mut self, frame: &Frame<'a>) -> [Result<Packet<'a>, Skip>; 2] {
            [self.0.decode(frame), self.1.decode_any(frame)]
        }
    }

    /// Frames that are plain, or miss it by little.
    fn nearly_plain() -> impl Strategy<Value = Vec<u8>> {
        let ports = || prop::sample::select(vec![1u16, 53, 2152, 3544, 4754, 4789, 5072, 6081, 6635]);
        let tags = vec(prop::sample::select(vec![0x8100u16, 0x88a8, 0x9100]), 0..5);
        let headers = (tags, any::<bool>(), any::<bool>(), ports(), ports(), vec(any::<u8>(), 0..3), 0..12u8);
        let damage =
            prop_oneof![3 => vec((any::<Index>(), any::<u8>()), 0..1), 1 => vec((any::<Index>(), any::<u8>()), 1..4)];
        let cut = prop_oneof![1 => Just(None), 1 => any::<Index>().prop_map(Some)];
        (headers, vec(any::<u8>(), 0..90), damage, cut).prop_map(|(headers, payload, damage, cut)| {
            let (tags, v6, tcp, src, dst, options, oddity) = headers;
            let base = tags.iter().zip(1..).fold(eth(), |base, (tag, id)| base.tag(*tag, 0x2000 | id));
            let base = if v6 { base.ipv6([1; 16], [2; 16]) } else { base.ipv4([1; 4], [2; 4]) };
            let base = match oddity {
                0 => base.total_length(0),
                1 => base.total_length(30),
                2 => base.fragment(0, true),
                3 => base.fragment(8, false),
                4 => base.extension(60, &[0; 8]),
                5 => base.padded_to(70),
                _ => base,
            };
            let options: Vec<u8> = options.iter().flat_map(|&option| [option; 4]).collect();
            let base = if tcp { base.tcp(src, dst).ack(7).options(&options) } else { base.udp(src, dst) };
            let mut bytes = base.payload(&payload).build();
            for (at, value) in damage {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len() + 1));
            }
            bytes
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn agrees_on_frames_that_are_nearly_plain(
            frames in vec(nearly_plain(), 1..6),
            tunnels in 0..3u8,
            more in 0..100u32,
        ) {
            let mut both = Both::new(tunnels);
            for data in &frames {
                let frame = Frame { wire_len: data.len() as u32 + more, ..frame(data) };
                let [plain, any] = both.decode(&frame);
                prop_assert_eq!(plain, any);
            }
        }

        #[test]
        fn agrees_on_any_bytes(data in vec(any::<u8>(), 0..120), ether_type in 0..4usize, wire_len in any::<u32>()) {
            let mut data = data;
            if let Some(field) = data.get_mut(12..15) {
                let head: [&[u8]; 4] = [&[8, 0, 0x45], &[0x86, 0xdd, 0x60], &[0x81, 0, 0], &[]];
                field[..head[ether_type].len()].copy_from_slice(head[ether_type]);
            }
            let [plain, any] = Both::new(4).decode(&Frame { wire_len, ..frame(&data) });
            prop_assert_eq!(plain, any);
        }
    }

    /// The transport header as etherparse reads it: of TCP ports, numbers, flags and window, of UDP the ports.
    fn by_etherparse(data: &[u8]) -> Option<Transport> {
        match LaxSlicedPacket::from_ethernet(data).ok()?.transport? {
            TransportSlice::Tcp(tcp) => {
                let flags = [tcp.fin(), tcp.syn(), tcp.rst(), tcp.psh(), tcp.ack(), tcp.urg(), tcp.ece(), tcp.cwr()];
                Some(Transport::Tcp(TcpFacts {
                    src_port: tcp.source_port(),
                    dst_port: tcp.destination_port(),
                    seq: tcp.sequence_number(),
                    ack: tcp.acknowledgment_number(),
                    flags: TcpFlags(flags.iter().rev().fold(0, |bits, &flag| bits << 1 | u8::from(flag))),
                    window: tcp.window_size(),
                }))
            }
            TransportSlice::Udp(udp) => {
                Some(Transport::Udp { src_port: udp.source_port(), dst_port: udp.destination_port() })
            }
            _ => None,
        }
    }

    fn files(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                files(&path, found);
            } else {
                found.push(path);
            }
        }
    }

    #[test]
    fn agrees_on_every_frame_of_the_captures() {
        let Some(root) = data_dir() else { return };
        let mut paths = Vec::new();
        for dir in ["captures", "lab"] {
            files(&root.join(dir), &mut paths);
        }
        let (mut frames, mut plain, mut compared) = (0u64, 0u64, 0u64);
        // Tables and notes lie among the captures; they are refused by their first bytes.
        for path in paths {
            let Ok(mut capture) = Capture::open(&path) else { continue };
            for tunnels in [Decoder::DEFAULT_TUNNELS, 0] {
                let mut both = Both::new(tunnels);
                while let Ok(Some(frame)) = capture.next_frame() {
                    let [fast, any] = both.decode(&frame);
                    assert_eq!(fast, any, "{}: frame {:02x?}", path.display(), frame.data);
                    frames += 1;
                    let Some(packet) = decode(&frame, tunnels > 0) else { continue };
                    plain += 1;
                    if let Some(transport) = by_etherparse(frame.data) {
                        assert_eq!(packet.transport, transport, "{}: frame {:02x?}", path.display(), frame.data);
                        compared += 1;
                    }
                }
                capture = Capture::open(&path).expect("it was opened before");
            }
        }
        println!("{frames} frames, {plain} of them plain, {compared} as etherparse reads them");
        assert!(compared > plain / 4 * 3, "{compared} of {plain}");
        assert!(plain > frames / 2, "{plain} of {frames} frames are plain");
    }
}
