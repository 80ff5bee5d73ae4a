use super::{
    testing::{alert, session},
    *,
};
use crate::{
    ErrorKind, Timestamp,
    decode::{DnsFacts, Protocol},
    session::Outcome,
};
use proptest::prelude::*;
use std::time::Duration;

fn grouped(sessions: &[Session], score: f32) -> Vec<Incident> {
    let verdicts: Vec<Verdict> = sessions.iter().map(|_| alert(score)).collect();
    incidents(sessions, &verdicts, &IncidentConfig::default()).unwrap()
}

#[test]
fn a_scan_of_thousands_of_ports_is_one_incident() {
    let scan: Vec<Session> = (0..3000).map(|i| session(9, 1, i, 100.0 + f64::from(i) / 100.0)).collect();
    let found = grouped(&scan, 9.0);
    assert_eq!(found.len(), 1);
    let incident = &found[0];
    assert_eq!((incident.sessions, incident.centre), (3000, centre(9)));
    assert_eq!((incident.services.count, incident.services.more, incident.destinations.count), (1024, true, 1));
    assert_eq!((incident.first, incident.opened), (at(100.0), at(100.03)), "the fourth session opened it");
    assert_eq!((incident.last, incident.updated), (at(129.99), at(129.99)));
    assert_eq!(
        incident.to_string(),
        "incident 1, 100.000000000 for 30.0 s, 10.0.0.9 > 10.0.0.1: 3000 failed tcp sessions to 1024 and more ports, \
        p-value 1.2e-4 (session)"
    );
    assert_eq!((incident.evidence.len(), incident.heads[0].1), (5, 3000));
}

#[test]
fn a_sweep_of_thousands_of_hosts_is_one_incident() {
    let sweep: Vec<Session> = (0..2000).map(|i| session(9, 1000 + i, 22, f64::from(i) / 50.0)).collect();
    let found = grouped(&sweep, 9.0);
    let summaries: Vec<String> = found.iter().map(Incident::summary).collect();
    assert_eq!(summaries, ["10.0.0.9 > 1024 and more hosts: 2000 failed tcp sessions to port 22"]);
}

#[test]
fn a_flood_of_forged_sources_is_one_incident() {
    let flood: Vec<Session> = (0..3000).map(|i| session(1000 + i, 1, 80, f64::from(i) / 500.0)).collect();
    let found = grouped(&flood, 9.0);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].sessions, found[0].sources.first.len()), (3000, 16));
    assert_eq!(found[0].summary(), "1024 and more sources > 10.0.0.1: 3000 failed tcp sessions to port 80");
    assert_eq!(grouped(&flood[..7], 9.0).len(), 0, "seven alerts of a crowd are not enough");
    let two: Vec<Session> = (0..40).map(|i| session(1000 + i % 2, 1, 80, f64::from(i) * 11.0)).collect();
    assert_eq!(grouped(&two, 9.0).len(), 0, "two hosts that alert now and then are no crowd");
}

#[test]
fn alerts_far_apart_or_of_another_kind_are_no_incident() {
    let apart: Vec<Session> = (0..20).map(|i| session(9, 1, 80, f64::from(i) * 11.0)).collect();
    assert_eq!(grouped(&apart, 9.0).len(), 0, "three in half a minute");
    let dense: Vec<Session> = (0..20).map(|i| session(9, 1, 80, f64::from(i) * 9.0)).collect();
    assert_eq!(grouped(&dense, 9.0).len(), 1, "four in half a minute");
    let mixed = |i: u32| {
        let mut session = session(9, 1, 80, f64::from(i));
        session.outcome = if i.is_multiple_of(2) { Outcome::Failed } else { Outcome::Answered };
        session
    };
    let mixed: Vec<Session> = (0..6).map(mixed).collect();
    assert_eq!(grouped(&mixed, 9.0).len(), 0, "three of each kind");
    assert_eq!(grouped(&dense, 7.0).len(), 0, "nothing above the cut");
}

#[test]
fn one_long_session_far_beyond_the_cut_is_an_incident() {
    let mut shell = session(9, 1, 4444, 50.0);
    shell.stats.orig.packets = 90;
    assert_eq!(grouped(&[shell.clone()], 12.0).len(), 1);
    assert_eq!(grouped(&[shell.clone()], 7.5).len(), 0, "long, but at the cut");
    shell.stats.orig.packets = 20;
    assert_eq!(grouped(&[shell], 12.0).len(), 0, "far beyond, but short");
}

