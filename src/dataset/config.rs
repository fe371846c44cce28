//! The `dataset` section of a run configuration.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::augmentation::Augmentation;
use super::normalize::Normalization;
use super::{CsvConfig, DatasetError, IdxConfig, NpyConfig, NpzConfig};
use crate::memory::product;
use crate::settings::{self, BadSetting};

/// Which data set, and how it is made. Everything but `kind` and the names of files has a default, which for generated
/// data and the digits is the paper's. Relative paths begin in the folder of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(transform = settings::or_word("kind"))]
pub enum DatasetConfig {
    Moons(MoonsConfig),
    Circles(CirclesConfig),
    Blobs(BlobsConfig),
    Digits(DigitsConfig),
    Csv(CsvConfig),
    Npy(NpyConfig),
    Npz(NpzConfig),
    Idx(IdxConfig),
}

impl<'de> Deserialize<'de> for DatasetConfig {
    /// Reads `{"kind": …, …}`, and fills in what depends on other values.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (kind, given) = settings::of_kind(deserializer, "kind", &Self::KINDS)?;
        let given = Value::Object(given);
        match kind {
            "moons" => settings::read(given).map(Self::Moons),
            "circles" => settings::read(given).map(Self::Circles),
            "blobs" => settings::read(given).map(Self::Blobs),
            "digits" => settings::read(given).map(Self::Digits),
            "csv" => settings::read(given).map(Self::Csv),
            "npy" => settings::read(given).map(Self::Npy),
            "npz" => settings::read(given).map(Self::Npz),
            _ => settings::read(given).map(Self::Idx),
        }
        .map(Self::filled_in)
        .map_err(BadSetting::within)
    }
}

/// scikit-learn's `make_moons`, called once for each set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MoonsConfig {
    /// Training samples.
    pub train_samples: usize,
    /// Test samples.
    pub test_samples: usize,
    /// Standard deviation of the normal noise on each coordinate.
    pub noise: f64,
    /// `random_state` of both sets, as in the paper.
    pub seed: u32,
    /// `random_state` of the test set, where it is to differ: by default that of the training set, with which two sets of
    /// as many samples are equal.
    pub test_seed: Option<u32>,
    /// Share of the training samples that is held out, of every class the same, so that settings can be chosen without the
    /// test set; records and tables then have a validation accuracy too. The same samples in every run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// How features are scaled.
    #[serde(deserialize_with = "Normalization::deserialize_of_paper")]
    pub normalization: Normalization,
}

impl Default for MoonsConfig {
    fn default() -> Self {
        Self {
            train_samples: 50_000,
            test_samples: 16_000,
            noise: 0.07,
            seed: 42,
            test_seed: None,
            validation: None,
            normalization: Normalization::paper(),
        }
    }
}

/// scikit-learn's `make_circles`, called once for each set. The paper does not normalise it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CirclesConfig {
    /// Training samples.
    pub train_samples: usize,
    /// Test samples.
    pub test_samples: usize,
    /// Standard deviation of the normal noise on each coordinate.
    pub noise: f64,
    /// Radius of the inner circle; the outer has radius 1.
    pub factor: f64,
    /// `random_state` of both sets, as in the paper.
    pub seed: u32,
    /// `random_state` of the test set, where it is to differ: by default that of the training set, with which two sets of
    /// as many samples are equal.
    pub test_seed: Option<u32>,
    /// Share of the training samples that is held out, of every class the same, so that settings can be chosen without the
    /// test set; records and tables then have a validation accuracy too. The same samples in every run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// How features are scaled.
    #[serde(deserialize_with = "Normalization::deserialize_of_paper")]
    pub normalization: Normalization,
}

impl Default for CirclesConfig {
    fn default() -> Self {
        Self {
            train_samples: 50_000,
            test_samples: 16_000,
            noise: 0.07,
            factor: 0.8,
            seed: 42,
            test_seed: None,
            validation: None,
            normalization: Normalization::None {},
        }
    }
}

