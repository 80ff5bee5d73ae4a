//! Whether traffic still is what a detector was calibrated on.

use crate::{
    config::duration,
    error::raised,
    number::{Whole, time},
    verdicts::Verdicts,
};
use nf_core::detector::{self, Moved};
use pyo3::{prelude::*, types::PyDict};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Watches whether traffic still is what a detector was calibrated on: made by ``detector.drift()``.
///
/// Examples
/// --------
/// >>> import neural_filter as nf
/// >>> train, usual = (nf.read_sessions(f"examples/data/lab/{name}.pcap.zst") for name in ("train", "val"))
/// >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(train, usual)
/// >>> drift = detector.drift()
/// >>> drift.push(detector.judge(usual)), drift.is_stale
/// ([], False)
#[pyclass(frozen, module = "neural_filter")]
pub(crate) struct Drift(Mutex<detector::Drift>);

impl Drift {
    pub(crate) fn new(detector: &nf_core::Detector, false_alarm_every: Option<f64>) -> PyResult<Self> {
        let mut drift = detector.drift().map_err(raised)?;
        if let Some(every) = duration("false_alarm_every", false_alarm_every)? {
            drift = drift.false_alarm_every(every).map_err(raised)?;
        }
        Ok(Self(Mutex::new(drift)))
    }

    fn get(&self) -> MutexGuard<'_, detector::Drift> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Drift {
    /// Takes in judged sessions, in the order in which they ended, as ``read_sessions`` and ``stream`` give them; gives the alarms.
    ///
    /// Returns
    /// -------
    /// list of DriftAlarm
    ///     Mostly none.
    ///
    /// Examples
    /// --------
    /// >>> import neural_filter as nf
    /// >>> train, usual = (nf.read_sessions(f"examples/data/lab/{name}.pcap.zst") for name in ("train", "val"))
    /// >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(train, usual)
    /// >>> drift = detector.drift()
    /// >>> drift.push(detector.judge(usual)), drift.blocks > 0
    /// ([], True)
    fn push(&self, py: Python<'_>, verdicts: &Verdicts) -> Vec<DriftAlarm> {
        py.detach(|| {
            let mut drift = self.get();
            verdicts.pairs().filter_map(|(session, verdict)| drift.push(session, verdict)).map(DriftAlarm).collect()
        })
    }

    /// Says that it is now so many nanoseconds since the epoch, so that silence can end blocks.
    ///
    /// Returns
    /// -------
    /// DriftAlarm or None
    ///     That of the blocks which silence ended.
    ///
    /// Examples
    /// --------
    /// >>> import neural_filter as nf
    /// >>> train, usual = (nf.read_sessions(f"examples/data/lab/{name}.pcap.zst") for name in ("train", "val"))
    /// >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(train, usual)
    /// >>> drift = detector.drift()
    /// >>> drift.advance(usual[-1].end_ns) is None
    /// True
    fn advance(&self, py: Python<'_>, now_ns: Whole) -> PyResult<Option<DriftAlarm>> {
        let now = time("now_ns", now_ns)?;
        Ok(py.detach(|| self.get().advance(now)).map(DriftAlarm))
    }

    /// Whether an alarm was given, and traffic has not been as usual since.
    #[getter]
    fn is_stale(&self) -> bool {
        self.get().is_stale()
    }

    /// What speaks for a change so far: a false alarm of this strength comes once in so many blocks of time.
    #[getter]
    fn strength(&self) -> f64 {
        self.get().strength()
    }

    /// The strength from which on there is an alarm.
    #[getter]
    fn limit(&self) -> f64 {
        self.get().limit()
    }

    /// The length of a block of time, in seconds.
    #[getter]
    fn block(&self) -> f64 {
        self.get().block().as_secs_f64()
    }

    /// Blocks weighed so far.
    #[getter]
    fn blocks(&self) -> u64 {
        self.get().blocks()
    }

    /// Sessions that came too late for their block, and count nowhere.
    #[getter]
    fn late(&self) -> u64 {
        self.get().late()
    }

    fn __repr__(&self) -> String {
        let drift = self.get();
        format!("Drift(blocks={}, strength={:.3}, is_stale={})", drift.blocks(), drift.strength(), drift.is_stale())
    }
}

/// The traffic is no longer what the detector was calibrated on.
///
/// Examples
/// --------
/// >>> import neural_filter as nf
/// >>> train, usual = (nf.read_sessions(f"examples/data/lab/{name}.pcap.zst") for name in ("train", "val"))
/// >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(train, usual)
/// >>> without_dns = usual[[session.dns_name is None for session in usual]]
/// >>> alarms = detector.drift(false_alarm_every=4000).push(detector.judge(without_dns))
/// >>> alarms[0].moved[0]["name"], alarms[0].strength >= 200
/// ('load', True)
#[pyclass(frozen, module = "neural_filter")]
pub(crate) struct DriftAlarm(pub(crate) detector::DriftAlarm);

#[pymethods]
impl DriftAlarm {
    /// When it was called, in nanoseconds since the epoch.
    #[getter]
    fn at_ns(&self) -> i64 {
        self.0.at.as_nanos()
    }

    /// From when on it is seen, in nanoseconds since the epoch.
    #[getter]
    fn since_ns(&self) -> i64 {
        self.0.since.as_nanos()
    }

    /// A false alarm of this strength comes once in so many blocks of time.
    #[getter]
    fn strength(&self) -> f64 {
        self.0.strength
    }

    /// What moved: dicts of name, unit, then, now, present (shares that have a value, then and now; None where all have) and
    /// deviations. First the sessions a second and the mean p-value where these moved, then services, then columns.
    #[getter]
    fn moved<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let alarm = &self.0;
        let all = alarm.load.iter().chain(&alarm.p_value).chain(&alarm.services).chain(&alarm.columns);
        all.map(|moved| described(py, moved)).collect()
    }

    fn __str__(&self) -> String {
        format!("{:#}", self.0)
    }

    fn __repr__(&self) -> String {
        format!("<DriftAlarm {:#}>", self.0)
    }
}

fn described<'py>(py: Python<'py>, moved: &Moved) -> PyResult<Bound<'py, PyDict>> {
    let values = PyDict::new(py);
    values.set_item("name", &*moved.name)?;
    values.set_item("unit", &*moved.unit)?;
    values.set_item("then", moved.then)?;
    values.set_item("now", moved.now)?;
    values.set_item("present", moved.present.map(|[then, now]| (then, now)))?;
    values.set_item("deviations", moved.deviations)?;
    Ok(values)
}
