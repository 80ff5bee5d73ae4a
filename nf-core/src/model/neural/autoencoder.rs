//! The autoencoder: rows that a narrow network cannot rebuild are strange.

use super::{
    batch::{self, Batch},
    device, log_score, put_finite, read_params, tiles,
    train::{self, Network, TrainingParams},
    weights::{Cursor, Slots, Weights},
    write_params,
};
use crate::{
    Error, Result,
    features::{Rows, Schema},
    model::{
        Model, Watch,
        bytes::{Reader, Writer},
        one_step,
        random::Random,
    },
    setters::setters,
};
use burn::tensor::{Device, Tensor, activation};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// What an [`Autoencoder`] is trained with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AutoencoderParams {
    /// Units of the layers between the columns and the latent, from the outside in; the decoder mirrors them. Default 64.
    pub hidden: Vec<usize>,
    /// Units of the latent, at least 1. Default 16: on about 100 session columns a code that keeps what benign sessions
    /// have in common (8 detect less, 32 let more benign sessions alert: docs/detection.md).
    pub latent: usize,
    /// Standard deviation of the normal noise on the inputs in training, in units of the columns; 0 or more. Default 0.3,
    /// for standardised columns: the network then learns where rows lie and not to copy them (Vincent et al., "Stacked
    /// denoising autoencoders", JMLR 11, 2010).
    pub noise: f32,
    /// How it is trained. Default: 60 epochs in batches of 64 rows, learning rate 0.001, weight decay 0.01, gradient
    /// norm at most 1, warm-up over 5 % of the updates, 10 % of the rows held out, patience 5 epochs, seed 0.
    pub training: TrainingParams,
}

impl Default for AutoencoderParams {
    fn default() -> Self {
        let training = TrainingParams {
            epochs: 60,
            batch: 64,
            micro_batch: 4096,
            threads: 0,
            learning_rate: 1e-3,
            weight_decay: 0.01,
            clip: 1.0,
            warm_up: 0.05,
            held_out: 0.1,
            patience: 5,
            seed: 0,
        };
        Self { hidden: vec![64], latent: 16, noise: 0.3, training }
    }
}

setters!(AutoencoderParams { latent: usize, noise: f32, training: TrainingParams });

impl AutoencoderParams {
    /// Sets [`hidden`](Self::hidden).
    #[must_use]
    pub fn hidden(mut self, hidden: impl Into<Vec<usize>>) -> Self {
        self.hidden = hidden.into();
        self
    }

    /// Sets how often each row is seen in training.
    #[must_use]
    pub fn epochs(mut self, epochs: u32) -> Self {
        self.training.epochs = epochs;
        self
    }

    /// Sets where the random numbers start.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.training.seed = seed;
        self
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) with name, value and allowed range.
    pub fn check(&self) -> Result<()> {
        if self.hidden.len() > 64 {
            return Err(Error::config("number of hidden layers", self.hidden.len(), "at most 64"));
        }
        for (name, &units) in self.hidden.iter().map(|units| ("hidden", units)).chain([("latent", &self.latent)]) {
            if !(1..=1 << 16).contains(&units) {
                return Err(Error::config(name, units, "1 to 65536"));
            }
        }
        if !(self.noise >= 0.0 && self.noise.is_finite()) {
            return Err(Error::config("noise", self.noise, "0 or more and finite"));
        }
        self.training.check()
    }

    /// Trains on rows of one step each, which should be standardised and in time order.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) where a parameter is out of range,
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) where the rows have more than one step,
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) where there are fewer than two rows, and
    /// [`ErrorKind::Training`](crate::ErrorKind::Training) where the loss does not stay finite.
    pub fn fit(&self, rows: &Rows) -> Result<Autoencoder> {
        self.fit_with(rows, &mut |_| ControlFlow::Continue(()))
    }

    /// As [`fit`](Self::fit); `watch` is called after each update and each epoch, and may stop the training.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), and [`ErrorKind::Canceled`](crate::ErrorKind::Canceled) where `watch` says stop.
    pub fn fit_with(&self, rows: &Rows, watch: &mut Watch<'_>) -> Result<Autoencoder> {
        self.check()?;
        one_step(Autoencoder::KIND, rows)?;
        let layers = Layers { params: self.clone(), width: rows.width() };
        let weights = train::train(&layers, &self.training, rows, watch)?;
        let scales = vec![1.0; rows.width()];
        Autoencoder::new(rows.schema().as_ref().clone(), layers, weights, scales).with_scales_of(rows)
    }
}

