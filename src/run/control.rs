//! What the outside has to do with a run while it goes on: it watches, saves and stops it.

use super::Run;
use crate::search::chains::ChainProgress;
use crate::search::genetic;
use std::path::PathBuf;
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
}

/// Watches nothing.
impl Observer for () {}

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
