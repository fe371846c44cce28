//! What the outside has to do with a search while it runs: it is seen, saved and stopped.

use super::chain::ChainState;
use crate::meter::{Meter, Taken};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often a search is saved, at most. Saving changes nothing of its result.
const SAVE_INTERVAL: Duration = Duration::from_secs(5);

/// Where a search stands: from here it goes on to the result that it would have had.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// `[chain]`: those that have come to a first point of their history.
    pub(super) chains: Vec<Option<ChainState>>,
    pub(super) taken: Taken,
}

impl State {
    /// Proposals so far.
    pub fn proposals(&self) -> u64 {
        self.chains.iter().flatten().map(|chain| chain.done).sum()
    }
}

/// How good the mask is that a chain has come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Wrong samples of those that are looked at.
    pub wrong: u64,
    pub samples: usize,
    /// The cost per sample: wrong samples, or the loss in units of tau².
    pub loss: f64,
}

impl Standing {
    /// Share of the samples that are classified correctly.
    pub fn accuracy(&self) -> f64 {
        1.0 - self.wrong as f64 / self.samples as f64
    }
}

/// What is called with a state to be saved.
type Save<'a> = &'a (dyn Fn(&State) + Sync);

/// What is called when a chain has come to a point of its history.
type Tell<'a> = &'a (dyn Fn(Standing) + Sync);

/// The outside of one search.
pub struct Watch<'a> {
    stop: &'a AtomicBool,
    save: Option<Save<'a>>,
    tell: Option<Tell<'a>>,
    proposals: AtomicU64,
    latest: Mutex<Option<Standing>>,
    meter: Meter,
    saved: Mutex<(State, Instant)>,
}

impl<'a> Watch<'a> {
    /// When `stop` becomes true, the search ends with what it has found.
    pub fn new(stop: &'a AtomicBool) -> Self {
        Self {
            stop,
            save: None,
            tell: None,
            proposals: AtomicU64::new(0),
            latest: Mutex::new(None),
            meter: Meter::after(Taken::default()),
            saved: Mutex::new((State::default(), Instant::now())),
        }
    }

    /// Calls `save` with states to go on from, now and then and at a stop.
    pub fn saving(mut self, save: Save<'a>) -> Self {
        self.save = Some(save);
        self
    }

    /// Calls `tell` when a chain has come to a point of its history.
    pub fn telling(mut self, tell: Tell<'a>) -> Self {
        self.tell = Some(tell);
        self
    }

    /// Goes on from `state`.
    pub fn from(mut self, state: State) -> Self {
        self.meter = Meter::after(state.taken.clone());
        self.proposals.store(state.proposals(), Ordering::Relaxed);
        self.lock().0 = state;
        self
    }

    /// Proposals so far.
    pub fn proposals(&self) -> u64 {
        self.proposals.load(Ordering::Relaxed)
    }

    /// What a chain has come to last.
    pub fn latest(&self) -> Option<Standing> {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is the search to end?
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn count(&self, proposals: u64) {
        self.proposals.fetch_add(proposals, Ordering::Relaxed);
    }

    pub(super) fn tell(&self, standing: Standing) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(standing);
        if let Some(tell) = self.tell {
            tell(standing);
        }
    }

    /// The state that the search goes on from, with `chains` places.
    pub(super) fn state(&self, chains: usize) -> State {
        let mut saved = self.lock();
        saved.0.chains.resize(chains, None);
        saved.0.clone()
    }

    pub(super) fn chain_is_at(&self, chain: usize, state: &ChainState) {
        let mut saved = self.lock();
        saved.0.chains[chain] = Some(state.clone());
        self.save_if_due(&mut saved);
    }

    fn save_if_due(&self, saved: &mut (State, Instant)) {
        if saved.1.elapsed() >= SAVE_INTERVAL {
            self.save(saved);
        }
    }

    fn save(&self, saved: &mut (State, Instant)) {
        let Some(save) = self.save else { return };
        save(&State { taken: self.meter.taken(), ..saved.0.clone() });
        saved.1 = Instant::now();
    }

    /// Saves the last state that is known.
    pub(super) fn save_now(&self) {
        self.save(&mut self.lock());
    }

    /// What the search takes, what came before the state that was gone on from included.
    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    fn lock(&self) -> MutexGuard<'_, (State, Instant)> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
