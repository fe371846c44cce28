//! A whole local search, as a state that says what is to be done, and is told what came of it.

use super::config::LocalSearchConfig;
use super::facts::ChainWork;
use super::front::FrontState;
use super::pruning::{Pruned, PruningState};
use super::walk::{ChainState, Walk};
use crate::flaw::Flaw;
use crate::mask;
use crate::network::Architecture;
use crate::objective::margin::Margin;
use crate::random::{self, Concern};
use serde::{Deserialize, Serialize};

/// A local search: chains, of which the one with the most correct training samples wins; the pruning of what it found;
/// and a front that begins there. Serialised at any time, it is a checkpoint.
///
/// Whoever runs it settles the margin, walks the [`chains`](Self::chain), [`confirm`](Self::confirm)s what they came
/// to, and then does the [`pruning`](Self::pruning) and the chains of the [`front`](Self::front_chain) as long as
/// there are any.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LocalSearch {
    config: LocalSearchConfig,
    architecture: Architecture,
    seed: u64,
    /// Tau of the margin loss, once it is known.
    tau: Option<f32>,
    /// `[chain]`
    chains: Vec<Part<ChainState, Walk>>,
    /// `[chain]`: correct training samples of what they came to, once these are known.
    correct: Vec<u32>,
    pruning: Part<PruningState, PruningState>,
    front: FrontState,
    /// Has it ended before its end? No checkpoint is taken from then on.
    #[serde(skip)]
    is_interrupted: bool,
}

/// A part of a search: where it stands, and what it came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Part<S, E> {
    Waiting,
    Begun(S),
    Ended(E),
}

impl LocalSearch {
    /// A search with valid settings. The same seed gives the same search, whatever scores its masks.
    pub fn new(config: LocalSearchConfig, architecture: Architecture, seed: u64) -> Self {
        Self {
            tau: None,
            chains: (0..config.chains).map(|_| Part::Waiting).collect(),
            correct: Vec::new(),
            pruning: Part::Waiting,
            front: FrontState::default(),
            is_interrupted: false,
            config,
            architecture,
            seed,
        }
    }

    /// Has each chain begin with one of these masks, in turn, and not with a random one.
    pub fn begin_with(&mut self, masks: &[Vec<u32>]) {
        for ((n, chain), mask) in (0..).zip(&mut self.chains).zip(masks.iter().cycle()) {
            let rng = random::substream(self.seed, Concern::LocalSearch, n);
            *chain = Part::Begun(ChainState::new(mask.clone(), rng));
        }
    }

    /// Could this be an unfinished search with these settings?
    ///
    /// # Errors
    /// Says what is impossible.
    pub fn check(&self, config: &LocalSearchConfig, architecture: &Architecture) -> Result<(), Flaw> {
        if self.config != *config || self.architecture != *architecture {
            return Err("a search for something else".into());
        }
        let weights = architecture.weights();
        let is_tau =
            |tau: f32| Margin::new(tau).is_ok() && config.margin.tau.is_none_or(|given| given == tau);
        if !self.tau.is_none_or(is_tau) {
            return Err("an impossible margin".into());
        }
        if self.chains.len() != config.chains || ![0, config.chains].contains(&self.correct.len()) {
            return Err("another number of chains".into());
        }
        for chain in &self.chains {
            match chain {
                Part::Waiting => {}
                Part::Begun(state) => state.check(weights, config.proposals)?,
                Part::Ended(walk) => walk.check(weights, config.proposals)?,
            }
        }
        let have_ended = self.chains.iter().all(|chain| matches!(chain, Part::Ended(_)));
        let have_begun = !self.correct.is_empty();
        if have_begun && !have_ended {
            return Err("chains that were confirmed before their ends".into());
        }
        match &self.pruning {
            Part::Waiting => {}
            Part::Begun(state) | Part::Ended(state) if have_begun && config.prune => state.check(weights)?,
            _ => return Err("a pruning that was not asked for".into()),
        }
        match &config.front {
            Some(settings) => self.front.check(weights, settings),
            None if self.front == FrontState::default() => Ok(()),
            None => Err("a front that was not asked for".into()),
        }
    }

    /// Its settings.
    pub fn config(&self) -> &LocalSearchConfig {
        &self.config
    }

    /// Proposals so far.
    pub fn proposals(&self) -> u64 {
        let made = |chain: &Part<ChainState, Walk>| match chain {
            Part::Waiting => 0,
            Part::Begun(state) => state.done,
            Part::Ended(walk) => walk.proposals,
        };
        self.chains.iter().map(made).sum::<u64>() + self.front.proposals()
    }

    /// Tau of the margin loss, once it is known.
    pub fn tau(&self) -> Option<f32> {
        self.tau
    }

    /// Takes the margin of the margin loss.
    pub fn settle_margin(&mut self, margin: Margin) {
        self.tau = Some(margin.tau());
    }

    /// Where the chain `n` stands; none when it has ended.
    pub fn chain(&self, n: usize) -> Option<ChainState> {
        match &self.chains[n] {
            Part::Waiting => Some(self.first_state(n as u32)),
            Part::Begun(state) => Some(state.clone()),
            Part::Ended(_) => None,
        }
    }

