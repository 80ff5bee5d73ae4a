//! A counter-based generator: the n-th number is a function of the key and of n alone, so that results depend neither on
//! threads nor on what was drawn before.

/// Random numbers keyed by a seed and by what they are for.
///
/// The output function is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random {
    key: u64,
    counter: u64,
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Random {
    /// The stream of `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self { key: mix(seed.wrapping_add(GOLDEN)), counter: 0 }
    }

    /// An independent stream for one purpose or position (an epoch, a tree, a batch): `seed.stream(epoch).stream(batch)`.
    pub(crate) fn stream(&self, position: u64) -> Self {
        Self { key: mix(self.key ^ mix(position.wrapping_add(1).wrapping_mul(GOLDEN))), counter: 0 }
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(1);
        mix(self.key.wrapping_add(self.counter.wrapping_mul(GOLDEN)))
    }

    /// Uniform in `[0, 1)`, 24 bits.
    pub(crate) fn uniform(&mut self) -> f32 {
        (self.bits() >> 40) as f32 * (1.0 / (1u32 << 24) as f32)
    }

    /// Uniform in `0..n`; `n` above 0. The bias is below `n / 2^64` (Lemire, "Fast random integer generation in an
    /// interval", 2019, without its rejection step).
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// Standard normal (Box and Muller, 1958).
    pub(crate) fn normal(&mut self) -> f32 {
        let (u, v) = (1.0 - self.uniform(), self.uniform());
        (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos()
    }

    /// A random order of `0..n` (Fisher and Yates).
    #[cfg(any(feature = "neural", test))]
    pub(crate) fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depends_on_seed_and_position_alone() {
        let draw = |mut random: Random| [random.bits(), random.bits()];
        assert_eq!(draw(Random::new(7).stream(3)), draw(Random::new(7).stream(3)));
        assert_ne!(draw(Random::new(7).stream(3)), draw(Random::new(7).stream(4)));
        assert_ne!(draw(Random::new(7).stream(0)), draw(Random::new(7)));
        assert_ne!(draw(Random::new(7)), draw(Random::new(8)));
    }

    #[test]
    fn moments_and_ranges_are_right() {
        let mut random = Random::new(1);
        let n = 100_000;
        let uniform: Vec<f32> = (0..n).map(|_| random.uniform()).collect();
        assert!(uniform.iter().all(|u| (0.0..1.0).contains(u)));
        let mean = uniform.iter().sum::<f32>() / n as f32;
        assert!((mean - 0.5).abs() < 0.005, "{mean}");
        let normal: Vec<f64> = (0..n).map(|_| f64::from(random.normal())).collect();
        let mean = normal.iter().sum::<f64>() / f64::from(n);
        let variance = normal.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        let mut order = random.permutation(1000);
        assert_ne!(order[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        order.sort_unstable();
        assert!(order.iter().copied().eq(0..1000));
    }
}
