//! Products of matrices into memory of our own: those of tensors are written twice, once to be aligned.

/// A matrix in row-major order, or the transpose of one.
#[derive(Debug, Clone, Copy)]
pub(in crate::model::neural) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    /// How far apart neighbours are in a column and in a row.
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// Rows of `columns` numbers, at least 1.
    pub(in crate::model::neural) fn new(values: &'a [f32], columns: usize) -> Self {
        Self { values, rows: values.len() / columns, columns, strides: [columns, 1] }
    }

    pub(in crate::model::neural) fn transposed(self) -> Self {
        let [down, across] = self.strides;
        Self { rows: self.columns, columns: self.rows, strides: [across, down], ..self }
    }
}

/// `a` times `b`.
///
/// # Panics
/// Where `a` has not as many columns as `b` has rows.
pub(in crate::model::neural) fn product(a: Matrix<'_>, b: Matrix<'_>) -> Vec<f32> {
    let mut result = vec![0.0; a.rows * b.columns];
    put(a, b, &mut result, false);
    result
}

/// `a` times `b` plus `bias` in each row.
///
/// # Panics
/// As [`product`], and where `bias` has not as many numbers as `b` has columns.
pub(in crate::model::neural) fn product_and_bias(a: Matrix<'_>, b: Matrix<'_>, bias: &[f32]) -> Vec<f32> {
    assert_eq!(bias.len(), b.columns);
    let mut result = bias.repeat(a.rows);
    put(a, b, &mut result, true);
    result
}

/// Writes `a` times `b` to `result`, or adds it.
#[allow(unsafe_code)]
fn put(a: Matrix<'_>, b: Matrix<'_>, result: &mut [f32], add: bool) {
    assert_eq!(a.columns, b.rows);
    assert_eq!(result.len(), a.rows * b.columns);
    let stride = |matrix: Matrix<'_>, i: usize| matrix.strides[i] as isize;
    // SAFETY: `rows` and `columns` of a matrix are such that all its numbers lie within `values`, for `new` made them from its
    // length, and `transposed` swaps them with their strides; the result has room for all rows and columns by the assertion,
    // and is borrowed from nobody else.
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            result.as_mut_ptr(),
            1,
            b.columns as isize,
            add,
            a.values.as_ptr(),
            stride(a, 1),
            stride(a, 0),
            b.values.as_ptr(),
            stride(b, 1),
            stride(b, 0),
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::random::Random;

    fn plain(a: Matrix<'_>, b: Matrix<'_>, bias: &[f32]) -> Vec<f32> {
        let at = |m: Matrix<'_>, row: usize, column: usize| m.values[row * m.strides[0] + column * m.strides[1]];
        let one = |i: usize, j: usize| bias[j] + (0..a.columns).map(|k| at(a, i, k) * at(b, k, j)).sum::<f32>();
        (0..a.rows).flat_map(|i| (0..b.columns).map(move |j| one(i, j))).collect()
    }

    #[test]
    fn agrees_with_plain_loops_transposed_or_not() {
        for (rows, shared, columns) in [(1, 1, 1), (1, 40, 33), (70, 20, 1), (65, 130, 17), (0, 4, 3)] {
            let mut random = Random::new(1);
            let mut draw = |count: usize| -> Vec<f32> { (0..count).map(|_| random.normal()).collect() };
            let (a, b, bias) = (draw(rows * shared), draw(shared * columns), draw(columns));
            let (a, b) = (Matrix::new(&a, shared), Matrix::new(&b, columns));
            let close = |found: &[f32], expected: &[f32]| {
                assert_eq!(found.len(), expected.len());
                assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4), "{rows} {shared} {columns}");
            };
            close(&product(a, b), &plain(a, b, &vec![0.0; columns]));
            close(&product_and_bias(a, b, &bias), &plain(a, b, &bias));
            let (c, d) = (b.transposed(), a.transposed());
            close(&product(c, d), &plain(c, d, &vec![0.0; rows]));
        }
    }

    #[test]
    #[should_panic(expected = "left == right")]
    fn refuses_shapes_that_do_not_fit() {
        product(Matrix::new(&[1.0; 6], 3), Matrix::new(&[1.0; 4], 2));
    }
}
