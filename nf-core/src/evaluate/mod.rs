//! Honest evaluation: a recorded capture with labels, judged as a live run would judge it, and how well the scores tell
//! attacks from benign traffic.
//!
//! Behind the cargo feature `evaluate`. [`Labels`] says what each session is and [`Truth`] which episodes attacks form,
//! [`JudgedCapture`] holds what a detector said as the sessions ended, [`Report`] compares the two.

mod baseline;
mod cut;
mod episodes;
mod interval;
mod judged;
mod labels;
mod leave_out;
mod metrics;
mod patterns;
mod recording;
mod replay;
mod report;
#[cfg(test)]
mod testing;
mod truth;

pub use baseline::Baseline;
pub use cut::CutReport;
pub use episodes::{Detection, EpisodeOutcome, episode_outcomes};
pub use interval::{Interval, block_bootstrap, wilson};
pub use judged::{JudgedCapture, JudgedSession};
pub use labels::{Label, Labels};
pub use leave_out::LeaveOneOut;
pub use metrics::{CutMetrics, LabelledScores, MACRO_SESSIONS, auroc, empirical_threshold, share};
pub use recording::Recording;
pub use report::{BUDGETS, CutKind, HeadReport, Report};
pub use truth::{Episode, Truth};
