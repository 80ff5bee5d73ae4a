//! A small autoencoder that learns from one row at a time: tied weights, sigmoid units, plain gradient descent.

use crate::model::Random;

/// Hidden units for each visible one, as in the paper.
const HIDDEN_SHARE: f64 = 0.75;
/// Step of the gradient descent, as in the authors' program.
const LEARNING_RATE: f64 = 0.1;

/// A small autoencoder over values that it brings to 0 to 1 by the least and the largest it learned from.
#[derive(Debug)]
pub(super) struct Autoencoder {
    least: Vec<f64>,
    largest: Vec<f64>,
    /// A row of hidden weights for each visible unit.
    weights: Vec<f64>,
    hidden_bias: Vec<f64>,
    visible_bias: Vec<f64>,
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl Autoencoder {
    pub(super) fn new(visible: usize, mut random: Random) -> Self {
        let hidden = ((visible as f64 * HIDDEN_SHARE).ceil() as usize).max(1);
        let spread = 1.0 / visible.max(1) as f64;
        let weight = |_| spread * f64::from(2.0 * random.uniform() - 1.0);
        Self {
            least: vec![f64::INFINITY; visible],
            largest: vec![f64::NEG_INFINITY; visible],
            weights: (0..visible * hidden).map(weight).collect(),
            hidden_bias: vec![0.0; hidden],
            visible_bias: vec![0.0; visible],
        }
    }

    /// The root of the mean squared error of `row`, then one step of descent on it.
    pub(super) fn learn(&mut self, row: &[f64]) -> f64 {
        for ((least, largest), value) in self.least.iter_mut().zip(&mut self.largest).zip(row) {
            (*least, *largest) = (least.min(*value), largest.max(*value));
        }
        let input = self.scaled(row);
        let hidden = self.hidden(&input);
        let output = self.visible(&hidden);
        let wrong: Vec<f64> = input.iter().zip(&output).map(|(input, output)| input - output).collect();

        let width = hidden.len();
        let mut back = vec![0.0; width];
        for (weights, wrong) in self.weights.chunks_exact(width).zip(&wrong) {
            back.iter_mut().zip(weights).for_each(|(back, weight)| *back += wrong * weight);
        }
        back.iter_mut().zip(&hidden).for_each(|(back, unit)| *back *= unit * (1.0 - unit));
        for ((weights, input), wrong) in self.weights.chunks_exact_mut(width).zip(&input).zip(&wrong) {
            for ((weight, back), unit) in weights.iter_mut().zip(&back).zip(&hidden) {
                *weight += LEARNING_RATE * (input * back + wrong * unit);
            }
        }
        self.hidden_bias.iter_mut().zip(&back).for_each(|(bias, back)| *bias += LEARNING_RATE * back);
        self.visible_bias.iter_mut().zip(&wrong).for_each(|(bias, wrong)| *bias += LEARNING_RATE * wrong);
        root_mean_square(&wrong)
    }

    /// The root of the mean squared error of `row`.
    pub(super) fn error(&self, row: &[f64]) -> f64 {
        let input = self.scaled(row);
        let output = self.visible(&self.hidden(&input));
        let wrong: Vec<f64> = input.iter().zip(&output).map(|(input, output)| input - output).collect();
        root_mean_square(&wrong)
    }

    /// What was not learned from may lie outside 0 to 1, and is wrong by that much.
    fn scaled(&self, row: &[f64]) -> Vec<f64> {
        let bounds = self.least.iter().zip(&self.largest);
        row.iter().zip(bounds).map(|(value, (least, largest))| (value - least) / (largest - least + 1e-16)).collect()
    }

    fn hidden(&self, input: &[f64]) -> Vec<f64> {
        let mut hidden = self.hidden_bias.clone();
        for (weights, input) in self.weights.chunks_exact(hidden.len()).zip(input) {
            hidden.iter_mut().zip(weights).for_each(|(unit, weight)| *unit += input * weight);
        }
        hidden.iter_mut().for_each(|unit| *unit = sigmoid(*unit));
        hidden
    }

    fn visible(&self, hidden: &[f64]) -> Vec<f64> {
        let rows = self.weights.chunks_exact(hidden.len()).zip(&self.visible_bias);
        let unit = |(weights, bias): (&[f64], &f64)| {
            sigmoid(bias + weights.iter().zip(hidden).map(|(weight, unit)| weight * unit).sum::<f64>())
        };
        rows.map(unit).collect()
    }
}

/// Bounded, so that the error of a column that was constant in training stays a number.
fn root_mean_square(wrong: &[f64]) -> f64 {
    let mean = wrong.iter().map(|wrong| wrong * wrong).sum::<f64>() / wrong.len().max(1) as f64;
    mean.sqrt().min(1e12)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(i: u32) -> [f64; 4] {
        let x = (f64::from(i) * 0.37).sin();
        [10.0 + x, 20.0 - 2.0 * x, 100.0 + 30.0 * x, 1.0]
    }

    #[test]
    fn learns_rows_and_finds_those_that_break_their_rule() {
        let mut network = Autoencoder::new(4, Random::new(1));
        let early: f64 = (0..200).map(|i| network.learn(&row(i))).sum::<f64>() / 200.0;
        for i in 200..20_000 {
            network.learn(&row(i));
        }
        let late: f64 = (0..200).map(|i| network.error(&row(i))).sum::<f64>() / 200.0;
        assert!(late < early / 3.0 && late < 0.1, "{early} then {late}");
        // Within the bounds of each column, but against what ties them.
        let against = network.error(&[11.0, 22.0, 70.0, 1.0]);
        assert!(against > 3.0 * late, "{against} and {late}");
        assert!(network.error(&[10.0, 20.0, 100.0, 2.0]) > 1e6, "a column that never varied");
    }

    #[test]
    fn judging_learns_nothing_and_the_seed_decides() {
        let make = |seed| {
            let mut network = Autoencoder::new(4, Random::new(seed));
            for i in 0..100 {
                network.learn(&row(i));
            }
            let first = network.error(&row(5));
            assert_eq!(network.error(&row(5)), first);
            first
        };
        assert_eq!(make(1), make(1));
        assert_ne!(make(1), make(2));
    }
}
