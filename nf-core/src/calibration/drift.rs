//! Whether figures that come block by block still are what they were: a sequential test with its own budget of false alarms.
//!
//! Sessions of one pair, and those of one minute, depend on each other, so a test on single sessions (a conformal martingale
//! on p-values: Vovk et al., "Retrain or not retrain: conformal test martingales for change-point detection", COPA 2021)
//! would take every burst for a change. Here the unit is a block of time, and a block's figures are held against how much they
//! differ from block to block among benign ones (the batch means of Conway, "Some tactical problems in digital simulation",
//! Management Science 10, 1963).

use serde::{Deserialize, Serialize};

/// The blocks' variance counts at least this many times: they are few, so it is not known well, and neighbours are alike.
const LEAST_INFLATION: f64 = 1.5;
/// Most that a block is taken to follow the one before it: a figure that did so more would never be told from a drifting one.
const MOST_FOLLOWING: f64 = 0.8;
/// Most that one block can count against the same traffic: what happened in one block of time alone is a burst, not a drift.
/// Cutting an e-value keeps it one.
const MOST_OF_A_BLOCK: f64 = 100.0;
/// Degrees of freedom beyond which Student's distribution is taken to stay as it is.
const MOST_FREEDOM: u64 = 200;

/// What a figure is among benign blocks of time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Level {
    pub(crate) mean: f64,
    /// Deviation from block to block.
    pub(crate) deviation: f64,
    /// How much a block follows the one before it: the autocorrelation at lag 1, 0 to 0.8.
    pub(crate) follows: f64,
}

impl Level {
    /// Learns from stretches of blocks without a gap.
    pub(crate) fn fit(stretches: &[Vec<f64>]) -> Self {
        let all = || stretches.iter().flatten();
        let count = all().count().max(1) as f64;
        let mean = all().sum::<f64>() / count;
        let squares = all().map(|x| (x - mean).powi(2)).sum::<f64>();
        let products = stretches.iter().flat_map(|stretch| stretch.windows(2)).map(|w| (w[0] - mean) * (w[1] - mean));
        let follows = if squares > 0.0 { products.sum::<f64>() / squares } else { 0.0 };
        let deviation = (squares / (count - 1.0).max(1.0)).sqrt();
        Self { mean, deviation, follows: follows.clamp(0.0, MOST_FOLLOWING) }
    }

    /// How far a block lies from what is usual, in deviations of a block foretold from `blocks` others: their spread, widened
    /// by how much they follow each other, and `least`, below which no difference is worth a word.
    pub(crate) fn deviations(&self, value: f64, blocks: u64, least: f64) -> f64 {
        let inflation = ((1.0 + self.follows) / (1.0 - self.follows)).max(LEAST_INFLATION);
        let foretold = self.deviation.powi(2) * inflation * (1.0 + 1.0 / blocks.max(1) as f64);
        (value - self.mean) / (foretold + least * least).sqrt()
    }

    pub(crate) fn is_sane(&self) -> bool {
        self.mean.is_finite()
            && (0.0..f64::INFINITY).contains(&self.deviation)
            && (0.0..=MOST_FOLLOWING).contains(&self.follows)
    }
}

/// Student's distribution with some degrees of freedom.
#[derive(Debug, Clone, Copy)]
struct Student {
    freedom: f64,
    peak: f64,
}

impl Student {
    fn new(freedom: u64) -> Self {
        let freedom = freedom.clamp(1, MOST_FREEDOM);
        // Gamma((v + 1) / 2) / Gamma(v / 2), by its recurrence from v = 1 or 2.
        let pi = std::f64::consts::PI;
        let first = if freedom % 2 == 1 { 1.0 / pi.sqrt() } else { pi.sqrt() / 2.0 };
        let from = if freedom % 2 == 1 { 1 } else { 2 };
        let ratio = (from..freedom).step_by(2).fold(first, |ratio, v| ratio * (v + 1) as f64 / v as f64);
        Self { freedom: freedom as f64, peak: ratio / (pi * freedom as f64).sqrt() }
    }

    fn density(self, x: f64) -> f64 {
        self.peak * (1.0 + x * x / self.freedom).powf(-(self.freedom + 1.0) / 2.0)
    }
}

