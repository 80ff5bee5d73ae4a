//! A dense layer over rows that are judged, on the matrix where it lies: a [product](super::product) reads all of it once more to lay it
//! out, which few rows do not pay for.

use super::lanes::{Kernel, LANES, Lanes, Level, line, put};

/// `x` of shape (rows, inputs) times `matrix` of shape (inputs, outputs), plus `bias` in each row.
///
/// # Panics
/// Where `x` is no whole number of rows.
pub(in crate::model::neural) fn forward(level: Level, x: &[f32], matrix: &[f32], bias: &[f32]) -> Vec<f32> {
    let inputs = matrix.len() / bias.len();
    assert!(x.len().is_multiple_of(inputs));
    let mut values = vec![0.0; x.len() / inputs * bias.len()];
    level.run(Forward { x, matrix, bias, values: &mut values });
    values
}

struct Forward<'a> {
    x: &'a [f32],
    matrix: &'a [f32],
    bias: &'a [f32],
    values: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes, const R: usize>(self, l: L) {
        let Self { x, matrix, bias, values } = self;
        let (inputs, outputs) = (matrix.len() / bias.len(), bias.len());
        let whole = x.len() / inputs / R * R;
        let (many, few) = x.split_at(whole * inputs);
        let (to_many, to_few) = values.split_at_mut(whole * outputs);
        for (x, values) in many.chunks_exact(R * inputs).zip(to_many.chunks_exact_mut(R * outputs)) {
            rows::<L, R>(l, x, matrix, bias, values);
        }
        for (x, values) in few.chunks_exact(inputs).zip(to_few.chunks_exact_mut(outputs)) {
            rows::<L, 1>(l, x, matrix, bias, values);
        }
    }
}

/// The same of `R` rows.
#[inline(always)]
fn rows<L: Lanes, const R: usize>(l: L, x: &[f32], matrix: &[f32], bias: &[f32], values: &mut [f32]) {
    let (inputs, outputs) = (x.len() / R, bias.len());
    let x: [&[f32]; R] = std::array::from_fn(|row| &x[row * inputs..][..inputs]);
    for at in (0..outputs).step_by(LANES) {
        let mut sums = [l.load(&line(bias, at)); R];
        for (input, weights) in matrix.chunks_exact(outputs).enumerate() {
            let weights = l.load(&line(weights, at));
            for (sum, x) in sums.iter_mut().zip(x) {
                *sum = l.mul_add(l.splat(x[input]), weights, *sum);
            }
        }
        for (sum, values) in sums.into_iter().zip(values.chunks_exact_mut(outputs)) {
            let mut result = [0.0; LANES];
            l.store(&mut result, sum);
            put(values, at, result);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::lanes::levels, *};
    use crate::model::random::Random;

    #[test]
    fn agrees_with_plain_loops_and_rows_do_not_meddle() {
        for (rows, inputs, outputs) in [(0, 3, 2), (1, 1, 1), (1, 99, 64), (13, 40, 33), (70, 16, 99)] {
            let mut random = Random::new(1);
            let mut draw = |count: usize| -> Vec<f32> { (0..count).map(|_| random.normal()).collect() };
            let (x, matrix, bias) = (draw(rows * inputs), draw(inputs * outputs), draw(outputs));
            for level in levels() {
                let found = forward(level, &x, &matrix, &bias);
                assert_eq!(found.len(), rows * outputs);
                for (i, found) in found.iter().enumerate() {
                    let (row, column) = (i / outputs, i % outputs);
                    let products = (0..inputs).map(|k| x[row * inputs + k] * matrix[k * outputs + column]);
                    let expected = bias[column] + products.sum::<f32>();
                    assert!((found - expected).abs() < 1e-4, "{level:?} {rows} {inputs} {outputs}");
                }
                for (row, x) in x.chunks_exact(inputs).enumerate() {
                    assert_eq!(forward(level, x, &matrix, &bias), found[row * outputs..][..outputs]);
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "is_multiple_of")]
    fn refuses_a_part_of_a_row() {
        forward(Level::best(), &[1.0; 5], &[1.0; 6], &[0.0; 3]);
    }
}
