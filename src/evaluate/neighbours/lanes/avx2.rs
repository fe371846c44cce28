//! AVX2 and FMA: two vectors of eight.

use super::Lanes;
use crate::objective::margin::LIMIT;
use std::arch::x86_64::*;

/// 16 lanes; `FUSED` chooses the arithmetic.
#[derive(Clone, Copy)]
pub struct Avx2<const FUSED: bool>(__m256, __m256);

impl<const FUSED: bool> Avx2<FUSED> {
    /// # Safety
    /// Needs AVX2.
    #[inline(always)]
    unsafe fn widen(sum: __m256i, loss: __m256, scale: __m256, valid: *const __m256i) -> __m256i {
        unsafe {
            let scaled = _mm256_min_ps(_mm256_mul_ps(loss, scale), _mm256_set1_ps(LIMIT));
            let steps = _mm256_and_si256(_mm256_cvttps_epi32(scaled), _mm256_load_si256(valid));
            let low = _mm256_cvtepu32_epi64(_mm256_castsi256_si128(steps));
            let high = _mm256_cvtepu32_epi64(_mm256_extracti128_si256::<1>(steps));
            _mm256_add_epi64(_mm256_add_epi64(sum, low), high)
        }
    }
}

impl<const FUSED: bool> Lanes for Avx2<FUSED> {
    type Sum = __m256i;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        unsafe { Self(_mm256_set1_ps(value), _mm256_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { Self(_mm256_load_ps(from), _mm256_load_ps(from.add(8))) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe {
            _mm256_store_ps(to, self.0);
            _mm256_store_ps(to.add(8), self.1);
        }
    }

    #[inline(always)]
    unsafe fn multiply_add(a: Self, b: Self, c: Self) -> Self {
        unsafe {
            if FUSED {
                Self(_mm256_fmadd_ps(a.0, b.0, c.0), _mm256_fmadd_ps(a.1, b.1, c.1))
            } else {
                Self(_mm256_add_ps(_mm256_mul_ps(a.0, b.0), c.0), _mm256_add_ps(_mm256_mul_ps(a.1, b.1), c.1))
            }
        }
    }

    #[inline(always)]
    unsafe fn subtract(a: Self, b: Self) -> Self {
        unsafe { Self(_mm256_sub_ps(a.0, b.0), _mm256_sub_ps(a.1, b.1)) }
    }

    #[inline(always)]
    unsafe fn relu(self) -> Self {
        unsafe {
            let zero = _mm256_setzero_ps();
            Self(_mm256_max_ps(self.0, zero), _mm256_max_ps(self.1, zero))
        }
    }

    #[inline(always)]
    unsafe fn greater(a: Self, b: Self) -> u32 {
        unsafe {
            let low = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(a.0, b.0)) as u32;
            let high = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(a.1, b.1)) as u32;
            low | high << 8
        }
    }

    #[inline(always)]
    unsafe fn greater_or_equal(a: Self, b: Self) -> u32 {
        unsafe {
            let low = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(a.0, b.0)) as u32;
            let high = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(a.1, b.1)) as u32;
            low | high << 8
        }
    }

    #[inline(always)]
    unsafe fn no_steps() -> Self::Sum {
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    unsafe fn add_steps(sum: Self::Sum, loss: Self, scale: Self, valid: *const u32) -> Self::Sum {
        unsafe {
            let valid = valid.cast::<__m256i>();
            let sum = Self::widen(sum, loss.0, scale.0, valid);
            Self::widen(sum, loss.1, scale.1, valid.add(1))
        }
    }

    #[inline(always)]
    unsafe fn total(sum: Self::Sum) -> u64 {
        unsafe {
            let mut parts = [0u64; 4];
            _mm256_storeu_si256(parts.as_mut_ptr().cast(), sum);
            parts.iter().sum()
        }
    }
}
