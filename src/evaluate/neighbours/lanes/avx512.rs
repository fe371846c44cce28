//! AVX-512: one vector.

use super::Lanes;
use crate::objective::margin::LIMIT;
use std::arch::x86_64::*;

/// 16 lanes; `FUSED` chooses the arithmetic.
#[derive(Clone, Copy)]
pub struct Avx512<const FUSED: bool>(__m512);

impl<const FUSED: bool> Lanes for Avx512<FUSED> {
    type Sum = __m512i;

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
    unsafe fn greater(a: Self, b: Self) -> u32 {
        unsafe { u32::from(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a.0, b.0)) }
    }

    #[inline(always)]
    unsafe fn greater_or_equal(a: Self, b: Self) -> u32 {
        unsafe { u32::from(_mm512_cmp_ps_mask::<_CMP_GE_OQ>(a.0, b.0)) }
    }

    #[inline(always)]
    unsafe fn no_steps() -> Self::Sum {
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn add_steps(sum: Self::Sum, loss: Self, scale: Self, valid: *const u32) -> Self::Sum {
        unsafe {
            let scaled = _mm512_min_ps(_mm512_mul_ps(loss.0, scale.0), _mm512_set1_ps(LIMIT));
            let steps = _mm512_and_si512(_mm512_cvttps_epi32(scaled), _mm512_load_si512(valid.cast()));
            let low = _mm512_cvtepu32_epi64(_mm512_castsi512_si256(steps));
            let high = _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64::<1>(steps));
            _mm512_add_epi64(_mm512_add_epi64(sum, low), high)
        }
    }

    #[inline(always)]
    unsafe fn total(sum: Self::Sum) -> u64 {
        unsafe { _mm512_reduce_add_epi64(sum) as u64 }
    }
}
