//! NSGA-II (Deb, Pratap, Agarwal, Meyarivan 2002, *A Fast and Elitist Multiobjective Genetic Algorithm*): fronts of masks
//! that do not dominate each other, and in a front the ones with room around them first.
//!
//! Losses are whole numbers, so that fronts are exact. Crowding distances are sums of quotients of f64, in the order of the
//! objectives, which every machine rounds alike.

use super::goals::{Goals, MAX_GOALS};
use super::population::Population;
use super::seen::hash;
use crate::random;
use rand::Rng;
use std::collections::HashSet;

/// Keeps the best `survivors` in order: by front, then by falling crowding distance, then as they stood. A mask that stands
/// there already comes behind all others: copies would take the places of masks that are on the front.
pub fn survive(population: &mut Population, goals: &Goals, survivors: usize) {
    let (different, copies) = different(population);
    let losses = losses(population, goals, &different);
    let mut order = Vec::with_capacity(population.len());
    for front in fronts(&losses, goals.len()) {
        let distances = crowding(&front, &losses, goals.len(), |goal, loss| goals.coordinate(goal, loss));
        let mut places: Vec<usize> = (0..front.len()).collect();
        places.sort_by(|&a, &b| distances[b].total_cmp(&distances[a]));
        order.extend(places.into_iter().map(|place| different[front[place]]));
        if order.len() >= survivors {
            break;
        }
    }
    order.extend(copies);
    order.truncate(survivors);
    population.keep(&order);
}

/// The winner of a binary tournament among so many `individuals` that stand in the order of [`survive`]: who stands first,
/// which is by front, then by crowding distance.
pub fn tournament(rng: &mut impl Rng, individuals: usize) -> usize {
    random::index(rng, individuals).min(random::index(rng, individuals))
}

/// The different masks that no other dominates, in the order of the population.
pub(super) fn first_front(population: &Population, goals: &Goals) -> Vec<usize> {
    let (different, _) = different(population);
    let fronts = fronts(&losses(population, goals, &different), goals.len());
    fronts.first().map_or_else(Vec::new, |front| front.iter().map(|&n| different[n]).collect())
}

/// The individuals whose masks are not those of earlier ones, and the others.
fn different(population: &Population) -> (Vec<usize>, Vec<usize>) {
    let mut known = HashSet::new();
    (0..population.len()).partition(|&index| known.insert(hash(population.mask(index))))
}

fn losses(population: &Population, goals: &Goals, individuals: &[usize]) -> Vec<[u64; MAX_GOALS]> {
    let of = |&index: &usize| goals.losses(&population.members()[index], population.weights());
    individuals.iter().map(of).collect()
}

/// Is `one` as good as the `other` by every objective, and better by one?
fn dominates(one: &[u64; MAX_GOALS], other: &[u64; MAX_GOALS]) -> bool {
    one != other && one.iter().zip(other).all(|(one, other)| one <= other)
}

/// The fronts, the first of which nothing dominates and each other only those before it, as lists of places in `losses`,
/// ascending. They are those of fast non-dominated sorting, found by binary search among the fronts so far (Zhang, Tian,
/// Cheng, Jin 2015, *An Efficient Approach to Nondominated Sorting*).
pub fn fronts(losses: &[[u64; MAX_GOALS]], goals: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..losses.len()).collect();
    order.sort_by_key(|&n| losses[n]);
    // Of two objectives the second falls along a front, whose last mask therefore dominates whatever any of it does.
    let compared = if goals == 2 { 1 } else { losses.len() };
    let mut fronts: Vec<Vec<usize>> = Vec::new();
    for n in order {
        // What comes later in this order dominates nothing that came before.
        let dominates = |other: &usize| dominates(&losses[*other], &losses[n]);
        let front = fronts.partition_point(|front| front.iter().rev().take(compared).any(dominates));
        match fronts.get_mut(front) {
            Some(front) => front.push(n),
            None => fronts.push(vec![n]),
        }
    }
    fronts.iter_mut().for_each(|front| front.sort_unstable());
    fronts
}

/// The crowding distance of each of a `front`: the sum over objectives of how far the neighbours on both sides are apart,
/// as a share of the front's extent; infinite at the ends. Of equal losses, that which comes first in the front is the
/// lower. An objective by which all are equal adds nothing.
pub fn crowding(
    front: &[usize],
    losses: &[[u64; MAX_GOALS]],
    goals: usize,
    coordinate: impl Fn(usize, u64) -> f64,
) -> Vec<f64> {
    let mut distances = vec![0.0; front.len()];
    let loss = |goal: usize, place: usize| losses[front[place]][goal];
    for goal in 0..goals {
        let mut order: Vec<usize> = (0..front.len()).collect();
        order.sort_by_key(|&place| loss(goal, place));
        let at = |place: usize| coordinate(goal, loss(goal, place));
        let (Some(&lowest), Some(&highest)) = (order.first(), order.last()) else { continue };
        let extent = at(highest) - at(lowest);
        if extent <= 0.0 {
            continue;
        }
        distances[lowest] = f64::INFINITY;
        distances[highest] = f64::INFINITY;
        for neighbours in order.windows(3) {
            let share = (at(neighbours[2]) - at(neighbours[0])) / extent;
            // A judge's scores may be so far apart that their difference is no number.
            distances[neighbours[1]] += if share.is_finite() { share } else { 0.0 };
        }
    }
    distances
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_front_dominates_the_next_and_equal_masks_share_one() {
        let losses = [[3, 3, 0], [1, 4, 0], [4, 1, 0], [1, 4, 0], [2, 2, 0], [5, 5, 0]];
        assert_eq!(fronts(&losses, 2), [vec![1, 2, 3, 4], vec![0], vec![5]]);
        let third = [[1, 1, 1], [1, 1, 2], [2, 0, 3], [0, 9, 9], [2, 1, 3]];
        assert_eq!(fronts(&third, 3), [vec![0, 2, 3], vec![1], vec![4]]);
    }

    #[test]
    fn crowding_counts_the_room_between_neighbours() {
        let losses = [[0, 10, 7], [4, 6, 7], [5, 4, 7], [10, 0, 7]];
        let distances = crowding(&[0, 1, 2, 3], &losses, 3, |_, loss| loss as f64);
        assert_eq!(distances, [f64::INFINITY, 0.5 + 0.6, 0.6 + 0.6, f64::INFINITY]);
        // Differences that are no number are none.
        let apart = crowding(&[0, 1, 2, 3], &losses, 2, |_, loss| if loss > 4 { f64::MAX } else { f64::MIN });
        assert!(apart.iter().all(|distance| !distance.is_nan()), "{apart:?}");
    }
}
