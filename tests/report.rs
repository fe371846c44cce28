//! Tables, reports and exports from folders of records, good and bad, through the command line.

use assert_cmd::Command;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// A report of 5,000 records takes less: what a browser still opens at once, and mail still carries.
const MAX_PAGE_BYTES: usize = 20_000_000;

const GENERATIONS: usize = 200;

fn supermask() -> Command {
    Command::cargo_bin("supermask").expect("the program")
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Standard error of a command that must end with this code.
fn fails(command: &mut Command, code: i32) -> String {
    let output = command.output().expect("runs");
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stderr).expect("text")
}

/// A record such as a run writes, of a network that really has this mask.
fn record(dataset: &str, hidden: usize, kind: &str, seed: usize) -> Value {
    let correct = 12_800 + 30 * ((seed * 37 + hidden) % 100);
    let accuracy = correct as f64 / 16_000.0;
    let column = |value: f64| vec![value; GENERATIONS];
    let rising: Vec<u64> = (0..GENERATIONS).map(|n| 25_000 + (n * 100) as u64).collect();
    json!({
        "schema_version": 1,
        "program_version": "0.1.0",
        "cell": {"dataset": dataset, "architecture": format!("[2, {hidden}, 2]"), "algorithm": kind},
        "config": {
            "name": format!("{dataset}-{hidden}-{kind}"),
            "seed": seed,
            "dataset": {"kind": dataset, "train_samples": 50_000, "test_samples": 16_000},
            "network": {
                "layers": [2, hidden, 2],
                "weights": {"init": "uniform", "bound": 1.0},
                "biases": {"init": "as_weights"}
            },
            "algorithm": {"kind": kind}
        },
        "stop_reason": "stalled",
        "adapter": {"name": "a processor", "backend": "cpu", "driver": "none", "kind": "cpu"},
        "arithmetic": "fused",
        "data": {"train_samples": 50_000, "test_samples": 16_000, "features": 2, "classes": 2},
        "result": {
            "train_correct": 44_900, "train_accuracy": 0.898, "test_correct": correct,
            "test_accuracy": accuracy, "test_accuracy_best_of_population": accuracy,
            "sparsity": 0.5,
            "weights": 4 * hidden, "weights_kept": 2 * hidden, "hidden_neurons": hidden, "dead_neurons": 0,
            "generations": GENERATIONS - 1, "evaluations": {"asked": 10_700, "made": 10_000}
        },
        "timing": {
            "processor_s": 1.4, "host_s": 0.1, "wall_s": 30.0, "lockstep": 5,
            "stretches": [{"begun": 1.75e9, "ended": 1.75e9 + 30.0}]
        },
        "ticket": {"mask_hex": "5a".repeat(4 * hidden / 8)},
        "history": {
            "best_correct": rising.clone(), "mean_accuracy": column(0.7), "best_sparsity": column(0.5),
            "highest_sparsity": column(0.55), "highest_sparsity_so_far": column(0.6), "diversity": column(0.3),
            "accuracy_bound": vec![Value::Null; GENERATIONS],
            "evaluations": rising.iter().map(|n| n - 24_900).collect::<Vec<_>>(),
            "incumbents": vec![60; GENERATIONS], "children": vec![20; GENERATIONS],
            "mutants": vec![15; GENERATIONS], "migrants": vec![5; GENERATIONS]
        }
    })
}

fn write(dir: &Path, name: &str, value: &Value) {
    fs::write(dir.join(name), value.to_string()).expect("written");
}

/// Two algorithms on two architectures, five seeds each.
fn sweep(dir: &Path) {
    for hidden in [20, 76] {
        for kind in ["ga", "ga_adaptive_ab"] {
            for seed in 0..5 {
                write(
                    dir,
                    &format!("moons-{hidden}-{kind}-seed{seed}.json"),
                    &record("moons", hidden, kind, seed),
                );
            }
        }
    }
}

fn report(dir: &Path) -> (String, String) {
    let out = dir.join("page.html");
    let output = supermask().arg("report").arg(dir).arg("--out").arg(&out).output().expect("runs");
    let errors = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success(), "{errors}");
    (fs::read_to_string(out).expect("a page"), errors)
}

