use super::*;
use crate::{
    ErrorKind,
    detector::testing::{Distance, cut, frame, frames, frames_with_uploads, talks},
    evidence::EvidenceConfig,
    features::{FeatureSpec, Rows, Schema},
    incident::incidents,
    model::Model,
};
use nf_tests::eth;
use std::{ops::ControlFlow, time::Duration};

/// The sessions of frames in the order of time.
fn cut_in_time(mut frames: Vec<(Timestamp, Vec<u8>)>) -> Vec<Session> {
    frames.sort_by_key(|(time, _)| *time);
    cut(&frames)
}

fn detector() -> Detector {
    let benign = cut(&frames(800, 1));
    Detector::recipe().heads(&["forest"]).unwrap().false_positive_rate(0.02).fit(&benign).unwrap()
}

/// A session's key, and when it was first above the cut.
type Early = Vec<(String, Timestamp)>;

fn drain(monitor: &mut Monitor, into: &mut Vec<(String, Verdict)>, early: &mut Early) {
    while let Some(event) = monitor.pop() {
        match event {
            Event::Verdict { session, verdict } => into.push((session.to_string(), verdict)),
            Event::Look { session, verdict } => {
                assert!(verdict.is_anomaly() && verdict.at() == session.known(), "{session}: {verdict}");
                early.push((session.key().to_string(), verdict.at()));
            }
            Event::Failure { session, error } => panic!("{session}: {error}"),
            Event::Drift(alarm) => panic!("{alarm}"),
            Event::Incident { .. } => {}
        }
    }
}

#[test]
fn gives_the_verdicts_of_reading_and_judging_however_often_it_is_popped() {
    let detector = Arc::new(detector());
    let frames = [frames_with_uploads(700, 3, 5), talks(60, 7)].concat();
    let mut ordered: Vec<_> = frames.iter().collect();
    ordered.sort_by_key(|(time, _)| *time);
    let sessions = cut(&ordered.iter().map(|f| (*f).clone()).collect::<Vec<_>>());
    let rows: usize = sessions.iter().map(|session| session.looks().len() + 1).sum();
    let verdicts = detector.judge_all(&sessions).unwrap();
    assert!(verdicts.iter().all(|verdict| verdict.evidence.is_some()) && rows > sessions.len() + 100, "{rows} rows");
    let told = sessions.iter().zip(&verdicts).filter(|(s, v)| v.is_anomaly() && v.at() < s.ended());
    let mut told: Early = told.map(|(session, verdict)| (session.key().to_string(), verdict.at())).collect();
    told.sort();
    let expected: Vec<_> = sessions.iter().map(Session::to_string).zip(verdicts).collect();
    for every in [1, 50, 997, usize::MAX] {
        let mut monitor = Monitor::new(detector.clone(), &SessionConfig::default()).unwrap();
        let (mut seen, mut early) = (Vec::new(), Vec::new());
        for (i, f) in ordered.iter().enumerate() {
            monitor.push(&frame(f));
            if i % every == 0 {
                drain(&mut monitor, &mut seen, &mut early);
            }
        }
        monitor.finish();
        drain(&mut monitor, &mut seen, &mut early);
        assert!(seen == expected, "popped every {every} frames");
        let stats = monitor.stats();
        assert_eq!((stats.table.frames, stats.failures), (ordered.len() as u64, 0));
        assert_eq!((stats.judged, stats.looks), (sessions.len() as u64, rows as u64), "each look once");
        assert_eq!(stats.anomalies, expected.iter().filter(|(_, v)| v.is_anomaly()).count() as u64);
        assert!(stats.early == early.len() as u64 && stats.early >= 3 && stats.early <= stats.anomalies);
        assert!(monitor.known.is_empty() && monitor.heap == 0);
        // The last frames may be judged at the very moment they end.
        early.sort();
        early.retain(|event| told.contains(event));
        assert_eq!(early, told);
    }
}

/// Incidents of every alert, so that synthetic traffic has some.
fn each() -> IncidentConfig {
    IncidentConfig { from: 0.25, from_suspect: 0.25, ..IncidentConfig::default() }
}

fn told(change: Change, incident: &Incident) -> String {
    format!("{change:?} {incident} {:?} {:?} {:?}", incident.updated, incident.evidence, incident.carriers())
}

