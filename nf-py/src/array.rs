//! The border with NumPy, and how rows are chosen by Python's keys.

use crate::error::DataError;
use numpy::{
    Element, PyArray, PyArray1, PyArrayDyn, PyArrayMethods, PyUntypedArrayMethods,
    ndarray::{ArrayView, Dimension},
};
use pyo3::{
    exceptions::{PyIndexError, PyOverflowError, PyTypeError},
    prelude::*,
    types::{PyBool, PyDict, PyIterator, PyRange, PySlice},
};
use std::{fmt::Display, ops::Range};

/// A view, not writeable, of numbers that `owner` keeps.
#[expect(unsafe_code, reason = "NumPy looks into memory of ours")]
pub(crate) fn view<'py, T: Element, D: Dimension>(
    numbers: &ArrayView<'_, T, D>,
    owner: Bound<'py, PyAny>,
) -> Bound<'py, PyArray<T, D>> {
    // SAFETY: every caller gives numbers of a frozen class of this crate as views and the object itself as owner. Its
    // memory neither moves nor changes until it is dropped, and the array keeps it alive.
    let array = unsafe { PyArray::borrow_from_array(numbers, owner) };
    array.readwrite().make_nonwriteable();
    array
}

/// Any array-like of numbers as a contiguous `float32` array, itself where it is one.
pub(crate) fn floats<'py>(given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let py = given.py();
    let numpy = py.import("numpy")?;
    let array = numpy.call_method1("asarray", (given,))?;
    if !"fiub".contains(&kind(&array)?) {
        let dtype = array.getattr("dtype")?;
        return Err(DataError::new_err(format!("the array has dtype {dtype}, it must hold real numbers")));
    }
    // What float32 cannot hold becomes infinite, of which NumPy would warn and the message below says more.
    let quiet = PyDict::new(py);
    quiet.set_item("over", "ignore")?;
    let quiet = numpy.getattr("errstate")?.call((), Some(&quiet))?;
    quiet.call_method0("__enter__")?;
    let narrow = numpy.call_method1("ascontiguousarray", (&array, numpy.getattr("float32")?));
    quiet.call_method1("__exit__", (py.None(), py.None(), py.None()))?;
    let narrow = narrow?.cast_into::<PyArrayDyn<f32>>()?;
    if !narrow.is(&array) {
        let numbers = narrow.readonly();
        let numbers = numbers.as_slice()?;
        let infinite = || numbers.iter().position(|number| number.is_infinite());
        if let Some(place) = py.detach(infinite) {
            let wide: f64 = array.getattr("flat")?.get_item(place)?.extract()?;
            if wide.is_finite() {
                let message = format!("value {place} of the array is {wide:e}, beyond what float32 holds");
                return Err(DataError::new_err(message));
            }
        }
    }
    Ok(narrow)
}

/// Numbers in one row, as `floats`.
pub(crate) fn vector(name: &str, given: &Bound<'_, PyAny>) -> PyResult<Vec<f32>> {
    let array = floats(given)?;
    if array.ndim() != 1 {
        let message = format!("{name} have shape {:?}, they must be numbers in one row", array.shape());
        return Err(DataError::new_err(message));
    }
    let array = array.readonly();
    let numbers = array.as_slice()?;
    Ok(given.py().detach(|| numbers.to_vec()))
}

/// How many steps of each row are real.
pub(crate) fn lengths(given: &Bound<'_, PyAny>) -> PyResult<Vec<u32>> {
    let array = given.py().import("numpy")?.call_method1("asarray", (given,))?;
    if !is_whole(&array) {
        let dtype = array.getattr("dtype")?;
        return Err(DataError::new_err(format!("lengths have dtype {dtype}, they must be whole numbers")));
    }
    let array = array.call_method1("astype", ("int64",))?;
    let Ok(array) = array.cast::<PyArray1<i64>>() else {
        let shape = array.getattr("shape")?;
        return Err(DataError::new_err(format!("lengths have shape {shape}, they must be one a row")));
    };
    let array = array.readonly();
    let length = |(row, length): (usize, &i64)| {
        u32::try_from(*length)
            .map_err(|_| DataError::new_err(format!("row {row} has length {length}, it must be 0 or more")))
    };
    array.as_array().iter().enumerate().map(length).collect()
}

