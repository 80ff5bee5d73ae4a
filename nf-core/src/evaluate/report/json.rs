//! A report as JSON.

use super::{BUDGETS, CutKind, CutReport, HeadReport, Report};
use crate::{calibration::Interval, evaluate::episodes::EpisodeOutcome};
use serde_json::{Map, Value, json};

impl Report {
    /// The figures as JSON. Shares are 0 to 1, times seconds; what could not be computed is `null`. `heads` holds the figures
    /// at the empirical quantile, `calibrated` repeats what depends on the cut at the detector's own calibration. `episodes`
    /// has the attack episodes, for all heads combined.
    pub fn to_json(&self) -> String {
        format!("{:#}\n", self.to_value())
    }

    pub(in crate::evaluate) fn to_value(&self) -> Value {
        let each = |value: fn(&HeadReport) -> Value| -> Map<String, Value> {
            self.heads.iter().map(|(name, head)| (name.clone(), value(head))).collect()
        };
        let seconds: Map<_, _> = self.seconds.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let episodes = |kind| self.heads.first().map(|(_, head)| episodes(head, kind));
        json!({
            "heads": each(HeadReport::to_value),
            "calibrated": each(HeadReport::calibrated_value),
            "episodes": {"empirical": episodes(CutKind::Empirical), "calibrated": episodes(CutKind::Calibrated)},
            "refusals": self.refusals,
            "seconds": seconds,
            "sessions": self.sessions,
            "looks_a_session": self.looks,
        })
    }
}

impl HeadReport {
    fn to_value(&self) -> Value {
        let mut head = Map::new();
        head.insert("macro_auroc".into(), json!(self.macro_auroc));
        self.insert_cuts(&mut head, CutKind::Empirical);
        let categories = self.auroc.iter().map(|(kind, auroc)| {
            let mut category = Map::new();
            category.insert("sessions".into(), json!(self.sessions.get(kind)));
            category.insert("auroc".into(), json!(auroc));
            insert_recalls(&mut category, kind, &self.empirical);
            (kind.clone(), Value::Object(category))
        });
        head.insert("categories".into(), categories.collect::<Map<_, _>>().into());
        let without = self.leave_one_out().into_iter().map(|(figure, averages)| (figure, json!(averages.without)));
        head.insert("leave_one_out".into(), without.collect::<Map<_, _>>().into());
        head.insert("curve".into(), self.curve.to_value());
        Value::Object(head)
    }

    fn calibrated_value(&self) -> Value {
        let mut head = Map::new();
        self.insert_cuts(&mut head, CutKind::Calibrated);
        let categories = self.auroc.keys().map(|kind| {
            let mut category = Map::new();
            insert_recalls(&mut category, kind, &self.calibrated);
            (kind.clone(), Value::Object(category))
        });
        head.insert("categories".into(), categories.collect::<Map<_, _>>().into());
        Value::Object(head)
    }

    fn insert_cuts(&self, head: &mut Map<String, Value>, kind: CutKind) {
        head.extend(self.figures(kind).into_iter().map(|(name, value)| (name, json!(value))));
        for (rate, cut) in BUDGETS.iter().zip(self.cuts(kind)) {
            let cut = cut.as_ref();
            let delay = cut.and_then(|cut| Some(cut.median_delay()?.as_secs_f64()));
            head.insert(format!("fpr_interval@{rate}"), interval(cut.and_then(|cut| cut.fpr_interval)));
            head.insert(format!("consistent@{rate}"), json!(cut.and_then(|cut| cut.is_consistent_with(*rate))));
            head.insert(format!("median_delay@{rate}"), json!(delay));
            head.insert(format!("fpr_last_look@{rate}"), json!(cut.and_then(|cut| cut.last_fpr)));
            head.insert(format!("fpr_cold@{rate}"), json!(cut.and_then(|cut| cut.cold_fpr)));
            head.insert(format!("fpr_warm@{rate}"), json!(cut.and_then(|cut| cut.warm_fpr)));
        }
    }
}

fn insert_recalls(category: &mut Map<String, Value>, kind: &str, cuts: &[Option<CutReport>; BUDGETS.len()]) {
    for (rate, cut) in BUDGETS.iter().zip(cuts) {
        let recall = cut.as_ref().and_then(|cut| cut.figures.recall.get(kind));
        let bounds = cut.as_ref().and_then(|cut| cut.recall_intervals.get(kind));
        category.insert(format!("recall@{rate}"), json!(recall));
        category.insert(format!("recall_interval@{rate}"), interval(bounds.copied()));
    }
}

fn interval(interval: Option<Interval>) -> Value {
    json!(interval.map(|interval| [interval.low, interval.high]))
}

/// The episodes at each budget that there is a cut for.
fn episodes(head: &HeadReport, kind: CutKind) -> Value {
    let of = |outcome: &EpisodeOutcome| {
        let first = outcome.detection;
        json!({
            "id": outcome.id, "category": outcome.category, "length": outcome.length.as_secs_f64(),
            "packets": outcome.packets, "sessions": outcome.sessions, "alerts": outcome.alerts,
            "delay": first.map(|first| first.delay.as_secs_f64()),
            "delay_packets": first.map(|first| first.packets),
            "delay_sessions": first.map(|first| first.sessions),
        })
    };
    let cuts = BUDGETS.iter().zip(head.cuts(kind)).map(|(rate, cut)| {
        let episodes = cut.as_ref().map(|cut| cut.episodes.iter().map(of).collect::<Vec<_>>());
        (rate.to_string(), json!(episodes))
    });
    Value::Object(cuts.collect())
}
