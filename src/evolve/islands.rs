//! Islands: parts of the population that evolve apart, and now and then exchange their best (Whitley, Rana,
//! Heckendorn 1999, *The island model genetic algorithm*).

use super::population::Population;
use super::ranking::Ranking;

/// The best individual of each of the `islands`, of equal ones the first, moves on in a ring: a copy of it takes the
/// place of the next island's worst, of equal ones the last. All are chosen before any moves.
pub fn exchange(population: &mut Population, ranking: &Ranking, islands: usize) {
    let members = population.members();
    let fitness = |index: &usize| ranking.fitness(&members[*index]);
    let extremes: Vec<(usize, usize)> = (0..islands)
        .map(|island| {
            let own = || (0..members.len()).filter(|&index| members[index].island as usize == island);
            let best = own().rev().max_by_key(fitness).expect("islands have individuals");
            let worst = own().rev().min_by_key(fitness).expect("islands have individuals");
            (best, worst)
        })
        .collect();
    for (island, (best, _)) in extremes.iter().enumerate() {
        population.replace(extremes[(island + 1) % islands].1, *best);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::LossScore;
    use crate::evolve::{GeneticConfig, Origin};
    use crate::mask;
    use crate::network::Architecture;

    #[test]
    fn the_best_of_each_island_takes_the_place_of_the_worst_of_the_next() {
        let architecture: Architecture = vec![2, 4, 2].try_into().expect("valid");
        let mut population = Population::new(&architecture);
        for (n, (island, correct)) in
            [(0, 3), (0, 9), (0, 9), (1, 5), (1, 5), (1, 5), (2, 8), (2, 1), (2, 4)].into_iter().enumerate()
        {
            let index = population.push(Origin::Initial, 0);
            population.mask_mut(index).fill(0);
            mask::flip(population.mask_mut(index), n);
            population.settle(index, island);
            population.set_score(index, LossScore { loss: 0, correct });
        }
        exchange(&mut population, &Ranking::new(&GeneticConfig::default(), None, 10), 3);
        let found: Vec<(usize, u32, u32)> = (0..9)
            .map(|index| {
                let bit = (0..9).find(|&bit| mask::get(population.mask(index), bit)).expect("one bit");
                (bit, population.members()[index].island, population.members()[index].correct)
            })
            .collect();
        let kept = [(1, 0, 9), (2, 0, 9), (3, 1, 5), (4, 1, 5), (6, 2, 8), (8, 2, 4)];
        assert_eq!([found[1], found[2], found[3], found[4], found[6], found[8]], kept);
        assert_eq!([found[0], found[5], found[7]], [(6, 0, 8), (1, 1, 9), (3, 2, 5)]);
    }
}
