//! Crossing of chains: children of two members, improved by local search, take their parents' place.

use super::Work;
use super::chain::{self, Stretch, Walk};
use super::config::{LocalSearchConfig, MemeticConfig};
use crate::evaluate::neighbours::Landscape;
use crate::mask;
use crate::random::{self, Concern};
use rayon::prelude::*;

/// Evolves the `members`. A child replaces the more similar of its parents when its cost is not greater
/// (restricted competition as in deterministic crowding, Mahfoud 1995), which keeps members apart.
pub fn evolve(
    landscape: &Landscape,
    members: &mut [Walk],
    config: &LocalSearchConfig,
    memetic: &MemeticConfig,
    seed: u64,
    work: &mut Work,
) {
    let mut rng = random::stream(seed, Concern::Memetic);
    for generation in 0..memetic.generations {
        let mut couples = Vec::with_capacity(memetic.children);
        for _ in 0..memetic.children {
            let first = random::index(&mut rng, members.len());
            let second = (first + 1 + random::index(&mut rng, members.len() - 1)) % members.len();
            let mut child = members[first].mask.clone();
            mask::crossover(&mut child, &members[second].mask, &mut rng);
            couples.push((first, second, child));
        }
        let first_part = (config.chains + generation * memetic.children) as u32;
        let children: Vec<Walk> = couples
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
                let mut rng = random::substream(seed, Concern::LocalSearch, first_part + n as u32);
                chain::walk(landscape, child, &stretch, &mut rng)
            })
            .collect();
        for ((first, second, _), child) in couples.into_iter().zip(children) {
            work.add(&child);
            let distance = |n: usize| differing(&members[n].mask, &child.mask);
            let rival = if distance(second) < distance(first) { second } else { first };
            if child.cost <= members[rival].cost {
                members[rival] = child;
            }
        }
    }
}

/// The number of bits in which two masks differ.
fn differing(a: &[u32], b: &[u32]) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
}
