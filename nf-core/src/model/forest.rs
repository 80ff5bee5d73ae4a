//! The isolation forest: strange rows are separated from the others by few random cuts.

use super::{
    Model,
    bytes::{Reader, Writer},
    one_step,
    random::Random,
};
use crate::{
    Error, ErrorKind, Result,
    features::{Rows, Schema},
};
use serde::{Deserialize, Serialize};
use std::{collections::HashSet, thread};

/// What an [`IsolationForest`] is fitted with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IsolationForestParams {
    /// How many trees, at least 1. Default 200: the order of scores is stable from about 100 (Liu et al., 2012).
    pub trees: usize,
    /// How many rows a tree is grown from, drawn without replacement, at least 2; all rows where there are fewer.
    /// Default 2048: on network sessions that found a fifth to a third more of the attacks at a budget of 1 % than the
    /// 256 of the paper did, since rare benign services need more rows to be seen at all.
    pub samples: usize,
    /// Where the random numbers start. Default 0.
    pub seed: u64,
    /// How many threads fit; 0, the default, for one a core. The fitted forest is the same with any number, so this is
    /// not stored.
    #[serde(skip)]
    pub threads: usize,
}

impl Default for IsolationForestParams {
    fn default() -> Self {
        Self { trees: 200, samples: 2048, seed: 0, threads: 0 }
    }
}

impl IsolationForestParams {
    /// Sets [`trees`](Self::trees).
    #[must_use]
    pub fn trees(mut self, trees: usize) -> Self {
        self.trees = trees;
        self
    }

    /// Sets [`samples`](Self::samples).
    #[must_use]
    pub fn samples(mut self, samples: usize) -> Self {
        self.samples = samples;
        self
    }

    /// Sets [`seed`](Self::seed).
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets [`threads`](Self::threads).
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with name, value and allowed range.
    pub fn check(&self) -> Result<()> {
        if !(1..=1 << 20).contains(&self.trees) {
            return Err(Error::config("trees", self.trees, "1 to 1048576"));
        }
        if !(2..=1 << 24).contains(&self.samples) {
            return Err(Error::config("samples", self.samples, "2 to 16777216"));
        }
        Ok(())
    }

    /// Grows the forest from rows of one step each.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] where a parameter is out of range, [`ErrorKind::Schema`] where the rows have more than one
    /// step, [`ErrorKind::Data`] where there are fewer than two rows.
    pub fn fit(&self, rows: &Rows) -> Result<IsolationForest> {
        self.check()?;
        one_step(IsolationForest::KIND, rows)?;
        if rows.len() < 2 {
            let message = format!("{} rows, an isolation forest needs at least 2", rows.len());
            return Err(Error::new(ErrorKind::Data, message));
        }
        let samples = self.samples.min(rows.len());
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let threads = if self.threads == 0 { cores() } else { self.threads }.min(self.trees);
        let random = Random::new(self.seed);
        let average = average_path_lengths(samples);
        let mut trees = vec![Tree::default(); self.trees];
        let share = self.trees.div_ceil(threads);
        thread::scope(|scope| {
            for (part, chunk) in trees.chunks_mut(share).enumerate() {
                let (random, average) = (&random, &average);
                scope.spawn(move || {
                    for (i, tree) in chunk.iter_mut().enumerate() {
                        let random = random.stream((part * share + i) as u64);
                        *tree = Grower::new(rows, samples, average, random).grow();
                    }
                });
            }
        });
        Ok(IsolationForest { schema: rows.schema().as_ref().clone(), samples, average: average[samples], trees })
    }
}

/// A fitted isolation forest (Liu, Ting and Zhou, "Isolation-based anomaly detection", ACM TKDD 6(1), 2012).
///
/// The score of a row is `2^(-h / c(n))`, where `h` is the mean over the trees of the number of cuts that separate the row
/// and `c(n)` the mean number for one of `n` sampled rows: near 0.5 for a usual row, towards 1 for one that few cuts separate.
///
/// ```
/// use nf_core::{features::{Column, Rows, Schema}, model::{IsolationForest, Model}};
/// use std::sync::Arc;
/// let schema = Arc::new(Schema::new("example", vec![Column::new("x", "", "")])?);
/// let usual: Vec<f32> = (0..501).map(|i| ((i - 250) as f32 / 250.0).powi(5)).collect(); // dense around 0
/// let forest = IsolationForest::params().seed(7).fit(&Rows::flat(schema.clone(), usual)?)?;
/// let scores = forest.score(&Rows::flat(schema, vec![0.1, 9.0])?)?;
/// assert!(scores[0] < 0.5 && scores[1] > 0.7, "{scores:?}");
/// # Ok::<(), nf_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct IsolationForest {
    schema: Schema,
    samples: usize,
    /// `c(samples)`.
    average: f64,
    trees: Vec<Tree>,
}

impl IsolationForest {
    pub(crate) const KIND: &'static str = "isolation_forest";

