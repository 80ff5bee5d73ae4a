//! How sessions of a table settle, end, and make room.

use super::{SessionTable, look::What};
use crate::{
    Timestamp,
    session::{
        counters::Unaccounted,
        held::Held,
        looks::Plan,
        node::Node,
        session::{EndReason, Outcome},
    },
};

/// Share of the memory limit that open sessions leave to ended ones which wait to be popped: 1 / this.
const ENDED_SHARE: usize = 8;

/// Share of the memory limit that slots of open sessions may take: 1 / this. A slot is kept for the next session, so that
/// a flood of small ones must leave room for what larger ones keep elsewhere.
const SLOT_SHARE: usize = 3;

impl SessionTable {
    /// Compares what a session holds with what was counted for it.
    pub(super) fn recount(&mut self, slot: u32) {
        let node = &mut self.nodes[slot];
        let bytes = node.held().bytes(self.config.context);
        self.grown |= bytes > node.bytes;
        self.bytes = self.bytes + bytes - node.bytes;
        if node.answered {
            self.answered_bytes = self.answered_bytes + bytes - node.bytes;
        }
        node.bytes = bytes;
    }

    /// The session fell silent or closed: its outcome counts, and its context is taken.
    pub(super) fn settle(&mut self, slot: u32, at: Timestamp) {
        self.agenda.settle(&mut self.nodes, slot);
        let outcome = self.node(slot).held().known_outcome().unwrap_or(Outcome::Failed);
        self.count_outcome(slot, outcome, at);
        let node = &mut self.nodes[slot];
        let mut context = None;
        if self.config.context {
            let total = node.held().payload();
            let [up, down] = [0, 1].map(|side| total[side] - node.accounted[side]);
            node.accounted = total;
            self.hosts.traffic(&mut node.party, node.opened, up, down, at);
            let own = Unaccounted { start: node.opened, bytes: [0; 2] };
            context = Some(Box::new(self.hosts.observe(&node.party, outcome, &own, at)));
        }
        if node.held_mut().settle(outcome, context) {
            self.recount(slot);
        }
    }

    /// Counts an outcome in the context: once, and once more where it turns out otherwise.
    pub(super) fn count_outcome(&mut self, slot: u32, outcome: Outcome, at: Timestamp) {
        let node = &mut self.nodes[slot];
        if self.config.context && node.counted.is_none_or(|(counted, _)| counted != outcome) {
            self.hosts.outcome(&mut node.party, node.counted, outcome, at);
            node.counted = Some((outcome, at));
            self.grown = true;
        }
    }

    /// Ends a session and takes it out of the table.
    pub(super) fn end(&mut self, slot: u32, reason: EndReason, at: Timestamp) {
        if !self.node(slot).dormant {
            self.leave(slot, at);
        }
        self.agenda.close(&mut self.nodes, slot);
        let node = &mut self.nodes[slot];
        let (dormant, of) = (node.dormant, (node.id, node.touched));
        let held = node.take_held();
        self.index.remove(node.canonical.1, slot);
        self.bytes -= node.bytes;
        if node.answered {
            self.answered_bytes -= node.bytes;
        }
        self.nodes.free(slot);
        if !dormant {
            self.emit(held, of, reason);
        }
    }

    /// Cuts a session at the active timeout. What is left waits for a packet, so that it keeps its direction.
    pub(super) fn cut(&mut self, slot: u32, at: Timestamp) {
        if !self.node(slot).dormant {
            self.leave(slot, at);
        }
        self.agenda.settle(&mut self.nodes, slot);
        self.agenda.stay(&mut self.nodes, slot);
        let node = &mut self.nodes[slot];
        let held = node.cut_held();
        node.dormant = true;
        node.counted = None;
        node.accounted = [0; 2];
        let of = (node.id, node.touched);
        self.recount(slot);
        self.emit(held, of, EndReason::Active);
    }

