//! Configurations as people write them: comments, short forms, settings on the command line, paths.

use crate::place::{Place, read_json, small_run, with};
use serde_json::{Value, json};
use std::io::Write;
use std::process::Stdio;

const CPU: [&str; 4] = ["--adapter", "cpu", "--out", "out"];

fn run<'a>(file: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["run", file], &CPU[..], more].concat()
}

fn config_of(place: &Place, record: &str) -> Value {
    read_json(&place.path(record))["config"].clone()
}

#[test]
fn comments_last_commas_and_short_forms_are_read() {
    let place = Place::new();
    place.write(
        "short.json",
        r#"// What a newcomer writes.
        {
            "$schema": "https://example.org/schema.json",
            "dataset": {"kind": "moons", "train_samples": 200, "test_samples": 80, "normalization": "standard"},
            "network": {"hidden": [6,], /* of one layer */ "weights": "xavier_uniform", "biases": "zero"},
            "algorithm": {"kind": "ga", "population": 20, "termination": {"max_generations": 3}},
        }"#,
    );
    place.succeed(&run("short.json", &[]));
    let config = config_of(&place, "out/short-seed0.json");
    assert_eq!(config["network"]["weights"], json!({"init": "xavier_uniform"}));
    assert_eq!(config["network"]["biases"], json!({"init": "zero"}));
    assert_eq!(config["dataset"]["normalization"]["method"], "standard");
    assert!(config.get("$schema").is_none());
}

#[test]
fn settings_on_the_command_line_replace_the_files() {
    let place = Place::new();
    place.write_json("small.json", &small_run());
    let set =
        ["--set", "algorithm.population=24", "--set", "name=other", "--set", "network.weights.bound=0.5"];
    place.succeed(&run("small.json", &set));
    let config = config_of(&place, "out/other-seed0.json");
    assert_eq!(config["algorithm"]["population"], 24);
    assert_eq!(config["network"]["weights"], json!({"init": "uniform", "bound": 0.5}));

    for (set, part) in [
        ("algorithm.populaton=5", "error: --set algorithm.populaton: unknown key \"populaton\""),
        ("algorithm.population=many", "error: --set algorithm.population: expected a whole number"),
        ("algorithm.population=0", "error: --set algorithm.population: must be at least 1, found 0"),
        ("dataset.noise=-1", "error: --set dataset.noise: must be"),
        ("network.hidden.size=5", "error: --set network.hidden.size: size cannot be set inside a list"),
        ("algorithm", "'--set <KEY=VALUE>': give the path of a key"),
    ] {
        place.refused(&run("small.json", &["--set", set]), &[part]);
    }
    let dataset = place.succeed(&["dataset", "small.json", "--json", "--set", "dataset.train_samples=50"]);
    let dataset: Value = serde_json::from_str(&dataset.stdout).expect("JSON");
    assert_eq!(dataset["train"]["samples"], 50);
    place.write_json("part.json", &json!("moons"));
    place.refused(
        &["dataset", "part.json", "--set", "dataset.nois=1"],
        &["error: --set dataset.nois: unknown key"],
    );

    place.write_json("sweep.json", &json!({"base": small_run(), "grid": {"dataset.noise": [0.1, 0.2]}}));
    let sweep = ["sweep", "sweep.json", "--adapter", "cpu", "--out", "all"];
    let set = ["--set", "seeds=2", "--set", "algorithm.population=24", "--set", "grid.dataset.noise=[0.3]"];
    place.succeed(&[&sweep[..], &set].concat());
    let records: Vec<Value> = crate::place::records(&place.path("all")).into_values().collect();
    let noise: Vec<&Value> = records.iter().map(|record| &record["config"]["dataset"]["noise"]).collect();
    assert_eq!(noise, [0.3, 0.3]);
    assert!(records.iter().all(|record| record["config"]["algorithm"]["population"] == 24));
    for (set, part) in [
        ("dataset.noise=1", "error: --set dataset.noise: the grid has values for dataset.noise"),
        ("algorithm.pop=1", "error: --set algorithm.pop: unknown key"),
        ("seeds=[]", "error: --set seeds: at least one is needed"),
        ("grid.dataset.noise=[\"x\"]", "error: --set grid.dataset.noise: expected a number"),
    ] {
        place.refused(&[&sweep[..], &["--set", set]].concat(), &[part]);
    }
}

#[test]
fn standard_input_is_a_configuration() {
    let place = Place::new();
    let given = |args: &[&str], text: &str| {
        let mut child = place
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(text.as_bytes()).expect("written");
        drop(stdin);
        crate::place::Ended::from(child.wait_with_output().expect("an end"))
    };
    let ended = given(&run("-", &["--seed", "3"]), &small_run().to_string());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(place.path("out/stdin-seed3.json").exists());
    let ended = given(&run("-", &[]), &with(small_run(), "/network/hiden", json!(1)).to_string());
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.starts_with("error: standard input: network.hiden: "), "{}", ended.stderr);
    let ended = given(&["dataset", "-"], "");
    assert!(ended.stderr.starts_with("error: standard input: the file is empty"), "{}", ended.stderr);
}

#[test]
fn relative_paths_begin_where_the_configuration_is() {
    let place = Place::new();
    std::fs::create_dir(place.path("flowers")).expect("a folder");
    let rows: String =
        (0..24).map(|n| format!("{n},{},{}\n", n % 5, if n < 12 { "a" } else { "b" })).collect();
    place.write("flowers/flowers.csv", &rows);
    let csv = json!({"kind": "csv", "train": "flowers.csv"});
    place.write_json("flowers/run.json", &with(small_run(), "/dataset", csv.clone()));
    let ended = place.succeed(&run("flowers/run.json", &[]));
    assert!(!ended.stderr.contains("is taken"), "{}", ended.stderr);
    // The record is the same run's from another folder too.
    let within = |args: &[&str]| {
        let output = place.command(args).current_dir(place.path("flowers")).output();
        crate::place::Ended::from(output.expect("the program starts"))
    };
    let again = within(&["run", "run.json", "--adapter", "cpu", "--out", "../out"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);

    // Where it is only in the working folder, as of old.
    std::fs::rename(place.path("flowers/flowers.csv"), place.path("flowers.csv")).expect("moved");
    let ended = place.succeed(&run("flowers/run.json", &["--force"]));
    let note = format!("note: {} is taken, as there is no ", place.path("flowers.csv").display());
    assert!(ended.stderr.contains(&note), "{}", ended.stderr);

    std::fs::remove_file(place.path("flowers.csv")).expect("removed");
    let absolute = place.path("flowers/flowers.csv");
    place.refused(&run("flowers/run.json", &[]), &[&format!("cannot open {}", absolute.display())]);
    place.refused(
        &["run", "nowhere.json"],
        &[&format!("{}: cannot read", place.path("nowhere.json").display())],
    );

    place.write("flowers/flowers.csv", &rows);
    let base = with(small_run(), "/dataset", csv);
    place.write_json("flowers/sweep.json", &json!({"base": base}));
    place.succeed(&["sweep", "flowers/sweep.json", "--adapter", "cpu", "--out", "all"]);
}
