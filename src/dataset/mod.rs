//! Labelled samples for training and testing.

use serde::{Deserialize, Serialize};

/// Which part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    Train,
    Test,
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
}

/// A data set: what the networks are scored on.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    pub train: Samples,
    pub test: Samples,
    /// Number of classes; labels are `0..classes`.
    pub classes: usize,
}

impl Dataset {
    pub fn split(&self, split: Split) -> &Samples {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }
}
