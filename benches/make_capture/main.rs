//! Makes the capture on which this project is compared with its peers: recorded traffic of the lab, as it comes with the
//! examples, among generated traffic. The same arguments give the same bytes, everywhere.

mod lab;
mod messages;
mod random;
mod script;
mod traffic;

use nf_core::Result;
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};
use traffic::Traffic;

const USAGE: &str = "\
usage: make_capture OUT.pcap [--percent P]

  --percent P   how much to make of the whole, which has about 1.6 million packets; 1 to 100 (100)";

/// Seconds since the epoch of the first frame.
const EPOCH: u64 = 1_800_000_000;

fn main() -> ExitCode {
    let (path, percent) = match arguments(lexopt::Parser::from_env()) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("make_capture: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let made = File::create(&path).map_err(Into::into).and_then(|file| make(BufWriter::new(file), percent));
    match made {
        Ok(made) => {
            println!("{}: {} packets, {} bytes, crc32 {:08x}", path.display(), made.packets, made.bytes, made.crc32);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("make_capture: {}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

/// The output and the share, or `None` where help was asked for.
fn arguments(mut parser: lexopt::Parser) -> Result<Option<(PathBuf, u64)>, lexopt::Error> {
    use lexopt::prelude::*;
    let (mut path, mut percent) = (None, 100);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("percent") => {
                percent = parser.value()?.parse()?;
                if !(1..=100).contains(&percent) {
                    return Err(format!("--percent is {percent}, it must be 1 to 100").into());
                }
            }
            Short('h') | Long("help") => return Ok(None),
            Value(value) if path.is_none() => path = Some(PathBuf::from(value)),
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(Some((path.ok_or("OUT.pcap is missing")?, percent)))
}

/// What was written.
#[derive(Debug, PartialEq, Eq)]
struct Made {
    packets: u64,
    /// Of the frames, without the headers of the file.
    bytes: u64,
    /// Of the whole file.
    crc32: u32,
}

fn make(out: impl Write, percent: u64) -> Result<Made, Box<dyn std::error::Error>> {
    let mut writer = PcapWriter::new(out)?;
    let mut generated = Traffic::new(percent, lab::span(percent)).peekable();
    for recorded in lab::frames(percent) {
        let (time, frame) = recorded?;
        while let Some((time, frame)) = generated.next_if(|(earlier, _)| *earlier <= time) {
            writer.write(time, &frame)?;
        }
        writer.write(time, &frame)?;
    }
    for (time, frame) in generated {
        writer.write(time, &frame)?;
    }
    Ok(writer.finish()?)
}

/// Classic pcap in little-endian with microseconds, which every peer reads.
struct PcapWriter<W> {
    out: W,
    made: Made,
    crc32: crc32fast::Hasher,
}

impl<W: Write> PcapWriter<W> {
    fn new(out: W) -> io::Result<Self> {
        let made = Made { packets: 0, bytes: 0, crc32: 0 };
        let mut writer = Self { out, made, crc32: crc32fast::Hasher::new() };
        writer.numbers([0xa1b2_c3d4, 2 | 4 << 16, 0, 0, 65_535, 1])?;
        Ok(writer)
    }

    fn write(&mut self, time: Duration, frame: &[u8]) -> io::Result<()> {
        let (seconds, length) = (EPOCH + time.as_secs(), frame.len() as u32);
        self.numbers([seconds as u32, time.subsec_micros(), length, length])?;
        self.bytes(frame)?;
        self.made.packets += 1;
        self.made.bytes += u64::from(length);
        Ok(())
    }

    fn numbers<const N: usize>(&mut self, numbers: [u32; N]) -> io::Result<()> {
        numbers.iter().try_for_each(|number| self.bytes(&number.to_le_bytes()))
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.crc32.update(bytes);
        self.out.write_all(bytes)
    }

    fn finish(mut self) -> io::Result<Made> {
        self.out.flush()?;
        Ok(Made { crc32: self.crc32.finalize(), ..self.made })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nf_core::{
        Capture, SessionConfig,
        decode::Protocol,
        session::{Looks, Sessions},
    };
    use std::io::Cursor;

    fn sessions(bytes: Vec<u8>) -> Sessions {
        let config = SessionConfig::default().context(false).looks(Looks::none());
        Capture::from_reader(Cursor::new(bytes))
            .and_then(|capture| capture.sessions(&config)?.collect())
            .expect("whole")
    }

    #[test]
    fn the_same_bytes_come_out_each_time() {
        let mut bytes = Vec::new();
        let made = make(&mut bytes, 1).expect("memory takes all");
        assert_eq!(made, Made { packets: 13_502, bytes: 6_972_499, crc32: 0xb962_2c5d });
        assert_eq!(crc32fast::hash(&bytes), made.crc32);
        assert_eq!(make(io::sink(), 1).expect("nothing refuses"), made);
    }

    #[test]
    fn it_is_whole_in_order_of_time_and_of_every_kind() {
        let mut bytes = Vec::new();
        make(&mut bytes, 2).expect("memory takes all");
        let mut capture = Capture::from_reader(Cursor::new(bytes.clone())).expect("a capture");
        let mut last = nf_core::Timestamp::default();
        while let Some(frame) = capture.next_frame().expect("whole") {
            assert!(frame.time >= last, "packet {} is late", capture.frames());
            assert_eq!(frame.data.len(), frame.wire_len as usize);
            last = frame.time;
        }
        let sessions = sessions(bytes);
        assert_eq!(sessions.stats().skipped.total(), 0);
        let count = |is: &dyn Fn(&nf_core::Session) -> bool| sessions.iter().filter(|session| is(session)).count();
        for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Icmp, Protocol::Icmpv6, Protocol::Arp] {
            assert!(count(&|session| session.key().protocol == protocol) > 5, "{protocol}");
        }
        assert!(count(&|session| session.key().orig.addr.is_ipv6()) > 100);
        assert!(count(&|session| session.dns().is_some_and(|dns| dns.answer_code.is_some())) > 300);
        let stats = |of: &dyn Fn(&nf_core::session::SessionStats) -> u32| -> u32 {
            sessions.iter().map(|s| of(s.stats())).sum()
        };
        assert!(stats(&|stats| stats.orig.retransmissions + stats.resp.retransmissions) > 20);
        assert!(stats(&|stats| stats.orig.disorder + stats.resp.disorder) > 20);
    }
}
