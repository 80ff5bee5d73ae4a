//! How sure a measured share is: intervals at 95 %.

use crate::{Timestamp, model::Random};

/// An interval of shares, 0 to 1, that holds the true one in 95 of 100 recordings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

/// The 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;
/// Length of the blocks that are drawn together: what happens on a network comes in bursts, and a minute holds most of them.
const BLOCK_SECONDS: f64 = 60.0;
/// A recording has at least this many blocks, shorter ones where it is short: a draw of a single block is the recording itself,
/// whatever happened in it.
const FEWEST_BLOCKS: usize = 5;
/// How many recordings are drawn: the bounds are their 2.5 % and 97.5 % quantiles, 50 of them beyond each.
const DRAWS: usize = 2000;
/// Most cells a recording is cut into, of a second each where it lasts no longer than 18 hours: a timestamp from the future
/// costs a megabyte at most, whoever wrote it into a model file.
const MOST_CELLS: f64 = (1 << 16) as f64;
/// Most blocks of a recording, so that it costs no time either: longer than 17 hours it has longer blocks.
const MOST_BLOCKS: usize = 1 << 10;

impl Interval {
    /// Whether the interval holds `share`.
    pub fn contains(self, share: f64) -> bool {
        (self.low..=self.high).contains(&share)
    }

    /// The smallest interval that holds both.
    fn hull(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }
}

/// The interval of a share of which `hits` of `all` *independent* trials were seen (Wilson, "Probable inference, the law of
/// succession, and statistical inference", JASA 22, 1927); `None` without trials. Unlike the textbook's it is right also for
/// few trials and for none or all hits (Brown, Cai and DasGupta, "Interval estimation for a binomial proportion", 2001).
///
/// ```
/// let interval = nf_core::calibration::wilson(0, 10).expect("ten trials");
/// assert!(interval.low == 0.0 && (interval.high - 0.278).abs() < 0.001);
/// ```
pub fn wilson(hits: usize, all: usize) -> Option<Interval> {
    if all == 0 {
        return None;
    }
    let (k, n) = (hits.min(all) as f64, all as f64);
    let (share, spread) = (k / n, Z * Z / n);
    let middle = (share + spread / 2.0) / (1.0 + spread);
    let half = Z / (1.0 + spread) * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    // At none and all hits the bound is 0 and 1 by the formula, and nearly so after rounding.
    let low = if k == 0.0 { 0.0 } else { (middle - half).max(0.0) };
    let high = if k == n { 1.0 } else { (middle + half).min(1.0) };
    Some(Interval { low, high })
}

/// The interval of the share of `true` among events in time, of several recordings: a block bootstrap over minutes.
///
/// A recording of the same length is drawn anew 2000 times from blocks of 60 s (a fifth of it where it is shorter than five
/// minutes, a 1024th where it is longer than 17 hours) that begin anywhere, the end of a recording followed by its beginning
/// (Künsch, "The jackknife and the bootstrap for general stationary observations", Annals of Statistics 17, 1989; circular by
/// Politis and Romano, 1992). That interval is widened to [`wilson`]'s where it is narrower,
/// as it is when there are nearly no hits: events that depend on each other tell less than independent ones, never more.
/// `None` without events. That the cut was itself taken from a finite recording is not in it.
pub fn block_bootstrap(recordings: &[Vec<(Timestamp, bool)>]) -> Option<Interval> {
    let all: usize = recordings.iter().map(Vec::len).sum();
    let hits = recordings.iter().flatten().filter(|(_, hit)| *hit).count();
    let independent = wilson(hits, all)?;
    let cells: Vec<Cells> = recordings.iter().filter_map(|events| Cells::new(events)).collect();
    let mut random = Random::new(0);
    let mut shares: Vec<f64> = (0..DRAWS).filter_map(|_| draw(&cells, &mut random)).collect();
    shares.sort_unstable_by(f64::total_cmp);
    let beyond = shares.len() / 40;
    let (Some(&low), Some(&high)) = (shares.get(beyond), shares.get((shares.len().max(1) - 1).saturating_sub(beyond)))
    else {
        return Some(independent);
    };
    Some(independent.hull(Interval { low, high }))
}

/// The share in recordings drawn anew; `None` where no event was drawn.
fn draw(recordings: &[Cells], random: &mut Random) -> Option<f64> {
    let (mut events, mut hits) = (0, 0);
    for cells in recordings {
        let mut left = cells.len();
        while left > 0 {
            let length = cells.block.min(left);
            let (more, more_hits) = cells.count(random.below(cells.len()), length);
            (events, hits) = (events + more, hits + more_hits);
            left -= length;
        }
    }
    (events > 0).then(|| hits as f64 / events as f64)
}

/// Events and hits of a recording, summed up over cells of equal time.
struct Cells {
    /// How many events and hits lie before each cell, and after the last.
    before: Vec<(u64, u64)>,
    /// Cells of a block.
    block: usize,
}

