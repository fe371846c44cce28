//! The record of a run: one JSON file, written when the run ends.

mod check;
mod data;
mod front;

pub(crate) use check::{Checked, FrontFacts, ensure, unknown_key};
pub use data::{DataFacts, Match, other_data};
pub use front::{ParetoFront, ParetoMask};

use crate::baseline::Epoch;
use crate::dataset::Dataset;
use crate::evaluate::{AdapterInfo, Arithmetic, Contest};
use crate::flaw::Flaw;
use crate::json;
use crate::mask::{self, HexError};
use crate::network::{Architecture, WeightInit};
use crate::run::Run;
use crate::run::config::ResolvedConfig;
use crate::search::StopReason;
use crate::search::chains::LocalSearchFacts;
use crate::search::genetic::{Counters, History};
use crate::settings;
pub use crate::timing::Timing;
use schemars::JsonSchema;
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// The version of the record's schema. Another number means other fields: version 1 lacks what says which data the
/// run was on ([`DataFacts::schema`], [`DataFacts::checksum`]), version 2 what a measure came to
/// ([`Outcome::measure`]), version 3 the front of several objectives ([`Record::front`]) and what an adapter was chosen
/// by ([`Record::contest`]), version 4 the masks that a search began with ([`ResolvedConfig::start`]).
pub const SCHEMA_VERSION: u32 = 5;

/// Can this program read a record of this version?
///
/// # Errors
/// Says why not.
pub fn check_version(found: &Value) -> Result<(), Flaw> {
    match found.as_u64() {
        Some(1..=READABLE) => Ok(()),
        Some(version) if version > READABLE => Err(format!(
            "schema version {version}: made by a newer supermask; this program reads versions 1 to {READABLE}"
        )
        .into()),
        _ => Err(format!("schema_version is {found}; this program reads versions 1 to {READABLE}").into()),
    }
}

const READABLE: u64 = SCHEMA_VERSION as u64;

/// All that is known of a run that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    pub schema_version: u32,
    /// The version of the program that made the record.
    pub program_version: String,
    /// How tables and plots name the run.
    pub cell: Cell,
    /// The resolved configuration: nothing in it is left to a default.
    #[serde(deserialize_with = "recorded_config")]
    pub config: ResolvedConfig,
    pub stop_reason: StopReason,
    pub adapter: AdapterInfo,
    pub arithmetic: Arithmetic,
    pub data: DataFacts,
    pub result: Outcome,
    pub timing: Timing,
    /// None where all weights were trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<TicketRecord>,
    /// Where a genetic search had several objectives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub front: Option<ParetoFront>,
    /// Generations of a search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
    /// What a local search did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_search: Option<LocalSearchFacts>,
    /// What the adapter was chosen by, where the faster of two was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contest: Option<Contest>,
    /// Epochs of a baseline's training.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub epochs: Vec<Epoch>,
}

/// Reads the configuration of a record. Settings that earlier versions had are left out where they did nothing: a
/// population of one island, and no crossing of chains.
fn recorded_config<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ResolvedConfig, D::Error> {
    let mut config = Value::deserialize(deserializer)?;
    if let Some(Value::Object(algorithm)) = config.get_mut("algorithm") {
        if algorithm.get("islands").is_some_and(|islands| islands == 1) {
            algorithm.remove("islands");
            algorithm.remove("island_interval");
        }
        if algorithm.get("memetic").is_some_and(Value::is_null) {
            algorithm.remove("memetic");
        }
    }
    settings::read(config).map_err(D::Error::custom)
}

/// Where a run stands in tables and plots: runs of one cell differ in their seed alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
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

/// What a record is to a run that has its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordStanding {
    /// The run's own; a record without a checksum is taken for it.
    Own,
    /// Of other data or other weights, and how they differ, in a sentence.
    OtherData(String),
    OtherConfiguration,
}

/// What the run found; a baseline has no population, generations or evaluations. Accuracies and sparsities are fractions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// Where it ranked by a measure of predicted classes, or by a judge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<MeasureFacts>,
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LossFacts {
    /// Tau of the margin loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tau: Option<f32>,
    /// The ticket's.
    pub ticket: f64,
    /// The lowest in the final population.
    pub lowest_of_population: f64,
    /// Is the loss the same, bit for bit, on every adapter of this arithmetic? It is; cross-entropies of earlier versions,
    /// which came from the CPU in double precision, were not.
    pub same_on_all_adapters: bool,
}

/// The measure that a search went by, or what its judge said, of the ticket; larger is better, but for the mean cost of a
/// sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeasureFacts {
    /// That of the fitness in the configuration: see [`Fitness`](crate::objective::Fitness).
    pub name: String,
    pub train: f64,
    pub test: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
}

/// Why a file gives no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Cut short, empty, or no JSON at all.
    #[error("{0}")]
    Damaged(Flaw),
    /// Complete, but not a record that this program reads.
    #[error("{0}")]
    Foreign(Flaw),
}

/// The winning mask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TicketRecord {
    /// One bit per weight, layer by layer, row-major `[outputs, inputs]`, least significant bit first.
    pub mask_hex: String,
}

/// What computed a run.
#[derive(Clone, Debug)]
pub struct Computed {
    pub adapter: AdapterInfo,
    pub arithmetic: Arithmetic,
}

/// How a run ended, whatever its algorithm.
#[derive(Clone, Debug)]
pub struct Ended {
    pub stop_reason: StopReason,
    /// The winning mask's words; none where all weights were trained.
    pub mask: Option<Vec<u32>>,
    pub correct: Correct,
    pub timing: Timing,
    pub details: Details,
}

