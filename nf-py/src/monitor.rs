//! Frames in, verdicts and incidents out, as they come.

use crate::{
    config::SessionConfig,
    detector::Detector,
    drift::DriftAlarm,
    error::raised,
    incidents::{Incident, Rules},
    number::{Whole, time},
    sessions::{Session, counts},
    source::{Source, damaged},
    verdicts::Verdict,
    watch::Signals,
};
use nf_core::{Capture, Event as Happened, Frame, LinkType, incident::Change};
use pyo3::{prelude::*, pybacked::PyBackedBytes, types::PyDict};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Judges sessions while they go on and as they end: frames in, events out. It has no clock and no thread; the same frames give
/// the same events, live or from a file.
///
/// Parameters
/// ----------
/// detector : Detector
///     Fitted.
/// config : SessionConfig, optional
///     How packets are cut into sessions; as in the detector's training unless given.
/// from_, from_suspect, from_crowd, within, silence : float, optional
///     When alerts become an incident, as in ``Verdicts.incidents``.
#[pyclass(frozen, module = "neural_filter._native")]
pub(crate) struct Monitor(Mutex<nf_core::Monitor>);

impl Monitor {
    fn get(&self) -> MutexGuard<'_, nf_core::Monitor> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Monitor {
    #[new]
    #[pyo3(signature = (detector, config=None, *, from_=None, from_suspect=None, from_crowd=None, within=None, silence=None))]
    fn new(
        detector: &Detector,
        config: Option<&SessionConfig>,
        from_: Option<f64>,
        from_suspect: Option<f64>,
        from_crowd: Option<f64>,
        within: Option<f64>,
        silence: Option<f64>,
    ) -> PyResult<Self> {
        let rules = Rules { from: from_, from_suspect, from_crowd, within, silence }.config()?;
        let detector = detector.get().clone();
        let config = config.map_or_else(|| detector.session_config().clone(), |config| config.0.clone());
        let monitor = nf_core::Monitor::new(detector, &config).and_then(|monitor| monitor.with_incidents(rules));
        monitor.map(|monitor| Self(Mutex::new(monitor))).map_err(raised)
    }

    /// Takes in one frame of that LINKTYPE_* number, captured so many nanoseconds since the epoch. One that cannot be used is counted.
    #[pyo3(signature = (frame, time_ns, link_type, wire_len=None))]
    fn push(
        &self,
        py: Python<'_>,
        frame: PyBackedBytes,
        time_ns: Whole,
        link_type: Whole,
        wire_len: Option<Whole>,
    ) -> PyResult<()> {
        let time = time("time_ns", time_ns)?;
        let link_type = link_type.within("link_type", 0..=u16::MAX.into())?;
        let wire_len = wire_len.map(|len| len.within("wire_len", 0..=u32::MAX.into())).transpose()?;
        py.detach(|| {
            let wire_len = wire_len.unwrap_or(u32::try_from(frame.len()).unwrap_or(u32::MAX));
            let link_type = LinkType(link_type);
            self.get().push(&Frame { time, link_type, wire_len, data: &frame });
        });
        Ok(())
    }

    /// Says that it is now so many nanoseconds since the epoch, so that silence can end sessions.
    fn advance(&self, py: Python<'_>, now_ns: Whole) -> PyResult<()> {
        let now = time("now_ns", now_ns)?;
        py.detach(|| self.get().advance(now));
        Ok(())
    }

    /// Ends all open sessions and incidents.
    fn finish(&self, py: Python<'_>) {
        py.detach(|| self.get().finish());
    }

    /// The next event; None where there is none before more frames come.
    fn pop(&self, py: Python<'_>) -> Option<Event> {
        py.detach(|| self.get().pop()).map(Event)
    }

    /// What went in and came out so far: a dict of counts, those of ``Sessions.stats`` among them.
    #[getter]
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = self.get().stats();
        let all = counts(py, &stats.table)?;
        let numbers = [
            ("early", stats.early),
            ("judged", stats.judged),
            ("anomalies", stats.anomalies),
            ("failures", stats.failures),
            ("drift_alarms", stats.drift_alarms),
            ("drift_late", stats.drift_late),
            ("incidents", stats.incidents.opened),
            ("evidence_keys", stats.evidence_keys as u64),
            ("evidence_evicted", stats.evidence_evicted),
        ];
        numbers.into_iter().try_for_each(|(name, number)| all.set_item(name, number))?;
        Ok(all)
    }

    fn __repr__(&self) -> String {
        let stats = self.get().stats();
        let (frames, judged, anomalies) = (stats.table.frames, stats.judged, stats.anomalies);
        format!("Monitor({frames} frames, {judged} sessions judged, {anomalies} anomalies)")
    }
}

/// The events of a capture that goes through a monitor; see ``Monitor.replay``.
#[pyclass(frozen, module = "neural_filter._native")]
pub(crate) struct Replay {
    monitor: Py<Monitor>,
    /// None once it was read to its end.
    capture: Mutex<Option<Capture>>,
}

