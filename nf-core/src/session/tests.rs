//! How packets become sessions, held by example and by property.

use super::*;
use crate::{
    ErrorKind, Timestamp,
    capture::{Capture, Frame, LinkType},
    decode::{Fragment, Packet, Protocol, TcpFacts, TcpFlags, Transport},
};
use proptest::prelude::*;
use std::{net::IpAddr, time::Duration};

mod looks;
mod memory;

const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;
const FIN: TcpFlags = TcpFlags(0x11);
const RST: TcpFlags = TcpFlags::RST;

fn addr(host: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, host])
}

fn packet(millis: i64, src: u8, dst: u8, transport: Transport, payload: &'static [u8]) -> Packet<'static> {
    let payload_len = payload.len() as u32;
    Packet {
        time: Timestamp::from_nanos(millis * 1_000_000),
        wire_len: 54 + payload_len,
        captured_len: 54 + payload_len,
        network_len: 40 + payload_len,
        macs: None,
        vlans: [0; 2],
        src: addr(src),
        dst: addr(dst),
        ttl: 64,
        transport,
        payload_len,
        payload,
        truncated: false,
        fragment: Fragment::Whole,
    }
}

fn tcp(millis: i64, src: (u8, u16), dst: (u8, u16), flags: TcpFlags, payload: &'static [u8]) -> Packet<'static> {
    let facts = TcpFacts { src_port: src.1, dst_port: dst.1, seq: millis as u32, ack: 0, flags, window: 1000 };
    packet(millis, src.0, dst.0, Transport::Tcp(facts), payload)
}

fn udp(millis: i64, src: (u8, u16), dst: (u8, u16), payload: &'static [u8]) -> Packet<'static> {
    packet(millis, src.0, dst.0, Transport::Udp { src_port: src.1, dst_port: dst.1 }, payload)
}

fn echo(millis: i64, src: u8, dst: u8, kind: u8, id: Option<u16>) -> Packet<'static> {
    packet(millis, src, dst, Transport::Icmp { v6: false, kind, code: 0, id }, b"ping")
}

fn run(config: SessionConfig, packets: &[Packet<'_>]) -> (Vec<Session>, TableStats) {
    let mut table = SessionTable::new(config).expect("valid");
    packets.iter().for_each(|packet| table.push_packet(packet));
    table.finish();
    (std::iter::from_fn(|| table.pop()).collect(), table.stats().clone())
}

fn lines(packets: &[Packet<'_>]) -> Vec<String> {
    run(SessionConfig::default(), packets).0.iter().map(Session::to_string).collect()
}

const A: (u8, u16) = (1, 1025);
const B: (u8, u16) = (2, 80);

#[test]
fn trailing_packets_stay_and_a_new_syn_opens_the_next_session() {
    let packets = [
        tcp(0, A, B, SYN, b""),
        tcp(1, B, A, SYN | ACK, b""),
        tcp(2, A, B, ACK, b"get"),
        tcp(3, B, A, ACK, b"page"),
        tcp(4, A, B, FIN, b""),
        tcp(5, B, A, FIN, b""),
        tcp(6, A, B, ACK, b""),
        tcp(900, B, A, RST, b""),
        tcp(1000, A, B, SYN, b""),
        tcp(1001, B, A, RST | ACK, b""),
    ];
    assert_eq!(
        lines(&packets),
        [
            "0.000000000 tcp 10.0.0.1:1025 > 10.0.0.2:80, 8 packets, 439 bytes, 0.900 s, fin, answered",
            "1.000000000 tcp 10.0.0.1:1025 > 10.0.0.2:80, 2 packets, 108 bytes, 0.001 s, rst, failed",
        ]
    );
}

#[test]
fn idle_and_active_timeouts_cut_in_packet_time() {
    let seconds = |s: i64| s * 1000;
    let udp_at = |s: i64| udp(seconds(s), A, (2, 9), b"x");
    assert_eq!(
        lines(&[udp_at(0), udp_at(59), udp_at(118), udp_at(179)]),
        [
            "0.000000000 udp 10.0.0.1:1025 > 10.0.0.2:9, 3 packets, 165 bytes, 118.000 s, idle, failed",
            "179.000000000 udp 10.0.0.1:1025 > 10.0.0.2:9, 1 packets, 55 bytes, 0.000 s, flushed, failed",
        ]
    );
    // The answer that continues a session cut at its active timeout does not turn its direction.
    let mut packets: Vec<_> = (0..=36).map(|i| udp(seconds(i * 50), A, (2, 9), b"x")).collect();
    packets.push(udp(seconds(1801), (2, 9), A, b"y"));
    assert_eq!(
        lines(&packets),
        [
            "0.000000000 udp 10.0.0.1:1025 > 10.0.0.2:9, 36 packets, 1980 bytes, 1750.000 s, active, failed",
            "1800.000000000 udp 10.0.0.1:1025 > 10.0.0.2:9, 2 packets, 110 bytes, 1.000 s, flushed, answered",
        ]
    );
    let never = SessionConfig::default().idle_udp(None).active(None);
    assert_eq!(run(never, &[udp_at(0), udp_at(1_000_000)]).0.len(), 1);
}

#[test]
fn a_closed_session_is_not_cut_and_keeps_its_trailing_packets() {
    let seconds = |s: i64| s * 1000;
    let mut packets: Vec<_> = (0..18).map(|i| tcp(seconds(i * 100), A, B, ACK, b"x")).collect();
    packets.extend([tcp(seconds(1790), A, B, FIN, b""), tcp(seconds(1791), B, A, FIN, b"")]);
    packets.push(tcp(seconds(1850), A, B, ACK, b""));
    assert_eq!(
        lines(&packets),
        ["0.000000000 tcp 10.0.0.1:1025 > 10.0.0.2:80, 21 packets, 1152 bytes, 1850.000 s, fin, failed"]
    );
}

#[test]
fn finish_leaves_nothing_behind() {
    let mut table = SessionTable::new(SessionConfig::default().idle_udp(None)).expect("valid");
    table.push_packet(&udp(0, A, (2, 9), b"x"));
    table.advance(Timestamp::from_nanos(1_801_000_000_000));
    assert_eq!((table.open(), table.stats().ended), (0, 1));
    table.finish();
    table.push_packet(&udp(1_802_000, (2, 9), A, b"y"));
    table.finish();
    let sessions: Vec<_> = std::iter::from_fn(|| table.pop()).collect();
    assert_eq!((sessions.len(), sessions[1].key().orig.port), (2, 9), "what follows is a session of its own");
    assert_eq!((table.open(), table.stats().started), (0, 2));
}

#[test]
fn silence_needs_no_packet() {
    let mut table = SessionTable::new(SessionConfig::default()).expect("valid");
    table.push_packet(&udp(0, A, (2, 9), b"x"));
    table.advance(Timestamp::from_nanos(59_999_999_999));
    assert!(table.pop().is_none());
    table.advance(Timestamp::from_nanos(60_000_000_000));
    assert_eq!(table.pop().expect("ended").end_reason(), EndReason::Idle);
    assert_eq!((table.open(), table.stats().ended), (0, 1));
    table.advance(Timestamp::from_nanos(i64::MAX)); // the end of time is no reason to hang
}

#[test]
fn a_wrong_advance_is_counted_and_stops_no_timeout() {
    let at = |second: i64| Timestamp::from_nanos(second * 1_000_000_000);
    let mut table = SessionTable::new(SessionConfig::default()).expect("valid");
    table.advance(at(100));
    table.push_packet(&udp(100_000, A, (2, 9), b"x"));
    for second in [99, 40, 39, -1000, i64::MIN / 1_000_000_000] {
        table.advance(at(second));
    }
    assert_eq!((table.stats().late_advances, table.now(), table.open()), (3, at(100), 1), "up to 60 s are no error");
    for wrong in [Timestamp::from_nanos(i64::MAX), at(1_800_000_000)] {
        let mut table = SessionTable::new(SessionConfig::default()).expect("valid");
        table.push_packet(&udp(0, A, (2, 9), b"x"));
        table.advance(wrong);
        assert_eq!((table.open(), table.stats().late_advances), (0, 0));
        // Behind it come one packet and no other: time is what is said.
        table.push_packet(&udp(1000, A, (2, 9), b"y"));
        let open = (1..200).find(|second| {
            table.advance(at(1 + second));
            table.open() == 0
        });
        assert!(open.is_some_and(|seconds| (60..=125).contains(&seconds)), "{open:?} s");
        let late = table.stats().late_advances;
        assert!((55..=62).contains(&late), "{late}");
    }
}

#[test]
fn direction_comes_from_the_handshake_where_its_start_was_missed() {
    let [first, second] = [tcp(0, B, A, SYN | ACK, b""), tcp(1, A, B, ACK, b"get")];
    let (sessions, _) = run(SessionConfig::default(), &[first, second]);
    assert_eq!(sessions[0].key().orig.port, 1025);
    assert_eq!(sessions[0].stats().orig.payload_bytes, 3);
}

#[test]
fn a_connection_seen_from_its_middle_is_a_session_of_who_spoke_first() {
    let packets = [
        tcp(0, B, A, ACK, b"page"),
        tcp(1, A, B, ACK, b"next"),
        tcp(2, B, A, FIN, b""),
        tcp(3, A, B, FIN, b""),
        tcp(4, B, A, ACK, b""),
    ];
    assert_eq!(
        lines(&packets),
        ["0.000000000 tcp 10.0.0.2:80 > 10.0.0.1:1025, 5 packets, 278 bytes, 0.004 s, fin, answered"]
    );
}

#[test]
fn simultaneous_open_is_one_session() {
    // RFC 9293 figure 8: both ends send a SYN before either is answered.
    let packets = [
        tcp(0, A, B, SYN, b""),
        tcp(1, B, A, SYN, b""),
        tcp(2, A, B, SYN | ACK, b""),
        tcp(3, B, A, SYN | ACK, b""),
        tcp(4, A, B, ACK, b"x"),
        tcp(5, B, A, ACK, b"y"),
    ];
    assert_eq!(
        lines(&packets),
        ["0.000000000 tcp 10.0.0.1:1025 > 10.0.0.2:80, 6 packets, 326 bytes, 0.005 s, flushed, answered"]
    );
}

#[test]
fn ports_are_used_again_after_silence_but_not_by_a_repeated_syn() {
    let at = |seconds: i64, seq: u32| {
        let mut packet = tcp(seconds * 1000, A, B, SYN, b"");
        if let Transport::Tcp(tcp) = &mut packet.transport {
            tcp.seq = seq;
        }
        packet
    };
    let count = |packets: &[Packet<'_>]| run(SessionConfig::default(), packets).0.len();
    assert_eq!(count(&[at(0, 7), at(59, 8)]), 1); // one that the receiver would not take
    assert_eq!(count(&[at(0, 7), at(60, 7)]), 1); // sent again
    assert_eq!(count(&[at(0, 7), at(60, 8)]), 2);
    let closed = [at(0, 7), tcp(0, B, A, SYN | ACK, b""), tcp(1, A, B, FIN, b""), tcp(2, B, A, FIN, b"")];
    assert_eq!(count(&[&closed[..], &[at(1, 7)]].concat()), 1); // late, or sent twice
    assert_eq!(count(&[&closed[..], &[at(1, 8)]].concat()), 2);
    assert_eq!(count(&[at(0, 7), tcp(1, B, A, RST | ACK, b""), at(1, 7)]), 2); // another try
}

#[test]
fn a_time_from_the_far_future_does_not_stop_the_timeouts() {
    let mut table = SessionTable::new(SessionConfig::default()).expect("valid");
    table.push_packet(&udp(0, A, (2, 9), b"x"));
    table.push_packet(&udp(i64::from(u32::MAX) * 1000, (3, 3), (2, 9), b"x"));
    let ended = |table: &mut SessionTable| std::iter::from_fn(|| table.pop()).count();
    assert_eq!(ended(&mut table), 1); // nothing tells a long silence from a wrong time
    for second in 1..400 {
        table.push_packet(&udp(second * 1000, (4, second as u16), (2, 9), b"x"));
    }
    let (open, ended) = (table.open(), ended(&mut table));
    assert!(open < 150 && ended > 250, "{open} sessions open, {ended} ended");
}

#[test]
fn vlans_are_part_of_the_key_where_asked() {
    let mut packets = [udp(0, A, (2, 9), b"x"), udp(1, A, (2, 9), b"x")];
    packets[1].vlans = [7, 0];
    assert_eq!(run(SessionConfig::default(), &packets).0.len(), 1);
    let sessions = run(SessionConfig::default().vlan_in_key(true), &packets).0;
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions[1].key().to_string(), "udp vlan 7 10.0.0.1:1025 > 10.0.0.2:9");
}

#[test]
fn icmp_is_kept_apart_by_identifier_and_type() {
    let packets = [
        echo(0, 1, 2, 8, Some(7)),
        echo(1, 2, 1, 0, Some(7)),
        echo(2, 1, 2, 8, Some(8)),
        echo(3, 2, 1, 3, None),
        echo(4, 2, 1, 11, None),
    ];
    assert_eq!(
        lines(&packets),
        [
            "0.000000000 icmp 10.0.0.1:7 > 10.0.0.2:7, 2 packets, 116 bytes, 0.001 s, flushed, answered",
            "0.002000000 icmp 10.0.0.1:8 > 10.0.0.2:8, 1 packets, 58 bytes, 0.000 s, flushed, failed",
            "0.003000000 icmp type 3 10.0.0.2 > 10.0.0.1, 1 packets, 58 bytes, 0.000 s, flushed, failed",
            "0.004000000 icmp type 11 10.0.0.2 > 10.0.0.1, 1 packets, 58 bytes, 0.000 s, flushed, failed",
        ]
    );
    let pairs = SessionConfig::default().key(KeyKind::HostPair);
    assert_eq!(run(pairs, &packets).0.len(), 1);
}

#[test]
fn clock_steps_back_give_no_negative_gap() {
    let packets = [udp(5000, A, (2, 9), b"x"), udp(1000, (2, 9), A, b"y"), udp(5001, A, (2, 9), b"z")];
    let (sessions, _) = run(SessionConfig::default(), &packets);
    assert_eq!(sessions.len(), 1);
    assert_eq!((sessions[0].stats().gaps.min(), sessions[0].duration()), (0.0, Duration::from_millis(1)));
    let rows = crate::FeatureSpec::packets(8).extract(&sessions).expect("valid");
    assert!(rows.data().iter().all(|value| value.is_finite()));
}

#[test]
fn first_packets_are_kept_and_statistics_cover_all() {
    let packets: Vec<_> = (0..100).map(|i| udp(i, A, (2, 9), b"abcd")).collect();
    let (sessions, _) = run(SessionConfig::default().max_packets(10), &packets);
    assert_eq!((sessions[0].packets().len(), sessions[0].stats().packets()), (10, 100));
    assert_eq!(sessions[0].packets()[0].entropy, 2.0);
}

#[test]
fn outcome_settles_after_silence_and_is_corrected_by_a_late_answer() {
    let late = [udp(0, A, (2, 9), b"x"), udp(10_000, (3, 1), (4, 2), b"x"), udp(11_000, (2, 9), A, b"y")];
    let (sessions, _) = run(SessionConfig::default(), &late);
    let first = sessions.iter().find(|s| s.key().orig.addr == addr(1)).expect("there");
    assert_eq!(first.outcome(), Outcome::Answered);
    let context = first.context().expect("kept");
    assert_eq!((context.host_pair.answered, context.host_pair.failed), (1.0, 0.0));
    assert_eq!(context.pair.sessions, [1.0, 1.0]);
}

#[test]
fn context_counts_what_a_scan_does_and_leaves_others_alone() {
    let mut packets = Vec::new();
    for port in 0..54 {
        packets.push(tcp(i64::from(port) * 100, (9, 40_000 + port), (2, 1 + port), SYN, b""));
        packets.push(tcp(i64::from(port) * 100 + 1, (2, 1 + port), (9, 40_000 + port), RST | ACK, b""));
    }
    packets.push(tcp(5500, A, B, SYN, b""));
    packets.push(tcp(5501, B, A, SYN | ACK, b""));
    packets.push(tcp(5502, A, B, ACK, b"get"));
    packets.push(tcp(5503, B, A, ACK, b"page"));
    let (sessions, _) = run(SessionConfig::default(), &packets);
    let last_probe = sessions.iter().rfind(|s| s.key().orig.addr == addr(9)).expect("there");
    let context = last_probe.context().expect("kept");
    assert_eq!((context.source.ports, context.source.hosts), ([54.0, 54.0], [1.0, 1.0]));
    assert_eq!((context.destination.sessions[0], context.port_sources[0]), (54.0, 1.0));
    let client = sessions.iter().find(|s| s.key().orig.addr == addr(1)).expect("there");
    let context = client.context().expect("kept");
    assert_eq!((context.source.sessions[1], context.destination.sessions[1]), (1.0, 1.0));
    assert_eq!((last_probe.context().expect("kept").clients, context.clients), (0.0, 1.0), "who is refused is none");
}

#[test]
fn clients_are_those_whose_handshakes_are_answered() {
    let mut packets = Vec::new();
    let mut exchange = |millis: i64, host: u8, port: u16| {
        let (client, server) = ((host, port), (200, 80));
        packets.push(tcp(millis, client, server, SYN, b""));
        packets.push(tcp(millis + 1, server, client, SYN | ACK, b""));
        packets.push(tcp(millis + 2, client, server, ACK, b"get"));
        packets.push(tcp(millis + 3, server, client, ACK, b"page"));
    };
    (1..=3).for_each(|host| exchange(i64::from(host) * 10, host, 50_000));
    exchange(9_000, 1, 50_001);
    exchange(90_000, 2, 50_001);
    // Forged senders of SYNs, and of questions that are answered.
    for host in 10..90 {
        packets.push(tcp(1_000 + i64::from(host), (host, 50_000), (200, 80), SYN, b""));
        packets.push(udp(1_000 + i64::from(host), (host, 50_000), (200, 99), b"question"));
        packets.push(udp(1_001 + i64::from(host), (200, 99), (host, 50_000), b"answer"));
    }
    packets.sort_by_key(|packet| packet.time);
    let (sessions, _) = run(SessionConfig::default(), &packets);
    let clients = |host, millis: i64| {
        let began =
            |s: &&Session| s.key().orig.addr == addr(host) && s.start() == Timestamp::from_nanos(millis * 1_000_000);
        sessions.iter().find(began).expect("there").context().expect("kept").clients
    };
    assert_eq!((clients(50, 1_050), clients(1, 9_000)), (3.0, 3.0));
    assert_eq!(clients(2, 90_000), 1.0, "those of the last minute");
}

#[test]
fn context_knows_nothing_of_the_future() {
    // A probe's context is taken 2 s after it; what follows later must not show, however late the session ends.
    let mut packets: Vec<_> = (0..5).map(|i| udp(i * 100, (9, 50_000), (2, 100 + i as u16), b"x")).collect();
    packets.extend((0..50).map(|i| udp(10_000 + i * 100, (9, 50_000), (2, 200 + i as u16), b"x")));
    let (sessions, _) = run(SessionConfig::default(), &packets);
    let first = sessions.iter().find(|s| s.key().resp.port == 100).expect("there");
    assert_eq!(first.context().expect("kept").source.attempts, [5.0, 5.0]);
}

#[test]
fn a_damaged_capture_gives_its_sessions_then_the_error() {
    let syn = |port| nf_tests::eth().ipv4([10, 0, 0, 1], [10, 0, 0, 2]).tcp(port, 80).syn().build();
    let mut bytes = nf_tests::PcapWriter::new().packet(1_000, &syn(1)).packet(2_000, &syn(2)).finish();
    bytes.truncate(bytes.len() - 5);
    let open = |bytes: &[u8]| Capture::from_reader(std::io::Cursor::new(bytes.to_vec())).expect("a capture");
    let mut reader = open(&bytes).sessions(&SessionConfig::default()).expect("valid");
    assert_eq!(reader.next().expect("a session").expect("whole").key().orig.port, 1);
    let error = reader.next().expect("the damage").expect_err("an error");
    assert_eq!(error.kind(), ErrorKind::Capture);
    assert!(error.to_string().starts_with("reader: packet 2"), "{error}");
    assert!(reader.next().is_none());
    let error = open(&bytes).sessions(&SessionConfig::default()).expect("valid").collect().expect_err("damaged");
    assert_eq!(error.kind(), ErrorKind::Capture);
    let refused = open(&bytes).sessions(&SessionConfig::default().max_packets(0)).expect_err("out of range");
    assert_eq!(refused.kind(), ErrorKind::Config);
}

#[test]
fn regular_sessions_to_one_service_are_seen_as_such() {
    let beat = |i: i64| udp(i * 6_000, (1, 2000 + i as u16), (2, 443), b"beat");
    let (sessions, _) = run(SessionConfig::default(), &(0..10).map(beat).collect::<Vec<_>>());
    let context = |i: usize| *sessions[i].context().expect("kept");
    assert_eq!((context(2).service.recent, context(2).service.gap_variation), (3.0, 1.0));
    let last = context(9).service;
    assert_eq!((last.recent, last.gap_mean, last.gap_variation), (10.0, 6.0, 0.0));
    assert_eq!((last.payload_variation, last.sessions), (0.0, [2.0, 10.0]));
}

#[test]
fn names_under_one_domain_share_a_counter() {
    let ask = |i: u64, name: &str| {
        let payload = nf_tests::DnsMessage::query(name).build();
        let frame =
            nf_tests::eth().ipv4([10, 0, 0, 1], [10, 0, 0, 2]).udp(4000 + i as u16, 53).payload(&payload).build();
        (Timestamp::from_nanos(i as i64 * 100_000_000), frame)
    };
    let mut table = SessionTable::new(SessionConfig::default()).expect("valid");
    let mut names: Vec<_> = (0..20).map(|i| ask(i, &format!("data{i:04}.secret.test"))).collect();
    names.push(ask(20, "www.example.org"));
    for (time, data) in &names {
        table.push(&Frame { time: *time, link_type: LinkType::ETHERNET, wire_len: data.len() as u32, data });
    }
    table.finish();
    let sessions: Vec<_> = std::iter::from_fn(|| table.pop()).collect();
    let of =
        |name: &str| sessions.iter().rfind(|s| s.dns().is_some_and(|dns| dns.name.ends_with(name))).expect("there");
    let tunnel = of("secret.test").context().expect("kept").domain;
    assert_eq!((tunnel.queries[1], tunnel.names, tunnel.name_length), (20.0, 20.0, 20.0));
    let other = of("example.org").context().expect("kept").domain;
    assert_eq!((other.queries[1], other.names), (1.0, 1.0));
}

#[test]
fn forged_senders_show_at_their_hardware_address() {
    let mut table = SessionTable::new(SessionConfig::default()).expect("valid");
    for i in 0..30u8 {
        let frame = nf_tests::eth().arp_request([10, 0, 0, 100 + i], [10, 0, 0, 100 + i]).build();
        let time = Timestamp::from_nanos(i64::from(i) * 50_000_000);
        table.push(&Frame { time, link_type: LinkType::ETHERNET, wire_len: frame.len() as u32, data: &frame });
    }
    table.finish();
    let last = std::iter::from_fn(|| table.pop()).last().expect("sessions");
    assert_eq!(last.context().expect("kept").arp_claims, 30.0);
}

fn any_packet() -> impl Strategy<Value = Packet<'static>> {
    let flags =
        prop_oneof![Just(SYN), Just(SYN | ACK), Just(ACK), Just(FIN), Just(RST), any::<u8>().prop_map(TcpFlags)];
    let transport = prop_oneof![
        4 => (1u16..4, 1u16..4, any::<u32>(), flags).prop_map(|(src_port, dst_port, seq, flags)| Transport::Tcp(TcpFacts {
            src_port, dst_port, seq, ack: 0, flags, window: 9,
        })),
        2 => (1u16..4, prop_oneof![Just(53), 1u16..4]).prop_map(|(src_port, dst_port)| Transport::Udp { src_port, dst_port }),
        1 => (any::<u8>(), prop::option::of(0u16..3)).prop_map(|(kind, id)| Transport::Icmp { v6: false, kind, code: 0, id }),
        1 => (0u16..3).prop_map(|operation| Transport::Arp { operation }),
        1 => any::<u8>().prop_map(|protocol| Transport::Other { protocol }),
    ];
    (-50_000i64..4_000_000, 1u8..5, 1u8..5, transport)
        .prop_map(|(time, src, dst, transport)| packet(time, src, dst, transport, b"xy"))
}

proptest! {
    #[test]
    fn every_packet_is_in_exactly_one_session(packets in prop::collection::vec(any_packet(), 0..200)) {
        let (sessions, stats) = run(SessionConfig::default(), &packets);
        let total: u64 = sessions.iter().map(|session| session.stats().packets()).sum();
        prop_assert_eq!(total, packets.len() as u64);
        prop_assert_eq!((stats.started, stats.ended), (sessions.len() as u64, sessions.len() as u64));
        prop_assert!(sessions.iter().all(|s| s.outcome() != Outcome::Pending && s.context().is_some()));
        let spec = crate::FeatureSpec::flow().and(crate::FeatureSpec::context()).expect("both flat");
        let rows = spec.extract(&sessions).expect("finite");
        for (i, column) in rows.schema().columns().iter().enumerate().filter(|(_, column)| column.unit == "share") {
            let mut values = rows.data().iter().skip(i).step_by(rows.width());
            prop_assert!(values.all(|value| (0.0..=1.0).contains(value)), "{}", column.name);
        }
    }

    #[test]
    fn swapping_all_ends_swaps_the_sessions(packets in prop::collection::vec(any_packet(), 0..100)) {
        let swapped: Vec<_> = packets.iter().cloned().map(|mut packet| {
            (packet.src, packet.dst) = (packet.dst, packet.src);
            packet.transport = match packet.transport {
                Transport::Tcp(tcp) => Transport::Tcp(TcpFacts { src_port: tcp.dst_port, dst_port: tcp.src_port, ..tcp }),
                Transport::Udp { src_port, dst_port } => Transport::Udp { src_port: dst_port, dst_port: src_port },
                other => other,
            };
            packet
        }).collect();
        let (there, back) = (run(SessionConfig::default(), &packets).0, run(SessionConfig::default(), &swapped).0);
        prop_assert_eq!(there.len(), back.len());
        for (a, b) in there.iter().zip(&back) {
            prop_assert_eq!(a.key().reversed(), *b.key());
            prop_assert_eq!((a.start(), a.end(), a.end_reason()), (b.start(), b.end(), b.end_reason()));
        }
    }

    #[test]
    fn shifting_time_shifts_the_sessions(packets in prop::collection::vec(any_packet(), 0..100), by in 0i64..1_000_000) {
        let by = by * 1_000_000_000; // whole seconds: windows have buckets of a second
        let shifted: Vec<_> = packets.iter().cloned().map(|mut packet| {
            packet.time = Timestamp::from_nanos(packet.time.as_nanos() + by);
            packet
        }).collect();
        let (there, later) = (run(SessionConfig::default(), &packets).0, run(SessionConfig::default(), &shifted).0);
        prop_assert_eq!(there.len(), later.len());
        for (a, b) in there.iter().zip(&later) {
            prop_assert_eq!(a.start().as_nanos() + by, b.start().as_nanos());
            prop_assert_eq!((a.key(), a.context(), a.stats().packets()), (b.key(), b.context(), b.stats().packets()));
        }
    }

    #[test]
    fn advancing_between_packets_changes_nothing(packets in prop::collection::vec(any_packet(), 1..100)) {
        let plain: Vec<_> = lines(&packets);
        let mut table = SessionTable::new(SessionConfig::default()).expect("valid");
        let mut latest = i64::MIN;
        for packet in &packets {
            let now = packet.time.as_nanos();
            if latest < now && latest > i64::MIN {
                (1..4).for_each(|i| table.advance(Timestamp::from_nanos(latest + (now - latest) / 4 * i)));
            }
            latest = latest.max(now);
            table.push_packet(packet);
        }
        table.finish();
        let advanced: Vec<_> = std::iter::from_fn(|| table.pop()).map(|session| session.to_string()).collect();
        prop_assert_eq!(plain, advanced);
    }
}
