//! Counters over the last seconds of packet time, of fixed or bounded size.

/// Seconds a window looks back.
pub(super) const SPAN: usize = 60;

/// A sum over the last 60 s in buckets of one second, so that any shorter span can be asked for as well.
#[derive(Debug, Clone)]
pub(super) struct Window {
    second: i64,
    buckets: [u32; SPAN],
}

impl Default for Window {
    fn default() -> Self {
        Self { second: i64::MIN, buckets: [0; SPAN] }
    }
}

impl Window {
    fn bucket(second: i64) -> usize {
        second.rem_euclid(SPAN as i64) as usize
    }

    /// Forgets what fell out of the window.
    fn advance(&mut self, second: i64) {
        let passed = second.saturating_sub(self.second);
        if passed >= SPAN as i64 {
            self.buckets = [0; SPAN];
        } else {
            for s in self.second + 1..=second {
                self.buckets[Self::bucket(s)] = 0;
            }
        }
        self.second = self.second.max(second);
    }

    /// Adds at a second not before the newest one.
    pub(super) fn add(&mut self, second: i64, amount: u64) {
        self.advance(second);
        let bucket = &mut self.buckets[Self::bucket(self.second)];
        *bucket = bucket.saturating_add(u32::try_from(amount).unwrap_or(u32::MAX));
    }

    /// Takes one back that was added at an earlier second, if the window still covers that.
    pub(super) fn take_back(&mut self, second: i64) {
        if (0..SPAN as i64).contains(&self.second.saturating_sub(second)) {
            let bucket = &mut self.buckets[Self::bucket(second)];
            *bucket = bucket.saturating_sub(1);
        }
    }

    /// The sum over the last `span` seconds up to `second`, which is within the window or after it.
    pub(super) fn sum(&self, second: i64, span: usize) -> u64 {
        let from = second.saturating_sub(span.min(SPAN) as i64 - 1).max(self.second.saturating_sub(SPAN as i64 - 1));
        (from..=self.second.min(second)).map(|s| u64::from(self.buckets[Self::bucket(s)])).sum()
    }
}

/// How many different things were seen lately: exact up to [`CAPACITY`](Self::CAPACITY), saturating there.
#[derive(Debug, Clone, Default)]
pub(super) struct Distinct {
    seen: Vec<(u64, i64)>,
}

impl Distinct {
    /// Most that is told apart; the one seen longest ago makes room.
    pub(super) const CAPACITY: usize = 256;

    /// Notes that `item` was seen.
    pub(super) fn add(&mut self, second: i64, item: u64) {
        if let Some(known) = self.seen.iter_mut().find(|(other, _)| *other == item) {
            known.1 = second;
            return;
        }
        if self.seen.len() == self.seen.capacity() {
            self.seen.retain(|&(_, last)| second.saturating_sub(last) < SPAN as i64);
        }
        if self.seen.len() == Self::CAPACITY
            && let Some(oldest) = self.seen.iter_mut().min_by_key(|(_, last)| *last)
        {
            *oldest = (item, second);
            return;
        }
        self.seen.push((item, second));
    }

    /// How many were seen in the last `span` seconds up to `second`.
    pub(super) fn count(&self, second: i64, span: usize) -> u64 {
        self.seen.iter().filter(|&&(_, last)| second.saturating_sub(last) < span as i64).count() as u64
    }

    /// Bytes on the heap.
    pub(super) fn heap(&self) -> usize {
        self.seen.capacity() * size_of::<(u64, i64)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn window_agrees_with_a_list_of_events(
            steps in prop::collection::vec((0i64..30, 0u64..5), 1..60), span in 1usize..=SPAN, later in 0i64..90,
        ) {
            let (mut window, mut second) = (Window::default(), -100);
            let mut events = Vec::new();
            for (step, amount) in steps {
                second += step;
                window.add(second, amount);
                events.push((second, amount));
            }
            let now = second + later;
            let expected: u64 = events.iter().filter(|(s, _)| now - s < span as i64).map(|(_, n)| n).sum();
            prop_assert_eq!(window.sum(now, span), expected);
        }

        #[test]
        fn distinct_agrees_with_a_list_of_events(
            steps in prop::collection::vec((0i64..20, 0u64..40), 1..300), span in 1usize..=SPAN,
        ) {
            let (mut distinct, mut second) = (Distinct::default(), 0);
            let mut events = Vec::new();
            for (step, item) in steps {
                second += step;
                distinct.add(second, item);
                events.push((second, item));
            }
            let recent: std::collections::BTreeSet<u64> =
                events.iter().filter(|(s, _)| second - s < span as i64).map(|&(_, item)| item).collect();
            prop_assert_eq!(distinct.count(second, span), recent.len() as u64);
        }
    }

    #[test]
    fn takes_back_only_what_the_window_covers() {
        let mut window = Window::default();
        window.add(100, 2);
        window.add(130, 1);
        window.take_back(100);
        assert_eq!(window.sum(130, 60), 2);
        window.add(170, 1);
        window.take_back(100);
        window.take_back(130);
        assert_eq!(window.sum(170, 60), 1);
    }

    #[test]
    fn distinct_is_bounded_and_saturates() {
        let mut distinct = Distinct::default();
        (0..10_000).for_each(|item| distinct.add(5, item));
        assert_eq!(distinct.count(5, 10), Distinct::CAPACITY as u64);
        assert!(distinct.heap() <= 2 * Distinct::CAPACITY * 16);
    }
}