#[test]
fn gives_the_incidents_of_a_replay_however_often_it_is_popped() {
    let detector = Arc::new(detector());
    let frames = frames_with_uploads(700, 6, 5);
    let sessions = cut(&frames);
    let verdicts = detector.judge_all(&sessions).unwrap();
    let expected = incidents(&sessions, &verdicts, &each()).unwrap();
    assert!(expected.len() > 3, "{}", expected.len());
    let expected: Vec<String> = expected.iter().map(|incident| told(Change::Closed, incident)).collect();
    let mut first: Option<Vec<String>> = None;
    for every in [1, 50, usize::MAX] {
        let mut monitor = Monitor::new(detector.clone(), &SessionConfig::default()).unwrap();
        monitor = monitor.with_incidents(each()).unwrap();
        let (mut news, mut closed) = (Vec::new(), Vec::new());
        let mut drain = |monitor: &mut Monitor| {
            while let Some(event) = monitor.pop() {
                let Event::Incident { change, incident } = event else { continue };
                news.push(told(change, &incident));
                if change == Change::Closed {
                    closed.push((incident.id, told(change, &incident)));
                }
            }
        };
        for (i, f) in frames.iter().enumerate() {
            monitor.push(&frame(f));
            if i % every == 0 {
                drain(&mut monitor);
            }
        }
        monitor.finish();
        drain(&mut monitor);
        closed.sort();
        assert!(closed.into_iter().map(|(_, told)| told).eq(expected.iter().cloned()), "popped every {every} frames");
        assert_eq!(*first.get_or_insert_with(|| news.clone()), news, "popped every {every} frames");
        assert_eq!(monitor.stats().incidents.opened, expected.len() as u64);
    }
}

/// A monitor whose incidents wait for ten minutes of silence.
fn patient(detector: &Arc<Detector>) -> Monitor {
    let config = IncidentConfig { silence: Duration::from_secs(600), ..each() };
    Monitor::new(detector.clone(), &SessionConfig::default()).unwrap().with_incidents(config).unwrap()
}

/// A strange upload that starts at that second; its last packet comes six minutes later.
fn upload(monitor: &mut Monitor, second: u64) {
    for (time, data) in frames_with_uploads(0, 1, 5) {
        monitor.push(&frame(&(time + Duration::from_secs(second), data)));
    }
}

fn changes(monitor: &mut Monitor) -> Vec<Change> {
    let events = std::iter::from_fn(|| monitor.pop());
    events.filter_map(|e| if let Event::Incident { change, .. } = e { Some(change) } else { None }).collect()
}

fn second(seconds: i64) -> Timestamp {
    Timestamp::from_parts(seconds, 0)
}

#[test]
fn no_advance_and_no_step_of_the_clock_ends_incidents_for_good() {
    let detector = Arc::new(detector());
    use Change::{Closed, Grown, Opened};
    for (wrong, next) in [
        (second(20_000), 20_000),
        (Timestamp::from_nanos(i64::MAX), 2000),
        (second(1_800_000_000), 2000),
        (Timestamp::from_nanos(i64::MIN), 20_000),
    ] {
        let mut monitor = patient(&detector);
        upload(&mut monitor, 0);
        monitor.advance(second(500));
        assert_eq!(changes(&mut monitor), [Opened]);
        monitor.advance(wrong);
        let closed: &[Change] = if wrong > second(500) { &[Closed] } else { &[] };
        assert_eq!(changes(&mut monitor), closed, "{wrong}");
        // Two uploads of one host within the silence that ends an incident are one.
        upload(&mut monitor, next);
        let at = |seconds| second(next as i64 + seconds);
        monitor.advance(at(500));
        let before: &[Change] = if wrong > second(500) { &[Opened] } else { &[Closed, Opened] };
        assert_eq!(changes(&mut monitor), before, "{wrong}");
        upload(&mut monitor, next + 510);
        monitor.advance(at(1000));
        assert_eq!(changes(&mut monitor), [Grown], "{wrong}");
        monitor.advance(at(2000));
        assert_eq!(changes(&mut monitor), [Closed], "{wrong}");
        assert_eq!(monitor.stats().table.late_advances, u64::from(wrong < second(500)), "{wrong}");
    }
}

#[test]
fn incidents_end_in_silence_and_at_the_end() {
    let mut monitor = patient(&Arc::new(detector()));
    use Change::{Closed, Opened};

    upload(&mut monitor, 0);
    monitor.advance(second(500));
    assert_eq!(changes(&mut monitor), [Opened]);
    monitor.advance(second(400));
    assert_eq!(changes(&mut monitor), [], "time does not go back");
    monitor.advance(second(1100));
    assert_eq!(changes(&mut monitor), [Closed]);
    // What comes after an end is another incident, also where nothing was popped between them.
    upload(&mut monitor, 2000);
    monitor.finish();
    upload(&mut monitor, 2100);
    assert_eq!(changes(&mut monitor), [Opened, Closed, Opened]);
    monitor.finish();
    assert_eq!(changes(&mut monitor), [Closed]);
}

