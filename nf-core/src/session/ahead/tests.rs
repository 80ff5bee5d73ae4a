use super::*;
use crate::session::TableStats;
use nf_tests::{PcapWriter, PcapngWriter, data_dir, eth, ip};
use std::io::{self, Cursor, Read};

/// All sessions and the error, as text: equal text is equal bits.
fn read(capture: Result<Capture>, config: &SessionConfig, threads: usize) -> (Vec<String>, TableStats) {
    let mut reader = match capture.and_then(|capture| capture.sessions(config)) {
        Ok(reader) => reader.threads(threads),
        Err(error) => return (vec![error.to_string()], TableStats::default()),
    };
    let sessions = reader.by_ref().map(|session| match session {
        Ok(session) => format!("{session:?}"),
        Err(error) => format!("{:?} {error}", error.kind()),
    });
    (sessions.collect(), reader.stats().clone())
}

/// Compares what 1, 2 and 5 threads give, and gives that.
fn agree(name: &str, open: impl Fn() -> Result<Capture>, config: &SessionConfig) -> (Vec<String>, TableStats) {
    let one = read(open(), config, 1);
    for threads in [2, 5] {
        let many = read(open(), config, threads);
        for (i, (one, many)) in one.0.iter().zip(&many.0).enumerate() {
            assert_eq!(one, many, "{name}: session {i} with {threads} threads");
        }
        assert_eq!((one.0.len(), &one.1), (many.0.len(), &many.1), "{name}: with {threads} threads");
    }
    one
}

/// Frames of every fate over several batches: packets of many sessions, questions of DNS, fragments of packets and
/// of tunnels whose first and later ones are far apart, and what is no packet.
fn frames() -> Vec<Vec<u8>> {
    let host = |n: u32| [10, 0, (n % 7) as u8, (n % 31) as u8];
    let inner = ip().ipv4([10, 9, 0, 1], [10, 9, 0, 2]).udp(1000, 2000).payload(&[7; 400]).build();
    let (head, tail) = inner.split_at(48);
    let fragment = |id: u32, offset, more| eth().ipv4(host(id), host(id + 1)).id(id).fragment(offset, more);
    (0..4000u32)
        .map(|n| {
            let between = eth().ipv4(host(n), host(n * 5 + 1));
            match n % 16 {
                0 => fragment(n, 0, true).udp(n as u16, 9).payload(&[1; 64]).build(),
                1 => fragment(n.saturating_sub(1601), 72, false).protocol(17).payload(&[2; 40]).build(),
                2 => fragment(n, 0, true).protocol(4).payload(head).build(),
                3 => fragment(n.saturating_sub(801), 48, false).protocol(4).payload(tail).build(),
                4 => eth().ether_type(0x88cc).payload(&[0; 50]).build(),
                5 => vec![n as u8; (n % 90) as usize],
                6 => between.echo_request(n as u16, 1).build(),
                7 => eth().vlan(5).ipv6([1; 16], [2; 16]).tcp(n as u16, 443).syn().build(),
                8 => between.udp(n as u16, 53).payload(&[n as u8; 30]).build(),
                _ => between.tcp(n as u16 % 50, 80).seq(n).ack(1).payload(&n.to_le_bytes().repeat(60)).build(),
            }
        })
        .collect()
}

fn pcap() -> Vec<u8> {
    let add = |writer: PcapWriter, (n, data): (u64, Vec<u8>)| writer.packet(n * 20_000_000, &data);
    (0..).zip(frames()).fold(PcapWriter::new(), add).finish()
}

fn from(bytes: &[u8]) -> Result<Capture> {
    Capture::from_reader(Cursor::new(bytes.to_vec()))
}

#[test]
fn sessions_do_not_depend_on_the_threads() {
    let bytes = pcap();
    for config in [SessionConfig::default(), SessionConfig::default().context(false).tunnels(0).entropy_bytes(10)] {
        let (sessions, stats) = agree("pcap", || from(&bytes), &config);
        assert!(stats.frames == 4000 && stats.skipped.total() > 400 && sessions.len() > 500, "{stats:?}");
    }
    let start = PcapngWriter::new().section(true).interface(1, 0, Some(9), None);
    let add = |writer: PcapngWriter, (n, data): (u64, Vec<u8>)| match n % 9 {
        0 => writer.block(0x4444, &[0; 64]).simple(&data, data.len() as u32),
        _ => writer.enhanced(0, n * 20_000_000, &data, data.len() as u32),
    };
    let bytes = (0..).zip(frames()).fold(start, add).finish();
    assert_eq!(agree("pcapng", || from(&bytes), &SessionConfig::default()).1.frames, 4000);
}

