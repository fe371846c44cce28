//! What happened, generation by generation.

use super::goals::Goals;
use super::population::{Individual, Origin, Population};
use super::ranking::Ranking;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Columns of equal length, one entry per generation; the initial population is generation 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// Correct training samples of the best individual, which the ticket would be.
    pub best_correct: Vec<u32>,
    /// The [hypervolume](Goals::hypervolume) of the population, where there are several objectives; else empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hypervolume: Vec<f64>,
    /// Lowest loss in the population, a mean over the training samples in units of tau² or in nats; empty where
    /// the fitness is accuracy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub best_loss: Vec<f64>,
    /// Mean training accuracy of the population, a fraction.
    pub mean_accuracy: Vec<f64>,
    /// Sparsity (zero bits / weights) of the best individual.
    pub best_sparsity: Vec<f64>,
    /// Highest sparsity in the population.
    pub highest_sparsity: Vec<f64>,
    /// Highest sparsity in any population so far.
    pub highest_sparsity_so_far: Vec<f64>,
    /// Mean share of bits by which individuals differ from the best.
    pub diversity: Vec<f64>,
    /// The accuracy bound on fresh individuals, where there is one.
    pub accuracy_bound: Vec<Option<f64>>,
    /// Evaluations asked for so far.
    pub evaluations: Vec<u64>,
    /// Individuals of this generation's population that were there before it.
    pub incumbents: Vec<u32>,
    /// Survivors that this generation made by crossover.
    pub children: Vec<u32>,
    /// Survivors that this generation made by mutation.
    pub mutants: Vec<u32>,
    /// Survivors among this generation's fresh individuals.
    pub migrants: Vec<u32>,
}

impl History {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.best_correct.len()
    }

    pub fn is_empty(&self) -> bool {
        self.best_correct.is_empty()
    }

    /// Are the columns of equal length, as far as they are there?
    pub(super) fn is_whole(&self) -> bool {
        let lengths = [
            self.mean_accuracy.len(),
            self.best_sparsity.len(),
            self.highest_sparsity.len(),
            self.highest_sparsity_so_far.len(),
            self.diversity.len(),
            self.accuracy_bound.len(),
            self.evaluations.len(),
            self.incumbents.len(),
            self.children.len(),
            self.mutants.len(),
            self.migrants.len(),
        ];
        let may_be_empty = [self.best_loss.len(), self.hypervolume.len()];
        lengths.iter().all(|&length| length == self.len())
            && may_be_empty.iter().all(|&length| length == 0 || length == self.len())
    }

    /// Adds the population with which `generation` ends.
    pub fn push(
        &mut self,
        population: &Population,
        (ranking, goals): (&Ranking, &Goals),
        generation: u32,
        bound: Option<f64>,
        evaluations: u64,
    ) {
        let members = population.members();
        let best = goals.best(population, ranking);
        let sparsity = |zeros: u32| f64::from(zeros) / population.weights() as f64;
        let highest = sparsity(members.iter().map(|member| member.zeros).max().unwrap_or(0));
        let so_far = self.highest_sparsity_so_far.last().map_or(highest, |&before| before.max(highest));
        let correct: u64 = members.iter().map(|member| u64::from(member.correct)).sum();
        let survivors = |origin: Origin| -> u32 {
            members.iter().filter(|member| member.born == generation && member.origin == origin).count()
                as u32
        };
        self.best_correct.push(members[best].correct);
        let lowest = members.iter().map(Individual::loss).min().unwrap_or(0);
        self.best_loss.extend(ranking.mean_loss(lowest));
        self.hypervolume.extend(goals.hypervolume(population));
        self.mean_accuracy.push(correct as f64 / members.len() as f64 / ranking.samples() as f64);
        self.best_sparsity.push(sparsity(members[best].zeros));
        self.highest_sparsity.push(highest);
        self.highest_sparsity_so_far.push(so_far);
        self.diversity.push(population.mean_distance_to(best));
        self.accuracy_bound.push(bound);
        self.evaluations.push(evaluations);
        let (children, mutants, migrants) =
            (survivors(Origin::Child), survivors(Origin::Mutant), survivors(Origin::Migrant));
        self.incumbents.push(members.len() as u32 - children - mutants - migrants);
        self.children.push(children);
        self.mutants.push(mutants);
        self.migrants.push(migrants);
    }
}