fn kind(array: &Bound<'_, PyAny>) -> PyResult<String> {
    array.getattr("dtype")?.getattr("kind")?.extract()
}

const CHOICES: &str = "rows are chosen by a number, a slice, a mask of bools or an array of whole numbers";

/// The rows that a key chooses.
pub(crate) enum Choice {
    One(usize),
    Range(Range<usize>),
    Places(Vec<usize>),
}

impl Choice {
    /// Of `len` rows by a number, a slice, a mask or an array of numbers.
    pub(crate) fn of(key: &Bound<'_, PyAny>, len: usize) -> PyResult<Self> {
        if let Ok(slice) = key.cast::<PySlice>() {
            let found = slice.indices(len as isize)?;
            return Ok(if found.step == 1 {
                Self::Range(found.start as usize..found.start as usize + found.slicelength)
            } else {
                let places = (0..found.slicelength as isize).map(|i| (found.start + i * found.step) as usize);
                Self::Places(places.collect())
            });
        }
        if key.is_instance_of::<PyBool>() {
            return Err(PyTypeError::new_err(CHOICES));
        }
        match key.extract::<isize>() {
            Ok(place) => return within(place, len).map(Self::One),
            Err(error) if error.is_instance_of::<PyOverflowError>(key.py()) => return Err(outside(key, len)),
            Err(_) => {}
        }
        let array = key.py().import("numpy")?.call_method1("asarray", (key,))?;
        if let Ok(mask) = array.cast::<PyArray1<bool>>() {
            if mask.len() != len {
                let message = format!("the mask has {} values for {len} rows", mask.len());
                return Err(PyIndexError::new_err(message));
            }
            let mask = mask.readonly();
            let chosen = mask.as_array().iter().enumerate().filter(|(_, chosen)| **chosen).map(|(i, _)| i).collect();
            return Ok(Self::Places(chosen));
        }
        if let Ok(places) = array.cast::<PyArray1<u64>>() {
            let places = places.readonly();
            let place = |place: &u64| isize::try_from(*place).map_err(|_| outside(place, len));
            let places = places.as_array().iter().map(|given| within(place(given)?, len)).collect::<PyResult<_>>();
            return places.map(Self::Places);
        }
        let places = array.call_method1("astype", ("int64",)).ok().filter(|_| is_whole(&array));
        let Some(places) = places.and_then(|array| array.cast_into::<PyArray1<i64>>().ok()) else {
            return Err(PyTypeError::new_err(CHOICES));
        };
        let places = places.readonly();
        places.as_array().iter().map(|&place| within(place as isize, len)).collect::<PyResult<_>>().map(Self::Places)
    }
}

/// Whether an array holds whole numbers; an empty list is an array of no floats.
fn is_whole(array: &Bound<'_, PyAny>) -> bool {
    kind(array).is_ok_and(|kind| "iu".contains(&kind)) || array.len().is_ok_and(|len| len == 0)
}

fn within(place: isize, len: usize) -> PyResult<usize> {
    let found = if place < 0 { place + len as isize } else { place };
    match usize::try_from(found) {
        Ok(found) if found < len => Ok(found),
        _ => Err(outside(place, len)),
    }
}

fn outside(place: impl Display, len: usize) -> PyErr {
    PyIndexError::new_err(format!("row {place} of {len}"))
}

/// What `object[0]`, `object[1]` and so on give.
pub(crate) fn each<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyIterator>> {
    let py = object.py();
    let places = PyRange::new(py, 0, object.len()? as isize)?;
    py.import("builtins")?.call_method1("map", (object.getattr("__getitem__")?, places))?.try_iter()
}
