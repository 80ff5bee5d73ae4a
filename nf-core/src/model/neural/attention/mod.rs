//! Self-attention over the real steps of each row.

mod linear;
mod low_rank;
mod plain;

use super::{
    batch::Batch,
    device, fused,
    kernel::attention::{Layout, Reach},
    weights::{Cursor, Slots},
};
use crate::{Error, Result};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How the packets of a session see each other. In the costs *T* is the number of packets, *d* the width of a latent, *h* the
/// number of heads; a training step costs three to four times as much as judging.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Attention {
    /// Each packet sees all (Vaswani et al., "Attention is all you need", NeurIPS 2017). Exact, in tiles: `2 T^2 d`
    /// multiplications, memory `T d`.
    #[default]
    Full,
    /// Each packet sees those near it (Beltagy, Peters and Cohan, "Longformer: the long-document transformer", 2020):
    /// `2 T (left + right + 1) d` multiplications, memory `T d`.
    Window {
        /// How many packets back.
        left: usize,
        /// How many packets ahead.
        right: usize,
        /// Whether all packets see the first, and it sees all (itself alone where `right` is 0).
        global: bool,
    },
    /// The softmax is replaced by a product of `elu(x) + 1` of query and key, so that all keys can be summed before any query
    /// is looked at (Katharopoulos et al., "Transformers are RNNs", ICML 2020): `2 T d^2 / h` multiplications, memory `T d`.
    Linear,
    /// Keys and values are projected along the session to `rank` of them, with one learned matrix a layer
    /// (Wang et al., "Linformer: self-attention with linear complexity", 2020): `4 T rank d` multiplications, memory
    /// `T (d + h rank)`, and `max_steps * rank` weights a layer.
    LowRank {
        /// How many keys are left, 1 to 4096.
        rank: usize,
    },
}

impl Attention {
    /// Checks the ranges.
    pub(super) fn check(self) -> Result<()> {
        match self {
            Self::LowRank { rank } if !(1..=4096).contains(&rank) => Err(Error::config("rank", rank, "1 to 4096")),
            _ => Ok(()),
        }
    }

    /// Which keys a query sees, where each has a weight of its own; a causal one sees none ahead.
    fn reach(self, causal: bool) -> Option<Reach> {
        let reach = match self {
            Self::Full => Reach::ALL,
            Self::Window { left, right, global } => Reach { left, right, global },
            Self::Linear | Self::LowRank { .. } => return None,
        };
        Some(if causal { Reach { right: 0, ..reach } } else { reach })
    }
}

/// The attention of one layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layer {
    /// Width of a step.
    pub(super) width: usize,
    /// Number of heads, a divisor of the width.
    pub(super) heads: usize,
    pub(super) attention: Attention,
    /// Whether no step sees a later one; not with [`Attention::LowRank`].
    pub(super) causal: bool,
    /// Steps of the longest row, padding included.
    pub(super) longest: usize,
}

/// What all layers need to know of a batch.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    steps: usize,
    lengths: Arc<[usize]>,
    /// Whether the device has the fused operations.
    fused: bool,
    /// 1 for real steps, 0 for padding, shape (rows, 1, steps, 1).
    real: Tensor<4>,
}

impl Rows {
    pub(super) fn new(batch: &Batch, device: &Device) -> Self {
        Self::on(batch, device, device::fused(device))
    }

    fn on(batch: &Batch, device: &Device, fused: bool) -> Self {
        let values: Vec<f32> = batch.real().map(|real| f32::from(u8::from(real))).collect();
        let real = Tensor::from_data(TensorData::new(values, [batch.lengths.len(), 1, batch.steps, 1]), device);
        Self { steps: batch.steps, lengths: batch.lengths.as_slice().into(), fused, real }
    }

    fn layout(&self, width: usize, heads: usize, reach: Reach) -> Layout {
        Layout { steps: self.steps, lengths: self.lengths.clone(), heads, size: width / heads, reach }
    }

    /// Shape (rows, any, steps, any): zero behind each row's length.
    fn only_real(&self, x: Tensor<4>) -> Tensor<4> {
        x * self.real.clone()
    }
}

