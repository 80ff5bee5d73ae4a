//! From queries, keys and values to mixed values.

use super::{
    Layout, Reach,
    tile::{Tile, UNSEEN, across, along, products},
};
use crate::model::neural::kernel::lanes::{Kernel, LANES, Lanes, Line};

/// Keys whose scores are computed before the softmax is brought up to date: scores, keys and values of so many fit the
/// innermost cache.
const PIECE: usize = 256;

pub(super) struct Forward<'a> {
    pub(super) joint: &'a [f32],
    pub(super) layout: &'a Layout,
    pub(super) mixed: &'a mut [f32],
    pub(super) sums: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes, const R: usize>(self, l: L) {
        let layout = self.layout;
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        let mut queries = vec![[0.0; R]; layout.size];
        let mut mixed = vec![[[0.0; LANES]; R]; layout.lines()];
        let scale = std::f32::consts::LOG2_E / (layout.size as f32).sqrt();
        for (row, &length) in layout.lengths.iter().enumerate() {
            for head in 0..layout.heads {
                let [query, key, value] = layout.joint(row, head);
                across(self.joint, key, length, &mut keys);
                along(self.joint, value, length, &mut values);
                let out = layout.mixed(row, head);
                let sums = &mut self.sums[(row * layout.heads + head) * layout.steps..];
                for first in (0..length).step_by(R) {
                    let tile = Tile::<R>::new(layout.reach, first, length);
                    tile.transpose(self.joint, query, first, scale, &mut queries);
                    let logs = attend(l, &tile, layout.reach, &queries, &keys, &values, &mut mixed);
                    for r in 0..tile.count {
                        for (to, line) in self.mixed[out.step(first + r)].chunks_mut(LANES).zip(&mixed) {
                            to.copy_from_slice(&line[r][..to.len()]);
                        }
                        sums[first + r] = logs[r];
                    }
                }
            }
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
    for piece in tile.pieces(PIECE) {
        let groups = piece.len().div_ceil(LANES);
        let mut highest = [l.splat(UNSEEN); R];
        for group in 0..groups {
            let first = piece.start + group * LANES;
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
                let first = piece.start + group * LANES;
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
            let values = &values[piece.clone()];
            let mut sums: [L::V; R] = std::array::from_fn(|r| l.load(&line[r]));
            for (j, value) in values.iter().enumerate().take(PIECE) {
                let value = l.load(value);
                for r in 0..R {
                    sums[r] = l.mul_add(l.splat(shares[r][j]), value, sums[r]);
                }
            }
            for r in 0..R {
                l.store(&mut line[r], sums[r]);
            }
        }
    }
    std::array::from_fn(|r| {
        let sum = l.sum(sums[r]);
        for line in mixed.iter_mut() {
            let whole = l.div(l.load(&line[r]), l.splat(sum));
            l.store(&mut line[r], whole);
        }
        largest[r] + sum.log2()
    })
}
