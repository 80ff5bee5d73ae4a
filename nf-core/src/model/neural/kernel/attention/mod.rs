//! Exact attention in tiles: scores of a few queries against some keys at a time, with the softmax's largest score and sum
//! carried along (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018; Dao et al., "FlashAttention",
//! NeurIPS 2022). Nothing the size of steps by steps is ever stored: the backward pass computes the scores anew.
//!
//! A query's result depends on its own row alone, on tiles at fixed places in it: neither on the batch nor on padding.

#[allow(clippy::needless_range_loop, reason = "registers by number: several arrays of them at once")]
mod backward;
#[allow(clippy::needless_range_loop, reason = "as above")]
mod forward;
#[allow(clippy::needless_range_loop, reason = "as above")]
mod tile;

use super::lanes::{LANES, Level};
use std::{ops::Range, sync::Arc};

/// Which keys a query sees, by the distance from its own step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model::neural) struct Reach {
    /// How many steps back.
    pub(in crate::model::neural) left: usize,
    /// How many steps ahead.
    pub(in crate::model::neural) right: usize,
    /// Whether all see the first step, and it sees all (itself alone, where `right` is 0).
    pub(in crate::model::neural) global: bool,
}

impl Reach {
    /// Of exact attention.
    pub(in crate::model::neural) const ALL: Self = Self { left: usize::MAX, right: usize::MAX, global: false };

    /// The keys that the query at step `i` sees in a row of `length` steps, besides the global one.
    #[inline(always)]
    pub(in crate::model::neural) fn keys(self, i: usize, length: usize) -> Range<usize> {
        match self.global && i == 0 && self.right > 0 {
            true => 0..length,
            false => i.saturating_sub(self.left)..i.saturating_add(self.right).saturating_add(1).min(length),
        }
    }

    /// Of the sixteen keys from `first` on, those that a query sees which sees `keys`: a bit each.
    #[inline(always)]
    fn bits(self, keys: &Range<usize>, first: usize) -> u16 {
        let below = |end: usize| ((1u32 << end.saturating_sub(first).min(LANES)) - 1) as u16;
        let global = u16::from(self.global && first == 0);
        below(keys.end) & !below(keys.start) | global
    }
}

/// What attention is computed over: rows of `steps` steps, `lengths` of them real; queries, keys and values of all heads side
/// by side, `3 * heads * size` numbers a step.
#[derive(Debug, Clone)]
pub(in crate::model::neural) struct Layout {
    pub(in crate::model::neural) steps: usize,
    pub(in crate::model::neural) lengths: Arc<[usize]>,
    pub(in crate::model::neural) heads: usize,
    pub(in crate::model::neural) size: usize,
    pub(in crate::model::neural) reach: Reach,
}

impl Layout {
    #[inline(always)]
    fn width(&self) -> usize {
        self.heads * self.size
    }

    /// Lines of sixteen that a head's values of one step take.
    #[inline(always)]
    fn lines(&self) -> usize {
        self.size.div_ceil(LANES)
    }
}

/// Mixed values, `heads * size` numbers a step and zero behind a row's length, and for each row, head and step the base-2
/// logarithm of the softmax's sum, which the backward pass needs.
pub(in crate::model::neural) fn forward(level: Level, joint: &[f32], layout: &Layout) -> (Vec<f32>, Vec<f32>) {
    let rows = layout.lengths.len();
    let mut mixed = Vec::with_capacity(rows * layout.steps * layout.width());
    let mut sums = vec![0.0; rows * layout.heads * layout.steps];
    level.run(forward::Forward { joint, layout, mixed: &mut mixed, sums: &mut sums });
    (mixed, sums)
}

/// The gradient for `joint`, from that for the mixed values and from what [`forward`] gave.
pub(in crate::model::neural) fn backward(
    level: Level,
    joint: &[f32],
    layout: &Layout,
    mixed: &[f32],
    sums: &[f32],
    gradient: &[f32],
) -> Vec<f32> {
    let mut result = Vec::with_capacity(joint.len());
    level.run(backward::Backward { joint, layout, mixed, sums, gradient, result: &mut result });
    result
}

#[cfg(test)]
pub(in crate::model::neural) mod testing {
    use super::*;

