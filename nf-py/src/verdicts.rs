//! What a detector says of sessions.

use crate::{
    array::{Choice, each, view},
    incidents::{self, Incidents, Rules},
    sessions::{MANY, Sessions, release},
    table,
};
use arrow_array::RecordBatch;
use numpy::{PyArray1, ndarray::ArrayView1};
use pyo3::{
    prelude::*,
    types::{PyCapsule, PyDict, PyIterator},
};
use std::sync::{Arc, OnceLock};

/// One verdict a session, in their order: ``polars.DataFrame(verdicts)`` makes a data frame of them.
///
/// A number chooses one verdict; a slice, a mask of bools or an array of numbers give verdicts.
///
/// Examples
/// --------
/// >>> import neural_filter as nf
/// >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
/// >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(benign)
/// >>> verdicts = detector.judge(nf.read_sessions("examples/data/attacks.pcap.zst"))
/// >>> alerts = verdicts.sessions[verdicts.anomaly]
/// >>> bool(len(alerts) == verdicts.anomaly.sum() > 0), verdicts.heads
/// (True, ['forest'])
#[pyclass(frozen, module = "neural_filter")]
pub(crate) struct Verdicts {
    verdicts: Vec<nf_core::Verdict>,
    sessions: Sessions,
    heads: Arc<[String]>,
    batch: OnceLock<RecordBatch>,
    numbers: OnceLock<Numbers>,
}

/// What arrays look into.
struct Numbers {
    score: Vec<f32>,
    p_value: Vec<f64>,
    threshold: Vec<f32>,
    anomaly: Vec<bool>,
}

impl Drop for Verdicts {
    fn drop(&mut self) {
        if self.verdicts.len() > MANY {
            release(std::mem::take(&mut self.verdicts));
        }
    }
}

impl Verdicts {
    pub(crate) fn new(verdicts: Vec<nf_core::Verdict>, sessions: Sessions, heads: Arc<[String]>) -> Self {
        Self { verdicts, sessions, heads, batch: OnceLock::new(), numbers: OnceLock::new() }
    }

    pub(crate) fn get(&self) -> &[nf_core::Verdict] {
        &self.verdicts
    }

    pub(crate) fn judged(&self) -> &Sessions {
        &self.sessions
    }

    /// Each session with its verdict.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&nf_core::Session, &nf_core::Verdict)> {
        self.sessions.slice().iter().zip(&self.verdicts)
    }

    fn numbers(&self, py: Python<'_>) -> &Numbers {
        if let Some(numbers) = self.numbers.get() {
            return numbers;
        }
        let all = &self.verdicts;
        let numbers = py.detach(|| Numbers {
            score: all.iter().map(nf_core::Verdict::deciding_score).collect(),
            p_value: all.iter().map(nf_core::Verdict::deciding_p_value).collect(),
            threshold: all.iter().map(|verdict| verdict.threshold).collect(),
            anomaly: all.iter().map(|verdict| verdict.anomaly).collect(),
        });
        self.numbers.get_or_init(|| numbers)
    }

    fn batch(&self, py: Python<'_>) -> PyResult<&RecordBatch> {
        if let Some(batch) = self.batch.get() {
            return Ok(batch);
        }
        let heads = self.heads.iter().map(String::as_str);
        let batch = py.detach(|| table::batch(nf_core::table::Table::of_verdicts(&self.verdicts, 0, heads)))?;
        Ok(self.batch.get_or_init(|| batch))
    }
}

impl Verdicts {
    fn html(&self) -> String {
        let score = |place: &usize| self.verdicts[*place].deciding_score();
        let mut places: Vec<usize> = (0..self.verdicts.len()).collect();
        places.sort_by(|a, b| score(b).total_cmp(&score(a)));
        let row = |place: usize| {
            let verdict = &self.verdicts[place];
            let session = &self.sessions.slice()[place];
            vec![
                place.to_string(),
                format!("{:#}", session.start()),
                session.key().to_string(),
                format!("{:.2}", verdict.deciding_score()),
                format!("{:.1e}", verdict.deciding_p_value()),
                if verdict.anomaly { "anomaly" } else { "normal" }.to_owned(),
            ]
        };
        let columns = ["", "start", "session", "score", "p-value", "verdict"].map(str::to_owned);
        table::html(&columns, places.into_iter().take(table::SHOWN).map(row), self.verdicts.len())
    }
}

#[pymethods]
impl Verdicts {
    /// The sessions judged.
    #[getter]
    fn sessions(&self) -> Sessions {
        self.sessions.share()
    }

    /// Names of the detector's heads.
    #[getter]
    fn heads(&self) -> Vec<String> {
        self.heads.to_vec()
    }

    /// The score that decides, float32, higher = stranger; a view.
    #[getter]
    fn score<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyArray1<f32>> {
        view(&ArrayView1::from(&slf.get().numbers(slf.py()).score[..]), slf.clone().into_any())
    }

    /// The share of benign sessions at least as strange, float64; a view.
    #[getter]
    fn p_value<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyArray1<f64>> {
        view(&ArrayView1::from(&slf.get().numbers(slf.py()).p_value[..]), slf.clone().into_any())
    }

    /// The cut that the score was compared with, float32; a view.
    #[getter]
    fn threshold<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyArray1<f32>> {
        view(&ArrayView1::from(&slf.get().numbers(slf.py()).threshold[..]), slf.clone().into_any())
    }

