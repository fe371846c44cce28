//! The data of a run, as its record knows them without their files.

use crate::dataset::{Dataset, DatasetConfig, Normalizer, Schema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is known of the data without their files: enough to use the ticket, and to tell other data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DataFacts {
    pub train_samples: usize,
    pub test_samples: usize,
    /// Held out of the training set, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_samples: Option<usize>,
    pub features: usize,
    pub classes: usize,
    /// `[classes]`. Records of version 1 have neither this nor what follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_names: Option<Vec<String>>,
    /// `[features]`, where the data name them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_names: Option<Vec<String>>,
    /// Fitted to the training set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalization: Option<Normalizer>,
    /// See [`Dataset::checksum`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}

/// Whether data are those of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    Same,
    /// The record has no checksum, and nothing that it has differs.
    Unknown,
    /// What differs, to be put after "not the data of the run": `(checksum 1a2b…, now 3c4d…): class "red" is gone`.
    Other(String),
}

impl DataFacts {
    pub fn of(dataset: &Dataset) -> Self {
        let Schema { class_names, feature_names, normalizer } = dataset.schema.clone();
        Self {
            train_samples: dataset.train.len(),
            test_samples: dataset.test.len(),
            validation_samples: Some(dataset.validation.len()).filter(|&samples| samples > 0),
            features: dataset.train.width,
            classes: dataset.classes(),
            class_names: Some(class_names),
            feature_names,
            normalization: Some(normalizer),
            checksum: Some(dataset.checksum().to_owned()),
        }
    }

    /// What the ticket needs to be used on raw samples; none in a record of version 1.
    pub fn schema(&self) -> Option<Schema> {
        Some(Schema {
            class_names: self.class_names.clone()?,
            feature_names: self.feature_names.clone(),
            normalizer: self.normalization.clone()?,
        })
    }

    /// Is `dataset` what the run was on?
    pub fn compare(&self, dataset: &Dataset) -> Match {
        if self.checksum.as_deref() == Some(dataset.checksum()) {
            return Match::Same;
        }
        let mut differences = self.differences(&Self::of(dataset));
        match &self.checksum {
            Some(checksum) => {
                if differences.is_empty() {
                    differences.push("features or labels differ".to_owned());
                }
                let (then, now) = (short(checksum), short(dataset.checksum()));
                Match::Other(format!("(checksum {then}, now {now}): {}", differences.join(", ")))
            }
            None if differences.is_empty() => Match::Unknown,
            None => Match::Other(format!("({})", differences.join(", "))),
        }
    }

    /// What can be told of how `now` differs, as far as both have it; at most [`DIFFERENCES_TOLD`].
    fn differences(&self, now: &Self) -> Vec<String> {
        let mut told = Vec::new();
        for (names, then, now) in [
            ("class", &self.class_names, &now.class_names),
            ("feature", &self.feature_names, &now.feature_names),
        ] {
            if let (Some(then), Some(now)) = (then, now) {
                told.extend(names_that_differ(names, then, now));
            }
        }
        for (what, then, now) in [
            ("features", self.features, now.features),
            ("classes", self.classes, now.classes),
            ("training samples", self.train_samples, now.train_samples),
            ("test samples", self.test_samples, now.test_samples),
        ] {
            if then != now {
                told.push(format!("{then} {what}, now {now}"));
            }
        }
        if told.is_empty()
            && let (Some(then), Some(now)) = (&self.normalization, &now.normalization)
            && then != now
        {
            told.push("the features' statistics differ".to_owned());
        }
        told.truncate(DIFFERENCES_TOLD);
        told
    }
}

/// Says that the data of `config` are not those of a record, and how they differ: see [`Match::Other`].
pub fn other_data(config: &DatasetConfig, difference: &str) -> String {
    let origin = config.origin();
    let are = if origin.len() > 1 { "are" } else { "is" };
    format!("{} {are} not the data of the run {difference}", origin.join(" and "))
}

/// Enough to see that something else is there.
const DIFFERENCES_TOLD: usize = 3;

/// Digits of a checksum that a message shows.
const CHECKSUM_SHOWN: usize = 12;

fn short(checksum: &str) -> String {
    checksum.chars().take(CHECKSUM_SHOWN).collect()
}

/// The first name that is gone and the first that is new, or that the order is another.
fn names_that_differ(what: &str, then: &[String], now: &[String]) -> Vec<String> {
    let gone = then.iter().find(|name| !now.contains(name));
    let new = now.iter().find(|name| !then.contains(name));
    let mut told: Vec<String> = gone.map(|name| format!("{what} {name:?} is gone")).into_iter().collect();
    told.extend(new.map(|name| format!("{what} {name:?} is new")));
    if told.is_empty() && then != now {
        told.push(format!("the {what} names stand in another order"));
    }
    told
}
