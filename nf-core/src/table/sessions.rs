//! Tables of sessions, of their packets and of rows.

use super::{Table, Values};
use crate::{
    features::Rows,
    session::{DirectionStats, Moments, Session},
};

/// Of each session: its number, ends and times.
fn key_table(sessions: &[Session], first: u64) -> Table {
    let mut table = Table::default();
    let mut add = |name: &str, values| table.add(name, values);
    let count = |of: &dyn Fn(&Session) -> Option<u64>| Values::Count(sessions.iter().map(of).collect());
    let text = |of: &dyn Fn(&Session) -> String| Values::Text(sessions.iter().map(|s| Some(of(s))).collect());
    let time = |of: &dyn Fn(&Session) -> i64| Values::Time(sessions.iter().map(of).collect());
    add("session", Values::Count((first..).take(sessions.len()).map(Some).collect()));
    add("start", time(&|s| s.start().as_nanos()));
    add("end", time(&|s| s.end().as_nanos()));
    add("protocol", text(&|s| s.key().protocol.to_string()));
    add("orig_addr", text(&|s| s.key().orig.addr.to_string()));
    add("orig_port", count(&|s| Some(s.key().orig.port.into())));
    add("resp_addr", text(&|s| s.key().resp.addr.to_string()));
    add("resp_port", count(&|s| Some(s.key().resp.port.into())));
    add("icmp_type", count(&|s| s.key().icmp_type.map(u64::from)));
    add("end_reason", text(&|s| s.end_reason().to_string()));
    add("outcome", text(&|s| s.outcome().to_string()));
    add("packets", count(&|s| Some(s.stats().packets())));
    add("bytes", count(&|s| Some(s.stats().wire_bytes())));
    table
}

impl Table {
    /// A row a session: its ends, times, counts and statistics over all of its packets, in seconds, bytes and bits a byte
    /// of entropy. The first session has number `first`.
    pub fn of_sessions(sessions: &[Session], first: u64) -> Self {
        let mut table = key_table(sessions, first);
        let quantity = |of: &dyn Fn(&Session) -> Option<f64>| Values::Quantity(sessions.iter().map(of).collect());
        let count = |of: &dyn Fn(&Session) -> Option<u64>| Values::Count(sessions.iter().map(of).collect());
        table.add("duration", quantity(&|s| Some(s.duration().as_secs_f64())));
        table.add("handshake", quantity(&|s| s.stats().handshake.map(|time| time.as_secs_f64())));
        table.add("response", quantity(&|s| s.stats().response.map(|time| time.as_secs_f64())));
        table.add("turns", count(&|s| Some(s.stats().turns.into())));
        table.add("fragments", count(&|s| Some(s.stats().fragments.into())));
        table.add("truncated", count(&|s| Some(s.stats().truncated.into())));
        add_moments(&mut table, "gap", sessions, |s| &s.stats().gaps);
        add_side(&mut table, "orig", sessions, |s| &s.stats().orig);
        add_side(&mut table, "resp", sessions, |s| &s.stats().resp);
        let names = sessions.iter().map(|s| s.dns().map(|dns| dns.name.clone()));
        table.add("dns_name", Values::Text(names.collect()));
        table.add("dns_type", count(&|s| s.dns().map(|dns| dns.query_type.into())));
        table.add("dns_code", count(&|s| s.dns().and_then(|dns| dns.answer_code).map(u64::from)));
        table
    }

    /// A row a session: its ends, and the columns of `rows`, the flat rows of these sessions, as models read them.
    pub fn of_rows(sessions: &[Session], first: u64, rows: &Rows) -> Self {
        let mut table = key_table(sessions, first);
        table.columns.extend(Self::of_flat(rows).columns);
        table
    }

    /// The columns of flat rows, of the first step of sequences.
    pub fn of_flat(rows: &Rows) -> Self {
        let mut table = Self::default();
        for (place, column) in rows.schema().columns().iter().enumerate() {
            let values = rows.data().iter().skip(place).step_by((rows.steps() * rows.width()).max(1));
            table.add(column.name.clone(), Values::Stored(values.copied().collect()));
        }
        table
    }

    /// A row a packet that the sessions kept: number of its session, its place there, its time, and the columns of
    /// `rows`, which has a step for each of them.
    pub fn of_session_packets(sessions: &[Session], first: u64, rows: &Rows) -> Self {
        let mut table = Self::default();
        let packets = || (first..).zip(sessions).flat_map(|(number, s)| s.packets().iter().map(move |p| (number, p)));
        table.add("session", Values::Count(packets().map(|(number, _)| Some(number)).collect()));
        let steps = sessions.iter().flat_map(|session| (0..session.packets().len() as u64).map(Some));
        table.add("step", Values::Count(steps.collect()));
        table.add("time", Values::Time(packets().map(|(_, packet)| packet.time.as_nanos()).collect()));
        let width = rows.width();
        for (place, column) in rows.schema().columns().iter().enumerate() {
            let row =
                |(i, &length): (usize, &u32)| rows.row(i)[..length as usize * width].iter().skip(place).step_by(width);
            let values = rows.lengths().iter().enumerate().flat_map(row).copied().collect();
            table.add(column.name.clone(), Values::Stored(values));
        }
        table
    }
}

/// What one end sent.
fn add_side(table: &mut Table, side: &str, sessions: &[Session], stats: fn(&Session) -> &DirectionStats) {
    const FLAGS: [&str; 8] = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"];
    let mut count = |name: &str, of: &dyn Fn(&DirectionStats) -> Option<u64>| {
        let values = sessions.iter().map(|session| of(stats(session))).collect();
        table.add(format!("{side}_{name}"), Values::Count(values));
    };
    count("packets", &|side| Some(side.packets));
    count("bytes", &|side| Some(side.wire_bytes));
    count("payload_bytes", &|side| Some(side.payload_bytes));
    for (bit, flag) in FLAGS.iter().enumerate() {
        count(flag, &|side| Some(side.flags[bit].into()));
    }
    count("first_window", &|side| side.first_window.map(u64::from));
    count("zero_windows", &|side| Some(side.zero_windows.into()));
    count("retransmissions", &|side| Some(side.retransmissions.into()));
    count("disorder", &|side| Some(side.disorder.into()));
    add_moments(table, &format!("{side}_payload"), sessions, |s| &stats(s).payload);
    add_moments(table, &format!("{side}_gap"), sessions, |s| &stats(s).gaps);
    add_moments(table, &format!("{side}_entropy"), sessions, |s| &stats(s).entropy);
}

/// Mean, deviation, smallest and largest, which no values have none of.
fn add_moments<const STEPS: u64>(
    table: &mut Table,
    name: &str,
    sessions: &[Session],
    moments: impl Fn(&Session) -> &Moments<STEPS>,
) {
    let mut add = |what: &str, of: fn(&Moments<STEPS>) -> f64| {
        let of = |session| Some(moments(session)).filter(|moments| moments.count() > 0).map(of);
        table.add(format!("{name}_{what}"), Values::Quantity(sessions.iter().map(of).collect()));
    };
    add("mean", Moments::mean);
    add("deviation", Moments::deviation);
    add("min", Moments::min);
    add("max", Moments::max);
}
