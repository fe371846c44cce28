//! What tables, comparisons and reports count, and what they leave out and say so.

use crate::place::{Ended, Place, read_json, small_run, with, without};
use serde_json::{Value, json};
use std::fs;

/// The settings of these runs; another data set of the same kind has another seed.
fn config(kind: &str, population: usize, data_seed: usize) -> Value {
    let config = with(small_run(), "/algorithm/kind", json!(kind));
    let config = with(config, "/algorithm/population", json!(population));
    with(config, "/dataset/seed", json!(data_seed))
}

impl Place {
    /// Runs `config` under this name with these seeds, into the folder `out`.
    fn fill(&self, name: &str, config: &Value, seeds: std::ops::Range<u64>) {
        self.write_json(&format!("{name}.config"), config);
        for seed in seeds {
            let seed = seed.to_string();
            let file = format!("{name}.config");
            self.succeed(&["run", &file, "--seed", &seed, "--adapter", "cpu", "--out", "out"]);
        }
    }

    fn record(&self, file: &str) -> Value {
        read_json(&self.path(file))
    }

    fn table(&self, args: &[&str]) -> Ended {
        self.succeed(&[&["table", "--format", "csv"], args].concat())
    }
}

/// `dataset`, `algorithm`, `n` and `failed` of every row of a table.
fn rows(table: &Ended) -> Vec<[String; 4]> {
    let mut reader = csv::Reader::from_reader(table.stdout.as_bytes());
    let row = |row: csv::StringRecord| [0, 2, 4, 5].map(|column| row[column].to_owned());
    reader.records().map(|line| row(line.expect("CSV"))).collect()
}

fn row(dataset: &str, algorithm: &str, n: usize, failed: usize) -> [String; 4] {
    [dataset.to_owned(), algorithm.to_owned(), n.to_string(), failed.to_string()]
}

#[test]
fn a_record_that_contradicts_itself_is_left_out_and_named() {
    let place = Place::new();
    place.fill("run", &config("ga", 20, 42), 0..2);
    let good = place.record("out/run-seed1.json");
    let accuracy = good["result"]["test_accuracy"].as_f64().expect("an accuracy");
    let hex = good["ticket"]["mask_hex"].as_str().expect("a mask").to_owned();
    let flipped = format!("{:x}", 15 - hex[..1].parse::<u32>().unwrap_or(10));
    let mut short = good["history"]["diversity"].clone();
    short.as_array_mut().expect("a column").pop();
    for (pointer, value, part) in [
        ("/result/test_accuracy", json!(0.99), "result.test_accuracy is 0.99, but"),
        ("/result/train_correct", json!(3), "result.train_correct is 3"),
        ("/result/test_correct", json!(81), "result.test_correct is 81, of data.test_samples 80"),
        ("/result/validation_corect", json!(3), "result.validation_corect: a record has no such key"),
        ("/result/test_accuracy_best_of_popuation", json!(0.9), "best_of_popuation"),
        ("/result/test_accuracy_best_of_population", json!(accuracy - 0.125), "best_of_population is"),
        ("/result/validation_correct", json!(3), "belong together"),
        ("/result/sparsity", json!(0.123), "result.sparsity is 0.123"),
        ("/result/weights", json!(99), "result.weights is 99"),
        ("/result/generations", json!(99), "result.generations is 99"),
        ("/result/dead_neurons", json!(6), "result.dead_neurons is 6"),
        ("/result/evaluations/made", json!(1_000_000), "result.evaluations"),
        ("/ticket/mask_hex", json!(hex[..hex.len() - 1]), "ticket.mask_hex"),
        ("/ticket/mask_hex", json!(format!("{flipped}{}", &hex[1..])), "ticket.mask_hex has"),
        ("/data/features", json!(3), "data.features is 3"),
        ("/history/diversity", short, "history.diversity has"),
        ("/history/mean_accuracy/0", json!(1.5), "history.mean_accuracy has 1.5"),
        ("/timing/wall_s", json!(-1.0), "timing.wall_s is -1.0"),
        ("/timing/processor_s", json!(1e308), "timing.processor_s is 1e+308 seconds"),
        ("/extra", json!(true), "extra: a record has no such key"),
    ] {
        let mut changed = good.clone();
        match pointer.strip_suffix("/0") {
            Some(column) => changed.pointer_mut(column).expect("a column")[0] = value,
            None => changed = with(changed, pointer, value),
        }
        place.write_json("out/run-seed1.json", &changed);
        let table = place.table(&["out"]);
        assert!(
            table.stderr.contains("left out: run-seed1.json: it contradicts itself: "),
            "{}",
            table.stderr
        );
        assert!(table.stderr.contains(part), "{part}: {}", table.stderr);
        assert_eq!(rows(&table), [row("moons", "GA", 1, 0)], "{pointer}");
    }
    let table = place.table(&["--unchecked", "out"]);
    assert_eq!((rows(&table), &table.stderr[..]), (vec![row("moons", "GA", 2, 0)], ""));
    place.refused(&["evaluate", "out/run-seed1.json", "--adapter", "cpu"], &["run-seed1.json", "extra"]);
}

