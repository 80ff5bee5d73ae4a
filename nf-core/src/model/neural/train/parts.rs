//! Which rows are computed at once.

use super::Network;
use crate::{
    features::Rows,
    model::{neural::batch::Batch, random::Random},
};
use std::ops::Range;

/// Rows whose gradient is computed at once.
pub(in crate::model::neural) struct Part {
    pub(in crate::model::neural) steps: usize,
    pub(in crate::model::neural) rows: Vec<usize>,
}

impl Part {
    /// How many steps it computes, padding included.
    pub(in crate::model::neural) fn size(&self) -> usize {
        self.steps * self.rows.len()
    }

    pub(in crate::model::neural) fn gather(&self, rows: &Rows) -> Batch {
        Batch::gather(rows, &self.rows, self.steps, self.rows.len())
    }
}

/// Rows of about the same length together, at most `size` steps a part, so that padding costs little; in a random order
/// where there is a generator.
pub(super) fn parts<N: Network>(
    network: &N,
    rows: &Rows,
    range: Range<usize>,
    size: usize,
    random: Option<&Random>,
) -> Vec<Part> {
    let mut order: Vec<usize> = range.collect();
    if let Some(random) = random {
        order = random.stream(0).permutation(order.len()).into_iter().map(|i| order[i]).collect();
    }
    // Rows of one length stay in their random order.
    order.sort_by_key(|&row| rows.lengths()[row]);
    let mut parts: Vec<Part> = Vec::new();
    let mut shortest = 0;
    for row in order {
        let steps = network.padded(rows.lengths()[row]);
        match parts.last_mut() {
            // Where lengths are rare a part is not filled up with ones far longer.
            Some(part) if steps * (part.rows.len() + 1) <= size && steps <= 2 * shortest => {
                part.steps = steps;
                part.rows.push(row);
            }
            _ => {
                shortest = steps;
                parts.push(Part { steps, rows: vec![row] });
            }
        }
    }
    if let Some(random) = random {
        let mut shuffled = random.stream(0).stream(0).permutation(parts.len());
        let mut taken: Vec<Option<Part>> = parts.into_iter().map(Some).collect();
        parts = shuffled.drain(..).filter_map(|i| taken[i].take()).collect();
    }
    parts
}

/// How many updates of about `batch` steps there are in an epoch: as many whatever the order of the parts.
pub(super) fn updates(parts: &[Part], batch: usize) -> usize {
    let steps: usize = parts.iter().map(Part::size).sum();
    steps.div_ceil(batch).clamp(1, parts.len().max(1))
}

/// The parts of each of `count` updates: about the same number of steps, at least one part.
pub(super) fn split(parts: &[Part], count: usize) -> Vec<Range<usize>> {
    let steps: usize = parts.iter().map(Part::size).sum();
    let mut updates: Vec<Range<usize>> = Vec::with_capacity(count);
    let (mut start, mut taken) = (0, 0);
    for (i, part) in parts.iter().enumerate() {
        taken += part.size();
        let (made, left) = (updates.len() + 1, parts.len() - i - 1);
        let enough = taken * count >= made * steps;
        if left == 0 || made < count && (enough || left < count - made + 1) {
            updates.push(start..i + 1);
            start = i + 1;
        }
    }
    updates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_sizes(sizes: &[usize]) -> Vec<Part> {
        sizes.iter().map(|&size| Part { steps: 1, rows: vec![0; size] }).collect()
    }

    #[test]
    fn an_epoch_is_split_into_as_many_updates_whatever_the_order() {
        let sizes = [64, 64, 7, 64, 3, 64, 64, 1, 500, 64];
        let mut random = Random::new(1);
        for batch in [1, 10, 64, 100, 300, 10_000] {
            let count = updates(&of_sizes(&sizes), batch);
            assert_eq!(count, 895usize.div_ceil(batch).min(10), "{batch}");
            for _ in 0..50 {
                let shuffled: Vec<usize> = random.permutation(10).into_iter().map(|i| sizes[i]).collect();
                let parts = of_sizes(&shuffled);
                let found = split(&parts, count);
                assert_eq!(found.len(), count, "{batch} {shuffled:?} {found:?}");
                assert!(found.iter().all(|range| !range.is_empty()) && found[0].start == 0);
                assert!(found.windows(2).all(|pair| pair[0].end == pair[1].start) && found[count - 1].end == 10);
            }
        }
        assert!(split(&[], 1).is_empty());
    }
}
