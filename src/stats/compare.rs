//! Two algorithms on the same problems: the mixed model of the paper's Figure 6c, and a table and rank test
//! for each architecture.

mod text;

pub use text::{p_text, side_text, test_text};

use super::SampleError;
use super::mixed_model::{self, MixedModelError, MixedModelFit, ModelRow, RandomEffects, SEEDS};
use super::rank_test::{Distribution, RankTest, mann_whitney, wilcoxon_signed_rank};
use super::summary::Summary;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};

/// Accuracies are counts over far fewer than a billion samples: differences that agree to this are ties
/// that rounding has split.
const TIE: f64 = 1e-9;

/// Said where there is one seed in each architecture, or the seeds are too few in another way.
const NO_SEEDS: &str = "none for seeds: these runs cannot tell their variance from that of architectures and the \
                        residual; give each architecture several seeds";

/// The accuracy of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunAccuracy {
    pub architecture: String,
    /// Seed of the network's initialisation. Runs of both algorithms with one seed are a pair.
    pub seed: u64,
    /// In `[0, 1]`, or on any other scale that both algorithms share.
    pub accuracy: f64,
}

/// All runs of one algorithm.
#[derive(Clone, Copy, Debug)]
pub struct ComparedAlgorithm<'a> {
    pub name: &'a str,
    pub outcomes: &'a [RunAccuracy],
}

/// How runs were matched for a rank test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Matching {
    /// At least half of the seeds have runs of both algorithms (their means, if several): Wilcoxon's
    /// signed-rank test of target minus reference over these seeds.
    Paired { pairs: usize, without_partner: usize },
    /// Fewer have: Mann-Whitney over all runs.
    Unpaired,
}

/// A rank test of target against reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CellTest {
    pub matching: Matching,
    #[serde(flatten)]
    pub test: RankTest,
}

/// The runs of one architecture, or of all.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparedRuns {
    pub reference: Option<Summary>,
    pub target: Option<Summary>,
    /// Absent if an algorithm has no runs here.
    pub test: Option<CellTest>,
}

/// The comparison of a target with a reference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    pub reference: String,
    pub target: String,
    pub effects: RandomEffects,
    /// Why the model has fewer random effects than were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<&'static str>,
    /// Mean of all accuracies; they are standardised with it for the mixed model.
    pub mean: f64,
    /// Population standard deviation of all accuracies, likewise.
    pub standard_deviation: f64,
    /// The mixed model of the standardised accuracies, or why there is none: `model` or `model_error`.
    #[serde(flatten, serialize_with = "model_or_error")]
    pub model: Result<MixedModelFit, MixedModelError>,
    /// By architecture.
    pub cells: BTreeMap<String, ComparedRuns>,
    /// Over all architectures.
    pub overall: ComparedRuns,
}

fn model_or_error<S: Serializer>(
    model: &Result<MixedModelFit, MixedModelError>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match model {
        Ok(fit) => serializer.collect_map([("model", fit)]),
        Err(reason) => serializer.collect_map([("model_error", reason)]),
    }
}

/// Why two algorithms cannot be compared.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CompareError {
    #[error("the {role} algorithm `{name}` has no runs: check its name and the folder of records")]
    NoRuns { role: &'static str, name: String },
    #[error(
        "the run of `{name}` on architecture {architecture} with seed {seed} has the accuracy {accuracy}: \
         it must be a finite number"
    )]
    NotFinite { name: String, architecture: String, seed: u64, accuracy: f64 },
}

pub(super) fn check(role: &'static str, algorithm: ComparedAlgorithm<'_>) -> Result<(), CompareError> {
    if algorithm.outcomes.is_empty() {
        return Err(CompareError::NoRuns { role, name: algorithm.name.to_string() });
    }
    match algorithm.outcomes.iter().find(|outcome| !outcome.accuracy.is_finite()) {
        Some(outcome) => Err(CompareError::NotFinite {
            name: algorithm.name.to_string(),
            architecture: outcome.architecture.clone(),
            seed: outcome.seed,
            accuracy: outcome.accuracy,
        }),
        None => Ok(()),
    }
}

