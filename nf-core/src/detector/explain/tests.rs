use super::super::Row;
use super::super::testing::{
    Distance, cut, frames, frames_with_a_silence, frames_with_uploads, frames_with_uploads_of_a_pair,
};
use super::*;
use crate::Timestamp;
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

/// Uploads behind benign sessions, judged in order.
fn uploads(detector: &Detector, frames: &[(Timestamp, Vec<u8>)]) -> Vec<(Session, Verdict)> {
    let sessions = cut(frames);
    let verdicts = detector.judge_all(&sessions).unwrap();
    let strange = |session: &Session| session.stats().orig.payload_bytes == 1400;
    sessions.into_iter().zip(verdicts).filter(|(session, _)| strange(session)).collect()
}

fn upload(detector: &Detector) -> (Session, Verdict) {
    uploads(detector, &frames_with_uploads_of_a_pair(200, 1, 6)).remove(0)
}

#[test]
fn named_facts_turn_the_verdict_normal_and_say_what_was_seen() {
    let detector = own(0.02);
    let sessions = cut(&frames_with_a_silence(50, 6));
    let verdicts = detector.judge_all(&sessions).unwrap();
    let place = sessions.iter().position(|session| session.duration().as_secs() >= 60).unwrap();
    let (session, verdict) = (&sessions[place], &verdicts[place]);
    let explanation = detector.explain_verdict(session, verdict).unwrap();
    assert_eq!(explanation, detector.explain_verdict(session, verdict).unwrap());
    assert!(verdict.is_anomaly() && explanation.turned_normal && !explanation.after.is_anomaly(), "{explanation}");
    assert_eq!((&explanation.verdict, explanation.after.threshold), (verdict, verdict.threshold));
    let sum: f64 = explanation.facts.iter().map(|fact| fact.contribution).sum();
    assert!(sum > 0.1 && sum <= 1.0 + 1e-6, "{sum}");
    assert!(explanation.facts.is_sorted_by(|a, b| a.contribution >= b.contribution));
    let gap = explanation.facts.iter().find(|fact| fact.packet == Some(3)).expect("the fourth packet was late");
    assert_eq!(gap.name, "gap");
    assert!((gap.cells[0].observed - 60.0).abs() < 1.0 && gap.cells[0].expected < 0.1, "{gap:?}");
    assert!(gap.sentence.starts_with("1 min after the packet before; benign sessions here reach "), "{gap}");
    assert_eq!(explanation.packets.len(), session.packets().len());
    assert!(explanation.packets.iter().all(|part| *part <= explanation.packets[3]), "{:?}", explanation.packets);
    let shown = explanation.to_string();
    assert_eq!(shown.lines().count(), explanation.facts.len() + 2, "{shown}");
    assert!(shown.starts_with("anomaly, score ") && shown.contains("it is normal: score "), "{shown}");
    assert!(shown.contains(" % packet 4: 1 min "), "{shown}");
}

#[test]
fn heads_that_read_packets_alone_name_packets() {
    let (spec, scaler, model) = Distance::head(FeatureSpec::packets(16), &BENIGN[..600]);
    let detector = Detector::builder().head("packets", spec, scaler, model).calibrate(&BENIGN[600..]).unwrap();
    let sessions = cut(&frames_with_a_silence(50, 6));
    let session = sessions.iter().find(|session| session.duration().as_secs() >= 60).unwrap();
    for detector in [Detector::from_bytes_with(&detector.to_bytes(), Distance::load).unwrap(), detector] {
        let explanation = detector.explain(session).unwrap();
        assert!(explanation.verdict.is_anomaly() && explanation.turned_normal, "{explanation}");
        assert!(explanation.facts.iter().all(|fact| fact.packet.is_some()), "{explanation}");
        assert_eq!((explanation.facts[0].packet, explanation.facts[0].name.as_str()), (Some(3), "gap"));
        let sum: f64 = explanation.packets.iter().sum();
        assert!((sum - 1.0).abs() < 1e-9, "{sum}");
    }
}

#[test]
fn backgrounds_of_other_heads_or_numbers_are_refused() {
    let detector = own(0.02);
    let numbers: Vec<f32> = detector.background.numbers().collect();
    let read = |numbers: &[f32]| Background::from_numbers(&detector.heads, numbers);
    let back = read(&numbers).expect("what was written");
    assert!(back.numbers().eq(numbers.iter().copied()) && back.samples() == 512);
    assert!(read(&numbers[1..]).is_none() && read(&[]).is_none());
    for (place, value) in [(0, f32::INFINITY), (0, f32::NAN), (numbers.len() - 1, f32::NAN)] {
        let mut damaged = numbers.clone();
        damaged[place] = value;
        assert!(read(&damaged).is_none(), "{value} at {place}");
    }
}

