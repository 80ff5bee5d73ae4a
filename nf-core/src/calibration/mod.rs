//! Scores to p-values: what share of benign sessions is at least as strange, and the cut that keeps a promised rate.

mod budget;
mod drift;
mod interval;
mod pareto;
mod phased;
mod tail;

use crate::{Error, ErrorKind, Result};
pub(crate) use budget::{check as check_budget, check_rate, smallest as smallest_rate};
pub(crate) use drift::{ChangeTest, Level};
pub use interval::{Interval, block_bootstrap, wilson};
pub(crate) use phased::Phased;
pub(crate) use tail::Tail as StoredTail;
use tail::Tail;

/// The benign scores that a model gave to sessions it was not fitted on, and what follows from them.
///
/// A score's p-value is `(1 + benign scores at least as high) / (1 + benign scores)`, which is exact for a benign session
/// that could have been among them in any order (conformal prediction: Vovk, Gammerman and Shafer, "Algorithmic learning in
/// a random world", 2005). From about the highest tenth of the benign scores on, a generalised Pareto distribution takes
/// over where it fits them, so that p-values go on below `1 / (1 + n)`; among the benign scores it never says less than
/// they do, so that a distribution fitted to too few of them to be told wrong cannot break the budget.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    scores: Vec<f32>,
    tail: Tail,
}

impl Calibration {
    /// Calibrates on scores of benign sessions that took no part in fitting, in any order.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] where there is no score, or one is not finite (its place is named).
    pub fn fit(scores: &[f32]) -> Result<Self> {
        if scores.is_empty() {
            return Err(Error::new(ErrorKind::Data, "0 scores to calibrate on, at least 1 is needed"));
        }
        if let Some(place) = scores.iter().position(|score| !score.is_finite()) {
            let message = format!("score {place} is {}, scores must be finite", scores[place]);
            return Err(Error::new(ErrorKind::Data, message));
        }
        // Adding zero makes one zero of -0 and 0, which sort apart.
        let mut scores: Vec<f32> = scores.iter().map(|score| score + 0.0).collect();
        scores.sort_unstable_by(f32::total_cmp);
        let tail = Tail::fit(&scores);
        Ok(Self { scores, tail })
    }

    /// How many benign scores there are.
    #[allow(clippy::len_without_is_empty)] // there is always one
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// The benign scores, ascending.
    pub fn scores(&self) -> &[f32] {
        &self.scores
    }

    /// Whether the benign tail follows the fitted distribution, so that p-values below `1 / (1 + n)` mean what they say.
    pub fn tail_is_sound(&self) -> bool {
        self.tail.is_sound()
    }

    /// The share of benign sessions at least as strange, above 0 and at most 1; never rises with the score.
    ///
    /// Where the tail is not sound it ends at `1 / (1 + n)`; where it is, it falls on strictly beyond the benign scores.
    pub fn p_value(&self, score: f32) -> f64 {
        self.p_value_by(score, || self.surprise(score))
    }

    /// Minus the natural logarithm of the p-value, made continuous: it rises strictly from the lowest benign score on,
    /// also where the tail is not sound. For ranking, and for combining several scores.
    pub fn surprise(&self, score: f32) -> f64 {
        self.tail.surprise(&self.scores, score)
    }

    /// The [surprise](Self::surprise) and the [p-value](Self::p_value), of which one follows from the other.
    pub(crate) fn both(&self, score: f32) -> (f64, f64) {
        let surprise = self.surprise(score);
        (surprise, self.p_value_by(score, || surprise))
    }

    fn p_value_by(&self, score: f32, surprise: impl FnOnce() -> f64) -> f64 {
        let (above, n) = (self.count_from(score) as f64, self.len() as f64);
        if self.tail_is_sound() && f64::from(score) > self.tail.join() {
            (-surprise()).exp().max(above / n)
        } else {
            (1.0 + above) / (1.0 + n)
        }
    }

    /// The fitted tail, for the model file.
    pub(crate) fn stored_tail(&self) -> StoredTail {
        self.tail
    }

    /// The calibration that was stored: scores in ascending order and their tail, which is not fitted anew so that
    /// another machine's logarithms change nothing.
    pub(crate) fn restore(scores: Vec<f32>, tail: StoredTail) -> Result<Self> {
        let ascending = scores.is_sorted() && scores.iter().all(|score| score.is_finite());
        if scores.is_empty() || !ascending || !tail.is_sane() {
            let message = "a calibration is not of finite scores in ascending order with a finite tail";
            return Err(Error::new(ErrorKind::ModelFile, message));
        }
        Ok(Self { scores, tail })
    }

    /// How many benign scores are at least `score`.
    fn count_from(&self, score: f32) -> usize {
        self.len() - self.scores.partition_point(|&benign| benign < score)
    }
}

#[cfg(test)]
mod tests;
