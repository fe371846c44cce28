//! Where a chain stands, and what it came to.

use super::history::ChainHistory;
use crate::flaw::Flaw;
use crate::mask::{self, packed};
use crate::random::Stream;
use serde::{Deserialize, Serialize};

/// What a chain did and found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Walk {
    /// The mask of the smallest cost that was met.
    #[serde(with = "packed")]
    pub mask: Vec<u32>,
    /// Its exact cost in the landscape that was searched, without the price of weights.
    pub cost: u64,
    pub proposals: u64,
    pub accepted: u64,
    pub multiply_adds: u64,
    pub history: ChainHistory,
}

impl Walk {
    /// Could a chain of `proposals` proposals over masks of `weights` weights have come to this?
    ///
    /// # Errors
    /// Says what is impossible.
    pub fn check(&self, weights: usize, proposals: u64) -> Result<(), Flaw> {
        if !mask::is_of(&self.mask, weights) {
            return Err("a mask of another network".into());
        }
        if self.proposals != proposals || self.accepted > proposals || !self.history.is_within(proposals) {
            return Err("impossible counts of proposals".into());
        }
        Ok(())
    }
}

/// A chain between two batches of proposals: what else it needs to go on follows from this.
///
/// Pre-activations drift from one exact computation to the next, and what a proposal costs depends on that. So the
/// moves since the last one are kept: made again, they lead to the same pre-activations, bit for bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChainState {
    pub(super) rng: Stream,
    /// The mask whose pre-activations were last computed exactly.
    #[serde(with = "packed")]
    pub(super) mask: Vec<u32>,
    /// The flips of every move since.
    pub(super) moves: Vec<Vec<u32>>,
    #[serde(with = "packed")]
    pub(super) best_mask: Vec<u32>,
    /// The cost of `best_mask`, the price of weights included.
    pub(super) best: i64,
    /// Proposals made.
    pub(super) done: u64,
    pub(super) accepted: u64,
    pub(super) multiply_adds: u64,
    pub(super) history: ChainHistory,
}

impl ChainState {
    /// Before the first proposal, at the mask `start`.
    pub fn new(start: Vec<u32>, rng: Stream) -> Self {
        Self {
            rng,
            best_mask: start.clone(),
            mask: start,
            moves: Vec::new(),
            best: i64::MAX,
            done: 0,
            accepted: 0,
            multiply_adds: 0,
            history: ChainHistory::default(),
        }
    }

    /// Could this be a chain of `proposals` proposals over masks of `weights` weights?
    ///
    /// # Errors
    /// Says what is impossible.
    pub fn check(&self, weights: usize, proposals: u64) -> Result<(), Flaw> {
        if !mask::is_of(&self.mask, weights) || !mask::is_of(&self.best_mask, weights) {
            return Err("a mask of another network".into());
        }
        if !self.moves.iter().all(|flips| are_flips(flips, weights)) {
            return Err("moves of another network".into());
        }
        if self.done > proposals || self.accepted > self.done || !self.history.is_within(self.done) {
            return Err("impossible counts of proposals".into());
        }
        Ok(())
    }

    /// What the chain would come to if it were stopped here; the cost is that of its own samples.
    pub fn stopped(self) -> Walk {
        Walk {
            mask: self.best_mask,
            cost: u64::try_from(self.best).unwrap_or(0),
            proposals: self.done,
            accepted: self.accepted,
            multiply_adds: self.multiply_adds,
            history: self.history,
        }
    }
}

/// Are these different weights, of so many that there are?
pub(super) fn are_flips(flips: &[u32], weights: usize) -> bool {
    let mut sorted = flips.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).all(|pair| pair[0] < pair[1])
        && sorted.last().is_none_or(|&bit| (bit as usize) < weights)
}
