use super::*;
use crate::{
    Detector, FeatureSpec, SessionConfig, Timestamp,
    detector::testing::{Distance, cut, frames, frames_with_uploads},
    evaluate::{Labels, Recording, testing::pcap_file},
};
use serde_json::{Value, json};
use std::{io::Write, sync::Arc};
use tempfile::NamedTempFile;

fn file(frames: &[(Timestamp, Vec<u8>)]) -> NamedTempFile {
    let mut ordered = frames.to_vec();
    ordered.sort_by_key(|(time, _)| *time);
    pcap_file(ordered.into_iter().map(|(time, data)| (time.as_secs_f64(), data)))
}

fn judge(detector: &Arc<Detector>, frames: &[(Timestamp, Vec<u8>)]) -> JudgedCapture {
    let file = file(frames);
    JudgedCapture::of_recording(detector, &Recording::new(file.path()), &SessionConfig::default(), |_| {}).unwrap()
}

fn detector() -> Arc<Detector> {
    let (spec, scaler, model) = Distance::head(FeatureSpec::flow(), &cut(&frames(400, 1)));
    Detector::builder().head("distance", spec, scaler, model).calibrate(&cut(&frames(400, 2))).unwrap().into()
}

/// Uploads from the second given on are attacks.
fn uploads_from(second: u32) -> Labels {
    let mut file = NamedTempFile::new().unwrap();
    let header = "id,category,start_ts,end_ts,src,dst,proto,dport,sport,match,tool,params";
    write!(file, "{header}\n1,upload,{second},9999,*,*,tcp,80,*,tuple,x,\n").unwrap();
    Labels::read(file.path(), None).unwrap()
}

/// 400 sessions to calibrate on; 300 benign ones and 6 strange uploads to judge, and all of these once more as one attack.
fn report() -> Report {
    let detector = detector();
    let strange = frames_with_uploads(300, 6, 3);
    let (val, test) = (judge(&detector, &frames(400, 2)), judge(&detector, &strange));
    let config = SessionConfig::default();
    let file = file(&strange);
    let recording = Recording::new(file.path());
    let labelled = Truth::labelled(uploads_from(300), false, &recording, &config).unwrap();
    let all = Truth::attack("all", &recording, &config).unwrap();
    Report::new(&val, &[(&test, &labelled), (&test, &all)]).sessions("train", 400)
}

#[test]
fn json_has_the_figures_of_each_head_under_their_names() {
    let report: Value = serde_json::from_str(&report().phase("fit", 1.5).to_json()).unwrap();
    assert_eq!(report["sessions"], json!({"train": 400, "val": 400, "test": 306 + 306}));
    assert_eq!(report["seconds"], json!({"fit": 1.5}));
    for head in ["combined", "distance"] {
        let (figures, calibrated) = (&report["heads"][head], &report["calibrated"][head]);
        let upload = &figures["categories"]["upload"];
        for (name, value) in [("sessions", json!(6)), ("auroc", json!(1.0)), ("recall@0.01", json!(1.0))] {
            assert_eq!(upload[name], value, "{name}");
        }
        assert_eq!(upload["recall_interval@0.01"][1], 1.0);
        assert!((upload["recall_interval@0.01"][0].as_f64().unwrap() - 0.6097).abs() < 1e-4, "{upload}");
        assert_eq!(figures["categories"]["all"]["sessions"], 306);
        let (fpr, alerts) = (figures["fpr@0.01"].as_f64().unwrap(), figures["alerts_per_hour@0.01"].as_f64().unwrap());
        assert!(fpr < 0.05 && alerts < 180.0, "{fpr} {alerts}");
        let bounds = [0, 1].map(|i| figures["fpr_interval@0.01"][i].as_f64().unwrap());
        assert!(bounds[0] <= fpr && fpr <= bounds[1] && bounds[1] < 0.1, "{bounds:?}");
        assert_eq!(figures["consistent@0.01"], bounds[0] <= 0.01 && 0.01 <= bounds[1]);
        let macro_auroc = figures["macro_auroc"].as_f64().unwrap();
        assert!(macro_auroc > 0.7 && macro_auroc < 0.8, "uploads 1, all about a half: {macro_auroc}");
        assert_eq!(figures["leave_one_out"]["macro_auroc"]["all"], 1.0);
        assert!(calibrated["macro_recall@0.01"].as_f64().unwrap() > 0.5);
        assert_eq!(calibrated["categories"]["upload"]["recall@0.01"], 1.0);
        // 400 sessions cannot promise 1 in 1000, however regular their tail.
        assert_eq!(calibrated["macro_recall@0.001"], Value::Null);
    }
    let uploads = &report["episodes"]["empirical"]["0.001"][0];
    assert_eq!(
        (&uploads["category"], &uploads["packets"], &uploads["sessions"]),
        (&json!("upload"), &json!(42), &json!(6))
    );
    assert_eq!(report["episodes"]["calibrated"]["0.001"], Value::Null);
    assert_eq!(report["heads"]["combined"]["episodes_hit@0.01"], 1.0);
}

