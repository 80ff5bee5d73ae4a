//! Whether explanations are true: how often the facts they name, set to what was expected, turn an alert normal.

use super::{
    BUDGETS,
    labels::Label,
    promised::{SMALLEST, budget, is_smallest, promised},
    report::text::three,
    truth::Truth,
};
use crate::{Detector, Result, Verdict, session::Session};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt, time::Instant};

/// Facts that an explanation should do with.
const FEW: usize = 5;

/// Alerts of one kind that are explained at most, evenly over its alerts.
const EXPLAINED: usize = 50;

/// Of these, how many are explained by single columns as well, at most.
const BY_COLUMN: usize = 10;

/// How often explanations hold, for each of the [budgets](BUDGETS) that the detector can [promise](promised()).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExplanationCheck {
    /// By budget.
    pub cuts: Vec<ExplainedCut>,
    /// Why budgets are left out.
    pub refusals: Vec<String>,
}

/// How often explanations hold at one budget.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExplainedCut {
    /// The budget: the share of benign sessions that may alert.
    pub rate: f64,
    /// Whether that is the smallest that the held-out sessions can promise.
    pub smallest: bool,
    detector: Detector,
    /// It explains by single columns.
    by_column: Detector,
    /// The alerts of each kind: `benign`, `attackers, other`, and the kinds of attack.
    pub kinds: BTreeMap<String, ExplainedKind>,
}

/// How often explanations of one kind of alerts hold.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct ExplainedKind {
    /// How many alerts there are.
    pub alerts: usize,
    /// For each of those explained, at most 50: how many facts turn it normal; `None` where those named do not.
    pub facts: Vec<Option<usize>>,
    /// For each of these how many values its facts are made of, those that are as expected left out.
    pub cells: Vec<usize>,
    /// For each of those explained by single columns too, at most 10: how many columns turn it normal, where each is a fact
    /// of its own; `None` where those named do not.
    pub columns: Vec<Option<usize>>,
    /// What the explanations took, in seconds.
    pub seconds: f64,
}

impl ExplainedKind {
    /// The share of those explained that at most five facts turn normal.
    pub fn share(&self) -> Option<f64> {
        held(&self.facts)
    }

    /// The share of those explained by single columns that at most five columns turn normal.
    pub fn column_share(&self) -> Option<f64> {
        held(&self.columns)
    }

    /// The median number of facts, those that none turn normal above all others; `None` where that is one of these.
    pub fn median(&self) -> Option<usize> {
        let mut facts: Vec<usize> = self.facts.iter().map(|facts| facts.unwrap_or(usize::MAX)).collect();
        facts.sort_unstable();
        facts.get(facts.len().checked_sub(1)? / 2).copied().filter(|median| *median < usize::MAX)
    }

    /// The median number of values that the facts are made of.
    pub fn median_cells(&self) -> Option<usize> {
        let mut cells = self.cells.clone();
        cells.sort_unstable();
        cells.get(cells.len().checked_sub(1)? / 2).copied()
    }

    /// What one explanation took on average, in seconds.
    pub fn seconds_each(&self) -> Option<f64> {
        (!self.facts.is_empty()).then(|| self.seconds / self.facts.len() as f64)
    }
}

impl ExplainedCut {
    /// All kinds as one.
    pub fn all(&self) -> ExplainedKind {
        self.kinds.values().fold(ExplainedKind::default(), |mut all, kind| {
            all.alerts += kind.alerts;
            all.facts.extend(&kind.facts);
            all.cells.extend(&kind.cells);
            all.columns.extend(&kind.columns);
            all.seconds += kind.seconds;
            all
        })
    }

    /// The mean over the kinds of the share that at most five facts turn normal.
    pub fn macro_share(&self) -> Option<f64> {
        self.mean(ExplainedKind::share)
    }

    /// The mean over the kinds of the share that at most five columns turn normal, where each is a fact of its own.
    pub fn macro_column_share(&self) -> Option<f64> {
        self.mean(ExplainedKind::column_share)
    }

