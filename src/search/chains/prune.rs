//! Pruning after the search: weights that no training sample needs are removed.

use super::chain::{ANYTHING, TELL_INTERVAL, are_flips};
use super::watch::Watch;
use crate::dataset::Samples;
use crate::evaluate::neighbours::{Candidate, Landscape, Race, Resident, Scratch, Tiles};
use crate::evaluate::{Arithmetic, EvaluateError};
use crate::flaw::Flaw;
use crate::mask;
use crate::mask::packed;
use crate::network::Network;
use crate::objective::Objective;
use crate::random::{self, Concern};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// Removals between two exact counts.
const REFRESH: usize = 256;

/// What pruning did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
pub struct PruneState {
    /// The mask with which the present pass began; it says in which order weights are tried.
    #[serde(with = "packed")]
    pass: Vec<u32>,
    /// Tries of the present pass.
    tried: usize,
    /// The mask that was last counted exactly.
    #[serde(with = "packed")]
    mask: Vec<u32>,
    /// Removals since.
    removed: Vec<u32>,
    /// Wrong samples that are allowed.
    limit: u64,
    pruned: Pruned,
}

impl PruneState {
    /// Could this be a pruning of a mask of `weights` weights?
    ///
    /// # Errors
    /// Says what is impossible.
    pub fn check(&self, weights: usize) -> Result<(), Flaw> {
        let are_masks = mask::is_of(&self.pass, weights) && mask::is_of(&self.mask, weights);
        if are_masks && self.tried <= mask::count_ones(&self.pass) && are_flips(&self.removed, weights) {
            return Ok(());
        }
        Err("an impossible pruning".into())
    }
}

/// What is pruned, and how.
pub struct Pruner<'a> {
    pub network: &'a Network,
    pub train: &'a Samples,
    pub arithmetic: Arithmetic,
    pub race: Option<Race>,
    pub seed: u64,
}

impl Pruner<'_> {
    /// Removes weights of `mask`, the smallest first, as long as no fewer of the training samples are correct than
    /// before; over and over, until no single removal is possible any more. None, and `mask` as it was, if `watch`
    /// stops it.
    ///
    /// # Errors
    /// When shapes do not match.
    pub fn prune(&self, mask: &mut [u32], watch: &Watch<'_>) -> Result<Option<Pruned>, EvaluateError> {
        let all: Vec<usize> = (0..self.train.len()).collect();
        let tiles = Tiles::new(self.train, &all, &mut random::substream(self.seed, Concern::Subsample, 1));
        let landscape = Landscape::new(self.network, tiles, Objective::Accuracy, self.arithmetic)?;
        let mut scratch = Scratch::default();
        let kept = watch.look(|kept| kept.pruning.clone());
        let mut resident = landscape.resident(kept.as_ref().map_or(mask, |state| &state.mask), &mut scratch);
        let mut state = match kept {
            Some(state) => {
                for bit in &state.removed {
                    resident.attempt(removal(bit, ANYTHING), None, 0, &mut scratch);
                }
                scratch.multiply_adds = state.pruned.multiply_adds;
                state
            }
            None => PruneState {
                pass: mask.to_vec(),
                tried: 0,
                mask: mask.to_vec(),
                removed: Vec::new(),
                limit: resident.cost(),
                pruned: Pruned::default(),
            },
        };
        while self.pass(&mut state, &mut resident, &mut scratch, watch) {
            if state.mask == state.pass {
                state.pruned.weights_removed = mask::count_ones(mask) - mask::count_ones(&state.mask);
                state.pruned.multiply_adds = scratch.multiply_adds;
                mask.copy_from_slice(&state.mask);
                return Ok(Some(state.pruned));
            }
            state.pass.copy_from_slice(&state.mask);
            state.tried = 0;
        }
        Ok(None)
    }

    /// Tries each weight that is left once; says if it came to its end.
    fn pass(
        &self,
        state: &mut PruneState,
        resident: &mut Resident<'_>,
        scratch: &mut Scratch,
        watch: &Watch<'_>,
    ) -> bool {
        let chunks = resident.chunks().len();
        let mut told = Instant::now();
        for bit in kept_by_size(self.network, &state.pass).into_iter().skip(state.tried) {
            if watch.stopping() || told.elapsed() >= TELL_INTERVAL {
                told = Instant::now();
                state.pruned.multiply_adds = scratch.multiply_adds;
                watch.note(|kept| kept.pruning = Some(state.clone()));
                if watch.stopping() {
                    return false;
                }
            }
            let allowed = state.limit as i64 - resident.cost() as i64;
            state.tried += 1;
            state.pruned.tries += 1;
            if resident.attempt(removal(&bit, allowed), self.race, bit as usize % chunks, scratch) {
                state.removed.push(bit);
            }
            if resident.since_refresh() >= REFRESH {
                settle(state, resident, scratch);
            }
        }
        settle(state, resident, scratch);
        true
    }
}

/// The removal of the weight `bit`, if it costs no more than `allowed`.
fn removal(bit: &u32, allowed: i64) -> Candidate<'_> {
    Candidate { flips: std::slice::from_ref(bit), allowed }
}

/// Counts exactly. Takes the resident's mask over if it keeps to the limit; otherwise rounding has misled the removals
/// since the last count, and they are undone.
fn settle(state: &mut PruneState, resident: &mut Resident<'_>, scratch: &mut Scratch) {
    if resident.refresh(scratch) <= state.limit {
        state.mask.copy_from_slice(resident.mask());
    } else {
        resident.replace(&state.mask, scratch);
    }
    state.removed.clear();
}

/// The bits of `mask` that are set, by the size of their weights.
fn kept_by_size(network: &Network, mask: &[u32]) -> Vec<u32> {
    let bits = 0..network.architecture.weights();
    let mut kept: Vec<u32> = bits.filter(|&bit| mask::get(mask, bit)).map(|bit| bit as u32).collect();
    let size = |bit: u32| network.weights[bit as usize].abs();
    kept.sort_by(|&a, &b| size(a).total_cmp(&size(b)));
    kept
}
