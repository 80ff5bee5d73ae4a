//! The figures of an evaluation: each head alone and all combined.

mod json;
pub(super) mod text;

use super::{
    curve::RecallCurve,
    cut::{Cut, CutReport},
    judged::JudgedCapture,
    labels::Label,
    leave_out::LeaveOneOut,
    metrics::{LabelledScores, empirical_threshold},
    truth::Truth,
};
use std::collections::BTreeMap;

/// The false-positive budgets that a report states recall at, as shares of benign sessions.
pub const BUDGETS: [f64; 2] = [0.01, 0.001];

/// The figures of an evaluation.
///
/// Recall and realised false-positive rate are stated at two cuts. The *empirical* one is the quantile of the scores of
/// `val`, which says how well a head ranks; the *calibrated* one is that of the detector's own calibration, which is what a
/// user gets.
#[derive(Debug, Clone)]
pub struct Report {
    heads: Vec<(String, HeadReport)>,
    sessions: BTreeMap<String, usize>,
    seconds: Vec<(String, f64)>,
    refusals: Vec<String>,
    /// Looks a session of what is judged; `None` without sessions.
    looks: Option<f64>,
}

/// The figures of one head, or of all combined.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HeadReport {
    /// Area under the ROC curve of each kind of attack against the benign sessions.
    pub auroc: BTreeMap<String, f64>,
    /// Mean of `auroc` over the kinds with at least [`MACRO_SESSIONS`](super::MACRO_SESSIONS) sessions; `None` without one.
    pub macro_auroc: Option<f64>,
    /// At the empirical quantile of `val`, for each of [`BUDGETS`]; `None` where `val` is empty.
    pub empirical: [Option<CutReport>; BUDGETS.len()],
    /// At the threshold of the detector's own calibration, for each of [`BUDGETS`]; `None` where it was calibrated on too
    /// little to promise that.
    pub calibrated: [Option<CutReport>; BUDGETS.len()],
    /// How many sessions each kind of attack has.
    pub sessions: BTreeMap<String, usize>,
    /// Recall against the false-positive rate.
    pub curve: RecallCurve,
}

/// Which cut a figure is stated at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutKind {
    /// The quantile of the scores of `val`.
    Empirical,
    /// The detector's own calibration.
    Calibrated,
}

impl Report {
    /// Compares the scores of some captures, of which the truth is known, with those of a benign one, `val`, all judged by the
    /// same detector or baseline.
    pub fn new(val: &JudgedCapture, parts: &[(&JudgedCapture, &Truth)]) -> Self {
        let used = |(judged, truth): &(&JudgedCapture, &Truth)| {
            judged.sessions().iter().filter(|session| truth.label(session) != Label::AttackerOther).count()
        };
        let counts = [("val", val.sessions().len()), ("test", parts.iter().map(used).sum())];
        let series = || val.series.iter().enumerate();
        let refused = series().flat_map(|(_, series)| {
            series.refusals.iter().flatten().map(|refusal| format!("{}: {refusal}", series.name))
        });
        Self {
            heads: series().map(|(place, series)| (series.name.clone(), HeadReport::new(place, val, parts))).collect(),
            sessions: counts.map(|(name, count)| (name.to_owned(), count)).into(),
            seconds: Vec::new(),
            refusals: refused.collect(),
            looks: looks_a_session(parts),
        }
    }

    /// Adds how many sessions a part had.
    #[must_use]
    pub fn sessions(mut self, part: &str, count: usize) -> Self {
        self.sessions.insert(part.to_owned(), count);
        self
    }

    /// Adds how long a phase took, in seconds of wall time.
    #[must_use]
    pub fn phase(mut self, name: &str, seconds: f64) -> Self {
        self.seconds.push((name.to_owned(), seconds));
        self
    }

    /// The figures of all heads combined (named `combined`), then of each head.
    pub fn heads(&self) -> &[(String, HeadReport)] {
        &self.heads
    }

    /// The figures of all heads combined.
    pub fn combined(&self) -> &HeadReport {
        &self.heads[0].1
    }

    /// At how many looks the sessions judged were judged, in the mean; `None` without sessions.
    pub fn looks_a_session(&self) -> Option<f64> {
        self.looks
    }

