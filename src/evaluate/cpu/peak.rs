//! The most that a core can do: multiply-adds from registers to registers.

use super::dispatch::CpuKernel;
use super::instructions::Instructions;
use super::peak_loop::SUMS;
use crate::evaluate::Arithmetic;
use std::time::Instant;

/// Rounds per timing: some tens of microseconds, so that one of them runs undisturbed.
const ROUNDS: u32 = 20_000;

/// Timings, the best of which counts.
const TIMINGS: usize = 200;

/// Multiply-adds per second of one core with `instructions`, or `None` where the processor lacks them.
pub fn multiply_adds_per_second(instructions: Instructions) -> Option<f64> {
    let kernel = CpuKernel::new(instructions, Arithmetic::Fused)?;
    let best = (0..TIMINGS)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(kernel.peak_loop(std::hint::black_box(ROUNDS)));
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    let per_round = SUMS * kernel.lanes();
    Some(f64::from(ROUNDS) * per_round as f64 / best)
}
