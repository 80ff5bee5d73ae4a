use super::*;
use crate::{
    detector::testing::{frames, frames_with_uploads},
    evaluate::{Report, Truth, testing::pcap_file},
};
use nf_tests::eth;
use tempfile::NamedTempFile;

fn file(mut frames: Vec<(Timestamp, Vec<u8>)>) -> NamedTempFile {
    frames.sort_by_key(|(time, _)| *time);
    pcap_file(frames.into_iter().map(|(time, data)| (time.as_secs_f64(), data)))
}

fn fit(name: &str, train: &NamedTempFile, val: &NamedTempFile) -> Result<Baseline> {
    let (train, val) = (Recording::new(train.path()), Recording::new(val.path()));
    Baseline::fit(name, &train, &val, &SessionConfig::default(), 7, |_| {})
}

#[test]
fn each_baseline_judges_every_session_and_fills_a_report() {
    let (train, val) = (file(frames(300, 1)), file(frames(200, 2)));
    let test = file(frames_with_uploads(100, 5, 3));
    for name in Baseline::names() {
        let baseline = fit(name, &train, &val).unwrap();
        let judged = baseline.judge(&Recording::new(test.path()), |_| {}).unwrap();
        assert_eq!((baseline.name(), baseline.val().sessions().len(), judged.sessions().len()), (name, 200, 105));
        let p_values = judged.sessions().iter().map(|session| session.p_value);
        assert!(p_values.into_iter().all(|p| p > 0.0 && p <= 1.0), "{name}");
        let again = fit(name, &train, &val).unwrap().judge(&Recording::new(test.path()), |_| {}).unwrap();
        assert_eq!(again.sessions(), judged.sessions(), "{name}");
        let report = Report::new(baseline.val(), &[(&judged, &Truth::benign())]);
        assert_eq!(report.heads().len(), 1);
        let late = Recording::new(test.path()).since(Timestamp::from_parts(100, 0));
        assert_eq!(baseline.judge(&late, |_| {}).unwrap().sessions(), &judged.sessions()[100..], "{name}");
    }
    let unknown = fit("oracle", &train, &val).unwrap_err().to_string();
    assert!(unknown.starts_with("baseline is oracle, it must be one of packets, bytes,"), "{unknown}");
}

#[test]
fn trivial_scores_are_what_they_say() {
    let (train, val) = (file(frames(50, 1)), file(frames(50, 2)));
    let udp =
        |port, payload: usize| eth().ipv4([9, 0, 0, 1], [9, 0, 0, 2]).udp(999, port).payload(&vec![0; payload]).build();
    let test = pcap_file([(0.0, udp(5000, 100)), (2.5, udp(5000, 200))]);
    let score = |name: &str| {
        let judged = fit(name, &train, &val).unwrap().judge(&Recording::new(test.path()), |_| {}).unwrap();
        judged.sessions()[0].score
    };
    assert_eq!(score("packets"), 2.0);
    assert_eq!(score("bytes"), (14 + 20 + 8 + 100 + 14 + 20 + 8 + 200) as f32);
    assert_eq!(score("duration"), 2.5);
    assert_eq!(score("service_rarity"), 51f32.ln(), "never among 50 sessions");
}

#[test]
fn kitsune_finds_a_flood_among_polite_exchanges() {
    let (train, val) = (file(frames(300, 1)), file(frames(200, 2)));
    let kitsune = fit("kitsune", &train, &val).unwrap();
    let flood = (0..2000).map(|i| {
        let packet = eth().ipv4([10, 0, 0, 66], [10, 0, 1, 1]).udp(4000, 9).payload(&[7; 900]).build();
        (50.0 + f64::from(i) * 1e-4, packet)
    });
    let test = pcap_file(flood);
    let judged = kitsune.judge(&Recording::new(test.path()), |_| {}).unwrap();
    assert!(judged.sessions()[0].p_value < 0.01, "{:?}", judged.sessions()[0]);
}