/// A trained denoising autoencoder: columns - hidden - latent - hidden - columns, with GELU between hidden layers.
///
/// The score of a row is the natural logarithm of its mean squared reconstruction error over the columns, each error in units
/// of what the column's errors are in training: an error counts by how well the column is usually rebuilt.
#[derive(Debug, Clone)]
pub struct Autoencoder {
    schema: Schema,
    layers: Layers,
    weights: Weights,
    /// What the errors of each column are divided by.
    scales: Vec<f32>,
    tensors: Vec<Tensor<2>>,
}

/// Least scale of a column's errors, in its standard deviations, so that a column that never changed in training does not
/// outweigh all others when it changes.
const LEAST_SCALE: f64 = 0.05;

/// The root of the mean squared error of each column over some rows, and at least [`LEAST_SCALE`].
fn residual_scales(rows: &Rows, rebuilt: &[f32]) -> Vec<f32> {
    let mut sums = vec![0.0; rows.width()];
    let pairs = rows.data().chunks_exact(rows.width()).zip(rebuilt.chunks_exact(rows.width()));
    for (row, rebuilt) in pairs {
        for ((sum, x), y) in sums.iter_mut().zip(row).zip(rebuilt) {
            *sum += (f64::from(*x) - f64::from(*y)).powi(2);
        }
    }
    let n = rows.len().max(1) as f64;
    sums.into_iter().map(|sum| (sum / n).sqrt().clamp(LEAST_SCALE, f64::from(f32::MAX)) as f32).collect()
}

impl Autoencoder {
    pub(crate) const KIND: &'static str = "autoencoder";

    /// The default parameters.
    pub fn params() -> AutoencoderParams {
        AutoencoderParams::default()
    }

    /// The autoencoder that [`to_bytes`](Model::to_bytes) wrote.
    ///
    /// # Errors
    /// [`ErrorKind::ModelFile`](crate::ErrorKind::ModelFile) where the bytes are no autoencoder over the columns of `schema`.
    pub fn from_bytes(schema: Schema, bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(Self::KIND, bytes);
        let params = read_params(&mut reader, AutoencoderParams::check)?;
        let layers = Layers { params, width: schema.width() };
        let weights = Weights::read(layers.slots(), &mut reader)?;
        let scales = reader.f32s(schema.width())?;
        if scales.iter().any(|&scale| scale <= 0.0) {
            return Err(reader.error("a scale of errors is not above 0"));
        }
        reader.finish()?;
        Ok(Self::new(schema, layers, weights, scales))
    }

    fn new(schema: Schema, layers: Layers, weights: Weights, scales: Vec<f32>) -> Self {
        let tensors = weights.tensors(&device::judging());
        Self { schema, layers, weights, scales, tensors }
    }

    pub(super) fn network_weights(&self) -> &Weights {
        &self.weights
    }

    pub(super) fn with_network_weights(&self, weights: Weights) -> Self {
        Self::new(self.schema.clone(), self.layers.clone(), weights, self.scales.clone())
    }

    /// The same with the errors on some rows as scales.
    pub(super) fn with_scales_of(&self, rows: &Rows) -> Result<Self> {
        Ok(Self { scales: residual_scales(rows, &self.rebuild(rows)?), ..self.clone() })
    }

    /// The reconstruction, in the shape of `rows.data()`.
    fn rebuild(&self, rows: &Rows) -> Result<Vec<f32>> {
        self.schema.check(rows.schema())?;
        one_step(Self::KIND, rows)?;
        let width = rows.width();
        let mut rebuilt = vec![0.0; rows.data().len()];
        tiles(
            rows,
            |_| 1,
            |indices, batch| {
                let output = train::values(self.layers.forward(&self.tensors, batch.tensor(&device::judging())));
                for (&row, values) in indices.iter().zip(output.chunks_exact(width)) {
                    put_finite(&mut rebuilt[row * width..][..width], values);
                }
            },
        );
        Ok(rebuilt)
    }
}

impl Model for Autoencoder {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn score(&self, rows: &Rows) -> Result<Vec<f32>> {
        let width = rows.width();
        let rebuilt = self.rebuild(rows)?;
        let square =
            |((x, y), scale): ((&f32, &f32), &f32)| ((f64::from(*x) - f64::from(*y)) / f64::from(*scale)).powi(2);
        let pairs = rows.data().chunks_exact(width).zip(rebuilt.chunks_exact(width));
        let error =
            |(row, rebuilt): (&[f32], &[f32])| row.iter().zip(rebuilt).zip(&self.scales).map(square).sum::<f64>();
        Ok(pairs.map(|pair| log_score(error(pair) / width as f64)).collect())
    }

