//! The sessions that carry an alert, with some of their values set to what was expected.

use super::{
    background::Background,
    carried::{Carried, Imprint},
    layout::Part,
};
use crate::{
    Result,
    detector::{Detector, HeadVerdict, Verdict},
    features::Rows,
};

/// How often replaced values are fed back to a model that rebuilds rows, so that its expectation follows from the rest.
const ROUNDS: usize = 3;

/// How far apart two values count at most in finding the nearest benign row, in squared deviations: what is strange and not
/// yet named must not decide alone which row is near.
const FAR: f32 = 4.0;

/// A fact that can be named: of a session, or of one of its packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The packet, from 0.
    pub(super) packet: Option<usize>,
    /// The place in the facts of its kind.
    pub(super) fact: usize,
}

/// An alert: the sessions that carry it, and what decides.
pub(super) struct Probe<'a> {
    pub(super) detector: &'a Detector,
    pub(super) background: &'a Background,
    pub(super) carried: &'a Carried,
    verdict: &'a Verdict,
    subjects: Vec<Subject<'a>>,
}

/// One of the sessions.
struct Subject<'a> {
    imprint: &'a Imprint,
    /// How far each benign row is in each column, (columns, rows), and in all.
    apart: Vec<f32>,
    far: Vec<f32>,
}

/// A session with named values as expected.
#[derive(Debug, Clone)]
pub(super) struct Altered {
    pub(super) values: [Vec<f32>; 2],
    /// Its own score with these.
    pub(super) score: f32,
}

/// A session, by its place among the carriers, and the facts to set.
pub(super) type Task<'t> = (usize, &'t [Place]);

impl<'a> Probe<'a> {
    pub(super) fn new(detector: &'a Detector, verdict: &'a Verdict, carried: &'a Carried) -> Self {
        let background = &*detector.background;
        let subjects = carried.carriers.iter().map(|carrier| Subject::new(detector, &carrier.imprint)).collect();
        Self { detector, background, carried, verdict, subjects }
    }

    /// The part that a place's columns are in.
    pub(super) fn part(&self, place: Place) -> &Part {
        match place.packet {
            None => &self.background.layout.flat,
            Some(_) => &self.background.layout.packets,
        }
    }

    /// What the sessions come to together where their own scores are these: what is weighed, and the verdict's score.
    pub(super) fn decide(&self, scores: &[f32]) -> (f32, f32) {
        match (&self.detector.evidence, self.verdict.evidence) {
            (Some(evidence), Some(_)) => {
                let weighed = self.carried.weigh(scores);
                (weighed, evidence.calibration.surprise(weighed, self.verdict.cold))
            }
            _ => (scores[0], scores[0]),
        }
    }

    /// Whether these scores make no alert.
    pub(super) fn is_normal(&self, scores: &[f32]) -> bool {
        self.decide(scores).1 <= self.verdict.threshold
    }

    /// The scores of the sessions as they are.
    pub(super) fn observed(&self) -> Vec<f32> {
        self.carried.carriers.iter().map(|carrier| carrier.score).collect()
    }

    /// The verdict that the session would have got.
    pub(super) fn verdict_after(&self, altered: &[Altered]) -> Result<Verdict> {
        let own = [[&altered[0].values[0][..], &altered[0].values[1][..]]];
        let layout = &self.background.layout;
        let mut heads = Vec::new();
        for (i, head) in self.detector.heads.iter().enumerate() {
            let rows = layout.rows(head, i, own.iter().copied())?;
            let score = head.scorer.score_rows(&rows)?[0];
            let p_value = head.calibration.p_value(score);
            heads.push(HeadVerdict { name: head.scorer.name.clone(), score, p_value });
        }
        let scores: Vec<f32> = altered.iter().map(|altered| altered.score).collect();
        let (weighed, score) = self.decide(&scores);
        let mut evidence = self.verdict.evidence;
        if let (Some(after), Some(own)) = (&mut evidence, &self.detector.evidence) {
            (after.score, after.p_value) = (score, own.calibration.p_value(weighed, self.verdict.cold));
        }
        Ok(Verdict {
            score: scores[0],
            p_value: self.detector.combined.p_value(scores[0]),
            heads,
            evidence,
            threshold: self.verdict.threshold,
            anomaly: score > self.verdict.threshold,
            cold: self.verdict.cold,
            carried: None,
        })
    }

