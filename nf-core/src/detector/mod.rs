//! Heads and their calibration: a session in, a calibrated verdict out.

mod budget;
mod builder;
mod card;
mod clean;
mod drift;
mod explain;
mod file;
mod head;
mod looks;
#[cfg(feature = "onnx")]
mod onnx;
mod recalibrate;
mod recipe;
mod records;
mod report;
mod verdict;

pub use builder::Builder;
pub use card::{Card, CardHead, Promise, Source};
pub use drift::{Drift, DriftAlarm, Moved};
pub(crate) use explain::{Carried, Weigher, Weighing};
pub use explain::{Carrier, Cell, Explanation, Fact};
pub use recalibrate::{Recalibration, RecalibrationRecord};
pub use recipe::Recipe;
pub use records::{Doors, RecordVerdict, Records};
pub use report::CalibrationReport;
pub use verdict::{EvidenceVerdict, HeadVerdict, LookVerdict, Verdict};

use crate::{
    Error, ErrorKind, Result, Timestamp,
    calibration::{Calibration, Phased},
    evidence::EvidenceConfig,
    features::Schema,
    model::Device,
    parallel,
    session::{Session, SessionConfig},
};
use budget::{Budget, Volume};
use explain::Background;
use head::{Head, Scorer};
use looks::{PART, highest, weigh_all};
pub(crate) use looks::{Row, Scored, Standing, Told};
use report::HeldOut;
use serde::{Deserialize, Serialize};
use std::{fmt, ops::ControlFlow, sync::Arc};

/// Judges sessions: one or more heads, each a [feature spec](crate::features::FeatureSpec), a
/// [scaler](crate::features::Scaler) and a [model](crate::model::Model), calibrated together on benign sessions that took
/// no part in fitting, for a budget of false positives.
///
/// A session's score is the sum over the heads of the weighted `-ln p` (Fisher, "Statistical methods for research workers",
/// 1932, section 21.1). Heads that read the same traffic are correlated, which Fisher's own chi-square distribution does not
/// allow for; so the sum is calibrated once more, on the same held-out sessions.
///
/// [`judge`](Self::judge) sees a session by itself. Where sessions are judged in the order of time, by
/// [`judge_all`](Self::judge_all) or a [`Monitor`](crate::Monitor), what the last sessions of a pair of hosts come to
/// together decides: its [evidence](crate::evidence), calibrated in the same way.
///
/// A session is judged at each of its [looks](Session::looks), and the strangest of them is its verdict. It is calibrated on
/// the strangest looks at benign sessions, so that looking often spends no more of the budget.
///
/// A detector is immutable and cheap to clone.
#[derive(Clone)]
pub struct Detector {
    heads: Arc<[Head]>,
    combined: Arc<Calibration>,
    evidence: Option<Arc<Evidence>>,
    /// What benign traffic looks like, for explanations.
    background: Arc<Background>,
    rate: f64,
    threshold: f32,
    /// The cuts of evidence, in general and for cold sessions.
    evidence_thresholds: [f32; 2],
    /// The lowest evidence above them, before it is calibrated.
    evidence_above: [f32; 2],
    /// What it was calibrated on, in time order.
    held_out: Arc<[HeldOut]>,
    threads: usize,
    sessions: SessionConfig,
    provenance: Provenance,
    /// How benign traffic varies; `None` where it was seen for too short a time.
    drift: Option<Arc<drift::Basis>>,
    /// The calibration it was made with, where it has another now.
    original: Option<Arc<recalibrate::Original>>,
    recalibrations: Arc<[RecalibrationRecord]>,
}

/// How scores add up over sessions, and what that comes to among benign ones.
#[derive(Debug)]
struct Evidence {
    config: EvidenceConfig,
    calibration: Phased,
}

/// What calibrates a detector besides its heads.
#[derive(Debug)]
struct Terms {
    budget: Budget,
    threads: usize,
    sessions: SessionConfig,
    evidence: Option<EvidenceConfig>,
}

/// Heads with all that was calibrated on held-out sessions.
#[derive(Debug)]
struct Calibrated {
    heads: Vec<Head>,
    combined: Calibration,
    evidence: Option<Evidence>,
    background: Background,
    held_out: Vec<HeldOut>,
}

