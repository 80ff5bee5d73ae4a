//! The scores of the last sessions of each pair, in bounded memory.

use super::{EvidenceConfig, EvidenceKey};
use crate::{
    Result, Timestamp,
    decode::{Protocol, parent_domain},
    session::{Outcome, Session},
};
use hashlink::LinkedHashMap;
use std::{
    collections::{VecDeque, hash_map::RandomState},
    net::IpAddr,
};

/// Adds up scores over sessions, which go in in the order in which they became known: at each look, and at their end.
///
/// Memory is bounded by [`limit`](EvidenceConfig::limit). Keys with a single session, as a flood of forged senders makes
/// them, only push out others with a single session; forging each sender twice pushes out those with more as well. A session
/// whose key was pushed out stands alone then, at its full score: what adds up is lost, not what is strange by itself.
#[derive(Debug)]
pub struct Accumulator {
    config: EvidenceConfig,
    now: Timestamp,
    /// Keys with one session, and keys with more, each by last session.
    once: Keys,
    often: Keys,
    evicted: u64,
}

type Keys = LinkedHashMap<Key, VecDeque<Entry>, RandomState>;

/// The last look at a session.
#[derive(Debug, Clone, Copy)]
struct Entry {
    at: Timestamp,
    id: u64,
    score: f32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Pair(IpAddr, IpAddr),
    Activity(IpAddr, Protocol, Option<String>, Outcome),
}

impl Key {
    fn of(session: &Session, outcome: Outcome, kind: EvidenceKey) -> Self {
        let flow = session.key();
        match kind {
            EvidenceKey::Pair => Self::Pair(flow.orig.addr, flow.resp.addr),
            EvidenceKey::Activity => {
                let domain = session.dns().map(|dns| parent_domain(&dns.name).to_owned());
                Self::Activity(flow.orig.addr, flow.protocol, domain, outcome)
            }
        }
    }
}

/// What a session's evidence comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Weighed {
    /// The score of the sessions together, higher = stranger.
    pub score: f32,
    /// How many sessions it is made from, itself among them.
    pub sessions: u32,
}

impl Accumulator {
    /// Without any session.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) where a value of the configuration is out of its range.
    pub fn new(config: EvidenceConfig) -> Result<Self> {
        config.check()?;
        let (once, often) = (Keys::default(), Keys::default());
        Ok(Self { config, now: Timestamp::from_nanos(i64::MIN), once, often, evicted: 0 })
    }

    /// Takes in a session that became known after all before, with its own score. `id` is that of no other session; where it
    /// was taken in before, its score is updated.
    pub fn add(&mut self, id: u64, session: &Session, score: f32) -> Weighed {
        self.add_look(id, session, session.looks().len(), score)
    }

    /// As [`add`](Self::add), for the session as it was at a look.
    pub(crate) fn add_look(&mut self, id: u64, session: &Session, look: usize, score: f32) -> Weighed {
        self.now = self.now.max(session.moment(look).at);
        self.forget();
        let entry = Entry { at: self.now, id, score };
        let outcome = session.outcome_at(look);
        let alone = Weighed { score, sessions: 1 };
        let mut strangest: Option<Weighed> = None;
        for i in 0..self.config.keys.len() {
            let kind = self.config.keys[i];
            if kind == EvidenceKey::Activity {
                // It counts for one outcome, that which it has now.
                for other in [Outcome::Pending, Outcome::Failed, Outcome::Answered] {
                    if other != outcome {
                        self.take_back(&Key::of(session, other, kind), id);
                    }
                }
            }
            if let Some(together) = self.note(Key::of(session, outcome, kind), entry)
                && strangest.is_none_or(|other| together.score > other.score)
            {
                strangest = Some(together);
            }
        }
        let own = self.config.own * score;
        strangest.map_or(alone, |together| Weighed { score: together.score.max(own), ..together })
    }

