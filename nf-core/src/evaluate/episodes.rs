//! Attack episodes: hit or missed, and how long until the first alert.

use super::{
    judged::{JudgedCapture, JudgedSession},
    labels::Label,
    truth::{Episode, Truth},
};
use crate::Timestamp;
use std::{collections::HashMap, time::Duration};

/// What became of an attack episode at a cut.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EpisodeOutcome {
    /// Which row of the label file, by its `id`.
    pub id: String,
    /// The kind of attack.
    pub category: String,
    /// How long it lasted, from its first packet to its last.
    pub length: Duration,
    /// How many packets it has.
    pub packets: usize,
    /// How many sessions it has.
    pub sessions: usize,
    /// How many of its sessions alerted.
    pub alerts: usize,
    /// The first alert; `None` where it was missed.
    pub detection: Option<Detection>,
}

/// The first alert of an attack episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Detection {
    /// When the verdict was known.
    pub at: Timestamp,
    /// How long after the episode's first packet that was.
    pub delay: Duration,
    /// How many packets of the episode had passed by then.
    pub packets: usize,
    /// How many sessions of the episode had begun by then.
    pub sessions: usize,
}

/// What became of each episode of a capture, of whose sessions `alerted` tells when they first did, where they did.
pub fn episode_outcomes(
    judged: &JudgedCapture,
    truth: &Truth,
    alerted: impl Fn(&JudgedSession) -> Option<Timestamp>,
) -> Vec<EpisodeOutcome> {
    let mut sessions: HashMap<&str, Vec<&JudgedSession>> = HashMap::new();
    for session in judged.sessions() {
        if let Label::Attack { id, .. } = truth.label(session) {
            sessions.entry(id).or_default().push(session);
        }
    }
    let outcome = |episode: &Episode| {
        let sessions = sessions.get(episode.id.as_str()).map_or(&[][..], Vec::as_slice);
        let alerts: Vec<_> = sessions.iter().filter_map(|session| alerted(session)).collect();
        let first = alerts.iter().copied().min();
        EpisodeOutcome {
            id: episode.id.clone(),
            category: episode.category.clone(),
            length: episode.last().since(episode.first()),
            packets: episode.packets.len(),
            sessions: sessions.len(),
            alerts: alerts.len(),
            detection: first.map(|at| Detection {
                at,
                delay: at.since(episode.first()),
                packets: episode.packets.partition_point(|&time| time <= at),
                sessions: sessions.iter().filter(|session| session.start <= at).count(),
            }),
        }
    };
    truth.episodes().iter().map(outcome).collect()
}

/// The middle of some delays; `None` without any.
pub(super) fn median_delay<'a>(outcomes: impl IntoIterator<Item = &'a EpisodeOutcome>) -> Option<Duration> {
    let mut delays: Vec<_> = outcomes.into_iter().filter_map(|outcome| Some(outcome.detection?.delay)).collect();
    delays.sort_unstable();
    delays.get(delays.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evaluate::{
            Recording,
            cut::Cut,
            testing::{judged, pcap_file, session},
        },
        session::SessionConfig,
    };
    use nf_tests::eth;

    #[test]
    fn delay_and_counts_by_hand() {
        // One packet a second from 100 s to 109 s, all of one attack.
        let packet = |second| eth().ipv4([10, 0, 0, 1], [10, 0, 0, 2]).udp(second, 9).build();
        let file = pcap_file((100..110).map(|second| (f64::from(second), packet(second))));
        let truth = Truth::attack("scan", &Recording::new(file.path()), &SessionConfig::default()).unwrap();
        // Start and verdict of each session in seconds, and its score.
        let sessions = [(100.0, 104.5, 1.0), (101.0, 107.5, 5.0), (102.0, 106.0, 3.0), (108.0, 120.0, 9.0)];
        let judged = judged(sessions.map(|(start, at, score)| session(start, at, score)));
        let outcome =
            |cut| episode_outcomes(&judged, &truth, |session| Cut::Score(cut).first_alert(session, 0)).remove(0);

        let seen = outcome(2.0);
        assert_eq!((seen.packets, seen.sessions, seen.alerts, seen.length), (10, 4, 3, Duration::from_secs(9)));
        let first = seen.detection.unwrap();
        assert_eq!((first.at, first.delay), (Timestamp::from_parts(106, 0), Duration::from_secs(6)));
        assert_eq!((first.packets, first.sessions), (7, 3), "packets from 100 s to 106 s, sessions begun by then");

        let late = outcome(6.0).detection.unwrap();
        assert_eq!((late.delay, late.packets, late.sessions), (Duration::from_secs(20), 10, 4));
        let missed = outcome(9.0);
        assert_eq!((missed.alerts, missed.detection), (0, None));
        let three = [outcome(2.0), outcome(6.0), missed];
        assert_eq!(median_delay(&three), Some(Duration::from_secs(6)), "of 6 s and 20 s the lower");
        assert_eq!(median_delay(&three[2..]), None);
    }
}
