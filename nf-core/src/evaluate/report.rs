//! The figures of an evaluation: each head alone and all combined, as a table and as JSON.

use super::{
    judged::{JudgedCapture, JudgedSession},
    labels::Label,
    metrics::{CutMetrics, LabelledScores, MACRO_SESSIONS, empirical_threshold},
};
use crate::{Detector, calibration::Calibration};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, fmt};

/// The false-positive budgets that a report states recall at, as shares of benign sessions.
pub const BUDGETS: [f64; 2] = [0.01, 0.001];

/// The figures of an evaluation.
///
/// Recall and realised false-positive rate are stated at two cuts. The *empirical* one is the quantile of the scores of
/// `val`, which says how well a head ranks; the *calibrated* one is the threshold of the detector's own calibration, which is
/// what a user gets.
#[derive(Debug, Clone)]
pub struct Report {
    heads: Vec<(String, HeadReport)>,
    sessions: BTreeMap<String, usize>,
    seconds: Vec<(String, f64)>,
    refusals: Vec<String>,
}

/// The figures of one head, or of all combined.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HeadReport {
    /// Area under the ROC curve of each kind of attack against the benign sessions of the test capture.
    pub auroc: BTreeMap<String, f64>,
    /// Mean of `auroc` over the kinds with at least [`MACRO_SESSIONS`] sessions; `None` without one.
    pub macro_auroc: Option<f64>,
    /// At the empirical quantile of `val`, for each of [`BUDGETS`]; `None` where `val` is empty.
    pub empirical: [Option<CutMetrics>; BUDGETS.len()],
    /// At the threshold of the detector's own calibration, for each of [`BUDGETS`]; `None` where it was calibrated on too
    /// little to promise that.
    pub calibrated: [Option<CutMetrics>; BUDGETS.len()],
    /// How many sessions each kind of attack has.
    pub sessions: BTreeMap<String, usize>,
}

impl Report {
    /// Compares the scores of a labelled capture, `test`, with those of a benign one, `val`, all judged by `detector`. `label`
    /// tells what each session of `test` is; every session of `attacks` is of the kind named.
    pub fn new<'a>(
        detector: &Detector,
        val: &JudgedCapture,
        test: &JudgedCapture,
        label: impl Fn(&JudgedSession) -> Label<'a>,
        attacks: &[(String, JudgedCapture)],
    ) -> Self {
        let mut kinds: Vec<(&JudgedSession, Option<&str>)> = Vec::with_capacity(test.sessions().len());
        for session in test.sessions() {
            match label(session) {
                Label::Benign => kinds.push((session, None)),
                Label::Attack { category, .. } => kinds.push((session, Some(category))),
                Label::AttackerOther => {}
            }
        }
        for (name, capture) in attacks {
            kinds.extend(capture.sessions().iter().map(|session| (session, Some(name.as_str()))));
        }
        let counts = [("val", val.sessions().len()), ("test", kinds.len())];
        let mut report = Self {
            heads: Vec::new(),
            sessions: counts.map(|(name, count)| (name.to_owned(), count)).into(),
            seconds: Vec::new(),
            refusals: Vec::new(),
        };
        let mut add = |name: &str, calibration: &Calibration, score: &dyn Fn(&JudgedSession) -> f32| {
            let val: Vec<f32> = val.sessions().iter().map(score).collect();
            let mut scores = LabelledScores::default();
            for (session, kind) in &kinds {
                scores.push(*kind, score(session));
            }
            let mut refuse = |reason| report.refusals.push(format!("{name}: {reason}"));
            let thresholds = BUDGETS.map(|rate| calibration.threshold(rate).map_err(&mut refuse).ok());
            report.heads.push((name.to_owned(), HeadReport::new(&scores, &val, thresholds, test.seconds())));
        };
        add("combined", detector.calibration(), &|session| session.score);
        for (place, (name, calibration)) in detector.head_names().zip(detector.head_calibrations()).enumerate() {
            add(name, calibration, &|session| session.heads[place]);
        }
        report
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

    /// The figures as JSON. Shares are 0 to 1, times seconds; what could not be computed is `null`. `calibrated` repeats, for
    /// each head, what depends on the cut, at the detector's own calibration.
    pub fn to_json(&self) -> String {
        let heads: Map<_, _> = self.heads.iter().map(|(name, head)| (name.clone(), head.to_json())).collect();
        let calibrated: Map<_, _> =
            self.heads.iter().map(|(name, head)| (name.clone(), head.calibrated_json())).collect();
        let seconds: Map<_, _> = self.seconds.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let report = json!({
            "heads": heads, "calibrated": calibrated, "seconds": seconds, "sessions": self.sessions
        });
        format!("{report:#}\n")
    }
}

