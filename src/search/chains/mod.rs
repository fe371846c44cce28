//! Local search: neighbours scored incrementally, on the CPU or on a device.
//!
//! [`search`] runs the chains of a [`LocalSearchConfig`], and confirms what they found by an exact [`Evaluator`](crate::evaluate::Evaluator). The ticket is the mask with the most correct training samples; the test
//! set is looked at once, when all choices are made.

mod chain;
mod combined_move;
pub mod config;
mod front;
mod history;
mod proposal;
mod prune;
mod watch;

pub use config::{FrontConfig, LocalSearchConfig, MarginConfig, Temperature};
pub use front::FrontPoint;
pub use history::History;
pub use prune::Pruned;
pub use watch::{Phase, Standing, State, Watch};

use crate::account::Current;
use crate::dataset::{Dataset, Split};
use crate::evaluate::gpu::neighbours::DEFAULT_MEMORY;
use crate::evaluate::neighbours::{Race, Tiles};
use crate::evaluate::spread::{self, SpreadError};
use crate::evaluate::{
    self, AdapterInfo, Arithmetic, Backend, Batch, Demand, EvaluateError, Neighbourhood, Problem,
};
use crate::mask;
use crate::meter::Taken;
use crate::network::{Network, NetworkError};
use crate::objective::Objective;
use crate::objective::margin::Margin;
use crate::random::{self, Concern};
use crate::settings::BadSetting;
use chain::{ChainState, Stretch, Walk};
use prune::Pruner;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The ticket: the winning mask's words.
    pub mask: Vec<u32>,
    /// Correct training samples, all of them looked at, by the exact evaluator.
    pub train_correct: u32,
    /// Correct test samples of the ticket.
    pub test_correct: u32,
    /// Correct samples of the ticket among those held out for validation, where there are any.
    pub validation_correct: Option<u32>,
    /// Weights that the ticket keeps.
    pub weights_kept: usize,
    pub taken: Taken,
    /// Was the search stopped before its end? This is the best of what it had found.
    pub is_stopped: bool,
    pub facts: LocalSearchFacts,
}

/// What is told of a search beside its ticket; part of every record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LocalSearchFacts {
    /// What scored the neighbours, in the arithmetic of the record's adapter, which counted what they led to.
    #[serde(default)]
    pub neighbours: Option<AdapterInfo>,
    /// Did the device have no room for the pre-activations of one mask? They were then computed anew for every call
    /// and did not drift, so that the walk may differ from the CPU's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recomputed: bool,
    /// Tau of the margin loss, where that is the fitness.
    pub tau: Option<f32>,
    pub work: Work,
    /// Correct training samples of what every chain came to, the ticket's before it was pruned included.
    pub members_train_correct: Vec<u32>,
    /// How the walk went that ended at the ticket.
    pub history: History,
    /// What pruning took from the ticket, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pruned: Option<Pruned>,
    /// Sparser masks, where a front was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub front: Vec<FrontPoint>,
}

/// What a search took, all chains together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    pub proposals: u64,
    pub accepted: u64,
    /// Multiply-adds executed, the squares of the margin loss and all refreshes included. They depend on what scored
    /// the neighbours: a device looks at all samples also where a race is lost.
    pub multiply_adds: u64,
}

impl std::ops::AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        self.proposals += other.proposals;
        self.accepted += other.accepted;
        self.multiply_adds += other.multiply_adds;
    }
}

impl Work {
    fn add(&mut self, walk: &Walk) {
        let &Walk { proposals, accepted, multiply_adds, .. } = walk;
        *self += Self { proposals, accepted, multiply_adds };
    }
}