    /// Takes note of where the chain `n` stands.
    pub fn chain_is_at(&mut self, n: usize, state: &ChainState) {
        self.chains[n] = Part::Begun(state.clone());
    }

    /// Takes what the chain `n` came to.
    pub fn end_chain(&mut self, n: usize, walk: Walk) {
        self.chains[n] = Part::Ended(walk);
    }

    /// Where a chain begins: each bit is set with the chance of the configuration.
    fn first_state(&self, chain: u32) -> ChainState {
        let mut rng = random::substream(self.seed, Concern::LocalSearchStart, chain);
        let mut mask = vec![0; self.architecture.mask_words()];
        for bit in 0..self.architecture.weights() {
            if random::chance(&mut rng, self.config.initial_density) {
                mask::flip(&mut mask, bit);
            }
        }
        ChainState::new(mask, random::substream(self.seed, Concern::LocalSearch, chain))
    }

    /// Ends the search where it stands: chains count with the best that they had found, what was being pruned stays
    /// whole, and the front ends.
    pub fn interrupt(&mut self) {
        self.is_interrupted = true;
        for n in 0..self.chains.len() {
            if let Some(state) = self.chain(n) {
                self.chains[n] = Part::Ended(state.stopped());
            }
        }
    }

    pub fn is_interrupted(&self) -> bool {
        self.is_interrupted
    }

    /// What the chains came to, all of which have ended, `[chain, words per mask]`; none when it was scored.
    pub fn unconfirmed(&self) -> Option<Vec<u32>> {
        self.correct.is_empty().then(|| self.walks().flat_map(|walk| &walk.mask).copied().collect())
    }

    /// Takes the correct training samples of what the chains came to, `[chain]`.
    pub fn confirm(&mut self, correct: Vec<u32>) {
        assert_eq!(correct.len(), self.chains.len(), "a count per chain");
        self.correct = correct;
    }

    /// Correct training samples of what the chains came to, `[chain]`.
    pub fn correct(&self) -> &[u32] {
        &self.correct
    }

    /// The chains' ends.
    fn walks(&self) -> impl Iterator<Item = &Walk> {
        self.chains.iter().filter_map(|chain| match chain {
            Part::Ended(walk) => Some(walk),
            _ => None,
        })
    }

    /// What the chain came to whose mask has the most correct training samples, and of equal ones the smallest cost;
    /// none before they are known.
    pub fn winner(&self) -> Option<&Walk> {
        let best = self.walks().zip(&self.correct);
        best.min_by_key(|(walk, correct)| (std::cmp::Reverse(**correct), walk.cost)).map(|(walk, _)| walk)
    }

    /// Where the pruning of the winner's mask stands; none where nothing is to be pruned or it was done.
    pub fn pruning(&self) -> Option<PruningState> {
        match &self.pruning {
            _ if self.is_interrupted || !self.config.prune => None,
            Part::Waiting => Some(PruningState::new(self.winner()?.mask.clone())),
            Part::Begun(state) => Some(state.clone()),
            Part::Ended(_) => None,
        }
    }

    /// Takes note of where the pruning stands.
    pub fn pruning_is_at(&mut self, state: &PruningState) {
        self.pruning = Part::Begun(state.clone());
    }

    /// Takes what the pruning came to.
    pub fn end_pruning(&mut self, state: PruningState) {
        self.pruning = Part::Ended(state);
    }

    /// What pruning did, once it has ended.
    pub fn pruned(&self) -> Option<Pruned> {
        match &self.pruning {
            Part::Ended(state) => Some(state.pruned()),
            _ => None,
        }
    }

    /// The winner's mask, pruned if it was; none before there is one.
    pub fn ticket(&self) -> Option<&[u32]> {
        match &self.pruning {
            Part::Ended(state) => Some(state.mask()),
            _ => self.winner().map(|walk| &walk.mask[..]),
        }
    }

    /// Where the next chain of the front stands, and the price of a weight under which it walks; none where there is no
    /// front or it is complete.
    pub fn front_chain(&self) -> Option<(ChainState, f64)> {
        let front = self.config.front.as_ref().filter(|_| !self.is_interrupted)?;
        self.front.next(front, self.ticket()?, self.seed)
    }

    /// Takes note of where the next chain of the front stands.
    pub fn front_is_at(&mut self, state: &ChainState) {
        self.front.is_at(state);
    }

    /// Takes what the next chain of the front came to.
    pub fn end_front_chain(&mut self, walk: Walk) {
        self.front.add(walk);
    }

    /// The masks of the front so far, with the prices of a weight under which they were found.
    pub fn front(&self) -> impl Iterator<Item = (f64, &[u32])> {
        self.config.front.iter().flat_map(|front| self.front.masks(front))
    }

    /// What the chains took, those of the front included.
    pub fn work(&self) -> ChainWork {
        let mut work = self.front.work();
        self.walks().for_each(|walk| work.add(walk));
        work
    }
}
