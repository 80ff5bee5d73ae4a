//! Sessions and columns of small scripted captures, held against text files.
//!
//! `NF_BLESS=1` writes the files anew; read the difference before committing it.

use nf_core::{FeatureSpec, SessionConfig, capture::Capture, session::Sessions};
use nf_tests::{DnsMessage, PacketBuilder, PcapWriter, eth};
use std::{fmt::Write, io::Cursor, path::Path};

const CLIENT: [u8; 4] = [10, 0, 0, 1];
const SERVER: [u8; 4] = [10, 0, 0, 2];

/// A capture of packets with their times in milliseconds.
fn capture(packets: impl IntoIterator<Item = (u64, PacketBuilder)>) -> Vec<u8> {
    let start = 1_700_000_000_000u64;
    let write = |writer: PcapWriter, (millis, packet): (u64, PacketBuilder)| {
        writer.packet((start + millis) * 1_000_000, &packet.build())
    };
    packets.into_iter().fold(PcapWriter::new(), write).finish()
}

fn up() -> PacketBuilder {
    eth().ipv4(CLIENT, SERVER).tcp(40_000, 80)
}

fn down() -> PacketBuilder {
    eth().macs([2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1]).ipv4(SERVER, CLIENT).tcp(80, 40_000)
}

fn web() -> Vec<u8> {
    capture([
        (0, eth().arp_request(CLIENT, SERVER)),
        (1, eth().macs([2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1]).arp_reply(SERVER, CLIENT)),
        (2, up().syn().seq(100)),
        (12, down().syn().ack(101).seq(900)),
        (13, up().ack(901).seq(101)),
        (14, up().psh().ack(901).seq(101).payload(b"GET / HTTP/1.1\r\nHost: www.example\r\n\r\n")),
        (40, down().ack(138).seq(901).payload(&[b'x'; 1200])),
        (41, down().psh().ack(138).seq(3301).payload(&[b'y'; 300])),
        (42, down().ack(138).seq(2101).payload(&[b'z'; 1200])),
        (43, down().ack(138).seq(901).payload(&[b'x'; 1200])),
        (44, up().ack(3601).seq(138)),
        (50, up().fin().ack(3601).seq(138)),
        (60, down().fin().ack(139).seq(3601)),
        (61, up().ack(3602).seq(139)),
    ])
}

fn dns() -> Vec<u8> {
    let ask = |port, name: &str, kind| {
        let payload = DnsMessage::query(name).query_type(kind).build();
        eth().ipv4(CLIENT, SERVER).udp(port, 53).payload(&payload)
    };
    let answer = |port, name: &str, code, answers| {
        eth().ipv4(SERVER, CLIENT).udp(53, port).payload(&DnsMessage::response(name, code, answers).build())
    };
    let mut packets = vec![
        (0, ask(5000, "www.example.org", 1)),
        (5, answer(5000, "www.example.org", 0, 2)),
        (10, ask(5001, "nothere.example.org", 1)),
        (15, answer(5001, "nothere.example.org", 3, 0)),
    ];
    for (i, label) in ["aGVsbG8gd29ybGQ", "dGhpcyBpcyBhIHR1bm5lbA", "c2VjcmV0cyBsZWF2ZSBoZXJl"].iter().enumerate() {
        let (time, name) = (1000 + 300 * i as u64, format!("{label}.{label}.d.tunnel.test"));
        packets.push((time, ask(6000 + i as u16, &name, 10)));
        packets.push((time + 30, answer(6000 + i as u16, &name, 0, 1)));
    }
    capture(packets)
}

fn scan() -> Vec<u8> {
    let probe = |i: u16| eth().ipv4(CLIENT, SERVER).tcp(50_000 + i, 20 + i).syn().seq(7);
    let refuse = |i: u16| eth().ipv4(SERVER, CLIENT).tcp(20 + i, 50_000 + i).rst().ack(8).seq(0);
    capture((0..12).flat_map(|i| {
        let time = u64::from(i) * 250;
        // Every third port is filtered: nobody answers.
        let answer = (i % 3 != 2).then(|| (time + 1, refuse(i)));
        [Some((time, probe(i))), answer].into_iter().flatten()
    }))
}

