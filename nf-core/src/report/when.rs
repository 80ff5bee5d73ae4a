//! Lengths of time as people read them.

use std::time::Duration;

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
    fn lengths_have_two_units_at_most() {
        let lengths = [0.0123, 0.5, 99.0, 252.0, 11_100.0].map(|seconds| length(Duration::from_secs_f64(seconds)));
        assert_eq!(lengths, ["12.3 ms", "0.5 s", "99.0 s", "4 min 12 s", "3 h 5 min"]);
    }
}
