//! What must hold of every mixed model, whatever the rows.

use proptest::prelude::*;
use supermask::random::{Concern, index, normal, stream};
use supermask::stats::mixed_model::{MixedModelError, MixedModelFit, ModelRow, RandomEffects, fit};

const GROUPS: [&str; 5] = ["A", "B", "C", "D", "E"];

/// Sums in another order round differently, and the search stops within 1e-8 decades of an optimum that
/// rounding places anew: standard errors, which the Hessian shares, move most.
const SEARCH: f64 = 1e-5;

/// The size of a simulated experiment, and its variances.
#[derive(Clone, Copy, Debug)]
struct Experiment {
    seed: u64,
    groups: usize,
    seeds: u64,
    group_deviation: f64,
    seed_deviation: f64,
    /// One row in so many is missing.
    gap: usize,
}

impl Experiment {
    fn rows(self) -> Vec<ModelRow<'static>> {
        let mut rng = stream(self.seed, Concern::Network);
        let mut rows = Vec::new();
        for group in &GROUPS[..self.groups] {
            let of_group = self.group_deviation * normal(&mut rng);
            for seed in 0..self.seeds {
                let of_seed = self.seed_deviation * normal(&mut rng);
                for target in [false, true] {
                    let effect = if target { 0.5 } else { 0.0 };
                    let response = of_group + of_seed + effect + normal(&mut rng);
                    if index(&mut rng, self.gap) != 0 {
                        rows.push(ModelRow { response, target, group, seed });
                    }
                }
            }
        }
        rows
    }
}

prop_compose! {
    fn experiment()(
        seed in any::<u64>(),
        groups in 2..=5usize,
        seeds in 6..20u64,
        group_deviation in prop_oneof![Just(0.0), 0.1..2.0],
        seed_deviation in prop_oneof![Just(0.0), 0.1..2.0],
        gap in 4..40usize,
    ) -> Experiment {
        Experiment { seed, groups, seeds, group_deviation, seed_deviation, gap }
    }
}

fn numbers(fit: &MixedModelFit) -> Vec<f64> {
    let mut numbers = vec![
        fit.intercept.coefficient,
        fit.intercept.standard_error,
        fit.algorithm.coefficient,
        fit.algorithm.standard_error,
        fit.group_variance.unwrap_or(0.0),
        fit.seed_variance.unwrap_or(0.0),
        fit.residual_variance,
        fit.log_likelihood,
    ];
    numbers.extend(fit.group_intercepts.values());
    numbers
}

fn same(found: &[f64], expected: &[f64]) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let close = (found - expected).abs() <= SEARCH * (1.0 + expected.abs());
        prop_assert!(close, "{} is not {}", found, expected);
    }
    Ok(())
}