#[test]
fn looking_often_keeps_the_budget() {
    let benign = |seed| [frames(1500, seed), talks(900, seed)].concat();
    let recipe = Detector::recipe().heads(&["forest"]).unwrap().false_positive_rate(0.05);
    let [training, held_out, sessions] = [1, 2, 3].map(|seed| {
        let mut sessions = cut_in_time(benign(seed));
        sessions.retain(|session| !session.is_cold());
        sessions
    });
    let detector = recipe.fit_on(&training, &held_out, |_| ControlFlow::Continue(())).unwrap();
    let often = sessions.iter().filter(|session| session.looks().len() > 2).count();
    let alerts = detector.judge_all(&sessions).unwrap().iter().filter(|verdict| verdict.is_anomaly()).count();
    // Of 2300 sessions 115 may alert, with a deviation of 11, and another 11 of the cut's own luck.
    assert!(
        often > 400 && (85..=145).contains(&alerts),
        "{alerts} of {} sessions alert, {often} looked at often",
        sessions.len()
    );
}

#[test]
fn what_is_known_of_open_sessions_counts_as_memory() {
    let config = SessionConfig::default().memory_limit(1 << 20);
    let mut monitor = Monitor::new(detector(), &config).unwrap();
    let mut judged = 0;
    for i in 0..6000u32 {
        // 5 ms apart, so that sessions are looked at before they are evicted.
        let [_, _, a, b] = i.to_be_bytes();
        let syn = eth().ipv4([10, 9, a, b], [10, 0, 1, 1]).tcp(1000, 80).syn().build();
        monitor.push(&frame(&(Timestamp::from_nanos(i64::from(i) * 5_000_000), syn)));
        // A monitor that nobody asks drops what it cannot keep.
        while i % 3000 < 1500
            && let Some(event) = monitor.pop()
        {
            judged += u64::from(matches!(event, Event::Verdict { .. }));
        }
        assert!(monitor.table.bytes() <= 1 << 20, "{} bytes", monitor.table.bytes());
    }
    monitor.finish();
    judged += std::iter::from_fn(|| monitor.pop()).filter(|e| matches!(e, Event::Verdict { .. })).count() as u64;
    let stats = monitor.stats();
    assert!(stats.table.looks_dropped > 0 && stats.table.dropped > 0 && stats.table.looks > 1000, "{stats:?}");
    assert_eq!((judged, stats.judged), (stats.judged, 6000 - stats.table.dropped));
    assert!(monitor.known.is_empty() && monitor.heap == 0, "{} are left", monitor.known.len());
}

#[test]
fn a_flood_of_sources_changes_neither_the_cap_nor_what_is_open() {
    let sources: u32 = if std::env::var_os("NF_SLOW").is_some() { 1_000_000 } else { 10_000 };
    let benign = cut(&frames(800, 1));
    let (spec, scaler, model) = Distance::head(FeatureSpec::flow(), &benign[..400]);
    let pairs = 4096;
    let detector = Detector::builder()
        .head("distance", spec, scaler, model)
        .evidence(EvidenceConfig { limit: pairs, ..EvidenceConfig::default() })
        .calibrate(&benign[400..])
        .unwrap();
    let (limit, rules) = (4 << 20, IncidentConfig::default());
    let mut monitor = Monitor::new(detector, &SessionConfig::default().memory_limit(limit)).unwrap();
    let mut now = 0;
    // One strange datagram, of whom to whom.
    let datagram = |monitor: &mut Monitor, now: i64, from: u32, to: u32, port: u16| {
        let packet = eth().ipv4(from.to_be_bytes(), to.to_be_bytes()).udp(4000, port).payload(&[7; 1400]).build();
        monitor.push(&frame(&(Timestamp::from_nanos(now), packet)));
    };
    let (mut news, mut alerts) = (Vec::new(), 0);
    let mut drain = |monitor: &mut Monitor| {
        while let Some(event) = monitor.pop() {
            match event {
                Event::Verdict { verdict, .. } => alerts += u64::from(verdict.is_anomaly()),
                Event::Incident { change, incident } => news.push((change, incident.id, incident.sessions)),
                _ => {}
            }
        }
        let (open, waiting) = monitor.incidents.held();
        assert!(open <= rules.most_open && waiting <= rules.most_waiting, "{open} open, {waiting} waiting");
        assert!(monitor.table.bytes() <= limit, "{} bytes", monitor.table.bytes());
        let stats = monitor.stats();
        assert!(stats.evidence_keys <= pairs, "{} pairs", stats.evidence_keys);
        assert!(stats.remembered_bytes <= 64 << 20, "{} bytes", stats.remembered_bytes);
    };
    // Behind the first minute, in which alerts count less.
    datagram(&mut monitor, now, 0x0a00_0002, 0x0a00_0003, 9);
    now += 120_000_000_000;
    let scan = 0x0a09_0909;
    (0..8).for_each(|port| datagram(&mut monitor, now, scan, 0x0a00_0001, port));
    now += 3_000_000_000;
    monitor.advance(Timestamp::from_nanos(now));
    drain(&mut monitor);
    assert_eq!(monitor.stats().incidents.opened, 1, "the scan");
    for i in 0..sources {
        now += 20_000;
        datagram(&mut monitor, now, 0x1400_0000 + i, 0x1e00_0000 + i, 9);
        if i % 5000 == 0 {
            datagram(&mut monitor, now, scan, 0x0a00_0001, 100 + (i / 5000) as u16);
        }
        if i % 100 == 0 {
            drain(&mut monitor);
        }
    }
    monitor.finish();
    drain(&mut monitor);
    let stats = monitor.stats();
    let own = 8 + u64::from(sources / 5000);
    assert_eq!(stats.anomalies, alerts);
    assert_eq!(
        (stats.judged + stats.table.dropped, stats.table.dropped),
        (u64::from(sources) + own + 1, 0),
        "{stats:?}"
    );
    assert!(alerts > u64::from(sources) && stats.table.evicted > 0, "{stats:?}");
    // The flood had pairs of one session each, and pushed out others of these.
    assert!(stats.evidence_keys <= pairs && stats.evidence_keys >= pairs / 2, "{stats:?}");
    assert!(stats.evidence_evicted >= u64::from(sources) - pairs as u64 / 2, "{stats:?}");
    // Each source, and each destination, waited and made room for others; none became an incident.
    assert_eq!((stats.incidents.opened, stats.incidents.refused), (1, 0));
    assert!(stats.incidents.evicted >= 2 * u64::from(sources) - 2 * rules.most_waiting as u64, "{stats:?}");
    assert_eq!(
        (news.first(), news.last()),
        (Some(&(Change::Opened, 1, 4)), Some(&(Change::Closed, 1, own))),
        "{news:?}"
    );
}

