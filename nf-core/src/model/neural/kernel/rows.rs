//! A bias to each row of a matrix, and its gradient.

use super::lanes::{Kernel, Lanes, Level};

/// Adds `bias` to each row of `x`.
pub(in crate::model::neural) fn add(level: Level, x: &mut [f32], bias: &[f32]) {
    level.run(Add { x, bias });
}

/// The sums of the columns.
pub(in crate::model::neural) fn sum(level: Level, x: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0; width];
    level.run(Sum { x, sums: &mut sums });
    sums
}

struct Add<'a> {
    x: &'a mut [f32],
    bias: &'a [f32],
}

impl Kernel for Add<'_> {
    type Output = ();

    // Loops as plain as these are compiled to the level's own instructions.
    #[inline(always)]
    fn run<L: Lanes, const R: usize>(self, _: L) {
        for row in self.x.chunks_exact_mut(self.bias.len()) {
            row.iter_mut().zip(self.bias).for_each(|(x, bias)| *x += bias);
        }
    }
}

struct Sum<'a> {
    x: &'a [f32],
    sums: &'a mut [f32],
}

impl Kernel for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes, const R: usize>(self, _: L) {
        for row in self.x.chunks_exact(self.sums.len()) {
            self.sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::lanes::levels, *};

    #[test]
    fn rows_get_a_bias_and_columns_are_summed() {
        for level in levels() {
            let mut x: Vec<f32> = (0..57).map(|i| i as f32).collect();
            add(level, &mut x, &[1.0; 19]);
            assert_eq!(x, (1..58).map(|i| i as f32).collect::<Vec<_>>());
            assert_eq!(sum(level, &x, 19), (0..19).map(|i| (3 * i + 60) as f32).collect::<Vec<_>>());
        }
    }
}
