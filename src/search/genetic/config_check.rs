//! Which settings of the genetic algorithm make sense.

use super::config::{GeneticConfig, MutationOperator, Selection, Termination};
use super::goal::Goal;
use super::goals::MAX_GOALS;
use super::mutation;
use crate::network::Architecture;
use crate::objective::Fitness;
use crate::settings::{BadSetting, ensure, without_effect};

/// Individuals are indexed by `u32`, and a generation can at most triple a population.
const MAX_POPULATION: usize = 1 << 30;

impl<B> GeneticConfig<B> {
    /// Checks every value but those of the bound.
    pub(super) fn validate(&self, architecture: &Architecture) -> Result<(), BadSetting> {
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

    fn too_small(&self, key: &'static str, rate: f64, of_what: &str) -> BadSetting {
        let population = self.population;
        let reason = format!(
            "{rate} of a population of {population} is less than one individual: no {of_what}; enlarge the population or the rate, or set the rates to 0"
        );
        BadSetting::new(key, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::margin::MarginConfig;

    fn architecture(widths: &[usize]) -> Architecture {
        widths.to_vec().try_into().expect("valid")
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