/// Why a search cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error(transparent)]
    Setting(#[from] BadSetting),
    #[error("algorithm.margin: {0}; give another margin.tau")]
    Margin(#[from] SpreadError),
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    #[error(transparent)]
    Network(#[from] NetworkError),
}

/// Searches for a ticket of `network` on the training set of `dataset`, on `device`; only pruning is done on the CPU
/// in any case.
///
/// The result depends on the configuration, the seed and the device's arithmetic, not on the device (see
/// [`LocalSearchFacts::recomputed`]), the number of threads, the instruction set, or on when the search was
/// interrupted and gone on with.
///
/// # Errors
/// When a setting makes no sense, shapes do not match, or the device fails.
pub fn search(
    config: &LocalSearchConfig,
    network: &Network,
    dataset: &Arc<Dataset>,
    device: &dyn Backend,
    seed: u64,
    watch: &Watch<'_>,
) -> Result<Found, SearchError> {
    watch.meter().account().charge(|| search_charged(config, network, dataset, device, seed, watch))
}

fn search_charged(
    config: &LocalSearchConfig,
    network: &Network,
    dataset: &Arc<Dataset>,
    device: &dyn Backend,
    seed: u64,
    watch: &Watch<'_>,
) -> Result<Found, SearchError> {
    config.validate().map_err(|error| error.below("algorithm"))?;
    let arithmetic = device.arithmetic();
    let mut evaluator = device.evaluator(&Problem::of(network, dataset))?;
    let evaluator = &mut *evaluator;
    watch.enter(Phase::Spread);
    let objective = objective(config, network, dataset, arithmetic, seed, watch)?;
    watch.enter(Phase::Preparing);
    let mut rng = random::stream(seed, Concern::Subsample);
    let chosen = subsample(dataset.train.len(), config.train_samples, &mut rng);
    let tiles = Tiles::new(&dataset.train, &chosen, &mut rng);
    let demand = Demand { parents: config.chains, batch: config.batch, memory: DEFAULT_MEMORY };
    let neighbourhood = &*device.neighbourhood(network, tiles, objective, demand)?;
    watch.enter(Phase::FirstSums);
    let mut members = walk_chains(neighbourhood, config, seed, watch)?;
    watch.enter(Phase::Confirming);
    let mut work = Work::default();
    members.iter().for_each(|walk| work.add(walk));
    let masks: Vec<u32> = members.iter().flat_map(|walk| &walk.mask).copied().collect();
    let networks = vec![0; members.len()];
    let correct = evaluator.score(Split::Train, Batch { masks: &masks, networks: &networks })?;
    let best = (0..members.len())
        .min_by_key(|&n| (std::cmp::Reverse(correct[n]), members[n].cost))
        .expect("at least one chain");
    let mut winner = members.swap_remove(best);
    let mut pruned = None;
    let mut train_correct = correct[best];
    if config.prune && !watch.stopping() {
        watch.enter(Phase::Pruning);
        let race = config.race.map(|deviations| Race { deviations });
        let pruner = Pruner { network, train: &dataset.train, arithmetic, race, seed };
        pruned = pruner.prune(&mut winner.mask, watch)?;
        let batch = Batch { masks: &winner.mask, networks: &[0] };
        train_correct = evaluator.score(Split::Train, batch)?[0];
    }
    let points = match &config.front {
        Some(front) if !watch.stopping() => {
            watch.enter(Phase::Front);
            let (points, taken) = front::search(neighbourhood, &winner.mask, config, front, seed, watch)?;
            work += taken;
            points
        }
        _ => Vec::new(),
    };
    let is_stopped = watch.stopping();
    if is_stopped {
        watch.save_now();
    }
    watch.enter(Phase::Scoring);
    let front = front::confirm(points, network, evaluator)?;
    let test = evaluator.score(Split::Test, Batch { masks: &winner.mask, networks: &[0] })?[0];
    let validation_correct = evaluate::validation_correct(evaluator, dataset, 0, &winner.mask)?;
    let tau = objective.margin().map(|margin| margin.tau());
    let history = winner.history;
    Ok(Found {
        train_correct,
        test_correct: test,
        validation_correct,
        weights_kept: mask::count_ones(&winner.mask),
        taken: watch.meter().taken(),
        is_stopped,
        mask: winner.mask,
        facts: LocalSearchFacts {
            neighbours: Some(neighbourhood.adapter()),
            recomputed: neighbourhood.is_recomputed(),
            tau,
            work,
            members_train_correct: correct,
            history,
            pruned,
            front,
        },
    })
}

/// What the chains came to.
fn walk_chains(
    neighbourhood: &dyn Neighbourhood,
    config: &LocalSearchConfig,
    seed: u64,
    watch: &Watch<'_>,
) -> Result<Vec<Walk>, EvaluateError> {
    let network = neighbourhood.network();
    watch.note(|kept| kept.chains.resize(config.chains, None));
    let account = Current::get();
    watch
        .look(|kept| kept.chains.clone())
        .into_par_iter()
        .with_max_len(1)
        .enumerate()
        .map(|(n, state)| {
            let _charging = account.help();
            let state = state.unwrap_or_else(|| first_state(network, config, seed, n as u32));
            let stretch = Stretch {
                config,
                proposals: config.proposals,
                temperature: &config.temperature,
                weight_price: config.weight_price,
            };
            chain::walk(neighbourhood, state, &stretch, watch, |state| watch.chain_is_at(n, state))
        })
        .collect()
}

/// Where a chain begins: each bit is set with the chance of the configuration.
fn first_state(network: &Network, config: &LocalSearchConfig, seed: u64, chain: u32) -> ChainState {
    let mut rng = random::substream(seed, Concern::LocalSearchStart, chain);
    let architecture = &network.architecture;
    let mut mask = vec![0; architecture.mask_words()];
    for bit in 0..architecture.weights() {
        if random::chance(&mut rng, config.initial_density) {
            mask::flip(&mut mask, bit);
        }
    }
    ChainState::new(mask, random::substream(seed, Concern::LocalSearch, chain))
}

/// What masks are judged by; a search that goes on knows its margin.
fn objective(
    config: &LocalSearchConfig,
    network: &Network,
    dataset: &Dataset,
    arithmetic: Arithmetic,
    seed: u64,
    watch: &Watch<'_>,
) -> Result<Objective, SpreadError> {
    let objective = match watch.look(|kept| kept.tau) {
        Some(tau) => Objective::Margin(Margin::new(tau)?),
        None => spread::objective(config.fitness, &config.margin, network, &dataset.train, seed, arithmetic)?,
    };
    if let Some(margin) = objective.margin() {
        watch.note(|kept| kept.tau = Some(margin.tau()));
    }
    Ok(objective)
}

/// The samples to search on, ascending: all, or `wanted` of them.
fn subsample(samples: usize, wanted: Option<usize>, rng: &mut random::Stream) -> Vec<usize> {
    let mut chosen: Vec<usize> = (0..samples).collect();
    if let Some(wanted) = wanted.filter(|&wanted| wanted < samples) {
        for n in 0..wanted {
            let other = n + random::index(rng, samples - n);
            chosen.swap(n, other);
        }
        chosen.truncate(wanted);
        chosen.sort_unstable();
    }
    chosen
}
