//! What the watch for drift knows of benign traffic: how its figures differ from block to block of time.

use super::{
    super::Detector,
    block::{BREADTH, Block, ColumnSums, LOAD, LOW_P, MEAN_P, Most, SERVICES, Service},
};
use crate::{
    Timestamp, Verdict,
    calibration::Level,
    features::{Column, FlatColumn},
    session::Session,
};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, time::Duration};

/// A block of time is at least so long: context looks back 10 and 60 s, so shorter ones would mostly repeat each other.
const SHORTEST: Duration = Duration::from_secs(20);
/// And at most so long.
const LONGEST: Duration = Duration::from_secs(300);
/// Sessions that a block should have, below which its figures are mostly chance.
const SESSIONS: f64 = 50.0;
/// Blocks that should be there to know how much they differ; for them blocks are made shorter.
const WANTED: u32 = 24;
/// With fewer blocks there is no watch.
pub(super) const FEWEST: u64 = 16;
/// Blocks of held-out sessions from which on p-values are taken from them alone: those of sessions that heads were fitted on
/// are too high.
const HELD_OUT: usize = 4;
/// Silence that separates two recordings.
const SILENCE: Duration = Duration::from_secs(600);
/// Most services that are counted one by one, and the share of the sessions that one must have.
const MOST_SERVICES: usize = 12;
const LEAST_SHARE: f64 = 0.005;
/// Points at which the values of a column are known.
const POINTS: usize = 33;
/// Most sessions of a group that are learned from, the latest.
const MOST_SESSIONS: usize = 200_000;

/// Columns that say how long a session table has run rather than what the traffic is: the last 16 sessions of a service within
/// 15 minutes fill up for as long.
const AGE: [&str; 1] = ["service_recent"];
/// The unit of columns that one more client of a small network moves in the sessions of all others at once: that is no other
/// traffic, but in blocks with as many clients each they hardly differ.
const SHARED: &str = "per client";

/// What is known of benign blocks of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::detector) struct Basis {
    /// Length of a block.
    pub(super) block: Duration,
    /// How many there were.
    pub(super) blocks: u64,
    /// Sessions of a block on average.
    pub(super) sessions: f64,
    /// Sessions of one host that count.
    pub(super) most: Most,
    /// Services counted one by one, the most used first.
    pub(super) services: Vec<Service>,
    pub(super) columns: Vec<KnownColumn>,
    /// Of each figure of a block.
    pub(super) levels: Vec<Level>,
}

/// What is known of a column among benign sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct KnownColumn {
    pub(super) name: String,
    /// Stored values at equal steps of their rank, ascending.
    points: Vec<f32>,
    /// The mean stored value of the sessions that have one.
    pub(super) mean: f64,
    /// The share of the sessions that have one.
    pub(super) present: f64,
}

impl KnownColumn {
    /// The rank of a stored value among benign ones, 0 to 1; in the middle of those that are equal.
    pub(super) fn rank(&self, stored: f32) -> f64 {
        let below = self.points.partition_point(|point| *point < stored);
        let up_to = below + self.points[below..].partition_point(|point| *point <= stored);
        (below + up_to) as f64 / (2 * self.points.len()) as f64
    }
}

/// Sessions with their verdicts.
type Judged<'a> = (&'a Session, &'a Verdict);

/// Blocks one after the other, and the sessions that ended in each.
type Stretch<'a> = Vec<Vec<Judged<'a>>>;

