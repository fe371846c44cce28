//! Plain Rust, for the compiler to vectorise as it can.

use super::{LANES, Lanes};
use crate::objective::margin::LIMIT;

/// 16 lanes; `FUSED` chooses the arithmetic.
#[derive(Clone, Copy)]
pub struct Portable<const FUSED: bool>([f32; LANES]);

impl<const FUSED: bool> Portable<FUSED> {
    #[inline(always)]
    fn bits(a: Self, b: Self, holds: impl Fn(f32, f32) -> bool) -> u32 {
        (0..LANES).fold(0, |bits, n| bits | u32::from(holds(a.0[n], b.0[n])) << n)
    }
}

impl<const FUSED: bool> Lanes for Portable<FUSED> {
    type Sum = [u64; LANES];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the trait's contract.
        unsafe { Self(from.cast::<[f32; LANES]>().read()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the trait's contract.
        unsafe { to.cast::<[f32; LANES]>().write(self.0) }
    }

    #[inline(always)]
    unsafe fn multiply_add(a: Self, b: Self, c: Self) -> Self {
        Self(std::array::from_fn(|n| {
            if FUSED { a.0[n].mul_add(b.0[n], c.0[n]) } else { a.0[n] * b.0[n] + c.0[n] }
        }))
    }

    #[inline(always)]
    unsafe fn subtract(a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|n| a.0[n] - b.0[n]))
    }

    #[inline(always)]
    unsafe fn relu(self) -> Self {
        Self(self.0.map(|value| value.max(0.0)))
    }

    #[inline(always)]
    unsafe fn greater(a: Self, b: Self) -> u32 {
        Self::bits(a, b, |a, b| a > b)
    }

    #[inline(always)]
    unsafe fn greater_or_equal(a: Self, b: Self) -> u32 {
        Self::bits(a, b, |a, b| a >= b)
    }

    #[inline(always)]
    unsafe fn no_steps() -> Self::Sum {
        [0; LANES]
    }

    #[inline(always)]
    unsafe fn add_steps(sum: Self::Sum, loss: Self, scale: Self, valid: *const u32) -> Self::Sum {
        // SAFETY: the trait's contract.
        let valid = unsafe { valid.cast::<[u32; LANES]>().read() };
        std::array::from_fn(|n| {
            let steps = (loss.0[n] * scale.0[n]).min(LIMIT) as u32;
            sum[n] + u64::from(steps & valid[n])
        })
    }

    #[inline(always)]
    unsafe fn total(sum: Self::Sum) -> u64 {
        sum.iter().sum()
    }
}
