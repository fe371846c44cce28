//! Sixteen f32 lanes, once per instruction set, with what the neighbour kernels need.
//!
//! Everything here is `#[inline(always)]`: a kernel is compiled inside a function that has the
//! instruction set switched on, and the methods must become part of it.

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
pub mod portable;

/// Values per vector, whatever the instruction set: blocks of samples have this length.
pub const LANES: usize = 16;

/// Sixteen samples.
///
/// # Safety
/// Methods may be called only where the processor has the implementation's instruction set. Pointers must
/// be valid for [`LANES`] values and aligned to all of them.
pub trait Lanes: Copy {
    /// Steps of the margin loss, summed.
    type Sum: Copy;

    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);

    /// `a * b + c` in the implementation's arithmetic: rounded once or twice.
    unsafe fn multiply_add(a: Self, b: Self, c: Self) -> Self;

    unsafe fn subtract(a: Self, b: Self) -> Self;

    /// Negative lanes become zero. The sign of a zero is not specified.
    unsafe fn relu(self) -> Self;

    /// One bit per lane: `a > b`.
    unsafe fn greater(a: Self, b: Self) -> u32;

    /// One bit per lane: `a >= b`.
    unsafe fn greater_or_equal(a: Self, b: Self) -> u32;

    unsafe fn no_steps() -> Self::Sum;

    /// `sum + truncate(min(loss * scale, LIMIT))` in the lanes where `valid` is all ones; elsewhere `sum`.
    unsafe fn add_steps(sum: Self::Sum, loss: Self, scale: Self, valid: *const u32) -> Self::Sum;

    /// The sum over all lanes.
    unsafe fn total(sum: Self::Sum) -> u64;
}
