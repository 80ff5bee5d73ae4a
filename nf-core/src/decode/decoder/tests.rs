use super::*;
use crate::{
    Timestamp,
    capture::LinkType,
    decode::{Protocol, TcpFacts, TcpFlags},
};
use nf_tests::{PacketBuilder, eth, ip};
use proptest::{collection::vec, prelude::*, sample::Index};

const A: [u8; 4] = [10, 0, 0, 1];
const B: [u8; 4] = [10, 0, 0, 2];

fn frame(data: &[u8]) -> Frame<'_> {
    Frame { time: Timestamp::from_nanos(5), link_type: LinkType::ETHERNET, wire_len: data.len() as u32, data }
}

fn decode(data: &[u8]) -> Result<Packet<'_>, Skip> {
    Decoder::new().decode(&frame(data))
}

fn v4() -> PacketBuilder {
    eth().ipv4(A, B)
}

#[test]
fn tcp_over_ethernet_with_every_field() {
    let bytes = v4().vlan(7).ttl(9).tcp(1234, 80).syn().ack(3).seq(1).window(99).payload(b"hello").build();
    let packet = decode(&bytes).expect("decodes");
    let facts =
        TcpFacts { src_port: 1234, dst_port: 80, seq: 1, ack: 3, flags: TcpFlags::SYN | TcpFlags::ACK, window: 99 };
    assert_eq!(packet.transport, Transport::Tcp(facts));
    assert_eq!((packet.src, packet.dst, packet.ttl), (IpAddr::from(A), IpAddr::from(B), 9));
    assert_eq!(packet.time, Timestamp::from_nanos(5));
    assert_eq!(packet.macs, Some([[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]]));
    assert_eq!(packet.vlans, [7, 0]);
    assert_eq!((packet.wire_len, packet.captured_len, packet.network_len), (63, 63, 45));
    assert_eq!((packet.payload_len, packet.payload), (5, &b"hello"[..]));
    assert!(!packet.truncated && packet.fragment == Fragment::Whole);
}

#[test]
fn ethernet_padding_is_no_payload() {
    let bytes = v4().udp(1, 2).payload(b"abc").padded_to(60).build();
    let packet = decode(&bytes).expect("decodes");
    assert_eq!((packet.wire_len, packet.payload_len, packet.payload), (60, 3, &b"abc"[..]));
    assert!(!packet.truncated);
}

#[test]
fn packets_cut_by_the_snaplen_keep_their_lengths() {
    let whole = v4().udp(1, 2).payload(&[7; 1000]).build();
    let cut = Frame { data: &whole[..100], ..frame(&whole) };
    let packet = Decoder::new().decode(&cut).expect("decodes");
    assert_eq!((packet.wire_len, packet.captured_len, packet.network_len), (1042, 100, 1028));
    assert_eq!((packet.payload_len, packet.payload.len()), (1000, 58));
    assert!(packet.truncated);
    let headless = Frame { data: &whole[..36], ..frame(&whole) };
    let packet = Decoder::new().decode(&headless).expect("decodes");
    assert_eq!((packet.transport, packet.protocol()), (Transport::Other { protocol: 17 }, Protocol::Udp));
    assert!(packet.truncated && packet.payload_len == 1008);
}

#[test]
fn segmentation_offload_counts_the_wire() {
    let whole = v4().total_length(0).tcp(1, 2).payload(&[7; 100]).build();
    let offloaded = Frame { wire_len: 14 + 40 + 60_000, ..frame(&whole) };
    let packet = Decoder::new().decode(&offloaded).expect("decodes");
    assert_eq!((packet.network_len, packet.payload_len, packet.payload.len()), (60_040, 60_000, 100));
    assert!(packet.truncated);
}

#[test]
fn damaged_wire_length_is_mended() {
    let bytes = v4().udp(1, 2).build();
    let packet = Decoder::new().decode(&Frame { wire_len: 0, ..frame(&bytes) }).map(|packet| packet.wire_len);
    assert_eq!(packet, Ok(42));
}

#[test]
fn icmp_arp_and_other_protocols() {
    let bytes = v4().echo_request(0x1234, 1).payload(b"ping").build();
    let packet = decode(&bytes).expect("decodes");
    assert_eq!(packet.transport, Transport::Icmp { v6: false, kind: 8, code: 0, id: Some(0x1234) });
    assert_eq!(packet.payload, b"ping");

    let bytes = eth().ipv6([1; 16], [2; 16]).extension(0, &[0; 8]).echo_reply(7, 1).build();
    let packet = decode(&bytes).expect("decodes");
    assert_eq!(packet.transport, Transport::Icmp { v6: true, kind: 129, code: 0, id: Some(7) });
    assert_eq!((packet.network_len, packet.payload_len), (56, 0));

    let bytes = eth().arp_request(A, B).padded_to(60).build();
    let packet = decode(&bytes).expect("decodes");
    assert_eq!(packet.transport, Transport::Arp { operation: 1 });
    assert_eq!((packet.src, packet.dst), (IpAddr::from(A), IpAddr::from(B)));
    assert_eq!((packet.network_len, packet.payload_len), (28, 0));

    let bytes = v4().protocol(47).payload(b"tunnel").build();
    let packet = decode(&bytes).expect("decodes");
    assert_eq!((packet.transport, packet.payload), (Transport::Other { protocol: 47 }, &b"tunnel"[..]));
}

