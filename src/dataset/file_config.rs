//! The `dataset` section for a user's own files.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::config::fraction;
use super::normalize::{Normalization, Scope};
use super::{DatasetError, SplitConfig};

/// Comma-separated values, one sample a row, also compressed by gzip.
///
/// ```json
/// {"kind": "csv", "train": "wine.csv", "label": "cultivar"}
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CsvConfig {
    /// The training set; without `test`, both sets.
    pub train: PathBuf,
    /// The test set. Without it, `split` divides `train`.
    #[serde(default)]
    pub test: Option<PathBuf>,
    /// The column of the class, by name or by number from 0; negative numbers count from the end. The last
    /// column by default. All other columns are features.
    #[serde(default)]
    pub label: LabelColumn,
    /// Whether the first row names the columns. `"auto"`: it does if none of its feature cells is a number,
    /// or if `label` is a name.
    #[serde(default)]
    pub header: Header,
    /// One ASCII character.
    #[serde(default = "comma")]
    pub delimiter: char,
    /// How `train` is divided where there is no `test`.
    #[serde(default)]
    pub split: Option<SplitConfig>,
    /// Take only the first so many training samples (after the split).
    #[serde(default)]
    pub train_samples: Option<usize>,
    /// Take only the first so many test samples (after the split).
    #[serde(default)]
    pub test_samples: Option<usize>,
    /// Share of the training samples that is held out for validation: see
    /// [`DatasetConfig::validation`](super::DatasetConfig::validation).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// Min-max to [-0.7, 0.7] by default, each feature by itself, by the training set's statistics.
    #[serde(default = "by_feature", deserialize_with = "Normalization::deserialize_fit_train")]
    pub normalization: Normalization,
}

/// A column of a CSV file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "`label` must be a column's name or its number")]
pub enum LabelColumn {
    /// From 0; negative from the end.
    Index(i64),
    Name(String),
}

impl Default for LabelColumn {
    fn default() -> Self {
        Self::Index(-1)
    }
}

/// Whether a CSV file's first row names the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "`header` must be true, false or \"auto\"")]
pub enum Header {
    Known(bool),
    Unknown(Auto),
}

/// The word `"auto"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auto {
    Auto,
}

impl Default for Header {
    fn default() -> Self {
        Self::Unknown(Auto::Auto)
    }
}

/// NumPy `.npy` files: features `[samples, …]` (further axes are flattened) of any real type, labels
/// `[samples]` of an integer type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NpyConfig {
    pub train_features: PathBuf,
    pub train_labels: PathBuf,
    /// Together with `test_labels`; without them, `split` divides the training files.
    #[serde(default)]
    pub test_features: Option<PathBuf>,
    #[serde(default)]
    pub test_labels: Option<PathBuf>,
    /// How the training files are divided where there are no test files.
    #[serde(default)]
    pub split: Option<SplitConfig>,
    /// Take only the first so many training samples (after the split).
    #[serde(default)]
    pub train_samples: Option<usize>,
    /// Take only the first so many test samples (after the split).
    #[serde(default)]
    pub test_samples: Option<usize>,
    /// Share of the training samples that is held out for validation: see
    /// [`DatasetConfig::validation`](super::DatasetConfig::validation).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// Min-max to [-0.7, 0.7] by default, over all features, by the training set's statistics.
    #[serde(default = "by_matrix", deserialize_with = "Normalization::deserialize_fit_train")]
    pub normalization: Normalization,
}

/// A NumPy `.npz` archive; arrays as in [`NpyConfig`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NpzConfig {
    pub file: PathBuf,
    /// Name of the array, `x_train` by default.
    #[serde(default = "x_train")]
    pub train_features: String,
    /// Name of the array, `y_train` by default.
    #[serde(default = "y_train")]
    pub train_labels: String,
    /// Name of the array, `x_test` by default; null together with `test_labels` to divide the training
    /// arrays by `split`.
    #[serde(default = "x_test")]
    pub test_features: Option<String>,
    /// Name of the array, `y_test` by default.
    #[serde(default = "y_test")]
    pub test_labels: Option<String>,
    /// How the training arrays are divided where there are no test arrays.
    #[serde(default)]
    pub split: Option<SplitConfig>,
    /// Take only the first so many training samples (after the split).
    #[serde(default)]
    pub train_samples: Option<usize>,
    /// Take only the first so many test samples (after the split).
    #[serde(default)]
    pub test_samples: Option<usize>,
    /// Share of the training samples that is held out for validation: see
    /// [`DatasetConfig::validation`](super::DatasetConfig::validation).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// Min-max to [-0.7, 0.7] by default, over all features, by the training set's statistics.
    #[serde(default = "by_matrix", deserialize_with = "Normalization::deserialize_fit_train")]
    pub normalization: Normalization,
}

