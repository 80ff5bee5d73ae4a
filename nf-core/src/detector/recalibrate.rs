//! A new calibration from recent traffic, without training, that an attack in it does not make normal.

use super::{
    Detector, Evidence, HeldOut, Span, drift,
    looks::{Row, highest, weigh_all},
};
use crate::{
    Error, ErrorKind, Result,
    calibration::{Calibration, Phased, check_rate},
    decode::Protocol,
    session::{KeyKind, Session, SessionConfig},
};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, hash::Hash, sync::Arc};

/// How many times as often, or as seldom, as in the calibration that the detector was fitted with a score may come among the
/// sessions calibrated on. It bounds the cut on both sides, after however many recalibrations: no score's p-value grows or
/// shrinks by more.
const MOST_CHANGE: f64 = 10.0;
/// Sessions with at most this p-value are strange.
const STRANGE: f64 = 0.01;
/// So few strange sessions of a host or a pair are no clump: benign ones come in such too, and to leave out all would lower the
/// cut.
const LEAST_CLUMP: f64 = 8.0;
/// With a larger share of the sessions in clumps this is no benign traffic with an attack in it.
const MOST_CLUMPED: f64 = 0.5;
/// Fewer sessions than this are not calibrated on, whatever the budget: they show too little of what is normal.
const FEWEST: usize = 500;

/// What a recalibration was made from. It is kept with the detector, in its file too.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RecalibrationRecord {
    /// Why it was made, in the words of whoever did; empty where none were given.
    pub reason: String,
    /// The recent sessions that were given.
    pub recent: Span,
    /// How many of them were calibrated on.
    pub kept: u64,
    /// How many strange ones came in clumps: of one source, to one destination, or of one pair. None was calibrated on.
    pub clumped: u64,
    /// How many strange sessions of the first calibration stand in for these: half as many as there are too few for 1 in
    /// 100 of all to be strange, and no more than were left out.
    #[serde(default)]
    pub replaced: u64,
    /// How many of those outside of clumps were left out because so strange ones came more than ten times as often as they
    /// should.
    pub trimmed: u64,
    /// The share of the sessions outside of clumps with a p-value of at most 0.01; 0.01 where nothing changed.
    pub strange_share: f64,
}

/// The calibration that a detector was made with.
#[derive(Debug)]
pub(super) struct Original {
    pub(super) combined: Arc<Calibration>,
    pub(super) evidence: Option<Arc<Evidence>>,
    pub(super) held_out: Arc<[HeldOut]>,
    pub(super) drift: Option<Arc<drift::Basis>>,
    pub(super) calibration: Span,
}

impl Original {
    /// The strange ones among the sessions it was calibrated on, without those of a first minute: recent ones mostly have none.
    fn strange(&self) -> Vec<HeldOut> {
        let p_value = |held: &HeldOut| match self.evidence.as_deref() {
            Some(evidence) => evidence.calibration.p_value(held.score, held.cold),
            None => self.combined.p_value(held.score),
        };
        self.held_out.iter().filter(|held| !held.cold && p_value(held) <= STRANGE).copied().collect()
    }
}

/// A recalibration before it is made.
#[derive(Debug, Clone)]
pub struct Recalibration<'a> {
    detector: &'a Detector,
    rate: f64,
    sessions: Option<SessionConfig>,
    reason: String,
    threads: usize,
}

impl Detector {
    /// The same heads calibrated on recent benign sessions of one session table, in any order: no training.
    ///
    /// A session's scores stay what they are; what they are held against is the recent sessions, beside a tenth from the
    /// calibration that the detector was made with. So that an attack among them does not become normal, two kinds of session are left
    /// out: strange ones in clumps (of one source, to one destination, or of one pair more than ten times as many as the
    /// calibration foretells), as attacks are; and the strangest of the rest, as far as they come more than ten times as often as
    /// they should. Benign ones come in clumps as well, and without them the cut would fall: for those left out stand strange
    /// sessions of the first calibration, half as many as there are too few for 1 in 100 of all to be strange. Together with the tenth this bounds what a recalibration, or any number of them, can do: no
    /// p-value becomes more than about ten times what it was with the first calibration, nor less than a tenth of it.
    ///
    /// [`recalibration`](Self::recalibration) has what can be set.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] where there are too few sessions, or these are too strange to be the same network's benign
    /// traffic: more than half of them in clumps, or more than a tenth of the others strange; the share is named. Also as
    /// [`judge`](Self::judge). [`ErrorKind::Config`] where the sessions were cut otherwise than those of the training.
    pub fn recalibrate(&self, recent: &[Session]) -> Result<Self> {
        self.recalibration().run(recent)
    }

