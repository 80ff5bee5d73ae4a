use super::*;
use crate::{
    Event, FeatureSpec, Monitor,
    detector::testing::{Distance, cut, frame, frames},
};
use std::{net::IpAddr, sync::LazyLock};

static DETECTOR: LazyLock<Detector> = LazyLock::new(|| {
    let benign = cut(&frames(2400, 1));
    Detector::recipe().heads(&["forest"]).unwrap().false_positive_rate(0.02).fit(&benign).unwrap()
});

/// Sessions in the order in which they ended, through a watch.
fn alarms(drift: &mut Drift, sessions: Vec<Session>) -> Vec<DriftAlarm> {
    alarms_by(&DETECTOR, drift, sessions)
}

fn alarms_by(detector: &Detector, drift: &mut Drift, mut sessions: Vec<Session>) -> Vec<DriftAlarm> {
    sessions.sort_by_key(Session::ended);
    let verdicts = detector.judge_all(&sessions).unwrap();
    sessions.iter().zip(&verdicts).filter_map(|(session, verdict)| drift.push(session, verdict)).collect()
}

fn seconds(session: &Session) -> i64 {
    session.end().as_nanos() / 1_000_000_000
}

#[test]
fn the_same_traffic_gives_no_alarm() {
    let mut drift = DETECTOR.drift().unwrap();
    let given = alarms(&mut drift, cut(&frames(2400, 7)));
    assert!(given.is_empty(), "{given:?}");
    assert!(drift.blocks() > 40 && drift.strength() < 10.0 && !drift.is_stale(), "{drift:?}");
    assert_eq!(drift.block(), Duration::from_secs(50), "50 sessions");
}

/// The same sessions once more from other hosts, from second 1000 on.
fn doubled() -> Vec<Session> {
    let mut sessions = cut(&frames(2400, 7));
    let more: Vec<Session> = sessions.iter().filter(|session| seconds(session) >= 1000).cloned().collect();
    let other = |addr: IpAddr| match addr {
        IpAddr::V4(addr) => IpAddr::from((u32::from(addr) | 0x80_0000).to_be_bytes()),
        IpAddr::V6(_) => unreachable!(),
    };
    sessions.extend(more.into_iter().map(|mut session| {
        session.key.orig.addr = other(session.key.orig.addr);
        session.key.resp.addr = other(session.key.resp.addr);
        session
    }));
    sessions
}

#[test]
fn twice_the_load_is_called_once_with_the_time_and_the_numbers() {
    let mut drift = DETECTOR.drift().unwrap();
    let given = alarms(&mut drift, doubled());
    let [alarm] = &given[..] else { panic!("{given:?}") };
    let load = alarm.load.as_ref().unwrap();
    assert!((load.then - 1.0).abs() < 0.05 && (load.now - 1.9).abs() < 0.15 && load.deviations > 2.0, "{alarm}");
    let since = alarm.since.as_nanos() / 1_000_000_000;
    assert!((950..=1050).contains(&since), "{alarm}");
    // A change is known when its sessions have ended, 120 s later.
    let after = alarm.at.since(Timestamp::from_parts(1000, 0)).as_secs();
    assert!(after < 120 + 6 * 50, "{after} s: {alarm:?}");
    assert!(alarm.strength >= alarm.limit && drift.is_stale());
    assert!(alarm.to_string().contains(" sessions a second instead of 0.99"), "{alarm}");
}

#[test]
fn other_traffic_names_the_columns_that_moved_and_what_is_over_is_over() {
    let mut drift = DETECTOR.drift().unwrap();
    let mut sessions = cut(&frames(3600, 8));
    for session in sessions.iter_mut().filter(|session| (800..1600).contains(&seconds(session))) {
        session.stats.resp.payload_bytes *= 4;
        session.key.resp.port = 8080;
    }
    let given = alarms(&mut drift, sessions);
    let [alarm] = &given[..] else { panic!("{given:?}") };
    let names: Vec<&str> = alarm.columns.iter().map(|moved| &*moved.name).collect();
    assert!(names.contains(&"resp_bytes"), "{alarm}");
    let bytes = &alarm.columns[names.iter().position(|name| *name == "resp_bytes").unwrap()];
    assert!(bytes.unit == "bytes" && bytes.now > 3.0 * bytes.then && bytes.deviations > 3.0, "{bytes}");
    let services: Vec<(&str, bool)> =
        alarm.services.iter().map(|moved| (&*moved.name, moved.deviations > 0.0)).collect();
    assert!(services.contains(&("tcp/80", false)) && services.contains(&("other services", true)), "{services:?}");
    assert!(!drift.is_stale(), "traffic was as usual again");
}

