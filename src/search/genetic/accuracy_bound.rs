//! The adaptive accuracy bound: how good must a fresh individual be (paper, section 4.2)?

use super::bound_config::AccuracyBound;
use crate::flaw::Flaw;
use serde::{Deserialize, Serialize};

/// The state of the bound within one run. It starts afresh in the next one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoundSchedule {
    config: AccuracyBound<f64>,
    bound: f64,
    /// Rounds of `tries_max` tries that found nobody.
    exhausted: u32,
    /// Tries for the fresh individual that is being looked for.
    tries: u32,
}

impl BoundSchedule {
    pub fn new(config: &AccuracyBound<f64>) -> Self {
        Self { config: config.clone(), bound: config.start, exhausted: 0, tries: 0 }
    }

    /// Could this be the state of a schedule of `config`?
    ///
    /// # Errors
    /// Says what is impossible.
    pub(super) fn check(&self, config: &AccuracyBound<f64>) -> Result<(), Flaw> {
        let is_of_config = self.config == *config;
        if is_of_config
            && (config.floor..=config.start).contains(&self.bound)
            && self.tries < config.tries_max
        {
            return Ok(());
        }
        Err("an impossible accuracy bound".into())
    }

    /// The accuracy that fresh individuals must reach.
    pub fn bound(&self) -> f64 {
        self.bound
    }

    /// Has the bound come down to its floor, where any mask with a path is accepted?
    pub fn at_floor(&self) -> bool {
        self.bound <= self.config.floor
    }

    /// The fewest correct samples out of `samples` that reach the bound.
    pub fn minimum(&self, samples: usize) -> u32 {
        let reaches = |count: u32| f64::from(count) / samples as f64 >= self.bound;
        let near = (self.bound * samples as f64).ceil() as u32;
        // One division and one product round differently: look at the neighbours.
        (near.saturating_sub(1)..=near + 1).find(|&count| reaches(count)).unwrap_or(near)
    }

    /// Takes note of one judged candidate and adapts the bound. Returns whether the bound changed.
    pub fn judge(&mut self, accepted: bool) -> bool {
        let before = self.bound;
        self.tries += 1;
        if accepted {
            if self.tries > self.config.tries_soft {
                self.lower(self.late_step());
            }
            self.tries = 0;
        } else if self.tries >= self.config.tries_max {
            let exponent =
                self.config.exhausted_exponent + f64::from(self.exhausted) * self.config.exhausted_growth;
            self.lower(libm::pow(0.1, exponent));
            self.exhausted += 1;
            self.tries = 0;
        }
        self.bound != before
    }

    fn late_step(&self) -> f64 {
        let c = &self.config;
        let relative = f64::from(self.tries) / f64::from(c.tries_max - c.tries_soft);
        c.step * (c.step_offset + c.step_scale * libm::exp(-c.step_decay * relative))
    }

    fn lower(&mut self, by: f64) {
        self.bound = (self.bound - by).max(self.config.floor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule() -> BoundSchedule {
        BoundSchedule::new(&AccuracyBound::default().between(0.85, 0.51))
    }

    fn reject(schedule: &mut BoundSchedule, times: u32) {
        for _ in 0..times {
            schedule.judge(false);
        }
    }

    #[test]
    fn early_acceptance_leaves_the_bound_and_late_acceptance_lowers_it_by_the_reference_step() {
        let mut schedule = schedule();
        reject(&mut schedule, 799);
        assert!(!schedule.judge(true));
        assert_eq!(schedule.bound(), 0.85);
        reject(&mut schedule, 800);
        assert!(schedule.judge(true));
        // The exponential part is below 1e-16 with the reference's constants.
        assert!((schedule.bound() - (0.85 - 0.0051)).abs() <= 1e-12, "{}", schedule.bound());
    }

    #[test]
    fn exhausted_rounds_lower_it_by_shrinking_powers_of_a_tenth() {
        let mut schedule = schedule();
        reject(&mut schedule, 999);
        assert_eq!(schedule.bound(), 0.85);
        reject(&mut schedule, 1);
        assert!((schedule.bound() - 0.75).abs() <= 1e-12);
        reject(&mut schedule, 1000);
        assert!((schedule.bound() - (0.75 - 0.1f64.powf(1.15))).abs() <= 1e-12);
        reject(&mut schedule, 20_000);
        assert_eq!(schedule.bound(), 0.51);
        assert!(schedule.at_floor());
    }

    #[test]
    fn the_minimum_count_is_the_first_whose_share_reaches_the_bound() {
        let mut schedule = schedule();
        for samples in [1usize, 3, 7, 100, 270, 50_000, 60_001] {
            for bound in [0.51, 0.7, 0.7449, 0.85, 1.0] {
                schedule.bound = bound;
                let least = schedule.minimum(samples);
                assert!(f64::from(least) / samples as f64 >= bound, "{samples} {bound} {least}");
                assert!(least == 0 || f64::from(least - 1) / (samples as f64) < bound);
            }
        }
    }
}
