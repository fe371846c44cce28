//! What a run or a sweep leaves to whoever works on with it: tables by run, logs, populations, tickets.

use crate::place::{Place, small_run};
use serde_json::{Value, json};

const CPU: [&str; 2] = ["--adapter", "cpu"];

/// A sweep of every kind of algorithm, two seeds each.
fn sweep() -> Value {
    let small = small_run();
    let ga = |rate: f64| {
        let mut settings = small["algorithm"].clone();
        settings["mutation_rate"] = json!(rate);
        settings
    };
    json!({
        "name": "all", "seeds": 2,
        "base": {"dataset": small["dataset"], "network": small["network"]},
        "grid": [
            {"algorithm": {"GA": ga(0.05)}, "algorithm.mutation_rate": [0.05, 0.1]},
            {"algorithm": {
                "LS": {"kind": "local_search", "proposals": 300},
                "EP": {"kind": "edge_popup", "epochs": 2},
                "BP": {"kind": "backprop", "max_epochs": 2}
            }}
        ]
    })
}

fn swept(more: &[&str]) -> Place {
    let place = Place::new();
    place.write_json("sweep.json", &sweep());
    place.succeed(&[&["sweep", "sweep.json", "--out", "out"], more, &CPU].concat());
    place
}

/// The rows of a table in CSV, by the names of the columns.
fn csv_rows(text: &str) -> Vec<Value> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names = reader.headers().expect("a header").clone();
    let row = |row: csv::StringRecord| {
        names.iter().zip(&row).map(|(name, cell)| (name.to_owned(), json!(cell))).collect()
    };
    reader.records().map(|line| Value::Object(row(line.expect("CSV")))).collect()
}

#[test]
fn a_table_by_runs_has_a_row_a_run_a_column_a_setting_and_each_algorithms_effort() {
    let place = swept(&[]);
    let failed = json!({
        "schema_version": 4, "error": "gone",
        "cell": {"dataset": "moons", "architecture": "[6]", "algorithm": "GA", "settings": ["algorithm.mutation_rate=0.3"]},
        "config": {"seed": 7, "algorithm": {"kind": "ga"}}
    });
    place.write_json("out/gone.failed.json", &failed);
    let rows = csv_rows(&place.succeed(&["table", "out", "--per-run", "--format", "csv"]).stdout);
    assert_eq!(rows.len(), 11);
    let of = |algorithm: &str, rate: &str, seed: &str| {
        let is_it = |row: &&Value| {
            row["algorithm"] == algorithm && row["algorithm.mutation_rate"] == rate && row["seed"] == seed
        };
        rows.iter().find(is_it).unwrap_or_else(|| panic!("{algorithm} {rate} {seed}"))
    };
    for (algorithm, rate, unit) in
        [("GA", "0.1", "generations"), ("LS", "", "proposals"), ("EP", "", "epochs"), ("BP", "", "epochs")]
    {
        let row = of(algorithm, rate, "1");
        let record =
            crate::place::read_json(&place.path("out").join(row["record"].as_str().expect("a name")));
        assert_eq!(row["test_accuracy"], json!(record["result"]["test_accuracy"].to_string()), "{algorithm}");
        assert_eq!(row["stop_reason"], record["stop_reason"], "{algorithm}");
        for counted in ["generations", "proposals", "epochs"] {
            assert_eq!(row[counted] != "", counted == unit, "{algorithm}: {counted}");
        }
        let multiply_adds: f64 =
            row["multiply_adds"].as_str().and_then(|n| n.parse().ok()).expect("a number");
        assert!(multiply_adds > 1000.0, "{algorithm}");
    }
    // Two epochs of 200 samples: 24 weights forward, 24 and 12 back.
    assert_eq!(of("BP", "", "0")["multiply_adds"], "24000");
    let gone = of("GA", "0.3", "7");
    assert_eq!((&gone["stop_reason"], &gone["test_accuracy"]), (&json!("failed"), &json!("")));

    let text = place.succeed(&["table", "out", "--per-run"]).stdout;
    assert!(text.lines().any(|line| line.contains("LS") && line.ends_with("proposals")), "{text}");
    let cells = place.succeed(&["table", "out"]).stdout;
    let header = cells.lines().next().expect("a header");
    for name in ["proposals", "epochs", "multiply-adds"] {
        assert!(header.contains(name), "{header}");
    }
}

/// The events of a log.
fn events(place: &Place, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(place.path(name)).expect("a log");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn of_kind<'a>(events: &'a [Value], kind: &'a str, run: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["event"] == kind && event["run"] == run)
}

