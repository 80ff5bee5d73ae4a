//! Self-attention over the real steps of each row.

use super::{
    batch::Batch,
    weights::{Cursor, Slots},
};
use burn::tensor::{Device, Tensor, TensorData, activation};

/// The shape of exact multi-head attention (Vaswani et al., "Attention is all you need", NeurIPS 2017).
/// Cost and memory grow with the square of the steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attention {
    /// Width of a step.
    pub(super) width: usize,
    /// Number of heads, a divisor of the width.
    pub(super) heads: usize,
}

impl Attention {
    pub(super) fn slots(self, slots: &mut Slots) {
        slots.linear(self.width, 3 * self.width);
        slots.linear(self.width, self.width);
    }

    /// (rows x steps, width) to the same shape. `hidden` comes from [`hide_padding`].
    pub(super) fn forward(self, cursor: &mut Cursor<'_>, x: Tensor<2>, hidden: &Tensor<4>) -> Tensor<2> {
        let [rows, _, _, steps] = hidden.dims();
        let size = self.width / self.heads;
        // One product for queries, keys and values: (3, rows, heads, steps, size).
        let joint = cursor.linear(x).reshape([rows, steps, 3, self.heads, size]).permute([2, 0, 3, 1, 4]);
        let part = |i: usize| joint.clone().narrow(0, i, 1).reshape([rows, self.heads, steps, size]);
        let (queries, keys, values) = (part(0), part(1), part(2));
        let scale = 1.0 / (size as f64).sqrt();
        let weights = activation::softmax((queries * scale).matmul(keys.swap_dims(2, 3)) + hidden.clone(), 3);
        let mixed = weights.matmul(values).swap_dims(1, 2).reshape([rows * steps, self.width]);
        cursor.linear(mixed)
    }
}

/// What is added to attention scores, shape (rows, 1, 1, steps): 0 for real steps, and for padding a number whose
/// exponential is exactly zero beside that of a real step.
pub(super) fn hide_padding(batch: &Batch, device: &Device) -> Tensor<4> {
    let values: Vec<f32> = batch.real().map(|real| if real { 0.0 } else { -1e9 }).collect();
    Tensor::from_data(TensorData::new(values, [batch.lengths.len(), 1, 1, batch.steps]), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        neural::{device, train, weights::Weights},
        random::Random,
    };

    /// Attention in plain f64 loops.
    fn reference(attention: Attention, weights: &[f32], x: &[f32], steps: usize, length: usize) -> Vec<f64> {
        let (d, size) = (attention.width, attention.width / attention.heads);
        let weights: Vec<f64> = weights.iter().map(|&w| f64::from(w)).collect();
        let linear = |x: &[f64], at: usize, outputs: usize| -> Vec<f64> {
            let bias = &weights[at + d * outputs..];
            (0..outputs).map(|o| bias[o] + (0..d).map(|i| x[i] * weights[at + i * outputs + o]).sum::<f64>()).collect()
        };
        let step = |t: usize| x[t * d..][..d].iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        let joint: Vec<Vec<f64>> = (0..steps).map(|t| linear(&step(t), 0, 3 * d)).collect();
        let mut output = Vec::new();
        for query in &joint {
            let mut mixed = vec![0.0; d];
            for head in 0..attention.heads {
                let dot =
                    |key: &Vec<f64>| (0..size).map(|i| query[head * size + i] * key[d + head * size + i]).sum::<f64>();
                let scores: Vec<f64> =
                    joint[..length].iter().map(|key| (dot(key) / (size as f64).sqrt()).exp()).collect();
                for (value, score) in joint.iter().zip(&scores) {
                    let share = score / scores.iter().sum::<f64>();
                    (0..size).for_each(|i| mixed[head * size + i] += share * value[2 * d + head * size + i]);
                }
            }
            output.extend(linear(&mixed, d * 3 * d + 3 * d, d));
        }
        output
    }

    #[test]
    fn agrees_with_plain_loops_and_leaves_padding_out() {
        let attention = Attention { width: 12, heads: 3 };
        let mut slots = Slots::default();
        attention.slots(&mut slots);
        let mut weights = Weights::random(slots, &Random::new(1));
        weights.values.iter_mut().zip(0..).for_each(|(w, i)| *w += 0.01 * (i % 7) as f32);
        let mut random = Random::new(2);
        let x: Vec<f32> = (0..2 * 8 * 12).map(|_| random.normal()).collect();
        let batch = Batch { steps: 8, width: 12, values: x.clone(), lengths: vec![8, 5] };
        let device = device::judging();
        let tensors = weights.tensors(&device);
        let forward =
            attention.forward(&mut Cursor::new(&tensors), batch.tensor(&device), &hide_padding(&batch, &device));
        let output = train::values(forward);
        for (row, length) in [8, 5].into_iter().enumerate() {
            let range = row * 96..(row + 1) * 96;
            let reference = reference(attention, &weights.values, &x[range.clone()], 8, length);
            for (a, b) in output[range].iter().zip(&reference) {
                assert!((f64::from(*a) - b).abs() < 1e-5, "{a} {b}");
            }
        }
    }
}
