//! Fitness: the order of individuals.

use super::config::ResolvedGenetic;
use super::population::Individual;
use crate::objective::Objective;
use crate::objective::margin::Margin;
use serde::{Deserialize, Serialize};

/// What the fitness of an individual is; its second part is always the number of zero bits.
///
/// Losses are cut into intervals of the tolerance, and those of one interval are equal. "Differs by less
/// than" would not do: it is not transitive, and a sort needs an order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    objective: Objective,
    /// Steps of an interval of losses.
    interval: u64,
    /// Training samples.
    samples: usize,
}

impl Ranking {
    /// The order that `config` asks for on `samples` training samples, by the first of its objectives.
    ///
    /// # Panics
    /// If the objective is not of the kind that the configuration names.
    pub fn new(config: &ResolvedGenetic, objective: Objective, samples: usize) -> Self {
        assert!(config.leading_fitness().names(&objective), "the objective is the configuration's");
        let summands = objective.summands(samples);
        let steps_per_unit = objective.steps_per_unit().map_or(0.0, |steps| steps * summands);
        let interval = (config.fitness_tolerance * steps_per_unit).round().max(1.0) as u64;
        Self { objective, interval, samples }
    }

    /// Could this be the order that `config` asks for on `samples` training samples?
    pub(super) fn is_of(&self, config: &ResolvedGenetic, samples: usize) -> bool {
        let is_possible =
            self.margin().is_none_or(|margin| Margin::new(margin.tau()).is_ok_and(|known| known == margin));
        is_possible
            && config.leading_fitness().names(&self.objective)
            && *self == Self::new(config, self.objective, samples)
    }

    /// What individuals are ranked by.
    pub fn objective(&self) -> Objective {
        self.objective
    }

    /// Training samples.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The first part of the fitness, higher being better.
    pub fn first(&self, individual: &Individual) -> u64 {
        match self.objective {
            Objective::Accuracy => u64::from(individual.correct),
            Objective::Margin(_) | Objective::CrossEntropy | Objective::Measure(_) | Objective::Judged => {
                u64::MAX - individual.loss() / self.interval
            }
        }
    }

    /// The fitness, higher being better.
    pub fn fitness(&self, individual: &Individual) -> (u64, u32) {
        (self.first(individual), individual.zeros)
    }

    /// What the ticket has most of: correct training samples where the fitness is that or stands for it, as losses do, and
    /// then fitness; where it is a measure or a judge's, that alone.
    pub fn claim(&self, individual: &Individual) -> (u32, (u64, u32)) {
        let correct = if self.objective.is_by_sample() { individual.correct } else { 0 };
        (correct, self.fitness(individual))
    }

    /// `loss` over the training samples in its own unit: see [`Objective::value_of`].
    pub fn mean_loss(&self, loss: u64) -> Option<f64> {
        self.objective.value_of(loss, self.samples)
    }

    /// The margin of the loss, where it has one.
    pub fn margin(&self) -> Option<Margin> {
        self.objective.margin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Architecture;
    use crate::objective::Fitness;
    use crate::search::genetic::population::{Origin, Population, Scores};

    fn individual(correct: u32, loss: u64, kept: usize) -> Individual {
        let architecture: Architecture = vec![2, 4, 2].try_into().expect("valid");
        let mut population = Population::new(&architecture);
        let index = population.push(Origin::Initial, 0);
        (0..kept).for_each(|bit| crate::mask::flip(population.mask_mut(index), bit));
        population.set_scores(index, Scores { losses: [loss, 0, 0], correct });
        population.members()[index]
    }

    fn margin(fitness_tolerance: f64) -> Ranking {
        let config =
            ResolvedGenetic { fitness: Fitness::Margin, fitness_tolerance, ..ResolvedGenetic::default() };
        Ranking::new(&config, Objective::Margin(Margin::new(1.0).expect("a margin")), 100)
    }

    #[test]
    fn without_a_loss_the_count_decides_and_then_sparsity() {
        let ranking = Ranking::new(&ResolvedGenetic::default(), Objective::Accuracy, 100);
        let [few, many] = [individual(7, 0, 5), individual(8, 0, 6)];
        assert!(ranking.fitness(&many) > ranking.fitness(&few));
        assert!(ranking.fitness(&individual(7, 0, 4)) > ranking.fitness(&few));
        assert_eq!(ranking.mean_loss(5), None);
    }

    #[test]
    fn a_lower_loss_is_fitter_whatever_the_count_but_the_ticket_has_the_most_correct() {
        let ranking = margin(0.0);
        let [low, high] = [individual(7, 1_000, 9), individual(8, 1_001, 2)];
        assert!(ranking.fitness(&low) > ranking.fitness(&high));
        assert!(ranking.claim(&high) > ranking.claim(&low));
        assert_eq!(ranking.mean_loss(102_400), Some(1.0));
    }

    #[test]
    fn losses_of_one_interval_tie_and_sparsity_decides() {
        // 0.01 tau² on 100 samples are 1024 steps.
        let ranking = margin(0.01);
        let [dense, sparse, worse] =
            [individual(7, 1_024, 9), individual(7, 2_047, 8), individual(7, 2_048, 0)];
        assert!(ranking.fitness(&sparse) > ranking.fitness(&dense));
        assert!(ranking.fitness(&sparse) > ranking.fitness(&worse));
        assert!(ranking.fitness(&dense) > ranking.fitness(&worse));
    }
}