impl HeadReport {
    fn new(scores: &LabelledScores, val: &[f32], thresholds: [Option<f32>; BUDGETS.len()], seconds: f64) -> Self {
        let cut = |threshold: Option<f32>| Some(scores.cut(threshold?, seconds));
        Self {
            auroc: scores.auroc(),
            macro_auroc: scores.macro_auroc(),
            empirical: BUDGETS.map(|rate| cut(empirical_threshold(val, rate))),
            calibrated: thresholds.map(cut),
            sessions: scores.attacks.iter().map(|(kind, scores)| (kind.clone(), scores.len())).collect(),
        }
    }

    fn to_json(&self) -> Value {
        let mut head = Map::new();
        head.insert("macro_auroc".into(), json!(self.macro_auroc));
        insert_cuts(&mut head, &self.empirical);
        let categories = self.auroc.iter().map(|(kind, auroc)| {
            let mut category = Map::new();
            category.insert("sessions".into(), json!(self.sessions.get(kind)));
            category.insert("auroc".into(), json!(auroc));
            for (rate, cut) in BUDGETS.iter().zip(&self.empirical) {
                category.insert(format!("recall@{rate}"), json!(cut.as_ref().and_then(|cut| cut.recall.get(kind))));
            }
            (kind.clone(), Value::Object(category))
        });
        head.insert("categories".into(), categories.collect::<Map<_, _>>().into());
        Value::Object(head)
    }

    fn calibrated_json(&self) -> Value {
        let mut head = Map::new();
        insert_cuts(&mut head, &self.calibrated);
        Value::Object(head)
    }
}

fn insert_cuts(head: &mut Map<String, Value>, cuts: &[Option<CutMetrics>; BUDGETS.len()]) {
    for (rate, cut) in BUDGETS.iter().zip(cuts) {
        let cut = cut.as_ref();
        head.insert(format!("macro_recall@{rate}"), json!(cut.and_then(|cut| cut.macro_recall)));
        head.insert(format!("fpr@{rate}"), json!(cut.and_then(|cut| cut.fpr)));
        head.insert(format!("alerts_per_hour@{rate}"), json!(cut.and_then(|cut| cut.alerts_per_hour)));
    }
}

/// A share with three decimals, or a dash where there is none.
fn three(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.3}"))
}

/// A share in percent with two decimals, or a dash.
fn percent(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{:.2} %", value * 100.0))
}

fn whole(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.0}"))
}

impl fmt::Display for Report {
    /// Three tables in Markdown: the heads at the empirical quantiles of `val`, the heads at their own calibration, and the
    /// kinds of attack for all heads combined.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "At the empirical quantile of val:\n")?;
        self.fmt_heads(f, |head| &head.empirical)?;
        writeln!(f, "\nAt the detector's own calibration:\n")?;
        self.fmt_heads(f, |head| &head.calibrated)?;
        for refusal in &self.refusals {
            writeln!(f, "\n{refusal}")?;
        }
        let Some((name, head)) = self.heads.first() else { return Ok(()) };
        writeln!(f, "\nEach kind of attack, {name}, at the empirical quantile:\n")?;
        writeln!(f, "| attack | sessions | AUROC | recall at 1 % | recall at 0.1 % |\n|---|---|---|---|---|")?;
        for (kind, &auroc) in &head.auroc {
            let sessions = head.sessions.get(kind).copied().unwrap_or_default();
            let mark = if sessions < MACRO_SESSIONS { " *" } else { "" };
            let recall = |cut: &Option<CutMetrics>| three(cut.as_ref().and_then(|cut| cut.recall.get(kind).copied()));
            let [one, tenth] = head.empirical.each_ref().map(recall);
            writeln!(f, "| {kind}{mark} | {sessions} | {} | {one} | {tenth} |", three(Some(auroc)))?;
        }
        writeln!(f, "\n\\* fewer than {MACRO_SESSIONS} sessions, not in the macro averages")
    }
}

impl Report {
    fn fmt_heads(
        &self,
        f: &mut fmt::Formatter<'_>,
        cuts: impl Fn(&HeadReport) -> &[Option<CutMetrics>; BUDGETS.len()],
    ) -> fmt::Result {
        writeln!(f, "| head | macro AUROC | macro recall at 1 % / 0.1 % | realised FPR | false alerts an hour |")?;
        writeln!(f, "|---|---|---|---|---|")?;
        for (name, head) in &self.heads {
            let both = |show: fn(Option<f64>) -> String, value: fn(&CutMetrics) -> Option<f64>| {
                cuts(head).each_ref().map(|cut| show(cut.as_ref().and_then(value))).join(" / ")
            };
            let recall = both(three, |cut| cut.macro_recall);
            let fpr = both(percent, |cut| cut.fpr);
            let alerts = both(whole, |cut| cut.alerts_per_hour);
            writeln!(f, "| {name} | {} | {recall} | {fpr} | {alerts} |", three(head.macro_auroc))?;
        }
        Ok(())
    }
}
