//! Sessions in memory, and one of them.

use crate::{
    array::{Choice, each},
    config::SessionConfig,
    table,
};
use arrow_array::RecordBatch;
use nf_core::session::TableStats;
use pyo3::{
    prelude::*,
    types::{PyCapsule, PyDict, PyIterator},
};
use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

/// Sessions in memory, in the order in which they ended.
///
/// ``polars.DataFrame(sessions)``, ``pyarrow.table(sessions)`` and ``pandas.DataFrame.from_arrow(sessions)`` make a data frame of
/// them, without a copy of the numbers; its columns are those of the tables of ``docs/guide/extract.md``. A number chooses one
/// session; a slice, a mask of bools or an array of numbers give sessions. A slice shares them, the others copy.
///
/// Examples
/// --------
/// >>> import neural_filter as nf
/// >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
/// >>> long = benign[[session.packets > 100 for session in benign]]
/// >>> len(long) < len(benign), long.stats["ended"] == len(long)
/// (True, True)
#[pyclass(frozen, module = "neural_filter")]
pub(crate) struct Sessions {
    all: Arc<nf_core::Sessions>,
    range: Range<usize>,
    config: Arc<nf_core::SessionConfig>,
    batch: OnceLock<RecordBatch>,
}

/// As many take more than a millisecond to drop.
pub(crate) const MANY: usize = 2000;

impl Drop for Sessions {
    fn drop(&mut self) {
        if let Some(all) = Arc::get_mut(&mut self.all).filter(|all| all.len() > MANY) {
            release(std::mem::replace(all, [].into_iter().collect()));
        }
    }
}

/// Drops what takes long without holding on to Python.
pub(crate) fn release<T: Send>(value: T) {
    let mut value = Some(value);
    // Where there is no Python any more, it is dropped at the end.
    let _ = Python::try_attach(|py| py.detach(|| drop(value.take())));
}

impl Sessions {
    pub(crate) fn new(all: nf_core::Sessions, config: &nf_core::SessionConfig) -> Self {
        let range = 0..all.len();
        Self { all: Arc::new(all), range, config: Arc::new(config.clone()), batch: OnceLock::new() }
    }

    pub(crate) fn slice(&self) -> &[nf_core::Session] {
        &self.all[self.range.clone()]
    }

    /// What was counted in reading them; of a part of a reading, what its sessions come to.
    pub(crate) fn table_stats(&self) -> TableStats {
        if self.range.len() == self.all.len() { self.all.stats().clone() } else { counted(self.slice()) }
    }

    pub(crate) fn session_config(&self) -> &nf_core::SessionConfig {
        &self.config
    }

    pub(crate) fn session(&self, place: usize) -> Session {
        Session { all: self.all.clone(), place: self.range.start + place, config: Some(self.config.clone()) }
    }

    /// The same sessions, shared.
    pub(crate) fn share(&self) -> Self {
        self.part(0..self.range.len())
    }

    fn part(&self, range: Range<usize>) -> Self {
        let range = self.range.start + range.start..self.range.start + range.end;
        Self { all: self.all.clone(), range, config: self.config.clone(), batch: OnceLock::new() }
    }

    pub(crate) fn choose(&self, places: &[usize]) -> Self {
        let chosen: Vec<_> = places.iter().map(|&place| self.slice()[place].clone()).collect();
        let stats = counted(&chosen);
        Self::new(nf_core::Sessions::new(chosen, stats), &self.config)
    }

    fn batch(&self, py: Python<'_>) -> PyResult<&RecordBatch> {
        if let Some(batch) = self.batch.get() {
            return Ok(batch);
        }
        let batch = py.detach(|| table::batch(nf_core::table::Table::of_sessions(self.slice(), 0)))?;
        Ok(self.batch.get_or_init(|| batch))
    }
}

#[pymethods]
impl Sessions {
    /// How the packets were cut into the sessions.
    #[getter]
    fn config(&self) -> SessionConfig {
        SessionConfig((*self.config).clone())
    }

