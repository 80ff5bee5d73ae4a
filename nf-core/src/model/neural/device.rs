//! Where tensors live: the only file that names a burn device.

use crate::{Error, ErrorKind, Result};
use burn::{backend::DispatchDevice, tensor::Device};

/// The CPU.
pub(super) fn cpu() -> Device {
    Device::flex()
}

/// The device that `wanted` names, where this build and this machine have it. Burn panics when it first uses one that is not
/// there, so it is looked for here.
pub(in crate::model) fn open(wanted: crate::Device) -> Result<Device> {
    match wanted {
        crate::Device::Cpu => Ok(cpu()),
        #[cfg(feature = "backend-ndarray")]
        #[expect(deprecated, reason = "it is kept to run the tensor operations of other devices on a second backend")]
        crate::Device::Ndarray => Ok(Device::ndarray()),
        #[cfg(feature = "cuda")]
        crate::Device::Cuda(number) => {
            let found = Device::enumerate(burn::tensor::DeviceType::Cuda);
            listed(wanted, &found, number, "NVIDIA driver (libcuda) with a card")
        }
        #[cfg(feature = "wgpu")]
        crate::Device::Wgpu(number) => {
            let found = Device::enumerate(burn::tensor::DeviceType::Wgpu);
            listed(wanted, &found, number, "driver of Vulkan, Metal, DirectX 12 or OpenGL with an adapter")
        }
        #[allow(unreachable_patterns, reason = "with every backend no device is left")]
        _ => Err(wanted.not_built_in()),
    }
}

/// The device of this number.
#[cfg_attr(not(any(feature = "cuda", feature = "wgpu")), allow(dead_code, reason = "no backend lists devices"))]
fn listed(wanted: crate::Device, found: &[Device], number: usize, driver: &str) -> Result<Device> {
    let absent = || match found.len() {
        0 => format!("device {wanted} is not there: no {driver} was found"),
        count => format!("device {wanted} is not there: this machine has {count}, counted from 0"),
    };
    found.get(number).cloned().ok_or_else(|| Error::new(ErrorKind::Unsupported, absent()))
}

/// Whether the kernels of this crate run there.
pub(super) fn fused(device: &Device) -> bool {
    matches!(device.clone().inner().as_dispatch(), DispatchDevice::Flex(_))
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// The devices beside the CPU that this build and this machine have.
    pub(in crate::model::neural) fn others() -> impl Iterator<Item = crate::Device> {
        [crate::Device::Ndarray, crate::Device::Cuda(0), crate::Device::Wgpu(0)]
            .into_iter()
            .filter(|device| device.check().is_ok())
    }

    /// All of them, the CPU first.
    pub(in crate::model::neural) fn all() -> impl Iterator<Item = Device> {
        [crate::Device::Cpu].into_iter().chain(others()).map(|device| open(device).unwrap())
    }
}

#[cfg(test)]
mod tests;
