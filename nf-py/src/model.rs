//! Fitted models: rows in, scores out.

use crate::{calibration::Calibration, error::raised, rows::Rows, watch::Watcher};
use nf_core::{
    IsolationForest, Scaler, Schema,
    detector::Builder,
    model::{IsolationForestParams, Rarity},
};
use numpy::PyArray1;
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    types::{PyBytes, PyTuple},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::path::PathBuf;

#[cfg(feature = "neural")]
use crate::{array::floats, error::SchemaError};
#[cfg(feature = "neural")]
use nf_core::{
    Autoencoder, Transformer,
    model::{AutoencoderParams, Checkpoint, Matrix, TrainingParams, TransformerParams},
};
#[cfg(feature = "neural")]
use numpy::{PyArrayMethods, PyUntypedArrayMethods};

/// One of the engine's models.
#[derive(Clone)]
enum Fitted {
    Forest(IsolationForest),
    Rarity(Rarity),
    #[cfg(feature = "neural")]
    Autoencoder(Autoencoder),
    #[cfg(feature = "neural")]
    Transformer(Transformer),
}

impl Fitted {
    fn model(&self) -> &dyn nf_core::Model {
        match self {
            Self::Forest(model) => model,
            Self::Rarity(model) => model,
            #[cfg(feature = "neural")]
            Self::Autoencoder(model) => model,
            #[cfg(feature = "neural")]
            Self::Transformer(model) => model,
        }
    }

    fn read(kind: &str, schema: Schema, bytes: &[u8]) -> nf_core::Result<Option<Self>> {
        Ok(Some(match kind {
            "isolation_forest" => Self::Forest(IsolationForest::from_bytes(schema, bytes)?),
            "rarity" => Self::Rarity(Rarity::from_bytes(schema, bytes)?),
            #[cfg(feature = "neural")]
            "autoencoder" => Self::Autoencoder(Autoencoder::from_bytes(schema, bytes)?),
            #[cfg(feature = "neural")]
            "transformer" => Self::Transformer(Transformer::from_bytes(schema, bytes)?),
            _ => return Ok(None),
        }))
    }
}

/// A fitted model with the scale that its rows are brought to. Threads may share it.
#[pyclass(frozen, module = "neural_filter._native")]
pub(crate) struct Model {
    scaler: Scaler,
    fitted: Fitted,
}

impl Model {
    pub(crate) fn schema(&self) -> &Schema {
        self.scaler.schema()
    }

    fn to_scale(&self, rows: &Rows) -> nf_core::Result<nf_core::Rows> {
        self.scaler.apply(rows.get().clone())
    }

    /// Adds it to a detector in the making, as a head of the columns of `spec`.
    pub(crate) fn head(&self, builder: Builder, name: &str, spec: nf_core::FeatureSpec) -> Builder {
        let scaler = self.scaler.clone();
        match self.fitted.clone() {
            Fitted::Forest(model) => builder.head(name, spec, scaler, model),
            Fitted::Rarity(model) => builder.head(name, spec, scaler, model),
            #[cfg(feature = "neural")]
            Fitted::Autoencoder(model) => builder.head(name, spec, scaler, model),
            #[cfg(feature = "neural")]
            Fitted::Transformer(model) => builder.head(name, spec, scaler, model),
        }
    }
}