    /// What [`forward`] and [`backward`] compute, in plain f64 loops: the mixed values, and the gradient for `joint`.
    pub(in crate::model::neural) fn reference(joint: &[f32], layout: &Layout, gradient: &[f32]) -> [Vec<f64>; 2] {
        let (width, size) = (layout.width(), layout.size);
        let mut mixed = vec![0.0; joint.len() / 3];
        let mut result = vec![0.0; joint.len()];
        let scale = 1.0 / (size as f64).sqrt();
        for (row, &length) in layout.lengths.iter().enumerate() {
            for (head, i) in (0..layout.heads).flat_map(|head| (0..length).map(move |i| (head, i))) {
                let at = |part: usize, j: usize| (row * layout.steps + j) * 3 * width + part * width + head * size;
                let out = (row * layout.steps + i) * width + head * size;
                let seen = |j: &usize| {
                    layout.reach.global && (i == 0 && layout.reach.right > 0 || *j == 0)
                        || i.abs_diff(*j) <= if *j > i { layout.reach.right } else { layout.reach.left }
                };
                let keys: Vec<usize> = (0..length).filter(seen).collect();
                let dot = |a: &[f32], b: &[f32]| -> f64 {
                    a[..size].iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
                };
                let scores: Vec<f64> =
                    keys.iter().map(|&j| scale * dot(&joint[at(0, i)..], &joint[at(1, j)..])).collect();
                let largest = scores.iter().fold(f64::MIN, |a, b| a.max(*b));
                let scores: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
                let sum: f64 = scores.iter().sum();
                let shares: Vec<f64> = scores.iter().map(|score| score / sum).collect();
                let gains: Vec<f64> = keys.iter().map(|&j| dot(&gradient[out..], &joint[at(2, j)..])).collect();
                let mean: f64 = shares.iter().zip(&gains).map(|(share, gain)| share * gain).sum();
                for ((share, gain), &j) in shares.iter().zip(&gains).zip(&keys) {
                    let slope = share * (gain - mean) * scale;
                    for e in 0..size {
                        mixed[out + e] += share * f64::from(joint[at(2, j) + e]);
                        result[at(2, j) + e] += share * f64::from(gradient[out + e]);
                        result[at(0, i) + e] += slope * f64::from(joint[at(1, j) + e]);
                        result[at(1, j) + e] += slope * f64::from(joint[at(0, i) + e]);
                    }
                }
            }
        }
        [mixed, result]
    }
}

#[cfg(test)]
mod tests {
    use super::{super::lanes::levels, testing::reference, *};
    use crate::model::random::Random;

    const WINDOW: Reach = Reach { left: 5, right: 3, global: false };

    fn layout(steps: usize, lengths: &[usize], heads: usize, size: usize, reach: Reach) -> Layout {
        Layout { steps, lengths: lengths.into(), heads, size, reach }
    }

    /// Queries, keys and values, and a gradient; the values behind a row's length are such that they would be noticed.
    fn numbers(layout: &Layout, seed: u64) -> [Vec<f32>; 2] {
        let mut random = Random::new(seed);
        let mut draw = |width: usize| {
            let mut values = Vec::new();
            for &length in layout.lengths.iter() {
                values.extend((0..length * width).map(|_| 1.5 * random.normal()));
                values.extend(vec![1e20; (layout.steps - length) * width]);
            }
            values
        };
        [draw(3 * layout.width()), draw(layout.width())]
    }

    fn close(found: &[f32], expected: &[f64], what: &str) {
        assert_eq!(found.len(), expected.len());
        let largest = expected.iter().fold(0f64, |a, b| a.max(b.abs()));
        for (i, (a, b)) in found.iter().zip(expected).enumerate() {
            assert!((f64::from(*a) - b).abs() < 3e-6 * largest.max(1.0), "{what}, number {i}: {a} {b}");
        }
    }

