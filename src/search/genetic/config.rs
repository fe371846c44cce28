//! The settings of the genetic algorithm, with the paper's values as defaults.

use super::mutation;
use crate::dataset::Samples;
use crate::evaluate::Arithmetic;
use crate::evaluate::spread::{self, SpreadError};
use crate::network::{Architecture, Network};
use crate::objective::margin::MarginConfig;
use crate::objective::{Fitness, Objective};
use crate::search::MutationSite;
use crate::settings::{self, BadSetting, ensure, without_effect};
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

/// The adaptive accuracy bound (paper, section 4.2): fresh individuals must reach it, and it falls when
/// too few do. The reference measures time; here tries are counted, so that runs repeat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AccuracyBound", transform = settings::all_optional)]
pub struct AccuracyBound<B = Option<f64>> {
    /// The bound at the start of a run. By default 0.85, or 0.7 for small networks.
    pub start: B,
    /// The bound never falls below. By default the majority class's share of the training set + 0.01.
    pub floor: B,
    /// Acceptance within this many tries leaves the bound as it is.
    pub tries_soft: u32,
    /// After this many tries without acceptance the bound falls by `0.1^r`, and tries begin anew.
    pub tries_max: u32,
    /// Factor of the step after a late acceptance.
    pub step: f64,
    /// Constant part of that step.
    pub step_offset: f64,
    /// Weight of its exponential part.
    pub step_scale: f64,
    /// Decay of its exponential part per `t / (tries_max - tries_soft)`.
    pub step_decay: f64,
    /// `r` at the first exhausted round of a run.
    pub exhausted_exponent: f64,
    /// What `r` grows by with each exhausted round.
    pub exhausted_growth: f64,
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
    pub fn resolve(self, architecture: &Architecture, majority: f64) -> Result<ResolvedGenetic, BadSetting> {
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

    /// Checks every value but those of the bound.
    fn validate(&self, architecture: &Architecture) -> Result<(), BadSetting> {
        ensure(self.population > 0, "population", "at least 1", self.population)?;
        let most = format_args!("at most {MAX_POPULATION}");
        ensure(self.population <= MAX_POPULATION, "population", most, self.population)?;
        for (key, rate) in [
            ("recombination_rate", self.recombination_rate),
            ("parent_rate", self.parent_rate),
            ("mutation_rate", self.mutation_rate),
            ("migration_rate", self.migration_rate),
        ] {
            ensure((0.0..=1.0).contains(&rate), key, "between 0 and 1", rate)?;
        }
        if self.recombination_rate > 0.0 && self.mates() == 0 {
            return Err(self.too_small("parent_rate", self.parent_rate, "mates to recombine with"));
        }
        if self.migration_rate > 0.0 && self.migrants() == 0 {
            return Err(self.too_small("migration_rate", self.migration_rate, "migrants"));
        }
        let patience = self.termination.patience;
        ensure(patience > 0, "termination.patience", "at least 1", patience)?;
        self.check_termination()?;
        self.check_mutation(architecture)?;
        self.check_fitness()
    }

    /// The default of `min_generations` gives way in silence; another one was asked for.
    fn check_termination(&self) -> Result<(), BadSetting> {
        let &Termination { min_generations: least, max_generations, .. } = &self.termination;
        let is_changed = least != GeneticConfig::<B>::default().termination.min_generations;
        match max_generations {
            Some(most) => without_effect(
                is_changed && least > most,
                "termination.min_generations",
                least,
                &format!("the run ends after max_generations {most}: enlarge that, or lower this"),
            ),
            None => Ok(()),
        }
    }

    fn check_mutation(&self, architecture: &Architecture) -> Result<(), BadSetting> {
        let most = mutation::most_bits(self.mutation, architecture);
        for (key, found, least, most) in [
            ("mutation_exponent", self.mutation_exponent, 1.1, 10.0),
            ("mutation_bits", self.mutation_bits, 0.1, most),
        ] {
            let needed = format_args!("between {least} and {most}");
            ensure((least..=most).contains(&found), key, needed, found)?;
        }
        let (unchanged, operator) = (GeneticConfig::<B>::default(), self.mutation_operator);
        without_effect(
            operator != MutationOperator::HeavyTailed
                && self.mutation_exponent != unchanged.mutation_exponent,
            "mutation_exponent",
            self.mutation_exponent,
            "remove it, or set mutation_operator to \"heavy_tailed\"",
        )?;
        without_effect(
            operator != MutationOperator::PerBit && self.mutation_bits != unchanged.mutation_bits,
            "mutation_bits",
            self.mutation_bits,
            "remove it, or set mutation_operator to \"per_bit\"",
        )
    }

    fn check_fitness(&self) -> Result<(), BadSetting> {
        let found = self.fitness_tolerance;
        ensure(found >= 0.0 && found.is_finite(), "fitness_tolerance", "finite and at least 0", found)?;
        self.fitness.validate().map_err(|error| error.below("fitness"))?;
        let is_for_losses = !matches!(self.fitness, Fitness::Accuracy | Fitness::Own | Fitness::Program(_));
        without_effect(
            found > 0.0 && !is_for_losses,
            "fitness_tolerance",
            found,
            "it is for losses and measures: remove it, or set fitness to \"margin\"",
        )?;
        self.margin.check(&self.fitness)
    }

    /// What a run goes by, with the margin that its data set.
    ///
    /// # Errors
    /// When the outputs' spread on `samples` gives no margin.
    pub fn objective(
        &self,
        network: &Network,
        samples: &Samples,
        seed: u64,
        arithmetic: Arithmetic,
    ) -> Result<Objective, SpreadError> {
        spread::objective(&self.fitness, &self.margin, network, samples, seed, arithmetic)
    }

    fn too_small(&self, key: &'static str, rate: f64, of_what: &str) -> BadSetting {
        let population = self.population;
        let reason = format!(
            "{rate} of a population of {population} is less than one individual: no {of_what}; enlarge the population or the rate, or set the rates to 0"
        );
        BadSetting::new(key, reason)
    }
}

/// Individuals are indexed by `u32`, and a generation can at most triple a population.
const MAX_POPULATION: usize = 1 << 30;

impl Default for AccuracyBound {
    fn default() -> Self {
        Self {
            start: None,
            floor: None,
            tries_soft: 800,
            tries_max: 1000,
            step: 0.1,
            step_offset: 0.051,
            step_scale: 0.93,
            step_decay: 9.36,
            exhausted_exponent: 1.0,
            exhausted_growth: 0.15,
        }
    }
}

impl AccuracyBound {
    fn resolve(self, architecture: &Architecture, majority: f64) -> Result<AccuracyBound<f64>, BadSetting> {
        let floor = self.floor.unwrap_or((majority + FLOOR_MARGIN).min(1.0));
        let start = self.start.unwrap_or_else(|| default_start(architecture).max(floor));
        let resolved = self.between(start, floor);
        resolved.validate()?;
        Ok(resolved)
    }

