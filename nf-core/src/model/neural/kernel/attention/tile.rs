//! How rows are cut into tiles, and laid out for sixteen lanes.

use super::{Layout, Reach};
use crate::model::neural::kernel::lanes::{LANES, Lanes, Line};
use std::ops::Range;

/// A head's rows within a matrix: numbers `at..at + size` of every `stride`.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) at: usize,
    pub(super) stride: usize,
    pub(super) size: usize,
}

impl Part {
    #[inline(always)]
    pub(super) fn step(self, i: usize) -> Range<usize> {
        let start = self.at + i * self.stride;
        start..start + self.size
    }
}

impl Layout {
    /// Queries, keys and values of a head, in the joint matrix.
    pub(super) fn joint(&self, row: usize, head: usize) -> [Part; 3] {
        let stride = 3 * self.width();
        [0, 1, 2].map(|i| Part {
            at: row * self.steps * stride + i * self.width() + head * self.size,
            stride,
            size: self.size,
        })
    }

    /// The values of a head, in the mixed matrix.
    pub(super) fn mixed(&self, row: usize, head: usize) -> Part {
        let stride = self.width();
        Part { at: row * self.steps * stride + head * self.size, stride, size: self.size }
    }
}

/// Sixteen keys side by side: for each group of sixteen, a line a dimension.
#[inline(always)]
pub(super) fn across(from: &[f32], part: Part, length: usize, to: &mut Vec<Line>) {
    to.clear();
    to.resize(length.div_ceil(LANES) * part.size, [0.0; LANES]);
    for j in 0..length {
        let lines = &mut to[j / LANES * part.size..][..part.size];
        lines.iter_mut().zip(&from[part.step(j)]).for_each(|(line, x)| line[j % LANES] = *x);
    }
}

/// Dimensions side by side: for each sixteen of them, a line a step.
#[inline(always)]
pub(super) fn along(from: &[f32], part: Part, length: usize, to: &mut Vec<Line>) {
    to.clear();
    to.resize(length * part.size.div_ceil(LANES), [0.0; LANES]);
    for j in 0..length {
        for (line, x) in from[part.step(j)].chunks(LANES).enumerate() {
            to[line * length + j][..x.len()].copy_from_slice(x);
        }
    }
}

/// The queries of a tile: `R` from step `first` on, those behind `length` being copies of none.
pub(super) struct Tile<const R: usize> {
    /// How many there are.
    pub(super) count: usize,
    /// The keys each sees.
    pub(super) keys: [Range<usize>; R],
    /// The keys that all see: groups of sixteen within it need no mask.
    pub(super) shared: Range<usize>,
    /// The first key alone, then the others from a multiple of sixteen on.
    pub(super) ranges: [Range<usize>; 2],
}

impl<const R: usize> Tile<R> {
    #[inline(always)]
    pub(super) fn new(reach: Reach, first: usize, length: usize) -> Self {
        let count = R.min(length - first);
        let keys = std::array::from_fn(|r| reach.keys(first + r.min(count - 1), length));
        let start = keys.iter().map(|keys| keys.start).min().unwrap_or(0) / LANES * LANES;
        let end = keys.iter().map(|keys| keys.end).max().unwrap_or(0);
        let shared_start = keys.iter().map(|keys| keys.start).max().unwrap_or(0);
        let shared_end = keys.iter().map(|keys| keys.end).min().unwrap_or(0);
        let global = if reach.global && start > 0 { 0..1 } else { 0..0 };
        Self { count, keys, shared: shared_start..shared_end, ranges: [global, start..end] }
    }

    /// The keys in pieces of at most `size`, a multiple of sixteen.
    #[inline(always)]
    pub(super) fn pieces(&self, size: usize) -> impl Iterator<Item = Range<usize>> {
        let pieces = move |keys: Range<usize>| keys.clone().step_by(size).map(move |j| j..(j + size).min(keys.end));
        self.ranges.clone().into_iter().flat_map(pieces)
    }

    /// Whether the queries see all of the sixteen keys from `first` on.
    #[inline(always)]
    pub(super) fn whole(&self, first: usize) -> bool {
        self.shared.start <= first && first + LANES <= self.shared.end
    }

    /// For each dimension the value of each row, times `scale`.
    #[inline(always)]
    pub(super) fn transpose(&self, from: &[f32], part: Part, first: usize, scale: f32, to: &mut [[f32; R]]) {
        to.fill([0.0; R]);
        for r in 0..self.count {
            to.iter_mut().zip(&from[part.step(first + r)]).for_each(|(to, x)| to[r] = *x * scale);
        }
    }

    /// For each sixteen dimensions a line a row, times `scale`.
    #[inline(always)]
    pub(super) fn lines(&self, from: &[f32], part: Part, first: usize, scale: f32, to: &mut [[Line; R]]) {
        to.fill([[0.0; LANES]; R]);
        for r in 0..self.count {
            for (to, x) in to.iter_mut().zip(from[part.step(first + r)].chunks(LANES)) {
                to[r].iter_mut().zip(x).for_each(|(to, x)| *to = *x * scale);
            }
        }
    }
}

/// Products of `R` rows, transposed, with sixteen others, a line a dimension.
#[inline(always)]
pub(super) fn products<L: Lanes, const R: usize>(l: L, rows: &[[f32; R]], others: &[Line]) -> [L::V; R] {
    let mut sums = [l.splat(0.0); R];
    for (row, other) in rows.iter().zip(others) {
        let other = l.load(other);
        for r in 0..R {
            sums[r] = l.mul_add(l.splat(row[r]), other, sums[r]);
        }
    }
    sums
}

/// What stands in for the score of a key that is not seen.
pub(super) const UNSEEN: f32 = -1e30;
