//! What the table holds of a session while it is open, and until it is popped.

use super::{
    Context, FlowKey, SessionStats,
    look::{Look, Moment},
    record::{Direction, Order, PacketFacts, PacketRecord},
    session::{EndReason, Outcome, Session},
    slots::fetch,
    spare::Spare,
    stats::Totals,
    store::ALLOCATION,
};
use crate::{
    Timestamp,
    decode::{DnsFacts, Packet, Protocol},
};

/// Packets behind the kept ones that wait to be counted together.
const LATE: usize = 16;

/// A session that is open, or ended and waits to be popped.
///
/// A packet adds its record and to the [`Totals`]. The statistics, ten times as large, are made of the records when
/// somebody is about to see them or the buffer is full: they are in the cache once for many packets then, and of a flood
/// of one-packet sessions little more is held than the packets.
#[derive(Debug, Clone)]
#[repr(C)] // What each packet needs comes first.
pub(super) struct Held {
    totals: Totals,
    /// The packets that are kept, and up to [`LATE`] behind them.
    records: Vec<PacketRecord>,
    /// How many of these the statistics have.
    counted: usize,
    stats: Option<Box<SessionStats>>,
    dns: Option<Box<DnsFacts>>,
    known: Option<Moment>,
    looks: Vec<Look>,
    context: Option<Box<Context>>,
    /// `None` of no session.
    origin: Option<Origin>,
    ended: Timestamp,
    end_reason: EndReason,
    outcome: Outcome,
}

/// What a session is from its first packet on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) key: FlowKey,
    pub(super) macs: Option<[[u8; 6]; 2]>,
    pub(super) start: Timestamp,
    pub(super) cold: bool,
}

/// What is held of no session.
pub(super) static NOTHING: Held = Held::nothing();

impl Default for Held {
    fn default() -> Self {
        Self::nothing()
    }
}

impl Held {
    const fn nothing() -> Self {
        Self {
            totals: Totals::NONE,
            records: Vec::new(),
            counted: 0,
            stats: None,
            dns: None,
            known: None,
            looks: Vec::new(),
            context: None,
            origin: None,
            ended: Timestamp::from_nanos(0),
            end_reason: EndReason::Flushed,
            outcome: Outcome::Pending,
        }
    }

    /// A session without a packet yet.
    pub(super) fn new(origin: Origin) -> Self {
        Self { origin: Some(origin), ended: origin.start, ..Self::nothing() }
    }

    /// Packets of both directions.
    pub(super) fn packets(&self) -> u64 {
        self.totals.packets()
    }

    /// Takes in a packet, of which `most` are kept. Says whether that took memory.
    pub(super) fn push(
        &mut self,
        packet: &Packet<'_>,
        (direction, order): (Direction, Order),
        entropy: f32,
        most: usize,
        spare: &mut Spare,
    ) -> bool {
        let record = PacketRecord::new(packet, direction, order, entropy);
        self.totals.add(&record, packet);
        if self.records.len() >= most + LATE {
            self.count();
            self.keep(most);
        }
        let mut grown = false;
        if self.records.len() == self.records.capacity() {
            spare.grow(&mut self.records, most + LATE);
            grown = true;
        }
        let facts = PacketFacts::of(packet, order);
        if facts == PacketFacts::expected(&record) {
            self.records.push(record);
        } else {
            grown |= self.stats.is_none();
            self.count().push(&record, facts);
            self.records.push(record);
            self.counted = self.records.len();
        }
        grown
    }

    /// Brings the statistics up to date.
    fn count(&mut self) -> &mut SessionStats {
        let stats = self.stats.get_or_insert_default();
        for record in &self.records[self.counted..] {
            stats.push(record, PacketFacts::expected(record));
        }
        self.counted = self.records.len();
        stats.set_totals(&self.totals);
        stats
    }

    /// Drops the records behind the first so many, which the statistics have.
    fn keep(&mut self, most: usize) {
        self.records.truncate(most);
        self.counted = self.records.len();
    }

    /// Takes in a DNS message: the first is kept, an answer adds its code and count.
    pub(super) fn note_dns(&mut self, message: DnsFacts) {
        match &mut self.dns {
            Some(first) if first.answer_code.is_none() && message.is_response => {
                first.answer_code = message.answer_code;
                first.answers = message.answers;
            }
            Some(_) => {}
            none => *none = Some(Box::new(message)),
        }
    }

    /// The session as it leaves the table, with up to `most` packets, the last at `silent_since` by the table's clock.
    pub(super) fn into_session(mut self, most: usize, silent_since: Timestamp) -> Option<Session> {
        let Origin { key, macs, start, cold } = self.origin?;
        let end = self.count().last().unwrap_or(start);
        self.keep(most);
        Some(Session {
            key,
            start,
            end,
            ended: self.ended,
            silent_since,
            cold,
            end_reason: self.end_reason,
            outcome: self.outcome,
            macs,
            packets: self.records,
            stats: self.stats.unwrap_or_default(),
            dns: self.dns,
            context: self.context,
            looks: self.looks,
            known: self.known,
        })
    }

