//! Tables, reports and exports from folders of records, good and bad, through the command line.

use crate::place::{Place, read_json};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

/// A report of 5,000 records takes less: what a browser still opens at once, and mail still carries.
const MAX_PAGE_BYTES: usize = 20_000_000;

const GENERATIONS: usize = 200;

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

/// Two algorithms on two architectures, five seeds each.
fn sweep(place: &Place) {
    for hidden in [20, 76] {
        for kind in ["ga", "ga_adaptive_ab"] {
            for seed in 0..5 {
                let name = format!("moons-{hidden}-{kind}-seed{seed}.json");
                place.write_json(&name, &record("moons", hidden, kind, seed));
            }
        }
    }
}

/// The page on the records of the place, and what was said meanwhile.
fn report(place: &Place) -> (String, String) {
    let ended = place.succeed(&["report", ".", "--out", "page.html"]);
    (fs::read_to_string(place.path("page.html")).expect("a page"), ended.stderr)
}

#[test]
fn a_folder_without_records_is_an_error_that_says_so() {
    let place = Place::new();
    for command in ["report", "table"] {
        place.refused(&[command, "."], &["no records here"]);
    }
    place.refused(&["report", "missing"], &["missing: cannot read this folder"]);
}

#[test]
fn what_cannot_be_used_is_listed_and_the_rest_is_shown() {
    let place = Place::new();
    sweep(&place);
    fs::create_dir(place.path("checkpoints")).expect("a folder");
    place.write("checkpoints/x.json", "no record");
    place.write("corrupt.json", "{\"schema_version\": 1, \"cell\"");
    let mut other = record("moons", 20, "ga", 9);
    other["schema_version"] = json!(7);
    place.write_json("other.json", &other);
    let mut partial = record("moons", 20, "ga", 10);
    partial.as_object_mut().expect("an object").remove("result");
    place.write_json("partial.json", &partial);
    place.write_json("sweep.json", &json!({"seeds": 3}));
    let mut failed = record("moons", 20, "ga", 11);
    failed["error"] = json!("out of memory on the device");
    place.write_json("broken.failed.json", &failed);

    let (page, errors) = report(&place);
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
    let table = place.succeed(&["table", "."]).stdout;
    let row = table.lines().find(|line| line.starts_with("moons")).expect("a row");
    assert_eq!(
        row.split_whitespace().collect::<Vec<_>>()[1..8].join(" "),
        "[2, 20, 2] GA 5 1 90.12",
        "{row}"
    );
}

#[test]
fn multiply_adds_are_drawn_where_records_have_them() {
    let place = Place::new();
    sweep(&place);
    assert!(!report(&place).0.contains("moons [2, 20, 2]: multiply-adds"));
    let mut counted = record("moons", 20, "ga", 12);
    counted["result"]["multiply_adds"] = json!(5_000_000_000u64);
    place.write_json("counted.json", &counted);
    let page = report(&place).0;
    assert!(page.contains("moons [2, 20, 2]: multiply-adds") && page.contains("multiply-adds (10"));
}

#[test]
fn times_are_shares_of_what_was_used_and_the_wall_clock_counts_once() {
    let place = Place::new();
    sweep(&place);
    let page = report(&place).0;
    // Twenty runs in one batch of half a minute.
    for (name, time) in [("processor time", "28.0 s"), ("wall time", "30.0 s")] {
        assert!(page.contains(&format!("<dt>{name}</dt><dd>{time}</dd>")), "{name}");
    }
    assert!(page.contains("processor seconds") && page.contains("processor time of a run (s)"));
    assert!(!page.contains("device time") && !page.contains("older records"));
    let table = place.succeed(&["table", "--format", "csv", "."]).stdout;
    let header = table.lines().next().expect("a header");
    assert!(header.contains("processor_seconds_mean") && header.contains("wall_seconds_mean"), "{header}");
    assert!(!header.contains("device_seconds"), "{header}");

    // A record of version 1 has the time of the batches that it shared.
    let mut old = record("moons", 20, "ga", 7);
    old["schema_version"] = json!(1);
    old["timing"] = json!({"total_s": 4.5, "evaluate_s": 4.0, "host_s": 0.5, "lockstep": 3});
    place.write_json("old.json", &old);
    let page = report(&place).0;
    assert!(
        page.contains(
            "<dt>wall time of runs of older records, shared batches counted for each</dt><dd>4.5 s"
        )
    );
    assert!(page.contains("wall time, other runs of the batch included (s)"));
}

