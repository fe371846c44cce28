//! The data sets against scikit-learn's, by SHA-256 of whole arrays.

use serde_json::{Value, json};
use supermask::dataset::{DatasetConfig, Summary};

/// `tests/goldens/datasets.json`: made with scikit-learn 1.9.1 and NumPy 2.4.6 on Linux.
fn goldens() -> Value {
    serde_json::from_str(include_str!("goldens/datasets.json")).expect("the golden file is JSON")
}

fn summary(config: Value) -> Value {
    let config: DatasetConfig = serde_json::from_value(config).expect("a valid configuration");
    let (summary, _) = Summary::load(&config).expect("data that can be generated");
    serde_json::to_value(summary).expect("a summary is JSON")
}

fn sum<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

/// Raw f64 sums hold where NumPy's own `sin`, `cos` and `log` can be had: on Linux with glibc.
const HAS_NUMPYS_MATHEMATICS: bool = cfg!(all(target_os = "linux", target_env = "gnu"));

fn assert_raw(ours: &Value, golden: &Value, name: &str, f4: &str) {
    assert_eq!(sum(ours, f4), sum(golden, "sha256_x_f4"), "{name}: raw f32");
    assert_eq!(sum(ours, "sha256_y_i8"), sum(golden, "sha256_y_i8"), "{name}: labels");
    if HAS_NUMPYS_MATHEMATICS || !golden["call"].as_str().expect("a call").starts_with("make") {
        assert_eq!(sum(ours, "sha256_x_f8"), sum(golden, "sha256_x_f8"), "{name}: raw f64");
    }
}

fn assert_scaled(ours: &Value, golden: &Value, name: &str) {
    assert_eq!(json!([ours["samples"], ours["features"]]), golden["shape"], "{name}: shape");
    assert_eq!(sum(ours, "sha256_raw_f4"), sum(golden, "sha256_raw_f4"), "{name}: raw f32");
    assert_eq!(sum(ours, "sha256_x_f4"), sum(golden, "sha256_f4"), "{name}: scaled");
    assert_eq!(sum(ours, "sha256_y_i8"), sum(golden, "sha256_y_i8"), "{name}: labels");
}

const SPLITS: [&str; 2] = ["train", "test"];

#[test]
fn moons_and_circles_are_those_of_scikit_learn() {
    let goldens = goldens();
    for kind in ["moons", "circles"] {
        let paper = summary(json!({"kind": kind}));
        let scaled = summary(json!({"kind": kind, "normalization": {"method": "min_max"}}));
        for split in SPLITS {
            let name = format!("{kind}_{split}");
            assert_raw(&paper[split], &goldens["raw"][&name], &name, "sha256_raw_f4");
            assert_scaled(&scaled[split], &goldens["scaled"][&name], &name);
        }
    }
}

#[test]
fn circles_are_not_normalised_unless_asked_to() {
    let paper = summary(json!({"kind": "circles"}));
    for split in SPLITS {
        assert_eq!(sum(&paper[split], "sha256_x_f4"), sum(&paper[split], "sha256_raw_f4"));
    }
}

#[test]
fn blobs_of_every_number_of_classes_are_those_of_scikit_learn() {
    let goldens = goldens();
    for classes in 2..=10 {
        let ours = summary(json!({"kind": "blobs", "classes": classes}));
        let name = format!("blobs{classes}");
        assert_raw(&ours["whole"], &goldens["raw"][&name], &name, "sha256_x_f4");
        for split in SPLITS {
            let name = format!("{name}_{split}");
            assert_scaled(&ours[split], &goldens["scaled"][&name], &name);
        }
    }
}

#[test]
fn digits_are_those_of_scikit_learn() {
    let goldens = goldens();
    for (name, classes) in [("digits", 10), ("digits_binary", 2)] {
        let ours = summary(json!({"kind": "digits", "classes": classes}));
        assert_raw(&ours["whole"], &goldens["raw"][name], name, "sha256_x_f4");
        for split in SPLITS {
            let name = format!("{name}_{split}");
            assert_scaled(&ours[split], &goldens["scaled"][&name], &name);
        }
    }
}

/// The list above is the whole golden file: a new entry fails here until it is compared.
#[test]
fn every_golden_array_is_compared() {
    let goldens = goldens();
    let names = |section: &str| goldens[section].as_object().expect("a section").len();
    assert_eq!(names("raw"), 4 + 9 + 2);
    assert_eq!(names("scaled"), 4 + 2 * (9 + 2));
}
