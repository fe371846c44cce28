//! The settings of the genetic algorithm, with the paper's values as defaults.

use super::bound_config::AccuracyBound;
use super::goal::Goal;
use super::goals::MAX_GOALS;
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
        if self.recombination_rate > 0.0 && self.mates() == 0 && self.selection != Selection::Nsga2 {
            return Err(self.too_small("parent_rate", self.parent_rate, "mates to recombine with"));
        }
        if self.migration_rate > 0.0 && self.migrants() == 0 {
            return Err(self.too_small("migration_rate", self.migration_rate, "migrants"));
        }
        let patience = self.termination.patience;
        ensure(patience > 0, "termination.patience", "at least 1", patience)?;
        self.check_termination()?;
        self.check_mutation(architecture)?;
        self.check_objectives(architecture)?;
        self.check_fitness(architecture)
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

    fn check_fitness(&self, architecture: &Architecture) -> Result<(), BadSetting> {
        let found = self.fitness_tolerance;
        ensure(found >= 0.0 && found.is_finite(), "fitness_tolerance", "finite and at least 0", found)?;
        self.fitness.validate(architecture.outputs()).map_err(|error| error.below("fitness"))?;
        let is_for_losses = !matches!(self.fitness, Fitness::Accuracy | Fitness::Own | Fitness::Program(_));
        without_effect(
            found > 0.0 && !is_for_losses,
            "fitness_tolerance",
            found,
            "it is for losses and measures: remove it, or set fitness to \"margin\"",
        )?;
        let reads_margin = |fitness: &&Fitness| **fitness == Fitness::Margin;
        self.margin.check(self.fitnesses().find(reads_margin).unwrap_or(&self.fitness))
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

    fn check_objectives(&self, architecture: &Architecture) -> Result<(), BadSetting> {
        let names = || serde_json::to_string(&self.objectives).unwrap_or_default();
        if self.selection != Selection::Nsga2 {
            let remedy = "remove it, or set selection to \"nsga2\"";
            return without_effect(!self.objectives.is_empty(), "objectives", names(), remedy);
        }
        let count = self.objectives.len();
        let is_once = |(n, goal): (usize, &Goal)| !self.objectives[..n].contains(goal);
        let are_different = self.objectives.iter().enumerate().all(is_once);
        let needed = "two or three different ones, such as [\"accuracy\", \"sparsity\"]";
        ensure((2..=MAX_GOALS).contains(&count) && are_different, "objectives", needed, names())?;
        let judged = self.fitnesses().filter(|fitness| fitness.is_judged()).count();
        ensure(judged <= 1, "objectives", "of one program at most", names())?;
        for (n, goal) in self.objectives.iter().enumerate() {
            let checked = goal.fitness().map_or(Ok(()), |fitness| fitness.validate(architecture.outputs()));
            checked.map_err(|error| error.below(&format!("objectives[{n}]")))?;
        }
        let unchanged = GeneticConfig::<B>::default();
        without_effect(
            self.fitness != unchanged.fitness,
            "fitness",
            format_args!("{:?}", self.fitness.name()),
            "nsga2 goes by objectives: remove it, and name it there",
        )?;
        without_effect(
            self.parent_rate != unchanged.parent_rate,
            "parent_rate",
            self.parent_rate,
            "nsga2 finds parents by tournament: remove it",
        )?;
        without_effect(
            self.fitness_tolerance != unchanged.fitness_tolerance,
            "fitness_tolerance",
            self.fitness_tolerance,
            "nsga2 takes objectives as they are: remove it",
        )
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
        let nsga2 = |objectives: &str| GeneticConfig {
            selection: Selection::Nsga2,
            objectives: serde_json::from_str(objectives).expect("objectives"),
            ..paper()
        };
        let several = [
            (
                GeneticConfig { selection: Selection::Truncation, ..nsga2(r#"["margin", "sparsity"]"#) },
                "objectives",
            ),
            (nsga2(r#"["sparsity"]"#), "objectives"),
            (nsga2(r#"["sparsity", "macro_f1", "sparsity"]"#), "objectives"),
            (nsga2(r#"["accuracy", "sparsity", "margin", "macro_f1"]"#), "objectives"),
            (nsga2(r#"["own", {"program": ["a"], "needs": "outputs"}]"#), "objectives"),
            (nsga2(r#"["accuracy", {"program": [], "needs": "outputs"}]"#), "objectives[1].program"),
            (GeneticConfig { fitness: Fitness::Margin, ..nsga2("[]") }, "fitness"),
            (GeneticConfig { fitness_tolerance: 0.1, ..nsga2("[]") }, "fitness_tolerance"),
            (GeneticConfig { parent_rate: 0.5, ..nsga2("[]") }, "parent_rate"),
            (
                GeneticConfig {
                    margin: MarginConfig { tau: Some(1.0), ..MarginConfig::default() },
                    ..nsga2("[]")
                },
                "margin",
            ),
        ];
        for (config, key) in cases.into_iter().chain(several) {
            let error = config.resolve(&architecture(&[2, 5, 2]), 0.5).expect_err(key);
            assert_eq!(error.key(), key);
        }
    }
}
