//! What watches a fit: progress for Python, Ctrl-C for the engine.

use crate::error::raised;
use nf_core::ErrorKind;
use pyo3::{prelude::*, types::PyTuple};
use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

/// Least time between two looks at Python: Ctrl-C stops a fit within it and one step.
const EVERY: Duration = Duration::from_millis(100);

/// How far a fit has come.
///
/// Attributes
/// ----------
/// head : str
///     What is being fitted: the head of a detector, or the algorithm.
/// done : float
///     Share of this head's work that is done, 0 to 1.
/// epoch : int
///     Epoch, from 1; 0 for models without epochs.
/// loss : float or None
///     Mean training loss of the epoch so far.
/// held_out_loss : float or None
///     Loss on the held-out rows after the last whole epoch.
/// gradient_norm : float or None
///     Norm of the last update's gradient before it was clipped.
/// updates : int
///     Updates so far.
#[pyclass(frozen, get_all, module = "neural_filter", from_py_object)]
#[derive(Clone)]
pub(crate) struct Progress {
    head: String,
    done: f32,
    epoch: u32,
    loss: Option<f32>,
    held_out_loss: Option<f32>,
    gradient_norm: Option<f32>,
    updates: u64,
}

impl Progress {
    fn of(progress: &nf_core::Progress) -> Self {
        Self {
            head: progress.head.clone(),
            done: progress.done,
            epoch: progress.epoch,
            loss: progress.loss,
            held_out_loss: progress.held_out_loss,
            gradient_norm: progress.gradient_norm,
            updates: progress.updates,
        }
    }
}

#[pymethods]
impl Progress {
    #[new]
    fn new(
        head: String,
        done: f32,
        epoch: u32,
        loss: Option<f32>,
        held_out_loss: Option<f32>,
        gradient_norm: Option<f32>,
        updates: u64,
    ) -> Self {
        Self { head, done, epoch, loss, held_out_loss, gradient_norm, updates }
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let Self { head, done, epoch, loss, held_out_loss, gradient_norm, updates } = slf.get().clone();
        let fields = (head, done, epoch, loss, held_out_loss, gradient_norm, updates).into_pyobject(slf.py())?;
        Ok((slf.get_type().into_any(), fields))
    }

    fn __repr__(&self) -> String {
        let loss = self.loss.map_or_else(String::new, |loss| format!(", loss={loss:.4}"));
        format!("Progress(head='{}', done={:.3}, epoch={}{loss})", self.head, self.done, self.epoch)
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
        report.call1(py, (Progress::of(progress), whole_epoch)).map(drop)
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
