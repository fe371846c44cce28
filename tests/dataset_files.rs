//! A user's own data: CSV, NumPy and IDX files, good and bad.

use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use serde_json::{Value, json};
use supermask::dataset::{Dataset, DatasetConfig, DatasetError, Summary};
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, contents).expect("a file that can be written");
        path
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("compression into memory");
    encoder.finish().expect("compression into memory")
}

fn idx(element: u8, axes: &[u32], elements: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, element, axes.len() as u8];
    axes.iter().for_each(|axis| bytes.extend(axis.to_be_bytes()));
    bytes.extend(elements);
    bytes
}

fn npy(descr: &str, fortran_order: &str, shape: &str, elements: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran_order}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(elements);
    bytes
}

fn bytes_of<const N: usize, T: Copy>(values: &[T], to_bytes: fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&value| to_bytes(value)).collect()
}

fn load(config: Value) -> Result<Dataset, DatasetError> {
    serde_json::from_value::<DatasetConfig>(config).expect("a valid configuration").load()
}

fn error(config: Value) -> String {
    load(config).expect_err("data that must be refused").to_string()
}

/// Features as they stand in the file, in file order.
fn plain(mut config: Value) -> Value {
    config["normalization"] = json!({"method": "none"});
    config
}

#[test]
fn a_csv_file_is_read_with_its_label_column_by_name_or_number() {
    let folder = Folder::new();
    let train = folder.write("train.csv", "kind,x,y\nb,1,2\na,3,4\nb,5,6\n");
    let test = folder.write("test.csv", "kind,x,y\na,7,8\n");
    for label in [json!("kind"), json!(0), json!(-3)] {
        let data = load(plain(json!({"kind": "csv", "train": train, "test": test, "label": label})))
            .expect("good data");
        assert_eq!(data.schema.class_names, ["a", "b"]);
        assert_eq!(data.train.features, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(data.train.labels, [1, 0, 1]);
        assert_eq!((data.test.features, data.test.labels), (vec![7.0, 8.0], vec![0]));
    }
}

#[test]
fn a_csv_file_without_header_compressed_and_with_other_delimiters_is_read() {
    let folder = Folder::new();
    let file = folder.write("data.csv.gz", gzip("1; 2; 10\r\n3;4;9\n\n5;6;10".as_bytes()));
    let split = json!({"test_fraction": 0.3, "shuffle": false, "stratify": false});
    let data = load(plain(json!({"kind": "csv", "train": file, "delimiter": ";", "split": split})))
        .expect("good data");
    assert_eq!(data.schema.class_names, ["9", "10"]);
    assert_eq!((data.train.features, data.train.labels), (vec![1.0, 2.0, 3.0, 4.0], vec![1, 0]));
    assert_eq!((data.test.features, data.test.labels), (vec![5.0, 6.0], vec![1]));
}

#[test]
fn a_file_is_split_by_default_and_the_configuration_says_how() {
    let folder = Folder::new();
    let rows: String = (0..40).map(|i| format!("{i},{}\n", i % 2)).collect();
    let file = folder.write("data.csv", rows);
    let config: DatasetConfig =
        serde_json::from_value(json!({"kind": "csv", "train": file})).expect("a valid configuration");
    let written = serde_json::to_value(&config).expect("JSON");
    assert_eq!(
        written["split"],
        json!({"test_fraction": 0.25, "shuffle": true, "seed": 0, "stratify": true})
    );
    let (summary, data) = Summary::load(&config).expect("good data");
    assert_eq!((data.train.len(), data.test.len()), (30, 10));
    assert_eq!(summary.test.class_counts, [5, 5]);
    assert_eq!((summary.train.min, summary.train.max), (-0.7, 0.7));
    assert!(summary.to_string().contains(&summary.train.sha256_x_f4));
}

#[test]
fn sample_limits_take_the_first_samples_and_no_more_than_there_are() {
    let folder = Folder::new();
    let file = folder.write("data.csv", "1,0\n2,1\n3,0\n4,1\n");
    let config = |train_samples: usize| {
        plain(json!({"kind": "csv", "train": file, "test": file, "train_samples": train_samples}))
    };
    assert_eq!(load(config(3)).expect("good data").train.features, [1.0, 2.0, 3.0]);
    assert!(error(config(5)).contains("train_samples"));
    assert!(error(config(0)).contains("train_samples"));
    assert!(error(config(1)).contains("class 1 has no training sample"));
}

#[test]
fn bad_csv_files_are_refused_with_the_place() {
    let folder = Folder::new();
    for (contents, expected) in [
        ("", "empty"),
        ("\n\n", "no rows"),
        ("x,y\n", "no samples"),
        ("1,2,0\n1,1\n", "row 2 has 2 columns"),
        ("1,2,0\n3,nan,1\n", "row 2, column 2: found nan"),
        ("1,2,0\n3,inf,1\n", "row 2, column 2: found inf"),
        ("x,y,c\n1,2,0\n3,zwei,1\n", "row 3, column 2: \"zwei\" is not a number"),
        ("1,2,0\n\n\n3,zwei,1\n", "row 2, column 2"),
        ("\"1\n\",2,0\r\n3,zwei,1\n", "row 2, column 2"),
        ("1,2,0\n3,,1\n", "row 2, column 2: the cell is empty"),
        ("1,2,0\n3,4,\n", "row 2, column 3: the cell is empty"),
        ("1,2,0\n3,1e999,1\n", "row 2, column 2: found 1e999; features must be finite"),
        ("1,2,0\n3,4,0\n", "one class only (0)"),
        ("1\n2\n", "one column only"),
    ] {
        let file = folder.write("data.csv", contents);
        let error = error(json!({"kind": "csv", "train": file}));
        assert!(error.contains(expected), "{contents:?}: {error}");
        assert!(error.contains("data.csv"), "{contents:?}: {error}");
    }
    let file = folder.write("data.csv", b"1,0\n\xff\xff,1\n");
    assert!(error(json!({"kind": "csv", "train": file})).contains("row 2 is not UTF-8"));
    let file = folder.write("data.csv.gz", &gzip(b"1,2,0\n3,4,1\n")[..15]);
    assert!(error(json!({"kind": "csv", "train": file})).contains("cut short"));
    let missing = folder.path("missing.csv");
    assert!(error(json!({"kind": "csv", "train": missing})).contains("missing.csv"));
    assert!(error(json!({"kind": "csv", "train": folder.0.path()})).contains("cannot"));
}

/// What rounding to f32 may move a value by, with the rounding of scikit-learn's own sums.
const SINGLE_ROUNDING: f64 = 1.2e-7;

/// `tests/goldens/normalization.json`, made by the program beside it.
#[test]
fn columns_far_from_zero_are_normalised_as_by_scikit_learn_in_double_precision() {
    let golden: Value =
        serde_json::from_str(include_str!("goldens/normalization.json")).expect("the golden file is JSON");
    let numbers =
        |value: &Value| -> Vec<Vec<f64>> { serde_json::from_value(value.clone()).expect("rows of numbers") };
    let folder = Folder::new();
    let file = |name: &str| {
        let rows = numbers(&golden[name]).into_iter().enumerate();
        let line = |(n, row): (usize, Vec<f64>)| {
            row.iter().map(|x| format!("{x:?},")).collect::<String>() + &(n % 2).to_string() + "\n"
        };
        folder.write(name, rows.map(line).collect::<String>())
    };
    let (train, test) = (file("train"), file("test"));
    for method in ["min_max", "standard"] {
        let normalization = json!({"method": method, "scope": "feature"});
        let config = json!({"kind": "csv", "train": train, "test": test, "normalization": normalization});
        let data = load(config).expect("good data");
        let scaled =
            [&golden["scaled"][method][0], &golden["scaled"][method][1]].map(|rows| numbers(rows).concat());
        for (ours, theirs) in [&data.train, &data.test].into_iter().zip(scaled) {
            assert_eq!(ours.features.len(), theirs.len());
            let near =
                |(&x, &y): (&f32, &f64)| (f64::from(x) - y).abs() <= SINGLE_ROUNDING * y.abs().max(1.0);
            assert_eq!(ours.features.iter().zip(&theirs).position(|pair| !near(pair)), None, "{method}");
        }
    }
}

#[test]
fn an_array_of_times_keeps_its_distinct_values_and_a_constant_column_beside_it_is_no_error() {
    let folder = Folder::new();
    let rows = 64;
    let times: Vec<i64> = (0..rows).flat_map(|n| [1_700_000_000 + n, 5]).collect();
    let features = folder.write("x.npy", npy("<i8", "False", "(64, 2)", &bytes_of(&times, i64::to_le_bytes)));
    let labels: Vec<u8> = (0..rows).map(|n| (n % 2) as u8).collect();
    let labels = folder.write("y.npy", npy("|u1", "False", "(64,)", &labels));
    let files = json!({"kind": "npy", "train_features": features, "train_labels": labels,
        "test_features": features, "test_labels": labels});
    let by_feature = json!({"method": "min_max", "scope": "feature"});
    let mut config = files.clone();
    config["normalization"] = by_feature;
    let data = load(config).expect("good data");
    let mut values: Vec<u32> = data.train.features.iter().step_by(2).map(|x| x.to_bits()).collect();
    values.dedup();
    assert_eq!(values.len(), 64);
    assert!(data.train.features.iter().skip(1).step_by(2).all(|&x| x == 0.0));
    // Without normalisation, rounding to single precision merges them, which is said.
    let config: DatasetConfig = serde_json::from_value(plain(files)).expect("a valid configuration");
    let (summary, _) = Summary::load(&config).expect("good data");
    assert_eq!(summary.notes.len(), 1);
    assert!(summary.notes[0].starts_with("feature 0: of 64 values that differ"), "{:?}", summary.notes);
}

#[test]
fn numbers_beyond_single_precision_are_normalised_and_refused_only_where_they_must_fit() {
    let folder = Folder::new();
    let file = folder.write("data.csv", "1e200,0\n3e200,1\n2e200,0\n1e200,1\n");
    let config = json!({"kind": "csv", "train": file, "test": file});
    assert_eq!(load(config.clone()).expect("good data").train.features, [-0.7, 0.7, 0.0, -0.7]);
    assert!(error(plain(config.clone())).contains("more than single precision can hold"));
    let mut standard = config;
    standard["normalization"] = json!({"method": "standard"});
    assert!(error(standard).contains("more than double precision can hold"));
}

#[test]
fn label_columns_and_test_files_that_do_not_fit_are_refused() {
    let folder = Folder::new();
    let file = folder.write("data.csv", "x,y,c\n1,2,0\n3,4,1\n");
    let csv = |label: Value| error(json!({"kind": "csv", "train": file, "label": label}));
    assert!(csv(json!("class")).contains("no column is called \"class\""));
    assert!(csv(json!(3)).contains("there are 3 columns"));
    assert!(csv(json!(i64::MIN)).contains("there are 3 columns"));
    let with = |contents: &str| {
        let test = folder.write("test.csv", contents);
        error(json!({"kind": "csv", "train": file, "test": test}))
    };
    assert!(with("x,y,c\n1,2,7\n").contains("test.csv, sample 1: class 7"));
    assert!(with("x,c\n1,0\n").contains("2 features"));
    assert!(with("y,x,c\n1,2,0\n").contains("called \"y\" here"));
    assert!(with("x,y,c\n").contains("test.csv has no samples"));
}

#[test]
fn idx_files_are_read_from_a_folder_compressed_or_not() {
    let folder = Folder::new();
    folder.write("train-images-idx3-ubyte.gz", gzip(&idx(8, &[3, 1, 2], &[0, 255, 3, 4, 5, 6])));
    folder.write("train-labels-idx1-ubyte", idx(8, &[3], &[7, 2, 7]));
    folder.write("t10k-images-idx3-ubyte", idx(8, &[1, 1, 2], &[9, 10]));
    folder.write("t10k-labels-idx1-ubyte.gz", gzip(&idx(8, &[1], &[2])));
    let data = load(plain(json!({"kind": "idx", "folder": folder.0.path()}))).expect("good data");
    assert_eq!(data.schema.class_names, ["2", "7"]);
    assert_eq!(data.train.features, [0.0, 255.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(data.train.labels, [1, 0, 1]);
    assert_eq!((data.test.features, data.test.labels), (vec![9.0, 10.0], vec![0]));
}

#[test]
fn bad_idx_files_are_refused_and_a_huge_header_allocates_nothing() {
    let folder = Folder::new();
    let labels = folder.write("labels", idx(8, &[2], &[0, 1]));
    let max = u32::MAX;
    for (images, expected) in [
        (vec![], "empty"),
        (b"P5 28 28".to_vec(), "not an IDX file"),
        (vec![0, 0], "cut short"),
        (vec![0, 0, 8, 3, 0, 0], "cut short"),
        (idx(7, &[2, 1], &[1, 2]), "element type 0x07"),
        (idx(8, &[2, 2], &[1, 2, 3]), "cut short"),
        (idx(8, &[2, 2], &[1, 2, 3, 4, 5]), "more data"),
        (idx(8, &[1 << 30, 1 << 30], &[1, 2]), "cut short"),
        (idx(8, &[max, max, max], &[1, 2]), "does not fit into memory"),
        (idx(8, &[0, max, max, max], &[]), "does not fit into memory"),
        (idx(8, &[], &[1]), "no axes"),
        (idx(8, &[0, 2], &[]), "2 labels for the 0 samples"),
        (idx(8, &[2, 0], &[]), "no features"),
        (idx(8, &[3, 1], &[1, 2, 3]), "2 labels for the 3 samples"),
        (idx(13, &[2, 1], &bytes_of(&[1.0, f32::NAN], f32::to_be_bytes)), "row 2, column 1: found NaN"),
        (gzip(&idx(8, &[2, 1], &[1, 2]))[..20].to_vec(), "cut short"),
        ([&[0x1f, 0x8b], [0u8; 40].as_slice()].concat(), "damaged"),
    ] {
        let file = folder.write("images", &images);
        let error = error(json!({"kind": "idx", "train_images": file, "train_labels": labels}));
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let images = folder.write("images", idx(8, &[2, 1], &[1, 2]));
    let with = |labels: &[u8]| {
        let labels = folder.write("labels", labels);
        error(json!({"kind": "idx", "train_images": images, "train_labels": labels}))
    };
    let halves = bytes_of(&[0.0, 0.5], f32::to_be_bytes);
    assert!(with(&idx(13, &[2], &halves)).contains("row 2, column 1: labels must be whole numbers"));
    assert!(with(&idx(8, &[2, 2], &[0; 4])).contains("shape [samples]"));
    assert!(with(&idx(8, &[2], &[0; 2])).contains("one class only"));
    assert!(error(json!({"kind": "idx"})).contains("folder"));
    assert!(error(json!({"kind": "idx", "folder": folder.0.path()})).contains("train-images"));
}

#[test]
fn npy_files_of_every_type_and_both_orders_are_read() {
    let folder = Folder::new();
    let labels =
        folder.write("y.npy", npy("<i8", "False", "(3,)", &bytes_of(&[-1i64, 5, -1], i64::to_le_bytes)));
    let values = [1u8, 2, 3, 4, 5, 6];
    let wide = values.map(f64::from);
    let numbers = values.map(i32::from);
    let columns = [1.0f32, 3.0, 5.0, 2.0, 4.0, 6.0];
    for file in [
        npy("|u1", "False", "(3, 2)", &values),
        npy("<f8", "False", "(3, 2)", &bytes_of(&wide, f64::to_le_bytes)),
        npy(">f8", "False", "(3, 2, 1)", &bytes_of(&wide, f64::to_be_bytes)),
        npy(">i4", "False", "(3, 1, 2)", &bytes_of(&numbers, i32::to_be_bytes)),
        npy("<f4", "True", "(3, 2)", &bytes_of(&columns, f32::to_le_bytes)),
    ] {
        let features = folder.write("x.npy", file);
        let files = json!({
            "kind": "npy", "train_features": features, "train_labels": labels,
            "test_features": features, "test_labels": labels,
        });
        let data = load(plain(files)).expect("good data");
        assert_eq!(data.train.features, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(data.test.labels, [0, 1, 0]);
        assert_eq!(data.schema.class_names, ["-1", "5"]);
    }
}

#[test]
fn bad_npy_files_are_refused() {
    let folder = Folder::new();
    let labels = folder.write("y.npy", npy("|b1", "False", "(2,)", &[0, 1]));
    let nan = bytes_of(&[1.0, 2.0, f32::NEG_INFINITY, 4.0], f32::to_le_bytes);
    let mut long = b"\x93NUMPY\x02\x00".to_vec();
    long.extend(u32::MAX.to_le_bytes());
    for (features, expected) in [
        (vec![], "empty"),
        (b"not numpy at all".to_vec(), "not a NumPy"),
        (b"\x93NUMPY\x09\x00".to_vec(), "version 9"),
        (long, "a header of 4294967295 bytes"),
        (npy("<c8", "False", "(2, 1)", &[0; 16]), "dtype \"<c8\""),
        (npy("<U3", "False", "(2, 1)", &[0; 24]), "features must be numbers, found texts (dtype U3)"),
        (npy("|O", "False", "(2, 1)", &[0; 24]), "dtype \"|O\""),
        (npy("é", "False", "(2, 1)", &[0; 24]), "dtype"),
        (npy("<f4", "Maybe", "(2, 1)", &[0; 8]), "fortran_order"),
        (npy("<f4", "False", "2", &[0; 8]), "the shape is no tuple"),
        (npy("<f4", "False", "(2.5, 1)", &[0; 8]), "the header cannot be read"),
        (npy("<f4', 'descr': '<f8", "False", "(2, 1)", &[0; 8]), "gives descr twice"),
        (npy("<U99999999", "False", "(2,)", &[0; 8]), "dtype \"<U99999999\""),
        (npy("<f16", "False", "(2, 1)", &[0; 32]), "astype('float64')"),
        (npy("<f4", "True", "(2, 1073741824)", &[0; 8]), "cut short"),
        (npy("<f4", "False", "(-2, 1)", &[0; 8]), "no size of an axis"),
        (npy("<f4", "False", "(2, 1)", &[0; 7]), "cut short"),
        (npy("<f4", "False", "()", &[0; 4]), "no axes"),
        (npy("<f4", "False", "(1152921504606846976, 8)", &[0; 4]), "does not fit into memory"),
        (npy("<f4", "False", "(1152921504606846, 8)", &[0; 4]), "cut short"),
        (npy("<f4", "False", "(2, 2)", &nan), "row 2, column 1: found -inf"),
        (npy("<f4", "True", "(2, 2)", &nan), "row 1, column 2: found -inf"),
    ] {
        let file = folder.write("x.npy", &features);
        let error = error(json!({"kind": "npy", "train_features": file, "train_labels": labels}));
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(error.contains("x.npy"), "{error}");
    }
}

#[test]
fn a_data_set_written_for_numpy_is_read_back_as_it_was() {
    let folder = Folder::new();
    let moons = json!({"kind": "moons", "train_samples": 30, "test_samples": 11});
    let data = load(moons).expect("moons");
    let file = folder.path("moons.npz");
    data.write_npz(&file).expect("a file that can be written");
    let again = load(plain(json!({"kind": "npz", "file": file}))).expect("good data");
    assert_eq!([&again.train, &again.test], [&data.train, &data.test]);
    let split = json!({"kind": "npz", "file": file, "test_features": null, "test_labels": null});
    assert_eq!(load(split).expect("good data").test.len(), 8);
    let wrong = error(json!({"kind": "npz", "file": file, "train_features": "x"}));
    assert!(wrong.contains("its arrays: x_test, x_train, y_test, y_train"), "{wrong}");
    let nowhere = data.write_npz(Path::new("/nowhere/moons.npz")).expect_err("no such folder");
    assert!(nowhere.to_string().contains("cannot write"));
    assert!(error(json!({"kind": "npz", "file": folder.write("bad.npz", "PK")})).contains("bad.npz"));
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    for (config, setting) in [
        (json!({"kind": "csv", "train": "a", "test": "b", "split": {}}), "split"),
        (json!({"kind": "csv", "train": "a", "split": {"test_fraction": 0.0}}), "split.test_fraction"),
        (json!({"kind": "csv", "train": "a", "comment": "1"}), "comment"),
        (json!({"kind": "csv", "train": "a", "comment": ","}), "comment"),
        (json!({"kind": "csv", "train": "a", "drop": ["x"], "features": ["y"]}), "drop"),
        (json!({"kind": "csv", "train": "a", "drop": ["x"], "header": false}), "drop"),
        (json!({"kind": "csv", "train": "a", "label": "c", "header": false}), "label"),
        (
            json!({"kind": "npy", "train_features": "a", "train_labels": "b", "test_labels": "c"}),
            "test_labels",
        ),
        (json!({"kind": "npz", "file": "a", "test_features": null}), "test_labels"),
        (json!({"kind": "idx", "folder": "a", "train_images": "b"}), "folder"),
    ] {
        let error = error(config);
        assert!(error.starts_with(&format!("dataset.{setting}: ")), "{error}");
        assert!(!error.contains("Config"), "{error}");
    }
}

fn summary_of(config: Value) -> Summary {
    let config: DatasetConfig = serde_json::from_value(config).expect("a valid configuration");
    Summary::load(&config).expect("good data").0
}

/// `header` and then `count` rows of two features below 1 and a class, the first of them `classes[0]`.
fn table(header: &str, count: usize, classes: &[&str]) -> String {
    let row = |n: usize| format!("0.{n:03},0.{:03},{}\n", n * 37 % 1000, classes[n % classes.len()]);
    header.to_owned() + &(0..count).map(row).collect::<String>()
}

#[test]
fn columns_called_by_numbers_are_names_or_the_file_is_refused_and_the_configuration_decides() {
    let folder = Folder::new();
    for (header, classes) in [
        ("0,1,2\n", ["0", "1"]),
        ("0,1,target\n", ["0", "1"]),
        ("2021,2022,region\n", ["3", "4"]),
        ("950.2,951.7,oil\n", ["0", "1"]),
    ] {
        let file = folder.write("data.csv", table(header, 40, &classes));
        let summary = summary_of(json!({"kind": "csv", "train": file}));
        assert_eq!(summary.train.samples + summary.test.samples, 40, "{header}");
        assert_eq!(summary.class_names, classes, "{header}");
        assert!(summary.to_string().contains("names the columns: "), "{summary}");
        let reading = summary.reading.expect("text");
        assert!(reading.header && reading.class_column.ends_with(')'), "{reading:?}");
    }
    for header in ["0,1,target\n", "2021,2022,region\n", "950.2,951.7,target\n", "0.5,0.5,rare\n"] {
        let file = folder.write("data.csv", table(header, 40, &["no", "yes"]));
        let config = |header: Value| json!({"kind": "csv", "train": file, "header": header});
        let refused = error(config(json!("auto")));
        assert!(
            refused.contains("data.csv: row 1 may name the columns") && refused.contains("\"header\""),
            "{refused}"
        );
        assert_eq!(summary_of(config(json!(true))).class_names, ["no", "yes"], "{header}");
        assert_eq!(summary_of(config(json!(false))).class_names.len(), 3, "{header}");
    }
    let rows: String = (0..40).map(|n| format!("{n},0.5{n},0.{n},{}\n", n % 2)).collect();
    let file = folder.write("data.csv", format!(",0,1,2\n{rows}"));
    let summary = summary_of(json!({"kind": "csv", "train": file}));
    assert_eq!(summary.train.samples + summary.test.samples, 40);
    assert!(
        summary.notes.iter().any(|note| note.contains("column 0 numbers the rows")),
        "{:?}",
        summary.notes
    );
    assert!(summary.to_string().contains("note: column 0 numbers the rows"), "{summary}");
}

#[test]
fn names_in_a_summary_drive_no_terminal_and_are_cut() {
    let folder = Folder::new();
    let long = "z".repeat(10_000);
    let file = folder.write("data.csv", table("x,y,kind\n", 40, &["\u{1b}[31mred", &long]));
    let shown = summary_of(json!({"kind": "csv", "file": file})).to_string();
    assert!(shown.contains("samples of class \\u001b[31mred"), "{shown}");
    assert!(!shown.contains('\u{1b}') && shown.len() < 3000, "{shown}");
}

#[test]
fn samples_of_numbers_stay_samples() {
    let folder = Folder::new();
    for (contents, samples) in [
        (table("", 40, &["a", "b"]), 40),
        ((0..40).map(|n| format!("{},{},{}\n", n, n + 1, n % 2)).collect(), 40),
        ((0..40).map(|n| format!("{n},{}\n", n % 2)).collect(), 40),
    ] {
        let file = folder.write("data.csv", contents);
        let summary = summary_of(json!({"kind": "csv", "train": file, "split": {"stratify": false}}));
        assert_eq!(summary.train.samples + summary.test.samples, samples);
        assert!(!summary.reading.expect("text").header);
    }
}

#[test]
fn a_first_row_without_values_or_with_decimal_commas_is_no_header() {
    let folder = Folder::new();
    for (first, expected) in [
        ("?,NA,a\n", "row 1, column 1: found ?, which says that the value is missing"),
        (",,a\n", "row 1, column 1: the cell is empty"),
        ("nan,null,a\n", "row 1, column 1: found nan"),
        ("0.5,none,a\n", "row 1, column 2: found none"),
        (
            "\"1,5\",\"2,5\",a\n",
            "row 1, column 1: \"1,5\" is not a number; decimals are written with a point",
        ),
        (
            "60,words,a\n",
            "row 1, column 2: \"words\" is not a number; if row 1 names the columns, say \"header\": true",
        ),
        ("sep=,\n", "\"skip_rows\": 1"),
    ] {
        let file = folder.write("data.csv", table(first, 10, &["a", "b"]));
        let error = error(json!({"kind": "csv", "train": file}));
        assert!(error.contains(expected), "{first:?}: {error}");
    }
    let file = folder.write("data.csv", table("Na,Mg,class\n", 10, &["a", "b"]));
    assert!(summary_of(json!({"kind": "csv", "train": file})).reading.expect("text").header);
}

#[test]
fn quotes_that_swallow_rows_are_refused_by_the_row_where_they_open() {
    let folder = Folder::new();
    let rows = |n: usize| table("", n, &["a", "b"]);
    for (damage, expected) in [
        ("0.1,0.2,\"a\n", "row 11, column 3: the quote that opens here, on line 11, is not closed"),
        ("\"0.1,0.2,a\n", "row 11, column 1: the quote that opens here"),
        ("0.1,\"0.2\"\",a\n", "row 11, column 2: the quote that opens here"),
        (
            "0.1,0.2,\"a\n0.1,0.2,\"b\n",
            "row 11, column 3: text stands behind the quote that closes this cell, 1 lines",
        ),
        ("0.1,0.2,\"a\n0.1,0.2,b\"\n", "row 11, column 3: a cell between quotes holds 2 lines"),
    ] {
        let file = folder.write("data.csv", format!("{}{damage}{}", rows(10), rows(30)));
        let error = error(json!({"kind": "csv", "train": file}));
        assert!(error.contains(expected), "{damage:?}: {error}");
        assert!(error.len() < 400, "{error}");
    }
    let file = folder.write("data.csv", "x,c\n1,\"two\nlines\"\n2,\"a, b\"\n");
    assert_eq!(
        summary_of(json!({"kind": "csv", "train": file, "test": file})).class_names,
        ["a, b", "two\nlines"]
    );
}

#[test]
fn missing_classes_are_refused_unless_the_words_are_classes() {
    let folder = Folder::new();
    for word in ["NA", "n/a", "nan", "?", "NULL", "None", "-"] {
        let file = folder.write("data.csv", format!("{}0.5,0.5,{word}\n", table("", 10, &["a", "b"])));
        let config =
            |allowed: bool| json!({"kind": "csv", "train": file, "missing_words_are_classes": allowed});
        let refused = error(config(false));
        assert!(
            refused.contains(&format!("row 11, column 3: \"{word}\" says that the class is missing")),
            "{refused}"
        );
        assert_eq!(summary_of(config(true)).classes, 3, "{word}");
    }
    let signs = folder.write("signs.csv", table("", 12, &["+", "-"]));
    assert_eq!(summary_of(json!({"kind": "csv", "train": signs})).class_names, ["+", "-"]);
}

#[test]
fn labels_that_are_one_number_are_one_class_in_both_files() {
    let folder = Folder::new();
    let train = folder.write("train.csv", table("", 12, &["1", "0", "1.0", "-0.0", "01", "2"]));
    let test = folder.write("test.csv", table("", 12, &["2.0", "1e0"]));
    let summary = summary_of(json!({"kind": "csv", "train": train, "test": test}));
    assert_eq!(summary.class_names, ["0", "1", "2"]);
    assert_eq!((summary.train.class_counts, summary.test.class_counts), (vec![4, 6, 2], vec![0, 6, 6]));
    assert!(
        summary.notes.iter().any(|note| note.contains("the same number are one class")),
        "{:?}",
        summary.notes
    );
}

#[test]
fn columns_are_left_out_or_chosen_and_shown() {
    let folder = Folder::new();
    let file = folder.write("data.csv", "id,x,when,y,c\na1,1,Monday,2,p\nb2,3,,4,q\n");
    let csv = |more: Value| {
        let mut config = plain(json!({"kind": "csv", "train": file, "test": file}));
        more.as_object().expect("settings").iter().for_each(|(key, value)| config[key] = value.clone());
        config
    };
    for more in [
        json!({"drop": ["id", "when"]}),
        json!({"drop": [0, -3], "label": "c"}),
        json!({"features": ["y", "x"]}),
        json!({"features": [1, 3], "header": true}),
    ] {
        let data = load(csv(more.clone())).expect("good data");
        assert_eq!(data.train.features, [1.0, 2.0, 3.0, 4.0], "{more}");
        assert_eq!(data.schema.feature_names, Some(vec!["x".to_owned(), "y".to_owned()]), "{more}");
    }
    let summary = summary_of(csv(json!({"drop": ["id", 2]})));
    let shown = summary.to_string();
    let has =
        |name: &str, rest: &str| shown.lines().any(|line| line.starts_with(name) && line.ends_with(rest));
    assert!(has("columns left out", " 0 (id), 2 (when)"), "{shown}");
    assert!(has("class column", " 4 (c)") && has("columns of features", " 1 (x), 3 (y)"), "{shown}");
    for (more, expected) in [
        (json!({}), "row 2, column 1: \"a1\" is not a number"),
        (json!({"drop": ["id", 2, 7]}), "`drop` is column 7, but there are 5 columns"),
        (json!({"features": ["x", "z"]}), "no column is called \"z\" (`features`)"),
        (json!({"label": 9}), "`label` is column 9, but there are 5 columns"),
    ] {
        let error = error(csv(more));
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn aligned_columns_headings_and_comments_are_read() {
    let folder = Folder::new();
    let aligned = folder.write("aligned.txt", "   1.5     2.0   a \n\t3.5     4.0   b\n");
    let heading = folder.write("heading.csv", "2,2,setosa\n# measured by hand\n1.5,2.0,a\n3.5,4.0,b\n");
    for config in [
        json!({"kind": "csv", "train": aligned, "test": aligned, "delimiter": "whitespace"}),
        json!({"kind": "csv", "train": aligned, "test": aligned, "delimiter": " "}),
        json!({"kind": "csv", "train": heading, "test": heading, "skip_rows": 1, "comment": "#"}),
    ] {
        let data = load(plain(config.clone())).expect("good data");
        assert_eq!(data.train.features, [1.5, 2.0, 3.5, 4.0], "{config}");
    }
    let error = error(json!({"kind": "csv", "train": aligned}));
    assert!(error.contains("one column only") && error.contains("try \"whitespace\""), "{error}");
}

#[test]
fn measured_values_are_refused_as_classes_unless_they_are_said_to_be() {
    let folder = Folder::new();
    let rows: String = (0..310).map(|n| format!("0.{n:03},{}\n", n % 214)).collect();
    let file = folder.write("data.csv", rows);
    let config = |allowed: bool| json!({"kind": "csv", "train": file, "split": {"stratify": true}, "allow_many_classes": allowed});
    let refused = error(config(false));
    assert!(refused.contains("data.csv: 214 classes among 310 samples (69%)"), "{refused}");
    assert!(refused.contains("\"allow_many_classes\": true"), "{refused}");
    assert_eq!(load(config(true)).expect("classes").classes(), 214);
    let labels = folder.write(
        "y.npy",
        npy(
            "<i2",
            "False",
            "(310,)",
            &bytes_of(&(0..310).map(|n| n % 214).collect::<Vec<i16>>(), i16::to_le_bytes),
        ),
    );
    let features = folder.write(
        "x.npy",
        npy("<i2", "False", "(310,)", &bytes_of(&(0..310).collect::<Vec<i16>>(), i16::to_le_bytes)),
    );
    let arrays = json!({"kind": "npy", "train_features": features, "train_labels": labels});
    assert!(error(arrays).contains("214 classes among 310 samples"));
}

/// Loads `contents` as every kind of file; a panic fails the test.
fn load_as_everything(contents: &[u8]) {
    let folder = Folder::new();
    let file = folder.write("file", contents);
    let labels = folder.write("labels", idx(8, &[2], &[0, 1]));
    let npy_labels = folder.write("labels.npy", npy("|u1", "False", "(2,)", &[0, 1]));
    for config in [
        json!({"kind": "csv", "train": file}),
        json!({"kind": "csv", "train": file, "label": "a", "delimiter": ";"}),
        json!({"kind": "csv", "train": file, "delimiter": " ", "comment": "#", "skip_rows": 1, "drop": [0]}),
        json!({"kind": "idx", "train_images": file, "train_labels": labels}),
        json!({"kind": "idx", "train_images": file, "train_labels": file}),
        json!({"kind": "npy", "train_features": file, "train_labels": npy_labels}),
        json!({"kind": "npy", "train_features": file, "train_labels": file}),
        json!({"kind": "npz", "file": file}),
    ] {
        if let Ok(data) = load(config) {
            assert!(data.train.features.iter().all(|x| x.is_finite()));
            assert!(data.train.labels.iter().all(|&label| (label as usize) < data.classes()));
        }
    }
}

/// A valid file with some bytes overwritten and its end cut off.
fn damaged(valid: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let length = valid.len();
    let bytes = prop::collection::vec((0..length, any::<u8>()), 0..6);
    (Just(valid), bytes, 0..=length).prop_map(|(mut file, bytes, end)| {
        bytes.into_iter().for_each(|(at, byte)| file[at] = byte);
        file.truncate(end.max(1));
        file
    })
}

fn valid_npz() -> Vec<u8> {
    let folder = Folder::new();
    let data = load(json!({"kind": "moons", "train_samples": 4, "test_samples": 2})).expect("moons");
    data.write_npz(&folder.path("moons.npz")).expect("a file that can be written");
    std::fs::read(folder.path("moons.npz")).expect("the file just written")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn garbage_never_panics(contents in prop::collection::vec(any::<u8>(), 0..300)) {
        load_as_everything(&contents);
    }

    #[test]
    fn text_garbage_never_panics(contents in "[-0-9a,;.\"\n\r einf]{0,200}") {
        load_as_everything(contents.as_bytes());
    }

    #[test]
    fn damaged_idx_files_never_panic(contents in damaged(idx(8, &[2, 1, 2], &[1, 2, 3, 4]))) {
        load_as_everything(&contents);
    }

    #[test]
    fn damaged_npy_files_never_panic(contents in damaged(npy("<f4", "False", "(2, 1)", &[0; 8]))) {
        load_as_everything(&contents);
    }

    #[test]
    fn damaged_gzip_files_never_panic(contents in damaged(gzip(b"x,y,c\n1,2,0\n3,4,1\n"))) {
        load_as_everything(&contents);
    }

    #[test]
    fn damaged_archives_never_panic(contents in damaged(valid_npz())) {
        load_as_everything(&contents);
    }
}

/// An `.npy` file with its header as given.
fn npy_with_header(header: &str, elements: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(elements);
    bytes
}

/// The features of an `.npy` file with two samples, as they stand in it.
fn npy_features(folder: &Folder, file: Vec<u8>) -> Vec<f32> {
    let features = folder.write("x.npy", file);
    let labels = folder.write("y.npy", npy("|u1", "False", "(2,)", &[0, 1]));
    let config = plain(json!({
        "kind": "npy", "train_features": features, "train_labels": labels,
        "test_features": features, "test_labels": labels,
    }));
    load(config).expect("good data").train.features
}

#[test]
fn npy_headers_are_read_in_every_spelling_of_python() {
    let folder = Folder::new();
    let elements = bytes_of(&[1.0, 2.0, 3.0, 4.0], f64::to_le_bytes);
    for header in [
        r#"{"descr": "<f8", "fortran_order": False, "shape": (2, 2)}"#,
        "{ 'descr' : '<f8' , 'fortran_order' : False , 'shape' : ( 2 , 2 ) , } \n",
        "{'shape':(2,2),'fortran_order':False,'descr':'<f8'}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2L, 2L), }",
        "{u'descr': u'<f8', b'fortran_order': False, 'shape': (2, 2,)}",
        "{'descr': 'f8', 'fortran_order': False, 'shape': (2, 2), }",
        "{'descr': '=f8', 'fortran_order': False, 'shape': (2, 2), }",
        "{'descr': 'd', 'fortran_order': False, 'shape': (2, 2), }",
        "{'descr': 'float64', 'fortran_order': False, 'shape': (2, 2), }",
    ] {
        let features = npy_features(&folder, npy_with_header(header, &elements));
        assert_eq!(features, [1.0, 2.0, 3.0, 4.0], "{header}");
    }
    for (descr, elements) in [
        ("?", vec![1, 0, 0, 1]),
        ("bool", vec![1, 0, 0, 7]),
        ("b", vec![1, 0, 0, 1]),
        ("uint8", vec![1, 0, 0, 1]),
        ("<f2", [0x3c00u16, 0, 0, 0x3c00].iter().flat_map(|bits| bits.to_le_bytes()).collect()),
        (">f2", [0x3c00u16, 0, 0, 0x3c00].iter().flat_map(|bits| bits.to_be_bytes()).collect()),
        (">h", bytes_of(&[1i16, 0, 0, 1], i16::to_be_bytes)),
    ] {
        let features = npy_features(&folder, npy(descr, "False", "(2, 2)", &elements));
        assert_eq!(features, [1.0, 0.0, 0.0, 1.0], "{descr}");
    }
}

#[test]
fn arrays_in_fortran_order_with_more_than_two_axes_are_read() {
    let folder = Folder::new();
    // numpy.arange(24).reshape(2, 3, 2, 2), saved in Fortran order.
    let elements: Vec<u8> = (0..24u8)
        .map(|i| {
            let (sample, rest) = (i % 2, i / 2);
            let (a, b, c) = (rest % 3, rest / 3 % 2, rest / 6);
            12 * sample + 4 * a + 2 * b + c
        })
        .collect();
    let features = npy_features(&folder, npy("|u1", "True", "(2, 3, 2, 2)", &elements));
    assert_eq!(features, (0..24).map(|i| i as f32).collect::<Vec<_>>());
}

#[test]
fn labels_of_arrays_may_be_whole_floating_point_numbers_texts_or_rows() {
    let folder = Folder::new();
    let features = folder.write("x.npy", npy("|u1", "False", "(3, 1)", &[1, 2, 3]));
    let labels = |file: Vec<u8>| {
        let labels = folder.write("y.npy", file);
        let config = json!({
            "kind": "npy", "train_features": features, "train_labels": labels,
            "test_features": features, "test_labels": labels,
        });
        load(config)
            .map(|data| (data.schema.class_names, data.train.labels))
            .map_err(|error| error.to_string())
    };
    let whole = bytes_of(&[2.0, -1.0, 2.0], f64::to_le_bytes);
    let unicode: Vec<u8> = "bé\0a\0\0bé\0".chars().flat_map(|c| (c as u32).to_le_bytes()).collect();
    let integers = bytes_of(&[2i64, -1, 2], i64::to_le_bytes);
    let named = |names: [&str; 2]| Ok((names.map(str::to_owned).to_vec(), vec![1, 0, 1]));
    assert_eq!(labels(npy("<f8", "False", "(3,)", &whole)), named(["-1", "2"]));
    assert_eq!(labels(npy("<i8", "False", "(1, 3)", &integers)), named(["-1", "2"]));
    assert_eq!(labels(npy("<i8", "True", "(3, 1, 1)", &integers)), named(["-1", "2"]));
    assert_eq!(labels(npy("<U3", "False", "(3,)", &unicode)), named(["a", "bé"]));
    assert_eq!(labels(npy("|S2", "False", "(3,)", b"b\0a\0b\0")), named(["a", "b"]));
    for (file, part) in [
        (
            npy("<f8", "False", "(3,)", &bytes_of(&[0.0, 0.5, 1.0], f64::to_le_bytes)),
            "row 2, column 1: labels",
        ),
        (npy("<f8", "False", "(3,)", &bytes_of(&[0.0, f64::NAN, 1.0], f64::to_le_bytes)), "found NaN"),
        (npy("|u1", "False", "(3, 2)", &[0, 1, 1, 0, 0, 1]), "numpy.argmax(labels, axis=1)"),
        (npy("|S2", "False", "(3,)", b"b\0\0\0b\0"), "row 2, column 1: the label is empty"),
        (npy("|S1", "False", "(3,)", b"b\xffb"), "row 2, column 1: the label is no text"),
        (npy("<U1", "False", "(3,)", &[0xff; 12]), "row 1, column 1: the label is no text"),
        (npy("|S0", "False", "(3,)", &[]), "empty texts"),
        (npy("|O", "False", "(3,)", &[0; 24]), "pickled Python objects"),
    ] {
        let error = labels(file).expect_err(part);
        assert!(error.contains(part) && error.contains("y.npy"), "{part}: {error}");
    }
}

/// A zip archive of uncompressed entries.
fn zip(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, contents) in entries {
        let mut sum = flate2::Crc::new();
        sum.update(contents);
        let size = (contents.len() as u32).to_le_bytes();
        let sizes = [sum.sum().to_le_bytes(), size, size].concat();
        let facts =
            [&[20, 0, 0, 0, 0, 0, 0, 0, 0, 0], &sizes[..], &(name.len() as u16).to_le_bytes(), &[0, 0]]
                .concat();
        let offset = (archive.len() as u32).to_le_bytes();
        directory.extend([b"PK\x01\x02\x14\0", &facts[..], &[0; 10], &offset, name.as_bytes()].concat());
        archive.extend([b"PK\x03\x04", &facts[..], name.as_bytes(), contents].concat());
    }
    let count = (entries.len() as u16).to_le_bytes();
    let ends = [(directory.len() as u32).to_le_bytes(), (archive.len() as u32).to_le_bytes()].concat();
    [archive, directory, b"PK\x05\x06\0\0\0\0".to_vec(), count.to_vec(), count.to_vec(), ends, vec![0, 0]]
        .concat()
}

#[test]
fn arrays_of_an_archive_are_found_with_and_without_their_ending() {
    let folder = Folder::new();
    let x = npy("|u1", "False", "(2, 1)", &[1, 2]);
    let y = npy("|u1", "False", "(2,)", &[0, 1]);
    let file = folder.write("data.npz", zip(&[("x_train", x.clone()), ("y_train.npy", y.clone())]));
    let config = json!({"kind": "npz", "file": file, "test_features": null, "test_labels": null});
    let mut whole = plain(config.clone());
    whole["split"] = json!({"test_fraction": 0.5, "stratify": false, "shuffle": false});
    assert!(load(whole).expect_err("one sample to train on").to_string().contains("class"));
    let twice = [("x_train", x.clone()), ("x_train.npy", x.clone()), ("y_train.npy", y.clone())];
    folder.write("data.npz", zip(&twice));
    assert!(error(config.clone()).contains("2 arrays called \"x_train\""));
    let mut damaged = zip(&[("x_train", x.clone()), ("y_train", y.clone())]);
    let element = damaged.windows(2).position(|pair| pair == [1, 2]).expect("the elements");
    damaged[element] = 9;
    folder.write("data.npz", damaged);
    assert!(error(config.clone()).contains("checksum"), "{}", error(config.clone()));
    folder.write("data.npz", &x);
    assert!(error(config.clone()).contains("\"kind\": \"npy\""));
    folder.write("data.npz", gzip(&zip(&[("x_train", x), ("y_train", y)])));
    assert!(error(config.clone()).contains("compressed by gzip"));
    folder.write("data.npz", zip(&[]));
    assert!(error(config).contains("it holds none"));
}

#[test]
fn idx_files_are_found_under_the_names_that_programs_give_them() {
    let parts = [
        ("train", "images", idx(8, &[2, 1], &[1, 2])),
        ("train", "labels", idx(8, &[2], &[0, 1])),
        ("t10k", "images", idx(8, &[1, 1], &[3])),
        ("t10k", "labels", idx(8, &[1], &[1])),
    ];
    let named = |set: &str, what: &str, dot: &str| {
        let axes = if what == "images" { 3 } else { 1 };
        format!("{set}-{what}{dot}idx{axes}-ubyte")
    };
    let load_folder = |folder: &Folder| load(plain(json!({"kind": "idx", "folder": folder.0.path()})));
    let check = |folder: &Folder| {
        let data = load_folder(folder).expect("good data");
        assert_eq!((data.train.features, data.test.features), (vec![1.0, 2.0], vec![3.0]));
    };
    let (dots, nested, emnist) = (Folder::new(), Folder::new(), Folder::new());
    for (set, what, bytes) in &parts {
        dots.write(&named(set, what, "."), bytes);
        let name = named(set, what, "-");
        std::fs::create_dir(nested.path(&name)).expect("a folder");
        nested.write(&format!("{name}/{name}"), bytes);
        let set = set.replace("t10k", "test");
        emnist.write(&format!("emnist-letters-{}.gz", named(&set, what, "-")), gzip(bytes));
    }
    [&dots, &nested, &emnist].into_iter().for_each(check);
    for (set, what, bytes) in &parts {
        emnist.write(&format!("emnist-digits-{}", named(&set.replace("t10k", "test"), what, "-")), bytes);
    }
    let two = load_folder(&emnist).expect_err("two sets").to_string();
    assert!(two.contains("emnist-digits-train") && two.contains("emnist-letters-train"), "{two}");
    std::fs::remove_file(dots.path("t10k-labels.idx1-ubyte")).expect("removed");
    let missing = load_folder(&dots).expect_err("a part is missing").to_string();
    assert!(missing.contains("neither t10k-labels-idx1-ubyte nor t10k-labels-idx1-ubyte.gz"), "{missing}");
}

#[test]
fn what_stands_behind_gzip_is_told_apart() {
    let folder = Folder::new();
    let images = gzip(&idx(8, &[2, 1], &[1, 2]));
    let labels = folder.write("labels", idx(8, &[2], &[0, 1]));
    let with = |bytes: Vec<u8>| {
        let images = folder.write("images.gz", bytes);
        let config = json!({
            "kind": "idx", "train_images": images, "train_labels": labels,
            "test_images": images, "test_labels": labels,
        });
        load(plain(config)).map(|data| data.train.features).map_err(|error| error.to_string())
    };
    assert_eq!(with(images.clone()), Ok(vec![1.0, 2.0]));
    assert_eq!(with([&images[..], &[0; 70_000]].concat()), Ok(vec![1.0, 2.0]), "padding");
    let (first, second) = (gzip(&idx(8, &[2, 1], &[1])), gzip(&[2]));
    assert_eq!(with([&first[..], &second].concat()), Ok(vec![1.0, 2.0]), "two members");
    assert_eq!(with([&first[..], &[0, 0, 0], &second].concat()), Ok(vec![1.0, 2.0]), "padding between");
    let cut = images.len() - 4;
    for (bytes, part) in [
        ([&images[..], b"\r\n"].concat(), "behind the end of its gzip compression"),
        (images[..cut].to_vec(), "ends before its gzip compression does"),
        (images[..images.len() - 8].to_vec(), "ends before its gzip compression does"),
        ([&images[..cut - 4], &[9; 8]].concat(), "checksum"),
        (gzip(&images), "compressed by gzip once more"),
        (gzip(b""), "empty, apart from its compression"),
        (gzip(b"<html>no such file</html>"), "web page"),
    ] {
        let error = with(bytes).expect_err(part);
        assert!(error.contains(part) && error.contains("images.gz"), "{part}: {error}");
    }
}

#[test]
fn files_of_other_kinds_are_named() {
    let folder = Folder::new();
    let little = [&[3, 8, 0, 0], &[0u8; 12][..]].concat();
    for (bytes, part) in [
        (b"PK\x03\x04\x14\0\0\0".to_vec(), "a zip archive or a workbook (.xlsx)"),
        (b"BZh91AY&SY".to_vec(), "bzip2"),
        (b"\xfd7zXZ\0\0".to_vec(), "xz"),
        (b"\x28\xb5\x2f\xfd\0".to_vec(), "Zstandard"),
        (b"\xff\xfe1\0,\x002\0\n\0".to_vec(), "UTF-16"),
        (b"1\0,\x002\0\n\0".to_vec(), "UTF-16"),
        (b"PAR1\x15\x04".to_vec(), "Parquet"),
        (b"\n<!DOCTYPE html>".to_vec(), "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n".to_vec(), "git lfs pull"),
    ] {
        let file = folder.write("data", bytes);
        for config in [
            json!({"kind": "csv", "train": file}),
            json!({"kind": "idx", "train_images": file, "train_labels": file}),
            json!({"kind": "npy", "train_features": file, "train_labels": file}),
        ] {
            let error = error(config);
            assert!(error.contains(part) && error.contains("data"), "{part}: {error}");
        }
    }
    let file = folder.write("data", little);
    let error = error(json!({"kind": "idx", "train_images": file, "train_labels": file}));
    assert!(error.contains("the other byte order"), "{error}");
}
