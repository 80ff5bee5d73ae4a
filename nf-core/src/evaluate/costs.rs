//! What evidence, grouping and explaining take beside judging.

use serde_json::{Value, json};
use std::time::Duration;

/// The processor time that all behind judging each session by itself takes, as shares of the time that judging takes.
///
/// Each share is of one round of measurements and the quartiles are over the rounds, so that what slows a whole round down does not
/// count, and the quartiles say how far one round is to be trusted. The share of evidence is the difference of two times, which
/// noise may bring below 0.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Costs {
    /// How many rounds were measured.
    pub rounds: usize,
    /// Adding scores up over the sessions of a pair, and keeping what explains that.
    pub evidence: Quartiles,
    /// Grouping alerts into incidents.
    pub grouping: Quartiles,
    /// Explaining each incident once: its strangest session, with those that carry its alert.
    pub explaining: Quartiles,
    /// All of it.
    pub total: Quartiles,
}

/// One round of measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Round {
    /// Judging each session by itself.
    pub alone: Duration,
    /// Judging the same sessions with evidence.
    pub judging: Duration,
    /// Grouping their alerts.
    pub grouping: Duration,
    /// Explaining each incident once.
    pub explaining: Duration,
}

/// The middle value of some, and those that a quarter of them lie below and above.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Quartiles {
    /// A quarter is at most this.
    pub lower: f64,
    /// The middle one.
    pub median: f64,
    /// A quarter is at least this.
    pub upper: f64,
}

impl Quartiles {
    /// Of some values, those between two of them on the line between them; `None` without any.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        let at = |share: f64| {
            let place = share * last as f64;
            let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Some(Self { lower: at(0.25), median: at(0.5), upper: at(0.75) })
    }

    fn to_value(self) -> Value {
        json!({"lower": self.lower, "median": self.median, "upper": self.upper})
    }

    /// As `12.1 (11.9 to 12.4) %`.
    fn percent(self) -> String {
        let [lower, median, upper] = [self.lower, self.median, self.upper].map(|share| 100.0 * share);
        format!("{median:.1} ({lower:.1} to {upper:.1}) %")
    }
}

impl Costs {
    /// From some rounds; `None` without any, or where judging took no time.
    pub fn of(rounds: &[Round]) -> Option<Self> {
        if rounds.iter().any(|round| round.alone.is_zero()) {
            return None;
        }
        let share =
            |of: fn(&Round) -> f64| Quartiles::of(rounds.iter().map(|round| of(round) / round.alone.as_secs_f64()));
        let evidence = |round: &Round| round.judging.as_secs_f64() - round.alone.as_secs_f64();
        Some(Self {
            rounds: rounds.len(),
            evidence: share(evidence)?,
            grouping: share(|round| round.grouping.as_secs_f64())?,
            explaining: share(|round| round.explaining.as_secs_f64())?,
            total: share(|round| {
                (round.judging + round.grouping + round.explaining).as_secs_f64() - round.alone.as_secs_f64()
            })?,
        })
    }

    pub(super) fn to_value(self) -> Value {
        json!({
            "rounds": self.rounds, "evidence": self.evidence.to_value(), "grouping": self.grouping.to_value(),
            "explaining": self.explaining.to_value(), "total": self.total.to_value(),
        })
    }

    /// The cells of its row in a table.
    pub(super) fn cells(self) -> [String; 5] {
        let [evidence, grouping, explaining, total] =
            [self.evidence, self.grouping, self.explaining, self.total].map(Quartiles::percent);
        [self.rounds.to_string(), evidence, grouping, explaining, total]
    }
}

/// The names of these cells.
pub(super) const COLUMNS: [&str; 5] = ["rounds", "evidence", "grouping", "explaining each incident once", "all three"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_by_hand() {
        let of = |values: &[f64]| Quartiles::of(values.iter().copied());
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[3.0]), Some(Quartiles { lower: 3.0, median: 3.0, upper: 3.0 }));
        assert_eq!(of(&[4.0, 1.0, 2.0]), Some(Quartiles { lower: 1.5, median: 2.0, upper: 3.0 }));
        assert_eq!(of(&[1.0, 3.0]), Some(Quartiles { lower: 1.5, median: 2.0, upper: 2.5 }));
    }

    #[test]
    fn shares_are_of_each_round_by_itself() {
        let millis = Duration::from_millis;
        // Rounds at half and at a third of the speed, and one in which judging with evidence happened to take less.
        let round = |slower: u32, judging| Round {
            alone: millis(100) * slower,
            judging: millis(judging) * slower,
            grouping: millis(2) * slower,
            explaining: millis(10) * slower,
        };
        let costs = Costs::of(&[round(1, 110), round(2, 112), round(3, 98)]).unwrap();
        assert_eq!(costs.rounds, 3);
        assert_eq!(
            costs.cells(),
            ["3", "10.0 (4.0 to 11.0) %", "2.0 (2.0 to 2.0) %", "10.0 (10.0 to 10.0) %", "22.0 (16.0 to 23.0) %"]
        );
        assert!((costs.to_value()["evidence"]["median"].as_f64().unwrap() - 0.1).abs() < 1e-9);
        assert_eq!((Costs::of(&[]), Costs::of(&[Round::default()])), (None, None));
    }
}
