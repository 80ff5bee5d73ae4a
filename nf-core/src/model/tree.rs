//! One isolation tree, with cuts in one column or oblique ones: grown from sampled rows, walked by many rows abreast, stored.

use super::{
    bytes::{Reader, Writer},
    random::Random,
};
use crate::{Result, features::Rows};
use std::{collections::HashSet, hint::black_box};

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

/// Nodes, the two children of a cut side by side behind it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tree {
    /// Their children and columns are checked: a walk does not look again.
    nodes: Vec<Node>,
    /// Columns of a row.
    width: usize,
    /// Of each leaf: the path length of a row that ends there; 0 for a cut.
    lengths: Vec<f32>,
    /// Cuts above the deepest leaf.
    height: usize,
    /// Of an oblique tree the terms of each node's sum, as many for each; none where a cut looks at one column.
    terms: Vec<Term>,
}

/// A cut, or a leaf: its value is [`LEAF`], its column 0, and its left child itself.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// Rows whose column, or sum of terms, is above this go to the right child, the others to the left one.
    value: f32,
    /// The place of the left child, next to which is the right one; then the column in [`COLUMN_BITS`].
    link: u32,
}

impl Node {
    fn new(value: f32, column: u32, left: u32) -> Self {
        Self { value, link: left << (COLUMN_BITS + UNUSED_BITS) | column << UNUSED_BITS }
    }

    #[inline(always)]
    fn column(self) -> usize {
        (self.link >> UNUSED_BITS) as usize & (MOST_COLUMNS - 1)
    }

    #[inline(always)]
    fn left(self) -> u32 {
        self.link >> (COLUMN_BITS + UNUSED_BITS)
    }
}

/// Eight bytes for a node leave a tree in the near caches: so many bits are for the column, the others for places.
const COLUMN_BITS: u32 = 12;
/// With so many behind it the column is a place in memory already, but for a factor that addresses can have.
const UNUSED_BITS: u32 = 3;
pub(super) const MOST_COLUMNS: usize = 1 << COLUMN_BITS;
const MOST_NODES: usize = 1 << (u32::BITS - COLUMN_BITS - UNUSED_BITS);
/// Rows a tree is grown from: it has twice as many nodes, less one.
pub(super) const MOST_SAMPLES: usize = MOST_NODES / 2;

/// A column and what it is multiplied with.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Term {
    column: u32,
    weight: f32,
}

/// No number is above this, so that a row in a leaf goes "left", which is to stay.
const LEAF: f32 = f32::NAN;

/// Walks side by side, of many rows in a tree or of a row in many trees: their loads overlap.
pub(super) const ABREAST: usize = 16;
const FEWER_ABREAST: usize = 8;
/// At most so many rows are few.
const FEW: usize = 32;

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        let bits = |node: &Self| (node.value.to_bits(), node.link);
        bits(self) == bits(other)
    }
}

/// The sum over terms; 0 without any.
fn sum(terms: &[Term], value: impl Fn(usize) -> f32) -> f32 {
    terms.iter().fold(0.0, |sum, term| sum + term.weight * value(term.column as usize))
}

impl Tree {
    /// # Panics
    /// Where a child does not lie behind its cut, or a column beyond the width.
    fn new(nodes: Vec<Node>, lengths: Vec<f32>, terms: Vec<Term>, width: usize) -> Self {
        assert!(terms.iter().all(|term| (term.column as usize) < width), "a term's column beyond {width}");
        let mut depths = vec![0; nodes.len()];
        for (at, node) in nodes.iter().enumerate() {
            let left = node.left() as usize;
            assert!(node.column() < width, "column {} of {width}", node.column());
            if node.value.is_nan() {
                assert_eq!(left, at, "a leaf stays");
            } else {
                assert!(left > at && left + 1 < nodes.len(), "node {left} below node {at} of {}", nodes.len());
                for child in [left, left + 1] {
                    depths[child] = depths[child].max(depths[at] + 1);
                }
            }
        }
        Self { nodes, width, lengths, height: depths.into_iter().max().unwrap_or(0), terms }
    }

    fn terms_of_a_node(&self) -> usize {
        self.terms.len() / self.nodes.len().max(1)
    }

    /// Where a row goes on from a node at this place.
    #[inline(always)]
    fn next<const OBLIQUE: bool>(&self, node: Node, at: u32, terms: usize, value: impl Fn(usize) -> f32) -> u32 {
        let value = match OBLIQUE {
            false => value(node.column()),
            true => sum(&self.terms[at as usize * terms..][..terms], value),
        };
        node.left() + u32::from(value > node.value)
    }

