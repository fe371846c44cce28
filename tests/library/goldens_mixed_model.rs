//! The mixed model against statsmodels' `MixedLM`, on every case and fit of `goldens/mixedlm.json` and, for
//! variances on the boundary, `goldens/mixedlm_boundary.json` (written by the script beside it).

use serde_json::Value;
use supermask::stats::compare::{ComparedAlgorithm, RunAccuracy, compare, supported_effects};
use supermask::stats::mixed_model::{FixedEffect, MixedModelFit, ModelRow, RandomEffects, fit};

/// The goldens come from Powell's method, which stops up to 1e-4 (relative) in front of the optimum.
const RELATIVE: f64 = 1e-3;

/// Variances are of standardised responses (total variance 1). On the boundary Powell's method leaves
/// about 3e-8 of noise where the optimum is 0; below this, variances count as equal.
const VARIANCE: f64 = 1e-6;

/// Our optimum against an exact one found in one dimension: both stop within 1e-7 of the maximum's
/// position, where the likelihood is flat.
const EXACT: f64 = 1e-6;

/// An exponentially small p multiplies a relative error of z by z²: 450 at z = 21.
const TAIL: f64 = 2.0;

fn read(name: &str) -> Value {
    let path = format!("{}/tests/goldens/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("the goldens")).expect("JSON")
}

fn goldens() -> Value {
    read("mixedlm")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn rows(data: &Value) -> Vec<ModelRow<'_>> {
    let response = numbers(&data["accuracy"]);
    let text = |key: &str, i: usize| data[key][i].as_str().expect("a name");
    let integer = |key: &str, i: usize| data[key][i].as_u64().expect("an integer");
    (0..response.len())
        .map(|i| ModelRow {
            response: response[i],
            target: integer("algorithm", i) == 1,
            group: text("architecture", i),
            seed: integer("seed", i),
        })
        .collect()
}

fn effects(name: &str) -> RandomEffects {
    serde_json::from_value(Value::from(name)).expect("a model of ours")
}

#[track_caller]
fn close(what: &str, found: f64, expected: f64, relative: f64) {
    assert!((found - expected).abs() <= relative * expected.abs(), "{what}: {found}, not {expected}");
}

#[track_caller]
fn close_variance(what: &str, found: f64, expected: f64) {
    let tolerance = VARIANCE + RELATIVE * expected.abs();
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, not {expected}");
}

fn check_fixed(case: &str, found: &FixedEffect, golden: &Value, i: usize) {
    let expected = |key: &str| number(&golden[key][i]);
    close(&format!("{case} coefficient"), found.coefficient, expected("fixed_coef"), RELATIVE);
    close(&format!("{case} standard error"), found.standard_error, expected("fixed_se"), RELATIVE);
    close(&format!("{case} z"), found.z, expected("z"), RELATIVE);
    let tail = RELATIVE * TAIL * (1.0 + found.z.powi(2));
    close(&format!("{case} p"), found.p, expected("p"), tail);
    for (end, key) in found.interval.iter().zip(["ci95_low", "ci95_high"]) {
        let tolerance = RELATIVE * (expected("fixed_coef").abs() + 1.96 * expected("fixed_se"));
        assert!((end - expected(key)).abs() <= tolerance, "{case} {key}: {end}");
    }
}

fn check_fit(case: &str, found: &MixedModelFit, golden: &Value) {
    check_fixed(case, &found.intercept, golden, 0);
    check_fixed(case, &found.algorithm, golden, 1);
    assert_eq!(found.group_variance.is_some(), !numbers_of(&golden["cov_re"]).is_empty());
    if let Some(variance) = found.group_variance {
        close_variance(case, variance, number(&golden["cov_re"][0][0]));
    }
    assert_eq!(found.seed_variance.is_some(), golden["vcomp"].get("seed").is_some());
    if let Some(variance) = found.seed_variance {
        close_variance(case, variance, number(&golden["vcomp"]["seed"]));
    }
    close_variance(case, found.residual_variance, number(&golden["scale"]));
    close(case, found.log_likelihood, number(&golden["loglike"]), RELATIVE);
    for (group, &intercept) in &found.group_intercepts {
        close_variance(case, intercept, number(&golden["group_intercepts"][group]["Group"]));
    }
}

/// The rows of a list of lists, as far as there are any.
fn numbers_of(matrix: &Value) -> Vec<f64> {
    matrix.as_array().expect("a matrix").iter().flat_map(numbers).collect()
}

/// Compares every fit of every case, and returns how many there were.
fn check_all(goldens: &Value) -> usize {
    let mut fits = 0;
    for (case, golden) in goldens["cases"].as_object().expect("cases") {
        let rows = rows(&golden["data"]);
        assert_eq!(rows.len() as u64, golden["rows"].as_u64().expect("a count"));
        for (model, expected) in golden["fits"].as_object().expect("fits") {
            let found = fit(&rows, effects(model)).expect("a fit");
            check_fit(&format!("{case} {model}"), &found, expected);
            fits += 1;
        }
    }
    fits
}

#[test]
fn every_fit_equals_statsmodels() {
    assert_eq!(check_all(&goldens()), 6);
}

#[test]
fn fits_on_the_boundary_equal_statsmodels() {
    assert_eq!(check_all(&read("mixedlm_boundary")), 12);
}

#[test]
fn the_random_intercept_model_reaches_the_exact_optimum() {
    for (case, golden) in goldens()["cases"].as_object().expect("cases") {
        let exact = &golden["exact_intercept"];
        let found = fit(&rows(&golden["data"]), RandomEffects::Intercept).expect("a fit");
        close(case, found.intercept.coefficient, number(&exact["fixed_coef"][0]), EXACT);
        close(case, found.algorithm.coefficient, number(&exact["fixed_coef"][1]), EXACT);
        let variance = found.group_variance.expect("a variance");
        assert!((variance - number(&exact["group_variance"])).abs() <= EXACT, "{case}: {variance}");
        close(case, found.residual_variance, number(&exact["scale"]), EXACT);
        close(case, found.log_likelihood, number(&exact["loglike_reml"]), EXACT);
    }
}

#[test]
fn a_swapped_algorithm_does_not_pass() {
    let goldens = goldens();
    let golden = &goldens["cases"]["balanced_clear"];
    let mut rows = rows(&golden["data"]);
    for row in &mut rows {
        row.target = !row.target;
    }
    let found = fit(&rows, RandomEffects::Intercept).expect("a fit");
    let expected = number(&golden["fits"]["intercept"]["fixed_coef"][1]);
    assert!((found.algorithm.coefficient - expected).abs() > RELATIVE * expected.abs());
}

#[test]
fn a_table_is_compared_to_the_row_of_the_figure() {
    let goldens = goldens();
    let golden = &goldens["cases"]["shared_seeds"];
    let [reference, target] = [false, true].map(|target| {
        let of_side = rows(&golden["data"]).into_iter().filter(|row| row.target == target);
        let outcome = |row: ModelRow<'_>| RunAccuracy {
            architecture: row.group.to_owned(),
            seed: row.seed,
            accuracy: row.response,
        };
        of_side.map(outcome).collect::<Vec<RunAccuracy>>()
    });
    let effects = supported_effects(&reference, &target);
    assert_eq!(effects, RandomEffects::InterceptAndSeed);
    let comparison = compare(
        ComparedAlgorithm { name: "ga", outcomes: &reference },
        ComparedAlgorithm { name: "edge-popup", outcomes: &target },
        effects,
    )
    .expect("a comparison");
    let fit = comparison.model.as_ref().expect("a fit");
    check_fit("shared_seeds", fit, &golden["fits"]["intercept_and_seed"]);
    let text = comparison.to_string();
    let words: Vec<&str> = text.split_whitespace().collect();
    assert!(words.windows(3).any(|row| row == ["0.273", "0.042", "6.488"]), "{text}");
}
