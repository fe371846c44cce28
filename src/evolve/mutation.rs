//! Mutation: copies with one flipped bit.

use super::config::{GeneticConfig, MutationSite};
use super::crossover::MAX_REDRAWS;
use super::population::{Origin, Population};
use crate::mask;
use crate::network::Architecture;
use crate::random;
use rand::Rng;

/// Appends the mutants of the population, new children included (paper, section 4.1).
///
/// Where a path is required, another bit is drawn until the mutant has one.
pub fn mutate(
    population: &mut Population,
    config: &GeneticConfig,
    architecture: &Architecture,
    generation: u32,
    rng: &mut impl Rng,
) {
    for parent in 0..population.len() {
        if !random::chance(rng, config.mutation_rate) {
            continue;
        }
        let mutant = population.push_copy(parent, Origin::Mutant, generation);
        for _ in 0..MAX_REDRAWS {
            let bit = draw_bit(config.mutation, architecture, rng);
            mask::flip(population.mask_mut(mutant), bit);
            if !config.require_path || mask::has_path(population.mask(mutant), architecture) {
                break;
            }
            mask::flip(population.mask_mut(mutant), bit);
        }
    }
}

fn draw_bit(site: MutationSite, architecture: &Architecture, rng: &mut impl Rng) -> usize {
    match site {
        MutationSite::Weight => random::index(rng, architecture.weights()),
        MutationSite::LayerThenWeight => {
            let layer = architecture.layer(random::index(rng, architecture.layer_count()));
            layer.first_weight + random::index(rng, layer.weights())
        }
    }
}
