//! What broken files may cost: nothing that was read before the damage.

use nf_core::{ErrorKind, SessionConfig, capture::Capture};
use nf_tests::{PcapWriter, PcapngWriter, eth};
use std::{
    fs,
    io::{self, Cursor, Read, Write},
};

fn packets(count: u64) -> PcapWriter {
    let frame = eth().ipv4([10, 0, 0, 1], [10, 0, 0, 2]).udp(5000, 53).payload(b"query").build();
    (0..count).fold(PcapWriter::new(), |writer, i| writer.packet(i * 1_000_000, &frame))
}

/// Packets of all sessions, and the error that ended them.
fn read(capture: nf_core::Result<Capture>, threads: usize) -> (u64, Option<nf_core::Error>) {
    let reader = match capture.and_then(|capture| capture.sessions(&SessionConfig::default())) {
        Ok(reader) => reader.threads(threads),
        Err(error) => return (0, Some(error)),
    };
    let (mut packets, mut damage) = (0, None);
    for session in reader {
        match session {
            Ok(session) => packets += session.stats().packets(),
            Err(error) => {
                assert!(damage.is_none(), "nothing follows an error");
                damage = Some(error);
            }
        }
    }
    (packets, damage)
}

/// Reads `bytes` from a file, on one thread and on three.
fn read_file(bytes: &[u8]) -> (u64, Option<nf_core::Error>) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.pcap");
    fs::write(&path, bytes).expect("written");
    let (packets, error) = read(Capture::open(&path), 1);
    let (same, same_error) = read(Capture::open(&path), 3);
    assert_eq!(same, packets);
    assert_eq!(same_error.map(|error| error.to_string()), error.as_ref().map(|error| error.to_string()));
    (packets, error)
}

fn refusal(bytes: &[u8]) -> (u64, ErrorKind, String) {
    let (packets, error) = read_file(bytes);
    let error = error.expect("must be refused");
    (packets, error.kind(), error.to_string())
}

#[test]
fn an_empty_file_is_refused() {
    let (packets, kind, message) = refusal(b"");
    assert_eq!((packets, kind), (0, ErrorKind::Capture));
    assert!(message.ends_with("a.pcap: empty, no capture header at byte 0"), "{message}");
}

#[test]
fn a_file_of_zeros_is_refused() {
    let (packets, kind, message) = refusal(&[0; 1 << 20]);
    assert_eq!((packets, kind), (0, ErrorKind::Capture));
    assert!(message.ends_with("no capture: 00000000 at byte 0 begins neither pcap nor pcapng"), "{message}");
}

#[test]
fn a_directory_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let error = read(Capture::open(dir.path()), 1).1.expect("a directory is no capture");
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().ends_with("is a directory, it must be a capture file"), "{error}");
}

#[test]
fn zeros_behind_a_header_are_records_without_a_packet() {
    let bytes = [packets(3).finish(), vec![0; 16 * 1000]].concat();
    let (read, error) = read_file(&bytes);
    assert!(read == 3 && error.is_none(), "{read} packets, {error:?}");
}

#[test]
fn a_length_of_four_gigabytes_is_refused_without_asking_for_them() {
    let mut bytes = packets(5).finish();
    let record = 24 + 3 * (bytes.len() - 24) / 5;
    bytes[record + 8..record + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    let (read, kind, message) = refusal(&bytes);
    assert_eq!((read, kind), (3, ErrorKind::Capture));
    let expected = format!("packet 4 at byte {record} has a captured length of 4294967295 bytes, it must be at most");
    assert!(message.contains(&expected), "{message}");

    let mut bytes = PcapngWriter::new().section(false).interface(1, 0, None, None).enhanced(0, 0, b"abcd", 4).finish();
    bytes[52 + 20..52 + 24].copy_from_slice(&u32::MAX.to_le_bytes());
    let (read, kind, message) = refusal(&bytes);
    assert_eq!((read, kind), (0, ErrorKind::Capture));
    let expected = "packet 1 at byte 52 has a captured length of 4294967295 bytes, it must be at most";
    assert!(message.contains(expected), "{message}");
}

#[test]
fn a_pipe_that_ends_within_a_record_keeps_what_came_before() {
    let bytes = packets(5).finish();
    for (cut, threads) in [(1, 1), (7, 1), (40, 1), (1, 3), (40, 3)] {
        let (mut sender, receiver) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
        let part = bytes[..bytes.len() - cut].to_vec();
        let writer = std::thread::spawn(move || part.chunks(11).try_for_each(|chunk| sender.write_all(chunk)));
        let (read, error) = read(Capture::from_reader(receiver), threads);
        let error = error.expect("cut off");
        assert_eq!((read, error.kind()), (4, ErrorKind::Capture));
        assert!(error.to_string().contains("packet 5 at byte") && error.to_string().contains("is cut off"), "{error}");
        writer.join().expect("no panic").expect("all was taken");
    }
}

/// A file that grows while it is read: what had been written by the time the reader asked is read, and no more.
#[test]
fn a_file_that_grows_is_read_as_far_as_it_has_grown() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("growing.pcap");
    let bytes = packets(4000).finish();
    let half = 24 + (bytes.len() - 24) / 2;
    for threads in [1, 3] {
        fs::write(&path, &bytes[..half]).expect("written");
        let mut capture = Capture::open(&path).expect("the header is there");
        for _ in 0..10 {
            assert!(capture.next_frame().expect("readable").is_some());
        }
        fs::OpenOptions::new().append(true).open(&path).expect("there").write_all(&bytes[half..]).expect("written");
        let (packets, error) = read(Ok(capture), threads);
        assert!(packets == 3990 && error.is_none(), "{packets} packets, {error:?}");
    }
    let (packets, error) = read_file(&bytes[..half + 5]);
    assert_eq!(packets, 2000);
    assert!(error.expect("the last record is not there yet").to_string().contains("packet 2001 at byte"));
}

#[test]
fn a_reader_that_fails_keeps_what_came_before() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("cable pulled"))
        }
    }
    for threads in [1, 3] {
        let (read, error) = read(Capture::from_reader(Cursor::new(packets(5).finish()).chain(Broken)), threads);
        let error = error.expect("the reader fails");
        assert_eq!((read, error.kind()), (5, ErrorKind::Io));
        assert!(error.to_string().contains("cable pulled"), "{error}");
    }
}
