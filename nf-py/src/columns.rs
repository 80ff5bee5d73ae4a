//! Numbers of any Arrow table.

use crate::error::DataError;
use arrow_array::{
    Array, RecordBatch, RecordBatchReader,
    cast::AsArray,
    ffi_stream::{ArrowArrayStreamReader, FFI_ArrowArrayStream},
    types,
};
use arrow_schema::{ArrowError, DataType};
use numpy::{PyArray2, ndarray::Array2};
use pyo3::{prelude::*, types::PyCapsule};

/// Names and numbers of an Arrow table's columns, for those that NumPy cannot read; a null is NaN.
#[pyfunction]
pub(crate) fn arrow_numbers<'py>(
    py: Python<'py>,
    table: &Bound<'py, PyAny>,
) -> PyResult<(Vec<String>, Bound<'py, PyArray2<f64>>)> {
    let reader = reader(table)?;
    let (names, array) = py.detach(|| {
        let names = reader.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
        let batches = reader.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
        Ok::<_, PyErr>((names.clone(), filled(&names, &batches)?))
    })?;
    Ok((names, PyArray2::from_owned_array(py, array)))
}

#[expect(unsafe_code, reason = "the stream is memory of another library")]
fn reader(table: &Bound<'_, PyAny>) -> PyResult<ArrowArrayStreamReader> {
    let capsule = table.call_method0("__arrow_c_stream__")?.cast_into::<PyCapsule>()?;
    let stream = capsule.pointer_checked(Some(c"arrow_array_stream"))?;
    // SAFETY: a capsule of that name holds an Arrow stream, which the reader takes out of it.
    unsafe { ArrowArrayStreamReader::from_raw(stream.cast::<FFI_ArrowArrayStream>().as_ptr()) }.map_err(unreadable)
}

fn unreadable(error: ArrowError) -> PyErr {
    DataError::new_err(format!("the Arrow table cannot be read: {error}"))
}

/// One array of all batches, row by row.
fn filled(names: &[String], batches: &[RecordBatch]) -> PyResult<Array2<f64>> {
    let mut array = Array2::zeros((batches.iter().map(RecordBatch::num_rows).sum(), names.len()));
    let mut first = 0;
    for batch in batches {
        for (place, column) in batch.columns().iter().enumerate() {
            let numbers = numbers(column).ok_or_else(|| {
                let (name, kind) = (&names[place], column.data_type());
                DataError::new_err(format!("column {name:?} is of type {kind}, it must hold real numbers"))
            })?;
            numbers.enumerate().for_each(|(row, number)| array[[first + row, place]] = number);
        }
        first += batch.num_rows();
    }
    Ok(array)
}

fn numbers(column: &dyn Array) -> Option<Box<dyn Iterator<Item = f64> + '_>> {
    macro_rules! primitive {
        ($kind:ident) => {{
            let values = column.as_primitive::<types::$kind>().iter();
            Box::new(values.map(|value| value.map_or(f64::NAN, |value| value as f64)))
        }};
    }
    Some(match column.data_type() {
        DataType::Int8 => primitive!(Int8Type),
        DataType::Int16 => primitive!(Int16Type),
        DataType::Int32 => primitive!(Int32Type),
        DataType::Int64 => primitive!(Int64Type),
        DataType::UInt8 => primitive!(UInt8Type),
        DataType::UInt16 => primitive!(UInt16Type),
        DataType::UInt32 => primitive!(UInt32Type),
        DataType::UInt64 => primitive!(UInt64Type),
        DataType::Float32 => primitive!(Float32Type),
        DataType::Float64 => primitive!(Float64Type),
        DataType::Boolean => {
            Box::new(column.as_boolean().iter().map(|value| value.map_or(f64::NAN, |value| f64::from(u8::from(value)))))
        }
        _ => return None,
    })
}
