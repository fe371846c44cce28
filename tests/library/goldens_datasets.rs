//! The data sets against scikit-learn's, by SHA-256 of whole arrays.

use serde_json::{Value, json};
use supermask::dataset::{DatasetConfig, DatasetSummary};

/// `tests/goldens/datasets.json`: made with scikit-learn 1.9.1 and NumPy 2.4.6 on Linux.
fn goldens() -> Value {
    serde_json::from_str(include_str!("../goldens/datasets.json")).expect("the golden file is JSON")
}

fn summary(config: Value) -> Value {
    let config: DatasetConfig = serde_json::from_value(config).expect("a valid configuration");
    let (summary, _) = DatasetSummary::load(&config).expect("data that can be generated");
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

/// Off the paper's values: the call, our configuration, and the SHA-256 of what scikit-learn 1.9.1 with
/// NumPy 2.4.6 returned on Linux (glibc 2.36): features as f64, as f32, labels.
fn other_values() -> Vec<(&'static str, Value, [&'static str; 3])> {
    vec![
        (
            "make_moons(n_samples=3, noise=0.0, random_state=0)",
            json!({"kind": "moons", "train_samples": 3, "noise": 0.0, "seed": 0}),
            [
                "b73af092eba4582db7e57ec57f31651004c88bafd15a194e6f77b32bd2d4b536",
                "5e148cd1379e4366d72a40aae08f04cd485964246586b79a9da56586d1930cc5",
                "2dab308cb068a699e95029eb3f3893fa28b026a46950d57233712057fcd8bf99",
            ],
        ),
        (
            "make_moons(n_samples=12345, noise=0.31, random_state=4294967295)",
            json!({"kind": "moons", "train_samples": 12345, "noise": 0.31, "seed": u32::MAX}),
            [
                "78558a3d24af08db94fbe444325161b4af24fdfa799508efac82634381486048",
                "561a1ff0c2c30e6711098c1373a111d21c5b5282908be33c8c5aba2a5f370647",
                "b5edc888da2c24acd3c02d935defd9e1e2cf9fb4c1de4de12d3617e27c3da5c2",
            ],
        ),
        (
            "make_circles(n_samples=4097, noise=0.02, factor=0.0, random_state=7)",
            json!({"kind": "circles", "train_samples": 4097, "noise": 0.02, "factor": 0.0, "seed": 7}),
            [
                "34ed89076077ed69fd3e1681da881da4767a706a51108e6ead9e65c03924d442",
                "950cb9118578f54242363f58fa99996751a4d1358aaa7993038be3f2701e76a2",
                "fe949eb13fb705f80081ee5b8fe59549b29205f09c5158ad2cf20a40725f38a6",
            ],
        ),
        (
            "make_circles(n_samples=1001, noise=1.5, factor=0.37, random_state=2024)",
            json!({"kind": "circles", "train_samples": 1001, "noise": 1.5, "factor": 0.37, "seed": 2024}),
            [
                "a33fb991185f416ce128b02c4fca245695f01da527d44c390c565dbeb3455f46",
                "d3b3ac5a7970bf88e3c5c781c409de7631fd32fe5c3deccc0dcb9d9d8456473a",
                "946447e8c89d674946f8ccbcaa2a084f07a2ace2bd3daa45db06433c54d28160",
            ],
        ),
        (
            "make_blobs(n_samples=3*333, centers=3, n_features=64, random_state=1, center_box=(-1.5, 2.25), cluster_std=0.4)",
            json!({"kind": "blobs", "classes": 3, "samples_per_class": 333, "features": 64, "seed": 1,
          "center_box": [-1.5, 2.25], "cluster_std": 0.4}),
            [
                "5d42066ebcdbdfd9e8fbe775bab76e7cc6f8d98c7a73b5a92fba402c6a910746",
                "438a9f72a470315eecae0c6647d77b96eded006923c8bbf1e843f9bbac64d2a8",
                "8bb394df7a69fa07603963b13adc653d665fe8579a04fef4296ed9edb3698669",
            ],
        ),
        (
            "make_blobs(n_samples=13*7, centers=13, n_features=1, random_state=99, center_box=(-20, 40), cluster_std=0.0)",
            json!({"kind": "blobs", "classes": 13, "samples_per_class": 7, "features": 1, "seed": 99, "cluster_std": 0.0}),
            [
                "dcf3c0a8618c86dcf7b8e65da78a52e8b619f5194aaa7489349ed0c0deba4644",
                "2dd217dd17e2dda6e9a085834aaee543b1a1598fe957e9bd0cf361721b6d2c8d",
                "9ce6cd1b4b68ca3d21d110b50f61449805d4ebfb8f94913b4d0a13511f0ac3a3",
            ],
        ),
    ]
}

#[test]
fn other_sizes_seeds_and_shapes_are_those_of_scikit_learn_too() {
    for (call, config, [x_f8, x_f4, y_i8]) in other_values() {
        let summary = summary(config);
        let golden = json!({"call": call, "sha256_x_f8": x_f8, "sha256_x_f4": x_f4, "sha256_y_i8": y_i8});
        match summary.get("whole") {
            Some(whole) => assert_raw(whole, &golden, call, "sha256_x_f4"),
            None => assert_raw(&summary["train"], &golden, call, "sha256_raw_f4"),
        }
    }
}

/// The tests above compare the whole golden file: a new entry fails here until it is compared.
#[test]
fn every_golden_array_is_compared() {
    let goldens = goldens();
    let names = |section: &str| goldens[section].as_object().expect("a section").len();
    assert_eq!(names("raw"), 4 + 9 + 2);
    assert_eq!(names("scaled"), 4 + 2 * (9 + 2));
}
