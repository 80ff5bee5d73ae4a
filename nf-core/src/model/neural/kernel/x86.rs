//! [`Lanes`] in AVX-512 and AVX2.

use super::lanes::{Lanes, Line};
use pulp::x86::{V3, V4};
use std::arch::x86_64::{__m256, __m256i, __m512};

impl Lanes for V4 {
    type V = __m512;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        self.avx512f._mm512_set1_ps(x)
    }

    #[inline(always)]
    fn load(self, from: &Line) -> __m512 {
        pulp::cast(*from)
    }

    #[inline(always)]
    fn store(self, to: &mut Line, v: __m512) {
        *to = pulp::cast(v);
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        self.avx512f._mm512_add_ps(a, b)
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        self.avx512f._mm512_sub_ps(a, b)
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        self.avx512f._mm512_mul_ps(a, b)
    }

    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        self.avx512f._mm512_div_ps(a, b)
    }

    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        self.avx512f._mm512_max_ps(a, b)
    }

    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        self.avx512f._mm512_fmadd_ps(a, b, c)
    }

    #[inline(always)]
    fn by_sign(self, x: __m512, negative: __m512, positive: __m512) -> __m512 {
        let signs = self.avx512dq._mm512_movepi32_mask(self.avx512f._mm512_castps_si512(x));
        self.avx512f._mm512_mask_blend_ps(signs, positive, negative)
    }

    #[inline(always)]
    fn shift_to_exponent(self, v: __m512) -> __m512 {
        let bits = self.avx512f._mm512_castps_si512(v);
        self.avx512f._mm512_castsi512_ps(self.avx512f._mm512_slli_epi32::<23>(bits))
    }

    #[inline(always)]
    fn keep(self, v: __m512, bits: u16, other: f32) -> __m512 {
        self.avx512f._mm512_mask_blend_ps(bits, self.splat(other), v)
    }
}

impl Lanes for V3 {
    type V = [__m256; 2];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        [self.avx._mm256_set1_ps(x); 2]
    }

    #[inline(always)]
    fn load(self, from: &Line) -> Self::V {
        pulp::cast(*from)
    }

    #[inline(always)]
    fn store(self, to: &mut Line, v: Self::V) {
        *to = pulp::cast(v);
    }

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        [self.avx._mm256_add_ps(a[0], b[0]), self.avx._mm256_add_ps(a[1], b[1])]
    }

    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        [self.avx._mm256_sub_ps(a[0], b[0]), self.avx._mm256_sub_ps(a[1], b[1])]
    }

    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        [self.avx._mm256_mul_ps(a[0], b[0]), self.avx._mm256_mul_ps(a[1], b[1])]
    }

    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        [self.avx._mm256_div_ps(a[0], b[0]), self.avx._mm256_div_ps(a[1], b[1])]
    }

    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        [self.avx._mm256_max_ps(a[0], b[0]), self.avx._mm256_max_ps(a[1], b[1])]
    }

    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        [self.fma._mm256_fmadd_ps(a[0], b[0], c[0]), self.fma._mm256_fmadd_ps(a[1], b[1], c[1])]
    }

    #[inline(always)]
    fn by_sign(self, x: Self::V, negative: Self::V, positive: Self::V) -> Self::V {
        [
            self.avx._mm256_blendv_ps(positive[0], negative[0], x[0]),
            self.avx._mm256_blendv_ps(positive[1], negative[1], x[1]),
        ]
    }

    #[inline(always)]
    fn shift_to_exponent(self, v: Self::V) -> Self::V {
        [shift(self, v[0]), shift(self, v[1])]
    }

    #[inline(always)]
    fn keep(self, v: Self::V, bits: u16, other: f32) -> Self::V {
        let (all, other) = (self.avx._mm256_set1_epi32(i32::from(bits)), self.avx._mm256_set1_ps(other));
        const LOW: [i32; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
        const HIGH: [i32; 8] = [256, 512, 1024, 2048, 4096, 8192, 16384, 32768];
        [keep(self, v[0], all, LOW, other), keep(self, v[1], all, HIGH, other)]
    }
}

// Not closures: the compiler does not always expand those in place, and then calls a function for each instruction.

#[inline(always)]
fn shift(l: V3, v: __m256) -> __m256 {
    l.avx._mm256_castsi256_ps(l.avx2._mm256_slli_epi32::<23>(l.avx._mm256_castps_si256(v)))
}

/// Where the bit of `lanes` is set in `bits`, `v`.
#[inline(always)]
fn keep(l: V3, v: __m256, bits: __m256i, lanes: [i32; 8], other: __m256) -> __m256 {
    let lanes = pulp::cast(lanes);
    let set = l.avx2._mm256_cmpeq_epi32(l.avx2._mm256_and_si256(bits, lanes), lanes);
    l.avx._mm256_blendv_ps(other, v, l.avx._mm256_castsi256_ps(set))
}
