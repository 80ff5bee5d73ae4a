//! Open sessions as they are looked at.

use super::*;
use crate::session::Happened;

/// All that is known of a session at a moment.
fn row(session: &Session) -> String {
    let Session { key, start, end, outcome, packets, stats, dns, context, cold, macs, .. } = session;
    format!("{key:?} {start} {end} {outcome} {packets:?} {stats:?} {dns:?} {context:?} {cold} {macs:?}")
}

/// A session's number, the session, and whether it was looked at as it is.
type Ended = (u64, Session, bool);

/// The looks as they happened, and the sessions as they ended, popped after every so many packets.
fn follow(config: &SessionConfig, packets: &[Packet<'_>], every: usize) -> (Vec<(u64, Session)>, Vec<Ended>) {
    let mut table = SessionTable::new(config.clone()).expect("valid");
    table.follow();
    let (mut looks, mut ended) = (Vec::new(), Vec::new());
    let mut pop = |table: &mut SessionTable| {
        while let Some(happened) = table.pop_any() {
            match happened {
                Happened::Look { id, session } => looks.push((id, session)),
                Happened::End { id, session, seen } => ended.push((id, session, seen)),
            }
        }
    };
    for (i, packet) in packets.iter().enumerate() {
        table.push_packet(packet);
        if i % every == 0 {
            pop(&mut table);
        }
    }
    table.finish();
    pop(&mut table);
    let stats = table.stats();
    assert_eq!((stats.looks, stats.looks_dropped, stats.dropped), (looks.len() as u64, 0, 0));
    (looks, ended)
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_nanos(millis * 1_000_000)
}

#[test]
fn a_session_that_nothing_follows_is_known_after_two_seconds() {
    let other = |millis| udp(millis, (7, 7), (8, 8), b"x");
    let (sessions, _) = run(SessionConfig::default(), &[udp(0, A, (2, 9), b"x"), other(5000), other(5100)]);
    let known: Vec<_> = sessions.iter().map(|s| (s.known(), s.ended(), s.looks().len())).collect();
    // The frame at 5 s shows the first's silence. The second was not silent before the capture ended.
    assert_eq!(known, [(at(5000), at(5100), 0), (at(5100), at(5100), 0)]);
    let closed = [tcp(0, A, B, SYN, b""), tcp(1, B, A, RST | ACK, b""), tcp(900, A, B, RST, b"")];
    let (sessions, _) = run(SessionConfig::default(), &[&closed[..], &[other(2899), other(2900)]].concat());
    assert_eq!((sessions[0].known(), sessions[0].stats().packets()), (at(2900), 3), "silence counts from what trails");
}

#[test]
fn looks_come_at_packets_in_silence_and_with_time() {
    let up = |millis| udp(millis, A, (2, 9), b"four");
    let down = |millis| udp(millis, (2, 9), A, b"answer");
    let mut packets = vec![up(0), up(3000), down(3001), up(6000), up(9000)];
    packets.extend((1..60).map(|i| up(9000 + i * 1900)));
    let (sessions, stats) = run(SessionConfig::default(), &packets);
    let session = &sessions[0];
    let seen: Vec<_> = session.looks().iter().map(|look| (look.at(), look.stats().packets(), look.outcome())).collect();
    let answered = Outcome::Answered;
    // Silence behind 1, 3 and 64 packets: 4 are not twice as many as 3, and 5 neither. What comes every 1.9 s is no silence.
    let expected = [
        (at(3000), 1, Outcome::Failed),
        (at(6000), 3, answered),
        (at(9000 + 3 * 1900), 8, answered),
        (at(9000 + 27 * 1900), 32, answered),
    ];
    assert_eq!(seen[..4], expected);
    assert_eq!(stats.looks, seen.len() as u64);
    let last = seen[seen.len() - 1].0;
    assert_eq!(last, at(9000 + (27 + 32) * 1900), "60 s after the look at 32 packets");
    let (first, second) = (session.at_look(0), session.at_look(1));
    assert_eq!((first.packets().len(), first.stats().orig.payload_bytes, first.end_reason()), (1, 4, EndReason::Open));
    assert_eq!((second.end(), second.ended(), second.known()), (at(3001), at(6000), at(6000)));
    assert!(second.to_string().ends_with("3 packets, 176 bytes, 3.001 s, open, answered"), "{second}");
    assert_eq!(session.at_look(seen.len()).to_string(), session.to_string());
}

#[test]
fn a_look_at_a_packet_counts_nothing_but_knows_its_own_payload() {
    let one_way: Vec<_> = (0..9).map(|i| udp(i * 100, A, (2, 9), b"12345678")).collect();
    let (sessions, _) = run(SessionConfig::default(), &one_way);
    let look = sessions[0].looks().first().expect("at 8 packets");
    let context = look.context().expect("kept");
    assert_eq!((look.outcome(), look.stats().packets()), (Outcome::Pending, 8));
    assert_eq!((context.service.bytes_up, context.host_pair.bytes_up, context.host_pair.failed), (64.0, 64.0, 0.0));
    let last = sessions[0].context().expect("kept");
    assert_eq!((last.service.bytes_up, last.host_pair.failed), (72.0, 1.0));
}

#[test]
fn what_a_look_costs_counts_as_memory() {
    let config = SessionConfig::default().memory_limit(1 << 20);
    let mut table = SessionTable::new(config).expect("valid");
    for i in 0..60_000i64 {
        // 2000 ports in turn: each session is silent for 10 s between its packets.
        table.push_packet(&udp(i * 5, (1, (i % 2000) as u16), (2, 9), b"x"));
        assert!(table.bytes() <= 1 << 20);
        while table.pop().is_some() {}
    }
    assert!(table.stats().evicted > 1000 && table.stats().looks > 1000, "{:?}", table.stats());
    let (open, before) = (table.open(), table.bytes());
    table.charge(before / 2);
    table.push_packet(&udp(301_000, (3, 1), (2, 9), b"x"));
    assert!(table.open() < open && table.bytes() <= 1 << 20);
}

#[test]
fn looks_nobody_pops_are_dropped_and_counted_at_the_limit() {
    let mut table = SessionTable::new(SessionConfig::default().memory_limit(1 << 20)).expect("valid");
    table.follow();
    for i in 0..20_000u16 {
        table.push_packet(&udp(i64::from(i) * 10, (1, i), (2, 9), b"x"));
    }
    let stats = table.stats();
    assert!(stats.looks_dropped > 1000 && table.bytes() <= 1 << 20, "{stats:?}");
}

#[test]
fn a_long_session_takes_few_looks() {
    let packets: Vec<_> = (0..60_000).map(|i| udp(i * 50, A, (2, 9), b"x")).collect();
    let config = SessionConfig::default().active(None).max_packets(1);
    let (sessions, _) = run(config, &packets);
    assert_eq!(
        (sessions.len(), sessions[0].looks().len()),
        (1, 5 + 45),
        "five counts, and 50 minutes of which the last are longer"
    );
}

proptest! {
    #[test]
    fn a_look_is_what_was_known_then(packets in prop::collection::vec(any_packet(), 0..200), every in 1usize..50) {
        let config = SessionConfig::default().looks(Looks { packets: vec![3, 5, 9], ..Looks::default() }).max_packets(7);
        let (looks, ended) = follow(&config, &packets, every);
        let mut turns: Vec<_> = Vec::new();
        for (id, session, known_before) in &ended {
            let seen: Vec<_> = looks.iter().filter(|(of, _)| of == id).map(|(_, look)| look).collect();
            for (i, look) in seen.iter().enumerate() {
                prop_assert_eq!(row(look), row(&session.at_look(i)), "look {}", i);
                prop_assert_eq!((look.known(), look.moment(0)), (look.ended(), session.moment(i)));
            }
            prop_assert_eq!(seen.len(), session.looks().len() + usize::from(*known_before));
            prop_assert!(*known_before || session.known() == session.ended());
            turns.extend((0..=session.looks().len()).map(|i| session.moment(i)));
        }
        turns.sort_unstable();
        prop_assert!(turns.is_sorted_by(|a, b| a.turn < b.turn && a.at <= b.at));
    }

    #[test]
    fn looking_changes_nothing(packets in prop::collection::vec(any_packet(), 0..200), context: bool) {
        let config = SessionConfig::default().context(context);
        let (looked, stats) = run(config.clone(), &packets);
        let (alone, none) = run(config.looks(Looks::none()), &packets);
        prop_assert_eq!(none.looks, 0);
        let same = TableStats { looks: stats.looks, peak_bytes: stats.peak_bytes, ..none };
        prop_assert_eq!(stats, same);
        prop_assert_eq!(looked.len(), alone.len());
        for (a, b) in looked.iter().zip(&alone) {
            prop_assert_eq!(row(a), row(b));
            prop_assert_eq!((a.ended(), a.end_reason(), b.looks().len()), (b.ended(), b.end_reason(), 0));
        }
    }
}
