//! A detector of one's own heads.

use super::{Budget, Detector, Provenance, Span, Terms, head::Scorer};
use crate::{
    Error, Result,
    evidence::EvidenceConfig,
    features::{FeatureSpec, Scaler},
    model::Model,
    session::{Session, SessionConfig},
};

/// A detector of one's own heads, fitted elsewhere: [`calibrate`](Self::calibrate) makes the detector.
#[derive(Debug)]
pub struct Builder {
    heads: Vec<Planned>,
    budget: Budget,
    threads: usize,
    sessions: SessionConfig,
    evidence: Option<EvidenceConfig>,
}

#[derive(Debug)]
struct Planned {
    name: String,
    spec: FeatureSpec,
    scaler: Scaler,
    model: Box<dyn Model>,
    weight: f64,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            heads: Vec::new(),
            budget: Budget::Share(0.01),
            threads: 0,
            sessions: SessionConfig::default(),
            evidence: Some(EvidenceConfig::default()),
        }
    }
}

impl Builder {
    /// Adds a head. Its model was fitted on rows of `spec` that went through `scaler`, of benign sessions.
    #[must_use]
    pub fn head(
        mut self,
        name: impl Into<String>,
        spec: FeatureSpec,
        scaler: Scaler,
        model: impl Model + 'static,
    ) -> Self {
        self.heads.push(Planned { name: name.into(), spec, scaler, model: Box::new(model), weight: 1.0 });
        self
    }

    /// How much the head added last counts in the combined score, above 0; 1 unless set.
    #[must_use]
    pub fn weight(mut self, weight: f64) -> Self {
        if let Some(head) = self.heads.last_mut() {
            head.weight = weight;
        }
        self
    }

    /// The share of benign sessions that may be called anomalies, above 0 and at most 0.5; 0.01 unless set.
    #[must_use]
    pub fn false_positive_rate(mut self, rate: f64) -> Self {
        self.budget = Budget::Share(rate);
        self
    }

    /// Instead of a share: how many false alerts an hour there may be, above 0. The held-out sessions say how many benign
    /// sessions an hour has.
    #[must_use]
    pub fn alerts_per_hour(mut self, alerts: f64) -> Self {
        self.budget = Budget::PerHour(alerts);
        self
    }

    /// How many threads score the held-out sessions, 0 for one a core, as it is unless set. The detector does not depend on
    /// it.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// How the packets were cut into the sessions; the default configuration unless set.
    #[must_use]
    pub fn session_config(mut self, config: &SessionConfig) -> Self {
        self.sessions = config.clone();
        self
    }

    /// How scores are added up over sessions; `None` for each session by itself. The default configuration unless set.
    #[must_use]
    pub fn evidence(mut self, evidence: impl Into<Option<EvidenceConfig>>) -> Self {
        self.evidence = evidence.into();
        self
    }

    /// Calibrates the heads on benign sessions that no model was fitted on.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) where there is no head, two have one name, or a value is out of its
    /// range; [`ErrorKind::Schema`](crate::ErrorKind::Schema) where a scaler or a model does not fit its spec;
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) where there are too few sessions to promise the false-positive rate (the
    /// message says how many more are needed), or a score is not finite.
    pub fn calibrate(self, held_out: &[Session]) -> Result<Detector> {
        let scorers = self
            .heads
            .into_iter()
            .map(|head| Scorer::new(&head.name, head.spec, head.scaler, head.model, head.weight))
            .collect::<Result<Vec<_>, Error>>()?;
        let held_out: Vec<&Session> = held_out.iter().collect();
        let provenance = Provenance {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: None,
            training: None,
            left_out: 0,
            calibration: Span::of(&held_out),
            sources: Vec::new(),
        };
        let Self { budget, threads, sessions, evidence, .. } = self;
        Detector::calibrate(scorers, &held_out, &held_out, Terms { budget, threads, sessions, evidence }, provenance)?
            .with_drift_basis(&[&held_out], threads)
    }
}
