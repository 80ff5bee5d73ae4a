//! Sessions whose packets the caller assigns: a host that keeps flows of its own.

use super::{SessionTable, dns_of, packed};
use crate::{
    capture::Frame,
    decode::{Packet, Skip},
    session::{EndReason, Session, look::Moment},
};
use std::num::NonZero;

/// A session of the table, by where it is held and which of the table's sessions it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hosted {
    slot: u32,
    pub(crate) id: u64,
}

impl SessionTable {
    /// Takes in a frame of the given session, or the first of one where there is none; or where it ended.
    pub(crate) fn push_hosted_frame(&mut self, session: Option<Hosted>, frame: &Frame<'_>) -> Result<Hosted, Skip> {
        match self.decoder.decode(frame) {
            Ok(packet) => Ok(self.push_hosted(session, &packet)),
            Err(skip) => {
                self.push_skipped(frame, skip);
                Err(skip)
            }
        }
    }

    /// As [`push_hosted_frame`](Self::push_hosted_frame), of a packet that the caller decoded.
    pub(crate) fn push_hosted(&mut self, session: Option<Hosted>, packet: &Packet<'_>) -> Hosted {
        let entropy = self.entropy.of(packet.payload);
        self.count(packet.time, packet.wire_len);
        let dns = dns_of(packet, self.config.key);
        let (key, swapped) = packed(packet, &self.config);
        let slot = match session.filter(|session| self.is_hosted(*session)) {
            Some(Hosted { slot, .. }) => {
                self.update(slot, swapped, packet, entropy, dns);
                slot
            }
            None => self.open_session(key, swapped, packet, entropy, dns),
        };
        let id = self.node(slot).id;
        if self.grown {
            self.keep_within_memory();
        }
        Hosted { slot, id }
    }

    /// Whether it is open: what memory has no room for ends early.
    pub(crate) fn is_hosted(&self, session: Hosted) -> bool {
        self.nodes.get(session.slot).is_some_and(|node| node.is_open() && !node.dormant && node.id == session.id)
    }

    /// Ends a session; says whether it was open.
    pub(crate) fn end_hosted(&mut self, session: Hosted, reason: EndReason) -> bool {
        let open = self.is_hosted(session);
        if open {
            self.end(session.slot, reason, self.clock.now());
        }
        open
    }

    /// Whether a session was looked at as it is.
    pub(crate) fn is_seen(&self, session: Hosted) -> bool {
        self.is_hosted(session) && self.node(session.slot).held().known().is_some()
    }

    /// An open session as a look at it would be now. None is taken: nothing changes.
    pub(crate) fn as_is(&self, session: Hosted) -> Option<Session> {
        if !self.is_hosted(session) {
            return None;
        }
        let silent_since = self.node(session.slot).touched;
        let mut held = self.node(session.slot).held().clone();
        if held.known().is_none() {
            if let Some((outcome, context)) = self.so_far(session.slot) {
                held.settle(outcome, context);
            }
            let turn = NonZero::new(self.turn.saturating_add(1)).unwrap_or(NonZero::<u64>::MAX);
            held.note(Moment { at: self.clock.now(), turn });
        }
        let session = held.into_session(self.config.max_packets as usize, silent_since)?;
        Some(Session { end_reason: EndReason::Open, ..session })
    }
}
