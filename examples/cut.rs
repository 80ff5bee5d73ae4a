//! Cuts a capture small: a stretch of time, fewer captured bytes a frame, most of the very long benign sessions left out.
//! What is kept is real: no byte is changed, and a session is kept whole or left out whole. `examples/data` was made with it.

use nf_core::{
    SessionConfig, Timestamp,
    capture::{Capture, Frame, LinkType},
    decode::{Decoder, Packet, Transport},
    evaluate::Labels,
    session::{FlowKey, KeyKind, Looks},
};
use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

/// Errors of reading captures and of writing files alike.
type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const USAGE: &str = "\
usage: cut IN OUT.pcap.zst [OPTION]..

  --from S, --to S   the stretch to keep, in seconds from the first frame (all)
  --snaplen N        captured bytes to keep of a frame; DNS over UDP is kept whole (262144)
  --long N           a session of more packets is long (none is)
  --keep-one-in K    of the long sessions keep one in K, the first of them included (1)
  --labels L.csv     keep every session that is an attack, long or not

The capture is read three times over; the same input gives the same bytes.";

#[derive(Debug)]
struct Options {
    input: PathBuf,
    output: PathBuf,
    from: Duration,
    to: Duration,
    snaplen: usize,
    long: u64,
    keep_one_in: usize,
    labels: Option<PathBuf>,
}

/// A session's life in packet time, and whether it is kept.
#[derive(Debug, Clone, Copy)]
struct Life {
    start: Timestamp,
    end: Timestamp,
    keep: bool,
}

