use super::*;
use crate::dataset::DatasetConfig;
use crate::run::config::RunConfig;

fn refused(value: Value) -> String {
    read::<DatasetConfig>(value).expect_err("a wrong setting").to_string()
}

#[test]
fn an_error_names_its_key_and_speaks_of_numbers() {
    assert_eq!(
        refused(json!({"kind": "digits", "augmentation": {"copies": -1}})),
        "augmentation.copies: expected a whole number of at least 0, found -1"
    );
    assert_eq!(
        refused(json!({"kind": "moons", "noise": "much"})),
        "noise: expected a number, found \"much\""
    );
    assert_eq!(refused(json!({"kind": "moons", "noise": null})), "noise: expected a number, found null");
    let unknown = refused(json!({"kind": "moon"}));
    assert!(unknown.starts_with("kind: unknown kind \"moon\", expected one of moons, "), "{unknown}");
    let missing = refused(json!({}));
    assert!(missing.starts_with("kind: missing; expected one of moons, "), "{missing}");
}

#[test]
fn keys_inside_sections_have_their_full_path() {
    let with = |section: &str, settings: Value| {
        let mut run = json!({"name": "a", "dataset": {"kind": "moons"}, "network": {"hidden": [5]}});
        run[section] = settings;
        RunConfig::from_value(run).expect_err("a wrong setting").to_string()
    };
    let moons = |normalization: Value| json!({"kind": "moons", "normalization": normalization});
    for (section, settings, start) in [
        ("network", json!(5), "network: expected an object of settings, found 5"),
        ("network", json!({"hidden": [5], "layers": [2, 5, 2]}), "network: has both layers and hidden; "),
        ("network", json!({}), "network: needs either layers (all widths"),
        ("network", json!([null, [8]]), "network: expected an object of settings, found a list"),
        (
            "dataset",
            json!({"kind": "csv", "train": "a.csv", "split": [0.3]}),
            "dataset.split: expected an object of settings, found a list",
        ),
        (
            "algorithm",
            json!({"kind": "ga", "termination": [5, 5, null]}),
            "algorithm.termination: expected an object of settings, found a list",
        ),
        (
            "algorithm",
            json!({"kind": "ga_adaptive_ab", "accuracy_bound": null}),
            "algorithm.accuracy_bound: ga_adaptive_ab has a bound, found null",
        ),
        ("network", json!({"layers": "2,5,2"}), "network.layers: expected a list, found \"2,5,2\""),
        ("network", json!({"hidden": [5.5]}), "network.hidden[0]: expected a whole number"),
        ("network", json!({"layers": [2, 2]}), "network.layers: "),
        ("network", json!({"hiden": [5]}), "network.hiden: unknown key \"hiden\", expected"),
        ("network", json!({"hidden": [5], "weights": {"init": "he"}}), "network.weights.init: unknown init"),
        ("network", json!({"hidden": [5], "weights": {"bound": 1}}), "network.weights.init: missing"),
        (
            "network",
            json!({"hidden": [5], "weights": {"init": "uniform", "bound": "1"}}),
            "network.weights.bound: expected a number, found \"1\"",
        ),
        (
            "network",
            json!({"hidden": [5], "biases": {"init": "zero", "bound": 1}}),
            "network.biases.bound: unknown key",
        ),
        ("dataset", json!({"kind": "moons", "noise": true}), "dataset.noise: expected a number, found true"),
        (
            "dataset",
            moons(json!(1)),
            "dataset.normalization: expected an object of settings, or one of none, ",
        ),
        ("dataset", moons(json!("max")), "dataset.normalization.method: unknown method \"max\""),
        ("dataset", json!(5), "dataset: expected an object of settings, or one of moons, "),
        ("dataset", moons(json!({"method": "max"})), "dataset.normalization.method: unknown method \"max\""),
        (
            "dataset",
            moons(json!({"method": "min_max", "range": [1]})),
            "dataset.normalization.range: expected a list of 2 values, found 1",
        ),
        (
            "dataset",
            moons(json!({"method": "standard", "scope": "all"})),
            "dataset.normalization.scope: unknown value \"all\", expected matrix or feature",
        ),
        (
            "dataset",
            moons(json!({"method": "standard", "range": [0, 1]})),
            "dataset.normalization.range: unknown key \"range\"",
        ),
        ("algorithm", json!({"kind": "ga", "population": -1}), "algorithm.population: expected a whole"),
        (
            "algorithm",
            json!({"kind": "local_search", "margin": {"tau": "x"}}),
            "algorithm.margin.tau: expected a number, found \"x\"",
        ),
        ("algorithm", json!({"kind": "local_search", "margin": 3}), "algorithm.margin: expected an object"),
        ("algorithm", json!(7), "algorithm: expected an object"),
        ("seed", json!("0"), "seed: expected a whole number of at least 0, found \"0\""),
        ("seed", json!(-1), "seed: expected a whole number of at least 0, found -1"),
    ] {
        let error = with(section, settings);
        assert!(error.starts_with(start), "{start}: {error}");
        assert!(!error.contains("struct") && !error.contains("Config"), "{error}");
    }
}