#[test]
fn of_a_long_session_of_the_source_of_an_open_incident_less_is_asked() {
    let scan = (0..4).map(|i| session(9, 1, i, 10.0));
    let long = |from, to, at| {
        let mut session = session(from, to, 53, at);
        (session.key.protocol, session.stats.orig.packets) = (Protocol::Udp, 30);
        session
    };
    let found = |sessions: &[Session]| grouped(&scan.clone().chain(sessions.to_vec()).collect::<Vec<_>>(), 9.0).len();
    // By the source itself or towards it, while the scan is open; of its target, and too late.
    assert_eq!((found(&[long(9, 5, 100.0)]), found(&[long(5, 9, 100.0)])), (2, 2));
    assert_eq!((found(&[long(1, 5, 100.0)]), found(&[long(9, 5, 140.0)])), (1, 1));
    // Of short ones as many are asked as of any host.
    let short = |i| {
        let mut session = session(9, 5, 1900, 100.0 + f64::from(i));
        session.key.protocol = Protocol::Udp;
        session
    };
    assert_eq!(found(&[short(0), short(1), short(2)]), 1);
    // The host at the other end does not become a suspect by that.
    assert_eq!(found(&[long(5, 9, 100.0), long(5, 6, 101.0)]), 2);
}

#[test]
fn address_resolution_is_grouped_by_who_sends_it() {
    let claims = (0..8).map(|i| {
        let mut session = session(200 + i, 200 + i, 0, f64::from(i));
        (session.key.protocol, session.macs) = (Protocol::Arp, Some([[2, 0, 0, 0, 0, 7], [255; 6]]));
        session
    });
    let found = grouped(&claims.collect::<Vec<_>>(), 9.0);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].summary(), "02:00:00:00:00:07 > 8 hosts: 8 failed arp sessions");
}

#[test]
fn news_come_when_it_opens_doubles_and_closes() {
    let mut incidents = Incidents::new(IncidentConfig::default()).unwrap();
    let mut news = Vec::new();
    for i in 0..40 {
        incidents.add(&session(9, 1, i, f64::from(i)), &alert(8.0 + f32::from(i) / 100.0));
        news.extend(std::iter::from_fn(|| incidents.pop()).map(|(change, incident)| (change, incident.sessions)));
    }
    use Change::{Closed, Grown, Opened};
    assert_eq!(news, [(Opened, 4), (Grown, 8), (Grown, 16), (Grown, 32)]);
    incidents.advance(at(39.0 + 120.0));
    assert!(incidents.pop().is_none(), "not yet silent for longer than two minutes");
    incidents.advance(at(39.0 + 120.5));
    incidents.advance(at(1.0));
    let (change, incident) = incidents.pop().unwrap();
    assert_eq!((change, incident.sessions, incident.updated), (Closed, 40, at(39.0)));
    assert_eq!(
        (incident.session.key().resp.port, incident.evidence[0].score),
        (39, 8.39),
        "the strangest is kept whole"
    );
    let ports: Vec<u16> = incident.evidence.iter().map(|sighting| sighting.key.resp.port).collect();
    assert_eq!(ports, [39, 38, 37, 36, 35]);
    // What comes after is another, whatever time it was said to be.
    incidents.advance(Timestamp::from_nanos(i64::MAX));
    (0..4).for_each(|i| incidents.add(&session(9, 1, i, 200.0), &alert(9.0)));
    incidents.finish();
    let ids: Vec<(Change, u64)> =
        std::iter::from_fn(|| incidents.pop()).map(|(c, incident)| (c, incident.id)).collect();
    assert_eq!(ids, [(Opened, 2), (Closed, 2)]);
    assert_eq!(incidents.held(), (0, 0));
    let stats = incidents.stats();
    assert_eq!((stats.alerts, stats.grouped, stats.opened, stats.refused), (44, 44, 2, 0));
}

/// The sessions of each piece of news of an incident with this many sessions from each of these seconds on, one a second.
fn news_of(bursts: impl IntoIterator<Item = (u32, u32)>) -> Vec<(Change, u64)> {
    let sessions = bursts.into_iter().flat_map(|(from, count)| (0..count).map(move |i| f64::from(from + i)));
    let sessions: Vec<Session> = sessions.map(|at| session(9, 1, 80, at)).collect();
    let verdicts: Vec<Verdict> = sessions.iter().map(|_| alert(9.0)).collect();
    let news = news(&sessions, &verdicts, &IncidentConfig::default()).unwrap();
    news.into_iter().map(|(change, incident)| (change, incident.sessions)).collect()
}

#[test]
fn one_that_comes_again_after_a_pause_is_told_of() {
    use Change::{Closed, Grown, Opened};
    // 20 sessions, and after a minute four more: less than twice as many, but enough to have opened it.
    assert_eq!(news_of([(0, 20), (80, 4)]), [(Opened, 4), (Grown, 8), (Grown, 16), (Grown, 24), (Closed, 24)]);
    assert_eq!(news_of([(0, 20), (80, 3)]).len(), 4, "three would not have opened it");
    assert_eq!(news_of([(0, 20), (49, 4)]).len(), 4, "half a minute is no pause");
    // One that comes back forty times, and a beacon each forty seconds.
    let returns = news_of((0..41).map(|i| (60 * i, 8)));
    let grown: Vec<u64> =
        returns.iter().filter(|(change, _)| *change == Grown).map(|(_, sessions)| *sessions).collect();
    assert_eq!(grown, [8, 12, 20, 36, 68, 132, 260]);
    assert_eq!(
        news_of((0..4).map(|i| (i, 1)).chain((1..60).map(|i| (40 * i, 1)))).len(),
        5,
        "a beacon never comes to enough"
    );
}

