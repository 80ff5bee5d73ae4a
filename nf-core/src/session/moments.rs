//! Mean and deviation of numbers that come one at a time.

/// Count, mean, standard deviation, smallest and largest of a quantity that is counted in whole steps, `STEPS` of them to
/// the unit in which results are given.
///
/// The sums are kept in integers: they are exact whatever the order and the size of the numbers, and cheaper than running
/// means, which divide for each number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moments<const STEPS: u64> {
    count: u64,
    sum: u64,
    /// Sum of squares, its low and its high half: a `u128` would widen everything around it to multiples of 16 bytes.
    squares: [u64; 2],
    min: u64,
    max: u64,
}

impl<const STEPS: u64> Default for Moments<STEPS> {
    fn default() -> Self {
        Self { count: 0, sum: 0, squares: [0; 2], min: u64::MAX, max: 0 }
    }
}

impl<const STEPS: u64> Moments<STEPS> {
    /// Takes in one number of steps.
    pub(crate) fn push(&mut self, steps: u64) {
        self.count += 1;
        self.sum = self.sum.saturating_add(steps);
        let square = u128::from(steps) * u128::from(steps);
        let (low, carry) = self.squares[0].overflowing_add(square as u64);
        self.squares = [low, self.squares[1].saturating_add((square >> 64) as u64).saturating_add(u64::from(carry))];
        self.min = self.min.min(steps);
        self.max = self.max.max(steps);
    }

    /// How many numbers there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Mean; 0 without numbers.
    pub fn mean(&self) -> f64 {
        self.sum as f64 / self.count.max(1) as f64 / STEPS as f64
    }

    /// Standard deviation of the numbers themselves (divided by n); 0 without numbers.
    pub fn deviation(&self) -> f64 {
        let n = self.count.max(1);
        let (mean, rest) = (u128::from(self.sum / n), u128::from(self.sum % n));
        // Squared distances from the whole part of the mean: what overflows on the way cancels out.
        let squares = u128::from(self.squares[1]) << 64 | u128::from(self.squares[0]);
        let around = squares
            .wrapping_sub(mean.wrapping_mul(u128::from(self.sum)).wrapping_mul(2))
            .wrapping_add(mean.wrapping_mul(mean).wrapping_mul(u128::from(n)));
        let (n, rest) = (n as f64, rest as f64);
        ((around as f64 - rest * rest / n) / n).max(0.0).sqrt() / STEPS as f64
    }

    /// Smallest number; 0 without numbers.
    pub fn min(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.min as f64 / STEPS as f64 }
    }

    /// Largest number; 0 without numbers.
    pub fn max(&self) -> f64 {
        self.max as f64 / STEPS as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn moments<const STEPS: u64>(values: &[u64]) -> Moments<STEPS> {
        let mut moments = Moments::default();
        values.iter().for_each(|&value| moments.push(value));
        moments
    }

    #[test]
    fn agree_with_their_definition() {
        let none = moments::<1>(&[]);
        assert_eq!((none.mean(), none.deviation(), none.min(), none.max()), (0.0, 0.0, 0.0, 0.0));
        let some = moments::<2>(&[4, 8, 8, 8, 10, 10, 14, 18]);
        assert_eq!((some.count(), some.mean(), some.deviation()), (8, 5.0, 2.0));
        assert_eq!((some.min(), some.max()), (2.0, 9.0));
    }

    #[test]
    fn stay_exact_where_differences_are_small_beside_the_numbers() {
        let far = 1 << 62;
        assert_eq!(moments::<1>(&[far]).deviation(), 0.0);
        assert_eq!(moments::<1>(&[far, far + 2]).deviation(), 1.0);
        assert_eq!(moments::<1>(&[far, far + 1]).deviation(), 0.5);
    }

    proptest! {
        #[test]
        fn agree_with_two_passes(values in prop::collection::vec(0u64..2_000_000_000_000, 1..100)) {
            let moments = moments::<1000>(&values);
            let n = values.len() as f64;
            let mean = values.iter().map(|&v| v as f64).sum::<f64>() / n;
            let variance = values.iter().map(|&v| (v as f64 - mean).powi(2)).sum::<f64>() / n;
            prop_assert!((moments.mean() * 1000.0 - mean).abs() <= 1e-12 * mean);
            prop_assert!((moments.deviation() * 1000.0 - variance.sqrt()).abs() <= 1e-9 * mean);
        }
    }
}
