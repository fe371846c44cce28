//! What a run takes: time of processors and devices, and the stretches of time that it went on in.

use crate::account::Account;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What a run has taken; part of its checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    pub processor: Duration,
    pub device: Duration,
    /// One, and one more each time that the run was gone on with.
    pub stretches: Vec<Stretch>,
}

/// From when to when a run was under way, in seconds since 1970 (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stretch {
    pub begun: f64,
    pub ended: f64,
}

impl Stretch {
    pub fn seconds(&self) -> f64 {
        (self.ended - self.begun).max(0.0)
    }
}

impl Taken {
    /// Wall time in seconds, pauses left out.
    pub fn wall_seconds(&self) -> f64 {
        self.stretches.iter().map(Stretch::seconds).sum()
    }
}

/// Seconds in which at least one of the `stretches` was under way.
pub fn covered_seconds(stretches: impl IntoIterator<Item = Stretch>) -> f64 {
    let mut stretches: Vec<Stretch> = stretches.into_iter().collect();
    stretches.sort_by(|a, b| a.begun.total_cmp(&b.begun));
    let mut until = f64::NEG_INFINITY;
    let uncovered = |stretch: Stretch| {
        let from = stretch.begun.max(until);
        until = until.max(stretch.ended);
        (stretch.ended - from).max(0.0)
    };
    stretches.into_iter().map(uncovered).sum()
}

/// The meter of a run under way.
#[derive(Debug)]
pub struct Meter {
    account: Account,
    /// Before this stretch.
    before: Taken,
    begun: Instant,
    /// The same, in seconds since 1970.
    stamp: f64,
}

impl Meter {
    /// Of a run that goes on after it has taken `before`, or begins.
    pub fn after(before: Taken) -> Self {
        let stamp = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        Self { account: Account::default(), before, begun: Instant::now(), stamp }
    }

    /// What this stretch's work is charged to.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// What the run has taken so far. Stretches are measured by a clock that is never set.
    pub fn taken(&self) -> Taken {
        let mut taken = self.before.clone();
        taken.processor += self.account.processor();
        taken.device += self.account.device();
        // Milliseconds are enough, and read better.
        let rounded = |seconds: f64| (seconds * 1e3).round() / 1e3;
        let ended = self.stamp + self.begun.elapsed().as_secs_f64();
        taken.stretches.push(Stretch { begun: rounded(self.stamp), ended: rounded(ended) });
        taken
    }

    /// Wall time so far, pauses left out.
    pub fn wall(&self) -> Duration {
        Duration::from_secs_f64(self.before.wall_seconds()) + self.begun.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_that_overlap_are_counted_once_and_pauses_not_at_all() {
        let stretch = |begun: f64, ended: f64| Stretch { begun, ended };
        let sweep = [stretch(110.0, 120.0), stretch(0.0, 10.0), stretch(5.0, 12.0), stretch(6.0, 8.0)];
        assert_eq!(covered_seconds(sweep), 22.0);
        assert_eq!(covered_seconds([]), 0.0);
        assert_eq!(covered_seconds([stretch(3.0, 1.0)]), 0.0, "a clock that was set back");
    }

    #[test]
    fn a_run_that_is_gone_on_with_has_one_more_stretch() {
        let before = Taken {
            processor: Duration::from_secs(7),
            device: Duration::from_secs(2),
            stretches: vec![Stretch { begun: 1.0, ended: 4.5 }],
        };
        let meter = Meter::after(before.clone());
        let taken = meter.taken();
        assert_eq!(taken.stretches.len(), 2);
        assert_eq!(taken.stretches[0], before.stretches[0]);
        assert!(taken.stretches[1].begun > 1.6e9 && taken.stretches[1].seconds() < 60.0);
        assert_eq!((taken.processor, taken.device), (before.processor, before.device));
        assert!(meter.wall() >= Duration::from_secs_f64(3.5));
    }
}
