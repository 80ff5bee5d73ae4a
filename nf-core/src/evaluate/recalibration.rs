//! What it costs to recalibrate on recent sessions with an attack among them.

use super::metrics::{macro_average, share};
use crate::{Detector, Result, Session, detector::RecalibrationRecord};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt};

/// Macro recall and realised false-positive rate before and after a recalibration.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RecalibrationTrial {
    /// What was among the recent sessions.
    pub name: String,
    /// The budget.
    pub rate: f64,
    /// The mean recall over the kinds of attack with at least [`MACRO_SESSIONS`](super::MACRO_SESSIONS) sessions, before and
    /// after; `None` without one.
    pub recall: Option<[f64; 2]>,
    /// The share of benign sessions that alert, before and after; `None` without one.
    pub false_positives: Option<[f64; 2]>,
    /// How it was recalibrated.
    pub record: RecalibrationRecord,
}

impl RecalibrationTrial {
    /// Recalibrates a detector on `recent` sessions at a budget and judges all of a recording by both. `kind` says of each
    /// session which kind of attack it is, the empty text for none, and `None` where it does not count.
    ///
    /// # Errors
    /// As [`Detector::recalibrate`], [`Detector::with_false_positive_rate`] and [`Detector::judge_all`].
    pub fn run<'a>(
        name: impl Into<String>,
        detector: &Detector,
        rate: f64,
        recent: &[Session],
        recording: &[Session],
        kind: impl Fn(&Session) -> Option<&'a str>,
    ) -> Result<Self> {
        let before = detector.with_false_positive_rate(rate)?;
        let after = before.recalibrate(recent)?;
        let mut alerts: BTreeMap<&str, Vec<[bool; 2]>> = BTreeMap::new();
        let (old, new) = (before.judge_all(recording)?, after.judge_all(recording)?);
        for ((session, old), new) in recording.iter().zip(&old).zip(&new) {
            if let Some(kind) = kind(session) {
                alerts.entry(kind).or_default().push([old.is_anomaly(), new.is_anomaly()]);
            }
        }
        let benign = alerts.remove("").unwrap_or_default();
        let both = |of: &dyn Fn(usize) -> Option<f64>| Some([of(0)?, of(1)?]);
        let sessions = alerts.iter().map(|(kind, all)| ((*kind).to_owned(), all.len())).collect();
        let recall = |i: usize| {
            let of = |(kind, all): (&&str, &Vec<[bool; 2]>)| Some(((*kind).to_owned(), alerting(all, i)?));
            macro_average(&alerts.iter().filter_map(of).collect(), &sessions)
        };
        Ok(Self {
            name: name.into(),
            rate,
            recall: both(&recall),
            false_positives: both(&|i| alerting(&benign, i)),
            record: after.recalibrations().last().cloned().unwrap_or_default(),
        })
    }

    /// The recall that recalibrating cost.
    pub fn lost(&self) -> Option<f64> {
        self.recall.map(|[before, after]| before - after)
    }

    /// The figures as JSON.
    pub fn to_value(&self) -> Value {
        json!({
            "name": self.name,
            "rate": self.rate,
            "recall": self.recall,
            "false_positives": self.false_positives,
            "recalibration": self.record,
        })
    }
}

fn alerting(sessions: &[[bool; 2]], which: usize) -> Option<f64> {
    share(sessions.iter().map(|alerts| alerts[which]))
}

impl fmt::Display for RecalibrationTrial {
    /// A row: what, budget, sessions left out, recall before, after and lost, false-positive rate before and after.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RecalibrationRecord { recent, clumped, trimmed, .. } = &self.record;
        write!(f, "| {} | {} % | {} | {clumped} + {trimmed} | ", self.name, self.rate * 100.0, recent.sessions)?;
        match self.recall {
            Some([before, after]) => write!(f, "{before:.3} | {after:.3} | {:.3} | ", before - after)?,
            None => write!(f, "- | - | - | ")?,
        }
        match self.false_positives.map(|shares| shares.map(|share| share * 100.0)) {
            Some([before, after]) => write!(f, "{before:.2} % | {after:.2} % |"),
            None => write!(f, "- | - |"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        FeatureSpec,
        detector::testing::{Distance, cut, frames, frames_with_uploads},
    };

    #[test]
    fn states_recall_and_rate_before_and_after() {
        let benign = cut(&frames(1600, 1));
        let (spec, scaler, model) = Distance::head(FeatureSpec::flow(), &benign[..600]);
        let detector = Detector::builder().head("distance", spec, scaler, model).calibrate(&benign[600..]).unwrap();
        let recording = cut(&frames_with_uploads(1000, 6, 5));
        let upload = |session: &Session| session.duration().as_secs() > 60;
        let kind = |session: &Session| match (upload(session), session.is_cold()) {
            (true, _) => Some("upload"),
            (false, true) => None,
            (false, false) => Some(""),
        };
        let trial = RecalibrationTrial::run("the same", &detector, 0.02, &recording, &recording, kind).unwrap();
        let [before, after] = trial.recall.unwrap();
        assert!(before == 1.0 && after > 0.8 && trial.lost().unwrap() < 0.2, "{trial}");
        let rates = trial.false_positives.unwrap();
        assert!(rates.iter().all(|rate| *rate < 0.08), "{rates:?}");
        let row = format!("| the same | 2 % | 1006 | {} + ", trial.record.clumped);
        assert!(trial.to_string().starts_with(&row) && trial.to_string().contains(" | 1.000 | "), "{trial}");
        assert_eq!(trial.to_value()["recalibration"]["recent"]["sessions"], 1006);
        let none = RecalibrationTrial::run("none", &detector, 0.02, &recording, &recording, |_| None).unwrap();
        assert!(none.recall.is_none() && none.to_string().ends_with("| - | - | - | - | - |"), "{none}");
        assert!(RecalibrationTrial::run("few", &detector, 0.02, &[], &recording, kind).is_err());
    }
}