    fn expected(&self, rows: &Rows) -> Result<Option<Vec<f32>>> {
        self.rebuild(rows).map(Some)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        write_params(&mut writer, &self.layers.params);
        self.weights.write(&mut writer);
        writer.f32s(&self.scales);
        writer.finish()
    }
}

/// The network.
#[derive(Debug, Clone)]
struct Layers {
    params: AutoencoderParams,
    width: usize,
}

impl Layers {
    /// Units of each layer, from the columns to the columns.
    fn sizes(&self) -> Vec<usize> {
        let encoder = || [&[self.width], &self.params.hidden[..]].concat();
        encoder().into_iter().chain([self.params.latent]).chain(encoder().into_iter().rev()).collect()
    }

    /// (rows, columns) to (rows, columns).
    fn forward(&self, weights: &[Tensor<2>], mut x: Tensor<2>) -> Tensor<2> {
        let mut cursor = Cursor::new(weights);
        let layers = 2 * self.params.hidden.len() + 2;
        let latent = self.params.hidden.len();
        for layer in 0..layers {
            x = cursor.linear(x);
            // The latent and the output are linear.
            if layer != latent && layer + 1 != layers {
                x = activation::gelu(x);
            }
        }
        x
    }
}

impl Network for Layers {
    const KIND: &'static str = Autoencoder::KIND;

    fn slots(&self) -> Slots {
        let mut slots = Slots::default();
        for pair in self.sizes().windows(2) {
            slots.linear(pair[0], pair[1]);
        }
        slots
    }

    fn padded(&self, _: u32) -> usize {
        1
    }

    fn squared_error(
        &self,
        weights: &[Tensor<2>],
        batch: &Batch,
        noise: Option<&Random>,
        device: &Device,
    ) -> Tensor<1> {
        let x = batch.tensor(device);
        let input = match noise {
            Some(random) => x.clone() + batch::normal(x.dims(), self.params.noise, random.clone(), device),
            None => x.clone(),
        };
        (self.forward(weights, input) - x).square().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ErrorKind,
        model::{neural::testing::*, testing::auroc},
    };

    /// Rows of 12 columns that follow from 3 hidden numbers; strange ones follow from nothing, with the same spread.
    fn rows(count: usize, seed: u64, strange: bool) -> Rows {
        let mut random = Random::new(seed);
        let mut data = Vec::new();
        for _ in 0..count {
            let hidden = [random.normal(), random.normal(), random.normal()];
            let mut value = |i: usize| match strange {
                true => random.normal(),
                false => hidden[i % 3] * if i < 6 { 1.0 } else { -1.0 } + 0.1 * random.normal(),
            };
            data.extend((0..12).map(&mut value));
        }
        Rows::flat(schema(12), data).unwrap()
    }

    fn params() -> AutoencoderParams {
        Autoencoder::params().latent(3).epochs(10)
    }

    #[test]
    fn learns_what_columns_have_in_common() {
        let model = params().epochs(30).fit(&rows(2000, 1, false)).unwrap();
        let (usual, strange) = (rows(500, 2, false), rows(500, 3, true));
        let scores = model.score(&usual).unwrap();
        let auroc = auroc(&model.score(&strange).unwrap(), &scores);
        assert!(auroc > 0.95, "{auroc}");
        let expected = model.expected(&usual).unwrap().unwrap();
        let errors =
            expected[..12].iter().zip(usual.row(0)).zip(&model.scales).map(|((a, b), s)| ((a - b) / s).powi(2));
        let error = errors.sum::<f32>() / 12.0;
        assert!((error.ln() - scores[0]).abs() < 1e-3);
        extreme_rows_have_a_score(&model, &usual);
    }

    #[test]
    fn errors_count_by_how_well_their_column_is_rebuilt() {
        // Four columns that say the same, four that are noise of their own, one that never changes.
        let columns = |random: &mut Random| -> Vec<f32> {
            let common = random.normal();
            let same = (0..4).map(|_| common);
            same.chain([0; 4].map(|_| random.normal())).chain([0.0]).collect()
        };
        let mut random = Random::new(5);
        let data = (0..2000).flat_map(|_| columns(&mut random)).collect();
        let rows = Rows::flat(schema(9), data).unwrap();
        let model = Autoencoder::params().latent(1).hidden([8]).epochs(20).fit(&rows).unwrap();
        assert!(model.scales[0] < 0.5 && model.scales[5] > 0.8, "{:?}", model.scales);
        assert_eq!(model.scales[8], LEAST_SCALE as f32);
        let mut moved = rows.select([0, 0]).data().to_vec();
        moved[0] += 2.0;
        moved[9 + 5] += 2.0;
        let scores = model.score(&Rows::flat(schema(9), moved).unwrap()).unwrap();
        assert!(scores[0] > scores[1] + 0.5, "{scores:?}");
    }

