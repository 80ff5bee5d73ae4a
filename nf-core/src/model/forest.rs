//! The isolation forest: strange rows are separated from the others by few random cuts.

use super::{
    Model, Progress, Watch,
    bytes::{Reader, Writer},
    one_step,
    random::Random,
    tree::{
        ABREAST, Grower, MOST_COLUMNS, MOST_SAMPLES, Tree, add_path_lengths, average_path_length, average_path_lengths,
    },
};
use crate::{
    Error, ErrorKind, Result,
    features::{Rows, Schema},
    parallel::in_chunks,
    setters::setters,
};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// What an [`IsolationForest`] is fitted with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IsolationForestParams {
    /// How many trees, at least 1. Default 200: the order of scores is stable from about 100 (Liu et al., 2012).
    pub trees: usize,
    /// How many rows a tree is grown from, drawn without replacement, 2 to 65536; all rows where there are fewer.
    /// Default 2048: on network sessions that found a fifth to a third more of the attacks at a budget of 1 % than the
    /// 256 of the paper did, since rare benign services need more rows to be seen at all.
    pub samples: usize,
    /// How many columns more than one a cut looks at, at most the number of columns less one. Default 0: a cut is a value of one
    /// column, as in the paper. With more it is one of a sum of columns in a random direction, each in units of its range
    /// (Hariri, Carrasco Kind and Brunner, "Extended isolation forest", IEEE TKDE 33(4), 2021): an oblique forest has no
    /// ghosts of low scores beside a cloud, in its columns' directions, but takes that many times as long to judge.
    pub extension: usize,
    /// Where the random numbers start. Default 0.
    pub seed: u64,
    /// How many threads fit; 0, the default, for one a core. The fitted forest is the same with any number, so this is
    /// not stored.
    #[serde(skip)]
    pub threads: usize,
}

impl Default for IsolationForestParams {
    fn default() -> Self {
        Self { trees: 200, samples: 2048, extension: 0, seed: 0, threads: 0 }
    }
}

setters!(IsolationForestParams { trees: usize, samples: usize, extension: usize, seed: u64, threads: usize });

impl IsolationForestParams {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with name, value and allowed range.
    pub fn check(&self) -> Result<()> {
        if !(1..=1 << 20).contains(&self.trees) {
            return Err(Error::config("trees", self.trees, "1 to 1048576"));
        }
        if !(2..=MOST_SAMPLES).contains(&self.samples) {
            return Err(Error::config("samples", self.samples, &format!("2 to {MOST_SAMPLES}")));
        }
        Ok(())
    }

    /// Grows the forest from rows of one step each.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] where a parameter is out of range, [`ErrorKind::Schema`] where the rows have more than one
    /// step or more than 4096 columns, [`ErrorKind::Data`] where there are fewer than two rows.
    pub fn fit(&self, rows: &Rows) -> Result<IsolationForest> {
        self.fit_with(rows, &mut |_| ControlFlow::Continue(()))
    }

    /// As [`fit`](Self::fit); `watch` is called after every few trees, and may stop the fit.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), and [`ErrorKind::Canceled`] where `watch` says stop.
    pub fn fit_with(&self, rows: &Rows, watch: &mut Watch<'_>) -> Result<IsolationForest> {
        self.check()?;
        one_step(IsolationForest::KIND, rows)?;
        if rows.len() < 2 {
            let message = format!("{} rows, an isolation forest needs at least 2", rows.len());
            return Err(Error::new(ErrorKind::Data, message));
        }
        if let Some(refused) = too_wide(rows.width()) {
            return Err(Error::new(ErrorKind::Schema, refused));
        }
        if self.extension >= rows.width() {
            let allowed = format!("below {}, the number of columns", rows.width());
            return Err(Error::config("extension", self.extension, &allowed));
        }
        let terms = if self.extension == 0 { 0 } else { self.extension + 1 };
        let samples = self.samples.min(rows.len());
        let random = Random::new(self.seed);
        let average = average_path_lengths(samples);
        let grow = |&tree: &usize| Grower::new(rows, samples, terms, &average, random.stream(tree as u64)).grow();
        let numbers: Vec<usize> = (0..self.trees).collect();
        let mut trees = Vec::with_capacity(self.trees);
        for few in numbers.chunks(TREES_A_REPORT) {
            let done = trees.len() as f32 / self.trees as f32;
            tell(watch, IsolationForest::KIND, done)?;
            trees.extend(in_chunks(few, self.threads, |chunk| Ok(chunk.iter().map(grow).collect()))?);
        }
        tell(watch, IsolationForest::KIND, 1.0)?;
        Ok(IsolationForest { schema: rows.schema().as_ref().clone(), samples, terms, average: average[samples], trees })
    }
}

