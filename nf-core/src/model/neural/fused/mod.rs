//! The kernels as burn operations, for devices that [have them](super::device::fused): a step forward that keeps what the
//! step back needs, and that step back.

mod attention;
mod linear;
mod mlp;
mod norm;

pub(super) use attention::attention;
pub(super) use linear::linear;
pub(super) use mlp::mlp;
pub(super) use norm::norm;

use super::kernel::{lanes::Level, rows};
use burn::{
    backend::{
        Flex,
        flex::{FlexTensor, Layout},
        ops::FloatTensorOps,
    },
    tensor::{Bytes, DType, Shape},
};

/// A matrix of rows of `width` numbers.
fn tensor(values: Vec<f32>, width: usize) -> FlexTensor {
    let shape = Shape::from([values.len() / width, width]);
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape), DType::F32)
}

/// `x` times `matrix` plus `bias`, by row.
fn product(x: FlexTensor, matrix: FlexTensor, bias: &FlexTensor) -> FlexTensor {
    let mut product = Flex::float_matmul(x, matrix);
    rows::add(Level::best(), product.storage_mut(), bias.to_contiguous().storage());
    product
}

/// The gradients for `x`, matrix and bias of a [`product`], from that for its result.
fn product_gradients(x: &FlexTensor, matrix: FlexTensor, gradient: &FlexTensor) -> [FlexTensor; 3] {
    let [by_matrix, by_bias] = weight_gradients(x, gradient);
    [Flex::float_matmul(gradient.clone(), matrix.transpose(0, 1)), by_matrix, by_bias]
}

/// Those for matrix and bias.
fn weight_gradients(x: &FlexTensor, gradient: &FlexTensor) -> [FlexTensor; 2] {
    let width = gradient.layout().shape()[1];
    let sums = rows::sum(Level::best(), gradient.storage(), width);
    [Flex::float_matmul(x.transpose(0, 1), gradient.clone()), tensor(sums, width)]
}