#[test]
fn odd_arp_is_counted() {
    let bytes = eth().arp_request(A, B).build();
    assert_eq!(decode(&bytes[..41]).unwrap_err(), Skip::ShortArp);
    let mut other = bytes.clone();
    other[16] = 0x80;
    assert_eq!(decode(&other).unwrap_err(), Skip::UnsupportedArp);
}

#[test]
fn later_fragments_join_their_first() {
    let v6 = || eth().ipv6([1; 16], [2; 16]);
    for base in [v4 as fn() -> PacketBuilder, v6] {
        let first = base().id(3).fragment(0, true).udp(1000, 2000).payload(&[1; 16]).build();
        let later = base().id(3).fragment(24, false).udp(0, 0).payload(&[2; 10]).build();
        let foreign = base().id(4).fragment(24, false).udp(0, 0).payload(&[2; 10]).build();
        let mut decoder = Decoder::new();
        let unseen = decoder.decode(&frame(&later)).expect("decodes");
        assert_eq!((unseen.transport, unseen.protocol()), (Transport::Other { protocol: 17 }, Protocol::Udp));
        let ports = Transport::Udp { src_port: 1000, dst_port: 2000 };
        let packet = decoder.decode(&frame(&first)).expect("decodes");
        assert!(packet.fragment == Fragment::First && packet.transport == ports && packet.payload_len == 16);
        let packet = decoder.decode(&frame(&later)).expect("decodes");
        assert!(packet.later_fragment() && packet.transport == ports);
        assert_eq!((packet.payload_len, packet.payload), (10, &[2; 10][..]));
        let packet = decoder.decode(&frame(&foreign)).expect("decodes");
        assert_eq!(packet.transport, Transport::Other { protocol: 17 });
    }
}

#[test]
fn tunnels_are_entered_as_deep_as_asked() {
    let level =
        |inner: Vec<u8>, host: u8| ip().ipv4([10, 1, 0, host], [10, 1, 1, host]).protocol(4).payload(&inner).build();
    let innermost = ip().ipv4(A, B).udp(1, 53).payload(b"query").build();
    let bytes = [&eth().ipv4(A, B).build()[..14], &(1..=6).fold(innermost, level)].concat();
    for tunnels in 0..=6u8 {
        let packet = Decoder::new().with_tunnels(tunnels).decode(&frame(&bytes)).expect("decodes");
        assert_eq!((packet.wire_len, packet.macs.is_some()), (bytes.len() as u32, true));
        if tunnels == 6 {
            assert_eq!((packet.src, packet.payload), (IpAddr::from(A), &b"query"[..]));
        } else {
            assert_eq!(packet.src, IpAddr::from([10, 1, 0, 6 - tunnels]));
            assert_eq!(packet.transport, Transport::Other { protocol: 4 });
        }
    }
}

#[test]
fn fragments_of_a_tunnel_belong_to_the_session_inside() {
    let inner = ip().ipv4([10, 9, 0, 1], [10, 9, 0, 2]).udp(1000, 2000).payload(&[7; 100]).build();
    let (head, tail) = inner.split_at(48);
    let outer = |offset, more| v4().protocol(4).id(9).fragment(offset, more);
    let first = outer(0, true).payload(head).build();
    let later = outer(48, false).payload(tail).build();
    let mut decoder = Decoder::new();
    let ports = Transport::Udp { src_port: 1000, dst_port: 2000 };
    let packet = decoder.decode(&frame(&first)).expect("decodes");
    assert_eq!((packet.transport, packet.payload_len), (ports, 20));
    let packet = decoder.decode(&frame(&later)).expect("decodes");
    assert_eq!((packet.src, packet.transport, packet.payload_len), (IpAddr::from([10, 9, 0, 1]), ports, 80));
}

#[test]
fn what_is_no_packet_inside_belongs_to_the_tunnel() {
    let bytes = v4().udp(5000, 4789).payload(b"not a network").build();
    let packet = decode(&bytes).expect("decodes");
    assert_eq!(packet.transport, Transport::Udp { src_port: 5000, dst_port: 4789 });
    let bytes = v4().protocol(132).payload(&[0, 80, 0, 81, 1, 2, 3, 4]).build();
    let ports = Transport::Ports { protocol: 132, src_port: 80, dst_port: 81 };
    let packet = decode(&bytes).expect("decodes");
    assert_eq!((packet.transport, packet.protocol(), packet.payload), (ports, Protocol::Other(132), &[1, 2, 3, 4][..]));
}

fn link_type() -> impl Strategy<Value = LinkType> {
    prop::sample::select(vec![
        0, 1, 9, 12, 14, 50, 51, 101, 104, 105, 107, 108, 113, 117, 127, 147, 192, 228, 229, 239, 276, 281, 282, 284,
        285,
    ])
    .prop_map(LinkType)
}

