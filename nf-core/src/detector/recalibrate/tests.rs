use super::*;
use crate::{
    FeatureSpec,
    detector::testing::{Distance, cut, frames},
};
use std::{net::IpAddr, sync::LazyLock, time::Duration};

static DETECTOR: LazyLock<Detector> = LazyLock::new(|| {
    let benign = cut(&frames(2400, 1));
    let (spec, scaler, model) = Distance::head(FeatureSpec::flow(), &benign[..600]);
    let builder = Detector::builder().head("distance", spec, scaler, model);
    builder.false_positive_rate(0.02).calibrate(&benign[600..]).unwrap()
});

/// Sessions a day later.
fn recent(count: usize) -> Vec<Session> {
    let mut frames = frames(count, 4);
    frames.iter_mut().for_each(|(time, _)| *time = *time + Duration::from_secs(86_400));
    cut(&frames)
}

/// Uploads of one host, as strange as can be.
fn attack(count: usize, from: [u8; 4]) -> Vec<Session> {
    let mut sessions = recent(count);
    for session in &mut sessions {
        session.stats.orig.payload_bytes = 1 << 40;
        session.stats.orig.packets = 1 << 30;
        session.key.orig.addr = IpAddr::from(from);
    }
    sessions
}

fn anomalies(detector: &Detector, sessions: &[Session]) -> usize {
    detector.judge_all(sessions).unwrap().iter().filter(|verdict| verdict.is_anomaly()).count()
}

#[test]
fn the_same_traffic_changes_little_and_the_old_calibration_is_kept() {
    let new = DETECTOR.recalibration().reason("a day later").run(&recent(1200)).unwrap();
    let [record] = new.recalibrations() else { panic!("{:?}", new.recalibrations()) };
    assert_eq!((record.reason.as_str(), record.recent.sessions), ("a day later", 1200));
    assert!(record.kept > 1180 && record.strange_share < 0.03, "{record:?}");
    assert!((1200 - record.clumped..=1200).contains(&(record.kept + record.trimmed)), "{record:?}");
    assert_eq!(new.provenance().calibration.sessions, record.kept);
    assert!((new.evidence_threshold() - DETECTOR.evidence_threshold()).abs() < 1.0);
    assert!(anomalies(&new, &cut(&frames(1200, 9))) < 60);
    let before = new.before_recalibration().unwrap();
    assert_eq!(before.judge_all(&recent(50)).unwrap(), DETECTOR.judge_all(&recent(50)).unwrap());
    assert_eq!(before.provenance(), DETECTOR.provenance());
    assert!(before.before_recalibration().is_none() && before.recalibrations().is_empty());
    assert_eq!(new.drift().unwrap().block(), DETECTOR.drift().unwrap().block());
}

#[test]
fn comes_back_from_a_file_with_its_first_calibration() {
    let new = DETECTOR.recalibrate(&recent(1200)).unwrap().recalibrate(&recent(1300)).unwrap();
    let bytes = new.to_bytes();
    let loaded = Detector::from_bytes_with(&bytes, Distance::load).unwrap();
    assert_eq!(loaded.to_bytes(), bytes);
    assert_eq!(loaded.recalibrations().len(), 2);
    let sessions = recent(100);
    assert_eq!(loaded.judge_all(&sessions).unwrap(), new.judge_all(&sessions).unwrap());
    let before = loaded.before_recalibration().unwrap();
    assert_eq!(before.judge_all(&sessions).unwrap(), DETECTOR.judge_all(&sessions).unwrap());
}

#[test]
fn a_stray_session_hours_away_is_no_block_of_its_own() {
    let mut sessions = recent(1200);
    let mut stray = sessions[600].clone();
    for time in [&mut stray.start, &mut stray.end, &mut stray.ended] {
        *time = *time + Duration::from_secs(36_000);
    }
    sessions.push(stray);
    let new = DETECTOR.recalibrate(&sessions).unwrap();
    assert_eq!(new.recalibrations()[0].recent.sessions, 1201);
}

#[test]
fn an_attack_among_the_recent_sessions_stays_one() {
    for sources in [1, 40] {
        let mut sessions = recent(1200);
        let all = attack(400, [10, 9, 9, 9]);
        sessions.extend(all.into_iter().enumerate().map(|(i, mut session)| {
            session.key.orig.addr = IpAddr::from([10, 9, 9, (i % sources) as u8]);
            session
        }));
        let new = DETECTOR.recalibrate(&sessions).unwrap();
        assert!(new.recalibrations()[0].clumped >= 390, "{:?}", new.recalibrations());
        assert!((new.evidence_threshold() - DETECTOR.evidence_threshold()).abs() < 1.0);
        let later = attack(60, [10, 8, 8, 8]);
        assert!(anomalies(&new, &later) >= anomalies(&DETECTOR, &later) - 2);
    }
}

