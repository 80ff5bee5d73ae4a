//! Errors of the engine as Python's exceptions.

use nf_core::{Error, ErrorKind};
use pyo3::{
    PyErr,
    exceptions::{PyKeyboardInterrupt, PyNotImplementedError, PyOSError, PyRuntimeError, PyValueError},
    import_exception,
};
use std::{error::Error as _, io};

import_exception!(neural_filter._errors, CaptureError);
import_exception!(neural_filter._errors, SchemaError);
import_exception!(neural_filter._errors, DataError);
import_exception!(neural_filter._errors, ModelFileError);
import_exception!(neural_filter._errors, TrainingError);

/// The exception that stands for an error.
pub(crate) fn raised(error: Error) -> PyErr {
    let message = error.to_string();
    match error.kind() {
        ErrorKind::Io => of_system(&error, message),
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

/// Python makes `FileNotFoundError` and its like from the number; what a Python file object raised goes on.
fn of_system(error: &Error, message: String) -> PyErr {
    let Some(source) = error.source().and_then(|source| source.downcast_ref::<io::Error>()) else {
        return PyOSError::new_err(message);
    };
    if let Some(own) = source.get_ref().and_then(|inner| inner.downcast_ref::<PyErr>()) {
        return pyo3::Python::attach(|py| own.clone_ref(py));
    }
    match source.raw_os_error() {
        Some(number) => PyOSError::new_err((number, message)),
        None => PyOSError::new_err(message),
    }
}