#[test]
fn a_log_has_a_line_a_generation_an_epoch_and_an_end_for_every_run() {
    let place = swept(&["--log", "logs/all.jsonl"]);
    let events = events(&place, "logs/all.jsonl");
    assert_eq!(events.iter().filter(|event| event["event"] == "end").count(), 10);
    for (name, record) in crate::place::records(&place.path("out")) {
        let run = name.strip_suffix(".json").expect("a record");
        assert_eq!(of_kind(&events, "start", run).count(), 1, "{run}");
        let end = of_kind(&events, "end", run).next().expect("an end");
        assert_eq!(end["test_accuracy"], record["result"]["test_accuracy"], "{run}");
        let steps: Vec<&Value> = of_kind(&events, "progress", run).collect();
        if let Some(best) = record["history"]["best_correct"].as_array() {
            let logged: Vec<Value> = steps.iter().map(|step| step["best_correct"].clone()).collect();
            assert_eq!(&logged, best, "{run}");
            assert!(steps.iter().enumerate().all(|(n, step)| step["generation"] == n), "{run}");
            assert!(steps.iter().all(|step| step["mean_accuracy"].is_f64() && step["elapsed_s"].is_f64()));
        }
        if let Some(epochs) = record["epochs"].as_array() {
            assert_eq!(steps.len(), epochs.len(), "{run}");
            assert_eq!(steps[1]["loss"], epochs[1]["loss"], "{run}");
        }
        if !record["local_search"].is_null() {
            assert_eq!(steps[0]["proposals"], 0, "{run}");
            assert!(steps.iter().all(|step| step["sparsity"].is_f64() && step["loss"].is_f64()), "{run}");
        }
    }
}

#[test]
fn a_log_is_added_to_and_what_is_no_log_is_left_alone() {
    let place = Place::new();
    place.write_json("run.json", &small_run());
    let run = |most: &'static str| {
        ["run", "run.json", "--log", "log.jsonl", "--generations", most, "--adapter", "cpu"]
    };
    place.succeed(&run("4"));
    // A run that goes on tells what the log does not have yet; a line that a kill cut short goes.
    let whole = std::fs::read_to_string(place.path("log.jsonl")).expect("a log");
    place.write("log.jsonl", format!("{whole}{{\"event\":\"prog"));
    place.succeed(&run("9"));
    let events = events(&place, "log.jsonl");
    let steps: Vec<u64> =
        of_kind(&events, "progress", "run-seed0").filter_map(|step| step["generation"].as_u64()).collect();
    let made =
        crate::place::read_json(&place.path("results/run-seed0.json"))["result"]["generations"].as_u64();
    assert_eq!(steps, (0..=made.expect("generations")).collect::<Vec<_>>());
    assert!(steps.len() > 6, "{steps:?}");
    let from: Vec<&Value> = of_kind(&events, "start", "run-seed0").map(|start| &start["from"]).collect();
    assert_eq!(from, [&Value::Null, &json!("generation 4")]);

    place.write("notes.txt", "mine\n");
    place.refused(&["run", "run.json", "--out", "new", "--log", "notes.txt"], &["--log notes.txt", "line 1"]);
    place.refused(
        &["run", "run.json", "--out", "new", "--log", "run.json"],
        &["--log run.json", "would be lost"],
    );
    let output = place.succeed(&["run", "run.json", "--out", "new", "--log", "-", "--adapter", "cpu"]);
    assert!(output.stdout.lines().all(|line| line.starts_with("{\"event\":")), "{}", output.stdout);
    assert!(output.stderr.contains("test accuracy"), "{}", output.stderr);
}

/// The tensors of a file.
fn tensors(path: &std::path::Path) -> Vec<(String, Vec<usize>, Vec<u8>)> {
    let bytes = std::fs::read(path).expect("a ticket");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors").tensors();
    let mut tensors: Vec<_> =
        tensors.into_iter().map(|(name, view)| (name, view.shape().to_vec(), view.data().to_vec())).collect();
    tensors.sort();
    tensors
}

#[test]
fn sweeps_write_the_ticket_beside_each_record_as_runs_do() {
    let place = swept(&[]);
    for (name, record) in crate::place::records(&place.path("out")) {
        let ticket = place.path("out").join(&name).with_extension("safetensors");
        assert_eq!(ticket.exists(), !record["ticket"].is_null(), "{name}");
        if ticket.exists() {
            place.write_json("alone.json", &record["config"]);
            place.succeed(&["run", "alone.json", "--out", "alone", "--adapter", "cpu"]);
            let alone = place.path("alone").join(&name).with_extension("safetensors");
            assert_eq!(tensors(&ticket), tensors(&alone), "{name}");
        }
    }
}