    #[test]
    fn every_level_agrees_with_plain_loops() {
        let reaches = [
            Reach::ALL,
            WINDOW,
            Reach { global: true, ..WINDOW },
            Reach { left: 70, right: 0, global: true },
            Reach { left: usize::MAX, right: 0, global: false },
            Reach { left: 0, right: 40, global: false },
        ];
        let shapes: [(usize, &[usize], usize, usize); 5] = [
            (8, &[8, 0, 5, 1], 2, 3),
            (40, &[40, 17, 33], 1, 16),
            (300, &[300], 1, 8),
            (150, &[150, 31], 2, 20),
            (64, &[50], 1, 40),
        ];
        for (reach, (steps, lengths, heads, size)) in reaches.iter().flat_map(|r| shapes.map(|shape| (r, shape))) {
            let layout = layout(steps, lengths, heads, size, *reach);
            let [joint, gradient] = numbers(&layout, 3);
            let [expected, slopes] = reference(&joint, &layout, &gradient);
            for level in levels() {
                let what = format!("{level:?} {layout:?}");
                let (mixed, sums) = forward(level, &joint, &layout);
                close(&mixed, &expected, &what);
                close(&backward(level, &joint, &layout, &mixed, &sums, &gradient), &slopes, &what);
            }
        }
    }

    #[test]
    fn bits_depend_neither_on_the_batch_nor_on_the_padding() {
        for reach in [Reach::ALL, WINDOW, Reach { global: true, ..WINDOW }] {
            let alone = layout(70, &[70], 2, 12, reach);
            let [joint, gradient] = numbers(&alone, 5);
            // Behind a longer row of which nothing is a number, in whose memory the next one is computed.
            let beside = layout(96, &[96, 70], 2, 12, reach);
            let both = |alone: &[f32]| {
                let mut both = vec![f32::NAN; 2 * 96 * alone.len() / 70];
                both[96 * alone.len() / 70..][..alone.len()].copy_from_slice(alone);
                both
            };
            let (joint_beside, gradient_beside) = (both(&joint), both(&gradient));
            for level in levels() {
                let compute = |joint: &[f32], layout, gradient: &[f32]| {
                    let (mixed, sums) = forward(level, joint, layout);
                    let slopes = backward(level, joint, layout, &mixed, &sums, gradient);
                    (mixed, slopes)
                };
                let (mixed, slopes) = compute(&joint, &alone, &gradient);
                let (mixed_beside, slopes_beside) = compute(&joint_beside, &beside, &gradient_beside);
                assert_eq!(mixed, mixed_beside[96 * 24..][..mixed.len()]);
                assert_eq!(slopes, slopes_beside[96 * 72..][..slopes.len()]);
                assert!(mixed_beside[(96 + 70) * 24..].iter().all(|x| *x == 0.0) && mixed_beside.len() == 2 * 96 * 24);
            }
        }
    }

    #[test]
    fn scores_far_apart_do_not_overflow() {
        let layout = layout(200, &[200], 1, 16, Reach::ALL);
        let [mut joint, gradient] = numbers(&layout, 7);
        joint.chunks_exact_mut(48).for_each(|step| step[..32].iter_mut().for_each(|x| *x *= 30.0));
        let [expected, slopes] = reference(&joint, &layout, &gradient);
        for level in levels() {
            let (mixed, sums) = forward(level, &joint, &layout);
            // Scores of several thousand have an error of their own in f32.
            let close = |found: &[f32], expected: &[f64], within: f64| {
                let largest = expected.iter().fold(0f64, |a, b| a.max(b.abs()));
                assert_eq!(found.len(), expected.len());
                assert!(found.iter().zip(expected).all(|(a, b)| (f64::from(*a) - b).abs() < within * largest));
            };
            close(&mixed, &expected, 2e-3);
            close(&backward(level, &joint, &layout, &mixed, &sums, &gradient), &slopes, 2e-2);
        }
    }

    #[test]
    fn what_a_key_that_is_not_seen_would_gain_does_not_matter() {
        let layout = layout(4, &[4], 1, 16, Reach { left: 0, right: 0, global: false });
        let [mut joint, mut gradient] = numbers(&layout, 8);
        joint[3 * 48 + 32..].fill(1e20);
        gradient[..16].fill(1e20);
        for level in levels() {
            let (mixed, sums) = forward(level, &joint, &layout);
            assert!(backward(level, &joint, &layout, &mixed, &sums, &gradient).iter().all(|x| x.is_finite()));
        }
    }
}