/// Frames taken in at once.
const FRAMES: usize = 256;

#[pymethods]
impl Replay {
    #[new]
    fn new(py: Python<'_>, monitor: Py<Monitor>, source: Source) -> PyResult<Self> {
        let capture = py.detach(|| source.open())?;
        Ok(Self { monitor, capture: Mutex::new(Some(capture)) })
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Event>> {
        let monitor = self.monitor.get();
        py.detach(|| {
            let mut capture = self.capture.lock().unwrap_or_else(PoisonError::into_inner);
            let mut signals = Signals::new();
            loop {
                if let Some(event) = monitor.get().pop() {
                    return Ok(Some(Event(event)));
                }
                signals.check()?;
                let Some(reading) = capture.as_mut() else { return Ok(None) };
                for _ in 0..FRAMES {
                    // Without a hold on the monitor: a file of Python's may look at it.
                    match reading.next_frame() {
                        Ok(Some(frame)) => monitor.get().push(&frame),
                        Ok(None) => {
                            *capture = None;
                            monitor.get().finish();
                            break;
                        }
                        Err(damage) => {
                            let damage = damaged(reading)(damage);
                            *capture = None;
                            return Err(damage);
                        }
                    }
                }
            }
        })
    }
}

/// Something a monitor has to say. What it does not have is None.
///
/// Examples
/// --------
/// >>> import neural_filter as nf
/// >>> benign = nf.read_sessions("examples/data/benign.pcap.zst")
/// >>> detector = nf.Detector(heads=["forest"], random_state=7).fit(benign)
/// >>> events = nf.Monitor(detector).replay("examples/data/attacks.pcap.zst")
/// >>> next(event for event in events if event.kind == "incident").change
/// 'opened'
#[pyclass(frozen, module = "neural_filter")]
pub(crate) struct Event(Happened);

#[pymethods]
impl Event {
    /// ``"look"`` (a session that goes on is above the cut for the first time), ``"verdict"`` (a session ended and was judged),
    /// ``"incident"``, ``"drift"``, or ``"failure"`` (a model failed on a session).
    #[getter]
    fn kind(&self) -> &'static str {
        match &self.0 {
            Happened::Look { .. } => "look",
            Happened::Verdict { .. } => "verdict",
            Happened::Failure { .. } => "failure",
            Happened::Drift(_) => "drift",
            Happened::Incident { .. } => "incident",
            _ => "other",
        }
    }

    /// The session of a look, a verdict or a failure.
    #[getter]
    fn session(&self) -> Option<Session> {
        match &self.0 {
            Happened::Look { session, .. } | Happened::Verdict { session, .. } | Happened::Failure { session, .. } => {
                Some(Session::alone(session.clone()))
            }
            _ => None,
        }
    }

    /// What the detector says of it.
    #[getter]
    fn verdict(&self) -> Option<Verdict> {
        match &self.0 {
            Happened::Look { verdict, .. } | Happened::Verdict { verdict, .. } => Some(Verdict(verdict.clone())),
            _ => None,
        }
    }

    /// The incident, as it stands.
    #[getter]
    fn incident(&self) -> Option<Incident> {
        match &self.0 {
            Happened::Incident { incident, .. } => Some(Incident((**incident).clone().into())),
            _ => None,
        }
    }

    /// What became of the incident: ``"opened"``, ``"grown"`` to twice its sessions or come again after a pause, or ``"closed"``.
    #[getter]
    fn change(&self) -> Option<&'static str> {
        match &self.0 {
            Happened::Incident { change: Change::Opened, .. } => Some("opened"),
            Happened::Incident { change: Change::Grown, .. } => Some("grown"),
            Happened::Incident { change: Change::Closed, .. } => Some("closed"),
            _ => None,
        }
    }

    /// What is said of a drift.
    #[getter]
    fn alarm(&self) -> Option<DriftAlarm> {
        match &self.0 {
            Happened::Drift(alarm) => Some(DriftAlarm(alarm.clone())),
            _ => None,
        }
    }

    /// What the model that failed returned.
    #[getter]
    fn error(&self) -> Option<String> {
        match &self.0 {
            Happened::Failure { error, .. } => Some(error.to_string()),
            _ => None,
        }
    }

    fn __str__(&self) -> String {
        match &self.0 {
            Happened::Look { session, verdict } | Happened::Verdict { session, verdict } => {
                format!("{}: {session:#}: {verdict}", self.kind())
            }
            Happened::Failure { session, error } => format!("failure: {session:#}: {error}"),
            Happened::Drift(alarm) => format!("drift: {alarm:#}"),
            Happened::Incident { incident, .. } => format!("{}: {incident:#}", self.change().unwrap_or_default()),
            _ => self.kind().to_owned(),
        }
    }

    fn __repr__(&self) -> String {
        format!("<Event {}>", self.__str__())
    }
}
