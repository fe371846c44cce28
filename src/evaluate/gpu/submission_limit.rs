//! Bounds the time of one submission: a desktop driver resets a device that works too long at once.

use std::time::Duration;

/// The time that one submission should take at most.
const TARGET: Duration = Duration::from_millis(100);
/// Multiply-adds per second assumed before anything was measured: a slow integrated GPU's.
const FIRST_RATE: f64 = 2e10;
/// The assumed speed at most doubles from one measurement to the next, as short submissions measure
/// mostly latency.
const GROWTH: f64 = 2.0;

/// How much work one submission may hold, learnt from earlier ones.
#[derive(Clone, Copy, Debug)]
pub struct SubmissionLimit {
    /// Multiply-adds per second.
    rate: f64,
}

impl Default for SubmissionLimit {
    fn default() -> Self {
        Self::starting_at(FIRST_RATE)
    }
}

impl SubmissionLimit {
    /// Assumes so many multiply-adds per second before anything was measured.
    pub fn starting_at(rate: f64) -> Self {
        Self { rate }
    }

    /// Multiply-adds that one submission may hold.
    pub fn work(&self) -> u64 {
        (self.rate * TARGET.as_secs_f64()) as u64
    }

    /// Learns that at least `least` and at most `most` multiply-adds took `time`. One far below the target says only
    /// that the device is at least this fast, and none at all that nothing was measured.
    pub fn learn(&mut self, least: u64, most: u64, time: Duration) {
        if time.is_zero() {
            return;
        }
        let seconds = time.as_secs_f64();
        if least as f64 > self.rate * seconds {
            self.rate = (least as f64 / seconds).min(self.rate * GROWTH);
        } else if time >= TARGET / 2 && (most as f64) < self.rate * seconds {
            self.rate = (most as f64 / seconds).max(1e6);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Submits until the limit settles on a device of `rate` and a fixed latency; the longest submission
    /// after the first ten.
    fn longest_submission(rate: f64, latency: f64) -> (f64, u64) {
        let mut limit = SubmissionLimit::default();
        let mut longest: f64 = 0.0;
        for n in 0..100 {
            let time = latency + limit.work() as f64 / rate;
            if n >= 10 {
                longest = longest.max(time);
            }
            let work = limit.work();
            limit.learn(work, work, Duration::from_secs_f64(time));
        }
        (longest, limit.work())
    }

    #[test]
    fn submissions_settle_near_the_target_on_slow_and_fast_devices() {
        for rate in [1e8, 1e9, 1e11, 3e13] {
            let (longest, work) = longest_submission(rate, 1e-4);
            assert!(longest <= 0.25, "{rate}: {longest} s");
            assert!(work as f64 / rate >= 0.025, "{rate}: {work}");
        }
    }

    #[test]
    fn work_that_may_have_been_left_out_does_not_raise_the_limit() {
        let mut limit = SubmissionLimit::default();
        let before = limit.work();
        limit.learn(0, before, Duration::from_micros(10));
        limit.learn(before / 100, u64::MAX, Duration::from_millis(1));
        assert_eq!(limit.work(), before);
        limit.learn(0, before, 4 * TARGET);
        assert_eq!(limit.work(), before / 4);
        limit.learn(before, u64::MAX, TARGET);
        assert_eq!(limit.work(), before / 2);
    }

    #[test]
    fn no_time_at_all_teaches_nothing() {
        let mut limit = SubmissionLimit::default();
        let before = limit.work();
        for _ in 0..100 {
            limit.learn(before, before, Duration::ZERO);
        }
        assert_eq!(limit.work(), before);
    }

    #[test]
    fn small_submissions_do_not_lower_the_limit() {
        let mut limit = SubmissionLimit::default();
        let before = limit.work();
        limit.learn(1_000, 1_000, Duration::from_micros(150));
        assert_eq!(limit.work(), before);
    }
}