#[test]
fn an_attack_of_one_host_is_no_drift_and_hides_none() {
    let attack = |sessions: &mut Vec<Session>| {
        let start = sessions.iter().map(Session::ended).min().unwrap();
        let mut strange: Vec<Session> = cut(&frames(200, 3));
        for (i, session) in strange.iter_mut().enumerate() {
            session.stats.orig.payload_bytes = 1 << 40;
            session.stats.orig.packets = 1 << 30;
            session.key.orig.addr = IpAddr::from([10, 9, 9, 9]);
            session.cold = false;
            session.silent_since = start + Duration::from_secs(600 + 5 * i as u64);
            session.ended = session.silent_since + Duration::from_secs(120);
        }
        for _ in 0..10 {
            sessions.extend(strange.iter().cloned());
        }
    };
    let benign = cut(&frames(2400, 1));
    let (spec, scaler, model) = Distance::head(FeatureSpec::flow(), &benign[..600]);
    let detector = Detector::builder().head("distance", spec, scaler, model).calibrate(&benign[600..]).unwrap();
    let mut sessions = cut(&frames(2400, 7));
    attack(&mut sessions);
    let given = alarms_by(&detector, &mut detector.drift().unwrap(), sessions);
    assert!(given.is_empty(), "{given:?}");
    let mut sessions = doubled();
    attack(&mut sessions);
    let given = alarms_by(&detector, &mut detector.drift().unwrap(), sessions);
    let [alarm] = &given[..] else { panic!("{given:?}") };
    assert!(alarm.at.since(Timestamp::from_parts(1000, 0)).as_secs() < 120 + 6 * 50, "{alarm}");
}

#[test]
fn a_monitor_gives_alarms_as_events() {
    let mut monitor = Monitor::new(DETECTOR.clone(), &SessionConfig::default()).unwrap();
    let mut events = Vec::new();
    let mut changed = frames(1200, 5);
    // Ten times slower: a tenth of the load.
    for (time, _) in &mut changed {
        *time = Timestamp::from_nanos(time.as_nanos() * 10);
    }
    for f in &changed {
        monitor.push(&frame(f));
        events.extend(std::iter::from_fn(|| monitor.pop()));
    }
    let alarms: Vec<&DriftAlarm> =
        events.iter().filter_map(|event| if let Event::Drift(alarm) = event { Some(alarm) } else { None }).collect();
    assert_eq!((alarms.len(), monitor.stats().drift_alarms), (1, 1));
    assert!(alarms[0].load.as_ref().unwrap().now < 0.2 && monitor.drift().unwrap().is_stale());
    monitor.set_drift(None);
    assert!(monitor.drift().is_none());
}

/// Usual traffic for ten minutes; the same once the packets' clock stepped by so many seconds, and from ten minutes after that
/// on once more from and to other hosts.
fn with_a_step(seconds: i64) -> Vec<(Timestamp, Vec<u8>)> {
    let at = |time: Timestamp| time.as_nanos() / 1_000_000_000;
    let usual = frames(2000, 9);
    let more = usual.iter().filter(|(time, _)| at(*time) >= 1200).map(|(time, data)| {
        let mut data = data.clone();
        // The second byte of either address.
        [27, 31].into_iter().for_each(|place| data[place] |= 0x80);
        (*time + Duration::from_millis(500), data)
    });
    let mut frames: Vec<_> = usual.iter().cloned().chain(more).collect();
    frames.sort_by_key(|(time, _)| *time);
    for (time, _) in &mut frames {
        let step = if at(*time) >= 600 { seconds } else { 0 };
        *time = Timestamp::from_nanos(time.as_nanos() + (1_000_000 + step) * 1_000_000_000);
    }
    frames
}

#[test]
fn a_step_of_the_packets_clock_is_no_drift_and_ends_no_watch() {
    // Of no context: that finds the minute for which a clock waits after a step back strange.
    let benign = cut(&frames(2400, 1));
    let (spec, scaler, model) = Distance::head(FeatureSpec::flow(), &benign[..600]);
    let detector = Detector::builder().head("distance", spec, scaler, model).calibrate(&benign[600..]).unwrap();
    let detector = Arc::new(detector);
    for step in [0, 4 * 3600, -4 * 3600] {
        let mut monitor = Monitor::new(detector.clone(), &SessionConfig::default()).unwrap();
        let frames = with_a_step(step);
        let doubled = frames.iter().position(|(_, data)| data[27] & 0x80 != 0).unwrap();
        let [mut before, mut behind] = [Vec::new(), Vec::new()];
        for (i, f) in frames.iter().enumerate() {
            monitor.push(&frame(f));
            while let Some(event) = monitor.pop() {
                if let Event::Drift(alarm) = event {
                    if i < doubled { &mut before } else { &mut behind }.push((f.0, alarm));
                }
            }
        }
        assert!(before.is_empty(), "step of {step} s: {before:?}");
        let stats = monitor.stats();
        let [(called, alarm)] = &behind[..] else { panic!("step of {step} s: {behind:?} {stats:?}") };
        let after = called.since(frames[doubled].0).as_secs();
        assert!((60..120 + 6 * 50).contains(&after), "step of {step} s: {after} s, {alarm}");
        let since = alarm.at.since(alarm.since).as_secs();
        assert!((120..=after + 50).contains(&since), "step of {step} s: {since} s, {alarm}");
        // Those of the block in which the watch began.
        assert!((1..=50).contains(&stats.drift_late), "step of {step} s: {}", stats.drift_late);
    }
}

