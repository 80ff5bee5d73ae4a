//! The network of a transformer.

use super::{Objective, Transformer, TransformerParams};
use crate::{
    Error, ErrorKind, Result,
    features::Rows,
    model::{
        neural::{
            attention,
            batch::{self, Batch},
            train::{self, Network},
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

impl Encoder {
    pub(super) fn new(params: TransformerParams, width: usize) -> Self {
        Self { params, width }
    }

    fn attention(&self) -> attention::Layer {
        let TransformerParams { d_model: width, heads, attention, max_steps, objective, .. } = self.params;
        let causal = objective == Objective::NextPacket;
        attention::Layer { width, heads, attention, causal, longest: self.padded(max_steps as u32) }
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

    /// The latent of every step, shape (rows x steps, d_model); the columns of steps that are `hidden` are not read.
    pub(super) fn encode(
        &self,
        cursor: &mut Cursor,
        batch: &Batch,
        hidden: Option<&[bool]>,
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
        let mut x = cursor.linear(batch.tensor(device));
        if let Objective::Masked { .. } = self.params.objective {
            let stand_in = cursor.matrix();
            if let Some(hidden) = hidden {
                let hidden = column(hidden.iter().copied(), device);
                x = x * (hidden.clone() * -1.0 + 1.0) + stand_in * hidden;
            }
        }
        x = drop(x + positions(batch, d, device));
        for _ in 0..self.params.layers {
            let normed = cursor.norm(x.clone());
            x = x + drop(self.attention().forward(cursor, normed, &rows));
            let normed = cursor.norm(x.clone());
            x = x + drop(cursor.mlp(normed));
        }
        cursor.norm(x)
    }

    /// What is expected of the columns of every step, shape (rows x steps, columns).
    fn rebuild(
        &self,
        weights: &[Tensor<2>],
        batch: &Batch,
        hidden: Option<&[bool]>,
        noise: Option<&Random>,
        device: &Device,
    ) -> Tensor<2> {
        let mut cursor = Cursor::new(weights);
        let latents = self.encode(&mut cursor, batch, hidden, noise, device);
        let expected = cursor.linear(latents);
        match self.params.objective {
            Objective::Reconstruct | Objective::Masked { .. } => expected,
            Objective::NextPacket => behind(cursor.matrix(), expected, batch),
        }
    }

    /// The numbers of [`rebuild`](Self::rebuild), for judging: each step from no more than the objective lets it see.
    pub(super) fn expected(&self, weights: &[Tensor<2>], batch: &Batch, device: &Device) -> Vec<f32> {
        let Objective::Masked { ratio } = self.params.objective else {
            return train::values(self.rebuild(weights, batch, None, None, device));
        };
        let mut expected = vec![0.0; batch.values.len()];
        let stripes = stripes(ratio);
        for stripe in 0..stripes.min(batch.steps) {
            let hidden: Vec<bool> = batch.places().map(|(_, step)| step % stripes == stripe).collect();
            let rebuilt = train::values(self.rebuild(weights, batch, Some(&hidden), None, device));
            let steps = expected.chunks_exact_mut(batch.width).zip(rebuilt.chunks_exact(batch.width));
            steps.zip(hidden).filter(|(_, hidden)| *hidden).for_each(|((to, from), _)| to.copy_from_slice(from));
        }
        expected
    }

    /// Which steps are hidden, and rebuilt from the others; at random where there is a generator.
    fn hidden(&self, batch: &Batch, random: Option<&Random>) -> Option<Vec<bool>> {
        let Objective::Masked { ratio } = self.params.objective else { return None };
        let mut random = random.map(|random| random.stream(0));
        let stripes = stripes(ratio);
        let hide = |((row, step), real): ((usize, usize), bool)| match &mut random {
            Some(random) => (random.uniform() < ratio) & real,
            None => (row + step) % stripes == 0 && real,
        };
        Some(batch.places().zip(batch.real()).map(hide).collect())
    }
}

/// How many passes see each step hidden once, where each hides about this share.
pub(super) fn stripes(ratio: f32) -> usize {
    (1.0 / ratio).round().max(1.0) as usize
}

/// The expected columns of each step one step later: those of the first step are `first`, shape (1, columns).
fn behind(first: Tensor<2>, expected: Tensor<2>, batch: &Batch) -> Tensor<2> {
    let (rows, steps, width) = (batch.lengths.len(), batch.steps, batch.width);
    let first = first.reshape([1, 1, width]).expand([rows, 1, width]);
    let all = match steps {
        1 => first,
        _ => Tensor::cat(vec![first, expected.reshape([rows, steps, width]).narrow(1, 0, steps - 1)], 1),
    };
    all.reshape([rows * steps, width])
}

/// Ones where true, zeros elsewhere, shape (count, 1).
fn column(flags: impl Iterator<Item = bool>, device: &Device) -> Tensor<2> {
    let values: Vec<f32> = flags.map(|flag| f32::from(u8::from(flag))).collect();
    let shape = [values.len(), 1];
    Tensor::from_data(TensorData::new(values, shape), device)
}

impl Network for Encoder {
    const KIND: &'static str = Transformer::KIND;

    fn parameters(&self) -> serde_json::Value {
        serde_json::to_value(&self.params).unwrap_or_default()
    }

    fn slots(&self) -> Slots {
        let mut slots = Slots::default();
        let d = self.params.d_model;
        slots.linear(self.width, d);
        if let Objective::Masked { .. } = self.params.objective {
            slots.matrix(1, d);
        }
        for _ in 0..self.params.layers {
            slots.norm(d);
            self.attention().slots(&mut slots);
            slots.norm(d);
            slots.linear(d, self.params.d_ff);
            slots.linear(self.params.d_ff, d);
        }
        slots.norm(d);
        slots.linear(d, self.width);
        if self.params.objective == Objective::NextPacket {
            slots.matrix(1, self.width);
        }
        slots
    }

    /// The next multiple of an eighth of the next power of two: few shapes, and never a quarter of padding.
    fn padded(&self, length: u32) -> usize {
        let length = (length as usize).max(1);
        length.next_multiple_of((length.next_power_of_two() / 8).max(1))
    }

    fn squared_error(
        &self,
        weights: &[Tensor<2>],
        batch: &Batch,
        noise: Option<&Random>,
        device: &Device,
    ) -> Tensor<1> {
        let hidden = self.hidden(batch, noise);
        let expected = self.rebuild(weights, batch, hidden.as_deref(), noise, device);
        // Of the steps that are hidden, as if all were.
        let (counted, scale) = match &hidden {
            Some(hidden) => {
                let count = hidden.iter().filter(|hidden| **hidden).count();
                let real = batch.lengths.iter().sum::<usize>();
                (column(hidden.iter().copied(), device), real as f64 / count.max(1) as f64)
            }
            None => (column(batch.real(), device), 1.0),
        };
        ((expected - batch.tensor(device)) * counted).square().sum() * scale
    }
}

/// Positions for each step of each row, shape (rows x steps, d).
fn positions(batch: &Batch, d: usize, device: &Device) -> Tensor<2> {
    let values = batch::waves(batch.steps, d).repeat(batch.lengths.len());
    Tensor::from_data(TensorData::new(values, [batch.lengths.len() * batch.steps, d]), device)
}
