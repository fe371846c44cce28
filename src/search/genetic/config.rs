//! The settings of the genetic algorithm, with the paper's values as defaults.

use super::bound_config::AccuracyBound;
use super::goal::Goal;
use crate::dataset::Samples;
use crate::evaluate::Arithmetic;
use crate::evaluate::spread::{self, SpreadError};
use crate::network::{Architecture, Network};
use crate::objective::margin::MarginConfig;
use crate::objective::{Fitness, Objective};
use crate::search::MutationSite;
use crate::settings::{self, BadSetting};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of the genetic algorithm (paper, section 5 and table 1), as they are written. `B` is a bound on accuracies,
/// which may be left to the data: see [`ResolvedGenetic`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "GeneticConfig", transform = settings::all_optional)]
pub struct GeneticConfig<B = Option<f64>> {
    /// Individuals kept from one generation to the next (N).
    pub population: usize,
    /// Chance of an individual to become the first parent of a child.
    pub recombination_rate: f64,
    /// Mates are drawn from the first `floor(parent_rate * population)` by training accuracy (or loss).
    pub parent_rate: f64,
    /// Chance of an individual, new children included, to give a mutant.
    pub mutation_rate: f64,
    /// `floor(migration_rate * population)` fresh individuals join each generation.
    pub migration_rate: f64,
    /// Where a mutant's flipped bits are drawn.
    pub mutation: MutationSite,
    /// How many bits of a mutant are flipped.
    pub mutation_operator: MutationOperator,
    /// The exponent beta of `heavy_tailed`: the chance of `n` bits is proportional to `n^-beta`.
    pub mutation_exponent: f64,
    /// The flipped bits of `per_bit` on average, before draws of none are repeated.
    pub mutation_bits: f64,
    /// What individuals are ranked by first, before sparsity.
    pub fitness: Fitness,
    /// The margin of `fitness: margin`.
    pub margin: MarginConfig,
    /// Losses in the same interval of this width tie, so that sparsity decides: a mean over the training
    /// samples, in units of tau² or in nats.
    pub fitness_tolerance: f64,
    /// Must children and mutants keep at least one path of active weights from an input to an output?
    pub require_path: bool,
    /// Who survives a generation.
    pub selection: Selection,
    /// What `nsga2` goes by, two or three of them, instead of `fitness`; by default accuracy and sparsity.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objectives: Vec<Goal>,
    /// The adaptive accuracy bound on fresh individuals; none in the plain configuration.
    pub accuracy_bound: Option<AccuracyBound<B>>,
    /// When a search ends.
    pub termination: Termination,
}

/// The settings of a search: every one has its value.
pub type ResolvedGenetic = GeneticConfig<f64>;

/// How many bits of a mutant are flipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MutationOperator {
    /// One, as in the paper.
    SingleBit,
    /// A number drawn from a power law, at most half of all bits (Doerr, Le, Makhmara, Nguyen 2017, *Fast
    /// Genetic Algorithms*), and so many different bits.
    HeavyTailed,
    /// Each bit with the same small chance; draws of no bit are repeated.
    PerBit,
}

/// Who survives a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// The fittest of all, as in the paper.
    Truncation,
    /// Each individual has a place, which only someone like it can take (deterministic crowding, Mahfoud 1992).
    Crowding,
    /// Whom fewest dominate by several objectives, and who has room around (NSGA-II, Deb et al. 2002).
    Nsga2,
}

/// When a search ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = settings::all_optional)]
pub struct Termination {
    /// Generations that always run.
    pub min_generations: usize,
    /// Stop when the best training accuracy (or loss, to within the tolerance) has not changed over this many
    /// generations.
    pub patience: usize,
    /// Stop after this many generations in any case; 200 by default of `ga_adaptive_ab`.
    pub max_generations: Option<usize>,
}

impl<B> Default for GeneticConfig<B> {
    fn default() -> Self {
        Self {
            population: 100,
            recombination_rate: 0.3,
            parent_rate: 0.3,
            mutation_rate: 0.1,
            migration_rate: 0.1,
            mutation: MutationSite::Weight,
            mutation_operator: MutationOperator::SingleBit,
            mutation_exponent: 1.5,
            mutation_bits: 1.0,
            fitness: Fitness::Accuracy,
            margin: MarginConfig::default(),
            fitness_tolerance: 0.0,
            require_path: false,
            selection: Selection::Truncation,
            objectives: Vec::new(),
            accuracy_bound: None,
            termination: Termination { min_generations: 100, patience: 50, max_generations: None },
        }
    }
}

impl GeneticConfig {
    /// The paper's "GA (adaptive AB)".
    pub fn adaptive() -> Self {
        Self {
            mutation: MutationSite::LayerThenWeight,
            require_path: true,
            accuracy_bound: Some(AccuracyBound::default()),
            termination: Termination { min_generations: 100, patience: 50, max_generations: Some(200) },
            ..Self::default()
        }
    }