#[test]
fn populations_are_saved_with_what_their_masks_reached() {
    let place = Place::new();
    place.write_json("run.json", &small_run());
    let args =
        |more: &'static str, out: &'static str| ["run", "run.json", more, "--out", out, "--adapter", "cpu"];
    place.succeed(&args("--save-population=5", "out"));
    let record = crate::place::read_json(&place.path("out/run-seed0.json"));
    let bytes = std::fs::read(place.path("out/run-seed0.population.safetensors")).expect("a population");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let numbers = |name: &str| -> Vec<u32> {
        let tensor = tensors.tensor(name).expect("a tensor");
        tensor.data().chunks(4).map(|word| u32::from_le_bytes(word.try_into().expect("a word"))).collect()
    };
    assert_eq!(tensors.tensor("masks").expect("masks").shape(), [20, 1]);
    let best = numbers("train_correct").iter().copied().max().map(u64::from);
    assert_eq!(best, record["result"]["train_correct"].as_u64());
    let ticket = record["ticket"]["mask_hex"].as_str().expect("a mask");
    let bytes = |word: &u32| word.to_le_bytes().map(|byte| format!("{byte:02x}")).concat();
    assert!(
        numbers("masks").iter().any(|mask| bytes(mask).starts_with(ticket)),
        "the ticket is of the population"
    );
    let share = record["result"]["test_accuracy_best_of_population"].as_f64().expect("a share");
    assert_eq!(numbers("test_correct").iter().max().map(|&correct| f64::from(correct) / 80.0), Some(share));
    for generation in [0, 5] {
        let name = format!("out/run-seed0.population-{generation}.safetensors");
        assert!(place.path(&name).exists(), "{name}");
    }
    place.succeed(&args("--save-population", "last"));
    assert!(!place.path("last/run-seed0.population-0.safetensors").exists());
    assert!(place.path("last/run-seed0.population.safetensors").exists());
    place.write_json("bp.json", &crate::place::with(small_run(), "/algorithm", json!("backprop")));
    place.refused(
        &["run", "bp.json", "--save-population", "--out", "new"],
        &["--save-population", "backprop"],
    );
    place.refused(&["run", "run.json", "--save-population=0", "--out", "new"], &["at least 1"]);
}

