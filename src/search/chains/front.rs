//! The front of sparsity and accuracy: from the ticket on, weights are priced ever higher.

use super::Work;
use super::chain::{self, ChainState, Stretch};
use super::config::{FrontConfig, LocalSearchConfig, Temperature};
use super::watch::Watch;
use crate::dataset::Split;
use crate::evaluate::{Batch, EvaluateError, Evaluator, Neighbourhood};
use crate::flaw::Flaw;
use crate::mask;
use crate::mask::packed;
use crate::network::Network;
use crate::random::{self, Concern};
use serde::{Deserialize, Serialize};

/// One mask of the front.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrontPoint {
    /// The price of a weight under which it was found.
    pub price: f64,
    /// Share of weights that are pruned.
    pub sparsity: f64,
    pub weights_kept: usize,
    pub train_correct: u32,
    pub test_correct: u32,
    /// The mask, as a record's ticket.
    pub mask_hex: String,
}

/// A front that is not complete.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FrontState {
    /// The masks that were found.
    masks: Vec<Found>,
    /// What finding them took.
    work: Work,
    /// The chain to the next one, once it has begun.
    chain: Option<ChainState>,
}

/// A mask in a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Found {
    #[serde(with = "packed")]
    mask: Vec<u32>,
}

impl FrontState {
    /// Proposals so far.
    pub fn proposals(&self) -> u64 {
        self.work.proposals + self.chain.as_ref().map_or(0, |chain| chain.done)
    }

    /// Could this be the state of a front with these settings?
    ///
    /// # Errors
    /// Says what is impossible.
    pub fn check(&self, weights: usize, front: &FrontConfig) -> Result<(), Flaw> {
        let are_masks = self.masks.iter().all(|found| mask::is_of(&found.mask, weights));
        if self.masks.len() > front.steps || !are_masks {
            return Err("an impossible front".into());
        }
        self.chain.iter().try_for_each(|chain| chain.check(weights, front.proposals))
    }
}

/// Prices of a weight, and the masks that were found under them.
pub type Points = Vec<(f64, Vec<u32>)>;

/// The masks of the front with their prices, each found from the one before, as far as `watch` lets it, and what
/// finding them took.
///
/// # Errors
/// Errors of the device.
pub fn search(
    neighbourhood: &dyn Neighbourhood,
    ticket: &[u32],
    config: &LocalSearchConfig,
    front: &FrontConfig,
    seed: u64,
    watch: &Watch<'_>,
) -> Result<(Points, Work), EvaluateError> {
    let mut state = watch.look(|kept| kept.front.clone()).unwrap_or_default();
    let mut price = front.first_price;
    let mut prices = Vec::with_capacity(front.steps);
    for step in 0..front.steps {
        prices.push(price);
        if step >= state.masks.len() {
            let start = state.masks.last().map_or(ticket, |found| &found.mask);
            let stretch = Stretch {
                config,
                proposals: front.proposals,
                temperature: &Temperature::default(),
                weight_price: price,
            };
            let rng = random::substream(seed, Concern::LocalSearch, u32::MAX - step as u32);
            let chain = state.chain.take().unwrap_or_else(|| ChainState::new(start.to_vec(), rng));
            let walk = chain::walk(neighbourhood, chain, &stretch, watch, |chain| {
                let chain = Some(chain.clone());
                watch.note(|kept| kept.front = Some(FrontState { chain, ..state.clone() }));
            })?;
            if walk.proposals < front.proposals {
                break;
            }
            state.work.add(&walk);
            state.masks.push(Found { mask: walk.mask });
            watch.note(|kept| kept.front = Some(state.clone()));
        }
        price *= front.growth;
    }
    let masks = state.masks.into_iter().map(|found| found.mask);
    Ok((prices.into_iter().zip(masks).collect(), state.work))
}

/// Scores the front exactly, by an evaluator of the one `network`.
pub fn confirm(
    points: Points,
    network: &Network,
    evaluator: &mut dyn Evaluator,
) -> Result<Vec<FrontPoint>, EvaluateError> {
    let weights = network.architecture.weights();
    points
        .into_iter()
        .map(|(price, mask)| {
            let batch = Batch { masks: &mask, networks: &[0] };
            let train_correct = evaluator.score(Split::Train, batch)?[0];
            let test_correct = evaluator.score(Split::Test, batch)?[0];
            let weights_kept = mask::count_ones(&mask);
            let sparsity = 1.0 - weights_kept as f64 / weights as f64;
            let mask_hex = mask::to_hex(&mask, weights);
            Ok(FrontPoint { price, sparsity, weights_kept, train_correct, test_correct, mask_hex })
        })
        .collect()
}