    /// The same schedule from `start` down to `floor`.
    pub(super) fn between(&self, start: f64, floor: f64) -> AccuracyBound<f64> {
        AccuracyBound {
            start,
            floor,
            tries_soft: self.tries_soft,
            tries_max: self.tries_max,
            step: self.step,
            step_offset: self.step_offset,
            step_scale: self.step_scale,
            step_decay: self.step_decay,
            exhausted_exponent: self.exhausted_exponent,
            exhausted_growth: self.exhausted_growth,
        }
    }
}

impl AccuracyBound<f64> {
    fn validate(&self) -> Result<(), BadSetting> {
        let &Self { start, floor, .. } = self;
        for (key, value) in [("accuracy_bound.start", start), ("accuracy_bound.floor", floor)] {
            ensure((0.0..=1.0).contains(&value), key, "between 0 and 1", value)?;
        }
        if start < floor {
            let reason = format!("{start} lies below accuracy_bound.floor {floor}");
            return Err(BadSetting::new("accuracy_bound.start", reason));
        }
        let below = format_args!("below tries_max {}", self.tries_max);
        ensure(self.tries_soft < self.tries_max, "accuracy_bound.tries_soft", below, self.tries_soft)?;
        for (key, value) in [
            ("accuracy_bound.step", self.step),
            ("accuracy_bound.step_offset", self.step_offset),
            ("accuracy_bound.step_scale", self.step_scale),
            ("accuracy_bound.step_decay", self.step_decay),
            ("accuracy_bound.exhausted_exponent", self.exhausted_exponent),
            ("accuracy_bound.exhausted_growth", self.exhausted_growth),
        ] {
            ensure(value >= 0.0 && value.is_finite(), key, "finite and at least 0", value)?;
        }
        Ok(())
    }
}

/// The reference's floor of 0.51 for two balanced classes is their majority rate and this.
const FLOOR_MARGIN: f64 = 0.01;

/// The reference's start: 0.7 when a single hidden layer is narrower than 40, or both of two are narrower
/// than 30; 0.85 otherwise.
fn default_start(architecture: &Architecture) -> f64 {
    let widths = architecture.widths();
    match widths[1..widths.len() - 1] {
        [hidden] if hidden < 40 => 0.7,
        [first, second] if first < 30 && second < 30 => 0.7,
        _ => 0.85,
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
    fn values_that_make_no_sense_name_their_key() {
        let paper = GeneticConfig::default;
        let cases = [
            (GeneticConfig { population: 0, ..paper() }, "population"),
            (GeneticConfig { population: 3, ..paper() }, "parent_rate"),
            (GeneticConfig { population: 9, ..paper() }, "migration_rate"),
            (GeneticConfig { mutation_rate: 1.5, ..paper() }, "mutation_rate"),
            (GeneticConfig { recombination_rate: f64::NAN, ..paper() }, "recombination_rate"),
            (GeneticConfig { mutation_exponent: 1.0, ..paper() }, "mutation_exponent"),
            (GeneticConfig { mutation_bits: 0.0, ..paper() }, "mutation_bits"),
            (GeneticConfig { mutation_bits: 20.5, ..paper() }, "mutation_bits"),
            (GeneticConfig { fitness_tolerance: 0.1, ..paper() }, "fitness_tolerance"),
            (
                GeneticConfig { fitness_tolerance: f64::NAN, fitness: Fitness::Margin, ..paper() },
                "fitness_tolerance",
            ),
            (
                GeneticConfig {
                    margin: MarginConfig { tau: Some(0.0), ..MarginConfig::default() },
                    ..paper()
                },
                "margin.tau",
            ),
            (
                GeneticConfig { margin: MarginConfig { spread_factor: -1.0, tau: None }, ..paper() },
                "margin.spread_factor",
            ),
        ];
        for (config, key) in cases {
            let error = config.resolve(&architecture(&[2, 5, 2]), 0.5).expect_err(key);
            assert_eq!(error.key(), key);
        }
    }
}