impl Basis {
    /// Learns from groups of benign sessions in any order, the last those that were calibrated on; `None` where they take too
    /// little time. Blocks are as long as those of `like`, whose spread counts where it is larger: a shorter recording of the
    /// same network has seen less.
    pub(in crate::detector) fn learn(
        columns: &[FlatColumn],
        groups: &[Vec<Judged<'_>>],
        like: Option<&Self>,
    ) -> Option<Self> {
        let groups: Vec<Vec<Judged<'_>>> = groups.iter().map(|group| warm(group)).collect();
        let block = like.map_or_else(|| block_length(&groups), |like| Some(like.block))?;
        let stretches: Vec<Vec<Stretch<'_>>> = groups.iter().map(|group| cut(group, block)).collect();
        let blocks = stretches.iter().flatten().map(Vec::len).sum::<usize>() as u64;
        if blocks < FEWEST {
            return None;
        }
        let sessions: Vec<&Session> = stretches.iter().flatten().flatten().flatten().map(|(s, _)| *s).collect();
        if sessions.is_empty() {
            return None;
        }
        let mut basis = Self {
            block,
            blocks,
            sessions: sessions.len() as f64 / blocks as f64,
            most: Most::of(stretches.iter().flatten().flatten().map(Vec::as_slice)),
            services: services(&sessions),
            columns: columns.iter().map(|column| known(column, &sessions)).collect(),
            levels: Vec::new(),
        };
        basis.learn_levels(columns, &stretches);
        if let Some(like) = like {
            basis.widen(like);
        }
        Some(basis)
    }

    fn learn_levels(&mut self, columns: &[FlatColumn], groups: &[Vec<Stretch<'_>>]) {
        let mut sums = vec![ColumnSums::default(); columns.len()];
        let mut count = 0;
        let mut figures = |stretch: &Stretch<'_>| -> Vec<Vec<f64>> {
            let mut of_block = |sessions: &Vec<Judged<'_>>| {
                let mut block = Block::new(self);
                sessions.iter().for_each(|(session, verdict)| block.add(session, verdict, self, columns));
                sums.iter_mut().zip(block.columns()).for_each(|(sum, more)| sum.add(*more));
                count += block.sessions;
                block.figures()
            };
            stretch.iter().filter_map(&mut of_block).collect()
        };
        let groups: Vec<Vec<Vec<Vec<f64>>>> =
            groups.iter().map(|group| group.iter().map(&mut figures).collect()).collect();
        let of = |stretches: &[Vec<Vec<f64>>], place: usize| -> Vec<Vec<f64>> {
            stretches.iter().map(|blocks| blocks.iter().map(|figures| figures[place]).collect()).collect()
        };
        let all = groups.concat();
        let held_out = groups.last().filter(|group| group.iter().map(Vec::len).sum::<usize>() >= HELD_OUT);
        self.levels = (0..self.figures())
            .map(|place| {
                let level = Level::fit(&of(&all, place));
                match held_out.filter(|_| [MEAN_P, LOW_P, BREADTH].contains(&place)) {
                    Some(held_out) => Level { mean: Level::fit(&of(held_out, place)).mean, ..level },
                    None => level,
                }
            })
            .collect();
        for (column, sum) in self.columns.iter_mut().zip(sums) {
            column.mean = sum.mean().unwrap_or_default();
            column.present = sum.present as f64 / count.max(1) as f64;
        }
    }

    /// Blocks, and their length in seconds.
    pub(in crate::detector) fn size(&self) -> (u64, f64) {
        (self.blocks, self.block.as_secs_f64())
    }

    /// Figures of a block.
    fn figures(&self) -> usize {
        SERVICES + self.services.len() + 1 + self.columns.len()
    }

    /// Where the figures of columns begin.
    pub(super) fn first_column(&self) -> usize {
        SERVICES + self.services.len() + 1
    }

    /// How far each figure of a block with so many sessions is off, in deviations.
    pub(super) fn deviations(&self, figures: &[f64], sessions: u64) -> Vec<f64> {
        // The mean over fewer sessions than usual varies more.
        let scarce = (self.sessions / sessions.max(1) as f64).max(1.0);
        let off = |(place, (level, figure)): (usize, (&Level, &f64))| {
            let scarce = if place == LOAD { 1.0 } else { scarce };
            let level = Level { deviation: level.deviation * scarce.sqrt(), ..*level };
            level.deviations(*figure, self.blocks, least(place))
        };
        self.levels.iter().zip(figures).enumerate().map(off).collect()
    }

    /// What each figure counts, 1 in all: the load, how strange sessions are, services, and columns, a quarter each.
    pub(super) fn weights(&self) -> Vec<f64> {
        let first = self.first_column();
        let weight = |place: usize| match place {
            LOAD => 1.0,
            MEAN_P | LOW_P | BREADTH => 1.0 / 3.0,
            place if place < first => 1.0 / (first - SERVICES) as f64,
            _ => 1.0 / self.columns.len() as f64,
        };
        (0..self.figures()).map(|place| weight(place) / 4.0).collect()
    }

    /// Takes the larger of two spreads.
    fn widen(&mut self, other: &Self) {
        let first = self.first_column();
        let theirs = |place: usize| match place {
            place if place < SERVICES => Some(place),
            place if place + 1 == first => Some(other.first_column() - 1),
            place if place < first => {
                other.services.iter().position(|known| *known == self.services[place - SERVICES]).map(|i| SERVICES + i)
            }
            place => {
                let name = &self.columns[place - first].name;
                other.columns.iter().position(|known| known.name == *name).map(|i| other.first_column() + i)
            }
        };
        let theirs: Vec<Option<usize>> = (0..self.figures()).map(theirs).collect();
        for (level, place) in self.levels.iter_mut().zip(theirs) {
            if let Some(other) = place.and_then(|place| other.levels.get(place)) {
                level.deviation = level.deviation.max(other.deviation);
                level.follows = level.follows.max(other.follows);
            }
        }
    }

    /// Whether it can be of a detector whose heads read these columns.
    pub(in crate::detector) fn is_sane(&self, columns: &[FlatColumn]) -> bool {
        let known = |(known, (column, _)): (&KnownColumn, &FlatColumn)| {
            known.name == column.name
                && known.points.len() == POINTS
                && known.points.is_sorted()
                && known.points.iter().all(|point| point.is_finite())
                && known.mean.is_finite()
                && (0.0..=1.0).contains(&known.present)
        };
        self.block >= SHORTEST
            && self.block <= LONGEST
            && self.blocks >= FEWEST
            && self.sessions > 0.0
            && self.sessions.is_finite()
            && self.services.len() <= MOST_SERVICES
            && self.columns.len() == columns.len()
            && self.columns.iter().zip(columns).all(known)
            && self.levels.len() == self.figures()
            && self.levels.iter().all(Level::is_sane)
    }
}

