//! The clock of a session table: it never goes back, whatever times it is told.

use crate::Timestamp;
use std::time::Duration;

const SECOND: i128 = 1_000_000_000;

/// Times this far behind the clock are late; for less the clock waits.
const LATE: Duration = Duration::from_secs(60);
const LATE_NANOS: i64 = LATE.as_nanos() as i64;

/// After late times alone for this long, by themselves, the clock was wrong and follows them.
const PATIENCE: Duration = Duration::from_secs(60);

/// A monotone clock driven by the times of packets, and by what [`advance`](super::SessionTable::advance) says.
///
/// It is the latest of these times plus a shift of whole seconds. The shift changes in two cases: a step ahead is cut to
/// the longest timeout, as everything older has ended by then; and where times stay behind, as after a single one
/// from the far future, the clock goes on with them from where it is. Neither lets one wrong time stop the timeouts, and
/// no sequence of them can take the clock to the end of its range.
#[derive(Debug)]
pub(super) struct Clock {
    now: Timestamp,
    shift: i128,
    started: bool,
    /// Everything is due within this time.
    stride: Duration,
    /// The same in nanoseconds, as far as they go.
    near: i64,
    /// The first of the late times since the last that was not.
    late_since: Option<Timestamp>,
}

impl Clock {
    /// A clock for timeouts up to `longest`.
    pub(super) fn new(longest: Duration) -> Self {
        let stride = Duration::from_secs(longest.as_secs().saturating_add(1));
        let near = i64::try_from(stride.as_nanos()).unwrap_or(i64::MAX);
        Self { now: Timestamp::from_nanos(i64::MIN), shift: 0, started: false, stride, near, late_since: None }
    }

    /// The latest time.
    #[inline]
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// Whether that is so long before the latest time that the clock does not wait for it.
    pub(super) fn is_late(&self, time: Timestamp) -> bool {
        self.started && self.behind(time) > LATE.as_nanos() as i128
    }

    /// It is `time`: a packet came then, or whoever reads the packets says so.
    #[inline]
    pub(super) fn tell(&mut self, time: Timestamp) {
        match self.shortly(time) {
            Some(now) => (self.now, self.late_since) = (now, None),
            None => self.jump(time),
        }
    }

    /// The latest time once it is `time`, where that is neither late nor so far ahead that the shift changes.
    #[inline]
    fn shortly(&self, time: Timestamp) -> Option<Timestamp> {
        let shifted = time.as_nanos().checked_add(i64::try_from(self.shift).ok()?)?;
        let ahead = shifted.checked_sub(self.now.as_nanos())?;
        let near = self.started && ahead >= -LATE_NANOS && ahead <= self.near;
        near.then(|| self.now.max(Timestamp::from_nanos(shifted)))
    }

    /// Any time.
    #[inline(never)]
    fn jump(&mut self, time: Timestamp) {
        self.reach(time);
        let behind = self.behind(time);
        if behind <= LATE.as_nanos() as i128 {
            self.late_since = None;
            return;
        }
        let since = self.late_since.map_or(time, |since| since.min(time));
        self.late_since = Some(since);
        if time.since(since) >= PATIENCE {
            self.shift += behind.div_euclid(SECOND) * SECOND;
            self.late_since = None;
        }
    }

    /// Goes on to `time`, unless it is later already.
    fn reach(&mut self, time: Timestamp) {
        if !self.started {
            self.started = true;
            // Room for times to come on both sides.
            let room = i128::from(i64::MAX) / 2;
            let start = i128::from(time.as_nanos());
            self.shift = (start.clamp(-room, room) - start).div_euclid(SECOND) * SECOND;
            self.now = timestamp(start + self.shift);
            return;
        }
        let ahead = self.shifted(time) - i128::from(self.now.as_nanos());
        let excess = ahead - self.stride.as_nanos() as i128;
        if excess > 0 {
            self.shift -= excess.div_euclid(SECOND) * SECOND;
        }
        self.now = self.now.max(timestamp(self.shifted(time)));
    }

    fn behind(&self, time: Timestamp) -> i128 {
        i128::from(self.now.as_nanos()) - self.shifted(time)
    }

    fn shifted(&self, time: Timestamp) -> i128 {
        i128::from(time.as_nanos()) + self.shift
    }
}

fn timestamp(nanos: i128) -> Timestamp {
    Timestamp::from_nanos(nanos.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(seconds: i64) -> Timestamp {
        Timestamp::from_parts(seconds, 5)
    }

    fn clock() -> Clock {
        Clock::new(Duration::from_secs(1800))
    }

    #[test]
    fn follows_times_and_waits_for_those_that_are_late() {
        let mut clock = clock();
        for (time, now) in [(100, 100), (130, 130), (90, 130), (131, 131), (72, 131), (132, 132)] {
            clock.tell(seconds(time));
            assert_eq!(clock.now(), seconds(now));
        }
    }

    proptest! {
        #[test]
        fn times_that_come_shortly_are_as_any(
            start in prop_oneof![Just(0i64), Just(i64::MIN), Just(i64::MAX), any::<i64>()],
            steps in prop::collection::vec(prop_oneof![-2i64..3, -70i64..70, -4000i64..4000, any::<i64>()], 0..60),
        ) {
            let (mut fast, mut any, mut time) = (clock(), clock(), start);
            for step in steps {
                time = time.saturating_add(step.saturating_mul(1_000_000_007));
                fast.tell(Timestamp::from_nanos(time));
                any.jump(Timestamp::from_nanos(time));
                prop_assert_eq!(
                    (fast.now, fast.shift, fast.late_since), (any.now, any.shift, any.late_since)
                );
            }
        }
    }

    #[test]
    fn one_time_from_the_future_does_not_stop_it() {
        let mut clock = clock();
        clock.tell(seconds(100));
        clock.tell(Timestamp::from_nanos(i64::MAX));
        let far = clock.now();
        assert!(far >= seconds(1900) && far < seconds(1903), "{far}");
        for time in 101..=161 {
            clock.tell(seconds(time));
            assert_eq!(clock.now(), far);
        }
        clock.tell(seconds(171));
        assert!(clock.now().since(far) >= Duration::from_secs(9), "{} {far}", clock.now());
    }

    #[test]
    fn interleaved_clocks_leave_it_with_the_later_one() {
        let mut clock = clock();
        for time in 0..1000 {
            clock.tell(seconds(10_000 + time));
            clock.tell(seconds(time));
            assert_eq!(clock.now(), seconds(10_000 + time));
        }
    }

    #[test]
    fn says_what_is_late() {
        let mut clock = clock();
        assert!(!clock.is_late(Timestamp::from_nanos(i64::MIN)), "before the first time none is");
        clock.tell(seconds(100));
        assert_eq!([101, 100, 40, 39, -5000].map(|at| clock.is_late(seconds(at))), [false, false, false, true, true]);
        clock.tell(Timestamp::from_nanos(i64::MAX));
        assert!(clock.is_late(seconds(101)), "until the clock follows");
        [101, 161].into_iter().for_each(|at| clock.tell(seconds(at)));
        assert!(!clock.is_late(seconds(161)));
    }

    #[test]
    fn no_times_take_it_to_its_end() {
        let mut clock = clock();
        for round in 0..10_000 {
            clock.tell(Timestamp::from_nanos(if round % 3 == 0 { i64::MAX } else { i64::MIN + round % 2 * (1 << 40) }));
        }
        assert!(clock.now() < Timestamp::from_nanos(i64::MAX / 4 * 3));
    }
}
