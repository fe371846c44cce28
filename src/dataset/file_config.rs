//! The `dataset` section for a user's own files.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::config::fraction;
use super::normalize::{Normalization, Scope};
use super::{Column, DatasetError, Delimiter, SplitConfig};
use crate::flaw::Flaw;
use crate::settings::BadSetting;

/// Comma-separated values, one sample a row, also compressed by gzip, such as
/// `{"kind": "csv", "train": "wine.csv", "label": "cultivar"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvConfig {
    /// The training set; without `test`, both sets. `file` says the same, as for archives of arrays.
    #[serde(alias = "file")]
    pub train: PathBuf,
    /// The test set. Without it, `split` divides `train`.
    pub test: Option<PathBuf>,
    /// The column of the class, by name or by number from 0; negative numbers count from the end. The last
    /// column by default. All other columns are features, unless `drop` or `features` says otherwise.
    #[serde(default)]
    pub label: Column,
    /// Columns that are left out, by name or number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<Column>,
    /// The columns that are features, by name or number, in any order: all others are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Vec<Column>>,
    /// Whether the first row names the columns. `"auto"`: it does if none of its feature cells is a number, if a
    /// column is given by name, or if the other rows show it; where it may be either, the file is refused.
    #[serde(default)]
    pub header: Header,
    /// One ASCII character, `"tab"`, or `"whitespace"` (also `" "`) for any number of spaces and tabs.
    #[serde(default)]
    pub delimiter: Delimiter,
    /// Lines before the data that are passed over.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skip_rows: usize,
    /// One ASCII character: lines that begin with it are passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<char>,
    /// Words such as NA and None in the class column are names of classes. By default they are refused as
    /// missing values.
    #[serde(default, skip_serializing_if = "is_false")]
    pub missing_words_are_classes: bool,
    /// Take the class column for one of classes also where it looks like measured values.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_many_classes: bool,
    /// How `train` is divided where there is no `test`.
    pub split: Option<SplitConfig>,
    /// Take only the first so many training samples (after the split).
    pub train_samples: Option<usize>,
    /// Take only the first so many test samples (after the split).
    pub test_samples: Option<usize>,
    /// Share of the training samples that is held out, of every class the same, so that settings can be chosen without the
    /// test set; records and tables then have a validation accuracy too. The same samples in every run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// How features are scaled: min-max to -0.7 … 0.7 by default, each feature by itself, by the training set's statistics.
    #[serde(default = "by_feature", deserialize_with = "Normalization::deserialize_of_features")]
    pub normalization: Normalization,
}

/// Whether a CSV file's first row names the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "`header` must be true, false or \"auto\"")]
pub enum Header {
    /// It does, or it does not.
    Known(bool),
    Unknown(Auto),
}

/// The word `"auto"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NpyConfig {
    /// Features of the training samples.
    pub train_features: PathBuf,
    /// Classes of the training samples.
    pub train_labels: PathBuf,
    /// Features of the test samples, together with `test_labels`; without them, `split` divides the training files.
    pub test_features: Option<PathBuf>,
    /// Classes of the test samples.
    pub test_labels: Option<PathBuf>,
    /// Take the labels for classes also where they look like measured values.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_many_classes: bool,
    /// How the training files are divided where there are no test files.
    pub split: Option<SplitConfig>,
    /// Take only the first so many training samples (after the split).
    pub train_samples: Option<usize>,
    /// Take only the first so many test samples (after the split).
    pub test_samples: Option<usize>,
    /// Share of the training samples that is held out, of every class the same, so that settings can be chosen without the
    /// test set; records and tables then have a validation accuracy too. The same samples in every run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// How features are scaled: min-max to -0.7 … 0.7 by default, over all features, by the training set's statistics.
    #[serde(default = "by_matrix", deserialize_with = "Normalization::deserialize_of_matrix")]
    pub normalization: Normalization,
}

/// A NumPy `.npz` archive; arrays as in `.npy` files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NpzConfig {
    /// The archive.
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
    /// Take the labels for classes also where they look like measured values.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_many_classes: bool,
    /// How the training arrays are divided where there are no test arrays.
    pub split: Option<SplitConfig>,
    /// Take only the first so many training samples (after the split).
    pub train_samples: Option<usize>,
    /// Take only the first so many test samples (after the split).
    pub test_samples: Option<usize>,
    /// Share of the training samples that is held out, of every class the same, so that settings can be chosen without the
    /// test set; records and tables then have a validation accuracy too. The same samples in every run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// How features are scaled: min-max to -0.7 … 0.7 by default, over all features, by the training set's statistics.
    #[serde(default = "by_matrix", deserialize_with = "Normalization::deserialize_of_matrix")]
    pub normalization: Normalization,
}