#[test]
fn fragments_find_their_first_one_across_batches() {
    let (sessions, _) = agree("pcap", || from(&pcap()), &SessionConfig::default());
    let inside = sessions.iter().filter(|session| session.contains("10.9.0.1") && session.contains("Fragment"));
    assert!(inside.count() > 0, "no later fragment of a tunnel came to the session inside");
}

#[test]
fn damage_keeps_what_came_before_and_its_error() {
    let whole = pcap();
    let zstd = zstd::encode_all(&whole[..], 1).expect("memory takes all");
    for cut in [24, 30, 41, 5000, whole.len() / 2, whole.len() - 1, whole.len()] {
        let (sessions, _) = agree("cut", || from(&whole[..cut]), &SessionConfig::default());
        let damaged = sessions.last().is_some_and(|last| last.contains("is cut off"));
        assert_eq!(damaged, cut != 24 && cut != whole.len(), "{cut}: {:?}", sessions.last());
    }
    for cut in [100, zstd.len() / 2, zstd.len() - 1] {
        let (sessions, _) = agree("cut zstd", || from(&zstd[..cut]), &SessionConfig::default());
        assert!(sessions.last().is_some_and(|last| last.contains("zstd data are damaged or cut off")));
    }
    let mut long = whole.clone();
    long[24 + 8..24 + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    let (sessions, stats) = agree("4 GiB", || from(&long), &SessionConfig::default());
    assert!(stats.frames == 0 && sessions[0].contains("captured length of 4294967295 bytes"), "{sessions:?}");
    for bytes in [&[][..], &[0; 5000]] {
        assert_eq!(agree("no capture", || from(bytes), &SessionConfig::default()).0.len(), 1);
    }
    let zeros = [&whole[..], &[0; 160_000]].concat();
    assert_eq!(agree("zeros", || from(&zeros), &SessionConfig::default()).1.frames, 14_000);
}

/// Gives its bytes, then fails or panics.
struct Broken(Cursor<Vec<u8>>, bool);

impl Read for Broken {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 if self.1 => panic!("the reader panics"),
            0 => Err(io::Error::other("cable pulled")),
            read => Ok(read),
        }
    }
}

#[test]
fn a_failing_reader_gives_the_same_error() {
    let open = || Capture::from_reader(Broken(Cursor::new(pcap()), false));
    let (sessions, stats) = agree("broken", open, &SessionConfig::default());
    assert!(stats.frames == 4000 && sessions.last().is_some_and(|last| last.contains("Io")), "{stats:?}");
}

#[test]
fn a_panicking_reader_panics_in_the_caller() {
    let open = || Capture::from_reader(Broken(Cursor::new(pcap()), true));
    let read = || std::panic::catch_unwind(|| read(open(), &SessionConfig::default(), 3));
    let panic = read().expect_err("the reader panics");
    assert_eq!(panic.downcast_ref(), Some(&"the reader panics"));
}

#[test]
fn threads_end_when_nobody_reads_on() {
    let capture = from(&pcap()).expect("a capture");
    let mut reader = capture.sessions(&SessionConfig::default()).expect("valid").threads(4);
    assert!(reader.next().is_some());
    drop(reader);
    let mut ahead = Ahead::new(from(&pcap()).expect("a capture"), 3, &SessionConfig::default());
    let mut table = SessionTable::new(SessionConfig::default()).expect("valid");
    assert!(ahead.push_to(&mut table).expect("a frame"));
    // Hangs where a thread waits for ever.
    ahead.join();
}

#[test]
fn without_a_thread_the_caller_does_the_work() {
    let mut ahead = Ahead::new(from(&pcap()).expect("a capture"), 0, &SessionConfig::default());
    let mut table = SessionTable::new(SessionConfig::default()).expect("valid");
    while ahead.push_to(&mut table).expect("whole") {}
    assert_eq!(table.stats().frames, 4000);
}

#[test]
fn agrees_on_every_capture() {
    let Some(root) = data_dir() else { return };
    let lab = ["lab/val.pcap.zst", "lab/test.pcap.zst"].map(|name| root.join(name));
    let mut paths = Vec::from(lab);
    let mut dirs = vec![root.join("captures")];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { dirs.push(path) } else { paths.push(path) }
        }
    }
    let counted = paths
        .iter()
        .map(|path| agree(&path.display().to_string(), || Capture::open(path), &SessionConfig::default()).1.frames);
    assert!(counted.sum::<u64>() > 500_000, "{} files", paths.len());
}
