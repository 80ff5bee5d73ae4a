//! What a row is, and how blocks of sessions become rows.

use super::sink::Sink;
use nf_core::{FeatureSpec, Rows, Session, table::Table};
use std::{hint::black_box, str::FromStr};

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A session: ends, times, counts and statistics in plain units.
    Sessions,
    /// A packet: the columns of [`FeatureSpec::packets`].
    Packets,
    /// A session: the columns of [`FeatureSpec::flow`].
    Flow,
    /// A session: the columns of [`FeatureSpec::context`].
    Context,
}

/// Steps that rows of one extraction may hold for nothing: with these they still fit into the processor's cache.
const SPARE_STEPS: usize = 512;

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        [Self::Sessions, Self::Packets, Self::Flow, Self::Context]
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| format!("--kind is \"{name}\", it must be sessions, packets, flow or context"))
    }
}

impl Kind {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Packets => "packets",
            Self::Flow => "flow",
            Self::Context => "context",
        }
    }

    /// Writes the rows of `sessions`, the first of which has number `first`, and gives how many there were.
    pub(super) fn write(self, sessions: &[Session], first: u64, sink: &mut Sink) -> Result<u64, String> {
        let write = |sink: &mut Sink, table: &dyn Fn() -> Table| match sink {
            Sink::None => Ok(()),
            sink => sink.write(table()),
        };
        match self {
            Self::Sessions => write(sink, &|| Table::of_sessions(sessions, first))?,
            Self::Flow | Self::Context => {
                let rows = black_box(self.flat_rows(sessions)?);
                write(sink, &|| Table::of_rows(sessions, first, &rows))?;
            }
            Self::Packets => {
                let mut done = 0;
                while done < sessions.len() {
                    let run = run(&sessions[done..]);
                    let rows = black_box(packet_rows(run)?);
                    write(sink, &|| Table::of_session_packets(run, first + done as u64, &rows))?;
                    done += run.len();
                }
                return Ok(sessions.iter().map(|session| session.packets().len() as u64).sum());
            }
        }
        Ok(sessions.len() as u64)
    }

    /// The table of no sessions, for its names and types.
    pub(super) fn empty_table(self) -> Result<Table, String> {
        Ok(match self {
            Self::Sessions => Table::of_sessions(&[], 0),
            Self::Flow | Self::Context => Table::of_rows(&[], 0, &self.flat_rows(&[])?),
            Self::Packets => Table::of_session_packets(&[], 0, &packet_rows(&[])?),
        })
    }

    fn flat_rows(self, sessions: &[Session]) -> Result<Rows, String> {
        let spec = if self == Self::Flow { FeatureSpec::flow() } else { FeatureSpec::context() };
        spec.extract(sessions).map_err(|error| error.to_string())
    }
}

/// As many of the next sessions as rows of one length hold without much padding: where one keeps thousands of packets and
/// the next a single one, rows for both would be thousands of steps of nothing.
fn run(sessions: &[Session]) -> &[Session] {
    let (mut longest, mut sum, mut count) = (0, 0, 0);
    for session in sessions {
        let length = session.packets().len();
        longest = longest.max(length);
        sum += length;
        if count > 0 && longest * (count + 1) > 2 * sum + SPARE_STEPS {
            break;
        }
        count += 1;
    }
    &sessions[..count]
}

/// Rows as long as the longest of the sessions.
fn packet_rows(sessions: &[Session]) -> Result<Rows, String> {
    let longest = sessions.iter().map(|session| session.packets().len()).max().unwrap_or(0);
    FeatureSpec::packets(longest.max(1) as u32).extract(sessions).map_err(|error| error.to_string())
}
