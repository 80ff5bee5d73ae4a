//! The network of a transformer.

use super::{Transformer, TransformerParams};
use crate::{
    Error, ErrorKind, Result,
    features::Rows,
    model::{
        neural::{
            attention,
            batch::{self, Batch},
            train::Network,
            weights::{Cursor, Slots},
        },
        random::Random,
    },
};
use burn::tensor::{Device, Tensor, TensorData};

/// The network.
#[derive(Debug, Clone)]
pub(super) struct Encoder {
    pub(super) params: TransformerParams,
    width: usize,
}

/// The shortest padded length: shorter ones would cost as much.
const SHORTEST: usize = 8;

impl Encoder {
    pub(super) fn new(params: TransformerParams, width: usize) -> Self {
        Self { params, width }
    }

    fn attention(&self) -> attention::Layer {
        let TransformerParams { d_model: width, heads, attention, max_steps, .. } = self.params;
        attention::Layer { width, heads, attention, longest: self.padded(max_steps as u32) }
    }

    /// Checks that no row is longer than the positions reach.
    pub(super) fn check(&self, rows: &Rows) -> Result<()> {
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
    pub(super) fn encode(
        &self,
        cursor: &mut Cursor,
        batch: &Batch,
        noise: Option<&Random>,
        device: &Device,
    ) -> Tensor<2> {
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
    pub(super) fn rebuild(
        &self,
        weights: &[Tensor<2>],
        batch: &Batch,
        noise: Option<&Random>,
        device: &Device,
    ) -> Tensor<2> {
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