#[test]
fn delay_is_that_of_the_first_strange_look() {
    let report = report();
    let [Some(often), _] = &report.combined().empirical else { panic!("val has sessions") };
    let first = often.episodes[0].detection.unwrap();
    // That silence follows an upload's first packet is strange; the next frame, a minute later, shows it.
    assert_eq!((first.delay.as_secs(), first.packets), (60, 2), "{first:?}");
    assert_eq!(often.median_delay(), Some(often.episodes.iter().map(|e| e.detection.unwrap().delay).min().unwrap()));
    assert_eq!(often.episodes_hit(), (2, 2));
}

#[test]
fn the_calibrated_cut_is_the_threshold_of_the_calibration() {
    let detector = detector();
    let (val, test) = (judge(&detector, &frames(400, 2)), judge(&detector, &frames(300, 4)));
    let report = Report::new(&val, &[(&test, &Truth::benign())]);
    let threshold = detector.with_false_positive_rate(0.01).unwrap().evidence_threshold();
    let above = test.sessions().iter().filter(|session| session.score > threshold).count();
    let [Some(cut), None] = &report.combined().calibrated else { panic!("1 % is promised, 0.1 % is not") };
    assert_eq!(cut.figures.fpr, Some(above as f64 / 300.0));
    assert!(report.combined().macro_auroc.is_none() && report.combined().leave_one_out().is_empty());
}

#[test]
fn tables_name_every_head_every_kind_and_what_was_refused() {
    let text = report().to_string();
    let row = "\n| upload | 6 | 1.000 | 1.000 (0.61 to 1.00) | 1.000 (0.61 to 1.00) |\n";
    assert_eq!(text.matches(row).count(), 1, "{text}");
    assert_eq!(text.matches("\n| distance | ").count(), 2, "{text}");
    assert!(text.contains("combined: 400 held-out benign sessions cannot promise"), "{text}");
    assert!(text.contains("\n| 1 | upload | "), "{text}");
    assert!(text.contains("\n| macro_auroc | ") && text.contains(", all |"), "{text}");
}

#[test]
fn score_file_has_a_line_a_session_and_a_column_a_head() {
    let judged = judge(&detector(), &frames(2, 3));
    let file = NamedTempFile::new().unwrap();
    judged.write_scores(file.path()).unwrap();
    let text = std::fs::read_to_string(file.path()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "first_ts,src,dst,sport,dport,proto,score,distance");
    let (score, head) = (judged.sessions()[0].score, judged.sessions()[0].heads[0]);
    assert_eq!(lines[1], format!("0.000000000,10.0.0.1,10.0.1.1,20000,80,tcp,{score},{head}"));
    assert_eq!(lines.len(), 3);
}
