use super::*;
use nf_tests::{PcapWriter, PcapngWriter};
use proptest::{prelude::*, sample::Index};
use std::io::{Cursor, Write};

/// What a frame holds, owned.
type Seen = (i64, u16, u32, Vec<u8>);

#[test]
fn messages_call_a_reader_by_its_name() {
    let refused = |capture: Result<Capture>| capture.unwrap_err().to_string();
    let empty = || Cursor::new(Vec::new());
    assert!(refused(Capture::from_named("upload 2", empty())).starts_with("upload 2: empty"));
    assert!(refused(Capture::from_reader(empty())).starts_with("reader: empty"));
}

/// All frames, and the error that ended them.
fn read(mut capture: Capture) -> (Vec<Seen>, Option<Error>) {
    let mut seen = Vec::new();
    loop {
        match capture.next_frame() {
            Ok(Some(frame)) => {
                seen.push((frame.time.as_nanos(), frame.link_type.0, frame.wire_len, frame.data.to_vec()));
            }
            Ok(None) => return (seen, None),
            Err(error) => {
                assert!(capture.next_frame().expect("nothing follows an error").is_none());
                return (seen, Some(error));
            }
        }
    }
}

fn read_bytes(bytes: &[u8]) -> (Vec<Seen>, Option<Error>) {
    match Capture::from_reader(Cursor::new(bytes.to_vec())) {
        Ok(capture) => read(capture),
        Err(error) => (Vec::new(), Some(error)),
    }
}

fn frames(bytes: &[u8]) -> Vec<Seen> {
    let (seen, error) = read_bytes(bytes);
    assert!(error.is_none(), "{error:?}");
    seen
}

/// The one line that refuses `bytes`.
fn refusal(bytes: &[u8], kind: ErrorKind) -> String {
    let (_, error) = read_bytes(bytes);
    let error = error.expect("must be refused");
    assert_eq!(error.kind(), kind, "{error}");
    error.to_string()
}

/// A reader that gives at most `step` bytes at once, now and then interrupted.
struct Dribble(Cursor<Vec<u8>>, usize, bool);

impl Read for Dribble {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.2 = !self.2;
        if self.2 {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        let step = self.1.min(buffer.len());
        self.0.read(&mut buffer[..step])
    }
}

fn read_split(bytes: &[u8], step: usize) -> (Vec<Seen>, Option<Error>) {
    match Capture::from_reader(Dribble(Cursor::new(bytes.to_vec()), step, false)) {
        Ok(capture) => read(capture),
        Err(error) => (Vec::new(), Some(error)),
    }
}

const TIME: u64 = 1_500_000_000_123_456_789;

fn two_packets(writer: PcapWriter) -> Vec<u8> {
    writer.packet(TIME, b"first").cut_packet(TIME + 1_000, b"second!", 1500).finish()
}

#[test]
fn pcap_in_both_byte_orders_and_resolutions() {
    let nanos = |cut: i64| TIME as i64 / cut * cut;
    for (writer, cut) in [
        (PcapWriter::new(), 1),
        (PcapWriter::new().big_endian(), 1),
        (PcapWriter::new().micros(), 1000),
        (PcapWriter::new().micros().big_endian(), 1000),
    ] {
        let seen = frames(&two_packets(writer));
        assert_eq!(seen[0], (nanos(cut), 1, 5, b"first".to_vec()));
        assert_eq!(seen[1], (nanos(cut) + 1000, 1, 1500, b"second!".to_vec()));
    }
}

#[test]
fn pcap_link_type_leaves_flags_out() {
    assert_eq!(frames(&two_packets(PcapWriter::new().link_type(0x5400_0071)))[0].1, 113);
}