    /// A recalibration with settings of its own.
    pub fn recalibration(&self) -> Recalibration<'_> {
        let (rate, threads) = (self.rate, self.threads);
        Recalibration { detector: self, rate, sessions: None, reason: String::new(), threads }
    }

    /// The recalibrations behind this detector, the earliest first.
    pub fn recalibrations(&self) -> &[RecalibrationRecord] {
        &self.recalibrations
    }

    /// The detector with the calibration it was made with; `None` where it still has that.
    pub fn before_recalibration(&self) -> Option<Self> {
        let original = self.original.as_deref()?;
        let mut provenance = self.provenance.clone();
        provenance.calibration = original.calibration;
        let before = Self {
            combined: original.combined.clone(),
            evidence: original.evidence.clone(),
            held_out: original.held_out.clone(),
            drift: original.drift.clone(),
            original: None,
            recalibrations: Arc::new([]),
            provenance,
            ..self.clone()
        };
        // The rate of the recalibration may be too small for the first calibration: that is used at what it can promise.
        before.with_false_positive_rate(self.rate).ok().or(Some(before))
    }

    fn to_original(&self) -> Arc<Original> {
        let own = || Original {
            combined: self.combined.clone(),
            evidence: self.evidence.clone(),
            held_out: self.held_out.clone(),
            drift: self.drift.clone(),
            calibration: self.provenance.calibration,
        };
        self.original.clone().unwrap_or_else(|| Arc::new(own()))
    }
}

impl Recalibration<'_> {
    /// The budget of the new detector; that of the old one unless set.
    #[must_use]
    pub fn false_positive_rate(mut self, rate: f64) -> Self {
        self.rate = rate;
        self
    }

    /// How the packets were cut into the recent sessions, to be checked against the training's; the same unless set.
    #[must_use]
    pub fn session_config(mut self, config: &SessionConfig) -> Self {
        self.sessions = Some(config.clone());
        self
    }

    /// Why it is made, to be kept with the detector: an alarm's words, for instance.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// How many threads judge the sessions, 0 for one a core; as the detector's unless set.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Calibrates on recent sessions.
    ///
    /// # Errors
    /// As [`Detector::recalibrate`].
    pub fn run(&self, recent: &[Session]) -> Result<Detector> {
        check_rate(self.rate)?;
        if let Some(config) = &self.sessions {
            self.detector.check_sessions(config)?;
        }
        if recent.len() < FEWEST {
            let (count, more) = (recent.len(), FEWEST - recent.len());
            return Err(data(format!(
                "{count} recent sessions to recalibrate on, at least {FEWEST} are needed: {more} more"
            )));
        }
        self.check_cut(recent)?;
        let first = self.detector.before_recalibration();
        let first = first.as_ref().unwrap_or(self.detector);
        let sessions: Vec<&Session> = recent.iter().collect();
        let all = Kept::all(&first.clone().with_threads(self.threads), &sessions)?;
        let sorted = Sorted::new(first, &all)?;
        let kept = sorted.kept(first, &all)?;
        if kept.sessions.len() < FEWEST {
            let (count, all) = (kept.sessions.len(), recent.len());
            return Err(data(format!(
                "{count} of {all} recent sessions are fit to calibrate on, at least {FEWEST} are needed"
            )));
        }
        let record = RecalibrationRecord {
            reason: self.reason.clone(),
            recent: Span::of(&sessions),
            kept: kept.sessions.len() as u64,
            clumped: sorted.clumped as u64,
            replaced: sorted.replaced() as u64,
            trimmed: sorted.trimmed(&all, &kept) as u64,
            strange_share: sorted.strange_share,
        };
        self.assemble(first, &kept, record)
    }

    fn assemble(&self, first: &Detector, kept: &Kept<'_>, record: RecalibrationRecord) -> Result<Detector> {
        let original = self.detector.to_original();
        // A tenth, so that nothing that was usual becomes more than ten times as strange.
        let tenth = (kept.sessions.len() as f64 / (MOST_CHANGE - 1.0)).round() as usize;
        let replaced = record.replaced as usize;
        let then = original.combined.scores();
        let strange = &then[then.partition_point(|score| original.combined.p_value(*score) > STRANGE)..];
        let combined = [&kept.scores[..], &spread_out(then, tenth), &spread_out(strange, replaced)].concat();
        let evidence = match &self.detector.evidence {
            Some(evidence) => {
                let mut strange = original.strange();
                strange.sort_by(|a, b| a.score.total_cmp(&b.score));
                let then = [spread_out(&original.held_out, tenth), spread_out(&strange, replaced)].concat();
                let scores: Vec<f32> =
                    kept.deciding.iter().copied().chain(then.iter().map(|held| held.score)).collect();
                let cold = kept.sessions.iter().map(|session| session.is_cold());
                let cold: Vec<bool> = cold.chain(then.iter().map(|held| held.cold)).collect();
                Some(Arc::new(Evidence { config: evidence.config.clone(), calibration: Phased::fit(&scores, &cold)? }))
            }
            None => None,
        };
        let held_out = kept.sessions.iter().zip(&kept.deciding).map(|(session, score)| HeldOut::new(session, *score));
        let mut provenance = self.detector.provenance.clone();
        provenance.calibration = Span::of(&kept.sessions);
        let records = [&self.detector.recalibrations[..], &[record]].concat();
        let detector = Detector {
            combined: Calibration::fit(&combined)?.into(),
            evidence,
            held_out: held_out.collect(),
            original: Some(original),
            recalibrations: records.into(),
            provenance,
            ..self.detector.clone()
        };
        let mut detector = detector.with_false_positive_rate(self.rate)?;
        // Where this is too little time to say how traffic varies now, what was known stays.
        if let Some(learned) = detector.learn_basis(&[&kept.sessions], first.drift.as_deref(), self.threads)? {
            detector.drift = Some(Arc::new(learned));
        }
        Ok(detector)
    }

    /// What sessions themselves show of how they were cut.
    fn check_cut(&self, recent: &[Session]) -> Result<()> {
        let own = &self.detector.sessions;
        let config = SessionConfig {
            // One that keeps the pair alone has no protocol.
            key: match recent.iter().all(|session| session.key().protocol == Protocol::Other(0)) {
                true => KeyKind::HostPair,
                false => KeyKind::FiveTuple,
            },
            context: recent.iter().all(|session| session.context().is_some()) || !own.context,
            // A session of more packets than it keeps says how many that are.
            max_packets: recent
                .iter()
                .filter(|session| session.stats().packets() > session.packets().len() as u64)
                .map(|session| session.packets().len().max(1) as u32)
                .min()
                .unwrap_or(own.max_packets),
            ..own.clone()
        };
        self.detector.check_sessions(&config).map_err(|e| e.at("recent sessions"))
    }
}

