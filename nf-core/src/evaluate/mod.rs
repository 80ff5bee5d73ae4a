//! Honest evaluation: a recorded capture with labels, judged as a live run would judge it, and how well the scores tell
//! attacks from benign traffic.
//!
//! Behind the cargo feature `evaluate`. [`Labels`] says what each session is and [`Truth`] which episodes attacks form,
//! [`JudgedCapture`] holds what a detector said as the sessions ended, [`Report`] compares the two.

mod baseline;
mod comparison;
mod contaminate;
mod costs;
mod curve;
mod cut;
mod drift;
mod episodes;
mod evaluation;
mod explanations;
mod html;
mod incidents;
mod judged;
mod labels;
mod leave_out;
mod metrics;
mod packet_labels;
mod patterns;
mod promised;
mod recalibration;
mod recording;
mod replay;
mod report;
mod shortcuts;
mod spread;
#[cfg(test)]
mod testing;
mod truth;

pub use baseline::Baseline;
pub use comparison::Comparison;
pub use contaminate::{Contaminated, ContaminationReport, contaminate};
pub use costs::{Costs, Quartiles, Round};
pub use curve::RecallCurve;
pub use cut::CutReport;
pub use drift::{Change, DriftTrial};
pub use episodes::{Detection, EpisodeOutcome, episode_outcomes};
pub use evaluation::Evaluation;
pub use explanations::{ExplainedCut, ExplainedKind, ExplanationCheck};
pub use incidents::{EpisodeIncidents, IncidentReport};
pub use judged::{JudgedCapture, JudgedLook, JudgedSession};
pub use labels::{Label, Labels};
pub use leave_out::LeaveOneOut;
pub use metrics::{CutMetrics, LabelledScores, MACRO_SESSIONS, auroc, empirical_threshold, share};
pub use packet_labels::PacketLabels;
pub use promised::promised;
pub use recalibration::RecalibrationTrial;
pub use recording::Recording;
pub use report::{BUDGETS, CutKind, HeadReport, Report};
pub use shortcuts::{ALONE, ColumnProbe, Shortcuts};
pub use spread::{Repeats, Spread};
pub use truth::{Episode, Truth};