    /// Adds the path lengths of some rows, given as the columns of all of them. A third of the time would go into checking places: the
    /// walk of one row, which checks them, gives the same.
    #[allow(unsafe_code)]
    fn walk<const OBLIQUE: bool, const N: usize>(&self, lines: &[[f32; N]], sums: &mut [f64]) {
        assert_eq!(lines.len(), self.width);
        let mut places = [0; N];
        let terms = self.terms_of_a_node();
        for _ in 0..self.height {
            for (row, at) in places.iter_mut().enumerate() {
                // SAFETY: `new` has seen that each child of a node is a node; a tree that has a height has a node at 0.
                let node = unsafe { *self.nodes.get_unchecked(*at as usize) };
                // SAFETY: `new` has seen that the columns of all nodes and terms are below the width, of which there are lines.
                *at = self.next::<OBLIQUE>(node, *at, terms, |column| unsafe { lines.get_unchecked(column)[row] });
            }
        }
        sums.iter_mut().zip(places).for_each(|(sum, at)| *sum += f64::from(self.lengths[at as usize]));
    }

    /// Gives each node with its number: a cut as column, value and left child, a leaf as its path length.
    #[cfg(feature = "onnx")]
    pub(super) fn each(&self, mut give: impl FnMut(i64, Result<(u32, f32, u32), f32>)) {
        for ((node, length), number) in self.nodes.iter().zip(&self.lengths).zip(0..) {
            let cut = !node.value.is_nan();
            give(number, if cut { Ok((node.column() as u32, node.value, node.left())) } else { Err(*length) });
        }
    }

    /// A node is a column, a value and a left child; of a leaf the column is `u32::MAX` and the value the path length. Of an
    /// oblique tree the terms follow, a column and a weight each.
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u32(self.nodes.len() as u32);
        for (node, length) in self.nodes.iter().zip(&self.lengths) {
            let leaf = node.value.is_nan();
            writer.u32(if leaf { u32::MAX } else { node.column() as u32 });
            writer.f32(if leaf { *length } else { node.value });
            writer.u32(if leaf { 0 } else { node.left() });
        }
        for term in &self.terms {
            writer.u32(term.column);
            writer.f32(term.weight);
        }
    }

    /// A tree with `terms` terms a node. Every child must lie behind its parent, so that a walk through a tree of any file ends.
    pub(super) fn read(reader: &mut Reader, width: usize, terms: usize) -> Result<Self> {
        let count = reader.u32()?;
        if count == 0 || count as usize > reader.left() / (12 + 8 * terms) {
            return Err(reader.error(format_args!("{count} nodes do not fit in {} bytes", reader.left())));
        }
        if count as usize > MOST_NODES {
            return Err(reader.error(format_args!("{count} nodes, a tree has at most {MOST_NODES}")));
        }
        let (mut nodes, mut lengths) = (Vec::new(), Vec::new());
        for at in 0..count {
            let (column, value, left) = (reader.u32()?, reader.f32()?, reader.u32()?);
            if column == u32::MAX && value >= 0.0 && left == 0 {
                nodes.push(Node::new(LEAF, 0, at));
                lengths.push(value);
            } else if (column as usize) < width && !value.is_nan() && left > at && left < count - 1 {
                nodes.push(Node::new(value, column, left));
                lengths.push(0.0);
            } else {
                return Err(reader.error(format_args!("node {at} of {count} is out of range")));
            }
        }
        let mut read = || {
            let term = Term { column: reader.u32()?, weight: reader.f32()? };
            match (term.column as usize) < width {
                true => Ok(term),
                false => Err(reader.error(format_args!("column {} of {width} is out of range", term.column))),
            }
        };
        let terms = (0..count as usize * terms).map(|_| read()).collect::<Result<_>>()?;
        Ok(Self::new(nodes, lengths, terms, width))
    }
}

/// Adds to each row's sum its path length in each tree, in the order of the trees.
pub(super) fn add_path_lengths(trees: &[Tree], rows: &[f32], width: usize, sums: &mut [f64]) {
    match trees.first().is_some_and(|tree| !tree.terms.is_empty()) {
        false => add::<false>(trees, rows, width, sums),
        true => add::<true>(trees, rows, width, sums),
    }
}