#[test]
fn the_sparser_masks_of_a_front_are_drawn_behind_their_ticket() {
    let place = Place::new();
    let mut searched = record("moons", 20, "local_search", 12);
    let mut marks = || {
        place.write_json("searched.json", &searched);
        place.succeed(&["report", ".", "--out", "page.html", "--figures", "figures"]);
        let svg = fs::read_to_string(place.path("figures/sparsity-01-moons.svg")).expect("a figure");
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
    let place = Place::new();
    sweep(&place);
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
            place.write_json(&format!("{kind}-{init}-{seed}.json"), &baseline);
        }
    }
    let (page, errors) = report(&place);
    assert!(page.contains("Edge-popup by initialisation"));
    assert!(page.contains("signed kaiming constant"));
    assert!(!errors.contains("Edge-popup by initialisation: left out"), "{errors}");
    let compared =
        place.succeed(&["compare", ".", "--reference", "GA", "--target", "edge-popup", "--json"]).stdout;
    let compared: Value = serde_json::from_str(&compared).expect("JSON");
    assert_eq!(compared[0]["dataset"], "moons");
    assert_eq!(compared[0]["cells"]["[2, 20, 2]"]["target"]["count"], 10);
    assert!(compared[0]["model_error"].is_string() && compared[0]["model"].is_null(), "{}", compared[0]);
}

#[test]
fn names_with_markup_are_escaped() {
    let place = Place::new();
    let evil = "<script>alert(1)</script>\"'&";
    let mut record = record("moons", 20, "ga", 0);
    record["cell"] = json!({"dataset": evil, "architecture": evil, "algorithm": evil, "settings": [evil]});
    record["config"]["name"] = json!(evil);
    record["adapter"]["name"] = json!(evil);
    place.write_json("a.json", &record);
    place.write_json("<script>b.json", &json!({}));
    place.write_json("c.failed.json", &json!({"error": evil}));
    let (page, _) = report(&place);
    assert_eq!(page.matches("<script").count(), 1, "only the page's own");
    assert!(page.contains("&lt;script&gt;alert(1)"));
}

#[test]
fn an_unknown_algorithm_lists_those_there_are() {
    let place = Place::new();
    sweep(&place);
    let compare = |reference, target| ["compare", ".", "--reference", reference, "--target", target];
    place.refused(&compare("ga", "adam"), &["--target adam", "ga, ga_adaptive_ab"]);
    place.refused(&compare("ga", "GA"), &["share no runs"]);
    let text = place.succeed(&compare("ga", "GA-adaptive-AB")).stdout;
    assert!(text.contains("Linear mixed model") && text.contains("[2, 76, 2]"), "{text}");
}

#[test]
fn figures_are_written_as_svg_and_png_and_pdf_and_tables_as_csv_and_latex() {
    let place = Place::new();
    sweep(&place);
    place.succeed(&["report", ".", "--out", "r.html", "--figures", "figures"]);
    let figures = place.path("figures");
    let names: Vec<String> = fs::read_dir(&figures)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    for figure in
        ["networks-", "decision-regions-", "box-plots-", "progress-", "comparison-", "effort-", "sparsity-"]
    {
        let of = |ending: &str| {
            names.iter().filter(|name| name.starts_with(figure) && name.ends_with(ending)).count()
        };
        assert!(of(".svg") > 0, "{figure}: {names:?}");
        assert_eq!([of(".svg"); 2], [of(".png"), of(".pdf")], "{figure}");
    }
    for table in ["results", "box-plots", "mixed-models"] {
        for ending in ["csv", "tex"] {
            assert!(names.contains(&format!("{table}.{ending}")), "{table}.{ending}");
        }
    }
    let csv = fs::read_to_string(figures.join("results.csv")).expect("a table");
    assert_eq!(csv.lines().count(), 5);
}

