//! The fewest facts that turn an alert normal.

use super::probe::{Altered, Place, Probe};
use crate::Result;

/// Facts that are named at most.
const MOST: usize = 8;
/// Facts that an explanation should do with: where the first order needs more, a better one is looked for.
const FEW: usize = 5;
/// Facts tried at each step of that.
const BEAM: usize = 12;

/// How many facts are looked for among benign rows, how many sets of so many, and how many of these are checked on all
/// sessions.
const COUNTS: [usize; 2] = [4, 5];
const PROPOSED: usize = 24;
const CHECKED: usize = 3;

/// The facts found, and what they do.
pub(super) struct Found {
    /// By falling part in the verdict, each with that part, 0 to 1.
    pub(super) named: Vec<(Place, f64)>,
    /// The sessions that carry the alert, with all of them set.
    pub(super) altered: Vec<Altered>,
    pub(super) turned_normal: bool,
}

/// Looks for the fewest facts among `candidates` that turn an alert normal.
///
/// Greedy: facts in the order of what each takes off the score alone, until the verdict is normal; where that takes more than
/// five, the fact that takes off most beside those named already, one by one; then those that are not needed are given up. The search
/// is on the strangest session, as if what a fact takes off its score were taken off the others' in proportion; what it
/// finds is checked on all of them, and more facts are named where that does not hold. Last, values of named facts that are near what was
/// expected are left as they are, where the verdict is normal all the same.
pub(super) fn search(probe: &Probe<'_>, candidates: &[Place]) -> Result<Found> {
    let mut found = Search::new(probe, candidates)?.run()?;
    if found.turned_normal {
        let named: Vec<Place> = found.named.iter().map(|(place, _)| *place).collect();
        probe.settle(&named, &mut found.altered)?;
    }
    Ok(found)
}

struct Search<'a> {
    probe: &'a Probe<'a>,
    /// The session that is stranger by itself than the others.
    lead: usize,
    /// Its own score.
    observed: f32,
    /// Facts by what each leaves of that alone; none until that is known.
    order: Vec<(Place, f32)>,
}

impl<'a> Search<'a> {
    fn new(probe: &'a Probe<'a>, candidates: &[Place]) -> Result<Self> {
        let carriers = &probe.carried.carriers;
        let lead = probe.strangest();
        let observed = carriers[lead].score;
        let mut search = Self { probe, lead, observed, order: Vec::new() };
        let sets: Vec<Vec<Place>> = candidates.iter().map(|place| vec![*place]).collect();
        let left = search.lead_scores(&sets)?;
        search.order = candidates.iter().copied().zip(left).collect();
        search.order.sort_by(|a, b| a.1.total_cmp(&b.1));
        Ok(search)
    }

    fn run(&self) -> Result<Found> {
        if self.probe.is_normal(&self.probe.observed()) {
            let strange = self.order.iter().filter(|(_, left)| *left < self.observed);
            let named: Vec<Place> = strange.take(FEW).map(|(place, _)| *place).collect();
            let altered = self.all(&named)?;
            return self.found(named, altered);
        }
        let mut named = self.in_order()?;
        if named.len() > FEW {
            let other = self.step_by_step()?;
            if other.len() < named.len() {
                named = other;
            }
        }
        let (named, without) = self.prune(named)?;
        let found = match self.narrow(&named)? {
            Some(narrower) => self.found(narrower.0, narrower.1)?,
            None => self.check(named, without)?,
        };
        if found.turned_normal && found.named.len() <= FEW {
            return Ok(found);
        }
        self.thorough(found)
    }

    /// What a closer look finds instead of too many facts: the fewest of them by what they do to all sessions, and facts in which
    /// some benign row differs from the strangest session most.
    fn thorough(&self, found: Found) -> Result<Found> {
        let mut best = found;
        if best.turned_normal {
            best = self.pruned(best.named.into_iter().map(|(place, _)| place).collect(), best.altered)?;
            if best.named.len() <= FEW {
                return Ok(best);
            }
        }
        for count in COUNTS {
            let sets = self.probe.proposals(self.lead, count, PROPOSED);
            let left = self.lead_scores(&sets)?;
            let mut order: Vec<usize> = (0..sets.len()).collect();
            order.sort_by(|&a, &b| left[a].total_cmp(&left[b]));
            for i in order.into_iter().take(CHECKED) {
                let altered = self.all(&sets[i])?;
                if self.probe.is_normal(&scores(&altered)) {
                    return self.pruned(sets[i].clone(), altered);
                }
            }
        }
        Ok(best)
    }

