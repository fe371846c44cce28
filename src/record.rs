//! The record of a run: one JSON file, written when the run ends.

use crate::baseline::Epoch;
use crate::config::RunConfig;
use crate::dataset::{Dataset, Normalizer, Schema};
use crate::evaluate::{AdapterInfo, Arithmetic};
use crate::evolve::{Counters, History, StopReason};
use crate::local_search::LocalSearchFacts;
use crate::mask;
use crate::network::{Architecture, WeightInit};
use crate::settings;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the record's schema. Another number means other fields: version 1 lacks what says which data the
/// run was on ([`DataFacts::schema`], [`DataFacts::checksum`]).
pub const SCHEMA_VERSION: u32 = 2;

/// Can this program read a record of this version?
///
/// # Errors
/// Says why not.
pub fn check_version(found: &Value) -> Result<(), String> {
    match found.as_u64() {
        Some(1..=READABLE) => Ok(()),
        Some(version) if version > READABLE => Err(format!(
            "schema version {version}: made by a newer supermask; this program reads versions 1 to {READABLE}"
        )),
        _ => Err(format!("schema_version is {found}; this program reads versions 1 to {READABLE}")),
    }
}

const READABLE: u64 = SCHEMA_VERSION as u64;

/// All that is known of a run that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub schema_version: u32,
    /// The version of the program that made the record.
    pub program_version: String,
    /// How tables and plots name the run.
    pub cell: Cell,
    /// The resolved configuration: nothing in it is left to a default.
    pub config: RunConfig,
    pub stop_reason: StopReason,
    pub adapter: AdapterInfo,
    pub arithmetic: Arithmetic,
    pub data: DataFacts,
    pub result: Outcome,
    pub timing: Timing,
    /// None where all weights were trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Ticket>,
    /// Generations of a search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
    /// What a local search did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_search: Option<LocalSearchFacts>,
    /// Epochs of a baseline's training.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub epochs: Vec<Epoch>,
}

/// Where a run stands in tables and plots: runs of one cell differ in their seed alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cell {
    pub dataset: String,
    pub architecture: String,
    pub algorithm: String,
    /// Any other setting that the sweep varies, as `setting=value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<String>,
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.dataset, self.architecture, self.algorithm)?;
        self.settings.iter().try_for_each(|setting| write!(f, " {setting}"))
    }
}

/// What is known of the data without their files: enough to use the ticket, and to tell other data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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

/// What a record is to a run that has its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The run's own; a record without a checksum is taken for it.
    Own,
    /// Of other data or other weights, and how they differ, in a sentence.
    OtherData(String),
    OtherConfiguration,
}

/// What the run found; a baseline has no population, generations or evaluations. Accuracies and sparsities are fractions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Correct training samples of the winning ticket.
    pub train_correct: u32,
    pub train_accuracy: f64,
    /// Correct test samples of the ticket that is best on the training set.
    pub test_correct: u32,
    /// Its test accuracy: the honest figure.
    pub test_accuracy: f64,
    /// Its correct samples of those held out for validation, which had no part in the search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_correct: Option<u32>,
    /// What settings are to be chosen by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_accuracy: Option<f64>,
    /// The highest test accuracy of the final population, which the paper's code reports: a choice made by
    /// looking at the test set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_accuracy_best_of_population: Option<f64>,
    /// Share of weights that are pruned.
    pub sparsity: f64,
    pub weights: usize,
    pub weights_kept: usize,
    pub hidden_neurons: usize,
    /// Hidden neurons that reach no output and can be removed.
    pub dead_neurons: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generations: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluations: Option<Counters>,
    /// Multiply-adds that the adapter executed for the evaluations made, without losses, padding and candidates that
    /// were abandoned: see [`Evaluator::executed`](crate::evaluate::Evaluator::executed). The same on any number of
    /// threads; another adapter may execute more or less for the same result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiply_adds: Option<u64>,
    /// Where a genetic search ranked by a loss and not by accuracy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<LossFacts>,
}

/// Correct samples of a mask, or of a trained network, set by set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correct {
    pub train: u32,
    pub test: u32,
    /// None where no samples are held out.
    pub validation: Option<u32>,
}

/// The loss that a search minimised; `config.algorithm.fitness` says which. Losses are means over the training
/// samples, in units of tau² or in nats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossFacts {
    /// Tau of the margin loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tau: Option<f32>,
    /// The ticket's.
    pub ticket: f64,
    /// The lowest in the final population.
    pub lowest_of_population: f64,
    /// Is the loss the same, bit for bit, on every adapter of this arithmetic? Cross-entropy is not computed on
    /// GPUs, and so need not be.
    pub same_on_all_adapters: bool,
}

