use super::*;
use crate::{
    Capture, Detector, FeatureSpec, SessionConfig, Sessions, Verdict,
    decode::{Decoder, Fragment},
    detector::testing::{self, Distance},
    incident::{IncidentConfig, incidents, testing as incident},
};
use nf_tests::{PcapWriter, eth};
use std::io::Cursor;

fn capture() -> Vec<u8> {
    let (client, server) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    let whole = || eth().vlan(7).ipv4(client, server);
    PcapWriter::new()
        .packet(1_000, &whole().tcp(1025, 80).syn().build())
        .packet(2_000, &eth().ipv4(server, client).tcp(80, 1025).syn().ack(1).build())
        .packet(3_000, &eth().ipv4(client, server).udp(5000, 53).payload(b"query").build())
        .packet(4_000, &eth().ipv4(client, server).echo_request(9, 1).build())
        .packet(5_000, &eth().ipv4(client, server).udp(5000, 53).fragment(64, false).build())
        .finish()
}

fn counts(table: &Table, name: &str) -> Vec<Option<u64>> {
    match table.column(name) {
        Some(Values::Count(values)) => values.clone(),
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn packets_of_a_capture_have_a_row_each() {
    let mut capture = Capture::from_reader(Cursor::new(capture())).unwrap();
    let (mut decoder, mut packets) = (Decoder::new(), PacketTable::default());
    let mut frames = 0;
    while let Some(frame) = capture.next_frame().unwrap() {
        frames += 1;
        let packet = decoder.decode(&frame).unwrap();
        assert_eq!(packet.fragment == Fragment::Later, frames == 5);
        packets.push(&packet, frames);
    }
    assert!(packets.len() == 5 && !packets.is_empty());
    let table = packets.finish();
    assert!(table.columns.iter().all(|column| column.values.len() == 5));
    assert_eq!(counts(&table, "frame"), [1, 2, 3, 4, 5].map(Some));
    assert_eq!(counts(&table, "dst_port")[..4], [Some(80), Some(1025), Some(53), None]);
    assert_eq!(counts(&table, "vlan"), [Some(7), None, None, None, None]);
    assert_eq!(counts(&table, "tcp_flags"), [Some(0x02), Some(0x12), None, None, None]);
    assert_eq!(counts(&table, "icmp_type"), [None, None, None, Some(8), None]);
    assert_eq!(counts(&table, "payload_len")[2], Some(5));
    let Some(Values::Text(fragments)) = table.column("fragment") else { panic!("text") };
    assert_eq!(fragments[3..], [None, Some("later".to_owned())]);
}

/// A detector of one head, and verdicts on what it was calibrated on.
fn judged() -> (Detector, Vec<Verdict>) {
    let sessions = testing::cut(&testing::frames_with_uploads(200, 2, 3));
    let (spec, scaler, model) = Distance::head(FeatureSpec::flow(), &sessions);
    let detector = Detector::builder().head("only", spec, scaler, model).false_positive_rate(0.05);
    let detector = detector.calibrate(&sessions).unwrap();
    let verdicts = detector.judge_all(&sessions).unwrap();
    (detector, verdicts)
}

#[test]
fn columns_have_one_length_and_names_of_their_own() {
    let config = SessionConfig::default();
    let sessions: Sessions =
        Capture::from_reader(Cursor::new(capture())).unwrap().sessions(&config).unwrap().collect().unwrap();
    let (detector, verdicts) = judged();
    let packets = FeatureSpec::packets(2).extract(&*sessions).unwrap();
    let kept = sessions.iter().map(|session| session.packets().len()).sum::<usize>();
    let tables = [
        (Table::of_sessions(&sessions, 5), sessions.len()),
        (Table::of_rows(&sessions, 5, &FeatureSpec::flow().extract(&*sessions).unwrap()), sessions.len()),
        (Table::of_session_packets(&sessions, 5, &packets), kept),
        (Table::of_verdicts(&verdicts, 5, detector.head_names()), verdicts.len()),
    ];
    for (table, rows) in tables {
        assert_eq!((table.len(), table.is_empty()), (rows, false));
        assert!(table.columns.iter().all(|column| column.values.len() == rows && !column.values.is_empty()));
        let mut names: Vec<_> = table.columns.iter().map(|column| &column.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), table.columns.len());
        assert_eq!(counts(&table, "session")[0], Some(5));
        assert!(table.column("none such").is_none());
    }
}

#[test]
fn verdicts_say_what_decides() {
    let (detector, verdicts) = judged();
    assert!(verdicts.iter().any(|verdict| verdict.anomaly) && verdicts.iter().any(|verdict| !verdict.anomaly));
    let table = Table::of_verdicts(&verdicts, 0, detector.head_names());
    let deciding: Vec<f32> = verdicts.iter().map(Verdict::deciding_score).collect();
    assert_eq!(table.column("score"), Some(&Values::Stored(deciding)));
    assert_eq!(table.column("anomaly"), Some(&Values::Flag(verdicts.iter().map(|v| v.anomaly).collect())));
    let scores: Vec<f32> = verdicts.iter().map(|verdict| verdict.heads[0].score).collect();
    assert_eq!(table.column("score_only"), Some(&Values::Stored(scores)));
}

#[test]
fn incidents_have_a_row_each() {
    let sessions: Vec<_> =
        (0..40).map(|i| incident::session(9 + i % 2, 1, 80 + i as u16, f64::from(i) / 10.0)).collect();
    let verdicts: Vec<Verdict> = sessions.iter().map(|_| incident::alert(9.0)).collect();
    let found = incidents(&sessions, &verdicts, &IncidentConfig::default()).unwrap();
    let table = Table::of_incidents(&found);
    assert_eq!(table.len(), 2);
    assert!(table.columns.iter().all(|column| column.values.len() == 2));
    assert_eq!(counts(&table, "incident"), [Some(1), Some(2)]);
    assert_eq!([counts(&table, "sessions"), counts(&table, "services")], [vec![Some(20); 2], vec![Some(20); 2]]);
    let texts = |name| match table.column(name) {
        Some(Values::Text(texts)) => texts.clone(),
        other => panic!("{name} is {other:?}"),
    };
    assert_eq!(texts("summary"), [0, 1].map(|i| Some(found[i].summary())));
    assert_eq!(texts("head"), [0, 1].map(|_| Some("session".to_owned())));
    assert_eq!(texts("centre")[0], Some("10.0.0.9".to_owned()));
    assert_eq!(table.column("score"), Some(&Values::Stored(vec![9.0; 2])));
}
