//! The most that an adapter can do: multiply-adds from registers to registers, and a copy.

use super::buffers::compute_pass;
use super::device::GpuDevice;
use super::wgsl::with_constants;
use crate::evaluate::{EvaluateError, PeakRates};
use std::time::{Duration, Instant};
use wgpu::BufferUsages as Usages;

const TEXT: &str = include_str!("../../../shaders/peak.wgsl");
/// Threads of a workgroup.
const THREADS: u64 = 256;
/// Multiply-adds of a thread in one round: sixteen on vectors of four.
const PER_ROUND: u64 = 64;
/// Rounds of a thread: enough to forget its beginning and end.
const ROUNDS: u64 = 512;
/// The copy's bytes: beyond the caches of the largest GPUs, together with its target.
const COPY_BYTES: u64 = 128 << 20;
/// A software adapter copies through a processor's caches, which are smaller.
const SOFTWARE_COPY_BYTES: u64 = 32 << 20;
/// A timing lasts at least this long, so that starting and waiting do not count.
const LONG_ENOUGH: Duration = Duration::from_millis(25);
/// Timings of that length, the best of which counts.
const TIMINGS: usize = 5;
/// Copies of one submission at most.
const MOST_COPIES: u64 = 1 << 12;

/// Measures an adapter, in about a second. Times are wall times of whole submissions.
///
/// # Errors
/// Errors of the device.
pub(super) fn measure(device: &GpuDevice) -> Result<PeakRates, EvaluateError> {
    device.guarded(|| {
        let limits = device.description().limits;
        let most = if device.is_software() { SOFTWARE_COPY_BYTES } else { COPY_BYTES };
        let groups = (most / 16 / THREADS)
            .min(limits.binding_bytes / 16 / THREADS)
            .min(limits.buffer_bytes / 16 / THREADS)
            .min(u64::from(limits.groups_per_dimension));
        let bench = Bench::new(device, groups * THREADS * 16);
        let (seconds, fma_groups) = best(u64::from(limits.groups_per_dimension), |groups| {
            bench.time(&bench.multiply_add, groups, 1)
        })?;
        let multiply_adds = fma_groups * THREADS * ROUNDS * PER_ROUND;
        let (copy_seconds, copies) = best(MOST_COPIES, |copies| bench.time(&bench.copy, groups, copies))?;
        Ok(PeakRates {
            multiply_adds_per_second: multiply_adds as f64 / seconds,
            copy_bytes_per_second: (2 * bench.bytes * copies) as f64 / copy_seconds,
        })
    })
}

/// Doubles the work until it lasts long enough; then the best of some timings, and the work of each.
fn best(
    most: u64,
    time: impl Fn(u64) -> Result<Duration, EvaluateError>,
) -> Result<(f64, u64), EvaluateError> {
    let mut work = 4.min(most);
    let mut shortest = time(work)?;
    while shortest < LONG_ENOUGH && work < most {
        work = (2 * work).min(most);
        shortest = time(work)?;
    }
    for _ in 1..TIMINGS {
        shortest = shortest.min(time(work)?);
    }
    Ok((shortest.as_secs_f64(), work))
}

struct Bench<'a> {
    device: &'a GpuDevice,
    multiply_add: wgpu::ComputePipeline,
    copy: wgpu::ComputePipeline,
    source: wgpu::Buffer,
    sink: wgpu::Buffer,
    bytes: u64,
}

pub(super) fn text() -> String {
    with_constants(&[("THREADS", THREADS as usize), ("ROUNDS", ROUNDS as usize)], TEXT)
}

impl<'a> Bench<'a> {
    fn new(device: &'a GpuDevice, bytes: u64) -> Self {
        let source = device.buffer("peak source", bytes as usize, Usages::STORAGE | Usages::COPY_DST);
        let start: [f32; 16] =
            [0.5, 0.25, 0.75, 0.125, 0.25, 0.5, 0.125, 0.75, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25];
        device.queue.write_buffer(&source, 0, bytemuck::cast_slice(&start));
        Self {
            multiply_add: device.pipeline(&text(), "multiply_add", &[], true),
            copy: device.pipeline(&text(), "copy", &[], true),
            sink: device.buffer("peak sink", bytes as usize, Usages::STORAGE),
            source,
            device,
            bytes,
        }
    }

    /// The wall time of so many equal dispatches in one submission.
    fn time(
        &self,
        pipeline: &wgpu::ComputePipeline,
        groups: u64,
        dispatches: u64,
    ) -> Result<Duration, EvaluateError> {
        let layout = pipeline.get_bind_group_layout(0);
        let bindings = self.device.bind("peak", &layout, &[&self.source, &self.sink]);
        let mut encoder = self.device.encoder("peak");
        let mut pass = compute_pass(&mut encoder, "peak", None);
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, &bindings, &[]);
        for _ in 0..dispatches {
            pass.dispatch_workgroups(groups as u32, 1, 1);
        }
        drop(pass);
        let commands = encoder.finish();
        let start = Instant::now();
        let submission = self.device.queue.submit([commands]);
        self.device.wait(submission)?;
        Ok(start.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::gpu::wgsl::tests::validate;

    #[test]
    fn the_kernels_are_valid_wgsl_and_count_as_many_multiply_adds_as_the_host() {
        assert_eq!(validate(&text()).entry_points.len(), 2);
        assert_eq!(4 * TEXT.matches("= fma(w, ").count() as u64, PER_ROUND);
    }

    #[test]
    fn work_grows_until_it_lasts_long_enough_and_no_further() {
        let time = |work: u64| Ok(Duration::from_millis(work));
        assert_eq!(best(1_000, time).expect("times"), (0.032, 32));
        assert_eq!(best(10, time).expect("times"), (0.01, 10));
    }
}
