//! What adds up over sessions, with what alerts by it are explained with.

use super::carried::{Carried, Imprint, Remembered};
use crate::{
    detector::{Detector, EvidenceVerdict, Verdict},
    evidence::{Accumulator, Weighed},
    session::Session,
};
use std::sync::Arc;

/// Adds up scores over sessions in the order in which they ended, and remembers what heads read of those that may come to
/// carry an alert.
#[derive(Debug)]
pub(crate) struct Weigher {
    accumulator: Accumulator,
    remembered: Remembered,
    /// How many sessions it was given.
    sessions: u64,
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
        Some(Weigher { accumulator, remembered: Remembered::default(), sessions: 0 })
    }

    /// Lets what adds up over sessions decide on this one, which ended after all before.
    pub(crate) fn weigh(&self, weigher: &mut Weigher, session: &Session, verdict: &mut Verdict) {
        let Some(evidence) = &self.evidence else { return };
        let Weigher { accumulator, remembered, sessions: number } = weigher;
        let (cold, ended) = (session.is_cold(), session.ended());
        *number += 1;
        remembered.forget(ended, evidence.config.span);
        let cut = self.evidence_thresholds[usize::from(cold)];
        // With a mean above the cut, sessions of half the cut and more can carry an alert; without the others' there is none.
        let strange = evidence.calibration.surprise(2.0 * verdict.score, cold) > cut;
        let mut imprint = strange.then(|| self.imprint(session)).flatten();
        if let Some(imprint) = &imprint {
            remembered.add(*number, ended, imprint.clone());
        }
        let Weighed { score, sessions } = accumulator.add_numbered(session, verdict.score, *number);
        let p_value = evidence.calibration.p_value(score, cold);
        let score = evidence.calibration.surprise(score, cold);
        verdict.evidence = Some(EvidenceVerdict { score, p_value, sessions });
        verdict.threshold = cut;
        verdict.anomaly = score > verdict.threshold;
        if !verdict.anomaly {
            return;
        }
        let Some(own) = imprint.take().or_else(|| self.imprint(session)) else { return };
        let mut carried = Carried::alone(own.clone(), verdict.score);
        carried.own = evidence.config.own;
        for window in accumulator.windows(session) {
            carried.add_window(window.map(|(of, score)| {
                let imprint = if of == *number { Some(own.clone()) } else { remembered.get(of) };
                (imprint, score)
            }));
        }
        verdict.carried = Some(Arc::new(carried));
    }

    /// What the heads read of a session; `None` where they cannot.
    pub(super) fn imprint(&self, session: &Session) -> Option<Arc<Imprint>> {
        let mut values = self.background.layout.extract(&self.heads, &[session]).ok()?;
        Some(Arc::new(Imprint::new(session, values.pop()?)))
    }
}
