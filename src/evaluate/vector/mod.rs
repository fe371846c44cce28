//! Vectors of f32 lanes, once per instruction set; the kernels are generic over them.
//!
//! Everything here is `#[inline(always)]` and without closures: a kernel is compiled inside a function that has the
//! instruction set switched on, and the methods must become part of it.

#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "every body rests on the contract of its trait, and on nothing else"
)]

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
pub mod portable;
mod side_by_side;

use crate::objective::margin::LIMIT;
use bytemuck::{Pod, Zeroable};

/// Lanes of the widest vector, a multiple of those of every other.
pub const MOST_LANES: usize = 16;

/// The values of a widest vector, in one cache line: no vector that is loaded from lines crosses two.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Line(pub [f32; MOST_LANES]);

/// Lanes of f32, each a sample or a neuron of its own: those of one vector, or of several side by side.
///
/// # Safety
/// Methods may be called only where the processor has the implementation's instruction set. Pointers must
/// be valid for `LANES` values and aligned to a whole vector.
pub trait Lanes: Copy {
    /// Values at a time.
    const LANES: usize;

    /// Sums of whole numbers, in 64 bits.
    type Sum: Copy;

    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);

    /// `a * b + c` in the implementation's arithmetic: rounded once or twice.
    unsafe fn multiply_add(a: Self, b: Self, c: Self) -> Self;

    unsafe fn subtract(a: Self, b: Self) -> Self;

    /// Negative lanes, minus zero among them, become plus zero.
    unsafe fn relu(self) -> Self;

    /// Per lane: `if self < other { self } else { other }`.
    unsafe fn min(self, other: Self) -> Self;

    /// The bits that both have.
    unsafe fn and(self, other: Self) -> Self;

    /// One bit per lane, the first the lowest: `self > other`.
    unsafe fn greater(self, other: Self) -> u64;

    /// One bit per lane, the first the lowest: `self >= other`.
    unsafe fn greater_or_equal(self, other: Self) -> u64;

    /// The empty sum.
    unsafe fn nothing() -> Self::Sum;

    /// `sum` and the lanes, each rounded towards zero; all are at least 0 and below 2^31.
    unsafe fn add_truncated(self, sum: Self::Sum) -> Self::Sum;

    unsafe fn total(sum: Self::Sum) -> u64;
}

/// A loop that is compiled once per instruction set, into a function of its own.
///
/// # Safety
/// Its maker answers for what it needs beside the instructions.
pub trait LaneKernel {
    type Output;

    /// # Safety
    /// The processor has `V`'s instructions.
    unsafe fn run<V: Vector>(self) -> Self::Output;
}

/// One vector: what only the kernels of whole masks ask of it.
///
/// # Safety
/// As for [`Lanes`].
pub trait Vector: Lanes {
    /// Runs a kernel as a function of its own. Compiled into one function kernels leave each other too few registers: inner
    /// loops then load addresses, or even sums, from the stack.
    unsafe fn apart<K: LaneKernel>(kernel: K) -> K::Output;

    /// The bits of both.
    unsafe fn or(self, other: Self) -> Self;

    /// Values that [`group`](Self::group) takes out of one load.
    const GROUP: usize;

    /// Values, not aligned, to be had one by one.
    unsafe fn group(from: *const f32) -> Self;

    /// The first of a group in all lanes.
    unsafe fn first_of_group(self) -> Self;

    /// The group, the first value behind the others.
    unsafe fn rotated(self) -> Self;

    /// Whether any bit is set: after [`relu`](Lanes::relu), whether any lane is above zero.
    unsafe fn any_bit(self) -> bool;

    /// Per lane: `if left > right { yes } else { no }`.
    unsafe fn select_greater(left: Self, right: Self, yes: Self, no: Self) -> Self;

    /// Per lane: `if left == right { yes } else { no }`.
    unsafe fn select_equal(left: Self, right: Self, yes: Self, no: Self) -> Self;

    /// Per lane: the largest whole number that is not above it.
    unsafe fn floor(self) -> Self;

    /// Per lane: two to the power of its negative; whole numbers from 0 to 126.
    unsafe fn half_to_the(self) -> Self;

    /// Per lane: the exponent of two, and what is multiplied by it, from 1 on and below 2; all are normal and above zero.
    unsafe fn exponent_and_mantissa(self) -> (Self, Self);

    /// The number of lanes in which both are equal.
    unsafe fn count_equal(left: Self, right: Self) -> u32;

    /// Transposes a square of `LANES` rows, `to[column][row] = from[row][column]`; rows are so many values apart.
    unsafe fn transpose(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize);
}

/// Whether any of the values, which come out of [`relu`](Lanes::relu), is above zero.
///
/// # Safety
/// The processor has `V`'s instructions.
#[inline(always)]
pub unsafe fn any_positive<V: Vector, const COUNT: usize>(values: &[V; COUNT]) -> bool {
    let mut bits = values[0];
    for value in &values[1..] {
        bits = bits.or(*value);
    }
    bits.any_bit()
}

/// Adds `weight * values` to `acc`, in place: copies of so many lanes are not always left out.
///
/// # Safety
/// The processor has `V`'s instructions.
#[inline(always)]
pub unsafe fn add_product<V: Lanes, const N: usize>(acc: &mut [V; N], weight: V, values: [V; N]) {
    for (acc, value) in acc.iter_mut().zip(values) {
        *acc = V::multiply_add(weight, value, *acc);
    }
}

/// Adds `weight` times the vectors from `samples` on to `acc`.
///
/// # Safety
/// The processor has `V`'s instructions; `PART` vectors lie at `samples`.
#[inline(always)]
pub unsafe fn add_samples<V: Lanes, const PART: usize>(acc: &mut [V; PART], weight: V, samples: *const f32) {
    for (n, acc) in acc.iter_mut().enumerate() {
        *acc = V::multiply_add(weight, V::load(samples.add(n * V::LANES)), *acc);
    }
}

/// `sum` and the steps of a margin `loss` in each lane, at most [`LIMIT`] each; `scale` is that of the margin.
///
/// # Safety
/// The processor has `V`'s instructions.
#[inline(always)]
pub unsafe fn add_steps<V: Lanes>(sum: V::Sum, loss: V, scale: V) -> V::Sum {
    V::multiply_add(loss, scale, V::splat(0.0)).min(V::splat(LIMIT)).add_truncated(sum)
}