#[test]
fn time_that_passes_without_a_frame_gives_alarms_too() {
    let mut changed = frames(1200, 5);
    changed.iter_mut().for_each(|(time, _)| *time = Timestamp::from_nanos(time.as_nanos() * 10));
    let alarms = |monitor: &mut Monitor| -> Vec<DriftAlarm> {
        let events = std::iter::from_fn(|| monitor.pop());
        events.filter_map(|event| if let Event::Drift(alarm) = event { Some(alarm) } else { None }).collect()
    };
    let monitor = || Monitor::new(DETECTOR.clone(), &SessionConfig::default()).unwrap();
    let mut whole = monitor();
    let called = changed.iter().find_map(|f| {
        whole.push(&frame(f));
        alarms(&mut whole).pop()
    });
    let called = called.expect("a tenth of the load is called");
    let mut silent = monitor();
    let before = changed.iter().filter(|(time, _)| called.at.since(*time) > Duration::from_secs(15));
    before.for_each(|f| silent.push(&frame(f)));
    silent.advance(Timestamp::from_parts(1, 0));
    assert_eq!(alarms(&mut silent), [], "not known yet, and time does not go back");
    silent.advance(called.at);
    let [alarm] = &alarms(&mut silent)[..] else { panic!("no alarm at {}", called.at) };
    assert_eq!((alarm.at, alarm.since, silent.stats().drift_alarms), (called.at, called.since, 1));
    silent.advance(called.at);
    assert_eq!(alarms(&mut silent), []);
}

#[test]
fn time_that_jumps_and_silence_cost_nothing() {
    let mut drift = DETECTOR.drift().unwrap();
    assert!(drift.advance(Timestamp::from_nanos(i64::MAX)).is_none());
    let mut drift = DETECTOR.drift().unwrap();
    let sessions = cut(&frames(400, 7));
    let verdicts = DETECTOR.judge_all(&sessions).unwrap();
    for (i, (session, verdict)) in sessions.iter().zip(&verdicts).enumerate() {
        drift.push(session, verdict);
        assert!(drift.open.len() <= drift.most_open() + 1 && drift.weighed.len() <= KEPT);
        if i % 50 == 0 {
            let mut stray = session.clone();
            stray.silent_since = Timestamp::from_nanos(i64::MAX);
            drift.push(&stray, verdict);
            stray.silent_since = Timestamp::from_nanos(i64::MIN);
            drift.push(&stray, verdict);
        }
    }
    assert!(drift.late() >= 16);
    let before = drift.blocks();
    assert!(drift.advance(Timestamp::from_nanos(0)).is_none() && drift.blocks() == before, "time does not go back");
    assert!(drift.advance(sessions[399].ended() + Duration::from_secs(86_400)).is_none(), "silence is no drift");
    assert!(drift.blocks() > before && drift.open.is_empty());
}

#[test]
fn refuses_too_little_time_and_too_many_alarms() {
    let benign = cut(&frames(250, 1));
    let short = Detector::recipe().heads(&["forest"]).unwrap().false_positive_rate(0.1).fit(&benign).unwrap();
    let error = short.drift().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert_eq!(
        error.to_string(),
        "the detector was made from less than 16 whole blocks of 20 s of benign traffic behind the first minute, too little to know how it varies: calibrate on more"
    );
    assert!(Monitor::new(short, &SessionConfig::default()).unwrap().drift().is_none());
    let error = DETECTOR.drift().unwrap().false_alarm_every(Duration::from_secs(60)).unwrap_err();
    assert_eq!(error.to_string(), "false_alarm_every is 60s, it must be at least 5000s, 100 blocks of time");
    let seldom = DETECTOR.drift().unwrap().false_alarm_every(Duration::from_secs(86_400)).unwrap();
    assert_eq!(seldom.limit(), 1728.0);
}

#[test]
fn comes_back_from_a_file() {
    let loaded = Detector::from_bytes(&DETECTOR.to_bytes()).unwrap();
    assert_eq!(loaded.drift, DETECTOR.drift);
    assert!(loaded.drift.is_some());
}

#[test]
fn what_one_host_moves_in_the_sessions_of_all_is_not_watched() {
    let watched = basis::watched(&DETECTOR);
    let is_watched = |name: &str| watched.iter().any(|(column, _)| column.name == name);
    let shared = ["destination_hosts_60s", "destination_sessions_60s", "port_hosts_10s", "service_recent"];
    let schema = FeatureSpec::context().schema();
    for name in shared {
        assert!(schema.columns().iter().any(|column| column.name == name), "{name} is a column");
        assert!(!is_watched(name), "{name}");
    }
    assert!(["source_ports_10s", "host_pair_failed", "turns"].into_iter().all(is_watched));
}