    /// What was read, and what could not be used: a dict of counts. Of a part of what was read, the packets, bytes and number
    /// of its sessions.
    #[getter]
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        counts(py, &py.detach(|| self.table_stats()))
    }

    /// Names of the columns of a data frame of them.
    #[getter]
    fn columns(&self) -> Vec<String> {
        let table = nf_core::table::Table::of_sessions(&[], 0);
        table.columns.into_iter().map(|column| column.name).collect()
    }

    fn __len__(&self) -> usize {
        self.range.len()
    }

    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyIterator>> {
        each(slf.as_any())
    }

    fn __getitem__<'py>(&self, py: Python<'py>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        Ok(match Choice::of(key, self.range.len())? {
            Choice::One(place) => Bound::new(py, self.session(place))?.into_any(),
            Choice::Range(range) => Bound::new(py, self.part(range))?.into_any(),
            Choice::Places(places) => Bound::new(py, py.detach(|| self.choose(&places)))?.into_any(),
        })
    }

    fn __repr__(&self) -> String {
        let packets: u64 = self.slice().iter().map(|session| session.stats().packets()).sum();
        format!("Sessions({} sessions, {packets} packets)", self.range.len())
    }

    fn _repr_html_(&self) -> String {
        const COLUMNS: [&str; 8] =
            ["start", "session", "packets", "bytes", "duration (s)", "end", "outcome", "DNS name"];
        let row = |session: &nf_core::Session| {
            vec![
                format!("{:#}", session.start()),
                session.key().to_string(),
                session.stats().packets().to_string(),
                session.stats().wire_bytes().to_string(),
                format!("{:.3}", session.duration().as_secs_f64()),
                session.end_reason().to_string(),
                session.outcome().to_string(),
                session.dns().map_or_else(String::new, |dns| dns.name.clone()),
            ]
        };
        let shown = self.slice().iter().take(table::SHOWN).map(row);
        table::html(&COLUMNS.map(str::to_owned), shown, self.range.len())
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

/// What some sessions come to.
fn counted(sessions: &[nf_core::Session]) -> TableStats {
    let mut stats = TableStats::default();
    for session in sessions {
        stats.packets += session.stats().packets();
        stats.wire_bytes += session.stats().wire_bytes();
    }
    stats.frames = stats.packets;
    (stats.started, stats.ended) = (sessions.len() as u64, sessions.len() as u64);
    stats
}

/// Counts as a dict.
pub(crate) fn counts<'py>(py: Python<'py>, stats: &TableStats) -> PyResult<Bound<'py, PyDict>> {
    let counts = PyDict::new(py);
    let numbers = [
        ("frames", stats.frames),
        ("wire_bytes", stats.wire_bytes),
        ("packets", stats.packets),
        ("started", stats.started),
        ("ended", stats.ended),
        ("looks", stats.looks),
        ("evicted", stats.evicted),
        ("dropped", stats.dropped),
        ("packets_dropped", stats.packets_dropped),
        ("looks_dropped", stats.looks_dropped),
        ("context_evicted", stats.context_evicted),
        ("late_advances", stats.late_advances),
        ("peak_bytes", stats.peak_bytes as u64),
    ];
    numbers.into_iter().try_for_each(|(name, number)| counts.set_item(name, number))?;
    let skipped = PyDict::new(py);
    stats.skipped.iter().try_for_each(|(reason, count)| skipped.set_item(reason.to_string(), count))?;
    counts.set_item("skipped", skipped)?;
    Ok(counts)
}

/// One session: who spoke with whom, when, how much, and how it ended.
///
/// Examples
/// --------
/// >>> import neural_filter as nf
/// >>> session = nf.read_sessions("examples/data/benign.pcap.zst")[0]
/// >>> session.packets > 0, session.duration == (session.end_ns - session.start_ns) / 1e9
/// (True, True)
#[pyclass(frozen, module = "neural_filter")]
pub(crate) struct Session {
    all: Arc<nf_core::Sessions>,
    place: usize,
    /// How it was cut; `None` for one that a monitor cut, which looks to that itself.
    config: Option<Arc<nf_core::SessionConfig>>,
}

impl Session {
    /// One that stands alone.
    pub(crate) fn alone(session: nf_core::Session) -> Self {
        Self { all: Arc::new([session].into_iter().collect()), place: 0, config: None }
    }

    pub(crate) fn get(&self) -> &nf_core::Session {
        &self.all[self.place]
    }

    pub(crate) fn config(&self) -> Option<&nf_core::SessionConfig> {
        self.config.as_deref()
    }
}

#[pymethods]
impl Session {
    /// Time of the first packet, in seconds since the epoch; `start_ns` has all nanoseconds.
    #[getter]
    fn start(&self) -> f64 {
        self.get().start().as_secs_f64()
    }

    /// Time of the first packet, in nanoseconds since the epoch.
    #[getter]
    fn start_ns(&self) -> i64 {
        self.get().start().as_nanos()
    }

    /// Time of the last packet, in nanoseconds since the epoch.
    #[getter]
    fn end_ns(&self) -> i64 {
        self.get().end().as_nanos()
    }

    /// From the first packet to the last, in seconds.
    #[getter]
    fn duration(&self) -> f64 {
        self.get().duration().as_secs_f64()
    }

    /// Protocol: ``"tcp"``, ``"udp"``, ``"icmp"``, ``"icmp6"``, ``"arp"``, ``"ip47"``.
    #[getter]
    fn protocol(&self) -> String {
        self.get().key().protocol.to_string()
    }

    /// Address and port of the end that began.
    #[getter]
    fn orig(&self) -> (String, u16) {
        let end = self.get().key().orig;
        (end.addr.to_string(), end.port)
    }

    /// Address and port of the other end.
    #[getter]
    fn resp(&self) -> (String, u16) {
        let end = self.get().key().resp;
        (end.addr.to_string(), end.port)
    }

    /// Packets of both ends.
    #[getter]
    fn packets(&self) -> u64 {
        self.get().stats().packets()
    }

    /// Bytes of whole frames on the wire, both ends.
    #[getter]
    fn bytes(&self) -> u64 {
        self.get().stats().wire_bytes()
    }

    /// Why it ended.
    #[getter]
    fn end_reason(&self) -> String {
        self.get().end_reason().to_string()
    }

    /// Whether anybody answered.
    #[getter]
    fn outcome(&self) -> String {
        self.get().outcome().to_string()
    }

    /// Name of the first DNS question, where it has one.
    #[getter]
    fn dns_name(&self) -> Option<&str> {
        self.get().dns().map(|dns| dns.name.as_str())
    }

    fn __str__(&self) -> String {
        format!("{:#}", self.get())
    }

    fn __repr__(&self) -> String {
        format!("<Session {:#}>", self.get())
    }
}
