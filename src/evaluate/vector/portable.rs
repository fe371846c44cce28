//! Plain Rust, which the compiler maps to whatever the target has.

#![allow(clippy::needless_range_loop, reason = "several arrays of vectors are indexed in step")]

use super::{LaneKernel, Lanes, Vector};
use crate::arithmetic::{Arithmetic, flushed, fma};

const fn arithmetic(fused: bool, flushed: bool) -> Arithmetic {
    match (fused, flushed) {
        (true, false) => Arithmetic::Fused,
        (false, false) => Arithmetic::Separate,
        (true, true) => Arithmetic::FusedFlushed,
        (false, true) => Arithmetic::SeparateFlushed,
    }
}

/// As many lanes as a kernel likes; `FUSED` and `FLUSHED` choose the arithmetic. Where the target has no multiply-add
/// instruction the fused one is a library call: right, but slow.
#[derive(Clone, Copy)]
pub struct PlainLanes<const FUSED: bool, const FLUSHED: bool, const COUNT: usize>([f32; COUNT]);

/// Subnormal results are kept.
pub type Portable<const FUSED: bool, const COUNT: usize> = PlainLanes<FUSED, false, COUNT>;

/// Subnormal results are flushed to zero.
pub type Flushed<const FUSED: bool, const COUNT: usize> = PlainLanes<FUSED, true, COUNT>;

impl<const FUSED: bool, const FLUSHED: bool, const COUNT: usize> Lanes for PlainLanes<FUSED, FLUSHED, COUNT> {
    const LANES: usize = COUNT;

    type Sum = u64;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; COUNT])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(*from.cast::<[f32; COUNT]>())
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        *to.cast::<[f32; COUNT]>() = self.0
    }

    #[inline(always)]
    unsafe fn multiply_add(a: Self, b: Self, c: Self) -> Self {
        let mut sum = c.0;
        for lane in 0..COUNT {
            sum[lane] = fma(const { arithmetic(FUSED, FLUSHED) }, a.0[lane], b.0[lane], sum[lane]);
        }
        Self(sum)
    }

    #[inline(always)]
    unsafe fn subtract(a: Self, b: Self) -> Self {
        let mut difference = a.0;
        for lane in 0..COUNT {
            difference[lane] -= b.0[lane];
            if FLUSHED {
                difference[lane] = flushed(difference[lane]);
            }
        }
        Self(difference)
    }

    #[inline(always)]
    unsafe fn relu(self) -> Self {
        Self(self.0.map(|value| if value > 0.0 { value } else { 0.0 }))
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        let mut least = other.0;
        for lane in 0..COUNT {
            least[lane] = if self.0[lane] < least[lane] { self.0[lane] } else { least[lane] };
        }
        Self(least)
    }

    #[inline(always)]
    unsafe fn and(self, other: Self) -> Self {
        let mut bits = self.0;
        for lane in 0..COUNT {
            bits[lane] = f32::from_bits(self.0[lane].to_bits() & other.0[lane].to_bits());
        }
        Self(bits)
    }

    #[inline(always)]
    unsafe fn greater(self, other: Self) -> u64 {
        (0..COUNT).map(|lane| u64::from(self.0[lane] > other.0[lane]) << lane).sum()
    }

    #[inline(always)]
    unsafe fn greater_or_equal(self, other: Self) -> u64 {
        (0..COUNT).map(|lane| u64::from(self.0[lane] >= other.0[lane]) << lane).sum()
    }

    #[inline(always)]
    unsafe fn nothing() -> Self::Sum {
        0
    }

    #[inline(always)]
    unsafe fn add_truncated(self, sum: Self::Sum) -> Self::Sum {
        self.0.iter().fold(sum, |sum, &lane| sum + u64::from(lane as u32))
    }

    #[inline(always)]
    unsafe fn total(sum: Self::Sum) -> u64 {
        sum
    }
}

impl<const FUSED: bool, const FLUSHED: bool, const COUNT: usize> Vector
    for PlainLanes<FUSED, FLUSHED, COUNT>
{
    #[inline(never)]
    unsafe fn apart<K: LaneKernel>(kernel: K) -> K::Output {
        kernel.run::<Self>()
    }

    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        let mut bits = self.0;
        for lane in 0..COUNT {
            bits[lane] = f32::from_bits(self.0[lane].to_bits() | other.0[lane].to_bits());
        }
        Self(bits)
    }

    const GROUP: usize = COUNT;

    #[inline(always)]
    unsafe fn group(from: *const f32) -> Self {
        Self::load(from)
    }

    #[inline(always)]
    unsafe fn first_of_group(self) -> Self {
        Self::splat(self.0[0])
    }

    #[inline(always)]
    unsafe fn rotated(self) -> Self {
        let mut values = self.0;
        values.rotate_left(1);
        Self(values)
    }

    #[inline(always)]
    unsafe fn any_bit(self) -> bool {
        self.0.iter().any(|value| value.to_bits() != 0)
    }

    #[inline(always)]
    unsafe fn select_greater(left: Self, right: Self, yes: Self, no: Self) -> Self {
        let mut chosen = no.0;
        for lane in 0..COUNT {
            chosen[lane] = if left.0[lane] > right.0[lane] { yes.0[lane] } else { chosen[lane] };
        }
        Self(chosen)
    }

    #[inline(always)]
    unsafe fn select_equal(left: Self, right: Self, yes: Self, no: Self) -> Self {
        let mut chosen = no.0;
        for lane in 0..COUNT {
            chosen[lane] = if left.0[lane] == right.0[lane] { yes.0[lane] } else { chosen[lane] };
        }
        Self(chosen)
    }

    #[inline(always)]
    unsafe fn floor(self) -> Self {
        Self(self.0.map(f32::floor))
    }

    #[inline(always)]
    unsafe fn half_to_the(self) -> Self {
        Self(self.0.map(|value| f32::from_bits((127 - value as u32) << 23)))
    }

    #[inline(always)]
    unsafe fn exponent_and_mantissa(self) -> (Self, Self) {
        let exponent = |value: f32| (value.to_bits() >> 23) as f32 - 127.0;
        let mantissa = |value: f32| f32::from_bits(value.to_bits() & 0x007f_ffff | 0x3f80_0000);
        (Self(self.0.map(exponent)), Self(self.0.map(mantissa)))
    }

    #[inline(always)]
    unsafe fn count_equal(left: Self, right: Self) -> u32 {
        (0..COUNT).map(|lane| u32::from(left.0[lane] == right.0[lane])).sum()
    }

    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        for row in 0..COUNT {
            for column in 0..COUNT {
                *to.add(column * to_stride + row) = *from.add(row * from_stride + column);
            }
        }
    }
}
