//! Models as ONNX files, run by onnxruntime: `onnx_scores.py` does so where Python has it.

use nf_core::{
    Autoencoder, Calibration, Capture, Column, Detector, FeatureSpec, IsolationForest, Model, Rows, Scaler, Schema,
    SessionConfig, Transformer,
    model::{Attention, AutoencoderScore, Objective, TransformerScore},
};
use serde_json::Value;
use std::{fs, path::Path, process::Command, sync::Arc};

/// Sequences of up to `steps` steps of three columns that follow one another; flat rows where that is 1.
fn rows(count: usize, steps: usize) -> Rows {
    let columns = (0..3).map(|i| Column::new(format!("x{i}"), "", "")).collect();
    let value = |i: usize| (i as f32 * 0.37).sin() + (i as f32 * 1.7).cos() * 0.3;
    let lengths = (0..count).map(|row| 1 + (row * 7 % steps) as u32).collect();
    let data = (0..count * steps * 3).map(value).collect();
    Rows::sequences(Arc::new(Schema::new("test", columns).expect("columns")), steps, data, lengths).expect("rows")
}

/// Whether Python has what is needed.
fn has_runtime() -> bool {
    let found = Command::new(python()).args(["-c", "import numpy, onnxruntime"]).output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        println!("{} skipped: python3 has no onnxruntime", std::thread::current().name().unwrap_or("test"));
    }
    found
}

fn python() -> String {
    std::env::var("NF_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// Holds that the runtime scores and expects what the model does.
fn check(folder: &Path, name: &str, model: &dyn Model, rows: &Rows) {
    fs::write(folder.join(format!("{name}.onnx")), model.to_onnx().expect("a form in ONNX")).expect("written");
    let numbers = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    fs::write(folder.join("rows"), numbers(rows.data())).expect("written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("onnx_scores.py");
    let lengths = rows.lengths().iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    let sizes = [rows.steps().to_string(), rows.width().to_string(), lengths];
    let output = Command::new(python()).arg(script).arg(folder).arg(name).args(sizes).output().expect("python runs");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let found: Vec<f32> = text.lines().map(|line| line.parse().expect("a number")).collect();
    let scores = model.score(rows).expect("scores");
    let expected = model.expected(rows).expect("rows that fit").unwrap_or_default();
    assert_eq!(found.len(), scores.len() + expected.len(), "{name}");
    for (i, (a, b)) in found.iter().zip(scores.iter().chain(&expected)).enumerate() {
        assert!((a - b).abs() <= 1e-4 * b.abs().max(1.0), "{name}, number {i} of {}: {a} {b}", found.len());
    }
}

#[test]
fn a_runtime_scores_as_the_models_do() {
    if !has_runtime() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let flat = rows(300, 1);
    let forest = IsolationForest::params().trees(20).samples(64).fit(&flat).expect("a forest");
    check(folder.path(), "forest", &forest, &flat);
    let oblique = IsolationForest::params().trees(2).samples(64).extension(1).fit(&flat).expect("a forest");
    let error = oblique.to_onnx().expect_err("no form").to_string();
    assert_eq!(error, "an oblique isolation forest has no form in ONNX: its trees cut in one column at a time");

    for (score, variational) in [(AutoencoderScore::Error, 0.0), (AutoencoderScore::Density, 0.1)] {
        let params = Autoencoder::params().hidden([8]).latent(2).epochs(3).score(score).variational(variational);
        check(folder.path(), "autoencoder", &params.fit(&flat).expect("an autoencoder"), &flat);
    }

    let sequences = rows(60, 24);
    let window = Attention::Window { left: 3, right: 2, global: true };
    let next = (window, Objective::NextPacket, TransformerScore::Error);
    let cases = [
        (Attention::Full, Objective::Reconstruct, TransformerScore::Density),
        (window, Objective::Reconstruct, TransformerScore::Error),
        (Attention::LowRank { rank: 4 }, Objective::Reconstruct, TransformerScore::Density),
        (Attention::Linear, Objective::Masked { ratio: 0.3 }, TransformerScore::Error),
        (Attention::Linear, Objective::NextPacket, TransformerScore::Density),
        next,
    ];
    for (attention, objective, score) in cases {
        let params = Transformer::params().d_model(16).heads(2).d_ff(24).layers(2).epochs(2).max_steps(32);
        let model =
            params.attention(attention).objective(objective).score(score).fit(&sequences).expect("a transformer");
        check(folder.path(), "transformer", &model, &sequences);
        // Another batch and another length than before.
        check(folder.path(), "transformer", &model, &rows(7, 5));
    }
}

#[test]
fn a_detector_is_exported_with_all_that_makes_a_verdict() {
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/benign.pcap.zst");
    let benign = Capture::open(capture).and_then(|capture| capture.sessions(&SessionConfig::default())?.collect());
    let benign = benign.expect("a whole capture");
    let detector = Detector::recipe().seed(7).fit(&benign).expect("a detector");
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().join("made/anew");
    detector.export_onnx(&folder).expect("a form in ONNX");
    let text = fs::read_to_string(folder.join("detector.json")).expect("a description");
    let all: Value = serde_json::from_str(&text).expect("JSON");
    let calibration = |value: &Value| {
        let scores: Vec<f32> = serde_json::from_value(value["scores"].clone()).expect("scores");
        Calibration::fit(&scores).expect("a calibration")
    };
    let combined = calibration(&all["calibration"]);
    let heads: Vec<(f64, Calibration)> = all["heads"]
        .as_array()
        .expect("heads")
        .iter()
        .map(|head| {
            assert!(folder.join(head["file"].as_str().expect("a file")).exists());
            (head["weight"].as_f64().expect("a weight"), calibration(&head["calibration"]))
        })
        .collect();
    let threshold = all["threshold"].as_f64().expect("a threshold") as f32;
    assert_eq!(threshold, detector.threshold());
    for session in benign.iter().step_by(20) {
        let verdict = detector.judge(session).expect("a verdict");
        let surprises = verdict.heads.iter().zip(&heads).map(|(head, (weight, c))| weight * c.surprise(head.score));
        let score = surprises.sum::<f64>() as f32;
        assert_eq!((score, combined.p_value(score)), (verdict.score, verdict.p_value));
        assert_eq!(score > threshold, verdict.is_anomaly());
    }

    // As an edge device reads it: columns and scaler are those of the detector.
    for head in all["heads"].as_array().expect("heads") {
        let spec: FeatureSpec = serde_json::from_value(head["spec"].clone()).expect("a spec");
        let scaler: Scaler = serde_json::from_value(head["scaler"].clone()).expect("a scaler");
        scaler.apply(spec.extract(&benign[..3]).expect("rows")).expect("the scaler's columns");
    }
    let evidence = &all["evidence"];
    assert_eq!(evidence["threshold"].as_f64().map(|cut| cut as f32), Some(detector.evidence_threshold()));
    assert_eq!(evidence["calibration"]["scores"].as_array().map(Vec::len), Some(combined.len()));
}