fn main() -> ExitCode {
    let result = match Options::parse(lexopt::Parser::from_env()) {
        Ok(Some(options)) => run(&options).map_err(|error| error.to_string()),
        Ok(None) => {
            println!("{USAGE}");
            Ok(())
        }
        Err(error) => Err(format!("{error}\n\n{USAGE}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cut: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let lives = lives(options)?;
    let mut capture = Capture::open(&options.input)?;
    let first = capture.next_frame()?.map(|frame| (frame.time, frame.link_type));
    let Some((first, link_type)) = first else {
        return Err(format!("{} holds no frame", options.input.display()).into());
    };
    let mut writer = PcapWriter::create(options, link_type)?;
    let mut capture = Capture::open(&options.input)?;
    let mut decoder = Decoder::new();
    while let Some(frame) = capture.next_frame()? {
        let packet = decoder.decode(&frame);
        let age = frame.time.since(first);
        if age < options.from || age >= options.to {
            continue;
        }
        let kept = packet.as_ref().map_or(true, |packet| is_kept(&lives, packet));
        if kept {
            let whole = packet.is_ok_and(|packet| is_dns(&packet));
            writer.write(&frame, if whole { frame.data.len() } else { options.snaplen })?;
        }
    }
    let frames = writer.finish()?;
    println!("{}: {frames} of {} frames", options.output.display(), capture.frames());
    Ok(())
}

/// When each session of the capture lives, by its key in one direction.
fn lives(options: &Options) -> Result<HashMap<FlowKey, Vec<Life>>> {
    let labels = options.labels.as_ref().map(|path| Labels::read(path, None)).transpose()?;
    let config = SessionConfig::default().max_packets(1).context(false).looks(Looks::none());
    let mut sessions = Capture::open(&options.input)?.sessions(&config)?.collect()?.into_iter().collect::<Vec<_>>();
    sessions.sort_by_key(|session| session.start());
    let mut lives: HashMap<FlowKey, Vec<Life>> = HashMap::new();
    let mut long = 0;
    for session in &sessions {
        let (key, start) = (*session.key(), session.start());
        let is_attack = || labels.as_ref().is_some_and(|labels| labels.label(&key, start).category().is_some());
        let mut keep = true;
        if session.stats().packets() > options.long && !is_attack() {
            keep = long % options.keep_one_in == 0;
            long += 1;
        }
        lives.entry(one_way(key)).or_default().push(Life { start, end: session.end(), keep });
    }
    Ok(lives)
}

fn is_kept(lives: &HashMap<FlowKey, Vec<Life>>, packet: &Packet<'_>) -> bool {
    let Some(lives) = lives.get(&one_way(FlowKey::of(packet, KeyKind::FiveTuple))) else { return true };
    let mut here = lives.iter().filter(|life| life.start <= packet.time && packet.time <= life.end);
    here.next().is_none_or(|life| life.keep)
}

/// The key whichever end sent the packet.
fn one_way(key: FlowKey) -> FlowKey {
    if key.orig <= key.resp { key } else { key.reversed() }
}

fn is_dns(packet: &Packet<'_>) -> bool {
    matches!(packet.transport, Transport::Udp { src_port, dst_port } if src_port == 53 || dst_port == 53)
}

/// A pcap file with nanoseconds, compressed by zstd as far as it goes.
struct PcapWriter {
    encoder: zstd::Encoder<'static, BufWriter<File>>,
    frames: u64,
}

impl PcapWriter {
    fn create(options: &Options, link_type: LinkType) -> Result<Self> {
        let file = BufWriter::new(File::create(&options.output)?);
        let mut encoder = zstd::Encoder::new(file, 22)?;
        // 128 MiB, the largest window that decoders take unasked: the whole file is one.
        encoder.long_distance_matching(true)?;
        encoder.window_log(27)?;
        encoder.include_checksum(true)?;
        let snaplen = u32::try_from(options.snaplen).unwrap_or(u32::MAX);
        let header = [0xa1b2_3c4d, 2 | 4 << 16, 0, 0, snaplen, u32::from(link_type.0)];
        put(&mut encoder, header)?;
        Ok(Self { encoder, frames: 0 })
    }

    fn write(&mut self, frame: &Frame<'_>, snaplen: usize) -> io::Result<()> {
        let nanos = frame.time.as_nanos();
        let data = &frame.data[..frame.data.len().min(snaplen)];
        let (seconds, rest) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
        put(&mut self.encoder, [seconds as u32, rest as u32, data.len() as u32, frame.wire_len])?;
        self.encoder.write_all(data)?;
        self.frames += 1;
        Ok(())
    }

    fn finish(self) -> io::Result<u64> {
        self.encoder.finish()?.flush()?;
        Ok(self.frames)
    }
}

fn put<const N: usize>(writer: &mut impl Write, numbers: [u32; N]) -> io::Result<()> {
    numbers.iter().try_for_each(|number| writer.write_all(&number.to_le_bytes()))
}

impl Options {
    /// The options, or `None` where help was asked for.
    fn parse(mut parser: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        use lexopt::prelude::*;
        let mut paths = Vec::new();
        let mut options = Self {
            input: PathBuf::new(),
            output: PathBuf::new(),
            from: Duration::ZERO,
            to: Duration::MAX,
            snaplen: 262_144,
            long: u64::MAX,
            keep_one_in: 1,
            labels: None,
        };
        let seconds = |value: &str| {
            Ok::<_, lexopt::Error>(
                Duration::try_from_secs_f64(value.parse().map_err(|_| "--from and --to must be seconds")?)
                    .map_err(|_| "--from and --to must be seconds from 0 on")?,
            )
        };
        while let Some(argument) = parser.next()? {
            match argument {
                Long("from") => options.from = seconds(&parser.value()?.string()?)?,
                Long("to") => options.to = seconds(&parser.value()?.string()?)?,
                Long("snaplen") => options.snaplen = parser.value()?.parse()?,
                Long("long") => options.long = parser.value()?.parse()?,
                Long("keep-one-in") => options.keep_one_in = parser.value()?.parse::<usize>()?.max(1),
                Long("labels") => options.labels = Some(parser.value()?.into()),
                Short('h') | Long("help") => return Ok(None),
                Value(path) => paths.push(PathBuf::from(path)),
                _ => return Err(argument.unexpected()),
            }
        }
        let paths: [PathBuf; 2] = paths.try_into().map_err(|_| "two paths must be given, IN and OUT")?;
        [options.input, options.output] = paths;
        Ok(Some(options))
    }
}