#[test]
fn pcapng_with_sections_interfaces_clocks_and_byte_orders() {
    let bytes = PcapngWriter::new()
        .section(false)
        .interface(1, 0, None, None)
        .interface(101, 0, Some(9), Some(100))
        .interface(113, 0, Some(0x80 | 20), Some(-1))
        .block(0x0bad_cafe, b"unknown")
        .simple(b"timeless", 8)
        .enhanced(0, 1_000_001, b"micro", 5)
        .enhanced(1, 7, b"nano", 60)
        .simple(b"has the time before", 19)
        .enhanced(2, 3 << 19, b"binary", 6)
        .section(true)
        .interface(228, 4, Some(12), Some(1))
        .obsolete(0, 5_999, b"old", 3)
        .simple(b"cut!", 9)
        .finish();
    let seen = frames(&bytes);
    let expected: [Seen; 7] = [
        (0, 1, 8, b"timeless".to_vec()),
        (1_000_001_000, 1, 5, b"micro".to_vec()),
        (100_000_000_007, 101, 60, b"nano".to_vec()),
        (100_000_000_007, 1, 19, b"has the time before".to_vec()),
        (500_000_000, 113, 6, b"binary".to_vec()),
        (1_000_000_005, 228, 3, b"old".to_vec()),
        (1_000_000_005, 228, 9, b"cut!".to_vec()),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn pcapng_times_saturate_and_are_exact() {
    let time = |resolution, offset, units| {
        let writer = PcapngWriter::new().section(true).interface(1, 0, Some(resolution), Some(offset));
        frames(&writer.enhanced(0, units, b"x", 1).finish())[0].0
    };
    assert_eq!(time(0, 0, u64::MAX), i64::MAX);
    assert_eq!(time(6, i64::MIN, 0), i64::MIN);
    assert_eq!(time(9, 0, 1 << 62), 1 << 62);
    assert_eq!(time(127, 0, u64::MAX), 0);
    assert_eq!(time(0xff, 0, u64::MAX), 0);
    assert_eq!(time(0x80 | 32, 0, u64::MAX), ((u128::from(u64::MAX) * 1_000_000_000) >> 32) as i64);
    assert_eq!(time(11, 0, 12_345), 123);
}

#[test]
fn refuses_what_is_no_capture() {
    assert_eq!(refusal(b"", ErrorKind::Capture), "reader: empty, no capture header at byte 0");
    let zeros = refusal(&[0; 5000], ErrorKind::Capture);
    assert_eq!(zeros, "reader: no capture: 00000000 at byte 0 begins neither pcap nor pcapng");
    assert_eq!(refusal(b"PK", ErrorKind::Capture), "reader: no capture: 504b at byte 0 begins neither pcap nor pcapng");
    let modified = refusal(b"\x34\xcd\xb2\xa1rest", ErrorKind::Unsupported);
    assert!(modified.contains("\"modified\" pcap format (magic a1b2cd34 at byte 0)"), "{modified}");
    let header = PcapWriter::new().finish();
    assert_eq!(
        refusal(&header[..23], ErrorKind::Capture),
        "reader: the pcap file header is cut off at byte 23, it must have 24 bytes"
    );
    let mut version = header.clone();
    version[4] = 3;
    assert_eq!(refusal(&version, ErrorKind::Unsupported), "reader: pcap version 3.4 at byte 4, it must be 2.x");
    assert!(frames(&header).is_empty());
}

#[test]
fn refuses_missing_files_and_directories_by_path() {
    let missing = Capture::open("no/such.pcap").expect_err("missing");
    assert_eq!(missing.kind(), ErrorKind::Io);
    assert!(missing.to_string().starts_with("no/such.pcap: "), "{missing}");
    let dir = tempfile::tempdir().expect("a directory");
    let error = Capture::open(dir.path()).expect_err("a directory");
    let expected = format!("{} is a directory, it must be a capture file", dir.path().display());
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::Io, expected));
}

#[test]
fn a_cut_file_gives_what_came_before_then_the_place() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("cut.pcap");
    let whole = two_packets(PcapWriter::new());
    std::fs::write(&path, &whole[..whole.len() - 3]).expect("written");
    let (seen, error) = read(Capture::open(&path).expect("the header is fine"));
    assert_eq!(seen.len(), 1);
    let expected = format!("{}: packet 2 at byte 45 is cut off: 20 bytes are there, it must have 23", path.display());
    assert_eq!(error.expect("cut off").to_string(), expected);
    let header = refusal(&whole[..50], ErrorKind::Capture);
    assert_eq!(header, "reader: packet 2 at byte 45 is cut off: 5 bytes are there, it must have 16");
}

#[test]
fn refuses_damaged_pcap_lengths() {
    let mut bytes = two_packets(PcapWriter::new());
    bytes[45 + 8..45 + 12].copy_from_slice(&262_145u32.to_le_bytes());
    assert_eq!(
        refusal(&bytes, ErrorKind::Capture),
        "reader: packet 2 at byte 45 has a captured length of 262145 bytes, it must be at most 262144"
    );
}

#[test]
fn refuses_damaged_pcapng_blocks() {
    let section = || PcapngWriter::new().section(false);
    let interface = || section().interface(1, 0, None, None);
    let bad = |writer: PcapngWriter| refusal(&writer.finish(), ErrorKind::Capture);
    assert_eq!(
        bad(interface().enhanced(1, 0, b"x", 1)),
        "reader: the block of type 0x6 at byte 52 holds packet 1 of interface 1, its section describes 1 before it"
    );
    assert!(bad(section().simple(b"x", 1)).contains("of interface 0, its section describes 0 before it"));
    assert_eq!(
        bad(interface().simple(b"abcd", 5)),
        "reader: the block of type 0x3 at byte 52 holds packet 1 of 5 bytes, it has room for 4"
    );
    assert!(
        bad(interface().block(6, &[0; 4])).contains("has a length of 16 bytes, it must be a multiple of 4 from 32")
    );
    assert!(bad(interface().enhanced(0, 0, &[0; 262_145], 1)).contains("has a captured length of 262145 bytes"));

    let patched = |at: usize, value: u32| {
        let mut bytes = interface().enhanced(0, 0, b"abcd", 4).finish();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        refusal(&bytes, ErrorKind::Capture)
    };
    assert!(patched(52 + 4, 37).contains("at byte 52 has a length of 37 bytes, it must be a multiple of 4"));
    assert!(patched(52 + 4, 0).contains("has a length of 0 bytes"));
    assert!(patched(52 + 4, 0xffff_fff0).contains("has a length of 4294967280 bytes"));
    assert!(patched(52 + 44, 40).contains("has a length of 48 bytes at its start but 40 at byte 96"));
    assert!(patched(52 + 20, 200).contains("holds packet 1 of 200 bytes, it has room for 16"));
    assert!(patched(8, 7).contains("the section at byte 0 has no byte order mark, 1a2b3c4d must stand at byte 8"));

    let mut version = interface().finish();
    version[12] = 2;
    assert_eq!(refusal(&version, ErrorKind::Unsupported), "reader: pcapng version 2.0 at byte 12, it must be 1.0");
    let whole = interface().block(77, &[1; 64]).finish();
    assert!(
        refusal(&whole[..whole.len() - 9], ErrorKind::Capture).contains(
            "the block of type 0x4d at byte 52 is cut off before packet 1: 67 bytes are there, it must have 76"
        )
    );
}

