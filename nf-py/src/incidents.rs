//! Alerts that are one happening.

use crate::{
    array::{Choice, each},
    config::duration,
    error::raised,
    sessions::Session,
    table,
};
use arrow_array::RecordBatch;
use nf_core::incident::{IncidentConfig, Listed};
use pyo3::{
    prelude::*,
    types::{PyCapsule, PyDict, PyIterator, PyList},
};
use std::sync::{Arc, OnceLock};

/// When alerts become an incident; None has the engine's default.
#[derive(Default)]
pub(crate) struct Rules {
    pub(crate) from: Option<f64>,
    pub(crate) from_suspect: Option<f64>,
    pub(crate) from_crowd: Option<f64>,
    pub(crate) within: Option<f64>,
    pub(crate) silence: Option<f64>,
}

impl Rules {
    pub(crate) fn config(self) -> PyResult<IncidentConfig> {
        let mut config = IncidentConfig::default();
        self.from.into_iter().for_each(|from| config.from = from);
        self.from_suspect.into_iter().for_each(|from| config.from_suspect = from);
        self.from_crowd.into_iter().for_each(|from| config.from_crowd = from);
        duration("within", self.within)?.into_iter().for_each(|within| config.within = within);
        duration("silence", self.silence)?.into_iter().for_each(|silence| config.silence = silence);
        Ok(config)
    }
}

/// Incidents, in the order in which they opened: ``polars.DataFrame(incidents)`` makes a data frame of them.
///
/// A number chooses one; a slice, a mask of bools or an array of numbers give incidents.
///
/// Examples
/// --------
/// >>> import neural_filter as nf
/// >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
/// >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(benign)
/// >>> verdicts = detector.judge(nf.read_sessions("examples/data/attacks.pcap.zst"))
/// >>> incidents = verdicts.incidents()
/// >>> 0 < len(incidents) < len(verdicts), incidents.columns[0]
/// (True, 'incident')
#[pyclass(frozen, module = "neural_filter")]
pub(crate) struct Incidents {
    incidents: Vec<Arc<nf_core::Incident>>,
    batch: OnceLock<RecordBatch>,
}

impl Incidents {
    pub(crate) fn new(incidents: impl IntoIterator<Item = nf_core::Incident>) -> Self {
        Self { incidents: incidents.into_iter().map(Arc::new).collect(), batch: OnceLock::new() }
    }

    fn batch(&self, py: Python<'_>) -> PyResult<&RecordBatch> {
        if let Some(batch) = self.batch.get() {
            return Ok(batch);
        }
        let batch = py.detach(|| {
            let incidents: Vec<_> = self.incidents.iter().map(|incident| (**incident).clone()).collect();
            table::batch(nf_core::table::Table::of_incidents(&incidents))
        })?;
        Ok(self.batch.get_or_init(|| batch))
    }
}