    /// Which budgets a calibration does not promise, and why: the head's name and the reason.
    pub fn refusals(&self) -> &[String] {
        &self.refusals
    }
}

fn looks_a_session(parts: &[(&JudgedCapture, &Truth)]) -> Option<f64> {
    let sessions = || parts.iter().flat_map(|(judged, _)| judged.sessions());
    let looks: usize = sessions().map(|session| session.looks).sum();
    let all = sessions().count();
    (all > 0).then(|| looks as f64 / all as f64)
}

impl HeadReport {
    fn new(series: usize, val: &JudgedCapture, parts: &[(&JudgedCapture, &Truth)]) -> Self {
        let mut scores = LabelledScores::default();
        let mut seconds = 0.0;
        for (judged, truth) in parts {
            let benign = scores.benign.len();
            for session in judged.sessions() {
                match truth.label(session) {
                    Label::AttackerOther => {}
                    label => scores.push(label.category(), session.of(series).0),
                }
            }
            // Hours of a capture that is all attack are no time in which false alerts could have come.
            seconds += if scores.benign.len() > benign { judged.seconds() } else { 0.0 };
        }
        let val_scores: Vec<f32> = val.sessions().iter().map(|session| session.of(series).0).collect();
        let cut = |cut: Cut| CutReport::new(parts, seconds, cut, series);
        let mut place = 0..;
        let promised = BUDGETS.map(|rate| {
            let refusal = place.next().and_then(|place: usize| val.series[series].refusals[place].as_ref());
            refusal.is_none().then_some(rate)
        });
        Self {
            auroc: scores.auroc(),
            macro_auroc: scores.macro_auroc(),
            empirical: BUDGETS.map(|rate| Some(cut(Cut::Score(empirical_threshold(&val_scores, rate)?)))),
            calibrated: promised.map(|rate| Some(cut(Cut::PValue(rate?)))),
            sessions: scores.attacks.iter().map(|(kind, scores)| (kind.clone(), scores.len())).collect(),
            curve: RecallCurve::new(&scores),
        }
    }

    /// What the given cut gives, for each of [`BUDGETS`].
    pub fn cuts(&self, kind: CutKind) -> &[Option<CutReport>; BUDGETS.len()] {
        match kind {
            CutKind::Empirical => &self.empirical,
            CutKind::Calibrated => &self.calibrated,
        }
    }

    /// The macro averages without each kind of attack in turn, by figure: `macro_auroc`, and `macro_recall@` each budget at
    /// the empirical quantile.
    pub fn leave_one_out(&self) -> BTreeMap<String, LeaveOneOut> {
        let mut averages = BTreeMap::new();
        let mut add = |name: String, values: &BTreeMap<String, f64>| {
            averages.extend(LeaveOneOut::new(values, &self.sessions).map(|average| (name, average)));
        };
        add("macro_auroc".to_owned(), &self.auroc);
        for (rate, cut) in BUDGETS.iter().zip(&self.empirical) {
            if let Some(cut) = cut {
                add(format!("macro_recall@{rate}"), &cut.figures.recall);
            }
        }
        averages
    }

    /// The figures that depend on a cut, in a fixed order: for each of [`BUDGETS`] `macro_recall@`, `fpr@`,
    /// `alerts_per_hour@`, and `episodes_hit@`, the share of attack episodes with an alert.
    pub fn figures(&self, kind: CutKind) -> Vec<(String, Option<f64>)> {
        let mut figures = Vec::new();
        for (rate, cut) in BUDGETS.iter().zip(self.cuts(kind)) {
            let of = |value: fn(&CutReport) -> Option<f64>| cut.as_ref().and_then(value);
            figures.extend([
                (format!("macro_recall@{rate}"), of(|cut| cut.figures.macro_recall)),
                (format!("fpr@{rate}"), of(|cut| cut.figures.fpr)),
                (format!("alerts_per_hour@{rate}"), of(|cut| cut.figures.alerts_per_hour)),
                (
                    format!("episodes_hit@{rate}"),
                    of(|cut| {
                        let (hit, all) = cut.episodes_hit();
                        (all > 0).then(|| hit as f64 / all as f64)
                    }),
                ),
            ]);
        }
        figures
    }
}

#[cfg(test)]
mod tests;
