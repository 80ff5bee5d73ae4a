//! Where a capture comes from: a path, bytes, or an object with a method `read`.

use crate::error::{raised, raised_of};
use nf_core::Capture;
use pyo3::{exceptions::PyTypeError, prelude::*, pybacked::PyBackedBytes};
use std::{
    io::{self, Cursor, Read},
    path::{Path, PathBuf},
};

/// A capture to be opened.
pub(crate) struct Source {
    /// As messages call it.
    name: String,
    of: Of,
}

enum Of {
    Path(PathBuf),
    Bytes(PyBackedBytes),
    File(Py<PyAny>),
}

impl<'py> FromPyObject<'_, 'py> for Source {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = given.extract::<PyBackedBytes>() {
            return Ok(Self { name: "bytes".to_owned(), of: Of::Bytes(bytes) });
        }
        if let Ok(path) = given.extract::<PathBuf>() {
            return Ok(Self { name: path.display().to_string(), of: Of::Path(path) });
        }
        let kind = given.get_type().name()?;
        if given.hasattr("read")? {
            let name = given.getattr("name").and_then(|name| name.extract::<String>());
            let name = name.unwrap_or_else(|_| kind.to_string());
            return Ok(Self { name, of: Of::File(given.to_owned().unbind()) });
        }
        let message = format!("a capture is a path, bytes or a binary file, not {kind}");
        Err(PyTypeError::new_err(message))
    }
}

impl Source {
    /// Several captures; those that no path names are told apart by their place.
    pub(crate) fn numbered(mut sources: Vec<Self>) -> Vec<Self> {
        let count = sources.len();
        let nameless = sources.iter_mut().enumerate().filter(|(_, source)| !matches!(source.of, Of::Path(_)));
        if count > 1 {
            nameless.for_each(|(place, source)| source.name = format!("{} ({} of {count})", source.name, place + 1));
        }
        sources
    }

    /// Whether its reader may wait for more, as that of a pipe does.
    pub(crate) fn waits(&self) -> bool {
        matches!(self.of, Of::File(_))
    }

    /// Opens the capture; to be called without holding on to Python.
    pub(crate) fn open(self) -> PyResult<Capture> {
        match self.of {
            Of::Path(path) => Capture::open(&path).map_err(raised_of(&path)),
            Of::Bytes(bytes) => Capture::from_named(self.name, Cursor::new(bytes)).map_err(raised),
            Of::File(file) => Capture::from_named(self.name, File(file)).map_err(raised),
        }
    }
}

/// The exception for what went wrong in the middle of a capture.
pub(crate) fn damaged(capture: &Capture) -> impl FnOnce(nf_core::Error) -> PyErr + use<> {
    let name = capture.name().to_owned();
    move |error| raised_of(Path::new(&name))(error)
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