/// Every place in a value, as a JSON pointer.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(object) => {
            object.iter().for_each(|(key, inner)| pointers(inner, &format!("{at}/{key}"), found));
        }
        Value::Array(list) => {
            let inner = list.iter().enumerate();
            inner.for_each(|(index, inner)| pointers(inner, &format!("{at}/{index}"), found));
        }
        _ => {}
    }
}

/// Words that mean something to whoever wrote the program alone.
fn words_of_the_source(message: &str) -> Option<&str> {
    const WORDS: [&str; 14] = [
        "struct", "enum", "variant", "tuple", "sequence", "untagged", "usize", "u64", "u32", "u16", "i64",
        "f64", "f32", "Option",
    ];
    message.split(|c: char| !c.is_alphanumeric() && c != '_').find(|word| {
        let is_type = word
            .as_bytes()
            .windows(2)
            .any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
        is_type || WORDS.contains(word)
    })
}

#[test]
fn no_value_of_any_setting_is_refused_in_words_of_the_source() {
    let part = |value: Value| {
        serde_json::to_value(
            read::<RunConfig>(value).map(|run| (run.dataset, run.algorithm)).expect("a configuration"),
        )
        .expect("JSON")
    };
    let file = json!("a.csv");
    let datasets = [
        json!("moons"),
        json!("circles"),
        json!("blobs"),
        json!({"kind": "digits", "augmentation": {"copies": 1}, "normalization": "standard"}),
        json!({"kind": "csv", "train": file, "drop": ["a"], "features": [0], "comment": "#", "split": {"test_fraction": 0.5}}),
        json!({"kind": "npy", "train_features": file, "train_labels": file}),
        json!({"kind": "npz", "file": file}),
        json!({"kind": "idx", "folder": "f"}),
    ];
    let algorithms = [
        json!({"kind": "ga", "fitness": {"program": ["a"], "needs": "outputs"}}),
        json!("ga_adaptive_ab"),
        json!({"kind": "local_search", "growth": {}, "front": {}, "train_samples": 5, "margin": {"tau": 1}}),
        json!("edge_popup"),
        json!("backprop"),
        json!("backprop_paper"),
    ];
    let weights = ["uniform", "kaiming_normal", "xavier_normal"].map(|init| json!(init));
    let tensors = json!({"init": "safetensors", "path": file, "order": ["a"], "checksum": "b"});
    let networks = weights
        .into_iter()
        .chain([json!({"init": "signed_kaiming_constant", "keep_fraction": 0.5}), tensors]);
    let networks = networks
        .map(|weights| json!({"hidden": [5], "weights": weights, "biases": {"init": "uniform", "bound": 1}}));
    let networks: Vec<Value> = networks.chain([json!({"layers": [2, 5, 2], "biases": "zero"})]).collect();
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e30),
        json!(0.5),
        json!("x"),
        json!(""),
        json!([]),
        json!([[]]),
        json!(["x", 1, null]),
        json!({}),
        json!({"x": 1}),
        json!([{}]),
    ];
    let mut refused = 0;
    for n in 0..datasets.len().max(algorithms.len()) {
        let pick = |list: &[Value]| list[n % list.len()].clone();
        let written = json!({
            "name": "a", "seed": 1, "dataset": pick(&datasets), "network": pick(&networks), "algorithm": pick(&algorithms)
        });
        let filled = part(written.clone());
        let mut whole = written;
        whole["dataset"] = filled[0].clone();
        whole["algorithm"] = filled[1].clone();
        let mut places = Vec::new();
        pointers(&whole, "", &mut places);
        for place in &places {
            for value in &odd {
                let mut changed = whole.clone();
                *changed.pointer_mut(place).expect("a place") = value.clone();
                if let Err(error) = RunConfig::from_value(changed) {
                    refused += 1;
                    let message = error.to_string();
                    assert_eq!(words_of_the_source(&message), None, "{place} = {value}: {message}");
                }
            }
        }
    }
    assert!(refused > 1000, "{refused}");
    assert!(words_of_the_source("invalid type: map, expected struct RunConfig").is_some());
}

#[test]
fn a_list_is_no_object_of_settings() {
    for (value, found) in [(json!(["moons"]), "a list"), (json!(null), "null"), (json!("a"), "\"a\"")] {
        let error = read::<RunConfig>(value).expect_err("no object").to_string();
        assert_eq!(error, format!("expected an object of settings, found {found}"));
    }
    let error = refused(json!({"kind": "moons", "seed": 5_000_000_000_u64}));
    assert_eq!(error, "seed: expected a whole number from 0 to 4294967295, found 5000000000");
}

#[test]
fn a_long_value_is_cut() {
    let long = "x".repeat(3_000_000);
    for value in [
        json!({"kind": &long}),
        json!({"kind": "moons", "noise": &long}),
        json!({"kind": "moons", (&long): 1}),
        json!({"kind": "csv", "train": "a", "header": &long}),
    ] {
        let error = refused(value);
        assert!(error.len() < 1000, "{} bytes", error.len());
    }
}
