//! The optimiser.

use super::TrainingParams;
use crate::{
    Result,
    model::{
        bytes::{Reader, Writer},
        neural::weights::Weights,
    },
};

/// AdamW (Kingma and Ba, "Adam", ICLR 2015; decay as Loshchilov and Hutter, 2019).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AdamW {
    mean: Vec<f32>,
    square: Vec<f32>,
    decays: Vec<bool>,
    step: i32,
}

impl AdamW {
    const MEAN_DECAY: f64 = 0.9;
    const SQUARE_DECAY: f64 = 0.999;
    const EPSILON: f32 = 1e-8;

    pub(super) fn new(weights: &Weights) -> Self {
        let zeros = vec![0.0; weights.values.len()];
        Self { mean: zeros.clone(), square: zeros, decays: weights.decaying(), step: 0 }
    }

    /// One update with the gradient times `scale`.
    pub(super) fn update(
        &mut self,
        weights: &mut Weights,
        gradient: &[f32],
        params: &TrainingParams,
        rate: f64,
        scale: f64,
    ) {
        self.step = self.step.saturating_add(1);
        let (b1, b2) = (Self::MEAN_DECAY as f32, Self::SQUARE_DECAY as f32);
        let mean_scale = (rate / (1.0 - Self::MEAN_DECAY.powi(self.step))) as f32;
        let square_scale = (1.0 / (1.0 - Self::SQUARE_DECAY.powi(self.step))) as f32;
        let (decay, scale) = ((rate * params.weight_decay) as f32, scale as f32);
        let state = self.mean.iter_mut().zip(&mut self.square).zip(&self.decays);
        for ((value, gradient), ((mean, square), &decays)) in weights.values.iter_mut().zip(gradient).zip(state) {
            let gradient = gradient * scale;
            *mean = b1 * *mean + (1.0 - b1) * gradient;
            *square = b2 * *square + (1.0 - b2) * gradient * gradient;
            let shrink = if decays { decay * *value } else { 0.0 };
            *value -= shrink + mean_scale * *mean / ((*square * square_scale).sqrt() + Self::EPSILON);
        }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u32(self.step.cast_unsigned());
        writer.f32s(&self.mean);
        writer.f32s(&self.square);
    }

    /// That of these weights.
    pub(super) fn read(weights: &Weights, reader: &mut Reader) -> Result<Self> {
        let step = reader.u32()?.cast_signed().max(0);
        let count = weights.values.len();
        Ok(Self { step, mean: reader.f32s(count)?, square: reader.f32s(count)?, decays: weights.decaying() })
    }
}