/// Bytes that get further than random ones: a valid packet with damage, under a link header.
fn damaged() -> impl Strategy<Value = (LinkType, Vec<u8>)> {
    let packet = (any::<bool>(), 0..6u8, any::<Option<bool>>(), vec(any::<u8>(), 0..60));
    let damage = vec((any::<Index>(), any::<u8>()), 0..4);
    (packet, damage, any::<Index>(), any::<bool>()).prop_map(
        |((v6, transport, fragment, payload), damage, cut, raw)| {
            let base = if raw { ip() } else { eth().vlan(3) };
            let base = if v6 { base.ipv6([1; 16], [2; 16]).extension(60, &[0; 8]) } else { base.ipv4(A, B) };
            let base = match fragment {
                Some(true) => base.fragment(0, true),
                Some(false) => base.fragment(8, false),
                None => base,
            };
            let base = match transport {
                0 => base.tcp(1, 2).syn().options(&[1; 8]),
                1 => base.udp(1, 2),
                2 => base.echo_request(1, 1),
                3 => base.protocol(51),
                4 => base.total_length(0).tcp(1, 2),
                _ => base.protocol(132),
            };
            let mut bytes = base.payload(&payload).build();
            for (at, value) in damage {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            bytes.truncate(cut.index(bytes.len() + 1).max(20));
            (if raw { LinkType::RAW } else { LinkType::ETHERNET }, bytes)
        },
    )
}

/// What holds of every packet, whatever the bytes.
fn check(frame: &Frame<'_>, decoder: &mut Decoder) -> Result<(), TestCaseError> {
    let Ok(packet) = decoder.decode(frame) else { return Ok(()) };
    prop_assert!(packet.payload.len() <= packet.payload_len as usize);
    prop_assert!(packet.payload_len <= packet.network_len);
    prop_assert_eq!(packet.captured_len as usize, frame.data.len());
    prop_assert!(packet.wire_len >= packet.captured_len);
    prop_assert!(packet.truncated || packet.payload.len() == packet.payload_len as usize);
    if frame.wire_len == 0 {
        prop_assert_eq!(packet.wire_len, packet.captured_len);
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_decode_or_are_counted(
        link_type in link_type(),
        data in vec(any::<u8>(), 0..200),
        wire_len in 0..3000u32,
    ) {
        let frame = Frame { time: Timestamp::default(), link_type, wire_len, data: &data };
        check(&frame, &mut Decoder::new())?;
    }

    #[test]
    fn damaged_packets_decode_or_are_counted(packets in vec(damaged(), 1..8), wire_len in 0..3000u32) {
        let mut decoder = Decoder::new();
        for (link_type, data) in &packets {
            let frame = Frame { time: Timestamp::default(), link_type: *link_type, wire_len, data };
            check(&frame, &mut decoder)?;
        }
    }

    #[test]
    fn network_bytes_mean_the_same_under_every_link(mut data in vec(any::<u8>(), 0..80), v6 in any::<bool>()) {
        if let Some(first) = data.first_mut() {
            *first = if v6 { 0x60 } else { 0x45 };
        }
        let ether_type = if v6 { [0x86, 0xdd] } else { [8, 0] };
        let headers: [(u16, Vec<u8>); 5] = [
            (101, vec![]),
            (0, vec![2, 0, 0, 0]),
            (1, [&[0; 12][..], &ether_type].concat()),
            (113, [&[0; 14][..], &ether_type].concat()),
            (276, [&ether_type[..], &[0; 18]].concat()),
        ];
        let mut seen: Vec<String> = headers.iter().map(|(link_type, header)| {
            let bytes = [&header[..], &data].concat();
            let frame = Frame { link_type: LinkType(*link_type), ..frame(&bytes) };
            match Decoder::new().decode(&frame) {
                Ok(p) => format!("{:?}", (p.src, p.dst, p.transport, p.network_len, p.payload_len, p.payload)),
                Err(skip) => skip.to_string(),
            }
        }).collect();
        seen.dedup();
        prop_assert_eq!(seen.len(), 1);
    }
}

#[test]
fn a_frame_longer_than_any_is_skipped() {
    let most = Frame::MAX_CAPTURED_LEN as usize;
    let mut data = eth().ipv4([10, 0, 0, 1], [10, 0, 0, 2]).udp(1, 2).build();
    let decode = |data: &[u8], link_type| {
        let frame = Frame { time: Timestamp::default(), link_type, wire_len: data.len() as u32, data };
        Decoder::new().decode(&frame).map(|packet| packet.captured_len as usize)
    };
    data.resize(most, 0);
    assert_eq!(decode(&data, LinkType::ETHERNET), Ok(most));
    data.push(0);
    assert_eq!(decode(&data, LinkType::ETHERNET), Err(Skip::TooLong));
    assert_eq!(decode(&data, LinkType(999)), Err(Skip::TooLong));
}
