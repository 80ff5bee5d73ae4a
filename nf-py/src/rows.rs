//! Rows of columns, and the NumPy arrays that look into them.

use crate::{
    array::{Choice, floats, lengths, view},
    error::{DataError, raised},
    table,
};
use nf_core::{Column, Schema};
use numpy::{
    PyArray1, PyArrayDyn, PyArrayMethods, PyUntypedArrayMethods,
    ndarray::{ArrayView1, ArrayViewD, IxDyn},
};
use pyo3::{
    exceptions::PyValueError,
    prelude::*,
    types::{PyCapsule, PyTuple},
};
use std::sync::Arc;

/// Rows of columns as models read them: ``numpy.asarray(rows)`` is a view of them, not writeable, without a copy.
///
/// Sequences have the shape (rows, steps, columns), with the number of real steps of each row in ``lengths``; flat rows
/// have the shape (rows, columns). A slice, a mask of bools or an array of numbers give rows.
///
/// Examples
/// --------
/// >>> import numpy as np, neural_filter as nf
/// >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
/// >>> rows = nf.FlowFeatures().transform(benign)
/// >>> array = np.asarray(rows)
/// >>> array.shape == rows.shape, array.base is rows, rows[array[:, 0] > 1].columns == rows.columns
/// (True, True, True)
#[pyclass(frozen, module = "neural_filter")]
pub(crate) struct Rows {
    rows: nf_core::Rows,
    shape: Vec<usize>,
}

impl Rows {
    pub(crate) fn new(rows: nf_core::Rows) -> Self {
        let sequences = rows.steps() != 1 || rows.schema().name() == "packets" || rows.schema().name() == "addresses";
        Self::shaped(rows, sequences)
    }

    fn shaped(rows: nf_core::Rows, sequences: bool) -> Self {
        let shape = match sequences {
            true => vec![rows.len(), rows.steps(), rows.width()],
            false => vec![rows.len(), rows.width()],
        };
        Self { rows, shape }
    }

    pub(crate) fn get(&self) -> &nf_core::Rows {
        &self.rows
    }

    /// Other rows, in the shape of these.
    pub(crate) fn like(&self, rows: nf_core::Rows) -> Self {
        Self::shaped(rows, !self.is_flat())
    }

    pub(crate) fn is_flat(&self) -> bool {
        self.shape.len() == 2
    }
}

#[pymethods]
impl Rows {
    /// Rows from an array of shape (rows, columns) or (rows, steps, columns), with the number of real steps of each row,
    /// where they are not all; ``schema`` is that of other rows, or the names of the columns, or nothing.
    ///
    /// Parameters
    /// ----------
    /// array : array of real numbers
    ///     Copied, and converted where it is not float32.
    /// lengths : array of int, shape (rows,), optional
    ///     0 to the number of steps; all unless given.
    /// schema : list of str, Rows or model, optional
    ///     Where the columns have their names from; ``x0``, ``x1`` and so on unless given.
    ///
    /// Raises
    /// ------
    /// DataError
    ///     Where the shape, the type or a value is none that models read.
    /// SchemaError
    ///     Where the schema has another number of columns.
    ///
    /// Examples
    /// --------
    /// >>> import neural_filter as nf
    /// >>> nf.Rows.from_array([[1, 2], [3, 4]], schema=["duration", "packets"]).columns
    /// ['duration', 'packets']
    #[staticmethod]
    #[pyo3(signature = (array, lengths=None, schema=None))]
    fn from_array(
        array: &Bound<'_, PyAny>,
        lengths: Option<&Bound<'_, PyAny>>,
        schema: Option<SchemaFrom<'_>>,
    ) -> PyResult<Self> {
        let py = array.py();
        let array = floats(array)?;
        let shape = array.shape().to_vec();
        let (rows, steps, width) = match shape[..] {
            [rows, width] => (rows, 1, width),
            [rows, steps, width] => (rows, steps, width),
            _ => {
                let message =
                    format!("the array has shape {shape:?}, it must be (rows, columns) or (rows, steps, columns)");
                return Err(DataError::new_err(message));
            }
        };
        let schema = SchemaFrom::of(schema, width)?;
        if steps == 0 {
            return Err(DataError::new_err("the array has 0 steps, at least 1 is needed"));
        }
        let lengths = match lengths {
            Some(lengths) => self::lengths(lengths)?,
            None => vec![steps as u32; rows],
        };
        let array = array.readonly();
        let data = array.as_slice()?;
        let make = || nf_core::Rows::sequences(schema, steps, data.to_vec(), lengths);
        let rows = py.detach(make).map_err(raised)?;
        Ok(Self::shaped(rows, shape.len() == 3))
    }

