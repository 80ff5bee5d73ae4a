//! Sums over the rows of a matrix.

use super::lanes::{Kernel, Lanes, Level};

/// The sums of the columns.
pub(in crate::model::neural) fn sum(level: Level, x: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0; width];
    level.run(Sum { x, sums: &mut sums });
    sums
}

struct Sum<'a> {
    x: &'a [f32],
    sums: &'a mut [f32],
}

impl Kernel for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes, const R: usize>(self, _: L) {
        add(self.x, self.sums);
    }
}

/// Adds the sums of the columns to `sums`. A loop as plain as this is compiled to the level's own instructions.
#[inline(always)]
pub(super) fn add(x: &[f32], sums: &mut [f32]) {
    for row in x.chunks_exact(sums.len()) {
        sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::lanes::levels, *};

    #[test]
    fn columns_are_summed() {
        for level in levels() {
            let x: Vec<f32> = (1..58).map(|i| i as f32).collect();
            assert_eq!(sum(level, &x, 19), (0..19).map(|i| (3 * i + 60) as f32).collect::<Vec<_>>());
        }
    }
}
