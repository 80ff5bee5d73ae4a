//! Honest evaluation: a recorded capture with labels, judged as a live run would judge it, and how well the scores tell
//! attacks from benign traffic.
//!
//! Behind the cargo feature `evaluate`. [`Labels`] says what each session is, [`JudgedCapture`] holds what a detector said
//! as the sessions ended, [`Report`] compares the two.

mod judged;
mod labels;
mod metrics;
mod patterns;
mod report;

pub use judged::{JudgedCapture, JudgedSession};
pub use labels::{Label, Labels};
pub use metrics::{CutMetrics, LabelledScores, MACRO_SESSIONS, auroc, empirical_threshold, share};
pub use report::{BUDGETS, HeadReport, Report};