/// scikit-learn's `make_blobs`; the last rows are the test set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BlobsConfig {
    /// Blobs, a class each.
    pub classes: usize,
    /// Training and test samples of each class.
    pub samples_per_class: usize,
    /// `random_state`.
    pub seed: u32,
    /// Interval of the blobs' centres, the same for each feature.
    pub center_box: [f64; 2],
    /// Standard deviation of a blob in each feature.
    pub cluster_std: f64,
    /// Features per sample.
    pub features: usize,
    /// The last `ceil(test_fraction * n)` rows are the test set.
    pub test_fraction: f64,
    /// Share of the training samples that is held out, of every class the same, so that settings can be chosen without the
    /// test set; records and tables then have a validation accuracy too. The same samples in every run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// How features are scaled.
    #[serde(deserialize_with = "Normalization::deserialize_of_paper")]
    pub normalization: Normalization,
}

impl Default for BlobsConfig {
    fn default() -> Self {
        Self {
            classes: 2,
            samples_per_class: 5000,
            seed: 10,
            center_box: [-20.0, 40.0],
            cluster_std: 1.0,
            features: 2,
            test_fraction: 0.25,
            validation: None,
            normalization: Normalization::paper(),
        }
    }
}

/// scikit-learn's digits (embedded); the last rows are the test set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DigitsConfig {
    /// The digits `0..classes` are kept, in file order.
    pub classes: usize,
    /// The last `ceil(test_fraction * n)` rows are the test set.
    pub test_fraction: f64,
    /// Share of the training samples that is held out, of every class the same, so that settings can be chosen without the
    /// test set; records and tables then have a validation accuracy too. The same samples in every run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// Distorted copies of the training images, of those that are not held out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub augmentation: Option<Augmentation>,
    /// How features are scaled.
    #[serde(deserialize_with = "Normalization::deserialize_of_paper")]
    pub normalization: Normalization,
}

impl Default for DigitsConfig {
    fn default() -> Self {
        Self {
            classes: 10,
            test_fraction: 0.25,
            validation: None,
            augmentation: None,
            normalization: Normalization::paper(),
        }
    }
}

/// Generated sets are held in memory as f64 first: at most 2^28 numbers (2 GiB).
const MAX_GENERATED: usize = 1 << 28;

/// An output neuron each: more would make a network that no data of this size can teach.
const MAX_CLASSES: usize = 100_000;

impl DatasetConfig {
    /// The values of `kind`.
    pub const KINDS: [&str; 8] = ["moons", "circles", "blobs", "digits", "csv", "npy", "npz", "idx"];

