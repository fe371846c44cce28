//! Submissions under way: how many at once, and what is learnt from how long they take.

use super::device::GpuDevice;
use super::submission_time::Pace;
use crate::evaluate::EvaluateError;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Submissions under way at once: one computes while the next is prepared.
pub const IN_FLIGHT: usize = 2;

/// Submissions that were not waited for yet, oldest first, with their multiply-adds.
#[derive(Default)]
pub struct Flight {
    gives_up: bool,
    submissions: VecDeque<(wgpu::SubmissionIndex, u64, Instant)>,
    landed: Option<Instant>,
}

impl Flight {
    /// With masks that may be given up, less may be done than is asked.
    pub fn new(gives_up: bool) -> Self {
        Self { gives_up, ..Self::default() }
    }

    /// Takes note of a submission of so many multiply-adds.
    pub fn launched(&mut self, submission: wgpu::SubmissionIndex, work: u64) {
        self.submissions.push_back((submission, work, Instant::now()));
    }

    /// Waits until another submission may start, and learns from those that ended.
    pub fn make_room(&mut self, device: &GpuDevice, pace: &mut Pace) -> Result<(), EvaluateError> {
        while self.submissions.len() >= IN_FLIGHT {
            if let Some((submission, work, launched)) = self.submissions.pop_front() {
                device.wait(submission)?;
                self.learn(pace, work, launched);
            }
        }
        Ok(())
    }

    /// All submissions ended: learns from those that were not waited for, by the device's clock (`times`
    /// of all submissions, oldest first) where there is one.
    pub fn landed(mut self, pace: &mut Pace, times: Option<&[Duration]>) {
        if let Some(times) = times {
            for ((_, work, _), time) in self.submissions.iter().rev().zip(times.iter().rev()) {
                self.tell(pace, *work, *time);
            }
            return;
        }
        let work = self.submissions.iter().map(|(_, work, _)| work).sum();
        if let Some((_, _, launched)) = self.submissions.pop_front() {
            self.learn(pace, work, launched);
        }
    }

    fn learn(&mut self, pace: &mut Pace, work: u64, launched: Instant) {
        let now = Instant::now();
        let started = self.landed.map_or(launched, |landed| landed.max(launched));
        self.tell(pace, work, now - started);
        self.landed = Some(now);
    }

    fn tell(&self, pace: &mut Pace, work: u64, time: Duration) {
        if self.gives_up {
            pace.learn_between(0, work, time);
        } else {
            pace.learn(work, time);
        }
    }
}
