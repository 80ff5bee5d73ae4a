//! An open session with what the table keeps beside it, and the order in which open sessions become due.

use super::{
    config::{IDLE_CLASSES, SessionConfig},
    held::{Held, NOTHING, Origin},
    host::{Party, SETTLE},
    keyed::Key,
    list::{Links, List},
    looks::Plan,
    record::{Direction, Order},
    session::Outcome,
    slots::Slots,
    tcp::TcpTracker,
};
use crate::{
    Timestamp,
    decode::{Packet, Protocol, Transport},
};
use std::time::Duration;

#[derive(Debug)]
#[repr(C)] // What each packet needs comes first, in as few lines of the cache as it takes.
pub(super) struct Node {
    /// The key of both directions, and its hash.
    pub(super) canonical: (Key, u32),
    /// `orig` is the second end of that key.
    pub(super) swapped: bool,
    pub(super) protocol: Protocol,
    class: u8,
    /// It was answered and is not closed, by which it is listed.
    pub(super) answered: bool,
    aged: bool,
    unsettled: bool,
    /// It was silent for long enough behind its close: what trails is waited for no more.
    pub(super) rested: bool,
    /// The session was cut at the active timeout; its next packet continues it with the same direction.
    pub(super) dormant: bool,
    pub(super) tcp: TcpTracker,
    /// When its last packet came, by the table's clock.
    pub(super) touched: Timestamp,
    /// When it is looked at next; `None` while it is the packet that it began with.
    pub(super) plan: Option<Plan>,
    /// Apart from its slot, so that the memory of an ended session does not stay with the slot; `None` where that is not in
    /// use.
    held: Option<Box<Held>>,
    /// When its first packet came, by the table's clock.
    pub(super) opened: Timestamp,
    /// Which of the table's sessions it is.
    pub(super) id: u64,
    pub(super) party: Party,
    /// The outcome as counted in the context, and when.
    pub(super) counted: Option<(Outcome, Timestamp)>,
    /// Payload bytes counted in the context so far, from orig and resp.
    pub(super) accounted: [u64; 2],
    pub(super) bytes: usize,
}

impl Node {
    /// Bytes of a slot and its places in the agenda.
    pub(super) const SLOT_BYTES: usize = Slots::<Self>::BYTES + Agenda::SLOT_BYTES;

    /// A session of this origin that begins at `now` by the table's clock; `swapped`: its `orig` is the second end of its
    /// key.
    pub(super) fn new(origin: Origin, party: Party, canonical: (Key, u32), swapped: bool, now: Timestamp) -> Self {
        let protocol = origin.key.protocol;
        Self {
            canonical,
            swapped,
            protocol,
            class: SessionConfig::idle_class(protocol) as u8,
            answered: false,
            aged: false,
            unsettled: false,
            rested: false,
            dormant: false,
            tcp: TcpTracker::default(),
            touched: now,
            plan: None,
            held: Some(Box::new(Held::new(origin))),
            opened: now,
            id: 0,
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

    /// Takes in a packet that went this way, and says where it stands in its stream.
    pub(super) fn order(&mut self, direction: Direction, packet: &Packet<'_>) -> Order {
        match packet.transport {
            _ if packet.later_fragment() => Order::Fragment,
            Transport::Tcp(tcp) if self.protocol == Protocol::Tcp => self.tcp.push(direction, &tcp, packet.payload_len),
            _ => Order::Fresh,
        }
    }

    /// What is held of the session.
    #[inline]
    pub(super) fn held(&self) -> &Held {
        self.held.as_deref().unwrap_or(&NOTHING)
    }

    #[inline]
    pub(super) fn held_mut(&mut self) -> &mut Held {
        self.held.get_or_insert_default()
    }

    /// Takes the session out of its slot.
    pub(super) fn take_held(&mut self) -> Box<Held> {
        self.held.take().unwrap_or_default()
    }

    /// Takes the session out, and leaves what continues it.
    pub(super) fn cut_held(&mut self) -> Box<Held> {
        let rest = Box::new(self.held_mut().rest());
        self.held.replace(rest).unwrap_or_default()
    }

    /// Whether the slot is in use.
    pub(super) fn is_open(&self) -> bool {
        self.held.is_some()
    }

    /// Whether it was answered and is not closed: packets went both ways, and of TCP whoever opened it acknowledged the answer.
    #[inline]
    pub(super) fn is_answered(&self) -> bool {
        match self.protocol {
            Protocol::Tcp => self.tcp.closed().is_none() && self.tcp.is_established(),
            _ => self.answered || self.held().is_answered(),
        }
    }

    /// Whether its outcome, its context or a look wait for silence.
    pub(super) fn unsettled(&self) -> bool {
        self.unsettled
    }
}

/// What is due next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    Settle,
    Idle,
    Active,
}

/// The places of sessions in the lists of an agenda.
#[derive(Debug, Default)]
struct AgendaLinks {
    silent: Links,
    aged: Links,
    unsettled: Links,
}

/// The order in which sessions become due: each list is in the order of time, so that only its front need be asked.
#[derive(Debug)]
pub(super) struct Agenda {
    idle: [Option<Duration>; IDLE_CLASSES],
    active: Option<Duration>,
    /// Open sessions by last packet, one list an idle class: those not answered, and those that are.
    silent: [[List; IDLE_CLASSES]; 2],
    /// Open sessions by start.
    aged: List,
    /// Sessions of which something waits for silence, by last packet.
    unsettled: List,
    links: AgendaLinks,
    /// Nothing is due before this moment.
    pub(super) next: Timestamp,
}

impl Agenda {
    /// Bytes a slot of what it keeps.
    const SLOT_BYTES: usize = 3 * Links::BYTES;

