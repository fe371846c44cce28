//! Measures of predicted classes against scikit-learn's, and sums of costs against NumPy's.

use serde::Deserialize;
use supermask::objective::Objective;
use supermask::objective::costs::Costs;
use supermask::objective::measure::{Confusion, Measure, STEPS_PER_UNIT};

#[derive(Deserialize)]
struct Case {
    classes: usize,
    confusion: Vec<u32>,
    accuracy: f64,
    balanced_accuracy: f64,
    macro_f1: f64,
    cohen_kappa: f64,
    matthews_correlation: f64,
    worst_class_recall: f64,
}

/// A step of a rank, and the rounding of both sides.
const TOLERANCE: f64 = 4.0 / STEPS_PER_UNIT as f64;

#[test]
fn measures_are_those_of_scikit_learn() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../goldens/measures.json")).expect("a golden file");
    assert!(cases.len() > 30);
    for case in cases {
        let confusion = Confusion::new(&case.confusion, case.classes);
        let samples: u32 = case.confusion.iter().sum();
        assert!((f64::from(confusion.correct()) / f64::from(samples) - case.accuracy).abs() < 1e-12);
        for (measure, expected) in [
            (Measure::BalancedAccuracy, case.balanced_accuracy),
            (Measure::MacroF1, case.macro_f1),
            (Measure::CohenKappa, case.cohen_kappa),
            (Measure::MatthewsCorrelation, case.matthews_correlation),
            (Measure::WorstClassRecall, case.worst_class_recall),
        ] {
            let value = measure.value(&confusion);
            assert!((value - expected).abs() < 1e-12, "{measure:?} of {:?}: {value}", case.confusion);
            let ranked = 1.0 - measure.distance(&confusion) as f64 / STEPS_PER_UNIT as f64;
            assert!((ranked - expected).abs() < TOLERANCE, "{measure:?} of {:?}: {ranked}", case.confusion);
        }
    }
}

#[derive(Deserialize)]
struct CostsCase {
    costs: Costs,
    confusion: Vec<u32>,
    sum: u64,
    mean: f64,
}

#[test]
fn sums_of_costs_are_those_of_numpy() {
    let cases: Vec<CostsCase> =
        serde_json::from_str(include_str!("../goldens/costs.json")).expect("a golden file");
    assert_eq!(cases.len(), 9);
    for CostsCase { costs, confusion, sum, mean } in cases {
        let measure = Measure::Costs(costs);
        let counts = Confusion::new(&confusion, costs.classes());
        assert_eq!(measure.distance(&counts), sum);
        assert!((measure.value(&counts) / mean - 1.0).abs() < 1e-12, "{mean}");
        let samples = confusion.iter().sum::<u32>() as usize;
        let reading = Objective::Measure(measure).reading(sum, samples);
        assert!((reading / mean - 1.0).abs() < 1e-12, "{mean}");
    }
}

/// Counts of which products of sums leave 64 bits far behind.
#[test]
fn the_largest_counts_do_not_overflow() {
    let most = i32::MAX as u32 / 4;
    for counts in [[most, most, most, most], [2 * most, 0, 0, 2 * most], [0, 2 * most, 2 * most, 0]] {
        let confusion = Confusion::new(&counts, 2);
        for measure in [
            Measure::BalancedAccuracy,
            Measure::MacroF1,
            Measure::CohenKappa,
            Measure::MatthewsCorrelation,
            Measure::WorstClassRecall,
        ] {
            let ranked = 1.0 - measure.distance(&confusion) as f64 / STEPS_PER_UNIT as f64;
            assert!((ranked - measure.value(&confusion)).abs() < TOLERANCE, "{measure:?} of {counts:?}");
        }
    }
}
