//! The sessions that carry an alert, and what is kept of sessions that may come to carry one.

use super::layout::Layout;
use crate::{
    Timestamp,
    detector::looks::Scores,
    session::{FlowKey, Outcome, Session},
};
use hashlink::LinkedHashMap;
use smallvec::SmallVec;
use std::{sync::Arc, time::Duration};

/// Values of a whole session, and of its packets, as stored in rows.
pub(in crate::detector) type Values = [Vec<f32>; 2];

/// What the heads read of a session, and how strange each found it.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::detector) struct Imprint {
    pub(super) key: FlowKey,
    pub(super) start: Timestamp,
    pub(super) outcome: Outcome,
    pub(super) scores: Scores,
    pub(super) values: Values,
}

impl Imprint {
    /// What heads read of the session as it was at a look.
    pub(super) fn new(session: &Session, look: usize, scores: Scores, mut values: Values) -> Self {
        values.iter_mut().for_each(Vec::shrink_to_fit);
        Self { key: *session.key(), start: session.start(), outcome: session.outcome_at(look), scores, values }
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.values.iter().map(|values| size_of_val(&values[..])).sum::<usize>()
    }
}

/// A session that carries an alert: one of the last sessions of a pair of hosts, whose scores together are what alerts.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Carrier {
    /// Its own score, as [`Verdict::score`](crate::Verdict::score).
    pub score: f32,
    pub(super) imprint: Arc<Imprint>,
}

impl Carrier {
    /// Protocol and endpoints.
    pub fn key(&self) -> &FlowKey {
        &self.imprint.key
    }

    /// Time of its first packet.
    pub fn start(&self) -> Timestamp {
        self.imprint.start
    }
}

/// What an alert follows from: the scores it was weighed from, and what heads read of the sessions strange enough to
/// carry it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Carried {
    /// The session of the verdict first.
    pub(super) carriers: Vec<Carrier>,
    /// For each key that sessions were added up by: the sum of the scores that nothing is kept of, how many there are in all,
    /// and which carriers belong to it. Empty for a session judged by itself.
    pub(super) windows: SmallVec<[Window; 1]>,
    /// How much the session's own score counts at least.
    pub(super) own: f32,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    rest: f64,
    count: u32,
    /// At most 64 of each of two keys, beside the session itself.
    carriers: SmallVec<[u8; 16]>,
}

impl Window {
    /// The mean score where the carriers have these.
    fn mean(&self, scores: &[f32]) -> f32 {
        let sum = self.carriers.iter().map(|&i| f64::from(scores[usize::from(i)])).sum::<f64>() + self.rest;
        (sum / f64::from(self.count)) as f32
    }
}

impl Carried {
    /// A session by itself.
    pub(super) fn alone(imprint: Arc<Imprint>, score: f32) -> Self {
        Self::of(imprint, score, 1.0, 1)
    }

    /// A session whose own score counts so much at least, with room for so many that carry the alert with it.
    pub(super) fn of(imprint: Arc<Imprint>, score: f32, own: f32, room: usize) -> Self {
        let mut carriers = Vec::with_capacity(room);
        carriers.push(Carrier { score, imprint });
        Self { carriers, windows: SmallVec::new(), own }
    }

    /// Bytes held, what is shared counted as its own.
    pub(crate) fn bytes(&self) -> usize {
        let carriers = self.carriers.iter().map(|carrier| size_of::<Carrier>() + carrier.imprint.bytes());
        size_of::<Self>() + carriers.sum::<usize>() + size_of_val(&self.windows[..])
    }

    /// The sessions, that of the verdict first.
    pub(crate) fn carriers(&self) -> &[Carrier] {
        &self.carriers
    }

    /// What each head said of the session of the verdict.
    pub(crate) fn scores(&self) -> &Scores {
        &self.carriers[0].imprint.scores
    }

    /// How many sessions it is made from: those of the key that is strangest.
    pub(crate) fn sessions(&self) -> u32 {
        let scores: Vec<f32> = self.carriers.iter().map(|carrier| carrier.score).collect();
        let strangest = self.windows.iter().rev().max_by(|a, b| a.mean(&scores).total_cmp(&b.mean(&scores)));
        strangest.map_or(1, |window| window.count)
    }

    /// Whether the heads whose columns these are read so many values.
    pub(super) fn fits(&self, layout: &Layout) -> bool {
        let (flat, packets, heads) =
            (layout.flat.columns.len(), layout.packets.columns.len(), layout.flat.places.len());
        self.carriers.iter().all(|carrier| {
            let Imprint { scores, values: [whole, steps], .. } = &*carrier.imprint;
            scores.len() == heads && whole.len() == flat && steps.len().checked_rem(packets).unwrap_or(steps.len()) == 0
        })
    }

    /// Adds the scores that were added up by one key, each with what is kept of its session.
    pub(super) fn add_window(&mut self, scores: impl Iterator<Item = (Option<Arc<Imprint>>, f32)>) {
        let mut window = Window { rest: 0.0, count: 0, carriers: SmallVec::new() };
        for (imprint, score) in scores {
            window.count += 1;
            let Some(imprint) = imprint else {
                window.rest += f64::from(score);
                continue;
            };
            let known = self.carriers.iter().position(|carrier| Arc::ptr_eq(&carrier.imprint, &imprint));
            window.carriers.push(known.unwrap_or(self.carriers.len()) as u8);
            if known.is_none() {
                self.carriers.push(Carrier { score, imprint });
            }
        }
        self.windows.push(window);
    }

    /// What the scores come to where the carriers have these, as the evidence weighs them.
    pub(super) fn weigh(&self, scores: &[f32]) -> f32 {
        let strangest = self.windows.iter().map(|window| window.mean(scores)).reduce(f32::max);
        strangest.map_or(scores[0], |mean| mean.max(self.own * scores[0]))
    }
}

/// Most bytes of imprints remembered. Each holds about 500 bytes where no head reads packets, so that some hundred thousand
/// sessions strange enough to carry an alert would have to end within a minute for one to be dropped.
pub(crate) const MOST_BYTES: usize = 64 << 20;

/// Imprints of the last sessions that are strange enough to carry an alert, in bounded memory.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// By session, with the moment of the look that it is of, in that order.
    imprints: LinkedHashMap<u64, (Timestamp, Arc<Imprint>)>,
    bytes: usize,
    dropped: u64,
}

impl Remembered {
    /// Remembers the imprint of a session in place of what there was of an earlier look at it, or nothing.
    pub(super) fn set(&mut self, id: u64, now: Timestamp, imprint: Option<Arc<Imprint>>) {
        self.bytes += imprint.as_ref().map_or(0, |imprint| imprint.bytes());
        let earlier = match imprint {
            Some(imprint) => self.imprints.insert(id, (now, imprint)),
            None => self.imprints.remove(&id),
        };
        self.bytes -= earlier.map_or(0, |(_, earlier)| earlier.bytes());
        while self.bytes > MOST_BYTES {
            self.drop_first();
            self.dropped += 1;
        }
    }

    /// Forgets what is older than `span`, which no evidence is made from any more.
    pub(super) fn forget(&mut self, now: Timestamp, span: Duration) {
        while self.imprints.front().is_some_and(|(_, (at, _))| now.since(*at) > span) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some((_, (_, imprint))) = self.imprints.pop_front() {
            self.bytes -= imprint.bytes();
        }
    }

    /// The imprint of this session, where it is remembered.
    pub(super) fn get(&self, id: u64) -> Option<Arc<Imprint>> {
        self.imprints.get(&id).map(|(_, imprint)| imprint.clone())
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Imprints dropped before their time, because there were too many.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}
