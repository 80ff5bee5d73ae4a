//! Where tensors live: the only file that names a burn device.

use burn::tensor::Device;

/// The CPU, for judging.
pub(super) fn judging() -> Device {
    Device::flex()
}

/// The CPU, recording operations for the backward pass.
pub(super) fn training() -> Device {
    judging().autodiff()
}
