//! Arithmetic of the networks on the processor itself, for what a chain of tensor operations does too slowly.

pub(super) mod attention;
pub(super) mod lanes;
#[cfg(target_arch = "x86_64")]
mod x86;

use burn::{
    backend::flex::{FlexTensor, Layout},
    tensor::{Bytes, DType, Shape},
};

/// A matrix of rows of `width` numbers.
pub(super) fn tensor(values: Vec<f32>, width: usize) -> FlexTensor {
    let shape = Shape::from([values.len() / width, width]);
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape), DType::F32)
}
