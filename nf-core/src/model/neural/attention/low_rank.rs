//! Attention to a few mixtures of keys.

use super::{Parts, Rows, join};
use burn::tensor::{Tensor, activation};

/// Mixed values, shape (rows x steps, heads x size), zero behind a row's length. `projection` has the shape (longest row,
/// rank); a step beyond a row's length takes no part. It cannot be causal: each mixture holds all keys.
pub(super) fn attention(parts: Parts, projection: Tensor<2>, rows: &Rows) -> Tensor<2> {
    let [count, heads, steps, size] = parts.queries.dims();
    let rank = projection.dims()[1];
    let mixtures = projection.narrow(0, 0, steps).swap_dims(0, 1).reshape([1, 1, rank, steps]);
    let mixtures = mixtures.expand([count, heads, rank, steps]);
    let keys = mixtures.clone().matmul(rows.only_real(parts.keys));
    let values = mixtures.matmul(rows.only_real(parts.values));
    let scale = 1.0 / (size as f64).sqrt();
    let weights = activation::softmax((parts.queries * scale).matmul(keys.swap_dims(2, 3)), 3);
    join(rows.only_real(weights.matmul(values)))
}
