//! Numbers to a score: the trait that models implement, and the models of this crate.

mod bytes;
mod device;
mod forest;
#[cfg(feature = "onnx")]
mod forest_onnx;
#[cfg(feature = "linfa")]
mod linfa;
#[cfg(feature = "neural")]
mod neural;
mod random;
mod rarity;
mod tree;

pub use device::Device;
pub use forest::{IsolationForest, IsolationForestParams};
#[cfg(feature = "neural")]
pub use neural::{
    Attention, Autoencoder, AutoencoderParams, AutoencoderScore, Checkpoint, Matrix, Objective, TrainingParams,
    Transformer, TransformerParams, TransformerScore,
};
pub(crate) use random::Random;
pub use rarity::Rarity;

use crate::{
    Error, ErrorKind, Result,
    features::{Rows, Schema},
};
use serde::{Deserialize, Serialize};
use std::{fmt, ops::ControlFlow};

/// A fitted model: gives each row a score, higher = stranger.
///
/// This is the one trait of the crate that users implement, to put a model of their own into a [`Detector`](crate::Detector).
/// The score of a row must not depend on the other rows it is scored with.
pub trait Model: fmt::Debug + Send + Sync {
    /// A short name of the algorithm, stored in the model file, by which it is found again on loading.
    fn kind(&self) -> &'static str;

    /// What the columns must be.
    fn schema(&self) -> &Schema;

    /// One score a row, finite, higher = stranger.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`] where the rows do not fit [`schema`](Self::schema).
    fn score(&self, rows: &Rows) -> Result<Vec<f32>>;

    /// What the model would have expected in place of each value, in the shape of `rows.data()`, where the model can say
    /// (a reconstruction, a nearest benign value); `None` where it cannot.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    fn expected(&self, rows: &Rows) -> Result<Option<Vec<f32>>> {
        let _ = rows;
        Ok(None)
    }

    /// The same model, computing on `device`; `None` where it knows of no devices, as it is unless implemented.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where the device is not there ([`Device::check`]).
    fn on_device(&self, device: Device) -> Result<Option<Box<dyn Model>>> {
        let _ = device;
        Ok(None)
    }

    /// The model as the bytes of an ONNX file (operators of version 17): input `rows`, shape (rows, columns), or of models of
    /// sequences `rows`, shape (rows, steps, columns), and `lengths`, `i64` of shape (rows); outputs `score`, shape (rows), and
    /// `expected`, as `rows`, where [`expected`](Self::expected) gives it.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where the model cannot be written that way; unless implemented, none can.
    #[cfg(feature = "onnx")]
    fn to_onnx(&self) -> Result<Vec<u8>> {
        Err(Error::new(ErrorKind::Unsupported, format!("model {} has no form in ONNX", self.kind())))
    }

    /// The fitted state as bytes (little-endian), for the model file.
    fn to_bytes(&self) -> Vec<u8>;
}

/// How far a fit has come. The closure that receives it may stop the fit with [`ControlFlow::Break`].
///
/// As JSON (`serde_json::to_string`) it makes a line of a training's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// What is being fitted: the head's name, or the algorithm's where a model is fitted alone.
    pub head: String,
    /// Share of this head's work that is done, 0 to 1.
    pub done: f32,
    /// Epoch, from 1; 0 for models without epochs.
    pub epoch: u32,
    /// Mean training loss of the epoch so far; `None` for models without a loss.
    pub loss: Option<f32>,
    /// Held-out loss after the last whole epoch.
    pub held_out_loss: Option<f32>,
    /// Norm of the last update's gradient over all weights, before it was clipped.
    pub gradient_norm: Option<f32>,
    /// Updates so far.
    pub updates: u64,
    /// Real steps (of a flat table rows) that were trained on so far, counted anew each epoch they are seen in.
    pub steps: u64,
    /// The same with padding.
    pub padded_steps: u64,
}

impl Progress {
    pub(crate) fn new(head: &str, done: f32) -> Self {
        Self {
            head: head.to_owned(),
            done,
            epoch: 0,
            loss: None,
            held_out_loss: None,
            gradient_norm: None,
            updates: 0,
            steps: 0,
            padded_steps: 0,
        }
    }

    /// The share of the steps trained on so far that is real and no padding; `None` before the first update.
    pub fn real_share(&self) -> Option<f64> {
        (self.padded_steps > 0).then(|| self.steps as f64 / self.padded_steps as f64)
    }
}

/// The closure that watches a fit.
pub type Watch<'a> = dyn FnMut(&Progress) -> ControlFlow<()> + 'a;

