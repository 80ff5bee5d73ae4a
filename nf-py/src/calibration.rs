//! Scores to p-values.

use crate::{
    array::{vector, view},
    error::raised,
};
use numpy::{PyArray1, ndarray::ArrayView1};
use pyo3::prelude::*;

/// Scores of benign rows that took no part in fitting, and the p-values and cuts that follow.
///
/// Parameters
/// ----------
/// scores : array of float32, shape (n,)
///     Higher = stranger.
///
/// Raises
/// ------
/// DataError
///     Where there is no score, or one is not finite.
///
/// Examples
/// --------
/// >>> import numpy as np, neural_filter as nf
/// >>> round(nf.Calibration(np.arange(400, dtype="float32")).threshold(0.05))
/// 379
#[pyclass(frozen, module = "neural_filter")]
pub(crate) struct Calibration(nf_core::Calibration);

impl From<nf_core::Calibration> for Calibration {
    fn from(calibration: nf_core::Calibration) -> Self {
        Self(calibration)
    }
}

#[pymethods]
impl Calibration {
    #[new]
    fn new(py: Python<'_>, scores: &Bound<'_, PyAny>) -> PyResult<Self> {
        let scores = vector("the scores", scores)?;
        py.detach(|| nf_core::Calibration::fit(&scores)).map(Self).map_err(raised)
    }

    /// The benign scores, ascending, a view.
    #[getter]
    fn scores<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyArray1<f32>> {
        view(&ArrayView1::from(slf.get().0.scores()), slf.clone().into_any())
    }

    /// Whether p-values below one in the number of scores mean what they say.
    #[getter]
    fn tail_is_sound(&self) -> bool {
        self.0.tail_is_sound()
    }

    /// The cut that keeps a false-positive rate: at most that share of benign rows scores above it.
    ///
    /// Parameters
    /// ----------
    /// false_positive_rate : float
    ///     Above 0 and at most 0.5.
    ///
    /// Raises
    /// ------
    /// ValueError
    ///     Where it is out of its range.
    /// DataError
    ///     Where there are too few scores to promise it; the message says how many more are needed.
    ///
    /// Examples
    /// --------
    /// >>> import numpy as np, neural_filter as nf
    /// >>> calibration = nf.Calibration(np.arange(400, dtype="float32"))
    /// >>> round(calibration.threshold(0.05))
    /// 379
    fn threshold(&self, false_positive_rate: f64) -> PyResult<f32> {
        self.0.threshold(false_positive_rate).map_err(raised)
    }

    /// The share of benign rows at least as strange as each score.
    ///
    /// Returns
    /// -------
    /// array of float64, shape (n,)
    ///     Above 0 and at most 1.
    ///
    /// Examples
    /// --------
    /// >>> import numpy as np, neural_filter as nf
    /// >>> calibration = nf.Calibration(np.arange(400, dtype="float32"))
    /// >>> (calibration.p_values([0, 399]) < 0.01).tolist()
    /// [False, True]
    fn p_values<'py>(&self, py: Python<'py>, scores: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let scores = vector("the scores", scores)?;
        let p_values = py.detach(|| scores.into_iter().map(|score| self.0.p_value(score)).collect());
        Ok(PyArray1::from_vec(py, p_values))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyAny>,))> {
        // The view's owner is this object itself: what is pickled is a copy.
        Ok((slf.get_type().into_any(), (Self::scores(slf).call_method0("copy")?,)))
    }

    fn __repr__(&self) -> String {
        format!("Calibration({} scores)", self.0.len())
    }
}
