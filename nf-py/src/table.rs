//! Tables for data frames, through Arrow's C interface.

use crate::array::{Choice, each};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, RecordBatch, RecordBatchIterator, StringArray,
    TimestampNanosecondArray, UInt64Array, cast::AsArray, ffi_stream::FFI_ArrowArrayStream, types,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit, ffi::FFI_ArrowSchema};
use nf_core::table::Values;
use pyo3::{
    exceptions::PyRuntimeError,
    prelude::*,
    types::{PyCapsule, PyDict, PyIterator},
};
use std::{fmt::Write, sync::Arc};

/// Rows of named columns: ``polars.DataFrame(table)``, ``pyarrow.table(table)`` and
/// ``pandas.DataFrame.from_arrow(table)`` take it without a copy of the numbers.
///
/// A number chooses a row, as a dict; a slice, a mask of bools or an array of numbers give a table.
///
/// Examples
/// --------
/// >>> import neural_filter as nf
/// >>> packets = nf.read_packets("examples/data/benign.pcap.zst")
/// >>> packets[0]["frame"], len(packets[:9]), packets.skipped
/// (1, 9, {})
#[pyclass(frozen, module = "neural_filter")]
pub(crate) struct Table {
    batch: RecordBatch,
    skipped: Vec<(String, u64)>,
}

impl Table {
    pub(crate) fn new(table: nf_core::table::Table, skipped: Vec<(String, u64)>) -> PyResult<Self> {
        Ok(Self { batch: batch(table)?, skipped })
    }
}

#[pymethods]
impl Table {
    /// Names of the columns.
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.batch.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// Frames that could not be used, by reason.
    #[getter]
    fn skipped<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let skipped = PyDict::new(py);
        self.skipped.iter().try_for_each(|(reason, count)| skipped.set_item(reason, count))?;
        Ok(skipped)
    }

    fn __len__(&self) -> usize {
        self.batch.num_rows()
    }

    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyIterator>> {
        each(slf.as_any())
    }

    fn __getitem__<'py>(&self, py: Python<'py>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let batch = match Choice::of(key, self.batch.num_rows())? {
            Choice::One(place) => return Ok(self.row(py, place)?.into_any()),
            Choice::Range(range) => self.batch.slice(range.start, range.len()),
            Choice::Places(places) => {
                let places: Vec<u64> = places.into_iter().map(|place| place as u64).collect();
                let take = || arrow_select::take::take_record_batch(&self.batch, &UInt64Array::from(places));
                py.detach(take).map_err(arrow)?
            }
        };
        Ok(Bound::new(py, Self { batch, skipped: self.skipped.clone() })?.into_any())
    }

    fn __repr__(&self) -> String {
        format!("Table({} rows, {} columns)", self.batch.num_rows(), self.batch.num_columns())
    }

    fn _repr_html_(&self) -> String {
        let shown = (0..self.batch.num_rows().min(SHOWN))
            .map(|row| self.batch.columns().iter().map(|column| text(column, row)).collect());
        html(&self.columns(), shown, self.batch.num_rows())
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // A request is a wish that need not be granted: the consumer casts.
        let _ = requested_schema;
        stream(py, &self.batch)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        schema(py, &self.batch)
    }
}

impl Table {
    fn row<'py>(&self, py: Python<'py>, place: usize) -> PyResult<Bound<'py, PyDict>> {
        let row = PyDict::new(py);
        for (field, column) in self.batch.schema().fields().iter().zip(self.batch.columns()) {
            row.set_item(field.name(), cell(py, column, place)?)?;
        }
        Ok(row)
    }
}

/// Rows that are shown of a long table.
pub(crate) const SHOWN: usize = 10;

