//! The border with NumPy, and how rows are chosen by Python's keys.

use crate::error::DataError;
use numpy::{
    Element, PyArray, PyArray1, PyArrayDyn, PyArrayMethods, PyUntypedArrayMethods,
    ndarray::{ArrayView, Dimension},
};
use pyo3::{
    exceptions::{PyIndexError, PyTypeError},
    prelude::*,
    types::{PyIterator, PyRange, PySlice},
};
use std::ops::Range;

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
    let numpy = given.py().import("numpy")?;
    let array = numpy.call_method1("asarray", (given,))?;
    let kind: String = array.getattr("dtype")?.getattr("kind")?.extract()?;
    if !"fiub".contains(&kind) {
        let dtype = array.getattr("dtype")?;
        return Err(DataError::new_err(format!("the array has dtype {dtype}, it must hold real numbers")));
    }
    let array = numpy.call_method1("ascontiguousarray", (array, numpy.getattr("float32")?))?;
    Ok(array.cast_into::<PyArrayDyn<f32>>()?)
}

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
        if let Ok(place) = key.extract::<isize>() {
            return within(place, len).map(Self::One);
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
        let places = array.call_method1("astype", ("int64",)).ok().filter(|_| is_whole(&array));
        let Some(places) = places.and_then(|array| array.cast_into::<PyArray1<i64>>().ok()) else {
            let message = "rows are chosen by a number, a slice, a mask of bools or an array of whole numbers";
            return Err(PyTypeError::new_err(message));
        };
        let places = places.readonly();
        places.as_array().iter().map(|&place| within(place as isize, len)).collect::<PyResult<_>>().map(Self::Places)
    }
}

/// Whether an array holds whole numbers; an empty list is an array of no floats.
fn is_whole(array: &Bound<'_, PyAny>) -> bool {
    let kind = array.getattr("dtype").and_then(|dtype| dtype.getattr("kind")).and_then(|kind| kind.extract::<String>());
    kind.is_ok_and(|kind| "iu".contains(&kind)) || array.len().is_ok_and(|len| len == 0)
}

fn within(place: isize, len: usize) -> PyResult<usize> {
    let found = if place < 0 { place + len as isize } else { place };
    match usize::try_from(found) {
        Ok(found) if found < len => Ok(found),
        _ => Err(PyIndexError::new_err(format!("row {place} of {len}"))),
    }
}

/// What `object[0]`, `object[1]` and so on give.
pub(crate) fn each<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyIterator>> {
    let py = object.py();
    let places = PyRange::new(py, 0, object.len()? as isize)?;
    py.import("builtins")?.call_method1("map", (object.getattr("__getitem__")?, places))?.try_iter()
}
