//! The front of sparsity and accuracy: from the ticket on, weights are priced ever higher, a chain for each price.

use super::config::FrontConfig;
use super::facts::ChainWork;
use super::walk::{ChainState, Walk};
use crate::flaw::Flaw;
use crate::mask::{self, packed};
use crate::random::{self, Concern};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One mask of the front.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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

/// A front that need not be complete.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FrontState {
    /// The masks that were found.
    masks: Vec<FrontMask>,
    /// What finding them took.
    work: ChainWork,
    /// The chain to the next one, once it has begun.
    chain: Option<ChainState>,
}

/// A mask in a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct FrontMask {
    #[serde(with = "packed")]
    mask: Vec<u32>,
}

impl FrontState {
    /// Proposals so far.
    pub fn proposals(&self) -> u64 {
        self.work.proposals + self.chain.as_ref().map_or(0, |chain| chain.done)
    }

    /// What finding the masks took.
    pub fn work(&self) -> ChainWork {
        self.work
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

    /// Where the chain to the next mask stands, and the price of a weight under which it walks; none when the front is
    /// complete. Each chain begins at the mask before, the first one at the `ticket`.
    pub fn next(&self, front: &FrontConfig, ticket: &[u32], seed: u64) -> Option<(ChainState, f64)> {
        let step = self.masks.len();
        let price = prices(front).take(front.steps).nth(step)?;
        let state = self.chain.clone().unwrap_or_else(|| {
            let start = self.masks.last().map_or(ticket, |found| &found.mask);
            let rng = random::substream(seed, Concern::LocalSearch, u32::MAX - step as u32);
            ChainState::new(start.to_vec(), rng)
        });
        Some((state, price))
    }

    /// Takes note of where the chain to the next mask stands.
    pub fn is_at(&mut self, chain: &ChainState) {
        self.chain = Some(chain.clone());
    }

    /// Takes what the chain to the next mask came to.
    pub fn add(&mut self, walk: Walk) {
        self.work.add(&walk);
        self.masks.push(FrontMask { mask: walk.mask });
        self.chain = None;
    }

    /// The masks that were found, with their prices.
    pub fn masks(&self, front: &FrontConfig) -> impl Iterator<Item = (f64, &[u32])> {
        prices(front).zip(self.masks.iter().map(|found| &found.mask[..]))
    }
}

/// The prices of a weight, step by step.
fn prices(front: &FrontConfig) -> impl Iterator<Item = f64> + use<> {
    let growth = front.growth;
    std::iter::successors(Some(front.first_price), move |price| Some(price * growth))
}