#[pymethods]
impl Model {
    /// The algorithm.
    #[getter]
    fn kind(&self) -> &'static str {
        self.fitted.model().kind()
    }

    /// Names of the columns it wants.
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.schema().columns().iter().map(|column| column.name.to_string()).collect()
    }

    /// One score a row, higher = stranger.
    fn score<'py>(&self, py: Python<'py>, rows: &Rows) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let scores = py.detach(|| self.fitted.model().score(&self.to_scale(rows)?)).map_err(raised)?;
        Ok(PyArray1::from_vec(py, scores))
    }

    /// What the model would have expected in place of each value, on the scale of the model; None where it cannot say.
    fn expected<'py>(&self, py: Python<'py>, rows: &Rows) -> PyResult<Option<Bound<'py, PyAny>>> {
        let expected = py.detach(|| self.fitted.model().expected(&self.to_scale(rows)?)).map_err(raised)?;
        let Some(expected) = expected else { return Ok(None) };
        let shape = match rows.is_flat() {
            true => vec![rows.get().len(), rows.get().width()],
            false => vec![rows.get().len(), rows.get().steps(), rows.get().width()],
        };
        PyArray1::from_vec(py, expected).call_method1("reshape", (shape,)).map(Some)
    }

    /// Rows on the scale that the model reads; themselves where it was fitted without one.
    fn scaled(&self, py: Python<'_>, rows: &Rows) -> PyResult<Rows> {
        py.detach(|| self.to_scale(rows)).map(|scaled| rows.like(scaled)).map_err(raised)
    }

    /// The model as the bytes of an ONNX file, of rows on the scale that it reads.
    fn to_onnx<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = py.detach(|| self.fitted.model().to_onnx()).map_err(raised)?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Calibrates on benign rows that it was not fitted on.
    fn calibrate(&self, py: Python<'_>, rows: &Rows) -> PyResult<Calibration> {
        py.detach(|| {
            let scores = self.fitted.model().score(&self.to_scale(rows)?)?;
            nf_core::Calibration::fit(&scores).map(Calibration::from)
        })
        .map_err(raised)
    }

    /// The weights of a network, matrix by matrix in the order in which it reads them.
    fn weights<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        #[cfg(feature = "neural")]
        let matrices = match &self.fitted {
            Fitted::Autoencoder(model) => model.weights(),
            Fitted::Transformer(model) => model.weights(),
            _ => return Err(no_weights(self.kind())),
        };
        #[cfg(feature = "neural")]
        return matrices
            .into_iter()
            .map(|matrix| PyArray1::from_vec(py, matrix.values).call_method1("reshape", (matrix.shape,)))
            .collect();
        #[cfg(not(feature = "neural"))]
        {
            let _ = py;
            Err(no_weights(self.kind()))
        }
    }

    /// The same network with other weights; with rows, what its score is measured by is learned anew from them.
    #[cfg(feature = "neural")]
    #[pyo3(signature = (weights, rows=None))]
    fn with_weights(&self, py: Python<'_>, weights: Vec<Bound<'_, PyAny>>, rows: Option<&Rows>) -> PyResult<Self> {
        let matrices = weights.iter().map(matrix).collect::<PyResult<Vec<_>>>()?;
        let scaler = self.scaler.clone();
        let fitted = py.detach(|| {
            let rows = rows.map(|rows| self.to_scale(rows)).transpose()?;
            Ok(match &self.fitted {
                Fitted::Autoencoder(model) => {
                    let model = model.with_weights(&matrices)?;
                    Some(Fitted::Autoencoder(rows.map_or(Ok(model.clone()), |rows| model.adapted(&rows))?))
                }
                Fitted::Transformer(model) => {
                    let model = model.with_weights(&matrices)?;
                    Some(Fitted::Transformer(rows.map_or(Ok(model.clone()), |rows| model.adapted(&rows))?))
                }
                _ => None,
            })
        });
        let fitted = fitted.map_err(raised)?.ok_or_else(|| no_weights(self.kind()))?;
        Ok(Self { scaler, fitted })
    }

    /// A model from what its pickle holds.
    #[staticmethod]
    fn restore(py: Python<'_>, kind: &str, scaler: &str, bytes: &[u8]) -> PyResult<Self> {
        let scaler: Scaler = serde_json::from_str(scaler).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let fitted = py.detach(|| Fitted::read(kind, scaler.schema().clone(), bytes)).map_err(raised)?;
        let unknown = || PyValueError::new_err(format!("no model of kind '{kind}' is built in"));
        Ok(Self { fitted: fitted.ok_or_else(unknown)?, scaler })
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let (py, model) = (slf.py(), slf.get());
        let scaler = serde_json::to_string(&model.scaler).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let bytes = PyBytes::new(py, &py.detach(|| model.fitted.model().to_bytes()));
        Ok((slf.getattr("restore")?, (model.kind(), scaler, bytes).into_pyobject(py)?))
    }

    fn __repr__(&self) -> String {
        format!("Model('{}', {} columns)", self.kind(), self.schema().width())
    }
}

fn no_weights(kind: &str) -> PyErr {
    PyTypeError::new_err(format!("model {kind} has no weights"))
}

/// A matrix of an array, whose vectors are rows.
#[cfg(feature = "neural")]
fn matrix(array: &Bound<'_, PyAny>) -> PyResult<Matrix> {
    let array = floats(array)?;
    let shape = match *array.shape() {
        [columns] => [1, columns],
        [rows, columns] => [rows, columns],
        ref shape => return Err(SchemaError::new_err(format!("weights have shape {shape:?}, they must be matrices"))),
    };
    Matrix::new(shape, array.readonly().as_slice()?.to_vec()).map_err(raised)
}

/// The engine's default parameters of a model, as JSON; those of training among the others, and what is not stored with a model.
#[pyfunction]
pub(crate) fn default_params(kind: &str) -> PyResult<String> {
    match kind {
        "isolation_forest" => {
            let params = IsolationForestParams::default();
            let mut map = object(&params)?;
            map.insert("threads".to_owned(), params.threads.into());
            Ok(Value::Object(map).to_string())
        }
        "rarity" => Ok(Value::Object(Map::new()).to_string()),
        #[cfg(feature = "neural")]
        "autoencoder" => of_network(&AutoencoderParams::default(), |params| &params.training),
        #[cfg(feature = "neural")]
        "transformer" => of_network(&TransformerParams::default(), |params| &params.training),
        _ => Err(unknown(kind)),
    }
}

