//! Which sessions of a training look most like attacks: strange ones, and ones that have few like them.

use crate::{
    Error, ErrorKind, Result, calibration::Calibration, features::Rows, model::Progress, model::Watch, parallel,
};
use std::ops::ControlFlow;

/// Most rows that each is compared with, evenly spaced in time: bounds the work to this many distances a session.
const COMPARED: usize = 4096;

/// Sums that run side by side, so that the processor can add several at once; fixed, so that all machines round alike.
const LANES: usize = 8;

/// The places of the sessions that stay, in their order, when `drop` are left out: those of which the p-values of evidence and
/// of distance are smallest together (Fisher).
///
/// Evidence comes from forests, which find what is alone. Attacks of one kind resemble each other, so many of them are not
/// alone, and hide from forests; but while at most `share` of the rows are attacks, as far from an attack as to take in more
/// rows than that there is benign traffic, and that is further than from a benign row to its like. So the distance is that to
/// the nearest `share` of the rows (Ramaswamy, Rastogi and Shim, "Efficient algorithms for mining outliers from large data
/// sets", SIGMOD 2000).
pub(super) fn usual(
    evidence: &[f32],
    rows: &Rows,
    share: f64,
    drop: usize,
    threads: usize,
    watch: &mut Watch<'_>,
) -> Result<Vec<usize>> {
    let progress = Progress::new("distance", 0.0);
    if watch(&progress) == ControlFlow::Break(()) {
        return Err(Error::new(ErrorKind::Canceled, "looking for attacks in the training was stopped"));
    }
    let distances = distances(rows, share, threads)?;
    let (strange, far) = (Calibration::fit(evidence)?, Calibration::fit(&distances)?);
    let both = |i: usize| strange.surprise(evidence[i]) + far.surprise(distances[i]);
    let mut places: Vec<(f64, usize)> = (0..evidence.len()).map(|i| (both(i), i)).collect();
    places.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    places.truncate(evidence.len() - drop);
    let mut places: Vec<usize> = places.into_iter().map(|(_, i)| i).collect();
    places.sort_unstable();
    Ok(places)
}

/// The squared distance of each flat row to the nearest `share` of the rows.
fn distances(rows: &Rows, share: f64, threads: usize) -> Result<Vec<f32>> {
    let (all, width) = (rows.len(), rows.width());
    let compared = all.min(COMPARED);
    let row = |i: usize| &rows.data()[i * width..(i + 1) * width];
    let others: Vec<&[f32]> = (0..compared).map(|i| row(i * all / compared)).collect();
    let nearest = ((share * compared as f64).ceil() as usize).clamp(1, compared.max(2) - 1);
    let places: Vec<usize> = (0..all).collect();
    parallel::in_chunks(&places, threads, |places| {
        let mut squares = vec![0.0; compared];
        let mut distance = |place: &usize| {
            let own = row(*place);
            squares.iter_mut().zip(&others).for_each(|(square, other)| *square = squared(own, other));
            // The nearest of all may be the row itself.
            squares.select_nth_unstable_by(nearest.min(compared - 1), f32::total_cmp).1.to_owned()
        };
        Ok(places.iter().map(&mut distance).collect())
    })
}

/// The square of the distance between two rows.
fn squared(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += (a[lane] - b[lane]) * (a[lane] - b[lane]);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| (a - b) * (a - b)).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        features::{Column, Schema},
        model::Random,
    };
    use std::sync::Arc;

    const WIDTH: usize = 11;

    /// Benign rows around the middle, and attacks close to each other a few deviations off.
    fn rows(benign: usize, attacks: usize) -> Rows {
        let columns = (0..WIDTH).map(|i| Column::new(format!("x{i}"), "", "")).collect();
        let mut random = Random::new(5);
        let mut data = Vec::new();
        for i in 0..benign + attacks {
            let (middle, spread) = if i < benign { (0.0, 1.0) } else { (3.0, 0.1) };
            data.extend((0..WIDTH).map(|_| middle + spread * random.normal()));
        }
        Rows::flat(Arc::new(Schema::new("test", columns).unwrap()), data).unwrap()
    }

    fn left(share: f64, drop: usize, attacks: usize) -> usize {
        let rows = rows(1000, attacks);
        // Evidence that says nothing.
        let evidence = vec![1.0; rows.len()];
        let usual = usual(&evidence, &rows, share, drop, 1, &mut |_| ControlFlow::Continue(())).unwrap();
        assert!(usual.len() == rows.len() - drop && usual.is_sorted());
        usual.iter().filter(|i| **i >= 1000).count()
    }

    #[test]
    fn attacks_that_are_many_and_alike_are_found_up_to_the_assumed_share() {
        assert!(left(0.05, 84, 50) <= 2, "{} of 50", left(0.05, 84, 50));
        assert!(left(0.01, 84, 50) >= 30, "more than assumed have each other");
    }

    #[test]
    fn distances_are_the_same_over_threads_and_as_a_plain_sum_has_them() {
        let rows = rows(300, 20);
        let found = distances(&rows, 0.05, 1).unwrap();
        assert_eq!(distances(&rows, 0.05, 3).unwrap(), found);
        for i in [0, 150, 319] {
            let square =
                |j: usize| -> f64 { rows.row(i).iter().zip(rows.row(j)).map(|(a, b)| f64::from(a - b).powi(2)).sum() };
            let mut all: Vec<f64> = (0..320).map(square).collect();
            all.sort_unstable_by(f64::total_cmp);
            assert!((f64::from(found[i]) - all[16]).abs() < 1e-3, "{} {}", found[i], all[16]);
        }
        assert_eq!(distances(&rows.select([0, 1]), 0.25, 1).unwrap().len(), 2);
    }

    #[test]
    fn may_be_stopped() {
        let rows = rows(200, 0);
        let error = usual(&[0.0; 200], &rows, 0.05, 10, 1, &mut |_| ControlFlow::Break(())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Canceled);
    }
}
