//! When a state is due to be saved: so often that little is lost, so seldom that it costs little.

use std::time::{Duration, Instant};

/// Saving takes at most one part in so many of a run's time.
const COST: u32 = 100;

/// The pace at which the state of a run is saved. It changes nothing of the run's result.
#[derive(Clone, Copy, Debug)]
pub struct SaveInterval {
    interval: Duration,
    last: Instant,
    /// What saving took last.
    took: Duration,
}

impl SaveInterval {
    /// A state is due every `interval`, or less often where saving takes long.
    pub fn every(interval: Duration) -> Self {
        Self { interval, last: Instant::now(), took: Duration::ZERO }
    }

    /// Is it time to save?
    pub fn is_due(&self) -> bool {
        self.last.elapsed() >= self.interval.max(self.took * COST)
    }

    /// Saves by `save`, and notes what that took.
    pub fn save<T>(&mut self, save: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let result = save();
        self.last = Instant::now();
        self.took = self.last - begun;
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_to_save_is_saved_less_often() {
        let mut pace = SaveInterval::every(Duration::ZERO);
        assert!(pace.is_due());
        pace.save(|| std::thread::sleep(Duration::from_millis(5)));
        assert!(!pace.is_due(), "due again after a hundred times as long at the earliest");
        assert!(!SaveInterval::every(Duration::from_secs(60)).is_due());
    }
}
