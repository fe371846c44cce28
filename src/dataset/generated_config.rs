//! Settings of the data that need no file: scikit-learn's generators and its digits.

use super::DatasetError;
use super::augmentation::Augmentation;
use super::config::fraction;
use super::normalize::Normalization;
use crate::memory::product;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

impl MoonsConfig {
    pub(super) fn validate(&self) -> Result<(), DatasetError> {
        generated_samples("train_samples", self.train_samples)?;
        generated_samples("test_samples", self.test_samples)?;
        not_negative("noise", self.noise)
    }
}

impl CirclesConfig {
    pub(super) fn validate(&self) -> Result<(), DatasetError> {
        generated_samples("train_samples", self.train_samples)?;
        generated_samples("test_samples", self.test_samples)?;
        not_negative("noise", self.noise)?;
        let holds = (0.0..1.0).contains(&self.factor);
        DatasetError::ensure(holds, "factor", self.factor, "at least 0 and below 1")
    }
}

impl BlobsConfig {
    pub(super) fn validate(&self) -> Result<(), DatasetError> {
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

impl DigitsConfig {
    pub(super) fn validate(&self) -> Result<(), DatasetError> {
        DatasetError::ensure((2..=10).contains(&self.classes), "classes", self.classes, "2 to 10")?;
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
