//! One isolation tree: grown from sampled rows, walked by many rows abreast, stored.

use super::{
    bytes::{Reader, Writer},
    random::Random,
};
use crate::{Result, features::Rows};
use std::collections::HashSet;

/// Harmonic numbers beyond this are not summed.
const SUMMED: usize = 1 << 16;

/// `c(n)` for n from 0 to `samples`: the mean number of cuts to a row in a random tree over n rows,
/// `2 H(n - 1) - 2 (n - 1) / n` (Liu et al., 2012, equation 1).
pub(super) fn average_path_lengths(samples: usize) -> Vec<f64> {
    let mut harmonic = 0.0;
    let mut lengths = vec![0.0; 2];
    for n in 2..=samples {
        let below = (n - 1) as f64;
        harmonic = if n <= SUMMED { harmonic + 1.0 / below } else { asymptotic_harmonic(below) };
        lengths.push(2.0 * harmonic - 2.0 * below / n as f64);
    }
    lengths
}

/// The last of [`average_path_lengths`], in time and memory that a claimed number of samples cannot inflate.
pub(super) fn average_path_length(samples: usize) -> f64 {
    if samples <= SUMMED {
        return average_path_lengths(samples)[samples];
    }
    let below = (samples - 1) as f64;
    2.0 * asymptotic_harmonic(below) - 2.0 * below / samples as f64
}

/// Abramowitz and Stegun, "Handbook of Mathematical Functions", equation 6.3.18: beyond [`SUMMED`] the first term left
/// out is below `1e-21`.
fn asymptotic_harmonic(n: f64) -> f64 {
    const EULER: f64 = 0.577_215_664_901_532_9;
    n.ln() + EULER + 0.5 / n - 1.0 / (12.0 * n * n)
}

/// Nodes in preorder: the left child of a cut follows it, so that a walk mostly moves forward in memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    /// Of each leaf: the path length of a row that ends there; 0 for a cut.
    lengths: Vec<f32>,
    /// Cuts above the deepest leaf.
    height: usize,
}

/// A cut, or a leaf: its value is [`LEAF`], its column 0, and its right child itself.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// Rows whose column is at most this go left.
    value: f32,
    column: u32,
    /// Place of the right child.
    right: u32,
}

/// No number is at most this, so that a row in a leaf goes "right", which is to stay.
const LEAF: f32 = f32::NAN;

/// Rows that walk side by side: their loads overlap, which makes scoring twice as fast as one row at a time.
const ABREAST: usize = 8;

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        let bits = |node: &Self| (node.value.to_bits(), node.column, node.right);
        bits(self) == bits(other)
    }
}

impl Tree {
    /// A tree of nodes in preorder, given as cuts and path lengths.
    fn new(nodes: Vec<Node>, lengths: Vec<f32>) -> Self {
        let mut depths = vec![0; nodes.len()];
        for (at, node) in nodes.iter().enumerate() {
            if !node.value.is_nan() {
                for child in [at + 1, node.right as usize] {
                    depths[child] = depths[child].max(depths[at] + 1);
                }
            }
        }
        Self { nodes, lengths, height: depths.into_iter().max().unwrap_or(0) }
    }

    /// Adds the path length of each row to its sum.
    pub(super) fn add_path_lengths(&self, rows: &[f32], width: usize, sums: &mut [f64]) {
        let whole = sums.len() / ABREAST * ABREAST;
        let (sums, last_sums) = sums.split_at_mut(whole);
        let (rows, last_rows) = rows.split_at(whole * width);
        for (rows, sums) in rows.chunks_exact(ABREAST * width).zip(sums.chunks_exact_mut(ABREAST)) {
            self.walk::<ABREAST>(rows, width, sums);
        }
        for (row, sum) in last_rows.chunks_exact(width).zip(last_sums.chunks_exact_mut(1)) {
            self.walk::<1>(row, width, sum);
        }
    }

