//! What the table holds of a session: all of it, or while it has one packet, only that.

use super::{
    Context, FlowKey,
    look::{Look, Moment},
    record::{PacketFacts, PacketRecord},
    session::{EndReason, Outcome, Session},
    slots::fetch,
    store::ALLOCATION,
};
use crate::{Timestamp, decode::DnsFacts};

/// A session that is open, or ended and waits to be popped.
///
/// A session of one packet is kept as that packet, in a tenth of the memory: in a flood they are all, and most of what a
/// session is would be built for nothing.
#[derive(Debug, Default)]
pub(super) enum Held {
    /// Of a slot that is not in use.
    #[default]
    Nothing,
    One(Box<First>),
    Many(Box<Session>),
}

/// The only packet of a session, from its originator and without a DNS message.
#[derive(Debug, Clone)]
pub(super) struct First {
    pub(super) key: FlowKey,
    pub(super) macs: Option<[[u8; 6]; 2]>,
    pub(super) record: PacketRecord,
    pub(super) ended: Timestamp,
    pub(super) cold: bool,
    pub(super) wire_len: u32,
    pub(super) facts: PacketFacts,
    pub(super) end_reason: EndReason,
    pub(super) outcome: Outcome,
    pub(super) context: Option<Box<Context>>,
    pub(super) known: Option<Moment>,
}

impl First {
    /// The session of this packet, which has this context.
    fn session(&self, context: Option<Box<Context>>) -> Session {
        let mut session = Session::new(self.key, self.macs, self.record.time);
        session.stats.push(&self.record, self.wire_len, self.facts);
        // Exactly one, as most sessions of one packet stay so.
        session.packets.reserve_exact(1);
        session.packets.push(self.record);
        (session.end_reason, session.outcome) = (self.end_reason, self.outcome);
        (session.ended, session.cold) = (self.ended, self.cold);
        (session.context, session.known) = (context, self.known);
        session
    }
}

impl Held {
    /// The session as it leaves the table.
    pub(super) fn into_session(self) -> Option<Session> {
        match self {
            Self::Nothing => None,
            Self::One(mut first) => {
                let context = first.context.take();
                Some(first.session(context))
            }
            Self::Many(session) => Some(*session),
        }
    }

    /// The session as it is, without its looks.
    pub(super) fn snapshot(&self) -> Self {
        match self {
            Self::Nothing => Self::Nothing,
            Self::One(first) => Self::One(Box::new(First { end_reason: EndReason::Open, ..First::clone(first) })),
            Self::Many(session) => Self::Many(Box::new(Session { end_reason: EndReason::Open, ..session.alone() })),
        }
    }

    /// The session, to be gone on with.
    pub(super) fn session(&mut self) -> Option<&mut Session> {
        if let Self::One(first) = self {
            let context = first.context.take();
            *self = Self::Many(Box::new(first.session(context)));
        }
        match self {
            Self::Many(session) => Some(session),
            Self::Nothing | Self::One(_) => None,
        }
    }

    /// What continues the session after a cut: it has nothing of its packets.
    pub(super) fn rest(&self) -> Self {
        match self {
            Self::Nothing => Self::Nothing,
            Self::One(first) => Self::Many(Box::new(Session::new(first.key, first.macs, first.record.time))),
            Self::Many(session) => Self::Many(Box::new(session.rest())),
        }
    }

    /// The outcome that the packets so far leave no doubt about.
    pub(super) fn known_outcome(&self) -> Option<Outcome> {
        match self {
            Self::Nothing | Self::One(_) => None,
            Self::Many(session) => session.known_outcome(),
        }
    }

    /// Payload bytes on the wire of orig and resp.
    pub(super) fn payload(&self) -> [u64; 2] {
        match self {
            Self::Nothing => [0; 2],
            Self::One(first) => [first.record.payload_len.into(), 0],
            Self::Many(session) => [session.stats.orig.payload_bytes, session.stats.resp.payload_bytes],
        }
    }

    /// Whether its outcome was ever settled.
    pub(super) fn is_settled(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::One(first) => first.outcome != Outcome::Pending,
            Self::Many(session) => session.outcome != Outcome::Pending,
        }
    }

    /// Notes the outcome and, where it is kept, the context. Says whether that keeps a look at what it was before.
    pub(super) fn settle(&mut self, outcome: Outcome, context: Option<Box<Context>>) -> bool {
        match self {
            Self::Nothing => false,
            Self::One(first) => {
                (first.outcome, first.context, first.known) = (outcome, context, None);
                false
            }
            Self::Many(session) => {
                let kept = session.keep_look();
                (session.outcome, session.context) = (outcome, context);
                kept
            }
        }
    }

    /// It is looked at, or ends, as it is.
    pub(super) fn note(&mut self, moment: Moment) {
        match self {
            Self::Nothing => {}
            Self::One(first) => (first.known, first.ended) = (Some(moment), moment.at),
            Self::Many(session) => (session.known, session.ended) = (Some(moment), moment.at),
        }
    }

    /// When it was looked at as it is.
    pub(super) fn known(&self) -> Option<Moment> {
        match self {
            Self::Nothing => None,
            Self::One(first) => first.known,
            Self::Many(session) => session.known,
        }
    }

    pub(super) fn end(&mut self, reason: EndReason, at: Timestamp) {
        match self {
            Self::Nothing => {}
            Self::One(first) => (first.end_reason, first.ended) = (reason, at),
            Self::Many(session) => (session.end_reason, session.ended) = (reason, at),
        }
    }

    /// Bytes on the heap. A context that it will have counts from the start: sessions may end faster than they are popped,
    /// and that must not take more memory than they had when open.
    pub(super) fn bytes(&self, context: bool) -> usize {
        let allocated = |bytes: usize| if bytes == 0 { 0 } else { bytes + ALLOCATION };
        let context = if context { allocated(size_of::<Context>()) } else { 0 };
        match self {
            Self::Nothing => 0,
            Self::One(_) => allocated(size_of::<First>()) + context,
            Self::Many(session) => {
                allocated(size_of::<Session>())
                    + allocated(session.packets.capacity() * size_of::<PacketRecord>())
                    + session
                        .dns
                        .as_ref()
                        .map_or(0, |dns| allocated(size_of::<DnsFacts>()) + allocated(dns.name.capacity()))
                    + allocated(session.looks.capacity() * size_of::<Look>())
                    + context
            }
        }
    }

    /// Has it read into the cache: it will end soon.
    pub(super) fn fetch(&self) {
        match self {
            Self::Nothing => {}
            Self::One(first) => fetch(&**first),
            Self::Many(session) => fetch(&**session),
        }
    }
}