    /// The default parameters.
    pub fn params() -> IsolationForestParams {
        IsolationForestParams::default()
    }

    /// The forest that [`to_bytes`](Model::to_bytes) wrote.
    ///
    /// # Errors
    /// [`ErrorKind::ModelFile`] where the bytes are no forest over the columns of `schema`.
    pub fn from_bytes(schema: Schema, bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(Self::KIND, bytes);
        let samples = reader.u32()? as usize;
        if !(2..=1 << 24).contains(&samples) {
            return Err(reader.error(format_args!("{samples} samples a tree, 2 to 16777216 expected")));
        }
        let count = reader.u32()? as usize;
        if count == 0 || count > reader.left() / 4 {
            return Err(reader.error(format_args!("{count} trees do not fit in {} bytes", reader.left())));
        }
        let trees = (0..count).map(|_| Tree::read(&mut reader, schema.width())).collect::<Result<_>>()?;
        reader.finish()?;
        Ok(Self { schema, samples, average: average_path_lengths(samples)[samples], trees })
    }
}

/// How many rows walk through one tree before the next tree is loaded: rows and tree then stay in the second-level cache.
const BLOCK: usize = 256;

impl Model for IsolationForest {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn score(&self, rows: &Rows) -> Result<Vec<f32>> {
        self.schema.check(rows.schema())?;
        one_step(Self::KIND, rows)?;
        let scale = -1.0 / (self.trees.len() as f64 * self.average);
        let mut scores = Vec::with_capacity(rows.len());
        for block in rows.data().chunks(BLOCK * rows.width()) {
            let mut sums = vec![0.0; block.len() / rows.width()];
            for tree in &self.trees {
                tree.add_path_lengths(block, rows.width(), &mut sums);
            }
            scores.extend(sums.iter().map(|sum| (sum * scale).exp2() as f32));
        }
        Ok(scores)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u32(self.samples as u32);
        writer.u32(self.trees.len() as u32);
        for tree in &self.trees {
            tree.write(&mut writer);
        }
        writer.finish()
    }
}

/// `c(n)` for n from 0 to `samples`: the mean number of cuts to a row in a random tree over n rows,
/// `2 H(n - 1) - 2 (n - 1) / n` (Liu et al., 2012, equation 1), with the harmonic number summed and not approximated.
fn average_path_lengths(samples: usize) -> Vec<f64> {
    let mut harmonic = 0.0;
    let mut lengths = vec![0.0; 2];
    for n in 2..=samples {
        let below = (n - 1) as f64;
        harmonic += 1.0 / below;
        lengths.push(2.0 * harmonic - 2.0 * below / n as f64);
    }
    lengths
}

