//! Where networks compute.

use crate::{Error, ErrorKind, Result};
use std::{fmt, str::FromStr};

/// Where a network is trained and judges, chosen at run time among what the build brings.
///
/// On [`Cpu`](Self::Cpu) the same rows get the same bits whatever is beside them, by kernels of this crate. All other devices
/// compute the same equations in tensor operations of burn, in whatever order these take, and no bit is promised there. Tests hold
/// scores of small networks on [`Ndarray`](Self::Ndarray), and on Mesa's software Vulkan as [`Wgpu`](Self::Wgpu), within 0.0001 of
/// those of the CPU; a transformer's density of latents that hardly vary, as where it was fitted to few rows, magnifies rounding
/// beyond that. Cards were not measured: NVIDIA's with tensor cores may multiply with the 10 bits of TensorFloat-32, and differ
/// more. What was trained on one device judges on any other; a detector's budget is kept best where it was calibrated.
///
/// ```
/// use nf_core::Device;
///
/// assert_eq!(Device::default(), Device::Cpu);
/// assert_eq!("cuda:1".parse::<Device>()?, Device::Cuda(1));
/// assert_eq!(Device::Wgpu(0).to_string(), "wgpu:0");
/// Device::Cpu.check()?;
/// # Ok::<(), nf_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// The processor, by burn-ndarray: slower, and there so that the path of all other devices can be tried without one of
    /// them (cargo feature `backend-ndarray`).
    Ndarray,
    /// An NVIDIA card by its number, from 0 (cargo feature `cuda`).
    Cuda(usize),
    /// A graphics adapter by its number, from 0, as the first of Vulkan, Metal, DirectX 12 and OpenGL that has a card lists them; where
    /// none has, as the first that has a software device (cargo feature `wgpu`).
    Wgpu(usize),
}

impl Device {
    /// Whether this build has the device and this machine too; a driver is looked for each time.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] that says which cargo feature or what driver is missing, or how many devices there are.
    pub fn check(self) -> Result<()> {
        #[cfg(feature = "neural")]
        return super::neural::open(self).map(drop);
        #[cfg(not(feature = "neural"))]
        return if self == Self::Cpu { Ok(()) } else { Err(self.not_built_in()) };
    }

    /// What is said where its feature is off.
    pub(super) fn not_built_in(self) -> Error {
        let feature = match self {
            Self::Cpu => "neural",
            Self::Ndarray => "backend-ndarray",
            Self::Cuda(_) => "cuda",
            Self::Wgpu(_) => "wgpu",
        };
        let message = format!("device {self} needs nf-core built with its cargo feature {feature}");
        Error::new(ErrorKind::Unsupported, message)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Ndarray => f.write_str("ndarray"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Wgpu(number) => write!(f, "wgpu:{number}"),
        }
    }
}

impl FromStr for Device {
    type Err = Error;

    /// What [`Display`](fmt::Display) writes; without a number the first device is meant.
    fn from_str(text: &str) -> Result<Self> {
        let (name, number) = match text.split_once(':') {
            Some((name, number)) => (name, number.parse().ok()),
            None => (text, Some(0)),
        };
        match (name, number) {
            ("cpu", _) if name == text => Ok(Self::Cpu),
            ("ndarray", _) if name == text => Ok(Self::Ndarray),
            ("cuda", Some(number)) => Ok(Self::Cuda(number)),
            ("wgpu", Some(number)) => Ok(Self::Wgpu(number)),
            _ => Err(Error::config(
                "device",
                text,
                "cpu, ndarray, cuda or wgpu, the last two also with a number: cuda:1",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_from_its_text() {
        for device in [Device::Cpu, Device::Ndarray, Device::Cuda(0), Device::Wgpu(12)] {
            assert_eq!(device.to_string().parse::<Device>().unwrap(), device);
        }
        assert_eq!("cuda".parse::<Device>().unwrap(), Device::Cuda(0));
        for text in ["gpu", "", "cpu:0", "cuda:", "cuda:-1", "wgpu:one", "CUDA"] {
            let error = text.parse::<Device>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            let allowed = "cpu, ndarray, cuda or wgpu, the last two also with a number: cuda:1";
            assert_eq!(error.to_string(), format!("device is {text}, it must be {allowed}"));
        }
    }

    #[test]
    fn a_device_that_is_not_there_is_refused() {
        Device::Cpu.check().unwrap();
        let built_in = [
            (Device::Ndarray, cfg!(feature = "backend-ndarray"), "backend-ndarray"),
            (Device::Cuda(0), cfg!(feature = "cuda"), "cuda"),
            (Device::Wgpu(0), cfg!(feature = "wgpu"), "wgpu"),
        ];
        for (device, _, feature) in built_in.into_iter().filter(|(_, built_in, _)| !built_in) {
            let error = device.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            let expected = format!("device {device} needs nf-core built with its cargo feature {feature}");
            assert_eq!(error.to_string(), expected);
        }
        // No machine has so many.
        for (device, built_in) in
            [(Device::Cuda(999), cfg!(feature = "cuda")), (Device::Wgpu(999), cfg!(feature = "wgpu"))]
        {
            let error = device.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            let start =
                format!("device {device} {}", if built_in { "is not there: " } else { "needs nf-core built with " });
            assert!(error.to_string().starts_with(&start), "{error}");
        }
    }
}