#[test]
fn a_folder_without_records_is_an_error_that_says_so() {
    let dir = tempfile::tempdir().expect("a folder");
    for command in ["report", "table"] {
        let message = fails(supermask().arg(command).arg(dir.path()), 2);
        assert!(message.contains("no records here"), "{message}");
    }
    let message = fails(supermask().arg("report").arg(dir.path().join("missing")), 2);
    assert!(message.contains("missing: cannot read this folder"), "{message}");
}

#[test]
fn what_cannot_be_used_is_listed_and_the_rest_is_shown() {
    let dir = tempfile::tempdir().expect("a folder");
    sweep(dir.path());
    fs::create_dir(dir.path().join("checkpoints")).expect("a folder");
    fs::write(dir.path().join("checkpoints/x.json"), "no record").expect("written");
    fs::write(dir.path().join("corrupt.json"), "{\"schema_version\": 1, \"cell\"").expect("written");
    let mut other = record("moons", 20, "ga", 9);
    other["schema_version"] = json!(7);
    write(dir.path(), "other.json", &other);
    let mut partial = record("moons", 20, "ga", 10);
    partial.as_object_mut().expect("an object").remove("result");
    write(dir.path(), "partial.json", &partial);
    write(dir.path(), "sweep.json", &json!({"seeds": 3}));
    let mut failed = record("moons", 20, "ga", 11);
    failed["error"] = json!("out of memory on the device");
    write(dir.path(), "broken.failed.json", &failed);

    let (page, errors) = report(dir.path());
    for part in [
        "corrupt.json",
        "not valid JSON",
        "other.json",
        "schema version 7: made by a newer supermask",
        "partial.json",
        "the key result is missing",
        "sweep.json",
        "no schema_version",
        "broken.failed.json",
        "seed 11 failed: out of memory on the device",
        "Runs (20)",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("checkpoints"));
    assert!(errors.contains("left out: corrupt.json"), "{errors}");
    let table = succeeds(supermask().arg("table").arg(dir.path()));
    let row = table.lines().find(|line| line.starts_with("moons")).expect("a row");
    assert_eq!(
        row.split_whitespace().collect::<Vec<_>>()[1..8].join(" "),
        "[2, 20, 2] GA 5 1 90.12",
        "{row}"
    );
}

#[test]
fn multiply_adds_are_drawn_where_records_have_them() {
    let dir = tempfile::tempdir().expect("a folder");
    sweep(dir.path());
    assert!(!report(dir.path()).0.contains("moons [2, 20, 2]: multiply-adds"));
    let mut counted = record("moons", 20, "ga", 12);
    counted["result"]["multiply_adds"] = json!(5_000_000_000u64);
    write(dir.path(), "counted.json", &counted);
    let page = report(dir.path()).0;
    assert!(page.contains("moons [2, 20, 2]: multiply-adds") && page.contains("multiply-adds (10"));
}

#[test]
fn times_are_shares_of_what_was_used_and_the_wall_clock_counts_once() {
    let dir = tempfile::tempdir().expect("a folder");
    sweep(dir.path());
    let page = report(dir.path()).0;
    // Twenty runs in one batch of half a minute.
    for (name, time) in [("processor time", "28.0 s"), ("wall time", "30.0 s")] {
        assert!(page.contains(&format!("<dt>{name}</dt><dd>{time}</dd>")), "{name}");
    }
    assert!(page.contains("processor seconds") && page.contains("processor time of a run (s)"));
    assert!(!page.contains("device time") && !page.contains("older records"));
    let table = succeeds(supermask().args(["table", "--format", "csv"]).arg(dir.path()));
    let header = table.lines().next().expect("a header");
    assert!(header.contains("processor_seconds_mean") && header.contains("wall_seconds_mean"), "{header}");
    assert!(!header.contains("device_seconds"), "{header}");

    // A record of version 1 has the time of the batches that it shared.
    let mut old = record("moons", 20, "ga", 7);
    old["schema_version"] = json!(1);
    old["timing"] = json!({"total_s": 4.5, "evaluate_s": 4.0, "host_s": 0.5, "lockstep": 3});
    write(dir.path(), "old.json", &old);
    let page = report(dir.path()).0;
    assert!(
        page.contains(
            "<dt>wall time of runs of older records, shared batches counted for each</dt><dd>4.5 s"
        )
    );
    assert!(page.contains("wall time, other runs of the batch included (s)"));
}