/// IDX files, the format of MNIST and Fashion-MNIST, also compressed by gzip: either a folder with the four
/// files under their usual names, or each file by its path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdxConfig {
    /// Holds `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
    /// `t10k-labels-idx1-ubyte`, with or without `.gz`.
    pub folder: Option<PathBuf>,
    /// Images of the training samples, in place of a folder.
    pub train_images: Option<PathBuf>,
    /// Classes of the training samples.
    pub train_labels: Option<PathBuf>,
    /// Images of the test samples, together with `test_labels`; without them, `split` divides the training files.
    pub test_images: Option<PathBuf>,
    /// Classes of the test samples.
    pub test_labels: Option<PathBuf>,
    /// Take the labels for classes also where they look like measured values.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_many_classes: bool,
    /// How the training files are divided where there are no test files.
    pub split: Option<SplitConfig>,
    /// Take only the first so many training samples (after the split).
    pub train_samples: Option<usize>,
    /// Take only the first so many test samples (after the split).
    pub test_samples: Option<usize>,
    /// Share of the training samples that is held out, of every class the same, so that settings can be chosen without the
    /// test set; records and tables then have a validation accuracy too. The same samples in every run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// Distorted copies of the training images, of those that are not held out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augmentation: Option<Augmentation>,
    /// How features are scaled: min-max to -0.7 … 0.7 by default, over all features, by the training set's statistics.
    #[serde(default = "by_matrix", deserialize_with = "Normalization::deserialize_of_matrix")]
    pub normalization: Normalization,
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &usize) -> bool {
    *value == 0
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
    pub allow_many_classes: bool,
}

impl Division<'_> {
    pub fn validate(&self) -> Result<(), DatasetError> {
        if let Some(split) = self.split {
            let expected = "left out where there is a test set already";
            DatasetError::ensure(!self.has_test, "split", split, expected)?;
            fraction("split.test_fraction", split.test_fraction)?;
        }
        for (setting, limit) in [("train_samples", self.train_samples), ("test_samples", self.test_samples)] {
            DatasetError::ensure(limit != Some(0), setting, 0, "at least 1")?;
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
                    allow_many_classes: self.allow_many_classes,
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
        if let Some(comment) = self.comment {
            let is_usable =
                comment.is_ascii() && !comment.is_ascii_alphanumeric() && !" \t\"\n\r-+.".contains(comment);
            let holds = is_usable && self.delimiter != Delimiter::Character(comment as u8);
            let expected = "one ASCII character that neither begins a cell nor is the delimiter, such as #";
            DatasetError::ensure(holds, "comment", comment, expected)?;
        }
        let columns: Vec<String> = self.drop.iter().map(Column::to_string).collect();
        let holds = self.features.is_none() || columns.is_empty();
        DatasetError::ensure(holds, "drop", columns, "left out where `features` is given")?;
        if self.header == Header::Known(false) {
            let columns = std::iter::once(("label", &self.label))
                .chain(self.drop.iter().map(|column| ("drop", column)))
                .chain(self.features.iter().flatten().map(|column| ("features", column)));
            for (setting, column) in columns {
                let expected = "a number where `header` is false";
                DatasetError::ensure(!column.is_name(), setting, column.to_string(), expected)?;
            }
        }
        self.division().validate()
    }
}

macro_rules! arrays {
    ($($config:ident)*) => {$(
        impl $config {
            fn has_test(&self) -> bool {
                self.test_features.is_some()
            }

            pub(super) fn validate(&self) -> Result<(), DatasetError> {
                both_or_none(self.test_features.is_some(), self.test_labels.is_some())?;
                self.division().validate()
            }
        }
    )*};
}

arrays!(NpyConfig NpzConfig);

impl IdxConfig {
    fn has_test(&self) -> bool {
        self.folder.is_some() || self.test_images.is_some()
    }

    pub(super) fn validate(&self) -> Result<(), DatasetError> {
        let paths = [&self.train_images, &self.train_labels, &self.test_images, &self.test_labels];
        let (holds, expected) = match &self.folder {
            Some(_) => (paths.iter().all(|path| path.is_none()), "left out where files are named"),
            None => (
                self.train_images.is_some() && self.train_labels.is_some(),
                "a folder, or `train_images` and `train_labels` must be files",
            ),
        };
        DatasetError::ensure(holds, "folder", &self.folder, expected)?;
        both_or_none(self.test_images.is_some(), self.test_labels.is_some())?;
        self.division().validate()
    }
}

fn both_or_none(features: bool, labels: bool) -> Result<(), DatasetError> {
    if features == labels {
        Ok(())
    } else {
        let found = if labels { "given" } else { "missing" };
        let expected = if features { "given with the test features" } else { "left out with them" };
        Err(BadSetting::needs("dataset.test_labels", expected, found).into())
    }
}

impl std::str::FromStr for Header {
    type Err = Flaw;

    fn from_str(text: &str) -> Result<Self, Flaw> {
        match text {
            "true" => Ok(Self::Known(true)),
            "false" => Ok(Self::Known(false)),
            "auto" => Ok(Self::default()),
            _ => Err(format!("{text:?} is none of true, false and auto").into()),
        }
    }
}