#[test]
fn records_none_of_which_keeps_counts_count_with_a_warning() {
    let place = Place::new();
    place.fill("run", &config("ga", 20, 42), 0..3);
    for seed in 0..3 {
        let file = format!("out/run-seed{seed}.json");
        let accuracy = json!(0.77 + 0.01 * f64::from(seed));
        place.write_json(&file, &with(place.record(&file), "/result/test_accuracy", accuracy));
    }
    let table = place.table(&["out"]);
    assert_eq!(rows(&table), [row("moons", "GA", 3, 0)]);
    let warning = "warning: no record's accuracies are those of its counts";
    assert!(table.stderr.starts_with(warning), "{}", table.stderr);
    // One alone, or beside one that agrees with itself, was changed.
    place.refused(&["table", "out/run-seed0.json"], &["run-seed0.json", "--unchecked", "0.77"]);
    place.fill("other", &config("ga", 20, 42), 7..8);
    let table = place.table(&["out"]);
    assert_eq!(rows(&table), [row("moons", "GA", 1, 0)]);
    assert!(table.stderr.contains("left out: run-seed2.json: it contradicts itself"), "{}", table.stderr);
}

#[test]
fn a_value_of_the_wrong_type_or_range_is_named() {
    let place = Place::new();
    place.fill("run", &config("ga", 20, 42), 0..2);
    let good = place.record("out/run-seed1.json");
    for (pointer, value, part) in [
        ("/result/test_accuracy", Value::Null, "result.test_accuracy"),
        ("/result/test_accuracy", json!(1.5), "result.test_accuracy is 1.5"),
        ("/config/seed", json!(-1), "seed"),
        ("/config/algorithm/population", json!("many"), "population"),
        ("/stop_reason", json!("bored"), "stop_reason"),
        ("/schema_version", json!(99), "schema version 99"),
    ] {
        place.write_json("out/run-seed1.json", &with(good.clone(), pointer, value));
        let table = place.table(&["out"]);
        assert!(table.stderr.starts_with("left out: run-seed1.json: "), "{}", table.stderr);
        assert!(table.stderr.contains(part), "{part}: {}", table.stderr);
        assert_eq!(rows(&table), [row("moons", "GA", 1, 0)], "{pointer}");
    }
}

#[test]
fn records_of_every_kind_of_algorithm_agree_with_themselves() {
    let place = Place::new();
    place.fill("adaptive", &config("ga_adaptive_ab", 20, 42), 0..1);
    let local = json!({"kind": "local_search", "proposals": 300, "prune": true, "front": {"steps": 2}});
    for (name, algorithm) in [
        ("local", local),
        ("popup", json!({"kind": "edge_popup", "epochs": 2})),
        ("backprop", json!({"kind": "backprop"})),
        ("margin", json!({"kind": "ga", "population": 20, "fitness": "margin"})),
    ] {
        let config = with(with(small_run(), "/algorithm", algorithm), "/dataset/validation", json!(0.2));
        place.fill(name, &config, 0..1);
    }
    let table = place.table(&["out"]);
    assert_eq!(table.stdout.lines().count(), 6, "{}", table.stdout);
    assert!(!table.stderr.contains("left out"), "{}", table.stderr);
}

