//! From the gradient for mixed values to that for queries, keys and values.

use super::{
    Layout, Reach,
    tile::{Tile, UNSEEN, products},
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
    pub(super) result: &'a mut Vec<f32>,
}

/// The queries of a tile and the gradients for what they mixed: lines of `R` of them, and lines of sixteen dimensions, `room` from one
/// sixteen to the next.
struct Queries<'a, const R: usize> {
    queries: &'a [[f32; R]],
    query_lines: &'a [Line],
    gradients: &'a [[f32; R]],
    gradient_lines: &'a [Line],
    room: usize,
    /// Of each query: the logarithm of its softmax's sum, and the product of its mixed values with their gradient.
    logs: [f32; R],
    dots: [f32; R],
}

/// Keys and values of a head, and their gradients so far.
struct Head<'a> {
    keys_across: &'a [Line],
    keys_along: &'a [Line],
    values_across: &'a [Line],
    by_key: &'a mut [Line],
    by_value: &'a mut [Line],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes, const R: usize>(self, l: L) {
        let layout = self.layout;
        let (heads, size, lines) = (layout.heads, layout.size, layout.lines());
        let [mut queries, mut gradients] = [0, 1].map(|_| Vec::<[f32; R]>::new());
        let [mut keys_across, mut values_across] = [0, 1].map(|_| Vec::<Line>::new());
        let [mut query_lines, mut gradient_lines, mut keys_along] = [0, 1, 2].map(|_| Vec::<Line>::new());
        let [mut by_query, mut by_key, mut by_value] = [0, 1, 2].map(|_| Vec::<Line>::new());
        let mut dots = Vec::new();
        let mut of_tile = vec![[[0.0; LANES]; R]; lines];
        let scale = 1.0 / (size as f32).sqrt();
        for (row, &length) in layout.lengths.iter().enumerate() {
            let ([query, key, value], mixed) = (layout.joint(row), layout.mixed(row));
            let (tiles, groups) = (length.div_ceil(R) | 1, length.div_ceil(LANES) | 1);
            let room = tiles * R;
            layout.across(self.joint, query, length, scale * std::f32::consts::LOG2_E, &mut queries);
            layout.along(self.joint, query, length, room, scale, &mut query_lines);
            layout.across(self.gradient, mixed, length, 1.0, &mut gradients);
            layout.along(self.gradient, mixed, length, room, 1.0, &mut gradient_lines);
            layout.dots(self.mixed, self.gradient, mixed, length, room, &mut dots);
            layout.across(self.joint, key, length, 1.0, &mut keys_across);
            layout.along(self.joint, key, length, length, 1.0, &mut keys_along);
            layout.across(self.joint, value, length, 1.0, &mut values_across);
            by_query.resize(heads * lines * room, [0.0; LANES]);
            for gradients in [&mut by_key, &mut by_value] {
                gradients.clear();
                gradients.resize(heads * lines * length, [0.0; LANES]);
            }
            for head in 0..heads {
                let (groups_of, steps_of) = (head * groups * size, head * lines * length);
                let mut of_head = Head {
                    keys_across: &keys_across[groups_of..][..groups * size],
                    keys_along: &keys_along[steps_of..][..lines * length],
                    values_across: &values_across[groups_of..][..groups * size],
                    by_key: &mut by_key[steps_of..][..lines * length],
                    by_value: &mut by_value[steps_of..][..lines * length],
                };
                let sums = &self.sums[(row * heads + head) * layout.steps..][..length];
                for (tile, sums) in sums.chunks(R).enumerate() {
                    let (first, at) = (tile * R, (head * tiles + tile) * size);
                    // A query that is none has a share of next to nothing in all, and zeros everywhere else.
                    let mut logs = [-2.0 * UNSEEN; R];
                    logs[..sums.len()].copy_from_slice(sums);
                    let q = Queries {
                        queries: &queries[at..][..size],
                        query_lines: &query_lines[head * lines * room + first..],
                        gradients: &gradients[at..][..size],
                        gradient_lines: &gradient_lines[head * lines * room + first..],
                        room,
                        logs,
                        dots: *dots[head * room + first..].first_chunk().expect("room for all tiles"),
                    };
                    let tile = Tile::new(layout.reach, first, length);
                    retrace(l, &tile, layout.reach, &q, &mut of_head, &mut of_tile);
                    for (line, of_tile) in of_tile.iter().enumerate() {
                        by_query[(head * lines + line) * room + first..][..R].copy_from_slice(of_tile);
                    }
                }
            }
            self.result.resize((row + 1) * layout.steps * 3 * layout.width(), 0.0);
            layout.back(&by_query, room, scale, query, length, self.result);
            layout.back(&by_key, length, 1.0, key, length, self.result);
            layout.back(&by_value, length, 1.0, value, length, self.result);
        }
    }
}