    /// The first packet after a cut.
    pub(super) fn wake(&mut self, slot: u32, time: Timestamp) {
        let node = &mut self.nodes[slot];
        node.dormant = false;
        node.opened = self.clock.now();
        node.plan = Some(Plan::new(&self.config.looks, 0, false, node.opened, node.opened));
        node.held_mut().wake(time);
        self.begin(slot, false);
    }

    /// What a session leaves behind in the context.
    fn leave(&mut self, slot: u32, at: Timestamp) {
        let node = self.node(slot);
        if !node.held().is_settled() || (node.unsettled() && node.tcp.closed().is_none()) {
            self.settle(slot, at);
        }
        if self.config.context {
            self.hosts.end(&mut self.nodes[slot].party, at);
        }
    }

    /// Has a session wait to be popped: its number, and when its last packet came.
    fn emit(&mut self, mut held: Box<Held>, of: (u64, Timestamp), reason: EndReason) {
        let seen = held.known().is_some();
        if !seen {
            held.note(self.next_moment());
        }
        held.end(reason, self.clock.now(), self.config.max_packets as usize, &mut self.spare);
        self.stats.ended += 1;
        self.wait(held, of, What::End { seen });
    }

    /// A session was answered, or, being answered, closed.
    #[inline(never)]
    pub(super) fn regroup(&mut self, slot: u32) {
        self.agenda.regroup(&mut self.nodes, slot);
        let node = self.node(slot);
        let (answered, bytes) = (node.answered, node.bytes);
        self.answered_bytes = if answered { self.answered_bytes + bytes } else { self.answered_bytes - bytes };
    }

    /// The session that makes room next. Those answered and the others have half of what open sessions take each: what is
    /// over its half makes room, and that silent for longest first. So a flood that nobody answers, however fast, ends none
    /// of the sessions that hosts have with each other (as Linux spares what is "assured" when its table of connections is
    /// full, `early_drop`), and these never leave less than half for what is new.
    fn victim(&self) -> Option<u32> {
        let (sessions, answered) = (self.nodes.len(), self.agenda.answered());
        let held = self.bytes + sessions * Node::SLOT_BYTES;
        let over = (self.answered_bytes + answered * Node::SLOT_BYTES) * 2 >= held;
        self.agenda.victim(&self.nodes, over)
    }

    /// Has the session that follows this one in silence read into the cache, as it is likely the next to end.
    pub(super) fn fetch_next(&self, slot: u32) {
        if let Some(next) = self.agenda.next_victim(&self.nodes, slot) {
            let node = self.node(next);
            node.held().fetch();
            self.index.fetch(node.canonical.1);
            if self.config.context {
                self.hosts.fetch(&node.party);
            }
            self.nodes.fetch(self.agenda.next_victim(&self.nodes, next));
        }
    }

    /// Ends what makes room first, and drops what nobody popped, until memory is within its limit. Ended sessions hold
    /// their memory until they are popped, so that they have a share of their own.
    pub(super) fn keep_within_memory(&mut self) {
        let limit = self.config.memory_limit;
        let mut bytes = self.bytes();
        while bytes - self.ended_bytes - self.charged_ended > limit - limit / ENDED_SHARE
            || self.nodes.len() * Node::SLOT_BYTES > limit / SLOT_SHARE
        {
            let Some(slot) = self.victim() else { break };
            self.fetch_next(slot);
            self.stats.evicted += u64::from(!self.node(slot).dormant);
            self.end(slot, EndReason::Evicted, self.clock.now());
            bytes = self.bytes();
        }
        while bytes > limit
            && let Some(dropped) = self.next_waiting()
        {
            match dropped.what {
                What::Look => self.stats.looks_dropped += 1,
                What::End { .. } => {
                    self.stats.dropped += 1;
                    self.stats.packets_dropped += dropped.packets();
                }
            }
            bytes = self.bytes();
        }
        self.stats.context_evicted = self.hosts.evicted();
        self.stats.peak_bytes = self.stats.peak_bytes.max(bytes);
        self.grown = false;
    }
}
