//! What a cut gives on labelled captures: the figures, how sure they are, and the episodes it hits.

use super::{
    episodes::{Detection, EpisodeOutcome, episode_outcomes, median_delay},
    judged::{JudgedCapture, JudgedLook, JudgedSession},
    labels::Label,
    metrics::{CutMetrics, share},
    truth::Truth,
};
use crate::{
    Timestamp,
    calibration::{Interval, block_bootstrap, wilson},
};
use std::{collections::BTreeMap, time::Duration};

/// What a cut gives on labelled captures.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CutReport {
    /// Rates and recalls.
    pub figures: CutMetrics,
    /// The share of benign sessions that would alert at this cut if each were judged at its last look alone: what looking
    /// earlier adds to it is the difference. `None` without benign sessions, and for heads alone.
    pub last_fpr: Option<f64>,
    /// The share of the benign sessions of first minutes that alert, while counters of context are empty; `None` without any.
    pub cold_fpr: Option<f64>,
    /// The share of all other benign sessions that alert; `None` without any.
    pub warm_fpr: Option<f64>,
    /// The interval of the realised false-positive rate ([`block_bootstrap`]); `None` without benign sessions.
    pub fpr_interval: Option<Interval>,
    /// The interval of each recall, as if the sessions of an attack were independent ([`wilson`]).
    pub recall_intervals: BTreeMap<String, Interval>,
    /// What became of each attack episode.
    pub episodes: Vec<EpisodeOutcome>,
}

/// What says that a session alerts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cut {
    /// The score is above this.
    Score(f32),
    /// The p-value is at most this: the same as the score above the threshold of its calibration.
    PValue(f64),
}

impl Cut {
    fn is_above(self, score: f32, p_value: f64) -> bool {
        match self {
            Self::Score(threshold) => score > threshold,
            Self::PValue(rate) => p_value <= rate,
        }
    }

    fn alerts_at(self, look: &JudgedLook) -> bool {
        self.is_above(look.score, look.p_value)
    }

    /// When a session first alerts by a series of scores, where it does.
    pub(super) fn first_alert(self, session: &JudgedSession, series: usize) -> Option<Timestamp> {
        let (score, p_value) = session.of(series);
        // Of heads alone only what they say of the strangest look is kept.
        let earlier = session.earlier.iter().find(|look| series == 0 && self.alerts_at(look));
        self.is_above(score, p_value).then(|| earlier.map_or(session.judged_at, |look| look.at))
    }
}

impl CutReport {
    /// What becomes of the sessions of some captures with alerts by a series of scores above a cut, and `seconds` of packet
    /// time.
    pub(super) fn new(parts: &[(&JudgedCapture, &Truth)], seconds: f64, cut: Cut, series: usize) -> Self {
        let mut recordings: Vec<Vec<(Timestamp, bool)>> = Vec::new();
        let (mut benign, mut attacks) = (Vec::new(), BTreeMap::<String, Vec<bool>>::new());
        let (mut last, mut episodes) = (Vec::new(), Vec::new());
        let (mut cold, mut warm) = (Vec::new(), Vec::new());
        let alerted = |session: &JudgedSession| cut.first_alert(session, series);
        for (judged, truth) in parts {
            let mut in_time = Vec::new();
            for session in judged.sessions() {
                let alert = alerted(session).is_some();
                match truth.label(session) {
                    Label::Benign => {
                        in_time.push((session.start, alert));
                        if session.cold { &mut cold } else { &mut warm }.push(alert);
                        last.push(cut.alerts_at(&session.last));
                    }
                    Label::Attack { category, .. } => match attacks.get_mut(category) {
                        Some(alerts) => alerts.push(alert),
                        None => drop(attacks.insert(category.to_owned(), vec![alert])),
                    },
                    Label::AttackerOther => {}
                }
            }
            benign.extend(in_time.iter().map(|(_, alert)| *alert));
            recordings.push(in_time);
            episodes.extend(episode_outcomes(judged, truth, alerted));
        }
        let recall = |alerts: &Vec<bool>| wilson(alerts.iter().filter(|alert| **alert).count(), alerts.len());
        Self {
            figures: CutMetrics::new(&benign, &attacks, seconds),
            last_fpr: share(last).filter(|_| series == 0),
            cold_fpr: share(cold),
            warm_fpr: share(warm),
            fpr_interval: block_bootstrap(&recordings),
            recall_intervals: attacks
                .iter()
                .filter_map(|(name, alerts)| Some((name.clone(), recall(alerts)?)))
                .collect(),
            episodes,
        }
    }

    /// Whether the realised false-positive rate is consistent with a budget: its interval holds it. `None` without benign
    /// sessions.
    pub fn is_consistent_with(&self, rate: f64) -> Option<bool> {
        self.fpr_interval.map(|interval| interval.contains(rate))
    }

    /// How many attack episodes have an alert, and how many there are.
    pub fn episodes_hit(&self) -> (usize, usize) {
        (self.detections().count(), self.episodes.len())
    }

    /// The middle one of the delays of the episodes that were hit; `None` where none was.
    pub fn median_delay(&self) -> Option<Duration> {
        median_delay(&self.episodes)
    }

    fn detections(&self) -> impl Iterator<Item = Detection> {
        self.episodes.iter().filter_map(|episode| episode.detection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::testing::{judged, session};

    #[test]
    fn a_benign_capture_has_rates_with_intervals_and_no_episode() {
        // 400 sessions in 400 s, of which those at whole minutes alert.
        let sessions = (0..400).map(|i| session(f64::from(i), f64::from(i), if i % 60 == 0 { 3.0 } else { 1.0 }));
        let judged = judged(sessions);
        let report = |cut: Cut| CutReport::new(&[(&judged, &Truth::benign())], 400.0, cut, 0);
        let at = report(Cut::Score(2.0));
        assert_eq!(at, report(Cut::PValue(0.001)), "p-values are a tenth to the score");
        assert_eq!(at.figures.fpr, Some(7.0 / 400.0));
        // The first minute is cold, and its first session alerts.
        assert_eq!((at.cold_fpr, at.warm_fpr), (Some(1.0 / 60.0), Some(6.0 / 340.0)));
        assert_eq!(at.figures.alerts_per_hour, Some(63.0));
        let interval = at.fpr_interval.unwrap();
        assert!(interval.low < 0.01 && interval.high > 0.03, "{interval:?}");
        assert_eq!([0.01, 0.1].map(|rate| at.is_consistent_with(rate)), [Some(true), Some(false)]);
        assert_eq!((at.episodes_hit(), at.median_delay()), ((0, 0), None));
        assert_eq!(report(Cut::Score(3.0)).figures.fpr, Some(0.0), "alerts are above the cut");
    }
}
