//! Seeds and corpus of the fuzz targets, replayed.
//!
//! `NF_BLESS=1` writes the seeds to `fuzz/corpus`. `fuzz/run` fuzzes.

use nf_core::{Detector, FeatureSpec, IsolationForest, Scaler};
use nf_tests::{DnsMessage, PacketBuilder, PcapWriter, PcapngWriter, eth, ip};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "a crate of its own under cargo fuzz")]
mod targets;

const A: [u8; 4] = [10, 0, 0, 1];
const B: [u8; 4] = [10, 0, 0, 2];

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target)
}

/// Runs the seeds, each also cut short and damaged at every `stride`-th byte, and all files of the corpus.
fn replay(target: &str, seeds: &[(String, Vec<u8>)], stride: usize, run: fn(&[u8])) {
    let dir = corpus(target);
    if std::env::var_os("NF_BLESS").is_some() {
        fs::create_dir_all(&dir).expect("writable");
        seeds.iter().for_each(|(name, bytes)| fs::write(dir.join(name), bytes).expect("writable"));
    }
    for (_, bytes) in seeds {
        run(bytes);
        for at in (0..bytes.len()).step_by(stride) {
            run(&bytes[..at]);
            let mut damaged = bytes.clone();
            for value in [0, 0xff, bytes[at] ^ 0x10] {
                damaged[at] = value;
                run(&damaged);
            }
        }
    }
    let files: Vec<_> = fs::read_dir(&dir).expect("a corpus").map(|entry| entry.expect("an entry").path()).collect();
    assert!(files.len() >= seeds.len(), "{} files of the corpus", files.len());
    for file in files {
        run(&fs::read(file).expect("readable"));
    }
}

#[test]
fn captures() {
    let frame = eth().ipv4(A, B).udp(5000, 53).payload(&DnsMessage::query("www.example.org").build()).build();
    let pcap = PcapWriter::new().packet(1, &frame).packet(2, &frame);
    let pcapng = PcapngWriter::new()
        .section(false)
        .interface(1, 100, Some(9), Some(5))
        .enhanced(0, 1, &frame, 60)
        .simple(b"simple", 9)
        .obsolete(0, 2, b"old", 3)
        .block(0x0bad, b"unknown")
        .section(true)
        .interface(101, 0, None, None)
        .enhanced(0, 7, b"x", 1);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&pcapng.finish()).expect("memory takes all");
    let gzip = gzip.finish().expect("memory takes all");
    let seeds = [
        ("pcap".to_owned(), pcap.finish()),
        ("pcap_big_endian".to_owned(), pcap.clone().big_endian().micros().finish()),
        ("pcapng".to_owned(), pcapng.finish()),
        ("gzip".to_owned(), gzip.clone()),
        ("gzip_members".to_owned(), [gzip.clone(), gzip.clone()].concat()),
        ("zstd".to_owned(), zstd(&pcap.finish())),
        ("zstd_skippable".to_owned(), [&[0x51, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2][..], &zstd(&gzip)].concat()),
    ];
    replay("capture", &seeds, 1, targets::capture);
}

#[test]
fn frames() {
    let seeds: Vec<_> = seeds().into_iter().map(|(name, link_type, frames)| (name, seed(link_type, &frames))).collect();
    replay("frame", &seeds, 3, targets::frames);
}

/// A frame of one raw block (RFC 8878 section 3.1.1).
fn zstd(bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len() as u32;
    let block = (length << 3 | 1).to_le_bytes();
    [&[0x28, 0xb5, 0x2f, 0xfd, 0xa0][..], &length.to_le_bytes(), &block[..3], bytes].concat()
}