/// IDX files, the format of MNIST and Fashion-MNIST, also compressed by gzip: either a folder with the four
/// files under their usual names, or each file by its path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdxConfig {
    /// Holds `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
    /// `t10k-labels-idx1-ubyte`, with or without `.gz`.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    #[serde(default)]
    pub train_images: Option<PathBuf>,
    #[serde(default)]
    pub train_labels: Option<PathBuf>,
    /// Together with `test_labels`; without them, `split` divides the training files.
    #[serde(default)]
    pub test_images: Option<PathBuf>,
    #[serde(default)]
    pub test_labels: Option<PathBuf>,
    /// How the training files are divided where there are no test files.
    #[serde(default)]
    pub split: Option<SplitConfig>,
    /// Take only the first so many training samples (after the split).
    #[serde(default)]
    pub train_samples: Option<usize>,
    /// Take only the first so many test samples (after the split).
    #[serde(default)]
    pub test_samples: Option<usize>,
    /// Share of the training samples that is held out for validation: see
    /// [`DatasetConfig::validation`](super::DatasetConfig::validation).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// Distorted copies of the training images, of those that are not held out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augmentation: Option<Augmentation>,
    /// Min-max to [-0.7, 0.7] by default, over all features, by the training set's statistics.
    #[serde(default = "by_matrix", deserialize_with = "Normalization::deserialize_fit_train")]
    pub normalization: Normalization,
}

fn comma() -> char {
    ','
}

fn x_train() -> String {
    "x_train".to_owned()
}

fn y_train() -> String {
    "y_train".to_owned()
}

fn x_test() -> Option<String> {
    Some("x_test".to_owned())
}

fn y_test() -> Option<String> {
    Some("y_test".to_owned())
}

fn by_feature() -> Normalization {
    Normalization::of_training_set(Scope::Feature)
}

fn by_matrix() -> Normalization {
    Normalization::of_training_set(Scope::Matrix)
}

/// What the four kinds of files share.
pub(super) struct Division<'a> {
    pub has_test: bool,
    pub split: Option<&'a SplitConfig>,
    pub train_samples: Option<usize>,
    pub test_samples: Option<usize>,
}

impl Division<'_> {
    pub fn validate(&self) -> Result<(), DatasetError> {
        if let Some(split) = self.split {
            if self.has_test {
                let expected = "left out where there is a test set already";
                return Err(DatasetError::setting("split", split, expected));
            }
            fraction("split.test_fraction", split.test_fraction)?;
        }
        for (setting, limit) in [("train_samples", self.train_samples), ("test_samples", self.test_samples)] {
            if limit == Some(0) {
                return Err(DatasetError::setting(setting, 0, "at least 1"));
            }
        }
        Ok(())
    }
}

macro_rules! division {
    ($($config:ident)*) => {$(
        impl $config {
            pub(super) fn division(&self) -> Division<'_> {
                Division {
                    has_test: self.has_test(),
                    split: self.split.as_ref(),
                    train_samples: self.train_samples,
                    test_samples: self.test_samples,
                }
            }

            /// Fills in what depends on other values: a split where there is no test set.
            pub(super) fn resolve(&mut self) {
                if !self.has_test() && self.split.is_none() {
                    self.split = Some(SplitConfig::default());
                }
            }
        }
    )*};
}

division!(CsvConfig NpyConfig NpzConfig IdxConfig);

impl CsvConfig {
    fn has_test(&self) -> bool {
        self.test.is_some()
    }

    pub(super) fn validate(&self) -> Result<(), DatasetError> {
        if !self.delimiter.is_ascii() || matches!(self.delimiter, '"' | '\n' | '\r') {
            return Err(DatasetError::setting(
                "delimiter",
                self.delimiter,
                "one ASCII character that is neither a quote nor the end of a line",
            ));
        }
        if let (LabelColumn::Name(name), Header::Known(false)) = (&self.label, self.header) {
            return Err(DatasetError::setting("label", name, "a number where `header` is false"));
        }
        self.division().validate()
    }
}

impl NpyConfig {
    fn has_test(&self) -> bool {
        self.test_features.is_some()
    }

    pub(super) fn validate(&self) -> Result<(), DatasetError> {
        both_or_none("test_labels", self.test_features.is_some(), self.test_labels.is_some())?;
        self.division().validate()
    }
}

impl NpzConfig {
    fn has_test(&self) -> bool {
        self.test_features.is_some()
    }

    pub(super) fn validate(&self) -> Result<(), DatasetError> {
        both_or_none("test_labels", self.test_features.is_some(), self.test_labels.is_some())?;
        self.division().validate()
    }
}

impl IdxConfig {
    fn has_test(&self) -> bool {
        self.folder.is_some() || self.test_images.is_some()
    }

    pub(super) fn validate(&self) -> Result<(), DatasetError> {
        let paths = [&self.train_images, &self.train_labels, &self.test_images, &self.test_labels];
        match &self.folder {
            Some(folder) if paths.iter().any(|path| path.is_some()) => {
                return Err(DatasetError::setting("folder", folder, "left out where files are named"));
            }
            None if self.train_images.is_none() || self.train_labels.is_none() => {
                let expected = "a folder, or `train_images` and `train_labels` must be files";
                return Err(DatasetError::setting("folder", &self.folder, expected));
            }
            _ => {}
        }
        both_or_none("test_labels", self.test_images.is_some(), self.test_labels.is_some())?;
        self.division().validate()
    }
}

fn both_or_none(setting: &'static str, features: bool, labels: bool) -> Result<(), DatasetError> {
    if features == labels {
        Ok(())
    } else {
        let found = if labels { "given" } else { "missing" };
        let expected = if features { "given with the test features" } else { "left out with them" };
        Err(DatasetError::Setting { setting, found: found.to_owned(), expected: expected.to_owned() })
    }
}
