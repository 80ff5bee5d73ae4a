//! Whether drift is called where there is some, and not where there is none: recordings that change from a moment on.

use crate::{Detector, Result, Session, Timestamp, Verdict, detector::DriftAlarm, model::Random};
use serde_json::{Value, json};
use std::{fmt, net::IpAddr, time::Duration};

/// How a recording changes from a moment on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Change<'a> {
    /// Not at all.
    None,
    /// Its sessions come once more, from and to other hosts, later by this much and around its end.
    Overlay(Duration),
    /// Of all sessions only this share is left.
    Load(f64),
    /// Of the sessions to a port of TCP or UDP only this share is left.
    Thin {
        /// The port.
        port: u16,
        /// The share that is left, 0 to 1.
        share: f64,
    },
    /// In each 20 s there are as many sessions as before, but those to a port are so many times as likely to be among them.
    Reweight {
        /// The port.
        port: u16,
        /// How many times as likely.
        factor: f64,
    },
    /// Another recording follows instead.
    Other(&'a [Session]),
}

/// Where the order of random numbers begins.
const SEED: u64 = 1;
/// Length of the stretches that keep their number of sessions where they are weighted anew.
const STRETCH: i64 = 20_000_000_000;

impl Change<'_> {
    /// The sessions of a recording that changes at a moment, in the order in which they ended.
    pub fn apply(&self, sessions: &[Session], at: Timestamp) -> Vec<Session> {
        let (mut before, after): (Vec<Session>, Vec<Session>) =
            sessions.iter().cloned().partition(|session| session.end() < at || matches!(self, Self::None));
        match self {
            Self::None => {}
            Self::Overlay(later) => {
                before.extend(overlay(&after, *later));
                before.extend(after);
            }
            Self::Load(share) => before.extend(thin(after, *share, |_| true)),
            Self::Thin { port, share } => {
                before.extend(thin(after, *share, |session| session.key().resp.port == *port));
            }
            Self::Reweight { port, factor } => before.extend(reweight(&after, *port, *factor)),
            Self::Other(other) => {
                let first = other.iter().map(Session::end).min().unwrap_or_default();
                let shift = i128::from(at.as_nanos()) - i128::from(first.as_nanos());
                before.extend(other.iter().map(|session| moved(session, shift)));
            }
        }
        before.sort_by_key(Session::ended);
        before
    }
}

/// The sessions, of some of them only a share.
fn thin(sessions: Vec<Session>, share: f64, of: impl Fn(&Session) -> bool) -> impl Iterator<Item = Session> {
    let mut random = Random::new(SEED);
    sessions.into_iter().filter(move |session| !of(session) || f64::from(random.uniform()) < share)
}

/// Sessions from and to other hosts, later by so much and around the end.
fn overlay(sessions: &[Session], later: Duration) -> Vec<Session> {
    let first = sessions.iter().map(Session::end).min().unwrap_or_default();
    let last = sessions.iter().map(Session::end).max().unwrap_or_default();
    let span = i128::from(last.since(first).as_nanos() as u64).max(1);
    let other = |session: &Session| {
        let place = i128::from(session.end().since(first).as_nanos() as u64);
        let mut copy = moved(session, (place + later.as_nanos() as i128) % span - place);
        (copy.key.orig.addr, copy.key.resp.addr) = (another(copy.key.orig.addr), another(copy.key.resp.addr));
        copy
    };
    sessions.iter().map(other).collect()
}

/// Another address.
fn another(addr: IpAddr) -> IpAddr {
    match addr {
        IpAddr::V4(addr) => IpAddr::from((u32::from(addr) ^ 0x4000_0000).to_be_bytes()),
        IpAddr::V6(addr) => IpAddr::from((u128::from(addr) ^ 1 << 120).to_be_bytes()),
    }
}

