//! What the first fragments of packets said, for the later ones, which have no transport header of their own.

use super::{TcpFacts, TcpFlags, Transport};
use crate::Timestamp;
use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    time::Duration,
};

/// Fragmented packets remembered at once; each costs about 250 bytes.
const CAPACITY: usize = 1024;

/// How long a first fragment is remembered, in packet time: what Linux gives a packet to complete (`ipfrag_time`).
const LIFETIME: Duration = Duration::from_secs(30);

/// What the fragments of one packet have in common (RFC 791 section 3.2; RFC 8200 section 4.5, where the protocol takes
/// no part and is 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FragmentKey {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    pub(super) id: u32,
    pub(super) protocol: u8,
}

/// What a first fragment said: ends and transport of its packet or, where it opened a tunnel, of the inner one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct First {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    pub(super) transport: Transport,
}

/// A bounded memory of first fragments: the oldest is dropped for the newest.
#[derive(Debug, Clone, Default)]
pub(super) struct Fragments {
    packets: HashMap<FragmentKey, Kept>,
    /// Keys with the serial number of their first fragment, oldest first; at most [`CAPACITY`].
    order: VecDeque<(FragmentKey, u64)>,
    serial: u64,
}

#[derive(Debug, Clone, Copy)]
struct Kept {
    time: Timestamp,
    serial: u64,
    first: First,
}

impl Fragments {
    /// Keeps what a first fragment said.
    pub(super) fn remember(&mut self, key: FragmentKey, time: Timestamp, first: First) {
        if self.order.len() == CAPACITY
            && let Some((oldest, serial)) = self.order.pop_front()
            && self.packets.get(&oldest).is_some_and(|kept| kept.serial == serial)
        {
            self.packets.remove(&oldest);
        }
        self.serial += 1;
        let first = First { transport: later(first.transport), ..first };
        self.packets.insert(key, Kept { time, serial: self.serial, first });
        self.order.push_back((key, self.serial));
    }

    /// What the first fragment of the same packet said.
    pub(super) fn recall(&self, key: &FragmentKey, time: Timestamp) -> Option<First> {
        self.packets.get(key).filter(|kept| time.since(kept.time) <= LIFETIME).map(|kept| kept.first)
    }
}

/// The transport of a later fragment: the same ports, but none of TCP's flags and numbers, which were said once.
fn later(transport: Transport) -> Transport {
    match transport {
        Transport::Tcp(TcpFacts { src_port, dst_port, .. }) => {
            Transport::Tcp(TcpFacts { src_port, dst_port, seq: 0, ack: 0, flags: TcpFlags::default(), window: 0 })
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn key(id: u32) -> FragmentKey {
        FragmentKey { src: Ipv4Addr::LOCALHOST.into(), dst: Ipv4Addr::LOCALHOST.into(), id, protocol: 17 }
    }

    fn first(transport: Transport) -> First {
        First { src: Ipv4Addr::LOCALHOST.into(), dst: Ipv4Addr::LOCALHOST.into(), transport }
    }

    fn udp(src_port: u16) -> First {
        first(Transport::Udp { src_port, dst_port: 53 })
    }

    const START: Timestamp = Timestamp::from_nanos(0);

    #[test]
    fn remembers_for_thirty_seconds() {
        let mut fragments = Fragments::default();
        fragments.remember(key(1), START, udp(1));
        assert_eq!(fragments.recall(&key(1), START + LIFETIME), Some(udp(1)));
        assert_eq!(fragments.recall(&key(1), START + LIFETIME + Duration::from_nanos(1)), None);
        assert_eq!(fragments.recall(&key(2), START), None);
        assert_eq!(fragments.recall(&FragmentKey { protocol: 6, ..key(1) }, START), None);
    }

    #[test]
    fn a_flood_drops_the_oldest_and_a_reused_id_is_the_newest() {
        let mut fragments = Fragments::default();
        fragments.remember(key(0), START, udp(0));
        for id in 1..CAPACITY as u32 {
            fragments.remember(key(id), START, udp(1));
        }
        fragments.remember(key(0), START, udp(7));
        fragments.remember(key(9999), START, udp(1));
        assert_eq!(fragments.recall(&key(0), START), Some(udp(7)));
        assert_eq!(fragments.recall(&key(1), START), None);
        for id in 0..5000 {
            fragments.remember(key(id), START, udp(1));
        }
        assert_eq!((fragments.packets.len(), fragments.order.len()), (CAPACITY, CAPACITY));
    }

    #[test]
    fn later_tcp_fragments_keep_ports_only() {
        let facts = TcpFacts { src_port: 1, dst_port: 2, seq: 3, ack: 4, flags: TcpFlags::SYN, window: 5 };
        let mut fragments = Fragments::default();
        fragments.remember(key(1), START, first(Transport::Tcp(facts)));
        let expected = TcpFacts { seq: 0, ack: 0, flags: TcpFlags::default(), window: 0, ..facts };
        assert_eq!(fragments.recall(&key(1), START), Some(first(Transport::Tcp(expected))));
    }
}