#[test]
fn the_check_is_what_judging_the_changed_rows_gives() {
    let detector = forest();
    let (session, verdict) = upload(&detector);
    let explanation = detector.explain_verdict(&session, &verdict).unwrap();
    assert!(explanation.turned_normal && !explanation.facts.is_empty(), "{explanation}");
    // Each named value as expected, all others as they were, read by the head as any row.
    let head = &detector.heads[0];
    let mut row = head.scorer.spec.extract([&session]).unwrap().data().to_vec();
    let schema = head.scorer.spec.schema();
    let carried = verdict.carried().cloned().unwrap();
    let probe = Probe::new(&detector, &verdict, &carried);
    let facts = detector.background.layout.flat.facts.len();
    let candidates: Vec<Place> = (0..facts).map(|fact| Place { packet: None, fact }).collect();
    let altered = search::search(&probe, &candidates).unwrap().altered;
    for (i, column) in schema.columns().iter().enumerate() {
        let named = explanation.facts.iter().any(|fact| column.fact.split(' ').any(|of| of == fact.name));
        let value = altered[0].values[0][i];
        assert!(named || value == row[i], "{} changed unnamed", column.name);
        row[i] = value;
    }
    let rows = crate::features::Rows::flat(schema, row).unwrap();
    let score = head.scorer.score_rows(&head.scorer.scaler.apply(rows).unwrap()).unwrap()[0];
    assert_eq!(score, explanation.after.heads[0].score);
    assert!(explanation.after.deciding_score() <= verdict.threshold);
}

#[test]
fn no_fact_is_named_that_is_not_needed() {
    let detector = forest();
    let (session, verdict) = upload(&detector);
    let carried = verdict.carried().cloned().unwrap();
    let probe = Probe::new(&detector, &verdict, &carried);
    let facts = detector.background.layout.flat.facts.len();
    let candidates: Vec<Place> = (0..facts).map(|fact| Place { packet: None, fact }).collect();
    let found = search::search(&probe, &candidates).unwrap();
    assert!(found.turned_normal && !found.named.is_empty(), "{session}");
    let named: Vec<Place> = found.named.iter().map(|(place, _)| *place).collect();
    for i in 0..named.len() {
        let mut fewer = named.clone();
        fewer.remove(i);
        let tasks: Vec<_> = (0..verdict.carriers().len()).map(|carrier| (carrier, &fewer[..])).collect();
        let scores: Vec<f32> = probe.alter(&tasks).unwrap().iter().map(|altered| altered.score).collect();
        assert!(!probe.is_normal(&scores), "{i} of {named:?}");
    }
}

#[test]
fn alerts_of_several_sessions_are_explained_with_all_of_them() {
    let detector = forest();
    let uploads = uploads(&detector, &frames_with_uploads_of_a_pair(200, 4, 6));
    let (session, verdict) = &uploads[3];
    assert!(verdict.is_anomaly() && verdict.evidence.unwrap().sessions >= 4, "{verdict}");
    assert!(verdict.carriers().len() >= 4, "{}", verdict.carriers().len());
    assert_eq!((verdict.carriers()[0].key(), verdict.carriers()[0].score), (session.key(), verdict.score));
    let carried = verdict.carried().cloned().unwrap();
    let probe = Probe::new(&detector, verdict, &carried);
    assert_eq!(probe.decide(&probe.observed()).1, verdict.deciding_score(), "what is explained is what was judged");
    let explanation = detector.explain_verdict(session, verdict).unwrap();
    assert!(explanation.turned_normal && explanation.carriers == verdict.carriers(), "{explanation}");
    let shown = format!("as expected in {} sessions it is normal", explanation.carriers.len());
    assert!(explanation.to_string().contains(&shown), "{explanation}");
    assert!(explanation.after.score < verdict.score);
    // Its own score is above the cut too, so that all must be set: the others alone carry it.
    let alone = probe.alter(&[(0, &[])]).unwrap();
    assert_eq!(alone[0].score, verdict.score, "nothing named, nothing changed");
}

#[test]
fn normal_verdicts_have_their_strongest_facts() {
    let detector = forest();
    let verdicts = detector.judge_batch(&BENIGN[1000..]).unwrap();
    let near = |v: &Verdict| if v.is_anomaly() { f32::MIN } else { v.score };
    let place = (0..200).max_by(|&a, &b| near(&verdicts[a]).total_cmp(&near(&verdicts[b]))).unwrap();
    let explanation = detector.explain(&BENIGN[1000 + place]).unwrap();
    assert!(!explanation.verdict.is_anomaly() && explanation.turned_normal);
    assert!((1..=5).contains(&explanation.facts.len()), "{explanation}");
    assert!(!explanation.to_string().contains("as expected"), "{explanation}");
}

#[test]
fn all_alerts_are_explained_over_threads_as_alone() {
    let detector = forest();
    let sessions = cut(&frames_with_uploads(300, 3, 6)).split_off(290);
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
    assert_eq!(error.to_string(), "12 verdicts for 13 sessions, there must be one each");
}

