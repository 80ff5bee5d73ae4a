//! When open sessions are looked at, before they end.

use crate::{Error, Result, Timestamp};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// A session that goes on for long is looked at after so many parts of its age, where that is longer than
/// [`every`](Looks::every): a year of one session takes some 350 looks, half an hour 30.
const AGE_PARTS: u32 = 32;

/// Most counts of packets at which sessions are looked at: each look that is not the last is kept with its session.
const MOST_COUNTS: usize = 16;

/// Shortest time between looks.
const SHORTEST: Duration = Duration::from_secs(1);

/// When open sessions are looked at: each look is a row that is judged, long before the session's idle timeout.
///
/// ```
/// use nf_core::{SessionConfig, session::Looks};
/// let often = Looks { packets: vec![4, 8, 16], ..Looks::default() };
/// assert_eq!(often.to_string(), "at 4, 8, 16 packets, in silence, every 60 s");
/// let config = SessionConfig::default().looks(Looks::none());
/// assert_eq!(config.looks.to_string(), "none");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looks {
    /// At which packets of a session, rising, at most 16 of them, each at least 2. 8, 32, 128, 512, 2048.
    pub packets: Vec<u64>,
    /// Whether after 2 s of silence: the first, then once the packets have doubled, and the first after a TCP
    /// connection closed. On.
    pub silence: bool,
    /// At the first packet so long after the last look, at least 1 s; `None` for never. 60 s. Of sessions older than 32
    /// times that, it is a 32nd of their age.
    pub every: Option<Duration>,
}

impl Default for Looks {
    fn default() -> Self {
        Self { packets: vec![8, 32, 128, 512, 2048], silence: true, every: Some(Duration::from_secs(60)) }
    }
}

impl Looks {
    /// Sessions are seen at their end alone.
    pub fn none() -> Self {
        Self { packets: Vec::new(), silence: false, every: None }
    }

    /// Whether there are any.
    pub(super) fn any(&self) -> bool {
        self.silence || self.every.is_some() || !self.packets.is_empty()
    }

    /// Whether every value is within its range.
    pub(super) fn check(&self) -> Result<()> {
        let rising = self.packets.is_sorted_by(|a, b| a < b) && self.packets.first().is_none_or(|first| *first >= 2);
        if !rising || self.packets.len() > MOST_COUNTS {
            let allowed = format!("rising from at least 2, at most {MOST_COUNTS} of them");
            return Err(Error::config("packets of looks", format!("{:?}", self.packets), &allowed));
        }
        if let Some(every) = self.every.filter(|every| *every < SHORTEST) {
            return Err(Error::config("every of looks", format!("{every:?}"), "at least 1 s, or None for never"));
        }
        Ok(())
    }

    /// What is to be waited for after a look, or its opening, at `now` at a session of so many packets that began at
    /// `opened`.
    fn next(&self, packets: u64, opened: Timestamp, now: Timestamp) -> (u64, Timestamp) {
        let count = self.packets.iter().find(|count| **count > packets).copied().unwrap_or(u64::MAX);
        let every = self.every.map(|every| now + every.max(now.since(opened) / AGE_PARTS));
        (count, every.unwrap_or(Timestamp::from_nanos(i64::MAX)))
    }
}

impl fmt::Display for Looks {
    /// `at 8, 32 packets, in silence, every 60 s`, or `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<String> = self.packets.iter().map(u64::to_string).collect();
        let parts = [
            (!counts.is_empty()).then(|| format!("at {} packets", counts.join(", "))),
            self.silence.then(|| "in silence".to_owned()),
            self.every.map(|every| format!("every {} s", every.as_secs_f64())),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }.as_str())
    }
}

/// When an open session is looked at next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// At this packet.
    packets: u64,
    /// At the first packet from this time on.
    time: Timestamp,
    /// In silence, from so many packets on.
    silence: u64,
}

impl Plan {
    pub(super) const NEVER: Self = Self { packets: u64::MAX, time: Timestamp::from_nanos(i64::MAX), silence: u64::MAX };

    /// For a session that began at `opened` and has so many packets, with or without a look in silence at the last.
    pub(super) fn new(looks: &Looks, packets: u64, seen: bool, opened: Timestamp, now: Timestamp) -> Self {
        let mut plan = Self::NEVER;
        plan.silence = if looks.silence { 0 } else { u64::MAX };
        plan.look(looks, packets, opened, now, seen);
        plan
    }

    /// Whether the packet that came now as this one is one to look at.
    pub(super) fn is_due(&self, packets: u64, now: Timestamp) -> bool {
        packets >= self.packets || now >= self.time
    }

    /// Whether to look in silence behind this packet.
    pub(super) fn is_due_in_silence(&self, packets: u64) -> bool {
        packets >= self.silence
    }

    /// A look was taken, in silence or at a packet.
    pub(super) fn look(&mut self, looks: &Looks, packets: u64, opened: Timestamp, now: Timestamp, silence: bool) {
        (self.packets, self.time) = looks.next(packets, opened, now);
        if silence && looks.silence {
            self.silence = packets.saturating_mul(2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_values_out_of_range_by_name() {
        let refuse = |looks: Looks| looks.check().unwrap_err().to_string();
        let packets = |packets: &[u64]| Looks { packets: packets.to_vec(), ..Looks::default() };
        let allowed = "it must be rising from at least 2, at most 16 of them";
        assert_eq!(refuse(packets(&[1, 8])), format!("packets of looks is [1, 8], {allowed}"));
        assert_eq!(refuse(packets(&[8, 8])), format!("packets of looks is [8, 8], {allowed}"));
        assert!(refuse(packets(&(2..20).collect::<Vec<_>>())).ends_with(allowed));
        let every = Looks { every: Some(Duration::from_millis(999)), ..Looks::none() };
        assert_eq!(refuse(every), "every of looks is 999ms, it must be at least 1 s, or None for never");
        [Looks::none(), Looks::default()].iter().for_each(|looks| looks.check().unwrap());
    }

    #[test]
    fn looks_grow_apart_with_packets_silence_and_age() {
        let (looks, second) = (Looks::default(), |s| Timestamp::from_parts(s, 0));
        let mut plan = Plan::new(&looks, 1, false, second(0), second(0));
        assert!(plan.is_due_in_silence(1) && !plan.is_due(7, second(59)));
        assert!(plan.is_due(8, second(0)) && plan.is_due(2, second(60)));
        plan.look(&looks, 3, second(0), second(10), true);
        assert!(!plan.is_due_in_silence(5) && plan.is_due_in_silence(6));
        assert!(!plan.is_due(7, second(69)) && plan.is_due(7, second(70)));
        plan.look(&looks, 9, second(0), second(20), false);
        assert!(plan.is_due_in_silence(6) && !plan.is_due(31, second(79)) && plan.is_due(32, second(79)));
        let (mut now, mut count) = (second(0), 0);
        let mut plan = Plan::new(&looks, 1, true, second(0), now);
        while now < second(365 * 86_400) {
            now = plan.time;
            plan.look(&looks, 5000, second(0), now, false);
            count += usize::from(now < second(1800)) + 1000;
        }
        assert_eq!((count % 1000, count / 1000), (29, 348));
        let never = Plan::new(&Looks::none(), 1, true, second(0), second(0));
        assert!(!never.is_due(1 << 40, second(1 << 30)) && !never.is_due_in_silence(1 << 40));
    }
}
