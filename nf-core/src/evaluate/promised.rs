//! The budgets at which a detector is evaluated.

use super::BUDGETS;
use crate::Detector;

/// A detector at each of the [budgets](BUDGETS) that it can promise; where it can promise none of them, at the
/// [smallest rate](Detector::smallest_false_positive_rate) that it can.
pub fn promised(detector: &Detector) -> Vec<Detector> {
    let at = |rate: f64| detector.with_false_positive_rate(rate).ok();
    let promised: Vec<Detector> = BUDGETS.into_iter().filter_map(at).collect();
    if promised.is_empty() {
        detector.smallest_false_positive_rate().and_then(at).into_iter().collect()
    } else {
        promised
    }
}

/// A rate at which a detector is evaluated, rounded up where it is the smallest that can be promised: `0.1 %`, `1.24 %`.
pub(super) fn budget(rate: f64) -> String {
    let percent = if BUDGETS.contains(&rate) { rate * 100.0 } else { (rate * 1e4 - 1e-6).ceil() / 100.0 };
    format!("{percent} %")
}

/// What is said of a rate that is the smallest that can be promised.
pub(super) const SMALLEST: &str = ", the smallest rate that the held-out sessions can promise";

/// Whether a detector is at the smallest rate that it can promise.
pub(super) fn is_smallest(detector: &Detector) -> bool {
    detector.smallest_false_positive_rate() == Some(detector.false_positive_rate())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::testing::{cut, frames};
    use std::ops::ControlFlow;

    #[test]
    fn falls_back_to_the_smallest_rate_where_no_budget_is_promised() {
        let benign = cut(&frames(1200, 1));
        let recipe = || Detector::recipe().heads(&["forest"]).unwrap().seed(3).false_positive_rate(0.5);
        let rates =
            |detector: &Detector| promised(detector).iter().map(Detector::false_positive_rate).collect::<Vec<_>>();
        let detector = recipe().fit(&benign).unwrap();
        assert_eq!(rates(&detector), [0.01]);
        let few = recipe().fit_on(&benign[..600], &benign[600..640], |_| ControlFlow::Continue(())).unwrap();
        let smallest = few.smallest_false_positive_rate().unwrap();
        assert!(smallest > 0.01 && rates(&few) == [smallest], "{smallest}");
        assert!(is_smallest(&promised(&few)[0]) && !is_smallest(&detector));
    }

    #[test]
    fn rates_are_rounded_up() {
        let texts = [0.01, 0.001, 3.0 / 132.0, 3.0 / 244.0, 0.02].map(budget);
        assert_eq!(texts, ["1 %", "0.1 %", "2.28 %", "1.23 %", "2 %"]);
    }
}
