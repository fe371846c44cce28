//! Tickets that stay what they are: records of small runs of every algorithm, made before the code was rearranged.
//!
//! What a golden holds of a record does not depend on time or on the machine: everything but the timing, the adapter
//! and the multiply-adds, which differ by instruction set. `SUPERMASK_GOLDENS=write cargo test --test goldens_tickets`
//! makes the file anew; a change of it is a change of behaviour, to be made on purpose.
//!
//! Runs on an adapter are those of the software adapter in the file; another that `SUPERMASK_TEST_ADAPTER` names gives
//! the CPU's tickets of its own arithmetic.

#[path = "adapter/mod.rs"]
mod adapter;
#[path = "program/place.rs"]
mod place;

use place::{Place, read_json};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// Where runs are made: adapter, arithmetic.
const CPU_FUSED: [&str; 2] = ["cpu", "fused"];
const CPU_SEPARATE: [&str; 2] = ["cpu", "separate"];
const SOFTWARE: [&str; 2] = ["software", "separate"];

fn golden_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/tickets.json")
}

fn moons() -> Value {
    json!({"kind": "moons", "train_samples": 200, "test_samples": 80})
}

fn digits() -> Value {
    json!({"kind": "digits", "classes": 4})
}

fn genetic(kind: &str, settings: Value) -> Value {
    let mut algorithm = json!({
        "kind": kind,
        "population": 20,
        "termination": {"min_generations": 10, "patience": 5, "max_generations": 15}
    });
    merge(&mut algorithm, settings);
    algorithm
}

fn chains(settings: Value) -> Value {
    let mut algorithm = json!({"kind": "local_search", "proposals": 600, "refresh": 50});
    merge(&mut algorithm, settings);
    algorithm
}

fn merge(base: &mut Value, more: Value) {
    let Value::Object(more) = more else { panic!("settings are an object") };
    base.as_object_mut().expect("settings are an object").extend(more);
}

/// Name, data, network and algorithm of a run, and where it is made.
struct Case {
    name: &'static str,
    dataset: Value,
    network: Value,
    algorithm: Value,
    places: &'static [[&'static str; 2]],
}

const CPU: &[[&str; 2]] = &[CPU_FUSED, CPU_SEPARATE];
const EVERYWHERE: &[[&str; 2]] = &[CPU_FUSED, CPU_SEPARATE, SOFTWARE];
const ONE: &[[&str; 2]] = &[CPU_FUSED];

fn case(
    name: &'static str,
    dataset: Value,
    hidden: &[usize],
    algorithm: Value,
    places: &'static [[&'static str; 2]],
) -> Case {
    Case { name, dataset, network: json!({"hidden": hidden}), algorithm, places }
}

