//! Crossing of chains: children of two members, improved by local search, take their parents' place.

use super::Work;
use super::chain::{self, ChainState, Stretch, Walk};
use super::config::{LocalSearchConfig, MemeticConfig};
use super::parent::Scorer;
use super::watch::Watch;
use crate::evaluate::EvaluateError;
use crate::mask;
use crate::random::{self, Concern};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// A memetic search between two generations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemeticState {
    /// Generations that are complete, after the first.
    pub generations: usize,
    pub members: Vec<Walk>,
    pub work: Work,
}

/// Evolves the members of `state`, until the last generation or the stop that `watch` asks for. A child
/// replaces the more similar of its parents when its cost is not greater (restricted competition as in
/// deterministic crowding, Mahfoud 1995), which keeps members apart.
///
/// # Errors
/// Errors of the device.
pub fn evolve(
    scorer: &Scorer,
    state: &mut MemeticState,
    config: &LocalSearchConfig,
    memetic: &MemeticConfig,
    seed: u64,
    watch: &Watch<'_>,
) -> Result<(), EvaluateError> {
    for generation in state.generations..memetic.generations {
        let members = &mut state.members;
        let mut rng = random::substream(seed, Concern::Memetic, generation as u32);
        let mut couples = Vec::with_capacity(memetic.children);
        for _ in 0..memetic.children {
            let first = random::index(&mut rng, members.len());
            let second = (first + 1 + random::index(&mut rng, members.len() - 1)) % members.len();
            let mut child = members[first].mask.clone();
            mask::crossover(&mut child, &members[second].mask, &mut rng);
            couples.push((first, second, child));
        }
        let first_part = (config.chains + generation * memetic.children) as u32;
        let children = couples
            .par_iter()
            .with_max_len(1)
            .enumerate()
            .map(|(n, (_, _, child))| {
                let stretch = Stretch {
                    config,
                    proposals: memetic.proposals,
                    temperature: &memetic.temperature,
                    weight_price: config.weight_price,
                };
                let rng = random::substream(seed, Concern::LocalSearch, first_part + n as u32);
                chain::walk(scorer, ChainState::new(child.clone(), rng), &stretch, watch, |_| {})
            })
            .collect::<Result<Vec<Walk>, _>>()?;
        if !are_whole(&children) {
            return Ok(());
        }
        for ((first, second, _), child) in couples.into_iter().zip(children) {
            state.work.add(&child);
            let distance = |n: usize| differing(&members[n].mask, &child.mask);
            let rival = if distance(second) < distance(first) { second } else { first };
            if child.cost <= members[rival].cost {
                members[rival] = child;
            }
        }
        state.generations += 1;
        watch.generation_is_at(state.clone());
    }
    Ok(())
}

/// Did all walks come to their ends, or was the search stopped?
pub fn are_whole(walks: &[Walk]) -> bool {
    walks.iter().all(|walk| walk.is_whole)
}

/// The number of bits in which two masks differ.
fn differing(a: &[u32], b: &[u32]) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
}