#[test]
fn settings_of_a_grid_are_axes_and_labels_say_only_what_differs() {
    let place = Place::new();
    for population in [20, 1000] {
        for rate in [0.1, 0.4] {
            for seed in 0..2 {
                let mut run = record("moons", 20, "ga", seed);
                run["config"]["algorithm"]["population"] = json!(population);
                run["config"]["algorithm"]["mutation_rate"] = json!(rate);
                let common = "network.weights=uniform".to_owned();
                let own =
                    [format!("algorithm.population={population}"), format!("algorithm.mutation_rate={rate}")];
                run["cell"]["settings"] = json!([&own[..], &[common]].concat());
                place.write_json(&format!("{population}-{rate}-{seed}.json"), &run);
            }
        }
    }
    place.succeed(&["report", ".", "--out", "page.html", "--figures", "figures"]);
    for name in
        ["01-moons-population", "02-moons-mutation-rate-and-population-ga-a-20", "03-moons-mutation-rate"]
    {
        assert!(place.path(&format!("figures/settings-{name}.pdf")).exists(), "{name}");
    }
    let svg =
        fs::read_to_string(place.path("figures/effort-01-moons-2-20-2-evaluations.svg")).expect("a figure");
    assert!(svg.contains("population=20, mutation_rate=0.1") && svg.contains("\n1000, 0.4\n"), "{svg}");
    let table = place.succeed(&["table", "."]).stdout;
    assert!(table.contains("GA population=20 mutation_rate=0.1 ") && !table.contains("uniform"), "{table}");
    let csv = place.succeed(&["table", ".", "--format", "csv"]).stdout;
    assert!(
        csv.contains("algorithm.population=20 algorithm.mutation_rate=0.1 network.weights=uniform"),
        "{csv}"
    );
}

#[test]
fn large_networks_are_matrices_and_no_figure_has_a_number() {
    let place = Place::new();
    place.write_json("large.json", &record("moons", 2004, "ga", 0));
    place.write_json("small.json", &record("moons", 20, "ga", 0));
    let mut without = record("moons", 20, "backprop", 0);
    for part in ["history", "ticket"] {
        without.as_object_mut().expect("an object").remove(part);
    }
    without["result"].as_object_mut().expect("an object").remove("evaluations");
    place.write_json("without.json", &without);
    let page = report(&place).0;
    let layers: Vec<&str> = page.split(">layer ").skip(1).filter_map(|rest| rest.split('<').next()).collect();
    assert!(layers.contains(&"2 of 2: 2004 inputs, 2 neurons; a cell is 42 weights"), "{layers:?}");
    assert!(page.contains("their records have no history of evaluations: 1 run of Backpropagation"));
    assert!(!page.contains("Figure 1") && !page.contains("figure-"));
    assert!(page.contains("class=\"number accuracy\""), "what a narrow screen shows first");
}

#[test]
fn the_papers_line_is_named_and_only_on_its_data() {
    let place = Place::new();
    let mut run = record("moons", 20, "ga", 0);
    place.write_json("run.json", &run);
    assert!(report(&place).0.contains("mean of backpropagation that the paper publishes"));
    run["config"]["dataset"]["noise"] = json!(0.4);
    place.write_json("run.json", &run);
    let page = report(&place).0;
    assert!(page.contains("Final accuracy") && !page.contains("the paper"), "of other data");
}

