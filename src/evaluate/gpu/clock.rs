//! Measures the device's own time, where the adapter can.

use super::device::GpuDevice;
use std::time::Duration;

/// Submissions of one call that are timed; a call with more is not.
const SUBMISSIONS: u32 = 128;
/// Bytes of all time stamps.
pub(super) const STAMP_BYTES: u64 = SUBMISSIONS as u64 * 2 * wgpu::QUERY_SIZE as u64;

/// Two time stamps for each submission of a call.
#[derive(Debug)]
pub(super) struct Clock {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    /// Nanoseconds of a tick.
    period: f64,
    used: u32,
    overrun: bool,
}

impl Clock {
    /// `None` where the device has no time stamps.
    pub fn new(device: &GpuDevice) -> Option<Self> {
        device.device.features().contains(wgpu::Features::TIMESTAMP_QUERY).then(|| Self {
            queries: device.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("time stamps"),
                ty: wgpu::QueryType::Timestamp,
                count: SUBMISSIONS * 2,
            }),
            resolved: device.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("time stamps"),
                size: STAMP_BYTES,
                usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            }),
            period: f64::from(device.queue.get_timestamp_period()),
            used: 0,
            overrun: false,
        })
    }

    /// A new call begins.
    pub fn start(&mut self) {
        (self.used, self.overrun) = (0, false);
    }

    /// The stamps of the next submission's pass.
    pub fn stamps(&mut self) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        if self.used == SUBMISSIONS {
            self.overrun = true;
            return None;
        }
        let first = self.used * 2;
        self.used += 1;
        Some(wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        })
    }

    /// Records the copy of all stamps to the beginning of `to`.
    pub fn resolve(&self, encoder: &mut wgpu::CommandEncoder, to: &wgpu::Buffer) {
        encoder.resolve_query_set(&self.queries, 0..self.used * 2, &self.resolved, 0);
        let bytes = u64::from(self.used) * 2 * u64::from(wgpu::QUERY_SIZE);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, to, 0, Some(bytes));
    }

    /// The time of each submission from the stamps read back, or `None` where some were not timed.
    pub fn times(&self, words: &[u32]) -> Option<Vec<Duration>> {
        (!self.overrun).then(|| times(words, self.used as usize, self.period))
    }
}

/// `words`: per submission the begin and the end, each as low and high word, in ticks of `period` ns.
fn times(words: &[u32], submissions: usize, period: f64) -> Vec<Duration> {
    words
        .chunks_exact(4)
        .take(submissions)
        .map(|stamp| {
            let tick = |n: usize| u64::from(stamp[n]) | u64::from(stamp[n + 1]) << 32;
            Duration::from_nanos((tick(2).saturating_sub(tick(0)) as f64 * period) as u64)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_become_times_in_the_devices_ticks() {
        let words = [u32::MAX, 0, 9, 1, 50, 0, 20, 0, 7, 7, 7, 7];
        let expected = [Duration::from_nanos(20), Duration::ZERO];
        assert_eq!(times(&words, 2, 2.0), expected);
    }
}