    /// The value of `kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Moons(_) => "moons",
            Self::Circles(_) => "circles",
            Self::Blobs(_) => "blobs",
            Self::Digits(_) => "digits",
            Self::Csv(_) => "csv",
            Self::Npy(_) => "npy",
            Self::Npz(_) => "npz",
            Self::Idx(_) => "idx",
        }
    }

    /// With the defaults that depend on other values.
    fn filled_in(mut self) -> Self {
        match &mut self {
            Self::Moons(moons) => _ = moons.test_seed.get_or_insert(moons.seed),
            Self::Circles(circles) => _ = circles.test_seed.get_or_insert(circles.seed),
            Self::Csv(csv) => csv.resolve(),
            Self::Npy(npy) => npy.resolve(),
            Self::Npz(npz) => npz.resolve(),
            Self::Idx(idx) => idx.resolve(),
            Self::Blobs(_) | Self::Digits(_) => {}
        }
        self
    }

    /// Checks every value that needs no file. [`load`](Self::load) does so first.
    pub fn validate(&self) -> Result<(), DatasetError> {
        self.normalization().validate()?;
        if let Some(share) = self.validation() {
            fraction("validation", share)?;
        }
        if let Some(augmentation) = self.augmentation() {
            augmentation.validate()?;
        }
        match self {
            Self::Moons(moons) => {
                generated_samples("train_samples", moons.train_samples)?;
                generated_samples("test_samples", moons.test_samples)?;
                not_negative("noise", moons.noise)
            }
            Self::Circles(circles) => {
                generated_samples("train_samples", circles.train_samples)?;
                generated_samples("test_samples", circles.test_samples)?;
                not_negative("noise", circles.noise)?;
                let holds = (0.0..1.0).contains(&circles.factor);
                DatasetError::ensure(holds, "factor", circles.factor, "at least 0 and below 1")
            }
            Self::Blobs(blobs) => blobs.validate(),
            Self::Digits(digits) => {
                let holds = (2..=10).contains(&digits.classes);
                DatasetError::ensure(holds, "classes", digits.classes, "2 to 10")?;
                fraction("test_fraction", digits.test_fraction)
            }
            Self::Csv(csv) => csv.validate(),
            Self::Npy(npy) => npy.validate(),
            Self::Npz(npz) => npz.validate(),
            Self::Idx(idx) => idx.validate(),
        }
    }

    /// What the data come from, for messages: their files, or the kind of data that are made.
    pub fn origin(&self) -> Vec<String> {
        let files = self.files();
        if files.is_empty() {
            return vec![self.kind().to_owned()];
        }
        files.iter().map(|file| file.display().to_string()).collect()
    }

    /// The files and folders that the data are read from.
    pub fn files(&self) -> Vec<&Path> {
        match self {
            Self::Moons(_) | Self::Circles(_) | Self::Blobs(_) | Self::Digits(_) => Vec::new(),
            Self::Csv(CsvConfig { train, test, .. }) => {
                std::iter::once(&**train).chain(test.as_deref()).collect()
            }
            Self::Npy(NpyConfig { train_features, train_labels, test_features, test_labels, .. }) => {
                let test = [test_features, test_labels].into_iter().filter_map(|file| file.as_deref());
                [&**train_features, train_labels].into_iter().chain(test).collect()
            }
            Self::Npz(NpzConfig { file, .. }) => vec![file],
            Self::Idx(IdxConfig { folder, train_images, train_labels, test_images, test_labels, .. }) => {
                let files = [folder, train_images, train_labels, test_images, test_labels];
                files.into_iter().filter_map(|file| file.as_deref()).collect()
            }
        }
    }

    /// The same, to change.
    pub(crate) fn files_mut(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Self::Moons(_) | Self::Circles(_) | Self::Blobs(_) | Self::Digits(_) => Vec::new(),
            Self::Csv(CsvConfig { train, test, .. }) => std::iter::once(train).chain(test).collect(),
            Self::Npy(NpyConfig { train_features, train_labels, test_features, test_labels, .. }) => {
                let test = [test_features, test_labels].into_iter().flatten();
                [train_features, train_labels].into_iter().chain(test).collect()
            }
            Self::Npz(NpzConfig { file, .. }) => vec![file],
            Self::Idx(IdxConfig { folder, train_images, train_labels, test_images, test_labels, .. }) => {
                let files = [folder, train_images, train_labels, test_images, test_labels];
                files.into_iter().flatten().collect()
            }
        }
    }

    /// How the features are normalised.
    pub fn normalization(&self) -> &Normalization {
        match self {
            Self::Moons(config) => &config.normalization,
            Self::Circles(config) => &config.normalization,
            Self::Blobs(config) => &config.normalization,
            Self::Digits(config) => &config.normalization,
            Self::Csv(config) => &config.normalization,
            Self::Npy(config) => &config.normalization,
            Self::Npz(config) => &config.normalization,
            Self::Idx(config) => &config.normalization,
        }
    }

    /// The share of the training samples that is held out for validation, where choices are to be made without
    /// the test set: of every class the same share, drawn by a fixed seed, so that all runs on the same data
    /// hold out the same samples. They are held out last, of what the other settings leave for training, and
    /// normalised by the statistics of the rest.
    pub fn validation(&self) -> Option<f64> {
        match self {
            Self::Moons(config) => config.validation,
            Self::Circles(config) => config.validation,
            Self::Blobs(config) => config.validation,
            Self::Digits(config) => config.validation,
            Self::Csv(config) => config.validation,
            Self::Npy(config) => config.validation,
            Self::Npz(config) => config.validation,
            Self::Idx(config) => config.validation,
        }
    }

    /// Which distorted copies the training set has beside its images.
    pub fn augmentation(&self) -> Option<&Augmentation> {
        match self {
            Self::Digits(config) => config.augmentation.as_ref(),
            Self::Idx(config) => config.augmentation.as_ref(),
            _ => None,
        }
    }
}

