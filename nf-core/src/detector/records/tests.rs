use super::*;
use crate::{
    detector::testing::{Distance, cut, frames, frames_with_uploads},
    features::FeatureSpec,
    session::{Looks, Session, SessionConfig, SessionTable},
};

/// Sessions that are looked at once, at their end.
fn seen_once(frames: &[(crate::Timestamp, Vec<u8>)]) -> Vec<Session> {
    let mut table = SessionTable::new(SessionConfig::default().looks(Looks::none())).unwrap();
    frames.iter().for_each(|f| table.push(&crate::detector::testing::frame(f)));
    table.finish();
    std::iter::from_fn(|| table.pop()).collect()
}

fn detector() -> Detector {
    let benign = seen_once(&frames(800, 1));
    let config = SessionConfig::default().looks(Looks::none());
    let recipe = Detector::recipe().heads(&["rhythm", "forest"]).unwrap().session_config(&config);
    recipe.false_positive_rate(0.02).fit(&benign).unwrap()
}

/// The quantities of sessions in the columns of a detector.
fn records(detector: &Detector, sessions: &[Session]) -> (Vec<String>, Vec<f64>) {
    let spec = FeatureSpec::flow().and(FeatureSpec::context()).unwrap();
    let rows = spec.extract(sessions).unwrap();
    let columns = rows.schema().columns();
    let names: Vec<String> = columns.iter().map(|column| column.name.to_string()).collect();
    assert!(detector.record_columns().iter().all(|column| names.iter().any(|name| *name == column.name)));
    let quantity = |(i, stored): (usize, &f32)| {
        let column = &columns[i % columns.len()];
        if column.missing == Some(*stored) { f64::NAN } else { column.transform.invert(*stored) }
    };
    (names, rows.data().iter().enumerate().map(quantity).collect())
}

#[test]
fn records_get_the_verdict_of_the_session_that_they_are_of() {
    let detector = detector();
    assert_eq!(detector.doors(), Doors { frames: true, sessions: true, records: true });
    let sessions = seen_once(&frames_with_uploads(200, 5, 3));
    let (names, values) = records(&detector, &sessions);
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.push("anything");
    let values: Vec<f64> =
        values.chunks(names.len() - 1).flat_map(|row| row.iter().copied().chain([f64::INFINITY])).collect();
    let judged = detector.judge_records(Records { names: &names, values: &values }).unwrap();
    assert_eq!(judged.len(), sessions.len());
    let mut anomalies = 0;
    for (session, record) in sessions.iter().zip(&judged) {
        let verdict = detector.judge(session).unwrap();
        // Quantities there and back lose the last digit of a stored number, which seldom puts it on the other side of a cut.
        assert!((verdict.score - record.score).abs() < 0.2, "{session}: {verdict} {record:?}");
        anomalies += usize::from(record.anomaly);
        assert_eq!(record.anomaly, record.score > detector.threshold());
        assert_eq!(record.p_value, detector.calibration().p_value(record.score));
    }
    assert!(anomalies >= 3, "{anomalies}");
    for rows in [1, 7] {
        let each: Vec<_> = values
            .chunks(rows * names.len())
            .flat_map(|values| detector.judge_records(Records { names: &names, values }).unwrap())
            .collect();
        assert_eq!(each, judged, "in tables of {rows}");
    }
}

#[test]
fn what_does_not_fit_is_refused_by_head_row_and_column() {
    let detector = detector();
    let refuse = |detector: &Detector, names: &[&str], values: &[f64]| {
        let error = detector.judge_records(Records { names, values }).unwrap_err();
        (error.kind(), error.to_string())
    };
    let message = "head rhythm reads column service_gap_variation [], which the records have not (docs/features.md)";
    assert_eq!(refuse(&detector, &["duration"], &[1.0]), (ErrorKind::Schema, message.to_owned()));
    let names: Vec<&str> = detector.record_columns().iter().map(|column| &*column.name).collect();
    let (kind, message) = refuse(&detector, &names, &[0.0, 1.0]);
    assert_eq!(kind, ErrorKind::Data);
    assert!(message.starts_with("2 values do not make rows of "), "{message}");
    let mut values = vec![0.0; names.len() * 2];
    values[names.len() + 1] = f64::INFINITY;
    let (kind, message) = refuse(&detector, &names, &values);
    let expected = format!("row 1, column {} is inf, it must be a finite quantity", names[1]);
    assert_eq!((kind, message), (ErrorKind::Data, expected));
    let (kind, message) = refuse(&detector, &["duration", "duration"], &[]);
    assert_eq!((kind, &*message), (ErrorKind::Config, "the records have column duration twice, names must be unique"));
    assert!(detector.judge_records(Records { names: &names, values: &[] }).unwrap().is_empty());

    let benign = cut(&frames(300, 1));
    let (spec, scaler, model) = Distance::head(FeatureSpec::packets(8), &benign);
    let of_packets = Detector::builder().head("first packets", spec, scaler, model).calibrate(&benign).unwrap();
    assert!(!of_packets.doors().records && of_packets.doors().sessions);
    let (kind, message) = refuse(&of_packets, &["duration"], &[1.0]);
    assert_eq!(kind, ErrorKind::Schema);
    assert!(message.starts_with("head first packets reads the packets of a session"), "{message}");
}