    fn mean(&self, of: impl Fn(&ExplainedKind) -> Option<f64>) -> Option<f64> {
        let shares: Vec<f64> = self.kinds.values().filter_map(of).collect();
        (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
    }
}

/// The share that few turn normal.
fn held(counts: &[Option<usize>]) -> Option<f64> {
    let held = counts.iter().filter(|count| count.is_some_and(|count| count <= FEW)).count();
    (!counts.is_empty()).then(|| held as f64 / counts.len() as f64)
}

impl ExplanationCheck {
    /// Without any alert yet, for the budgets that a detector can promise.
    pub fn new(detector: &Detector) -> Self {
        let refusals = BUDGETS.iter().filter_map(|rate| detector.with_false_positive_rate(*rate).err());
        let cut = |detector: Detector| ExplainedCut {
            rate: detector.false_positive_rate(),
            smallest: is_smallest(&detector),
            by_column: detector.with_columns_as_facts(),
            detector,
            kinds: BTreeMap::new(),
        };
        Self {
            cuts: promised(detector).into_iter().map(cut).collect(),
            refusals: refusals.map(|refusal| refusal.to_string()).collect(),
        }
    }

    /// Explains the alerts among the sessions of a recording, of which this is known.
    ///
    /// # Errors
    /// As [`Detector::judge_all`] and [`Detector::explain_verdict`].
    pub fn add(&mut self, sessions: &[Session], truth: &Truth) -> Result<()> {
        self.cuts.iter_mut().try_for_each(|cut| cut.add(sessions, truth))
    }

    pub(super) fn to_value(&self) -> Value {
        let kind = |kind: &ExplainedKind| {
            json!({
                "alerts": kind.alerts, "explained": kind.facts.len(), "share": kind.share(), "median_facts": kind.median(),
                "median_cells": kind.median_cells(), "column_share": kind.column_share(),
                "seconds_each": kind.seconds_each(),
            })
        };
        let cut = |cut: &ExplainedCut| {
            let kinds: BTreeMap<&str, Value> = cut.kinds.iter().map(|(name, of)| (name.as_str(), kind(of))).collect();
            let (all, shares) = (kind(&cut.all()), [cut.macro_share(), cut.macro_column_share()]);
            let value = json!({"smallest": cut.smallest, "all": all, "macro_share": shares[0], "macro_column_share": shares[1], "kinds": kinds});
            (cut.rate.to_string(), value)
        };
        json!({
            "budgets": self.cuts.iter().map(cut).collect::<BTreeMap<_, _>>(), "refusals": self.refusals, "few": FEW,
        })
    }
}

impl ExplainedCut {
    fn add(&mut self, sessions: &[Session], truth: &Truth) -> Result<()> {
        let verdicts = self.detector.judge_all(sessions)?;
        let mut alerts: BTreeMap<String, Vec<(&Session, &Verdict)>> = BTreeMap::new();
        for (session, verdict) in sessions.iter().zip(&verdicts).filter(|(_, verdict)| verdict.is_anomaly()) {
            let kind = match truth.label_session(session) {
                Label::Benign => "benign",
                Label::Attack { category, .. } => category,
                Label::AttackerOther => "attackers, other",
            };
            alerts.entry(kind.to_owned()).or_default().push((session, verdict));
        }
        for (kind, alerts) in alerts {
            let of = self.kinds.entry(kind).or_default();
            of.alerts += alerts.len();
            let count = alerts.len().min(EXPLAINED);
            let started = Instant::now();
            for i in 0..count {
                let (session, verdict) = alerts[i * alerts.len() / count];
                let explanation = self.detector.explain_verdict(session, verdict)?;
                of.cells.push(explanation.facts.iter().map(|fact| fact.cells.len()).sum());
                of.facts.push(explanation.turned_normal.then_some(explanation.facts.len()));
            }
            of.seconds += started.elapsed().as_secs_f64();
            let count = alerts.len().min(BY_COLUMN);
            for i in 0..count {
                let (session, verdict) = alerts[i * alerts.len() / count];
                let explanation = self.by_column.explain_verdict(session, verdict)?;
                of.columns.push(explanation.turned_normal.then_some(explanation.facts.len()));
            }
        }
        Ok(())
    }
}

/// The names of the cells of a kind's row.
pub(super) const COLUMNS: [&str; 8] =
    ["alerts", "number", "explained", "share", "median facts", "median values", "share by single columns", "ms each"];

impl ExplainedCut {
    /// A row for each kind, one for all, and the mean over the kinds.
    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        let all = self.all();
        let kinds = self.kinds.iter().map(|(name, kind)| (name.as_str(), kind));
        let row = |(name, kind): (&str, &ExplainedKind)| {
            let shown = |median: Option<usize>| median.map_or("-".to_owned(), |median| median.to_string());
            vec![
                name.to_owned(),
                kind.alerts.to_string(),
                kind.facts.len().to_string(),
                three(kind.share()),
                shown(kind.median()),
                shown(kind.median_cells()),
                three(kind.column_share()),
                kind.seconds_each().map_or("-".to_owned(), |seconds| format!("{:.1}", 1e3 * seconds)),
            ]
        };
        let mut mean = vec![String::new(); COLUMNS.len()];
        (mean[0], mean[3], mean[6]) =
            ("mean over the kinds".to_owned(), three(self.macro_share()), three(self.macro_column_share()));
        kinds.chain([("all", &all)]).map(row).chain([mean]).collect()
    }
}

