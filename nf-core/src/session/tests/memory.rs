//! What a table holds at its limit.

use super::*;

#[test]
fn a_flood_stays_within_memory_and_nothing_is_lost_silently() {
    let config = SessionConfig::default().memory_limit(1 << 20);
    let mut table = SessionTable::new(config).expect("valid");
    let (mut popped, mut seen) = (0, 0);
    for i in 0..50_000u32 {
        let [_, a, b, c] = i.to_be_bytes();
        let mut packet = udp(i64::from(i), (0, 1), (2, 9), b"x");
        packet.src = IpAddr::from([11, a, b, c]);
        table.push_packet(&packet);
        assert!(table.bytes() <= 1 << 20);
        while i % 3 == 0
            && let Some(session) = table.pop()
        {
            popped += 1;
            seen += session.stats().packets();
        }
    }
    table.finish();
    while let Some(session) = table.pop() {
        popped += 1;
        seen += session.stats().packets();
    }
    let stats = table.stats();
    assert!(stats.evicted > 40_000 && stats.context_evicted > 0, "{stats:?}");
    assert_eq!((stats.started, stats.ended, stats.packets), (50_000, 50_000, 50_000));
    assert_eq!(popped + stats.dropped, 50_000);
    assert_eq!(seen + stats.dropped, 50_000);
}

/// What becomes of a flood at the limit, of mostly new sessions.
fn flood() -> Vec<String> {
    let mut table = SessionTable::new(SessionConfig::default().memory_limit(1 << 20)).expect("valid");
    let mut sessions = Vec::new();
    for i in 0..60_000u32 {
        let [_, a, b, c] = (i.wrapping_mul(2_654_435_761) >> 17).to_be_bytes();
        let mut packet = udp(i64::from(i) / 100, (0, 1), (2, 9), b"x");
        packet.src = IpAddr::from([11, a, b, c]);
        table.push_packet(&packet);
        sessions.extend(std::iter::from_fn(|| table.pop()).map(|session| format!("{session:?}")));
    }
    assert!(table.stats().evicted > 0 && table.stats().context_evicted > 0);
    sessions
}

#[test]
fn two_tables_say_the_same_of_one_flood() {
    // Each table draws random numbers of its own for its hashes.
    assert!(flood() == flood());
}

#[test]
fn what_is_fetched_ahead_changes_nothing() {
    let with = flood();
    crate::session::slots::WITHOUT_FETCH.set(true);
    assert!(flood() == with);
}

/// More sessions than the cache is counted on to hold, each with a few packets, until they fall silent.
#[test]
fn what_is_fetched_ahead_in_a_crowd_changes_nothing() {
    let crowd = || {
        let mut table = SessionTable::new(SessionConfig::default().context(false)).expect("valid");
        for i in 0..20_000u16 {
            table.push_packet(&udp(i64::from(i / 5000), (1, i % 5000), (2, 9), b"x"));
        }
        table.advance(Timestamp::from_nanos(1_000_000_000_000));
        assert_eq!(table.open(), 0);
        std::iter::from_fn(|| table.pop()).map(|session| format!("{session:?}")).collect::<Vec<_>>()
    };
    let with = crowd();
    assert_eq!(with.len(), 5000);
    crate::session::slots::WITHOUT_FETCH.set(true);
    assert!(crowd() == with);
}

/// A table with little room, and what ended.
struct Crowded {
    table: SessionTable,
    ended: Vec<Session>,
}

impl Crowded {
    fn new() -> Self {
        let table = SessionTable::new(SessionConfig::default().memory_limit(1 << 20)).expect("valid");
        Self { table, ended: Vec::new() }
    }

    fn push(&mut self, packet: &Packet<'_>) {
        self.table.push_packet(packet);
        self.ended.extend(std::iter::from_fn(|| self.table.pop()));
        assert!(self.table.bytes() <= 1 << 20);
    }

    /// A question from this port, and an answer.
    fn answered(&mut self, millis: i64, port: u16) {
        self.push(&udp(millis, (1, port), (2, 9), b"x"));
        self.push(&udp(millis, (2, 9), (1, port), b"x"));
    }

    /// A segment of a connection from this port.
    fn segment(&mut self, millis: i64, port: u16, side: Direction, (seq, ack, flags): (u32, u32, TcpFlags)) {
        let (from, to) = if side == Direction::Orig { ((1, port), (2, 80)) } else { ((2, 80), (1, port)) };
        let facts = TcpFacts { src_port: from.1, dst_port: to.1, seq, ack, flags, window: 1000 };
        let payload: &[u8] = if flags == ACK { b"x" } else { b"" };
        self.push(&packet(millis, from.0, to.0, Transport::Tcp(facts), payload));
    }

    /// The handshake of a connection from this port, and one byte.
    fn connection(&mut self, millis: i64, port: u16) {
        self.segment(millis, port, Direction::Orig, (100, 0, SYN));
        self.segment(millis, port, Direction::Resp, (500, 101, SYN | ACK));
        self.segment(millis, port, Direction::Orig, (101, 501, ACK));
    }

    /// So many one-packet sessions.
    fn flood(&mut self, millis: i64, sessions: u32) {
        for i in 0..sessions {
            let [_, a, b, c] = i.to_be_bytes();
            let mut packet = udp(millis, (0, 1), (2, 9), b"x");
            packet.src = IpAddr::from([11, a, b, c]);
            self.push(&packet);
        }
    }

    fn finish(mut self) -> Vec<Session> {
        self.table.finish();
        self.ended.extend(std::iter::from_fn(|| self.table.pop()));
        self.ended
    }
}

