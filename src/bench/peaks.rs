//! What the machine itself can do: the two lines of a roofline.

use crate::bench::Peaks;
use crate::evaluate::cpu::instructions::Instructions;
use crate::evaluate::cpu::peak;
use crate::evaluate::{Device, EvaluateError, gpu};
use rayon::prelude::*;
use std::time::Instant;

/// Values that are copied: with their copy beyond most processors' caches.
const COPIED: usize = 16 << 20;

/// Values of a task, so that every thread has several.
const TASK: usize = 1 << 18;

/// Copies, the best of which counts.
const COPIES: usize = 8;

/// Measures the peaks of `device`, in about a second.
///
/// # Errors
/// Errors of a GPU.
pub fn peaks(device: &Device) -> Result<Peaks, EvaluateError> {
    let (multiply_adds, bytes) = match device {
        Device::Cpu(_) => {
            let core = peak::multiply_adds_per_second(Instructions::best());
            let core = core.expect("the best instructions that there are");
            (core * rayon::current_num_threads() as f64, copied_bytes_per_second())
        }
        Device::Gpu { device, .. } => {
            let peaks = gpu::peak::measure(device)?;
            (peaks.multiply_adds_per_second, peaks.copy_bytes_per_second)
        }
    };
    Ok(Peaks { gfma_per_s: multiply_adds / 1e9, copy_gb_per_s: bytes / 1e9 })
}

/// Bytes that all threads read and write per second when they copy from memory to memory.
fn copied_bytes_per_second() -> f64 {
    let source = vec![1.0f32; COPIED];
    let mut target = vec![0.0f32; COPIED];
    let best = (0..COPIES)
        .map(|_| {
            let start = Instant::now();
            target
                .par_chunks_mut(TASK)
                .zip(source.par_chunks(TASK))
                .for_each(|(target, source)| target.copy_from_slice(source));
            std::hint::black_box(&mut target);
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    (2 * COPIED * size_of::<f32>()) as f64 / best
}