/// As many sessions of each stretch, drawn with weights.
fn reweight(sessions: &[Session], port: u16, factor: f64) -> Vec<Session> {
    let mut drawn = Vec::new();
    let stretch = |session: &Session| session.end().as_nanos().div_euclid(STRETCH);
    let mut sorted: Vec<&Session> = sessions.iter().collect();
    sorted.sort_by_key(|session| session.end());
    let mut random = Random::new(SEED);
    for stretch in sorted.chunk_by(|a, b| stretch(a) == stretch(b)) {
        let (of_port, others): (Vec<&Session>, Vec<&Session>) =
            stretch.iter().partition(|session| session.key().resp.port == port);
        let weight = factor * of_port.len() as f64;
        let share = weight / (weight + others.len() as f64);
        for _ in 0..stretch.len() {
            let from = if f64::from(random.uniform()) < share { &of_port } else { &others };
            drawn.extend(from.get(random.below(from.len().max(1))).map(|session| (*session).clone()));
        }
    }
    drawn
}

/// The session at another time, as one of a table that runs for long.
fn moved(session: &Session, nanos: i128) -> Session {
    let mut moved = session.later(nanos);
    moved.cold = false;
    moved
}

/// When drift was called in a recording that changed at some moments, each tried alone.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DriftTrial {
    /// What was tried.
    pub name: String,
    /// Minutes that were watched from the change on, or from the beginning where there was none, at most.
    pub minutes: f64,
    /// For each moment, seconds from the change to the first alarm from then on; `None` without one.
    pub delays: Vec<Option<f64>>,
    /// Alarms before the change.
    pub false_alarms: usize,
    /// The largest share of an alarm's strength that there was before the change.
    pub strongest: f64,
    /// The first alarm of the first moment that had one.
    pub alarm: Option<DriftAlarm>,
}

impl DriftTrial {
    /// Watches a recording that changes at each of some moments in turn, seconds from its beginning.
    ///
    /// # Errors
    /// As [`Detector::drift`] and [`Detector::judge`].
    pub fn run(
        name: impl Into<String>,
        detector: &Detector,
        sessions: &[Session],
        change: &Change<'_>,
        moments: &[f64],
    ) -> Result<Self> {
        let first = sessions.iter().map(Session::start).min().unwrap_or_default();
        let mut trial =
            Self { name: name.into(), minutes: 0.0, delays: Vec::new(), false_alarms: 0, strongest: 0.0, alarm: None };
        for moment in moments {
            let at = first + Duration::from_secs_f64(*moment);
            let changed = change.apply(sessions, at);
            let last = changed.iter().map(Session::end).max().unwrap_or_default();
            trial.minutes = trial.minutes.max(last.since(at).as_secs_f64() / 60.0);
            let verdicts = detector.judge_all(&changed)?;
            trial.watch(detector, &changed, &verdicts, at, matches!(change, Change::None))?;
        }
        Ok(trial)
    }

    fn watch(
        &mut self,
        detector: &Detector,
        sessions: &[Session],
        verdicts: &[Verdict],
        at: Timestamp,
        steady: bool,
    ) -> Result<()> {
        let (mut drift, mut delay) = (detector.drift()?, None);
        for (session, verdict) in sessions.iter().zip(verdicts) {
            let alarm = drift.push(session, verdict);
            // What ended before the change is all that can be known before it.
            if steady || session.ended() < at {
                self.strongest = self.strongest.max(drift.strength() / drift.limit());
            }
            let Some(alarm) = alarm else { continue };
            if steady || alarm.at < at {
                self.false_alarms += 1;
            } else if delay.is_none() {
                delay = Some(alarm.at.since(at).as_secs_f64());
            }
            self.alarm.get_or_insert(alarm);
        }
        self.delays.push(delay);
        Ok(())
    }

    /// The middle and the largest of the delays in seconds; `None` where the change was missed.
    pub fn delay(&self) -> [Option<f64>; 2] {
        let mut delays: Vec<f64> = self.delays.iter().map(|delay| delay.unwrap_or(f64::INFINITY)).collect();
        delays.sort_unstable_by(f64::total_cmp);
        let called = |delay: Option<&f64>| delay.copied().filter(|delay| delay.is_finite());
        [called(delays.get(delays.len() / 2)), called(delays.last())]
    }

    /// The figures as JSON.
    pub fn to_value(&self) -> Value {
        json!({
            "name": self.name,
            "minutes": self.minutes,
            "delays": self.delays,
            "false_alarms": self.false_alarms,
            "strongest": self.strongest,
        })
    }
}

