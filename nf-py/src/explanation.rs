//! Why a verdict is what it is, and what a detector was made from.

use crate::{
    error::{raised, raised_of},
    verdicts::Verdict,
};
use nf_core::detector;
use numpy::PyArray1;
use pyo3::{prelude::*, types::PyDict};
use std::path::PathBuf;

/// Why a verdict is what it is: the fewest facts found that turn an alert normal.
///
/// A notebook shows it as HTML with the session's packets as a strip; ``print`` as text.
///
/// Examples
/// --------
/// >>> import neural_filter as nf
/// >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
/// >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(benign)
/// >>> verdicts = detector.judge(nf.read_sessions("examples/data/attacks.pcap.zst"))
/// >>> explanation = detector.explain(verdicts.sessions[5000], verdicts[5000])
/// >>> explanation.turned_normal in (True, False), sorted(explanation.facts[0])[:3]
/// (True, ['carrier', 'cells', 'contribution'])
#[pyclass(frozen, module = "neural_filter")]
pub(crate) struct Explanation {
    explanation: nf_core::Explanation,
    html: String,
}

impl Explanation {
    pub(crate) fn new(session: &nf_core::Session, explanation: nf_core::Explanation) -> Self {
        let html = nf_core::report::explained(session, &explanation);
        Self { explanation, html }
    }
}

#[pymethods]
impl Explanation {
    /// The verdict explained.
    #[getter]
    fn verdict(&self) -> Verdict {
        Verdict(self.explanation.verdict.clone())
    }

    /// The verdict with all the facts as expected.
    #[getter]
    fn after(&self) -> Verdict {
        Verdict(self.explanation.after.clone())
    }

    /// The sessions that carry the verdict, its own first: dicts of session (protocol and ends), start_ns and score.
    #[getter]
    fn carriers<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let carrier = |carrier: &detector::Carrier| {
            let values = PyDict::new(py);
            values.set_item("session", carrier.key().to_string())?;
            values.set_item("start_ns", carrier.start().as_nanos())?;
            values.set_item("score", carrier.score)?;
            Ok(values)
        };
        self.explanation.carriers.iter().map(carrier).collect()
    }

    /// Which of the carriers is looked into: ``packets`` are its packets.
    #[getter]
    fn shown(&self) -> usize {
        self.explanation.shown
    }

    /// Whether the verdict is normal with all these facts as expected.
    #[getter]
    fn turned_normal(&self) -> bool {
        self.explanation.turned_normal
    }

    /// The facts, by falling part in the verdict: dicts of name, packet (from 0, None for one of the whole session),
    /// carrier (which of the carriers it is of), contribution (0 to 1), sentence, and cells (column, unit, observed, expected,
    /// reach).
    #[getter]
    fn facts<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        self.explanation.facts.iter().map(|fact| described(py, fact)).collect()
    }

    /// The part of each packet of the carrier shown in its score, 0 to 1, float64. There are as many as the heads read, which may
    /// be fewer than the session has; none where no head reads packets.
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
    values.set_item("carrier", fact.carrier)?;
    values.set_item("contribution", fact.contribution)?;
    values.set_item("sentence", &fact.sentence)?;
    values.set_item("cells", fact.cells.iter().map(cell).collect::<PyResult<Vec<_>>>()?)?;
    Ok(values)
}

/// What a detector was made from, what it promises and how that was borne out, and what it is known not to see.
///
/// ``print(card)`` shows it as text, a notebook as HTML.
///
/// Examples
/// --------
/// >>> import neural_filter as nf
/// >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
/// >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(benign)
/// >>> str(detector.card()).splitlines()[0] != ""
/// True
#[pyclass(frozen, module = "neural_filter")]
pub(crate) struct Card(pub(crate) detector::Card);

#[pymethods]
impl Card {
    /// The card of a model file; nothing else of the file is read.
    ///
    /// Raises
    /// ------
    /// OSError
    ///     Where the file cannot be read.
    /// ModelFileError
    ///     Where it is no model file, or a corrupt one.
    ///
    /// Examples
    /// --------
    /// >>> import tempfile, neural_filter as nf
    /// >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(nf.read_sessions("examples/data/benign.pcap.zst"))
    /// >>> with tempfile.TemporaryDirectory() as folder:
    /// ...     detector.save(f"{folder}/office.nf")
    /// ...     print(str(nf.Card.read(f"{folder}/office.nf")) == str(detector.card()))
    /// True
    #[staticmethod]
    fn read(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        py.detach(|| detector::Card::read(&path)).map(Self).map_err(raised_of(&path))
    }

    /// The card as one HTML page.
    ///
    /// Returns
    /// -------
    /// str
    ///     A page under this title, without scripts.
    ///
    /// Examples
    /// --------
    /// >>> import neural_filter as nf
    /// >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
    /// >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(benign)
    /// >>> detector.card().to_html("Office")[:15]
    /// '<!doctype html>'
    fn to_html(&self, title: &str) -> String {
        self.0.to_html(title)
    }

    /// The card as JSON.
    ///
    /// Returns
    /// -------
    /// str
    ///     One object.
    ///
    /// Examples
    /// --------
    /// >>> import json, neural_filter as nf
    /// >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(nf.read_sessions("examples/data/benign.pcap.zst"))
    /// >>> isinstance(json.loads(detector.card().to_json()), dict)
    /// True
    fn to_json(&self) -> PyResult<String> {
        self.0.to_json().map_err(raised)
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

/// What a detector promises at its budget, and what that rests on. ``print(report)`` says it in words.
///
/// Examples
/// --------
/// >>> import neural_filter as nf
/// >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
/// >>> report = nf.Detector(heads=["forest"], false_positive_rate=0.02, random_state=7).fit(benign).report()
/// >>> report.false_positive_rate, report.sessions > 500
/// (0.02, True)
#[pyclass(frozen, module = "neural_filter")]
pub(crate) struct CalibrationReport(pub(crate) detector::CalibrationReport);

#[pymethods]
impl CalibrationReport {
    /// The share of benign sessions that may be called anomalies.
    #[getter]
    fn false_positive_rate(&self) -> f64 {
        self.0.false_positive_rate
    }

    /// What that is an hour; None where the held-out sessions took no time.
    #[getter]
    fn alerts_per_hour(&self) -> Option<f64> {
        self.0.alerts_per_hour
    }

    /// Held-out benign sessions.
    #[getter]
    fn sessions(&self) -> u64 {
        self.0.sessions
    }

    /// How many of them began in the first minute of a capture.
    #[getter]
    fn cold_sessions(&self) -> u64 {
        self.0.cold_sessions
    }

    /// Hours in which they began; silences of more than ten minutes count as ten.
    #[getter]
    fn hours(&self) -> f64 {
        self.0.hours
    }

    /// How many held-out sessions the cut leaves above it, as expected; below about 3 it rests on the fitted tail.
    #[getter]
    fn expected_above(&self) -> f64 {
        self.0.expected_above
    }

    /// Whether the highest scores follow the fitted tail.
    #[getter]
    fn tail_is_sound(&self) -> bool {
        self.0.tail_is_sound
    }

    /// The share of held-out sessions that alert where each tenth of them, in the order of time, is judged by the other nine;
    /// None where nine tenths are too few to promise the rate.
    #[getter]
    fn realised(&self) -> Option<f64> {
        self.0.realised
    }

    /// The 95 % interval of that share.
    #[getter]
    fn interval(&self) -> Option<(f64, f64)> {
        self.0.interval.map(|interval| (interval.low, interval.high))
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<CalibrationReport {}>", self.0)
    }
}
