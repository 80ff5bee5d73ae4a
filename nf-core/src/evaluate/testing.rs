//! Judged sessions made by hand, for the tests of this module.

use super::{
    BUDGETS,
    judged::{COMBINED, JudgedCapture, JudgedLook, JudgedSession, Series},
};
use crate::{
    Timestamp,
    decode::Protocol,
    session::{Endpoint, FlowKey, TableStats},
};
use nf_tests::PcapWriter;
use std::{io::Write, net::IpAddr};

fn moment(seconds: f64) -> Timestamp {
    Timestamp::from_nanos((seconds * 1e9).round() as i64)
}

/// A session of two packets that started and was judged at the given seconds, cold before 60. Its p-value is `10^-score`.
pub(super) fn session(start: f64, judged_at: f64, score: f32) -> JudgedSession {
    let end = |last, port| Endpoint { addr: IpAddr::from([10, 0, 0, last]), port };
    JudgedSession {
        key: FlowKey { orig: end(1, 1000), resp: end(2, 80), protocol: Protocol::Tcp, icmp_type: None, vlans: [0; 2] },
        start: moment(start),
        end: moment(start + 1.0),
        cold: start < 60.0,
        judged_at: moment(judged_at),
        earlier: Vec::new(),
        last: JudgedLook { at: moment(judged_at), score, p_value: 10f64.powf(-f64::from(score)) },
        looks: 1,
        packets: 2,
        score,
        p_value: 10f64.powf(-f64::from(score)),
        heads: Vec::new(),
        head_p_values: Vec::new(),
    }
}

/// A capture of these sessions, without heads.
pub(super) fn judged(sessions: impl IntoIterator<Item = JudgedSession>) -> JudgedCapture {
    let series = [Series { name: COMBINED.to_owned(), refusals: [const { None }; BUDGETS.len()] }];
    JudgedCapture {
        series: series.into(),
        sessions: sessions.into_iter().collect(),
        drift_alarms: Vec::new(),
        stats: vec![TableStats::default()],
    }
}

/// A capture file of these packets, times in seconds.
pub(super) fn pcap_file(packets: impl IntoIterator<Item = (f64, Vec<u8>)>) -> tempfile::NamedTempFile {
    let writer = packets
        .into_iter()
        .fold(PcapWriter::new(), |writer, (time, data)| writer.packet(moment(time).as_nanos() as u64, &data));
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(&writer.finish()).expect("written");
    file
}
