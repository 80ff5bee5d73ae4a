//! Specs over sessions made of frames.

use super::*;
use crate::{
    ErrorKind, SessionConfig, Timestamp,
    capture::{Frame, LinkType},
    session::{KeyKind, Session, SessionTable},
};
use nf_tests::{PacketBuilder, eth};

const A: [u8; 4] = [10, 0, 0, 1];
const B: [u8; 4] = [10, 0, 0, 2];

fn sessions(config: SessionConfig, packets: &[(i64, PacketBuilder)]) -> Vec<Session> {
    let mut table = SessionTable::new(config).unwrap();
    for (millis, packet) in packets {
        let (data, time) = (packet.build(), Timestamp::from_nanos(millis * 1_000_000));
        table.push(&Frame { time, link_type: LinkType::ETHERNET, wire_len: data.len() as u32, data: &data });
    }
    table.finish();
    std::iter::from_fn(|| table.pop()).collect()
}

fn exchange() -> Vec<(i64, PacketBuilder)> {
    let back = || eth().macs([2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1]);
    vec![
        (0, eth().ipv4(A, B).tcp(1000, 80).syn().seq(1).window(64240)),
        (10, back().ipv4(B, A).tcp(80, 1000).syn().ack(2).seq(9).window(65160)),
        (20, eth().ipv4(A, B).tcp(1000, 80).ack(10).psh().seq(2).window(502).payload(b"abcdabcd")),
        (1020, eth().ipv4(A, B).tcp(1000, 80).ack(10).psh().seq(2).window(502).payload(b"abcdabcd")),
        (5000, eth().ipv4(A, B).udp(7, 9).payload(b"")),
    ]
}

#[test]
fn packets_are_rows_of_eight_behavioural_columns() {
    let sessions = sessions(SessionConfig::default(), &exchange());
    let rows = FeatureSpec::packets(6).extract(&sessions).unwrap();
    assert_eq!((rows.len(), rows.steps(), rows.width(), rows.lengths()), (2, 6, 8, &[4, 1][..]));
    let columns = rows.schema().columns();
    let quantities: Vec<Vec<f64>> = rows
        .row(0)
        .chunks(8)
        .take(4)
        .map(|row| row.iter().zip(columns).map(|(v, c)| (c.transform.invert(*v) * 1e4).round() / 1e4).collect())
        .collect();
    // payload, gap, direction, class, control, window, entropy, order
    assert_eq!(quantities[0], [0.0, 0.0, 0.0, 0.0, 2.0, 64240.0, 0.0, 0.0].map(near(&quantities[0])));
    assert_eq!(quantities[1], [0.0, 0.01, 1.0, 0.0, 18.0, 65160.0, 0.0, 0.0].map(near(&quantities[1])));
    assert_eq!(quantities[2], [8.0, 0.01, 0.0, 0.0, 24.0, 502.0, 2.0, 0.0].map(near(&quantities[2])));
    assert_eq!(quantities[3], [8.0, 1.0, 0.0, 0.0, 24.0, 502.0, 2.0, 0.5].map(near(&quantities[3])));
    assert!(rows.row(0)[32..].iter().all(|v| *v == 0.0), "padding is zero");
    let cut = FeatureSpec::packets(2).extract(&sessions).unwrap();
    assert_eq!((cut.lengths(), cut.row(0)), (&[2, 1][..], &rows.row(0)[..16]));
}

/// What was found where it is within a thousandth of what is expected, else what is expected.
fn near(found: &[f64]) -> impl FnMut(f64) -> f64 + use<'_> {
    let mut found = found.iter().copied();
    move |expected| match found.next() {
        Some(found) if (found - expected).abs() <= 1e-3 * expected.abs().max(0.01) => found,
        _ => expected,
    }
}

#[test]
fn the_fixed_scales_never_depend_on_the_capture() {
    let spec = FeatureSpec::packets(4);
    let all = exchange();
    let alone = spec.extract(&sessions(SessionConfig::default(), &all[..4])).unwrap();
    let beside = spec.extract(&sessions(SessionConfig::default(), &all)).unwrap();
    assert_eq!(alone.row(0), beside.row(0));
}

#[test]
fn addresses_are_those_of_each_packet_even_within_a_host_pair() {
    let pair = sessions(SessionConfig::default().key(KeyKind::HostPair), &exchange());
    let rows = FeatureSpec::addresses(8).extract(&pair).unwrap();
    assert_eq!((rows.len(), rows.lengths()), (1, &[5][..]));
    let columns = rows.schema().columns();
    let packet = |i: usize| -> Vec<f64> {
        rows.row(0)[i * 8..][..8].iter().zip(columns).map(|(v, c)| c.transform.invert(*v)).collect()
    };
    let mac = |last: f64| (2.0 * 2f64.powi(40) + last) / 2f64.powi(48);
    let ip = |last: f64| (10.0 * 2f64.powi(24) + last) / 2f64.powi(32);
    let expected = [
        [mac(1.0), mac(2.0), 40.0, 6.0, ip(1.0), ip(2.0), 1000.0, 80.0],
        [mac(2.0), mac(1.0), 40.0, 6.0, ip(2.0), ip(1.0), 80.0, 1000.0],
    ];
    for (i, expected) in expected.into_iter().enumerate() {
        assert!(packet(i).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-3), "{:?}", packet(i));
    }
    assert!((packet(4)[3] - 17.0).abs() < 1e-3 && (packet(4)[7] - 9.0).abs() < 1e-2, "{:?}", packet(4));
}

