//! Shannon entropy of the first bytes of a payload.

/// Entropy by an incremental table: with `c` the count of a byte so far, each further one adds
/// `(c + 1) log2(c + 1) - c log2 c` to a sum `S`, and the entropy of `n` bytes is `log2 n - S / n`.
#[derive(Debug)]
pub(super) struct Entropy {
    steps: Vec<f32>,
}

impl Entropy {
    /// For payloads cut to `limit` bytes.
    pub(super) fn new(limit: u32) -> Self {
        let weight = |count: f64| if count > 0.0 { count * count.log2() } else { 0.0 };
        let step = |count: u32| (weight(f64::from(count) + 1.0) - weight(f64::from(count))) as f32;
        Self { steps: (0..limit).map(step).collect() }
    }

    /// Bits a byte, 0 to 8, of the first `limit` bytes; 0 for no bytes.
    pub(super) fn of(&self, payload: &[u8]) -> f32 {
        let bytes = &payload[..payload.len().min(self.steps.len())];
        if bytes.is_empty() {
            return 0.0;
        }
        let mut counts = [0u16; 256];
        let mut sum = 0.0;
        for &byte in bytes {
            let count = &mut counts[usize::from(byte)];
            sum += self.steps[usize::from(*count)];
            *count += 1;
        }
        let n = bytes.len() as f32;
        (n.log2() - sum / n).clamp(0.0, 8.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_the_definition(payload in prop::collection::vec(any::<u8>(), 0..600)) {
            let cut = &payload[..payload.len().min(256)];
            let share = |byte: u8| cut.iter().filter(|&&b| b == byte).count() as f64 / cut.len() as f64;
            let expected: f64 =
                (0..=255).map(share).filter(|&p| p > 0.0).map(|p| -p * p.log2()).sum();
            prop_assert!((f64::from(Entropy::new(256).of(&payload)) - expected).abs() < 1e-4);
        }
    }

    #[test]
    fn known_values() {
        let entropy = Entropy::new(256);
        assert_eq!(entropy.of(&[]), 0.0);
        assert_eq!(entropy.of(&[7; 300]), 0.0);
        assert_eq!(entropy.of(&(0..=255).collect::<Vec<u8>>()), 8.0);
        assert_eq!(entropy.of(b"abababab"), 1.0);
    }
}
