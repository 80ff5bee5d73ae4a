//! An open session with what the table keeps beside it, and the order in which open sessions become due.

use super::{
    config::{IDLE_CLASSES, SessionConfig},
    host::{Party, SETTLE},
    keyed::Key,
    list::{Link, Linked, List},
    record::{Direction, PacketRecord},
    session::{Outcome, Session},
    store::ALLOCATION,
    tcp::TcpTracker,
};
use crate::{Timestamp, decode::DnsFacts};
use slab::Slab;
use std::time::Duration;

/// Lists that a session is in: by its last packet, by its start, and by its last packet while its outcome is open.
const SILENT: usize = 0;
const AGED: usize = 1;
const UNSETTLED: usize = 2;

#[derive(Debug)]
pub(super) struct Node {
    links: [Link; 3],
    /// The key of both directions, and its hash.
    pub(super) canonical: Key,
    pub(super) hash: u32,
    /// `orig` is the second end of that key.
    pub(super) swapped: bool,
    class: u8,
    aged: bool,
    unsettled: bool,
    /// The session was cut at the active timeout; its next packet continues it with the same direction.
    pub(super) dormant: bool,
    pub(super) tcp: TcpTracker,
    /// When its last packet came, by the table's clock.
    pub(super) touched: Timestamp,
    /// When its first packet came, by the table's clock.
    pub(super) opened: Timestamp,
    /// Apart from its slot, so that the memory of an ended session does not stay with the slot.
    pub(super) session: Box<Session>,
    pub(super) party: Party,
    /// The outcome as counted in the context, and when.
    pub(super) counted: Option<(Outcome, Timestamp)>,
    /// Payload bytes counted in the context so far, from orig and resp.
    pub(super) accounted: [u64; 2],
    pub(super) bytes: usize,
}

macro_rules! linked {
    ($($list:ident),*) => {$(
        impl Linked<$list> for Node {
            fn link(&mut self) -> &mut Link {
                &mut self.links[$list]
            }
        }
    )*};
}

linked!(SILENT, AGED, UNSETTLED);

impl Node {
    /// A session that begins at `now` by the table's clock; `swapped`: its `orig` is the second end of its key.
    pub(super) fn new(
        session: Session,
        party: Party,
        (canonical, hash): (Key, u32),
        swapped: bool,
        now: Timestamp,
    ) -> Self {
        Self {
            links: Default::default(),
            canonical,
            hash,
            swapped,
            class: SessionConfig::idle_class(session.key.protocol) as u8,
            aged: false,
            unsettled: false,
            dormant: false,
            tcp: TcpTracker::default(),
            touched: now,
            opened: now,
            session: Box::new(session),
            party,
            counted: None,
            accounted: [0; 2],
            bytes: 0,
        }
    }

    /// Which way a packet went; `swapped`: its sender is the second end of the key.
    pub(super) fn direction(&self, swapped: bool) -> Direction {
        if swapped == self.swapped { Direction::Orig } else { Direction::Resp }
    }

    /// Whether its outcome and its context wait for silence.
    pub(super) fn unsettled(&self) -> bool {
        self.unsettled
    }
}

/// Bytes of a slot: the node, and the slab's mark of use.
pub(super) const SLOT_BYTES: usize = size_of::<Node>() + size_of::<usize>();

/// Bytes of a session on the heap.
pub(super) fn session_bytes(session: &Session) -> usize {
    let allocated = |bytes: usize| if bytes == 0 { 0 } else { bytes + ALLOCATION };
    allocated(size_of::<Session>())
        + allocated(session.packets.capacity() * size_of::<PacketRecord>())
        + session.dns.as_ref().map_or(0, |dns| allocated(size_of::<DnsFacts>()) + allocated(dns.name.capacity()))
        + session.context.as_ref().map_or(0, |context| allocated(size_of_val(&**context)))
}

/// What is due next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    Settle,
    Idle,
    Active,
}