fn icmp() -> Vec<u8> {
    let ping = |id, seq| eth().ipv4(CLIENT, SERVER).echo_request(id, seq).payload(&[0x42; 48]);
    let pong = |id, seq| eth().ipv4(SERVER, CLIENT).echo_reply(id, seq).payload(&[0x42; 48]);
    capture([
        (0, ping(7, 1)),
        (1, pong(7, 1)),
        (1000, ping(7, 2)),
        (1001, pong(7, 2)),
        (1500, ping(8, 1)),
        (1600, eth().ipv4(SERVER, CLIENT).icmp(3, 3, [0; 4]).payload(&[0x45; 28])),
        (3000, eth().ipv4(CLIENT, SERVER).id(77).fragment(0, true).echo_request(9, 1).payload(&[1; 1472])),
        (3001, eth().ipv4(CLIENT, SERVER).id(77).fragment(1480, false).protocol(1).payload(&[1; 500])),
    ])
}

fn describe(bytes: Vec<u8>) -> String {
    describe_reader(Cursor::new(bytes))
}

fn describe_reader(reader: impl std::io::Read + Send + 'static) -> String {
    let sessions: Sessions = Capture::from_reader(reader)
        .and_then(|capture| capture.sessions(&SessionConfig::default()))
        .and_then(|sessions| sessions.collect())
        .expect("a whole capture");
    let flat = FeatureSpec::flow().and(FeatureSpec::context()).expect("both flat");
    let packets = FeatureSpec::packets(16);
    let (rows, sequences) = (flat.extract(&*sessions).expect("context"), packets.extract(&*sessions).expect("packets"));
    let mut text = String::new();
    for (i, session) in sessions.iter().enumerate() {
        writeln!(text, "{session}").expect("text");
        let width = sequences.width();
        for (step, row) in sequences.row(i).chunks(width).take(sequences.lengths()[i] as usize).enumerate() {
            let cells: Vec<_> = row.iter().map(|value| format!("{value:.3}")).collect();
            writeln!(text, "  packet {step}: {}", cells.join(" ")).expect("text");
        }
        for (column, value) in rows.schema().columns().iter().zip(rows.row(i)).filter(|(_, value)| **value != 0.0) {
            let quantity = column.transform.invert(*value);
            writeln!(text, "  {} = {quantity:.4} {}", column.name, column.unit).expect("text");
        }
    }
    writeln!(text, "{:?}", sessions.stats().skipped).expect("text");
    text
}

fn check(name: &str, bytes: Vec<u8>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(format!("{name}.txt"));
    let found = describe(bytes);
    if std::env::var_os("NF_BLESS").is_some() {
        std::fs::write(&path, &found).expect("writable");
    }
    let expected = std::fs::read_to_string(&path).expect("a golden file");
    let difference = found.lines().zip(expected.lines()).position(|(a, b)| a != b);
    if let Some(line) = difference {
        let (a, b) = (found.lines().nth(line), expected.lines().nth(line));
        panic!("{name}.txt line {}: found {a:?}, expected {b:?}", line + 1);
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "{name}.txt");
}

#[test]
fn a_page_over_tcp_with_loss_reordering_and_a_repeat() {
    check("web", web());
}

#[test]
fn names_asked_and_a_tunnel() {
    check("dns", dns());
}

#[test]
fn a_port_scan() {
    check("scan", scan());
}

#[test]
fn echoes_errors_and_fragments() {
    check("icmp", icmp());
}

/// The same sessions, however the reader splits its reads.
#[test]
fn split_reads_change_nothing() {
    struct Split(Cursor<Vec<u8>>, usize);
    impl std::io::Read for Split {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let size = buffer.len().min(self.1);
            self.0.read(&mut buffer[..size])
        }
    }
    for bytes in [web(), dns(), scan(), icmp()] {
        let whole = describe(bytes.clone());
        for size in [1, 7, 100] {
            assert_eq!(describe_reader(Split(Cursor::new(bytes.clone()), size)), whole, "reads of {size} bytes");
        }
    }
}
