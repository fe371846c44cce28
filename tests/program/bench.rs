//! `supermask bench` as its user meets it.

use crate::adapter;
use crate::place::{Place, read_json, small_run, with};
use serde_json::{Value, json};
use supermask::evaluate::Backend;

/// A quick measurement of a small network.
fn args<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let quick =
        ["bench", "--adapter", "cpu", "-j", "1", "--network", "2,6,2", "--masks", "9", "--samples", "150"];
    [&quick, ["--seconds", "0.01"].as_slice(), more].concat()
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn positive(value: &Value, key: &str) -> f64 {
    let number = value[key].as_f64().unwrap_or_else(|| panic!("no number {key} in {value}"));
    assert!(number > 0.0 && number.is_finite(), "{key} is {number}");
    number
}

#[test]
fn a_result_says_what_was_measured_where_and_how() {
    let place = Place::new();
    let ended = place.succeed(&args(&["--json", "--out", "cpu.bench.json", "--density", "0.25,1"]));
    let result = json_of(&ended.stdout);
    assert_eq!(result, read_json(&place.path("cpu.bench.json")));
    assert_eq!(result["schema_version"], 1);
    assert_eq!(result["program_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&result["adapter"]["kind"], &result["threads"]), (&json!("cpu"), &json!(1)));
    assert_eq!(result["arithmetic"], "fused");
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    assert_eq!(result["build"], build);
    assert_eq!(ended.stderr.contains("warning: a debug build"), cfg!(debug_assertions), "{}", ended.stderr);
    let peak = positive(&result["peaks"], "gfma_per_s");
    positive(&result["peaks"], "copy_gb_per_s");

    let points = result["points"].as_array().expect("points");
    assert_eq!(points.len(), 2);
    for (point, density) in points.iter().zip([0.25, 1.0]) {
        assert_eq!(point["network"], json!([2, 6, 2]));
        assert_eq!((&point["masks"], &point["samples"]), (&json!(9), &json!(150)));
        assert_eq!(point["density"], density);
        assert!(point["repeats"].as_u64().expect("a count") >= 5);
        let median = positive(&point["batch_s"], "median");
        assert!(positive(&point["batch_s"], "min") <= median && median <= positive(&point["batch_s"], "max"));
        // What follows from the median must, up to the rounding of a few operations.
        let near = |key: &str, expected: f64| {
            let found = positive(point, key);
            assert!((found / expected - 1.0).abs() <= 1e-9, "{key}: {found}, expected {expected}");
        };
        near("masks_per_s", 9.0 / median);
        near("sample_masks_per_s", 9.0 * 150.0 / median);
        near("gfma_dense_per_s", 9.0 * 150.0 * 24.0 / median / 1e9);
        near("share_of_peak_dense", positive(point, "gfma_dense_per_s") / peak);
        near("share_of_peak_executed", positive(point, "gfma_executed_per_s") / peak);
        positive(point, "first_result_s");
        assert_eq!(point["split"], Value::Null, "the CPU evaluator sends nothing anywhere");
    }
    // Data and labels, 32 parameters, and of each mask one word and its count.
    assert_eq!(points[0]["least_bytes"], 4.0 * (450.0 + 32.0 + 18.0));
    let executed =
        |point: &Value| positive(point, "gfma_executed_per_s") / positive(point, "gfma_dense_per_s");
    assert!(executed(&points[0]) < executed(&points[1]), "sparse masks take less work");
}

#[test]
fn kernels_of_a_device_are_measured_and_bounded_too() {
    let place = Place::new();
    let name = adapter::name();
    let on_device = ["bench", "--adapter", &name, "--network", "2,6,2", "--masks", "9", "--samples", "150"];
    let more = ["--seconds", "0.01", "--density", "0.5", "--no-autotune", "--json"];
    let result = json_of(&place.succeed(&[on_device.as_slice(), &more].concat()).stdout);
    assert_eq!(result["adapter"]["name"], adapter::open().info().name);
    positive(&result["peaks"], "gfma_per_s");
    positive(&result["peaks"], "copy_gb_per_s");
    let point = &result["points"][0];
    positive(point, "masks_per_s");
    // Written out, the kernel multiplies by zero where a weight is masked.
    assert_eq!(point["gfma_executed_per_s"], point["gfma_dense_per_s"]);
}

#[test]
fn an_earlier_result_gives_ratios_where_points_match() {
    let place = Place::new();
    place.succeed(&args(&["--out", "before.json", "--density", "0.5"]));
    let mut before = read_json(&place.path("before.json"));
    before["points"][0]["masks_per_s"] = json!(0.5);
    before["threads"] = json!(64);
    place.write_json("before.json", &before);
    let compare = ["--compare", "before.json", "--density", "0.5,0.75"];
    let ended = place.succeed(&args(&[&compare, ["--json"].as_slice()].concat()));
    let result = json_of(&ended.stdout);
    let ratios = result["comparison"]["ratios"].as_array().expect("ratios");
    assert_eq!(ratios.len(), 1, "one point is in both");
    assert_eq!(ratios[0]["density"], 0.5);
    assert_eq!(positive(&ratios[0], "ratio"), 2.0 * positive(&result["points"][0], "masks_per_s"));
    assert!(ended.stderr.contains("another threads: 1, before 64"), "{}", ended.stderr);
    let text = place.succeed(&args(&compare)).stdout;
    assert!(text.contains('×') && text.contains("ratio: masks/s beside before.json"), "{text}");
}

#[test]
fn a_plot_and_a_report_show_throughput_and_roofline() {
    let place = Place::new();
    place.write_json("small.json", &small_run());
    place.succeed(&["run", "small.json", "--adapter", "cpu", "--out", "out"]);
    let without = place.succeed(&["report", "out"]);
    assert!(without.stderr.contains("Throughput and roofline: left out"), "{}", without.stderr);
    place.succeed(&args(&["--out", "out/cpu.bench.json", "--plot", "plot.svg"]));
    let svg = std::fs::read_to_string(place.path("plot.svg")).expect("a drawing");
    for part in ["GFMA/s, dense count", "arithmetic intensity (FMA per byte)", "roof:"] {
        assert!(svg.contains(part), "no {part}");
    }
    place.succeed(&args(&["--plot", "plot.pdf"]));
    assert!(std::fs::read(place.path("plot.pdf")).expect("a drawing").starts_with(b"%PDF-"));
    for command in ["report", "table"] {
        let ended = place.succeed(&[command, "out"]);
        assert!(!ended.stderr.contains("bench.json"), "{}", ended.stderr);
    }
    let page = std::fs::read_to_string(place.path("report.html")).expect("a page");
    assert!(page.contains("Throughput and roofline") && page.contains("cpu.bench.json"));
    place.write("out/broken.bench.json", "{}");
    let ended = place.succeed(&["table", "out"]);
    assert!(
        ended.stderr.contains("broken.bench.json: not a result of `supermask bench`"),
        "{}",
        ended.stderr
    );
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let place = Place::new();
    for (option, value, parts) in [
        ("--network", "2,x,2", ["--network", "2,75,2"]),
        ("--network", "2,0,2", ["--network", "2, 0, 2"]),
        ("--masks", "0", ["--masks", "0"]),
        ("--density", "1.5", ["--density", "0 to 1"]),
        ("--density", "nan", ["--density", "0 to 1"]),
        ("--seconds", "-1", ["--seconds", "seconds"]),
        ("--compare", "missing.json", ["--compare missing.json", "cannot be read"]),
    ] {
        place.refused(&["bench", &format!("{option}={value}")], &parts);
    }
    let wide = ["bench", "--network", "784,9,10", "--samples", "4000000000"];
    place.refused(&["bench", "--scaling", "--network", "A"], &["--scaling", "--network"]);
    place.refused(&wide, &["[784, 9, 10] with 4000000000 samples", "lower --samples"]);
    place.succeed(&args(&["--out", "before.json", "--density", "0.5"]));
    place.refused(&args(&["--compare", "before.json", "--density", "0.1"]), &["before.json", "no point"]);
    let before = read_json(&place.path("before.json"));
    place.write_json("later.json", &with(before, "/schema_version", json!(9)));
    place.refused(&args(&["--compare", "later.json"]), &["later.json", "schema version 9"]);
}
