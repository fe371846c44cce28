//! Samples held out for validation: the same ones for every run, in no part of the search, and reported.

use crate::place::{Place, read_json, small_run, with};
use serde_json::{Value, json};
use supermask::dataset::{Dataset, DatasetConfig, Samples};

const CPU: [&str; 2] = ["--adapter", "cpu"];

fn load(config: &Value) -> Dataset {
    let config: DatasetConfig = serde_json::from_value(config.clone()).expect("a configuration");
    config.load().expect("a data set")
}

/// Rows with their labels, in an order of their own.
fn rows(samples: &[&Samples]) -> Vec<(u32, Vec<u32>)> {
    let mut rows: Vec<(u32, Vec<u32>)> = samples
        .iter()
        .flat_map(|samples| samples.labels.iter().zip(samples.features.chunks(samples.width)))
        .map(|(&label, features)| (label, features.iter().map(|x| x.to_bits()).collect()))
        .collect();
    rows.sort();
    rows
}

#[test]
fn generated_data_are_divided_class_by_class_and_nothing_is_lost() {
    for kind in [
        json!({"kind": "moons", "train_samples": 200, "test_samples": 20}),
        json!({"kind": "circles", "train_samples": 200, "test_samples": 20}),
        json!({"kind": "blobs", "classes": 3, "samples_per_class": 80}),
        json!({"kind": "digits"}),
    ] {
        let plain = with(kind, "/normalization", json!({"method": "none"}));
        let (whole, parts) = (load(&plain), load(&with(plain.clone(), "/validation", json!(0.25))));
        assert!(whole.validation.is_empty());
        assert_eq!(rows(&[&whole.train]), rows(&[&parts.train, &parts.validation]), "{plain}");
        assert_eq!(whole.test, parts.test, "{plain}");
        let of_class = |samples: &Samples, class| samples.labels.iter().filter(|&&y| y == class).count();
        for class in 0..whole.classes() as u32 {
            let expected = (0.25 * of_class(&whole.train, class) as f64).round() as usize;
            assert_eq!(of_class(&parts.validation, class), expected, "{plain} class {class}");
        }
        assert_eq!(parts, load(&with(plain, "/validation", json!(0.25))));
    }
}

#[test]
fn files_are_divided_after_their_split_and_limits() {
    let place = Place::new();
    let lines: String = (0..40).map(|n| format!("{n},{}\n", n % 2)).collect();
    let file = place.write("data.csv", format!("x,class\n{lines}"));
    let config = json!({"kind": "csv", "train": file, "train_samples": 20, "validation": 0.3});
    let dataset = load(&config);
    let sizes = [&dataset.train, &dataset.validation, &dataset.test].map(Samples::len);
    assert_eq!(sizes, [14, 6, 10]);
}

#[test]
fn a_share_that_leaves_nothing_is_refused_by_name() {
    let place = Place::new();
    for (share, part) in [(json!(0.0), "above 0 and below 1"), (json!(1e-6), "training samples")] {
        place.write_json("run.json", &with(small_run(), "/dataset/validation", share));
        place.refused(&["run", "run.json", "--adapter", "cpu"], &["validation", part]);
    }
}

#[test]
fn the_dataset_command_shows_three_parts() {
    let place = Place::new();
    place.write_json("run.json", &with(small_run(), "/dataset/validation", json!(0.2)));
    let shown = place.succeed(&["dataset", "run.json", "--out", "data.npz"]).stdout;
    let samples = shown.lines().find(|line| line.starts_with("samples ")).expect("a row");
    assert_eq!(samples.split_whitespace().collect::<Vec<_>>(), ["samples", "160", "80", "40"]);
    let json: Value =
        serde_json::from_str(&place.succeed(&["dataset", "run.json", "--json"]).stdout).expect("JSON");
    assert_eq!(json["validation"]["class_counts"], json!([20, 20]));
    // The arrays come back as a data set of their own.
    let config = json!({"kind": "npz", "file": place.path("data.npz"), "test_features": "x_validation",
        "test_labels": "y_validation", "normalization": {"method": "none"}});
    let ours = load(&with(small_run(), "/dataset/validation", json!(0.2))["dataset"]);
    assert_eq!(load(&config).test, ours.validation);
    place.write_json("run.json", &small_run());
    assert!(!place.succeed(&["dataset", "run.json"]).stdout.contains("validation"));
}

/// A run of each kind of search and baseline.
fn algorithms() -> [Value; 4] {
    [
        small_run()["algorithm"].clone(),
        json!({"kind": "local_search", "proposals": 500}),
        json!({"kind": "edge_popup", "epochs": 2}),
        json!({"kind": "backprop", "max_epochs": 2}),
    ]
}

#[test]
fn every_algorithm_reports_what_its_ticket_does_on_samples_that_it_never_saw() {
    let place = Place::new();
    for algorithm in algorithms() {
        let kind = algorithm["kind"].as_str().expect("a kind").to_owned();
        let run = with(small_run(), "/algorithm", algorithm);
        let run = with(run, "/dataset/validation", json!(0.2));
        let name = format!("{kind}.json");
        place.write_json(&name, &run);
        let args = [&["run", &name, "--out", "out"], &CPU[..]].concat();
        assert!(place.succeed(&args).stdout.contains("of 40)"), "{kind}");
        let path = format!("out/{kind}-seed0.json");
        let record = read_json(&place.path(&path));
        assert_eq!(record["data"]["train_samples"], 160);
        assert_eq!(record["data"]["validation_samples"], 40);
        let result = &record["result"];
        let correct = result["validation_correct"].as_f64().expect("a count");
        assert_eq!(result["validation_accuracy"], json!(correct / 40.0), "{kind}");
        if kind != "backprop" {
            let again = [&["evaluate", &path, "--json"], &CPU[..]].concat();
            let scores: Value = serde_json::from_str(&place.succeed(&again).stdout).expect("JSON");
            assert_eq!(scores["datasets"]["moons"]["validation"], json!([correct as u32]), "{kind}");
            place.succeed(&["export", &path, "--format", "csv", "--compact"]);
        }
    }
    place.write("new.csv", "0.5,0.25\n-0.3,0.1\n");
    place.succeed(&["predict", "out/ga-seed0.json", "new.csv"]);
    assert!(place.succeed(&["table", "out"]).stdout.contains("validation accuracy %"));
    assert!(place.succeed(&["table", "out", "--format", "csv"]).stdout.contains("validation_accuracy_mean"));
}

#[test]
fn without_a_share_nothing_of_validation_is_written() {
    let place = Place::new();
    place.write_json("small.json", &small_run());
    place.succeed(&[&["run", "small.json", "--out", "out"], &CPU[..]].concat());
    let record = read_json(&place.path("out/small-seed0.json")).to_string();
    assert!(!record.contains("validation"), "{record}");
    assert!(!place.succeed(&["table", "out"]).stdout.contains("validation"));
}