#[test]
fn the_sparser_masks_of_a_front_are_drawn_behind_their_ticket() {
    let dir = tempfile::tempdir().expect("a folder");
    let figures = dir.path().join("figures");
    let mut searched = record("moons", 20, "local_search", 12);
    let mut marks = || {
        write(dir.path(), "searched.json", &searched);
        let page = dir.path().join("page.html");
        let mut command = supermask();
        succeeds(command.arg("report").arg(dir.path()).arg("--out").arg(page).arg("--figures").arg(&figures));
        let svg = fs::read_to_string(figures.join("figure-9-sparsity-01-moons.svg")).expect("figure 9");
        let point = |bytes: usize| {
            let mask = "ff".repeat(bytes) + &"00".repeat(10 - bytes);
            json!({"price": 1e-4, "sparsity": 1.0 - 0.1 * bytes as f64, "weights_kept": 8 * bytes,
                   "train_correct": 40_000, "test_correct": 13_000, "mask_hex": mask})
        };
        searched["history"] = Value::Null;
        searched["local_search"] = json!({
            "history": {"proposals": [0, 10], "seconds": [0.0, 0.5], "cost": [9, 4], "wrong": [50, 20],
                        "weights_kept": [7, 7]},
            "tau": 0.5,
            "work": {"proposals": 10, "accepted": 2, "multiply_adds": 100},
            "members_train_correct": [44_900],
            "front": [point(3), point(2)],
        });
        svg.matches("<circle").count()
    };
    assert_eq!((marks(), marks()), (1, 3));
}

#[test]
fn baselines_without_ticket_or_history_are_shown() {
    let dir = tempfile::tempdir().expect("a folder");
    sweep(dir.path());
    for (kind, init) in
        [("edge_popup", "kaiming_normal"), ("edge_popup", "signed_kaiming_constant"), ("backprop", "uniform")]
    {
        for seed in 0..5 {
            let mut baseline = record("moons", 20, kind, seed);
            let object = baseline.as_object_mut().expect("an object");
            object.remove("history");
            object.remove("ticket");
            baseline["cell"]["settings"] = json!([format!("network.weights={init}")]);
            baseline["config"]["network"]["weights"] = json!({"init": init});
            baseline["config"]["algorithm"] = json!({"kind": kind});
            baseline["result"].as_object_mut().expect("an object").remove("evaluations");
            write(dir.path(), &format!("{kind}-{init}-{seed}.json"), &baseline);
        }
    }
    let (page, errors) = report(dir.path());
    assert!(page.contains("Figure 5: edge-popup by initialisation"));
    assert!(page.contains("signed kaiming constant"));
    assert!(!errors.contains("Figure 5"), "{errors}");
    let compared = succeeds(supermask().arg("compare").arg(dir.path()).args([
        "--reference",
        "GA",
        "--target",
        "edge-popup",
        "--json",
    ]));
    let compared: Value = serde_json::from_str(&compared).expect("JSON");
    assert_eq!(compared[0]["dataset"], "moons");
    assert_eq!(compared[0]["cells"]["[2, 20, 2]"]["target"]["count"], 10);
}

#[test]
fn names_with_markup_are_escaped() {
    let dir = tempfile::tempdir().expect("a folder");
    let evil = "<script>alert(1)</script>\"'&";
    let mut record = record("moons", 20, "ga", 0);
    record["cell"] = json!({"dataset": evil, "architecture": evil, "algorithm": evil, "settings": [evil]});
    record["config"]["name"] = json!(evil);
    record["adapter"]["name"] = json!(evil);
    write(dir.path(), "a.json", &record);
    write(dir.path(), "<script>b.json", &json!({}));
    write(dir.path(), "c.failed.json", &json!({"error": evil}));
    let (page, _) = report(dir.path());
    assert_eq!(page.matches("<script").count(), 1, "only the page's own");
    assert!(page.contains("&lt;script&gt;alert(1)"));
}

