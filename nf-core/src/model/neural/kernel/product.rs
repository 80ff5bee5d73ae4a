//! Products of matrices of which one is as narrow as a layer: the right one is laid out in panels of sixteen columns; the left one is
//! read where it lies, and laid out in tiles where it is a transpose. Each number of a result is one sum in one order, whatever stands
//! beside it.

use super::lanes::{Kernel, LANES, Lanes, Level, Line, line, put};

/// Rows of a panel that are gone through at a time: they fit the innermost cache.
const DEPTH: usize = 128;

/// Rows that pass the panels before the next ones, so that what they read and write stays in the second cache: a multiple of every
/// level's tile.
pub(super) const ROWS: usize = 96;
const _: () = assert!(ROWS.is_multiple_of(4 * 6));

/// Steps of a sum that are written out one behind the other.
const STEPS: usize = 4;

/// A matrix in row-major order, or the transpose of one.
#[derive(Debug, Clone, Copy)]
pub(in crate::model::neural) struct Matrix<'a> {
    values: &'a [f32],
    /// As they lie in memory.
    columns: usize,
    transposed: bool,
}

impl<'a> Matrix<'a> {
    /// Rows of `columns` numbers, at least 1.
    #[inline(always)]
    pub(in crate::model::neural) fn new(values: &'a [f32], columns: usize) -> Self {
        Self { values, columns, transposed: false }
    }

    #[inline(always)]
    pub(in crate::model::neural) fn transposed(self) -> Self {
        Self { transposed: !self.transposed, ..self }
    }

    /// Rows and columns.
    #[inline(always)]
    fn shape(self) -> [usize; 2] {
        let (rows, columns) = (self.values.len() / self.columns, self.columns);
        if self.transposed { [columns, rows] } else { [rows, columns] }
    }

    /// As they lie in memory.
    #[inline(always)]
    fn lines(self) -> std::slice::ChunksExact<'a, f32> {
        self.values.chunks_exact(self.columns)
    }
}

/// `a` times `b`, plus `bias` in each row.
///
/// # Panics
/// Where `a` has not as many columns as `b` has rows, or `bias` not as many numbers as `b` has columns, and where both are transposes.
pub(in crate::model::neural) fn product(level: Level, a: Matrix<'_>, b: Matrix<'_>, bias: Option<&[f32]>) -> Vec<f32> {
    let ([rows, shared], [also_shared, columns]) = (a.shape(), b.shape());
    assert_eq!(shared, also_shared);
    assert!(!(a.transposed && b.transposed) && bias.is_none_or(|bias| bias.len() == columns));
    // What comes is filled in part by part, while the part is in the cache.
    let mut result = Vec::with_capacity(rows * columns);
    level.run(Product { a, b, bias, result: &mut result });
    result
}

struct Product<'a> {
    a: Matrix<'a>,
    b: Matrix<'a>,
    bias: Option<&'a [f32]>,
    result: &'a mut Vec<f32>,
}

impl Kernel for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes, const R: usize>(self, l: L) {
        let Self { a, b, bias, result } = self;
        let (mut panels, mut tiles) = (Panels::default(), Vec::new());
        if a.transposed {
            // All that is needed of some rows in memory is used before the next.
            let (a, of_a, of_b) = (a.values, a.columns, b.columns);
            match bias {
                Some(bias) => (0..of_a).for_each(|_| result.extend_from_slice(bias)),
                None => result.resize(of_a * of_b, 0.0),
            }
            for (a, b) in a.chunks(DEPTH * of_a).zip(b.values.chunks(DEPTH * of_b)) {
                panels.fill(Matrix::new(b, of_b));
                add_transposed::<L, R>(l, a, of_a, &panels, &mut tiles, result);
            }
        } else {
            panels.fill(b);
            let start = bias.map_or(Start::Zero, Start::Bias);
            for rows in a.values.chunks(ROWS * a.columns) {
                let part = grow(result, rows.len() / a.columns * panels.columns);
                multiply::<L, R>(l, rows, a.columns, &panels, start, part);
            }
        }
    }
}

/// A matrix, sixteen columns of it in one piece.
#[derive(Default)]
pub(super) struct Panels {
    lines: Vec<Line>,
    rows: usize,
    columns: usize,
    /// From a panel to the next; odd, or they would keep each other out of the cache.
    stride: usize,
}