#[test]
fn sessions() {
    // Steps of the target: a time, then hosts, kind and ports, flags, two numbers, payload.
    let tcp = |answer: bool, flags: u8, seq: u8, ack: u8, payload: &[u8]| {
        let (hosts, ports) = if answer { (0b0110, 0xc0) } else { (0b1001, 0x30) };
        [&[0, 3, hosts, ports, flags, seq, ack, payload.len() as u8][..], payload].concat()
    };
    let handshake = [tcp(false, 2, 0, 0, b""), tcp(true, 0x12, 2, 1, b""), tcp(false, 0x10, 1, 3, b"")].concat();
    let query = DnsMessage::query("a.example").build();
    let dns = [&[0, 1, 0b1001, 0x73, 0, 0, 0, query.len() as u8][..], &query].concat();
    let ethernet = eth().ipv4(A, B).udp(1000, 53).payload(&query).build();
    let script = |config: [u8; 2], parts: &[&[u8]]| [&config[..], &parts.concat()].concat();
    let seeds: Vec<(&str, Vec<u8>)> = vec![
        ("fins", script([4, 0xff], &[&handshake, &tcp(false, 0x11, 1, 3, b""), &tcp(true, 0x11, 2, 2, b"bye")])),
        ("reset", script([0, 0xf2], &[&handshake, &tcp(true, 4, 2, 0, b""), &handshake, &[13, 0]])),
        ("silence", script([128, 1], &[&handshake, &[11, 100], &handshake, &[11, 127, 0xfd, 0], &handshake])),
        ("back", script([0, 0x11], &[&dns, &[0, 0x80, 9, 0x35], &[0; 5], &dns, &[11, 0x7f], &dns, &[0x2d, 1]])),
        ("host_pairs", script([3, 0x40], &[&dns, &handshake, &[5, 1, 0, 5, 8, 0, 7, 0], &[5, 1, 0, 7, 1, 0, 0, 0]])),
        ("frame", script([6, 0x33], &[&[9, 1, 1, ethernet.len() as u8], &ethernet, &[15, 0]])),
        ("flood", script([0, 0x31], &[&[14, 0, 255], &handshake, &[0x1e, 0, 255, 14, 0, 255], &dns])),
        ("flood_without_context", script([16, 0x31], &[&[14, 1, 200, 0xfd, 1, 14, 9, 255], &handshake])),
    ];
    let seeds: Vec<_> = seeds.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect();
    replay("session", &seeds, if cfg!(debug_assertions) { 5 } else { 1 }, targets::sessions);
}

/// A detector of forests over the given columns, in a file.
fn detector(specs: &[(&str, FeatureSpec)]) -> Vec<u8> {
    let sessions = targets::training();
    let mut builder = Detector::builder().false_positive_rate(0.1).threads(1);
    for (name, spec) in specs {
        let rows = spec.extract(&sessions).expect("rows");
        let scaler = Scaler::fit(&rows).expect("a scaler");
        let forest = IsolationForest::params().trees(3).samples(8).threads(1);
        let forest = forest.fit(&scaler.apply(rows).expect("rows")).expect("a forest");
        builder = builder.head(*name, spec.clone(), scaler, forest);
    }
    builder.calibrate(&sessions).expect("a detector").to_bytes()
}

#[test]
fn models() {
    let seeds = [
        ("flow".to_owned(), detector(&[("flow", FeatureSpec::flow())])),
        (
            "flow_and_context".to_owned(),
            detector(&[("flow", FeatureSpec::flow()), ("context", FeatureSpec::context())]),
        ),
    ];
    fn sealed(bytes: &[u8]) {
        targets::model(bytes);
        let mut bytes = bytes.to_vec();
        targets::seal(&mut bytes);
        targets::model(&bytes);
    }
    for (name, bytes) in &seeds {
        let mut again = bytes.clone();
        targets::seal(&mut again);
        assert!(again == *bytes, "{name} is not what is written");
    }
    replay("model", &seeds, if cfg!(debug_assertions) { 211 } else { 17 }, sealed);
    for (name, _) in &seeds {
        let bytes = fs::read(corpus("model").join(name)).expect("a seed");
        Detector::from_bytes(&bytes).unwrap_or_else(|error| panic!("NF_BLESS=1 writes new seeds: {name}: {error}"));
    }
}

/// The bytes of the target `frame`.
fn seed(link_type: u16, frames: &[Vec<u8>]) -> Vec<u8> {
    let place = targets::LINK_TYPES.iter().position(|number| *number == link_type).expect("a link type");
    let mut bytes = vec![place as u8, 4];
    for frame in frames {
        bytes.extend_from_slice(&(frame.len() as u16).to_be_bytes());
        bytes.push(1);
        bytes.extend_from_slice(frame);
    }
    bytes
}