    /// These facts, which do that to all sessions, without those that the verdict is normal without.
    fn pruned(&self, mut named: Vec<Place>, mut altered: Vec<Altered>) -> Result<Found> {
        let carriers = self.probe.carried.carriers.len();
        while named.len() > 1 {
            let sets = without_one(&named);
            let tasks: Vec<_> = sets.iter().flat_map(|set| (0..carriers).map(move |i| (i, &set[..]))).collect();
            let tried = self.probe.alter(&tasks)?;
            let of = |i: usize| &tried[i * carriers..][..carriers];
            let normal = (0..sets.len()).filter(|i| self.probe.is_normal(&scores(of(*i))));
            let weighed = |i: &usize| self.probe.decide(&scores(of(*i))).0;
            let Some(best) = normal.min_by(|a, b| weighed(a).total_cmp(&weighed(b))) else { break };
            (named, altered) = (sets[best].clone(), of(best).to_vec());
        }
        self.found(named, altered)
    }

    /// The lead's score with this fact alone, where that is known.
    fn alone(&self, place: Place) -> Option<f32> {
        self.order.iter().find(|(other, _)| *other == place).map(|(_, left)| *left)
    }

    /// The lead's scores with each of some sets of facts.
    fn lead_scores(&self, sets: &[Vec<Place>]) -> Result<Vec<f32>> {
        let known = |set: &Vec<Place>| if let [place] = set[..] { self.alone(place) } else { None };
        if let Some(known) = sets.iter().map(known).collect() {
            return Ok(known);
        }
        let tasks: Vec<_> = sets.iter().map(|set| (self.lead, &set[..])).collect();
        Ok(self.probe.alter_roughly(&tasks)?.into_iter().map(|altered| altered.score).collect())
    }

    /// All sessions with these facts.
    fn all(&self, named: &[Place]) -> Result<Vec<Altered>> {
        let tasks: Vec<_> = (0..self.probe.carried.carriers.len()).map(|i| (i, named)).collect();
        self.probe.alter(&tasks)
    }

    /// Whether the verdict would be normal, were all sessions as much less strange as the lead.
    fn would_do(&self, score: f32) -> bool {
        let ratio = if self.observed > 0.0 { score / self.observed } else { 1.0 };
        let scores: Vec<f32> = self.probe.observed().into_iter().map(|observed| observed * ratio).collect();
        self.probe.is_normal(&scores)
    }

    /// The first facts of the order that would do, or as many as may be named.
    fn in_order(&self) -> Result<Vec<Place>> {
        if let Some((place, _)) = self.order.first().filter(|(_, left)| self.would_do(*left)) {
            return Ok(vec![*place]);
        }
        let order: Vec<Place> = self.order.iter().take(MOST).map(|(place, _)| *place).collect();
        let sets: Vec<Vec<Place>> = (1..=order.len()).map(|count| order[..count].to_vec()).collect();
        let first = self.lead_scores(&sets)?.into_iter().position(|score| self.would_do(score));
        Ok(first.map_or(order, |first| sets[first].clone()))
    }

    /// Facts that take off most beside those before, until they would do or there are as many as may be named.
    fn step_by_step(&self) -> Result<Vec<Place>> {
        let mut named: Vec<Place> = Vec::new();
        let candidates = || self.order.iter().take(BEAM).map(|(place, _)| *place);
        while named.len() < MOST.min(candidates().count()) {
            let sets: Vec<Vec<Place>> = candidates()
                .filter(|place| !named.contains(place))
                .map(|place| [&named[..], &[place]].concat())
                .collect();
            let scores = self.lead_scores(&sets)?;
            let best = least(&scores);
            named = sets[best].clone();
            if self.would_do(scores[best]) {
                break;
            }
        }
        Ok(named)
    }

