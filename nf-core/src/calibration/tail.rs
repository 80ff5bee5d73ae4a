//! The highest benign scores, and what lies beyond them.

use super::pareto::Pareto;
use serde::{Deserialize, Serialize};

/// Fewer excesses than this are not fitted: the shape of so few is anyone's guess.
const FEWEST: usize = 30;
/// More excesses than this are not used: the further down the tail begins, the less it looks like its limit.
const MOST: usize = 480;
/// The tail begins at the highest tenth or above.
const SHARE: usize = 10;
/// Beyond this share of one benign session no data can tell how fast the tail falls.
const DEPTH: f64 = 0.1;

/// Minus the logarithm of the share of benign scores above a score, continuous and strictly rising.
///
/// Four pieces, from the lowest score up. To the join: straight lines through the conformal p-values of the benign scores.
/// From there the fitted distribution, down to a tenth of one benign session. Beyond, the logarithm of the distance: the
/// order is kept, and a head whose tail is short does not drown the others where nobody knows how fast tails fall.
/// Without a sound fit the lines go on to the highest benign score, and the logarithm follows at once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tail {
    /// The fitted distribution of the excesses, where it passes its test.
    fit: Option<Fit>,
    /// Where the logarithm begins.
    far: f64,
    /// The surprise there.
    far_surprise: f64,
    /// The slope of the surprise there.
    far_slope: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Fit {
    /// The score that excesses are measured from, between two benign scores.
    join: f64,
    /// The surprise there.
    surprise: f64,
    pareto: Pareto,
}

impl Tail {
    /// Fits benign scores, ascending and at least one.
    pub(super) fn fit(scores: &[f32]) -> Self {
        let n = scores.len();
        let surprise = |above: usize| -((1 + above) as f64 / (1 + n) as f64).ln();
        // The tail is shortened until it fits (Choulakian and Stephens raise the threshold the same way).
        let mut size = (n / SHARE).min(MOST);
        while size >= FEWEST {
            if let Some((join, excesses)) = excesses(scores, size)
                && let Some(pareto) = Pareto::fit(&excesses)
                && pareto.fits(&excesses)
            {
                let fit = Fit { join, surprise: surprise(excesses.len()), pareto };
                let far_surprise = ((1 + n) as f64 / DEPTH).ln();
                let excess = pareto.excess(far_surprise - fit.surprise);
                return Self { fit: Some(fit), far: join + excess, far_surprise, far_slope: pareto.hazard(excess) };
            }
            size /= 2;
        }
        let far = f64::from(scores[n - 1]);
        let at_most = surprise(n - scores.partition_point(|&score| f64::from(score) < far));
        Self { fit: None, far, far_surprise: at_most, far_slope: 1.0 / spread(scores) }
    }

    /// Whether a fitted distribution passed its test.
    pub(super) fn is_sound(&self) -> bool {
        self.fit.is_some()
    }

    /// Whether all numbers are such as a fit gives.
    pub(super) fn is_sane(&self) -> bool {
        let finite = |numbers: &[f64]| numbers.iter().all(|number| number.is_finite());
        finite(&[self.far, self.far_surprise, self.far_slope])
            && self.far_surprise >= 0.0
            && self.far_slope > 0.0
            && self.fit.is_none_or(|fit| {
                finite(&[fit.join, fit.surprise, fit.pareto.shape, fit.pareto.scale])
                    && fit.join <= self.far
                    && fit.surprise >= 0.0
                    && fit.pareto.scale > 0.0
            })
    }

    /// Where the straight lines end.
    pub(super) fn join(&self) -> f64 {
        self.fit.map_or(self.far, |fit| fit.join)
    }

    /// Minus the logarithm of the share above `score`, for the benign `scores` this was fitted on.
    pub(super) fn surprise(&self, scores: &[f32], score: f32) -> f64 {
        let x = f64::from(score);
        if x > self.far {
            return self.far_surprise + ((x - self.far) * self.far_slope).ln_1p();
        }
        match &self.fit {
            Some(fit) if x > fit.join => fit.surprise + fit.pareto.surprise(x - fit.join),
            _ => self.body(scores, score),
        }
    }

    /// The highest score whose surprise is at most `surprise`, which lies in the fitted tail.
    pub(super) fn score_at(&self, surprise: f64) -> Option<f64> {
        let fit = self.fit.filter(|fit| surprise >= fit.surprise)?;
        Some(if surprise <= self.far_surprise {
            fit.join + fit.pareto.excess(surprise - fit.surprise)
        } else {
            self.far + (surprise - self.far_surprise).exp_m1() / self.far_slope
        })
    }

    /// Straight lines through the p-values at the benign scores, ending at the join.
    fn body(&self, scores: &[f32], score: f32) -> f64 {
        let n = scores.len();
        let share = |from: usize| (1 + n - from) as f64 / (1 + n) as f64;
        let at_or_above = scores.partition_point(|&benign| benign < score);
        if at_or_above == 0 {
            return 0.0;
        }
        let below = scores[at_or_above - 1];
        let first_below = scores[..at_or_above].partition_point(|&benign| benign < below);
        let (x0, p0) = (f64::from(below), share(first_below));
        let x1 = scores.get(at_or_above).map_or(f64::INFINITY, |&above| f64::from(above)).min(self.join());
        let p1 = share(at_or_above);
        let along = (f64::from(score) - x0) / (x1 - x0);
        -(p0 + (p1 - p0) * along).ln()
    }
}

/// About the `size` highest scores as excesses over a score between the lowest of them and the next; all ties of that
/// lowest one are among them. `None` where all scores are that high.
fn excesses(scores: &[f32], size: usize) -> Option<(f64, Vec<f64>)> {
    let lowest = scores[scores.len() - size];
    let first = scores.partition_point(|&score| score < lowest);
    let below = *scores.get(first.checked_sub(1)?)?;
    let join = f64::midpoint(f64::from(below), f64::from(lowest));
    Some((join, scores[first..].iter().map(|&score| f64::from(score) - join).collect()))
}

/// A length that scores differ by, above 0, for want of a fit: how far the highest tenth reaches on average, or all.
fn spread(scores: &[f32]) -> f64 {
    let (lowest, highest) = (f64::from(scores[0]), f64::from(scores[scores.len() - 1]));
    let size = (scores.len() / SHARE).max(1);
    let tenth = excesses(scores, size).map_or(0.0, |(_, y)| y.iter().sum::<f64>() / y.len() as f64);
    let candidates = [tenth, highest - lowest, highest.abs()];
    candidates.into_iter().find(|&length| length > 0.0).unwrap_or(1.0)
}
