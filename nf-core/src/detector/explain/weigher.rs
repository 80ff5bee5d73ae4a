//! What adds up over sessions, with what alerts by it are explained with.

use super::carried::{Carried, Imprint, Remembered};
use crate::{
    detector::{Detector, Row},
    evidence::{Accumulator, Weighed},
};
use std::sync::Arc;

/// Adds up scores over sessions in the order in which looks at them became known, and remembers what heads read of those that
/// may come to carry an alert.
#[derive(Debug)]
pub(crate) struct Weigher {
    accumulator: Accumulator,
    remembered: Remembered,
}

impl Weigher {
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

    /// Adds a look at a session, the next in the order of time, with its own score. `id` is that of no other session.
    pub(in crate::detector) fn weigh(&self, weigher: &mut Weigher, id: u64, row: &Row<'_>, own: f32) -> Weighed {
        if let Some(evidence) = &self.evidence {
            let (cold, at) = (row.session.is_cold(), row.session.moment(row.look).at);
            weigher.remembered.forget(at, evidence.config.span);
            let cut = self.evidence_thresholds[usize::from(cold)];
            // With a mean above the cut, sessions of half the cut and more can carry an alert; without the others' there is none.
            let strange = evidence.calibration.surprise(2.0 * own, cold) > cut;
            weigher.remembered.set(id, at, strange.then(|| self.imprint(row)).flatten());
        }
        weigher.accumulator.add_look(id, row.session, row.look, own)
    }

    /// What an alert at the look that was added last follows from.
    pub(in crate::detector) fn carried(
        &self,
        weigher: &Weigher,
        id: u64,
        row: &Row<'_>,
        own: f32,
    ) -> Option<Arc<Carried>> {
        let imprint = weigher.remembered.get(id).or_else(|| self.imprint(row))?;
        let mut carried = Carried::alone(imprint.clone(), own);
        carried.own = self.evidence.as_ref()?.config.own;
        for window in weigher.accumulator.windows(row.session, row.look) {
            carried.add_window(window.map(|(of, score)| {
                let imprint = if of == id { Some(imprint.clone()) } else { weigher.remembered.get(of) };
                (imprint, score)
            }));
        }
        Some(Arc::new(carried))
    }

    /// What the heads read of a session; `None` where they cannot.
    pub(super) fn imprint(&self, row: &Row<'_>) -> Option<Arc<Imprint>> {
        let session = row.seen();
        let mut values = self.background.layout.extract(&self.heads, &[&*session]).ok()?;
        Some(Arc::new(Imprint::new(&session, values.pop()?)))
    }
}