    pub(super) fn new(config: &SessionConfig) -> Self {
        Self {
            idle: config.idle_timeouts(),
            active: config.active,
            silent: Default::default(),
            aged: List::default(),
            unsettled: List::default(),
            links: AgendaLinks::default(),
            next: Timestamp::from_nanos(i64::MAX),
        }
    }

    /// A new session, or one that goes on after it was cut.
    pub(super) fn open(&mut self, nodes: &mut Slots<Node>, slot: u32, new: bool) {
        let node = &mut nodes[slot];
        let (class, opened) = (usize::from(node.class), node.opened);
        let aged = std::mem::replace(&mut node.aged, true);
        if new {
            self.silent[0][class].push_back(&mut self.links.silent, slot);
            if let Some(idle) = self.idle[class] {
                self.next = self.next.min(nodes[slot].touched + idle);
            }
        }
        if !aged {
            self.aged.push_back(&mut self.links.aged, slot);
        } else {
            self.aged.touch(&mut self.links.aged, slot);
        }
        if let Some(age) = self.active {
            self.next = self.next.min(opened + age);
        }
    }

    /// A session whose packet came was answered, or, being answered, closed.
    pub(super) fn regroup(&mut self, nodes: &mut Slots<Node>, slot: u32) {
        let node = &mut nodes[slot];
        let (answered, class) = (usize::from(node.answered), usize::from(node.class));
        node.answered = !node.answered;
        self.silent[answered][class].remove(&mut self.links.silent, slot);
        self.silent[1 - answered][class].push_back(&mut self.links.silent, slot);
    }

    /// A packet of a session came, when the node says; `open`: its outcome, its context or a look wait for silence.
    #[inline]
    pub(super) fn touch(&mut self, nodes: &mut Slots<Node>, slot: u32, open: bool) {
        let node = &mut nodes[slot];
        let (class, now) = (usize::from(node.class), node.touched);
        let was_open = std::mem::replace(&mut node.unsettled, open);
        // What is in a list is due no earlier for a packet that came: only what comes into one can be due next.
        self.silent[usize::from(node.answered)][class].touch(&mut self.links.silent, slot);
        match (was_open, open) {
            (true, true) => self.unsettled.touch(&mut self.links.unsettled, slot),
            (false, true) => {
                self.unsettled.push_back(&mut self.links.unsettled, slot);
                self.next = self.next.min(now + SETTLE);
            }
            (true, false) => self.unsettled.remove(&mut self.links.unsettled, slot),
            (false, false) => {}
        }
    }

    /// Nothing of a session need wait for silence any more.
    pub(super) fn settle(&mut self, nodes: &mut Slots<Node>, slot: u32) {
        if std::mem::take(&mut nodes[slot].unsettled) {
            self.unsettled.remove(&mut self.links.unsettled, slot);
        }
    }

    /// A session does not end by its age any more.
    pub(super) fn stay(&mut self, nodes: &mut Slots<Node>, slot: u32) {
        if std::mem::take(&mut nodes[slot].aged) {
            self.aged.remove(&mut self.links.aged, slot);
        }
    }

    /// A session leaves the table.
    pub(super) fn close(&mut self, nodes: &mut Slots<Node>, slot: u32) {
        self.settle(nodes, slot);
        self.stay(nodes, slot);
        let node = &nodes[slot];
        self.silent[usize::from(node.answered)][usize::from(node.class)].remove(&mut self.links.silent, slot);
    }

    /// The earliest thing that is due, whenever that is.
    pub(super) fn due(&self, nodes: &Slots<Node>) -> Option<(Timestamp, Due, u32)> {
        let node = |slot: u32| &nodes[slot];
        let settle = self.unsettled.front().map(|slot| (node(slot).touched + SETTLE, Due::Settle, slot));
        let active = self.active.and_then(|age| {
            let slot = self.aged.front()?;
            Some((node(slot).opened + age, Due::Active, slot))
        });
        let classes = self.silent.iter().flat_map(|lists| lists.iter().zip(self.idle));
        let idle = classes.filter_map(|(list, idle)| {
            let slot = list.front()?;
            Some((node(slot).touched + idle?, Due::Idle, slot))
        });
        settle.into_iter().chain(active).chain(idle).min()
    }

    /// How many sessions were answered.
    pub(super) fn answered(&self) -> usize {
        self.silent[1].iter().map(List::len).sum()
    }

    /// The session silent for longest: of those that were answered or of the others, unless there is none of them.
    pub(super) fn victim(&self, nodes: &Slots<Node>, answered: bool) -> Option<u32> {
        let longest =
            |lists: &[List]| lists.iter().filter_map(List::front).min_by_key(|&slot| (nodes[slot].touched, slot));
        let first = usize::from(answered);
        longest(&self.silent[first]).or_else(|| longest(&self.silent[1 - first]))
    }

    /// The session that makes room after this one, as far as their list goes.
    pub(super) fn next_victim(&self, nodes: &Slots<Node>, slot: u32) -> Option<u32> {
        let node = &nodes[slot];
        self.silent[usize::from(node.answered)][usize::from(node.class)].after(&self.links.silent, slot)
    }
}