/// Nodes in preorder: the left child of a cut follows it, so that a walk mostly moves forward in memory.
#[derive(Debug, Clone, Default, PartialEq)]
struct Tree {
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
    fn add_path_lengths(&self, rows: &[f32], width: usize, sums: &mut [f64]) {
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
    fn write(&self, writer: &mut Writer) {
        writer.u32(self.nodes.len() as u32);
        for (node, length) in self.nodes.iter().zip(&self.lengths) {
            let leaf = node.value.is_nan();
            writer.u32(if leaf { u32::MAX } else { node.column });
            writer.f32(if leaf { *length } else { node.value });
            writer.u32(if leaf { 0 } else { node.right });
        }
    }

    /// Every child must lie behind its parent, so that a walk through a tree of any file ends.
    fn read(reader: &mut Reader, width: usize) -> Result<Self> {
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
struct Grower<'a> {
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
    fn new(rows: &Rows, samples: usize, average: &'a [f64], mut random: Random) -> Self {
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
    fn grow(mut self) -> Tree {
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
    use crate::{features::Column, model::testing::auroc};
    use std::sync::Arc;

    fn schema(width: usize) -> Arc<Schema> {
        let column = |i| Column::new(format!("x{i}"), "", "");
        Arc::new(Schema::new("test", (0..width).map(column).collect()).unwrap())
    }

    /// Normal rows in four columns, the last one constant; then `strange` rows four deviations off in one of them.
    fn rows(usual: usize, strange: usize) -> Rows {
        let mut random = Random::new(1);
        let mut data = Vec::new();
        for i in 0..usual + strange {
            let shift = if i < usual { 0.0 } else { 4.0 };
            data.extend([random.normal(), random.normal() + shift, random.normal(), 3.0]);
        }
        Rows::flat(schema(4), data).unwrap()
    }

    #[test]
    fn average_path_length_is_that_of_a_random_search_tree() {
        let lengths = average_path_lengths(2048);
        assert_eq!(lengths[..3], [0.0, 0.0, 1.0]);
        assert!((lengths[3] - (2.0 * 1.5 - 4.0 / 3.0)).abs() < 1e-12);
        let approximate = 2.0 * (2047f64.ln() + 0.577_215_664_901_532_9) - 2.0 * 2047.0 / 2048.0;
        assert!((lengths[2048] - approximate).abs() < 1e-3);
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

    #[test]
    fn finds_strange_rows_with_either_sample_size() {
        let train = rows(4000, 0);
        let test = rows(1000, 100);
        for samples in [256, 2048] {
            let forest = IsolationForest::params().samples(samples).seed(3).fit(&train).unwrap();
            let scores = forest.score(&test).unwrap();
            assert!(scores.iter().all(|score| (0.0..1.0).contains(score)));
            let auroc = auroc(&scores[1000..], &scores[..1000]);
            assert!(auroc > 0.97, "{samples} samples: {auroc}");
            let mean = scores[..1000].iter().sum::<f32>() / 1000.0;
            assert!((0.35..0.55).contains(&mean), "{mean}");
        }
    }

    #[test]
    fn result_does_not_depend_on_threads_or_batches_but_on_the_seed() {
        let train = rows(700, 5);
        let params = IsolationForest::params().trees(9).samples(128);
        let forest = params.clone().threads(1).fit(&train).unwrap();
        for threads in [2, 3, 64] {
            assert_eq!(forest, params.clone().threads(threads).fit(&train).unwrap());
        }
        assert_ne!(forest, params.seed(1).fit(&train).unwrap());
        let whole = forest.score(&train).unwrap();
        for batch in [1, 7, 64] {
            for start in (0..train.len()).step_by(batch) {
                let indices = start..(start + batch).min(train.len());
                assert_eq!(forest.score(&train.select(indices.clone())).unwrap(), whole[indices]);
            }
        }
    }

    #[test]
    fn rows_that_are_all_alike_score_one_half() {
        let train = Rows::flat(schema(2), vec![1.0; 200]).unwrap();
        let forest = IsolationForest::params().fit(&train).unwrap();
        assert!(forest.score(&train).unwrap().iter().all(|&score| score == 0.5));
        let extreme = Rows::flat(schema(1), vec![f32::MIN, f32::MAX, 0.0]).unwrap();
        assert!(IsolationForest::params().fit(&extreme).unwrap().score(&extreme).unwrap()[0] > 0.5);
    }

    #[test]
    fn comes_back_from_bytes_and_corrupt_bytes_are_refused() {
        let train = rows(300, 3);
        let forest = IsolationForest::params().trees(3).samples(64).fit(&train).unwrap();
        let bytes = forest.to_bytes();
        let back = IsolationForest::from_bytes(schema(4).as_ref().clone(), &bytes).unwrap();
        assert_eq!(back, forest);
        assert_eq!(back.score(&train).unwrap(), forest.score(&train).unwrap());
        let read = |bytes: &[u8]| IsolationForest::from_bytes(schema(4).as_ref().clone(), bytes);
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut]).unwrap_err().kind(), ErrorKind::ModelFile, "cut at {cut}");
        }
        for (at, flip) in (0..bytes.len()).flat_map(|at| [(at, 0x01), (at, 0x80), (at, 0xff)]) {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            if let Ok(forest) = read(&damaged) {
                assert!(forest.score(&train).is_ok(), "byte {at}");
            }
        }
        let message = read(&bytes[..20]).unwrap_err().to_string();
        assert_eq!(message, format!("model isolation_forest, byte 12: {} nodes do not fit in 8 bytes", bytes[8]));
        let narrow = IsolationForest::from_bytes(schema(1).as_ref().clone(), &bytes).unwrap_err().to_string();
        assert!(narrow.ends_with("is out of range"), "{narrow}");
    }

    #[test]
    fn refuses_what_it_cannot_serve() {
        let refuse = |params: IsolationForestParams, rows: &Rows| {
            let error = params.fit(rows).unwrap_err();
            (error.kind(), error.to_string())
        };
        let params = IsolationForest::params;
        let train = rows(10, 0);
        assert_eq!(
            refuse(params().trees(0), &train),
            (ErrorKind::Config, "trees is 0, it must be 1 to 1048576".to_owned())
        );
        assert_eq!(
            refuse(params().samples(1), &train),
            (ErrorKind::Config, "samples is 1, it must be 2 to 16777216".to_owned())
        );
        assert_eq!(
            refuse(params(), &train.select([0])),
            (ErrorKind::Data, "1 rows, an isolation forest needs at least 2".to_owned())
        );
        let sequences = Rows::sequences(schema(4), 2, vec![0.0; 16], vec![2, 1]).unwrap();
        let wanted = "model isolation_forest wants rows of 1 step each, these have 2 steps";
        assert_eq!(refuse(params(), &sequences), (ErrorKind::Schema, wanted.to_owned()));
        let forest = params().fit(&train).unwrap();
        assert_eq!(forest.score(&sequences).unwrap_err().to_string(), wanted);
        let other = Rows::flat(schema(3), vec![0.0; 3]).unwrap();
        assert_eq!(forest.score(&other).unwrap_err().kind(), ErrorKind::Schema);
        assert_eq!(forest.score(&train.select([])).unwrap(), [0.0; 0]);
    }
}