#[test]
fn a_flood_of_a_million_sources_leaves_the_cap_and_what_is_open() {
    let config = IncidentConfig { most_open: 3, most_waiting: 100, ..IncidentConfig::default() };
    let mut incidents = Incidents::new(config).unwrap();
    (0..4).for_each(|i| incidents.add(&session(9, 1, i, 10.0), &alert(9.0)));
    for i in 0..20_000 {
        // Each from another host to another host.
        incidents.add(&session(1000 + i, 2_000_000 + i, 80, 11.0), &alert(9.0));
        let (open, waiting) = incidents.held();
        assert!(open <= 3 && waiting <= 100);
    }
    assert_eq!(incidents.stats().evicted, 2 * 20_000 + 1 - 100);
    // As many incidents as there is room for, and no more; the first is still there.
    for host in 50..60 {
        (0..4).for_each(|i| incidents.add(&session(host, 500 + host, i, 12.0), &alert(9.0)));
    }
    incidents.add(&session(9, 1, 99, 13.0), &alert(9.0));
    let stats = incidents.stats();
    assert_eq!((stats.opened, stats.refused, incidents.held().0), (3, 8, 3));
    incidents.finish();
    let closed = std::iter::from_fn(|| incidents.pop()).filter(|(change, _)| *change == Change::Closed);
    let sizes: Vec<(u64, u64)> = closed.map(|(_, incident)| (incident.id, incident.sessions)).collect();
    assert_eq!(sizes, [(2, 4), (3, 4), (1, 5)]);
}

#[test]
fn dns_is_told_by_its_domains() {
    let ask = |i: u16, name: &str| {
        let mut session = session(9, 1, 53, f64::from(i));
        let name = name.to_owned();
        let facts = DnsFacts { is_response: false, id: i, name, query_type: 16, answer_code: None, answers: 0 };
        session.dns = Some(Box::new(facts));
        session
    };
    let tunnel = |i| ask(i, &format!("{i}.t.evil.test"));
    let found = grouped(&(0..9).map(tunnel).collect::<Vec<_>>(), 9.0);
    assert_eq!(found[0].summary(), "10.0.0.9 > 10.0.0.1: 9 failed dns sessions under evil.test");
    let found = grouped(&(0..9).map(|i| ask(i, &format!("h{i}.test"))).collect::<Vec<_>>(), 9.0);
    assert_eq!(found[0].summary(), "10.0.0.9 > 10.0.0.1: 9 failed dns sessions under 9 domains");
}

#[test]
fn refuses_verdicts_that_are_not_one_each() {
    let error = incidents(&[session(1, 2, 3, 4.0)], &[], &IncidentConfig::default()).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Data, "0 verdicts for 1 sessions, there must be one each")
    );
}

proptest! {
    #[test]
    fn every_alert_that_is_grouped_is_in_one_incident(
        steps in prop::collection::vec((0u32..4, 0u32..4, 0u16..3, 0u32..30, 6u8..12), 1..300),
    ) {
        let mut now = 0;
        let (mut sessions, mut verdicts) = (Vec::new(), Vec::new());
        for (source, destination, port, step, score) in steps {
            now += step;
            sessions.push(session(source, 100 + destination, port, f64::from(now)));
            verdicts.push(alert(f32::from(score)));
        }
        let found = incidents(&sessions, &verdicts, &IncidentConfig::default()).unwrap();
        let alerts = verdicts.iter().filter(|verdict| verdict.is_anomaly()).count() as u64;
        prop_assert!(found.iter().map(|incident| incident.sessions).sum::<u64>() <= alerts);
        for incident in &found {
            prop_assert!(incident.sessions >= 2 && incident.first <= incident.last && incident.opened <= incident.updated);
            prop_assert!(incident.heads.iter().map(|(_, count)| count).sum::<u64>() == incident.sessions);
        }
        // The same in another order of sessions that are known at different times.
        let config = IncidentConfig { silence: Duration::from_secs(100_000), ..IncidentConfig::default() };
        let longer = incidents(&sessions, &verdicts, &config).unwrap();
        prop_assert!(longer.len() <= found.len(), "longer silence joins what was apart");
    }
}

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_nanos((seconds * 1e9) as i64)
}

fn centre(host: u8) -> Centre {
    Centre::Source([10, 0, 0, host].into())
}
