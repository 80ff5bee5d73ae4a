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
/// assert_eq!(format!("{later:#}"), "2017-07-14T02:40:00.020000000Z");
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

    /// `2017-07-14 02:40:00`, in UTC.
    pub(crate) fn date_and_time(self) -> String {
        let days = self.0.div_euclid(86_400_000_000_000);
        // H. Hinnant, "chrono-compatible low-level date algorithms", civil_from_days: days since 0000-03-01, in eras of 400 years.
        let since = days + 719_468;
        let (era, day) = (since.div_euclid(146_097), since.rem_euclid(146_097));
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
        let year = year + era * 400 + i64::from(month <= 2);
        format!("{year:04}-{month:02}-{day:02} {}", self.time_of_day())
    }

    /// `02:40:00`, in UTC.
    pub(crate) fn time_of_day(self) -> String {
        let seconds = self.0.div_euclid(1_000_000_000).rem_euclid(86_400);
        format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    /// Seconds since the epoch with nine decimals; with `{:#}` the date and time of ISO 8601, in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            let date_and_time = self.date_and_time().replace(' ', "T");
            return write!(f, "{date_and_time}.{:09}Z", self.0.rem_euclid(1_000_000_000));
        }
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        // date -u -d @N
        let known = [
            (0, "1970-01-01 00:00:00"),
            (-1, "1969-12-31 23:59:59"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_500_000_000, "2017-07-14 02:40:00"),
            (1_795_304_177, "2026-11-21 23:36:17"),
        ];
        for (seconds, text) in known {
            assert_eq!(Timestamp::from_parts(seconds, 999_999_999).date_and_time(), text);
        }
    }

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
        assert_eq!(format!("{:#}", Timestamp::from_parts(12, 5)), "1970-01-01T00:00:12.000000005Z");
        assert_eq!(format!("{:#}", Timestamp::from_nanos(-1_400_000_000)), "1969-12-31T23:59:58.600000000Z");
    }
}