/// What a detector was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Provenance {
    /// Version of this crate.
    pub version: String,
    /// The recipe's seed; `None` for a detector of a user's own heads.
    pub seed: Option<u64>,
    /// The sessions the heads were fitted on; `None` for a detector of a user's own heads.
    pub training: Option<Span>,
    /// Sessions of the training that were left out as too strange, by the assumed contamination.
    pub left_out: u64,
    /// The benign sessions it was calibrated on.
    pub calibration: Span,
    /// The captures it was made from, as far as they were [named](Detector::with_source).
    pub sources: Vec<Source>,
}

/// How many sessions there were, and when they started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Span {
    /// How many.
    pub sessions: u64,
    /// Start of the first.
    pub first: Timestamp,
    /// Start of the last.
    pub last: Timestamp,
}

impl Span {
    fn of(sessions: &[&Session]) -> Self {
        let starts = || sessions.iter().map(|session| session.start());
        Self {
            sessions: sessions.len() as u64,
            first: starts().min().unwrap_or_default(),
            last: starts().max().unwrap_or_default(),
        }
    }
}

impl Detector {
    /// A detector of this crate's own heads, to be fitted on benign sessions.
    pub fn recipe() -> Recipe {
        Recipe::default()
    }

    /// A detector of one's own heads, to be calibrated on benign sessions.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Calibrates heads on benign sessions that they were not fitted on; what benign traffic looks like is taken from
    /// `benign`.
    fn calibrate(
        scorers: Vec<Scorer>,
        benign: &[&Session],
        held_out: &[&Session],
        terms: Terms,
        provenance: Provenance,
    ) -> Result<Self> {
        if scorers.is_empty() {
            return Err(Error::config("number of heads", 0, "at least 1"));
        }
        for (i, scorer) in scorers.iter().enumerate() {
            if scorers[..i].iter().any(|earlier| earlier.name == scorer.name) {
                let message = format!("two heads are named {}, names must be unique", scorer.name);
                return Err(Error::new(ErrorKind::Config, message));
            }
        }
        let rate = terms.budget.rate(Volume::of(held_out))?;
        if let Some(config) = &terms.evidence {
            config.check()?;
        }
        let rows = Row::all(held_out);
        let (heads, scores) = score_heads(scorers, &rows, terms.threads)?;
        let combined = highest(held_out.len(), &rows, &scores);
        let mut deciding = combined.clone();
        let evidence = match terms.evidence {
            Some(config) => {
                deciding = highest(held_out.len(), &rows, &weigh_all(&config, &rows, &scores)?);
                let cold: Vec<bool> = held_out.iter().map(|session| session.is_cold()).collect();
                let calibration = Phased::fit(&deciding, &cold)?;
                Some(Evidence { config, calibration })
            }
            None => None,
        };
        let basis = by_end(held_out).into_iter().map(|i| HeldOut::new(held_out[i], deciding[i])).collect();
        let combined = Calibration::fit(&combined)?;
        let background = Background::of(&heads, benign)?;
        let calibrated = Calibrated { heads, combined, evidence, background, held_out: basis };
        Self::assemble(calibrated, rate, terms.sessions, provenance)
    }

    fn assemble(calibrated: Calibrated, rate: f64, sessions: SessionConfig, provenance: Provenance) -> Result<Self> {
        let detector = Self {
            heads: calibrated.heads.into(),
            combined: calibrated.combined.into(),
            evidence: calibrated.evidence.map(Arc::new),
            background: calibrated.background.into(),
            held_out: calibrated.held_out.into(),
            rate,
            threshold: 0.0,
            evidence_thresholds: [0.0; 2],
            evidence_above: [0.0; 2],
            threads: 1,
            sessions,
            provenance,
            drift: None,
            original: None,
            recalibrations: Arc::new([]),
        };
        detector.check_sessions(&detector.sessions)?;
        detector.with_false_positive_rate(rate)
    }

    /// The verdict on one session, whatever else was judged before: that of the strangest of its
    /// [looks](Session::looks).
    ///
    /// # Errors
    /// [`ErrorKind::Data`] where a head needs the session's context and it has none, or a model gives a score that is not
    /// finite; what else a user's own model returns.
    pub fn judge(&self, session: &Session) -> Result<Verdict> {
        let [verdict] = self.judge_alone(&[session])?.try_into().expect("one verdict a session");
        Ok(verdict)
    }

