//! Arithmetic of the networks on the processor itself, for what a chain of tensor operations does too slowly.

pub(super) mod attention;
pub(super) mod dense;
pub(super) mod gelu;
pub(super) mod lanes;
pub(super) mod norm;
pub(super) mod product;
pub(super) mod rows;
#[cfg(target_arch = "x86_64")]
mod x86;
