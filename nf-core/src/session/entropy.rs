//! Shannon entropy of the first bytes of a payload.

/// Entropy by an incremental table: with `c` the count of a byte so far, each further one adds
/// `(c + 1) log2(c + 1) - c log2 c` to a sum `S`, and the entropy of `n` bytes is `(n log2 n - S) / n`.
///
/// The sums are integers: exact in any order, and a third faster than floats, each of which waits for the one before.
#[derive(Debug)]
pub(super) struct Entropy {
    /// What the first to 256th byte of one value adds.
    short: Box<[u32; SHORT]>,
    /// What each byte of one value adds, up to the limit.
    steps: Vec<u32>,
    /// `n log2 n` for each number of bytes up to the limit.
    weights: Vec<u64>,
}

/// Bytes that a count of 8 bits is enough for: the 256th may wrap it, as no other follows.
const SHORT: usize = 256;

/// One bit of entropy in the integers of the tables. The largest step, of the 65,535th byte, is below 2^5 of it.
const BIT: f64 = (1u32 << 27) as f64;

fn weight(count: usize) -> u64 {
    let count = count as f64;
    if count > 0.0 { (count * count.log2() * BIT).round() as u64 } else { 0 }
}

fn step(count: usize) -> u32 {
    (weight(count + 1) - weight(count)) as u32
}

impl Entropy {
    /// For payloads cut to `limit` bytes, at most 65,535.
    pub(super) fn new(limit: u32) -> Self {
        let limit = limit as usize;
        Self {
            short: Box::new(std::array::from_fn(step)),
            steps: (0..limit).map(step).collect(),
            weights: (0..=limit).map(weight).collect(),
        }
    }

    /// Bits a byte, 0 to 8, of the first `limit` bytes; 0 for no bytes.
    pub(super) fn of(&self, payload: &[u8]) -> f32 {
        let bytes = &payload[..payload.len().min(self.steps.len())];
        if bytes.is_empty() {
            return 0.0;
        }
        let sum = if bytes.len() <= SHORT { self.short_sum(bytes) } else { self.sum(bytes) };
        ((self.weights[bytes.len()] - sum) as f64 / (bytes.len() as f64 * BIT)) as f32
    }

    /// The sum of the steps of at most [`SHORT`] bytes: counts of 8 bits, and no bounds to check.
    fn short_sum(&self, bytes: &[u8]) -> u64 {
        let mut counts = [0u8; 256];
        let mut sum = 0;
        for &byte in bytes {
            let count = &mut counts[usize::from(byte)];
            sum += u64::from(self.short[usize::from(*count)]);
            *count = count.wrapping_add(1);
        }
        sum
    }

    /// The sum of the steps.
    fn sum(&self, bytes: &[u8]) -> u64 {
        let mut counts = [0u16; 256];
        let mut sum = 0;
        for &byte in bytes {
            let count = &mut counts[usize::from(byte)];
            sum += u64::from(self.steps[usize::from(*count)]);
            *count += 1;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_definition(bytes: &[u8]) -> f64 {
        let share = |byte: u8| bytes.iter().filter(|&&b| b == byte).count() as f64 / bytes.len() as f64;
        (0..=255).map(share).filter(|&p| p > 0.0).map(|p| -p * p.log2()).sum()
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(payload in prop::collection::vec(any::<u8>(), 0..600), limit in 1..600u32) {
            let cut = &payload[..payload.len().min(limit as usize)];
            let found = f64::from(Entropy::new(limit).of(&payload));
            prop_assert!((found - by_definition(cut)).abs() < 1e-6, "{}", found);
        }

        #[test]
        fn short_counts_are_enough(payload in prop::collection::vec(prop_oneof![Just(7u8), any::<u8>()], 0..=SHORT)) {
            let entropy = Entropy::new(SHORT as u32);
            prop_assert_eq!(entropy.short_sum(&payload), entropy.sum(&payload));
        }
    }

    #[test]
    fn known_values() {
        let entropy = Entropy::new(256);
        assert_eq!(entropy.of(&[]), 0.0);
        for same in 1..=300 {
            assert_eq!(entropy.of(&vec![7; same]), 0.0);
        }
        assert_eq!(entropy.of(&(0..=255).collect::<Vec<u8>>()), 8.0);
        assert_eq!(entropy.of(b"abababab"), 1.0);
    }

    #[test]
    fn the_largest_limit_neither_wraps_nor_overflows() {
        let entropy = Entropy::new(65_535);
        assert_eq!(entropy.of(&vec![7; 70_000]), 0.0);
        let bytes: Vec<u8> = (0..65_535u32).map(|i| i as u8).collect();
        assert!((f64::from(entropy.of(&bytes)) - by_definition(&bytes)).abs() < 1e-6);
    }
}