    /// The sessions that a session is added up with, itself among them, by each key that has enough of them: number and
    /// score of each.
    pub(crate) fn windows(
        &self,
        session: &Session,
        look: usize,
    ) -> impl Iterator<Item = impl Iterator<Item = (u64, f32)>> {
        let outcome = session.outcome_at(look);
        let known = self.config.keys.iter().filter_map(move |kind| {
            let key = Key::of(session, outcome, *kind);
            self.often.get(&key).or_else(|| self.once.get(&key))
        });
        let enough = known.filter(|entries| entries.len() >= self.config.from);
        enough.map(|entries| entries.iter().map(|entry| (entry.id, entry.score)))
    }

    /// What [`add_look`](Self::add_look) would give, and then [`windows`](Self::windows), had it taken the look in.
    pub(crate) fn preview(
        &self,
        id: u64,
        session: &Session,
        look: usize,
        score: f32,
    ) -> (Weighed, Vec<Vec<(u64, f32)>>) {
        let now = self.now.max(session.moment(look).at);
        let window = |kind: &EvidenceKey| {
            let key = Key::of(session, session.outcome_at(look), *kind);
            let known = self.often.get(&key).or_else(|| self.once.get(&key)).into_iter().flatten();
            let mut entries: Vec<Entry> = known.filter(|entry| entry.id != id).copied().collect();
            entries.drain(..(entries.len() + 1).saturating_sub(self.config.last));
            entries.push(Entry { at: now, id, score });
            let late = entries.iter().take_while(|entry| now.since(entry.at) > self.config.span).count();
            entries.drain(..late);
            (entries.len() >= self.config.from)
                .then(|| entries.iter().map(|entry| (entry.id, entry.score)).collect::<Vec<_>>())
        };
        let windows: Vec<Vec<(u64, f32)>> = self.config.keys.iter().filter_map(window).collect();
        let alone = Weighed { score, sessions: 1 };
        let strangest = windows.iter().map(|window| mean(window.iter().map(|(_, score)| *score))).fold(
            None,
            |strangest: Option<Weighed>, together| {
                Some(strangest.filter(|other| other.score >= together.score).unwrap_or(together))
            },
        );
        let own = self.config.own * score;
        let weighed = strangest.map_or(alone, |together| Weighed { score: together.score.max(own), ..together });
        (weighed, windows)
    }

    /// Keys dropped because there were too many.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Keys remembered.
    pub fn keys(&self) -> usize {
        self.once.len() + self.often.len()
    }

    /// Forgets keys whose last session is too long ago.
    fn forget(&mut self) {
        for keys in [&mut self.once, &mut self.often] {
            let gone = |entries: &VecDeque<Entry>| {
                entries.back().is_none_or(|entry| self.now.since(entry.at) > self.config.span)
            };
            while keys.front().is_some_and(|(_, entries)| gone(entries)) {
                keys.pop_front();
            }
        }
    }

    /// A session counts for this key no more.
    fn take_back(&mut self, key: &Key, id: u64) {
        for keys in [&mut self.once, &mut self.often] {
            if let Some(entries) = keys.get_mut(key) {
                entries.retain(|entry| entry.id != id);
                if entries.is_empty() {
                    keys.remove(key);
                }
            }
        }
    }

    /// Notes a look at a session of a key, and gives the mean of its sessions where there are enough.
    fn note(&mut self, key: Key, entry: Entry) -> Option<Weighed> {
        let another = |entries: &VecDeque<Entry>| entries.len() > 1 || entries.iter().any(|other| other.id != entry.id);
        let known = match self.often.to_back(&key) {
            // Most looks are at such a key: it keeps its place in memory.
            Some(entries) if another(entries) => return take_in(entries, entry, &self.config),
            Some(_) => self.often.remove(&key),
            None => self.once.remove(&key),
        };
        let keys = if known.as_ref().is_some_and(another) { &mut self.often } else { &mut self.once };
        if keys.len() >= self.config.limit / 2 {
            keys.pop_front();
            self.evicted += 1;
        }
        let mut entries = known.unwrap_or_default();
        let together = take_in(&mut entries, entry, &self.config);
        keys.insert(key, entries);
        together
    }
}