#[test]
fn verdicts_of_other_sessions_and_detectors_are_refused() {
    let detector = forest();
    let uploads = uploads(&detector, &frames_with_uploads(200, 2, 6));
    let error = detector.explain_verdict(&uploads[0].0, &uploads[1].1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.to_string().contains(": the verdict is that of tcp "), "{error}");
    let error = own(0.02).explain_verdict(&uploads[0].0, &uploads[0].1).unwrap_err();
    assert!(error.to_string().ends_with("the verdict is of a detector with other heads"), "{error}");
}

#[test]
fn explanations_come_back_from_a_file() {
    let detector = forest();
    let (session, verdict) = upload(&detector);
    let loaded = Detector::from_bytes(&detector.to_bytes()).unwrap();
    assert_eq!(
        loaded.explain_verdict(&session, &verdict).unwrap(),
        detector.explain_verdict(&session, &verdict).unwrap()
    );
}

#[test]
fn what_is_remembered_is_bounded() {
    let detector = forest();
    let (session, _) = upload(&detector);
    let row = Row { session: &session, place: 0, look: session.looks().len() };
    let scored = detector.score(&[row]).unwrap().swap_remove(0);
    let imprint = detector.imprint(&row, &scored.scores).unwrap();
    let mut remembered = carried::Remembered::default();
    let now = session.ended();
    for number in 0..200_000 {
        remembered.set(number, now, Some(imprint.clone()));
        assert!(remembered.bytes() <= carried::MOST_BYTES);
    }
    assert!(remembered.dropped() > 0 && remembered.get(0).is_none() && remembered.get(199_999).is_some());
    remembered.forget(now + std::time::Duration::from_secs(61), std::time::Duration::from_secs(60));
    assert_eq!((remembered.bytes(), remembered.get(199_999)), (0, None));
}

#[test]
fn live_alerts_are_explained_as_replayed_ones() {
    use crate::incident::{Incident, IncidentConfig, incidents};
    use crate::{Event, Monitor, detector::testing::frame, incident::Change};
    let detector = forest();
    let frames = frames_with_uploads_of_a_pair(300, 4, 6);
    let sessions = cut(&frames);
    let verdicts = detector.judge_all(&sessions).unwrap();
    let each = IncidentConfig { from: 0.25, from_suspect: 0.25, ..IncidentConfig::default() };
    let mut monitor = Monitor::new(detector.clone(), &SessionConfig::default()).unwrap();
    monitor = monitor.with_incidents(each.clone()).unwrap();
    frames.iter().for_each(|f| monitor.push(&frame(f)));
    monitor.finish();
    let mut compared = 0;
    let (mut live, mut grouped): (Vec<(Session, Verdict)>, Vec<Incident>) = Default::default();
    while let Some(event) = monitor.pop() {
        match event {
            Event::Verdict { session, verdict } => live.push((session, verdict)),
            Event::Incident { change: Change::Closed, incident } => grouped.push(*incident),
            _ => {}
        }
    }
    let mut live = live.into_iter();
    for (session, replayed) in sessions.iter().zip(&verdicts) {
        let (live, verdict) = live.next().unwrap_or_else(|| panic!("no verdict on {session}"));
        assert_eq!((live.key(), &verdict), (session.key(), replayed));
        if verdict.is_anomaly() && session.stats().orig.payload_bytes == 1400 {
            let explain = |session, verdict| detector.explain_verdict(session, verdict).unwrap();
            assert_eq!(explain(&live, &verdict), explain(session, replayed));
            compared += 1;
        }
    }
    assert!(compared >= 4 && live.next().is_none());
    // Incidents keep what the verdict on their strangest session was carried by, and are explained with it.
    grouped.sort_by_key(|incident| incident.id);
    let replayed = incidents(&sessions, &verdicts, &each).unwrap();
    assert_eq!(grouped.len(), replayed.len());
    let mut together = 0;
    for (live, replayed) in grouped.iter().zip(&replayed) {
        let explanation = live.explain(&detector).unwrap();
        assert_eq!(explanation, replayed.explain(&detector).unwrap());
        assert_eq!((&explanation.carriers[..], live.carriers()), (live.carriers(), replayed.carriers()));
        assert_eq!(
            (explanation.verdict.deciding_score(), &live.strangest),
            (live.strangest.score, &replayed.strangest)
        );
        let told = sessions
            .iter()
            .zip(&verdicts)
            .find(|(s, _)| (s.key(), s.start()) == (live.session.key(), live.session.start()));
        let (_, verdict) = told.unwrap();
        if verdict.deciding_score() == live.strangest.score {
            assert_eq!(explanation.verdict.heads, verdict.heads, "of the same look");
            assert_eq!((explanation.verdict.evidence, explanation.verdict.score), (verdict.evidence, verdict.score));
            together += usize::from(live.carriers().len() > 1);
        }
    }
    assert!(together > 0, "{grouped:?}");
    let error = grouped[0].explain(&own(0.02)).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::Data, "incident 1: the detector has no head forest".into())
    );
    let stats = monitor.stats();
    assert!(stats.remembered_bytes > 0 && stats.forgotten_early == 0, "{stats:?}");
}
