//! Honest evaluation: labels of a recorded capture, and how well scores tell attacks from benign traffic.
//!
//! Behind the cargo feature `evaluate`.

mod labels;
mod metrics;
mod patterns;

pub use labels::{Label, Labels};
pub use metrics::{CutMetrics, LabelledScores, MACRO_SESSIONS, auroc, empirical_threshold, share};
