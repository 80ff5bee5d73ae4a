//! Watching whether live traffic still is what a detector was calibrated on.

mod alarm;
mod basis;
mod block;
#[cfg(test)]
mod tests;

pub use alarm::{DriftAlarm, Moved};
pub(super) use basis::{Basis, watched};

use super::Detector;
use crate::{
    Error, ErrorKind, Result, Timestamp, Verdict,
    calibration::ChangeTest,
    features::FlatColumn,
    session::{Session, SessionConfig},
};
use basis::{FEWEST, block_of};
use block::{BREADTH, Block, ColumnSums, LOAD, LOW_P, MEAN_P, SERVICES};
use std::{collections::VecDeque, fmt, sync::Arc, time::Duration};

/// One false alarm in so long, on average, unless told otherwise.
const FALSE_ALARM_EVERY: Duration = Duration::from_secs(30 * 86_400);
/// Fewer blocks than this between false alarms are not asked for: every burst would be one.
const LEAST_LIMIT: f64 = 100.0;
/// Longest wait for the sessions of a block: an idle timeout above this does not hold the watch up.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// Blocks of which the latest are kept, to say what is typical now.
const KEPT: usize = 16;
/// Deviations from which on something is said to have moved.
const WORTH_A_WORD: f64 = 1.5;
/// Most columns named.
const MOST_NAMED: usize = 5;

/// Watches whether live traffic still is what a detector was calibrated on. Judged sessions go in with [`push`](Self::push),
/// an alarm comes out where the detector has become stale.
///
/// Sessions are put together in blocks of time, 20 s or longer, by when their last packet came, by the clock of the session table: a
/// step of the packets' clock is none of the watch. A block's figures (sessions, p-values,
/// the share of each service, the mean rank of each column) are held against benign blocks of the detector's training and
/// calibration, and what speaks for a change is added up so that without one there is a false alarm every
/// [30 days](Self::false_alarm_every) of blocks, if benign blocks vary as they did then: of hours that it never saw, a detector
/// knows nothing, and says so with an alarm. A block can be weighed when all sessions that ended in it are known to have:
/// after the longest idle timeout.
///
/// Of a source, and of a destination, two strange sessions count in a block, and half as many sessions again as any had in a
/// benign one: so attacks neither pass for a change nor hide one. Memory is bounded: 2048 sources and destinations of each open block, and 16 blocks that were weighed.
///
/// A [`Monitor`](crate::Monitor) has one of its own and gives its alarms as events.
#[derive(Clone)]
pub struct Drift {
    basis: Arc<Basis>,
    columns: Arc<[FlatColumn]>,
    wait: Duration,
    limit: f64,
    now: Timestamp,
    /// The first block of `open`; `None` before the first session.
    first: Option<i64>,
    open: VecDeque<Block>,
    test: ChangeTest,
    weighed: VecDeque<Weighed>,
    blocks: u64,
    late: u64,
    stale: bool,
}

/// What is kept of a block.
#[derive(Debug, Clone)]
struct Weighed {
    index: i64,
    deviations: Vec<f64>,
    figures: Vec<f64>,
    columns: Vec<ColumnSums>,
    sessions: u64,
    left_out: u64,
}

impl Detector {
    /// A watch for drift, at its beginning.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] where the detector was made from too little time to know how benign traffic varies: with less than
    /// 16 blocks of 20 s.
    pub fn drift(&self) -> Result<Drift> {
        let Some(basis) = &self.drift else {
            let message = format!(
                "the detector was made from less than {FEWEST} whole blocks of 20 s of benign traffic behind the first minute, too little to know how it varies: calibrate on more"
            );
            return Err(Error::new(ErrorKind::Data, message));
        };
        let mut drift = Drift {
            basis: basis.clone(),
            columns: watched(self).into(),
            wait: Duration::ZERO,
            limit: 0.0,
            now: Timestamp::from_nanos(i64::MIN),
            first: None,
            open: VecDeque::new(),
            test: ChangeTest::new(basis.weights(), basis.blocks),
            weighed: VecDeque::new(),
            blocks: 0,
            late: 0,
            stale: false,
        };
        drift.limit = drift.blocks_in(FALSE_ALARM_EVERY);
        Ok(drift.session_config(&self.sessions))
    }

    /// The same detector, knowing how benign traffic varies from groups of sessions, the last those it was calibrated on.
    pub(super) fn with_drift_basis(mut self, groups: &[&[&Session]], threads: usize) -> Result<Self> {
        self.drift = self.learn_basis(groups, None, threads)?.map(Arc::new);
        Ok(self)
    }

