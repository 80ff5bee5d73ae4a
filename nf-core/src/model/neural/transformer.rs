//! The transformer: packets of a session, seen together.

use super::{
    attention::{self, Attention},
    batch::{self, Batch},
    density::Gaussian,
    device, log_score, put_finite, read_params, tiles,
    train::{self, Network, TrainingParams},
    weights::{Cursor, Slots, Weights},
    write_params,
};
use crate::{
    Error, ErrorKind, Result,
    features::{Rows, Schema},
    model::{
        Model, Watch,
        bytes::{Reader, Writer},
        random::Random,
    },
};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// What a [`Transformer`] takes for strange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum TransformerScore {
    /// The natural logarithm of the mean squared reconstruction error over the real packets.
    Error,
    /// The natural logarithm of the Mahalanobis distance of the latent, averaged over the real packets, from those of the
    /// training rows (Lee et al., "A simple unified framework for detecting out-of-distribution samples", NeurIPS 2018).
    /// The default: reconstruction errors are largest on long benign transfers, while attacks are often short.
    #[default]
    Density,
}

/// What a [`Transformer`] is trained with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TransformerParams {
    /// Width of the latent of a packet, a multiple of `heads` and even. Default 64.
    pub d_model: usize,
    /// Encoder layers, at least 1. Default 2.
    pub layers: usize,
    /// Attention heads. Default 4.
    pub heads: usize,
    /// Units of the hidden layer behind each attention. Default 128.
    pub d_ff: usize,
    /// Share of units left out in training, 0 to below 1. Default 0.1.
    pub dropout: f32,
    /// How packets see each other. Default [`Attention::Full`].
    pub attention: Attention,
    /// Most packets of a session, 1 to 65536; longer ones are refused. Default 2048.
    pub max_steps: usize,
    /// What is taken for strange. Default [`TransformerScore::Density`].
    pub score: TransformerScore,
    /// How it is trained. Default: 10 epochs in batches of 1024 packets, learning rate 0.001, weight decay 0.01, gradient
    /// norm at most 1, warm-up over 5 % of the updates, 10 % of the rows held out, patience 3 epochs, seed 0.
    pub training: TrainingParams,
}

impl Default for TransformerParams {
    fn default() -> Self {
        let training = TrainingParams {
            epochs: 10,
            batch: 1024,
            micro_batch: 4096,
            threads: 0,
            learning_rate: 1e-3,
            weight_decay: 0.01,
            clip: 1.0,
            warm_up: 0.05,
            held_out: 0.1,
            patience: 3,
            seed: 0,
        };
        Self {
            d_model: 64,
            layers: 2,
            heads: 4,
            d_ff: 128,
            dropout: 0.1,
            attention: Attention::default(),
            max_steps: 2048,
            score: TransformerScore::default(),
            training,
        }
    }
}

impl TransformerParams {
    /// Sets [`d_model`](Self::d_model).
    #[must_use]
    pub fn d_model(mut self, d_model: usize) -> Self {
        self.d_model = d_model;
        self
    }

    /// Sets [`layers`](Self::layers).
    #[must_use]
    pub fn layers(mut self, layers: usize) -> Self {
        self.layers = layers;
        self
    }

    /// Sets [`heads`](Self::heads).
    #[must_use]
    pub fn heads(mut self, heads: usize) -> Self {
        self.heads = heads;
        self
    }

    /// Sets [`d_ff`](Self::d_ff).
    #[must_use]
    pub fn d_ff(mut self, d_ff: usize) -> Self {
        self.d_ff = d_ff;
        self
    }

    /// Sets [`dropout`](Self::dropout).
    #[must_use]
    pub fn dropout(mut self, dropout: f32) -> Self {
        self.dropout = dropout;
        self
    }

    /// Sets [`attention`](Self::attention).
    #[must_use]
    pub fn attention(mut self, attention: Attention) -> Self {
        self.attention = attention;
        self
    }

    /// Sets [`max_steps`](Self::max_steps).
    #[must_use]
    pub fn max_steps(mut self, max_steps: usize) -> Self {
        self.max_steps = max_steps;
        self
    }

