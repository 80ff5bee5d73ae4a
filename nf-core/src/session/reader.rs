//! A capture read as sessions.

use super::{Session, SessionConfig, SessionTable, TableStats, ahead::Ahead};
use crate::{Error, Result, capture::Capture};
use std::{num::NonZero, thread};

/// The sessions of a capture, in the order in which they end.
///
/// Where the capture is damaged, what came before is given first, then the error, then nothing.
///
/// ```
/// use nf_core::{Capture, SessionConfig};
/// # let bytes = nf_tests::PcapWriter::new().packet(1_000, &nf_tests::eth().ipv4([1; 4], [2; 4]).udp(1, 2).build());
/// # let bytes = bytes.finish();
/// let capture = Capture::from_reader(std::io::Cursor::new(bytes))?; // or Capture::open("office.pcap")?
/// let mut reader = capture.sessions(&SessionConfig::default())?.threads(2);
/// assert_eq!(reader.next().expect("a session")?.packets().len(), 1);
/// assert!(reader.next().is_none() && reader.stats().frames == 1);
/// # Ok::<(), nf_core::Error>(())
/// ```
#[derive(Debug)]
pub struct SessionReader {
    input: Input,
    table: SessionTable,
    damage: Option<Error>,
}

#[derive(Debug)]
enum Input {
    Capture(Box<Capture>),
    Ahead(Box<Ahead>),
    Ended,
}

impl Capture {
    /// Reads the capture as sessions.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) where a value of the configuration is out of its range.
    pub fn sessions(self, config: &SessionConfig) -> Result<SessionReader> {
        let table = SessionTable::new(config.clone())?;
        Ok(SessionReader { input: Input::Capture(Box::new(self)), table, damage: None })
    }
}

/// Most threads a reader works on: sessions are made on one, which few others keep busy.
const MOST_THREADS: usize = 64;

impl SessionReader {
    /// Works on `threads` threads, at most 64, the caller's among them; 0 for one a core. One unless told so.
    ///
    /// All but the caller's read and decode frames ahead, which the caller's puts into sessions: the sessions, their
    /// order, what is counted and the error of a damaged capture are those of one thread, bit for bit. More than 3 gain
    /// little, since sessions are made on one; each takes about 1 MiB, and at most 4.
    ///
    /// Frames come in batches of about 128 KiB, so that from a slow pipe sessions come later than on one thread. Where
    /// the reader is dropped before its end, the threads end behind the read they are in. A panic of what the capture
    /// reads from goes on in the caller.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        let threads = if threads == 0 { thread::available_parallelism().map_or(1, NonZero::get) } else { threads };
        let threads = threads.min(MOST_THREADS);
        self.input = match self.input {
            Input::Capture(capture) if threads > 1 => {
                Input::Ahead(Box::new(Ahead::new(*capture, threads - 1, self.table.config())))
            }
            other => other,
        };
        self
    }

    /// What was read so far.
    pub fn stats(&self) -> &TableStats {
        self.table.stats()
    }

    /// Reads to the end.
    ///
    /// # Errors
    /// As the iterator: where the capture is damaged or cannot be read. To keep what came before the damage, iterate.
    pub fn collect(mut self) -> Result<Sessions> {
        let sessions = self.by_ref().collect::<Result<Vec<_>>>()?;
        Ok(Sessions::new(sessions, self.table.stats().clone()))
    }
}

impl Iterator for SessionReader {
    type Item = Result<Session>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(session) = self.table.pop() {
                return Some(Ok(session));
            }
            let end = match &mut self.input {
                Input::Capture(capture) => match capture.next_frame() {
                    Ok(Some(frame)) => {
                        self.table.push(&frame);
                        continue;
                    }
                    end => end.err(),
                },
                Input::Ahead(ahead) => match ahead.push_to(&mut self.table) {
                    Ok(true) => continue,
                    end => end.err(),
                },
                Input::Ended => return self.damage.take().map(Err),
            };
            self.damage = end;
            self.input = Input::Ended;
            self.table.finish();
        }
    }
}

/// Sessions in memory, with what was counted while they were read.
#[derive(Debug, Clone, Default)]
pub struct Sessions {
    sessions: Vec<Session>,
    stats: TableStats,
}

impl Sessions {
    /// Sessions with what was counted while they were read.
    pub fn new(sessions: Vec<Session>, stats: TableStats) -> Self {
        Self { sessions, stats }
    }

    /// What was read, and what could not be used.
    pub fn stats(&self) -> &TableStats {
        &self.stats
    }
}

impl std::ops::Deref for Sessions {
    type Target = [Session];

    fn deref(&self) -> &[Session] {
        &self.sessions
    }
}

impl FromIterator<Session> for Sessions {
    fn from_iter<I: IntoIterator<Item = Session>>(sessions: I) -> Self {
        Self { sessions: sessions.into_iter().collect(), stats: TableStats::default() }
    }
}

impl IntoIterator for Sessions {
    type Item = Session;
    type IntoIter = std::vec::IntoIter<Session>;

    fn into_iter(self) -> Self::IntoIter {
        self.sessions.into_iter()
    }
}

impl<'a> IntoIterator for &'a Sessions {
    type Item = &'a Session;
    type IntoIter = std::slice::Iter<'a, Session>;

    fn into_iter(self) -> Self::IntoIter {
        self.sessions.iter()
    }
}
