//! Attention with a kernel in place of the softmax.

use super::{Parts, Rows, join};
use burn::tensor::{Device, Tensor, TensorData, activation};

/// Added to the sum of weights, which is zero where no key is seen.
const TINY: f64 = 1e-6;

/// Most steps whose weights a causal row computes one by one; those before them enter as a sum.
const CHUNK: usize = 64;

/// Mixed values, shape (rows x steps, heads x size), zero behind a row's length. A `causal` step sees itself and those
/// before it.
pub(super) fn attention(parts: Parts, causal: bool, rows: &Rows) -> Tensor<2> {
    let feature = |x: Tensor<4>| activation::elu(x, 1.0) + 1.0;
    let queries = feature(parts.queries);
    let keys = rows.only_real(feature(parts.keys));
    // A last column of ones: its sum is what the others are divided by.
    let [count, heads, steps, size] = queries.dims();
    let ones = Tensor::ones([count, heads, steps, 1], &queries.device());
    let values = Tensor::cat(vec![rows.only_real(parts.values), ones], 3);
    let sums = match causal {
        true => before(queries, keys, values),
        false => queries.matmul(keys.swap_dims(2, 3).matmul(values)),
    };
    let weights = sums.clone().narrow(3, size, 1) + TINY;
    join(rows.only_real(sums.narrow(3, 0, size) / weights))
}

/// For each query the sum over its own key and those before it of weight times value.
fn before(queries: Tensor<4>, keys: Tensor<4>, values: Tensor<4>) -> Tensor<4> {
    let [rows, heads, steps, size] = queries.dims();
    // The largest power of two that divides the steps.
    let (chunk, width) = (CHUNK.min(1 << steps.trailing_zeros()), values.dims()[3]);
    let chunks = steps / chunk;
    let device = queries.device();
    let cut = |x: Tensor<4>, width: usize| x.reshape([rows * heads, chunks, chunk, width]);
    let (queries, keys, values) = (cut(queries, size), cut(keys, size), cut(values, width));
    let within = lower(chunk, 0, &device).reshape([1, 1, chunk, chunk]);
    let near = (queries.clone().matmul(keys.clone().swap_dims(2, 3)) * within).matmul(values.clone());
    let sums: Tensor<3> = keys.swap_dims(2, 3).matmul(values).reshape([rows * heads, chunks, size * width]);
    let earlier = lower(chunks, 1, &device).reshape([1, chunks, chunks]).expand([rows * heads, chunks, chunks]);
    let far = queries.matmul(earlier.matmul(sums).reshape([rows * heads, chunks, size, width]));
    (near + far).reshape([rows, heads, steps, width])
}

/// Ones in a square where the column is at least `distance` before the row, zeros elsewhere.
fn lower(size: usize, distance: usize, device: &Device) -> Tensor<2> {
    let values: Vec<f32> = (0..size * size).map(|i| f32::from(u8::from(i % size + distance <= i / size))).collect();
    Tensor::from_data(TensorData::new(values, [size, size]), device)
}
