//! Fitted detectors.

use crate::{
    config::SessionConfig,
    drift::Drift,
    error::{raised, raised_of},
    explanation::{CalibrationReport, Card, Explanation},
    features::FeatureSpec,
    incidents::Incident,
    model::Model,
    number::{Whole, seed, threads},
    sessions::{Session, Sessions},
    verdicts::{Verdict, Verdicts},
    watch::{Signals, Watcher},
};
use nf_core::{
    detector::{Builder, Recalibration, RecalibrationRecord, Recipe, Source},
    incident::{IncidentConfig, incidents},
    report::Report,
};
use pyo3::{
    exceptions::PyValueError,
    prelude::*,
    types::{PyBytes, PyDict, PyTuple},
};
use std::{ops::ControlFlow, path::PathBuf};

/// A fitted and calibrated detector. It never changes, and threads may share it.
#[pyclass(frozen, module = "neural_filter._native")]
pub(crate) struct Detector(nf_core::Detector);

/// Pairs of session and verdict explained between two looks for Ctrl-C.
const EXPLAINED: usize = 16;

impl Detector {
    pub(crate) fn get(&self) -> &nf_core::Detector {
        &self.0
    }

    /// Refuses sessions that were cut otherwise than those of the training.
    fn check(&self, config: &nf_core::SessionConfig) -> PyResult<()> {
        self.0.check_sessions(config).map_err(raised)
    }
}

#[pymethods]
impl Detector {
    /// Fits the engine's recipe, with its default for each parameter that is None.
    #[staticmethod]
    #[pyo3(signature = (
        sessions, held_out=None, *, heads=None, false_positive_rate=None, alerts_per_hour=None, calibration_share=None,
        contamination=None, evidence=None, without_columns=None, random_state=None, threads=None, report=None,
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords of Python")]
    fn fit(
        py: Python<'_>,
        sessions: &Sessions,
        held_out: Option<&Sessions>,
        heads: Option<Vec<String>>,
        false_positive_rate: Option<f64>,
        alerts_per_hour: Option<f64>,
        calibration_share: Option<f64>,
        contamination: Option<f64>,
        evidence: Option<bool>,
        without_columns: Option<Vec<String>>,
        random_state: Option<Whole>,
        threads: Option<Whole>,
        report: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let (random_state, threads) = (seed(random_state)?, self::threads(threads)?);
        if let Some(held_out) = held_out {
            let alike = held_out.session_config().check_alike(sessions.session_config());
            alike.map_err(|error| PyValueError::new_err(format!("held_out: {error}")))?;
        }
        let mut recipe = nf_core::Detector::recipe().session_config(sessions.session_config());
        if let Some(heads) = heads {
            recipe = recipe.heads(&heads).map_err(raised)?;
        }
        recipe = false_positive_rate.into_iter().fold(recipe, Recipe::false_positive_rate);
        recipe = alerts_per_hour.into_iter().fold(recipe, Recipe::alerts_per_hour);
        recipe = calibration_share.into_iter().fold(recipe, Recipe::calibration_share);
        recipe = contamination.into_iter().fold(recipe, Recipe::contamination);
        recipe = without_columns.into_iter().fold(recipe, Recipe::without_columns);
        recipe = random_state.into_iter().fold(recipe, Recipe::seed);
        recipe = threads.into_iter().fold(recipe, Recipe::threads);
        if evidence == Some(false) {
            recipe = recipe.evidence(None);
        }
        let mut watcher = Watcher::new(report);
        let fitted = py.detach(|| {
            let watch = |progress: &nf_core::Progress| watcher.tell(progress);
            match held_out {
                Some(held_out) => recipe.fit_on(sessions.slice(), held_out.slice(), watch),
                None => recipe.fit_with(sessions.slice(), watch),
            }
        });
        watcher.end(py, fitted).map(Self)
    }

    /// Calibrates models that were fitted elsewhere as heads: of each its name, columns, model, and what it counts.
    #[staticmethod]
    #[pyo3(signature = (heads, held_out, *, false_positive_rate=None, alerts_per_hour=None, evidence=None, threads=None))]
    fn from_heads(
        py: Python<'_>,
        heads: Vec<(String, FeatureSpec, PyRef<'_, Model>, Option<f64>)>,
        held_out: &Sessions,
        false_positive_rate: Option<f64>,
        alerts_per_hour: Option<f64>,
        evidence: Option<bool>,
        threads: Option<Whole>,
    ) -> PyResult<Self> {
        let threads = self::threads(threads)?;
        let mut builder = nf_core::Detector::builder().session_config(held_out.session_config());
        for (name, spec, model, weight) in heads {
            builder = model.head(builder, &name, spec.0);
            builder = weight.into_iter().fold(builder, Builder::weight);
        }
        builder = false_positive_rate.into_iter().fold(builder, Builder::false_positive_rate);
        builder = alerts_per_hour.into_iter().fold(builder, Builder::alerts_per_hour);
        builder = threads.into_iter().fold(builder, Builder::threads);
        if evidence == Some(false) {
            builder = builder.evidence(None);
        }
        py.detach(|| builder.calibrate(held_out.slice())).map(Self).map_err(raised)
    }

    /// Reads a detector from a model file.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        py.detach(|| nf_core::Detector::load(&path)).map(Self).map_err(raised_of(&path))
    }