impl fmt::Display for ExplanationCheck {
    /// A table for each budget.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for cut in &self.cuts {
            writeln!(
                f,
                "Alerts at {}{} that at most {FEW} facts, set to what was expected, turn normal:\n",
                budget(cut.rate),
                if cut.smallest { format!("{SMALLEST},") } else { String::new() },
            )?;
            writeln!(f, "| {} |\n|{}", COLUMNS.join(" | "), "---|".repeat(COLUMNS.len()))?;
            cut.rows().iter().try_for_each(|row| writeln!(f, "| {} |", row.join(" | ")))?;
            writeln!(f)?;
        }
        self.refusals.iter().try_for_each(|refusal| writeln!(f, "{refusal}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::testing::{cut, frames, frames_with_uploads};

    #[test]
    fn alerts_are_explained_by_kind_and_budgets_that_cannot_be_promised_say_so() {
        let benign = cut(&frames(1200, 1));
        let detector = Detector::recipe().heads(&["forest"]).unwrap().seed(3).fit(&benign).unwrap();
        let sessions = cut(&frames_with_uploads(300, 3, 6)).split_off(290);
        let mut check = ExplanationCheck::new(&detector);
        check.add(&sessions, &Truth::benign()).unwrap();
        assert_eq!((check.cuts.len(), check.cuts[0].rate, check.refusals.len()), (1, 0.01, 1));
        let all = check.cuts[0].all();
        let alerts = detector.judge_all(&sessions).unwrap().iter().filter(|verdict| verdict.is_anomaly()).count();
        assert!(alerts >= 3);
        assert_eq!((all.alerts, all.facts.len()), (alerts, alerts.min(EXPLAINED)));
        assert_eq!((check.cuts[0].macro_share(), all.columns.len()), (all.share(), alerts.min(BY_COLUMN)));
        let text = check.to_string();
        assert!(
            text.contains(&format!("| benign | {alerts} | {} |", alerts.min(EXPLAINED)))
                && text.starts_with("Alerts at 1 % that")
                && text.contains("| mean over the kinds |  |  |")
                && text.contains("cannot promise"),
            "{text}"
        );
        let value = check.to_value();
        assert_eq!(value["budgets"]["0.01"]["kinds"]["benign"]["alerts"], alerts);
        assert_eq!(value["budgets"]["0.01"]["all"]["share"].as_f64(), all.share());
    }

    #[test]
    fn medians_count_what_no_facts_turn_normal_as_most() {
        let kind = |facts: &[Option<usize>]| ExplainedKind {
            alerts: 9,
            facts: facts.to_vec(),
            cells: vec![7, 1, 3],
            columns: vec![Some(6), Some(5), None, Some(1)],
            seconds: 1.0,
        };
        let some = kind(&[Some(1), None, Some(6), Some(2)]);
        assert_eq!((some.share(), some.median(), some.seconds_each()), (Some(0.5), Some(2), Some(0.25)));
        assert_eq!(some.column_share(), Some(0.5));
        assert_eq!((some.median_cells(), kind(&[None, None, Some(1)]).median()), (Some(3), None));
        assert_eq!((kind(&[]).share(), kind(&[]).median(), kind(&[]).seconds_each()), (None, None, None));
    }
}
