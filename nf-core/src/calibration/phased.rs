//! Two calibrations in one: for all sessions, and for those of a session table's first minute.

use super::Calibration;
use crate::Result;

/// Fewest sessions that cold ones are calibrated on apart.
const FEWEST: usize = 100;

/// Holds cold sessions against cold ones as well.
///
/// While a session table still learns what hosts did lately, benign sessions look stranger than later ones. So that warm-up
/// does not spend the budget, a cold session's p-value is the larger of those among all and among cold sessions; beyond the
/// highest of these it is that among all.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Phased {
    all: Calibration,
    cold: Option<Calibration>,
}

impl Phased {
    /// Calibrates on scores of benign sessions, each with whether it is cold.
    pub(crate) fn fit(scores: &[f32], cold: &[bool]) -> Result<Self> {
        let early: Vec<f32> = scores.iter().zip(cold).filter(|(_, cold)| **cold).map(|(score, _)| *score).collect();
        let cold = if early.len() < FEWEST { None } else { Some(Calibration::fit(&early)?) };
        Ok(Self { all: Calibration::fit(scores)?, cold })
    }

    /// The parts as they were stored.
    pub(crate) fn restore(all: Calibration, cold: Option<Calibration>) -> Self {
        Self { all, cold }
    }

    /// The calibration of all sessions.
    pub(crate) fn all(&self) -> &Calibration {
        &self.all
    }

    /// The calibration of cold sessions, where there is one.
    pub(crate) fn cold(&self) -> Option<&Calibration> {
        self.cold.as_ref()
    }

    /// The calibration of cold sessions, where it has a say on this score.
    fn cold_of(&self, score: f32, cold: bool) -> Option<&Calibration> {
        self.cold.as_ref().filter(|early| cold && early.scores().last().is_some_and(|highest| score <= *highest))
    }

    /// The [surprise](Self::surprise), and as [`Calibration::p_value`].
    pub(crate) fn both(&self, score: f32, cold: bool) -> (f32, f64) {
        let (surprise, p) = self.all.both(score);
        let (surprise, p) = self.cold_of(score, cold).map_or((surprise, p), |early| {
            let early = early.both(score);
            (surprise.min(early.0), p.max(early.1))
        });
        (surprise as f32, p)
    }

    /// As [`Calibration::surprise`]: means the same for cold and warm sessions.
    pub(crate) fn surprise(&self, score: f32, cold: bool) -> f32 {
        let surprise = self.all.surprise(score);
        self.cold_of(score, cold).map_or(surprise, |early| surprise.min(early.surprise(score))) as f32
    }

    /// As [`Calibration::p_value`].
    pub(crate) fn p_value(&self, score: f32, cold: bool) -> f64 {
        self.both(score, cold).1
    }

    /// The lowest score, of those not below 0, whose [surprise](Self::surprise) is above a cut; infinite where none is. Surprise never
    /// falls as scores rise, so that a score is above the cut from there on: to see that takes no search among benign scores.
    pub(crate) fn lowest_above(&self, cut: f32, cold: bool) -> f32 {
        // Such numbers are in the order of their bits.
        let (mut least, mut most) = (0, f32::INFINITY.to_bits());
        while least < most {
            let middle = u32::midpoint(least, most);
            match self.surprise(f32::from_bits(middle), cold) > cut {
                true => most = middle,
                false => least = middle + 1,
            }
        }
        f32::from_bits(least)
    }