impl Panels {
    #[inline(always)]
    pub(super) fn fill(&mut self, matrix: Matrix<'_>) {
        [self.rows, self.columns] = matrix.shape();
        self.stride = self.rows | 1;
        self.lines.resize(self.stride * self.columns.div_ceil(LANES), [0.0; LANES]);
        if matrix.transposed {
            for (panel, columns) in self.lines.chunks_exact_mut(self.stride).zip((0..self.columns).step_by(LANES)) {
                let columns = matrix.lines().skip(columns).take(LANES);
                for (lane, column) in columns.enumerate() {
                    panel.iter_mut().zip(column).for_each(|(line, x)| line[lane] = *x);
                }
            }
        } else {
            for (k, row) in matrix.lines().enumerate() {
                for (panel, at) in (0..row.len()).step_by(LANES).enumerate() {
                    self.lines[panel * self.stride + k] = line(row, at);
                }
            }
        }
    }
}

/// What a product is added to.
#[derive(Clone, Copy)]
pub(super) enum Start<'a> {
    Zero,
    /// Numbers that are the same in each row.
    Bias(&'a [f32]),
    /// What is there.
    Sum,
}

impl Start<'_> {
    /// For rows of a part of the result.
    #[inline(always)]
    fn sums<L: Lanes, const N: usize>(self, l: L, rows: &[f32], columns: usize, at: usize) -> [L::V; N] {
        match self {
            Self::Zero => [l.splat(0.0); N],
            Self::Bias(bias) => [l.load(&line(bias, at)); N],
            Self::Sum => {
                let mut sums = [l.splat(0.0); N];
                for (sum, row) in sums.iter_mut().zip(rows.chunks_exact(columns)) {
                    *sum = l.load(&line(row, at));
                }
                sums
            }
        }
    }
}

#[inline(always)]
fn store<L: Lanes, const N: usize>(l: L, sums: [L::V; N], rows: &mut [f32], columns: usize, at: usize) {
    for (sum, row) in sums.into_iter().zip(rows.chunks_exact_mut(columns)) {
        match row[at..].first_chunk_mut() {
            Some(to) => l.store(to, sum),
            None => {
                let mut values = [0.0; LANES];
                l.store(&mut values, sum);
                put(row, at, values);
            }
        }
    }
}

/// Adds as many zeros, and gives them.
#[inline(always)]
pub(super) fn grow(values: &mut Vec<f32>, count: usize) -> &mut [f32] {
    let before = values.len();
    values.resize(before + count, 0.0);
    &mut values[before..]
}

/// Rows of `width` numbers, best no more than [`ROWS`], times the panels.
#[inline(always)]
pub(super) fn multiply<L: Lanes, const R: usize>(
    l: L,
    rows: &[f32],
    width: usize,
    panels: &Panels,
    start: Start<'_>,
    result: &mut [f32],
) {
    let columns = panels.columns;
    let (many, few) = rows.split_at(rows.len() / (R * width) * R * width);
    let (to_many, to_few) = result.split_at_mut(many.len() / width * columns);
    for depth in (0..panels.rows).step_by(DEPTH) {
        let start = if depth > 0 { Start::Sum } else { start };
        for (panel, at) in panels.lines.chunks_exact(panels.stride).zip((0..columns).step_by(LANES)) {
            let panel = &panel[depth..panels.rows.min(depth + DEPTH)];
            for (rows, to) in many.chunks_exact(R * width).zip(to_many.chunks_exact_mut(R * columns)) {
                tile::<L, R>(l, rows, width, depth, panel, start, to, columns, at);
            }
            for (row, to) in few.chunks_exact(width).zip(to_few.chunks_exact_mut(columns)) {
                tile::<L, 1>(l, row, width, depth, panel, start, to, columns, at);
            }
        }
    }
}

/// `N` rows times a part of a panel.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "what a tile of three matrices is made of")]
fn tile<L: Lanes, const N: usize>(
    l: L,
    rows: &[f32],
    width: usize,
    depth: usize,
    panel: &[Line],
    start: Start<'_>,
    to: &mut [f32],
    columns: usize,
    at: usize,
) {
    let mut sums: [L::V; N] = start.sums(l, to, columns, at);
    let (many, few) = panel.as_chunks::<STEPS>();
    let rows: [_; N] = std::array::from_fn(|i| rows[i * width + depth..][..panel.len()].as_chunks::<STEPS>());
    for (step, panel) in many.iter().enumerate() {
        let rows: [&[f32; STEPS]; N] = std::array::from_fn(|i| &rows[i].0[step]);
        for k in 0..STEPS {
            let line = l.load(&panel[k]);
            for i in 0..N {
                sums[i] = l.mul_add(l.splat(rows[i][k]), line, sums[i]);
            }
        }
    }
    for (k, line) in few.iter().enumerate() {
        let line = l.load(line);
        for i in 0..N {
            sums[i] = l.mul_add(l.splat(rows[i].1[k]), line, sums[i]);
        }
    }
    store(l, sums, to, columns, at);
}

