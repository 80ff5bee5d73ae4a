//! What watches a fit: progress for Python, Ctrl-C for the engine.

use crate::error::raised;
use nf_core::ErrorKind;
use pyo3::{exceptions::PyValueError, prelude::*};
use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

/// Least time between two looks at Python: Ctrl-C stops a fit within it and one step.
const EVERY: Duration = Duration::from_millis(100);

/// How far a fit has come.
///
/// ``to_json()`` makes a line of a training's log, ``Progress.from_json(line)`` reads one.
///
/// Examples
/// --------
/// >>> import neural_filter as nf
/// >>> epochs = []
/// >>> X = [[i % 7, i % 5] for i in range(300)]
/// >>> model = nf.Autoencoder(hidden=[4], latent=1, epochs=2).fit(X, callback=epochs.append)
/// >>> [progress.epoch for progress in epochs], nf.Progress.from_json(epochs[0].to_json()) == epochs[0]
/// ([1, 2], True)
#[pyclass(frozen, eq, module = "neural_filter", from_py_object)]
#[derive(Clone, PartialEq)]
pub(crate) struct Progress(nf_core::Progress);

#[pymethods]
impl Progress {
    /// What is being fitted: the head of a detector, or the algorithm.
    #[getter]
    fn head(&self) -> &str {
        &self.0.head
    }

    /// Share of this head's work that is done, 0 to 1.
    #[getter]
    fn done(&self) -> f32 {
        self.0.done
    }

    /// Epoch, from 1; 0 for models without epochs.
    #[getter]
    fn epoch(&self) -> u32 {
        self.0.epoch
    }

    /// Mean training loss of the epoch so far; None for models without a loss.
    #[getter]
    fn loss(&self) -> Option<f32> {
        self.0.loss
    }

    /// Loss on the held-out rows after the last whole epoch.
    #[getter]
    fn held_out_loss(&self) -> Option<f32> {
        self.0.held_out_loss
    }

    /// Norm of the last update's gradient before it was clipped.
    #[getter]
    fn gradient_norm(&self) -> Option<f32> {
        self.0.gradient_norm
    }

    /// Updates so far.
    #[getter]
    fn updates(&self) -> u64 {
        self.0.updates
    }

    /// Steps (of flat rows: rows) trained on so far, counted anew in each epoch, without padding.
    #[getter]
    fn steps(&self) -> u64 {
        self.0.steps
    }

    /// The same with padding.
    #[getter]
    fn padded_steps(&self) -> u64 {
        self.0.padded_steps
    }

    /// As JSON, on one line.
    ///
    /// Returns
    /// -------
    /// str
    ///     What ``from_json`` reads.
    ///
    /// Examples
    /// --------
    /// >>> import numpy as np, neural_filter as nf
    /// >>> X = np.random.default_rng(0).normal(size=(400, 6)).astype("float32")
    /// >>> last = nf.Autoencoder(hidden=[8], latent=2, epochs=2).fit(X).history_[-1]
    /// >>> "\n" in last.to_json()
    /// False
    fn to_json(&self) -> PyResult<String> {
        serde_json::to_string(&self.0).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Of what ``to_json`` gave.
    ///
    /// Raises
    /// ------
    /// ValueError
    ///     Where the line is not one.
    ///
    /// Examples
    /// --------
    /// >>> import numpy as np, neural_filter as nf
    /// >>> X = np.random.default_rng(0).normal(size=(400, 6)).astype("float32")
    /// >>> last = nf.Autoencoder(hidden=[8], latent=2, epochs=2).fit(X).history_[-1]
    /// >>> nf.Progress.from_json(last.to_json()).epoch
    /// 2
    #[staticmethod]
    fn from_json(line: &str) -> PyResult<Self> {
        serde_json::from_str(line).map(Self).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((slf.getattr("from_json")?, (slf.get().to_json()?,)))
    }

    fn __repr__(&self) -> String {
        let loss = self.0.loss.map_or_else(String::new, |loss| format!(", loss={loss:.4}"));
        format!("Progress(head='{}', done={:.3}, epoch={}{loss})", self.0.head, self.0.done, self.0.epoch)
    }
}

/// Looks for Ctrl-C now and then.
pub(crate) struct Signals {
    last: Instant,
}

impl Signals {
    pub(crate) fn new() -> Self {
        Self { last: Instant::now() }
    }

    /// What a signal handler raised, looked for at most every [`EVERY`].
    pub(crate) fn check(&mut self) -> PyResult<()> {
        if self.last.elapsed() < EVERY {
            return Ok(());
        }
        self.last = Instant::now();
        Python::attach(|py| py.check_signals())
    }
}

/// Tells a Python callable how far a fit is: `report(progress, whole_epoch)`.
pub(crate) struct Watcher {
    report: Option<Py<PyAny>>,
    last: Instant,
    /// The latest of an epoch that has not been told as a whole one.
    pending: Option<nf_core::Progress>,
    raised: Option<PyErr>,
}

impl Watcher {
    pub(crate) fn new(report: Option<Py<PyAny>>) -> Self {
        Self { report, last: Instant::now(), pending: None, raised: None }
    }

    /// The closure of the engine.
    pub(crate) fn tell(&mut self, progress: &nf_core::Progress) -> ControlFlow<()> {
        let next = |before: &nf_core::Progress| (&before.head, before.epoch) != (&progress.head, progress.epoch);
        let whole = self.pending.replace(progress.clone()).filter(next);
        if whole.is_none() && self.last.elapsed() < EVERY {
            return ControlFlow::Continue(());
        }
        self.last = Instant::now();
        let told = Python::attach(|py| {
            py.check_signals()?;
            whole.map_or(Ok(()), |whole| self.report(py, &whole, true))?;
            self.report(py, progress, false)
        });
        match told {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.raised = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn report(&self, py: Python<'_>, progress: &nf_core::Progress, whole_epoch: bool) -> PyResult<()> {
        let Some(report) = &self.report else { return Ok(()) };
        report.call1(py, (Progress(progress.clone()), whole_epoch)).map(drop)
    }

    /// What was fitted, or what Python raised meanwhile.
    pub(crate) fn end<T>(mut self, py: Python<'_>, fitted: nf_core::Result<T>) -> PyResult<T> {
        match (fitted, self.raised.take()) {
            (Err(error), Some(raised)) if error.kind() == ErrorKind::Canceled => Err(raised),
            (Err(error), _) => Err(raised(error)),
            (Ok(fitted), _) => {
                py.check_signals()?;
                self.pending.take().map_or(Ok(()), |last| self.report(py, &last, true))?;
                Ok(fitted)
            }
        }
    }
}