#[test]
fn an_unknown_algorithm_lists_those_there_are() {
    let dir = tempfile::tempdir().expect("a folder");
    sweep(dir.path());
    let compare = |reference: &str, target: &str| {
        let mut command = supermask();
        command.arg("compare").arg(dir.path()).args(["--reference", reference, "--target", target]);
        command
    };
    let message = fails(&mut compare("ga", "adam"), 2);
    assert!(message.contains("--target adam") && message.contains("ga, ga_adaptive_ab"), "{message}");
    let message = fails(&mut compare("ga", "GA"), 2);
    assert!(message.contains("share no runs"), "{message}");
    let text = succeeds(&mut compare("ga", "GA-adaptive-AB"));
    assert!(text.contains("Linear mixed model") && text.contains("[2, 76, 2]"), "{text}");
}

#[test]
fn figures_are_written_as_svg_and_png_and_tables_as_csv_and_latex() {
    let dir = tempfile::tempdir().expect("a folder");
    let records = dir.path().join("records");
    fs::create_dir(&records).expect("a folder");
    sweep(&records);
    let figures = dir.path().join("figures");
    succeeds(
        supermask()
            .arg("report")
            .arg(&records)
            .arg("--out")
            .arg(dir.path().join("r.html"))
            .arg("--figures")
            .arg(&figures),
    );
    let names: Vec<String> = fs::read_dir(&figures)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    for figure in ["figure-1-", "figure-2-", "figure-3-", "figure-4-", "figure-6-", "figure-8-", "figure-9-"]
    {
        let of = |ending: &str| {
            names.iter().filter(|name| name.starts_with(figure) && name.ends_with(ending)).count()
        };
        assert!(of(".svg") > 0, "{figure}: {names:?}");
        assert_eq!(of(".svg"), of(".png"), "{figure}");
    }
    for table in ["results", "figure-3-box-plots", "figure-6-mixed-models"] {
        for ending in ["csv", "tex"] {
            assert!(names.contains(&format!("{table}.{ending}")), "{table}.{ending}");
        }
    }
    let csv = fs::read_to_string(figures.join("results.csv")).expect("a table");
    assert_eq!(csv.lines().count(), 5);
}

#[test]
fn a_page_of_5000_runs_stays_small() {
    let dir = tempfile::tempdir().expect("a folder");
    for (index, hidden) in [20, 76, 100, 44, 52].into_iter().enumerate() {
        for (place, kind) in ["ga", "ga_adaptive_ab"].into_iter().enumerate() {
            for dataset in ["moons", "circles"] {
                for seed in 0..250 {
                    let name = format!("{dataset}-{index}-{place}-{seed}.json");
                    write(dir.path(), &name, &record(dataset, hidden, kind, seed));
                }
            }
        }
    }
    let (page, _) = report(dir.path());
    assert!(page.contains("Runs (5000)"));
    assert!(page.len() <= MAX_PAGE_BYTES, "{} bytes", page.len());
}

/// Two classes of three features, told apart by the first two, and named.
fn flowers(rows: usize, first: usize) -> String {
    let mut text = "length,width,colour,species\n".to_owned();
    for row in first..first + rows {
        let (x, y) = ((row * 7919 % 1000) as f64 / 100.0, (row * 104_729 % 1000) as f64 / 100.0);
        let species = if x + y > 10.0 { "iris" } else { "rose, wild" };
        text += &format!("{x},{y},{},\"{species}\"\n", row % 3);
    }
    text
}