/// The order in which sessions become due: each list is in the order of time, so that only its front need be asked.
#[derive(Debug)]
pub(super) struct Agenda {
    idle: [Option<Duration>; IDLE_CLASSES],
    active: Option<Duration>,
    /// Open sessions by last packet, one list an idle class.
    silent: [List<SILENT>; IDLE_CLASSES],
    /// Open sessions by start.
    aged: List<AGED>,
    /// Sessions whose outcome and context wait for silence, by last packet.
    unsettled: List<UNSETTLED>,
    /// Nothing is due before this moment.
    pub(super) next: Timestamp,
}

impl Agenda {
    pub(super) fn new(config: &SessionConfig) -> Self {
        Self {
            idle: config.idle_timeouts(),
            active: config.active,
            silent: Default::default(),
            aged: List::default(),
            unsettled: List::default(),
            next: Timestamp::from_nanos(i64::MAX),
        }
    }

    /// A new session, or one that goes on after it was cut.
    pub(super) fn open(&mut self, nodes: &mut Slab<Node>, slot: u32, new: bool) {
        let node = &mut nodes[slot as usize];
        let (class, opened) = (usize::from(node.class), node.opened);
        let aged = std::mem::replace(&mut node.aged, true);
        if new {
            self.silent[class].push_back(nodes, slot);
        }
        if !aged {
            self.aged.push_back(nodes, slot);
        } else {
            self.aged.touch(nodes, slot);
        }
        if let Some(age) = self.active {
            self.next = self.next.min(opened + age);
        }
    }

    /// A packet of a session came, when the node says; `open`: its outcome and its context wait for silence.
    pub(super) fn touch(&mut self, nodes: &mut Slab<Node>, slot: u32, open: bool) {
        let node = &mut nodes[slot as usize];
        let (class, now) = (usize::from(node.class), node.touched);
        let was_open = std::mem::replace(&mut node.unsettled, open);
        self.silent[class].touch(nodes, slot);
        if let Some(idle) = self.idle[class] {
            self.next = self.next.min(now + idle);
        }
        match (was_open, open) {
            (true, true) => self.unsettled.touch(nodes, slot),
            (false, true) => self.unsettled.push_back(nodes, slot),
            (true, false) => self.unsettled.remove(nodes, slot),
            (false, false) => {}
        }
        if open {
            self.next = self.next.min(now + SETTLE);
        }
    }

    /// A session's outcome and context need not wait any more.
    pub(super) fn settle(&mut self, nodes: &mut Slab<Node>, slot: u32) {
        if std::mem::take(&mut nodes[slot as usize].unsettled) {
            self.unsettled.remove(nodes, slot);
        }
    }

    /// A session does not end by its age any more.
    pub(super) fn stay(&mut self, nodes: &mut Slab<Node>, slot: u32) {
        if std::mem::take(&mut nodes[slot as usize].aged) {
            self.aged.remove(nodes, slot);
        }
    }

    /// A session leaves the table.
    pub(super) fn close(&mut self, nodes: &mut Slab<Node>, slot: u32) {
        self.settle(nodes, slot);
        self.stay(nodes, slot);
        self.silent[usize::from(nodes[slot as usize].class)].remove(nodes, slot);
    }

    /// The earliest thing that is due, whenever that is.
    pub(super) fn due(&self, nodes: &Slab<Node>) -> Option<(Timestamp, Due, u32)> {
        let node = |slot: u32| &nodes[slot as usize];
        let settle = self.unsettled.front().map(|slot| (node(slot).touched + SETTLE, Due::Settle, slot));
        let active = self.active.and_then(|age| {
            let slot = self.aged.front()?;
            Some((node(slot).opened + age, Due::Active, slot))
        });
        let idle = self.silent.iter().zip(self.idle).filter_map(|(list, idle)| {
            let slot = list.front()?;
            Some((node(slot).touched + idle?, Due::Idle, slot))
        });
        settle.into_iter().chain(active).chain(idle).min()
    }

    /// The session that was silent for longest.
    pub(super) fn longest_silent(&self, nodes: &Slab<Node>) -> Option<u32> {
        self.silent.iter().filter_map(List::front).min_by_key(|&slot| (nodes[slot as usize].touched, slot))
    }
}
