//! Which columns to take from sessions.

use crate::{error::raised, rows::Rows, sessions::Sessions};
use pyo3::prelude::*;

/// Which columns to take from sessions.
#[pyclass(frozen, eq, module = "neural_filter._native", from_py_object)]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FeatureSpec(pub(crate) nf_core::FeatureSpec);

#[pymethods]
impl FeatureSpec {
    /// The first `n` packets of each session, 8 behavioural columns a packet.
    #[staticmethod]
    fn packets(n: u32) -> PyResult<Self> {
        Self::checked(nf_core::FeatureSpec::packets(n))
    }

    /// The first `n` packets of each session, 8 addressing columns a packet.
    #[staticmethod]
    fn addresses(n: u32) -> PyResult<Self> {
        Self::checked(nf_core::FeatureSpec::addresses(n))
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
    fn extract(&self, py: Python<'_>, sessions: &Sessions) -> PyResult<Rows> {
        py.detach(|| self.0.extract(sessions.slice())).map(Rows::new).map_err(raised)
    }

    fn __repr__(&self) -> String {
        format!("FeatureSpec('{}', {} columns)", self.0.schema().name(), self.0.schema().width())
    }
}

impl FeatureSpec {
    fn checked(spec: nf_core::FeatureSpec) -> PyResult<Self> {
        spec.extract([]).map_err(raised)?;
        Ok(Self(spec))
    }
}