/// Adds the transpose of rows of `width` numbers times the panels: as many rows, at most [`DEPTH`], as the panels have.
#[inline(always)]
pub(super) fn add_transposed<L: Lanes, const R: usize>(
    l: L,
    rows: &[f32],
    width: usize,
    panels: &Panels,
    tiles: &mut Vec<[f32; R]>,
    result: &mut [f32],
) {
    let (columns, depth) = (panels.columns, panels.rows);
    tiles.resize(width.div_ceil(R) * depth, [0.0; R]);
    for (k, row) in rows.chunks_exact(width).enumerate() {
        for (tile, values) in row.chunks(R).enumerate() {
            let to = &mut tiles[tile * depth + k];
            match values.first_chunk() {
                Some(values) => *to = *values,
                None => to[..values.len()].copy_from_slice(values),
            }
        }
    }
    for (panel, at) in panels.lines.chunks_exact(panels.stride).zip((0..columns).step_by(LANES)) {
        for (tile, to) in tiles.chunks_exact(depth).zip(result.chunks_mut(R * columns)) {
            let mut sums: [L::V; R] = Start::Sum.sums(l, to, columns, at);
            for (values, line) in tile.iter().zip(panel) {
                let line = l.load(line);
                for i in 0..R {
                    sums[i] = l.mul_add(l.splat(values[i]), line, sums[i]);
                }
            }
            store(l, sums, to, columns, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::lanes::levels, *};
    use crate::model::random::Random;

    fn plain(a: Matrix<'_>, b: Matrix<'_>, bias: &[f32]) -> Vec<f32> {
        let at = |m: Matrix<'_>, row: usize, column: usize| match m.transposed {
            true => m.values[column * m.columns + row],
            false => m.values[row * m.columns + column],
        };
        let ([rows, shared], [_, columns]) = (a.shape(), b.shape());
        let one = |i: usize, j: usize| bias[j] + (0..shared).map(|k| at(a, i, k) * at(b, k, j)).sum::<f32>();
        (0..rows).flat_map(|i| (0..columns).map(move |j| one(i, j))).collect()
    }

    #[test]
    fn agrees_with_plain_loops_transposed_or_not() {
        let shapes = [
            (0, 4, 3),
            (1, 1, 1),
            (1, 40, 33),
            (70, 20, 1),
            (65, 130, 17),
            (140, 300, 40),
            (7, 129, 16),
            (20, 128, 96),
        ];
        for (level, (rows, shared, columns)) in
            levels().into_iter().flat_map(|level| shapes.map(|shape| (level, shape)))
        {
            let mut random = Random::new(1);
            let mut draw = |count: usize| -> Vec<f32> { (0..count).map(|_| random.normal()).collect() };
            let (a, b, bias) = (draw(rows * shared), draw(shared * columns), draw(columns));
            let (also_a, also_b) = (draw(rows * shared), draw(shared * columns));
            let rights = [Matrix::new(&b, columns), Matrix::new(&also_b, shared).transposed()];
            let mut lefts = vec![Matrix::new(&a, shared)];
            if rows > 0 {
                lefts.push(Matrix::new(&also_a, rows).transposed());
            }
            for (a, b) in lefts.into_iter().flat_map(|a| rights.map(|b| (a, b))) {
                if a.transposed && b.transposed {
                    continue;
                }
                for bias in [None, Some(&bias[..])] {
                    let found = product(level, a, b, bias);
                    let expected = plain(a, b, bias.unwrap_or(&vec![0.0; columns]));
                    assert_eq!(found.len(), expected.len());
                    for (found, expected) in found.iter().zip(&expected) {
                        assert!(
                            (found - expected).abs() < 2e-4,
                            "{level:?} {rows} {shared} {columns}: {found} {expected}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn rows_do_not_meddle() {
        let mut random = Random::new(2);
        let mut draw = |count: usize| -> Vec<f32> { (0..count).map(|_| random.normal()).collect() };
        let (a, b) = (draw(131 * 200), draw(200 * 50));
        for level in levels() {
            let all = product(level, Matrix::new(&a, 200), Matrix::new(&b, 50), None);
            for rows in [1, 7, 130] {
                let some = product(level, Matrix::new(&a[200..(1 + rows) * 200], 200), Matrix::new(&b, 50), None);
                assert_eq!(some, all[50..(1 + rows) * 50]);
            }
        }
    }

    #[test]
    #[should_panic(expected = "left == right")]
    fn refuses_shapes_that_do_not_fit() {
        product(Level::best(), Matrix::new(&[1.0; 6], 3), Matrix::new(&[1.0; 4], 2), None);
    }
}