fn too_wide(width: usize) -> Option<String> {
    (width > MOST_COLUMNS).then(|| format!("{width} columns, an isolation forest takes at most {MOST_COLUMNS}"))
}

/// Trees grown between two calls of the closure that watches.
const TREES_A_REPORT: usize = 32;

/// Tells how far a fit without epochs has come.
fn tell(watch: &mut Watch<'_>, kind: &str, done: f32) -> Result<()> {
    let progress = Progress::new(kind, done);
    match watch(&progress) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => {
            Err(Error::new(ErrorKind::Canceled, format!("fitting {kind} was stopped at {:.0} %", 100.0 * done)))
        }
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
    /// Columns in the sum that a cut looks at, 0 where it is one column.
    pub(super) terms: usize,
    /// `c(samples)`.
    pub(super) average: f64,
    pub(super) trees: Vec<Tree>,
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
        if !(2..=MOST_SAMPLES).contains(&samples) {
            return Err(reader.error(format_args!("{samples} samples a tree, 2 to {MOST_SAMPLES} expected")));
        }
        if let Some(refused) = too_wide(schema.width()) {
            return Err(reader.error(refused));
        }
        let terms = reader.u32()? as usize;
        if terms > schema.width() {
            return Err(reader.error(format_args!("cuts of {terms} columns, at most {} expected", schema.width())));
        }
        let count = reader.u32()? as usize;
        if count == 0 || count > reader.left() / 4 {
            return Err(reader.error(format_args!("{count} trees do not fit in {} bytes", reader.left())));
        }
        let trees = (0..count).map(|_| Tree::read(&mut reader, schema.width(), terms)).collect::<Result<_>>()?;
        reader.finish()?;
        Ok(Self { schema, samples, terms, average: average_path_length(samples), trees })
    }
}