    /// The session as it is, without its looks.
    pub(super) fn snapshot(&self) -> Self {
        Self {
            records: self.records.clone(),
            stats: self.stats.clone(),
            dns: self.dns.clone(),
            looks: Vec::new(),
            context: self.context.clone(),
            end_reason: EndReason::Open,
            ..*self
        }
    }

    /// What continues the session after a cut: it has nothing of its packets.
    pub(super) fn rest(&mut self) -> Self {
        let Some(origin) = self.origin else { return Self::nothing() };
        let end = self.count().last().unwrap_or(origin.start);
        Self::new(Origin { start: end, cold: false, ..origin })
    }

    /// It goes on at this time after a cut.
    pub(super) fn wake(&mut self, time: Timestamp) {
        if let Some(origin) = &mut self.origin {
            origin.start = time;
        }
    }

    /// The outcome that the packets so far leave no doubt about.
    pub(super) fn known_outcome(&self) -> Option<Outcome> {
        match self.dns.as_ref().and_then(|dns| dns.answer_code) {
            Some(0) => Some(Outcome::Answered),
            Some(_) => Some(Outcome::Failed),
            None if self.origin?.key.protocol == Protocol::Tcp => {
                self.payload().into_iter().all(|bytes| bytes > 0).then_some(Outcome::Answered)
            }
            None => self.is_answered().then_some(Outcome::Answered),
        }
    }

    /// Whether packets went both ways.
    #[inline]
    pub(super) fn is_answered(&self) -> bool {
        self.totals.is_answered()
    }

    /// Payload bytes on the wire of orig and resp.
    pub(super) fn payload(&self) -> [u64; 2] {
        self.totals.payload_bytes()
    }

    /// Whether its outcome was ever settled.
    pub(super) fn is_settled(&self) -> bool {
        self.outcome != Outcome::Pending
    }

    /// Notes the outcome and, where it is kept, the context. Says whether that keeps a look at what it was before.
    pub(super) fn settle(&mut self, outcome: Outcome, context: Option<Box<Context>>) -> bool {
        let kept = self.keep_look();
        (self.outcome, self.context) = (outcome, context);
        kept
    }

    /// Keeps what it was at its last look, as that will change. Says whether there was one.
    #[inline]
    pub(super) fn keep_look(&mut self) -> bool {
        self.known.is_some() && self.keep_known()
    }

    #[inline(never)]
    fn keep_known(&mut self) -> bool {
        let Some(moment) = self.known.take() else { return false };
        let kept = self.records.len();
        let (outcome, context) = (self.outcome, self.context.as_deref().copied());
        let dns = self.dns.as_ref().map(|dns| (dns.answer_code, dns.answers));
        let look = Look::new(moment, kept, outcome, self.count().clone(), context, dns);
        self.looks.reserve_exact(1);
        self.looks.push(look);
        true
    }

    /// It is looked at, or ends, as it is.
    pub(super) fn note(&mut self, moment: Moment) {
        (self.known, self.ended) = (Some(moment), moment.at);
    }

    /// When it was looked at as it is.
    pub(super) fn known(&self) -> Option<Moment> {
        self.known
    }

    /// It ended; up to `most` of its packets are kept, in memory of their size.
    pub(super) fn end(&mut self, reason: EndReason, at: Timestamp, most: usize, spare: &mut Spare) {
        (self.end_reason, self.ended) = (reason, at);
        if self.records.len() > most {
            self.count();
            self.keep(most);
        }
        spare.trim(&mut self.records);
    }

    /// Bytes on the heap. A context that it will have counts from the start: sessions may end faster than they are popped,
    /// and that must not take more memory than they had when open.
    pub(super) fn bytes(&self, context: bool) -> usize {
        let allocated = |bytes: usize| if bytes == 0 { 0 } else { bytes + ALLOCATION };
        let dns = self.dns.as_ref().map_or(0, |dns| allocated(size_of::<DnsFacts>()) + allocated(dns.name.capacity()));
        allocated(size_of::<Self>())
            + allocated(self.records.capacity() * size_of::<PacketRecord>())
            + self.stats.as_ref().map_or(0, |_| allocated(size_of::<SessionStats>()))
            + dns
            + allocated(self.looks.capacity() * size_of::<Look>())
            + if context { allocated(size_of::<Context>()) } else { 0 }
    }

    /// Has it read into the cache: a packet of it came, or it will end soon.
    pub(super) fn fetch(&self) {
        fetch(self);
        if let Some(record) = self.records.last() {
            fetch(record);
        }
    }
}