#[pymethods]
impl Incidents {
    /// Names of the columns of a data frame of them.
    #[getter]
    fn columns(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.batch(py)?.schema().fields().iter().map(|field| field.name().clone()).collect())
    }

    fn __len__(&self) -> usize {
        self.incidents.len()
    }

    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyIterator>> {
        each(slf.as_any())
    }

    fn __getitem__<'py>(&self, py: Python<'py>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let places = match Choice::of(key, self.incidents.len())? {
            Choice::One(place) => return Ok(Bound::new(py, Incident(self.incidents[place].clone()))?.into_any()),
            Choice::Range(range) => range.collect(),
            Choice::Places(places) => places,
        };
        let incidents = places.into_iter().map(|place| self.incidents[place].clone()).collect();
        Ok(Bound::new(py, Self { incidents, batch: OnceLock::new() })?.into_any())
    }

    fn __str__(&self) -> String {
        self.incidents.iter().map(|incident| format!("{incident:#}")).collect::<Vec<_>>().join("\n")
    }

    fn __repr__(&self) -> String {
        let sessions: u64 = self.incidents.iter().map(|incident| incident.sessions).sum();
        format!("Incidents({} incidents, {sessions} alerts)", self.incidents.len())
    }

    fn _repr_html_(&self) -> String {
        let row = |incident: &Arc<nf_core::Incident>| {
            vec![
                incident.id.to_string(),
                format!("{:#}", incident.first),
                format!("{:.1}", incident.last.since(incident.first).as_secs_f64()),
                incident.summary(),
                incident.sessions.to_string(),
                format!("{:.1e}", incident.p_value()),
                incident.heads.first().map_or_else(String::new, |(head, _)| head.to_string()),
            ]
        };
        let columns = ["", "first", "lasted (s)", "what", "sessions", "lowest p-value", "found by"];
        let shown = self.incidents.iter().take(table::SHOWN).map(row);
        table::html(&columns.map(str::to_owned), shown, self.incidents.len())
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

/// Alerts that share a host, a kind and a time; ``detector.explain(incident)`` says why its strangest session alerted.
///
/// Examples
/// --------
/// >>> import neural_filter as nf
/// >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
/// >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(benign)
/// >>> verdicts = detector.judge(nf.read_sessions("examples/data/attacks.pcap.zst"))
/// >>> incident = verdicts.incidents()[0]
/// >>> incident.id, incident.sessions == sum(incident.heads.values())
/// (1, True)
#[pyclass(frozen, module = "neural_filter")]
pub(crate) struct Incident(pub(crate) Arc<nf_core::Incident>);

#[pymethods]
impl Incident {
    /// Its number, from 1, in the order in which incidents opened.
    #[getter]
    fn id(&self) -> u64 {
        self.0.id
    }

    /// The kind of traffic: ``"failed tcp"``.
    #[getter]
    fn kind(&self) -> String {
        self.0.kind.to_string()
    }

    /// What its alerts have in common: a host, or a hardware address.
    #[getter]
    fn centre(&self) -> String {
        self.0.centre.to_string()
    }

    /// What happened, in a few words.
    #[getter]
    fn summary(&self) -> String {
        self.0.summary()
    }

    /// Start of its first session, in nanoseconds since the epoch.
    #[getter]
    fn first_ns(&self) -> i64 {
        self.0.first.as_nanos()
    }

    /// The last packet of its sessions, in nanoseconds since the epoch.
    #[getter]
    fn last_ns(&self) -> i64 {
        self.0.last.as_nanos()
    }

    /// When the alert that opened it was known, in nanoseconds since the epoch.
    #[getter]
    fn opened_ns(&self) -> i64 {
        self.0.opened.as_nanos()
    }

    /// When its last alert was known, in nanoseconds since the epoch.
    #[getter]
    fn updated_ns(&self) -> i64 {
        self.0.updated.as_nanos()
    }

    /// How many sessions alerted.
    #[getter]
    fn sessions(&self) -> u64 {
        self.0.sessions
    }

    /// The hosts that started the sessions, the first 16 of them.
    #[getter]
    fn sources(&self) -> Vec<String> {
        texts(&self.0.sources)
    }

    /// The hosts at the other end, the first 16 of them.
    #[getter]
    fn destinations(&self) -> Vec<String> {
        texts(&self.0.destinations)
    }

    /// The services that were used or tried, the first 16 of them: ``"tcp 80"``.
    #[getter]
    fn services(&self) -> Vec<String> {
        texts(&self.0.services)
    }

    /// The parent domains that DNS sessions asked for, the first 16 of them.
    #[getter]
    fn domains(&self) -> Vec<String> {
        texts(&self.0.domains)
    }

    /// Which head found how many of the sessions strangest, by falling number.
    #[getter]
    fn heads<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let heads = PyDict::new(py);
        self.0.heads.iter().try_for_each(|(head, count)| heads.set_item(&**head, count))?;
        Ok(heads)
    }

    /// The p-value of its strangest session.
    #[getter]
    fn p_value(&self) -> f64 {
        self.0.p_value()
    }

    /// Its strangest sessions, at most five, the strangest first: dicts of session, start_ns, at_ns, packets, score, p_value and head.
    #[getter]
    fn evidence<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let evidence = PyList::empty(py);
        for sighting in &self.0.evidence {
            let values = PyDict::new(py);
            values.set_item("session", sighting.key.to_string())?;
            values.set_item("start_ns", sighting.start.as_nanos())?;
            values.set_item("at_ns", sighting.at.as_nanos())?;
            values.set_item("packets", sighting.packets)?;
            values.set_item("score", sighting.score)?;
            values.set_item("p_value", sighting.p_value)?;
            values.set_item("head", sighting.head.as_deref())?;
            evidence.append(values)?;
        }
        Ok(evidence)
    }

    /// The strangest session, as it was when it was strangest.
    #[getter]
    fn session(&self) -> Session {
        Session::alone(self.0.session.clone())
    }

    fn __str__(&self) -> String {
        format!("{:#}", self.0)
    }

    fn __repr__(&self) -> String {
        format!("<Incident {:#}>", self.0)
    }
}

fn texts<T: ToString>(listed: &Listed<T>) -> Vec<String> {
    listed.first.iter().map(ToString::to_string).collect()
}

/// The incidents of sessions with their verdicts.
pub(crate) fn of(
    sessions: &[nf_core::Session],
    verdicts: &[nf_core::Verdict],
    config: &IncidentConfig,
) -> PyResult<Incidents> {
    nf_core::incident::incidents(sessions, verdicts, config).map(Incidents::new).map_err(raised)
}