/// The richest random effects that the runs can support: architectures if there are several, seeds if some
/// were run more than once within an architecture.
pub fn supported_effects(reference: &[RunAccuracy], target: &[RunAccuracy]) -> RandomEffects {
    let runs = || reference.iter().chain(target);
    let architectures: BTreeSet<_> = runs().map(|run| &run.architecture).collect();
    let seeds: BTreeSet<_> = runs().map(|run| (&run.architecture, run.seed)).collect();
    match (architectures.len() > 1, seeds.len() < runs().count()) {
        (true, true) => RandomEffects::InterceptAndSeed,
        (true, false) => RandomEffects::Intercept,
        (false, _) => RandomEffects::SeedOnly,
    }
}

/// A value without what rounding added.
pub(super) fn untied(value: f64) -> f64 {
    (value / TIE).round() * TIE
}

/// Mean accuracy by architecture and seed.
pub(super) fn seed_means<'a>(outcomes: &[&'a RunAccuracy]) -> BTreeMap<(&'a str, u64), f64> {
    let mut sums: BTreeMap<(&str, u64), (f64, f64)> = BTreeMap::new();
    for outcome in outcomes {
        let sum = sums.entry((&outcome.architecture, outcome.seed)).or_default();
        sum.0 += outcome.accuracy;
        sum.1 += 1.0;
    }
    sums.into_iter().map(|(key, (sum, count))| (key, sum / count)).collect()
}

/// The rank test of `target` against `reference`.
pub(super) fn test(reference: &[&RunAccuracy], target: &[&RunAccuracy]) -> Result<CellTest, SampleError> {
    let (before, after) = (seed_means(reference), seed_means(target));
    let differences: Vec<f64> = before
        .iter()
        .filter_map(|(key, before)| after.get(key).map(|after| after - before))
        .map(untied)
        .collect();
    let pairs = differences.len();
    let without_partner = before.len() + after.len() - 2 * pairs;
    if pairs > 0 && pairs >= without_partner {
        let matching = Matching::Paired { pairs, without_partner };
        return Ok(CellTest { matching, test: wilcoxon_signed_rank(&differences)? });
    }
    let test = mann_whitney(&accuracies(target), &accuracies(reference))?;
    Ok(CellTest { matching: Matching::Unpaired, test })
}

fn accuracies(outcomes: &[&RunAccuracy]) -> Vec<f64> {
    outcomes.iter().map(|outcome| outcome.accuracy).collect()
}

pub(super) fn all(algorithm: ComparedAlgorithm<'_>) -> Vec<&RunAccuracy> {
    algorithm.outcomes.iter().collect()
}

fn cell(reference: &[&RunAccuracy], target: &[&RunAccuracy]) -> ComparedRuns {
    ComparedRuns {
        reference: Summary::new(&accuracies(reference)).ok(),
        target: Summary::new(&accuracies(target)).ok(),
        test: test(reference, target).ok(),
    }
}

