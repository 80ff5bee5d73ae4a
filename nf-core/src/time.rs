//! Packet time.

use std::{fmt, time::Duration};

/// A moment of packet time: nanoseconds since the Unix epoch, UTC.
///
/// Time never comes from a clock in this crate: it comes with each packet, so that a replay gives what a live run gave.
///
/// ```
/// use nf_core::Timestamp;
/// use std::time::Duration;
/// let start = Timestamp::from_nanos(1_500_000_000_000_000_000);
/// let later = start + Duration::from_millis(20);
/// assert_eq!(later.since(start), Duration::from_millis(20));
/// assert_eq!(start.since(later), Duration::ZERO); // a clock that steps back gives no negative duration
/// assert_eq!(later.to_string(), "1500000000.020000000");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// A moment from nanoseconds since the Unix epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// A moment from whole seconds and a fraction in nanoseconds; saturates where `i64` nanoseconds end (the year 2262).
    pub const fn from_parts(seconds: i64, nanos: u32) -> Self {
        Self(seconds.saturating_mul(1_000_000_000).saturating_add(nanos as i64))
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Seconds since the Unix epoch; a double holds about 200 ns of resolution today.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 * 1e-9
    }

    /// How long after `earlier` this moment is; zero where it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }

    /// The same in nanoseconds.
    pub(crate) fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0).max(0) as u64
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    /// Seconds since the epoch with nine decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_instead_of_overflowing() {
        let end = Timestamp::from_nanos(i64::MAX);
        assert_eq!(end + Duration::MAX, end);
        assert_eq!(Timestamp::from_parts(i64::MAX, 999_999_999), end);
        assert_eq!(end.since(Timestamp::from_nanos(i64::MIN)), Duration::from_nanos(i64::MAX as u64));
    }

    #[test]
    fn shows_nine_decimals_on_both_sides_of_the_epoch() {
        assert_eq!(Timestamp::from_parts(12, 5).to_string(), "12.000000005");
        assert_eq!(Timestamp::from_nanos(-1_500_000_000).to_string(), "-1.500000000");
    }
}