    /// The verdicts on some sessions, in their order, the same bits as [`judge`](Self::judge) on each.
    ///
    /// # Errors
    /// As [`judge`](Self::judge), for the first in time that has one.
    pub fn judge_batch(&self, sessions: &[Session]) -> Result<Vec<Verdict>> {
        self.judge_alone(&sessions.iter().collect::<Vec<_>>())
    }

    fn judge_alone(&self, sessions: &[&Session]) -> Result<Vec<Verdict>> {
        self.judge_rows(sessions, None)
    }

    /// The verdicts on some sessions of one session table, in their order: judged in the order in which they were looked at
    /// and ended, so that what adds up over them decides, as a [`Monitor`](crate::Monitor) judges them.
    ///
    /// # Errors
    /// As [`judge_batch`](Self::judge_batch).
    pub fn judge_all(&self, sessions: &[Session]) -> Result<Vec<Verdict>> {
        self.judge_all_with(sessions, || ControlFlow::Continue(()))
    }

    /// [`judge_all`](Self::judge_all), which asks `watch` about every tenth of a second whether to go on.
    ///
    /// # Errors
    /// As [`judge_all`](Self::judge_all), and [`ErrorKind::Canceled`] where `watch` says stop.
    pub fn judge_all_with(&self, sessions: &[Session], watch: impl FnMut() -> ControlFlow<()>) -> Result<Vec<Verdict>> {
        self.judge_rows_with(&sessions.iter().collect::<Vec<_>>(), self.weigher(), watch)
    }

    fn judge_rows(&self, sessions: &[&Session], weigher: Option<Weigher>) -> Result<Vec<Verdict>> {
        self.judge_rows_with(sessions, weigher, || ControlFlow::Continue(()))
    }

    fn judge_rows_with(
        &self,
        sessions: &[&Session],
        mut weigher: Option<Weigher>,
        mut watch: impl FnMut() -> ControlFlow<()>,
    ) -> Result<Vec<Verdict>> {
        let all = Row::all(sessions);
        let rows: Vec<Row<'_>> = Row::in_time(&all).into_iter().map(|i| all[i]).collect();
        let mut standings: Vec<Option<Standing>> = vec![None; sessions.len()];
        for (i, part) in rows.chunks(PART).enumerate() {
            if watch().is_break() {
                let done = 100.0 * (i * PART) as f64 / rows.len() as f64;
                return Err(Error::new(ErrorKind::Canceled, format!("judging was stopped at {done:.0} %")));
            }
            for (row, scored) in part.iter().zip(self.score(part)?) {
                self.take(&mut standings[row.place], row, scored, row.place as u64, weigher.as_mut());
            }
        }
        let judged = standings.into_iter().zip(sessions);
        Ok(judged.filter_map(|(standing, session)| Some(self.verdict(standing?, session.is_cold()))).collect())
    }

    /// The same detector with another budget of false positives, 0 to 0.5 of all benign sessions.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] where the rate is out of range, [`ErrorKind::Data`] where there were too few held-out sessions
    /// to promise it; the message says how many more are needed, and how many hours that takes.
    pub fn with_false_positive_rate(&self, rate: f64) -> Result<Self> {
        self.check_budget(rate)?;
        let threshold = self.combined.threshold(rate)?;
        let (mut evidence_thresholds, mut evidence_above) = ([threshold; 2], [0.0; 2]);
        if let Some(Evidence { calibration, .. }) = self.evidence.as_deref() {
            for (i, cold) in [false, true].into_iter().enumerate() {
                evidence_thresholds[i] = calibration.threshold(rate, cold)?;
                evidence_above[i] = calibration.lowest_above(evidence_thresholds[i], cold);
            }
        }
        Ok(Self { threshold, evidence_thresholds, evidence_above, rate, ..self.clone() })
    }

