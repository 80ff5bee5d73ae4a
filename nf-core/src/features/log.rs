//! Logarithms of quantities from additions, multiplications and divisions alone, which IEEE 754 defines to the last bit: a quantity is
//! stored as the same number with any system's library of mathematics, and in less time than that library's `ln_1p` takes.

use std::f64::consts::{FRAC_1_SQRT_2, LN_2};

const MANTISSA: u32 = f64::MANTISSA_DIGITS - 1;

/// `ln(1 + x)` for an `x` of 0 or more, within 1e-11 of it.
#[inline]
pub(super) fn ln_1p(x: f64) -> f64 {
    let (exponent, mantissa) = parts(1.0 + x);
    // 1 + x has lost what a small x was.
    let above = if exponent == 0.0 { x } else { mantissa - 1.0 };
    let ln = exponent * LN_2 + ln_between(above, mantissa);
    if x == f64::INFINITY { x } else { ln }
}

/// `ln(x)` for a normal `x` above 0, within 1e-11 of it.
#[inline]
pub(super) fn ln(x: f64) -> f64 {
    let (exponent, mantissa) = parts(x);
    let ln = exponent * LN_2 + ln_between(mantissa - 1.0, mantissa);
    if x == f64::INFINITY { x } else { ln }
}

/// An exponent of 2 and what it is multiplied with, from the root of 1/2 to that of 2.
#[inline]
fn parts(x: f64) -> (f64, f64) {
    let exponent = (x.to_bits() as i64).wrapping_sub(FRAC_1_SQRT_2.to_bits() as i64) >> MANTISSA;
    let mantissa = f64::from_bits((x.to_bits() as i64).wrapping_sub(exponent << MANTISSA) as u64);
    (exponent as f64, mantissa)
}

/// `ln(m)` as `2 artanh((m - 1) / (m + 1))`, by its series: the terms left out are below 2e-12 of it.
#[inline]
fn ln_between(above: f64, mantissa: f64) -> f64 {
    let s = above / (mantissa + 1.0);
    let square = s * s;
    let series = [13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0];
    2.0 * s * series.into_iter().fold(0.0, |sum, n| sum * square + 1.0 / n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_from_nothing_to_the_largest() {
        for step in -30_000..30_000 {
            let x = 10f64.powf(f64::from(step) / 100.0);
            assert!((ln_1p(x) / x.ln_1p() - 1.0).abs() < 1e-11, "ln_1p {x}");
            assert!((ln(x) - x.ln()).abs() <= 1e-11 * x.ln().abs(), "ln {x}");
            let near = 1.0 + f64::from(step) * 1e-5;
            assert!((ln(near) - near.ln()).abs() <= 1e-11 * near.ln().abs(), "ln {near}");
        }
        assert_eq!(ln_1p(0.0).to_bits(), 0);
        assert!(ln_1p(f64::INFINITY) == f64::INFINITY && ln(f64::INFINITY) == f64::INFINITY);
    }

    #[test]
    fn rises() {
        let points = (0..40_000).map(|i| 1.1f64.powi(i % 400 - 200) * (1.0 + f64::from(i / 400) * 1e-3));
        let mut points: Vec<f64> = points.collect();
        points.sort_by(f64::total_cmp);
        assert!(points.is_sorted_by(|a, b| ln_1p(*a) <= ln_1p(*b) && ln(*a) <= ln(*b)));
    }
}