#[test]
fn a_run_counts_once_however_many_copies_of_its_record_there_are() {
    let place = Place::new();
    place.fill("run", &config("ga", 20, 42), 0..2);
    for seed in 0..2 {
        for copy in ["(1)", "copy"] {
            let record = place.path(&format!("out/run-seed{seed}.json"));
            fs::copy(record, place.path(&format!("out/run-seed{seed} {copy}.json"))).expect("a copy");
        }
    }
    fs::write(place.path("out/._run-seed0.json"), b"\0\x05\x16\x07").expect("written");
    fs::write(place.path("out/run-seed0.json~"), b"{").expect("written");
    let table = place.table(&["out"]);
    assert_eq!(rows(&table), [row("moons", "GA", 2, 0)]);
    let expected =
        "left out: 4 copies of records that count already, the first is run-seed0 (1).json of run-seed0.json";
    assert_eq!(table.stderr.trim(), expected);

    // Another result of the same configuration and seed cannot be told from the right one.
    let mut other = place.record("out/run-seed0 copy.json");
    other["result"]["evaluations"]["made"] = json!(1);
    place.write_json("out/run-seed0 copy.json", &other);
    let table = place.table(&["out"]);
    assert_eq!(rows(&table), [row("moons", "GA", 1, 0)]);
    assert!(table.stderr.contains("different results"), "{}", table.stderr);
    let compare = ["compare", "out", "--reference", "ga", "--target", "ga"];
    place.refused(&compare, &["run-seed0.json", "moons [2, 6, 2] ga seed 0", "different results"]);
}

#[test]
fn interrupted_runs_count_only_where_that_is_asked_for() {
    let place = Place::new();
    place.fill("run", &config("ga", 20, 42), 0..3);
    let stopped = with(place.record("out/run-seed2.json"), "/stop_reason", json!("interrupted"));
    place.write_json("out/run-seed2.json", &stopped);
    let table = place.table(&["out"]);
    assert_eq!(rows(&table), [row("moons", "GA", 2, 0)]);
    assert!(table.stderr.contains("1 interrupted run, the first is run-seed2.json"), "{}", table.stderr);
    let table = place.table(&["out", "--include-interrupted"]);
    assert_eq!(rows(&table), [row("moons", "GA", 3, 0)]);
    let counted = "note: 1 interrupted run counted that did not come to an end, the first is run-seed2.json";
    assert_eq!(table.stderr.trim(), counted);
    assert!(
        table.stdout.lines().next().is_some_and(|header| header.contains(",interrupted")),
        "{}",
        table.stdout
    );

    // A record of the same run's end counts before it.
    place.write_json("out/again.json", &with(stopped, "/stop_reason", json!("stalled")));
    let table = place.table(&["out", "--include-interrupted"]);
    assert_eq!(rows(&table), [row("moons", "GA", 3, 0)]);
    assert!(table.stderr.contains("run-seed2.json"), "{}", table.stderr);
}

#[test]
fn a_failure_whose_run_has_a_record_is_none() {
    let place = Place::new();
    place.fill("run", &config("ga", 20, 42), 0..2);
    let mut failure = place.record("out/run-seed0.json");
    failure
        .as_object_mut()
        .expect("an object")
        .retain(|key, _| ["schema_version", "program_version", "cell", "config"].contains(&key.as_str()));
    failure["error"] = json!("out of memory");
    place.write_json("out/run-seed0.failed.json", &failure);
    failure["config"]["seed"] = json!(7);
    place.write_json("out/run-seed7.failed.json", &failure);
    let table = place.table(&["out"]);
    assert_eq!(rows(&table), [row("moons", "GA", 2, 1)]);
    assert_eq!(table.stderr.trim(), "1 run failed");
}