fn genetic_cases() -> Vec<Case> {
    let validated = json!({"kind": "digits", "classes": 4, "validation": 0.2});
    let augmented = json!({"kind": "digits", "classes": 3, "augmentation": {"copies": 1}});
    let crowding = json!({"selection": "crowding"});
    let bound = json!({"termination": {"min_generations": 5, "patience": 4, "max_generations": 8}});
    let margin = json!({"fitness": "margin"});
    let cross_entropy = json!({"fitness": "cross_entropy"});
    let tolerant = json!({"fitness": "margin", "fitness_tolerance": 0.01, "margin": {"tau": 2.0}});
    vec![
        case("ga-moons", moons(), &[6], genetic("ga", json!({})), EVERYWHERE),
        case("ga-moons-deep", moons(), &[7, 5], genetic("ga", json!({})), CPU),
        case("ga-digits", digits(), &[20], genetic("ga", json!({})), EVERYWHERE),
        case("ga-digits-wide", digits(), &[130, 70], genetic("ga", json!({})), CPU),
        case("ga-margin", digits(), &[12, 8], genetic("ga", margin), EVERYWHERE),
        case("ga-margin-tolerance", moons(), &[9], genetic("ga", tolerant), CPU),
        case("ga-cross-entropy", digits(), &[10], genetic("ga", cross_entropy), EVERYWHERE),
        case("ga-crowding", digits(), &[10], genetic("ga", crowding), CPU),
        case(
            "ga-layer-then-weight",
            digits(),
            &[6, 6],
            genetic("ga", json!({"mutation": "layer_then_weight"})),
            ONE,
        ),
        case(
            "ga-heavy-tailed",
            digits(),
            &[10],
            genetic("ga", json!({"mutation_operator": "heavy_tailed"})),
            ONE,
        ),
        case(
            "ga-per-bit",
            digits(),
            &[10],
            genetic("ga", json!({"mutation_operator": "per_bit", "mutation_bits": 2.0})),
            ONE,
        ),
        case("ga-path", moons(), &[4, 4], genetic("ga", json!({"require_path": true})), ONE),
        case("ga-adaptive", moons(), &[12], genetic("ga_adaptive_ab", bound.clone()), EVERYWHERE),
        case("ga-adaptive-digits", digits(), &[10], genetic("ga_adaptive_ab", bound), CPU),
        case("ga-validation", validated, &[10], genetic("ga", json!({})), EVERYWHERE),
        case("ga-augmentation", augmented, &[10], genetic("ga", json!({})), CPU),
    ]
}

fn chain_cases() -> Vec<Case> {
    let annealed = json!({"temperature": {"start": 0.02, "end": 0.001}, "race": null});
    let grown = json!({"growth": {"samples": 100, "until": 0.5}, "train_samples": 400});
    let front = json!({"front": {"steps": 3, "proposals": 300, "first_price": 1e-3}, "prune": true});
    let batched = json!({"batch": 8, "chains": 2, "swap_rate": 0.3});
    let validated = json!({"kind": "digits", "classes": 4, "validation": 0.2});
    let augmented = json!({"kind": "digits", "classes": 3, "augmentation": {"copies": 1}});
    vec![
        case("chains-margin", digits(), &[12], chains(json!({})), EVERYWHERE),
        case("chains-accuracy", digits(), &[12], chains(json!({"fitness": "accuracy"})), EVERYWHERE),
        case("chains-three", moons(), &[8, 8], chains(json!({"chains": 3})), CPU),
        case("chains-batched", digits(), &[12, 10], chains(batched), EVERYWHERE),
        case("chains-annealed", digits(), &[16], chains(annealed), CPU),
        case("chains-grown", digits(), &[12], chains(grown), CPU),
        case("chains-pruned", digits(), &[12], chains(json!({"prune": true})), CPU),
        case("chains-front", digits(), &[10], chains(front), EVERYWHERE),
        case(
            "chains-priced",
            digits(),
            &[12],
            chains(json!({"weight_price": 1e-4, "initial_density": 0.3})),
            ONE,
        ),
        case(
            "chains-layer-then-weight",
            digits(),
            &[8, 8],
            chains(json!({"site": "layer_then_weight"})),
            ONE,
        ),
        case("chains-validation", validated, &[12], chains(json!({"chains": 2})), CPU),
        case("chains-augmentation", augmented, &[12], chains(json!({})), ONE),
    ]
}

fn network_cases() -> Vec<Case> {
    let with = |name, weights: Value| Case {
        name,
        dataset: digits(),
        network: json!({"hidden": [10], "weights": weights, "biases": {"init": "zero"}}),
        algorithm: genetic("ga", json!({})),
        places: ONE,
    };
    vec![
        with("network-kaiming", json!({"init": "kaiming_normal"})),
        with("network-signed", json!({"init": "signed_kaiming_constant"})),
    ]
}

