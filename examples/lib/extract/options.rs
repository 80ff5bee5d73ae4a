//! What was asked for.

use super::Kind;
use nf_core::{SessionConfig, session::Looks};
use std::path::PathBuf;

/// How the program is called.
pub const USAGE: &str = "\
usage: extract CAPTURE.. [OPTION]..

Turns captures (pcap or pcapng, plain or compressed with gzip or zstd) into one table. Several captures are read one behind
the other, as parts of one recording.

  --kind sessions     a row a session: its ends, times, counts and statistics, in plain units (this is the default)
  --kind flow         a row a session: the columns of the whole session that models read
  --kind context      a row a session: the columns of what its hosts did around it
  --kind packets      a row a packet: the 8 columns of a packet that models read
  --max-packets N     of each session the first N packets, for --kind packets; 1 to 65536 (64)
  --threads N         threads to work on, 1 to 256; for a single capture (1)
  --out FILE          where to: FILE.parquet, FILE.csv or FILE.arrow; none counts the rows and drops them (none)
  --json              the summary as JSON on standard output, not as text on standard error";

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The captures, one at least.
    pub captures: Vec<PathBuf>,
    /// What a row is.
    pub kind: Kind,
    /// Packets of a session that get a row, where rows are packets.
    pub max_packets: u32,
    /// Threads to work on, 1 at least. Several captures are read on one.
    pub threads: usize,
    /// Where the rows go.
    pub out: Out,
    /// The summary as JSON.
    pub json: bool,
}

/// Where the rows go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Out {
    /// Nowhere: they are computed and dropped.
    None,
    /// A CSV file with a line of names.
    Csv(PathBuf),
    /// A Parquet file, compressed with Snappy.
    Parquet(PathBuf),
    /// A file of the Arrow format, also known as Feather version 2.
    Arrow(PathBuf),
}

impl Options {
    /// The options, or `None` where help was asked for.
    ///
    /// # Errors
    /// Where an option is unknown, has a value that it cannot have, or no capture is named.
    pub fn parse(mut parser: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        use lexopt::prelude::*;
        let (mut captures, mut out) = (Vec::new(), Out::None);
        let (mut kind, mut max_packets, mut threads, mut json) = (Kind::Sessions, None, 1, false);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("kind") => kind = parser.value()?.string()?.parse()?,
                Long("max-packets") => max_packets = Some(number(&mut parser, "--max-packets", 1..=65_536)?),
                Long("threads") => threads = number(&mut parser, "--threads", 1..=256)? as usize,
                Long("out") => out = Out::new(parser.value()?.into())?,
                Long("json") => json = true,
                Short('h') | Long("help") => return Ok(None),
                Value(path) => captures.push(PathBuf::from(path)),
                _ => return Err(argument.unexpected()),
            }
        }
        if captures.is_empty() {
            return Err("no capture is named".into());
        }
        if max_packets.is_some() && kind != Kind::Packets {
            return Err(format!("--max-packets is for --kind packets, not for --kind {}", kind.name()).into());
        }
        if threads > 1 && captures.len() > 1 {
            let count = captures.len();
            return Err(
                format!("--threads is {threads}, it must be 1 for {count} captures, which are read as one").into()
            );
        }
        let max_packets = max_packets.unwrap_or(SessionConfig::default().max_packets);
        Ok(Some(Self { captures, kind, max_packets, threads, out, json }))
    }

    /// How sessions are cut: what no row needs is not kept.
    pub fn session_config(&self) -> SessionConfig {
        let kept = if self.kind == Kind::Packets { self.max_packets } else { 1 };
        SessionConfig::default().max_packets(kept).context(self.kind == Kind::Context).looks(Looks::none())
    }
}

fn number(parser: &mut lexopt::Parser, name: &str, range: std::ops::RangeInclusive<u32>) -> Result<u32, lexopt::Error> {
    use lexopt::ValueExt;
    let text = parser.value()?.string()?;
    let parsed = text.parse().ok().filter(|number| range.contains(number));
    parsed.ok_or_else(|| format!("{name} is \"{text}\", it must be {} to {}", range.start(), range.end()).into())
}

impl Out {
    fn new(path: PathBuf) -> Result<Self, lexopt::Error> {
        if path.as_os_str() == "none" {
            return Ok(Self::None);
        }
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("csv") => Ok(Self::Csv(path)),
            Some("parquet") => Ok(Self::Parquet(path)),
            Some("arrow") => Ok(Self::Arrow(path)),
            _ => {
                let message =
                    format!("--out is \"{}\", it must end in .parquet, .csv or .arrow, or be none", path.display());
                Err(message.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &str) -> Result<Option<Options>, String> {
        let arguments = ["extract"].into_iter().chain(arguments.split_whitespace());
        Options::parse(lexopt::Parser::from_iter(arguments)).map_err(|error| error.to_string())
    }

    #[test]
    fn keeps_only_what_the_kind_needs() {
        let config = |arguments: &str| parse(arguments).expect("valid").expect("no help").session_config();
        let default = SessionConfig::default().looks(Looks::none());
        assert_eq!(config("a.pcap"), default.clone().max_packets(1).context(false));
        assert_eq!(config("a.pcap --kind context"), default.clone().max_packets(1));
        assert_eq!(config("a.pcap --kind packets"), default.clone().context(false));
        assert_eq!(config("--kind packets --max-packets 9 a.pcap"), default.max_packets(9).context(false));
    }

    #[test]
    fn refuses_with_what_would_be_right() {
        let refusals = [
            ("", "no capture is named"),
            ("a.pcap --kind rows", "--kind is \"rows\", it must be sessions, packets, flow or context"),
            ("a.pcap --kind packets --max-packets 0", "--max-packets is \"0\", it must be 1 to 65536"),
            ("a.pcap --max-packets 9", "--max-packets is for --kind packets, not for --kind sessions"),
            ("a.pcap --threads many", "--threads is \"many\", it must be 1 to 256"),
            ("a.pcap b.pcap --threads 2", "--threads is 2, it must be 1 for 2 captures, which are read as one"),
            ("a.pcap --out a.xlsx", "--out is \"a.xlsx\", it must end in .parquet, .csv or .arrow, or be none"),
            ("a.pcap --fast", "invalid option '--fast'"),
        ];
        for (arguments, message) in refusals {
            assert_eq!(parse(arguments).expect_err(arguments), message);
        }
        assert!(parse("--help").expect("valid").is_none());
    }
}