fn swap_turns_the_coefficient_round(experiment: Experiment) -> Result<(), TestCaseError> {
    let rows = experiment.rows();
    let mut swapped = rows.clone();
    swapped.iter_mut().for_each(|row| row.target = !row.target);
    for effects in RandomEffects::ALL {
        let (one, other) = (fit(&rows, effects).expect("a fit"), fit(&swapped, effects).expect("a fit"));
        same(
            &[other.algorithm.coefficient, other.algorithm.p, other.log_likelihood],
            &[-one.algorithm.coefficient, one.algorithm.p, one.log_likelihood],
        )?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_order_of_rows_does_not_matter(experiment in experiment()) {
        let rows = experiment.rows();
        let mut shuffled = rows.clone();
        let mut rng = stream(experiment.seed, Concern::Split);
        for i in (1..shuffled.len()).rev() {
            shuffled.swap(i, index(&mut rng, i + 1));
        }
        for effects in RandomEffects::ALL {
            let (expected, found) = (fit(&rows, effects).expect("a fit"), fit(&shuffled, effects).expect("a fit"));
            same(&numbers(&found), &numbers(&expected))?;
        }
    }

    #[test]
    fn a_constant_moves_the_intercept_alone(experiment in experiment(), shift in -100.0..100.0) {
        let rows = experiment.rows();
        let mut moved = rows.clone();
        moved.iter_mut().for_each(|row| row.response += shift);
        for effects in RandomEffects::ALL {
            let mut expected = numbers(&fit(&rows, effects).expect("a fit"));
            expected[0] += shift;
            same(&numbers(&fit(&moved, effects).expect("a fit")), &expected)?;
        }
    }

    #[test]
    fn swapped_algorithms_turn_the_coefficient_round(experiment in experiment()) {
        swap_turns_the_coefficient_round(experiment)?;
    }

    #[test]
    fn a_larger_model_is_never_less_likely(experiment in experiment()) {
        let rows = experiment.rows();
        let [intercept, both, seed] =
            RandomEffects::ALL.map(|effects| fit(&rows, effects).expect("a fit").log_likelihood);
        prop_assert!(both + SEARCH >= intercept.max(seed), "{} {} {}", intercept, both, seed);
    }

    /// Few rows, many ties, everything degenerate: an answer or an error, never a panic or a NaN.
    #[test]
    fn tiny_tables_give_finite_numbers_or_an_error(
        rows in prop::collection::vec((0..3u8, any::<bool>(), 0..2usize, 0..3u64), 0..9),
    ) {
        let rows: Vec<ModelRow> = rows
            .into_iter()
            .map(|(level, target, group, seed)| {
                ModelRow { response: f64::from(level) / 2.0, target, group: GROUPS[group], seed }
            })
            .collect();
        for effects in RandomEffects::ALL {
            match fit(&rows, effects) {
                Ok(fit) => prop_assert!(numbers(&fit).iter().all(|x| x.is_finite()), "{:?}", fit),
                Err(error) => prop_assert!(!error.to_string().contains("NaN"), "{}", error),
            }
        }
    }
}

/// The seeds' variance is 0 and the likelihood hardly curved there: the fixed effects' block of the Hessian's inverse has a
/// positive diagonal with one algorithm as the reference (p = 0.0002), and a negative one with the other.
#[test]
fn swapped_algorithms_turn_the_coefficient_round_on_the_boundary() {
    let experiment = Experiment {
        seed: 7_053_789_788_911_318_177,
        groups: 2,
        seeds: 19,
        group_deviation: 0.0,
        seed_deviation: 0.0,
        gap: 9,
    };
    swap_turns_the_coefficient_round(experiment).expect("the same p");
    // Least squares without random effects, whose standard error is 0.2596.
    let fit = fit(&experiment.rows(), RandomEffects::SeedOnly).expect("a fit");
    assert_eq!(fit.seed_variance, Some(0.0));
    assert!((fit.algorithm.p - 0.005_243_5).abs() <= SEARCH, "{fit:?}");
}

#[test]
fn five_thousand_rows_with_a_seed_each_pair_are_fitted() {
    let mut rng = stream(11, Concern::Network);
    let mut rows = Vec::new();
    for group in &GROUPS[..4] {
        let of_group = normal(&mut rng);
        for seed in 0..625 {
            let of_seed = normal(&mut rng);
            for target in [false, true] {
                let response = of_group + of_seed + normal(&mut rng);
                rows.push(ModelRow { response, target, group, seed });
            }
        }
    }
    assert_eq!(rows.len(), 5000);
    let fit = fit(&rows, RandomEffects::InterceptAndSeed).expect("a fit");
    // Standard error of the seeds' variance 1: √2 · (1 + ½) / √2500 = 0.042; five of them.
    assert!((fit.seed_variance.expect("a variance") - 1.0).abs() <= 0.21, "{fit:?}");
    assert!((fit.residual_variance - 1.0).abs() <= 0.15, "{fit:?}");
}

#[test]
fn what_cannot_be_estimated_is_refused_with_its_reason() {
    let row = |response, target, group, seed| ModelRow { response, target, group, seed };
    let one_group = [row(0.1, false, "A", 0), row(0.4, true, "A", 0), row(0.2, true, "A", 1)];
    assert_eq!(
        fit(&one_group, RandomEffects::Intercept),
        Err(MixedModelError::OneGroup { group: "A".to_string() })
    );
    let single_seeds: Vec<ModelRow> =
        (0..8).map(|i| row(f64::from((i * 5 % 7) as u8), i % 2 == 0, GROUPS[i / 4], i as u64)).collect();
    assert_eq!(
        fit(&single_seeds, RandomEffects::SeedOnly),
        Err(MixedModelError::NotIdentified { component: "seeds" })
    );
    // Each architecture ran one algorithm only: its intercept cannot be told from the coefficient.
    let confounded: Vec<ModelRow> =
        (0..8).map(|i| row(f64::from((i * 5 % 7) as u8), i >= 4, GROUPS[i / 4], i as u64)).collect();
    assert_eq!(
        fit(&confounded, RandomEffects::Intercept),
        Err(MixedModelError::NotIdentified { component: "architectures" })
    );
    let exact: Vec<ModelRow> =
        (0..8).map(|i| row(f64::from(u8::from(i % 2 == 0)), i % 2 == 0, GROUPS[i / 4], 0)).collect();
    assert_eq!(fit(&exact, RandomEffects::Intercept), Err(MixedModelError::NoResidual));
    let nan = [row(f64::NAN, false, "A", 0), row(0.4, true, "B", 0), row(0.2, true, "A", 1)];
    assert!(matches!(fit(&nan, RandomEffects::Intercept), Err(MixedModelError::NotFinite { row: 0, .. })));
    assert_eq!(fit(&[], RandomEffects::Intercept), Err(MixedModelError::TooFewRows { rows: 0 }));
}
