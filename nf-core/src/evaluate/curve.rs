//! Recall against the false-positive rate: the ROC curve of each kind of attack, where it matters.

use super::metrics::{LabelledScores, empirical_threshold, macro_average, share};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Points of the curve a decade.
const A_DECADE: i32 = 8;
/// Decades below 1.
const DECADES: i32 = 4;

/// Recall at false-positive rates from 1 in 10,000 to 1, of the benign sessions that are judged. It says how well scores rank;
/// no threshold is taken from it.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct RecallCurve {
    /// The false-positive rates, ascending.
    pub fpr: Vec<f64>,
    /// The recall of each kind of attack at these.
    pub kinds: BTreeMap<String, Vec<f64>>,
    /// Their mean over the kinds with at least [`MACRO_SESSIONS`](super::MACRO_SESSIONS) sessions; empty without one.
    pub macro_recall: Vec<f64>,
}

impl RecallCurve {
    /// The curve of some scores; empty without benign ones.
    pub fn new(scores: &LabelledScores) -> Self {
        let rates =
            (0..=A_DECADE * DECADES).map(|i| 10f64.powf(f64::from(i) / f64::from(A_DECADE) - f64::from(DECADES)));
        let mut benign = scores.benign.clone();
        benign.sort_unstable_by(f32::total_cmp);
        let sessions = scores.attacks.iter().map(|(kind, scores)| (kind.clone(), scores.len())).collect();
        let mut curve = Self::default();
        for rate in rates {
            let Some(threshold) = empirical_threshold(&benign, rate) else { break };
            // At a rate of 1 everything alerts, the least score too.
            let above = |score: &f32| *score > threshold || rate >= 1.0;
            let recall = |(kind, scores): (&String, &Vec<f32>)| Some((kind.clone(), share(scores.iter().map(above))?));
            let recalls: BTreeMap<String, f64> = scores.attacks.iter().filter_map(recall).collect();
            curve.fpr.push(rate);
            curve.macro_recall.extend(macro_average(&recalls, &sessions));
            for (kind, recall) in recalls {
                curve.kinds.entry(kind).or_default().push(recall);
            }
        }
        curve
    }

    /// The mean recall where so large a share of the benign sessions alerts; `None` where the curve has no such rate.
    pub fn macro_recall_at(&self, fpr: f64) -> Option<f64> {
        let place = self.fpr.iter().position(|rate| (rate / fpr - 1.0).abs() < 1e-9)?;
        self.macro_recall.get(place).copied()
    }

    pub(super) fn to_value(&self) -> Value {
        json!({"fpr": self.fpr, "kinds": self.kinds, "macro_recall": self.macro_recall})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recall_at_a_rate_is_that_above_the_benign_quantile() {
        let mut scores = LabelledScores::default();
        (0..1000).for_each(|i| scores.push(None, i as f32));
        (0..10).for_each(|i| scores.push(Some("scan"), 900.0 + 20.0 * i as f32));
        (0..2).for_each(|_| scores.push(Some("few"), -5.0));
        let curve = RecallCurve::new(&scores);
        assert_eq!((curve.fpr.len(), curve.fpr[0]), (33, 1e-4));
        let at = |rate: f64| curve.fpr.iter().position(|fpr| (fpr / rate - 1.0).abs() < 1e-9).unwrap();
        // The cut at 1 % is 989; above it lie 1000, 1020, .. 1080: five of ten.
        assert_eq!(curve.kinds["scan"][at(0.01)], 0.5);
        assert_eq!(curve.kinds["scan"][at(0.1)], 1.0, "900 is above 899");
        assert_eq!(curve.macro_recall, curve.kinds["scan"]);
        assert_eq!([0.01, 0.011].map(|rate| curve.macro_recall_at(rate)), [Some(0.5), None]);
        assert_eq!((curve.kinds["few"][at(0.1)], curve.kinds["few"][at(1.0)]), (0.0, 1.0));
        assert!(curve.kinds["scan"].is_sorted());
        assert_eq!(RecallCurve::new(&LabelledScores::default()), RecallCurve::default());
    }
}
