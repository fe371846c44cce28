//! Figures of labels in any script, and tables that can be joined with them.

use crate::place::{Place, small_run, with};
use serde_json::{Value, json};

/// Two records of each rate, of an algorithm whose label has characters that the bundled font lacks.
fn swept() -> Place {
    let place = Place::new();
    let small = small_run();
    let sweep = json!({
        "name": "all", "seeds": 2,
        "base": {"network": small["network"], "dataset": small["dataset"]},
        "grid": {"algorithm": {"進化 α": small["algorithm"]}, "algorithm.mutation_rate": [0.05, 0.1]}
    });
    place.write_json("sweep.json", &sweep);
    place.succeed(&["sweep", "sweep.json", "--out", "out", "--adapter", "cpu"]);
    place
}

#[test]
fn characters_that_no_figure_can_draw_are_named_once_a_figure_and_replaced() {
    let place = swept();
    let said = place.succeed(&["report", "out", "--figures", "figures"]).stderr;
    let notes: Vec<&str> = said.lines().filter(|line| line.contains('進')).collect();
    assert!(!notes.is_empty() && notes.iter().all(|note| note.starts_with("note: ")), "{said}");
    let figures: std::collections::BTreeSet<_> =
        notes.iter().filter_map(|note| note.split(": ").nth(1)).collect();
    assert_eq!(figures.len(), notes.len(), "one each: {said}");
    assert!(notes.iter().all(|note| note.contains(": 化 進: ")), "nothing else is lacking: {said}");

    let all = ["compare", "out", "--all", "--figure"];
    let said = |figure: &str| place.succeed(&[&all[..], &[figure]].concat()).stderr;
    assert!(said("cd.png").contains("note: cd.png: 化 進: not in the font"));
    assert_eq!(said("cd.svg"), "", "SVG has them as they are");
}

#[test]
fn a_row_of_the_text_is_found_in_csv_by_its_labels() {
    let place = swept();
    for more in [&[][..], &["--per-run"], &["--ensembles"]] {
        let args = [&["table", "out"], more].concat();
        let text = place.succeed(&args).stdout;
        let csv = place.succeed(&[&args[..], &["--format", "csv"]].concat()).stdout;
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let names = reader.headers().expect("a header").clone();
        let column = |name: &str| names.iter().position(|other| other == name).expect("a column");
        let (dataset, algorithm) = (column("dataset_label"), column("algorithm_label"));
        let mut rows = 0;
        for row in reader.records() {
            let row = row.expect("CSV");
            assert!(row[algorithm].starts_with("進化 α mutation_rate=0."), "{csv}");
            assert!(text.contains(&row[dataset]), "{text}");
            assert!(more == ["--per-run"] || text.contains(&row[algorithm]), "{text}");
            rows += 1;
        }
        assert!(rows >= 2, "{csv}");
    }
}

#[test]
fn a_start_is_the_same_by_whatever_path() {
    let place = Place::new();
    place.write_json("first.json", &small_run());
    place.succeed(&["run", "first.json", "--out", "out", "--adapter", "cpu"]);
    let ticket = "out/first-seed0.safetensors";
    let whole = place.path(ticket).display().to_string();
    for (name, path) in [("a", ticket.to_owned()), ("b", format!("./{ticket}")), ("c", whole)] {
        let config: Value = with(small_run(), "/start", json!({ "ticket": path }));
        place.write_json(&format!("{name}.json"), &config);
        place.succeed(&["run", &format!("{name}.json"), "--out", "started", "--adapter", "cpu"]);
    }
    let ended = place.succeed(&["table", "started", "--format", "csv"]);
    assert_eq!(ended.stdout.lines().count(), 2, "one cell: {}", ended.stdout);
    assert!(!ended.stderr.contains("differ in their settings"), "{}", ended.stderr);
}

#[test]
fn masks_of_every_price_are_one_series_of_the_sparsity_figure() {
    let place = Place::new();
    let small = small_run();
    let search = json!({"kind": "local_search", "proposals": 200});
    let edges = json!({"kind": "edge_popup", "epochs": 2});
    let sweep = json!({
        "name": "all", "seeds": 2,
        "base": {"network": {"hidden": [5]}, "dataset": small["dataset"]},
        "grid": [
            {"algorithm": {"Search": search}, "algorithm.weight_price": [0, 0.001, 0.1]},
            {"algorithm": {"Edges": edges}, "algorithm.keep_fraction": [0.1, 0.5]}
        ]
    });
    place.write_json("sweep.json", &sweep);
    place.succeed(&["sweep", "sweep.json", "--out", "out", "--adapter", "cpu"]);
    place.succeed(&["report", "out", "--figures", "figures", "--out", "report.html"]);
    let svg = std::fs::read_to_string(place.path("figures/sparsity-01-moons.svg")).expect("a figure");
    let has = |label: &str| svg.lines().filter(|line| *line == label).count();
    assert_eq!([has("Search"), has("Edges")], [1, 1], "{svg}");
    assert!(!svg.contains("weight_price") && !svg.contains("keep_fraction"), "{svg}");
}
