//! The false-positive budget: which rates can be promised, and the cut that keeps one.

use super::Calibration;
use crate::{Error, ErrorKind, Result};

/// Held-out sessions that must be expected beyond the cut before it is promised on their count alone.
const PLAIN: f64 = 3.0;
/// Held-out sessions that must be expected beyond the cut even where the tail is sound.
const LEAST: f64 = 0.5;

/// Whether a rate can be asked for at all.
///
/// # Errors
/// [`ErrorKind::Config`] where it is not above 0 and at most 0.5.
pub(crate) fn check_rate(rate: f64) -> Result<()> {
    if rate > 0.0 && rate <= 0.5 {
        return Ok(());
    }
    Err(Error::config("false_positive_rate", rate, "above 0 and at most 0.5"))
}

/// Whether `rate` can be promised with `n` held-out benign sessions, the tail fitted soundly or not; `hours` is how long they
/// took, where that is known.
///
/// # Errors
/// [`ErrorKind::Config`] where the rate is out of range; [`ErrorKind::Data`] that says how many more sessions are needed, and
/// how many hours that takes.
pub(crate) fn check(rate: f64, n: usize, sound: bool, hours: Option<f64>) -> Result<()> {
    check_rate(rate)?;
    let expected = if sound { LEAST } else { PLAIN };
    // Rates such as 0.01 have no exact binary form: 300 sessions are enough for 3 expected.
    let needed = (expected / rate * (1.0 - 1e-12)).ceil();
    if n as f64 >= needed {
        return Ok(());
    }
    let tail = if sound { "" } else { " (their highest scores follow no tail that could be extrapolated)" };
    let more = needed - n as f64;
    let wait = hours.filter(|hours| *hours > 0.0 && n > 0).map_or_else(String::new, |hours| {
        format!(" ({:.2} h at {:.0} an hour)", more * hours / n as f64, n as f64 / hours)
    });
    let message = format!(
        "{n} held-out benign sessions cannot promise a false-positive rate of {rate}{tail}: {more} more are needed{wait}, {needed} in all"
    );
    Err(Error::new(ErrorKind::Data, message))
}

/// The smallest rate that `n` held-out benign sessions can promise, the tail fitted soundly or not; `None` where that is above 0.5.
pub(crate) fn smallest(n: usize, sound: bool) -> Option<f64> {
    let rate = if sound { LEAST } else { PLAIN } / n as f64;
    check(rate, n, sound, None).is_ok().then_some(rate)
}

impl Calibration {
    /// The smallest cut that keeps a false-positive rate: benign sessions score above it (`score > cut`) at most that
    /// often, and a score is above it just where its [p-value](Self::p_value) is at most `rate`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] where `rate` is not above 0 and at most 0.5. [`ErrorKind::Data`] where there are too few benign
    /// scores `n` to promise it: below `n * rate` = 3 unless the tail is sound, always below 0.5; the message says how
    /// many more are needed.
    pub fn threshold(&self, rate: f64) -> Result<f32> {
        check(rate, self.len(), self.tail_is_sound(), None)?;
        let n = self.len();
        // The excess over a whole number that rates without an exact binary form bring along.
        let whole = |x: f64| (x * (1.0 + 1e-12)) as usize;
        match self.tail.score_at(-rate.ln()) {
            Some(cut) => {
                let empirical = self.scores[n - 1 - whole(rate * n as f64).min(n - 1)];
                Ok(self.settle((cut as f32).max(empirical), rate))
            }
            // As many may lie above as keep (1 + above) / (1 + n) within the rate.
            None => Ok(self.scores[n - whole(rate * (1 + n) as f64).max(1)]),
        }
    }

    /// The cut in single precision: the rounded one and its neighbours are tried, as rounding may go either way.
    fn settle(&self, cut: f32, rate: f64) -> f32 {
        let mut cut = cut.min(f32::MAX);
        while cut < f32::MAX && self.p_value(cut.next_up()) > rate {
            cut = cut.next_up();
        }
        while self.p_value(cut) <= rate {
            cut = cut.next_down();
        }
        cut
    }
}