fn seeds() -> Vec<(String, u16, Vec<Vec<u8>>)> {
    let inner = ip().ipv4(A, B).tcp(1000, 80).psh().payload(b"GET /");
    let packet = inner.build();
    let ethernet = eth().ipv4(A, B).udp(1000, 53).payload(&DnsMessage::query("a.b.example").build()).build();
    let behind = |header: &[u8]| vec![[header, &packet].concat()];
    let over_ip = |builder: PacketBuilder| vec![builder.build()];
    let tunnel = |protocol: u8, payload: &[u8]| over_ip(eth().ipv4(A, B).protocol(protocol).payload(payload));
    let udp = |port: u16, payload: &[u8]| over_ip(eth().ipv4(A, B).udp(5000, port).payload(payload));
    let v6 = ip().ipv6([1; 16], [2; 16]).extension(0, &[0; 8]).udp(5, 6).payload(b"six").build();
    let fragment = |offset, more| eth().ipv4(A, B).id(7).fragment(offset, more);
    let tcp = || eth().ipv4(A, B).tcp(1000, 80);
    let wireless = [&[0x88, 0x02][..], &[0; 24], &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0]].concat();
    let seeds: Vec<(&str, u16, Vec<Vec<u8>>)> = vec![
        ("ethernet", 1, vec![ethernet.clone(), tcp().syn().build(), tcp().rst().build(), tcp().syn().seq(9).build()]),
        ("vlan", 1, over_ip(eth().tag(0x88a8, 5).vlan(7).arp_request(A, B))),
        ("fragments", 1, vec![fragment(0, true).udp(1, 2).build(), fragment(24, false).udp(1, 2).build()]),
        ("null", 0, behind(&[2, 0, 0, 0])),
        ("loop", 108, behind(&[0, 0, 0, 2])),
        ("raw", 101, vec![packet.clone(), v6.clone()]),
        ("ppp", 9, behind(&[0xff, 3, 0, 0x21])),
        ("ppp_serial", 50, behind(&[0x0f, 0, 8, 0])),
        ("ppp_ether", 51, behind(&[0x11, 0, 0, 1, 0, 0, 0, 0x21])),
        ("cisco_hdlc", 104, behind(&[0x0f, 0, 8, 0])),
        ("frame_relay", 107, behind(&[0x18, 0x41, 3, 0xcc])),
        ("wireless", 105, behind(&wireless)),
        ("radiotap", 127, behind(&[&[0, 0, 9, 0, 2, 0, 0, 0, 0][..], &wireless].concat())),
        ("ppi", 192, behind(&[0, 0, 8, 0, 101, 0, 0, 0])),
        ("pflog", 117, behind(&[61, 2].into_iter().chain([0; 62]).collect::<Vec<u8>>())),
        ("nflog", 239, behind(&[2, 0, 0, 0, 8, 0, 1, 0, 0, 0, 0, 0, 49, 0, 9, 0])),
        ("linux_cooked", 113, behind(&[&[0; 14][..], &[8, 0]].concat())),
        ("linux_cooked_2", 276, behind(&[&[8, 0][..], &[0; 18]].concat())),
        ("switch_tags", 284, behind(&[&[0; 16][..], &[8, 0]].concat())),
        ("switch_tags_brcm", 281, behind(&[&[0; 16][..], &[8, 0]].concat())),
        ("switch_tags_prepend", 282, vec![[&[0; 4][..], &ethernet].concat()]),
        ("switch_tags_edsa", 285, behind(&[&[0; 20][..], &[8, 0]].concat())),
        ("mpls", 1, behind(&[&[0; 12][..], &[0x88, 0x47, 0, 1, 0, 9, 0, 1, 1, 9]].concat())),
        ("mpls_pseudowire", 1, vec![[&[0; 12][..], &[0x88, 0x47, 0, 1, 1, 9, 0, 0, 0, 0], &ethernet].concat()]),
        ("pppoe", 1, behind(&[&[0; 12][..], &[0x88, 0x64, 0x11, 0, 0, 1, 0, 0, 0, 0x21]].concat())),
        ("provider_bridge", 1, vec![[&[0; 12][..], &[0x88, 0xe7, 0, 0, 0, 1], &ethernet].concat()]),
        ("vn_tag", 1, behind(&[&[0; 12][..], &[0x89, 0x26, 0, 0, 0, 1, 8, 0]].concat())),
        ("fabric_path", 1, vec![[&[0; 12][..], &[0x89, 3, 0, 1], &ethernet].concat()]),
        ("metadata", 1, behind(&[&[0; 12][..], &[0x89, 9, 1, 1, 0, 1, 0, 1, 8, 0]].concat())),
        ("nsh", 1, behind(&[&[0; 12][..], &[0x89, 0x4f, 0, 2, 2, 1, 0, 0, 0, 0]].concat())),
        ("snap", 1, behind(&[&[0; 12][..], &[0, 60, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0]].concat())),
        ("ip_in_ip", 1, tunnel(4, &packet)),
        ("ip_in_6", 1, over_ip(eth().ipv6([1; 16], [2; 16]).protocol(4).payload(&packet))),
        ("6_in_6", 1, over_ip(eth().ipv6([1; 16], [2; 16]).protocol(41).payload(&v6))),
        ("mpls_in_ip", 1, tunnel(137, &[&[0, 1, 1, 9][..], &packet].concat())),
        ("mpls_in_udp", 1, udp(6635, &[&[0, 1, 1, 9][..], &packet].concat())),
        ("gre_in_udp", 1, udp(4754, &[&[0, 0, 8, 0][..], &packet].concat())),
        ("6in4", 1, tunnel(41, &v6)),
        ("gre", 1, tunnel(47, &[&[0xb0, 0, 8, 0][..], &[0; 12], &packet].concat())),
        ("pptp", 1, tunnel(47, &[&[0x30, 0x81, 0x88, 0x0b][..], &[0; 12], &[0x21], &packet].concat())),
        ("erspan_1", 1, tunnel(47, &[&[0, 0, 0x88, 0xbe][..], &ethernet].concat())),
        ("erspan", 1, tunnel(47, &[&[0x10, 0, 0x88, 0xbe][..], &[0; 12], &ethernet].concat())),
        ("erspan_3", 1, tunnel(47, &[&[0x10, 0, 0x22, 0xeb][..], &[0; 15], &[1], &[0; 8], &ethernet].concat())),
        ("ethernet_in_ip", 1, tunnel(97, &[&[0x30, 0][..], &ethernet].concat())),
        ("vxlan", 1, udp(4789, &[&[8, 0, 0, 0, 0, 0, 1, 0][..], &ethernet].concat())),
        ("vxlan_gpe", 1, udp(4790, &[&[0x0c, 0, 0, 1, 0, 0, 1, 0][..], &packet].concat())),
        ("geneve", 1, udp(6081, &[&[1, 0, 0x65, 0x58, 0, 0, 1, 0, 0, 0, 0, 0][..], &ethernet].concat())),
        ("gtp", 1, udp(2152, &[&[0x34, 0xff, 0, 53, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 0, 0][..], &packet].concat())),
        ("teredo", 1, udp(3544, &[&[0, 1, 0, 0][..], &[0; 9], &[0, 0], &[0; 6], &v6].concat())),
        ("ayiya", 1, udp(5072, &[&[0x41, 0x52, 0x11, 41][..], &[0; 4 + 16 + 20], &v6].concat())),
    ];
    seeds.into_iter().map(|(name, link_type, frames)| (name.to_owned(), link_type, frames)).collect()
}

/// The seeds of tunnels do reach the packet inside.
#[test]
fn seeds_reach_what_they_carry() {
    use nf_core::{
        Timestamp,
        capture::{Frame, LinkType},
        decode::{Decoder, Transport},
    };
    for (name, link_type, frames) in seeds() {
        let mut decoder = Decoder::new();
        for data in &frames {
            let frame =
                Frame { time: Timestamp::default(), link_type: LinkType(link_type), wire_len: data.len() as u32, data };
            let packet = decoder.decode(&frame).unwrap_or_else(|skip| panic!("{name}: {skip}"));
            let inner = match packet.transport {
                Transport::Tcp(tcp) => tcp.dst_port == 80,
                Transport::Udp { dst_port, .. } => matches!(dst_port, 2 | 6 | 53),
                Transport::Arp { .. } => name == "vlan",
                _ => false,
            };
            assert!(inner, "{name}: {:?}", packet.transport);
            let outside = Decoder::new().with_tunnels(0).decode(&frame).expect("decodes");
            assert!(outside.payload_len >= packet.payload_len, "{name}");
        }
    }
}
