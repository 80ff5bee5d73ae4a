//! Layer normalisation (Ba, Kiros and Hinton, 2016): each row to mean 0 and variance 1, then a gain and a bias a column.

use super::lanes::{Kernel, LANES, Lanes, Level, Line, line, put};

/// Added to the variance.
pub(in crate::model::neural) const EPSILON: f32 = 1e-5;

/// The normalised rows, and for each its mean and the reciprocal of its standard deviation.
pub(in crate::model::neural) fn forward(
    level: Level,
    x: &[f32],
    gain: &[f32],
    bias: &[f32],
) -> (Vec<f32>, Vec<[f32; 2]>) {
    let mut values = vec![0.0; x.len()];
    let mut moments = vec![[0.0; 2]; x.len() / gain.len()];
    level.run(Forward { x, gain, bias, values: &mut values, moments: &mut moments });
    (values, moments)
}

/// The gradients for rows, gain and bias.
pub(in crate::model::neural) fn backward(
    level: Level,
    x: &[f32],
    gain: &[f32],
    moments: &[[f32; 2]],
    gradient: &[f32],
) -> [Vec<f32>; 3] {
    let mut rows = vec![0.0; x.len()];
    let mut columns = vec![[[0.0; LANES]; 2]; gain.len().div_ceil(LANES)];
    level.run(Backward { x, gain, moments, gradient, rows: &mut rows, columns: &mut columns });
    let column = |i: usize| columns.iter().flat_map(|lines| lines[i]).take(gain.len()).collect();
    [rows, column(0), column(1)]
}

/// The lanes of the line at `at` that are numbers of a row.
#[inline(always)]
fn real(at: usize, width: usize) -> u16 {
    u16::MAX >> (LANES - LANES.min(width - at))
}

struct Forward<'a> {
    x: &'a [f32],
    gain: &'a [f32],
    bias: &'a [f32],
    values: &'a mut [f32],
    moments: &'a mut [[f32; 2]],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes, const R: usize>(self, l: L) {
        let width = self.gain.len();
        let rows = self.x.chunks_exact(width).zip(self.values.chunks_exact_mut(width)).zip(self.moments);
        for ((x, values), moments) in rows {
            let starts = || (0..width).step_by(LANES);
            let mut sum = l.splat(0.0);
            for at in starts() {
                sum = l.add(sum, l.load(&line(x, at)));
            }
            let mean = l.sum(sum) / width as f32;
            let mut sum = l.splat(0.0);
            for at in starts() {
                let centred = l.keep(l.sub(l.load(&line(x, at)), l.splat(mean)), real(at, width), 0.0);
                sum = l.mul_add(centred, centred, sum);
            }
            let scale = 1.0 / (l.sum(sum) / width as f32 + EPSILON).sqrt();
            for at in starts() {
                let normal = l.mul(l.sub(l.load(&line(x, at)), l.splat(mean)), l.splat(scale));
                let value = l.mul_add(normal, l.load(&line(self.gain, at)), l.load(&line(self.bias, at)));
                let mut result = [0.0; LANES];
                l.store(&mut result, value);
                put(values, at, result);
            }
            *moments = [mean, scale];
        }
    }
}

struct Backward<'a> {
    x: &'a [f32],
    gain: &'a [f32],
    moments: &'a [[f32; 2]],
    gradient: &'a [f32],
    rows: &'a mut [f32],
    /// For gain and bias.
    columns: &'a mut [[Line; 2]],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes, const R: usize>(self, l: L) {
        let width = self.gain.len();
        let rows = self.x.chunks_exact(width).zip(self.gradient.chunks_exact(width));
        let rows = rows.zip(self.rows.chunks_exact_mut(width)).zip(self.moments);
        for (((x, gradient), result), &[mean, scale]) in rows {
            let normal = |at| l.mul(l.sub(l.load(&line(x, at)), l.splat(mean)), l.splat(scale));
            let (mut sum, mut along) = (l.splat(0.0), l.splat(0.0));
            for (at, [by_gain, by_bias]) in (0..).step_by(LANES).zip(self.columns.iter_mut()) {
                let (normal, gradient) = (normal(at), l.load(&line(gradient, at)));
                let gained = l.mul(gradient, l.load(&line(self.gain, at)));
                sum = l.add(sum, gained);
                along = l.mul_add(gained, normal, along);
                let column = l.mul_add(gradient, normal, l.load(by_gain));
                l.store(by_gain, column);
                let column = l.add(gradient, l.load(by_bias));
                l.store(by_bias, column);
            }
            let (sum, along) = (l.splat(l.sum(sum) / width as f32), l.splat(l.sum(along) / width as f32));
            for at in (0..width).step_by(LANES) {
                let gained = l.mul(l.load(&line(gradient, at)), l.load(&line(self.gain, at)));
                let rest = l.sub(l.sub(gained, sum), l.mul(normal(at), along));
                let mut slope = [0.0; LANES];
                l.store(&mut slope, l.mul(rest, l.splat(scale)));
                put(result, at, slope);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::lanes::levels, *};
    use crate::model::random::Random;

    /// Values in plain f64 loops.
    fn reference(x: &[f64], gain: &[f64], bias: &[f64]) -> Vec<f64> {
        let rows = x.chunks(gain.len()).flat_map(|x| {
            let count = x.len() as f64;
            let mean = x.iter().sum::<f64>() / count;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
            let scale = 1.0 / (variance + f64::from(EPSILON)).sqrt();
            x.iter().zip(gain).zip(bias).map(move |((x, g), b)| (x - mean) * scale * g + b)
        });
        rows.collect()
    }

    #[test]
    fn every_level_agrees_with_plain_loops_and_differences() {
        for width in [3, 16, 20, 48] {
            let mut random = Random::new(width as u64);
            let mut draw = |count: usize| -> Vec<f32> { (0..count).map(|_| 2.0 * random.normal() + 0.5).collect() };
            let (x, gain, bias, gradient) = (draw(5 * width), draw(width), draw(width), draw(5 * width));
            let wide = |x: &[f32]| x.iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
            let expected = reference(&wide(&x), &wide(&gain), &wide(&bias));
            let inputs = [wide(&x), wide(&gain), wide(&bias)];
            let slope = |which: usize, at: usize| {
                let moved = |by: f64| {
                    let mut inputs = inputs.clone();
                    inputs[which][at] += by;
                    let values = reference(&inputs[0], &inputs[1], &inputs[2]);
                    values.iter().zip(&gradient).map(|(value, g)| value * f64::from(*g)).sum::<f64>()
                };
                (moved(1e-5) - moved(-1e-5)) / 2e-5
            };
            for level in levels() {
                let (values, moments) = forward(level, &x, &gain, &bias);
                assert!(values.iter().zip(&expected).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-5));
                for (which, found) in backward(level, &x, &gain, &moments, &gradient).iter().enumerate() {
                    for (at, found) in found.iter().enumerate() {
                        let expected = slope(which, at);
                        assert!(
                            (f64::from(*found) - expected).abs() < 1e-4,
                            "{width} {which} {at}: {found} {expected}"
                        );
                    }
                }
            }
        }
    }
}
