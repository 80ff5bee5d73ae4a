//! A detector as a folder for other runtimes: an ONNX file a head, and what makes scores a verdict; the same as one model file.

use super::Detector;
use crate::{
    Error, Result,
    calibration::Calibration,
    model::{IsolationForest, Rarity},
    whole_file,
};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// The format of `detector.json` that this build writes.
const FORMAT: u32 = 1;
/// The kind of a model in a model file that is a graph of ONNX.
const GRAPH: &str = "onnx";
/// The kinds of models that every build of this crate has.
const OWN: [&str; 2] = [IsolationForest::KIND, Rarity::KIND];

impl Detector {
    /// Writes a folder with an ONNX file for each head's model, as [`Model::to_onnx`](crate::Model::to_onnx) describes them, and
    /// `detector.json`: for each head which columns it takes from sessions, their scaler, its weight and calibration; the
    /// calibration of the combined score and its threshold; how evidence adds up over sessions, and its calibration.
    ///
    /// A session's verdict follows as [`judge`](Self::judge) has it: a head's columns, scaled, give the score of its model; minus
    /// the logarithms of the scores' p-values ([`Calibration::surprise`]), times the weights, add up to the combined score, which
    /// is an anomaly above the threshold.
    ///
    /// For programs on this crate built without `neural`, and with a runtime of their own, `detector.nf` holds the same: a model
    /// file with forests as they are, and all other models as their graphs, of the kind `onnx`.
    /// [`load_with`](Self::load_with) asks the program for these, and what it gives is a detector as any other.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) that names the path, and [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported)
    /// where a head's model has no form in ONNX; the head is named.
    pub fn export_onnx(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        let (mut heads, mut models) = (Vec::new(), Vec::new());
        for (place, head) in self.heads.iter().enumerate() {
            let (scorer, file) = (&head.scorer, format!("head_{place}.onnx"));
            let bytes = scorer.model.to_onnx().map_err(|error| scorer.place(error))?;
            whole_file::write(&folder.join(&file), &bytes)?;
            heads.push(json!({
                "name": &*scorer.name,
                "weight": scorer.weight,
                "model": scorer.model.kind(),
                "file": file,
                "spec": scorer.spec,
                "scaler": scorer.scaler,
                "calibration": calibration(&head.calibration),
            }));
            let kind = scorer.model.kind();
            models.push(if OWN.contains(&kind) { (kind, scorer.model.to_bytes()) } else { (GRAPH, bytes) });
        }
        let evidence = self.evidence.as_deref().map(|evidence| {
            json!({
                "config": evidence.config,
                "calibration": calibration(evidence.calibration.all()),
                "cold": evidence.calibration.cold().map(calibration),
                "threshold": self.evidence_thresholds[0],
                "cold_threshold": self.evidence_thresholds[1],
            })
        });
        let all = json!({
            "format": FORMAT,
            "version": env!("CARGO_PKG_VERSION"),
            "false_positive_rate": self.rate,
            "session_config": self.sessions,
            "heads": heads,
            "calibration": calibration(&self.combined),
            "threshold": self.threshold,
            "evidence": evidence,
        });
        whole_file::write(&folder.join("detector.json"), all.to_string().as_bytes())?;
        whole_file::write(&folder.join("detector.nf"), &self.bytes_with(&models))
    }
}

/// Benign scores in ascending order, and the tail fitted to them.
fn calibration(calibration: &Calibration) -> Value {
    json!({ "scores": calibration.scores(), "tail": calibration.stored_tail() })
}