#[test]
fn compressed_captures_read_as_plain_ones() {
    let plain = two_packets(PcapWriter::new());
    let zstd = zstd::encode_all(&plain[..], 3).expect("memory takes all");
    assert_eq!(frames(&zstd), frames(&plain));
    let (seen, error) = read_bytes(&zstd[..zstd.len() - 4]);
    assert!(seen.len() <= 2 && error.expect("cut off").kind() == ErrorKind::Capture);
}

#[test]
fn counts_frames_and_bytes() {
    let bytes = two_packets(PcapWriter::new());
    let mut capture = Capture::from_reader(Cursor::new(bytes.clone())).expect("a capture");
    assert_eq!((capture.name(), capture.frames(), capture.bytes()), ("reader", 0, 24));
    while capture.next_frame().expect("readable").is_some() {}
    assert_eq!((capture.frames(), capture.bytes()), (2, bytes.len() as u64));
}

/// Captures of both formats with whatever the generator likes in them.
fn captures() -> impl Strategy<Value = Vec<u8>> {
    let packets = prop::collection::vec((any::<u32>(), prop::collection::vec(any::<u8>(), 0..80), 0..4u8), 0..12);
    (packets, any::<bool>()).prop_map(|(packets, pcapng)| {
        if !pcapng {
            let writer = packets.iter().fold(PcapWriter::new(), |w, (time, data, _)| w.packet(u64::from(*time), data));
            return writer.finish();
        }
        let start = PcapngWriter::new().section(true).interface(1, 0, Some(9), None);
        let add = |writer: PcapngWriter, (time, data, kind): &(u32, Vec<u8>, u8)| match kind {
            0 => writer.enhanced(0, u64::from(*time), data, 99),
            1 => writer.simple(data, data.len() as u32),
            2 => writer.obsolete(0, u64::from(*time), data, 99),
            _ => writer.block(0x4444, data),
        };
        packets.iter().fold(start, add).finish()
    })
}

proptest! {
    #[test]
    fn any_bytes_end_without_a_panic(head in 0..5usize, tail in prop::collection::vec(any::<u8>(), 0..400)) {
        let heads: [&[u8]; 5] = [
            b"",
            b"\xd4\xc3\xb2\xa1\x02\0\x04\0",
            b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a",
            b"\x1f\x8b\x08",
            b"\x28\xb5\x2f\xfd",
        ];
        let (_, error) = read_bytes(&[heads[head], &tail].concat());
        if let Some(error) = error {
            prop_assert!(error.to_string().contains("byte"), "{}", error);
        }
    }

    #[test]
    fn damage_ends_without_a_panic(mut bytes in captures(), at in any::<Index>(), value in any::<u8>()) {
        let at = at.index(bytes.len());
        bytes[at] = value;
        read_bytes(&bytes);
    }

    #[test]
    fn result_does_not_depend_on_the_split_of_reads(bytes in captures(), cut in any::<Index>(), step in 1..40usize) {
        let bytes = &bytes[..cut.index(bytes.len() + 1)];
        let (whole, whole_error) = read_bytes(bytes);
        let (split, split_error) = read_split(bytes, step);
        prop_assert_eq!(whole, split);
        prop_assert_eq!(whole_error.map(|error| error.to_string()), split_error.map(|error| error.to_string()));
    }

    #[test]
    fn nor_does_it_for_compressed_captures(
        bytes in captures(),
        gzip in any::<bool>(),
        cut in any::<Index>(),
        step in 1..40usize,
    ) {
        let packed = if gzip {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&bytes).expect("memory takes all");
            encoder.finish().expect("memory takes all")
        } else {
            zstd::encode_all(&bytes[..], 1).expect("memory takes all")
        };
        let packed = &packed[..cut.index(packed.len() + 1)];
        let (whole, whole_error) = read_bytes(packed);
        let (split, split_error) = read_split(packed, step);
        prop_assert_eq!(whole, split);
        prop_assert_eq!(whole_error.map(|error| error.to_string()), split_error.map(|error| error.to_string()));
    }
}
