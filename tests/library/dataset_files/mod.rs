//! A user's own data: CSV, NumPy and IDX files, good and bad.

mod arrays;
mod csv;
mod garbage;
mod idx;

use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use supermask::dataset::{Dataset, DatasetConfig, DatasetError, DatasetSummary};
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
    npy_with_header(&header, elements)
}

/// Settings of the same two arrays as training and as test set.
fn both_sets(features: &Path, labels: &Path) -> Value {
    json!({
        "kind": "npy", "train_features": features, "train_labels": labels, "test_features": features,
        "test_labels": labels,
    })
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

fn summary_of(config: Value) -> DatasetSummary {
    let config: DatasetConfig = serde_json::from_value(config).expect("a valid configuration");
    DatasetSummary::load(&config).expect("good data").0
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

/// An `.npy` file with its header as given.
fn npy_with_header(header: &str, elements: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(elements);
    bytes
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
