//! Arithmetic of the networks on the processor itself, for what a chain of tensor operations does too slowly.

pub(super) mod attention;
pub(super) mod dense;
pub(super) mod gelu;
#[allow(clippy::needless_range_loop, reason = "registers by number: several arrays of them at once")]
pub(super) mod lanes;
pub(super) mod mlp;
pub(super) mod norm;
#[allow(clippy::needless_range_loop, reason = "as above")]
pub(super) mod product;
pub(super) mod rows;
#[cfg(target_arch = "x86_64")]
mod x86;
