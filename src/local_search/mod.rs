//! Local and memetic search: neighbours scored incrementally on the CPU.
//!
//! [`search`] runs the chains of a [`LocalSearchConfig`], crosses them if asked to, and confirms what they
//! found by an exact [`Evaluator`]. The ticket is the mask with the most correct training samples; the test
//! set is looked at once, when all choices are made.

mod chain;
pub mod config;
mod front;
mod history;
mod memetic;

pub use config::{
    Fitness, FrontConfig, LocalSearchConfig, MarginConfig, MemeticConfig, SettingError, Temperature,
};
pub use front::FrontPoint;
pub use history::History;

use crate::dataset::{Dataset, Split};
use crate::evaluate::margin::MarginError;
use crate::evaluate::neighbours::{Landscape, Objective, Tiles};
use crate::evaluate::{Batch, EvaluateError, Evaluator};
use crate::mask;
use crate::network::{Network, NetworkError};
use crate::random::{self, Concern};
use chain::{Stretch, Walk};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The ticket: the winning mask's words.
    pub mask: Vec<u32>,
    /// Correct training samples, all of them looked at, by the exact evaluator.
    pub train_correct: u32,
    /// Correct test samples of the ticket.
    pub test_correct: u32,
    /// Weights that the ticket keeps.
    pub weights_kept: usize,
    /// Wall time.
    pub seconds: f64,
    pub facts: LocalSearchFacts,
}

/// What is told of a search beside its ticket; part of every record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LocalSearchFacts {
    /// Tau of the margin loss, where that is the fitness.
    pub tau: Option<f32>,
    pub work: Work,
    /// Correct training samples of every member of the last generation, the ticket's included.
    pub members_train_correct: Vec<u32>,
    /// How the walk went that ended at the ticket.
    pub history: History,
    /// Sparser masks, where a front was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub front: Vec<FrontPoint>,
}

/// What a search took, all chains together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    pub proposals: u64,
    pub accepted: u64,
    /// Multiply-adds executed, the squares of the margin loss and all refreshes included.
    pub multiply_adds: u64,
}

impl Work {
    fn add(&mut self, walk: &Walk) {
        self.proposals += walk.proposals;
        self.accepted += walk.accepted;
        self.multiply_adds += walk.multiply_adds;
    }
}

/// Why a search cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error("algorithm.margin: {0}; give another margin.tau")]
    Margin(#[from] MarginError),
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    #[error(transparent)]
    Network(#[from] NetworkError),
}

/// Searches for a ticket of `network`, which `evaluator` has at `index`, on the training set of `dataset`.
///
/// The result depends on the configuration, the seed and the evaluator's arithmetic, not on the number of
/// threads, nor on the instruction set.
///
/// # Errors
/// When a setting makes no sense, shapes do not match, or the evaluator fails.
pub fn search(
    config: &LocalSearchConfig,
    network: &Network,
    dataset: &Dataset,
    evaluator: &mut dyn Evaluator,
    index: u32,
    seed: u64,
) -> Result<Found, SearchError> {
    config.validate()?;
    let began = Instant::now();
    let objective = objective(config, network, dataset, evaluator, seed)?;
    let mut rng = random::stream(seed, Concern::Subsample);
    let chosen = subsample(dataset.train.len(), config.train_samples, &mut rng);
    let tiles = Tiles::new(&dataset.train, &chosen, &mut rng);
    let landscape = Landscape::new(network, tiles, objective, evaluator.arithmetic())?;
    let mut walks: Vec<Walk> = (0..config.chains as u32)
        .into_par_iter()
        .with_max_len(1)
        .map(|chain| {
            let start = random_mask(network, config.initial_density, seed, chain);
            let stretch = Stretch {
                config,
                proposals: config.proposals,
                temperature: &config.temperature,
                weight_price: config.weight_price,
            };
            let mut rng = random::substream(seed, Concern::LocalSearch, chain);
            chain::walk(&landscape, &start, &stretch, &mut rng)
        })
        .collect();
    let mut work = Work::default();
    walks.iter().for_each(|walk| work.add(walk));
    if let Some(memetic) = &config.memetic {
        memetic::evolve(&landscape, &mut walks, config, memetic, seed, &mut work);
    }
    let masks: Vec<u32> = walks.iter().flat_map(|walk| &walk.mask).copied().collect();
    let networks = vec![index; walks.len()];
    let correct = evaluator.score(Split::Train, Batch { masks: &masks, networks: &networks })?;
    let best = (0..walks.len())
        .min_by_key(|&n| (std::cmp::Reverse(correct[n]), walks[n].cost))
        .expect("at least one chain");
    let winner = walks.swap_remove(best);
    let points = match &config.front {
        Some(front) => front::search(&landscape, &winner.mask, config, front, seed, &mut work),
        None => Vec::new(),
    };
    let front = front::confirm(points, network, evaluator, index)?;
    let test = evaluator.score(Split::Test, Batch { masks: &winner.mask, networks: &[index] })?[0];
    let tau = match objective {
        Objective::Accuracy => None,
        Objective::Margin(margin) => Some(margin.tau()),
    };
    let (train_correct, history) = (correct[best], winner.history);
    Ok(Found {
        train_correct,
        test_correct: test,
        weights_kept: mask::count_ones(&winner.mask),
        seconds: began.elapsed().as_secs_f64(),
        mask: winner.mask,
        facts: LocalSearchFacts { tau, work, members_train_correct: correct, history, front },
    })
}

fn objective(
    config: &LocalSearchConfig,
    network: &Network,
    dataset: &Dataset,
    evaluator: &dyn Evaluator,
    seed: u64,
) -> Result<Objective, MarginError> {
    Ok(match config.fitness {
        Fitness::Accuracy => Objective::Accuracy,
        Fitness::Margin => {
            let arithmetic = evaluator.arithmetic();
            Objective::Margin(config.margin.resolve(network, &dataset.train, seed, arithmetic)?)
        }
    })
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

/// The mask that a chain begins with: each bit set with the chance `density`.
fn random_mask(network: &Network, density: f64, seed: u64, chain: u32) -> Vec<u32> {
    let mut rng = random::substream(seed, Concern::LocalSearchStart, chain);
    let mut mask = vec![0; network.architecture.mask_words()];
    for bit in 0..network.architecture.weights() {
        if random::chance(&mut rng, density) {
            mask::flip(&mut mask, bit);
        }
    }
    mask
}
