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

use super::kernel::{
    lanes::Level,
    product::{self, Matrix},
    rows,
};
use burn::{
    backend::flex::{FlexTensor, Layout},
    tensor::{Bytes, DType, Shape},
};

/// A matrix of rows of `width` numbers.
fn tensor(values: Vec<f32>, width: usize) -> FlexTensor {
    let shape = Shape::from([values.len() / width, width]);
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape), DType::F32)
}

/// The numbers of a tensor that is contiguous.
fn matrix(tensor: &FlexTensor) -> Matrix<'_> {
    Matrix::new(tensor.storage(), tensor.layout().shape()[1])
}

/// `x` times `w` plus `bias`, by row. All must be contiguous, here and below.
fn product(x: &FlexTensor, w: &FlexTensor, bias: &FlexTensor) -> FlexTensor {
    let values = product::product(Level::best(), matrix(x), matrix(w), Some(bias.storage()));
    tensor(values, w.layout().shape()[1])
}

/// The gradient for `x` of a [`product`], from that for its result.
fn input_gradient(w: &FlexTensor, gradient: &FlexTensor) -> FlexTensor {
    tensor(product::product(Level::best(), matrix(gradient), matrix(w).transposed(), None), w.layout().shape()[0])
}

/// Those for `w` and `bias`.
fn weight_gradients(x: &FlexTensor, gradient: &FlexTensor) -> [FlexTensor; 2] {
    let width = gradient.layout().shape()[1];
    let sums = rows::sum(Level::best(), gradient.storage(), width);
    [
        tensor(product::product(Level::best(), matrix(x).transposed(), matrix(gradient), None), width),
        tensor(sums, width),
    ]
}
