//! Selection: who survives a generation.

use super::population::Population;
use super::ranking::Ranking;

/// Sorts by fitness, that is, by correct training samples (or loss) and then by zero bits, and keeps the best
/// `survivors` (paper, section 4.1). The sort is stable: incumbents come before children, children before mutants,
/// mutants before migrants.
pub fn select(population: &mut Population, ranking: &Ranking, survivors: usize) {
    population.sort_by_key_descending(|individual| ranking.fitness(individual));
    let best: Vec<usize> = (0..population.len().min(survivors)).collect();
    population.keep(&best);
}

/// Deterministic crowding (Mahfoud 1995), which keeps a population diverse: each of the first `places`
/// individuals has a place. A new one takes the place of the parent that it is more like (the first, if both
/// are equally like it), a fresh one that of whom it is most like, if it is at least as fit as who holds it then. A mutant of a new child competes for the child's place.
pub fn crowd(population: &mut Population, ranking: &Ranking, places: usize) {
    let mut holders: Vec<usize> = (0..places).collect();
    // `[individual]`: the place that it competes for.
    let mut place = holders.clone();
    for new in places..population.len() {
        let like = |other: &usize| population.distance(new, *other);
        let wanted = match population.members()[new].parents {
            Some(parents) => {
                let parents = parents.map(|parent| parent as usize);
                place[parents.into_iter().min_by_key(like).expect("two parents")]
            }
            None => {
                let nearest = (0..places).min_by_key(|&place| like(&holders[place]));
                nearest.expect("a population has individuals")
            }
        };
        place.push(wanted);
        let fitness = |index: usize| ranking.fitness(&population.members()[index]);
        if fitness(new) >= fitness(holders[wanted]) {
            holders[wanted] = new;
        }
    }
    population.keep(&holders);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask;
    use crate::network::Architecture;
    use crate::objective::Objective;
    use crate::search::genetic::{Origin, ResolvedGenetic, Scores};

    /// A population of masks with the given bits set, and correct samples.
    fn population(members: &[(&[usize], u32)]) -> Population {
        let architecture: Architecture = vec![2, 4, 2].try_into().expect("valid");
        let mut population = Population::new(&architecture);
        for (bits, correct) in members {
            let index = population.push(Origin::Initial, 0);
            bits.iter().for_each(|&bit| mask::flip(population.mask_mut(index), bit));
            population.set_scores(index, Scores { correct: *correct, ..Scores::default() });
        }
        population
    }

    /// Appends a child or, if the parents are one, a mutant, that has the given bits set.
    fn add(population: &mut Population, [parent, mate]: [usize; 2], bits: &[usize], correct: u32) {
        let index = population.push_copy(parent, Origin::Child, 1);
        population.set_mate(index, mate);
        population.mask_mut(index).fill(0);
        bits.iter().for_each(|&bit| mask::flip(population.mask_mut(index), bit));
        population.set_scores(index, Scores { correct, ..Scores::default() });
    }

    fn correct_after_crowding(mut population: Population, places: usize) -> Vec<u32> {
        crowd(&mut population, &Ranking::new(&ResolvedGenetic::default(), Objective::Accuracy, 10), places);
        population.members().iter().map(|member| member.correct).collect()
    }

    #[test]
    fn a_child_competes_with_the_parent_that_it_is_more_like_and_with_nobody_else() {
        let parents: [(&[usize], u32); 3] = [(&[], 1), (&[0, 1, 2, 3], 5), (&[8, 9, 10, 11], 3)];
        let mut better = population(&parents);
        add(&mut better, [0, 1], &[0, 1, 2], 6);
        assert_eq!(correct_after_crowding(better, 3), [1, 6, 3]);
        let mut worse = population(&parents);
        add(&mut worse, [0, 1], &[0, 1, 2], 4);
        assert_eq!(correct_after_crowding(worse, 3), [1, 5, 3]);
    }

    #[test]
    fn a_mutant_of_a_child_competes_for_the_childs_place() {
        let mut members = population(&[(&[], 1), (&[0, 1, 2, 3], 5)]);
        add(&mut members, [0, 1], &[0], 4);
        add(&mut members, [2, 2], &[0, 7], 3);
        add(&mut members, [2, 2], &[0, 8], 4);
        assert_eq!(correct_after_crowding(members, 2), [4, 5]);
    }

    #[test]
    fn a_fresh_individual_competes_with_whom_it_is_most_like() {
        let members = population(&[(&[], 1), (&[0, 1, 2, 3], 5), (&[0, 1, 2], 9), (&[8], 2)]);
        assert_eq!(correct_after_crowding(members, 2), [2, 9]);
    }
}
