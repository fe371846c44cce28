//! Local search whose masks the caller scores, each of them whole: for whatever has no incremental form.

use super::chain::Chain;
use super::config::LocalSearchConfig;
use super::parent_request::{ParentAnswer, ParentRequest};
use super::schedule::{ChainSchedule, Terrain};
use super::search::LocalSearch;
use crate::flaw::Flaw;
use crate::mask::{self, packed};
use crate::network::Architecture;
use crate::objective::Fitness;
use crate::settings::{BadSetting, ensure};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Steps of a cost in a unit of the score: scores that are nearer to each other than one are equal.
const STEPS_PER_UNIT: f64 = (1u64 << 32) as f64;

/// What a score of zero costs; costs are not negative.
const COST_OF_ZERO: i64 = 1 << 60;

/// The magnitude of a score at most.
pub const LARGEST_SCORE: f64 = (1u64 << 27) as f64;

/// Chains of flips in step with each other. Each round asks for masks of all chains and is told a score for each, larger
/// being better.
///
/// The settings are those of a local search. What rests on single samples is refused: `prune`, `front`, `growth` and
/// `train_samples`; a race has nothing to be run on. `temperature` and `weight_price` are in units of the score.
#[derive(Debug)]
pub struct ScoredSearch {
    terrain: Arc<Terrain>,
    config: Arc<LocalSearchConfig>,
    search: LocalSearch,
    /// `[chain]`: none of those that have ended.
    places: Vec<Option<ScoredChain>>,
    best: Option<BestMask>,
    /// `[masks, words]`: what was asked for last.
    asked: Vec<u32>,
}

/// What a [`ScoredSearch`] goes on from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScoredState {
    search: LocalSearch,
    best: Option<BestMask>,
}

/// The best mask that was scored.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct BestMask {
    #[serde(with = "packed")]
    mask: Vec<u32>,
    score: f64,
}

/// A chain, and what it is at.
#[derive(Debug)]
struct ScoredChain {
    chain: Chain,
    /// The present mask.
    parent: Vec<u32>,
    cost: u64,
    waiting: Waiting,
    /// Masks that it waits for.
    masks: usize,
}

/// What scores are for that a chain waits for.
#[derive(Clone, Debug)]
enum Waiting {
    Cost,
    /// What each may cost more.
    Changes(Vec<i64>),
    Attempt {
        allowed: i64,
    },
}

impl ScoredSearch {
    /// A search with `config` from `seed` on.
    ///
    /// # Errors
    /// Names the key of a setting that needs more than scores of whole masks.
    pub fn new(config: LocalSearchConfig, architecture: Architecture, seed: u64) -> Result<Self, BadSetting> {
        config.validate()?;
        let needed = "left out where masks are scored whole, by whoever asks for them";
        ensure(!config.prune, "prune", needed, true)?;
        ensure(config.front.is_none(), "front", needed, "one")?;
        ensure(config.growth.is_none(), "growth", needed, "one")?;
        ensure(config.train_samples.is_none(), "train_samples", needed, "a number")?;
        let is_default = config.fitness == Fitness::Margin;
        ensure(is_default, "fitness", needed, format_args!("{:?}", config.fitness.name()))?;
        Ok(Self::of(LocalSearch::new(config.clone(), architecture.clone(), seed), config, architecture))
    }

    /// The search that goes on from a [saved](Self::state) `state`.
    ///
    /// # Errors
    /// Says what is impossible in it.
    pub fn resume(state: ScoredState, architecture: &Architecture) -> Result<Self, Flaw> {
        let config = state.search.config().clone();
        state.search.check(&config, architecture)?;
        if !state.best.as_ref().is_none_or(|best| mask::is_of(&best.mask, architecture.weights())) {
            return Err("a mask of another network".into());
        }
        Ok(Self { best: state.best, ..Self::of(state.search, config, architecture.clone()) })
    }

    fn of(search: LocalSearch, config: LocalSearchConfig, architecture: Architecture) -> Self {
        let terrain = Terrain { architecture, unit_per_sample: STEPS_PER_UNIT, chunk_samples: vec![1] };
        let (terrain, config) = (Arc::new(terrain), Arc::new(config));
        let place = |n| {
            let chain = Chain::new(Arc::clone(&terrain), ChainSchedule::of_chains(&config), search.chain(n)?);
            let (parent, waiting) = (Vec::new(), Waiting::Cost);
            Some(ScoredChain { chain, parent, cost: 0, waiting, masks: 0 })
        };
        let places = (0..config.chains).map(place).collect();
        Self { terrain, config, search, places, best: None, asked: Vec::new() }
    }

    /// `[masks, words]`: those to be scored next, which were asked for already unless scores came since; none when all
    /// proposals have been made.
    pub fn ask(&mut self) -> Option<&[u32]> {
        if self.asked.is_empty() {
            for n in 0..self.places.len() {
                let Some(place) = &mut self.places[n] else { continue };
                place.masks = place.ask(&mut self.asked);
                if place.masks == 0
                    && let Some(place) = self.places[n].take()
                {
                    self.search.end_chain(n, place.chain.into_walk());
                }
            }
        }
        (!self.asked.is_empty()).then_some(&self.asked)
    }