    /// The same detector with [`judge_batch`](Self::judge_batch) on so many threads, 0 for one a core; 1 unless set.
    /// Verdicts do not depend on it.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// The same detector with its networks on `device`. A fitted one judges where it was [fitted](Recipe::device), a loaded one on
    /// the CPU, where alone verdicts are the same bit for bit.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where the device is not there ([`Device::check`]).
    pub fn with_device(&self, device: Device) -> Result<Self> {
        device.check()?;
        let heads = self.heads.iter().map(|head| head.with_device(device)).collect::<Result<_>>()?;
        Ok(Self { heads, ..self.clone() })
    }

    /// The names of the heads, in order.
    pub fn head_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.heads.iter().map(|head| &*head.scorer.name)
    }

    /// The columns of each head, in order.
    pub fn schemas(&self) -> impl ExactSizeIterator<Item = &Schema> {
        self.heads.iter().map(|head| head.scorer.scaler.schema())
    }

    /// The calibration of each head's scores, in order.
    pub fn head_calibrations(&self) -> impl ExactSizeIterator<Item = &Calibration> {
        self.heads.iter().map(|head| &head.calibration)
    }

    /// The calibration of the combined score, which decides on a session judged by itself.
    pub fn calibration(&self) -> &Calibration {
        &self.combined
    }

    /// The calibration of the evidence, which decides on sessions judged in the order in which they ended; `None` where each
    /// is judged by itself.
    pub fn evidence_calibration(&self) -> Option<&Calibration> {
        self.evidence.as_ref().map(|evidence| evidence.calibration.all())
    }

    /// How scores are added up over sessions; `None` where each is judged by itself.
    pub fn evidence_config(&self) -> Option<&EvidenceConfig> {
        self.evidence.as_ref().map(|evidence| &evidence.config)
    }

    /// The cut of sessions judged by themselves: those with a score above it are anomalies.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// The cut of evidence, of sessions behind a table's first minute; that of the session's own score where there is none.
    pub fn evidence_threshold(&self) -> f32 {
        self.evidence_thresholds[0]
    }

    /// The budget: the share of benign sessions that may be called anomalies.
    pub fn false_positive_rate(&self) -> f64 {
        self.rate
    }

    /// How the packets of its training were cut into sessions.
    pub fn session_config(&self) -> &SessionConfig {
        &self.sessions
    }

    /// What it was made from.
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// Whether sessions cut in this way mean to the heads what their training sessions meant. Timeouts may differ.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] where `context` is off though a head needs it, `max_packets` is below what a head reads, or
    /// `key`, `vlan_in_key`, `tunnels`, `entropy_bytes` or `looks` differ from those of the training.
    pub fn check_sessions(&self, config: &SessionConfig) -> Result<()> {
        config.check()?;
        for Head { scorer, .. } in &*self.heads {
            if scorer.spec.needs_context() && !config.context {
                let allowed = format!("true, head {} reads it", scorer.name);
                return Err(Error::config("context", config.context, &allowed));
            }
            if let Some(steps) = scorer.spec.steps()
                && config.max_packets < steps
            {
                let allowed = format!("at least {steps}, so many packets head {} reads", scorer.name);
                return Err(Error::config("max_packets", config.max_packets, &allowed));
            }
        }
        config.check_alike(&self.sessions)
    }
}

/// Calibrates heads on the looks at some sessions, and gives what their scores of each come to.
fn score_heads(scorers: Vec<Scorer>, rows: &[Row<'_>], threads: usize) -> Result<(Vec<Head>, Vec<f32>)> {
    let mut heads = Vec::new();
    let mut sums = vec![0.0; rows.len()];
    for scorer in scorers {
        let scores = parallel::in_chunks(rows, threads, |chunk| scorer.score(chunk))?;
        let head = Head::calibrate(scorer, &scores)?;
        for (sum, score) in sums.iter_mut().zip(scores) {
            *sum += head.surprise(score);
        }
        heads.push(head);
    }
    Ok((heads, sums.into_iter().map(|sum| sum as f32).collect()))
}

/// The places of sessions in the order in which they ended; those that ended at one moment stay in order.
fn by_end(sessions: &[&Session]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..sessions.len()).collect();
    places.sort_by_key(|&i| sessions[i].ended());
    places
}

impl fmt::Debug for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detector")
            .field("heads", &self.head_names().collect::<Vec<_>>())
            .field("false_positive_rate", &self.rate)
            .field("threshold", &self.threshold)
            .field("provenance", &self.provenance)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