/// Rows walk side by side where there are many, and the few that are left over walk in many trees at once. Those made up to a group
/// of eight would take as long as six by themselves.
fn add<const OBLIQUE: bool>(trees: &[Tree], rows: &[f32], width: usize, sums: &mut [f64]) {
    let (rows, sums) = add_abreast::<OBLIQUE, ABREAST>(trees, rows, width, sums);
    let (rows, sums) = add_abreast::<OBLIQUE, FEWER_ABREAST>(trees, rows, width, sums);
    for (row, sum) in rows.chunks_exact(width).zip(sums) {
        let (groups, last) = trees.as_chunks::<ABREAST>();
        groups.iter().for_each(|trees| walk_in::<OBLIQUE, _>(trees, row, sum));
        last.iter().for_each(|tree| walk_in::<OBLIQUE, _>(std::array::from_ref(tree), row, sum));
    }
}

/// The same of as many rows as make whole groups; gives the others.
fn add_abreast<'a, const OBLIQUE: bool, const N: usize>(
    trees: &[Tree],
    rows: &'a [f32],
    width: usize,
    sums: &'a mut [f64],
) -> (&'a [f32], &'a mut [f64]) {
    let whole = sums.len() / N * N;
    let (rows, other_rows) = rows.split_at(whole * width);
    let (sums, other_sums) = sums.split_at_mut(whole);
    // Rows of a group lie beside each other in each column: a place in the row costs no arithmetic, and all are in the same column at first.
    let mut lines = Vec::with_capacity(rows.len() / N);
    for group in rows.chunks_exact(N * width) {
        lines.extend((0..width).map(|column| std::array::from_fn::<f32, N, _>(|row| group[row * width + column])));
    }
    for trees in trees.chunks(ABREAST) {
        // Few rows wait for the far cache at each node. One that walks in many trees at once waits less, and leads the others.
        if let (1..=FEW, Ok(trees)) = (whole, trees.try_into()) {
            walk_in::<OBLIQUE, ABREAST>(trees, &rows[..width], black_box(&mut 0.0));
        }
        for tree in trees {
            for (lines, sums) in lines.chunks_exact(width).zip(sums.chunks_exact_mut(N)) {
                tree.walk::<OBLIQUE, N>(lines, sums);
            }
        }
    }
    (other_rows, other_sums)
}

/// The same of one row in some trees at once.
fn walk_in<const OBLIQUE: bool, const N: usize>(trees: &[Tree; N], row: &[f32], sum: &mut f64) {
    let mut places = [0; N];
    let height = trees.iter().map(|tree| tree.height).max().unwrap_or(0);
    let terms = trees[0].terms_of_a_node();
    for _ in 0..height {
        for (tree, at) in trees.iter().zip(&mut places) {
            *at = tree.next::<OBLIQUE>(tree.nodes[*at as usize], *at, terms, |column| row[column]);
        }
    }
    trees.iter().zip(places).for_each(|(tree, at)| *sum += f64::from(tree.lengths[at as usize]));
}

/// Grows one tree. The sampled rows are copied column by column, so that the range of a column is found in one cache-sized run.
pub(super) struct Grower<'a> {
    values: Vec<f32>,
    samples: usize,
    /// Terms of a cut's sum; 0 where a cut looks at one column.
    terms: usize,
    /// Columns, those that may still vary in the node first.
    columns: Vec<usize>,
    average: &'a [f64],
    random: Random,
    tree: Tree,
}

/// How the members of a node are told apart.
struct Cut {
    column: usize,
    terms: Vec<Term>,
    value: f32,
}

impl<'a> Grower<'a> {
    pub(super) fn new(rows: &Rows, samples: usize, terms: usize, average: &'a [f64], mut random: Random) -> Self {
        let chosen = sample(rows.len(), samples, &mut random);
        let width = rows.width();
        let mut values = vec![0.0; samples * width];
        for (i, &row) in chosen.iter().enumerate() {
            for (column, &value) in rows.row(row).iter().enumerate() {
                values[column * samples + i] = value;
            }
        }
        let columns = (0..width).collect();
        let tree = Tree { nodes: Vec::new(), width, lengths: Vec::new(), height: 0, terms: Vec::new() };
        Self { values, samples, terms: terms.min(width), columns, average, random, tree }
    }

    /// Grows to the height at which the mean tree ends, `ceil(log2 samples)` (Liu et al., 2012, algorithm 2).
    pub(super) fn grow(mut self) -> Tree {
        let mut members: Vec<u32> = (0..self.samples as u32).collect();
        let height = self.samples.next_power_of_two().ilog2();
        self.make_room(1);
        self.split(0, &mut members, 0, height, self.columns.len());
        let Tree { nodes, width, lengths, terms, .. } = self.tree;
        Tree::new(nodes, lengths, terms, width)
    }

