//! Where tensors live: the only file that names a burn device.

use burn::{backend::DispatchDevice, tensor::Device};

/// The CPU, for judging.
pub(super) fn judging() -> Device {
    Device::flex()
}

/// The CPU, recording operations for the backward pass.
pub(super) fn training() -> Device {
    judging().autodiff()
}

/// Whether the fused operations run there.
pub(super) fn fused(device: &Device) -> bool {
    matches!(device.clone().inner().as_dispatch(), DispatchDevice::Flex(_))
}
