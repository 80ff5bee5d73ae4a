//! `x` times the share of a standard normal below it (Hendrycks and Gimpel, "Gaussian error linear units", 2016), exact but
//! for the error function's approximation.

use super::lanes::{Kernel, LANES, Lanes, Level, line, put};
use std::f32::consts::{FRAC_1_SQRT_2, LOG2_E};

/// The values, in memory of their own.
pub(in crate::model::neural) fn forward(level: Level, x: &[f32]) -> Vec<f32> {
    let mut values = vec![0.0; x.len()];
    level.run(Forward { x, values: &mut values });
    values
}

/// The values.
#[inline(always)]
pub(super) fn activate<L: Lanes>(l: L, x: &[f32], values: &mut [f32]) {
    for at in (0..x.len()).step_by(LANES) {
        let mut result = [0.0; LANES];
        l.store(&mut result, both(l, l.load(&line(x, at)))[0]);
        put(values, at, result);
    }
}

/// The values, and `gradient`, that for the values, turned into that for `x`.
#[inline(always)]
pub(super) fn retrace<L: Lanes>(l: L, x: &[f32], gradient: &mut [f32], values: &mut [f32]) {
    for at in (0..x.len()).step_by(LANES) {
        let [value, slope] = both(l, l.load(&line(x, at)));
        let mut result = [0.0; LANES];
        l.store(&mut result, value);
        put(values, at, result);
        l.store(&mut result, l.mul(l.load(&line(gradient, at)), slope));
        put(gradient, at, result);
    }
}

/// The share of a standard normal beyond `|x|`, and its density there. The first is half the complementary error function
/// after Abramowitz and Stegun, "Handbook of mathematical functions", 7.1.26: absolute error below 1e-7.
#[inline(always)]
fn tail<L: Lanes>(l: L, x: L::V) -> [L::V; 2] {
    let size = l.max(x, l.sub(l.splat(0.0), x));
    let bell = l.exp2(l.mul(l.mul(x, x), l.splat(-0.5 * LOG2_E)));
    let t = l.div(l.splat(1.0), l.mul_add(size, l.splat(0.327_591_1 * FRAC_1_SQRT_2), l.splat(1.0)));
    let mut p = l.splat(0.5 * 1.061_405_4);
    for coefficient in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        p = l.mul_add(p, t, l.splat(0.5 * coefficient));
    }
    [l.mul(l.mul(p, t), bell), l.mul(bell, l.splat(0.398_942_3))]
}

/// Value and slope.
#[inline(always)]
fn both<L: Lanes>(l: L, x: L::V) -> [L::V; 2] {
    let [beyond, density] = tail(l, x);
    let below = l.by_sign(x, beyond, l.sub(l.splat(1.0), beyond));
    [l.mul(x, below), l.mul_add(x, density, below)]
}

struct Forward<'a> {
    x: &'a [f32],
    values: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes, const R: usize>(self, l: L) {
        activate(l, self.x, self.values);
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// [`retrace`] alone.
    pub(in super::super) struct Retrace<'a> {
        pub(in super::super) x: &'a [f32],
        pub(in super::super) gradient: &'a mut [f32],
        pub(in super::super) values: &'a mut [f32],
    }

    impl Kernel for Retrace<'_> {
        type Output = ();

        #[inline(always)]
        fn run<L: Lanes, const R: usize>(self, l: L) {
            retrace(l, self.x, self.gradient, self.values);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::lanes::levels, testing::Retrace, *};

    /// The share of a standard normal below `x`, from its Taylor series.
    fn below(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..400 {
            term *= -x * x / (2.0 * f64::from(n));
            sum += term / f64::from(2 * n + 1);
        }
        0.5 + sum / std::f64::consts::TAU.sqrt()
    }

    #[test]
    fn every_level_is_close_to_the_series() {
        let x: Vec<f32> = (-453..453).map(|i| i as f32 * 0.01).collect();
        for level in levels() {
            let values = forward(level, &x);
            let mut slopes = vec![2.0; x.len()];
            let mut again = vec![0.0; x.len()];
            level.run(Retrace { x: &x, gradient: &mut slopes, values: &mut again });
            assert_eq!(again, values);
            for ((x, value), slope) in x.iter().map(|x| f64::from(*x)).zip(&values).zip(&slopes) {
                let expected = x * below(x);
                assert!(
                    (f64::from(*value) - expected).abs() < 3e-7 * x.abs().max(1.0),
                    "{level:?} {x}: {value} {expected}"
                );
                let expected = below(x) + x * (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
                assert!((f64::from(*slope) - 2.0 * expected).abs() < 2e-6, "{level:?} {x}: {slope} {expected}");
            }
        }
    }

    #[test]
    fn far_out_it_is_x_or_zero() {
        for level in levels() {
            let values = forward(level, &[1e30, -1e30, 50.0, -50.0, f32::MAX, 0.0]);
            for (value, expected) in values.iter().zip([1e30, 0.0, 50.0, 0.0, f32::MAX, 0.0]) {
                assert!((value - expected).abs() < 1e-30, "{level:?} {value} {expected}");
            }
        }
    }
}