    pub(super) fn learn_basis(
        &self,
        groups: &[&[&Session]],
        like: Option<&Basis>,
        threads: usize,
    ) -> Result<Option<Basis>> {
        let watcher = self.clone().with_threads(threads);
        let mut judged = Vec::new();
        for group in groups {
            judged.push(watcher.judge_rows(group, watcher.weigher())?);
        }
        let groups: Vec<Vec<(&Session, &Verdict)>> =
            groups.iter().zip(&judged).map(|(group, verdicts)| group.iter().copied().zip(verdicts).collect()).collect();
        Ok(Basis::learn(&watched(self), &groups, like))
    }
}

impl Drift {
    /// How seldom there may be a false alarm, on average; 30 days unless set.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] where that is less than 100 blocks of time.
    pub fn false_alarm_every(mut self, interval: Duration) -> Result<Self> {
        self.limit = self.blocks_in(interval);
        if self.limit < LEAST_LIMIT {
            let allowed = format!("at least {:?}, 100 blocks of time", self.basis.block * LEAST_LIMIT as u32);
            return Err(Error::config("false_alarm_every", format_args!("{interval:?}"), &allowed));
        }
        Ok(self)
    }

    /// How the packets are cut into sessions; as in the detector's training unless set. Idle timeouts say how long a block
    /// waits for its sessions, 300 s at most.
    #[must_use]
    pub fn session_config(mut self, config: &SessionConfig) -> Self {
        let longest = config.idle_timeouts().into_iter().map(|idle| idle.unwrap_or(LONGEST_WAIT)).max();
        self.wait = longest.unwrap_or_default().min(LONGEST_WAIT);
        self
    }

    /// Takes in a session with its verdict; sessions come in the order in which they ended. An alarm is given once, and
    /// another only after traffic was as usual again.
    pub fn push(&mut self, session: &Session, verdict: &Verdict) -> Option<DriftAlarm> {
        let (before, now) = (self.now, self.now.max(session.ended()));
        self.now = now;
        // What a table ended at one moment comes one by one: blocks wait for a later one.
        let alarm = if now > before { self.weigh_until(before) } else { None };
        if session.is_cold() {
            return alarm;
        }
        let index = block_of(session.silent_since(), self.basis.block);
        // The block that the first session ends in is not whole.
        let first = *self.first.get_or_insert(index + 1);
        match usize::try_from(index - first) {
            // A table that ends sessions before it knows of later ones has no more open blocks than it waits for.
            Ok(place) if place <= self.most_open() => {
                while self.open.len() <= place {
                    self.open.push_back(Block::new(&self.basis));
                }
                self.open[place].add(session, verdict, &self.basis, &self.columns);
            }
            _ => self.late += 1,
        }
        alarm
    }

    /// Says that it is `now` by the clock of the session table, that of [`Session::ended`], so that silence can end blocks.
    pub fn advance(&mut self, now: Timestamp) -> Option<DriftAlarm> {
        self.now = self.now.max(now);
        self.weigh_until(self.now)
    }

    /// Weighs the blocks whose sessions have all ended by `now`.
    fn weigh_until(&mut self, now: Timestamp) -> Option<DriftAlarm> {
        let whole =
            block_of(Timestamp::from_nanos(now.as_nanos().saturating_sub_unsigned(nanos(self.wait))), self.basis.block);
        let mut alarm = None;
        while let Some(first) = self.first.as_mut().filter(|first| **first < whole) {
            let Some(block) = self.open.pop_front() else {
                // Blocks without a session say nothing of what the traffic is.
                *first = whole;
                break;
            };
            let index = *first;
            *first += 1;
            alarm = self.weigh(index, &block).or(alarm);
        }
        alarm
    }

    /// Whether the detector is stale: an alarm was given, and traffic has not been as usual since.
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// What speaks for a change so far: a false alarm of this strength comes once in so many blocks of time.
    pub fn strength(&self) -> f64 {
        self.test.strength()
    }

    /// The strength from which on there is an alarm.
    pub fn limit(&self) -> f64 {
        self.limit
    }

    /// The length of a block of time.
    pub fn block(&self) -> Duration {
        self.basis.block
    }

    /// Blocks weighed so far, those without a session left out.
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Sessions that ended in a block that was weighed already, or was not whole, and count nowhere.
    pub fn late(&self) -> u64 {
        self.late
    }

    fn blocks_in(&self, time: Duration) -> f64 {
        time.as_secs_f64() / self.basis.block.as_secs_f64()
    }

    /// Blocks that can be open at once: those waited for, and two that are cut at either end.
    fn most_open(&self) -> usize {
        (self.wait.as_nanos() / self.basis.block.as_nanos().max(1)) as usize + 2
    }