    /// Checks every value and fills in what depends on the network and the data.
    ///
    /// `majority` is the share of the largest class in the training set.
    ///
    /// # Errors
    /// Names the key whose value makes no sense.
    pub fn resolve(
        mut self,
        architecture: &Architecture,
        majority: f64,
    ) -> Result<ResolvedGenetic, BadSetting> {
        if self.selection == Selection::Nsga2 && self.objectives.is_empty() {
            self.objectives = vec![Goal::Fitness(Fitness::Accuracy), Goal::Sparsity];
        }
        self.validate(architecture)?;
        let bound =
            self.accuracy_bound.clone().map(|bound| bound.resolve(architecture, majority)).transpose()?;
        Ok(self.with_bound(bound))
    }

    /// The same settings, where nothing is left to the data.
    pub fn resolved(self) -> Option<ResolvedGenetic> {
        let bound = match self.accuracy_bound.clone() {
            Some(bound) => Some(bound.between(bound.start?, bound.floor?)),
            None => None,
        };
        Some(self.with_bound(bound))
    }

    fn with_bound(self, accuracy_bound: Option<AccuracyBound<f64>>) -> ResolvedGenetic {
        GeneticConfig {
            population: self.population,
            recombination_rate: self.recombination_rate,
            parent_rate: self.parent_rate,
            mutation_rate: self.mutation_rate,
            migration_rate: self.migration_rate,
            mutation: self.mutation,
            mutation_operator: self.mutation_operator,
            mutation_exponent: self.mutation_exponent,
            mutation_bits: self.mutation_bits,
            fitness: self.fitness.clone(),
            margin: self.margin,
            fitness_tolerance: self.fitness_tolerance,
            require_path: self.require_path,
            selection: self.selection,
            objectives: self.objectives,
            accuracy_bound,
            termination: self.termination,
        }
    }
}

impl<B> GeneticConfig<B> {
    /// Number of fresh individuals per generation.
    pub fn migrants(&self) -> usize {
        (self.migration_rate * self.population as f64).floor() as usize
    }

    /// Number of individuals from which mates are drawn.
    pub fn mates(&self) -> usize {
        (self.parent_rate * self.population as f64).floor() as usize
    }

    /// New individuals of a generation, rounded up.
    pub fn offspring(&self) -> usize {
        let n = self.population as f64;
        let children = self.recombination_rate * n;
        let mutants = self.mutation_rate * (n + children);
        (children + mutants + self.migration_rate * n).ceil() as usize
    }

    /// What masks are judged by, in order: `fitness`, or those of `objectives` that are more than sparsity.
    pub fn fitnesses(&self) -> impl Iterator<Item = &Fitness> {
        let several = self.objectives.iter().filter_map(Goal::fitness);
        let single = self.objectives.is_empty().then_some(&self.fitness);
        single.into_iter().chain(several)
    }

    /// Evaluations that a mask takes: one for each loss that it is judged by.
    pub fn evaluations_of_mask(&self) -> usize {
        self.fitnesses().filter(|fitness| **fitness != Fitness::Accuracy).count().max(1)
    }

    /// What the ticket has most of.
    pub fn leading_fitness(&self) -> &Fitness {
        self.fitnesses().next().unwrap_or(&self.fitness)
    }

    /// What a run goes by, with the margin that its data set: one for each of the [fitnesses](Self::fitnesses).
    ///
    /// # Errors
    /// When the outputs' spread on `samples` gives no margin.
    pub fn objectives(
        &self,
        network: &Network,
        samples: &Samples,
        seed: u64,
        arithmetic: Arithmetic,
    ) -> Result<Vec<Objective>, SpreadError> {
        let objective =
            |fitness| spread::objective(fitness, &self.margin, network, samples, seed, arithmetic);
        self.fitnesses().map(objective).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn architecture(widths: &[usize]) -> Architecture {
        widths.to_vec().try_into().expect("valid")
    }

    #[test]
    fn the_bound_starts_lower_for_small_networks() {
        for (widths, start) in [
            (vec![2, 39, 2], 0.7),
            (vec![2, 40, 2], 0.85),
            (vec![2, 29, 29, 2], 0.7),
            (vec![2, 29, 30, 2], 0.85),
            (vec![2, 5, 5, 5, 2], 0.85),
        ] {
            let config = GeneticConfig::adaptive().resolve(&architecture(&widths), 0.5).expect("valid");
            let bound = config.accuracy_bound.expect("adaptive");
            assert_eq!((bound.start, bound.floor), (start, 0.51), "{widths:?}");
        }
    }

    #[test]
    fn several_objectives_are_accuracy_and_sparsity_where_nothing_is_said() {
        let config = GeneticConfig { selection: Selection::Nsga2, ..GeneticConfig::default() };
        let config = config.resolve(&architecture(&[2, 5, 2]), 0.5).expect("valid");
        assert_eq!(config.objectives, [Goal::Fitness(Fitness::Accuracy), Goal::Sparsity]);
        let read = serde_json::from_str::<Goal>("\"spars\"").expect_err("no objective").to_string();
        assert!(read.contains("`macro_f1`") && read.contains("`sparsity`"), "{read}");
        let paper = GeneticConfig::default().resolve(&architecture(&[2, 5, 2]), 0.5).expect("valid");
        assert!(!serde_json::to_string(&paper).expect("JSON").contains("objectives"));
    }
}
