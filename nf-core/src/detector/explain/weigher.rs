//! What adds up over sessions, with what alerts by it are explained with.

use super::carried::{Carried, Imprint, Remembered, Values};
use crate::{
    detector::{Detector, Row, looks::Scores},
    evidence::{Accumulator, EvidenceConfig, Weighed},
};
use std::sync::Arc;

/// Adds up scores over sessions in the order in which looks at them became known, and remembers what heads read of those that
/// may come to carry an alert.
#[derive(Debug)]
pub(crate) struct Weigher {
    accumulator: Accumulator,
    remembered: Remembered,
}

/// How a look is added up with those before it.
#[derive(Debug)]
pub(crate) enum Weighing<'a> {
    /// For good.
    Take(&'a mut Weigher),
    /// To see what it would come to: nothing is remembered of it.
    Preview(&'a Weigher),
}

impl Weigher {
    /// Pairs, and activities, whose scores are held.
    pub(crate) fn keys(&self) -> usize {
        self.accumulator.keys()
    }

    /// Those dropped because there were too many.
    pub(crate) fn evicted(&self) -> u64 {
        self.accumulator.evicted()
    }

    /// Bytes held for explanations.
    pub(crate) fn remembered_bytes(&self) -> usize {
        self.remembered.bytes()
    }

    /// Sessions that could have carried an alert and were forgotten early, for want of memory.
    pub(crate) fn forgotten_early(&self) -> u64 {
        self.remembered.dropped()
    }
}

impl Detector {
    /// What adds up over sessions, without any session yet; `None` where this detector judges each by itself.
    pub(crate) fn weigher(&self) -> Option<Weigher> {
        let config = self.evidence.as_ref()?.config.clone();
        let accumulator = Accumulator::new(config).expect("a detector holds only configurations that were checked");
        Some(Weigher { accumulator, remembered: Remembered::default() })
    }

    /// Adds a look at a session, the next in the order of time, with its own score, the heads' scores and what they read of it. `id` is that
    /// of no other session.
    pub(in crate::detector) fn weigh(
        &self,
        weighing: &mut Weighing<'_>,
        id: u64,
        row: &Row<'_>,
        own: f32,
        scores: &Scores,
        values: Values,
    ) -> Weighed {
        let weigher = match weighing {
            Weighing::Take(weigher) => weigher,
            Weighing::Preview(weigher) => return weigher.accumulator.preview(id, row.session, row.look, own).0,
        };
        if let Some(evidence) = &self.evidence {
            let (cold, at) = (row.session.is_cold(), row.session.moment(row.look).at);
            weigher.remembered.forget(at, evidence.config.span);
            // With a mean above the cut, sessions of half the cut and more can carry an alert; without the others' there is none.
            let strange = 2.0 * own >= self.evidence_above[usize::from(cold)];
            let imprint = || Arc::new(Imprint::new(row.session, row.look, scores.clone(), values));
            weigher.remembered.set(id, at, strange.then(imprint));
        }
        weigher.accumulator.add_look(id, row.session, row.look, own)
    }

    /// What an alert at the look that was added last follows from.
    pub(in crate::detector) fn carried(
        &self,
        weighing: &Weighing<'_>,
        id: u64,
        row: &Row<'_>,
        own: f32,
        scores: &Scores,
    ) -> Option<Arc<Carried>> {
        let (weigher, known) = match weighing {
            Weighing::Take(weigher) => (&**weigher, weigher.remembered.get(id)),
            Weighing::Preview(weigher) => (*weigher, None),
        };
        let imprint = known.or_else(|| self.imprint(row, scores))?;
        let EvidenceConfig { own: least, last, .. } = self.evidence.as_ref()?.config;
        let mut carried = Carried::of(imprint.clone(), own, least, last);
        let with_imprint = |(of, score)| {
            let of_it = if of == id { Some(imprint.clone()) } else { weigher.remembered.get(of) };
            (of_it, score)
        };
        match weighing {
            Weighing::Take(weigher) => {
                let windows = weigher.accumulator.windows(row.session, row.look);
                windows.for_each(|window| carried.add_window(window.map(with_imprint)));
            }
            Weighing::Preview(weigher) => {
                let (_, windows) = weigher.accumulator.preview(id, row.session, row.look, own);
                windows.into_iter().for_each(|window| carried.add_window(window.into_iter().map(with_imprint)));
            }
        }
        Some(Arc::new(carried))
    }

    /// What the heads read of a session; `None` where they cannot.
    pub(super) fn imprint(&self, row: &Row<'_>, scores: &Scores) -> Option<Arc<Imprint>> {
        let session = row.seen();
        let mut values = self.background.layout.extract(&self.heads, &[&*session]).ok()?;
        Some(Arc::new(Imprint::new(row.session, row.look, scores.clone(), values.pop()?)))
    }
}
