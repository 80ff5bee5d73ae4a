use super::*;
use crate::{
    capture::LinkType,
    detector::testing::{cut, frame, frames, frames_with_uploads_of_a_pair, talks},
    session::FlowKey,
};
use std::collections::HashMap;

fn detector() -> Arc<Detector> {
    let benign = cut(&frames(800, 1));
    Arc::new(Detector::recipe().heads(&["forest", "rhythm"]).unwrap().false_positive_rate(0.02).fit(&benign).unwrap())
}

fn endless() -> SessionConfig {
    SessionConfig::default().idle_tcp(None).idle_udp(None).idle_icmp(None).idle_arp(None).active(None)
}

/// Frames in the order of time, none of them of a second session between the same ends.
fn traffic() -> Vec<(Timestamp, Vec<u8>)> {
    let mut frames = [frames_with_uploads_of_a_pair(120, 6, 5), talks(20, 7)].concat();
    frames.sort_by_key(|(time, _)| *time);
    frames
}

fn verdicts(mut pop: impl FnMut() -> Option<Event>) -> Vec<(String, Verdict)> {
    let verdict = |event| match event {
        Event::Verdict { session, verdict } => Some((session.key().to_string(), verdict)),
        _ => None,
    };
    std::iter::from_fn(&mut pop).filter_map(verdict).collect()
}

/// A host's flow table: sessions by both ends, and the order in which they began.
#[derive(Default)]
struct Host {
    flows: HashMap<FlowKey, HostedSession>,
    order: Vec<FlowKey>,
}

impl Host {
    fn session(&mut self, key: FlowKey) -> &mut HostedSession {
        let key = if key.orig <= key.resp { key } else { key.reversed() };
        self.flows.entry(key).or_insert_with(|| {
            self.order.push(key);
            HostedSession::default()
        })
    }
}

fn key(frame: &Frame<'_>) -> FlowKey {
    let packet = crate::decode::Decoder::new().decode(frame).unwrap();
    FlowKey::of(&packet, crate::session::KeyKind::FiveTuple)
}

#[test]
fn the_same_packets_get_the_verdicts_of_a_monitor_whenever_it_is_asked() {
    let (detector, traffic) = (detector(), traffic());
    let mut monitor = Monitor::new(detector.clone(), &endless()).unwrap();
    traffic.iter().for_each(|f| monitor.push(&frame(f)));
    monitor.finish();
    let expected = verdicts(|| monitor.pop());
    assert!(expected.iter().filter(|(_, v)| v.is_anomaly()).count() > 3);
    assert!(expected.iter().any(|(_, v)| v.evidence.is_some_and(|evidence| evidence.sessions > 2)));
    for every in [usize::MAX, 11] {
        let (mut hosted, mut host) = (HostedMonitor::new(detector.clone(), &endless()).unwrap(), Host::default());
        for (i, f) in traffic.iter().enumerate() {
            let frame = frame(f);
            let session = host.session(key(&frame));
            hosted.push(session, &frame).unwrap();
            if i % every == 3 {
                let asked = hosted.judge(session).unwrap().unwrap();
                assert_eq!(asked.session.stats().packets(), asked.session.packets().len() as u64);
                assert_eq!(hosted.judge(session).unwrap().unwrap().verdict, asked.verdict, "asking changes nothing");
                if asked.verdict.is_anomaly() {
                    assert!(!hosted.explain(session).unwrap().unwrap().facts.is_empty());
                }
            }
        }
        let mut seen = Vec::new();
        for key in &host.order {
            let session = host.flows.remove(key).unwrap();
            let Judged { session, verdict } = hosted.end(session, EndReason::Idle).unwrap().unwrap();
            assert_eq!(session.end_reason(), EndReason::Idle);
            seen.push((session.key().to_string(), verdict));
        }
        assert!(seen == expected, "asked every {every} packets");
        assert!(verdicts(|| hosted.pop()).is_empty(), "what was given is no event");
        assert_eq!(hosted.stats().judged, monitor.stats().judged);
    }
}

#[test]
fn a_session_asked_at_a_look_is_what_the_look_says() {
    let (detector, traffic) = (detector(), talks(1, 3));
    let mut hosted = HostedMonitor::new(detector, &endless()).unwrap();
    let mut session = HostedSession::default();
    assert!(hosted.judge(&session).unwrap().is_none() && hosted.explain(&session).unwrap().is_none());
    for (i, f) in traffic.iter().enumerate().take(8) {
        hosted.push(&mut session, &frame(f)).unwrap();
        assert_eq!(hosted.judge(&session).unwrap().unwrap().session.stats().packets(), i as u64 + 1);
    }
    // The table looks at the eighth packet.
    assert!(hosted.0.table.is_seen(session.0.unwrap()));
    let (asked, standing) = (hosted.judge(&session).unwrap().unwrap(), hosted.0.known.values().next().unwrap());
    let known = hosted.0.detector.verdict(standing.standing.clone().unwrap(), asked.session.is_cold());
    assert_eq!(asked.verdict, known);
}

