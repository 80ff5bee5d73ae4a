//! Times as people read them.

use crate::Timestamp;
use std::time::Duration;

/// `2017-07-14 02:40:00`, in UTC.
pub(super) fn date_and_time(moment: Timestamp) -> String {
    let days = moment.as_nanos().div_euclid(86_400_000_000_000);
    // H. Hinnant, "chrono-compatible low-level date algorithms", civil_from_days: days since 0000-03-01, in eras of 400 years.
    let since = days + 719_468;
    let (era, day) = (since.div_euclid(146_097), since.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {}", time(moment))
}

/// `02:40:00`, in UTC.
pub(super) fn time(moment: Timestamp) -> String {
    let seconds = moment.as_nanos().div_euclid(1_000_000_000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `6.7 s`, `4 min 12 s`, `3 h 5 min`.
pub(super) fn length(length: Duration) -> String {
    match length.as_secs() {
        seconds if seconds >= 3600 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        seconds if seconds >= 100 => format!("{} min {} s", seconds / 60, seconds % 60),
        0 if length.as_millis() < 100 => format!("{:.1} ms", length.as_secs_f64() * 1e3),
        _ => format!("{:.1} s", length.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_known_moments() {
        let at = |seconds| date_and_time(Timestamp::from_parts(seconds, 999_999_999));
        assert_eq!(at(0), "1970-01-01 00:00:00");
        assert_eq!(at(1_500_000_000), "2017-07-14 02:40:00");
        assert_eq!(at(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(at(-1), "1969-12-31 23:59:59");
        assert_eq!(at(1_795_304_177), "2026-11-21 23:36:17");
        let lengths = [0.0123, 0.5, 99.0, 252.0, 11_100.0].map(|seconds| length(Duration::from_secs_f64(seconds)));
        assert_eq!(lengths, ["12.3 ms", "0.5 s", "99.0 s", "4 min 12 s", "3 h 5 min"]);
    }
}
