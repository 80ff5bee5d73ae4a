//! The sessions that carry an alert, with some of their values set to what was expected.

use super::{
    background::Background,
    carried::{Carried, Imprint, Values},
    layout::Part,
};
use crate::{
    Result,
    detector::{Detector, Verdict, looks::Scores},
    features::Rows,
};
use std::array;

/// How far apart two values count at most in finding the nearest benign row, in squared deviations: what is strange and not
/// yet named must not decide alone which row is near.
const FAR: f32 = 16.0;

/// How near what was expected values are left as they are, in deviations of the training; the first that does.
const NEAR: [f32; 3] = [2.0, 1.0, 0.5];

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
    /// Its values of the whole session on the heads' scale.
    scaled: Vec<f32>,
    /// How far each benign row is in all columns.
    far: Vec<f32>,
    /// What each head adds to its score.
    surprises: Vec<f64>,
    /// The heads that make up most of its score.
    leading: Vec<bool>,
}

/// A session with named values as expected.
#[derive(Debug, Clone)]
pub(super) struct Altered {
    pub(super) values: Values,
    /// What each head says of these; of a head that was not asked, what it said.
    heads: Scores,
    /// Its own score with these.
    pub(super) score: f32,
}

/// A session, by its place among the carriers, and the facts to set.
pub(super) type Task<'t> = (usize, &'t [Place]);

impl<'a> Probe<'a> {
    pub(super) fn new(detector: &'a Detector, verdict: &'a Verdict, carried: &'a Carried) -> Self {
        let subjects = carried.carriers.iter().map(|carrier| Subject::new(detector, &carrier.imprint)).collect();
        Self { detector, background: &detector.background, carried, verdict, subjects }
    }

    /// Facts whose columns are among those of another.
    pub(super) fn parts_of(&self, place: Place) -> impl Iterator<Item = Place> {
        let facts = &self.part(place).facts;
        let (_, all) = &facts[place.fact];
        let within = |columns: &[usize]| columns.len() < all.len() && columns.iter().all(|column| all.contains(column));
        let parts = facts.iter().enumerate().filter(move |(_, (_, columns))| within(columns));
        parts.map(move |(fact, _)| Place { fact, ..place })
    }