    fn weigh(&mut self, index: i64, block: &Block) -> Option<DriftAlarm> {
        let figures = block.figures()?;
        let deviations = self.basis.deviations(&figures, block.sessions);
        self.test.push(deviations.iter().map(|off| Some(*off)));
        self.blocks += 1;
        if self.weighed.len() == KEPT {
            self.weighed.pop_front();
        }
        let (columns, sessions, left_out) = (block.columns().to_vec(), block.sessions, block.left_out);
        self.weighed.push_back(Weighed { index, deviations, figures, columns, sessions, left_out });
        let strength = self.strength();
        if self.stale {
            self.stale = strength >= 1.0;
            return None;
        }
        self.stale = strength >= self.limit;
        self.stale.then(|| self.alarm(strength))
    }

    fn alarm(&self, strength: f64) -> DriftAlarm {
        let (_, run) = self.test.first().unwrap_or_default();
        let run = (run as usize).clamp(1, self.weighed.len().max(1));
        let now: Vec<&Weighed> = self.weighed.iter().rev().take(run).collect();
        let since = now.last().map_or(0, |block| block.index);
        let length = i64::try_from(self.basis.block.as_nanos()).unwrap_or(i64::MAX);
        let mean = |of: &dyn Fn(&Weighed) -> f64| now.iter().map(|block| of(block)).sum::<f64>() / now.len() as f64;
        let off = |place: usize| mean(&|block| block.deviations[place]);
        let figure = |place: usize, name: String, unit: &'static str| Moved {
            name: name.into(),
            unit: unit.into(),
            then: self.basis.levels[place].mean,
            now: mean(&|block| block.figures[place]),
            present: None,
            deviations: off(place),
        };
        let seconds = self.basis.block.as_secs_f64();
        let load = Moved {
            then: self.basis.levels[LOAD].mean.exp_m1() / seconds,
            now: mean(&|block| (block.sessions + block.left_out) as f64) / seconds,
            ..figure(LOAD, "load".to_owned(), "sessions/s")
        };
        // Where most sessions are strange, few count, though there are as many as ever.
        let load = Some(load).filter(|load| {
            let factor = (load.now / load.then).ln();
            load.deviations.abs() >= WORTH_A_WORD && factor * load.deviations > 0.0 && factor.abs() > 0.2
        });
        let strangest = [MEAN_P, LOW_P, BREADTH].map(off).into_iter().map(f64::abs).fold(0.0, f64::max);
        let p_value = figure(MEAN_P, "p_value".to_owned(), "");
        let others = self.basis.services.len();
        let name = |i: usize| self.basis.services.get(i).map_or("other services".to_owned(), ToString::to_string);
        let services = (0..=others).map(|i| figure(SERVICES + i, name(i), "share")).collect();
        DriftAlarm {
            at: self.now,
            since: Timestamp::from_nanos(since.saturating_mul(length)),
            strength,
            limit: self.limit,
            load,
            p_value: (strangest >= WORTH_A_WORD).then_some(p_value),
            services: most_moved(services, others + 1),
            columns: most_moved(self.moved_columns(&now, &off), MOST_NAMED),
        }
    }

    fn moved_columns(&self, now: &[&Weighed], off: &dyn Fn(usize) -> f64) -> Vec<Moved> {
        let first = self.basis.first_column();
        let sessions = now.iter().map(|block| block.sessions).sum::<u64>().max(1) as f64;
        let moved = |(i, (known, (column, _))): (usize, (&basis::KnownColumn, &FlatColumn))| {
            let mut sums = ColumnSums::default();
            now.iter().for_each(|block| sums.add(block.columns[i]));
            let typical = |stored: f64| column.transform.invert(stored as f32);
            let present = [known.present, sums.present as f64 / sessions];
            Moved {
                name: column.name.clone(),
                unit: column.unit.clone(),
                then: typical(known.mean),
                now: typical(sums.mean().unwrap_or(known.mean)),
                present: column.missing.map(|_| present),
                deviations: off(first + i),
            }
        };
        self.basis.columns.iter().zip(&*self.columns).enumerate().map(moved).collect()
    }
}

/// Those that moved enough for a word, most first.
fn most_moved(mut all: Vec<Moved>, most: usize) -> Vec<Moved> {
    all.retain(|moved| moved.deviations.abs() >= WORTH_A_WORD);
    all.sort_by(|a, b| b.deviations.abs().total_cmp(&a.deviations.abs()));
    all.truncate(most);
    all
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drift")
            .field("block", &self.basis.block)
            .field("blocks", &self.blocks)
            .field("strength", &self.strength())
            .field("limit", &self.limit)
            .field("stale", &self.stale)
            .finish_non_exhaustive()
    }
}
