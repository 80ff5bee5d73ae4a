//! Heads and their calibration: a session in, a calibrated verdict out.

mod builder;
mod explain;
mod file;
mod head;
mod recipe;
mod verdict;

pub use builder::Builder;
pub use explain::{Explanation, Reason};
pub use recipe::Recipe;
pub use verdict::{HeadVerdict, Verdict};

use crate::{
    Error, ErrorKind, Result, Timestamp,
    calibration::{Calibration, check_budget},
    features::Schema,
    parallel,
    session::{Session, SessionConfig},
};
use head::{Head, Scorer};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// Judges sessions: one or more heads, each a [feature spec](crate::features::FeatureSpec), a
/// [scaler](crate::features::Scaler) and a [model](crate::model::Model), calibrated together on benign sessions that took
/// no part in fitting, for a budget of false positives.
///
/// A session's score is the sum over the heads of the weighted `-ln p` (Fisher, "Statistical methods for research workers",
/// 1932, section 21.1). Heads that read the same traffic are correlated, which Fisher's own chi-square distribution does not
/// allow for; so the sum is calibrated once more, on the same held-out sessions.
///
/// A detector is immutable and cheap to clone.
#[derive(Clone)]
pub struct Detector {
    heads: Arc<[Head]>,
    combined: Arc<Calibration>,
    rate: f64,
    threshold: f32,
    threads: usize,
    sessions: SessionConfig,
    provenance: Provenance,
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
    /// The benign sessions it was calibrated on.
    pub calibration: Span,
}

/// How many sessions there were, and when they started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

    /// Calibrates heads on benign sessions that they were not fitted on.
    fn calibrate(
        scorers: Vec<Scorer>,
        held_out: &[&Session],
        rate: f64,
        threads: usize,
        sessions: SessionConfig,
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
        check_budget(rate, held_out.len(), true)?;
        let mut heads = Vec::new();
        let mut surprises = vec![0.0; held_out.len()];
        for scorer in scorers {
            let scores = parallel::in_chunks(held_out, threads, |chunk| scorer.score(chunk))?;
            let head = Head::calibrate(scorer, &scores)?;
            for (sum, score) in surprises.iter_mut().zip(scores) {
                *sum += head.surprise(score);
            }
            heads.push(head);
        }
        let combined: Vec<f32> = surprises.into_iter().map(|sum| sum as f32).collect();
        let combined = Calibration::fit(&combined)?;
        Self::assemble(heads, combined, rate, sessions, provenance)
    }

    fn assemble(
        heads: Vec<Head>,
        combined: Calibration,
        rate: f64,
        sessions: SessionConfig,
        provenance: Provenance,
    ) -> Result<Self> {
        let threshold = combined.threshold(rate)?;
        let detector =
            Self { heads: heads.into(), combined: combined.into(), rate, threshold, threads: 1, sessions, provenance };
        detector.check_sessions(&detector.sessions)?;
        Ok(detector)
    }

    /// The verdict on one session, whatever else was judged before.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] where a head needs the session's context and it has none, or a model gives a score that is not
    /// finite; what else a user's own model returns.
    pub fn judge(&self, session: &Session) -> Result<Verdict> {
        let [verdict] = self.judge_chunk(&[session])?.try_into().expect("one verdict a session");
        Ok(verdict)
    }

    /// The verdicts on some sessions, in their order, the same bits as [`judge`](Self::judge) on each.
    ///
    /// # Errors
    /// As [`judge`](Self::judge), for the first session that has one.
    pub fn judge_batch(&self, sessions: &[Session]) -> Result<Vec<Verdict>> {
        let sessions: Vec<&Session> = sessions.iter().collect();
        parallel::in_chunks(&sessions, self.threads, |chunk| self.judge_chunk(chunk))
    }

    fn judge_chunk(&self, sessions: &[&Session]) -> Result<Vec<Verdict>> {
        let scores = self.heads.iter().map(|head| head.scorer.score(sessions)).collect::<Result<Vec<_>>>()?;
        Ok((0..sessions.len()).map(|i| self.verdict(scores.iter().map(|scores| scores[i]))).collect())
    }

    /// What the heads' scores of one session come to.
    fn verdict(&self, scores: impl Iterator<Item = f32>) -> Verdict {
        let mut sum = 0.0;
        let heads = self.heads.iter().zip(scores).map(|(head, score)| {
            sum += head.surprise(score);
            HeadVerdict { name: head.scorer.name.clone(), score, p_value: head.calibration.p_value(score) }
        });
        let heads = heads.collect();
        let score = sum as f32;
        Verdict {
            score,
            p_value: self.combined.p_value(score),
            heads,
            threshold: self.threshold,
            anomaly: score > self.threshold,
        }
    }

    /// The same detector with another budget of false positives, 0 to 0.5 of all benign sessions.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] where the rate is out of range, [`ErrorKind::Data`] where there were too few held-out sessions
    /// to promise it; the message says how many more are needed.
    pub fn with_false_positive_rate(&self, rate: f64) -> Result<Self> {
        Ok(Self { threshold: self.combined.threshold(rate)?, rate, ..self.clone() })
    }

    /// The same detector with [`judge_batch`](Self::judge_batch) on so many threads, 0 for one a core; 1 unless set.
    /// Verdicts do not depend on it.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        Self { threads, ..self }
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

    /// The calibration of the combined score, which verdicts are decided by.
    pub fn calibration(&self) -> &Calibration {
        &self.combined
    }

    /// The cut: sessions with a score above it are anomalies.
    pub fn threshold(&self) -> f32 {
        self.threshold
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
    /// `key`, `vlan_in_key`, `tunnels` or `entropy_bytes` differ from those of the training.
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
        let (given, own) = (config, &self.sessions);
        let same = [
            ("key", format!("{:?}", given.key), format!("{:?}", own.key)),
            ("vlan_in_key", given.vlan_in_key.to_string(), own.vlan_in_key.to_string()),
            ("tunnels", given.tunnels.to_string(), own.tunnels.to_string()),
            ("entropy_bytes", given.entropy_bytes.to_string(), own.entropy_bytes.to_string()),
        ];
        if let Some((name, given, own)) = same.into_iter().find(|(_, given, own)| given != own) {
            return Err(Error::config(name, given, &format!("{own} as in the detector's training")));
        }
        Ok(())
    }
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