/// Compares `target` with `reference`. Where the runs cannot tell the variance of seeds from the others, the model has
/// none, and [`Comparison::left_out`] says so.
///
/// # Errors
/// If an algorithm has no runs, or an accuracy is not finite. A mixed model that cannot be fitted is no
/// error: [`Comparison::model`] says why, and the rest stands.
pub fn compare(
    reference: ComparedAlgorithm<'_>,
    target: ComparedAlgorithm<'_>,
    effects: RandomEffects,
) -> Result<Comparison, CompareError> {
    check("reference", reference)?;
    check("target", target)?;
    let of_reference = reference.outcomes.iter().map(|run| (run, false));
    let of_target = target.outcomes.iter().map(|run| (run, true));
    let runs: Vec<(&RunAccuracy, bool)> = of_reference.chain(of_target).collect();
    let count = runs.len() as f64;
    let mean = runs.iter().map(|(run, _)| run.accuracy).sum::<f64>() / count;
    let variance = runs.iter().map(|(run, _)| (run.accuracy - mean).powi(2)).sum::<f64>() / count;
    let standard_deviation = variance.sqrt();
    let rows: Vec<ModelRow<'_>> = runs
        .iter()
        .map(|&(run, target)| ModelRow {
            response: (run.accuracy - mean) / standard_deviation,
            target,
            group: &run.architecture,
            seed: run.seed,
        })
        .collect();
    let fit = |effects| match standard_deviation > 0.0 {
        true => mixed_model::fit(&rows, effects),
        false => Err(MixedModelError::NoResidual),
    };
    let (effects, left_out, model) = match fit(effects) {
        Err(MixedModelError::NotIdentified { component: SEEDS })
            if effects == RandomEffects::InterceptAndSeed =>
        {
            (RandomEffects::Intercept, Some(NO_SEEDS), fit(RandomEffects::Intercept))
        }
        model => (effects, None, model),
    };

    let mut by_architecture: BTreeMap<&str, [Vec<&RunAccuracy>; 2]> = BTreeMap::new();
    for (run, target) in runs {
        by_architecture.entry(&run.architecture).or_default()[usize::from(target)].push(run);
    }
    let cells =
        by_architecture.iter().map(|(name, [reference, target])| (name.to_string(), cell(reference, target)));
    Ok(Comparison {
        reference: reference.name.to_string(),
        target: target.name.to_string(),
        effects,
        left_out,
        mean,
        standard_deviation,
        model,
        cells: cells.collect(),
        overall: cell(&all(reference), &all(target)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(architecture: &str, seed: u64, accuracy: f64) -> RunAccuracy {
        RunAccuracy { architecture: architecture.to_string(), seed, accuracy }
    }

    /// Six seeds on each of two architectures; the target is better by 0.02 to 0.07.
    fn sides() -> [Vec<RunAccuracy>; 2] {
        let mut sides = [Vec::new(), Vec::new()];
        for (architecture, base) in [("A", 0.70), ("B", 0.80)] {
            for seed in 0..6 {
                let accuracy = base + 0.01 * ((seed * 5) % 7) as f64;
                sides[0].push(run(architecture, seed, accuracy));
                sides[1].push(run(architecture, seed, accuracy + 0.02 + 0.01 * seed as f64));
            }
        }
        sides
    }

    fn compared(reference: &[RunAccuracy], target: &[RunAccuracy]) -> Comparison {
        compare(
            ComparedAlgorithm { name: "ga", outcomes: reference },
            ComparedAlgorithm { name: "edge-popup", outcomes: target },
            supported_effects(reference, target),
        )
        .expect("a comparison")
    }

    /// statsmodels stops within 1e-5 of the optimum here.
    const STATSMODELS: f64 = 1e-5;

    #[test]
    fn with_one_seed_an_architecture_there_is_no_variance_of_seeds() {
        let accuracies = [("A", 0.70, 0.74), ("B", 0.80, 0.81), ("C", 0.75, 0.80), ("D", 0.90, 0.91)];
        let reference = accuracies.map(|(name, accuracy, _)| run(name, 0, accuracy));
        let target = accuracies.map(|(name, _, accuracy)| run(name, 0, accuracy));
        let comparison = compared(&reference, &target);
        assert_eq!(comparison.effects, RandomEffects::Intercept);
        assert!(comparison.to_string().contains("random effects: architecture (none for seeds: "));
        let json = serde_json::to_value(&comparison).expect("JSON");
        assert!(json["model"]["algorithm"]["coefficient"].is_number() && json.get("model_error").is_none());
        let fit = comparison.model.as_ref().expect("a fit");
        // statsmodels 0.14: mixedlm("y ~ t", groups=g, re_formula="1").
        for (found, expected) in [
            (fit.algorithm.coefficient, 0.397_511_028_7),
            (fit.algorithm.standard_error, 0.148_998_171_3),
            (fit.log_likelihood, -6.612_738_061),
            (fit.group_variance.expect("a variance"), 1.236_260_86),
            (fit.residual_variance, 0.044_400_910_1),
        ] {
            assert!((found - expected).abs() <= STATSMODELS, "{found}, not {expected}");
        }
        let text = serde_json::to_value(&comparison).expect("JSON")["left_out"].to_string();
        assert!(text.contains("several seeds"), "{text}");
    }

    #[test]
    fn paired_runs_are_tested_by_pairs_and_modelled() {
        let [reference, target] = sides();
        let comparison = compared(&reference, &target);
        assert_eq!(comparison.effects, RandomEffects::InterceptAndSeed);
        let test = comparison.cells["A"].test.expect("both have runs");
        assert_eq!(test.matching, Matching::Paired { pairs: 6, without_partner: 0 });
        // All six differences are positive: 2 of 2^6 outcomes are as extreme.
        assert_eq!((test.test.statistic, test.test.p), (0.0, 2.0 / 64.0));
        let fit = comparison.model.as_ref().expect("a fit");
        // Balanced: the coefficient is the mean difference, 0.045, in standard deviations.
        let expected = 0.045 / comparison.standard_deviation;
        assert!((fit.algorithm.coefficient - expected).abs() <= 1e-9, "{}", fit.algorithm.coefficient);
    }

    #[test]
    fn seeds_without_a_partner_are_counted_and_if_most_lack_one_no_pairs_are_formed() {
        let [reference, mut target] = sides();
        target.pop();
        let matching = |cell: &ComparedRuns| cell.test.expect("both have runs").matching;
        let comparison = compared(&reference, &target);
        let five = Matching::Paired { pairs: 5, without_partner: 1 };
        assert_eq!(matching(&comparison.cells["B"]), five);
        assert!(comparison.to_string().contains("5 pairs, 1 without a partner"), "{comparison}");

        target.truncate(8);
        let comparison = compared(&reference, &target);
        assert_eq!(matching(&comparison.cells["B"]), Matching::Unpaired);
        target.iter_mut().for_each(|run| run.seed += 100);
        assert_eq!(matching(&compared(&reference, &target).cells["A"]), Matching::Unpaired);
    }

    #[test]
    fn ties_split_by_rounding_are_ties() {
        let reference = [run("A", 0, 0.1), run("A", 1, 0.2), run("A", 2, 0.5)];
        let target = [run("A", 0, 0.2), run("A", 1, 0.3), run("A", 2, 0.4)];
        assert_ne!(0.2 - 0.1, 0.3 - 0.2);
        let test = compared(&reference, &target).overall.test.expect("both have runs");
        assert_eq!(test.test.statistic, 2.0);
    }

    #[test]
    fn runs_that_no_model_fits_are_still_compared() {
        let same: Vec<RunAccuracy> = (0..5).map(|seed| run("A", seed, 1.0)).collect();
        let comparison = compared(&same, &same);
        assert_eq!(comparison.model, Err(MixedModelError::NoResidual));
        let json = serde_json::to_value(&comparison).expect("JSON");
        assert_eq!(json["model_error"], MixedModelError::NoResidual.to_string());
        assert!(json.get("model").is_none());
        assert_eq!(comparison.overall.test.expect("both have runs").test.p, 1.0);
        assert!(comparison.to_string().contains("not fitted: "), "{comparison}");
    }

    #[test]
    fn an_architecture_of_one_algorithm_is_shown_without_a_test() {
        let [reference, mut target] = sides();
        target.retain(|run| run.architecture == "A");
        let comparison = compared(&reference, &target);
        let cell = &comparison.cells["B"];
        assert!(cell.reference.is_some() && cell.target.is_none() && cell.test.is_none());
        assert!(comparison.to_string().contains("no runs"), "{comparison}");
    }

    #[test]
    fn missing_runs_and_numbers_are_named() {
        let [reference, mut target] = sides();
        let attempt = |target: &[RunAccuracy]| {
            compare(
                ComparedAlgorithm { name: "ga", outcomes: &reference },
                ComparedAlgorithm { name: "edge-popup", outcomes: target },
                RandomEffects::Intercept,
            )
        };
        let error = attempt(&[]).expect_err("no runs").to_string();
        assert!(error.contains("target algorithm `edge-popup` has no runs"), "{error}");
        target[3].accuracy = f64::NAN;
        let error = attempt(&target).expect_err("not a number").to_string();
        assert!(error.contains("architecture A with seed 3"), "{error}");
    }

    #[test]
    fn the_text_has_the_row_of_the_figure_and_a_line_for_each_architecture() {
        let [reference, target] = sides();
        let text = compared(&reference, &target).to_string();
        for part in [
            "Accuracy in %",
            " percentage points",
            "P>|z|",
            "ga ",
            "edge-popup",
            "\nA ",
            "\nB ",
            "\nall",
            "Wilcoxon, 6 pairs, exact",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
    }
}