/// Wall time in seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// From the run's first to its last moment, other runs of its batches included.
    pub total_s: f64,
    /// This run's share of the evaluator's time, by masks.
    pub evaluate_s: f64,
    /// Selection, crossover, mutation, migration and bookkeeping.
    pub host_s: f64,
    /// Runs that shared the evaluator's batches at most.
    pub lockstep: usize,
}

/// Why a file gives no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Cut short, empty, or no JSON at all.
    #[error("not valid JSON: {0}")]
    Damaged(String),
    /// Complete, but not a record that this program reads.
    #[error("{0}")]
    Foreign(String),
}

/// The winning mask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// One bit per weight, layer by layer, row-major `[outputs, inputs]`, least significant bit first.
    pub mask_hex: String,
}

impl Outcome {
    /// What a mask reached on `dataset`; without a mask, what a network with all of its weights did. What
    /// only a population has is left out.
    pub fn new(
        architecture: &Architecture,
        dataset: &Dataset,
        mask: Option<&[u32]>,
        correct: Correct,
    ) -> Self {
        let Correct { train: train_correct, test: test_correct, validation: validation_correct } = correct;
        let share = |count: usize, of: usize| count as f64 / of as f64;
        let weights = architecture.weights();
        let weights_kept = mask.map_or(weights, mask::count_ones);
        let widths = architecture.widths();
        Self {
            train_correct,
            train_accuracy: share(train_correct as usize, dataset.train.len()),
            test_correct,
            test_accuracy: share(test_correct as usize, dataset.test.len()),
            validation_correct,
            validation_accuracy: validation_correct
                .map(|correct| share(correct as usize, dataset.validation.len())),
            test_accuracy_best_of_population: None,
            sparsity: share(weights - weights_kept, weights),
            weights,
            weights_kept,
            hidden_neurons: widths[1..widths.len() - 1].iter().sum(),
            dead_neurons: mask.map_or(0, |mask| mask::dead_neurons(mask, architecture)),
            generations: None,
            evaluations: None,
            multiply_adds: None,
            loss: None,
        }
    }
}

impl Outcome {
    /// Are the counts possible on these data, and the shares those of the counts?
    ///
    /// # Errors
    /// Names the key that contradicts another.
    pub fn check(&self, data: &DataFacts, architecture: &Architecture) -> Result<(), String> {
        let weights = architecture.weights();
        if self.weights != weights || self.weights_kept > weights {
            let (of, kept) = (self.weights, self.weights_kept);
            return Err(format!(
                "result: {kept} of {of} weights kept, but the network has {weights} weights"
            ));
        }
        share("train_accuracy", Some(self.train_accuracy), Some(self.train_correct), data.train_samples)?;
        share("test_accuracy", Some(self.test_accuracy), Some(self.test_correct), data.test_samples)?;
        let held_out = data.validation_samples.unwrap_or(0);
        share("validation_accuracy", self.validation_accuracy, self.validation_correct, held_out)?;
        let pruned = 1.0 - self.weights_kept as f64 / weights as f64;
        let is_share = (self.sparsity - pruned).abs() <= SHARE_TOLERANCE;
        if !is_share {
            let (said, kept) = (self.sparsity, self.weights_kept);
            return Err(format!("result.sparsity is {said}, but {kept} of {weights} weights are kept"));
        }
        match self.test_accuracy_best_of_population {
            Some(best) if !(best >= self.test_accuracy - SHARE_TOLERANCE && best <= 1.0) => Err(format!(
                "result.test_accuracy_best_of_population is {best}, but the ticket itself has {}",
                self.test_accuracy
            )),
            _ => Ok(()),
        }
    }
}

/// Shares are quotients of two counts: in f64 they differ from them by less than this, whoever rounded them.
pub const SHARE_TOLERANCE: f64 = 1e-9;

/// Is `result.NAME` the share of so many `correct` among `samples`?
///
/// # Errors
/// Says which key contradicts which.
pub fn share(name: &str, accuracy: Option<f64>, correct: Option<u32>, samples: usize) -> Result<(), String> {
    let Some(correct) = correct else { return Ok(()) };
    let is_share = |accuracy: f64| (accuracy - f64::from(correct) / samples as f64).abs() <= SHARE_TOLERANCE;
    if correct as usize <= samples && accuracy.is_none_or(is_share) {
        return Ok(());
    }
    let said = accuracy.map_or_else(|| "missing".to_owned(), |accuracy| accuracy.to_string());
    Err(format!("result.{name} is {said}, but {correct} of {samples} samples are correct"))
}