    /// Reads a detector from the bytes of a model file.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, bytes: &[u8]) -> PyResult<Self> {
        py.detach(|| nf_core::Detector::from_bytes(bytes)).map(Self).map_err(raised)
    }

    /// Writes a model file, whole or not at all.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| self.0.save(&path)).map_err(raised_of(&path))
    }

    /// The bytes of a model file.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let bytes = py.detach(|| self.0.to_bytes());
        PyBytes::new(py, &bytes)
    }

    /// The verdicts on sessions of one capture, in the order in which they ended.
    fn judge(&self, py: Python<'_>, sessions: &Sessions) -> PyResult<Verdicts> {
        self.check(sessions.session_config())?;
        let (mut signals, mut stop) = (Signals::new(), None);
        let verdicts = py.detach(|| {
            self.0.judge_all_with(sessions.slice(), || match signals.check() {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    stop = Some(error);
                    ControlFlow::Break(())
                }
            })
        });
        let verdicts = verdicts.map_err(|error| stop.take().unwrap_or_else(|| raised(error)))?;
        Ok(Verdicts::new(verdicts, sessions.share(), self.heads().into()))
    }

    /// The verdict on one session by itself.
    fn judge_alone(&self, py: Python<'_>, session: &Session) -> PyResult<Verdict> {
        session.config().map_or(Ok(()), |config| self.check(config))?;
        py.detach(|| self.0.judge(session.get())).map(Verdict).map_err(raised)
    }

    /// Why a session got its verdict; judged by itself where none is given.
    #[pyo3(signature = (session, verdict=None))]
    fn explain(&self, py: Python<'_>, session: &Session, verdict: Option<&Verdict>) -> PyResult<Explanation> {
        session.config().map_or(Ok(()), |config| self.check(config))?;
        py.detach(|| {
            let explanation = match verdict {
                Some(verdict) => self.0.explain_verdict(session.get(), &verdict.0)?,
                None => self.0.explain(session.get())?,
            };
            Ok(Explanation::new(session.get(), explanation))
        })
        .map_err(raised)
    }

    /// Why the strangest session of an incident alerted.
    fn explain_incident(&self, py: Python<'_>, incident: &Incident) -> PyResult<Explanation> {
        let explain = || Ok(Explanation::new(&incident.0.session, incident.0.explain(&self.0)?));
        py.detach(explain).map_err(raised)
    }

    /// Why the alerts are alerts: one explanation a verdict, None for those that are no alert.
    #[pyo3(signature = (verdicts, threads=None))]
    fn explain_all(
        &self,
        py: Python<'_>,
        verdicts: &Verdicts,
        threads: Option<Whole>,
    ) -> PyResult<Vec<Option<Explanation>>> {
        let threads = self::threads(threads)?;
        self.check(verdicts.judged().session_config())?;
        let sessions = verdicts.judged().slice();
        py.detach(|| {
            let detector = threads.into_iter().fold(self.0.clone(), nf_core::Detector::with_threads);
            let (mut told, mut signals) = (Vec::with_capacity(sessions.len()), Signals::new());
            for (sessions, verdicts) in sessions.chunks(EXPLAINED).zip(verdicts.get().chunks(EXPLAINED)) {
                signals.check()?;
                let explanations = detector.explain_all(sessions, verdicts).map_err(raised)?;
                let explained = explanations.into_iter().zip(sessions);
                told.extend(explained.map(|(explanation, session)| Some(Explanation::new(session, explanation?))));
            }
            Ok(told)
        })
    }

    /// Judged sessions and their incidents as one HTML page.
    fn page(&self, py: Python<'_>, verdicts: &Verdicts, title: &str) -> PyResult<String> {
        py.detach(|| {
            let mut report = Report::new(title);
            verdicts.pairs().for_each(|(session, verdict)| report.add(session, verdict));
            let found = incidents(verdicts.judged().slice(), verdicts.get(), &IncidentConfig::default())?;
            found.into_iter().for_each(|incident| report.add_incident(incident));
            report.to_html(&self.0, &verdicts.judged().table_stats().into())
        })
        .map_err(raised)
    }

    /// The same detector with another budget of false positives.
    fn with_false_positive_rate(&self, py: Python<'_>, rate: f64) -> PyResult<Self> {
        py.detach(|| self.0.with_false_positive_rate(rate)).map(Self).map_err(raised)
    }

    /// The same detector with one more capture named on its card as what it was made from.
    fn with_source(&self, name: &str, sessions: &Sessions) -> Self {
        Self(self.0.clone().with_source(Source::new(name, &sessions.table_stats())))
    }

    /// The same heads calibrated on recent sessions.
    #[pyo3(signature = (recent, *, false_positive_rate=None, reason=None, threads=None))]
    fn recalibrate(
        &self,
        py: Python<'_>,
        recent: &Sessions,
        false_positive_rate: Option<f64>,
        reason: Option<String>,
        threads: Option<Whole>,
    ) -> PyResult<Self> {
        let threads = self::threads(threads)?;
        let mut recalibration = self.0.recalibration().session_config(recent.session_config());
        recalibration = false_positive_rate.into_iter().fold(recalibration, Recalibration::false_positive_rate);
        recalibration = reason.into_iter().fold(recalibration, Recalibration::reason);
        recalibration = threads.into_iter().fold(recalibration, Recalibration::threads);
        py.detach(|| recalibration.run(recent.slice())).map(Self).map_err(raised)
    }

    /// The recalibrations behind it, the earliest first: dicts.
    #[getter]
    fn recalibrations<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        self.0.recalibrations().iter().map(|record| described(py, record)).collect()
    }

    /// The detector with the calibration it was made with; None where it still has that.
    fn before_recalibration(&self, py: Python<'_>) -> Option<Self> {
        py.detach(|| self.0.before_recalibration()).map(Self)
    }

    /// A watch for drift, at its beginning.
    #[pyo3(signature = (false_alarm_every=None))]
    fn drift(&self, false_alarm_every: Option<f64>) -> PyResult<Drift> {
        Drift::new(&self.0, false_alarm_every)
    }

    /// What it promises at its budget, and what that rests on.
    fn report(&self, py: Python<'_>) -> CalibrationReport {
        CalibrationReport(py.detach(|| self.0.report()))
    }

    /// Writes a folder with an ONNX file for each head's model, and `detector.json`.
    fn export_onnx(&self, py: Python<'_>, folder: PathBuf) -> PyResult<()> {
        py.detach(|| self.0.export_onnx(&folder)).map_err(raised_of(&folder))
    }

    /// What it was made from, what it promises, and what it is known not to see.
    fn card(&self, py: Python<'_>) -> PyResult<Card> {
        Ok(Card(py.detach(|| self.0.card())))
    }

    /// Names of the heads.
    #[getter]
    fn heads(&self) -> Vec<String> {
        self.0.head_names().map(str::to_owned).collect()
    }

    /// The share of benign sessions that may be called anomalies.
    #[getter]
    fn false_positive_rate(&self) -> f64 {
        self.0.false_positive_rate()
    }

    /// The cut of the score that decides, of sessions behind the first minute of a capture.
    #[getter]
    fn threshold(&self) -> f32 {
        self.0.evidence_threshold()
    }

    /// How the packets of its training were cut into sessions.
    #[getter]
    fn session_config(&self) -> SessionConfig {
        SessionConfig(self.0.session_config().clone())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        Ok((slf.getattr("from_bytes")?, (slf.get().to_bytes(slf.py()),).into_pyobject(slf.py())?))
    }

    fn __repr__(&self) -> String {
        format!(
            "Detector({}, false_positive_rate={})",
            self.0.head_names().collect::<Vec<_>>().join(", "),
            self.0.false_positive_rate()
        )
    }
}

fn described<'py>(py: Python<'py>, record: &RecalibrationRecord) -> PyResult<Bound<'py, PyDict>> {
    let json = serde_json::to_string(record).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(py.import("json")?.call_method1("loads", (json,))?.cast_into()?)
}

/// Names of the heads that a detector can be made of.
///
/// Examples
/// --------
/// >>> import neural_filter as nf
/// >>> "forest" in nf.available_heads()
/// True
#[pyfunction]
pub(crate) fn available_heads() -> Vec<&'static str> {
    Recipe::available_heads().collect()
}

/// Names of the heads of a detector that chooses none.
///
/// Examples
/// --------
/// >>> import neural_filter as nf
/// >>> set(nf.default_heads()) <= set(nf.available_heads())
/// True
#[pyfunction]
pub(crate) fn default_heads() -> Vec<&'static str> {
    Recipe::default_heads().collect()
}