#[test]
fn all_algorithms_are_compared_pair_by_pair_with_a_diagram() {
    let place = swept(&[]);
    let all = ["compare", "out", "--all"];
    let text = place.succeed(&all).stdout;
    for part in ["A12", "p (Holm)", "mean rank", "Friedman", "5 algorithms", "2 blocks"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let args = [&all[..], &["--json", "--figure", "cd.svg"]].concat();
    let json: Value = serde_json::from_str(&place.succeed(&args).stdout).expect("JSON");
    assert_eq!(json["datasets"][0]["pairs"].as_array().map(Vec::len), Some(10));
    assert_eq!(json["ranks"]["algorithms"].as_array().map(Vec::len), Some(5));
    // Two blocks tell nothing apart: one group of all.
    assert_eq!(json["ranks"]["groups"][0].as_array().map(Vec::len), Some(5));
    let svg = std::fs::read_to_string(place.path("cd.svg")).expect("a figure");
    assert!(svg.contains("LS") && svg.contains("GA mutation_rate=0.1"), "{svg}");
    place.succeed(&[&all[..], &["--figure", "cd.png"]].concat());
    assert!(std::fs::read(place.path("cd.png")).expect("a figure").starts_with(b"\x89PNG"));
    place.succeed(&[&all[..], &["--figure", "cd.pdf"]].concat());
    assert!(std::fs::read(place.path("cd.pdf")).expect("a figure").starts_with(b"%PDF"));
    place.refused(&[&all[..], &["--figure", "cd.jpg"]].concat(), &["--figure cd.jpg", ".svg, .png or .pdf"]);
    place.refused(&["compare", "out", "--all", "--reference", "GA"], &["--reference"]);
    place.refused(&["compare", "out", "--target", "GA"], &["--reference"]);
    place.refused(
        &["compare", "out", "--reference", "GA", "--target", "LS", "--figure", "cd.svg"],
        &["--all"],
    );
    place.refused(&[&all[..], &["--alpha", "2"]].concat(), &["--alpha"]);
}

#[test]
fn a_search_begins_with_the_masks_of_a_ticket_a_record_or_a_population() {
    let place = Place::new();
    place.write_json("first.json", &small_run());
    place.succeed(&[
        "run",
        "first.json",
        "--save-population",
        "--seed",
        "1",
        "--out",
        "out",
        "--adapter",
        "cpu",
    ]);
    let first = crate::place::read_json(&place.path("out/first-seed1.json"));
    let reached = first["result"]["train_correct"].as_u64().expect("a count");
    let local = json!({"kind": "local_search", "proposals": 100});
    for (name, ticket, algorithm) in [
        ("a", "out/first-seed1.json", small_run()["algorithm"].clone()),
        ("b", "out/first-seed1.safetensors", small_run()["algorithm"].clone()),
        ("c", "out/first-seed1.population.safetensors", json!({"kind": "ga_adaptive_ab", "population": 40})),
        ("d", "out/first-seed1.safetensors", local.clone()),
    ] {
        let config = crate::place::with(small_run(), "/start", json!({"ticket": ticket}));
        place.write_json(&format!("{name}.json"), &crate::place::with(config, "/algorithm", algorithm));
        let log = format!("{name}.jsonl");
        let file = format!("{name}.json");
        place.succeed(&["run", &file, "--seed", "1", "--out", "out", "--log", &log, "--adapter", "cpu"]);
        let events = events(&place, &log);
        let step = events.iter().find(|event| event["event"] == "progress").expect("a step");
        let begun = step["best_accuracy"].as_f64().expect("an accuracy");
        assert!(begun >= reached as f64 / 200.0 - 1e-9, "{name}: {begun}");
        // The record is read again, and its run is found.
        let record = crate::place::read_json(&place.path(&format!("out/{name}-seed1.json")));
        assert!(record["config"]["start"]["checksum"].is_string(), "{name}");
        place.succeed(&["table", &format!("out/{name}-seed1.json")]);
    }
    let refused = |pointer: &str, value: Value, seed: &str, parts: &[&str]| {
        let start = json!({"ticket": "out/first-seed1.safetensors"});
        let config = crate::place::with(small_run(), "/start", start);
        place.write_json("other.json", &crate::place::with(config, pointer, value));
        place.refused(&["run", "other.json", "--seed", seed, "--out", "out"], parts);
    };
    refused("/network", json!({"hidden": [7]}), "1", &["start.ticket", "[2, 6, 2]", "[2, 7, 2]"]);
    refused("/network", json!({"hidden": [6]}), "2", &["start.ticket", "other weights", "seed"]);
    let data = json!({"kind": "moons", "train_samples": 200, "test_samples": 80, "noise": 0.2});
    refused("/dataset", data, "1", &["start.ticket", "other data"]);
    refused("/algorithm", json!("backprop"), "1", &["start: the algorithm backprop begins with no mask"]);
    refused(
        "/start",
        json!({"ticket": "nowhere.json"}),
        "1",
        &["start.ticket", "nowhere.json", "cannot be read"],
    );
    refused("/start", json!({"ticket": "other.json"}), "1", &["start.ticket", "other.json", "no record"]);
    for (file, pointer, value, part) in [
        ("out/first-seed1.json", "/network", json!({"hidden": [7]}), "[2, 7, 2]"),
        (
            "out/first-seed1.population.safetensors",
            "/network",
            json!({"hidden": [6], "weights": "xavier_uniform"}),
            "other weights (of seed 1)",
        ),
    ] {
        let config = crate::place::with(small_run(), "/start", json!({"ticket": file}));
        place.write_json("other.json", &crate::place::with(config, pointer, value));
        place.refused(&["run", "other.json", "--seed", "1", "--out", "out"], &["start.ticket", part]);
    }
}

#[test]
fn settings_in_which_records_differ_are_columns_of_their_own() {
    let place = Place::new();
    place.write_json("small.json", &small_run());
    for (name, most, population) in [("a", "2", "10"), ("b", "3", "10"), ("c", "2", "12")] {
        let set = ["name=", "algorithm.termination.max_generations=", "algorithm.population="];
        let set =
            [format!("{}{name}", set[0]), format!("{}{most}", set[1]), format!("{}{population}", set[2])];
        let least = "algorithm.termination.min_generations=1";
        let run = ["run", "small.json", "--set", &set[0], "--set", &set[1], "--set", &set[2], "--set", least];
        place.succeed(&[&run[..], &["--out", "out"], &CPU].concat());
    }
    let rows = csv_rows(&place.succeed(&["table", "out", "--per-run", "--format", "csv"]).stdout);
    let found: Vec<(&Value, &Value)> = rows
        .iter()
        .map(|row| (&row["algorithm.population"], &row["algorithm.termination.max_generations"]))
        .collect();
    let pair = |population: &str, most: &str| (json!(population), json!(most));
    for (population, most) in [pair("10", "2"), pair("10", "3"), pair("12", "2")] {
        assert!(found.contains(&(&population, &most)), "{found:?}");
    }
}

#[test]
fn the_tickets_of_a_cell_are_scored_together_on_the_data_of_their_runs() {
    let place = Place::new();
    place.write_json("sweep.json", &sweep());
    place.succeed(&["sweep", "sweep.json", "--set", "seeds=3", "--out", "out", "--adapter", "cpu"]);
    let ended = place.succeed(&["table", "out", "--ensembles", "--format", "csv"]);
    let rows = csv_rows(&ended.stdout);
    assert_eq!(rows.len(), 4, "no ensemble of backpropagation: {}", ended.stdout);
    assert!(ended.stderr.contains("BP") && ended.stderr.contains("no ticket"), "{}", ended.stderr);
    for row in &rows {
        let share =
            |key: &str| row[key].as_str().and_then(|share| share.parse::<f64>().ok()).expect("a share");
        assert_eq!(row["tickets"], "3");
        for key in ["majority_vote", "mean_of_outputs", "test_accuracy_mean"] {
            assert!((0.0..=1.0).contains(&share(key)), "{row}");
        }
    }
    let record = |name: &str| format!("out/moons-6-{name}.json");
    let ls = [record("ls-seed0"), record("ls-seed1"), record("ls-seed2")];
    let args =
        ["export", &ls[0], "--format", "safetensors", "--out", "e.safetensors", "--ensemble", &ls[1], &ls[2]];
    let said = place.succeed(&args).stdout;
    let row = rows.iter().find(|row| row["algorithm"] == "LS").expect("a row");
    let vote: f64 = row["majority_vote"].as_str().and_then(|share| share.parse().ok()).expect("a share");
    assert!(said.contains(&format!("{:.2}% by majority vote", 100.0 * vote)), "{said}");
    let stacked = tensors(&place.path("e.safetensors"));
    let single = tensors(&place.path("out/moons-6-ls-seed1.safetensors"));
    for ((name, shape, bytes), (_, of_one, bytes_of_one)) in stacked.iter().zip(&single) {
        assert_eq!(*shape, [&[3], &of_one[..]].concat(), "{name}");
        assert_eq!(bytes[bytes_of_one.len()..2 * bytes_of_one.len()], bytes_of_one[..], "{name}");
    }
    let bp = record("bp-seed0");
    place.refused(
        &["export", &ls[0], "--format", "safetensors", "--ensemble", &bp],
        &["--ensemble", "no ticket"],
    );
    place.refused(&["export", &ls[0], "--format", "onnx", "--ensemble", &ls[1]], &["--format safetensors"]);
    let twice = ["export", &ls[0], "--format", "safetensors", "--ensemble", &ls[1], &ls[0]];
    place.refused(&twice, &["--ensemble", "give each once"]);
    let one = ["table", "out/moons-6-ls-seed0.json", "--ensembles"];
    place.refused(&one, &["--ensembles", "two tickets", "two runs"]);
    place.refused(&["table", "out", "--ensembles", "--per-run"], &["--per-run"]);
}

#[test]
fn tensorboard_gets_a_folder_for_each_run() {
    let place = swept(&["--tensorboard", "events"]);
    for name in crate::place::records(&place.path("out")).keys() {
        let folder = place.path("events").join(name.trim_end_matches(".json"));
        let files: Vec<_> =
            std::fs::read_dir(&folder).expect("a folder").map(|file| file.expect("a file").path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        let bytes = std::fs::read(&files[0]).expect("events");
        let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(
            has("brain.Event:2") && has("result/test_accuracy") && has("loss") != has("best_correct"),
            "{name}"
        );
    }
    place.write("file", "");
    let args = ["run", "run.json", "--tensorboard", "file", "--out", "new", "--adapter", "cpu"];
    place.write_json("run.json", &small_run());
    place.refused(&args, &["--tensorboard file"]);
}
