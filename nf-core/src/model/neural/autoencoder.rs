//! The autoencoder: rows that a narrow network cannot rebuild are strange.

#[cfg(feature = "onnx")]
mod onnx;

use super::{
    batch::{self, Batch},
    density::Gaussian,
    device,
    kernel::{dense, gelu, lanes::Level},
    log_score, put_finite, read_params, tiles,
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
use std::{borrow::Cow, ops::ControlFlow};

/// What an [`Autoencoder`] takes for strange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum AutoencoderScore {
    /// The natural logarithm of the mean squared reconstruction error over the columns, each in units of what the column's errors
    /// are in training.
    #[default]
    Error,
    /// The natural logarithm of the Mahalanobis distance of the latent from those of the training rows
    /// (Lee et al., "A simple unified framework for detecting out-of-distribution samples", NeurIPS 2018).
    Density,
}

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
    /// What the latents' divergence from a standard normal counts beside half the squared error, 0 or more. Default 0. Above it the
    /// autoencoder is variational: the encoder gives mean and variance of a latent that training draws from, 1 being the bound
    /// of Kingma and Welling, "Auto-encoding variational Bayes", ICLR 2014; judging takes the mean.
    #[serde(default)]
    pub variational: f32,
    /// What is taken for strange. Default [`AutoencoderScore::Error`].
    #[serde(default)]
    pub score: AutoencoderScore,
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
            device: crate::Device::Cpu,
            learning_rate: 1e-3,
            weight_decay: 0.01,
            clip: 1.0,
            warm_up: 0.05,
            held_out: 0.1,
            patience: 5,
            seed: 0,
            checkpoint: None,
        };
        Self {
            hidden: vec![64],
            latent: 16,
            noise: 0.3,
            variational: 0.0,
            score: AutoencoderScore::default(),
            training,
        }
    }
}

setters!(AutoencoderParams {
    latent: usize,
    noise: f32,
    variational: f32,
    score: AutoencoderScore,
    training: TrainingParams
});

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

    /// Sets where it is trained and judges.
    #[must_use]
    pub fn device(mut self, device: crate::Device) -> Self {
        self.training.device = device;
        self
    }

    /// Checks the ranges, and that the device is there.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) with name, value and allowed range,
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where there is no such device.
    pub fn check(&self) -> Result<()> {
        if self.hidden.len() > 64 {
            return Err(Error::config("number of hidden layers", self.hidden.len(), "at most 64"));
        }
        for (name, &units) in self.hidden.iter().map(|units| ("hidden", units)).chain([("latent", &self.latent)]) {
            if !(1..=1 << 16).contains(&units) {
                return Err(Error::config(name, units, "1 to 65536"));
            }
        }
        for (name, value) in [("noise", self.noise), ("variational", self.variational)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Error::config(name, value, "0 or more and finite"));
            }
        }
        self.training.check()
    }

    /// Trains on rows of one step each, which should be standardised and in time order.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) where a parameter is out of range,
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) where the rows have more than one step,
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) where there are fewer than two rows, and
    /// [`ErrorKind::Training`](crate::ErrorKind::Training) where the loss does not stay finite,
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where the device is not there; and those of
    /// [a checkpoint](crate::model::Checkpoint) that cannot be written, is corrupt or of another training.
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
        let (schema, scales) = (rows.schema().as_ref().clone(), vec![1.0; rows.width()]);
        let elsewhere = elsewhere(&weights, &device::open(self.training.device)?);
        let model = Autoencoder { schema, layers, weights, elsewhere, scales, density: None }.with_scales_of(rows)?;
        train::remove(&self.training)?;
        Ok(model)
    }
}

/// A trained denoising autoencoder: columns - hidden - latent - hidden - columns, with GELU between hidden layers.
///
/// The score of a row is its [`AutoencoderScore`]; by default its reconstruction error, where an error counts by how well the
/// column is usually rebuilt.
#[derive(Debug, Clone)]
pub struct Autoencoder {
    schema: Schema,
    layers: Layers,
    weights: Weights,
    /// The weights on the device where it judges, unless that is the CPU.
    elsewhere: Option<Vec<Tensor<2>>>,
    /// What the errors of each column are divided by.
    scales: Vec<f32>,
    /// Of the latents, where the score needs it.
    density: Option<Gaussian>,
}

/// The weights on a device that has no kernels of our own.
fn elsewhere(weights: &Weights, device: &Device) -> Option<Vec<Tensor<2>>> {
    (!device::fused(device)).then(|| weights.tensors(device))
}