fn baseline_cases() -> Vec<Case> {
    let validated = json!({"kind": "digits", "classes": 4, "validation": 0.2});
    vec![
        case("edge-popup", digits(), &[16], json!({"kind": "edge_popup", "epochs": 3}), ONE),
        case("edge-popup-validation", validated, &[10, 10], json!({"kind": "edge_popup", "epochs": 2}), ONE),
        case("backprop", moons(), &[8], json!({"kind": "backprop", "max_epochs": 4}), ONE),
    ]
}

/// What a golden holds of a record.
fn held(mut record: Value) -> Value {
    let hash = |value: &Value| format!("{:016x}", xxh3_64(value.to_string().as_bytes()));
    for (pointer, key) in [
        ("", "timing"),
        ("", "adapter"),
        ("", "program_version"),
        ("", "schema_version"),
        ("/local_search", "neighbours"),
        ("/local_search/history", "seconds"),
        ("/result", "multiply_adds"),
        ("/local_search/work", "multiply_adds"),
        ("/local_search/pruned", "multiply_adds"),
    ] {
        if let Some(object) = record.pointer_mut(pointer).and_then(Value::as_object_mut) {
            object.shift_remove(key);
        }
    }
    for epoch in record.get_mut("epochs").and_then(Value::as_array_mut).into_iter().flatten() {
        epoch.as_object_mut().expect("an epoch").shift_remove("seconds");
    }
    let parts =
        record.as_object().expect("a record").iter().map(|(key, part)| (key.clone(), hash(part).into()));
    json!({
        "train_correct": record["result"]["train_correct"],
        "test_correct": record["result"]["test_correct"],
        "weights_kept": record["result"]["weights_kept"],
        "parts": parts.collect::<Map<String, Value>>(),
    })
}

#[test]
fn every_algorithm_gives_the_tickets_that_it_gave() {
    let place = Place::new();
    let mut found = Map::new();
    let (adapter, arithmetic) = (adapter::name(), adapter::arithmetic());
    let is_another = adapter != SOFTWARE[0];
    let mut on_another = Vec::new();
    let groups = [genetic_cases(), chain_cases(), network_cases(), baseline_cases()];
    for case in groups.into_iter().flatten() {
        let Case { name, dataset, network, algorithm, places } = case;
        let run = json!({"seed": 7, "dataset": dataset, "network": network, "algorithm": algorithm});
        let file = format!("{name}.json");
        place.write_json(&file, &run);
        for on in places {
            let moved = is_another && *on == SOFTWARE;
            let [adapter, arithmetic] = if moved { [&*adapter, &*arithmetic] } else { *on };
            let out = format!("{name}-{adapter}-{arithmetic}");
            let args = ["run", &file, "--adapter", adapter, "--arithmetic", arithmetic, "--out", &out];
            place.succeed(&[&args, ["--no-autotune"].as_slice()].concat());
            let held = held(read_json(&place.path(&out).join(format!("{name}-seed7.json"))));
            if moved {
                on_another.push((format!("{name}-cpu-{arithmetic}"), held));
            } else {
                found.insert(out, held);
            }
        }
    }
    let found = Value::Object(found);
    for (name, held) in &on_another {
        assert_eq!(held, &found[name], "{adapter}, {name}");
    }
    if std::env::var_os("SUPERMASK_GOLDENS").is_some_and(|wish| wish == "write") && !is_another {
        let text = serde_json::to_string_pretty(&found).expect("goldens serialise");
        std::fs::write(golden_path(), text + "\n").expect("the goldens' file");
        return;
    }
    let mut expected = read_json(&golden_path());
    if is_another {
        assert_eq!(on_another.len(), 9, "what runs everywhere ran on {adapter}");
        let goldens = expected.as_object_mut().expect("goldens");
        goldens.retain(|name, _| !name.ends_with(&SOFTWARE.join("-")));
    }
    let names = |goldens: &Value| goldens.as_object().expect("goldens").keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&expected));
    for (name, golden) in expected.as_object().expect("goldens") {
        assert_eq!(&found[name], golden, "{name}");
    }
}
