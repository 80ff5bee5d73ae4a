//! What calls return, and the text beside it.

use crate::boundary::{Failure, last_error};
use nf_core::ErrorKind;
use std::ffi::c_char;

/// What a call comes to: below 0 an error, with its text in `nf_last_error`; 0 done; above 0 done, with news.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum nf_status {
    /// Done.
    NF_OK = 0,
    /// Done: there is nothing (more) to give, and nothing was written.
    NF_EMPTY = 1,
    /// Done: the packet cannot be used (truncated, not IP, ..). It was counted, and the session is as it was.
    NF_SKIPPED = 2,
    /// The operating system said no: the text names the path.
    NF_ERR_IO = -1,
    /// Not a readable capture: the text has the packet's number and the byte.
    NF_ERR_CAPTURE = -2,
    /// A parameter is out of its range: the text has its name, its value and the range.
    NF_ERR_CONFIG = -3,
    /// Model and rows disagree, or a detector does not serve this door: the text names the column or the head.
    NF_ERR_SCHEMA = -4,
    /// Too few sessions for what was promised, or a value that is not finite: the text has row and column.
    NF_ERR_DATA = -5,
    /// Not a model file, one of a newer version, or a damaged one.
    NF_ERR_MODEL_FILE = -6,
    /// The loss of a training did not stay finite.
    NF_ERR_TRAINING = -7,
    /// The progress callback said stop.
    NF_ERR_CANCELED = -8,
    /// A link type, or a part of the library, that is not built in.
    NF_ERR_UNSUPPORTED = -9,
    /// The call itself is wrong: a null pointer, a length, a struct_size, a number that is no value of its enum, text that is
    /// not UTF-8.
    NF_ERR_ARGUMENT = -10,
    /// The handle is in use: by the call that runs this callback, or by another thread that may not have it at the same time.
    NF_ERR_BUSY = -11,
    /// The library's own mistake, caught. What the call took as `T *` can only be freed, and gives this status again; what it took as
    /// `const T *` was not changed and stays usable. To go on, free the broken monitor or context, with its sessions, and make others
    /// of the detector.
    NF_ERR_PANIC = -12,
    /// An error of a kind that this interface does not know yet.
    NF_ERR_OTHER = -13,
}

impl nf_status {
    pub(crate) const ALL: [Self; 16] = [
        Self::NF_OK,
        Self::NF_EMPTY,
        Self::NF_SKIPPED,
        Self::NF_ERR_IO,
        Self::NF_ERR_CAPTURE,
        Self::NF_ERR_CONFIG,
        Self::NF_ERR_SCHEMA,
        Self::NF_ERR_DATA,
        Self::NF_ERR_MODEL_FILE,
        Self::NF_ERR_TRAINING,
        Self::NF_ERR_CANCELED,
        Self::NF_ERR_UNSUPPORTED,
        Self::NF_ERR_ARGUMENT,
        Self::NF_ERR_BUSY,
        Self::NF_ERR_PANIC,
        Self::NF_ERR_OTHER,
    ];

    pub(crate) fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Io => Self::NF_ERR_IO,
            ErrorKind::Capture => Self::NF_ERR_CAPTURE,
            ErrorKind::Config => Self::NF_ERR_CONFIG,
            ErrorKind::Schema => Self::NF_ERR_SCHEMA,
            ErrorKind::Data => Self::NF_ERR_DATA,
            ErrorKind::ModelFile => Self::NF_ERR_MODEL_FILE,
            ErrorKind::Training => Self::NF_ERR_TRAINING,
            ErrorKind::Canceled => Self::NF_ERR_CANCELED,
            ErrorKind::Unsupported => Self::NF_ERR_UNSUPPORTED,
            _ => Self::NF_ERR_OTHER,
        }
    }

    fn name(self) -> &'static std::ffi::CStr {
        match self {
            Self::NF_OK => c"ok",
            Self::NF_EMPTY => c"empty",
            Self::NF_SKIPPED => c"skipped",
            Self::NF_ERR_IO => c"io",
            Self::NF_ERR_CAPTURE => c"capture",
            Self::NF_ERR_CONFIG => c"config",
            Self::NF_ERR_SCHEMA => c"schema",
            Self::NF_ERR_DATA => c"data",
            Self::NF_ERR_MODEL_FILE => c"model file",
            Self::NF_ERR_TRAINING => c"training",
            Self::NF_ERR_CANCELED => c"canceled",
            Self::NF_ERR_UNSUPPORTED => c"unsupported",
            Self::NF_ERR_ARGUMENT => c"argument",
            Self::NF_ERR_BUSY => c"busy",
            Self::NF_ERR_PANIC => c"panic",
            Self::NF_ERR_OTHER => c"other",
        }
    }
}

impl From<nf_core::Error> for Failure {
    fn from(error: nf_core::Error) -> Self {
        Self { status: nf_status::of(error.kind()), message: error.to_string() }
    }
}

/// The text of this thread's last error: one line in UTF-8, what, where, and what would be right; "" before the first.
///
/// Ownership: the library's; it stands until the next call on this thread that fails. Threads: each has its own.
#[unsafe(no_mangle)]
pub extern "C" fn nf_last_error() -> *const c_char {
    boundary!(or c"".as_ptr() => last_error())
}

/// A status as one or two words: "ok", "model file"; "unknown" for a number that is none.
///
/// Ownership: the library's, for ever. Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn nf_status_name(status: i32) -> *const c_char {
    boundary!(or c"unknown".as_ptr() => {
        let known = nf_status::ALL.into_iter().find(|known| *known as i32 == status);
        known.map_or(c"unknown", nf_status::name).as_ptr()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::HashSet, ffi::CStr};

    #[test]
    fn each_status_has_a_number_and_a_name_of_its_own() {
        let names: HashSet<&CStr> = nf_status::ALL.into_iter().map(nf_status::name).collect();
        let numbers: HashSet<i32> = nf_status::ALL.into_iter().map(|status| status as i32).collect();
        assert_eq!((names.len(), numbers.len()), (nf_status::ALL.len(), nf_status::ALL.len()));
        // SAFETY: texts that stand for ever.
        let name = |number| unsafe { CStr::from_ptr(nf_status_name(number)) }.to_str().unwrap();
        assert_eq!((name(-6), name(0), name(99)), ("model file", "ok", "unknown"));
    }

    #[test]
    fn each_kind_of_error_has_its_status() {
        let kinds = [ErrorKind::Io, ErrorKind::Capture, ErrorKind::Config, ErrorKind::Schema, ErrorKind::Data];
        let more = [ErrorKind::ModelFile, ErrorKind::Training, ErrorKind::Canceled, ErrorKind::Unsupported];
        let numbers: Vec<i32> = kinds.into_iter().chain(more).map(|kind| nf_status::of(kind) as i32).collect();
        assert_eq!(numbers, [-1, -2, -3, -4, -5, -6, -7, -8, -9]);
    }
}