impl Layer {
    pub(super) fn slots(self, slots: &mut Slots) {
        slots.linear(self.width, 3 * self.width);
        if let Attention::LowRank { rank } = self.attention {
            slots.matrix(self.longest, rank);
        }
        slots.linear(self.width, self.width);
    }

    /// (rows x steps, width) to the same shape.
    pub(super) fn forward(self, cursor: &mut Cursor<'_>, x: Tensor<2>, rows: &Rows) -> Tensor<2> {
        // One product for queries, keys and values.
        let joint = cursor.fast_linear(x);
        let mixed = match (self.attention, self.attention.reach(self.causal)) {
            (_, Some(reach)) if rows.fused => fused::attention(joint, rows.layout(self.width, self.heads, reach)),
            (_, Some(reach)) => plain::attention(Parts::new(joint, self.heads, rows), reach, rows),
            (Attention::LowRank { .. }, None) => {
                let projection = cursor.matrix();
                low_rank::attention(Parts::new(joint, self.heads, rows), projection, rows)
            }
            (_, None) => linear::attention(Parts::new(joint, self.heads, rows), self.causal, rows),
        };
        cursor.fast_linear(mixed)
    }
}

/// Queries, keys and values, each of shape (rows, heads, steps, size).
struct Parts {
    queries: Tensor<4>,
    keys: Tensor<4>,
    values: Tensor<4>,
}

impl Parts {
    fn new(joint: Tensor<2>, heads: usize, rows: &Rows) -> Self {
        let size = joint.dims()[1] / (3 * heads);
        let count = rows.lengths.len();
        let joint = joint.reshape([count, rows.steps, 3, heads, size]).permute([2, 0, 3, 1, 4]);
        let part = |i: usize| joint.clone().narrow(0, i, 1).reshape([count, heads, rows.steps, size]);
        Self { queries: part(0), keys: part(1), values: part(2) }
    }
}

