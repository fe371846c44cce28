//! AVX-512: 16 lanes.

use super::Vector;
use std::arch::x86_64::*;

/// 16 lanes; `FUSED` chooses the arithmetic.
#[derive(Clone, Copy)]
pub struct Avx512<const FUSED: bool>(__m512);

impl<const FUSED: bool> Vector for Avx512<FUSED> {
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        unsafe { Self(_mm512_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { Self(_mm512_load_ps(from)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm512_store_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn multiply_add(a: Self, b: Self, c: Self) -> Self {
        unsafe {
            if FUSED {
                Self(_mm512_fmadd_ps(a.0, b.0, c.0))
            } else {
                Self(_mm512_add_ps(_mm512_mul_ps(a.0, b.0), c.0))
            }
        }
    }

    #[inline(always)]
    unsafe fn subtract(a: Self, b: Self) -> Self {
        unsafe { Self(_mm512_sub_ps(a.0, b.0)) }
    }

    /// As signed integers, negative floats are negative: the integer maximum leaves the ports of the
    /// multiply-adds free.
    #[inline(always)]
    unsafe fn relu(self) -> Self {
        unsafe {
            let bits = _mm512_castps_si512(self.0);
            Self(_mm512_castsi512_ps(_mm512_max_epi32(bits, _mm512_setzero_si512())))
        }
    }

    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        unsafe {
            let (left, right) = (_mm512_castps_si512(self.0), _mm512_castps_si512(other.0));
            Self(_mm512_castsi512_ps(_mm512_or_si512(left, right)))
        }
    }

    #[inline(always)]
    unsafe fn any_bit(self) -> bool {
        unsafe {
            let bits = _mm512_castps_si512(self.0);
            _mm512_test_epi32_mask(bits, bits) != 0
        }
    }

    #[inline(always)]
    unsafe fn greater(self, other: Self) -> u64 {
        unsafe { u64::from(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn select_greater(left: Self, right: Self, yes: Self, no: Self) -> Self {
        unsafe {
            let greater = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(left.0, right.0);
            Self(_mm512_mask_blend_ps(greater, no.0, yes.0))
        }
    }

    #[inline(always)]
    unsafe fn select_equal(left: Self, right: Self, yes: Self, no: Self) -> Self {
        unsafe {
            let equal = _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(left.0, right.0);
            Self(_mm512_mask_blend_ps(equal, no.0, yes.0))
        }
    }

    #[inline(always)]
    unsafe fn count_equal(left: Self, right: Self) -> u32 {
        unsafe { _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(left.0, right.0).count_ones() }
    }

    #[inline(always)]
    unsafe fn sum_truncated(self) -> u64 {
        unsafe {
            let whole = _mm512_cvttps_epi32(self.0);
            let low = _mm512_cvtepu32_epi64(_mm512_castsi512_si256(whole));
            let high = _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64::<1>(whole));
            _mm512_reduce_add_epi64(_mm512_add_epi64(low, high)) as u64
        }
    }
}
