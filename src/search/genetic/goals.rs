//! Several objectives at once: how far masks are from each, as a whole number of which less is better.

use super::config::{ResolvedGenetic, Selection};
use super::goal::Goal;
use super::population::{Individual, Population, Scores};
use super::ranking::Ranking;
use super::{hypervolume, nsga2};
use crate::evaluate::Arithmetic;
use crate::network::Architecture;
use crate::objective::{Fitness, Objective, cross_entropy, judged_score};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

/// Objectives of one search at most.
pub const MAX_GOALS: usize = 3;

/// What a search asks for of each mask, and what [`nsga2`] makes small of it; by any other selection, nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Goals {
    /// Each is an evaluation of a mask, and a place in its [losses](Scores::losses).
    asked: Vec<Objective>,
    aims: Vec<Aim>,
    /// `[aim]`: the loss from which on a mask adds nothing to the [hypervolume](Goals::hypervolume).
    references: Vec<u64>,
}

/// Where the loss by one of several objectives comes from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Aim {
    /// Wrong samples.
    Accuracy,
    /// Weights kept.
    Sparsity,
    /// The objective at this place among those asked for.
    Loss(usize),
}

impl Goals {
    /// What `config` asks for on `samples` training samples, by its [objectives](ResolvedGenetic::objectives).
    pub fn new(
        config: &ResolvedGenetic,
        objectives: &[Objective],
        architecture: &Architecture,
        samples: usize,
    ) -> Self {
        let mut asked = Vec::new();
        let mut of_fitnesses = objectives.iter();
        let mut aim = |goal: &Goal| match goal.fitness().and_then(|_| of_fitnesses.next()) {
            None => Aim::Sparsity,
            Some(Objective::Accuracy) => Aim::Accuracy,
            Some(&objective) => {
                asked.push(objective);
                Aim::Loss(asked.len() - 1)
            }
        };
        let aims: Vec<Aim> = match config.selection {
            Selection::Nsga2 => config.objectives.iter().map(&mut aim).collect(),
            Selection::Truncation | Selection::Crowding => {
                asked.extend(objectives);
                Vec::new()
            }
        };
        if asked.is_empty() {
            asked.push(Objective::Accuracy);
        }
        let reference = |aim: &Aim| match aim {
            Aim::Accuracy => samples as u64,
            Aim::Sparsity => architecture.weights() as u64,
            Aim::Loss(place) => useless(asked[*place], architecture.outputs(), samples),
        };
        let references = aims.iter().map(reference).collect();
        Self { asked, aims, references }
    }

    /// Could these be what `config` asks for?
    pub(super) fn is_of(
        &self,
        config: &ResolvedGenetic,
        architecture: &Architecture,
        samples: usize,
    ) -> bool {
        let mut asked = self.asked.iter().copied();
        let mut objective = |fitness: &Fitness| match fitness {
            Fitness::Accuracy => Some(Objective::Accuracy),
            _ => asked.next().filter(|objective| fitness.names(objective)),
        };
        let Some(objectives) = config.fitnesses().map(&mut objective).collect::<Option<Vec<_>>>() else {
            return false;
        };
        let mut known = Self::new(config, &objectives, architecture, samples);
        for (n, known) in known.references.iter_mut().enumerate() {
            match self.references.get(n) {
                Some(found) if self.is_judged(n) => *known = *found,
                _ => {}
            }
        }
        known == *self
    }

    /// What is asked of each mask.
    pub fn asked(&self) -> &[Objective] {
        &self.asked
    }

    /// How many there are; none where one is before the other.
    pub fn len(&self) -> usize {
        self.aims.len()
    }

    pub fn is_empty(&self) -> bool {
        self.aims.is_empty()
    }

    /// How far an individual of so many `weights` is from each objective; zeros behind the last.
    pub fn losses(&self, individual: &Individual, weights: usize) -> [u64; MAX_GOALS] {
        let mut losses = [0; MAX_GOALS];
        for (loss, (aim, reference)) in losses.iter_mut().zip(self.aims.iter().zip(&self.references)) {
            *loss = match aim {
                // The reference is the number of samples.
                Aim::Accuracy => reference - u64::from(individual.correct),
                Aim::Sparsity => weights as u64 - u64::from(individual.zeros),
                Aim::Loss(place) => individual.losses[*place],
            };
        }
        losses
    }

