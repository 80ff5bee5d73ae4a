use super::super::testing::{Distance, cut, frames, frames_with_uploads};
use super::*;
use crate::{features::FeatureSpec, session::SessionConfig};
use std::sync::LazyLock;

static BENIGN: LazyLock<Vec<Session>> = LazyLock::new(|| cut(&frames(1200, 1)));

/// One head of a user's own over packets, one over the session.
fn own(rate: f64) -> Detector {
    let (spec, scaler, model) = Distance::head(FeatureSpec::packets(16), &BENIGN[..600]);
    let builder = Detector::builder().head("packets", spec, scaler, model);
    let (spec, scaler, model) = Distance::head(FeatureSpec::flow(), &BENIGN[..600]);
    let builder = builder.head("flow", spec, scaler, model).weight(0.5);
    builder.false_positive_rate(rate).calibrate(&BENIGN[600..]).unwrap()
}

fn forest() -> Detector {
    Detector::recipe().heads(&["forest"]).unwrap().seed(3).fit(&BENIGN).unwrap()
}

/// Benign sessions with uploads of one pair of hosts at their end, judged in order.
fn uploads(detector: &Detector, count: usize) -> Vec<(Session, Verdict)> {
    let sessions = cut(&frames_with_uploads(200, count, 6));
    let verdicts = detector.judge_all(&sessions).unwrap();
    sessions.into_iter().zip(verdicts).filter(|(s, _)| s.duration().as_secs() > 60).collect()
}

#[test]
fn normal_verdicts_have_their_strongest_facts() {
    let detector = forest();
    let explanation = detector.explain(&BENIGN[1100]).unwrap();
    assert!(!explanation.verdict.is_anomaly() && explanation.turned_normal);
    assert!((1..=5).contains(&explanation.facts.len()), "{explanation}");
    assert!(!explanation.to_string().contains("as expected in"), "{explanation}");
}

#[test]
fn all_alerts_are_explained_over_threads_as_alone() {
    let detector = forest();
    let sessions = cut(&frames_with_uploads(300, 3, 6));
    let verdicts = detector.judge_all(&sessions).unwrap();
    let all = detector.clone().with_threads(2).explain_all(&sessions, &verdicts).unwrap();
    for ((session, verdict), explanation) in sessions.iter().zip(&verdicts).zip(&all) {
        assert_eq!(explanation.is_some(), verdict.is_anomaly());
        if let Some(explanation) = explanation {
            assert_eq!(*explanation, detector.explain_verdict(session, verdict).unwrap());
        }
    }
    let error = detector.explain_all(&sessions, &verdicts[1..]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert_eq!(error.to_string(), "302 verdicts for 303 sessions, there must be one each");
}

#[test]
fn verdicts_of_other_sessions_and_detectors_are_refused() {
    let detector = forest();
    let uploads = uploads(&detector, 2);
    let error = detector.explain_verdict(&uploads[0].0, &uploads[1].1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.to_string().contains(": the verdict is that of tcp "), "{error}");
    let error = own(0.02).explain_verdict(&uploads[0].0, &uploads[0].1).unwrap_err();
    assert!(error.to_string().ends_with("the verdict is of a detector with other heads"), "{error}");
}

#[test]
fn explanations_come_back_from_a_file() {
    let detector = forest();
    let (upload, verdict) = uploads(&detector, 1).remove(0);
    let loaded = Detector::from_bytes(&detector.to_bytes()).unwrap();
    assert_eq!(
        loaded.explain_verdict(&upload, &verdict).unwrap(),
        detector.explain_verdict(&upload, &verdict).unwrap()
    );
}

#[test]
fn what_is_remembered_is_bounded() {
    let detector = forest();
    let (upload, _) = uploads(&detector, 1).remove(0);
    let imprint = detector.imprint(&upload).unwrap();
    let mut remembered = carried::Remembered::default();
    let now = upload.ended();
    for number in 0..200_000 {
        remembered.add(number, now, imprint.clone());
        assert!(remembered.bytes() <= carried::MOST_BYTES);
    }
    assert!(remembered.dropped() > 0 && remembered.get(0).is_none() && remembered.get(199_999).is_some());
    remembered.forget(now + std::time::Duration::from_secs(61), std::time::Duration::from_secs(60));
    assert_eq!((remembered.bytes(), remembered.get(199_999)), (0, None));
}

#[test]
fn live_alerts_are_explained_as_replayed_ones() {
    use crate::{Event, Monitor, detector::testing::frame};
    let detector = forest();
    let frames = frames_with_uploads(300, 4, 6);
    let sessions = cut(&frames);
    let verdicts = detector.judge_all(&sessions).unwrap();
    let replayed = detector.explain_all(&sessions, &verdicts).unwrap();
    let mut monitor = Monitor::new(detector.clone(), &SessionConfig::default()).unwrap();
    frames.iter().for_each(|f| monitor.push(&frame(f)));
    monitor.finish();
    let mut live = Vec::new();
    while let Some(Event::Verdict { session, verdict }) = monitor.pop() {
        live.push(verdict.is_anomaly().then(|| detector.explain_verdict(&session, &verdict).unwrap()));
    }
    assert!(live == replayed && live.iter().flatten().count() >= 4);
    let stats = monitor.stats();
    assert!(stats.remembered_bytes > 0 && stats.forgotten_early == 0, "{stats:?}");
}
