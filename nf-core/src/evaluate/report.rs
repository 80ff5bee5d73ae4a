//! The figures of an evaluation: each head alone and all combined, as a table and as JSON.

use super::{
    judged::{JudgedCapture, JudgedScore, JudgedSession},
    labels::Label,
    metrics::{CutMetrics, LabelledScores, MACRO_SESSIONS, empirical_threshold},
};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, fmt};

/// The false-positive budgets that a report states recall at, as shares of benign sessions.
pub const BUDGETS: [f64; 2] = [0.01, 0.001];

/// The figures of an evaluation.
///
/// Recall and realised false-positive rate are stated at two cuts. The *empirical* one is the quantile of the scores of
/// `val`, which says how well a head ranks; the *calibrated* one is the detector's own p-value against the budget, which is
/// what a user gets.
#[derive(Debug, Clone)]
pub struct Report {
    heads: Vec<(String, HeadReport)>,
    sessions: BTreeMap<String, usize>,
    seconds: Vec<(String, f64)>,
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
    /// At the detector's own calibration, for each of [`BUDGETS`].
    pub calibrated: [CutMetrics; BUDGETS.len()],
}

/// Scores and p-values of the test sessions of one head, benign apart from each kind of attack.
#[derive(Default)]
struct Side {
    scores: LabelledScores,
    p_values: BTreeMap<Option<String>, Vec<f64>>,
}

impl Report {
    /// Compares the scores of a labelled capture, `test`, with those of a benign one, `val`. `label` tells what each session
    /// of `test` is; every session of `attacks` is of the kind named.
    ///
    /// The three were judged by one detector.
    pub fn new<'a>(
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
        let seconds = test.seconds();
        let report = |of: &dyn Fn(&JudgedSession) -> JudgedScore| {
            let val: Vec<f32> = val.sessions().iter().map(|session| of(session).score).collect();
            let mut side = Side::default();
            for (session, kind) in &kinds {
                side.push(of(session), *kind);
            }
            side.report(&val, seconds)
        };
        let mut heads = vec![("combined".to_owned(), report(&|session| session.combined))];
        for (place, name) in test.heads().iter().enumerate() {
            heads.push((name.clone(), report(&|session| session.heads[place])));
        }
        let counts = [("val", val.sessions().len()), ("test", kinds.len())];
        let sessions = counts.map(|(name, count)| (name.to_owned(), count)).into();
        Self { heads, sessions, seconds: Vec::new() }
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

impl Side {
    fn push(&mut self, judged: JudgedScore, kind: Option<&str>) {
        let scores = match kind {
            None => &mut self.scores.benign,
            Some(kind) => self.scores.attacks.entry(kind.to_owned()).or_default(),
        };
        scores.push(judged.score);
        self.p_values.entry(kind.map(str::to_owned)).or_default().push(judged.p_value);
    }

    fn report(&self, val: &[f32], seconds: f64) -> HeadReport {
        HeadReport {
            auroc: self.scores.auroc(),
            macro_auroc: self.scores.macro_auroc(),
            empirical: BUDGETS.map(|rate| Some(self.scores.cut(empirical_threshold(val, rate)?, seconds))),
            calibrated: BUDGETS.map(|rate| self.calibrated(rate, seconds)),
        }
    }

    fn calibrated(&self, rate: f64, seconds: f64) -> CutMetrics {
        let alerts = |p_values: &Vec<f64>| p_values.iter().map(|&p| p <= rate).collect::<Vec<bool>>();
        let benign = self.p_values.get(&None).map(alerts).unwrap_or_default();
        let attacks = self.p_values.iter().filter_map(|(kind, p)| Some((kind.clone()?, alerts(p)))).collect();
        CutMetrics::new(&benign, &attacks, seconds)
    }
}

impl HeadReport {
    fn to_json(&self) -> Value {
        let mut head = Map::new();
        head.insert("macro_auroc".into(), json!(self.macro_auroc));
        let cuts = self.empirical.each_ref().map(Option::as_ref);
        insert_cuts(&mut head, cuts);
        let categories = self.auroc.iter().map(|(kind, auroc)| {
            let mut category = Map::new();
            category.insert("sessions".into(), json!(self.calibrated[0].sessions.get(kind)));
            category.insert("auroc".into(), json!(auroc));
            for (rate, cut) in BUDGETS.iter().zip(cuts) {
                category.insert(format!("recall@{rate}"), json!(cut.and_then(|cut| cut.recall.get(kind))));
            }
            (kind.clone(), Value::Object(category))
        });
        head.insert("categories".into(), categories.collect::<Map<_, _>>().into());
        Value::Object(head)
    }

    fn calibrated_json(&self) -> Value {
        let mut head = Map::new();
        insert_cuts(&mut head, self.calibrated.each_ref().map(Some));
        Value::Object(head)
    }
}

fn insert_cuts(head: &mut Map<String, Value>, cuts: [Option<&CutMetrics>; BUDGETS.len()]) {
    for (rate, cut) in BUDGETS.iter().zip(cuts) {
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
    /// Two tables in Markdown: the heads, then the kinds of attack for all heads combined.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| head | macro AUROC | recall at 1 % / 0.1 % | FPR realised | alerts an hour | calibrated: recall | FPR realised |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        for (name, head) in &self.heads {
            let [one, tenth] = &head.empirical;
            let empirical = |of: fn(&CutMetrics) -> Option<f64>, show: fn(Option<f64>) -> String| {
                [one, tenth].map(|cut| show(cut.as_ref().and_then(of))).join(" / ")
            };
            let calibrated = |of: fn(&CutMetrics) -> Option<f64>, show: fn(Option<f64>) -> String| {
                head.calibrated.each_ref().map(|cut| show(of(cut))).join(" / ")
            };
            writeln!(
                f,
                "| {name} | {} | {} | {} | {} | {} | {} |",
                three(head.macro_auroc),
                empirical(|cut| cut.macro_recall, three),
                empirical(|cut| cut.fpr, percent),
                empirical(|cut| cut.alerts_per_hour, whole),
                calibrated(|cut| cut.macro_recall, three),
                calibrated(|cut| cut.fpr, percent),
            )?;
        }
        let Some((_, combined)) = self.heads.first() else { return Ok(()) };
        writeln!(f, "\n| attack | sessions | AUROC | recall at 1 % | recall at 0.1 % |\n|---|---|---|---|---|")?;
        for (kind, &auroc) in &combined.auroc {
            let sessions = combined.calibrated[0].sessions.get(kind).copied().unwrap_or(0);
            let mark = if sessions < MACRO_SESSIONS { " *" } else { "" };
            let [one, tenth] =
                combined.empirical.each_ref().map(|cut| cut.as_ref().and_then(|cut| cut.recall.get(kind).copied()));
            writeln!(
                f,
                "| {kind}{mark} | {sessions} | {} | {} | {} |",
                three(Some(auroc)),
                three(one),
                three(tenth)
            )?;
        }
        writeln!(f, "\n\\* fewer than {MACRO_SESSIONS} sessions: not in the macro averages")
    }
}