#[test]
fn sessions_without_room_end_early_and_go_on_as_others() {
    let config = endless().memory_limit(1 << 20);
    let mut hosted = HostedMonitor::new(detector(), &config).unwrap();
    let mut sessions: Vec<HostedSession> = Vec::new();
    for i in 0..6000u32 {
        let data = nf_tests::eth().ipv4([10, 0, 0, 1], [10, 1, (i >> 8) as u8, i as u8]).udp(5000, 53_000).build();
        let at = Timestamp::from_nanos(i64::from(i) * 1_000_000);
        let mut session = HostedSession::default();
        hosted
            .push(&mut session, &Frame { time: at, link_type: LinkType::ETHERNET, wire_len: 60, data: &data })
            .unwrap();
        sessions.push(session);
        if i % 100 == 0 {
            while hosted.pop().is_some() {}
        }
    }
    let evicted = hosted.stats().table.evicted;
    assert!(evicted > 100, "{evicted}");
    let first = sessions.swap_remove(0);
    assert!(hosted.judge(&first).unwrap().is_none(), "its verdict was among the events");
    assert!(hosted.end(first, EndReason::Idle).unwrap().is_none());
    let mut second = sessions.swap_remove(1);
    let data = nf_tests::eth().ipv4([10, 0, 0, 1], [10, 1, 0, 1]).udp(5000, 53_000).build();
    let at = Timestamp::from_nanos(7_000_000_000);
    hosted.push(&mut second, &Frame { time: at, link_type: LinkType::ETHERNET, wire_len: 60, data: &data }).unwrap();
    let judged = hosted.end(second, EndReason::Idle).unwrap().unwrap();
    assert_eq!((judged.session.stats().packets(), judged.session.start()), (1, at));
}

#[test]
fn a_host_that_never_pops_stays_within_memory_and_what_is_dropped_is_counted() {
    let limit = 1 << 20;
    let mut hosted = HostedMonitor::new(detector(), &endless().memory_limit(limit)).unwrap();
    let flows = 3000u32;
    for i in 0..flows {
        let data = nf_tests::eth().ipv4([10, 0, 0, 1], [10, 1, (i >> 8) as u8, i as u8]).udp(5000, 53_000).build();
        let at = Timestamp::from_nanos(i64::from(i) * 1_000_000);
        let mut session = HostedSession::default();
        let frame = Frame { time: at, link_type: LinkType::ETHERNET, wire_len: 60, data: &data };
        hosted.push(&mut session, &frame).unwrap();
        assert!(hosted.judge(&session).unwrap().is_some());
        // Every other verdict is left to be popped, which nobody does.
        match i % 2 {
            0 => assert!(hosted.end(session, EndReason::Idle).unwrap().is_some()),
            _ => assert!(hosted.release(session, EndReason::Idle)),
        }
        let ready = &hosted.0.ready;
        assert!(ready.len() <= BATCH || ready.bytes() <= limit / READY_SHARE);
        assert!(hosted.0.table.bytes() <= limit);
    }
    assert!(!hosted.release(HostedSession::default(), EndReason::Idle));
    let mut popped = 0;
    while let Some(event) = hosted.pop() {
        popped += u64::from(matches!(event, Event::Verdict { .. }));
    }
    let stats = hosted.stats();
    assert!(stats.table.dropped > 1000 && popped >= BATCH as u64, "{stats:?}");
    assert_eq!(stats.table.dropped + popped, u64::from(flows / 2));
    assert_eq!((stats.judged, stats.table.evicted), (u64::from(flows), 0));
}

#[test]
fn drift_is_watched_for_unless_switched_off() {
    let mut hosted = HostedMonitor::new(detector(), &endless()).unwrap();
    hosted.set_drift(None);
    assert!(hosted.0.drift().is_none());
}

#[test]
fn what_cannot_be_used_is_counted_and_begins_nothing() {
    let mut hosted = HostedMonitor::new(detector(), &endless()).unwrap();
    let mut session = HostedSession::default();
    let time = Timestamp::from_nanos(1);
    let frame = Frame { time, link_type: LinkType::RAW, wire_len: 3, data: &[0x45, 0, 0] };
    assert!(hosted.push(&mut session, &frame).is_err());
    assert!(hosted.judge(&session).unwrap().is_none());
    assert_eq!((hosted.stats().table.frames, hosted.stats().table.packets), (1, 0));
}
