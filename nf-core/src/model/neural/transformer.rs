//! The transformer: packets of a session, seen together.

mod encoder;
#[cfg(feature = "onnx")]
mod onnx;
mod params;

pub use params::{Objective, TransformerParams, TransformerScore};

use super::{
    batch::Batch,
    density::Gaussian,
    device, log_score, put_finite, read_params, tiles,
    train::{self, Network},
    weights::{Cursor, Weights},
    write_params,
};
use crate::{
    Result,
    features::{Rows, Schema},
    model::{
        Model,
        bytes::{Reader, Writer},
    },
};
use burn::tensor::{Device, Tensor};
use encoder::Encoder;

/// A trained transformer: linear embedding of a packet's columns, sinusoidal positions, encoder layers with normalisation
/// in front (Xiong et al., "On layer normalization in the transformer architecture", ICML 2020), and a linear layer that
/// gives the columns that its [`Objective`] expects. Padding takes part neither in attention nor in loss or score.
#[derive(Debug, Clone)]
pub struct Transformer {
    schema: Schema,
    encoder: Encoder,
    weights: Weights,
    tensors: Vec<Tensor<2>>,
    /// Of the latents, where the score needs it.
    density: Option<Gaussian>,
}

/// Rows whose latents are computed between two calls of the closure that watches.
const ROWS_A_REPORT: usize = 256;

impl Transformer {
    pub(crate) const KIND: &'static str = "transformer";

    /// The default parameters.
    pub fn params() -> TransformerParams {
        TransformerParams::default()
    }

    /// The transformer that [`to_bytes`](Model::to_bytes) wrote.
    ///
    /// # Errors
    /// [`ErrorKind::ModelFile`](crate::ErrorKind::ModelFile) where the bytes are no transformer over the columns of `schema`.
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
        Ok(Self::new(schema, encoder, weights, density, &device::cpu()))
    }

    /// The same transformer, judging on `device`.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where the device [is not there](crate::Device::check).
    pub fn with_device(&self, device: crate::Device) -> Result<Self> {
        Ok(Self { tensors: self.weights.tensors(&device::open(device)?), ..self.clone() })
    }

    fn new(schema: Schema, encoder: Encoder, weights: Weights, density: Option<Gaussian>, device: &Device) -> Self {
        let tensors = weights.tensors(device);
        Self { schema, encoder, weights, tensors, density }
    }

    /// Where it judges.
    fn device(&self) -> Device {
        self.tensors[0].device()
    }

    pub(super) fn network_weights(&self) -> &Weights {
        &self.weights
    }

    pub(super) fn with_network_weights(&self, weights: Weights) -> Self {
        Self { tensors: weights.tensors(&self.device()), weights, ..self.clone() }
    }

    /// The same with the density of the latents of some rows, where the score needs it.
    pub(super) fn with_density_of(&self, rows: &Rows) -> Result<Self> {
        self.schema.check(rows.schema())?;
        self.encoder.check(rows)?;
        self.clone().fit_density(rows, &mut || Ok(()))
    }

    /// As [`with_density_of`](Self::with_density_of) for rows that fit; `tell` is called after every few of them.
    fn fit_density(mut self, rows: &Rows, tell: &mut dyn FnMut() -> Result<()>) -> Result<Self> {
        if self.encoder.params.score == TransformerScore::Density {
            let width = self.encoder.params.d_model;
            let mut latents = Vec::with_capacity(rows.len() * width);
            for start in (0..rows.len()).step_by(ROWS_A_REPORT) {
                latents.extend(self.latents(&rows.select(start..(start + ROWS_A_REPORT).min(rows.len()))));
                tell()?;
            }
            self.density = Some(Gaussian::fit(&latents, width));
        }
        Ok(self)
    }

    /// The latent of each row, shape (rows, `d_model`), for models of one's own: a row of packets as one vector. It is the mean over
    /// the real steps, and zero for a row without any.
    ///
    /// # Errors
    /// As [`score`](Model::score).
    pub fn embed(&self, rows: &Rows) -> Result<Vec<f32>> {
        self.schema.check(rows.schema())?;
        self.encoder.check(rows)?;
        Ok(self.latents(rows))
    }

    /// As [`embed`](Self::embed) for rows that fit.
    fn latents(&self, rows: &Rows) -> Vec<f32> {
        let d = self.encoder.params.d_model;
        let mut latents = vec![0.0; rows.len() * d];
        let device = self.device();
        self.tiles(rows, |indices, batch| {
            let steps = self.encoder.encode(&mut Cursor::new(&self.tensors), batch, None, None, &device);
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

    /// What is expected of each packet, in the shape of `rows.data()`; zero behind a row's length.
    fn rebuild(&self, rows: &Rows) -> Vec<f32> {
        let width = rows.width();
        let mut rebuilt = vec![0.0; rows.data().len()];
        let device = self.device();
        self.tiles(rows, |indices, batch| {
            let output = self.encoder.expected(&self.tensors, batch, &device);
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

    fn on_device(&self, device: crate::Device) -> Result<Option<Box<dyn Model>>> {
        Ok(Some(Box::new(self.with_device(device)?)))
    }

    #[cfg(feature = "onnx")]
    fn to_onnx(&self) -> Result<Vec<u8>> {
        Ok(self.graph())
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

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::model::Attention;

    pub(in crate::model::neural) const ATTENTIONS: [Attention; 4] = [
        Attention::Full,
        Attention::Window { left: 3, right: 2, global: true },
        Attention::Linear,
        Attention::LowRank { rank: 4 },
    ];

    /// Objectives other than the default, and attentions they go with.
    pub(in crate::model::neural) const OBJECTIVES: [(Objective, Attention); 5] = [
        (Objective::Masked { ratio: 0.3 }, Attention::Full),
        (Objective::Masked { ratio: 0.5 }, Attention::LowRank { rank: 4 }),
        (Objective::NextPacket, Attention::Full),
        (Objective::NextPacket, Attention::Window { left: 3, right: 2, global: true }),
        (Objective::NextPacket, Attention::Linear),
    ];

    pub(in crate::model::neural) fn encoder(params: TransformerParams, width: usize) -> impl Network {
        Encoder::new(params, width)
    }
}

#[cfg(test)]
mod tests;