impl BlobsConfig {
    fn validate(&self) -> Result<(), DatasetError> {
        let &Self { classes, samples_per_class, features, .. } = self;
        DatasetError::ensure(classes >= 2, "classes", classes, "at least 2")?;
        DatasetError::ensure(classes <= MAX_CLASSES, "classes", classes, format!("at most {MAX_CLASSES}"))?;
        DatasetError::ensure(samples_per_class >= 1, "samples_per_class", samples_per_class, "at least 1")?;
        DatasetError::ensure(features >= 1, "features", features, "at least 1")?;
        let numbers = product(&[classes, samples_per_class, features]);
        let expected =
            format!("so small that classes × samples_per_class × features is at most {MAX_GENERATED}");
        let holds = numbers <= MAX_GENERATED as u64;
        DatasetError::ensure(holds, "samples_per_class", samples_per_class, expected)?;
        let [low, high] = self.center_box;
        let holds = low.is_finite() && high.is_finite() && low <= high;
        DatasetError::ensure(holds, "center_box", self.center_box, "two finite numbers, the lower first")?;
        not_negative("cluster_std", self.cluster_std)?;
        fraction("test_fraction", self.test_fraction)
    }
}

fn generated_samples(setting: &'static str, samples: usize) -> Result<(), DatasetError> {
    let holds = (2..=MAX_GENERATED / 2).contains(&samples);
    DatasetError::ensure(holds, setting, samples, format!("2 to {}", MAX_GENERATED / 2))
}

fn not_negative(setting: &'static str, value: f64) -> Result<(), DatasetError> {
    let holds = value.is_finite() && value >= 0.0;
    DatasetError::ensure(holds, setting, value, "a finite number, at least 0")
}

pub(super) fn fraction(setting: &'static str, value: f64) -> Result<(), DatasetError> {
    DatasetError::ensure(value > 0.0 && value < 1.0, setting, value, "above 0 and below 1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(json: &str) -> DatasetConfig {
        serde_json::from_str(json).expect("a valid configuration")
    }

    fn refused(json: &str) -> String {
        serde_json::from_str::<DatasetConfig>(json).expect_err("an invalid configuration").to_string()
    }

    #[test]
    fn a_kind_alone_means_the_papers_values() {
        let moons = MoonsConfig { test_seed: Some(42), ..MoonsConfig::default() };
        assert_eq!(parsed(r#"{"kind": "moons"}"#), DatasetConfig::Moons(moons));
        assert_eq!(parsed(r#"{"kind": "digits"}"#), DatasetConfig::Digits(DigitsConfig::default()));
    }

    #[test]
    fn every_default_is_written_out_and_read_back() {
        for kind in ["moons", "circles", "blobs", "digits"] {
            let config = parsed(&format!(r#"{{"kind": "{kind}"}}"#));
            let json = serde_json::to_string(&config).expect("a configuration is JSON");
            assert!(json.contains("normalization"), "{json}");
            assert_eq!(parsed(&json), config);
        }
        let json = serde_json::to_string(&parsed(r#"{"kind": "moons"}"#)).expect("JSON");
        assert!(json.contains(r#""range":[-0.7,0.7],"fit":"each""#), "{json}");
    }

    #[test]
    fn unknown_keys_are_errors_at_every_level() {
        assert!(refused(r#"{"kind": "moons", "nois": 0.1}"#).contains("nois"));
        assert!(refused(r#"{"kind": "stars"}"#).contains("stars"));
        let inner = r#"{"kind": "moons", "normalization": {"method": "min_max", "rnge": [0, 1]}}"#;
        assert!(refused(inner).contains("rnge"));
        let none = r#"{"kind": "moons", "normalization": {"method": "none", "range": [0, 1]}}"#;
        assert!(refused(none).contains("range"));
    }

    #[test]
    fn values_out_of_bounds_name_their_setting() {
        for (json, setting) in [
            (r#"{"kind": "moons", "noise": -0.5}"#, "noise"),
            (r#"{"kind": "moons", "train_samples": 1}"#, "train_samples"),
            (r#"{"kind": "circles", "factor": 1.0}"#, "factor"),
            (r#"{"kind": "blobs", "classes": 1}"#, "classes"),
            (r#"{"kind": "blobs", "samples_per_class": 18446744073709551615}"#, "samples_per_class"),
            (r#"{"kind": "blobs", "test_fraction": 1.0}"#, "test_fraction"),
            (r#"{"kind": "digits", "classes": 11}"#, "classes"),
            (r#"{"kind": "digits", "validation": 1.0}"#, "validation"),
            (r#"{"kind": "csv", "train": "a.csv", "validation": 0.0}"#, "validation"),
        ] {
            let error = parsed(json).validate().expect_err(json).to_string();
            assert!(error.contains(setting), "{error}");
        }
    }
}
