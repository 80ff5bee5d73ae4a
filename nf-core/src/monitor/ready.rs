//! Events that wait to be popped.

use super::Event;
use crate::detector::Verdict;
use std::collections::VecDeque;

/// Events in their order, and how much memory they take.
#[derive(Debug, Default)]
pub(super) struct Ready {
    events: VecDeque<(Event, usize)>,
    bytes: usize,
    dropped: Dropped,
}

/// How many events were dropped because nobody popped them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dropped {
    /// Of sessions that ended.
    pub(super) ends: u64,
    /// Packets of these.
    pub(super) packets: u64,
    /// Of sessions that went on.
    pub(super) looks: u64,
    /// Of incidents and drift.
    pub(super) news: u64,
}

impl Ready {
    pub(super) fn push(&mut self, event: Event) {
        let bytes = bytes(&event);
        self.bytes += bytes;
        self.events.push_back((event, bytes));
    }

    /// The oldest.
    pub(super) fn pop(&mut self) -> Option<Event> {
        let (event, bytes) = self.events.pop_front()?;
        self.bytes -= bytes;
        Some(event)
    }

    /// Takes out the last end of a session.
    pub(super) fn take_last_end(&mut self) -> Option<Event> {
        let is_end = |(event, _): &(Event, usize)| matches!(event, Event::Verdict { .. } | Event::Failure { .. });
        let (event, bytes) = self.events.remove(self.events.iter().rposition(is_end)?)?;
        self.bytes -= bytes;
        Some(event)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// Bytes that they take, with the room of the queue, which may be twice what it needs.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// Drops the oldest until they take at most so many bytes, but never the newest `kept`.
    pub(super) fn keep_within(&mut self, bytes: usize, kept: usize) {
        while self.bytes > bytes && self.events.len() > kept {
            match self.pop() {
                Some(Event::Verdict { session, .. } | Event::Failure { session, .. }) => {
                    self.dropped.ends += 1;
                    self.dropped.packets += session.stats().packets();
                }
                Some(Event::Look { .. }) => self.dropped.looks += 1,
                _ => self.dropped.news += 1,
            }
        }
    }
}

/// Bytes of an event and of what it holds elsewhere; what it shares counts as its own.
fn bytes(event: &Event) -> usize {
    let verdict = |verdict: &Verdict| {
        let carried = verdict.carried.iter().flatten().map(|carried| carried.bytes());
        size_of_val(&verdict.heads[..])
            + size_of_val(&verdict.rises[..])
            + size_of_val(&verdict.carried[..])
            + carried.sum::<usize>()
    };
    let held = match event {
        Event::Look { session, verdict: said } | Event::Verdict { session, verdict: said } => {
            session.heap() + verdict(said)
        }
        Event::Failure { session, .. } => session.heap(),
        Event::Drift(alarm) => size_of_val(alarm),
        Event::Incident { incident, .. } => incident.bytes(),
    };
    2 * size_of::<(Event, usize)>() + held
}