#[test]
fn flat_specs_stand_side_by_side_once_each() {
    let both = FeatureSpec::flow().and(FeatureSpec::context()).unwrap();
    let (flow, context) = (FeatureSpec::flow().schema().width(), FeatureSpec::context().schema().width());
    assert_eq!(both.schema().width(), flow + context);
    assert_eq!(both.extract([]).unwrap().len(), 0);
    let refuse = |a: FeatureSpec, b| a.and(b).unwrap_err().to_string();
    assert_eq!(
        refuse(FeatureSpec::flow(), FeatureSpec::flow()),
        "specs flow and flow cannot stand side by side, both must be flat, whole and differ"
    );
    assert_eq!(
        refuse(FeatureSpec::packets(3), FeatureSpec::flow()),
        "specs packets and flow cannot stand side by side, both must be flat, whole and differ"
    );
}

#[test]
fn refuses_no_packets_and_missing_context() {
    let error = FeatureSpec::packets(0).extract([]).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Config, "packets is 0, it must be 1 to 65536"));
    let bare = sessions(SessionConfig::default().context(false), &exchange());
    assert!(FeatureSpec::flow().extract(&bare).is_ok());
    let error = FeatureSpec::context().extract(&bare).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert_eq!(
        error.to_string(),
        "session tcp 10.0.0.1:1000 > 10.0.0.2:80 has no context, read sessions with `context` switched on"
    );
}

#[test]
fn specs_that_cannot_be_are_refused_from_text_too() {
    let refuse = |text: &str| serde_json::from_str::<FeatureSpec>(text).unwrap_err().to_string();
    assert_eq!(refuse(r#"{"flat":{"parts":[]}}"#), "number of flat specs is 0, it must be at least 1");
    assert_eq!(refuse(r#"{"flat":{"parts":["flow","flow"]}}"#), "a flat spec stands there twice, it must stand once");
    assert_eq!(
        refuse(r#"{"flat":{"parts":["flow"],"only":["duratoin"]}}"#),
        "column is duratoin, it must be a column of the spec (docs/features.md)"
    );
    assert_eq!(refuse(r#"{"packets":70000}"#), "packets is 70000, it must be 1 to 65536");
    let columns = r#"{"name":"x","unit":"","meaning":"","transform":"Identity","missing":null}"#;
    let schema = |columns: &str| serde_json::from_str::<Schema>(&format!(r#"{{"name":"s","columns":[{columns}]}}"#));
    assert_eq!(schema("").unwrap_err().to_string(), "columns of schema s is 0, it must be at least 1");
    assert!(schema(&format!("{columns},{columns}")).unwrap_err().to_string().contains("names must be unique"));
    assert_eq!(schema(columns).unwrap().width(), 1);
    assert_eq!(FeatureSpec::packets(u32::MAX).extract([]).unwrap_err().kind(), ErrorKind::Config);
}

#[test]
fn selected_columns_are_those_of_the_whole_in_its_order() {
    let both = FeatureSpec::flow().and(FeatureSpec::context()).unwrap();
    let names = ["service_gap", "duration", "tcp"];
    let spec = both.clone().select(names).unwrap();
    let sessions = sessions(SessionConfig::default(), &exchange());
    let (rows, whole) = (spec.extract(&sessions).unwrap(), both.extract(&sessions).unwrap());
    assert_eq!(rows.schema().name(), "flow+context, selected");
    let place = |name: &str| whole.schema().columns().iter().position(|column| column.name == name).unwrap();
    let expected = ["duration", "tcp", "service_gap"].map(|name| whole.row(0)[place(name)]);
    assert_eq!(rows.row(0), expected);
    assert!(spec.needs_context());
    let refuse = |spec: FeatureSpec, names: &[&str]| spec.select(names.iter().copied()).unwrap_err().to_string();
    assert_eq!(refuse(both.clone(), &["x"]), "column is x, it must be a column of the spec (docs/features.md)");
    assert_eq!(refuse(both, &[]), "number of columns is 0, it must be at least 1");
    assert_eq!(refuse(spec.clone(), &["udp"]), "column is udp, it must be a column of the spec (docs/features.md)");
    assert!(refuse(FeatureSpec::packets(3), &["gap"]).starts_with("spec is packets, it must be flat"));
    assert!(spec.and(FeatureSpec::context()).is_err());
}

#[test]
fn specs_survive_serialisation() {
    let both = FeatureSpec::flow().and(FeatureSpec::context()).unwrap();
    let some = both.clone().select(["tcp", "service_gap"]).unwrap();
    for spec in [FeatureSpec::packets(64), FeatureSpec::addresses(3), both, some] {
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<FeatureSpec>(&text).unwrap(), spec, "{text}");
    }
}
