//! Samples and whole data sets before they are normalised.

use super::normalize::{Fit, Normalization};
use super::normalizer::Precision;
use super::numbers::Numbers;
use super::reading::Reading;
use super::{Dataset, DatasetError, Samples, Schema};

/// Labelled samples whose features are not normalised yet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Unscaled {
    /// `[samples, width]`, row-major, finite.
    pub features: Numbers,
    /// `[samples]`
    pub labels: Vec<u32>,
    /// Features per sample.
    pub width: usize,
}

impl Unscaled {
    /// No samples, of `width` features.
    pub fn none(width: usize) -> Self {
        Self { features: Numbers::default(), labels: Vec::new(), width }
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    pub fn rows(&self, rows: &[usize]) -> Self {
        let indices = rows.iter().flat_map(|&row| row * self.width..(row + 1) * self.width);
        Self {
            features: self.features.select(indices),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
            width: self.width,
        }
    }

    pub fn truncate(&mut self, setting: &'static str, samples: Option<usize>) -> Result<(), DatasetError> {
        let Some(samples) = samples else { return Ok(()) };
        let expected = format!("at most {}, the samples there are", self.len());
        DatasetError::ensure(samples <= self.len(), setting, samples, expected)?;
        self.features.truncate(samples * self.width);
        self.labels.truncate(samples);
        Ok(())
    }
}

/// A data set before it is normalised.
pub(super) struct UnscaledDataset {
    pub train: Unscaled,
    pub test: Unscaled,
    pub validation: Unscaled,
    /// `[classes]`
    pub class_names: Vec<String>,
    /// `[features]`, where the file names them.
    pub feature_names: Option<Vec<String>>,
    /// How a text was read.
    pub reading: Option<Reading>,
    /// What is odd about the data, in sentences.
    pub notes: Vec<String>,
    /// What the maps of the normalisation are computed with.
    pub precision: Precision,
}

impl UnscaledDataset {
    /// Normalises all sets, the validation set always by the statistics of the training set, which does not
    /// contain it.
    pub fn normalized(self, normalization: &Normalization) -> Result<Dataset, DatasetError> {
        let Self { train, test, validation, class_names, feature_names, notes, precision, .. } = self;
        let normalizer = normalization.fitted(precision, "training", &train)?;
        let of_test = match normalization.fit() {
            Fit::Train => None,
            Fit::Each => Some(normalization.fitted(precision, "test", &test)?),
        };
        let train = normalizer.apply("training", train)?;
        let test = of_test.as_ref().unwrap_or(&normalizer).apply("test", test)?;
        let validation = normalizer.apply("validation", validation)?;
        let schema = Schema { class_names, feature_names, normalizer };
        Ok(Dataset { notes, ..Dataset::new(train, test, validation, schema) })
    }
}

impl super::Normalizer {
    /// The samples as a network reads them; `set` is for errors.
    pub(super) fn apply(&self, set: &'static str, samples: Unscaled) -> Result<Samples, DatasetError> {
        let Unscaled { features, labels, width } = samples;
        let features = match features {
            Numbers::Single(mut features) => {
                self.apply_in_place(set, &mut features, width)?;
                features
            }
            Numbers::Double(features) => self.normalized(set, &features, width)?,
        };
        Ok(Samples { features, labels, width })
    }
}