/// The default parameters of a network.
#[cfg(feature = "neural")]
fn of_network<T: Serialize>(params: &T, training: impl Fn(&T) -> &TrainingParams) -> PyResult<String> {
    let mut map = object(params)?;
    if let Some(Value::Object(training)) = map.remove(TRAINING) {
        map.extend(training);
    }
    map.insert("threads".to_owned(), training(params).threads.into());
    map.insert("checkpoint".to_owned(), Value::Null);
    map.insert("checkpoint_every".to_owned(), Checkpoint::new("").every.into());
    Ok(Value::Object(map).to_string())
}

/// What of a fit's parameters is not stored with what was fitted, and so does not come as JSON.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
#[cfg_attr(not(feature = "neural"), expect(dead_code, reason = "only networks have checkpoints"))]
pub(crate) struct Unstored {
    threads: Option<usize>,
    checkpoint: Option<PathBuf>,
    checkpoint_every: Option<u32>,
}

#[cfg(feature = "neural")]
impl Unstored {
    fn set(&self, training: &mut TrainingParams) {
        self.threads.into_iter().for_each(|threads| training.threads = threads);
        training.checkpoint = self.checkpoint.as_ref().map(|path| {
            let checkpoint = Checkpoint::new(path);
            self.checkpoint_every.into_iter().fold(checkpoint, Checkpoint::every)
        });
    }
}

/// Fits a model of parameters that are given as JSON, the engine's where they are not.
#[pyfunction]
#[pyo3(signature = (kind, params, unstored, rows, scale, report=None))]
pub(crate) fn fit_model(
    py: Python<'_>,
    kind: &str,
    params: &str,
    unstored: Unstored,
    rows: &Rows,
    scale: bool,
    report: Option<Py<PyAny>>,
) -> PyResult<Model> {
    let mut watcher = Watcher::new(report);
    let scaler = match scale {
        true => py.detach(|| Scaler::fit(rows.get())).map_err(raised)?,
        false => Scaler::identity(rows.get().schema()),
    };
    let mut watch = |progress: &nf_core::Progress| watcher.tell(progress);
    let fitted = match kind {
        "isolation_forest" => {
            let mut params: IsolationForestParams = changed(params)?;
            unstored.threads.into_iter().for_each(|threads| params.threads = threads);
            py.detach(|| params.fit_with(&scaler.apply(rows.get().clone())?, &mut watch).map(Fitted::Forest))
        }
        "rarity" => py.detach(|| Rarity::fit_with(rows.get(), &mut watch).map(Fitted::Rarity)),
        #[cfg(feature = "neural")]
        "autoencoder" => {
            let mut params: AutoencoderParams = changed(params)?;
            unstored.set(&mut params.training);
            py.detach(|| params.fit_with(&scaler.apply(rows.get().clone())?, &mut watch).map(Fitted::Autoencoder))
        }
        #[cfg(feature = "neural")]
        "transformer" => {
            let mut params: TransformerParams = changed(params)?;
            unstored.set(&mut params.training);
            py.detach(|| params.fit_with(&scaler.apply(rows.get().clone())?, &mut watch).map(Fitted::Transformer))
        }
        _ => return Err(unknown(kind)),
    };
    let fitted = watcher.end(py, fitted)?;
    Ok(Model { scaler, fitted })
}

fn unknown(kind: &str) -> PyErr {
    PyValueError::new_err(format!("no model of kind '{kind}' is built in"))
}

/// Where the parameters of training stand among the others.
const TRAINING: &str = "training";

/// By its text, in which 0.1 is 0.1 where the engine holds it as `f32`.
fn object<T: Serialize>(params: &T) -> PyResult<Map<String, Value>> {
    let parsed = serde_json::to_string(params).and_then(|text| serde_json::from_str(&text));
    parsed.map_err(|error| PyValueError::new_err(error.to_string()))
}

/// The default parameters with some changed.
fn changed<T: Serialize + DeserializeOwned + Default>(changes: &str) -> PyResult<T> {
    let wrong = |error: serde_json::Error| PyTypeError::new_err(error.to_string());
    let changes: Map<String, Value> = serde_json::from_str(changes).map_err(wrong)?;
    let mut map = object(&T::default())?;
    for (name, value) in changes {
        let place = match map.contains_key(&name) {
            true => map.get_mut(&name),
            false => map.get_mut(TRAINING).and_then(|training| training.get_mut(&name)),
        };
        *place.ok_or_else(|| PyTypeError::new_err(format!("there is no parameter {name}")))? = value.clone();
        // One by one, so that the message names the parameter.
        let check = serde_json::from_value::<T>(Value::Object(map.clone()));
        check.map_err(|error| PyTypeError::new_err(format!("{name} is {value}: {error}")))?;
    }
    serde_json::from_value(Value::Object(map)).map_err(wrong)
}