    /// The cut that keeps a rate, as a [surprise](Self::surprise). Where the cold sessions are too few to promise it, those
    /// above all of them are above the cut.
    ///
    /// # Errors
    /// As [`Calibration::threshold`], for all sessions.
    pub(crate) fn threshold(&self, rate: f64, cold: bool) -> Result<f32> {
        let mut cut = self.all.threshold(rate)?;
        if let Some(early) = self.cold.as_ref().filter(|_| cold) {
            let highest = early.scores().last().copied().unwrap_or(cut);
            cut = cut.max(early.threshold(rate).map_or(highest, |own| own.min(highest)));
        }
        Ok(self.surprise(cut, cold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Random;

    /// Scores with an exponential tail, cold ones twice as high.
    fn scores(n: usize, seed: u64) -> (Vec<f32>, Vec<bool>) {
        let mut random = Random::new(seed);
        let cold: Vec<bool> = (0..n).map(|i| i % 5 == 0).collect();
        let draw = |cold: &bool| -(1.0 - random.uniform()).ln() * if *cold { 2.0 } else { 1.0 };
        (cold.iter().map(draw).collect(), cold)
    }

    #[test]
    fn neither_phase_spends_more_than_the_budget() {
        let (fitted, cold) = scores(20_000, 1);
        let phased = Phased::fit(&fitted, &cold).unwrap();
        let (fresh, cold) = scores(100_000, 2);
        for rate in [0.05, 0.01] {
            let above = [false, true].map(|phase| {
                let cut = phased.threshold(rate, phase).unwrap();
                let of_phase = || fresh.iter().zip(&cold).filter(|(_, c)| **c == phase);
                let above = of_phase().filter(|(score, _)| phased.surprise(**score, phase) > cut).count();
                let small = of_phase().filter(|(score, _)| phased.p_value(**score, phase) <= rate).count();
                assert!(above.abs_diff(small) <= 1, "{above} {small}");
                above as f64 / of_phase().count() as f64 / rate
            });
            assert!(above[0] < 0.6 && above[1] > 0.8 && above[1] < 1.2, "{rate}: {above:?}");
        }
    }

    #[test]
    fn scores_are_above_a_cut_from_the_lowest_above_it_on() {
        let (fitted, cold) = scores(20_000, 1);
        let phased = Phased::fit(&fitted, &cold).unwrap();
        for (rate, cold) in [(0.3, false), (0.05, false), (0.05, true), (0.001, false), (0.001, true)] {
            let cut = phased.threshold(rate, cold).unwrap();
            let lowest = phased.lowest_above(cut, cold);
            let near = [0.0, lowest.next_down(), lowest, lowest.next_up(), 2.0 * lowest, f32::MAX];
            for score in fitted.iter().copied().chain(near) {
                assert_eq!(score >= lowest, phased.surprise(score, cold) > cut, "{score} {lowest}");
            }
        }
        assert_eq!(phased.lowest_above(f32::INFINITY, false), f32::INFINITY);
        assert_eq!(phased.lowest_above(-1.0, false), 0.0);
    }

    #[test]
    fn few_cold_sessions_are_not_kept_apart() {
        let (fitted, _) = scores(1000, 1);
        for count in [0, 99] {
            let phased = Phased::fit(&fitted, &(0..1000).map(|i| i < count).collect::<Vec<_>>()).unwrap();
            assert!(phased.cold().is_none());
            assert_eq!(phased.surprise(2.0, true), phased.surprise(2.0, false));
        }
    }

    #[test]
    fn too_few_cold_sessions_for_a_rate_let_only_stranger_ones_through() {
        let (fitted, _) = scores(5000, 3);
        let cold: Vec<bool> = (0..5000).map(|i| i < 100).collect();
        let phased = Phased::fit(&fitted, &cold).unwrap();
        let highest = fitted[..100].iter().copied().fold(f32::MIN, f32::max);
        let cut = phased.threshold(0.001, true).unwrap();
        assert!(cut >= phased.surprise(highest, true));
        for score in [highest, highest.next_up(), highest + 1.0, highest + 5.0] {
            let (above, p_value) = (phased.surprise(score, true) > cut, phased.p_value(score, true));
            assert_eq!(above, p_value <= 0.001, "{score} {p_value}");
        }
        assert!(phased.threshold(0.00001, false).is_err() && phased.threshold(0.00001, true).is_err());
    }
}