#[test]
fn a_page_of_5000_runs_stays_small() {
    let place = Place::new();
    for (index, hidden) in [20, 76, 100, 44, 52].into_iter().enumerate() {
        for (number, kind) in ["ga", "ga_adaptive_ab"].into_iter().enumerate() {
            for dataset in ["moons", "circles"] {
                for seed in 0..250 {
                    let name = format!("{dataset}-{index}-{number}-{seed}.json");
                    place.write_json(&name, &record(dataset, hidden, kind, seed));
                }
            }
        }
    }
    let (page, _) = report(&place);
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
fn run_on_flowers(place: &Place) -> PathBuf {
    place.write("train.csv", flowers(300, 0));
    place.write("test.csv", flowers(100, 300));
    let config = json!({
        "name": "flowers",
        "dataset": {"kind": "csv", "train": "train.csv", "test": "test.csv", "label": "species"},
        "network": {"hidden": [12, 8]}
    });
    place.write_json("flowers.config", &config);
    let run = ["run", "flowers.config", "--adapter", "cpu", "--seed", "2", "--generations", "30"];
    place.succeed(&[&run[..], &["--out", "records"]].concat());
    place.path(FLOWERS)
}

/// Where it is in its place.
const FLOWERS: &str = "records/flowers-seed2.json";

#[test]
fn predictions_of_the_test_set_are_as_correct_as_the_record_says() {
    let place = Place::new();
    let record = read_json(&run_on_flowers(&place));
    let test = flowers(100, 300);
    let rows: Vec<Vec<&str>> = test.lines().map(|line| line.splitn(4, ',').collect()).collect();
    let features: String = rows.iter().map(|row| format!("{}\n", row[..3].join(","))).collect();
    place.write("new.csv", &features);
    place.succeed(&["predict", FLOWERS, "new.csv", "--out", "classes.txt"]);
    let classes = fs::read_to_string(place.path("classes.txt")).expect("classes");
    let classes: Vec<&str> = classes.lines().collect();
    assert_eq!(classes.len(), 100);
    let correct =
        classes.iter().zip(&rows[1..]).filter(|(class, row)| row[3].trim_matches('"') == **class).count();
    assert_eq!(json!(correct), record["result"]["test_correct"]);

    // Without a header, printed.
    let headless: String = features.lines().skip(1).map(|line| format!("{line}\n")).collect();
    place.write("headless.csv", headless);
    let printed = |file: &str| place.succeed(&["predict", FLOWERS, file]).stdout;
    assert_eq!(printed("headless.csv").lines().collect::<Vec<_>>(), classes);

    place.write("bad.csv", "1,2,3\n1,x,3\n");
    place.refused(&["predict", FLOWERS, "bad.csv"], &["bad.csv, row 2, column 2", "not a number"]);
    // With the column of the classes, which its name tells from the features.
    assert_eq!(printed("test.csv").lines().collect::<Vec<_>>(), classes);
}

#[test]
fn every_format_of_a_ticket_is_written_whole_and_compacted() {
    let place = Place::new();
    let path = run_on_flowers(&place);
    for format in ["safetensors", "onnx", "npz", "csv"] {
        place.succeed(&["export", FLOWERS, "--format", format]);
        assert!(path.with_extension(format).exists(), "{format}");
        let text = place.succeed(&["export", FLOWERS, "--format", format, "--compact"]).stdout;
        assert!(text.contains("predictions on all 400 samples are the same"), "{text}");
        assert!(path.with_extension(format!("compact.{format}")).exists(), "{format}");
    }
    let record = read_json(&path);
    let csv = fs::read_to_string(path.with_extension("csv")).expect("a table");
    assert_eq!(json!(csv.matches(",weight,").count()), record["result"]["weights_kept"]);
    assert_eq!(csv.matches(",bias,").count(), 12 + 8 + 2);

    let mut baseline = record;
    baseline.as_object_mut().expect("an object").remove("ticket");
    place.write_json("no-ticket.json", &baseline);
    let refusal = "no-ticket.json: the record has no ticket";
    place.refused(&["export", "no-ticket.json", "--format", "onnx"], &[refusal]);
}