impl fmt::Display for DriftTrial {
    /// A row: what, minutes, false alarms, the strongest evidence without a change, the middle and longest delay.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let delays = self.delay().map(|delay| delay.map_or("not called".to_owned(), |delay| format!("{delay:.0} s")));
        let [middle, most] = if self.alarm.is_none() && self.minutes > 0.0 && self.delays.len() == 1 {
            ["-".to_owned(), "-".to_owned()]
        } else {
            delays
        };
        write!(
            f,
            "| {} | {:.0} | {} | {:.1e} | {middle} | {most} |",
            self.name, self.minutes, self.false_alarms, self.strongest
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::testing::{cut, frames};

    fn counts(sessions: &[Session]) -> [usize; 2] {
        let at = Timestamp::from_parts(300, 0);
        [sessions.iter().filter(|s| s.end() < at).count(), sessions.iter().filter(|s| s.end() >= at).count()]
    }

    #[test]
    fn a_change_begins_at_its_moment() {
        let sessions = cut(&frames(600, 1));
        let at = Timestamp::from_parts(300, 0);
        let apply = |change: Change<'_>| change.apply(&sessions, at);
        let same = counts(&sessions);
        assert_eq!(counts(&apply(Change::None)), same);
        let twice = apply(Change::Overlay(Duration::from_secs(60)));
        assert_eq!(counts(&twice), [same[0], 2 * same[1]]);
        assert!(twice.iter().all(|session| session.ended() >= session.end() && session.end() >= session.start()));
        assert_eq!(counts(&apply(Change::Thin { port: 80, share: 0.0 })), [same[0], 0]);
        let half = counts(&apply(Change::Thin { port: 80, share: 0.5 }))[1];
        assert!(half.abs_diff(same[1] / 2) < 30, "{half}");
        let half = counts(&apply(Change::Load(0.5)));
        assert!(half[0] == same[0] && half[1].abs_diff(same[1] / 2) < 30, "{half:?}");
        let other = apply(Change::Other(&sessions));
        assert_eq!(counts(&other), [same[0], 600]);
        assert!(other.is_sorted_by_key(Session::ended) && other.iter().any(|session| session.end() == at));
    }

    #[test]
    fn weights_change_the_mix_and_not_the_number() {
        let mut sessions = cut(&frames(600, 1));
        sessions.iter_mut().step_by(4).for_each(|session| session.key.resp.port = 443);
        let drawn = Change::Reweight { port: 443, factor: 3.0 }.apply(&sessions, Timestamp::from_nanos(0));
        assert_eq!(drawn.len(), 600);
        let share = drawn.iter().filter(|session| session.key().resp.port == 443).count() as f64 / 600.0;
        assert!((share - 0.5).abs() < 0.08, "{share}");
    }

    #[test]
    fn a_trial_tells_steady_from_changed() {
        let benign = cut(&frames(2400, 1));
        let detector = Detector::recipe().heads(&["forest"]).unwrap().false_positive_rate(0.02).fit(&benign).unwrap();
        let sessions = cut(&frames(2400, 2));
        let steady = DriftTrial::run("steady", &detector, &sessions, &Change::None, &[0.0]).unwrap();
        assert_eq!((steady.false_alarms, &steady.delays[..]), (0, &[None][..]));
        assert!(steady.strongest < 0.01 && (steady.minutes - 40.0).abs() < 1.0);
        assert!(steady.to_string().ends_with("| - | - |"), "{steady}");
        let twice = Change::Overlay(Duration::from_secs(100));
        let twice = DriftTrial::run("twice", &detector, &sessions, &twice, &[600.0, 1000.0]).unwrap();
        assert_eq!((twice.false_alarms, twice.delays.len()), (0, 2));
        let [middle, most] = twice.delay().map(|delay| delay.unwrap());
        assert!(middle <= most && most < 500.0 && middle > 120.0, "{twice}");
        assert!(twice.alarm.is_some() && twice.to_value()["delays"][0].is_number());
    }
}
