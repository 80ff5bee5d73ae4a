//! A detector and baselines in one table.

use super::report::{CutKind, HeadReport, Report, text};
use serde_json::{Map, Value, json};
use std::fmt;

/// What stands beside each other in one table: the combined figures of a detector and of baselines, which were fitted on the
/// same benign traffic, calibrated on the same, and judged on the same sessions.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    rows: Vec<(String, HeadReport)>,
}

impl Comparison {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a row.
    #[must_use]
    pub fn with(mut self, name: &str, report: &Report) -> Self {
        self.rows.push((name.to_owned(), report.combined().clone()));
        self
    }

    /// The rows, in the order in which they were added.
    pub fn rows(&self) -> &[(String, HeadReport)] {
        &self.rows
    }

    pub(super) fn to_value(&self) -> Value {
        let row = |(name, head): &(String, HeadReport)| (name.clone(), head.to_value_of_both());
        Value::Object(self.rows.iter().map(row).collect())
    }

    fn fmt_rows(&self, f: &mut fmt::Formatter<'_>, kind: CutKind) -> fmt::Result {
        writeln!(
            f,
            "| detector | macro AUROC | macro recall at 1 % / 0.1 % | realised FPR | false alerts an hour | episodes hit |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        for (name, head) in &self.rows {
            let cuts = head.cuts(kind);
            let recall = text::both(cuts, |cut, _| text::three(cut.figures.macro_recall));
            let fpr = text::both(cuts, |cut, _| text::percent(cut.figures.fpr));
            let alerts = text::both(cuts, |cut, _| text::whole(cut.figures.alerts_per_hour));
            let hits = text::both(cuts, |cut, _| text::hit(cut));
            writeln!(f, "| {name} | {} | {recall} | {fpr} | {alerts} | {hits} |", text::three(head.macro_auroc))?;
        }
        Ok(())
    }
}

impl HeadReport {
    fn to_value_of_both(&self) -> Value {
        let mut value = Map::new();
        value.insert("macro_auroc".into(), json!(self.macro_auroc));
        for (name, kind) in [("empirical", CutKind::Empirical), ("calibrated", CutKind::Calibrated)] {
            let figures = self.figures(kind).into_iter().map(|(name, figure)| (name, json!(figure)));
            value.insert(name.into(), Value::Object(figures.collect()));
        }
        value.insert("auroc".into(), json!(self.auroc));
        Value::Object(value)
    }
}

impl fmt::Display for Comparison {
    /// Tables in Markdown: at the empirical quantiles of `val`, and at each row's own calibration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Beside the baselines, at the empirical quantile of val:\n")?;
        self.fmt_rows(f, CutKind::Empirical)?;
        writeln!(f, "\nBeside the baselines, each at its own calibration:\n")?;
        self.fmt_rows(f, CutKind::Calibrated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::{
        Truth,
        testing::{judged, session},
    };

    #[test]
    fn a_row_each_in_the_order_given() {
        let sessions = |scale: f32| judged((0..200).map(|i| session(f64::from(i), f64::from(i), scale * i as f32)));
        let report = |scale| Report::new(&sessions(1.0), &[(&sessions(scale), &Truth::benign())]);
        let comparison = Comparison::new().with("ours", &report(1.0)).with("twice", &report(2.0));
        let text = comparison.to_string();
        assert!(text.contains("\n| ours | - | - / - | 1.00 % / 0.00 % |"), "{text}");
        assert!(text.contains("\n| twice | - | - / - | 50.50 % / 50.00 % |"), "{text}");
        let value = comparison.to_value();
        assert_eq!(value["twice"]["empirical"]["fpr@0.01"], 0.505);
        assert_eq!(value["ours"]["macro_auroc"], Value::Null);
    }
}
