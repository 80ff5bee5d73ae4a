//! What a session was when it was looked at before its end.

use super::{Context, EndReason, Outcome, Session, SessionStats};
use crate::Timestamp;
use std::num::NonZero;

/// When something became known: by the table's clock, and what became known at one time in its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    pub(crate) at: Timestamp,
    pub(crate) turn: NonZero<u64>,
}

/// What a session was when it was looked at and more packets followed.
///
/// With the session that it was of it makes up that [session as it was](Session::at_look).
#[derive(Debug, Clone)]
pub struct Look {
    pub(super) moment: Moment,
    end: Timestamp,
    /// How many of the session's packets were kept.
    kept: usize,
    outcome: Outcome,
    stats: SessionStats,
    context: Option<Context>,
    /// Code and count of the answer to its DNS message, where it had one by then.
    dns: Option<(Option<u8>, u16)>,
}

impl Look {
    /// A look at a session that has so many packets kept.
    pub(super) fn new(
        moment: Moment,
        kept: usize,
        outcome: Outcome,
        stats: SessionStats,
        context: Option<Context>,
        dns: Option<(Option<u8>, u16)>,
    ) -> Self {
        let end = stats.last().unwrap_or(moment.at);
        Self { moment, end, kept, outcome, stats, context, dns }
    }

    /// When it was, by the session table's clock.
    pub fn at(&self) -> Timestamp {
        self.moment.at
    }

    /// Whether anybody had answered; [`Pending`](Outcome::Pending) where silence had not yet told.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Statistics over all packets until then.
    pub fn stats(&self) -> &SessionStats {
        &self.stats
    }

    /// What the session's hosts had done around it, where the session table keeps context.
    pub fn context(&self) -> Option<&Context> {
        self.context.as_ref()
    }
}

impl Session {
    /// The looks at it that more packets followed, in the order of time. The last look is the session itself.
    pub fn looks(&self) -> &[Look] {
        &self.looks
    }

    /// The session as it was at one of its [looks](Self::looks); from their number on as it is. It has no looks itself.
    pub fn at_look(&self, look: usize) -> Self {
        let Some(look) = self.looks.get(look) else { return self.alone() };
        let dns = look.dns.and_then(|(answer_code, answers)| {
            let mut dns = self.dns.clone()?;
            (dns.answer_code, dns.answers) = (answer_code, answers);
            Some(dns)
        });
        Self {
            end: look.end,
            ended: look.at(),
            silent_since: look.at(),
            end_reason: EndReason::Open,
            known: Some(look.moment),
            outcome: look.outcome,
            packets: self.packets[..look.kept.min(self.packets.len())].to_vec(),
            stats: Box::new(look.stats.clone()),
            dns,
            context: look.context.map(Box::new),
            looks: Vec::new(),
            ..*self
        }
    }

    /// When it became known as it is: at the last look where no packet followed it, else when it ended.
    pub fn known(&self) -> Timestamp {
        self.known.map_or(self.ended, |moment| moment.at)
    }

    /// When it became known as it was at a look, or as it is.
    pub(crate) fn moment(&self, look: usize) -> Moment {
        let last = || self.known.unwrap_or(Moment { at: self.ended, turn: NonZero::<u64>::MAX });
        self.looks.get(look).map_or_else(last, |look| look.moment)
    }

    /// Time of its last packet as it was at a look, or as it is.
    pub(crate) fn end_at(&self, look: usize) -> Timestamp {
        self.looks.get(look).map_or(self.end, |look| look.end)
    }

    /// The outcome as it was at a look, or as it is.
    pub(crate) fn outcome_at(&self, look: usize) -> Outcome {
        self.looks.get(look).map_or(self.outcome, |look| look.outcome)
    }

    /// The same without its looks.
    pub(super) fn alone(&self) -> Self {
        Self {
            packets: self.packets.clone(),
            stats: self.stats.clone(),
            dns: self.dns.clone(),
            context: self.context.clone(),
            looks: Vec::new(),
            ..*self
        }
    }

    /// The same session later by so many nanoseconds.
    #[cfg(feature = "evaluate")]
    pub(crate) fn later(&self, nanos: i128) -> Self {
        let shift = |time: &mut Timestamp| {
            let later = i128::from(time.as_nanos()) + nanos;
            *time = Timestamp::from_nanos(later.clamp(i64::MIN.into(), i64::MAX.into()) as i64);
        };
        let mut moved = self.clone();
        [&mut moved.start, &mut moved.end, &mut moved.ended, &mut moved.silent_since].into_iter().for_each(shift);
        moved.packets.iter_mut().for_each(|packet| shift(&mut packet.time));
        moved.known.iter_mut().for_each(|moment| shift(&mut moment.at));
        for look in &mut moved.looks {
            shift(&mut look.moment.at);
            shift(&mut look.end);
        }
        moved
    }
}