/// What only some algorithms have to tell.
#[derive(Clone, Debug)]
pub enum Details {
    /// Of the genetic algorithm.
    Generations {
        history: Box<History>,
        generations: usize,
        evaluations: Counters,
        /// See [`Outcome::multiply_adds`].
        multiply_adds: u64,
        loss: Option<LossFacts>,
        measure: Option<MeasureFacts>,
        front: Option<ParetoFront>,
        /// The most correct test samples of an individual of the last population.
        best_of_population: u32,
    },
    LocalSearch(LocalSearchFacts),
    /// The epochs of a baseline.
    Training(Vec<Epoch>),
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
            measure: None,
        }
    }
}

impl Record {
    /// The record of a run on `dataset` that has ended.
    pub fn new(run: &Run, dataset: &Dataset, computed: Computed, ended: Ended) -> Self {
        let architecture = &run.config.network.layers;
        let mask = ended.mask.as_deref();
        let mut record = Self {
            schema_version: SCHEMA_VERSION,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            cell: run.cell.clone(),
            config: run.config.clone(),
            stop_reason: ended.stop_reason,
            adapter: computed.adapter,
            arithmetic: computed.arithmetic,
            data: DataFacts::of(dataset),
            result: Outcome::new(architecture, dataset, mask, ended.correct),
            timing: ended.timing,
            ticket: mask.map(|mask| TicketRecord { mask_hex: mask::to_hex(mask, architecture.weights()) }),
            front: None,
            history: None,
            local_search: None,
            contest: None,
            epochs: Vec::new(),
        };
        match ended.details {
            Details::Generations {
                history,
                generations,
                evaluations,
                multiply_adds,
                loss,
                measure,
                front,
                best_of_population,
            } => {
                let share = f64::from(best_of_population) / dataset.test.len() as f64;
                record.result.test_accuracy_best_of_population = Some(share);
                record.result.generations = Some(generations);
                record.result.evaluations = Some(evaluations);
                record.result.multiply_adds = Some(multiply_adds);
                record.result.loss = loss;
                record.result.measure = measure;
                record.front = front;
                record.history = Some(*history);
            }
            Details::LocalSearch(facts) => record.local_search = Some(facts),
            Details::Training(epochs) => record.epochs = epochs,
        }
        record
    }

    /// The winning mask, where there is one.
    ///
    /// # Errors
    /// Says what is wrong with the recorded mask.
    pub fn mask(&self) -> Option<Result<Vec<u32>, HexError>> {
        let ticket = self.ticket.as_ref()?;
        Some(mask::from_hex(&ticket.mask_hex, self.config.network.layers.weights()))
    }

    /// What the record is to the run with this resolved configuration on these data.
    pub fn standing(&self, config: &ResolvedConfig, dataset: &Dataset) -> RecordStanding {
        // Part of a resolved configuration depends on the data: where both differ, it is for the data's sake.
        if self.config.dataset == config.dataset
            && let Match::Other(difference) = self.data.compare(dataset)
        {
            return RecordStanding::OtherData(other_data(&config.dataset, &difference));
        }
        let is_on_these_data = self.data.checksum.as_deref() == Some(dataset.checksum());
        if self.config == *config || is_on_these_data && self.config.with_files_of(config) == *config {
            return RecordStanding::Own;
        }
        let mut with_these_weights = self.config.clone();
        with_these_weights.network.weights = config.network.weights.clone();
        match (&self.config.network.weights, &config.network.weights) {
            (WeightInit::Safetensors { path, checksum, .. }, WeightInit::Safetensors { path: now, .. })
                if path == now && with_these_weights == *config =>
            {
                match checksum {
                    Some(_) => RecordStanding::OtherData(format!(
                        "{} holds other weights than the run's",
                        path.display()
                    )),
                    None => RecordStanding::Own,
                }
            }
            _ => RecordStanding::OtherConfiguration,
        }
    }

    /// Is this the record of a search that its number of generations ended, and `config` the same search over more?
    pub fn is_begun_of(&self, config: &ResolvedConfig, dataset: &Dataset) -> bool {
        let most = |config: &ResolvedConfig| {
            config.algorithm.genetic().map(|genetic| genetic.termination.max_generations)
        };
        let (Some(Some(own)), Some(asked)) = (most(&self.config), most(config)) else { return false };
        let prolonged = Self { config: self.config.with_end_of(config), ..self.clone() };
        self.stop_reason == StopReason::MaxGenerations
            && asked.is_none_or(|asked| asked > own)
            && prolonged.standing(config, dataset) == RecordStanding::Own
    }

    /// Reads a record's file, and checks it.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        match json::parse(bytes) {
            Ok(value) => Self::from_value(value).map_err(Unreadable::Foreign),
            Err(reason) if serde_json::from_slice::<IgnoredAny>(bytes).is_ok() => {
                Err(Unreadable::Foreign(reason))
            }
            Err(reason) => Err(Unreadable::Damaged(reason)),
        }
    }

    /// Reads and checks a record held in memory.
    ///
    /// # Errors
    /// Says what is wrong, with the key.
    pub fn from_value(value: Value) -> Result<Self, Flaw> {
        match value.get("schema_version") {
            None => return Err("not a record: it has no schema_version".into()),
            Some(version) => check_version(version)?,
        }
        let record: Self =
            settings::read(value.clone()).map_err(|error| format!("not a complete record: {error}"))?;
        let known = serde_json::to_value(&record).expect("records serialise");
        if record.schema_version == SCHEMA_VERSION
            && let Some(key) = unknown_key(&value, &known)
        {
            return Err(format!("{key}: a record has no such key").into());
        }
        record.check()?;
        Ok(record)
    }

    /// The record as the text of its file.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("records serialise")
    }
}
