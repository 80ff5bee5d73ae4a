//! One head of a detector: sessions to scores, scores to surprise.

use super::Row;
use crate::{
    Error, ErrorKind, Result,
    calibration::Calibration,
    features::{Extractor, FeatureSpec, Rows, Scaler, Schema},
    model::{Device, Model},
};
use std::sync::Arc;

/// A head before it is calibrated: which columns, their scale, and the model that scores them.
#[derive(Debug, Clone)]
pub(super) struct Scorer {
    pub(super) name: Arc<str>,
    pub(super) spec: FeatureSpec,
    /// That of the spec.
    pub(super) extractor: Extractor,
    pub(super) scaler: Scaler,
    pub(super) model: Arc<dyn Model>,
    /// What the head's surprise counts in the combined score.
    pub(super) weight: f64,
}

impl Scorer {
    /// A head whose parts fit together.
    pub(super) fn new(
        name: &str,
        spec: FeatureSpec,
        scaler: Scaler,
        model: Box<dyn Model>,
        weight: f64,
    ) -> Result<Self> {
        let place = |part: &str| format!("{part} of head {name}");
        if name.is_empty() {
            return Err(Error::config("name of a head", "empty", "at least one letter"));
        }
        if !(weight > 0.0 && weight.is_finite()) {
            return Err(Error::config(&place("weight"), weight, "above 0 and finite"));
        }
        let extractor = Extractor::of(&spec).map_err(|e| e.at(place("spec")))?;
        scaler.schema().check(extractor.schema()).map_err(|e| e.at(place("scaler")))?;
        model.schema().check(extractor.schema()).map_err(|e| e.at(place("model")))?;
        Ok(Self { name: name.into(), spec, extractor, scaler, model: model.into(), weight })
    }

    /// The same head, its model on `device` where it knows of devices.
    pub(super) fn with_device(&self, device: Device) -> Result<Self> {
        let moved = self.model.on_device(device).map_err(|e| self.place(e))?;
        Ok(Self { model: moved.map_or_else(|| self.model.clone(), Arc::from), ..self.clone() })
    }

    /// What the columns mean.
    pub(super) fn schema(&self) -> &Arc<Schema> {
        self.extractor.schema()
    }

    /// One score a look.
    pub(super) fn score(&self, looks: &[Row<'_>]) -> Result<Vec<f32>> {
        let rows = self.extractor.extract(looks.iter().map(Row::seen)).map_err(|e| self.place(e))?;
        self.score_rows(&self.scaler.apply(rows)?)
    }

    /// One score a row, the rows already on the head's scale; checked, as the model may be a user's own.
    pub(super) fn score_rows(&self, rows: &Rows) -> Result<Vec<f32>> {
        let scores = self.model.score(rows).map_err(|e| self.place(e))?;
        let wrong = if scores.len() != rows.len() {
            format!("model {} gave {} scores for {} rows", self.model.kind(), scores.len(), rows.len())
        } else if let Some(row) = scores.iter().position(|score| !score.is_finite()) {
            format!("model {} gave row {row} the score {}, scores must be finite", self.model.kind(), scores[row])
        } else {
            return Ok(scores);
        };
        Err(self.place(Error::new(ErrorKind::Data, wrong)))
    }

    pub(super) fn place(&self, error: Error) -> Error {
        error.at(format_args!("head {}", self.name))
    }
}

/// A head with the calibration of its scores.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) scorer: Scorer,
    pub(super) calibration: Calibration,
}

impl Head {
    /// The head, calibrated on scores of benign sessions it was not fitted on.
    pub(super) fn calibrate(scorer: Scorer, scores: &[f32]) -> Result<Self> {
        let calibration = Calibration::fit(scores).map_err(|e| scorer.place(e))?;
        Ok(Self { scorer, calibration })
    }

    /// The same head, its model on `device`.
    pub(super) fn with_device(&self, device: Device) -> Result<Self> {
        Ok(Self { scorer: self.scorer.with_device(device)?, calibration: self.calibration.clone() })
    }

    /// What a score adds to the combined score.
    pub(super) fn surprise(&self, score: f32) -> f64 {
        self.scorer.weight * self.calibration.surprise(score)
    }
}
