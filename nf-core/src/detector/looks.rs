//! The looks at sessions, one row each, and what they come to.

use super::{
    Carried, Detector, Evidence, EvidenceVerdict, HeadVerdict, LookVerdict, Verdict, Weigher, Weighing, explain::Values,
};
use crate::{
    Result, Timestamp,
    evidence::{Accumulator, EvidenceConfig, Weighed},
    parallel,
    session::{Moment, Session},
};
use smallvec::{SmallVec, smallvec};
use std::{borrow::Cow, sync::Arc};

/// Looks scored at once, which takes about a tenth of a second: only of so many is held what the heads read of them.
pub(super) const PART: usize = 2048;

/// A look at one of some sessions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) session: &'a Session,
    /// Which of the sessions.
    pub(crate) place: usize,
    /// Which of its looks; behind the last the session as it is.
    pub(crate) look: usize,
}

/// The score of each head.
pub(super) type Scores = SmallVec<[f32; 4]>;

/// A look that the heads have scored.
#[derive(Debug, Default)]
pub(crate) struct Scored {
    pub(super) scores: Scores,
    /// What they read of it.
    values: Values,
}

/// What was said of a session at its looks so far.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    /// The strangest look.
    strangest: Seen,
    /// The looks that were stranger than all before; the last is the strangest.
    rises: SmallVec<[Risen; 1]>,
    /// When it was above the cut for the first time.
    alerted: Option<Timestamp>,
    last: Moment,
    last_look: Risen,
    looks: u32,
}

/// A look, as far as incidents and evaluation need it.
#[derive(Debug, Clone)]
struct Risen {
    at: Timestamp,
    look: u32,
    /// The score that decides, before calibration.
    score: f32,
    /// Which head found it strangest.
    head: u32,
    /// What an alert by it follows from.
    carried: Option<Arc<Carried>>,
}

/// A look, as far as the verdict needs it.
#[derive(Debug, Clone)]
struct Seen {
    scores: Scores,
    own: f32,
    weighed: Option<Weighed>,
}

impl Seen {
    fn deciding(&self) -> f32 {
        self.weighed.map_or(self.own, |weighed| weighed.score)
    }
}

impl<'a> Row<'a> {
    /// All looks at some sessions, those at one session together.
    pub(crate) fn all(sessions: &[&'a Session]) -> Vec<Self> {
        let looks = |(place, &session): (usize, &&'a Session)| {
            (0..=session.looks().len()).map(move |look| Row { session, place, look })
        };
        sessions.iter().enumerate().flat_map(looks).collect()
    }

    /// The places of rows in the order in which they became known; of several tables those of one moment stay in order.
    pub(crate) fn in_time(rows: &[Self]) -> Vec<usize> {
        let mut places: Vec<usize> = (0..rows.len()).collect();
        places.sort_by_key(|&i| rows[i].session.moment(rows[i].look));
        places
    }

    /// The session as it was.
    pub(crate) fn seen(&self) -> Cow<'a, Session> {
        if self.look < self.session.looks().len() {
            Cow::Owned(self.session.at_look(self.look))
        } else {
            Cow::Borrowed(self.session)
        }
    }
}

impl Standing {
    /// Whether it was above the cut.
    pub(crate) fn alerted(&self) -> bool {
        self.alerted.is_some()
    }

    /// How many looks were stranger than all before.
    // Inlined, its length is read before it is known whether a session has a standing: harmless, but valgrind cannot know that.
    #[inline(never)]
    pub(crate) fn rises(&self) -> usize {
        self.rises.len()
    }

    /// When what it holds became known last.
    pub(crate) fn last(&self) -> Moment {
        self.last
    }

    /// Bytes on the heap, without what the allocator adds.
    // As above.
    #[inline(never)]
    pub(crate) fn heap(&self) -> usize {
        let scores = if self.strangest.scores.spilled() { self.strangest.scores.capacity() } else { 0 };
        let rises = if self.rises.spilled() { self.rises.capacity() } else { 0 };
        let carried = self.rises.iter().filter_map(|rise| rise.carried.as_ref()).map(|carried| carried.bytes());
        scores * size_of::<f32>() + rises * size_of::<Risen>() + carried.sum::<usize>()
    }
}

