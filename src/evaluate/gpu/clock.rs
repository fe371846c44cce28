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
        if self.overrun {
            return None;
        }
        times(words, self.used as usize, self.period)
    }
}

/// `words`: per submission the begin and the end, each as low and high word, in ticks of `period` ns. `None` where one
/// of them took no time: some drivers, Metal's on some systems, offer time stamps and write zeros.
fn times(words: &[u32], submissions: usize, period: f64) -> Option<Vec<Duration>> {
    words
        .chunks_exact(4)
        .take(submissions)
        .map(|stamp| {
            let tick = |n: usize| u64::from(stamp[n]) | u64::from(stamp[n + 1]) << 32;
            let (begin, end) = (tick(0), tick(2));
            let time = Duration::from_nanos((end.saturating_sub(begin) as f64 * period) as u64);
            (begin > 0 && !time.is_zero()).then_some(time)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_become_times_in_the_devices_ticks() {
        let words = [u32::MAX, 0, 9, 1, 50, 0, 80, 0, 7, 7, 7, 7];
        assert_eq!(times(&words, 2, 2.0), Some(vec![Duration::from_nanos(20), Duration::from_nanos(60)]));
    }

    #[test]
    fn stamps_of_zero_that_stand_still_or_go_back_are_no_clock() {
        for second in [[0; 4], [0, 0, 5, 0], [5, 0, 0, 0], [9, 1, 9, 1], [9, 0, 8, 0]] {
            let words = [[1, 0, 2, 0], second].concat();
            assert_eq!(times(&words, 2, 1.0), None, "{second:?}");
            assert!(times(&words, 1, 1.0).is_some(), "{second:?} is of no submission of this call");
        }
    }
}
