//! Pruning after the search: weights that no training sample needs are removed.

use crate::dataset::Samples;
use crate::evaluate::neighbours::{Candidate, Landscape, Objective, Race, Resident, Scratch, Tiles};
use crate::evaluate::{Arithmetic, EvaluateError};
use crate::mask;
use crate::network::Network;
use crate::random::{self, Concern};
use serde::{Deserialize, Serialize};

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

/// Removes weights of `mask`, the smallest first, as long as no fewer of `train` are correct than before;
/// over and over, until no single removal is possible any more.
///
/// # Errors
/// When shapes do not match.
pub fn prune(
    network: &Network,
    train: &Samples,
    arithmetic: Arithmetic,
    race: Option<Race>,
    seed: u64,
    mask: &mut [u32],
) -> Result<Pruned, EvaluateError> {
    let all: Vec<usize> = (0..train.len()).collect();
    let tiles = Tiles::new(train, &all, &mut random::substream(seed, Concern::Subsample, 1));
    let landscape = Landscape::new(network, tiles, Objective::Accuracy, arithmetic)?;
    let mut scratch = Scratch::default();
    let mut resident = landscape.resident(mask, &mut scratch);
    let chunks = resident.chunks().len();
    let (limit, before) = (resident.cost(), mask::count_ones(mask));
    let mut pruned = Pruned::default();
    loop {
        let left = mask::count_ones(mask);
        for bit in kept_by_size(network, mask) {
            let allowed = limit as i64 - resident.cost() as i64;
            let candidate = Candidate { flips: &[bit], allowed };
            pruned.tries += 1;
            resident.attempt(candidate, race, bit as usize % chunks, &mut scratch);
            if resident.since_refresh() >= REFRESH {
                settle(&mut resident, limit, mask, &mut scratch);
            }
        }
        settle(&mut resident, limit, mask, &mut scratch);
        if mask::count_ones(mask) == left {
            pruned.weights_removed = before - left;
            pruned.multiply_adds = scratch.multiply_adds;
            return Ok(pruned);
        }
    }
}

/// Counts exactly. Takes the resident's mask over if it keeps to the `limit`; otherwise rounding has misled
/// the removals since the last count, and they are undone.
fn settle(resident: &mut Resident<'_>, limit: u64, mask: &mut [u32], scratch: &mut Scratch) {
    if resident.refresh(scratch) <= limit {
        mask.copy_from_slice(resident.mask());
    } else {
        resident.replace(mask, scratch);
    }
}

/// The bits of `mask` that are set, by the size of their weights.
fn kept_by_size(network: &Network, mask: &[u32]) -> Vec<u32> {
    let bits = 0..network.architecture.weights();
    let mut kept: Vec<u32> = bits.filter(|&bit| mask::get(mask, bit)).map(|bit| bit as u32).collect();
    let size = |bit: u32| network.weights[bit as usize].abs();
    kept.sort_by(|&a, &b| size(a).total_cmp(&size(b)));
    kept
}
