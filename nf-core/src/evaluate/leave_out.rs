//! Whether one kind of attack carries a macro average: the average without each.

use super::metrics::{MACRO_SESSIONS, macro_average};
use std::collections::BTreeMap;

/// A macro average without each kind of attack in turn.
///
/// Detectors here never see an attack while they are fitted, so leaving a kind out takes no second fit: what changes is the
/// average alone. Where it hangs on one kind, it says little about kinds that nobody has seen.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LeaveOneOut {
    /// The average over all kinds that count.
    pub all: f64,
    /// The average without the kind named, for each that counts.
    pub without: BTreeMap<String, f64>,
}

impl LeaveOneOut {
    /// The averages of `values` over the kinds with at least [`MACRO_SESSIONS`] of the `sessions`; `None` with fewer than
    /// two such kinds.
    pub fn new(values: &BTreeMap<String, f64>, sessions: &BTreeMap<String, usize>) -> Option<Self> {
        let counts = |name: &String| sessions.get(name).is_some_and(|&sessions| sessions >= MACRO_SESSIONS);
        let without = |left_out: &String| {
            let mut others = values.clone();
            others.remove(left_out);
            macro_average(&others, sessions)
        };
        let without: BTreeMap<String, f64> =
            values.keys().filter(|name| counts(name)).filter_map(|name| Some((name.clone(), without(name)?))).collect();
        Some(Self { all: macro_average(values, sessions)?, without }).filter(|averages| !averages.without.is_empty())
    }

    /// The kind whose absence costs the average most, and what is left.
    pub fn lowest(&self) -> Option<(&str, f64)> {
        let lowest = self.without.iter().min_by(|a, b| a.1.total_cmp(b.1))?;
        Some((lowest.0, *lowest.1))
    }

    /// The kind whose absence would help the average most, and what it would be.
    pub fn highest(&self) -> Option<(&str, f64)> {
        let highest = self.without.iter().max_by(|a, b| a.1.total_cmp(b.1))?;
        Some((highest.0, *highest.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_without_each_kind_by_hand() {
        let values = [("a", 1.0), ("b", 0.4), ("c", 0.7), ("few", 0.0)].map(|(name, value)| (name.to_owned(), value));
        let sessions = [("a", 5), ("b", 90), ("c", 7), ("few", 4)].map(|(name, count)| (name.to_owned(), count));
        let (values, sessions) = (values.into(), sessions.into());
        let averages = LeaveOneOut::new(&values, &sessions).unwrap();
        assert!((averages.all - 0.7).abs() < 1e-12);
        let near = |seen: Option<(&str, f64)>, kind: &str, value: f64| {
            let (name, average) = seen.unwrap();
            assert!(name == kind && (average - value).abs() < 1e-12, "{name} {average}");
        };
        near(averages.lowest(), "a", 0.55);
        near(averages.highest(), "b", 0.85);
        assert_eq!(averages.without.len(), 3, "a kind with few sessions is in no average");
        let one = [("a".to_owned(), 1.0)].into();
        assert_eq!(LeaveOneOut::new(&one, &sessions), None);
    }
}