/// The gradients that go through a tile of queries: those of the queries, and what is added to those of keys and values.
#[inline(always)]
fn retrace<L: Lanes, const R: usize>(
    l: L,
    tile: &Tile<R>,
    reach: Reach,
    q: &Queries<'_, R>,
    head: &mut Head<'_>,
    by_query: &mut [[Line; R]],
) {
    let size = q.queries.len();
    let length = head.keys_along.len() / by_query.len();
    let mut shares = [[[0.0; LANES]; PIECE / LANES]; R];
    let mut slopes = shares;
    by_query.fill([[0.0; LANES]; R]);
    for range in &tile.ranges {
        for start in range.clone().step_by(PIECE) {
            let piece = start..(start + PIECE).min(range.end);
            for group in 0..piece.len().div_ceil(LANES) {
                let first = piece.start + group * LANES;
                let lines = first / LANES * size..(first / LANES + 1) * size;
                let scores = products(l, q.queries, &head.keys_across[lines.clone()]);
                let gains = products(l, q.gradients, &head.values_across[lines]);
                for r in 0..R {
                    let mut share = l.exp2(l.sub(scores[r], l.splat(q.logs[r])));
                    let mut slope = l.mul(share, l.sub(gains[r], l.splat(q.dots[r])));
                    if !tile.whole(first) {
                        let seen = reach.bits(&tile.keys[r], first);
                        // The slope too: what a key that is not seen would gain may be no number.
                        (share, slope) = (l.keep(share, seen, 0.0), l.keep(slope, seen, 0.0));
                    }
                    l.store(&mut shares[r][group], share);
                    l.store(&mut slopes[r][group], slope);
                }
            }
            let shares: [&[f32; PIECE]; R] =
                std::array::from_fn(|r| shares[r].as_flattened().try_into().expect("as many as there are"));
            let slopes: [&[f32; PIECE]; R] =
                std::array::from_fn(|r| slopes[r].as_flattened().try_into().expect("as many as there are"));
            for (line, by_query) in by_query.iter_mut().enumerate() {
                let place = line * length + piece.start..line * length + piece.end;
                let mut sums = l.load_all(by_query);
                for (j, key) in head.keys_along[place.clone()].iter().enumerate().take(PIECE) {
                    let key = l.load(key);
                    for r in 0..R {
                        sums[r] = l.mul_add(l.splat(slopes[r][j]), key, sums[r]);
                    }
                }
                l.store_all(by_query, sums);
                let queries = q.query_lines[line * q.room..].first_chunk().expect("room for all tiles");
                spread(l, &slopes, queries, &mut head.by_key[place.clone()]);
                let gradients = q.gradient_lines[line * q.room..].first_chunk().expect("room for all tiles");
                spread(l, &shares, gradients, &mut head.by_value[place]);
            }
        }
    }
}

/// Adds to each of the keys' lines those of all queries, each times what the key has of the query.
#[inline(always)]
fn spread<L: Lanes, const R: usize>(l: L, weights: &[&[f32; PIECE]; R], lines: &[Line; R], to: &mut [Line]) {
    // As many keys as queries at a time: their sums stay in registers.
    let whole = to.len() / R * R;
    let (many, few) = to.split_at_mut(whole);
    for (block, to) in many.chunks_exact_mut(R).enumerate().take(PIECE / R) {
        spread_block::<L, R, R>(l, weights, lines, block * R, to.try_into().expect("a whole block"));
    }
    for (j, to) in few.iter_mut().enumerate() {
        spread_block::<L, R, 1>(l, weights, lines, whole + j, std::array::from_mut(to));
    }
}

#[inline(always)]
fn spread_block<L: Lanes, const R: usize, const N: usize>(
    l: L,
    weights: &[&[f32; PIECE]; R],
    lines: &[Line; R],
    at: usize,
    to: &mut [Line; N],
) {
    let mut sums = l.load_all(to);
    for r in 0..R {
        let line = l.load(&lines[r]);
        let weights: &[f32; N] = weights[r][at..].first_chunk().expect("no more than a piece");
        for i in 0..N {
            sums[i] = l.mul_add(l.splat(weights[i]), line, sums[i]);
        }
    }
    l.store_all(to, sums);
}
