//! The model card: what a detector was made from, what it promises, and what it is known not to see.

mod html;
mod limits;
mod text;

use super::{Detector, RecalibrationRecord, Span};
use crate::{
    Error, ErrorKind, Result,
    session::{SessionConfig, TableStats},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};

/// What a detector was made from, what it promises and how that was borne out, and what it is known not to see (after
/// Mitchell et al., "Model cards for model reporting", FAT* 2019). Shows as text, serialises with serde, and gives a
/// [page](Self::to_html).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Card {
    /// Version of the crate that made it.
    pub version: String,
    /// Its heads.
    pub heads: Vec<CardHead>,
    /// The recipe's seed; `None` for a detector of a user's own heads.
    pub seed: Option<u64>,
    /// The sessions that the heads were fitted on; `None` for a detector of a user's own heads.
    pub training: Option<Span>,
    /// Sessions of the training that were left out as too strange, by the assumed contamination.
    pub left_out: u64,
    /// The benign sessions it is calibrated on.
    pub calibration: Span,
    /// The captures it was made from, as far as they were [named](Detector::with_source).
    pub sources: Vec<Source>,
    /// How the packets were cut into sessions.
    pub session_config: SessionConfig,
    /// What it promises, and how that was borne out.
    pub promise: Promise,
    /// Whether what adds up over the sessions of a pair of hosts decides.
    pub evidence: bool,
    /// Blocks of time that drift is told by, and their length in seconds; `None` where there were too few.
    pub drift: Option<(u64, f64)>,
    /// Its recalibrations, the earliest first.
    pub recalibrations: Vec<RecalibrationRecord>,
    /// What it is known not to see, each a sentence or two.
    pub limits: Vec<String>,
}

/// A head, on a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CardHead {
    /// Its name.
    pub name: String,
    /// The kind of its model.
    pub model: String,
    /// What it counts in the combined score, as text.
    pub weight: String,
    /// The name of its schema.
    pub schema: String,
    /// The schema's fingerprint, 16 hexadecimal digits.
    pub fingerprint: String,
    /// How many columns it reads.
    pub columns: usize,
    /// Of how many packets; `None` where it reads whole sessions.
    pub packets: Option<u32>,
}

/// A capture that a detector was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Source {
    /// Its name, as the user gave it.
    pub name: String,
    /// Frames read.
    pub frames: u64,
    /// Those that became packets of a session.
    pub packets: u64,
    /// Bytes of all frames on the wire.
    pub wire_bytes: u64,
    /// Sessions that ended.
    pub sessions: u64,
    /// Frames that could not be used, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Sessions ended early or dropped, and context not kept, because memory was at its limit.
    pub lost: u64,
}

/// What a detector promises, and how that was borne out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Promise {
    /// The budget: the share of benign sessions that may be called anomalies.
    pub false_positive_rate: f64,
    /// What that is an hour, at as many sessions as were held out; `None` where these took no time.
    pub alerts_per_hour: Option<f64>,
    /// Hours in which the held-out sessions began.
    pub hours: f64,
    /// Held-out sessions expected above the cut.
    pub expected_above: f64,
    /// Held-out sessions of a session table's first minute.
    pub cold_sessions: u64,
    /// Whether the highest scores follow the fitted tail.
    pub tail_is_sound: bool,
    /// The share of held-out sessions that alert where each tenth of them is judged by the rest; `None` where nine tenths
    /// are too few.
    pub realised: Option<f64>,
    /// The 95 % interval of that share.
    pub interval: Option<[f64; 2]>,
}

/// Most captures named on a card.
const MOST_SOURCES: usize = 256;

impl Source {
    /// A capture by name, with what was counted while it was read.
    pub fn new(name: impl Into<String>, stats: &TableStats) -> Self {
        Self {
            name: name.into(),
            frames: stats.frames,
            packets: stats.packets,
            wire_bytes: stats.wire_bytes,
            sessions: stats.ended,
            skipped: stats.skipped.iter().map(|(reason, count)| (reason.to_string(), count)).collect(),
            lost: stats.evicted + stats.dropped + stats.context_evicted,
        }
    }
}

impl Detector {
    /// What this detector was made from, what it promises and what it is known not to see. Calibrates ten times, as
    /// [`report`](Self::report) does.
    pub fn card(&self) -> Card {
        let report = self.report();
        let promise = Promise {
            false_positive_rate: report.false_positive_rate,
            alerts_per_hour: report.alerts_per_hour,
            hours: report.hours,
            expected_above: report.expected_above,
            cold_sessions: report.cold_sessions,
            tail_is_sound: report.tail_is_sound,
            realised: report.realised,
            interval: report.interval.map(|interval| [interval.low, interval.high]),
        };
        let heads = self.heads.iter().map(|head| {
            let (scorer, schema) = (&head.scorer, head.scorer.scaler.schema());
            CardHead {
                name: scorer.name.to_string(),
                model: scorer.model.kind().to_owned(),
                weight: scorer.weight.to_string(),
                schema: schema.name().to_owned(),
                fingerprint: schema.fingerprint().to_string(),
                columns: schema.width(),
                packets: scorer.spec.steps(),
            }
        });
        let provenance = self.provenance();
        Card {
            version: provenance.version.clone(),
            heads: heads.collect(),
            seed: provenance.seed,
            training: provenance.training,
            left_out: provenance.left_out,
            calibration: provenance.calibration,
            sources: provenance.sources.clone(),
            session_config: self.sessions.clone(),
            promise,
            evidence: self.evidence.is_some(),
            drift: self.drift.as_ref().map(|basis| basis.size()),
            recalibrations: self.recalibrations.to_vec(),
            limits: limits::limits(self),
        }
    }

    /// The same detector, with one more capture named as what it was made from; at most 256 are kept, the earliest first.
    #[must_use]
    pub fn with_source(mut self, source: Source) -> Self {
        if self.provenance.sources.len() < MOST_SOURCES {
            self.provenance.sources.push(source);
        }
        self
    }
}

impl Card {
    /// Reads the card of a model file, whatever models it holds; nothing else of the file is read.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] where the file cannot be read, [`ErrorKind::ModelFile`] where it is none of this crate, is of a
    /// newer format, or is damaged. Both name the path.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        super::file::read_card(&bytes).map_err(|e| e.at(path.display()))
    }

    /// The card as JSON.
    ///
    /// # Errors
    /// None in practice: a card has text keys and finite numbers.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).map_err(|e| Error::new(ErrorKind::Data, format!("the card: {e}")))
    }
}

#[cfg(test)]
mod tests;
