//! What the outside has to do with a search while it runs: it is seen, saved and stopped.

use super::chain::ChainState;
use super::config::LocalSearchConfig;
use super::front::FrontState;
use super::prune::PruneState;
use crate::flaw::Flaw;
use crate::meter::{Meter, Taken};
use crate::network::Architecture;
use crate::objective::margin::Margin;
use crate::run::{CHECKPOINT_SECONDS, SaveInterval};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Where a search stands: from here it goes on to the result that it would have had.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Tau of the margin loss, once it is known.
    pub(super) tau: Option<f32>,
    /// `[chain]`: those that have begun.
    pub(super) chains: Vec<Option<ChainState>>,
    /// The pruning of the ticket, once it has begun.
    pub(super) pruning: Option<PruneState>,
    /// The front, once it has begun.
    pub(super) front: Option<FrontState>,
    pub(super) taken: Taken,
}

impl State {
    /// Proposals so far.
    pub fn proposals(&self) -> u64 {
        let chains: u64 = self.chains.iter().flatten().map(|chain| chain.done).sum();
        chains + self.front.as_ref().map_or(0, FrontState::proposals)
    }

    /// Could this be the state of an unfinished search with these settings?
    ///
    /// # Errors
    /// Says what is impossible.
    pub fn check(&self, config: &LocalSearchConfig, architecture: &Architecture) -> Result<(), Flaw> {
        let weights = architecture.weights();
        let is_tau =
            |tau: f32| Margin::new(tau).is_ok() && config.margin.tau.is_none_or(|given| given == tau);
        if !self.tau.is_none_or(is_tau) {
            return Err("an impossible margin".into());
        }
        if ![0, config.chains].contains(&self.chains.len()) {
            return Err("another number of chains".into());
        }
        self.chains.iter().flatten().try_for_each(|chain| chain.check(weights, config.proposals))?;
        self.pruning.iter().try_for_each(|pruning| pruning.check(weights))?;
        match (&self.front, &config.front) {
            (Some(front), Some(settings)) => front.check(weights, settings),
            (Some(_), None) => Err("a front that was not asked for".into()),
            (None, _) => Ok(()),
        }
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

impl Phase {
    /// Are proposals made in it?
    pub fn proposes(self) -> bool {
        matches!(self, Self::Walking | Self::Front)
    }
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
type Save<'a> = &'a (dyn Fn(&State) + Sync);

/// What is called when a chain has come to a point of its history.
type Tell<'a> = &'a (dyn Fn(Standing) + Sync);

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
    latest: Mutex<Option<Standing>>,
    meter: Meter,
    /// Where the search stands, and when that is to be saved.
    kept: Mutex<(State, SaveInterval)>,
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
            meter: Meter::after(Taken::default()),
            kept: Mutex::new((
                State::default(),
                SaveInterval::every(Duration::from_secs_f64(CHECKPOINT_SECONDS)),
            )),
        }
    }

    /// Calls `save` with states to go on from, now and then and at a stop.
    pub fn saving(mut self, save: Save<'a>) -> Self {
        self.save = Some(save);
        self
    }

    /// Saves every `interval`.
    pub fn every(self, interval: Duration) -> Self {
        self.lock().1 = SaveInterval::every(interval);
        self
    }

    /// Calls `tell` when a chain has come to a point of its history.
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
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note that the search comes to a phase.
    pub(super) fn enter(&self, phase: Phase) {
        let mut present = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        if present.0 != phase {
            *present = (phase, Instant::now());
            drop(present);
            if let Some(announce) = self.announce {
                announce(phase);
            }
        }
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

    /// Where the search stands.
    pub(super) fn look<T>(&self, at: impl FnOnce(&State) -> T) -> T {
        at(&self.lock().0)
    }

    /// Takes note of where the search stands now, and saves that if it is time to or the search is to end.
    pub(super) fn note(&self, change: impl FnOnce(&mut State)) {
        let mut kept = self.lock();
        change(&mut kept.0);
        if self.stopping() || kept.1.is_due() {
            self.save(&mut kept);
        }
    }

    /// Takes note of where a chain stands.
    pub(super) fn chain_is_at(&self, chain: usize, state: &ChainState) {
        self.note(|kept| kept.chains[chain] = Some(state.clone()));
    }

    fn save(&self, (state, pace): &mut (State, SaveInterval)) {
        let Some(save) = self.save else { return };
        // What it took before this stretch stays what the meter counts from.
        let before = std::mem::replace(&mut state.taken, self.meter.taken());
        pace.save(|| save(state));
        state.taken = before;
    }

    /// Saves the last state that is known.
    pub(super) fn save_now(&self) {
        self.save(&mut self.lock());
    }

    /// What the search takes, what came before the state that was gone on from included.
    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    fn lock(&self) -> MutexGuard<'_, (State, SaveInterval)> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
