//! How scores are added up over sessions.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Which sessions count together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EvidenceKey {
    /// Those from one source to one destination.
    Pair,
    /// Those of one source with the same protocol (for DNS: the same parent domain) and outcome, whatever their
    /// destination.
    Activity,
}

/// How scores are added up over sessions.
///
/// The defaults are those that detect best where that was measured (docs/detection.md).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EvidenceConfig {
    /// Which sessions count together; where several keys stand here the strangest counts. Default: the pair alone.
    pub keys: Vec<EvidenceKey>,
    /// How many sessions count at most, 1 to 64. Default 8.
    pub last: usize,
    /// For how long a session counts, by the time at which sessions end; above 0. Default 60 s, as context looks back.
    pub span: Duration,
    /// From how many sessions on their mean counts, 1 to `last`. Default 3: two are still as loud as one.
    pub from: usize,
    /// How much of a session's own score counts at least, 0 to 1. Default 0.5: a session twice as strange as the cut
    /// stands for itself.
    pub own: f32,
    /// Most keys remembered, at least 2; half of them with one session. Default 65,536, about 20 MB.
    pub limit: usize,
}

impl Default for EvidenceConfig {
    fn default() -> Self {
        Self { keys: vec![EvidenceKey::Pair], last: 8, span: Duration::from_secs(60), from: 3, own: 0.5, limit: 65_536 }
    }
}

impl EvidenceConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) with name, value and allowed range.
    pub fn check(&self) -> Result<()> {
        if self.keys.is_empty() {
            return Err(Error::config("number of evidence keys", 0, "at least 1"));
        }
        if !(1..=64).contains(&self.last) {
            return Err(Error::config("last", self.last, "1 to 64"));
        }
        if self.span.is_zero() {
            return Err(Error::config("span", "0 s", "above 0 s"));
        }
        if !(1..=self.last).contains(&self.from) {
            return Err(Error::config("from", self.from, &format!("1 to last, {}", self.last)));
        }
        if !(0.0..=1.0).contains(&self.own) {
            return Err(Error::config("own", self.own, "0 to 1"));
        }
        if self.limit < 2 {
            return Err(Error::config("limit", self.limit, "at least 2"));
        }
        Ok(())
    }
}
