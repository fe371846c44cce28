//! Fronts, crowding distances and hypervolumes against pymoo's.

use serde::Deserialize;
use supermask::search::genetic::{hypervolume, nsga2};

#[derive(Deserialize)]
struct Case {
    points: Vec<Vec<u64>>,
    fronts: Vec<Vec<usize>>,
    /// None where it is infinite.
    crowding: Vec<Option<f64>>,
    reference: Vec<f64>,
    hypervolume: f64,
}

/// Sums of a few quotients, in another order.
const TOLERANCE: f64 = 1e-12;

#[test]
fn fronts_crowding_and_hypervolume_are_those_of_pymoo() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../goldens/nsga2.json")).expect("a golden file");
    assert_eq!(cases.len(), 36);
    for case in cases {
        let goals = case.reference.len();
        let losses: Vec<[u64; 3]> =
            case.points.iter().map(|point| std::array::from_fn(|n| *point.get(n).unwrap_or(&0))).collect();
        let fronts = nsga2::fronts(&losses, goals);
        assert_eq!(fronts, case.fronts);
        // Of one or two points pymoo says that all are at the ends, also where they are equal; nothing depends on it.
        for front in fronts.iter().filter(|front| front.len() > 2) {
            let distances = nsga2::crowding(front, &losses, goals, |_, loss| loss as f64);
            for (&place, distance) in front.iter().zip(distances) {
                match case.crowding[place] {
                    Some(expected) => assert!((distance - expected).abs() < TOLERANCE, "{:?}", losses[place]),
                    None => assert!(distance.is_infinite(), "{:?}: {distance}", losses[place]),
                }
            }
        }
        let gain =
            |loss: &[u64; 3], n: usize| case.reference.get(n).map_or(1.0, |from| from - loss[n] as f64);
        let gains = losses.iter().map(|loss| std::array::from_fn(|n| gain(loss, n))).collect();
        let volume = hypervolume::of_gains(gains);
        assert!((volume / case.hypervolume - 1.0).abs() < TOLERANCE, "{volume} of {}", case.hypervolume);
    }
}