    /// Appends nodes that are yet to be filled, and gives the place of the first.
    fn make_room(&mut self, count: usize) -> usize {
        let at = self.tree.nodes.len();
        for at in at..at + count {
            self.tree.nodes.push(Node::new(LEAF, 0, at as u32));
            self.tree.lengths.push(0.0);
            self.tree.terms.extend(std::iter::repeat_n(Term::default(), self.terms));
        }
        at
    }

    fn column(&self, column: usize) -> &[f32] {
        &self.values[column * self.samples..][..self.samples]
    }

    /// Fills the node at `at` with the subtree over `members`, in which only the first `varying` of the columns may vary.
    fn split(&mut self, at: usize, members: &mut [u32], depth: u32, height: u32, mut varying: usize) {
        let cut = if members.len() > 1 && depth < height { self.cut(members, &mut varying) } else { None };
        let Some(Cut { column, terms, value }) = cut else {
            self.tree.lengths[at] = (f64::from(depth) + self.average[members.len()]) as f32;
            return;
        };
        let mut middle = 0;
        if terms.is_empty() {
            let values = &self.values[column * self.samples..][..self.samples];
            part(members, &mut middle, |i| values[i] <= value);
        } else {
            part(members, &mut middle, |i| sum(&terms, |column| self.column(column)[i]) <= value);
        }
        let left = self.make_room(2);
        self.tree.nodes[at] = Node::new(value, column as u32, left as u32);
        self.tree.terms[at * self.terms..][..terms.len()].copy_from_slice(&terms);
        let (below, above) = members.split_at_mut(middle);
        self.split(left, below, depth + 1, height, varying);
        self.split(left + 1, above, depth + 1, height, varying);
    }

    /// A column, uniform among those that vary over `members`, or a sum of several, and a value uniform in its range, so that
    /// neither side of the cut is empty; `None` where no column varies.
    fn cut(&mut self, members: &[u32], varying: &mut usize) -> Option<Cut> {
        if self.terms > 0
            && let Some(cut) = self.oblique_cut(members, varying)
        {
            return Some(cut);
        }
        let (place, low, high) = self.varying_column(members, 0, varying)?;
        let column = self.columns[place];
        let terms = match self.terms {
            0 => Vec::new(),
            _ => vec![Term { column: column as u32, weight: 1.0 }],
        };
        Some(Cut { column, terms, value: between(low, high, &mut self.random) })
    }

    /// The place of one of the columns from `taken` on that vary over `members`, and its range. A column found constant is
    /// constant in the whole subtree and put away.
    fn varying_column(&mut self, members: &[u32], taken: usize, varying: &mut usize) -> Option<(usize, f32, f32)> {
        while *varying > taken {
            let place = taken + self.random.below(*varying - taken);
            let column = self.columns[place];
            let (low, high) = range(members, |i| self.column(column)[i]);
            if low < high {
                return Some((place, low, high));
            }
            *varying -= 1;
            self.columns.swap(place, *varying);
        }
        None
    }

    /// A sum of columns in a random direction, each in units of its range over `members`.
    fn oblique_cut(&mut self, members: &[u32], varying: &mut usize) -> Option<Cut> {
        let mut terms = Vec::with_capacity(self.terms);
        while terms.len() < self.terms
            && let Some((place, low, high)) = self.varying_column(members, terms.len(), varying)
        {
            self.columns.swap(place, terms.len());
            let column = self.columns[terms.len()];
            let weight = f64::from(self.random.normal()) / (f64::from(high) - f64::from(low));
            terms.push(Term { column: column as u32, weight: weight as f32 });
        }
        let (low, high) = range(members, |i| sum(&terms, |column| self.column(column)[i]));
        let value = between(low, high, &mut self.random);
        (low < high && low.is_finite() && high.is_finite()).then_some(Cut { column: 0, terms, value })
    }
}

/// Brings the members that are to go left to the front, and counts them.
fn part(members: &mut [u32], middle: &mut usize, left: impl Fn(usize) -> bool) {
    for i in 0..members.len() {
        if left(members[i] as usize) {
            members.swap(i, *middle);
            *middle += 1;
        }
    }
}

fn range(members: &[u32], value: impl Fn(usize) -> f32) -> (f32, f32) {
    members.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &i| {
        let value = value(i as usize);
        (low.min(value), high.max(value))
    })
}

/// Uniform from `low` to below `high`.
fn between(low: f32, high: f32, random: &mut Random) -> f32 {
    let span = f64::from(high) - f64::from(low);
    let value = (f64::from(low) + span * f64::from(random.uniform())) as f32;
    if value < high { value } else { low }
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
