//! Sums over the last seconds of packet time.

use smallvec::SmallVec;

/// Seconds that counters look back.
pub(super) const SPAN: u32 = 60;

/// Seconds of the short span.
pub(super) const SHORT: u32 = 10;

/// `K` sums over the last 60 s, in buckets of one second. Only seconds in which something happened have a bucket: a host
/// that is seen once costs two of them, not sixty.
///
/// Seconds are counted modulo 2^32: what counters are asked about lies minutes apart, never 136 years.
#[derive(Debug, Clone, Default)]
pub(super) struct Series<const K: usize> {
    /// In the order of time; the oldest may lie beyond the span.
    buckets: SmallVec<[Bucket<K>; 2]>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket<const K: usize> {
    second: u32,
    sums: [u32; K],
}

impl<const K: usize> Series<K> {
    /// Adds to one of the sums. A second before the newest counts as the newest.
    pub(super) fn add(&mut self, second: u32, which: usize, amount: u64) {
        let amount = u32::try_from(amount).unwrap_or(u32::MAX);
        match self.buckets.last_mut() {
            Some(last) if second.wrapping_sub(last.second) as i32 <= 0 => {
                last.sums[which] = last.sums[which].saturating_add(amount);
            }
            _ => {
                if self.buckets.len() == self.buckets.capacity() {
                    self.buckets.retain(|bucket| second.wrapping_sub(bucket.second) < SPAN);
                }
                let mut sums = [0; K];
                sums[which] = amount;
                self.buckets.push(Bucket { second, sums });
            }
        }
    }

    /// Takes one back that was added at an earlier second, where that is known.
    pub(super) fn take_back(&mut self, second: u32, which: usize) {
        if let Some(bucket) = self.buckets.iter_mut().rev().find(|bucket| bucket.second == second) {
            bucket.sums[which] = bucket.sums[which].saturating_sub(1);
        }
    }

    /// The sums over the short and the long span up to `second`, which is not before the newest bucket.
    pub(super) fn sums(&self, second: u32) -> [[u64; K]; 2] {
        let (mut short, mut long) = ([0; K], [0; K]);
        for bucket in self.buckets.iter().rev() {
            let age = second.wrapping_sub(bucket.second);
            if age >= SPAN {
                break;
            }
            for (which, &sum) in bucket.sums.iter().enumerate() {
                long[which] += u64::from(sum);
                short[which] += if age < SHORT { u64::from(sum) } else { 0 };
            }
        }
        [short, long]
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.buckets = SmallVec::new();
    }

    /// Bytes on the heap, without what the allocator adds.
    pub(super) fn heap(&self) -> usize {
        if self.buckets.spilled() { self.buckets.capacity() * size_of::<Bucket<K>>() } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_a_list_of_events(
            steps in prop::collection::vec((0u32..30, 0usize..2, 0u64..5), 1..200), later in 0u32..90, start: u32,
        ) {
            let (mut series, mut second) = (Series::<2>::default(), start);
            let mut events = Vec::new();
            for (step, which, amount) in steps {
                second = second.wrapping_add(step);
                series.add(second, which, amount);
                events.push((second, which, amount));
            }
            let now = second.wrapping_add(later);
            let expected = [SHORT, SPAN].map(|span| [0, 1].map(|which| {
                events.iter().filter(|e| now.wrapping_sub(e.0) < span && e.1 == which).map(|e| e.2).sum::<u64>()
            }));
            prop_assert_eq!(series.sums(now), expected);
            prop_assert!(series.heap() <= 2 * SPAN as usize * size_of::<Bucket<2>>());
        }
    }

    #[test]
    fn takes_back_only_what_it_knows() {
        let mut series = Series::<1>::default();
        series.add(100, 0, 2);
        series.add(130, 0, 1);
        series.take_back(100, 0);
        series.take_back(101, 0);
        assert_eq!(series.sums(130), [[1], [2]]);
        for second in 170..300 {
            series.add(second, 0, 1);
        }
        series.take_back(130, 0);
        assert_eq!(series.sums(299), [[10], [60]]);
    }
}
