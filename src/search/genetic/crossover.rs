//! Recombination: uniform crossover between an individual and a mate among the fittest, or between winners of tournaments.

use super::config::{ResolvedGenetic, Selection};
use super::nsga2;
use super::population::{Origin, Population};
use super::ranking::Ranking;
use crate::mask;
use crate::network::Architecture;
use crate::random;
use rand::Rng;

/// Redraws of one child or mutant before its parent is taken unchanged: with at least one path in the
/// parent a redraw can fail for ever only in networks of a handful of weights.
pub(super) const MAX_REDRAWS: usize = 1000;

/// Sorts by training accuracy (or loss) alone and appends the children (paper, section 4.1).
///
/// With [`nsga2`] both parents are winners of [tournaments](nsga2::tournament), and the order, which says who wins, stays.
///
/// A mate may be the parent itself. Where a path is required, bits are redrawn until the child has one.
pub fn recombine(
    population: &mut Population,
    ranking: &Ranking,
    config: &ResolvedGenetic,
    architecture: &Architecture,
    generation: u32,
    rng: &mut impl Rng,
) {
    let incumbents = population.len();
    let mates = config.mates().min(incumbents);
    if config.selection != Selection::Nsga2 {
        population.sort_by_key_descending(|individual| ranking.first(individual));
    }
    for incumbent in 0..incumbents {
        if !random::chance(rng, config.recombination_rate) {
            continue;
        }
        let [parent, mate] = match config.selection {
            Selection::Nsga2 => [(); 2].map(|()| nsga2::tournament(rng, incumbents)),
            Selection::Truncation | Selection::Crowding => [incumbent, random::index(rng, mates)],
        };
        let child = population.push_copy(parent, Origin::Child, generation);
        population.set_mate(child, mate);
        for _ in 0..MAX_REDRAWS {
            let (bits, mate_bits) = population.mask_mut_beside(child, mate);
            mask::crossover(bits, mate_bits, rng);
            if !config.require_path || mask::has_path(population.mask(child), architecture) {
                break;
            }
            let (bits, parent_bits) = population.mask_mut_beside(child, parent);
            bits.copy_from_slice(parent_bits);
        }
    }
}
