//! From the gradient for mixed values to that for queries, keys and values.

use super::{
    Layout, Reach,
    tile::{Tile, UNSEEN, across, along, products},
};
use crate::model::neural::kernel::lanes::{Kernel, LANES, Lanes, Line};

/// Keys that are gone through at a time: what these read and write fits the innermost cache.
const PIECE: usize = 128;

pub(super) struct Backward<'a> {
    pub(super) joint: &'a [f32],
    pub(super) layout: &'a Layout,
    pub(super) mixed: &'a [f32],
    pub(super) sums: &'a [f32],
    pub(super) gradient: &'a [f32],
    pub(super) result: &'a mut [f32],
}

/// Keys and values of a head as the backward pass reads them, and their gradients so far.
#[derive(Default)]
struct Memory {
    keys_across: Vec<Line>,
    keys_along: Vec<Line>,
    values_across: Vec<Line>,
    key_gradients: Vec<Line>,
    value_gradients: Vec<Line>,
}

/// A tile's queries and gradients as the backward pass reads them.
struct Queries<const R: usize> {
    queries: Vec<[f32; R]>,
    query_lines: Vec<[Line; R]>,
    gradients: Vec<[f32; R]>,
    gradient_lines: Vec<[Line; R]>,
    query_gradients: Vec<[Line; R]>,
    /// Of each row: the logarithm of its softmax's sum, and the product of its mixed values with their gradient.
    logs: [f32; R],
    along: [f32; R],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes, const R: usize>(self, l: L) {
        let layout = self.layout;
        let mut memory = Memory::default();
        let mut q = Queries::<R> {
            queries: vec![[0.0; R]; layout.size],
            query_lines: vec![[[0.0; LANES]; R]; layout.lines()],
            gradients: vec![[0.0; R]; layout.size],
            gradient_lines: vec![[[0.0; LANES]; R]; layout.lines()],
            query_gradients: vec![[[0.0; LANES]; R]; layout.lines()],
            logs: [0.0; R],
            along: [0.0; R],
        };
        let scale = 1.0 / (layout.size as f32).sqrt();
        for (row, &length) in layout.lengths.iter().enumerate() {
            for head in 0..layout.heads {
                let [query, key, value] = layout.joint(row, head);
                let out = layout.mixed(row, head);
                let sums = &self.sums[(row * layout.heads + head) * layout.steps..];
                across(self.joint, key, length, &mut memory.keys_across);
                along(self.joint, key, length, &mut memory.keys_along);
                across(self.joint, value, length, &mut memory.values_across);
                for gradients in [&mut memory.key_gradients, &mut memory.value_gradients] {
                    gradients.clear();
                    gradients.resize(length * layout.lines(), [0.0; LANES]);
                }
                for first in (0..length).step_by(R) {
                    let tile = Tile::<R>::new(layout.reach, first, length);
                    tile.transpose(self.joint, query, first, scale * std::f32::consts::LOG2_E, &mut q.queries);
                    tile.lines(self.joint, query, first, scale, &mut q.query_lines);
                    tile.transpose(self.gradient, out, first, 1.0, &mut q.gradients);
                    tile.lines(self.gradient, out, first, 1.0, &mut q.gradient_lines);
                    // A row that is none has a share of next to nothing in all, and zeros everywhere else.
                    (q.logs, q.along) = ([-2.0 * UNSEEN; R], [0.0; R]);
                    for r in 0..tile.count {
                        let step = out.step(first + r);
                        q.along[r] =
                            self.mixed[step.clone()].iter().zip(&self.gradient[step]).map(|(a, b)| a * b).sum();
                        q.logs[r] = sums[first + r];
                    }
                    retrace(l, &tile, layout.reach, &mut q, &mut memory);
                    for r in 0..tile.count {
                        for (to, line) in self.result[query.step(first + r)].chunks_mut(LANES).zip(&q.query_gradients) {
                            to.iter_mut().zip(&line[r]).for_each(|(to, x)| *to = *x * scale);
                        }
                    }
                }
                for (part, gradients) in [(key, &memory.key_gradients), (value, &memory.value_gradients)] {
                    for j in 0..length {
                        for (line, to) in self.result[part.step(j)].chunks_mut(LANES).enumerate() {
                            to.copy_from_slice(&gradients[line * length + j][..to.len()]);
                        }
                    }
                }
            }
        }
    }
}

/// The gradients that go through a tile of queries: those of the queries, and what is added to those of keys and values.
#[inline(always)]
fn retrace<L: Lanes, const R: usize>(l: L, tile: &Tile<R>, reach: Reach, q: &mut Queries<R>, memory: &mut Memory) {
    let size = q.queries.len();
    let length = memory.keys_along.len() / q.query_lines.len();
    let mut shares = [[[0.0; LANES]; PIECE / LANES]; R];
    let mut slopes = shares;
    q.query_gradients.fill([[0.0; LANES]; R]);
    for piece in tile.pieces(PIECE) {
        for group in 0..piece.len().div_ceil(LANES) {
            let first = piece.start + group * LANES;
            let lines = first / LANES * size..(first / LANES + 1) * size;
            let scores = products(l, &q.queries, &memory.keys_across[lines.clone()]);
            let gains = products(l, &q.gradients, &memory.values_across[lines]);
            for r in 0..R {
                let mut share = l.exp2(l.sub(scores[r], l.splat(q.logs[r])));
                if !tile.whole(first) {
                    share = l.keep(share, reach.bits(&tile.keys[r], first), 0.0);
                }
                l.store(&mut shares[r][group], share);
                l.store(&mut slopes[r][group], l.mul(share, l.sub(gains[r], l.splat(q.along[r]))));
            }
        }
        let shares: [&[f32; PIECE]; R] =
            std::array::from_fn(|r| shares[r].as_flattened().try_into().expect("as many as there are"));
        let slopes: [&[f32; PIECE]; R] =
            std::array::from_fn(|r| slopes[r].as_flattened().try_into().expect("as many as there are"));
        for line in 0..q.query_lines.len() {
            let place = line * length + piece.start..line * length + piece.end;
            let keys = &memory.keys_along[place.clone()];
            let key_gradients = &mut memory.key_gradients[place.clone()];
            let value_gradients = &mut memory.value_gradients[place];
            let queries: [L::V; R] = std::array::from_fn(|r| l.load(&q.query_lines[line][r]));
            let gradients: [L::V; R] = std::array::from_fn(|r| l.load(&q.gradient_lines[line][r]));
            let mut sums: [L::V; R] = std::array::from_fn(|r| l.load(&q.query_gradients[line][r]));
            let lines = keys.iter().zip(key_gradients).zip(value_gradients).enumerate().take(PIECE);
            for (j, ((key, key_gradient), value_gradient)) in lines {
                let key = l.load(key);
                let (mut by_key, mut by_value) = (l.load(key_gradient), l.load(value_gradient));
                for r in 0..R {
                    let slope = l.splat(slopes[r][j]);
                    by_value = l.mul_add(l.splat(shares[r][j]), gradients[r], by_value);
                    by_key = l.mul_add(slope, queries[r], by_key);
                    sums[r] = l.mul_add(slope, key, sums[r]);
                }
                l.store(key_gradient, by_key);
                l.store(value_gradient, by_value);
            }
            for r in 0..R {
                l.store(&mut q.query_gradients[line][r], sums[r]);
            }
        }
    }
}