/// A difference below this is not worth a word, however steady benign blocks were: a tenth of the load, two points of a
/// hundred in rank or share, and what a calibration on a few thousand sessions leaves open in p-values.
fn least(place: usize) -> f64 {
    match place {
        LOAD => 0.1,
        MEAN_P | LOW_P => 0.03,
        BREADTH => 0.12,
        _ => 0.02,
    }
}

/// The columns that are watched: those that flat heads read, each once, that say what the traffic of a host is.
pub(in crate::detector) fn watched(detector: &Detector) -> Vec<FlatColumn> {
    let mut columns: Vec<FlatColumn> = Vec::new();
    for column in detector.heads.iter().filter_map(|head| head.scorer.spec.flat_columns()).flatten() {
        let Column { name, unit, .. } = &column.0;
        let left_out = AGE.contains(&name.as_ref()) || unit.ends_with(SHARED);
        if !left_out && !columns.iter().any(|(known, _)| known.name == *name) {
            columns.push(column);
        }
    }
    columns
}

/// What did not start in a table's first minute, in the order of their ends.
fn warm<'a>(group: &[Judged<'a>]) -> Vec<Judged<'a>> {
    let mut warm: Vec<Judged<'a>> = group.iter().filter(|(session, _)| !session.is_cold()).copied().collect();
    warm.sort_by_key(|(session, _)| session.silent_since());
    warm.split_off(warm.len().saturating_sub(MOST_SESSIONS))
}

/// A length of blocks that gives each enough sessions, and enough blocks.
fn block_length(groups: &[Vec<Judged<'_>>]) -> Option<Duration> {
    let ends =
        |group: &Vec<Judged<'_>>| group.iter().map(|(session, _)| session.silent_since()).collect::<Vec<Timestamp>>();
    let gaps = groups.iter().flat_map(|group| {
        let ends = ends(group);
        ends.windows(2).map(|w| w[1].since(w[0])).filter(|gap| *gap < SILENCE).collect::<Vec<_>>()
    });
    let (time, sessions) = (gaps.sum::<Duration>(), groups.iter().map(Vec::len).sum::<usize>());
    if time.is_zero() {
        return None;
    }
    let enough = time.mul_f64((SESSIONS / sessions as f64).min(1.0));
    // Whole seconds, for people.
    let length = Duration::from_secs(enough.min(time / WANTED).as_secs_f64().round() as u64);
    Some(length.clamp(SHORTEST, LONGEST))
}

/// The blocks of a group: between two silences, without the first and the last, which are not whole.
fn cut<'a>(group: &[Judged<'a>], block: Duration) -> Vec<Stretch<'a>> {
    let index = |(session, _): &Judged<'_>| block_of(session.silent_since(), block);
    let mut stretches = Vec::new();
    for stretch in group.chunk_by(|(a, _), (b, _)| b.silent_since().since(a.silent_since()) < SILENCE) {
        let (Some(first), Some(last)) = (stretch.first().map(index), stretch.last().map(index)) else { continue };
        let mut blocks: Stretch<'a> = vec![Vec::new(); usize::try_from(last - first - 1).unwrap_or(0)];
        for judged in stretch {
            if let Some(block) = usize::try_from(index(judged) - first - 1).ok().and_then(|i| blocks.get_mut(i)) {
                block.push(*judged);
            }
        }
        stretches.push(blocks);
    }
    stretches
}

/// Which block of time a moment lies in.
pub(super) fn block_of(time: Timestamp, block: Duration) -> i64 {
    time.as_nanos().div_euclid(i64::try_from(block.as_nanos()).unwrap_or(i64::MAX).max(1))
}

fn services(sessions: &[&Session]) -> Vec<Service> {
    let mut counts: HashMap<Service, usize> = HashMap::new();
    for session in sessions {
        *counts.entry(Service::of(session)).or_default() += 1;
    }
    let least = sessions.len() as f64 * LEAST_SHARE;
    let mut common: Vec<(Service, usize)> = counts.into_iter().filter(|(_, n)| *n as f64 >= least).collect();
    common.sort_by_key(|(service, count)| (std::cmp::Reverse(*count), *service));
    common.into_iter().take(MOST_SERVICES).map(|(service, _)| service).collect()
}

fn known((column, value): &FlatColumn, sessions: &[&Session]) -> KnownColumn {
    let mut values: Vec<f32> = sessions.iter().map(|session| column.transform.apply(value(session))).collect();
    values.sort_unstable_by(f32::total_cmp);
    let last = values.len() - 1;
    let points = (0..POINTS).map(|i| values[(i * last + (POINTS - 1) / 2) / (POINTS - 1)]).collect();
    KnownColumn { name: column.name.to_string(), points, mean: 0.0, present: 0.0 }
}
