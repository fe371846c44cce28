//! What the outside has to do with a run while it goes on: it watches, saves and stops it.

use super::Run;
use super::record::Record;
use crate::baseline::Epoch;
use crate::dataset::Dataset;
use crate::search::chains::ChainProgress;
use crate::search::genetic;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Whoever watches runs. They call from any of their threads, and go on when the call returns.
pub trait Observer: Sync {
    /// How the run begins that has a checkpoint.
    fn begun(&self, _run: &Run, _begun: Begun) {}

    /// The run comes to another phase, such as `preparing the evaluator`.
    fn phase(&self, _run: &Run, _phase: &str) {}

    /// How far the run has come; some times a second at most.
    fn progress(&self, _run: &Run, _progress: &Progress<'_>) {}

    /// A genetic search has made a generation, or has ended.
    fn population(&self, _run: &Run, _population: &PopulationView<'_>) {}

    /// The run has ended, and this is its record.
    fn ended(&self, _record: &Record) {}

    /// The run has failed.
    fn failed(&self, _run: &Run, _error: &str) {}
}

/// Watches nothing.
impl Observer for () {}

/// An observer that threads of a sweep have in common.
pub type SharedObserver = Arc<dyn Observer + Send>;

/// Each is told everything.
impl Observer for Vec<SharedObserver> {
    fn begun(&self, run: &Run, begun: Begun) {
        self.iter().for_each(|observer| observer.begun(run, begun.clone()));
    }

    fn phase(&self, run: &Run, phase: &str) {
        self.iter().for_each(|observer| observer.phase(run, phase));
    }

    fn progress(&self, run: &Run, progress: &Progress<'_>) {
        self.iter().for_each(|observer| observer.progress(run, progress));
    }

    fn population(&self, run: &Run, population: &PopulationView<'_>) {
        self.iter().for_each(|observer| observer.population(run, population));
    }

    fn ended(&self, record: &Record) {
        self.iter().for_each(|observer| observer.ended(record));
    }

    fn failed(&self, run: &Run, error: &str) {
        self.iter().for_each(|observer| observer.failed(run, error));
    }
}

/// The population of a genetic search after a complete generation.
pub struct PopulationView<'a> {
    pub search: &'a genetic::Search,
    pub dataset: &'a Dataset,
    /// `[individual]`: correct test samples, at the end of the search alone.
    pub test_correct: Option<&'a [u32]>,
}

/// How a run begins that has a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// From this place on, such as `generation 12`.
    GoesOn(String),
    /// From its beginning, for this reason.
    Anew(String),
}

/// How far a run has come.
pub enum Progress<'a> {
    /// Of the genetic algorithm.
    Generations(&'a genetic::Search),
    /// Of a local search: proposals of all chains, and where the chain stands that was looked at last.
    Proposals { made: u64, latest: ChainProgress },
    /// Of a baseline's training: all complete epochs.
    Epochs(&'a [Epoch]),
}

/// Where a run's state is saved, and how often.
#[derive(Clone, Debug)]
pub struct Saving {
    pub path: PathBuf,
    /// Time between two states, longer where saving takes more than a small part of it.
    pub interval: Duration,
    /// Generations after which a state is saved in any case.
    pub generations: Option<usize>,
    /// Is the last state of a genetic search saved that its `max_generations` ended, so that a run of more goes on there?
    pub end: bool,
}

/// Everything that the outside decides of a run; nothing of it changes the run's result.
#[derive(Clone)]
pub struct Control<'a> {
    /// When this becomes true, the run ends as soon as it can, its state being saved.
    pub stop: &'a AtomicBool,
    pub observer: &'a dyn Observer,
    /// None saves nothing.
    pub saving: Option<Saving>,
}

impl<'a> Control<'a> {
    /// A run that nobody watches and that leaves nothing behind but its record; it ends when `stop` becomes true.
    pub fn stopping_at(stop: &'a AtomicBool) -> Self {
        Self { stop, observer: &(), saving: None }
    }

    /// Is the run to end?
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
