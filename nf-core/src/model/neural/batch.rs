//! Rows of one padded length, side by side.

use crate::{features::Rows, model::random::Random};
use burn::tensor::{Device, Tensor, TensorData};

/// `lengths.len()` rows of `steps` steps each; behind a row's length its values are zero and take no part.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) steps: usize,
    pub(super) width: usize,
    pub(super) values: Vec<f32>,
    pub(super) lengths: Vec<usize>,
}

impl Batch {
    /// The rows at `indices`, none longer than `steps`, then empty ones until there are `size` rows.
    pub(super) fn gather(rows: &Rows, indices: &[usize], steps: usize, size: usize) -> Self {
        let width = rows.width();
        let mut values = vec![0.0; size * steps * width];
        let mut lengths = vec![0; size];
        for (slot, &index) in indices.iter().enumerate() {
            let length = rows.lengths()[index] as usize;
            values[slot * steps * width..][..length * width].copy_from_slice(&rows.row(index)[..length * width]);
            lengths[slot] = length;
        }
        Self { steps, width, values, lengths }
    }

    /// How many values are real.
    pub(super) fn real_values(&self) -> usize {
        self.lengths.iter().sum::<usize>() * self.width
    }

    /// The values as a tensor of shape (rows x steps, width).
    pub(super) fn tensor(&self, device: &Device) -> Tensor<2> {
        let shape = [self.lengths.len() * self.steps, self.width];
        Tensor::from_data(TensorData::new(self.values.clone(), shape), device)
    }

    /// Each row and step, in order.
    pub(super) fn places(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let steps = self.steps;
        (0..self.lengths.len()).flat_map(move |row| (0..steps).map(move |step| (row, step)))
    }

    /// For each row and step, in order, whether it is real.
    pub(super) fn real(&self) -> impl Iterator<Item = bool> + '_ {
        self.lengths.iter().flat_map(|&length| (0..self.steps).map(move |step| step < length))
    }
}

/// A tensor of zeros, with probability `rate`, and `1 / (1 - rate)` (Srivastava et al., "Dropout", JMLR 15, 2014).
pub(super) fn dropout_mask(shape: [usize; 2], rate: f32, mut random: Random, device: &Device) -> Tensor<2> {
    let (cut, keep) = ((rate * 65536.0) as u16, 1.0 / (1.0 - rate));
    let count = shape[0] * shape[1];
    let mut values = Vec::with_capacity(count + 3);
    while values.len() < count {
        let bits = random.bits();
        // Four draws of 16 bits each: the generator is the larger part of the cost.
        values.extend((0..4).map(|i| if (bits >> (16 * i)) as u16 >= cut { keep } else { 0.0 }));
    }
    values.truncate(count);
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Sinusoidal positions (Vaswani et al., 2017, section 3.5), shape (steps, d).
pub(super) fn waves(steps: usize, d: usize) -> Vec<f32> {
    let frequencies: Vec<f64> = (0..d / 2).map(|pair| 10000f64.powf(-2.0 * pair as f64 / d as f64)).collect();
    let wave = |step: usize, frequency: &f64| {
        let (sin, cos) = (step as f64 * frequency).sin_cos();
        [sin as f32, cos as f32]
    };
    let step = |step| frequencies.iter().flat_map(move |frequency| wave(step, frequency));
    (0..steps).flat_map(step).collect()
}

/// A tensor of normal numbers of the given standard deviation.
pub(super) fn normal(shape: [usize; 2], deviation: f32, mut random: Random, device: &Device) -> Tensor<2> {
    let values: Vec<f32> = (0..shape[0] * shape[1]).map(|_| deviation * random.normal()).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        features::{Column, Schema},
        model::neural::device,
    };
    use std::sync::Arc;

    #[test]
    fn gathers_real_steps_and_pads_with_empty_rows() {
        let schema = Arc::new(Schema::new("test", vec![Column::new("x", "", "")]).unwrap());
        let rows = Rows::sequences(schema, 2, vec![1.0, 2.0, 3.0, 0.0], vec![2, 1]).unwrap();
        let batch = Batch::gather(&rows, &[1, 0], 3, 3);
        assert_eq!(batch.values, [3.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(batch.lengths, [1, 2, 0]);
        assert_eq!(batch.real_values(), 3);
        assert_eq!(batch.real().map(u8::from).collect::<Vec<_>>(), [1, 0, 0, 1, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn dropout_keeps_the_mean() {
        let mask = dropout_mask([100, 101], 0.25, Random::new(1), &device::cpu());
        let values = mask.to_data().try_to_vec::<f32>().unwrap();
        let zeros = values.iter().filter(|value| **value == 0.0).count() as f64 / values.len() as f64;
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        assert!((zeros - 0.25).abs() < 0.02 && (mean - 1.0).abs() < 0.02, "{zeros} {mean}");
    }
}
