//! Exact and windowed attention in tensor operations, for every device. Memory grows with the square of the steps.

use super::{Parts, Rows, join};
use crate::model::neural::kernel::attention::Reach;
use burn::tensor::{Device, Tensor, TensorData, activation};

/// Added to the score of a key that is not seen: its exponential is exactly zero beside that of one that is.
const UNSEEN: f32 = -1e9;

/// Mixed values, shape (rows x steps, heads x size), zero behind a row's length.
pub(super) fn attention(parts: Parts, reach: Reach, rows: &Rows) -> Tensor<2> {
    let Parts { queries, keys, values } = parts;
    let hidden = hidden(reach, rows, &queries.device());
    let scale = 1.0 / (queries.dims()[3] as f64).sqrt();
    let weights = activation::softmax((queries * scale).matmul(keys.swap_dims(2, 3)) + hidden, 3);
    join(rows.only_real(weights.matmul(values)))
}

/// What is added to scores: shape (rows, 1, steps, steps), a row a query.
fn hidden(reach: Reach, rows: &Rows, device: &Device) -> Tensor<4> {
    let mut values = vec![UNSEEN; rows.lengths.len() * rows.steps * rows.steps];
    let queries = rows.lengths.iter().flat_map(|&length| (0..rows.steps).map(move |i| (i, length)));
    for ((i, length), values) in queries.zip(values.chunks_exact_mut(rows.steps)).filter(|((i, length), _)| i < length)
    {
        values[reach.keys(i, length)].fill(0.0);
        if reach.global {
            values[0] = 0.0;
        }
    }
    Tensor::from_data(TensorData::new(values, [rows.lengths.len(), 1, rows.steps, rows.steps]), device)
}