#[test]
fn silence_ends_sessions_and_gives_their_verdicts() {
    let mut monitor = Monitor::new(detector(), &SessionConfig::default()).unwrap();
    let frames = frames(1, 2);
    frames.iter().take(4).for_each(|f| monitor.push(&frame(f)));
    assert!(monitor.pop().is_none());
    monitor.advance(frames[3].0 + std::time::Duration::from_secs(3));
    // A request that nobody answers.
    let Some(Event::Look { session, verdict }) = monitor.pop() else { panic!("an alert before its end") };
    assert_eq!((session.end_reason().to_string(), verdict.at()), ("open".to_owned(), session.known()));
    assert!(monitor.pop().is_none());
    monitor.advance(frames[3].0 + std::time::Duration::from_secs(3600));
    let Some(Event::Verdict { verdict: last, .. }) = monitor.pop() else { panic!("its end") };
    assert!(last == verdict && monitor.pop().is_none());
    assert_eq!(monitor.stats().looks, 1, "judged once");
}

#[test]
fn refuses_sessions_that_mean_something_else() {
    let error = Monitor::new(detector(), &SessionConfig::default().context(false)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(error.to_string(), "context is false, it must be true, head forest reads it");
}

/// Fails on rows of sessions with a payload above 1300 bytes.
#[derive(Debug)]
struct Moody(Distance);

impl Model for Moody {
    fn kind(&self) -> &'static str {
        "moody"
    }

    fn schema(&self) -> &Schema {
        self.0.schema()
    }

    fn score(&self, rows: &Rows) -> Result<Vec<f32>> {
        let scores = self.0.score(rows)?;
        match scores.iter().find(|score| **score > 1.5) {
            Some(score) => Err(Error::new(ErrorKind::Data, format!("{score} is too much"))),
            None => Ok(scores),
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        Vec::new()
    }
}

#[test]
fn a_model_that_fails_on_one_session_costs_that_one() {
    let benign = cut(&frames(400, 1));
    let (spec, scaler, model) = Distance::head(FeatureSpec::flow(), &benign);
    let own = Detector::builder().head("moody", spec, scaler, Moody(model)).calibrate(&benign).unwrap();
    let mut monitor = Monitor::new(own, &SessionConfig::default()).unwrap();
    frames_with_uploads(40, 2, 3).iter().for_each(|f| monitor.push(&frame(f)));
    monitor.finish();
    let events: Vec<Event> = std::iter::from_fn(|| monitor.pop()).collect();
    let failed: Vec<_> = events.iter().filter(|e| matches!(e, Event::Failure { .. })).collect();
    let ended = events.iter().filter(|e| !matches!(e, Event::Look { .. })).count();
    assert_eq!((ended, failed.len()), (42, 2));
    let Event::Failure { session, error } = failed[0] else { unreachable!() };
    assert!(session.duration().as_secs() > 60);
    assert!(error.to_string().starts_with("head moody: ") && error.to_string().ends_with("is too much"), "{error}");
    assert_eq!(monitor.stats().failures, 2);
}
