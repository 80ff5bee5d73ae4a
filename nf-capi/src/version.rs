//! What this library is and has.

use crate::boundary::Outcome;
use nf_core::detector::Recipe;
use std::ffi::{CStr, c_char};

/// The version of this interface. It goes up with each change that a program has to be made anew for; all else is only added.
pub const NF_ABI_VERSION: u32 = 1;

/// For a time in nanoseconds of a configuration: never.
pub const NF_NEVER: i64 = i64::MAX;

/// For a number of threads: one for each core.
pub const NF_ALL_CORES: u32 = u32::MAX;

/// A switch of a configuration.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum nf_switch {
    /// As the engine, or the detector, has it.
    NF_SWITCH_DEFAULT = 0,
    /// On.
    NF_SWITCH_ON = 1,
    /// Off.
    NF_SWITCH_OFF = 2,
}

/// What a switch says; `None` for as it is.
pub(crate) fn switch(number: i32, name: &str) -> Outcome<Option<bool>> {
    variant!(number, name, {
        nf_switch::NF_SWITCH_DEFAULT => None,
        nf_switch::NF_SWITCH_ON => Some(true),
        nf_switch::NF_SWITCH_OFF => Some(false),
    })
}

pub(crate) fn switched(on: bool) -> i32 {
    if on { nf_switch::NF_SWITCH_ON as i32 } else { nf_switch::NF_SWITCH_OFF as i32 }
}

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => c"",
};

/// The version of the library, such as "0.1.0".
///
/// Ownership: the library's, for ever. Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn nf_version() -> *const c_char {
    boundary!(or VERSION.as_ptr() => VERSION.as_ptr())
}

/// The version of the interface that the library was built with: `NF_ABI_VERSION` of its own header. A program that was made
/// with another one must not use it.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn nf_abi_version() -> u32 {
    boundary!(or 0 => NF_ABI_VERSION)
}

/// Whether the library has a part: 1 if so, else 0. Parts are "neural" (the networks, which the default recipe needs) and
/// "head:NAME" (a head that `nf_trainer_config.heads` may name). 0 for null and for what it has never heard of.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nf_has(part: *const c_char) -> i32 {
    boundary!(or 0 => {
        let has = text!(part, "part").is_ok_and(|part| match part.strip_prefix("head:") {
            Some(head) => Recipe::available_heads().any(|known| known == head),
            None => part == "neural" && cfg!(feature = "neural"),
        });
        i32::from(has)
    })
}
