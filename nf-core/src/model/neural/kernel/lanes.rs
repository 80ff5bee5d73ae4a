//! Sixteen numbers at once, on whatever the processor has: AVX-512, AVX2, or plain loops.
//!
//! A kernel is written once over [`Lanes`] and compiled for each; which one runs is found out at run time. The token of a
//! level can be made only where the processor has it, so that nothing here is `unsafe`.

#[cfg(target_arch = "x86_64")]
use pulp::x86::{V3, V4};

/// How many numbers stand side by side.
pub(in crate::model::neural) const LANES: usize = 16;

/// One value of each lane, in memory.
pub(in crate::model::neural) type Line = [f32; LANES];

/// The numbers from `at` on, filled up with zeros.
#[inline(always)]
pub(in crate::model::neural) fn line(from: &[f32], at: usize) -> Line {
    match from[at..].first_chunk::<LANES>() {
        Some(line) => *line,
        None => {
            let mut line = [0.0; LANES];
            line[..from.len() - at].copy_from_slice(&from[at..]);
            line
        }
    }
}

/// Writes the numbers from `at` on, as many as there are.
#[inline(always)]
pub(in crate::model::neural) fn put(to: &mut [f32], at: usize, line: Line) {
    match to[at..].first_chunk_mut::<LANES>() {
        Some(to) => *to = line,
        None => to[at..].iter_mut().zip(line).for_each(|(to, x)| *to = x),
    }
}

/// Arithmetic on sixteen numbers.
pub(in crate::model::neural) trait Lanes: Copy {
    type V: Copy;

    fn splat(self, x: f32) -> Self::V;
    fn load(self, from: &Line) -> Self::V;
    fn store(self, to: &mut Line, v: Self::V);
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, in one rounding where the processor can.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `negative` where the sign bit of `x` is set, `positive` elsewhere.
    fn by_sign(self, x: Self::V, negative: Self::V, positive: Self::V) -> Self::V;
    /// The bits of each number, shifted left by 23: from the last bits of a mantissa to an exponent.
    fn shift_to_exponent(self, v: Self::V) -> Self::V;
    /// The lanes whose bit is set; `other` in the rest.
    fn keep(self, v: Self::V, bits: u16, other: f32) -> Self::V;

    #[inline(always)]
    fn load_all<const N: usize>(self, from: &[Line; N]) -> [Self::V; N] {
        let mut v = [self.splat(0.0); N];
        for i in 0..N {
            v[i] = self.load(&from[i]);
        }
        v
    }

    #[inline(always)]
    fn store_all<const N: usize>(self, to: &mut [Line; N], v: [Self::V; N]) {
        for i in 0..N {
            self.store(&mut to[i], v[i]);
        }
    }

    /// `2^x`, relative error below 2e-7 for `x` of -126 to 127; `2^-126` below that.
    #[inline(always)]
    fn exp2(self, x: Self::V) -> Self::V {
        // Added to a number, this rounds it to an integer and leaves that, plus the bias of the exponent, in the last bits.
        let magic = self.splat(12_582_912.0 + 127.0);
        let x = self.max(x, self.splat(-126.0));
        let shifted = self.add(x, magic);
        let rest = self.sub(x, self.sub(shifted, magic));
        // The minimax polynomial of degree 5 for 2^x on -0.5 to 0.5 (relative error 7.5e-8), found by Remez' exchange.
        #[allow(clippy::approx_constant, reason = "a coefficient that is near ln 2, but not ln 2")]
        const COEFFICIENTS: [f32; 5] = [9.675_541e-3, 5.550_713_3e-2, 0.240_221_2, 0.693_147, 1.000_000_1];
        let mut p = self.splat(1.327_647_2e-3);
        for coefficient in COEFFICIENTS {
            p = self.mul_add(p, rest, self.splat(coefficient));
        }
        self.mul(p, self.shift_to_exponent(shifted))
    }

    /// The sum over the lanes, always in the same order.
    #[inline(always)]
    fn sum(self, v: Self::V) -> f32 {
        self.fold(v, |a, b| a + b)
    }

    /// The largest of the lanes.
    #[inline(always)]
    fn largest(self, v: Self::V) -> f32 {
        self.fold(v, f32::max)
    }

    #[inline(always)]
    fn fold(self, v: Self::V, join: impl Fn(f32, f32) -> f32) -> f32 {
        let mut line = [0.0; LANES];
        self.store(&mut line, v);
        for half in [8, 4, 2, 1] {
            for i in 0..half {
                line[i] = join(line[i], line[i + half]);
            }
        }
        line[0]
    }
}

/// Plain loops, for every processor.
#[derive(Debug, Clone, Copy)]
pub(in crate::model::neural) struct Portable;

impl Lanes for Portable {
    type V = Line;

    #[inline(always)]
    fn splat(self, x: f32) -> Line {
        [x; LANES]
    }

    #[inline(always)]
    fn load(self, from: &Line) -> Line {
        *from
    }

    #[inline(always)]
    fn store(self, to: &mut Line, v: Line) {
        *to = v;
    }

