//! Errors of the engine as Python's exceptions.

use nf_core::{Error, ErrorKind};
use pyo3::{
    PyErr,
    exceptions::{PyKeyboardInterrupt, PyNotImplementedError, PyOSError, PyRuntimeError, PyValueError},
    import_exception,
};
use std::{error::Error as _, io, path::Path};

import_exception!(neural_filter._errors, CaptureError);
import_exception!(neural_filter._errors, SchemaError);
import_exception!(neural_filter._errors, DataError);
import_exception!(neural_filter._errors, ModelFileError);
import_exception!(neural_filter._errors, TrainingError);

/// The exception that stands for an error.
pub(crate) fn raised(error: Error) -> PyErr {
    of(&error, None)
}

/// The exception that stands for an error on a file.
pub(crate) fn raised_of(path: &Path) -> impl FnOnce(Error) -> PyErr {
    move |error| of(&error, Some(path))
}

fn of(error: &Error, path: Option<&Path>) -> PyErr {
    let message = error.to_string();
    if let Some(own) = of_python(error) {
        return own;
    }
    match error.kind() {
        ErrorKind::Io => of_system(error, message, path),
        ErrorKind::Capture => CaptureError::new_err(message),
        ErrorKind::Config => PyValueError::new_err(message),
        ErrorKind::Schema => SchemaError::new_err(message),
        ErrorKind::Data => DataError::new_err(message),
        ErrorKind::ModelFile => ModelFileError::new_err(message),
        ErrorKind::Training => TrainingError::new_err(message),
        ErrorKind::Canceled => PyKeyboardInterrupt::new_err(message),
        ErrorKind::Unsupported => PyNotImplementedError::new_err(message),
        _ => PyRuntimeError::new_err(message),
    }
}

/// What a Python file raised while it was read, be it through a decompressor, which takes it for damage.
fn of_python(error: &Error) -> Option<PyErr> {
    let source = error.source()?.downcast_ref::<io::Error>()?;
    let own = source.get_ref()?.downcast_ref::<PyErr>()?;
    Some(pyo3::Python::attach(|py| own.clone_ref(py)))
}

/// Python makes `FileNotFoundError` and its like from the number.
fn of_system(error: &Error, message: String, path: Option<&Path>) -> PyErr {
    const IS_A_DIRECTORY: i32 = 21;
    // One around it may name a path of its own, as that of a file that is written before it gets its name.
    let (mut number, mut cause) = (None, error.source());
    while let (None, Some(found)) = (number, cause) {
        number = found.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        cause = found.source();
    }
    match (number, path) {
        (Some(number), Some(path)) => numbered(number, path),
        (None, Some(path)) if path.is_dir() => numbered(IS_A_DIRECTORY, path),
        (Some(number), None) => PyOSError::new_err((number, message)),
        (None, _) => PyOSError::new_err(message),
    }
}

fn numbered(number: i32, path: &Path) -> PyErr {
    let text = io::Error::from_raw_os_error(number).to_string();
    let text = text.strip_suffix(&format!(" (os error {number})")).unwrap_or(&text).to_owned();
    PyOSError::new_err((number, text, path.as_os_str().to_owned()))
}
