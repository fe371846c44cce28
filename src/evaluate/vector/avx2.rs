//! AVX2 with FMA: 8 lanes.

use super::{LaneKernel, Lanes, Vector};
use std::arch::x86_64::*;

/// 8 lanes; `FUSED` chooses the arithmetic.
#[derive(Clone, Copy)]
pub struct Avx2<const FUSED: bool>(__m256);

impl<const FUSED: bool> Lanes for Avx2<FUSED> {
    const LANES: usize = 8;

    type Sum = __m256i;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self(_mm256_set1_ps(value))
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(_mm256_load_ps(from))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        _mm256_store_ps(to, self.0)
    }

    #[inline(always)]
    unsafe fn multiply_add(a: Self, b: Self, c: Self) -> Self {
        if FUSED {
            Self(_mm256_fmadd_ps(a.0, b.0, c.0))
        } else {
            Self(_mm256_add_ps(_mm256_mul_ps(a.0, b.0), c.0))
        }
    }

    #[inline(always)]
    unsafe fn subtract(a: Self, b: Self) -> Self {
        Self(_mm256_sub_ps(a.0, b.0))
    }

    /// As signed integers, negative floats are negative: the integer maximum leaves the ports of the
    /// multiply-adds free.
    #[inline(always)]
    unsafe fn relu(self) -> Self {
        let bits = _mm256_castps_si256(self.0);
        Self(_mm256_castsi256_ps(_mm256_max_epi32(bits, _mm256_setzero_si256())))
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        Self(_mm256_min_ps(self.0, other.0))
    }

    #[inline(always)]
    unsafe fn and(self, other: Self) -> Self {
        Self(_mm256_and_ps(self.0, other.0))
    }

    #[inline(always)]
    unsafe fn greater(self, other: Self) -> u64 {
        _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(self.0, other.0)) as u64
    }

    #[inline(always)]
    unsafe fn greater_or_equal(self, other: Self) -> u64 {
        _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(self.0, other.0)) as u64
    }

    #[inline(always)]
    unsafe fn nothing() -> Self::Sum {
        _mm256_setzero_si256()
    }

    #[inline(always)]
    unsafe fn add_truncated(self, sum: Self::Sum) -> Self::Sum {
        let whole = _mm256_cvttps_epi32(self.0);
        let low = _mm256_cvtepu32_epi64(_mm256_castsi256_si128(whole));
        let high = _mm256_cvtepu32_epi64(_mm256_extracti128_si256::<1>(whole));
        _mm256_add_epi64(_mm256_add_epi64(sum, low), high)
    }

    #[inline(always)]
    unsafe fn total(sum: Self::Sum) -> u64 {
        let mut parts = [0u64; 4];
        _mm256_storeu_si256(parts.as_mut_ptr().cast(), sum);
        parts.iter().sum()
    }
}

impl<const FUSED: bool> Vector for Avx2<FUSED> {
    #[inline(never)]
    #[target_feature(enable = "avx2,fma,popcnt,bmi1,bmi2")]
    unsafe fn apart<K: LaneKernel>(kernel: K) -> K::Output {
        kernel.run::<Self>()
    }

    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        Self(_mm256_or_ps(self.0, other.0))
    }

    const GROUP: usize = 8;

    #[inline(always)]
    unsafe fn group(from: *const f32) -> Self {
        Self(_mm256_loadu_ps(from))
    }

    #[inline(always)]
    unsafe fn first_of_group(self) -> Self {
        Self(_mm256_broadcastss_ps(_mm256_castps256_ps128(self.0)))
    }

    #[inline(always)]
    unsafe fn rotated(self) -> Self {
        Self(_mm256_permutevar8x32_ps(self.0, _mm256_setr_epi32(1, 2, 3, 4, 5, 6, 7, 0)))
    }

    #[inline(always)]
    unsafe fn any_bit(self) -> bool {
        let bits = _mm256_castps_si256(self.0);
        _mm256_testz_si256(bits, bits) == 0
    }

    #[inline(always)]
    unsafe fn select_greater(left: Self, right: Self, yes: Self, no: Self) -> Self {
        let greater = _mm256_cmp_ps::<_CMP_GT_OQ>(left.0, right.0);
        Self(_mm256_blendv_ps(no.0, yes.0, greater))
    }

    #[inline(always)]
    unsafe fn select_equal(left: Self, right: Self, yes: Self, no: Self) -> Self {
        let equal = _mm256_cmp_ps::<_CMP_EQ_OQ>(left.0, right.0);
        Self(_mm256_blendv_ps(no.0, yes.0, equal))
    }

    #[inline(always)]
    unsafe fn floor(self) -> Self {
        Self(_mm256_floor_ps(self.0))
    }

    #[inline(always)]
    unsafe fn half_to_the(self) -> Self {
        let exponents = _mm256_sub_epi32(_mm256_set1_epi32(127), _mm256_cvttps_epi32(self.0));
        Self(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponents)))
    }

    #[inline(always)]
    unsafe fn exponent_and_mantissa(self) -> (Self, Self) {
        let bits = _mm256_castps_si256(self.0);
        let exponents = _mm256_sub_epi32(_mm256_srli_epi32::<23>(bits), _mm256_set1_epi32(127));
        let fractions = _mm256_and_si256(bits, _mm256_set1_epi32(0x007f_ffff));
        let mantissas = _mm256_or_si256(fractions, _mm256_set1_epi32(0x3f80_0000));
        (Self(_mm256_cvtepi32_ps(exponents)), Self(_mm256_castsi256_ps(mantissas)))
    }

    #[inline(always)]
    unsafe fn count_equal(left: Self, right: Self) -> u32 {
        _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_EQ_OQ>(left.0, right.0)).count_ones()
    }

    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        let upper = half(from, from_stride);
        let lower = half(from.add(4 * from_stride), from_stride);
        for k in 0..4 {
            let column = to.add(k * to_stride);
            _mm256_store_ps(column, _mm256_permute2f128_ps::<0x20>(upper[k], lower[k]));
            _mm256_store_ps(column.add(4 * to_stride), _mm256_permute2f128_ps::<0x31>(upper[k], lower[k]));
        }
    }
}

/// Four vectors of which half `h` of the one at `k` is column `4 h + k` of four rows, so many values apart.
///
/// # Safety
/// As for [`Vector`].
#[inline(always)]
unsafe fn half(from: *const f32, stride: usize) -> [__m256; 4] {
    let (a, b) = (_mm256_load_ps(from), _mm256_load_ps(from.add(stride)));
    let (c, d) = (_mm256_load_ps(from.add(2 * stride)), _mm256_load_ps(from.add(3 * stride)));
    let low = _mm256_castps_pd(_mm256_unpacklo_ps(a, b));
    let high = _mm256_castps_pd(_mm256_unpackhi_ps(a, b));
    let low_below = _mm256_castps_pd(_mm256_unpacklo_ps(c, d));
    let high_below = _mm256_castps_pd(_mm256_unpackhi_ps(c, d));
    [
        _mm256_castpd_ps(_mm256_unpacklo_pd(low, low_below)),
        _mm256_castpd_ps(_mm256_unpackhi_pd(low, low_below)),
        _mm256_castpd_ps(_mm256_unpacklo_pd(high, high_below)),
        _mm256_castpd_ps(_mm256_unpackhi_pd(high, high_below)),
    ]
}
