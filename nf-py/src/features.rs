//! Which columns to take from sessions.

use crate::{
    error::raised,
    number::Whole,
    rows::Rows,
    sessions::{Session, Sessions},
};
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
};

/// Which columns to take from sessions.
#[pyclass(frozen, eq, module = "neural_filter._native", from_py_object)]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FeatureSpec(pub(crate) nf_core::FeatureSpec);

#[pymethods]
impl FeatureSpec {
    /// The first `n` packets of each session, 8 behavioural columns a packet.
    #[staticmethod]
    fn packets(n: Whole) -> PyResult<Self> {
        Ok(Self(nf_core::FeatureSpec::packets(n.within("n", STEPS)?)))
    }

    /// The first `n` packets of each session, 8 addressing columns a packet.
    #[staticmethod]
    fn addresses(n: Whole) -> PyResult<Self> {
        Ok(Self(nf_core::FeatureSpec::addresses(n.within("n", STEPS)?)))
    }

    /// Statistics of the whole session.
    #[staticmethod]
    fn flow() -> Self {
        Self(nf_core::FeatureSpec::flow())
    }

    /// What the session's hosts did around it.
    #[staticmethod]
    fn context() -> Self {
        Self(nf_core::FeatureSpec::context())
    }

    /// Which service the session used, as numbers that name: for `Rarity`.
    #[staticmethod]
    fn services() -> Self {
        Self(nf_core::FeatureSpec::services())
    }

    /// The columns of two flat specs side by side.
    fn beside(&self, other: &Self) -> PyResult<Self> {
        self.0.clone().and(other.0.clone()).map(Self).map_err(raised)
    }

    /// Only the named columns of a flat spec.
    fn select(&self, columns: Vec<String>) -> PyResult<Self> {
        self.0.clone().select(columns).map(Self).map_err(raised)
    }

    /// Names of the columns.
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.0.schema().columns().iter().map(|column| column.name.to_string()).collect()
    }

    /// Name, unit and meaning of each column.
    #[getter]
    fn meanings(&self) -> Vec<(String, String, String)> {
        let schema = self.0.schema();
        let texts = |c: &nf_core::Column| (c.name.to_string(), c.unit.to_string(), c.meaning.to_string());
        schema.columns().iter().map(texts).collect()
    }

    /// The rows of some sessions, one each.
    fn extract(&self, py: Python<'_>, sessions: Chosen<'_>) -> PyResult<Rows> {
        let rows = match &sessions {
            Chosen::Sessions(sessions) => {
                let sessions = sessions.slice();
                py.detach(|| self.0.extract(sessions))
            }
            Chosen::Each(sessions) => {
                let sessions: Vec<&nf_core::Session> = sessions.iter().map(|session| session.get()).collect();
                py.detach(|| self.0.extract(sessions))
            }
        };
        rows.map(Rows::new).map_err(raised)
    }

    /// A spec of what its pickle holds.
    #[staticmethod]
    fn restore(json: &str) -> PyResult<Self> {
        serde_json::from_str(json).map(Self).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        let json = serde_json::to_string(&slf.get().0).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok((slf.getattr("restore")?, (json,)))
    }

    fn __repr__(&self) -> String {
        format!("FeatureSpec('{}', {} columns)", self.0.schema().name(), self.0.schema().width())
    }
}

/// How many packets a spec may take.
const STEPS: std::ops::RangeInclusive<i128> = 1..=65536;

/// Sessions, or single ones, as scikit-learn chooses them.
enum Chosen<'py> {
    Sessions(PyRef<'py, Sessions>),
    Each(Vec<PyRef<'py, Session>>),
}

impl<'py> FromPyObject<'_, 'py> for Chosen<'py> {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(sessions) = given.extract() {
            return Ok(Self::Sessions(sessions));
        }
        if let Ok(each) = given.extract() {
            return Ok(Self::Each(each));
        }
        let kind = given.get_type().name()?;
        Err(PyTypeError::new_err(format!("a {kind} was given, it must be Sessions or a list of Session")))
    }
}