/// Rows that pass at once on the CPU: all between two layers lies in the cache.
const AT_ONCE: usize = 256;

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
        let density = match layers.params.score {
            AutoencoderScore::Error => None,
            AutoencoderScore::Density => Some(Gaussian::read(layers.params.latent, &mut reader)?),
        };
        reader.finish()?;
        Ok(Self { schema, layers, weights, elsewhere: None, scales, density })
    }

    /// The same autoencoder, judging on `device`.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where the device [is not there](crate::Device::check).
    pub fn with_device(&self, device: crate::Device) -> Result<Self> {
        Ok(Self { elsewhere: elsewhere(&self.weights, &device::open(device)?), ..self.clone() })
    }

    pub(super) fn network_weights(&self) -> &Weights {
        &self.weights
    }

    pub(super) fn with_network_weights(&self, weights: Weights) -> Self {
        let elsewhere = self.elsewhere.as_ref().map(|tensors| weights.tensors(&tensors[0].device()));
        Self { weights, elsewhere, ..self.clone() }
    }

    /// The same with the errors on some rows as scales and, where its score needs one, the density of their latents.
    pub(super) fn with_scales_of(&self, rows: &Rows) -> Result<Self> {
        let (rebuilt, latents) = self.pass(rows)?;
        let params = &self.layers.params;
        let density = (params.score == AutoencoderScore::Density).then(|| Gaussian::fit(&latents, params.latent));
        Ok(Self { scales: residual_scales(rows, &rebuilt), density, ..self.clone() })
    }

    /// The reconstruction, in the shape of `rows.data()`.
    fn rebuild(&self, rows: &Rows) -> Result<Vec<f32>> {
        Ok(self.pass(rows)?.0)
    }

    /// The reconstruction, in the shape of `rows.data()`, and the latents, shape (rows, latent).
    fn pass(&self, rows: &Rows) -> Result<(Vec<f32>, Vec<f32>)> {
        self.schema.check(rows.schema())?;
        one_step(Self::KIND, rows)?;
        if let Some(tensors) = &self.elsewhere {
            return Ok(self.layers.judge_by_tensors(tensors, rows));
        }
        let mut rebuilt = vec![0.0; rows.data().len()];
        let mut latents = Vec::with_capacity(rows.len() * self.layers.params.latent);
        let chunk = AT_ONCE * rows.width();
        for (x, rebuilt) in rows.data().chunks(chunk).zip(rebuilt.chunks_mut(chunk)) {
            put_finite(rebuilt, &self.layers.judge(&self.weights, x, &mut latents));
        }
        Ok((rebuilt, latents))
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
        let (rebuilt, latents) = self.pass(rows)?;
        if let Some(density) = &self.density {
            let latents = latents.chunks_exact(self.layers.params.latent);
            return Ok(latents.map(|point| log_score(density.distance(point))).collect());
        }
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

    fn on_device(&self, device: crate::Device) -> Result<Option<Box<dyn Model>>> {
        Ok(Some(Box::new(self.with_device(device)?)))
    }

    #[cfg(feature = "onnx")]
    fn to_onnx(&self) -> Result<Vec<u8>> {
        Ok(self.graph())
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        write_params(&mut writer, &self.layers.params);
        self.weights.write(&mut writer);
        writer.f32s(&self.scales);
        if let Some(density) = &self.density {
            density.write(&mut writer);
        }
        writer.finish()
    }
}

/// The network.
#[derive(Debug, Clone)]
struct Layers {
    params: AutoencoderParams,
    width: usize,
}

/// What comes of some rows.
struct Pass {
    /// Shape (rows, columns).
    output: Tensor<2>,
    /// The latents, or their means, shape (rows, latent).
    mean: Tensor<2>,
    /// Logarithms of the latents' variances, of a variational autoencoder.
    log_variance: Option<Tensor<2>>,
}

impl Layers {
    /// Inputs and outputs of each layer, from the columns to the columns.
    fn sizes(&self) -> Vec<[usize; 2]> {
        let AutoencoderParams { hidden, latent, .. } = &self.params;
        let encoder = [&[self.width], &hidden[..]].concat();
        let out = if self.params.variational > 0.0 { 2 * latent } else { *latent };
        let encode = encoder.iter().zip(encoder[1..].iter().chain([&out])).map(|(a, b)| [*a, *b]);
        let decoder: Vec<usize> = [*latent].into_iter().chain(encoder.iter().rev().copied()).collect();
        encode.chain(decoder.windows(2).map(|pair| [pair[0], pair[1]])).collect()
    }