#[test]
fn different_data_and_settings_are_rows_of_their_own() {
    let place = Place::new();
    place.fill("a", &config("ga", 20, 42), 0..2);
    place.fill("b", &config("ga", 20, 43), 0..2);
    place.fill("c", &config("ga", 24, 43), 0..1);
    place.fill("d", &config("ga_adaptive_ab", 20, 43), 0..2);
    let table = place.table(&["out"]);
    assert_eq!(
        rows(&table),
        [
            row("moons seed=42", "GA", 2, 0),
            row("moons seed=43", "GA algorithm.population=20", 2, 0),
            row("moons seed=43", "GA algorithm.population=24", 1, 0),
            row("moons seed=43", "GA (adaptive AB)", 2, 0),
        ]
    );
    assert!(table.stderr.contains("the records of moons are of different data"), "{}", table.stderr);
    let compared =
        place.succeed(&["compare", "out", "--reference", "ga", "--target", "ga_adaptive_ab", "--json"]);
    let json: Value = serde_json::from_str(&compared.stdout).expect("JSON");
    assert_eq!(json.as_array().map(Vec::len), Some(1), "data that only one has are not compared");
    assert_eq!(
        (&json[0]["dataset"], &json[0]["overall"]["reference"]["count"]),
        (&json!("moons seed=43"), &json!(3))
    );
    assert!(
        compared.stderr.contains("ga means 3 settings, whose runs are taken together"),
        "{}",
        compared.stderr
    );
}

#[test]
fn records_of_another_arithmetic_are_a_row_of_their_own() {
    let place = Place::new();
    place.fill("run", &config("ga", 20, 42), 0..1);
    let run = ["run", "run.config", "--seed", "1", "--adapter", "cpu", "--out", "out"];
    place.succeed(&[&run[..], &["--arithmetic", "separate"]].concat());
    let expected = [row("moons", "GA arithmetic=fused", 1, 0), row("moons", "GA arithmetic=separate", 1, 0)];
    assert_eq!(rows(&place.table(&["out"])), expected);
}

#[test]
fn several_folders_are_read_together_and_those_inside_are_named() {
    let place = Place::new();
    place.fill("run", &config("ga", 20, 42), 0..3);
    for (folder, seeds) in [("res/1", 0..2), ("res/2", 2..3)] {
        fs::create_dir_all(place.path(folder)).expect("a folder");
        for seed in seeds {
            let name = format!("run-seed{seed}.json");
            fs::rename(place.path("out").join(&name), place.path(folder).join(&name)).expect("moved");
        }
    }
    fs::create_dir_all(place.path("res/checkpoints")).expect("a folder");
    fs::write(place.path("res/checkpoints/x.json"), "0123\n{}").expect("written");
    let parts = ["no records here", "res/1 (2 records), res/2 (1 record); give these folders"];
    place.refused(&["table", "res"], &parts);
    let table = place.table(&["res/1", "res/2", "res/1/run-seed0.json"]);
    assert_eq!((rows(&table), &table.stderr[..]), (vec![row("moons", "GA", 3, 0)], ""));
}

#[test]
#[cfg(unix)]
fn what_is_named_like_a_record_and_is_none_is_named() {
    let place = Place::new();
    place.fill("run", &config("ga", 20, 42), 0..1);
    fs::create_dir(place.path("out/folder.json")).expect("a folder");
    std::os::unix::fs::symlink("nowhere.json", place.path("out/link.json")).expect("a link");
    fs::rename(place.path("out/run-seed0.json"), place.path("out/.hidden.json")).expect("moved");
    fs::write(place.path("out/.other.json"), "{}").expect("written");
    let table = place.table(&["out"]);
    assert_eq!(rows(&table), [row("moons", "GA", 1, 0)], "hidden records are records");
    assert!(table.stderr.contains("left out: folder.json: a folder, not a file"), "{}", table.stderr);
    assert!(table.stderr.contains("left out: link.json: a link that leads nowhere"), "{}", table.stderr);
    assert!(!table.stderr.contains("other"), "{}", table.stderr);
}

/// Nothing in it drives a terminal or is no XML.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| (!c.is_control() || c == '\n' || c == '\t') && c != '\u{202e}')
}