impl Detector {
    /// The scores of some rows, on this detector's threads. What several heads read is extracted once.
    pub(crate) fn score(&self, rows: &[Row<'_>]) -> Result<Vec<Scored>> {
        let layout = &self.background.layout;
        parallel::in_chunks(rows, self.threads, |chunk| {
            let sessions: Vec<Cow<'_, Session>> = chunk.iter().map(Row::seen).collect();
            let values = layout.extract(&self.heads, &sessions.iter().map(|session| &**session).collect::<Vec<_>>())?;
            let of_each = values.into_iter().map(|values| Scored { scores: Scores::new(), values });
            let mut scored: Vec<Scored> = of_each.collect();
            for (i, head) in self.heads.iter().enumerate() {
                let rows = layout.rows(
                    head,
                    i,
                    scored.iter().map(|Scored { values: [whole, steps], .. }| [&whole[..], steps]),
                )?;
                let scores = head.scorer.score_rows(&rows)?;
                scored.iter_mut().zip(scores).for_each(|(scored, score)| scored.scores.push(score));
            }
            Ok(scored)
        })
    }

    /// The sessions' own scores at some looks.
    pub(super) fn own_scores(&self, rows: &[Row<'_>]) -> Result<Vec<f32>> {
        let mut own = Vec::with_capacity(rows.len());
        for part in rows.chunks(PART) {
            own.extend(self.score(part)?.iter().map(|scored| self.own_score(&scored.scores).0));
        }
        Ok(own)
    }

    /// Takes in a look at a session, the next in the order of time, as scored. `id` is that of no other session of
    /// the accumulator; without one the session stands for itself. Says whether the session is above the cut for the
    /// first time.
    pub(crate) fn take(
        &self,
        standing: &mut Option<Standing>,
        row: &Row<'_>,
        scored: Scored,
        id: u64,
        weigher: Option<&mut Weigher>,
    ) -> bool {
        self.take_by(standing, row, scored, id, weigher.map(Weighing::Take))
    }

    /// What was said of a session so far, had this look at it been [taken](Self::take) in: nothing is remembered of it.
    pub(crate) fn preview(
        &self,
        mut standing: Option<Standing>,
        row: &Row<'_>,
        scored: Scored,
        id: u64,
        weigher: Option<&Weigher>,
    ) -> Option<Standing> {
        self.take_by(&mut standing, row, scored, id, weigher.map(Weighing::Preview));
        standing
    }

    fn take_by(
        &self,
        standing: &mut Option<Standing>,
        row: &Row<'_>,
        scored: Scored,
        id: u64,
        mut weigher: Option<Weighing<'_>>,
    ) -> bool {
        let Scored { scores, values } = scored;
        let (own, head) = self.own_score(&scores);
        let weighed = weigher.as_mut().map(|weigher| self.weigh(weigher, id, row, own, &scores, values));
        let (last, seen) = (row.session.moment(row.look), Seen { scores, own, weighed });
        let (score, above) = (seen.deciding(), self.is_above(&seen, row.session.is_cold()));
        let rise = |look, carried| Risen { at: last.at, look, score, head, carried };
        let carried = |weigher: Option<Weighing<'_>>| {
            weigher.filter(|_| above).and_then(|weigher| self.carried(&weigher, id, row, own, &seen.scores))
        };
        let Some(standing) = standing else {
            let (alerted, last_look) = (above.then_some(last.at), rise(0, None));
            let rises = smallvec![rise(0, carried(weigher))];
            *standing = Some(Standing { strangest: seen, rises, alerted, last, last_look, looks: 1 });
            return above;
        };
        let first = above && standing.alerted.is_none();
        if first {
            standing.alerted = Some(last.at);
        }
        (standing.last, standing.last_look) = (last, rise(standing.looks, None));
        if score > standing.strangest.deciding() {
            standing.rises.push(rise(standing.looks, carried(weigher)));
            standing.strangest = seen;
        }
        standing.looks += 1;
        first
    }

    fn is_above(&self, seen: &Seen, cold: bool) -> bool {
        match seen.weighed {
            Some(weighed) => weighed.score >= self.evidence_above[usize::from(cold)],
            None => seen.own > self.threshold,
        }
    }

    /// What a session's looks come to: the strangest of them.
    pub(crate) fn verdict(&self, standing: Standing, cold: bool) -> Verdict {
        let Standing { strangest, rises, alerted, last, last_look, .. } = standing;
        // Where sessions stand for themselves their own score decides, else that of their evidence.
        let weighed = strangest.weighed.zip(self.evidence.as_deref());
        let calibrated = |score| match weighed {
            Some((_, Evidence { calibration, .. })) => calibration.both(score, cold),
            None => (score, self.combined.p_value(score)),
        };
        let deciding = strangest.deciding();
        let (score, p_value) = calibrated(deciding);
        let look = |&Risen { at, look, score: of_look, head, .. }: &Risen| {
            // Most often the strangest look is the only one.
            let (score, p_value) = if of_look == deciding { (score, p_value) } else { calibrated(of_look) };
            LookVerdict { at, look: look as usize, score, p_value, head: head as usize }
        };
        Verdict {
            score: strangest.own,
            p_value: self.combined.p_value(strangest.own),
            heads: self.head_verdicts(&strangest.scores),
            evidence: weighed.map(|(weighed, _)| EvidenceVerdict { score, p_value, sessions: weighed.sessions }),
            threshold: weighed.map_or(self.threshold, |_| self.evidence_thresholds[usize::from(cold)]),
            anomaly: self.is_above(&strangest, cold),
            cold,
            look: rises.last().map_or(0, |rise| rise.look as usize),
            at: alerted.unwrap_or(last.at),
            rises: rises.iter().map(look).collect(),
            last: look(&last_look),
            carried: match rises.iter().any(|rise| rise.carried.is_some()) {
                true => rises.into_iter().map(|rise| rise.carried).collect(),
                false => Vec::new(),
            },
        }
    }

    /// The verdict on a session as it is that was told of it before, with what it was carried by.
    pub(crate) fn told(&self, session: &Session, told: Told<'_>) -> Result<Verdict> {
        let Told { at, score, p_value, carried } = told;
        let look = session.looks().len();
        let scores = match carried {
            Some(carried) => carried.scores().clone(),
            None => self.score(&[Row { session, place: 0, look }])?.swap_remove(0).scores,
        };
        let ((own, head), cold) = (self.own_score(&scores), session.is_cold());
        let threshold = self.evidence.as_ref().map_or(self.threshold, |_| self.evidence_thresholds[usize::from(cold)]);
        let sessions = carried.map_or(1, |carried| carried.sessions());
        let last = LookVerdict { at, look, score, p_value, head: head as usize };
        Ok(Verdict {
            score: own,
            p_value: self.combined.p_value(own),
            heads: self.head_verdicts(&scores),
            evidence: self.evidence.as_ref().map(|_| EvidenceVerdict { score, p_value, sessions }),
            threshold,
            anomaly: score > threshold,
            cold,
            look,
            at,
            rises: vec![last],
            last,
            carried: carried.map(|carried| Some(carried.clone())).into_iter().collect(),
        })
    }

    /// What the heads' scores come to, and the head with the lowest p-value, the first of equal ones.
    fn own_score(&self, scores: &[f32]) -> (f32, u32) {
        let (mut sum, mut strangest) = (0.0, (0, f64::NEG_INFINITY));
        for (i, (head, score)) in self.heads.iter().zip(scores).enumerate() {
            let surprise = head.calibration.surprise(*score);
            sum += head.scorer.weight * surprise;
            if surprise > strangest.1 {
                strangest = (i as u32, surprise);
            }
        }
        (sum as f32, strangest.0)
    }

    pub(super) fn head_verdicts(&self, scores: &[f32]) -> Vec<HeadVerdict> {
        let heads = self.heads.iter().zip(scores).map(|(head, &score)| HeadVerdict {
            name: head.scorer.name.clone(),
            score,
            p_value: head.calibration.p_value(score),
        });
        heads.collect()
    }
}

/// What was told of a session when it was strangest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'a> {
    pub(crate) at: Timestamp,
    /// The score that decided, calibrated, and its p-value.
    pub(crate) score: f32,
    pub(crate) p_value: f64,
    pub(crate) carried: Option<&'a Arc<Carried>>,
}

/// The highest of the scores of each session's rows.
pub(super) fn highest(sessions: usize, rows: &[Row<'_>], scores: &[f32]) -> Vec<f32> {
    let mut highest = vec![f32::NEG_INFINITY; sessions];
    for (row, score) in rows.iter().zip(scores) {
        highest[row.place] = highest[row.place].max(*score);
    }
    highest
}

/// The evidence of each row of some sessions of one session table, from their own scores.
pub(super) fn weigh_all(config: &EvidenceConfig, rows: &[Row<'_>], scores: &[f32]) -> Result<Vec<f32>> {
    let mut accumulator = Accumulator::new(config.clone())?;
    let mut weighed = vec![0.0; rows.len()];
    for i in Row::in_time(rows) {
        let Row { session, place, look } = rows[i];
        weighed[i] = accumulator.add_look(place as u64, session, look, scores[i]).score;
    }
    Ok(weighed)
}
