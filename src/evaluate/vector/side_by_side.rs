//! Several vectors, or groups of them, as one.

#![allow(clippy::needless_range_loop, reason = "several arrays of vectors are indexed in step")]

use super::Lanes;

/// `N` times as many lanes, in memory one behind the other.
impl<V: Lanes, const N: usize> Lanes for [V; N] {
    const LANES: usize = N * V::LANES;

    type Sum = V::Sum;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        [V::splat(value); N]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        let mut values = [V::load(from); N];
        for n in 1..N {
            values[n] = V::load(from.add(n * V::LANES));
        }
        values
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        for n in 0..N {
            self[n].store(to.add(n * V::LANES));
        }
    }

    #[inline(always)]
    unsafe fn multiply_add(a: Self, b: Self, c: Self) -> Self {
        let mut sum = c;
        for n in 0..N {
            sum[n] = V::multiply_add(a[n], b[n], sum[n]);
        }
        sum
    }

    #[inline(always)]
    unsafe fn subtract(a: Self, b: Self) -> Self {
        let mut difference = a;
        for n in 0..N {
            difference[n] = V::subtract(difference[n], b[n]);
        }
        difference
    }

    #[inline(always)]
    unsafe fn relu(self) -> Self {
        let mut values = self;
        for n in 0..N {
            values[n] = values[n].relu();
        }
        values
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        let mut least = self;
        for n in 0..N {
            least[n] = least[n].min(other[n]);
        }
        least
    }

    #[inline(always)]
    unsafe fn and(self, other: Self) -> Self {
        let mut bits = self;
        for n in 0..N {
            bits[n] = bits[n].and(other[n]);
        }
        bits
    }

    #[inline(always)]
    unsafe fn greater(self, other: Self) -> u64 {
        let mut bits = 0;
        for n in 0..N {
            bits |= self[n].greater(other[n]) << (n * V::LANES);
        }
        bits
    }

    #[inline(always)]
    unsafe fn greater_or_equal(self, other: Self) -> u64 {
        let mut bits = 0;
        for n in 0..N {
            bits |= self[n].greater_or_equal(other[n]) << (n * V::LANES);
        }
        bits
    }

    #[inline(always)]
    unsafe fn nothing() -> Self::Sum {
        V::nothing()
    }

    #[inline(always)]
    unsafe fn add_truncated(self, mut sum: Self::Sum) -> Self::Sum {
        for n in 0..N {
            sum = self[n].add_truncated(sum);
        }
        sum
    }

    #[inline(always)]
    unsafe fn total(sum: Self::Sum) -> u64 {
        V::total(sum)
    }
}
