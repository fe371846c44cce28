//! The most that a core can do: multiply-adds from registers to registers.

use super::dispatch::Kernel;
use super::instructions::Instructions;
use super::vector::Vector;
use crate::evaluate::Arithmetic;
use std::time::Instant;

/// Independent sums: enough to hide the latency of a multiply-add, few enough for 16 registers.
const SUMS: usize = 12;

/// Rounds per timing: some tens of microseconds, so that one of them runs undisturbed.
const ROUNDS: u32 = 20_000;

/// Timings, the best of which counts.
const TIMINGS: usize = 200;

/// Multiply-adds per second of one core with `instructions`, or `None` where the processor lacks them.
pub fn multiply_adds_per_second(instructions: Instructions) -> Option<f64> {
    let kernel = Kernel::new(instructions, Arithmetic::Fused)?;
    let best = (0..TIMINGS)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(kernel.spin(std::hint::black_box(ROUNDS)));
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    let per_round = SUMS * kernel.lanes();
    Some(f64::from(ROUNDS) * per_round as f64 / best)
}

/// Adds to `SUMS` vectors, `rounds` times; returns the number of equal lanes, so that the sums are used.
///
/// # Safety
/// The processor has `V`'s instructions.
#[inline(always)]
pub(super) unsafe fn spin<V: Vector>(rounds: u32) -> u32 {
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