    /// Sessions with facts set to what is expected given the rest, one a task: by the nearest benign row, and by what models
    /// that rebuild rows make of that, whichever is the less strange.
    pub(super) fn alter(&self, tasks: &[Task<'_>]) -> Result<Vec<Altered>> {
        let flat: Vec<Vec<usize>> = tasks.iter().map(|(_, named)| self.flat_columns(named)).collect();
        let mut nearest: Vec<[Vec<f32>; 2]> =
            tasks.iter().zip(&flat).map(|((i, _), columns)| self.nearest(*i, columns)).collect();
        self.rebuild_packets(tasks, &mut nearest)?;
        let mut rebuilt = nearest.clone();
        let any = self.rebuild_flat(&flat, &mut rebuilt)?;
        let mut both = nearest;
        if any {
            both.extend(rebuilt);
        }
        let scores = self.scores(&both)?;
        let count = tasks.len();
        let choose = |i: usize| if any && scores[count + i] < scores[i] { count + i } else { i };
        Ok((0..count).map(choose).map(|i| Altered { values: std::mem::take(&mut both[i]), score: scores[i] }).collect())
    }

    /// The scores of sessions with these values.
    pub(super) fn scores(&self, values: &[[Vec<f32>; 2]]) -> Result<Vec<f32>> {
        let mut sums = vec![0.0; values.len()];
        for (i, head) in self.detector.heads.iter().enumerate() {
            let rows = self.rows(i, values)?;
            for (sum, score) in sums.iter_mut().zip(head.scorer.score_rows(&rows)?) {
                *sum += head.surprise(score);
            }
        }
        Ok(sums.into_iter().map(|sum| sum as f32).collect())
    }

    pub(super) fn rows(&self, head: usize, values: &[[Vec<f32>; 2]]) -> Result<Rows> {
        let values = values.iter().map(|[whole, packets]| [&whole[..], &packets[..]]);
        self.background.layout.rows(&self.detector.heads[head], head, values)
    }

    /// The columns of whole sessions that facts are made of.
    fn flat_columns(&self, named: &[Place]) -> Vec<usize> {
        let facts = &self.background.layout.flat.facts;
        let named = named.iter().filter(|place| place.packet.is_none());
        let mut columns: Vec<usize> = named.flat_map(|place| &facts[place.fact].1).copied().collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// A session's values with some columns as in the benign row that is nearest in the others.
    fn nearest(&self, subject: usize, columns: &[usize]) -> [Vec<f32>; 2] {
        let Subject { imprint, apart, far } = &self.subjects[subject];
        let mut values = imprint.values.clone();
        let (samples, width) = (far.len(), values[0].len());
        if columns.is_empty() || samples == 0 {
            return values;
        }
        let mut far = far.clone();
        for column in columns {
            let apart = &apart[column * samples..][..samples];
            far.iter_mut().zip(apart).for_each(|(far, apart)| *far -= apart);
        }
        let nearest = (0..samples).min_by(|&a, &b| far[a].total_cmp(&far[b])).unwrap_or(0);
        let row = &self.background.samples[nearest * width..][..width];
        columns.iter().for_each(|&column| values[0][column] = row[column]);
        values
    }

    /// Sets named columns to what a model that rebuilds rows makes of them, a few times over; says whether there is one.
    fn rebuild_flat(&self, columns: &[Vec<usize>], values: &mut [[Vec<f32>; 2]]) -> Result<bool> {
        if columns.iter().all(Vec::is_empty) {
            return Ok(false);
        }
        let part = &self.background.layout.flat;
        for (i, head) in self.detector.heads.iter().enumerate() {
            let Some(places) = &part.places[i] else { continue };
            for round in 0..ROUNDS {
                let rows = self.rows(i, values)?;
                let expected = head.scorer.model.expected(&rows).map_err(|e| head.scorer.place(e))?;
                let Some(expected) = expected.filter(|e| sane(e, &rows)) else {
                    if round > 0 {
                        return Ok(true);
                    } else {
                        break;
                    };
                };
                for ((values, columns), expected) in values.iter_mut().zip(columns).zip(expected.chunks(places.len())) {
                    let own = places.iter().enumerate().filter(|(_, place)| columns.contains(place));
                    for (column, &place) in own {
                        values[0][place] = head.scorer.scaler.invert(column, expected[column]);
                    }
                }
                if round + 1 == ROUNDS {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Sets named cells of packets to what the heads that read packets expect there: the mean where a model cannot say.
    fn rebuild_packets(&self, tasks: &[Task<'_>], values: &mut [[Vec<f32>; 2]]) -> Result<()> {
        let part = &self.background.layout.packets;
        let width = part.columns.len();
        if tasks.iter().all(|(_, named)| named.iter().all(|place| place.packet.is_none())) {
            return Ok(());
        }
        for (i, head) in self.detector.heads.iter().enumerate() {
            let Some(places) = &part.places[i] else { continue };
            for _ in 0..ROUNDS {
                let rows = self.rows(i, values)?;
                let expected = self.expected(i, &rows)?;
                let size = rows.steps() * places.len();
                for ((row, (_, named)), values) in tasks.iter().enumerate().zip(values.iter_mut()) {
                    let steps = rows.lengths()[row] as usize;
                    for place in named.iter() {
                        let Some(packet) = place.packet.filter(|packet| *packet < steps) else { continue };
                        let columns = &part.facts[place.fact].1;
                        for (column, at) in places.iter().enumerate().filter(|(_, at)| columns.contains(at)) {
                            let value = expected[row * size + packet * places.len() + column];
                            values[1][packet * width + at] = head.scorer.scaler.invert(column, value);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// What a head's model expects in place of each value, 0 where it cannot say.
    pub(super) fn expected(&self, head: usize, rows: &Rows) -> Result<Vec<f32>> {
        let scorer = &self.detector.heads[head].scorer;
        let expected = scorer.model.expected(rows).map_err(|e| scorer.place(e))?;
        Ok(expected.filter(|expected| sane(expected, rows)).unwrap_or_else(|| vec![0.0; rows.data().len()]))
    }
}

/// Whether a user's own model gave what it should.
fn sane(expected: &[f32], rows: &Rows) -> bool {
    expected.len() == rows.data().len() && expected.iter().all(|value| value.is_finite())
}

impl<'a> Subject<'a> {
    fn new(detector: &Detector, imprint: &'a Imprint) -> Self {
        let Background { layout, scaled, .. } = &*detector.background;
        let samples = detector.background.samples();
        let mut apart = Vec::with_capacity(scaled.len());
        let mut far = vec![0.0; samples];
        for (place, value) in imprint.values[0].iter().enumerate() {
            let own = layout.flat.scale(&detector.heads, place, *value);
            let column = &scaled[place * samples..][..samples];
            apart.extend(column.iter().map(|value| (value - own).powi(2).min(FAR)));
            far.iter_mut().zip(&apart[place * samples..]).for_each(|(far, apart)| *far += apart);
        }
        Self { imprint, apart, far }
    }
}