/// Adds the last look at a session to those of its key, and gives the mean of its sessions where there are enough.
fn take_in(entries: &mut VecDeque<Entry>, entry: Entry, config: &EvidenceConfig) -> Option<Weighed> {
    entries.retain(|other| other.id != entry.id);
    if entries.len() == config.last {
        entries.pop_front();
    }
    entries.push_back(entry);
    while entries.front().is_some_and(|first| entry.at.since(first.at) > config.span) {
        entries.pop_front();
    }
    let together = mean(entries.iter().map(|entry| entry.score));
    (together.sessions as usize >= config.from).then_some(together)
}

/// The mean of some scores.
fn mean(scores: impl ExactSizeIterator<Item = f32>) -> Weighed {
    let count = scores.len();
    let mean = scores.map(f64::from).sum::<f64>() / count as f64;
    Weighed { score: mean as f32, sessions: count as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        detector::testing::{cut, frames},
        session::Endpoint,
    };
    use proptest::prelude::*;
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        time::Duration,
    };

    fn session(source: u32, destination: u32, ended: i64) -> Session {
        let mut session = cut(&frames(1, 1)).remove(0);
        let end = |host: u32, port| Endpoint { addr: IpAddr::from(host.to_be_bytes()), port };
        (session.key.orig, session.key.resp) = (end(source, 1000), end(destination, 80));
        (session.ended, session.known) = (Timestamp::from_parts(ended, 0), None);
        session
    }

    impl Accumulator {
        /// Takes in a session that was not there before.
        fn another(&mut self, session: &Session, score: f32) -> Weighed {
            static NEXT: AtomicU64 = AtomicU64::new(1 << 32);
            self.add(NEXT.fetch_add(1, Ordering::Relaxed), session, score)
        }
    }

    fn accumulator(config: EvidenceConfig) -> Accumulator {
        Accumulator::new(config).unwrap()
    }

    fn config() -> EvidenceConfig {
        EvidenceConfig { own: 0.0, ..EvidenceConfig::default() }
    }

    #[test]
    fn the_mean_counts_from_three_sessions_of_a_pair_on() {
        let mut evidence = accumulator(config());
        let scores = [1.0, 3.0, 5.0, 7.0].map(|score| evidence.another(&session(1, 2, 10), score));
        assert_eq!(scores.map(|w| (w.score, w.sessions)), [(1.0, 1), (3.0, 1), (3.0, 3), (4.0, 4)]);
        assert_eq!(evidence.another(&session(2, 1, 10), 9.0).score, 9.0, "the other direction is another pair");
        assert_eq!(evidence.keys(), 2);
    }

    #[test]
    fn a_later_look_updates_what_a_session_counts() {
        let mut evidence = accumulator(config());
        let scores = [(1, 1.0), (2, 3.0), (1, 5.0), (3, 1.0), (2, 9.0)];
        let weighed = scores.map(|(id, score)| evidence.add(id, &session(1, 2, 10), score));
        assert_eq!(weighed.map(|w| (w.score, w.sessions)), [(1.0, 1), (3.0, 1), (5.0, 1), (3.0, 3), (5.0, 3)]);
        // With its last look it stays: 60 s behind the first look at the others.
        evidence.add(1, &session(1, 2, 60), 2.0);
        assert_eq!(evidence.another(&session(1, 2, 71), 6.0), Weighed { score: 6.0, sessions: 1 });
        assert_eq!(evidence.another(&session(1, 2, 71), 7.0), Weighed { score: 5.0, sessions: 3 });
        let both = vec![EvidenceKey::Pair, EvidenceKey::Activity];
        let mut evidence = accumulator(EvidenceConfig { keys: both, ..config() });
        let mut changing = session(1, 2, 10);
        for outcome in [Outcome::Pending, Outcome::Failed, Outcome::Answered] {
            changing.outcome = outcome;
            evidence.add(1, &changing, 1.0);
            assert_eq!(evidence.keys(), 2, "of its outcome it counts for the last alone");
        }
        assert_eq!((evidence.once.len(), evidence.often.len()), (2, 0), "many looks are one session");
    }

    #[test]
    fn a_session_far_stranger_than_its_pair_stands_for_itself() {
        let mut evidence = accumulator(EvidenceConfig::default());
        let usual = [0.0; 7].map(|score| evidence.another(&session(1, 2, 10), score).score);
        assert_eq!(usual, [0.0; 7]);
        assert_eq!(evidence.another(&session(1, 2, 10), 16.0), Weighed { score: 8.0, sessions: 8 });
    }

    #[test]
    fn activity_counts_over_destinations() {
        let mut evidence = accumulator(EvidenceConfig { keys: vec![EvidenceKey::Activity], ..config() });
        let scores =
            [2, 3, 4].map(|destination| evidence.another(&session(1, destination, 10), destination as f32).score);
        assert_eq!(scores, [2.0, 3.0, 3.0]);
        let both = vec![EvidenceKey::Pair, EvidenceKey::Activity];
        let mut evidence = accumulator(EvidenceConfig { keys: both, ..config() });
        for _ in 0..3 {
            evidence.another(&session(1, 2, 10), 9.0);
        }
        assert_eq!(evidence.another(&session(1, 3, 10), 1.0).score, 7.0);
    }

    #[test]
    fn a_flood_of_pairs_stays_within_the_limit_and_leaves_known_pairs() {
        let mut evidence = accumulator(EvidenceConfig { limit: 100, ..config() });
        for _ in 0..2 {
            evidence.another(&session(1, 2, 10), 4.0);
        }
        for source in 0..10_000 {
            evidence.another(&session(source, 9, 20), 1.0);
            assert!(evidence.keys() <= 100);
        }
        assert_eq!(evidence.evicted(), 10_000 - 50);
        assert_eq!(evidence.another(&session(1, 2, 30), 4.0), Weighed { score: 4.0, sessions: 3 });
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        let refuse = |config: EvidenceConfig| Accumulator::new(config).unwrap_err().to_string();
        assert_eq!(
            refuse(EvidenceConfig { keys: vec![], ..config() }),
            "number of evidence keys is 0, it must be at least 1"
        );
        assert_eq!(refuse(EvidenceConfig { last: 65, ..config() }), "last is 65, it must be 1 to 64");
        assert_eq!(refuse(EvidenceConfig { from: 9, ..config() }), "from is 9, it must be 1 to last, 8");
        assert_eq!(refuse(EvidenceConfig { own: f32::NAN, ..config() }), "own is NaN, it must be 0 to 1");
        assert_eq!(refuse(EvidenceConfig { span: Duration::ZERO, ..config() }), "span is 0 s, it must be above 0 s");
        assert_eq!(refuse(EvidenceConfig { limit: 1, ..config() }), "limit is 1, it must be at least 2");
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_list(steps in prop::collection::vec((0u32..4, 0i64..40, 0u8..100), 1..80)) {
            let mut evidence = accumulator(config());
            let (mut seen, mut now) = (Vec::new(), 0);
            for (source, step, score) in steps {
                now += step;
                let score = f32::from(score);
                seen.push((source, now, score));
                let of_pair = seen.iter().rev().filter(|(s, at, _)| *s == source && now - at <= 60).take(8);
                let scores: Vec<f32> = of_pair.map(|(.., score)| *score).collect();
                let mean = scores.iter().sum::<f32>() / scores.len() as f32;
                let expected = if scores.len() < 3 { score } else { mean };
                let weighed = evidence.another(&session(source, 9, now), score);
                prop_assert!((weighed.score - expected).abs() < 1e-4);
            }
        }

        #[test]
        fn a_preview_is_what_taking_in_gives(
            steps in prop::collection::vec((0u64..12, 0u32..3, 0i64..40, 0u8..100), 1..80), activity: bool,
        ) {
            let keys = if activity { vec![EvidenceKey::Activity, EvidenceKey::Pair] } else { vec![EvidenceKey::Pair] };
            let mut evidence = accumulator(EvidenceConfig { keys, ..EvidenceConfig::default() });
            let mut now = 0;
            for (id, source, step, score) in steps {
                now += step;
                let (session, score) = (session(source, 9, now), f32::from(score));
                let (previewed, windows) = evidence.preview(id, &session, 0, score);
                prop_assert_eq!(previewed, evidence.add_look(id, &session, 0, score));
                let taken: Vec<Vec<(u64, f32)>> = evidence.windows(&session, 0).map(Iterator::collect).collect();
                prop_assert_eq!(windows, taken);
            }
        }
    }
}
