//! An evaluation repeated with other seeds: what is luck.

use super::report::{CutKind, HeadReport, Report};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, fmt};

/// A figure over several runs.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation of a run (with `n - 1` in the denominator); 0 for a single one.
    pub deviation: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Spread {
    /// The spread of some values; `None` without any.
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len() as f64;
        let least = values.iter().copied().min_by(f64::total_cmp)?;
        let most = values.iter().copied().max_by(f64::total_cmp)?;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Self { mean, deviation: (squares / (count - 1.0).max(1.0)).sqrt(), least, most })
    }
}

/// Reports of the same evaluation with other seeds.
#[derive(Debug, Clone)]
pub struct Repeats {
    seeds: Vec<u64>,
    reports: Vec<Report>,
}

/// The figures of one head, in the order of their names.
type Figures = BTreeMap<String, Spread>;

impl Repeats {
    /// The reports of some seeds, in their order.
    pub fn new(reports: impl IntoIterator<Item = (u64, Report)>) -> Self {
        let (seeds, reports) = reports.into_iter().unzip();
        Self { seeds, reports }
    }

    /// The figures of a head over all seeds, by name: `macro_auroc` and those of [`HeadReport::figures`]; for each budget
    /// `consistent@`, 1 of a run whose interval of the realised rate holds the budget and 0 of others, and
    /// `macro_recall_at_fpr@`, the recall where that share of the judged benign sessions alerts, whatever the calibration says;
    /// and for each kind of attack `kind auroc` and `kind recall@` each budget. A figure that a run lacks is of the other runs.
    pub fn spreads(&self, head: &str, cut: CutKind) -> Figures {
        let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        let heads = self.reports.iter().flat_map(|report| report.heads().iter().find(|(name, _)| name == head));
        for (_, report) in heads {
            for (name, value) in figures(report, cut) {
                values.entry(name).or_default().push(value);
            }
        }
        values.into_iter().filter_map(|(name, values)| Some((name, Spread::of(&values)?))).collect()
    }

    fn heads(&self) -> impl Iterator<Item = &str> {
        self.reports.iter().take(1).flat_map(|report| report.heads().iter().map(|(name, _)| name.as_str()))
    }

    pub(super) fn to_value(&self) -> Value {
        let spread = |spread: &Spread| json!({"mean": spread.mean, "deviation": spread.deviation, "min": spread.least, "max": spread.most});
        let heads = |cut| -> Map<String, Value> {
            let figures = |head| self.spreads(head, cut).iter().map(|(name, s)| (name.clone(), spread(s))).collect();
            self.heads().map(|head| (head.to_owned(), Value::Object(figures(head)))).collect()
        };
        json!({"seeds": self.seeds, "heads": heads(CutKind::Empirical), "calibrated": heads(CutKind::Calibrated)})
    }
}

fn figures(head: &HeadReport, kind: CutKind) -> Vec<(String, f64)> {
    let mut figures: Vec<(String, f64)> =
        head.figures(kind).into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    figures.extend(head.macro_auroc.map(|value| ("macro_auroc".to_owned(), value)));
    figures.extend(head.auroc.iter().map(|(name, value)| (format!("{name} auroc"), *value)));
    for (rate, cut) in super::BUDGETS.iter().zip(head.cuts(kind)) {
        let consistent = cut.as_ref().and_then(|cut| cut.is_consistent_with(*rate));
        figures.extend(consistent.map(|holds| (format!("consistent@{rate}"), f64::from(u8::from(holds)))));
        let ranked = head.curve.macro_recall_at(*rate);
        figures.extend(ranked.map(|recall| (format!("macro_recall_at_fpr@{rate}"), recall)));
        let recalls = cut.iter().flat_map(|cut| &cut.figures.recall);
        figures.extend(recalls.map(|(name, value)| (format!("{name} recall@{rate}"), *value)));
    }
    figures
}

impl fmt::Display for Repeats {
    /// A table in Markdown for each cut: the combined figures over all seeds, without those of single kinds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seeds: Vec<String> = self.seeds.iter().map(u64::to_string).collect();
        for (kind, name) in
            [(CutKind::Empirical, "empirical quantile"), (CutKind::Calibrated, "detector's own calibration")]
        {
            writeln!(f, "Combined, seeds {}, at the {name}:\n", seeds.join(", "))?;
            writeln!(f, "| figure | mean | deviation | least | most |\n|---|---|---|---|---|")?;
            for (figure, spread) in self.spreads("combined", kind).iter().filter(|(name, _)| !name.contains(' ')) {
                let Spread { mean, deviation, least, most } = spread;
                writeln!(f, "| {figure} | {mean:.4} | {deviation:.4} | {least:.4} | {most:.4} |")?;
            }
            writeln!(f)?;
        }
        Ok(())
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
    fn spread_by_hand() {
        let spread = Spread::of(&[1.0, 2.0, 6.0]).unwrap();
        assert_eq!((spread.mean, spread.least, spread.most), (3.0, 1.0, 6.0));
        assert!((spread.deviation - 7f64.sqrt()).abs() < 1e-12, "sqrt((4 + 1 + 9) / 2)");
        assert_eq!(Spread::of(&[5.0]).unwrap().deviation, 0.0);
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn figures_of_all_seeds_under_their_names() {
        let sessions = |shift: f32| judged((0..200).map(|i| session(f64::from(i), f64::from(i), shift + i as f32)));
        // Scores run to 199 in val; 0, 10 and 20 more let 1, 11 and 21 of 200 over the third highest of them.
        let report = |shift| Report::new(&sessions(0.0), &[(&sessions(shift), &Truth::benign())]);
        let repeats = Repeats::new([(1, report(0.0)), (2, report(10.0)), (3, report(20.0))]);
        let fpr = repeats.spreads("combined", CutKind::Empirical)["fpr@0.01"];
        assert!(
            (fpr.least - 0.01).abs() < 1e-12 && (fpr.mean - 0.06).abs() < 1e-12 && (fpr.most - 0.11).abs() < 1e-12,
            "{fpr:?}"
        );
        let two = Repeats::new([(1, report(0.0)), (2, report(150.0))]).spreads("combined", CutKind::Empirical);
        let consistent = two["consistent@0.01"];
        assert_eq!((consistent.least, consistent.most), (0.0, 1.0), "2 of 200 alert, and 151");
        let value = repeats.to_value();
        assert_eq!(value["seeds"], json!([1, 2, 3]));
        assert!((value["heads"]["combined"]["fpr@0.01"]["deviation"].as_f64().unwrap() - 0.05).abs() < 1e-12);
        let text = repeats.to_string();
        assert!(text.contains("\n| fpr@0.01 | 0.0600 | 0.0500 | 0.0100 | 0.1100 |"), "{text}");
        assert!(repeats.spreads("nobody", CutKind::Calibrated).is_empty());
    }
}
