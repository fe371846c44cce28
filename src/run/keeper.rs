//! Stops a run when that is asked for, and saves its state.

use super::{Checkpoint, SaveInterval};
use crate::flaw::Flaw;
use crate::meter::{Meter, Taken};
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The outside of a run that is made on one thread.
#[derive(Debug)]
pub struct Keeper<'a> {
    stop: &'a AtomicBool,
    /// Where its state is saved, if anywhere.
    checkpoint: Option<&'a Checkpoint<'a>>,
    pace: SaveInterval,
    meter: Meter,
    failure: Option<io::Error>,
}

/// What a checkpoint holds of such a run.
#[derive(Serialize, Deserialize)]
struct Kept<S> {
    taken: Taken,
    state: S,
}

impl<'a> Keeper<'a> {
    /// A run that is only stopped, when `stop` becomes true.
    pub fn stopping_at(stop: &'a AtomicBool) -> Self {
        let (pace, meter) = (SaveInterval::every(Duration::MAX), Meter::after(Taken::default()));
        Self { stop, checkpoint: None, pace, meter, failure: None }
    }

    /// Saves to `checkpoint`, every `interval`.
    pub fn saving_to(self, checkpoint: &'a Checkpoint<'a>, interval: Duration) -> Self {
        Self { checkpoint: Some(checkpoint), pace: SaveInterval::every(interval), ..self }
    }

    /// The state to go on from, if there is one that `check` finds nothing impossible in; `note` is told why a
    /// checkpoint is not gone on from.
    pub fn load<S: for<'de> Deserialize<'de>>(
        &mut self,
        check: impl FnOnce(&S) -> Result<(), Flaw>,
        note: impl FnOnce(String),
    ) -> Option<S> {
        let kept: Kept<S> = self.checkpoint?.load(|kept: &Kept<S>| check(&kept.state)).state(note)?;
        self.meter = Meter::after(kept.taken);
        Some(kept.state)
    }

    /// Is the run to end?
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.failure.is_some()
    }

    /// Saves `state` if it is time to, or if the run is to end here; says whether it goes on.
    pub fn goes_on(&mut self, state: &impl Serialize) -> bool {
        let is_stopping = self.is_stopping();
        if let Some(checkpoint) = self.checkpoint
            && self.failure.is_none()
            && (is_stopping || self.pace.is_due())
        {
            let kept = Kept { taken: self.meter.taken(), state };
            self.failure = self.pace.save(|| checkpoint.save(&kept)).err();
        }
        !is_stopping && self.failure.is_none()
    }

    /// Why the last state could not be saved, if so: the run was stopped there.
    pub fn failure(self) -> Option<io::Error> {
        self.failure
    }

    /// What the run takes, before it was gone on with included.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }
}
