//! A table of verdicts.

use super::{Table, Values};
use crate::detector::Verdict;

impl Table {
    /// A row a verdict. The first has number `first`; `heads` are the names of the detector's heads.
    ///
    /// `score` and `p_value` are those that [decide](Verdict::deciding_score); what the session itself comes to stands in
    /// `own_score` and `own_p_value`, each head's model in `score_*` and `p_value_*`.
    pub fn of_verdicts<'a>(verdicts: &[Verdict], first: u64, heads: impl IntoIterator<Item = &'a str>) -> Self {
        let mut table = Self::default();
        let stored = |of: &dyn Fn(&Verdict) -> f32| Values::Stored(verdicts.iter().map(of).collect());
        let quantity = |of: &dyn Fn(&Verdict) -> Option<f64>| Values::Quantity(verdicts.iter().map(of).collect());
        let count =
            |of: &dyn Fn(&Verdict) -> u64| Values::Count(verdicts.iter().map(|verdict| Some(of(verdict))).collect());
        let flag = |of: &dyn Fn(&Verdict) -> bool| Values::Flag(verdicts.iter().map(of).collect());
        table.add("session", Values::Count((first..).take(verdicts.len()).map(Some).collect()));
        table.add("at", Values::Time(verdicts.iter().map(|verdict| verdict.at.as_nanos()).collect()));
        table.add("score", stored(&Verdict::deciding_score));
        table.add("p_value", quantity(&|verdict| Some(verdict.deciding_p_value())));
        table.add("threshold", stored(&|verdict| verdict.threshold));
        table.add("anomaly", flag(&Verdict::is_anomaly));
        table.add("own_score", stored(&|verdict| verdict.score));
        table.add("own_p_value", quantity(&|verdict| Some(verdict.p_value)));
        table.add("sessions", count(&|verdict| verdict.evidence.map_or(1, |evidence| evidence.sessions.into())));
        table.add("cold", flag(&|verdict| verdict.cold));
        table.add("look", count(&|verdict| verdict.look as u64));
        for (place, name) in heads.into_iter().enumerate() {
            let score = |verdict: &Verdict| verdict.heads.get(place).map_or(f32::NAN, |head| head.score);
            table.add(format!("score_{name}"), stored(&score));
            let p_value = |verdict: &Verdict| verdict.heads.get(place).map(|head| head.p_value);
            table.add(format!("p_value_{name}"), quantity(&p_value));
        }
        table
    }
}