    fn walk<const N: usize>(&self, rows: &[f32], width: usize, sums: &mut [f64]) {
        let mut places = [0; N];
        for _ in 0..self.height {
            for (row, at) in places.iter_mut().enumerate() {
                let node = self.nodes[*at];
                let left = rows[row * width + node.column as usize] <= node.value;
                *at = if left { *at + 1 } else { node.right as usize };
            }
        }
        sums.iter_mut().zip(places).for_each(|(sum, at)| *sum += f64::from(self.lengths[at]));
    }

    /// A node is a column, a value and a right child; of a leaf the column is `u32::MAX` and the value the path length.
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u32(self.nodes.len() as u32);
        for (node, length) in self.nodes.iter().zip(&self.lengths) {
            let leaf = node.value.is_nan();
            writer.u32(if leaf { u32::MAX } else { node.column });
            writer.f32(if leaf { *length } else { node.value });
            writer.u32(if leaf { 0 } else { node.right });
        }
    }

    /// Every child must lie behind its parent, so that a walk through a tree of any file ends.
    pub(super) fn read(reader: &mut Reader, width: usize) -> Result<Self> {
        let count = reader.u32()?;
        if count == 0 || count as usize > reader.left() / 12 {
            return Err(reader.error(format_args!("{count} nodes do not fit in {} bytes", reader.left())));
        }
        let (mut nodes, mut lengths) = (Vec::new(), Vec::new());
        for at in 0..count {
            let (column, value, right) = (reader.u32()?, reader.f32()?, reader.u32()?);
            if column == u32::MAX && value >= 0.0 && right == 0 {
                nodes.push(Node { value: LEAF, column: 0, right: at });
                lengths.push(value);
            } else if (column as usize) < width && right > at + 1 && right < count {
                nodes.push(Node { value, column, right });
                lengths.push(0.0);
            } else {
                return Err(reader.error(format_args!("node {at} of {count} is out of range")));
            }
        }
        Ok(Self::new(nodes, lengths))
    }
}

/// Grows one tree. The sampled rows are copied column by column, so that the range of a column is found in one cache-sized run.
pub(super) struct Grower<'a> {
    values: Vec<f32>,
    samples: usize,
    /// Columns, those that may still vary in the node first.
    columns: Vec<usize>,
    average: &'a [f64],
    random: Random,
    nodes: Vec<Node>,
    lengths: Vec<f32>,
}

impl<'a> Grower<'a> {
    pub(super) fn new(rows: &Rows, samples: usize, average: &'a [f64], mut random: Random) -> Self {
        let chosen = sample(rows.len(), samples, &mut random);
        let width = rows.width();
        let mut values = vec![0.0; samples * width];
        for (i, &row) in chosen.iter().enumerate() {
            for (column, &value) in rows.row(row).iter().enumerate() {
                values[column * samples + i] = value;
            }
        }
        let columns = (0..width).collect();
        Self { values, samples, columns, average, random, nodes: Vec::new(), lengths: Vec::new() }
    }

    /// Grows to the height at which the mean tree ends, `ceil(log2 samples)` (Liu et al., 2012, algorithm 2).
    pub(super) fn grow(mut self) -> Tree {
        let mut members: Vec<u32> = (0..self.samples as u32).collect();
        let height = self.samples.next_power_of_two().ilog2();
        self.split(&mut members, 0, height, self.columns.len());
        Tree::new(self.nodes, self.lengths)
    }