/// A short run on these flowers; the path of its record.
fn run_on_flowers(dir: &Path) -> std::path::PathBuf {
    fs::write(dir.join("train.csv"), flowers(300, 0)).expect("written");
    fs::write(dir.join("test.csv"), flowers(100, 300)).expect("written");
    let config = json!({
        "name": "flowers",
        "dataset": {"kind": "csv", "train": dir.join("train.csv"), "test": dir.join("test.csv"), "label": "species"},
        "network": {"hidden": [12, 8]}
    });
    write(dir, "flowers.config", &config);
    let out = dir.join("records");
    succeeds(
        supermask()
            .arg("run")
            .arg(dir.join("flowers.config"))
            .args(["--adapter", "cpu", "--seed", "2", "--generations", "30", "--out"])
            .arg(&out),
    );
    out.join("flowers-seed2.json")
}

#[test]
fn predictions_of_the_test_set_are_as_correct_as_the_record_says() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = run_on_flowers(dir.path());
    let record: Value = serde_json::from_slice(&fs::read(&path).expect("a record")).expect("JSON");
    let test = flowers(100, 300);
    let rows: Vec<Vec<&str>> = test.lines().map(|line| line.splitn(4, ',').collect()).collect();
    let features: String = rows.iter().map(|row| format!("{}\n", row[..3].join(","))).collect();
    fs::write(dir.path().join("new.csv"), &features).expect("written");
    let out = dir.path().join("classes.txt");
    succeeds(supermask().arg("predict").arg(&path).arg(dir.path().join("new.csv")).arg("--out").arg(&out));
    let classes = fs::read_to_string(out).expect("classes");
    let classes: Vec<&str> = classes.lines().collect();
    assert_eq!(classes.len(), 100);
    let correct =
        classes.iter().zip(&rows[1..]).filter(|(class, row)| row[3].trim_matches('"') == **class).count();
    assert_eq!(json!(correct), record["result"]["test_correct"]);

    // Without a header, printed.
    let headless: String = features.lines().skip(1).map(|line| format!("{line}\n")).collect();
    fs::write(dir.path().join("headless.csv"), headless).expect("written");
    let printed = succeeds(supermask().arg("predict").arg(&path).arg(dir.path().join("headless.csv")));
    assert_eq!(printed.lines().collect::<Vec<_>>(), classes);

    fs::write(dir.path().join("bad.csv"), "1,2,3\n1,x,3\n").expect("written");
    let message = fails(supermask().arg("predict").arg(&path).arg(dir.path().join("bad.csv")), 2);
    assert!(message.contains("bad.csv, row 2, column 2") && message.contains("not a number"), "{message}");
    // With the column of the classes, which its name tells from the features.
    let printed = succeeds(supermask().arg("predict").arg(&path).arg(dir.path().join("test.csv")));
    assert_eq!(printed.lines().collect::<Vec<_>>(), classes);
}

#[test]
fn every_format_of_a_ticket_is_written_whole_and_compacted() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = run_on_flowers(dir.path());
    for format in ["safetensors", "onnx", "npz", "csv"] {
        succeeds(supermask().arg("export").arg(&path).args(["--format", format]));
        assert!(path.with_extension(format).exists(), "{format}");
        let text = succeeds(supermask().arg("export").arg(&path).args(["--format", format, "--compact"]));
        assert!(text.contains("predictions on all 400 samples are the same"), "{text}");
        assert!(path.with_extension(format!("compact.{format}")).exists(), "{format}");
    }
    let record: Value = serde_json::from_slice(&fs::read(&path).expect("a record")).expect("JSON");
    let csv = fs::read_to_string(path.with_extension("csv")).expect("a table");
    assert_eq!(json!(csv.matches(",weight,").count()), record["result"]["weights_kept"]);
    assert_eq!(csv.matches(",bias,").count(), 12 + 8 + 2);

    let mut baseline = record;
    baseline.as_object_mut().expect("an object").remove("ticket");
    write(dir.path(), "no-ticket.json", &baseline);
    let message =
        fails(supermask().arg("export").arg(dir.path().join("no-ticket.json")).args(["--format", "onnx"]), 2);
    assert!(message.contains("no-ticket.json: the record has no ticket"), "{message}");
}
