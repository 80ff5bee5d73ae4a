//! What to read: capture files, and which part of their time.

use crate::{
    Capture, Error, ErrorKind, Result, Timestamp,
    session::{Session, SessionConfig},
};
use std::path::{Path, PathBuf};

/// One or more capture files and the part of their time that counts: what starts from a moment on, before a moment, or all.
///
/// ```
/// use nf_core::{Timestamp, evaluate::Recording};
/// // Of one recording the first hour to fit on and the rest to calibrate on.
/// let noon = Timestamp::from_parts(1_500_000_000, 0);
/// let (train, val) = (Recording::new("monday.pcap").until(noon), Recording::new("monday.pcap").since(noon));
/// assert!(!train.holds(noon) && val.holds(noon));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    paths: Vec<PathBuf>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Recording {
    /// All of a capture file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::of([path])
    }

    /// All of some capture files, each with sessions of its own.
    pub fn of(paths: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        Self { paths: paths.into_iter().map(Into::into).collect(), from: None, until: None }
    }

    /// What starts at `from` or later.
    #[must_use]
    pub fn since(mut self, from: Timestamp) -> Self {
        self.from = Some(from);
        self
    }

    /// What starts before `until`.
    #[must_use]
    pub fn until(mut self, until: Timestamp) -> Self {
        self.until = Some(until);
        self
    }

    /// The earlier and the later part of the recording, with `share` of its time in the first.
    ///
    /// # Errors
    /// As [`Capture::open`] and [`Capture::next_frame`]; [`ErrorKind::Config`] where `share` is not between 0 and 1,
    /// [`ErrorKind::Data`] where no frame counts.
    pub fn split(&self, share: f64) -> Result<(Self, Self)> {
        if !(share > 0.0 && share < 1.0) {
            return Err(Error::config("share of the earlier part", share, "above 0 and below 1"));
        }
        let (mut first, mut last): (Option<Timestamp>, Option<Timestamp>) = (None, None);
        for capture in self.captures() {
            let mut capture = capture?;
            while let Some(frame) = capture.next_frame()? {
                if self.holds(frame.time) {
                    first = Some(first.map_or(frame.time, |first| first.min(frame.time)));
                    last = Some(last.map_or(frame.time, |last| last.max(frame.time)));
                }
            }
        }
        let Some((first, last)) = first.zip(last) else {
            return Err(Error::new(ErrorKind::Data, "0 frames to split by time, at least 1 is needed"));
        };
        let middle = first + last.since(first).mul_f64(share);
        Ok((self.clone().until(middle), self.clone().since(middle)))
    }

    /// The files.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.paths.iter().map(PathBuf::as_path)
    }

    /// Opens each file in turn. All of it is read, so that what counts finds the context that a live run would have.
    pub fn captures(&self) -> impl Iterator<Item = Result<Capture>> {
        self.paths.iter().map(Capture::open)
    }

    /// Whether a session that starts at `start` counts.
    pub fn holds(&self, start: Timestamp) -> bool {
        self.from.is_none_or(|from| start >= from) && self.until.is_none_or(|until| start < until)
    }

    /// The sessions that count, in the order in which they end. One that runs past [`until`](Self::until) is whole.
    ///
    /// # Errors
    /// As [`Capture::open`] and [`Capture::next_frame`].
    pub fn sessions(&self, config: &SessionConfig) -> Result<Vec<Session>> {
        let mut sessions = Vec::new();
        for capture in self.captures() {
            for session in capture?.sessions(config)? {
                let session = session?;
                if self.holds(session.start()) {
                    sessions.push(session);
                }
            }
        }
        Ok(sessions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::testing::pcap_file;
    use nf_tests::eth;

    #[test]
    fn sessions_belong_to_the_part_they_start_in() {
        let datagram = |port| eth().ipv4([10, 0, 0, 1], [10, 0, 0, 2]).udp(port, 9).payload(b"x").build();
        let file = pcap_file((0..20).map(|second| (f64::from(second), datagram(second as u16 / 2))));
        let ports = |recording: Recording| -> Vec<u16> {
            recording.sessions(&SessionConfig::default()).unwrap().iter().map(|s| s.key().orig.port).collect()
        };
        let at = |seconds| Timestamp::from_parts(seconds, 0);
        let all = Recording::new(file.path());
        assert_eq!(ports(all.clone()), (0..10).collect::<Vec<_>>());
        assert_eq!(ports(all.clone().until(at(9))), [0, 1, 2, 3, 4], "the fifth runs past it, and is whole");
        assert_eq!(ports(all.clone().since(at(9)).until(at(13))), [5, 6]);
        assert_eq!(ports(Recording::of([file.path(), file.path()]).since(at(18))), [9, 9]);
        let (early, late) = Recording::new(file.path()).split(0.5).unwrap();
        assert_eq!((ports(early), ports(late)), (vec![0, 1, 2, 3, 4], vec![5, 6, 7, 8, 9]));
        let share = all.split(1.0).unwrap_err().to_string();
        assert_eq!(share, "share of the earlier part is 1, it must be above 0 and below 1");
        let missing = Recording::of(["no/such.pcap"]).sessions(&SessionConfig::default()).unwrap_err();
        assert!(missing.to_string().starts_with("no/such.pcap"), "{missing}");
    }
}
