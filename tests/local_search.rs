//! Local searches repeat, whatever the number of threads; find what is there; and report exact counts.

use std::sync::Arc;
use supermask::dataset::{Dataset, DatasetConfig};
use supermask::evaluate::Arithmetic;
use supermask::evaluate::cpu::CpuEvaluator;
use supermask::evaluate::cpu::plain::count_correct;
use supermask::local_search::{Found, LocalSearchConfig, search};
use supermask::mask;
use supermask::network::{Network, NetworkConfig};

fn digits() -> Arc<Dataset> {
    let config: DatasetConfig =
        serde_json::from_str(r#"{"kind": "digits", "classes": 3}"#).expect("a data set");
    Arc::new(config.load().expect("the digits"))
}

fn network(seed: u64) -> Network {
    let config: NetworkConfig = serde_json::from_str(r#"{"layers": [64, 12, 3]}"#).expect("a network");
    config.build(seed).expect("a network")
}

fn settings(json: &str) -> LocalSearchConfig {
    serde_json::from_str(json).expect("settings")
}

fn found_with(threads: usize, config: &LocalSearchConfig, seed: u64) -> Found {
    let (dataset, network) = (digits(), network(seed));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
    pool.install(|| {
        let networks = std::slice::from_ref(&network);
        let mut evaluator =
            CpuEvaluator::new(&network.architecture, networks, Arc::clone(&dataset), Arithmetic::Fused)
                .expect("an evaluator");
        search(config, &network, &dataset, &mut evaluator, 0, seed).expect("a search")
    })
}

/// What must repeat: all but the time.
fn without_time(mut found: Found) -> Found {
    found.seconds = 0.0;
    found.facts.history.seconds.clear();
    found
}

const KINDS: [&str; 5] = [
    r#"{"proposals": 3000, "batch": 16}"#,
    r#"{"proposals": 3000, "chains": 3, "swap_rate": 0.5, "temperature": {"start": 1e-3, "end": 1e-6}, "race": null}"#,
    r#"{"proposals": 3000, "batch": 8, "growth": {"samples": 64, "until": 0.5}, "weight_price": 1e-5}"#,
    r#"{"proposals": 2000, "fitness": "accuracy", "train_samples": 200, "temperature": {"start": 0.02, "end": 2e-5}}"#,
    r#"{"proposals": 1000, "chains": 4, "memetic": {"generations": 2, "children": 3, "proposals": 500},
        "front": {"steps": 2, "proposals": 500, "first_price": 1e-4, "growth": 4.0}}"#,
];

#[test]
fn a_search_repeats_with_any_number_of_threads_and_differs_by_seed() {
    for kind in KINDS {
        let config = settings(kind);
        let one = without_time(found_with(1, &config, 1));
        assert_eq!(one, without_time(found_with(3, &config, 1)), "{kind}");
        assert_ne!(one.mask, found_with(1, &config, 2).mask, "{kind}");
    }
}

#[test]
fn the_counts_reported_are_those_of_the_plain_form() {
    let dataset = digits();
    for kind in KINDS {
        let found = found_with(2, &settings(kind), 1);
        let count = |samples| count_correct(&network(1), &found.mask, samples, Arithmetic::Fused);
        assert_eq!(found.train_correct, count(&dataset.train), "{kind}");
        assert_eq!(found.test_correct, count(&dataset.test), "{kind}");
        assert_eq!(found.train_correct, *found.facts.members_train_correct.iter().max().expect("members"));
        assert_eq!(found.weights_kept, mask::count_ones(&found.mask));
    }
}

#[test]
fn a_search_learns_and_no_search_does_not() {
    let learned = found_with(2, &settings(r#"{"proposals": 10000}"#), 1);
    let samples = digits().train.len() as u32;
    assert!(learned.train_correct * 100 >= samples * 97, "{} of {samples}", learned.train_correct);
    let blind = found_with(2, &settings(r#"{"proposals": 0}"#), 1);
    assert!(blind.train_correct * 100 <= samples * 75, "{} of {samples}", blind.train_correct);
}

#[test]
fn a_cold_search_never_gets_worse() {
    let found = found_with(1, &settings(r#"{"proposals": 5000, "refresh": 10}"#), 3);
    let cost = &found.facts.history.cost;
    assert!(cost.len() >= 40);
    // A refresh corrects the drift of ten flips: a part in a million.
    assert!(cost.windows(2).all(|pair| pair[1] as f64 <= pair[0] as f64 * 1.000_001));
    assert!(cost[cost.len() - 1] * 4 < cost[0]);
}

#[test]
fn a_front_is_sparser_from_step_to_step() {
    let config = settings(
        r#"{"proposals": 10000, "front": {"steps": 4, "proposals": 5000, "first_price": 1e-4, "growth": 4.0}}"#,
    );
    let found = found_with(2, &config, 1);
    let sparsities: Vec<f64> = found.facts.front.iter().map(|point| point.sparsity).collect();
    assert_eq!(sparsities.len(), 4);
    assert!(sparsities[0] > 0.5 && sparsities[3] > 0.8, "{sparsities:?}");
    assert!(sparsities.windows(2).all(|pair| pair[0] <= pair[1] + 0.01), "{sparsities:?}");
}

#[test]
fn settings_without_sense_are_refused_by_name() {
    for (json, key) in [
        (r#"{"chains": 0}"#, "chains"),
        (r#"{"race": -1.0}"#, "race"),
        (r#"{"temperature": {"start": 1.0}}"#, "temperature"),
        (r#"{"initial_density": 1.5}"#, "initial_density"),
        (r#"{"memetic": {}}"#, "memetic"),
        (r#"{"growth": {"samples": 0}}"#, "growth.samples"),
        (r#"{"growth": {"until": 2}}"#, "growth.until"),
        (r#"{"weight_price": -1}"#, "weight_price"),
    ] {
        let error = settings(json).validate().expect_err("no sense");
        assert!(error.to_string().contains(key), "{error}");
    }
    assert!(serde_json::from_str::<LocalSearchConfig>(r#"{"chain": 2}"#).is_err());
}