    /// Without the facts that it would do without; and the lead's scores without each of the others.
    fn prune(&self, mut named: Vec<Place>) -> Result<(Vec<Place>, Vec<f32>)> {
        while named.len() > 1 {
            let sets = without_one(&named);
            let scores = self.lead_scores(&sets)?;
            let best = least(&scores);
            if !self.would_do(scores[best]) {
                return Ok((named, scores));
            }
            named = sets[best].clone();
        }
        Ok((named, vec![self.observed]))
    }

    /// The same with a fact that says less in place of one that includes it, where that turns the verdict normal as well.
    fn narrow(&self, named: &[Place]) -> Result<Option<(Vec<Place>, Vec<Altered>)>> {
        let mut sets: Vec<Vec<Place>> = Vec::new();
        for (i, place) in named.iter().enumerate() {
            for part in self.probe.parts_of(*place).filter(|part| !named.contains(part)) {
                sets.push([&named[..i], &[part], &named[i + 1..]].concat());
            }
        }
        if sets.is_empty() {
            return Ok(None);
        }
        let left = self.lead_scores(&sets)?;
        let best = least(&left);
        if !self.would_do(left[best]) {
            return Ok(None);
        }
        let altered = self.all(&sets[best])?;
        Ok(self.probe.is_normal(&scores(&altered)).then(|| (sets.swap_remove(best), altered)))
    }

    /// Checks these facts on all sessions, and names more where they do not turn the verdict normal.
    fn check(&self, mut named: Vec<Place>, without: Vec<f32>) -> Result<Found> {
        let mut altered = self.all(&named)?;
        if self.probe.is_normal(&scores(&altered)) {
            return self.rank(named, altered, without);
        }
        while !self.probe.is_normal(&scores(&altered)) && named.len() < MOST {
            // What is still strangest says what is missing.
            let worst = (0..altered.len()).max_by(|&a, &b| altered[a].score.total_cmp(&altered[b].score)).unwrap_or(0);
            let rest = self.order.iter().map(|(place, _)| *place).filter(|place| !named.contains(place));
            let sets: Vec<Vec<Place>> = rest.take(BEAM).map(|place| [&named[..], &[place]].concat()).collect();
            if sets.is_empty() {
                break;
            }
            let tasks: Vec<_> = sets.iter().map(|set| (worst, &set[..])).collect();
            let tried = self.probe.alter(&tasks)?;
            named = sets[least(&scores(&tried))].clone();
            altered = self.all(&named)?;
        }
        self.found(named, altered)
    }

    fn found(&self, named: Vec<Place>, altered: Vec<Altered>) -> Result<Found> {
        let without = if named.len() > 1 { self.lead_scores(&without_one(&named))? } else { vec![self.observed] };
        self.rank(named, altered, without)
    }

    /// Facts by their part: the mean of what each takes off the lead's score alone and beside all others (the first and the
    /// last term of its Shapley value; Shapley, "A value for n-person games", 1953), as a share of what all take off.
    fn rank(&self, named: Vec<Place>, altered: Vec<Altered>, without: Vec<f32>) -> Result<Found> {
        let turned_normal = self.probe.is_normal(&scores(&altered));
        let all = altered[self.lead].score;
        let alone = |place: &Place| self.alone(*place).map_or(0.0, |left| self.observed - left);
        let parts: Vec<f32> = named.iter().zip(without).map(|(place, w)| (alone(place) + w - all).max(0.0)).collect();
        let sum = parts.iter().sum::<f32>().max(f32::MIN_POSITIVE);
        let taken = f64::from((self.observed - all) / self.observed).clamp(0.0, 1.0);
        let mut named: Vec<(Place, f64)> =
            named.into_iter().zip(parts).map(|(place, part)| (place, taken * f64::from(part / sum))).collect();
        named.sort_by(|a, b| b.1.total_cmp(&a.1));
        Ok(Found { named, altered, turned_normal })
    }
}

fn scores(altered: &[Altered]) -> Vec<f32> {
    altered.iter().map(|altered| altered.score).collect()
}

fn least(scores: &[f32]) -> usize {
    (0..scores.len()).min_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap_or(0)
}

fn without_one(named: &[Place]) -> Vec<Vec<Place>> {
    (0..named.len()).map(|i| [&named[..i], &named[i + 1..]].concat()).collect()
}