    fn is_judged(&self, goal: usize) -> bool {
        matches!(self.aims.get(goal), Some(Aim::Loss(place)) if self.asked.get(*place) == Some(&Objective::Judged))
    }

    /// A loss as a number whose differences say how far two masks are apart.
    pub fn coordinate(&self, goal: usize, loss: u64) -> f64 {
        if self.is_judged(goal) { -judged_score(loss) } else { loss as f64 }
    }

    /// Nobody knows the worst that a judge can say; that of the `initial` population is the reference.
    pub(super) fn learn_references(&mut self, initial: &Population) {
        for goal in (0..self.len()).filter(|&goal| self.is_judged(goal)).collect::<Vec<_>>() {
            let losses = initial.members().iter().map(|member| self.losses(member, initial.weights())[goal]);
            self.references[goal] = losses.max().unwrap_or(self.references[goal]);
        }
    }

    /// The volume of what a population dominates up to the references, which are: all samples wrong, all weights kept, a
    /// measure of 0, the highest cost for every sample, the mean loss of a network whose outputs are all equal. It is a share of what a mask without any loss
    /// would dominate; by what a judge says, in units of its score. None where one objective is before the other.
    pub fn hypervolume(&self, population: &Population) -> Option<f64> {
        let gains = |member: &Individual| {
            let mut gains = [1.0; MAX_GOALS];
            let losses = self.losses(member, population.weights());
            for (goal, &reference) in self.references.iter().enumerate() {
                let [from, to] = [reference, losses[goal]].map(|loss| self.coordinate(goal, loss));
                gains[goal] = if self.is_judged(goal) { from - to } else { (from - to) / from };
            }
            gains
        };
        let all = || hypervolume::of_gains(population.members().iter().map(gains).collect());
        (!self.is_empty()).then(all)
    }

    /// The index of the individual that is the ticket: of those of the front the one that the `ranking` puts first.
    ///
    /// # Panics
    /// If the population is empty.
    pub fn best(&self, population: &Population, ranking: &Ranking) -> usize {
        self.front(population, ranking)[0]
    }

    /// The individuals that no other dominates, that is, is as good as by every objective and better by one: the ticket
    /// first, then by falling fitness. Without several objectives, the ticket alone.
    pub fn front(&self, population: &Population, ranking: &Ranking) -> Vec<usize> {
        if self.is_empty() {
            return vec![population.best(ranking)];
        }
        let mut front = nsga2::first_front(population, self);
        front.sort_by_key(|&index| Reverse(ranking.claim(&population.members()[index])));
        front
    }

    /// What a mask comes to by each objective on so many `samples`, as people read it: a share of samples or of weights, a
    /// measure, a mean loss, a score.
    pub fn values(&self, scores: &Scores, sparsity: f64, samples: usize) -> Vec<f64> {
        let value = |aim: &Aim| match aim {
            Aim::Accuracy => f64::from(scores.correct) / samples as f64,
            Aim::Sparsity => sparsity,
            Aim::Loss(place) => self.asked[*place].reading(scores.losses[*place], samples),
        };
        self.aims.iter().map(value).collect()
    }

    /// The [values](Self::values) of the references on so many training `samples`.
    pub fn reference_values(&self, samples: usize) -> Vec<f64> {
        let value = |(aim, reference): (&Aim, &u64)| match aim {
            Aim::Accuracy | Aim::Sparsity => 0.0,
            Aim::Loss(place) => self.asked[*place].reading(*reference, samples),
        };
        self.aims.iter().zip(&self.references).map(value).collect()
    }
}

/// The loss of a mask that is of no use: a measure of 0, or equal outputs of all classes.
fn useless(objective: Objective, outputs: usize, samples: usize) -> u64 {
    match objective {
        Objective::Accuracy => samples as u64,
        Objective::Measure(measure) => measure.steps_of_range(samples),
        Objective::CrossEntropy => {
            samples as u64 * u64::from(cross_entropy::sample_steps(&vec![0.0; outputs], 0, Arithmetic::Fused))
        }
        Objective::Margin(_) => {
            let unit = objective.steps_per_unit().unwrap_or_default();
            (unit * outputs.saturating_sub(1) as f64) as u64 * samples as u64
        }
        // What the initial population says stands here later.
        Objective::Judged => u64::MAX,
    }
}