    /// Whether the score is above the cut, bool, a view: ``sessions[verdicts.anomaly]`` are the alerts.
    #[getter]
    fn anomaly<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyArray1<bool>> {
        view(&ArrayView1::from(&slf.get().numbers(slf.py()).anomaly[..]), slf.clone().into_any())
    }

    /// Names of the columns of a data frame of them.
    #[getter]
    fn columns(&self) -> Vec<String> {
        let table = nf_core::table::Table::of_verdicts(&[], 0, self.heads.iter().map(String::as_str));
        table.columns.into_iter().map(|column| column.name).collect()
    }

    fn __len__(&self) -> usize {
        self.verdicts.len()
    }

    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyIterator>> {
        each(slf.as_any())
    }

    fn __getitem__<'py>(&self, py: Python<'py>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let places = match Choice::of(key, self.verdicts.len())? {
            Choice::One(place) => return Ok(Bound::new(py, Verdict(self.verdicts[place].clone()))?.into_any()),
            Choice::Range(range) => range.collect(),
            Choice::Places(places) => places,
        };
        let chosen = py.detach(|| {
            let verdicts = places.iter().map(|&place| self.verdicts[place].clone()).collect();
            Self::new(verdicts, self.sessions.choose(&places), self.heads.clone())
        });
        Ok(Bound::new(py, chosen)?.into_any())
    }

    /// The alerts grouped: those that share a host, a kind and a time are one incident.
    ///
    /// Parameters
    /// ----------
    /// from_ : float, optional
    ///     What the alerts of one source must come to within ``within``; an alert counts one, more where it lies far beyond the cut.
    /// from_suspect : float, optional
    ///     The same where an end of the session is the source of an open incident, at most ``from_``.
    /// from_crowd : float, optional
    ///     The same for the alerts of at least three sources on one destination, at least ``from_``.
    /// within : float, optional
    ///     How long an alert counts towards opening an incident, in seconds.
    /// silence : float, optional
    ///     Silence without another alert that ends an incident, in seconds.
    ///
    /// Raises
    /// ------
    /// ValueError
    ///     Where a value is out of its range.
    ///
    /// Examples
    /// --------
    /// >>> import neural_filter as nf
    /// >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
    /// >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(benign)
    /// >>> verdicts = detector.judge(nf.read_sessions("examples/data/attacks.pcap.zst"))
    /// >>> incidents = verdicts.incidents(silence=600)
    /// >>> 0 < len(incidents) < verdicts.anomaly.sum()
    /// np.True_
    #[pyo3(signature = (*, from_=None, from_suspect=None, from_crowd=None, within=None, silence=None))]
    fn incidents(
        &self,
        py: Python<'_>,
        from_: Option<f64>,
        from_suspect: Option<f64>,
        from_crowd: Option<f64>,
        within: Option<f64>,
        silence: Option<f64>,
    ) -> PyResult<Incidents> {
        let rules = Rules { from: from_, from_suspect, from_crowd, within, silence }.config()?;
        py.detach(|| incidents::of(self.sessions.slice(), &self.verdicts, &rules))
    }

    fn __repr__(&self) -> String {
        let alerts = self.verdicts.iter().filter(|verdict| verdict.anomaly).count();
        format!("Verdicts({} sessions, {alerts} anomalies)", self.verdicts.len())
    }

    /// The strangest ones.
    fn _repr_html_(&self, py: Python<'_>) -> String {
        py.detach(|| self.html())
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        table::stream(py, self.batch(py)?)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        table::schema(py, self.batch(py)?)
    }
}

/// What a detector says of one session.
///
/// Examples
/// --------
/// >>> import neural_filter as nf
/// >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
/// >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(benign)
/// >>> verdict = detector.judge_alone(benign[0])
/// >>> bool(verdict) == verdict.anomaly, list(verdict.heads)
/// (True, ['forest'])
#[pyclass(frozen, module = "neural_filter")]
pub(crate) struct Verdict(pub(crate) nf_core::Verdict);

#[pymethods]
impl Verdict {
    /// The score that decides, higher = stranger.
    #[getter]
    fn score(&self) -> f32 {
        self.0.deciding_score()
    }

    /// The share of benign sessions at least as strange.
    #[getter]
    fn p_value(&self) -> f64 {
        self.0.deciding_p_value()
    }

    /// The cut that the score was compared with.
    #[getter]
    fn threshold(&self) -> f32 {
        self.0.threshold
    }

    /// Whether the score is above the cut.
    #[getter]
    fn anomaly(&self) -> bool {
        self.0.anomaly
    }

    /// When it became known, in nanoseconds since the epoch.
    #[getter]
    fn at_ns(&self) -> i64 {
        self.0.at.as_nanos()
    }

    /// How many sessions of the pair of hosts it is made from.
    #[getter]
    fn sessions(&self) -> u32 {
        self.0.evidence.map_or(1, |evidence| evidence.sessions)
    }

    /// Score and p-value of each head, by name.
    #[getter]
    fn heads<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let heads = PyDict::new(py);
        self.0.heads.iter().try_for_each(|head| heads.set_item(&*head.name, (head.score, head.p_value)))?;
        Ok(heads)
    }

    fn __bool__(&self) -> bool {
        self.0.anomaly
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<Verdict {}>", self.0)
    }
}