/// What speaks against a block being one of `blocks` benign ones, by how many deviations it is off: an e-value, its mean at
/// most 1 where it is one of them, however far the tails of Student's distribution reach.
///
/// The other hypothesis is half a shift of 2 deviations either way, for what is small and lasts, half a distribution four
/// times as wide and heavier in its tails, for what is large.
#[derive(Debug, Clone, Copy)]
struct Evidence {
    usual: Student,
    wide: Student,
}

const SHIFT: f64 = 2.0;
const WIDTH: f64 = 4.0;

impl Evidence {
    fn new(blocks: u64) -> Self {
        Self { usual: Student::new(blocks.saturating_sub(1)), wide: Student::new(3) }
    }

    fn of(self, deviations: f64) -> f64 {
        let shifted = self.usual.density(deviations - SHIFT) + self.usual.density(deviations + SHIFT);
        let wide = self.wide.density(deviations / WIDTH) / WIDTH;
        ((shifted / 2.0 + wide) / 2.0 / self.usual.density(deviations)).min(MOST_OF_A_BLOCK)
    }
}

/// Adds up what speaks against the blocks being what they were, for many figures at once.
///
/// For each figure the procedure of Shiryaev and Roberts on e-values: `R = (R + 1) e`, an e-detector (Shin, Ramdas and
/// Rinaldo, "E-detectors: a nonparametric framework for sequential change detection", New England Journal of Statistics in
/// Data Science, 2023). The weighted mean of such is one again, whatever the figures have to do with each other, and while
/// nothing changes it reaches `a` after `a` blocks on average, at the earliest.
#[derive(Debug, Clone)]
pub(crate) struct ChangeTest {
    weights: Vec<f64>,
    evidence: Evidence,
    /// Shiryaev and Roberts's sum of each figure.
    sums: Vec<f64>,
    /// Since how many blocks each figure has been off, by Page's rule ("Continuous inspection schemes", Biometrika 41, 1954):
    /// the product of e-values and its length since it was last below 1.
    runs: Vec<(f64, u32)>,
}

/// Beyond this nothing is added up, so that what is over is forgotten soon.
const MOST_SUM: f64 = 1e12;

impl ChangeTest {
    /// A test against `blocks` benign blocks, for figures of these weights, which sum up to 1.
    pub(crate) fn new(weights: Vec<f64>, blocks: u64) -> Self {
        let (sums, runs) = (vec![0.0; weights.len()], vec![(1.0, 0); weights.len()]);
        Self { weights, evidence: Evidence::new(blocks), sums, runs }
    }

    /// Takes in how many deviations each figure of a block is off; `None` for one that the block does not have.
    pub(crate) fn push(&mut self, deviations: impl IntoIterator<Item = Option<f64>>) {
        for ((sum, run), off) in self.sums.iter_mut().zip(&mut self.runs).zip(deviations) {
            let Some(off) = off else { continue };
            let e = self.evidence.of(off);
            *sum = ((*sum + 1.0) * e).min(MOST_SUM);
            *run = if run.0 * e > 1.0 { ((run.0 * e).min(MOST_SUM), run.1 + 1) } else { (1.0, 0) };
        }
    }

    /// What speaks against no change so far.
    pub(crate) fn strength(&self) -> f64 {
        self.weighted().sum()
    }

    fn weighted(&self) -> impl Iterator<Item = f64> {
        self.weights.iter().zip(&self.sums).map(|(weight, sum)| weight * sum)
    }

