//! The native half of the Python package `neural_filter`: types, errors and ownership translated, nothing decided.
//!
//! What is fitted or read is an immutable object that threads may share. Estimators, progress bars and adapters for other
//! libraries are Python's (`python/neural_filter`).

mod array;
mod calibration;
mod columns;
mod config;
mod detector;
mod drift;
mod error;
mod explanation;
mod features;
mod incidents;
mod model;
mod monitor;
mod number;
mod packets;
mod reading;
mod rows;
mod sessions;
mod source;
mod table;
mod verdicts;
mod watch;

/// The native half of `neural_filter`.
#[pyo3::pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use super::{
        calibration::Calibration,
        columns::arrow_numbers,
        config::SessionConfig,
        detector::{Detector, available_heads, default_heads},
        drift::{Drift, DriftAlarm},
        explanation::{CalibrationReport, Card, Explanation},
        features::FeatureSpec,
        incidents::{Incident, Incidents},
        model::{Model, default_params, fit_model},
        monitor::{Event, Monitor, Replay},
        packets::read_packets,
        reading::{SessionStream, read_sessions},
        rows::Rows,
        sessions::{Session, Sessions},
        table::Table,
        verdicts::{Verdict, Verdicts},
        watch::Progress,
    };

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