    /// Appends the subtree over `members`, in which only the first `varying` of the columns may vary.
    fn split(&mut self, members: &mut [u32], depth: u32, height: u32, mut varying: usize) {
        let at = self.nodes.len();
        let cut = if members.len() > 1 && depth < height { self.cut(members, &mut varying) } else { None };
        let Some((column, value)) = cut else {
            self.nodes.push(Node { value: LEAF, column: 0, right: at as u32 });
            return self.lengths.push((f64::from(depth) + self.average[members.len()]) as f32);
        };
        self.nodes.push(Node { value, column: column as u32, right: 0 });
        self.lengths.push(0.0);
        let values = &self.values[column * self.samples..][..self.samples];
        let mut middle = 0;
        for i in 0..members.len() {
            if values[members[i] as usize] <= value {
                members.swap(i, middle);
                middle += 1;
            }
        }
        let (left, right) = members.split_at_mut(middle);
        self.split(left, depth + 1, height, varying);
        self.nodes[at].right = self.nodes.len() as u32;
        self.split(right, depth + 1, height, varying);
    }

    /// A column, uniform among those that vary over `members`, and a value uniform in its range, so that neither side of
    /// the cut is empty; `None` where no column varies. A column found constant is constant in the whole subtree and put away.
    fn cut(&mut self, members: &[u32], varying: &mut usize) -> Option<(usize, f32)> {
        while *varying > 0 {
            let place = self.random.below(*varying);
            let column = self.columns[place];
            let values = &self.values[column * self.samples..][..self.samples];
            let range = |(low, high): (f32, f32), &i: &u32| (low.min(values[i as usize]), high.max(values[i as usize]));
            let (low, high) = members.iter().fold((f32::INFINITY, f32::NEG_INFINITY), range);
            if low < high {
                let span = f64::from(high) - f64::from(low);
                let value = (f64::from(low) + span * f64::from(self.random.uniform())) as f32;
                return Some((column, if value < high { value } else { low }));
            }
            *varying -= 1;
            self.columns.swap(place, *varying);
        }
        None
    }
}

/// `samples` different numbers below `n`, in ascending order, every set equally likely (Floyd, "A sample of brilliance",
/// CACM 30(9), 1987).
fn sample(n: usize, samples: usize, random: &mut Random) -> Vec<usize> {
    let mut chosen = HashSet::with_capacity(samples);
    for last in n - samples..n {
        let candidate = random.below(last + 1);
        if !chosen.insert(candidate) {
            chosen.insert(last);
        }
    }
    let mut chosen: Vec<usize> = chosen.into_iter().collect();
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn average_path_length_is_that_of_a_random_search_tree() {
        let lengths = average_path_lengths(2048);
        assert_eq!(lengths[..3], [0.0, 0.0, 1.0]);
        assert!((lengths[3] - (2.0 * 1.5 - 4.0 / 3.0)).abs() < 1e-12);
        let approximate = 2.0 * (2047f64.ln() + 0.577_215_664_901_532_9) - 2.0 * 2047.0 / 2048.0;
        assert!((lengths[2048] - approximate).abs() < 1e-3);
    }

    #[test]
    fn average_path_length_of_many_samples_is_not_summed() {
        let lengths = average_path_lengths(SUMMED + 2);
        for n in [0, 1, 2, SUMMED - 1, SUMMED, SUMMED + 1, SUMMED + 2] {
            assert_eq!(average_path_length(n), lengths[n], "{n}");
        }
        let summed = (1..(1 << 20)).map(|n| 1.0 / f64::from(n)).sum::<f64>();
        assert!((asymptotic_harmonic(((1 << 20) - 1).into()) - summed).abs() < 1e-11);
        assert!(average_path_length(1 << 24) > average_path_length(SUMMED));
    }

    #[test]
    fn samples_are_different_and_evenly_drawn() {
        let mut counts = [0u32; 20];
        for seed in 0..2000 {
            let chosen = sample(20, 5, &mut Random::new(seed));
            assert!(chosen.len() == 5 && chosen.windows(2).all(|pair| pair[0] < pair[1]));
            chosen.iter().for_each(|&i| counts[i] += 1);
        }
        assert!(counts.iter().all(|count| (420..580).contains(count)), "{counts:?}");
        assert_eq!(sample(3, 3, &mut Random::new(0)), [0, 1, 2]);
    }
}