/// The model of this crate that the given kind names, from the bytes it wrote; `None` where it is none of ours.
pub(crate) fn load(kind: &str, schema: Schema, bytes: &[u8]) -> Result<Option<Box<dyn Model>>> {
    Ok(Some(match kind {
        IsolationForest::KIND => Box::new(IsolationForest::from_bytes(schema, bytes)?),
        Rarity::KIND => Box::new(Rarity::from_bytes(schema, bytes)?),
        #[cfg(feature = "neural")]
        Autoencoder::KIND => Box::new(Autoencoder::from_bytes(schema, bytes)?),
        #[cfg(feature = "neural")]
        Transformer::KIND => Box::new(Transformer::from_bytes(schema, bytes)?),
        #[cfg(not(feature = "neural"))]
        "autoencoder" | "transformer" => {
            let message = format!("model {kind} needs nf-core built with its cargo feature neural");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        _ => return Ok(None),
    }))
}

/// Checks that rows are flat, for models that read no sequences.
fn one_step(kind: &str, rows: &Rows) -> Result<()> {
    if rows.steps() == 1 {
        return Ok(());
    }
    let message = format!("model {kind} wants rows of 1 step each, these have {} steps", rows.steps());
    Err(Error::new(ErrorKind::Schema, message))
}

#[cfg(test)]
mod testing {
    /// The share of pairs in which the strange one scores higher, ties counted half.
    pub(super) fn auroc(strange: &[f32], usual: &[f32]) -> f64 {
        let wins = |s: &f32| usual.iter().map(|u| f64::from(u8::from(s > u)) + 0.5 * f64::from(u8::from(s == u))).sum();
        strange.iter().map(|s| -> f64 { wins(s) }).sum::<f64>() / (strange.len() * usual.len()) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::Column;
    use std::sync::Arc;

    fn rows() -> Rows {
        let schema = Schema::new("test", vec![Column::new("x", "", ""), Column::new("y", "", "")]).unwrap();
        Rows::flat(Arc::new(schema), (0..60).map(|i| (i as f32).sin()).collect()).unwrap()
    }

    #[test]
    fn models_are_found_again_by_their_kind() {
        let rows = rows();
        let models: [Box<dyn Model>; _] = [
            Box::new(IsolationForest::params().trees(3).fit(&rows).unwrap()),
            Box::new(Rarity::fit(&rows).unwrap()),
            #[cfg(feature = "neural")]
            Box::new(Autoencoder::params().epochs(1).fit(&rows).unwrap()),
            #[cfg(feature = "neural")]
            Box::new(Transformer::params().layers(1).epochs(1).fit(&rows).unwrap()),
        ];
        for model in models {
            let back = load(model.kind(), model.schema().clone(), &model.to_bytes()).unwrap().expect("one of ours");
            assert_eq!(back.kind(), model.kind());
            assert_eq!(back.score(&rows).unwrap(), model.score(&rows).unwrap());
            let error = load(model.kind(), model.schema().clone(), &[]).unwrap_err();
            assert_eq!(error.to_string(), format!("model {}, byte 0: 4 bytes wanted, 0 left", model.kind()));
        }
        assert!(load("oracle", rows.schema().as_ref().clone(), &[]).unwrap().is_none());
    }

    #[test]
    fn progress_makes_a_line_of_a_log() {
        let progress = Progress {
            epoch: 2,
            loss: Some(0.1),
            held_out_loss: Some(0.25),
            gradient_norm: Some(1.5),
            updates: 7,
            steps: 90,
            padded_steps: 100,
            ..Progress::new("transformer", 0.5)
        };
        let line = serde_json::to_string(&progress).unwrap();
        let expected = r#"{"head":"transformer","done":0.5,"epoch":2,"loss":0.1,"held_out_loss":0.25,"gradient_norm":1.5,"updates":7,"steps":90,"padded_steps":100}"#;
        assert_eq!(line, expected);
        assert_eq!(serde_json::from_str::<Progress>(&line).unwrap(), progress);
        assert_eq!((progress.real_share(), Progress::new("forest", 0.0).real_share()), (Some(0.9), None));
    }

    #[cfg(not(feature = "neural"))]
    #[test]
    fn networks_need_their_feature() {
        for kind in ["autoencoder", "transformer"] {
            let error = load(kind, rows().schema().as_ref().clone(), &[]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert_eq!(error.to_string(), format!("model {kind} needs nf-core built with its cargo feature neural"));
        }
    }
}