#[test]
fn however_often_no_p_value_changes_more_than_tenfold() {
    // A twelfth of the sessions somewhat strange, each of another pair, so that no clump shows.
    let mut sessions = recent(2400);
    for (i, session) in sessions.iter_mut().enumerate().filter(|(i, _)| i % 12 == 0) {
        session.stats.orig.payload_bytes = 20_000;
        session.key.orig.addr = IpAddr::from([10, 7, (i / 200) as u8, (i % 200) as u8]);
        session.key.resp.addr = IpAddr::from([10, 6, (i / 200) as u8, (i % 200) as u8]);
    }
    let mut detector = DETECTOR.clone();
    for _ in 0..3 {
        detector = detector.recalibrate(&sessions).unwrap();
        for verdict in DETECTOR.judge_batch(&recent(600)).unwrap() {
            let (old, new) = (verdict.p_value, detector.calibration().p_value(verdict.score));
            // Ranks among few are coarse: half a session more or less at the ends.
            let slack = 1.5 / 2400.0;
            assert!(new <= 10.0 * old + slack && new >= old / 10.0 - slack, "{old} {new}");
        }
    }
    assert!(detector.recalibrations().iter().all(|record| record.trimmed > 0), "{:?}", detector.recalibrations());
}

#[test]
fn refuses_what_is_too_strange_too_few_or_cut_otherwise() {
    let refuse = |recalibration: Recalibration<'_>, sessions: &[Session], kind| {
        let error = recalibration.run(sessions).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        error.to_string()
    };
    let plain = || DETECTOR.recalibration();
    let benign = recent(1200);
    let text = refuse(plain(), &[], ErrorKind::Data);
    assert_eq!(text, "0 recent sessions to recalibrate on, at least 500 are needed: 500 more");
    assert!(refuse(plain(), &benign[..499], ErrorKind::Data).ends_with("at least 500 are needed: 1 more"));
    for rate in [0.0, 1.0, f64::NAN] {
        let text = refuse(plain().false_positive_rate(rate), &benign, ErrorKind::Config);
        assert_eq!(text, format!("false_positive_rate is {rate}, it must be above 0 and at most 0.5"));
    }
    let text = refuse(plain().false_positive_rate(1e-4), &benign, ErrorKind::Data);
    assert!(text.contains("cannot promise a false-positive rate of 0.0001"), "{text}");
    let text = refuse(plain().session_config(&SessionConfig::default().tunnels(0)), &benign, ErrorKind::Config);
    assert_eq!(text, "tunnels is 0, it must be 4 as in the detector's training");
    let mut flood = benign.clone();
    flood.extend(attack(1500, [10, 9, 9, 9]));
    let text = refuse(plain(), &flood, ErrorKind::Data);
    assert!(text.starts_with("56 % of the recent sessions are strange and come in clumps"), "{text}");
    let mut other = benign.clone();
    for (i, session) in other.iter_mut().enumerate().filter(|(i, _)| i % 4 == 0) {
        session.stats.orig.payload_bytes = 1 << 40;
        session.key.orig.addr = IpAddr::from([10, 7, (i / 200) as u8, (i % 200) as u8]);
        session.key.resp.addr = IpAddr::from([10, 6, (i / 200) as u8, (i % 200) as u8]);
    }
    let text = refuse(plain(), &other, ErrorKind::Data);
    assert!(text.ends_with("at most 10 % may be: this is other traffic than the heads learned, fit anew"), "{text}");
}

#[test]
fn refuses_sessions_that_show_to_be_cut_otherwise() {
    let message = |edit: fn(&mut Session)| {
        let mut sessions = recent(600);
        sessions.iter_mut().for_each(edit);
        let error = PACKETS.recalibrate(&sessions).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    };
    let text = message(|session| session.packets.truncate(3));
    assert_eq!(text, "recent sessions: max_packets is 3, it must be at least 16, so many packets head packets reads");
    let text = message(|session| session.key.protocol = Protocol::Other(0));
    assert_eq!(text, "recent sessions: key is host_pair, it must be five_tuple as in the detector's training");
    let text = message(|session| session.context = None);
    assert_eq!(text, "recent sessions: context is false, it must be true, head context reads it");
}

static PACKETS: LazyLock<Detector> = LazyLock::new(|| {
    let benign = cut(&frames(1200, 1));
    let (spec, scaler, model) = Distance::head(FeatureSpec::packets(16), &benign[..600]);
    let builder = Detector::builder().head("packets", spec, scaler, model);
    let (spec, scaler, model) = Distance::head(FeatureSpec::context(), &benign[..600]);
    builder.head("context", spec, scaler, model).calibrate(&benign[600..]).unwrap()
});

#[test]
fn places_spread_out_evenly() {
    assert_eq!(spread_out(&[0, 1, 2, 3, 4, 5], 3), [1, 3, 5]);
    assert_eq!(spread_out(&[7, 8], 4), [7, 7, 8, 8]);
    assert!(spread_out::<u8>(&[], 2).is_empty());
    assert_eq!([0.0, 5.0, 10.0, 50.0].map(|strange| fill(strange, 990.0)), [10, 5, 0, 0]);
    let p_values = [0.01, 0.5, 0.01, 0.5];
    assert_eq!(seldom_enough(&[5.0, 1.0, 4.0, 3.0], |i| p_values[i]), [true, true, false, true]);
}
