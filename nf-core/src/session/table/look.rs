//! How a table looks at open sessions, and what waits to be popped.

use super::SessionTable;
use crate::{
    Timestamp,
    session::{Context, Session, counters::Unaccounted, held::Held, look::Moment, session::Outcome},
};
use std::num::NonZero;

/// A session that ended, or as it was at a look, until it is popped.
#[derive(Debug)]
pub(super) struct Waiting {
    held: Box<Held>,
    id: u64,
    /// When its last packet came, by the table's clock.
    silent_since: Timestamp,
    pub(super) what: What,
}

impl Waiting {
    /// Packets of the session.
    pub(super) fn packets(&self) -> u64 {
        self.held.packets()
    }
}

/// Why it waits.
#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    Look,
    /// It ended; `seen`: it was looked at as it is.
    End {
        seen: bool,
    },
}

/// What happened to a session. Its number is that of no other session of the table.
#[derive(Debug)]
pub(crate) enum Happened {
    /// It was looked at: this is what it was.
    Look { id: u64, session: Session },
    /// It ended; `seen`: as it was at its last look.
    End { id: u64, session: Session, seen: bool },
}

impl SessionTable {
    /// From now on looks are popped as well, by [`pop_any`](Self::pop_any).
    pub(crate) fn follow(&mut self) {
        self.following = true;
    }

    /// Bytes that whoever follows the sessions keeps for them: they count as if the table held them.
    pub(crate) fn charge(&mut self, bytes: usize) {
        self.grown |= bytes > self.charged;
        self.charged = bytes;
    }

    /// As [`charge`](Self::charge), of ended sessions that nobody popped: they take from the room of those that wait here, and
    /// no open session ends for them.
    pub(crate) fn charge_ended(&mut self, bytes: usize) {
        self.grown |= bytes > self.charged_ended;
        self.charged_ended = bytes;
    }

    /// What happened next, in the order in which it did; looks only where the table is [followed](Self::follow).
    pub(crate) fn pop_any(&mut self) -> Option<Happened> {
        let Waiting { held, id, silent_since, what } = self.next_waiting()?;
        let session = held.into_session(self.config.max_packets as usize, silent_since)?;
        Some(match what {
            What::Look => Happened::Look { id, session },
            What::End { seen } => Happened::End { id, session, seen },
        })
    }

    /// What waited longest to be popped.
    pub(super) fn next_waiting(&mut self) -> Option<Waiting> {
        let waiting = self.ended.pop_front()?;
        self.ended_bytes -= waiting.held.bytes(self.config.context);
        Some(waiting)
    }

    /// The numbers of all open sessions.
    pub(crate) fn open_ids(&self) -> impl Iterator<Item = u64> {
        let nodes = (0..self.nodes.ever() as u32).map(|slot| self.node(slot));
        nodes.filter(|node| node.is_open() && !node.dormant).map(|node| node.id)
    }

    /// Has it wait to be popped.
    pub(super) fn wait(&mut self, held: Box<Held>, (id, silent_since): (u64, Timestamp), what: What) {
        self.ended_bytes += held.bytes(self.config.context);
        self.ended.push_back(Waiting { held, id, silent_since, what });
        self.grown = true;
    }

    /// Now, behind all that became known before.
    pub(super) fn next_moment(&mut self) -> Moment {
        self.turn += 1;
        Moment { at: self.clock.now(), turn: NonZero::new(self.turn).unwrap_or(NonZero::<u64>::MAX) }
    }

    /// A packet of the session came.
    pub(super) fn touch(&mut self, slot: u32) {
        let node = &self.nodes[slot];
        let waits = match node.tcp.closed() {
            None => self.config.context || self.config.looks.any(),
            Some(_) => self.config.looks.silence && !node.rested,
        };
        if node.answered != node.is_answered() {
            self.regroup(slot);
        }
        self.agenda.touch(&mut self.nodes, slot, waits);
    }

    /// The session fell silent, by what was due at `at`.
    pub(super) fn rest(&mut self, slot: u32, at: Timestamp) {
        let closed = self.node(slot).tcp.closed().is_some();
        if closed {
            // Its outcome and its context are those of its close.
            self.agenda.settle(&mut self.nodes, slot);
            self.nodes[slot].rested = true;
        } else {
            self.settle(slot, at);
        }
        let node = self.node(slot);
        let due = match node.plan {
            Some(plan) => plan.is_due_in_silence(node.held().packets()) || (closed && self.config.looks.silence),
            None => self.config.looks.silence,
        };
        if due && node.held().known().is_none() {
            self.look(slot, true);
        }
    }

    /// Looks at a session whose packet just came.
    pub(super) fn look_at_packet(&mut self, slot: u32) {
        if let Some((outcome, context)) = self.so_far(slot) {
            self.nodes[slot].held_mut().settle(outcome, context);
        }
        self.look(slot, false);
    }

    /// Outcome and context of a session as far as they are known now; `None` where they are those of its close. Nothing is
    /// counted: whether silence follows is not known.
    pub(super) fn so_far(&self, slot: u32) -> Option<(Outcome, Option<Box<Context>>)> {
        let node = self.node(slot);
        if node.tcp.closed().is_some() {
            return None;
        }
        let counted = node.counted.map(|(outcome, _)| outcome);
        let outcome = node.held().known_outcome().or(counted).unwrap_or(Outcome::Pending);
        let total = node.held().payload();
        let own = Unaccounted { start: node.opened, bytes: [0, 1].map(|side| total[side] - node.accounted[side]) };
        let observe = || Box::new(self.hosts.observe(&node.party, outcome, &own, self.clock.now()));
        Some((outcome, self.config.context.then(observe)))
    }

    fn look(&mut self, slot: u32, silence: bool) {
        let moment = self.next_moment();
        let (looks, node) = (&self.config.looks, &mut self.nodes[slot]);
        node.held_mut().note(moment);
        let packets = node.held().packets();
        if let Some(plan) = &mut node.plan {
            plan.look(looks, packets, node.opened, moment.at, silence);
        }
        self.stats.looks += 1;
        if self.following {
            let (held, of) = (Box::new(node.held().snapshot()), (node.id, node.touched));
            self.wait(held, of, What::Look);
        }
    }
}