    /// Masks that wait for their scores.
    pub fn waiting(&self) -> usize {
        self.asked.len() / self.terrain.architecture.mask_words()
    }

    /// Takes a score for each mask that was asked for last, between minus and plus [`LARGEST_SCORE`].
    ///
    /// # Panics
    /// If there are not as many as were asked for.
    pub fn tell(&mut self, scores: &[f64]) {
        assert_eq!(scores.len(), self.waiting(), "a score for each mask");
        let words = self.terrain.architecture.mask_words();
        let asked = std::mem::take(&mut self.asked);
        for (mask, &score) in asked.chunks_exact(words).zip(scores) {
            if self.best.as_ref().is_none_or(|best| score > best.score) {
                self.best = Some(BestMask { mask: mask.to_vec(), score });
            }
        }
        let mut first = 0;
        for (n, place) in self.places.iter_mut().enumerate() {
            let Some(place) = place else { continue };
            let end = first + place.masks;
            place.tell(&asked[first * words..end * words], &scores[first..end]);
            first = end;
            if let Some(state) = place.chain.at_rest() {
                self.search.chain_is_at(n, state);
            }
        }
    }

    /// The best mask that was scored, and its score; none before the first scores.
    pub fn best(&self) -> Option<(&[u32], f64)> {
        self.best.as_ref().map(|best| (&best.mask[..], best.score))
    }

    /// Proposals of all chains.
    pub fn proposals(&self) -> u64 {
        self.search.proposals()
    }

    /// Settings.
    pub fn config(&self) -> &LocalSearchConfig {
        &self.config
    }

    /// What to [go on](Self::resume) from: what was asked for since all chains were at rest is asked for again.
    pub fn state(&self) -> ScoredState {
        ScoredState { search: self.search.clone(), best: self.best.clone() }
    }
}

impl ScoredChain {
    /// Adds the masks whose scores the chain goes on with, and says how many; none when it has ended.
    fn ask(&mut self, masks: &mut Vec<u32>) -> usize {
        loop {
            let Some(request) = self.chain.ask() else { return 0 };
            let answer = match request {
                ParentRequest::Begin { mask, moves, .. } => {
                    self.parent = mask.to_vec();
                    moves.iter().flatten().for_each(|&bit| mask::flip(&mut self.parent, bit as usize));
                    masks.extend_from_slice(&self.parent);
                    self.waiting = Waiting::Cost;
                    return 1;
                }
                ParentRequest::ExactCost(mask) => {
                    masks.extend_from_slice(mask);
                    self.waiting = Waiting::Cost;
                    return 1;
                }
                ParentRequest::Screen { candidates, .. } => {
                    candidates.iter().for_each(|one| add_neighbour(masks, &self.parent, one.flips));
                    self.waiting = Waiting::Changes(candidates.iter().map(|one| one.allowed).collect());
                    return candidates.len();
                }
                ParentRequest::Attempt { candidate, .. } => {
                    add_neighbour(masks, &self.parent, candidate.flips);
                    self.waiting = Waiting::Attempt { allowed: candidate.allowed };
                    return 1;
                }
                // Its cost is always exact, and samples are the caller's concern.
                ParentRequest::LookAt(_) | ParentRequest::Refresh => ParentAnswer::Cost(self.cost),
                ParentRequest::Wrong => ParentAnswer::Wrong(0),
            };
            self.chain.tell(answer);
        }
    }

    /// Takes the scores of the masks that were asked for, `asked`.
    fn tell(&mut self, asked: &[u32], scores: &[f64]) {
        let change = |&score: &f64| cost_of(score) as i64 - self.cost as i64;
        let answer = match &self.waiting {
            Waiting::Cost => {
                self.cost = cost_of(scores[0]);
                ParentAnswer::Cost(self.cost)
            }
            Waiting::Changes(allowed) => {
                let changes = scores.iter().map(change).zip(allowed);
                let passed = changes.map(|(change, &allowed)| (change <= allowed).then_some(change));
                ParentAnswer::Changes(passed.collect())
            }
            Waiting::Attempt { allowed } => {
                let passed = change(&scores[0]) <= *allowed;
                if passed {
                    self.cost = cost_of(scores[0]);
                    self.parent.copy_from_slice(asked);
                }
                ParentAnswer::Attempt { passed, cost: self.cost, is_exact: true }
            }
        };
        self.chain.tell(answer);
    }
}

/// Adds `parent` with the bits `flips` flipped.
fn add_neighbour(masks: &mut Vec<u32>, parent: &[u32], flips: &[u32]) {
    let first = masks.len();
    masks.extend_from_slice(parent);
    flips.iter().for_each(|&bit| mask::flip(&mut masks[first..], bit as usize));
}

/// What a mask costs that has this `score`.
fn cost_of(score: f64) -> u64 {
    (COST_OF_ZERO - (score * STEPS_PER_UNIT).round() as i64) as u64
}
