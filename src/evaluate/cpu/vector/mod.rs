//! A vector of f32 lanes, once per instruction set; the kernels are generic over it.
//!
//! Everything here is `#[inline(always)]`: a kernel is compiled inside a function that has the
//! instruction set switched on, and the methods must become part of it.

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
pub mod portable;

/// Lanes of the widest vector, a multiple of those of every other.
pub const MOST_LANES: usize = 16;

/// Lanes of f32, each a sample of its own.
///
/// # Safety
/// Methods may be called only where the processor has the implementation's instruction set. Pointers must
/// be valid for `LANES` values and aligned to all of them.
pub trait Vector: Copy {
    /// Values per vector.
    const LANES: usize;

    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);

    /// `a * b + c` in the implementation's arithmetic: rounded once or twice.
    unsafe fn multiply_add(a: Self, b: Self, c: Self) -> Self;

    unsafe fn subtract(a: Self, b: Self) -> Self;

    /// Negative lanes, minus zero among them, become plus zero.
    unsafe fn relu(self) -> Self;

    /// The bits of both.
    unsafe fn or(self, other: Self) -> Self;

    /// Whether any bit is set: after [`relu`](Self::relu), whether any lane is above zero.
    unsafe fn any_bit(self) -> bool;

    /// One bit per lane, the first the lowest: `self > other`.
    unsafe fn greater(self, other: Self) -> u64;

    /// Per lane: `if left > right { yes } else { no }`.
    unsafe fn select_greater(left: Self, right: Self, yes: Self, no: Self) -> Self;

    /// Per lane: `if left == right { yes } else { no }`.
    unsafe fn select_equal(left: Self, right: Self, yes: Self, no: Self) -> Self;

    /// The number of lanes in which both are equal.
    unsafe fn count_equal(left: Self, right: Self) -> u32;

    /// Transposes a square of `LANES` rows, `to[column][row] = from[row][column]`; rows are so many values apart.
    unsafe fn transpose(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize);

    /// The sum of the lanes, each rounded towards zero; all are at least 0 and below 2^31.
    unsafe fn sum_truncated(self) -> u64;
}

/// Whether any of the values, which come out of [`relu`](Vector::relu), is above zero.
///
/// # Safety
/// The processor has `V`'s instructions.
#[inline(always)]
pub unsafe fn any_positive<V: Vector, const COUNT: usize>(values: &[V; COUNT]) -> bool {
    // SAFETY: by this function's contract.
    unsafe {
        let mut bits = values[0];
        for value in &values[1..] {
            bits = bits.or(*value);
        }
        bits.any_bit()
    }
}
