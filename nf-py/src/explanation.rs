//! Why a verdict is what it is, and what a detector was made from.

use crate::error::raised;
use nf_core::detector;
use numpy::PyArray1;
use pyo3::{exceptions::PyRuntimeError, prelude::*, types::PyDict};
use std::path::PathBuf;

/// Why a verdict is what it is: the fewest facts found that turn an alert normal.
///
/// A notebook shows it as HTML with the session's packets as a strip; ``print`` as text.
#[pyclass(frozen, module = "neural_filter")]
pub(crate) struct Explanation {
    pub(crate) explanation: nf_core::Explanation,
    pub(crate) html: String,
}

#[pymethods]
impl Explanation {
    /// Whether the verdict is normal with all these facts as expected.
    #[getter]
    fn turned_normal(&self) -> bool {
        self.explanation.turned_normal
    }

    /// The facts, by falling part in the verdict: dicts of name, packet (from 0, None for one of the whole session),
    /// contribution (0 to 1), sentence, and cells (column, unit, observed, expected, reach).
    #[getter]
    fn facts<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        self.explanation.facts.iter().map(|fact| described(py, fact)).collect()
    }

    /// The part of each packet in the score, 0 to 1, float64; all 0 where no head reads packets.
    #[getter]
    fn packets<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_vec(py, self.explanation.packets.clone())
    }

    fn __str__(&self) -> String {
        self.explanation.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<Explanation {}>", self.explanation)
    }

    fn _repr_html_(&self) -> &str {
        &self.html
    }
}

fn described<'py>(py: Python<'py>, fact: &nf_core::Fact) -> PyResult<Bound<'py, PyDict>> {
    let cell = |cell: &detector::Cell| {
        let values = PyDict::new(py);
        values.set_item("column", &cell.column)?;
        values.set_item("unit", &cell.unit)?;
        values.set_item("observed", cell.observed)?;
        values.set_item("expected", cell.expected)?;
        values.set_item("reach", cell.reach.map(|[least, most]| (least, most)))?;
        Ok::<_, PyErr>(values)
    };
    let values = PyDict::new(py);
    values.set_item("name", &fact.name)?;
    values.set_item("packet", fact.packet)?;
    values.set_item("contribution", fact.contribution)?;
    values.set_item("sentence", &fact.sentence)?;
    values.set_item("cells", fact.cells.iter().map(cell).collect::<PyResult<Vec<_>>>()?)?;
    Ok(values)
}

/// What a detector was made from, what it promises and how that was borne out, and what it is known not to see.
///
/// ``print(card)`` shows it as text, a notebook as HTML.
#[pyclass(frozen, module = "neural_filter")]
pub(crate) struct Card(pub(crate) detector::Card);

#[pymethods]
impl Card {
    /// The card of a model file; nothing else of the file is read.
    #[staticmethod]
    fn read(path: PathBuf) -> PyResult<Self> {
        detector::Card::read(path).map(Self).map_err(raised)
    }

    /// The card as one HTML page.
    fn to_html(&self, title: &str) -> String {
        self.0.to_html(title)
    }

    /// The card as JSON.
    fn to_json(&self) -> PyResult<String> {
        serde_json::to_string(&self.0).map_err(|error| PyRuntimeError::new_err(error.to_string()))
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<Card {}>", self.0)
    }

    fn _repr_html_(&self) -> String {
        format!("<pre>{}</pre>", crate::table::escape(&self.0.to_string()))
    }
}