/// Numbers of the rows that walk through one tree before the next tree is loaded: 64 KiB, which stay in the near caches beside a tree,
/// while loading that is a small part.
const BLOCK: usize = 1 << 14;

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
        let rows_of_a_block = (BLOCK / rows.width()).next_multiple_of(ABREAST);
        for block in rows.data().chunks(rows_of_a_block * rows.width()) {
            let mut sums = vec![0.0; block.len() / rows.width()];
            add_path_lengths(&self.trees, block, rows.width(), &mut sums);
            scores.extend(sums.iter().map(|sum| (sum * scale).exp2() as f32));
        }
        Ok(scores)
    }

    #[cfg(feature = "onnx")]
    fn to_onnx(&self) -> Result<Vec<u8>> {
        self.graph()
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u32(self.samples as u32);
        writer.u32(self.terms as u32);
        writer.u32(self.trees.len() as u32);
        for tree in &self.trees {
            tree.write(&mut writer);
        }
        writer.finish()
    }
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
    fn finds_strange_rows_with_either_sample_size() {
        let train = rows(4000, 0);
        let test = rows(1000, 100);
        for (samples, extension) in [(256, 0), (2048, 0), (256, 1), (256, 3)] {
            let params = IsolationForest::params().samples(samples).extension(extension);
            let forest = params.seed(3).fit(&train).unwrap();
            let scores = forest.score(&test).unwrap();
            assert!(scores.iter().all(|score| (0.0..1.0).contains(score)));
            let auroc = auroc(&scores[1000..], &scores[..1000]);
            assert!(auroc > 0.97, "{samples} samples, extension {extension}: {auroc}");
            let mean = scores[..1000].iter().sum::<f32>() / 1000.0;
            assert!((0.35..0.55).contains(&mean), "{mean}");
        }
    }

    #[test]
    fn result_does_not_depend_on_threads_or_batches_but_on_the_seed() {
        let train = rows(700, 5);
        for extension in [0, 2] {
            threads_and_batches(&train, &IsolationForest::params().trees(35).samples(128).extension(extension));
        }
    }

    fn threads_and_batches(train: &Rows, params: &IsolationForestParams) {
        let forest = params.clone().threads(1).fit(train).unwrap();
        for threads in [2, 3, 64] {
            assert_eq!(forest, params.clone().threads(threads).fit(train).unwrap());
        }
        assert_ne!(forest, params.clone().seed(1).fit(train).unwrap());
        let whole = forest.score(train).unwrap();
        for batch in [1, 7, 8, 25, 64] {
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
        let extreme =
            Rows::flat(schema(2), vec![f32::MIN, f32::MIN, f32::MAX, f32::MAX, 0.0, f32::MIN, 1.0, 1e-40]).unwrap();
        let scores = IsolationForest::params().extension(1).fit(&extreme).unwrap().score(&extreme).unwrap();
        assert!(scores.iter().all(|score| (0.3..0.9).contains(score)), "{scores:?}");
    }

    #[test]
    fn an_oblique_forest_has_no_ghosts() {
        // Two clouds on a diagonal: the other two corners are as empty as what lies further out.
        let mut random = Random::new(1);
        let mut cloud = |i: usize| [random.normal() + 10.0 * (i % 2) as f32, random.normal() + 10.0 * (i % 2) as f32];
        let train = Rows::flat(schema(2), (0..2000).flat_map(&mut cloud).collect()).unwrap();
        let places = Rows::flat(schema(2), vec![0.0, 0.0, 10.0, 0.0, 0.0, 10.0]).unwrap();
        let margin = |extension: usize| {
            let params = IsolationForest::params().samples(256).extension(extension);
            let scores = params.fit(&train).unwrap().score(&places).unwrap();
            (scores[1] + scores[2]) / 2.0 - scores[0]
        };
        assert!(margin(1) > margin(0) + 0.05, "{} {}", margin(1), margin(0));
    }

    #[test]
    fn comes_back_from_bytes_and_corrupt_bytes_are_refused() {
        [0, 2].into_iter().for_each(bytes_and_back);
    }

    fn bytes_and_back(extension: usize) {
        let train = rows(300, 3);
        let params = IsolationForest::params().trees(3).samples(64).extension(extension);
        let forest = params.fit(&train).unwrap();
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
        let message = read(&bytes[..24]).unwrap_err().to_string();
        assert_eq!(message, format!("model isolation_forest, byte 16: {} nodes do not fit in 8 bytes", bytes[12]));
        let narrow = IsolationForest::from_bytes(schema(1).as_ref().clone(), &bytes).unwrap_err().to_string();
        let expected = if extension == 0 { "is out of range" } else { "cuts of 3 columns, at most 1 expected" };
        assert!(narrow.ends_with(expected), "{narrow}");
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
            (ErrorKind::Config, "samples is 1, it must be 2 to 65536".to_owned())
        );
        assert_eq!(
            refuse(params().extension(4), &train),
            (ErrorKind::Config, "extension is 4, it must be below 4, the number of columns".to_owned())
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
        let wide = Rows::flat(schema(4097), vec![0.0; 2 * 4097]).unwrap();
        let wanted = "4097 columns, an isolation forest takes at most 4096";
        assert_eq!(refuse(params(), &wide), (ErrorKind::Schema, wanted.to_owned()));
        let read = IsolationForest::from_bytes(schema(4097).as_ref().clone(), &forest.to_bytes()).unwrap_err();
        assert!(read.to_string().ends_with(wanted), "{read}");
        let widest = Rows::flat(schema(4096), (0..8192).map(|i| i as f32).collect()).unwrap();
        assert_eq!(params().fit(&widest).unwrap().score(&widest).unwrap(), [0.5; 2]);
    }
}
