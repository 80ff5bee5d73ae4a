//! From captures to verdicts: the recipe's detector learns five benign minutes and finds attacks it never saw.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use nf_core::{
    Capture, Detector, SessionConfig,
    evaluate::{JudgedCapture, Label, Labels},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data").join(name)
}

#[test]
fn learns_benign_minutes_and_finds_attacks_it_never_saw() {
    let config = SessionConfig::default();
    let benign = Capture::open(data("benign.pcap.zst")).unwrap().sessions(&config).unwrap().collect().unwrap();
    assert_eq!(benign.stats().skipped.total(), 0);
    let detector = Detector::recipe().false_positive_rate(0.01).seed(7).fit(&benign).unwrap();

    // What is judged is what was saved and loaded.
    let directory = tempfile::tempdir().unwrap();
    detector.save(directory.path().join("lab.nf")).unwrap();
    let loaded = Detector::load(directory.path().join("lab.nf")).unwrap();
    assert_eq!(loaded.judge_batch(&benign[..50]).unwrap(), detector.judge_batch(&benign[..50]).unwrap());

    let labels = Labels::read(data("lab/test.labels.csv"), Some(&data("lab/test.conf.json"))).unwrap();
    let capture = Capture::open(data("attacks.pcap.zst")).unwrap();
    let loaded = Arc::new(loaded.with_threads(0));
    let judged = JudgedCapture::replay(&loaded, capture, &config, |_| {}).unwrap();
    let mut alerts: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
    for session in judged.sessions() {
        let kind = match labels.label(&session.key, session.start).strict(session.key.protocol) {
            Label::Benign => "benign",
            Label::Attack { category, .. } => category,
            Label::AttackerOther => continue,
        };
        alerts.entry(kind).or_default().push(session.p_value <= 0.01);
    }
    let share = |kind: &str| {
        let alerts = &alerts[kind];
        alerts.iter().filter(|&&alert| alert).count() as f64 / alerts.len() as f64
    };
    // Twice the budget, as the traffic is another recording; and the kinds that no detector of this recipe should miss.
    assert!(share("benign") < 0.02, "{} of benign sessions alert", share("benign"));
    for kind in ["portscan_syn", "portscan_connect", "syn_flood", "slowloris"] {
        assert!(share(kind) > 0.9, "{} of {kind} alert", share(kind));
    }
}