    #[test]
    fn every_weight_has_a_gradient() {
        let layers = Layers { params: params().hidden([10, 6]), width: 12 };
        let weights = Weights::random(layers.slots(), &Random::new(1));
        let train = rows(64, 1, false);
        let batch = Batch::gather(&train, &(0..64).collect::<Vec<_>>(), 1, 64);
        train::testing::check_gradient(&layers, &weights, &batch);
    }

    #[test]
    fn bits_depend_neither_on_the_batch_nor_on_the_run_but_on_the_seed() {
        let train = rows(300, 1, false);
        let model = params().epochs(2).fit(&train).unwrap();
        assert_eq!(model.to_bytes(), params().epochs(2).fit(&train).unwrap().to_bytes());
        assert_ne!(model.weights, params().epochs(2).seed(1).fit(&train).unwrap().weights);
        bits_do_not_depend_on_the_batch(&model, &rows(1100, 2, false));
    }

    #[test]
    fn networks_trained_at_the_same_time_do_not_meddle() {
        let train = rows(300, 1, false);
        let fit = &|seed| params().epochs(3).seed(seed).fit(&train).unwrap().to_bytes();
        let alone = [fit(0), fit(1)];
        let together = std::thread::scope(|scope| {
            let threads = [0, 1].map(|seed| scope.spawn(move || fit(seed)));
            threads.map(|thread| thread.join().unwrap())
        });
        assert!(alone == together);
    }

    #[test]
    fn comes_back_from_bytes_and_corrupt_bytes_are_refused() {
        let train = rows(100, 1, false);
        let model = params().epochs(1).fit(&train).unwrap();
        let bytes = model.to_bytes();
        let read = |bytes: &[u8], width| Autoencoder::from_bytes(schema(width).as_ref().clone(), bytes);
        assert_eq!(read(&bytes, 12).unwrap().score(&train).unwrap(), model.score(&train).unwrap());
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut], 12).unwrap_err().kind(), ErrorKind::ModelFile, "cut at {cut}");
        }
        let text = read(&bytes, 11).unwrap_err().to_string();
        assert!(text.contains("numbers stored where the model needs"), "{text}");
        let at = bytes.windows(10).position(|window| window == b"\"latent\":3").unwrap();
        let mut damaged = bytes.clone();
        damaged[at + 9] = b'0';
        let text = read(&damaged, 12).unwrap_err().to_string();
        assert!(text.ends_with("parameters: latent is 0, it must be 1 to 65536"), "{text}");
    }

    #[test]
    fn refuses_what_it_cannot_serve() {
        let train = rows(20, 1, false);
        let refuse = |params: AutoencoderParams| params.fit(&train).unwrap_err().to_string();
        assert_eq!(refuse(params().latent(0)), "latent is 0, it must be 1 to 65536");
        assert_eq!(refuse(params().hidden([24, 0])), "hidden is 0, it must be 1 to 65536");
        assert_eq!(refuse(params().noise(f32::NAN)), "noise is NaN, it must be 0 or more and finite");
        assert_eq!(refuse(params().epochs(0)), "epochs is 0, it must be at least 1");
        let few = params().fit(&train.select([3])).unwrap_err();
        assert_eq!((few.kind(), few.to_string()), (ErrorKind::Data, "1 rows, training needs at least 2".to_owned()));
        let model = params().epochs(1).fit(&train).unwrap();
        let sequences = Rows::sequences(schema(12), 2, vec![0.0; 24], vec![1]).unwrap();
        assert_eq!(model.score(&sequences).unwrap_err().kind(), ErrorKind::Schema);
        assert_eq!(params().fit(&sequences).unwrap_err().kind(), ErrorKind::Schema);
        let other = Rows::flat(schema(3), vec![0.0; 3]).unwrap();
        assert_eq!(model.expected(&other).unwrap_err().kind(), ErrorKind::Schema);
        assert!(model.score(&train.select([])).unwrap().is_empty());
    }
}
