//! Submissions under way: how many at once, and what is learnt from how long they take.

use super::device::GpuDevice;
use super::submission_limit::SubmissionLimit;
use crate::evaluate::EvaluateError;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Submissions under way at once: one computes while the next is prepared.
pub const AT_ONCE: usize = 2;

/// Submissions of one batch that were not waited for yet, oldest first, with their multiply-adds.
#[derive(Default)]
pub struct Submissions {
    gives_up: bool,
    waiting: VecDeque<(wgpu::SubmissionIndex, u64, Instant)>,
    last_ended: Option<Instant>,
}

impl Submissions {
    /// With masks that may be given up, less may be done than is asked.
    pub fn new(gives_up: bool) -> Self {
        Self { gives_up, ..Self::default() }
    }

    /// Takes note of a submission of so many multiply-adds.
    pub fn add(&mut self, submission: wgpu::SubmissionIndex, work: u64) {
        self.waiting.push_back((submission, work, Instant::now()));
    }

    /// Waits until another submission may start, and learns from those that ended.
    pub fn make_room(
        &mut self,
        device: &GpuDevice,
        limit: &mut SubmissionLimit,
    ) -> Result<(), EvaluateError> {
        while self.waiting.len() >= AT_ONCE {
            if let Some((submission, work, begun)) = self.waiting.pop_front() {
                device.wait(submission)?;
                self.learn_now(limit, work, begun);
            }
        }
        Ok(())
    }

    /// All submissions ended: learns from those that were not waited for, by the device's clock (`times`
    /// of all submissions, oldest first) where there is one.
    pub fn end(mut self, limit: &mut SubmissionLimit, times: Option<&[Duration]>) {
        if let Some(times) = times {
            for ((_, work, _), time) in self.waiting.iter().rev().zip(times.iter().rev()) {
                self.learn(limit, *work, *time);
            }
            return;
        }
        let work = self.waiting.iter().map(|(_, work, _)| work).sum();
        if let Some((_, _, begun)) = self.waiting.pop_front() {
            self.learn_now(limit, work, begun);
        }
    }

    /// A submission of so much `work` ended now.
    fn learn_now(&mut self, limit: &mut SubmissionLimit, work: u64, begun: Instant) {
        let now = Instant::now();
        let computing_since = self.last_ended.map_or(begun, |ended| ended.max(begun));
        self.learn(limit, work, now - computing_since);
        self.last_ended = Some(now);
    }

    fn learn(&self, limit: &mut SubmissionLimit, work: u64, time: Duration) {
        limit.learn(if self.gives_up { 0 } else { work }, work, time);
    }
}