/// The columns as Arrow has them.
pub(crate) fn batch(table: nf_core::table::Table) -> PyResult<RecordBatch> {
    let (mut fields, mut arrays) = (Vec::new(), Vec::<ArrayRef>::new());
    for column in table.columns {
        let (kind, array): (DataType, ArrayRef) = match column.values {
            Values::Count(values) => (DataType::UInt64, Arc::new(UInt64Array::from(values))),
            Values::Quantity(values) => (DataType::Float64, Arc::new(Float64Array::from(values))),
            Values::Stored(values) => (DataType::Float32, Arc::new(Float32Array::from(values))),
            Values::Time(values) => {
                let times = TimestampNanosecondArray::from(values).with_timezone("UTC");
                (DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())), Arc::new(times))
            }
            Values::Text(values) => (DataType::Utf8, Arc::new(StringArray::from(values))),
            Values::Flag(values) => (DataType::Boolean, Arc::new(BooleanArray::from(values))),
        };
        fields.push(Field::new(column.name, kind, true));
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(arrow)
}

/// A stream of one batch, whose consumers share its memory.
pub(crate) fn stream<'py>(py: Python<'py>, batch: &RecordBatch) -> PyResult<Bound<'py, PyCapsule>> {
    let batches = RecordBatchIterator::new([Ok(batch.clone())], batch.schema());
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(batches)), c"arrow_array_stream")
}

/// The names and types of its columns.
pub(crate) fn schema<'py>(py: Python<'py>, batch: &RecordBatch) -> PyResult<Bound<'py, PyCapsule>> {
    let schema = FFI_ArrowSchema::try_from(batch.schema().as_ref()).map_err(arrow)?;
    PyCapsule::new_with_value(py, schema, c"arrow_schema")
}

fn arrow(error: ArrowError) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}

/// A value for Python; times are whole nanoseconds since the epoch.
fn cell<'py>(py: Python<'py>, column: &ArrayRef, row: usize) -> PyResult<Bound<'py, PyAny>> {
    if column.is_null(row) {
        return Ok(py.None().into_bound(py));
    }
    Ok(match column.data_type() {
        DataType::UInt64 => column.as_primitive::<types::UInt64Type>().value(row).into_pyobject(py)?.into_any(),
        DataType::Float64 => column.as_primitive::<types::Float64Type>().value(row).into_pyobject(py)?.into_any(),
        DataType::Float32 => column.as_primitive::<types::Float32Type>().value(row).into_pyobject(py)?.into_any(),
        DataType::Boolean => column.as_boolean().value(row).into_pyobject(py)?.to_owned().into_any(),
        DataType::Timestamp(..) => {
            column.as_primitive::<types::TimestampNanosecondType>().value(row).into_pyobject(py)?.into_any()
        }
        _ => column.as_string::<i32>().value(row).into_pyobject(py)?.into_any(),
    })
}

/// A value for a reader; an empty text where there is none.
fn text(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) {
        return String::new();
    }
    match column.data_type() {
        DataType::UInt64 => column.as_primitive::<types::UInt64Type>().value(row).to_string(),
        DataType::Float64 => format!("{:.6}", column.as_primitive::<types::Float64Type>().value(row)),
        DataType::Float32 => format!("{:.4}", column.as_primitive::<types::Float32Type>().value(row)),
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::Timestamp(..) => {
            let nanos = column.as_primitive::<types::TimestampNanosecondType>().value(row);
            format!("{:#}", nf_core::Timestamp::from_nanos(nanos))
        }
        _ => column.as_string::<i32>().value(row).to_owned(),
    }
}

/// A table of texts as HTML, with how many rows there are in all.
pub(crate) fn html(columns: &[String], rows: impl Iterator<Item = Vec<String>>, all: usize) -> String {
    let cells = |tag: &str, cells: &[String]| {
        cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect::<String>()
    };
    let mut html = format!("<table>\n<thead><tr>{}</tr></thead>\n<tbody>\n", cells("th", columns));
    for row in rows {
        let _ = writeln!(html, "<tr>{}</tr>", cells("td", &row));
    }
    let _ = write!(html, "</tbody>\n</table>\n<p>{all} rows</p>");
    html
}

/// Text that may stand in HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