impl DataFacts {
    /// Do the facts fit each other and the network?
    ///
    /// # Errors
    /// Names the key that does not.
    pub fn check(&self, architecture: &Architecture) -> Result<(), String> {
        for (key, said, needed) in [
            ("features", self.features, architecture.inputs()),
            ("classes", self.classes, architecture.outputs()),
        ] {
            if said != needed {
                return Err(format!("data.{key} is {said}, but config.network.layers is {architecture}"));
            }
        }
        for (key, samples) in [("train_samples", self.train_samples), ("test_samples", self.test_samples)] {
            if samples == 0 {
                return Err(format!("data.{key} is 0"));
            }
        }
        match self.schema() {
            Some(schema) => {
                schema.check(self.features, self.classes).map_err(|problem| format!("data.{problem}"))
            }
            None => Ok(()),
        }
    }

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
            checksum: Some(dataset.checksum.clone()),
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
        if self.checksum.as_ref() == Some(&dataset.checksum) {
            return Match::Same;
        }
        let mut differences = self.differences(&Self::of(dataset));
        match &self.checksum {
            Some(checksum) => {
                if differences.is_empty() {
                    differences.push("features or labels differ".to_owned());
                }
                let (then, now) = (short(checksum), short(&dataset.checksum));
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

impl Record {
    /// The name of the record's file, without an ending: `moons-b-seed3`.
    pub fn stem(config: &RunConfig) -> String {
        format!("{}-seed{}", config.name, config.seed)
    }

    /// The winning mask, where there is one.
    ///
    /// # Errors
    /// Says what is wrong with the recorded mask.
    pub fn mask(&self) -> Option<Result<Vec<u32>, String>> {
        let ticket = self.ticket.as_ref()?;
        Some(mask::from_hex(&ticket.mask_hex, self.config.network.layers().weights()))
    }

    /// What the record is to the run with this resolved configuration on these data.
    pub fn standing(&self, config: &RunConfig, dataset: &Dataset) -> Standing {
        // Part of a resolved configuration depends on the data: where both differ, it is for the data's sake.
        if self.config.dataset == config.dataset
            && let Match::Other(difference) = self.data.compare(dataset)
        {
            let data = config.dataset.origin();
            return Standing::OtherData(format!("{data} is not the data of the run {difference}"));
        }
        if self.config == *config {
            return Standing::Own;
        }
        let mut with_these_weights = self.config.clone();
        with_these_weights.network.weights = config.network.weights.clone();
        match (&self.config.network.weights, &config.network.weights) {
            (WeightInit::Safetensors { path, checksum }, WeightInit::Safetensors { path: now, .. })
                if path == now && with_these_weights == *config =>
            {
                match checksum {
                    Some(_) => {
                        Standing::OtherData(format!("{} holds other weights than the run's", path.display()))
                    }
                    None => Standing::Own,
                }
            }
            _ => Standing::OtherConfiguration,
        }
    }

    /// Reads a record's file, and checks it.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        let value: Value =
            serde_json::from_slice(bytes).map_err(|error| Unreadable::Damaged(error.to_string()))?;
        Self::from_value(value).map_err(Unreadable::Foreign)
    }

    /// Reads and checks a record held in memory.
    ///
    /// # Errors
    /// Says what is wrong, with the key.
    pub fn from_value(value: Value) -> Result<Self, String> {
        match value.get("schema_version") {
            None => return Err("not a record: it has no schema_version".to_owned()),
            Some(version) => check_version(version)?,
        }
        let record: Self =
            settings::read(value).map_err(|error| format!("not a complete record: {error}"))?;
        record.check()?;
        Ok(record)
    }

    /// Does the record agree with itself?
    ///
    /// # Errors
    /// Names the key that contradicts another.
    pub fn check(&self) -> Result<(), String> {
        let layers = self.config.network.layers.as_ref().ok_or("config.network.layers is missing")?;
        self.data.check(layers)?;
        if self.schema_version > 1 && (self.data.schema().is_none() || self.data.checksum.is_none()) {
            return Err("data lacks class_names, normalization or checksum, which version 2 has".to_owned());
        }
        self.result.check(&self.data, layers)?;
        if let Some(mask) = self.mask() {
            let mask = mask.map_err(|reason| format!("ticket.mask_hex: {reason}"))?;
            let (kept, said) = (mask::count_ones(&mask), self.result.weights_kept);
            if kept != said {
                return Err(format!(
                    "ticket.mask_hex keeps {kept} weights, but result.weights_kept is {said}"
                ));
            }
        }
        Ok(())
    }

    /// The record as the text of its file.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("records serialise")
    }
}