/// (rows, heads, steps, size) to (rows x steps, heads x size).
fn join(mixed: Tensor<4>) -> Tensor<2> {
    let [rows, heads, steps, size] = mixed.dims();
    mixed.swap_dims(1, 2).reshape([rows * steps, heads * size])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        neural::{kernel::attention::testing, train},
        random::Random,
    };

    const WINDOWS: [Reach; 3] = [
        Reach { left: 3, right: 2, global: false },
        Reach { left: 4, right: 1, global: true },
        Reach { left: usize::MAX, right: 0, global: false },
    ];

    fn batch() -> Batch {
        Batch { steps: 16, width: 1, values: vec![0.0; 64], lengths: vec![16, 11, 0, 1] }
    }

    /// Queries, keys and values of `heads` heads of `size` numbers, and as many numbers as come out, zero in padding.
    fn numbers(heads: usize, size: usize) -> [Vec<f32>; 2] {
        let mut random = Random::new(2);
        let joint = (0..64 * 3 * heads * size).map(|_| random.normal()).collect();
        let gradient =
            batch().real().flat_map(|real| vec![f32::from(u8::from(real)); heads * size]).collect::<Vec<_>>();
        [joint, gradient.into_iter().map(|x| x * random.normal()).collect()]
    }

    /// The result of `compute`, and the gradient for what it is given where `gradient` is that for its result.
    fn both(
        compute: impl Fn(Tensor<2>, &Rows) -> Tensor<2>,
        joint: &[f32],
        gradient: &[f32],
        fused: bool,
    ) -> [Vec<f32>; 2] {
        let device = device::cpu().autodiff();
        let matrix =
            |values: &[f32]| Tensor::<2>::from_data(TensorData::new(values.to_vec(), [64, values.len() / 64]), &device);
        let joint = matrix(joint).require_grad();
        let mixed = compute(joint.clone(), &Rows::on(&batch(), &device, fused));
        let mut gradients = (mixed.clone() * matrix(gradient)).sum().backward();
        [train::values(mixed), train::values(joint.grad_remove(&mut gradients).unwrap())]
    }

    fn close(found: &[f32], expected: impl IntoIterator<Item = f64>, what: &str) {
        for (i, (a, b)) in found.iter().zip(expected).enumerate() {
            assert!((f64::from(*a) - b).abs() < 1e-5, "{what}, number {i}: {a} {b}");
        }
    }

    #[test]
    fn the_fused_operation_is_the_plain_one() {
        assert!(device::fused(&device::cpu()) && device::fused(&device::cpu().autodiff()));
        for (reach, (heads, size)) in
            WINDOWS.into_iter().chain([Reach::ALL]).flat_map(|reach| [(reach, (3, 4)), (reach, (1, 18))])
        {
            let [joint, gradient] = numbers(heads, size);
            let fused = both(
                |joint, rows| fused::attention(joint, rows.layout(heads * size, heads, reach)),
                &joint,
                &gradient,
                true,
            );
            let in_parts = |joint, rows: &Rows| plain::attention(Parts::new(joint, heads, rows), reach, rows);
            let plain = both(in_parts, &joint, &gradient, false);
            for (fused, plain) in fused.iter().zip(plain) {
                close(fused, plain.into_iter().map(f64::from), &format!("{reach:?}"));
            }
        }
    }

    #[test]
    fn the_plain_operation_agrees_with_plain_loops() {
        for reach in WINDOWS.into_iter().chain([Reach::ALL]) {
            let [joint, gradient] = numbers(3, 4);
            let lengths = batch().lengths.as_slice().into();
            let layout =
                crate::model::neural::kernel::attention::Layout { steps: 16, lengths, heads: 3, size: 4, reach };
            let expected = testing::reference(&joint, &layout, &gradient);
            let in_parts = |joint, rows: &Rows| plain::attention(Parts::new(joint, 3, rows), reach, rows);
            for (found, expected) in both(in_parts, &joint, &gradient, false).iter().zip(expected) {
                close(found, expected, &format!("{reach:?}"));
            }
        }
    }

    /// For each row, head and step what `mix` makes of it: given are a head's queries, keys and values of a row, in f64,
    /// only the real steps of them, and the step.
    fn expected(
        joint: &[f64],
        heads: usize,
        size: usize,
        mix: impl Fn([&[Vec<f64>]; 3], usize) -> Vec<f64>,
    ) -> Vec<f64> {
        let width = heads * size;
        let mut mixed = vec![0.0; joint.len() / 3];
        for (row, &length) in batch().lengths.iter().enumerate() {
            for head in 0..heads {
                let part = |part: usize| -> Vec<Vec<f64>> {
                    let at = |t: usize| (row * 16 + t) * 3 * width + part * width + head * size;
                    (0..length).map(|t| joint[at(t)..][..size].to_vec()).collect()
                };
                let parts = [part(0), part(1), part(2)];
                for i in 0..length {
                    let values = mix([&parts[0], &parts[1], &parts[2]], i);
                    mixed[(row * 16 + i) * width + head * size..][..size].copy_from_slice(&values);
                }
            }
        }
        mixed
    }

    /// Holds that `found`, what came out and the gradient for what was given, is what `expected` makes of it in f64; the gradient by
    /// differences.
    fn agrees(
        found: [Vec<f32>; 2],
        joint: &[f32],
        gradient: &[f32],
        expected: impl Fn(&[f64]) -> Vec<f64>,
        what: &str,
    ) {
        let mut joint: Vec<f64> = joint.iter().map(|x| f64::from(*x)).collect();
        close(&found[0], expected(&joint), what);
        let sum = |joint: &[f64]| expected(joint).iter().zip(gradient).map(|(x, g)| x * f64::from(*g)).sum::<f64>();
        let slopes: Vec<f64> = (0..joint.len())
            .map(|at| {
                let value = joint[at];
                let [above, below] = [1e-5, -1e-5].map(|offset| {
                    joint[at] = value + offset;
                    sum(&joint)
                });
                joint[at] = value;
                (above - below) / 2e-5
            })
            .collect();
        assert!(slopes.iter().filter(|slope| **slope != 0.0).count() * 4 > slopes.len(), "{what}: no gradient");
        close(&found[1], slopes, &format!("{what}, gradient"));
    }

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    /// The mean of `values`, weighted.
    fn mean(weights: &[f64], values: &[Vec<f64>]) -> Vec<f64> {
        let sum: f64 = weights.iter().sum();
        (0..values[0].len()).map(|e| weights.iter().zip(values).map(|(w, v)| w * v[e] / sum).sum()).collect()
    }

    #[test]
    fn linear_attention_agrees_with_plain_loops() {
        let [joint, gradient] = numbers(2, 5);
        let feature = |x: &[f64]| x.iter().map(|x| if *x > 0.0 { x + 1.0 } else { x.exp() }).collect::<Vec<_>>();
        for causal in [false, true] {
            let mix = |[queries, keys, values]: [&[Vec<f64>]; 3], i: usize| {
                let seen = if causal { i + 1 } else { keys.len() };
                let query = feature(&queries[i]);
                let weight = |key: &Vec<f64>| dot(&query, &feature(key));
                mean(&keys[..seen].iter().map(weight).collect::<Vec<_>>(), &values[..seen])
            };
            let found = both(
                |joint, rows| linear::attention(Parts::new(joint, 2, rows), causal, rows),
                &joint,
                &gradient,
                false,
            );
            let what = if causal { "causal" } else { "both ways" };
            agrees(found, &joint, &gradient, |joint| expected(joint, 2, 5, mix), what);
        }
    }

    #[test]
    fn steps_before_a_chunk_enter_as_a_sum() {
        let mut random = Random::new(4);
        let device = device::cpu();
        let batch = Batch { steps: 256, width: 1, values: vec![0.0; 256], lengths: vec![256] };
        let mut draw = || {
            let values = (0..256 * 4).map(|_| random.normal()).collect::<Vec<_>>();
            Tensor::<4>::from_data(TensorData::new(values, [1, 1, 256, 4]), &device)
        };
        let (queries, keys, values) = (draw(), draw(), draw());
        let compute = |steps: usize, causal| {
            let cut = |x: &Tensor<4>| x.clone().narrow(2, 0, steps);
            let parts = Parts { queries: cut(&queries), keys: cut(&keys), values: cut(&values) };
            let batch = Batch { steps, lengths: vec![steps], values: vec![0.0; steps], ..batch };
            train::values(linear::attention(parts, causal, &Rows::new(&batch, &device)))
        };
        let causal = compute(256, true);
        for last in [0, 63, 64, 150, 255] {
            let alone = compute(last + 1, false);
            close(&causal[last * 4..][..4], alone[last * 4..].iter().map(|x| f64::from(*x)), "step");
        }
    }

    #[test]
    fn low_rank_attention_agrees_with_plain_loops() {
        let [joint, gradient] = numbers(2, 5);
        let mut random = Random::new(3);
        let projection: Vec<f32> = (0..32 * 3).map(|_| random.normal()).collect();
        let project = |steps: &[Vec<f64>]| -> Vec<Vec<f64>> {
            let sum =
                |r: usize, e: usize| (0..steps.len()).map(|t| f64::from(projection[t * 3 + r]) * steps[t][e]).sum();
            (0..3).map(|r| (0..5).map(|e| sum(r, e)).collect()).collect()
        };
        let mix = |[queries, keys, values]: [&[Vec<f64>]; 3], i: usize| {
            let weight = |key: &Vec<f64>| (dot(&queries[i], key) / 5f64.sqrt()).exp();
            mean(&project(keys).iter().map(weight).collect::<Vec<_>>(), &project(values))
        };
        let compute = |joint: Tensor<2>, rows: &Rows| {
            let projection = Tensor::from_data(TensorData::new(projection.clone(), [32, 3]), &joint.device());
            low_rank::attention(Parts::new(joint, 2, rows), projection, rows)
        };
        let found = both(compute, &joint, &gradient, false);
        agrees(found, &joint, &gradient, |joint| expected(joint, 2, 5, mix), "low rank");
    }
}
