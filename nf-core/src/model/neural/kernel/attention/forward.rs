//! From queries, keys and values to mixed values.

use super::{
    Layout, Reach,
    tile::{Tile, UNSEEN, products},
};
use crate::model::neural::kernel::lanes::{Kernel, LANES, Lanes, Line};

/// Keys whose scores are computed before the softmax is brought up to date: scores, keys and values of so many fit the
/// innermost cache.
const PIECE: usize = 256;

pub(super) struct Forward<'a> {
    pub(super) joint: &'a [f32],
    pub(super) layout: &'a Layout,
    pub(super) mixed: &'a mut Vec<f32>,
    pub(super) sums: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes, const R: usize>(self, l: L) {
        let layout = self.layout;
        let (mut queries, mut keys, mut values) = (Vec::<[f32; R]>::new(), Vec::<Line>::new(), Vec::<Line>::new());
        let mut mixed = Vec::new();
        let mut of_tile = vec![[[0.0; LANES]; R]; layout.lines()];
        let scale = std::f32::consts::LOG2_E / (layout.size as f32).sqrt();
        for (row, &length) in layout.lengths.iter().enumerate() {
            let [query, key, value] = layout.joint(row);
            let (tiles, groups) = (length.div_ceil(R) | 1, length.div_ceil(LANES) | 1);
            layout.across(self.joint, query, length, scale, &mut queries);
            layout.across(self.joint, key, length, 1.0, &mut keys);
            layout.along(self.joint, value, length, length, 1.0, &mut values);
            mixed.resize(layout.heads * layout.lines() * tiles * R, [0.0; LANES]);
            for head in 0..layout.heads {
                let queries = &queries[head * tiles * layout.size..];
                let keys = &keys[head * groups * layout.size..][..groups * layout.size];
                let values = &values[head * length * layout.lines()..][..length * layout.lines()];
                let mixed = &mut mixed[head * tiles * R * layout.lines()..];
                let sums = &mut self.sums[(row * layout.heads + head) * layout.steps..][..length];
                for (tile, sums) in sums.chunks_mut(R).enumerate() {
                    let queries = &queries[tile * layout.size..][..layout.size];
                    let first = tile * R;
                    let tile = Tile::new(layout.reach, first, length);
                    let logs = attend(l, &tile, layout.reach, queries, keys, values, &mut of_tile);
                    sums.copy_from_slice(&logs[..sums.len()]);
                    for (line, of_tile) in of_tile.iter().enumerate() {
                        mixed[line * tiles * R + first..][..R].copy_from_slice(of_tile);
                    }
                }
            }
            self.mixed.resize((row + 1) * layout.steps * layout.width(), 0.0);
            layout.back(&mixed, tiles * R, 1.0, layout.mixed(row), length, self.mixed);
        }
    }
}

/// The mixed values of a tile of queries, and the logarithms of their softmax's sums.
#[inline(always)]
fn attend<L: Lanes, const R: usize>(
    l: L,
    tile: &Tile<R>,
    reach: Reach,
    queries: &[[f32; R]],
    keys: &[Line],
    values: &[Line],
    mixed: &mut [[Line; R]],
) -> [f32; R] {
    let length = values.len() / mixed.len();
    mixed.fill([[0.0; LANES]; R]);
    let mut shares = [[[0.0; LANES]; PIECE / LANES]; R];
    let mut largest = [UNSEEN; R];
    let mut sums = [l.splat(0.0); R];
    for range in &tile.ranges {
        for start in range.clone().step_by(PIECE) {
            let piece = start..(start + PIECE).min(range.end);
            let groups = piece.len().div_ceil(LANES);
            let mut highest = [l.splat(UNSEEN); R];
            for group in 0..groups {
                let first = start + group * LANES;
                let others = &keys[first / LANES * queries.len()..][..queries.len()];
                let mut scores = products(l, queries, others);
                if !tile.whole(first) {
                    for r in 0..R {
                        scores[r] = l.keep(scores[r], reach.bits(&tile.keys[r], first), UNSEEN);
                    }
                }
                for r in 0..R {
                    highest[r] = l.max(highest[r], scores[r]);
                    l.store(&mut shares[r][group], scores[r]);
                }
            }
            for r in 0..R {
                let before = largest[r];
                largest[r] = before.max(l.largest(highest[r]));
                let shrink = l.exp2(l.splat(before - largest[r]));
                let highest = l.splat(largest[r]);
                let mut sum = l.splat(0.0);
                for (group, share) in shares[r][..groups].iter_mut().enumerate() {
                    let mut power = l.exp2(l.sub(l.load(share), highest));
                    let first = start + group * LANES;
                    if !tile.whole(first) {
                        power = l.keep(power, reach.bits(&tile.keys[r], first), 0.0);
                    }
                    sum = l.add(sum, power);
                    l.store(share, power);
                }
                sums[r] = l.mul_add(sums[r], shrink, sum);
                for line in mixed.iter_mut() {
                    let shrunk = l.mul(l.load(&line[r]), shrink);
                    l.store(&mut line[r], shrunk);
                }
            }
            let shares: [&[f32; PIECE]; R] =
                std::array::from_fn(|r| shares[r].as_flattened().try_into().expect("as many as there are"));
            for (line, values) in mixed.iter_mut().zip(values.chunks_exact(length)) {
                let mut sums = l.load_all(line);
                for (j, value) in values[piece.clone()].iter().enumerate().take(PIECE) {
                    let value = l.load(value);
                    for r in 0..R {
                        sums[r] = l.mul_add(l.splat(shares[r][j]), value, sums[r]);
                    }
                }
                l.store_all(line, sums);
            }
        }
    }
    for r in 0..R {
        let sum = l.sum(sums[r]);
        let share = l.splat(1.0 / sum);
        for line in mixed.iter_mut() {
            let whole = l.mul(l.load(&line[r]), share);
            l.store(&mut line[r], whole);
        }
        largest[r] += sum.log2();
    }
    largest
}
