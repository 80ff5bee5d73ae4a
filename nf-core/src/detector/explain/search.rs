//! The fewest facts that turn an alert normal.

use super::probe::{Altered, Place, Probe};
use crate::Result;

/// Facts that are named at most.
const MOST: usize = 8;
/// Facts that an explanation should do with: where the first order needs more, a better one is looked for.
const FEW: usize = 5;
/// Facts tried at each step of that.
const BEAM: usize = 12;

/// The facts found, and what they do.
pub(super) struct Found {
    /// By falling part in the verdict.
    pub(super) named: Vec<Place>,
    /// What is weighed with none of them set, with the first, with the first two, and so on.
    pub(super) weighed: Vec<f32>,
    /// The sessions that carry the alert, with all of them set.
    pub(super) altered: Vec<Altered>,
    pub(super) turned_normal: bool,
}

/// Looks for the fewest facts among `candidates` that turn an alert normal.
///
/// Greedy: facts in the order of what each takes off the score alone, until the verdict is normal; where that takes more than
/// five, the fact that takes off most beside those named already, one by one; then those that are not needed are given up.
pub(super) fn search(probe: &Probe<'_>, candidates: &[Place]) -> Result<Found> {
    let observed = probe.observed();
    if probe.is_normal(&observed) {
        return rank_normal(probe, candidates);
    }
    let order = by_part(probe, candidates)?;
    let mut named = first_normal(probe, &order)?;
    if named.as_ref().is_none_or(|named| named.len() > FEW) {
        let other = step_by_step(probe, &order[..order.len().min(BEAM)])?;
        let better = named.as_ref().is_none_or(|named| other.len() < named.len());
        if better {
            named = Some(other);
        }
    }
    let named = prune(probe, named.unwrap_or_default())?;
    found(probe, named)
}

/// The strongest facts of what is normal anyway.
fn rank_normal(probe: &Probe<'_>, candidates: &[Place]) -> Result<Found> {
    let mut order = by_part(probe, candidates)?;
    order.truncate(FEW);
    found(probe, order)
}

/// The session that is stranger by itself than the others.
fn strangest(probe: &Probe<'_>) -> usize {
    let carriers = &probe.carried.carriers;
    (0..carriers.len()).max_by(|&a, &b| carriers[a].score.total_cmp(&carriers[b].score)).unwrap_or(0)
}

/// Facts by what each takes off the strangest session's score alone, those that take nothing left out.
fn by_part(probe: &Probe<'_>, candidates: &[Place]) -> Result<Vec<Place>> {
    let lead = strangest(probe);
    let tasks: Vec<_> = candidates.iter().map(|place| (lead, std::slice::from_ref(place))).collect();
    let observed = probe.carried.carriers[lead].score;
    let mut order: Vec<(f32, Place)> = Vec::new();
    for (altered, place) in probe.alter(&tasks)?.iter().zip(candidates) {
        if altered.score < observed {
            order.push((altered.score, *place));
        }
    }
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(order.into_iter().map(|(_, place)| place).collect())
}

/// The sessions that carry the alert with each of some sets of facts set.
fn all(probe: &Probe<'_>, sets: &[&[Place]]) -> Result<Vec<Vec<Altered>>> {
    let carriers = probe.carried.carriers.len();
    let tasks: Vec<_> = sets.iter().flat_map(|set| (0..carriers).map(move |i| (i, *set))).collect();
    let mut altered = probe.alter(&tasks)?.into_iter();
    Ok(sets.iter().map(|_| altered.by_ref().take(carriers).collect()).collect())
}

fn scores(altered: &[Altered]) -> Vec<f32> {
    altered.iter().map(|altered| altered.score).collect()
}

/// The first of an order that turn the verdict normal.
fn first_normal(probe: &Probe<'_>, order: &[Place]) -> Result<Option<Vec<Place>>> {
    for count in 1..=order.len().min(MOST) {
        let altered = all(probe, &[&order[..count]])?;
        if probe.is_normal(&scores(&altered[0])) {
            return Ok(Some(order[..count].to_vec()));
        }
    }
    Ok(None)
}

/// Facts that take off most beside those before, until the verdict is normal.
fn step_by_step(probe: &Probe<'_>, candidates: &[Place]) -> Result<Vec<Place>> {
    let lead = strangest(probe);
    let mut named: Vec<Place> = Vec::new();
    while named.len() < MOST.min(candidates.len()) {
        let rest = candidates.iter().filter(|place| !named.contains(place));
        let sets: Vec<Vec<Place>> = rest.map(|place| [&named[..], &[*place]].concat()).collect();
        let tasks: Vec<_> = sets.iter().map(|set| (lead, &set[..])).collect();
        let altered = probe.alter(&tasks)?;
        let best = (0..sets.len()).min_by(|&a, &b| altered[a].score.total_cmp(&altered[b].score)).unwrap_or(0);
        named = sets[best].clone();
        if probe.is_normal(&scores(&all(probe, &[&named])?[0])) {
            break;
        }
    }
    Ok(named)
}

/// Without the facts that the verdict is normal without.
fn prune(probe: &Probe<'_>, mut named: Vec<Place>) -> Result<Vec<Place>> {
    while named.len() > 1 {
        let without = |i: usize| [&named[..i], &named[i + 1..]].concat();
        let sets: Vec<Vec<Place>> = (0..named.len()).map(without).collect();
        let altered = all(probe, &sets.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
        let normal = |i: &usize| probe.is_normal(&scores(&altered[*i]));
        let weighed = |i: usize| probe.decide(&scores(&altered[i])).0;
        match (0..sets.len()).filter(normal).min_by(|&a, &b| weighed(a).total_cmp(&weighed(b))) {
            Some(best) => named = sets[best].clone(),
            None => break,
        }
    }
    Ok(named)
}

fn found(probe: &Probe<'_>, named: Vec<Place>) -> Result<Found> {
    let sets: Vec<&[Place]> = (1..=named.len()).map(|count| &named[..count]).collect();
    let mut altered = all(probe, &sets)?;
    let observed = probe.observed();
    let after = altered.iter().map(|altered| probe.decide(&scores(altered)).0);
    let weighed = std::iter::once(probe.decide(&observed).0).chain(after).collect();
    let altered = match altered.pop() {
        Some(altered) => altered,
        None => all(probe, &[&[]])?.swap_remove(0),
    };
    let turned_normal = probe.is_normal(&scores(&altered));
    Ok(Found { named, weighed, altered, turned_normal })
}