/// Which sessions are no part of a clump of strange ones.
struct Sorted {
    /// For each session.
    outside: Vec<bool>,
    clumped: usize,
    /// Of those outside.
    strange_share: f64,
}

impl Sorted {
    fn new(first: &Detector, all: &Kept<'_>) -> Result<Self> {
        let sessions = &all.sessions;
        let strange: Vec<bool> = (0..sessions.len()).map(|i| all.p_value(first, i) <= STRANGE).collect();
        let mut outside = vec![true; sessions.len()];
        let ends = |session: &Session| (session.key().orig.addr, session.key().resp.addr);
        leave_out_clumps(sessions, &strange, &mut outside, |session| ends(session).0);
        leave_out_clumps(sessions, &strange, &mut outside, |session| ends(session).1);
        leave_out_clumps(sessions, &strange, &mut outside, ends);
        let clumped = outside.iter().filter(|outside| !**outside).count();
        let share = clumped as f64 / sessions.len() as f64;
        if share > MOST_CLUMPED {
            let message = format!(
                "{:.0} % of the recent sessions are strange and come in clumps of one host or pair, at most {:.0} % may: choose a time without an attack, or fit anew",
                share * 100.0,
                MOST_CLUMPED * 100.0
            );
            return Err(data(message));
        }
        let left = strange.iter().zip(&outside).filter(|(strange, outside)| **strange && **outside).count();
        let strange_share = left as f64 / (sessions.len() - clumped) as f64;
        if strange_share > STRANGE * MOST_CHANGE {
            let message = format!(
                "{:.1} % of the recent sessions are stranger than all but 1 % of those calibrated on, at most {:.0} % may be: this is other traffic than the heads learned, fit anew",
                strange_share * 100.0,
                STRANGE * MOST_CHANGE * 100.0
            );
            return Err(data(message));
        }
        Ok(Self { outside, clumped, strange_share })
    }

    /// How many strange sessions of the first calibration stand in for those in clumps: half as many as there are too few.
    /// With none the cut falls, since benign sessions come in clumps too; with all it rises wherever the others are stranger
    /// than those were, and an attack among the recent sessions, which leaves more to fill, costs recall.
    fn replaced(&self) -> usize {
        let count = (self.outside.len() - self.clumped) as f64;
        (fill(self.strange_share * count, count) / 2).min(self.clumped)
    }

    /// Those outside of clumps, but for the strangest that come too often. With the scores they have without the others.
    fn kept<'a>(&self, first: &Detector, all: &Kept<'a>) -> Result<Kept<'a>> {
        let kept = all.those(first, &self.outside)?;
        let seldom = seldom_enough(&kept.scores, |i| first.combined.p_value(kept.scores[i]));
        let kept = kept.those(first, &seldom)?;
        let seldom = seldom_enough(&kept.deciding, |i| kept.p_value(first, i));
        kept.those(first, &seldom)
    }
}

