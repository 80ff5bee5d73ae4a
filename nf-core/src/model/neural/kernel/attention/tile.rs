//! How rows are laid out by head for sixteen lanes, and cut into tiles.

use super::{Layout, Reach};
use crate::model::neural::kernel::lanes::{LANES, Lanes, Line, line};
use std::ops::Range;

/// Where the first step of a row lies within a matrix, and how far apart its steps are.
#[derive(Clone, Copy)]
pub(super) struct Part {
    at: usize,
    stride: usize,
}

// A row is read and written step by step, all heads of a step in turn: head by head each step would be a miss of the cache.
impl Layout {
    /// Queries, keys and values of a row, in the joint matrix.
    #[inline(always)]
    pub(super) fn joint(&self, row: usize) -> [Part; 3] {
        let stride = 3 * self.width();
        [0, 1, 2].map(|i| Part { at: row * self.steps * stride + i * self.width(), stride })
    }

    /// The values of a row, in the mixed matrix.
    #[inline(always)]
    pub(super) fn mixed(&self, row: usize) -> Part {
        let stride = self.width();
        Part { at: row * self.steps * stride, stride }
    }

    #[inline(always)]
    fn step<'a>(&self, from: &'a [f32], part: Part, j: usize) -> std::slice::ChunksExact<'a, f32> {
        from[part.at + j * part.stride..][..self.width()].chunks_exact(self.size)
    }

    /// `W` steps side by side, times `scale`: for each head an odd number of groups of `W` steps, for each group a line a dimension;
    /// zeros behind `length`. (An even number of groups could be a power of two, and the heads would keep each other out of the cache.)
    #[inline(always)]
    pub(super) fn across<const W: usize>(
        &self,
        from: &[f32],
        part: Part,
        length: usize,
        scale: f32,
        to: &mut Vec<[f32; W]>,
    ) {
        let groups = length.div_ceil(W) | 1;
        to.resize(self.heads * groups * self.size, [0.0; W]);
        if !length.is_multiple_of(W) {
            to.chunks_exact_mut(groups * self.size).for_each(|head| head[length / W * self.size..].fill([0.0; W]));
        }
        for j in 0..length {
            for (head, values) in self.step(from, part, j).enumerate() {
                let lines = &mut to[(head * groups + j / W) * self.size..][..self.size];
                lines.iter_mut().zip(values).for_each(|(line, x)| line[j % W] = x * scale);
            }
        }
    }

    /// Dimensions side by side, times `scale`: for each head and each sixteen of them a line a step, `room` steps, those behind
    /// `length` zeros.
    #[inline(always)]
    pub(super) fn along(&self, from: &[f32], part: Part, length: usize, room: usize, scale: f32, to: &mut Vec<Line>) {
        to.resize(self.heads * self.lines() * room, [0.0; LANES]);
        if length < room {
            to.chunks_exact_mut(room).for_each(|lines| lines[length..].fill([0.0; LANES]));
        }
        for j in 0..length {
            for (head, values) in self.step(from, part, j).enumerate() {
                for at in 0..self.lines() {
                    to[(head * self.lines() + at) * room + j] = line(values, at * LANES).map(|x| x * scale);
                }
            }
        }
    }

    /// The reverse of [`along`](Self::along).
    #[inline(always)]
    pub(super) fn back(&self, from: &[Line], room: usize, scale: f32, part: Part, length: usize, to: &mut [f32]) {
        for j in 0..length {
            let step = &mut to[part.at + j * part.stride..][..self.width()];
            for (head, values) in step.chunks_exact_mut(self.size).enumerate() {
                for (at, values) in values.chunks_mut(LANES).enumerate() {
                    let line = &from[(head * self.lines() + at) * room + j];
                    values.iter_mut().zip(line).for_each(|(to, x)| *to = x * scale);
                }
            }
        }
    }

    /// The products of two rows of a mixed matrix, by head and step, `room` steps a head; zeros behind `length`.
    #[inline(always)]
    pub(super) fn dots(&self, a: &[f32], b: &[f32], part: Part, length: usize, room: usize, to: &mut Vec<f32>) {
        to.clear();
        to.resize(self.heads * room, 0.0);
        for j in 0..length {
            for (head, (a, b)) in self.step(a, part, j).zip(self.step(b, part, j)).enumerate() {
                to[head * room + j] = a.iter().zip(b).map(|(a, b)| a * b).sum();
            }
        }
    }
}

/// The queries of a tile: `R` from a step on, those behind the row's length seeing what the last one sees.
pub(super) struct Tile<const R: usize> {
    /// The keys each sees.
    pub(super) keys: [Range<usize>; R],
    /// The keys that all see: groups of sixteen within it need no mask.
    shared: Range<usize>,
    /// The first key alone, then the others from a multiple of sixteen on.
    pub(super) ranges: [Range<usize>; 2],
}

impl<const R: usize> Tile<R> {
    #[inline(always)]
    pub(super) fn new(reach: Reach, first: usize, length: usize) -> Self {
        let keys = std::array::from_fn(|r| reach.keys((first + r).min(length - 1), length));
        let start = keys.iter().map(|keys| keys.start).min().unwrap_or(0) / LANES * LANES;
        let end = keys.iter().map(|keys| keys.end).max().unwrap_or(0);
        let shared_start = keys.iter().map(|keys| keys.start).max().unwrap_or(0);
        let shared_end = keys.iter().map(|keys| keys.end).min().unwrap_or(0);
        let global = if reach.global && start > 0 { 0..1 } else { 0..0 };
        Self { keys, shared: shared_start..shared_end, ranges: [global, start..end] }
    }

    /// Whether the queries see all of the sixteen keys from `first` on.
    #[inline(always)]
    pub(super) fn whole(&self, first: usize) -> bool {
        self.shared.start <= first && first + LANES <= self.shared.end
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
