//! Saves the states of a run, stops it when that is asked for, and meters what it takes.

use super::checkpoint::Checkpoint;
use super::control::{Begun, Control, PopulationView, Progress};
use super::save_interval::SaveInterval;
use super::{Run, RunError};
use crate::dataset::Dataset;
use crate::evaluate::Arithmetic;
use crate::flaw::Flaw;
use crate::meter::{Meter, Taken};
use serde::{Serialize, de::DeserializeOwned};
use std::io;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// The keeper of one run.
pub struct Keeper<'a> {
    run: Run,
    control: Control<'a>,
    /// Where its states are saved, if anywhere.
    checkpoint: Option<Checkpoint>,
    interval: Mutex<SaveInterval>,
    /// Why a state could not be saved.
    failure: OnceLock<io::Error>,
    meter: Meter,
}

impl<'a> Keeper<'a> {
    /// The keeper of a run on `dataset`, computed in `arithmetic`, and the state to go on from if there is one. `check`
    /// says where a state stands, such as `generation 12`, or what is impossible in it.
    pub fn open<S: DeserializeOwned>(
        run: &Run,
        dataset: &Dataset,
        arithmetic: Arithmetic,
        control: Control<'a>,
        check: impl FnOnce(&S) -> Result<String, Flaw>,
    ) -> (Self, Option<S>) {
        let path = control.saving.as_ref().map(|saving| saving.path.clone());
        let checkpoint = path.map(|path| Checkpoint::at(path, &run.config, dataset, arithmetic));
        let mut whereabouts = String::new();
        let check = |state: &S| {
            whereabouts = check(state)?;
            Ok(())
        };
        let anew = |reason| control.observer.begun(run, Begun::Anew(reason));
        let found = checkpoint.as_ref().and_then(|checkpoint| checkpoint.load(check).state(anew));
        let (taken, state) = match found {
            Some((taken, state)) => {
                control.observer.begun(run, Begun::GoesOn(whereabouts));
                (taken, Some(state))
            }
            None => (Taken::default(), None),
        };
        let interval = control.saving.as_ref().map_or(Duration::MAX, |saving| saving.interval);
        let keeper = Self {
            run: run.clone(),
            control,
            checkpoint,
            interval: Mutex::new(SaveInterval::every(interval)),
            failure: OnceLock::new(),
            meter: Meter::after(taken),
        };
        (keeper, state)
    }

    pub fn run(&self) -> &Run {
        &self.run
    }

    /// The run comes to another phase.
    pub fn phase(&self, phase: &str) {
        self.control.observer.phase(&self.run, phase);
    }

    /// How far the run has come.
    pub fn progress(&self, progress: &Progress<'_>) {
        self.control.observer.progress(&self.run, progress);
    }

    /// A genetic search has made a generation, or has ended.
    pub fn population(&self, population: &PopulationView<'_>) {
        self.control.observer.population(&self.run, population);
    }

    /// Generations after which a state is to be saved in any case.
    pub fn generations(&self) -> Option<usize> {
        self.control.saving.as_ref()?.generations
    }

    /// Is the last state kept of a run that only a number of generations ended?
    pub fn keeps_end(&self) -> bool {
        self.control.saving.as_ref().is_some_and(|saving| saving.end)
    }

    /// What the run takes, what came before the state that was gone on from included.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Could a state not be saved?
    pub fn has_failed(&self) -> bool {
        self.failure.get().is_some()
    }

    /// Is the run to end?
    pub fn is_stopping(&self) -> bool {
        self.control.is_stopping() || self.has_failed()
    }

    /// Saves `state` if it is time to, or if the run is to end here; says whether it goes on.
    pub fn goes_on(&self, state: &impl Serialize) -> bool {
        let is_stopping = self.is_stopping();
        if is_stopping || self.lock_interval().is_due() {
            self.save(state);
        }
        !is_stopping && !self.has_failed()
    }

    /// Saves `state` now. Where that fails, the run is to end.
    pub fn save(&self, state: &impl Serialize) {
        let Some(checkpoint) = &self.checkpoint else { return };
        if self.has_failed() {
            return;
        }
        let save = || checkpoint.save(&self.meter.taken(), state);
        if let Err(error) = self.lock_interval().save(save) {
            // The first failure is told.
            let _ = self.failure.set(error);
        }
    }

    /// Ends what the keeper does.
    ///
    /// # Errors
    /// Where a state could not be saved.
    pub fn close(self) -> Result<Taken, RunError> {
        match (self.failure.into_inner(), self.checkpoint) {
            (Some(source), Some(checkpoint)) => {
                Err(RunError::Save { path: checkpoint.path().to_owned(), source })
            }
            _ => Ok(self.meter.taken()),
        }
    }

    fn lock_interval(&self) -> MutexGuard<'_, SaveInterval> {
        self.interval.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
