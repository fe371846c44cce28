//! Labelled samples for training and testing: scikit-learn's generators, bit for bit, and a user's own
//! files.
//!
//! [`DatasetConfig`] says what is wanted, [`DatasetConfig::load`] makes a [`Dataset`] of it, and
//! [`DatasetSummary`] describes what came out.

mod array;
mod augmentation;
mod checksum;
mod columns;
mod config;
mod csv;
mod delimiter;
mod demand;
mod digits;
mod distinct;
mod elementary;
mod error;
mod file_config;
mod file_samples;
mod generate;
mod generated_config;
mod header;
mod idx;
mod labels;
mod load;
mod missing;
mod new_data;
mod normalize;
mod normalizer;
mod npy;
mod npz;
mod numbers;
mod numpy_random;
mod partition;
mod python_literal;
mod reading;
mod rows;
mod schema;
mod source;
mod summary;
mod targets;
mod unscaled;

use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

pub use augmentation::Augmentation;
pub use columns::Column;
pub use config::DatasetConfig;
pub use delimiter::Delimiter;
pub use error::DatasetError;
pub use file_config::{Auto, CsvConfig, Header, IdxConfig, NpyConfig, NpzConfig};
pub use generated_config::{BlobsConfig, CirclesConfig, DigitsConfig, MoonsConfig};
pub use new_data::{NewData, NewDataFormat};
pub use normalize::{Fit, Normalization, Scope};
pub use normalizer::{Normalizer, Precision};
pub use partition::SplitConfig;
pub use reading::Reading;
pub use schema::Schema;
pub(crate) use source::first_lines;
pub use summary::{DatasetSummary, SplitSummary, WholeSummary};

/// Which part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    Train,
    Test,
    /// Held out of the training set, for choices: empty unless a share is held out.
    Validation,
}

impl Split {
    /// Every part, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Train, Self::Test, Self::Validation];
}

/// Labelled samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    /// `[samples, width]`, row-major, finite.
    pub features: Vec<f32>,
    /// `[samples]`, each below the data set's number of classes.
    pub labels: Vec<u32>,
    /// Features per sample.
    pub width: usize,
}

impl Samples {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// No samples, of `width` features.
    pub fn none(width: usize) -> Self {
        Self { features: Vec::new(), labels: Vec::new(), width }
    }
}

/// A data set: what the networks are scored on.
#[derive(Clone, Debug)]
pub struct Dataset {
    pub train: Samples,
    pub test: Samples,
    /// What the `validation` setting holds out of the training set; else empty.
    pub validation: Samples,
    /// How these samples were made from raw ones, and what their classes are called.
    pub schema: Schema,
    /// Computed when it is first asked for: measurements make data of which nobody asks it.
    checksum: OnceLock<String>,
    /// What is odd about the data, in sentences: for whoever starts work on them to read.
    pub notes: Vec<String>,
}

impl Dataset {
    /// A data set of samples that are normalised already.
    pub fn new(train: Samples, test: Samples, validation: Samples, schema: Schema) -> Self {
        Self { train, test, validation, schema, checksum: OnceLock::new(), notes: Vec::new() }
    }

    /// SHA-256, in hexadecimal digits, over the samples and the schema: two data sets of one checksum are the same
    /// samples in the same units, of the same names.
    pub fn checksum(&self) -> &str {
        let sets = [&self.train, &self.test, &self.validation];
        self.checksum.get_or_init(|| checksum::of(sets, &self.schema))
    }

    /// Number of classes; labels are `0..classes`.
    pub fn classes(&self) -> usize {
        self.schema.class_names.len()
    }

    pub fn split(&self, split: Split) -> &Samples {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
            Split::Validation => &self.validation,
        }
    }
}

impl PartialEq for Dataset {
    fn eq(&self, other: &Self) -> bool {
        // The checksum is of these, or not yet computed.
        let Self { train, test, validation, schema, checksum: _, notes } = self;
        (train, test, validation, schema, notes)
            == (&other.train, &other.test, &other.validation, &other.schema, &other.notes)
    }
}

/// Samples as a generator returns them, before they are rounded to f32.
#[derive(Clone, Debug, PartialEq)]
struct RawSamples {
    /// `[samples, width]`, row-major.
    features: Vec<f64>,
    /// `[samples]`
    labels: Vec<u32>,
    width: usize,
}

impl RawSamples {
    fn rows(&self, rows: &[usize]) -> Self {
        let features = rows.iter().flat_map(|&row| &self.features[row * self.width..][..self.width]);
        Self {
            features: features.copied().collect(),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
            width: self.width,
        }
    }
}
