//! Selection: the fittest survive.

use super::population::Population;
use super::ranking::Ranking;

/// Sorts by fitness, that is, by correct training samples (or loss) and then by zero bits, and keeps the best
/// `survivors` (paper, section 4.1). The sort is stable: incumbents come before children, children before
/// mutants, mutants before migrants.
pub fn select(population: &mut Population, ranking: &Ranking, survivors: usize) {
    population.sort_by_key_descending(|individual| ranking.fitness(individual));
    population.truncate(survivors);
}