    /// Shape: (rows, columns), or (rows, steps, columns) for sequences.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.shape)
    }

    /// How many steps of each row are real, a view.
    #[getter]
    fn lengths<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyArray1<u32>> {
        view(&ArrayView1::from(slf.get().rows.lengths()), slf.clone().into_any())
    }

    /// Names of the columns.
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.rows.schema().columns().iter().map(|column| column.name.to_string()).collect()
    }

    /// The fingerprint that ties models to columns, 16 hexadecimal digits.
    #[getter]
    fn fingerprint(&self) -> String {
        self.rows.schema().fingerprint().to_string()
    }

    fn __len__(&self) -> usize {
        self.rows.len()
    }

    fn __getitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<Self> {
        let chosen = Choice::of(key, self.rows.len())?;
        let rows = key.py().detach(|| match chosen {
            Choice::One(place) => self.rows.select([place]),
            Choice::Range(range) => self.rows.select(range),
            Choice::Places(places) => self.rows.select(places),
        });
        Ok(self.like(rows))
    }

    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        slf: &Bound<'py, Self>,
        dtype: Option<Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let rows = slf.get();
        let numbers = ArrayViewD::from_shape(IxDyn(&rows.shape), rows.rows.data())
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        let array: Bound<'py, PyArrayDyn<f32>> = view(&numbers, slf.clone().into_any());
        let other = match &dtype {
            Some(dtype) => !array.dtype().as_any().eq(slf.py().import("numpy")?.call_method1("dtype", (dtype,))?)?,
            None => false,
        };
        match (other, copy) {
            (true, Some(false)) => Err(PyValueError::new_err("rows are float32, another dtype needs a copy")),
            (true, _) => array.call_method1("astype", (dtype,)),
            (false, Some(true)) => array.call_method0("copy"),
            (false, _) => Ok(array.into_any()),
        }
    }

    /// Rows of what their pickle holds.
    ///
    /// Raises
    /// ------
    /// ValueError
    ///     Where that is damaged.
    ///
    /// Examples
    /// --------
    /// >>> import pickle, neural_filter as nf
    /// >>> pickle.loads(pickle.dumps(nf.Rows.from_array([[1, 2], [3, 4]]))).shape
    /// (2, 2)
    #[staticmethod]
    fn restore(py: Python<'_>, schema: &str, array: &Bound<'_, PyAny>, lengths: &Bound<'_, PyAny>) -> PyResult<Self> {
        let schema: Schema = serde_json::from_str(schema).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let (array, lengths) = (floats(array)?, self::lengths(lengths)?);
        let (shape, array) = (array.shape().to_vec(), array.readonly());
        let (steps, data) = (if shape.len() == 3 { shape[1] } else { 1 }, array.as_slice()?);
        let make = || nf_core::Rows::sequences(Arc::new(schema), steps, data.to_vec(), lengths);
        Ok(Self::shaped(py.detach(make).map_err(raised)?, shape.len() == 3))
    }

    #[expect(clippy::type_complexity, reason = "what pickles are made of")]
    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (String, Bound<'py, PyAny>, Bound<'py, PyAny>))> {
        let schema = serde_json::to_string(&**slf.get().rows.schema());
        let schema = schema.map_err(|error| PyValueError::new_err(error.to_string()))?;
        let (array, lengths) = (Self::__array__(slf, None, Some(true))?, Self::lengths(slf).call_method0("copy")?);
        Ok((slf.getattr("restore")?, (schema, array, lengths)))
    }

    fn __repr__(&self) -> String {
        format!("Rows('{}', shape={:?})", self.rows.schema().name(), self.shape)
    }

    fn _repr_html_(&self) -> String {
        let width = self.rows.width();
        let row = |i: usize| self.rows.row(i)[..width].iter().map(|value| format!("{value:.4}")).collect();
        let caption = if self.is_flat() { "" } else { "<p>first step of each row</p>" };
        table::html(&self.columns(), (0..self.rows.len().min(table::SHOWN)).map(row), self.rows.len()) + caption
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        if !self.is_flat() {
            return Err(PyValueError::new_err("sequences of packets are no table, take numpy.asarray(rows)"));
        }
        let batch = py.detach(|| table::batch(nf_core::table::Table::of_flat(&self.rows)))?;
        table::stream(py, &batch)
    }
}

/// Where rows made of an array have their columns from.
#[derive(FromPyObject)]
pub(crate) enum SchemaFrom<'py> {
    Names(Vec<String>),
    Rows(PyRef<'py, Rows>),
    Model(PyRef<'py, crate::model::Model>),
}

impl SchemaFrom<'_> {
    fn of(from: Option<Self>, width: usize) -> PyResult<Arc<Schema>> {
        let named = |names: Vec<String>| {
            let columns = names.into_iter().map(|name| Column::new(name, "", "")).collect();
            Schema::new("array", columns).map(Arc::new).map_err(raised)
        };
        let schema = match from {
            None => named((0..width).map(|i| format!("x{i}")).collect())?,
            Some(Self::Names(names)) => named(names)?,
            Some(Self::Rows(rows)) => rows.rows.schema().clone(),
            Some(Self::Model(model)) => Arc::new(model.schema().clone()),
        };
        if schema.width() != width {
            let message = format!("the array has {width} columns, it must have {}", schema.width());
            return Err(crate::error::SchemaError::new_err(message));
        }
        Ok(schema)
    }
}
