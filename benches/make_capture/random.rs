//! Random numbers that are the same everywhere: whole numbers alone, since what `powf` and `ln` give is the platform's matter.

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The numbers of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is at least 1.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(end)) >> 64) as u64
    }

    /// A number of `from..=to`.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    /// True `times` in 1000.
    pub(crate) fn per_mille(&mut self, times: u64) -> bool {
        self.below(1000) < times
    }

    /// A number from `smallest` on with a heavy tail: each doubling, up to `doublings` of them, is half as likely as the
    /// one before, so that each contributes alike to the mean. Sizes of transfers are like that (Crovella, Bestavros 1997).
    pub(crate) fn heavy(&mut self, smallest: u64, doublings: u32) -> u64 {
        let octave = smallest << self.bits().trailing_zeros().min(doublings);
        octave + self.below(octave)
    }

    /// Appends `count` random bytes.
    pub(crate) fn fill(&mut self, bytes: &mut Vec<u8>, count: usize) {
        let end = bytes.len() + count;
        while bytes.len() < end {
            bytes.extend_from_slice(&self.bits().to_le_bytes());
        }
        bytes.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_reference_and_within_range() {
        // Of the reference implementation, seed 1234567.
        let mut random = Random::new(1_234_567);
        assert_eq!([random.bits(), random.bits()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
        for _ in 0..10_000 {
            assert!((5..=7).contains(&random.between(5, 7)));
            assert!((100..1600).contains(&random.heavy(100, 3)));
        }
        let mut bytes = vec![1];
        random.fill(&mut bytes, 11);
        assert_eq!(bytes.len(), 12);
    }
}
