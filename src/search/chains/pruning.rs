//! Pruning after the search: weights that no training sample needs are removed.

use super::parent_request::{ParentAnswer, ParentRequest};
use super::walk::are_flips;
use crate::evaluate::neighbours::{Candidate, Race};
use crate::flaw::Flaw;
use crate::mask::{self, packed};
use crate::network::Network;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Removals between two exact counts.
const REFRESH: usize = 256;

/// What pruning did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pruned {
    pub weights_removed: usize,
    /// Removals that were tried.
    pub tries: u64,
    pub multiply_adds: u64,
}

/// A pruning between two tries.
///
/// Pre-activations drift from one exact count to the next; the removals since are kept, and made again where the
/// pruning goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PruningState {
    /// The mask with which the present pass began; it says in which order weights are tried.
    #[serde(with = "packed")]
    pass: Vec<u32>,
    /// Tries of the present pass.
    tried: usize,
    /// The mask that was last counted exactly.
    #[serde(with = "packed")]
    mask: Vec<u32>,
    /// Removals since, each of one weight.
    removals: Vec<Vec<u32>>,
    /// Wrong samples that are allowed; unknown before the first count.
    limit: Option<u64>,
    pruned: Pruned,
}

impl PruningState {
    /// Before the first try, at `mask`.
    pub fn new(mask: Vec<u32>) -> Self {
        Self {
            pass: mask.clone(),
            tried: 0,
            mask,
            removals: Vec::new(),
            limit: None,
            pruned: Pruned::default(),
        }
    }

    /// Could this be a pruning of a mask of `weights` weights?
    ///
    /// # Errors
    /// Says what is impossible.
    pub fn check(&self, weights: usize) -> Result<(), Flaw> {
        let are_masks = mask::is_of(&self.pass, weights) && mask::is_of(&self.mask, weights);
        let removed = self.removals.concat();
        let are_single = removed.len() == self.removals.len();
        if are_masks
            && are_single
            && self.tried <= mask::count_ones(&self.pass)
            && are_flips(&removed, weights)
        {
            return Ok(());
        }
        Err("an impossible pruning".into())
    }

    /// The pruned mask, as far as it was counted exactly.
    pub fn mask(&self) -> &[u32] {
        &self.mask
    }

    pub fn pruned(&self) -> Pruned {
        self.pruned
    }
}

/// A pruning as a state that asks for what is to be done with its mask, and is told what came of it.
///
/// Weights are removed, the smallest first, as long as no fewer of the samples are correct than before; over and over,
/// until no single removal is possible any more. Requests come as those of a [`Chain`](super::Chain), but the pruning
/// is at rest before each try.
pub struct Pruning<'a> {
    network: &'a Network,
    race: Option<Race>,
    /// All chunks of the samples.
    chunks: usize,
    state: PruningState,
    /// The weights that the present pass tries, in order.
    order: Vec<u32>,
    cost: u64,
    step: PruningStep,
}

/// What is asked for, or was last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PruningStep {
    Begin,
    Rest,
    Attempt,
    /// The exact count that decides on the removals since the last one.
    Count,
    /// Back to the mask that was counted last.
    Undo,
    Ended,
}

impl<'a> Pruning<'a> {
    /// A pruning of a mask of `network` that goes on from `state`, by samples in so many chunks.
    pub fn new(network: &'a Network, race: Option<Race>, chunks: usize, state: PruningState) -> Self {
        let order = kept_by_size(network, &state.pass);
        Self { network, race, chunks, state, order, cost: 0, step: PruningStep::Begin }
    }