    #[inline(always)]
    fn add(self, a: Line, b: Line) -> Line {
        std::array::from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn sub(self, a: Line, b: Line) -> Line {
        std::array::from_fn(|i| a[i] - b[i])
    }

    #[inline(always)]
    fn mul(self, a: Line, b: Line) -> Line {
        std::array::from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    fn div(self, a: Line, b: Line) -> Line {
        std::array::from_fn(|i| a[i] / b[i])
    }

    #[inline(always)]
    fn max(self, a: Line, b: Line) -> Line {
        std::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn mul_add(self, a: Line, b: Line, c: Line) -> Line {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    fn by_sign(self, x: Line, negative: Line, positive: Line) -> Line {
        std::array::from_fn(|i| if x[i].is_sign_negative() { negative[i] } else { positive[i] })
    }

    #[inline(always)]
    fn shift_to_exponent(self, v: Line) -> Line {
        v.map(|x| f32::from_bits(x.to_bits() << 23))
    }

    #[inline(always)]
    fn keep(self, v: Line, bits: u16, other: f32) -> Line {
        std::array::from_fn(|i| if bits >> i & 1 == 1 { v[i] } else { other })
    }
}

/// Work that is compiled for each level.
pub(in crate::model::neural) trait Kernel {
    type Output;

    /// `R` is how many rows of accumulators the registers hold. Must be `#[inline(always)]`, and all it calls.
    fn run<L: Lanes, const R: usize>(self, lanes: L) -> Self::Output;
}

/// What a processor can do.
#[derive(Debug, Clone, Copy)]
pub(in crate::model::neural) enum Level {
    #[cfg(target_arch = "x86_64")]
    Avx512(V4),
    #[cfg(target_arch = "x86_64")]
    Avx2(V3),
    Portable,
    /// Plain loops in the tiles of AVX-512, for processors without it.
    #[cfg(test)]
    PortableInWideTiles,
}

impl Level {
    /// The best that this processor has.
    pub(in crate::model::neural) fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        match (V4::try_new(), V3::try_new()) {
            (Some(token), _) => return Self::Avx512(token),
            (_, Some(token)) => return Self::Avx2(token),
            _ => {}
        }
        Self::Portable
    }

    pub(in crate::model::neural) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(token) => token.vectorize(With::<K, V4, 8> { kernel, lanes: token }),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(token) => token.vectorize(With::<K, V3, 6> { kernel, lanes: token }),
            Self::Portable => kernel.run::<Portable, 4>(Portable),
            #[cfg(test)]
            Self::PortableInWideTiles => kernel.run::<Portable, 8>(Portable),
        }
    }
}

#[cfg(target_arch = "x86_64")]
struct With<K, L, const R: usize> {
    kernel: K,
    lanes: L,
}

#[cfg(target_arch = "x86_64")]
impl<K: Kernel, L: Lanes, const R: usize> pulp::NullaryFnOnce for With<K, L, R> {
    type Output = K::Output;

    #[inline(always)]
    fn call(self) -> K::Output {
        self.kernel.run::<L, R>(self.lanes)
    }
}

/// All levels that this processor has.
#[cfg(test)]
pub(in crate::model::neural) fn levels() -> Vec<Level> {
    let mut levels = vec![Level::Portable, Level::PortableInWideTiles];
    #[cfg(target_arch = "x86_64")]
    levels.extend([V3::try_new().map(Level::Avx2), V4::try_new().map(Level::Avx512)].into_iter().flatten());
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct Everything([Line; 3], u16);

    impl Kernel for Everything {
        type Output = (Vec<Line>, [f32; 2]);

        #[inline(always)]
        fn run<L: Lanes, const R: usize>(self, l: L) -> Self::Output {
            let [a, b, c] = [0, 1, 2].map(|i| l.load(&self.0[i]));
            let results = [
                l.add(a, b),
                l.sub(a, b),
                l.mul(a, b),
                l.div(a, b),
                l.max(a, b),
                l.mul_add(a, b, c),
                l.keep(a, self.1, 7.0),
                l.exp2(a),
                l.splat(2.5),
                l.by_sign(a, b, c),
            ];
            let line = |v| {
                let mut line = [0.0; LANES];
                l.store(&mut line, v);
                line
            };
            (results.map(line).to_vec(), [l.sum(a), l.largest(a)])
        }
    }

    #[test]
    fn every_level_does_the_same() {
        let inputs = [0, 1, 2].map(|i| std::array::from_fn(|j| ((i * 31 + j * 7) as f32 * 0.37).sin() * 40.0));
        let expected = Level::Portable.run(Everything(inputs, 0b1010_0000_0000_1101));
        let [a, b, _] = inputs;
        assert_eq!(expected.0[1], std::array::from_fn(|i| a[i] - b[i]));
        assert_eq!(expected.0[6], std::array::from_fn(|i| if [0, 2, 3, 13, 15].contains(&i) { a[i] } else { 7.0 }));
        assert!((expected.1[0] - a.iter().sum::<f32>()).abs() < 1e-4);
        assert_eq!(expected.1[1], a.iter().copied().fold(f32::MIN, f32::max));
        for level in levels() {
            let found = level.run(Everything(inputs, 0b1010_0000_0000_1101));
            assert_eq!(found.1, expected.1);
            for (i, (found, expected)) in found.0.iter().zip(&expected.0).enumerate() {
                for (a, b) in found.iter().zip(expected) {
                    assert!((a - b).abs() <= 4e-7 * b.abs().max(1600.0 * f32::from(u8::from(i == 5))), "{i}: {a} {b}");
                }
            }
        }
    }

    #[test]
    fn powers_of_two_are_close() {
        for i in -12600..12700 {
            let x = i as f32 * 0.01;
            let found = Portable.exp2([x; LANES])[3];
            let error = (f64::from(found) / f64::from(x).exp2() - 1.0).abs();
            assert!(error < 3e-7, "{x}: {found}");
        }
        assert_eq!(Portable.exp2([-1e30; LANES])[0], Portable.exp2([-126.0; LANES])[0]);
    }
}