impl Cells {
    fn new(events: &[(Timestamp, bool)]) -> Option<Self> {
        let start = events.iter().map(|(time, _)| *time).min()?;
        let end = events.iter().map(|(time, _)| *time).max()?;
        let seconds = end.since(start).as_secs_f64();
        let cell = (seconds / MOST_CELLS).max(1.0);
        let mut before = vec![(0_u64, 0_u64); (seconds / cell) as usize + 2];
        for (time, hit) in events {
            let place = (time.since(start).as_secs_f64() / cell) as usize;
            before[place + 1].0 += 1;
            before[place + 1].1 += u64::from(*hit);
        }
        for i in 1..before.len() {
            before[i] = (before[i].0 + before[i - 1].0, before[i].1 + before[i - 1].1);
        }
        let cells = before.len() - 1;
        let block = ((BLOCK_SECONDS / cell) as usize).min(cells.div_ceil(FEWEST_BLOCKS));
        let block = block.max(before.len().div_ceil(MOST_BLOCKS));
        Some(Self { before, block })
    }

    fn len(&self) -> usize {
        self.before.len() - 1
    }

    /// Events and hits of `length` cells from `start` on, around the end.
    fn count(&self, start: usize, length: usize) -> (u64, u64) {
        let between =
            |from: usize, to: usize| (self.before[to].0 - self.before[from].0, self.before[to].1 - self.before[from].1);
        let end = start + length;
        if end <= self.len() {
            return between(start, end);
        }
        let (tail, head) = (between(start, self.len()), between(0, end - self.len()));
        (tail.0 + head.0, tail.1 + head.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(interval: Option<Interval>, low: f64, high: f64) {
        let interval = interval.unwrap();
        assert!((interval.low - low).abs() < 5e-4 && (interval.high - high).abs() < 5e-4, "{interval:?}");
    }

    #[test]
    fn wilson_gives_the_bounds_of_published_tables() {
        // Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
        near(wilson(81, 263), 0.2553, 0.3662);
        near(wilson(15, 148), 0.0624, 0.1605);
        near(wilson(0, 20), 0.0, 0.1611);
        near(wilson(1, 29), 0.0061, 0.1718);
        assert_eq!(wilson(29, 29).unwrap().high, 1.0);
        assert_eq!(wilson(0, 0), None);
    }

    /// Sessions four a second for `minutes`; `hit` says which alert.
    fn recording(minutes: usize, hit: impl Fn(usize) -> bool) -> Vec<(Timestamp, bool)> {
        (0..minutes * 240).map(|i| (Timestamp::from_nanos(i as i64 * 250_000_000), hit(i))).collect()
    }

    #[test]
    fn bursts_widen_the_interval_and_even_alerts_do_not() {
        let width = |interval: Interval| interval.high - interval.low;
        let independent = wilson(48, 4800).unwrap();
        let even = block_bootstrap(&[recording(20, |i| i % 100 == 0)]).unwrap();
        assert_eq!(even, independent);
        // The same 48 alerts within one minute of twenty.
        let burst = block_bootstrap(&[recording(20, |i| (240..288).contains(&i))]).unwrap();
        assert!(burst.low == 0.0 && burst.high > 0.02 && width(burst) > 2.0 * width(independent), "{burst:?}");
        assert!(burst.contains(0.01) && !burst.contains(0.2));
    }

    #[test]
    fn bursts_widen_the_interval_of_a_recording_shorter_than_a_minute_too() {
        // 12 alerts of 160 sessions in 40 s, spread out and within 3 s.
        let recording = |hit: fn(i64) -> bool| -> Vec<(Timestamp, bool)> {
            (0..160).map(|i| (Timestamp::from_nanos(i * 250_000_000), hit(i))).collect()
        };
        let even = block_bootstrap(&[recording(|i| i % 13 == 0 && i < 156)]).unwrap();
        let burst = block_bootstrap(&[recording(|i| i < 12)]).unwrap();
        assert_eq!(even, wilson(12, 160).unwrap());
        assert!(burst.low == 0.0 && burst.high > even.high + 0.05, "{burst:?} {even:?}");
    }

    #[test]
    fn holds_the_true_rate_of_a_bursty_process_about_as_often_as_it_says() {
        // A minute alerts on 5 % of its sessions in one of five minutes, else on none: 1 % in the long run.
        let mut held = 0;
        for trial in 0..100 {
            let random = Random::new(trial);
            let hit = |i: usize| {
                random.stream(1).stream(i as u64 / 240).below(5) == 0
                    && random.stream(2).stream(i as u64).below(20) == 0
            };
            held += usize::from(block_bootstrap(&[recording(40, hit)]).unwrap().contains(0.01));
        }
        assert!((85..=100).contains(&held), "{held} of 100");
    }

    #[test]
    fn blocks_go_around_the_end_and_times_from_the_future_cost_nothing() {
        let cells = Cells::new(&recording(2, |i| i < 8)).unwrap();
        assert_eq!((cells.len(), cells.block), (120, 24));
        let blocks = [1, 4, 5, 6].map(|minutes| Cells::new(&recording(minutes, |_| false)).unwrap().block);
        assert_eq!(blocks, [12, 48, 60, 60]);
        assert_eq!(cells.count(118, 4), (16, 8), "two seconds of the end, two of the beginning");
        assert_eq!(cells.count(0, 120), (480, 8));
        let far = [(Timestamp::from_nanos(0), true), (Timestamp::from_nanos(i64::MAX), false)];
        assert!(Cells::new(&far).unwrap().len() <= 1 << 16 | 2);
        assert!(block_bootstrap(&[far.to_vec(), Vec::new()]).is_some());
        assert_eq!(block_bootstrap(&[]), None);
    }
}
