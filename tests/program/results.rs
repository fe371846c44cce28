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
        names
            .iter()
            .zip(&row)
            .map(|(name, cell)| (name, cell))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|(name, cell)| (name.to_owned(), json!(cell)))
            .collect()
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