#[test]
fn a_flood_that_nobody_answers_ends_no_session_that_was_answered() {
    let mut crowded = Crowded::new();
    for port in 0..50 {
        crowded.answered(0, port);
        // Data goes one way alone.
        crowded.connection(0, 100 + port);
    }
    crowded.flood(1, 50_000);
    assert!(crowded.table.stats().evicted > 40_000);
    for port in 0..50 {
        crowded.answered(2, port);
        crowded.segment(2, 100 + port, Direction::Orig, (102, 501, ACK));
    }
    let ended = crowded.finish();
    let whole = |protocol| {
        let of = |session: &&Session| session.key().protocol == protocol && session.stats().packets() == 4;
        ended.iter().filter(of).count()
    };
    assert_eq!([Protocol::Udp, Protocol::Tcp].map(whole), [50, 50]);
}

#[test]
fn answered_sessions_that_are_too_many_or_closed_make_room() {
    let mut crowded = Crowded::new();
    for port in 0..5000 {
        crowded.answered(0, port);
    }
    assert!(crowded.table.stats().evicted > 3000);
    // None was cut in two, and those left are the latest.
    let sessions = crowded.finish();
    assert!(sessions.iter().all(|session| session.stats().packets() == 2) && sessions.len() == 5000);
    let left = sessions.iter().filter(|session| session.end_reason() == EndReason::Flushed);
    let ports: Vec<u16> = left.map(|session| session.key().orig.port).collect();
    assert!(ports.len() > 100 && ports.iter().all(|&port| usize::from(port) >= 5000 - ports.len()), "{ports:?}");

    let mut crowded = Crowded::new();
    for port in 0..200 {
        crowded.connection(0, port);
        if port % 2 == 0 {
            crowded.segment(0, port, Direction::Orig, (102, 0, RST));
        }
    }
    crowded.flood(1, 2000);
    let sessions = crowded.finish();
    let ended = |reason| {
        let of_tcp = sessions.iter().filter(|session| session.key().protocol == Protocol::Tcp);
        of_tcp.filter(|session| session.end_reason() == reason).count()
    };
    assert_eq!([EndReason::Evicted, EndReason::Flushed].map(ended), [100, 100]);
}

/// As much benign traffic as there is room for a quarter of a second of: connections that last a tenth stay whole.
#[test]
fn sessions_in_a_hurry_are_not_cut_for_the_sake_of_silent_ones() {
    let mut crowded = Crowded::new();
    crowded.table = SessionTable::new(SessionConfig::default().memory_limit(1 << 20).context(false)).expect("valid");
    for millis in 0..2000 {
        for port in [2 * millis, 2 * millis + 1] {
            let port = port as u16;
            crowded.segment(millis, port, Direction::Orig, (100, 0, SYN));
            if let Some(port) = port.checked_sub(100) {
                crowded.segment(millis, port, Direction::Resp, (500, 101, SYN | ACK));
                crowded.segment(millis, port, Direction::Orig, (101, 501, ACK));
            }
            if let Some(port) = port.checked_sub(200) {
                crowded.segment(millis, port, Direction::Resp, (501, 102, ACK));
            }
        }
    }
    assert!(crowded.table.stats().evicted > 2000);
    let sessions = crowded.finish();
    let begun = sessions.iter().filter(|session| session.key().orig.port < 3800);
    assert!(sessions.len() == 4000 && begun.into_iter().all(|session| session.stats().packets() == 4));
}

/// What ends all at once is within memory, and whole but where each session leaves a rest behind.
#[test]
fn silence_after_a_flood_stays_within_memory() {
    let idle = SessionConfig::default().memory_limit(1 << 20).max_packets(5);
    let cut = idle.clone().active(Some(Duration::from_secs(10)));
    for (config, seconds) in [(idle, 200), (cut, 20)] {
        for (context, skips) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut table = SessionTable::new(config.clone().context(context)).expect("valid");
            for i in 0..4000u16 {
                table.push_packet(&udp(i64::from(i) / 10, (1, i), (2, 9), b"x"));
                while table.pop().is_some() {}
            }
            let later = Timestamp::from_nanos(seconds * 1_000_000_000);
            if skips {
                table.push(&Frame { time: later, link_type: LinkType::ETHERNET, wire_len: 0, data: &[] });
            } else {
                table.advance(later);
            }
            let held = table.bytes();
            assert!(held <= 1 << 20 && table.stats().peak_bytes <= 1 << 20, "{held} bytes");
            let ended = std::iter::from_fn(|| table.pop()).count();
            let dropped = table.stats().dropped;
            assert!(ended > 100 && table.open() == 0 && (dropped == 0 || seconds == 20), "{ended}, {dropped} dropped");
        }
    }
}

#[test]
fn sessions_nobody_pops_are_dropped_and_counted_at_the_limit() {
    let mut table = SessionTable::new(SessionConfig::default().memory_limit(1 << 20)).expect("valid");
    for i in 0..20_000u16 {
        table.push_packet(&udp(i64::from(i), (1, i), (2, 9), b"x"));
        table.push_packet(&udp(i64::from(i), (1, i), (2, 9), b"y"));
    }
    assert!(table.stats().dropped > 0 && table.bytes() <= 1 << 20);
    let (mut waiting, mut packets) = (0, 0);
    while let Some(session) = table.pop() {
        (waiting, packets) = (waiting + 1, packets + session.stats().packets());
    }
    let stats = table.stats();
    assert_eq!(waiting + stats.dropped, stats.ended);
    let open = table.open() as u64;
    assert_eq!((packets + stats.packets_dropped + 2 * open, stats.packets), (40_000, 40_000));
}