    /// The figure that most speaks for a change, and for how many blocks it has.
    pub(crate) fn first(&self) -> Option<(usize, u32)> {
        let (place, _) = self.weighted().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
        Some((place, self.runs[place].1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Random;

    #[test]
    fn students_density_is_that_of_tables() {
        // scipy.stats.t.pdf
        for (freedom, x, density) in
            [(1, 1.0, 0.159_154_943), (2, 1.0, 0.192_450_09), (3, 1.0, 0.206_748_336), (15, 3.0, 0.009_135_184)]
        {
            assert!((Student::new(freedom).density(x) - density).abs() < 2e-6, "{freedom} {x}");
        }
        assert!((Student::new(1 << 40).density(0.0) - 0.398_9).abs() < 1e-3);
    }

    #[test]
    fn evidence_is_an_e_value() {
        for blocks in [5, 20, 1000] {
            let evidence = Evidence::new(blocks);
            let step = 1e-3;
            let mean: f64 = (-60_000..60_000)
                .map(|i| f64::from(i) * step)
                .map(|x| evidence.of(x) * evidence.usual.density(x) * step)
                .sum();
            assert!(mean <= 1.0 && mean > 0.7, "{blocks}: {mean}");
            let (none, large, most) = (evidence.of(0.0), evidence.of(5.0), evidence.of(f64::INFINITY));
            assert!(none < 0.5 && large > 3.0 && most == MOST_OF_A_BLOCK, "{blocks}: {none} {large} {most}");
        }
    }

    /// A figure that follows itself, with deviation 1.
    fn figure(random: &mut Random, before: f64, follows: f64) -> f64 {
        let uniform: f64 = (0..12).map(|_| f64::from(random.uniform())).sum::<f64>() - 6.0;
        follows * before + (1.0 - follows * follows).sqrt() * uniform
    }

    fn series(random: &mut Random, blocks: usize, follows: f64) -> Vec<f64> {
        let next = |before: &mut f64| {
            *before = figure(random, *before, follows);
            *before
        };
        std::iter::repeat_with({
            let (mut before, mut next) = (0.0, next);
            move || next(&mut before)
        })
        .take(blocks)
        .collect()
    }

    /// Blocks until the first alarm at `limit`, of 20 figures learned from 30 blocks, all of which move by `shift`.
    fn until_alarm(seed: u64, limit: f64, shift: f64, most: u32) -> u32 {
        let mut random = Random::new(seed);
        let learned: Vec<Level> = (0..20).map(|_| Level::fit(&[series(&mut random, 30, 0.5)])).collect();
        let mut test = ChangeTest::new(vec![0.05; 20], 30);
        let mut values = vec![0.0; 20];
        for block in 1..=most {
            for value in &mut values {
                *value = figure(&mut random, *value, 0.5);
            }
            test.push(values.iter().zip(&learned).map(|(v, level)| Some(level.deviations(v + shift, 30, 0.0))));
            if test.strength() >= limit {
                return block;
            }
        }
        most
    }

    #[test]
    fn false_alarms_are_as_rare_as_the_limit_says_for_figures_that_follow_themselves() {
        let mean = (0..40).map(|seed| f64::from(until_alarm(seed, 300.0, 0.0, 3000))).sum::<f64>() / 40.0;
        assert!(mean > 300.0, "{mean}");
    }

    #[test]
    fn a_change_is_called_soon_and_says_since_when() {
        let mean = (0..40).map(|seed| f64::from(until_alarm(seed, 1e5, 5.0, 3000))).sum::<f64>() / 40.0;
        assert!(mean < 15.0, "{mean}");
        let mut test = ChangeTest::new(vec![0.5, 0.5], 30);
        for block in 0..40 {
            let off = if block < 34 { 0.0 } else { 6.0 };
            test.push([Some(off), None]);
        }
        assert_eq!(test.first(), Some((0, 6)));
        assert!(test.strength() > 1e9);
    }

    #[test]
    fn one_wild_block_is_no_change() {
        let mut test = ChangeTest::new(vec![1.0], 30);
        for off in [0.0, 1e9, 0.0, 0.0, -1e9, 0.0] {
            test.push([Some(off)]);
            assert!(test.strength() <= 10.0 * MOST_OF_A_BLOCK, "{}", test.strength());
        }
    }

    #[test]
    fn a_level_knows_spread_and_memory() {
        let level = Level::fit(&[vec![1.0, 1.0, 3.0, 3.0], vec![1.0, 3.0]]);
        assert_eq!((level.mean, level.follows), (2.0, 0.0), "as often alike as not");
        assert!((level.deviation - (6.0_f64 / 5.0).sqrt()).abs() < 1e-12);
        let level = Level::fit(&[(0..100).map(f64::from).collect()]);
        assert_eq!(level.follows, MOST_FOLLOWING);
        let constant = Level::fit(&[vec![0.5; 20]]);
        assert_eq!((constant.deviation, constant.follows), (0.0, 0.0));
        assert!((constant.deviations(0.6, 20, 0.05) - 2.0).abs() < 1e-9 && constant.is_sane());
    }
}
