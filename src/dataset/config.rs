//! The `dataset` section of a run configuration.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::augmentation::Augmentation;
use super::normalize::Normalization;
use super::{BlobsConfig, CirclesConfig, DigitsConfig, MoonsConfig};
use super::{CsvConfig, DatasetError, IdxConfig, NpyConfig, NpzConfig};
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
            Self::Moons(moons) => moons.validate(),
            Self::Circles(circles) => circles.validate(),
            Self::Blobs(blobs) => blobs.validate(),
            Self::Digits(digits) => digits.validate(),
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
