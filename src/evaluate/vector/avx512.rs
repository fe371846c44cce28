//! AVX-512: 16 lanes.

use super::{LaneKernel, Lanes, Vector};
use std::arch::x86_64::*;

/// 16 lanes; `FUSED` chooses the arithmetic.
#[derive(Clone, Copy)]
pub struct Avx512<const FUSED: bool>(__m512);

impl<const FUSED: bool> Lanes for Avx512<FUSED> {
    const LANES: usize = 16;

    type Sum = __m512i;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self(_mm512_set1_ps(value))
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(_mm512_load_ps(from))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        _mm512_store_ps(to, self.0)
    }

    #[inline(always)]
    unsafe fn multiply_add(a: Self, b: Self, c: Self) -> Self {
        if FUSED {
            Self(_mm512_fmadd_ps(a.0, b.0, c.0))
        } else {
            Self(_mm512_add_ps(_mm512_mul_ps(a.0, b.0), c.0))
        }
    }

    #[inline(always)]
    unsafe fn subtract(a: Self, b: Self) -> Self {
        Self(_mm512_sub_ps(a.0, b.0))
    }

    /// As signed integers, negative floats are negative: the integer maximum leaves the ports of the
    /// multiply-adds free.
    #[inline(always)]
    unsafe fn relu(self) -> Self {
        let bits = _mm512_castps_si512(self.0);
        Self(_mm512_castsi512_ps(_mm512_max_epi32(bits, _mm512_setzero_si512())))
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        Self(_mm512_min_ps(self.0, other.0))
    }

    #[inline(always)]
    unsafe fn and(self, other: Self) -> Self {
        let (left, right) = (_mm512_castps_si512(self.0), _mm512_castps_si512(other.0));
        Self(_mm512_castsi512_ps(_mm512_and_si512(left, right)))
    }

    #[inline(always)]
    unsafe fn greater(self, other: Self) -> u64 {
        u64::from(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, other.0))
    }

    #[inline(always)]
    unsafe fn greater_or_equal(self, other: Self) -> u64 {
        u64::from(_mm512_cmp_ps_mask::<_CMP_GE_OQ>(self.0, other.0))
    }

    #[inline(always)]
    unsafe fn nothing() -> Self::Sum {
        _mm512_setzero_si512()
    }

    #[inline(always)]
    unsafe fn add_truncated(self, sum: Self::Sum) -> Self::Sum {
        let whole = _mm512_cvttps_epi32(self.0);
        let low = _mm512_cvtepu32_epi64(_mm512_castsi512_si256(whole));
        let high = _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64::<1>(whole));
        _mm512_add_epi64(_mm512_add_epi64(sum, low), high)
    }

    #[inline(always)]
    unsafe fn total(sum: Self::Sum) -> u64 {
        _mm512_reduce_add_epi64(sum) as u64
    }
}