    /// Sets [`score`](Self::score).
    #[must_use]
    pub fn score(mut self, score: TransformerScore) -> Self {
        self.score = score;
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

    /// Sets [`training`](Self::training).
    #[must_use]
    pub fn training(mut self, training: TrainingParams) -> Self {
        self.training = training;
        self
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with name, value and allowed range.
    pub fn check(&self) -> Result<()> {
        if !(1..=256).contains(&self.layers) {
            return Err(Error::config("layers", self.layers, "1 to 256"));
        }
        if !(1..=256).contains(&self.heads) {
            return Err(Error::config("heads", self.heads, "1 to 256"));
        }
        let multiple = self.d_model.is_multiple_of(self.heads) && self.d_model.is_multiple_of(2);
        if !multiple || !(2..=8192).contains(&self.d_model) {
            let allowed = format!("even, a multiple of heads ({}), 2 to 8192", self.heads);
            return Err(Error::config("d_model", self.d_model, &allowed));
        }
        if !(1..=1 << 16).contains(&self.d_ff) {
            return Err(Error::config("d_ff", self.d_ff, "1 to 65536"));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(Error::config("dropout", self.dropout, "0 to below 1"));
        }
        if !(1..=1 << 16).contains(&self.max_steps) {
            return Err(Error::config("max_steps", self.max_steps, "1 to 65536"));
        }
        self.attention.check()?;
        self.training.check()
    }

    /// Trains on rows in time order, a step a packet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] where a parameter is out of range or a row is longer than `max_steps`, [`ErrorKind::Data`]
    /// where there are fewer than two rows, and [`ErrorKind::Training`] where the loss does not stay finite.
    pub fn fit(&self, rows: &Rows) -> Result<Transformer> {
        self.fit_with(rows, &mut |_| ControlFlow::Continue(()))
    }

    /// As [`fit`](Self::fit); `watch` is called after each update and each epoch, and may stop the training.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), and [`ErrorKind::Canceled`] where `watch` says stop.
    pub fn fit_with(&self, rows: &Rows, watch: &mut Watch<'_>) -> Result<Transformer> {
        self.check()?;
        let encoder = Encoder::new(self.clone(), rows.width());
        encoder.check(rows)?;
        let mut last = None;
        let weights = train::train(&encoder, &self.training, rows, &mut |progress| {
            last = Some(progress.clone());
            watch(progress)
        })?;
        let mut model = Transformer::new(rows.schema().as_ref().clone(), encoder, weights, None);
        if self.score == TransformerScore::Density {
            let mut latents = Vec::with_capacity(rows.len() * self.d_model);
            for start in (0..rows.len()).step_by(256) {
                latents.extend(model.latents(&rows.select(start..(start + 256).min(rows.len()))));
                last.as_ref().map_or(Ok(()), |last| train::tell(watch, last))?;
            }
            model.density = Some(Gaussian::fit(&latents, self.d_model));
        }
        Ok(model)
    }
}

/// A trained transformer: linear embedding of a packet's columns, sinusoidal positions, encoder layers with normalisation
/// in front (Xiong et al., "On layer normalization in the transformer architecture", ICML 2020), and a linear layer that
/// rebuilds the columns. Padding takes part neither in attention nor in loss or score.
#[derive(Debug, Clone)]
pub struct Transformer {
    schema: Schema,
    encoder: Encoder,
    weights: Weights,
    tensors: Vec<Tensor<2>>,
    /// Of the latents, where the score needs it.
    density: Option<Gaussian>,
}

impl Transformer {
    pub(crate) const KIND: &'static str = "transformer";

    /// The default parameters.
    pub fn params() -> TransformerParams {
        TransformerParams::default()
    }

    /// The transformer that [`to_bytes`](Model::to_bytes) wrote.
    ///
    /// # Errors
    /// [`ErrorKind::ModelFile`] where the bytes are no transformer over the columns of `schema`.
    pub fn from_bytes(schema: Schema, bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(Self::KIND, bytes);
        let params = read_params(&mut reader, TransformerParams::check)?;
        let encoder = Encoder::new(params, schema.width());
        let weights = Weights::read(encoder.slots(), &mut reader)?;
        let density = match encoder.params.score {
            TransformerScore::Error => None,
            TransformerScore::Density => Some(Gaussian::read(encoder.params.d_model, &mut reader)?),
        };
        reader.finish()?;
        Ok(Self::new(schema, encoder, weights, density))
    }

    fn new(schema: Schema, encoder: Encoder, weights: Weights, density: Option<Gaussian>) -> Self {
        let tensors = weights.tensors(&device::judging());
        Self { schema, encoder, weights, tensors, density }
    }

    /// The latent of each row, the mean over its real steps, shape (rows, d_model); zero for a row without steps.
    fn latents(&self, rows: &Rows) -> Vec<f32> {
        let d = self.encoder.params.d_model;
        let mut latents = vec![0.0; rows.len() * d];
        self.tiles(rows, |indices, batch| {
            let steps = self.encoder.encode(&mut Cursor::new(&self.tensors), batch, None, &device::judging());
            let steps = train::values(steps);
            for (slot, &row) in indices.iter().enumerate() {
                let mut sums = vec![0.0; d];
                for step in steps[slot * batch.steps * d..].chunks_exact(d).take(batch.lengths[slot]) {
                    sums.iter_mut().zip(step).for_each(|(sum, value)| *sum += f64::from(*value));
                }
                let count = batch.lengths[slot].max(1) as f64;
                let means = sums.iter().map(|sum| (sum / count) as f32);
                latents[row * d..][..d].iter_mut().zip(means).for_each(|(to, mean)| *to = mean);
            }
        });
        latents
    }

    /// The reconstruction, in the shape of `rows.data()`; zero behind a row's length.
    fn rebuild(&self, rows: &Rows) -> Vec<f32> {
        let width = rows.width();
        let mut rebuilt = vec![0.0; rows.data().len()];
        self.tiles(rows, |indices, batch| {
            let output = train::values(self.encoder.rebuild(&self.tensors, batch, None, &device::judging()));
            for (slot, &row) in indices.iter().enumerate() {
                let real = batch.lengths[slot] * width;
                let from = &output[slot * batch.steps * width..][..real];
                put_finite(&mut rebuilt[row * rows.steps() * width..][..real], from);
            }
        });
        rebuilt
    }

    fn tiles(&self, rows: &Rows, judge: impl FnMut(&[usize], &Batch)) {
        tiles(rows, |length| self.encoder.padded(length), judge);
    }

    fn errors(&self, rows: &Rows) -> Vec<f64> {
        let size = rows.steps() * rows.width();
        let rebuilt = self.rebuild(rows);
        let error = |row: usize| {
            let real = rows.lengths()[row] as usize * rows.width();
            let pairs = rows.row(row)[..real].iter().zip(&rebuilt[row * size..]);
            pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>() / real.max(1) as f64
        };
        (0..rows.len()).map(error).collect()
    }
}

impl Model for Transformer {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn score(&self, rows: &Rows) -> Result<Vec<f32>> {
        self.schema.check(rows.schema())?;
        self.encoder.check(rows)?;
        let raw: Vec<f64> = match &self.density {
            Some(density) => {
                self.latents(rows).chunks_exact(self.encoder.params.d_model).map(|p| density.distance(p)).collect()
            }
            None => self.errors(rows),
        };
        Ok(raw.into_iter().map(log_score).collect())
    }

    fn expected(&self, rows: &Rows) -> Result<Option<Vec<f32>>> {
        self.schema.check(rows.schema())?;
        self.encoder.check(rows)?;
        Ok(Some(self.rebuild(rows)))
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        write_params(&mut writer, &self.encoder.params);
        self.weights.write(&mut writer);
        if let Some(density) = &self.density {
            density.write(&mut writer);
        }
        writer.finish()
    }
}

/// The network.
#[derive(Debug, Clone)]
struct Encoder {
    params: TransformerParams,
    width: usize,
}

/// The shortest padded length: shorter ones would cost as much.
const SHORTEST: usize = 8;

impl Encoder {
    fn new(params: TransformerParams, width: usize) -> Self {
        Self { params, width }
    }

    fn attention(&self) -> attention::Layer {
        let TransformerParams { d_model: width, heads, attention, max_steps, .. } = self.params;
        attention::Layer { width, heads, attention, longest: self.padded(max_steps as u32) }
    }

    /// Checks that no row is longer than the positions reach.
    fn check(&self, rows: &Rows) -> Result<()> {
        let most = self.params.max_steps;
        match rows.lengths().iter().position(|&length| length as usize > most) {
            None => Ok(()),
            Some(row) => {
                let message = format!("row {row} has {} steps, max_steps is {most}", rows.lengths()[row]);
                Err(Error::new(ErrorKind::Config, message))
            }
        }
    }

    /// The latent of every step, shape (rows x steps, d_model).
    fn encode(&self, cursor: &mut Cursor, batch: &Batch, noise: Option<&Random>, device: &Device) -> Tensor<2> {
        let d = self.params.d_model;
        let mut drops = 0;
        let mut drop = |x: Tensor<2>| match noise {
            Some(random) if self.params.dropout > 0.0 => {
                drops += 1;
                x.clone() * batch::dropout_mask(x.dims(), self.params.dropout, random.stream(drops), device)
            }
            _ => x,
        };
        let rows = attention::Rows::new(batch, device);
        let mut x = cursor.linear(batch.tensor(device)) + positions(batch, d, device);
        x = drop(x);
        for _ in 0..self.params.layers {
            let normed = cursor.norm(x.clone());
            x = x + drop(self.attention().forward(cursor, normed, &rows));
            let normed = cursor.norm(x.clone());
            x = x + drop(cursor.mlp(normed));
        }
        cursor.norm(x)
    }

    /// The rebuilt columns of every step, shape (rows x steps, columns).
    fn rebuild(&self, weights: &[Tensor<2>], batch: &Batch, noise: Option<&Random>, device: &Device) -> Tensor<2> {
        let mut cursor = Cursor::new(weights);
        let latents = self.encode(&mut cursor, batch, noise, device);
        cursor.linear(latents)
    }
}

impl Network for Encoder {
    const KIND: &'static str = Transformer::KIND;

    fn slots(&self) -> Slots {
        let mut slots = Slots::default();
        let d = self.params.d_model;
        slots.linear(self.width, d);
        for _ in 0..self.params.layers {
            slots.norm(d);
            self.attention().slots(&mut slots);
            slots.norm(d);
            slots.linear(d, self.params.d_ff);
            slots.linear(self.params.d_ff, d);
        }
        slots.norm(d);
        slots.linear(d, self.width);
        slots
    }

    /// The next power of two, so that there are few shapes and at most half of the steps are padding.
    fn padded(&self, length: u32) -> usize {
        (length as usize).next_power_of_two().max(SHORTEST)
    }

    fn squared_error(
        &self,
        weights: &[Tensor<2>],
        batch: &Batch,
        noise: Option<&Random>,
        device: &Device,
    ) -> Tensor<1> {
        let real: Vec<f32> = batch.real().map(|real| f32::from(u8::from(real))).collect();
        let real = Tensor::<2>::from_data(TensorData::new(real, [batch.lengths.len() * batch.steps, 1]), device);
        ((self.rebuild(weights, batch, noise, device) - batch.tensor(device)) * real).square().sum()
    }
}

/// Sinusoidal positions (Vaswani et al., 2017, section 3.5) for each step of each row, shape (rows x steps, d).
fn positions(batch: &Batch, d: usize, device: &Device) -> Tensor<2> {
    let frequencies: Vec<f64> = (0..d / 2).map(|pair| 10000f64.powf(-2.0 * pair as f64 / d as f64)).collect();
    let wave = |step: usize, frequency: &f64| {
        let (sin, cos) = (step as f64 * frequency).sin_cos();
        [sin as f32, cos as f32]
    };
    let step = |step| frequencies.iter().flat_map(move |frequency| wave(step, frequency));
    let values: Vec<f32> = (0..batch.steps).flat_map(step).collect();
    let values = values.repeat(batch.lengths.len());
    Tensor::from_data(TensorData::new(values, [batch.lengths.len() * batch.steps, d]), device)
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    pub(in crate::model::neural) fn encoder(params: TransformerParams, width: usize) -> impl Network {
        Encoder::new(params, width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{neural::testing::*, testing::auroc};

    fn params() -> TransformerParams {
        Transformer::params().d_model(16).heads(2).d_ff(24).layers(1).epochs(6)
    }

    #[test]
    fn finds_sequences_that_are_out_of_step() {
        let train = waves(1500, 32, 32, 1, false);
        let (usual, strange) = (waves(300, 32, 32, 2, false), waves(300, 32, 32, 3, true));
        for score in [TransformerScore::Density, TransformerScore::Error] {
            let model = params().score(score).fit(&train).unwrap();
            let auroc = auroc(&model.score(&strange).unwrap(), &model.score(&usual).unwrap());
            assert!(auroc > 0.95, "{score:?} {auroc}");
            if score == TransformerScore::Error {
                extreme_rows_have_a_score(&model, &usual);
            }
        }
    }

    const ATTENTIONS: [Attention; 4] = [
        Attention::Full,
        Attention::Window { left: 3, right: 2, global: true },
        Attention::Linear,
        Attention::LowRank { rank: 4 },
    ];

    #[test]
    fn every_attention_learns() {
        let train = waves(600, 32, 32, 1, false);
        let (usual, strange) = (waves(150, 32, 32, 2, false), waves(150, 32, 32, 3, true));
        for attention in ATTENTIONS {
            let model = params().epochs(4).attention(attention).max_steps(32).fit(&train).unwrap();
            let auroc = auroc(&model.score(&strange).unwrap(), &model.score(&usual).unwrap());
            assert!(auroc > 0.9, "{attention:?} {auroc}");
            let back = Transformer::from_bytes(schema(3).as_ref().clone(), &model.to_bytes()).unwrap();
            assert_eq!(back.score(&usual).unwrap(), model.score(&usual).unwrap());
        }
    }

    #[test]
    fn every_weight_has_a_gradient() {
        ATTENTIONS.into_iter().for_each(check_gradient);
    }

    fn check_gradient(attention: Attention) {
        let encoder = Encoder::new(params().attention(attention).max_steps(16), 3);
        let mut weights = Weights::random(encoder.slots(), &Random::new(1));
        let mut random = Random::new(2);
        weights.values.iter_mut().for_each(|w| *w += 0.05 * random.normal());
        let train = waves(20, 16, 16, 1, false);
        let batch = Batch::gather(&train, &(0..20).collect::<Vec<_>>(), 16, 20);
        train::testing::check_gradient(&encoder, &weights, &batch);
    }

    #[test]
    fn bits_depend_neither_on_the_batch_nor_on_the_padding() {
        let train = waves(200, 16, 16, 1, false);
        let cases = [TransformerScore::Density, TransformerScore::Error].map(|score| (score, Attention::Full));
        for (score, attention) in cases.into_iter().chain(ATTENTIONS.map(|a| (TransformerScore::Density, a))) {
            let model = params().epochs(1).score(score).attention(attention).max_steps(64).fit(&train).unwrap();
            bits_do_not_depend_on_the_batch(&model, &waves(1100, 16, 16, 2, false));
            let mixed = waves(150, 64, 64, 3, false);
            bits_do_not_depend_on_the_batch(&model, &mixed);
            let (narrow, wide) = (waves(100, 16, 16, 4, false), waves(100, 64, 16, 4, false));
            assert_eq!(narrow.lengths(), wide.lengths());
            assert_eq!(model.score(&narrow).unwrap(), model.score(&wide).unwrap());
        }
    }

    #[test]
    fn same_seed_same_bits_and_padding_takes_no_part_in_training() {
        for attention in ATTENTIONS {
            let params = params().epochs(2).attention(attention).max_steps(16);
            let fit = |steps, seed| params.clone().seed(seed).fit(&waves(150, steps, 16, 1, false)).unwrap();
            assert_eq!(fit(16, 0).to_bytes(), fit(64, 0).to_bytes());
            assert_ne!(fit(16, 0).weights, fit(16, 1).weights);
        }
    }

    #[test]
    fn sessions_without_packets_have_a_score() {
        let mut lengths = vec![0; 5];
        lengths.extend([1; 20]);
        let data = (0..25 * 4 * 3).map(|i| (i as f32).sin()).collect();
        let rows = Rows::sequences(schema(3), 4, data, lengths).unwrap();
        for score in [TransformerScore::Density, TransformerScore::Error] {
            let model = params().epochs(1).score(score).fit(&rows).unwrap();
            assert!(model.score(&rows).unwrap().iter().all(|score| score.is_finite()));
            let mut extreme = rows.select(5..7);
            extreme.map_values(|_, _| f32::MAX);
            assert!(model.score(&extreme).unwrap().iter().all(|score| score.is_finite()));
            let expected = model.expected(&rows).unwrap().unwrap();
            assert!(expected.len() == rows.data().len() && expected[..60].iter().all(|value| *value == 0.0));
        }
        let empty = rows.select(0..5);
        assert!(params().epochs(1).fit(&empty).unwrap().score(&rows).unwrap().iter().all(|score| score.is_finite()));
    }

    #[test]
    fn stops_when_told_while_the_density_is_fitted() {
        let train = waves(600, 8, 8, 1, false);
        let mut calls = Vec::new();
        let mut fit = |until: usize| {
            calls.clear();
            let fitted = params().epochs(1).fit_with(&train, &mut |progress| {
                calls.push(progress.done);
                if calls.len() == until { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            (fitted.map(|_| ()), calls.len(), calls.iter().filter(|done| **done == 1.0).count())
        };
        let (fitted, all, behind) = fit(usize::MAX);
        assert!(fitted.is_ok() && behind >= 4, "{behind}");
        let (fitted, calls, _) = fit(all - 1);
        assert_eq!((fitted.unwrap_err().kind(), calls), (ErrorKind::Canceled, all - 1));
    }

    #[test]
    fn comes_back_from_bytes_and_corrupt_bytes_are_refused() {
        let train = waves(60, 8, 8, 1, false);
        for score in [TransformerScore::Density, TransformerScore::Error] {
            let model = params().epochs(1).score(score).fit(&train).unwrap();
            let bytes = model.to_bytes();
            let read = |bytes: &[u8]| Transformer::from_bytes(schema(3).as_ref().clone(), bytes);
            let back = read(&bytes).unwrap();
            assert_eq!(back.to_bytes(), bytes);
            assert_eq!(back.score(&train).unwrap(), model.score(&train).unwrap());
            for cut in (0..bytes.len()).step_by(13) {
                assert_eq!(read(&bytes[..cut]).unwrap_err().kind(), ErrorKind::ModelFile, "cut at {cut}");
            }
            let longer = [bytes.as_slice(), &[0]].concat();
            assert!(read(&longer).unwrap_err().to_string().ends_with("1 bytes left over, none expected"));
        }
    }

    #[test]
    fn refuses_what_it_cannot_serve() {
        let train = waves(20, 32, 32, 1, false);
        let refuse = |params: TransformerParams| {
            let error = params.fit(&train).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            error.to_string()
        };
        assert_eq!(refuse(params().layers(0)), "layers is 0, it must be 1 to 256");
        assert_eq!(refuse(params().heads(0)), "heads is 0, it must be 1 to 256");
        assert_eq!(refuse(params().heads(3)), "d_model is 16, it must be even, a multiple of heads (3), 2 to 8192");
        assert_eq!(refuse(params().d_ff(0)), "d_ff is 0, it must be 1 to 65536");
        assert_eq!(refuse(params().dropout(1.0)), "dropout is 1, it must be 0 to below 1");
        let rank = params().attention(Attention::LowRank { rank: 0 });
        assert_eq!(refuse(rank), "rank is 0, it must be 1 to 4096");
        assert_eq!(refuse(params().max_steps(0)), "max_steps is 0, it must be 1 to 65536");
        let row = train.lengths().iter().position(|&length| length > 4).unwrap();
        let long = format!("row {row} has {} steps, max_steps is 4", train.lengths()[row]);
        assert_eq!(refuse(params().max_steps(4)), long);
        assert_eq!(params().fit(&train.select([0])).unwrap_err().kind(), ErrorKind::Data);
        let model = params().epochs(1).fit(&train).unwrap();
        let other = Rows::flat(schema(4), vec![0.0; 4]).unwrap();
        assert_eq!(model.score(&other).unwrap_err().kind(), ErrorKind::Schema);
        assert!(model.score(&train.select([])).unwrap().is_empty());
    }
}