    /// Sets of so many facts that leave a session near some benign row in all other columns, the nearest first.
    pub(super) fn proposals(&self, subject: usize, count: usize, rows: usize) -> Vec<Vec<Place>> {
        let (subject, facts) = (&self.subjects[subject], &self.background.layout.flat.facts);
        let (far, samples) = (&subject.far, subject.far.len());
        let apart: Vec<f32> =
            (0..subject.scaled.len()).flat_map(|column| subject.apart(self.background, column)).collect();
        let mut by_rest: Vec<(f32, Vec<usize>)> = (0..samples)
            .map(|row| {
                let apart = |column: &usize| apart[column * samples + row];
                let by: Vec<f32> = facts.iter().map(|(_, columns)| columns.iter().map(apart).sum()).collect();
                let mut set: Vec<usize> = (0..facts.len()).collect();
                if count < set.len() {
                    set.select_nth_unstable_by(count, |&a, &b| by[b].total_cmp(&by[a]).then(a.cmp(&b)));
                    set.truncate(count);
                }
                set.sort_unstable();
                let places: Vec<Place> = set.iter().map(|&fact| Place { packet: None, fact }).collect();
                let named: f32 = self.flat_columns(&places).iter().map(apart).sum();
                (far[row] - named, set)
            })
            .collect();
        by_rest.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut sets: Vec<Vec<Place>> = Vec::new();
        for (_, set) in by_rest {
            let places: Vec<Place> = set.iter().map(|&fact| Place { packet: None, fact }).collect();
            if !sets.contains(&places) {
                sets.push(places);
            }
            if sets.len() == rows {
                break;
            }
        }
        sets
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

    /// The carrier that is strangest by itself.
    pub(super) fn strangest(&self) -> usize {
        let carriers = &self.carried.carriers;
        (0..carriers.len()).max_by(|&a, &b| carriers[a].score.total_cmp(&carriers[b].score)).unwrap_or(0)
    }

    /// What a head adds to the score of a carrier as it is.
    pub(super) fn surprise(&self, carrier: usize, head: usize) -> f64 {
        self.subjects[carrier].surprises[head]
    }

    /// The scores of the sessions as they are.
    pub(super) fn observed(&self) -> Vec<f32> {
        self.carried.carriers.iter().map(|carrier| carrier.score).collect()
    }

    /// The verdict that the session would have got.
    pub(super) fn verdict_after(&self, altered: &[Altered]) -> Verdict {
        let scores: Vec<f32> = altered.iter().map(|altered| altered.score).collect();
        let (weighed, score) = self.decide(&scores);
        let mut evidence = self.verdict.evidence;
        if let (Some(after), Some(own)) = (&mut evidence, &self.detector.evidence) {
            (after.score, after.p_value) = (score, own.calibration.p_value(weighed, self.verdict.cold));
        }
        Verdict {
            score: scores[0],
            p_value: self.detector.combined.p_value(scores[0]),
            heads: self.detector.head_verdicts(&altered[0].heads),
            evidence,
            threshold: self.verdict.threshold,
            anomaly: score > self.verdict.threshold,
            cold: self.verdict.cold,
            look: self.verdict.look,
            at: self.verdict.at,
            rises: Vec::new(),
            last: self.verdict.last,
            carried: Vec::new(),
        }
    }

    /// Sessions with facts set to what is expected given the rest, one a task: to the values of the nearest benign row, and
    /// where a head's model rebuilds rows to what it makes of these.
    pub(super) fn alter(&self, tasks: &[Task<'_>]) -> Result<Vec<Altered>> {
        self.alter_for(tasks, |_, _| true)
    }

    /// As [`alter`](Self::alter), at a fraction of the cost: only the heads that make up most of a session's score are asked, and
    /// the others taken to fall in proportion.
    pub(super) fn alter_roughly(&self, tasks: &[Task<'_>]) -> Result<Vec<Altered>> {
        let mut altered = self.alter_for(tasks, |subject, head| self.subjects[subject].leading[head])?;
        for ((subject, _), altered) in tasks.iter().zip(&mut altered) {
            let Subject { surprises, leading, .. } = &self.subjects[*subject];
            let asked = surprises.iter().zip(leading).filter(|(_, leads)| **leads);
            let asked: f64 = asked.map(|(surprise, _)| surprise).sum();
            altered.score *= (surprises.iter().sum::<f64>() / asked.max(f64::MIN_POSITIVE)) as f32;
        }
        Ok(altered)
    }

    fn alter_for(&self, tasks: &[Task<'_>], asked: impl Fn(usize, usize) -> bool) -> Result<Vec<Altered>> {
        let columns: Vec<Vec<usize>> = tasks.iter().map(|(_, named)| self.flat_columns(named)).collect();
        let mut far = Vec::new();
        let nearest = |((i, _), columns): (&Task<'_>, &Vec<usize>)| self.nearest(*i, columns, &mut far);
        let mut values: Vec<Values> = tasks.iter().zip(&columns).map(nearest).collect();
        self.rebuild_packets(tasks, &mut values)?;
        let known = self.rebuild_flat(&columns, &mut values)?;
        self.scored(tasks, &columns, values, known, asked)
    }

    /// Leaves values that are near what was expected as they are, as many as the verdict stays normal with.
    pub(super) fn settle(&self, named: &[Place], altered: &mut Vec<Altered>) -> Result<()> {
        let columns = self.flat_columns(named);
        let mut tried: Vec<Values> = Vec::new();
        for near in NEAR {
            let values: Vec<Values> = altered
                .iter()
                .zip(&self.subjects)
                .map(|(altered, of)| self.near(of, &columns, altered, near))
                .collect();
            let changed: Vec<usize> = (0..altered.len()).filter(|&i| values[i] != altered[i].values).collect();
            if changed.is_empty() {
                break;
            }
            // Nothing was between this and what was too far.
            if values == tried {
                continue;
            }
            let tasks: Vec<Task<'_>> = changed.iter().map(|&i| (i, named)).collect();
            let of_each = vec![columns.clone(); tasks.len()];
            let changes = changed.iter().map(|&i| values[i].clone()).collect();
            let mut settled = altered.clone();
            for (i, changed) in changed.into_iter().zip(self.scored(&tasks, &of_each, changes, None, |_, _| true)?) {
                settled[i] = changed;
            }
            if self.is_normal(&settled.iter().map(|altered| altered.score).collect::<Vec<_>>()) {
                *altered = settled;
                break;
            }
            tried = values;
        }
        Ok(())
    }

    /// A session's values, those of some columns as they were where that is nearer than so many deviations.
    fn near(&self, subject: &Subject<'_>, columns: &[usize], altered: &Altered, near: f32) -> Values {
        let part = &self.background.layout.flat;
        let mut values = altered.values.clone();
        for &column in columns {
            let scale = |value| part.scale(&self.detector.heads, column, value);
            if (subject.scaled[column] - scale(values[0][column])).abs() < near {
                values[0][column] = subject.imprint.values[0][column];
            }
        }
        values
    }

    /// Sessions with these values, scored by the heads to ask; what one head says may be known.
    fn scored(
        &self,
        tasks: &[Task<'_>],
        columns: &[Vec<usize>],
        values: Vec<Values>,
        known: Option<(usize, Vec<f32>)>,
        asked: impl Fn(usize, usize) -> bool,
    ) -> Result<Vec<Altered>> {
        let observed = |subject: usize| self.subjects[subject].imprint.scores.clone();
        let unscored = tasks.iter().zip(values);
        let unscored = unscored.map(|((i, _), values)| Altered { values, heads: observed(*i), score: 0.0 });
        let mut altered: Vec<Altered> = unscored.collect();
        let mut sums = vec![0.0; altered.len()];
        for (i, head) in self.detector.heads.iter().enumerate() {
            let to_ask: Vec<usize> = (0..tasks.len()).filter(|&task| asked(tasks[task].0, i)).collect();
            // Most facts are none of most heads' columns: these heads say what they said.
            let touched = |&task: &usize| match &self.background.layout.flat.places[i] {
                Some(places) => columns[task].iter().any(|column| places.contains(column)),
                None => tasks[task].1.iter().any(|place| place.packet.is_some()),
            };
            let (changed, same): (Vec<usize>, Vec<usize>) = to_ask.into_iter().partition(touched);
            same.into_iter().for_each(|task| sums[task] += self.subjects[tasks[task].0].surprises[i]);
            let scores = match &known {
                Some((head, scores)) if *head == i => changed.iter().map(|&task| scores[task]).collect(),
                _ if changed.is_empty() => continue,
                _ => head.scorer.score_rows(&self.rows(i, changed.iter().map(|&task| &altered[task].values))?)?,
            };
            for (task, score) in changed.into_iter().zip(scores) {
                altered[task].heads[i] = score;
                sums[task] += head.surprise(score);
            }
        }
        altered.iter_mut().zip(sums).for_each(|(altered, sum)| altered.score = sum as f32);
        Ok(altered)
    }

    /// What a head reads of sessions with these values.
    pub(super) fn rows<'v>(&self, head: usize, values: impl ExactSizeIterator<Item = &'v Values>) -> Result<Rows> {
        let values = values.map(|[whole, packets]| [&whole[..], &packets[..]]);
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

    /// A session's values with some columns as in the benign row that is nearest in the others. In `far` is put how far each is.
    fn nearest(&self, subject: usize, columns: &[usize], far: &mut Vec<f32>) -> Values {
        let subject = &self.subjects[subject];
        let mut values = subject.imprint.values.clone();
        let width = values[0].len();
        if columns.is_empty() || subject.far.is_empty() {
            return values;
        }
        far.clone_from(&subject.far);
        for &column in columns {
            far.iter_mut().zip(subject.apart(self.background, column)).for_each(|(far, apart)| *far -= apart);
        }
        // In two steps, of which the first is many numbers at once.
        let (lanes, rest) = far.as_chunks::<16>();
        let least = lanes.iter().fold([f32::INFINITY; 16], |least, far| array::from_fn(|i| lesser(least[i], far[i])));
        let least = least.iter().chain(rest).copied().fold(f32::INFINITY, lesser);
        let nearest = far.iter().position(|far| *far == least).unwrap_or(0);
        let row = &self.background.samples[nearest * width..][..width];
        columns.iter().for_each(|&column| values[0][column] = row[column]);
        values
    }

    /// Sets named columns to what the first head whose model rebuilds rows makes of them; whichever is the less strange to it, of the
    /// nearest benign row's values and these. Gives the head and its scores.
    fn rebuild_flat(&self, columns: &[Vec<usize>], values: &mut [Values]) -> Result<Option<(usize, Vec<f32>)>> {
        let part = &self.background.layout.flat;
        for (i, head) in self.detector.heads.iter().enumerate() {
            let Some(places) = &part.places[i] else { continue };
            let rows = self.rows(i, values.iter())?;
            let expected = head.scorer.model.expected(&rows).map_err(|e| head.scorer.place(e))?;
            let Some(expected) = expected.filter(|e| sane(e, &rows)) else { continue };
            let mut rebuilt = values.to_vec();
            for ((values, expected), columns) in rebuilt.iter_mut().zip(expected.chunks(places.len())).zip(columns) {
                for (column, &place) in places.iter().enumerate() {
                    // A benign row without such a quantity says that there is none.
                    if columns.binary_search(&place).is_ok() && part.columns[place].missing != Some(values[0][place]) {
                        let value = head.scorer.scaler.invert(column, expected[column]);
                        values[0][place] = self.background.within_reach(part, place, value);
                    }
                }
            }
            let mut scores = head.scorer.score_rows(&rows)?;
            let of_rebuilt = head.scorer.score_rows(&self.rows(i, rebuilt.iter())?)?;
            for (i, (rebuilt, score)) in rebuilt.into_iter().zip(of_rebuilt).enumerate() {
                if score < scores[i] {
                    (values[i], scores[i]) = (rebuilt, score);
                }
            }
            return Ok(Some((i, scores)));
        }
        Ok(None)
    }

    /// Sets named cells of packets to what the heads that read packets expect there: the mean where a model cannot say.
    fn rebuild_packets(&self, tasks: &[Task<'_>], values: &mut [Values]) -> Result<()> {
        let part = &self.background.layout.packets;
        let width = part.columns.len();
        if tasks.iter().all(|(_, named)| named.iter().all(|place| place.packet.is_none())) {
            return Ok(());
        }
        for (i, head) in self.detector.heads.iter().enumerate() {
            let Some(places) = &part.places[i] else { continue };
            let rows = self.rows(i, values.iter())?;
            let expected = self.expected(i, &rows)?;
            let size = rows.steps() * places.len();
            for ((row, (_, named)), values) in tasks.iter().enumerate().zip(values.iter_mut()) {
                let steps = rows.lengths()[row] as usize;
                for place in named.iter() {
                    let Some(packet) = place.packet.filter(|packet| *packet < steps) else { continue };
                    let columns = &part.facts[place.fact].1;
                    for (column, at) in places.iter().enumerate().filter(|(_, at)| columns.contains(at)) {
                        let value = expected[row * size + packet * places.len() + column];
                        let value = head.scorer.scaler.invert(column, value);
                        values[1][packet * width + at] = self.background.within_reach(part, *at, value);
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

/// As [`f32::min`] of numbers, of many of them at once.
fn lesser(a: f32, b: f32) -> f32 {
    if b < a { b } else { a }
}

/// Whether a user's own model gave what it should.
fn sane(expected: &[f32], rows: &Rows) -> bool {
    expected.len() == rows.data().len() && expected.iter().all(|value| value.is_finite())
}

/// Heads are asked until they make up this part of a score.
const MOST_OF_IT: f64 = 0.75;

impl<'a> Subject<'a> {
    fn new(detector: &Detector, imprint: &'a Imprint) -> Self {
        let (heads, background) = (&detector.heads, &*detector.background);
        let surprises: Vec<f64> =
            heads.iter().zip(&imprint.scores).map(|(head, score)| head.surprise(*score)).collect();
        let whole = imprint.values[0].iter().enumerate();
        let scaled = whole.map(|(place, value)| background.layout.flat.scale(heads, place, *value)).collect();
        let leading = leading(&surprises);
        let mut subject = Self { imprint, scaled, far: vec![0.0; background.samples()], surprises, leading };
        for column in 0..subject.scaled.len() {
            let mut far = std::mem::take(&mut subject.far);
            far.iter_mut().zip(subject.apart(background, column)).for_each(|(far, apart)| *far += apart);
            subject.far = far;
        }
        subject
    }

    /// How far each benign row is in a column.
    fn apart(&self, background: &'a Background, column: usize) -> impl Iterator<Item = f32> {
        let (own, samples) = (self.scaled[column], background.samples());
        background.scaled[column * samples..][..samples].iter().map(move |value| lesser(FAR, (value - own).powi(2)))
    }
}

/// The heads that make up most of a score.
fn leading(surprises: &[f64]) -> Vec<bool> {
    let total: f64 = surprises.iter().sum();
    let mut order: Vec<usize> = (0..surprises.len()).collect();
    order.sort_by(|&a, &b| surprises[b].total_cmp(&surprises[a]));
    let (mut leading, mut sum) = (vec![false; order.len()], 0.0);
    for head in order {
        leading[head] = true;
        sum += surprises[head];
        if sum >= MOST_OF_IT * total {
            break;
        }
    }
    leading
}