#[test]
fn control_characters_in_labels_reach_neither_terminal_nor_drawing() {
    let place = Place::new();
    let class = |row: usize| if row.is_multiple_of(2) { "a\u{1b}]0;x\u{7}" } else { "b\u{202e}c" };
    let data: String = (0..60).map(|row| format!("{},{},{}\n", row % 2, row % 7, class(row))).collect();
    place.write("data.csv", data);
    let config = with(small_run(), "/dataset", json!({"kind": "csv", "train": "data.csv"}));
    place.fill("run", &config, 0..2);
    let mut record = place.record("out/run-seed1.json");
    for key in ["dataset", "architecture", "algorithm"] {
        record["cell"][key] = json!("=x\u{1b}[31m\n|\u{202e}y\u{0}");
    }
    record["adapter"]["name"] = record["cell"]["dataset"].clone();
    place.write_json("out/other\u{1b}[31m.json", &record);
    place.write("out/bad\u{1b}[31m.json", "{");
    fs::remove_file(place.path("out/run-seed1.json")).expect("removed");

    place.succeed(&["report", "out", "--out", "page.html", "--figures", "figures"]);
    assert!(is_plain(&fs::read_to_string(place.path("page.html")).expect("a page")));
    let drawings =
        fs::read_dir(place.path("figures")).expect("figures").map(|entry| entry.expect("a file").path());
    let drawings: Vec<_> =
        drawings.filter(|path| path.extension().is_some_and(|ending| ending == "svg")).collect();
    assert!(drawings.iter().any(|path| path.to_string_lossy().contains("decision-regions")), "{drawings:?}");
    for path in drawings {
        assert!(is_plain(&fs::read_to_string(&path).expect("text")), "{}", path.display());
    }
    for format in ["text", "csv", "markdown", "latex"] {
        let table = place.succeed(&["table", "out", "--format", format]);
        assert!(is_plain(&table.stdout) && is_plain(&table.stderr), "{format}: {table:?}");
        assert!(table.stderr.contains("bad\\u001b[31m.json"), "{}", table.stderr);
    }
    let csv = place.table(&["out"]).stdout;
    assert!(csv.lines().any(|line| line.starts_with("'=x\\u001b[31m\\u000a|\\u202ey\\u0000,")), "{csv}");
}

#[test]
fn names_that_are_hidden_or_cannot_be_shown_are_refused() {
    let place = Place::new();
    for (name, part) in [
        (".x", "begins with a dot"),
        (".writing-me", "begins with a dot"),
        ("a\nb", "control characters"),
        ("a\u{1b}[31mred", "control characters"),
        ("a\u{202e}b", "control characters"),
    ] {
        let config = with(config("ga", 20, 42), "/name", json!(name));
        place.write_json("run.config", &config);
        place.refused(&["run", "run.config", "--adapter", "cpu"], &["run.config", "name: ", part]);
    }
    let labelled =
        json!({"base": without(small_run(), &["algorithm"]), "grid": {"algorithm": {"GA\u{1b}[31m": "ga"}}});
    place.write_json("sweep.config", &labelled);
    place.refused(&["sweep", "sweep.config", "--adapter", "cpu"], &["grid.algorithm", "control characters"]);
}

#[test]
fn a_sweep_clears_failures_whose_runs_have_ended_and_names_two_arithmetics() {
    let place = Place::new();
    place.write_json("sweep.config", &json!({"base": small_run(), "seeds": 2}));
    let sweep = ["sweep", "sweep.config", "--adapter", "cpu", "--out", "out"];
    place.succeed(&[&sweep[..], &["--shard", "1/2"]].concat());
    place.succeed(&[&sweep[..], &["--shard", "2/2", "--arithmetic", "separate"]].concat());
    let files: Vec<_> = fs::read_dir(place.path("out"))
        .expect("a folder")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    assert_eq!(files.len(), 2, "{files:?}");
    let stale = files[0].with_extension("failed.json");
    fs::write(&stale, "{}").expect("written");
    let kept = place.write("out/another-seed7.failed.json", "{}");
    let ended = place.succeed(&sweep);
    assert!(!stale.exists() && kept.exists());
    assert!(ended.stderr.contains("out are of several arithmetics, fused and separate"), "{}", ended.stderr);
}