impl<const FUSED: bool> Vector for Avx512<FUSED> {
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx2,fma,popcnt,bmi1,bmi2")]
    unsafe fn apart<K: LaneKernel>(kernel: K) -> K::Output {
        kernel.run::<Self>()
    }

    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        let (left, right) = (_mm512_castps_si512(self.0), _mm512_castps_si512(other.0));
        Self(_mm512_castsi512_ps(_mm512_or_si512(left, right)))
    }

    /// The same four in each quarter: shuffles within quarters need no table of indices, which compilers would load anew
    /// for each.
    const GROUP: usize = 4;

    #[inline(always)]
    unsafe fn group(from: *const f32) -> Self {
        Self(_mm512_broadcast_f32x4(_mm_loadu_ps(from)))
    }

    #[inline(always)]
    unsafe fn first_of_group(self) -> Self {
        Self(_mm512_permute_ps::<0b00_00_00_00>(self.0))
    }

    #[inline(always)]
    unsafe fn rotated(self) -> Self {
        Self(_mm512_permute_ps::<0b00_11_10_01>(self.0))
    }

    #[inline(always)]
    unsafe fn any_bit(self) -> bool {
        let bits = _mm512_castps_si512(self.0);
        _mm512_test_epi32_mask(bits, bits) != 0
    }

    #[inline(always)]
    unsafe fn select_greater(left: Self, right: Self, yes: Self, no: Self) -> Self {
        let greater = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(left.0, right.0);
        Self(_mm512_mask_blend_ps(greater, no.0, yes.0))
    }

    #[inline(always)]
    unsafe fn select_equal(left: Self, right: Self, yes: Self, no: Self) -> Self {
        let equal = _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(left.0, right.0);
        Self(_mm512_mask_blend_ps(equal, no.0, yes.0))
    }

    #[inline(always)]
    unsafe fn floor(self) -> Self {
        Self(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(self.0))
    }

    #[inline(always)]
    unsafe fn half_to_the(self) -> Self {
        let exponents = _mm512_sub_epi32(_mm512_set1_epi32(127), _mm512_cvttps_epi32(self.0));
        Self(_mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponents)))
    }

    #[inline(always)]
    unsafe fn exponent_and_mantissa(self) -> (Self, Self) {
        let bits = _mm512_castps_si512(self.0);
        let exponents = _mm512_sub_epi32(_mm512_srli_epi32::<23>(bits), _mm512_set1_epi32(127));
        let fractions = _mm512_and_si512(bits, _mm512_set1_epi32(0x007f_ffff));
        let mantissas = _mm512_or_si512(fractions, _mm512_set1_epi32(0x3f80_0000));
        (Self(_mm512_cvtepi32_ps(exponents)), Self(_mm512_castsi512_ps(mantissas)))
    }

    #[inline(always)]
    unsafe fn count_equal(left: Self, right: Self) -> u32 {
        _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(left.0, right.0).count_ones()
    }

    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        let first = quarter(from, from_stride);
        let second = quarter(from.add(4 * from_stride), from_stride);
        let third = quarter(from.add(8 * from_stride), from_stride);
        let fourth = quarter(from.add(12 * from_stride), from_stride);
        for k in 0..4 {
            let (a, b, c, d) = (first[k], second[k], third[k], fourth[k]);
            let (upper, lower) = (_mm512_shuffle_f32x4::<EVEN>(a, b), _mm512_shuffle_f32x4::<EVEN>(c, d));
            let column = to.add(k * to_stride);
            _mm512_store_ps(column, _mm512_shuffle_f32x4::<EVEN>(upper, lower));
            _mm512_store_ps(column.add(8 * to_stride), _mm512_shuffle_f32x4::<ODD>(upper, lower));
            let (upper, lower) = (_mm512_shuffle_f32x4::<ODD>(a, b), _mm512_shuffle_f32x4::<ODD>(c, d));
            _mm512_store_ps(column.add(4 * to_stride), _mm512_shuffle_f32x4::<EVEN>(upper, lower));
            _mm512_store_ps(column.add(12 * to_stride), _mm512_shuffle_f32x4::<ODD>(upper, lower));
        }
    }
}

/// Of two vectors, the first and third, or the second and fourth, of each one's quarters.
const EVEN: i32 = 0x88;
const ODD: i32 = 0xdd;

/// Four vectors of which quarter `q` of the one at `k` is column `4 q + k` of four rows, so many values apart.
///
/// # Safety
/// As for [`Vector`].
#[inline(always)]
unsafe fn quarter(from: *const f32, stride: usize) -> [__m512; 4] {
    let (a, b) = (_mm512_load_ps(from), _mm512_load_ps(from.add(stride)));
    let (c, d) = (_mm512_load_ps(from.add(2 * stride)), _mm512_load_ps(from.add(3 * stride)));
    let low = _mm512_castps_pd(_mm512_unpacklo_ps(a, b));
    let high = _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
    let low_below = _mm512_castps_pd(_mm512_unpacklo_ps(c, d));
    let high_below = _mm512_castps_pd(_mm512_unpackhi_ps(c, d));
    [
        _mm512_castpd_ps(_mm512_unpacklo_pd(low, low_below)),
        _mm512_castpd_ps(_mm512_unpackhi_pd(low, low_below)),
        _mm512_castpd_ps(_mm512_unpacklo_pd(high, high_below)),
        _mm512_castpd_ps(_mm512_unpackhi_pd(high, high_below)),
    ]
}