impl Sorted {
    /// How many of those outside of clumps are not kept.
    fn trimmed(&self, all: &Kept<'_>, kept: &Kept<'_>) -> usize {
        let mut rest = kept.sessions.iter().peekable();
        let mut out = 0;
        for (session, outside) in all.sessions.iter().zip(&self.outside) {
            match rest.next_if(|kept| std::ptr::eq(**kept, *session)) {
                Some(_) => {}
                None => out += usize::from(*outside),
            }
        }
        out
    }
}

/// Sessions to calibrate on.
struct Kept<'a> {
    sessions: Vec<&'a Session>,
    /// The looks at them with their own scores.
    rows: Vec<(Row<'a>, f32)>,
    /// The highest of these of each session.
    scores: Vec<f32>,
    /// Their deciding scores before calibration.
    deciding: Vec<f32>,
}

impl<'a> Kept<'a> {
    fn all(first: &Detector, sessions: &[&'a Session]) -> Result<Self> {
        let rows = Row::all(sessions);
        let own = first.own_scores(&rows)?;
        Self::new(first, sessions.to_vec(), rows.into_iter().zip(own).collect())
    }

    fn new(first: &Detector, sessions: Vec<&'a Session>, rows: Vec<(Row<'a>, f32)>) -> Result<Self> {
        let (looks, own): (Vec<Row<'a>>, Vec<f32>) = rows.iter().copied().unzip();
        let scores = highest(sessions.len(), &looks, &own);
        let deciding = match first.evidence.as_deref() {
            Some(evidence) => highest(sessions.len(), &looks, &weigh_all(&evidence.config, &looks, &own)?),
            None => scores.clone(),
        };
        Ok(Self { sessions, rows, scores, deciding })
    }

    /// Some of them, with the evidence that they alone come to.
    fn those(&self, first: &Detector, which: &[bool]) -> Result<Self> {
        let mut places = vec![0; which.len()];
        let mut sessions = Vec::new();
        for i in (0..which.len()).filter(|&i| which[i]) {
            places[i] = sessions.len();
            sessions.push(self.sessions[i]);
        }
        let of_those = self.rows.iter().filter(|(row, _)| which[row.place]);
        let rows = of_those.map(|(row, score)| (Row { place: places[row.place], ..*row }, *score)).collect();
        Self::new(first, sessions, rows)
    }

    /// The p-value that decides on a session, by the first calibration.
    fn p_value(&self, first: &Detector, i: usize) -> f64 {
        match first.evidence.as_deref() {
            Some(evidence) => evidence.calibration.p_value(self.deciding[i], self.sessions[i].is_cold()),
            None => first.combined.p_value(self.scores[i]),
        }
    }
}

/// Leaves out the strange sessions of each key that has more of them than ten times as many as benign ones would, by three
/// deviations of chance.
fn leave_out_clumps<K: Hash + Eq>(
    sessions: &[&Session],
    strange: &[bool],
    outside: &mut [bool],
    key: impl Fn(&Session) -> K,
) {
    let mut counts: HashMap<K, (f64, f64)> = HashMap::new();
    for (session, strange) in sessions.iter().zip(strange) {
        let (all, some) = counts.entry(key(session)).or_default();
        *all += 1.0;
        *some += f64::from(u8::from(*strange));
    }
    for ((session, strange), outside) in sessions.iter().zip(strange).zip(outside) {
        let (all, some) = counts.get(&key(session)).copied().unwrap_or_default();
        let foretold = all * STRANGE * MOST_CHANGE;
        if *strange && some > LEAST_CLUMP.max(foretold + 3.0 * foretold.sqrt()) {
            *outside = false;
        }
    }
}

/// Which of some sessions may stay where none may come more than ten times as often as its p-value says; the strangest go.
fn seldom_enough(scores: &[f32], p_value: impl Fn(usize) -> f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let (mut stay, mut kept) = (vec![false; scores.len()], 0.0);
    for i in order {
        stay[i] = kept + 1.0 <= (MOST_CHANGE * p_value(i) * scores.len() as f64).max(1.0);
        kept += f64::from(u8::from(stay[i]));
    }
    stay
}

/// How many strange sessions there must be more for these to be as many as the first calibration foretells.
fn fill(strange: f64, all: f64) -> usize {
    ((STRANGE * all - strange) / (1.0 - STRANGE)).max(0.0).round() as usize
}

/// So many of `all`, at equal distances; some more than once where there are fewer.
fn spread_out<T: Copy>(all: &[T], count: usize) -> Vec<T> {
    (0..count).filter_map(|i| all.get((2 * i + 1) * all.len() / (2 * count)).copied()).collect()
}

fn data(message: String) -> Error {
    Error::new(ErrorKind::Data, message)
}

#[cfg(test)]
mod tests;
