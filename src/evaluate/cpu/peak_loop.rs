//! Multiply-adds from registers to registers.

use crate::evaluate::vector::Vector;

/// Independent sums: enough to hide the latency of a multiply-add, few enough for 16 registers.
pub const SUMS: usize = 12;

/// Adds to `SUMS` vectors, `rounds` times; returns the number of equal lanes, so that the sums are used.
///
/// # Safety
/// The processor has `V`'s instructions.
#[inline(always)]
pub unsafe fn peak_loop<V: Vector>(rounds: u32) -> u32 {
    // SAFETY: by this function's contract.
    unsafe {
        let (weight, input) = (V::splat(std::hint::black_box(0.5)), V::splat(std::hint::black_box(0.25)));
        let mut sums = [input; SUMS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = V::multiply_add(weight, *sum, input);
            }
        }
        let mut equal = 0;
        for sum in sums {
            equal += V::count_equal(sum, input);
        }
        equal
    }
}