    /// What is to be done next; none when the pruning has ended. Asked again before it is told, it asks the same.
    pub fn ask(&mut self) -> Option<ParentRequest<'_>> {
        if self.step == PruningStep::Rest {
            self.step = PruningStep::Attempt;
        }
        Some(match self.step {
            PruningStep::Begin => ParentRequest::Begin {
                mask: &self.state.mask,
                chunks: self.chunks,
                moves: &self.state.removals,
                is_again: self.state.limit.is_some(),
            },
            PruningStep::Attempt => {
                let bit = &self.order[self.state.tried];
                let limit = self.state.limit.unwrap_or(self.cost);
                ParentRequest::Attempt {
                    candidate: Candidate {
                        flips: std::slice::from_ref(bit),
                        allowed: limit as i64 - self.cost as i64,
                    },
                    race: self.race,
                    first_chunk: *bit as usize % self.chunks,
                }
            }
            PruningStep::Count => ParentRequest::Refresh,
            PruningStep::Undo => ParentRequest::Begin {
                mask: &self.state.mask,
                chunks: self.chunks,
                moves: &[],
                is_again: false,
            },
            PruningStep::Rest | PruningStep::Ended => return None,
        })
    }

    /// Takes the answer to the last [`ask`](Self::ask).
    ///
    /// # Panics
    /// If it is an answer to something else.
    pub fn tell(&mut self, answer: ParentAnswer) {
        match (self.step, answer) {
            (PruningStep::Begin, ParentAnswer::Cost(cost)) => {
                self.cost = cost;
                self.state.limit.get_or_insert(cost);
                self.go_on();
            }
            (PruningStep::Attempt, ParentAnswer::Attempt { passed, cost, .. }) => {
                self.cost = cost;
                if passed {
                    self.state.removals.push(vec![self.order[self.state.tried]]);
                }
                self.state.tried += 1;
                self.state.pruned.tries += 1;
                self.go_on();
            }
            (PruningStep::Count, ParentAnswer::Cost(cost)) => {
                self.cost = cost;
                if self.state.limit.is_none_or(|limit| cost <= limit) {
                    self.take_removals();
                    self.go_on_after_count();
                } else {
                    // Rounding has misled the removals since the last count.
                    self.step = PruningStep::Undo;
                }
            }
            (PruningStep::Undo, ParentAnswer::Cost(cost)) => {
                self.cost = cost;
                self.state.removals.clear();
                self.go_on_after_count();
            }
            (step, answer) => panic!("{answer:?} is no answer to {step:?}"),
        }
    }

    /// The state to go on from, if the pruning is at rest.
    pub fn at_rest(&self) -> Option<&PruningState> {
        (self.step == PruningStep::Rest).then_some(&self.state)
    }

    /// Takes note of what its parent executed since the last time.
    pub fn count(&mut self, multiply_adds: u64) {
        self.state.pruned.multiply_adds += multiply_adds;
    }

    /// Where the pruning came to.
    ///
    /// # Panics
    /// If it still asks for something.
    pub fn into_state(self) -> PruningState {
        assert_eq!(self.step, PruningStep::Ended, "the pruning has not ended");
        self.state
    }

    fn go_on(&mut self) {
        let is_to_count = self.is_through() || self.state.removals.len() >= REFRESH;
        self.step = if is_to_count { PruningStep::Count } else { PruningStep::Rest };
    }

    /// Has the present pass tried every weight?
    fn is_through(&self) -> bool {
        self.state.tried == self.order.len()
    }

    /// Begins the next pass where one has ended that removed something.
    fn go_on_after_count(&mut self) {
        if self.is_through() {
            let state = &mut self.state;
            if state.mask == state.pass {
                self.step = PruningStep::Ended;
                return;
            }
            state.pass.copy_from_slice(&state.mask);
            state.tried = 0;
            self.order = kept_by_size(self.network, &state.pass);
        }
        self.go_on();
    }

    /// Makes the removals since the last count, which it allows.
    fn take_removals(&mut self) {
        let state = &mut self.state;
        state.pruned.weights_removed += state.removals.len();
        state.removals.drain(..).flatten().for_each(|bit| mask::flip(&mut state.mask, bit as usize));
    }
}

/// The bits of `mask` that are set, by the size of their weights.
fn kept_by_size(network: &Network, mask: &[u32]) -> Vec<u32> {
    let bits = 0..network.architecture().weights();
    let mut kept: Vec<u32> = bits.filter(|&bit| mask::get(mask, bit)).map(|bit| bit as u32).collect();
    let size = |bit: u32| network.weights()[bit as usize].abs();
    kept.sort_by(|&a, &b| size(a).total_cmp(&size(b)));
    kept
}
