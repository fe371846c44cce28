//! What the outside has to do with a search while it runs: it is seen, saved and stopped.

use super::{CHECKPOINT_SECONDS, SaveInterval};
use crate::meter::{Meter, Taken};
use crate::search::chains::{ChainProgress, LocalSearch};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A checkpoint of a local search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedSearch {
    pub search: LocalSearch,
    /// What it has taken.
    pub taken: Taken,
}

/// What a search is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Preparing,
    Spread,
    FirstSums,
    Walking,
    Confirming,
    Pruning,
    Front,
    Scoring,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Preparing => "laying out the samples",
            Self::Spread => "estimating the spread of the outputs",
            Self::FirstSums => "computing all sums of the first masks",
            Self::Walking => "searching",
            Self::Confirming => "scoring what the chains came to",
            Self::Pruning => "pruning the ticket",
            Self::Front => "searching for sparser masks",
            Self::Scoring => "scoring the ticket",
        })
    }
}

/// What is called with a state to be saved.
type Save<'a> = &'a (dyn Fn(&SavedSearch) + Sync);

/// What is called with the proposals so far, and where a chain stood that was looked at last.
type Tell<'a> = &'a (dyn Fn(u64, Option<ChainProgress>) + Sync);

/// How often that is called at most between the points of chains' histories.
const TELL_INTERVAL: Duration = Duration::from_millis(50);

/// What is called when a search comes to another phase.
type Announce<'a> = &'a (dyn Fn(Phase) + Sync);

/// The outside of one search.
pub struct Watch<'a> {
    stop: &'a AtomicBool,
    save: Option<Save<'a>>,
    tell: Option<Tell<'a>>,
    announce: Option<Announce<'a>>,
    /// The phase, and since when.
    phase: Mutex<(Phase, Instant)>,
    proposals: AtomicU64,
    latest: Mutex<Option<ChainProgress>>,
    told: Mutex<Instant>,
    meter: Meter,
    /// When the state is to be saved.
    pace: Mutex<SaveInterval>,
    /// What the search goes on from, until it does.
    from: Mutex<Option<LocalSearch>>,
}

impl<'a> Watch<'a> {
    /// When `stop` becomes true, the search ends with what it has found.
    pub fn new(stop: &'a AtomicBool) -> Self {
        Self {
            stop,
            save: None,
            tell: None,
            announce: None,
            phase: Mutex::new((Phase::Preparing, Instant::now())),
            proposals: AtomicU64::new(0),
            latest: Mutex::new(None),
            told: Mutex::new(Instant::now()),
            meter: Meter::after(Taken::default()),
            pace: Mutex::new(SaveInterval::every(Duration::from_secs_f64(CHECKPOINT_SECONDS))),
            from: Mutex::new(None),
        }
    }

    /// Calls `save` with states to go on from, now and then and at a stop.
    pub fn saving(mut self, save: Save<'a>) -> Self {
        self.save = Some(save);
        self
    }

    /// Saves every `interval`.
    pub fn every(self, interval: Duration) -> Self {
        *lock(&self.pace) = SaveInterval::every(interval);
        self
    }

    /// Calls `tell` when a chain has come to a point of its history, and now and then in between.
    pub fn telling(mut self, tell: Tell<'a>) -> Self {
        self.tell = Some(tell);
        self
    }

    /// Calls `announce` when the search comes to another phase.
    pub fn announcing(mut self, announce: Announce<'a>) -> Self {
        self.announce = Some(announce);
        self
    }

    /// What the search is at, and since when.
    pub fn phase(&self) -> (Phase, Instant) {
        *lock(&self.phase)
    }

    /// Takes note that the search comes to a phase.
    pub fn enter(&self, phase: Phase) {
        let mut present = lock(&self.phase);
        if present.0 != phase {
            *present = (phase, Instant::now());
            drop(present);
            if let Some(announce) = self.announce {
                announce(phase);
            }
        }
    }

    /// Goes on from what was `saved`.
    pub fn from(mut self, saved: SavedSearch) -> Self {
        self.meter = Meter::after(saved.taken);
        self.proposals.store(saved.search.proposals(), Ordering::Relaxed);
        self.from = Mutex::new(Some(saved.search));
        self
    }

    /// What the search goes on from, if anything.
    pub fn take_from(&self) -> Option<LocalSearch> {
        lock(&self.from).take()
    }

    /// Proposals so far.
    pub fn proposals(&self) -> u64 {
        self.proposals.load(Ordering::Relaxed)
    }

    /// What a chain has come to last.
    pub fn latest(&self) -> Option<ChainProgress> {
        *lock(&self.latest)
    }

    /// Is the search to end?
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub fn count(&self, proposals: u64) {
        self.proposals.fetch_add(proposals, Ordering::Relaxed);
        if let Ok(mut told) = self.told.try_lock()
            && told.elapsed() >= TELL_INTERVAL
        {
            *told = Instant::now();
            self.tell_outside();
        }
    }

    pub fn tell(&self, progress: ChainProgress) {
        *lock(&self.latest) = Some(progress);
        self.tell_outside();
    }

    fn tell_outside(&self) {
        if let Some(tell) = self.tell {
            tell(self.proposals(), self.latest());
        }
    }

    /// Saves where the search stands if it is time to or the search is to end.
    pub fn note(&self, search: &LocalSearch) {
        if self.stopping() || lock(&self.pace).is_due() {
            self.save(search);
        }
    }

    /// Saves where the search stands.
    pub fn save(&self, search: &LocalSearch) {
        let Some(save) = self.save else { return };
        let saved = SavedSearch { search: search.clone(), taken: self.meter.taken() };
        lock(&self.pace).save(|| save(&saved));
    }

    /// What the search takes, what came before the state that was gone on from included.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