    /// What [`forward`](Self::forward) makes of rows without noise, which does not depend on the rows beside them; their latents are added
    /// to `latents`.
    fn judge(&self, weights: &Weights, x: &[f32], latents: &mut Vec<f32>) -> Vec<f32> {
        let level = Level::best();
        let AutoencoderParams { hidden, latent, .. } = &self.params;
        let matrices: Vec<&[f32]> = weights.matrices().map(|(_, values)| values).collect();
        let mut x = Cow::from(x);
        for (layer, weights) in matrices.chunks_exact(2).enumerate() {
            let mut values = dense::forward(level, &x, weights[0], weights[1]);
            if layer == hidden.len() {
                let outputs = weights[1].len();
                values = values.chunks_exact(outputs).flat_map(|row| &row[..*latent]).copied().collect();
                latents.extend_from_slice(&values);
            } else if layer < 2 * hidden.len() + 1 {
                values = gelu::forward(level, &values);
            }
            x = values.into();
        }
        x.into_owned()
    }

    /// The reconstructions and the latents of rows by [`forward`](Self::forward), in tiles.
    fn judge_by_tensors(&self, tensors: &[Tensor<2>], rows: &Rows) -> (Vec<f32>, Vec<f32>) {
        let device = tensors[0].device();
        let mut rebuilt = vec![0.0; rows.data().len()];
        let mut latents = vec![0.0; rows.len() * self.params.latent];
        let put = |all: &mut [f32], values: Tensor<2>, indices: &[usize]| {
            let width = values.dims()[1];
            for (values, row) in train::values(values).chunks_exact(width).zip(indices) {
                all[row * width..][..width].copy_from_slice(values);
            }
        };
        tiles(
            rows,
            |_| 1,
            |indices, batch| {
                let Pass { output, mean, .. } = self.forward(tensors, batch.tensor(&device), None, &device);
                put(&mut rebuilt, output, indices);
                put(&mut latents, mean, indices);
            },
        );
        rebuilt.iter_mut().filter(|value| !value.is_finite()).for_each(|value| *value = 0.0);
        (rebuilt, latents)
    }

    /// Passes rows of shape (rows, columns); with `noise` the latents are drawn.
    fn forward(&self, weights: &[Tensor<2>], x: Tensor<2>, noise: Option<&Random>, device: &Device) -> Pass {
        let mut cursor = Cursor::new(weights);
        let mut mean = self.half(&mut cursor, x);
        let mut log_variance = None;
        if self.params.variational > 0.0 {
            let both = mean;
            mean = both.clone().narrow(1, 0, self.params.latent);
            log_variance = Some(both.narrow(1, self.params.latent, self.params.latent));
        }
        let mut latent = mean.clone();
        if let (Some(log_variance), Some(random)) = (&log_variance, noise) {
            let drawn = batch::normal(latent.dims(), 1.0, random.stream(1), device);
            latent = latent + (log_variance.clone() * 0.5).exp() * drawn;
        }
        Pass { output: self.half(&mut cursor, latent), mean, log_variance }
    }

    /// The encoder, or the decoder: the hidden layers, each with a GELU behind it, and a last one without.
    fn half(&self, cursor: &mut Cursor, mut x: Tensor<2>) -> Tensor<2> {
        let Some(before) = self.params.hidden.len().checked_sub(1) else { return cursor.fast_linear(x) };
        for _ in 0..before {
            x = activation::gelu(cursor.fast_linear(x));
        }
        cursor.mlp(x)
    }
}

impl Network for Layers {
    const KIND: &'static str = Autoencoder::KIND;

    fn parameters(&self) -> serde_json::Value {
        serde_json::to_value(&self.params).unwrap_or_default()
    }

    fn slots(&self) -> Slots {
        let mut slots = Slots::default();
        for [inputs, outputs] in self.sizes() {
            slots.linear(inputs, outputs);
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
        let Pass { output, mean, log_variance } = self.forward(weights, input, noise, device);
        let error = (output - x).square().sum();
        match log_variance {
            // Twice the divergence, as the error is twice what it is in the bound.
            Some(log) => error + (mean.square() + log.clone().exp() - log - 1.0).sum() * self.params.variational,
            None => error,
        }
    }
}

#[cfg(test)]
mod tests;
