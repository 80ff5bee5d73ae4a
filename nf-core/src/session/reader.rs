//! A capture read as sessions.

use super::{Session, SessionConfig, SessionTable, TableStats};
use crate::{Error, Result, capture::Capture};

/// The sessions of a capture, in the order in which they end.
///
/// Where the capture is damaged, what came before is given first, then the error, then nothing.
#[derive(Debug)]
pub struct SessionReader {
    capture: Option<Capture>,
    table: SessionTable,
    damage: Option<Error>,
}

impl Capture {
    /// Reads the capture as sessions.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) where a value of the configuration is out of its range.
    pub fn sessions(self, config: &SessionConfig) -> Result<SessionReader> {
        Ok(SessionReader { capture: Some(self), table: SessionTable::new(config.clone())?, damage: None })
    }
}

impl SessionReader {
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
        Ok(Sessions { sessions, stats: self.table.stats().clone() })
    }
}

impl Iterator for SessionReader {
    type Item = Result<Session>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(session) = self.table.pop() {
                return Some(Ok(session));
            }
            let Some(capture) = &mut self.capture else { return self.damage.take().map(Err) };
            match capture.next_frame() {
                Ok(Some(frame)) => self.table.push(&frame),
                end => {
                    self.damage = end.err();
                    self.capture = None;
                    self.table.finish();
                }
            }
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
