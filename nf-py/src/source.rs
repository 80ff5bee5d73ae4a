//! Where a capture comes from: a path, bytes, or an object with a method `read`.

use nf_core::{Capture, Result};
use pyo3::{exceptions::PyTypeError, prelude::*, pybacked::PyBackedBytes};
use std::{
    io::{self, Cursor, Read},
    path::PathBuf,
};

/// A capture to be opened.
pub(crate) enum Source {
    Path(PathBuf),
    Bytes(PyBackedBytes),
    File(Py<PyAny>),
}

impl<'py> FromPyObject<'_, 'py> for Source {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = given.extract::<PyBackedBytes>() {
            return Ok(Self::Bytes(bytes));
        }
        if let Ok(path) = given.extract::<PathBuf>() {
            return Ok(Self::Path(path));
        }
        if given.hasattr("read")? {
            return Ok(Self::File(given.to_owned().unbind()));
        }
        let message = format!("a capture is a path, bytes or a binary file, not {}", given.get_type().name()?);
        Err(PyTypeError::new_err(message))
    }
}

impl Source {
    /// Opens the capture; to be called without holding on to Python.
    pub(crate) fn open(self) -> Result<Capture> {
        match self {
            Self::Path(path) => Capture::open(path),
            Self::Bytes(bytes) => Capture::from_reader(Cursor::new(bytes)),
            Self::File(file) => Capture::from_reader(File(file)),
        }
    }
}

/// A Python file, read without holding on to Python in between.
struct File(Py<PyAny>);

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Python::attach(|py| {
            let bytes = self.0.call_method1(py, "read", (buffer.len(),))?;
            let bytes = bytes
                .extract::<PyBackedBytes>(py)
                .map_err(|_| PyTypeError::new_err("read() did not give bytes: open the file with mode \"rb\""))?;
            let room =
                buffer.get_mut(..bytes.len()).ok_or_else(|| PyTypeError::new_err("read(n) gave more than n bytes"))?;
            room.copy_from_slice(&bytes);
            Ok(bytes.len())
        })
        .map_err(|error: PyErr| io::Error::other(error))
    }
}
