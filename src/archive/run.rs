//! A record, read so that whatever can be used is used.
//!
//! This is the one place that knows which parts of a record may be missing: a baseline has no ticket or no
//! generations, and a record of an earlier program may lack what later ones write, or have settings that are no
//! longer known.

use super::check;
use crate::dataset::DatasetConfig;
use crate::evaluate::{AdapterInfo, Arithmetic};
use crate::flaw::Flaw;
use crate::network::{Architecture, NetworkInit};
use crate::run::record::{Cell, DataFacts, Outcome, ParetoFront, Record, TicketRecord, Timing, unknown_key};
use crate::search::chains::{ChainHistory, LocalSearchFacts};
use crate::settings;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

/// A record, as far as reports need it.
#[derive(Clone, Debug)]
pub struct ArchivedRun {
    pub file: String,
    pub cell: Cell,
    pub name: String,
    pub seed: u64,
    /// `algorithm.kind` of the configuration: `ga`, `edge_popup`, …
    pub kind: String,
    /// The resolved configuration, as this program writes it; as it was written where this program does not know
    /// all of it.
    pub config: Value,
    /// Absent where this program does not know the data set.
    pub dataset: Option<DatasetConfig>,
    pub network: Option<NetworkInit>,
    pub program_version: Option<String>,
    pub stop_reason: Option<String>,
    pub adapter: Option<AdapterInfo>,
    pub arithmetic: Option<Arithmetic>,
    pub data: Option<DataFacts>,
    /// The checksum of the data; or, where the record has none, their configuration.
    pub data_identity: String,
    /// `multiply_adds` in every record that tells enough: a local search's own, and those of a baseline's training.
    pub result: Outcome,
    /// Of a local search, all chains together.
    pub proposals: Option<u64>,
    /// Of a baseline.
    pub epochs: Option<u64>,
    pub timing: Timing,
    pub mask_hex: Option<String>,
    pub history: RunHistory,
    /// Sparsity and test accuracy, fractions, of the sparser masks that the search went on to, or of those on the front of
    /// several objectives beside the ticket.
    pub front: Vec<(f64, f64)>,
    /// Sparsity and training accuracy of the masks on the front of several objectives, the ticket first.
    pub front_in_training: Vec<(f64, f64)>,
    /// The hypervolume of that front.
    pub hypervolume: Option<f64>,
}

/// The columns of [`History`](crate::search::genetic::History) that there are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RunHistory {
    pub best_correct: Vec<u32>,
    pub mean_accuracy: Vec<f32>,
    pub best_sparsity: Vec<f32>,
    pub highest_sparsity: Vec<f32>,
    pub highest_sparsity_so_far: Vec<f32>,
    pub diversity: Vec<f32>,
    pub accuracy_bound: Vec<Option<f32>>,
    pub evaluations: Vec<u64>,
    /// Wall time, where the record has it point by point.
    #[serde(skip)]
    pub seconds: Vec<f64>,
    pub incumbents: Vec<u32>,
    pub children: Vec<u32>,
    pub mutants: Vec<u32>,
    pub migrants: Vec<u32>,
}

/// Why a record is not used.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It lacks something, or is no record.
    Unusable(Flaw),
    /// Its values contradict each other, or it has a key that no record has.
    Contradiction(Flaw),
    /// Its accuracies are not those of its counts, and else it agrees with itself.
    Accuracy(Box<ArchivedRun>, Flaw),
}

impl From<Flaw> for Refusal {
    fn from(what: Flaw) -> Self {
        Self::Unusable(what)
    }
}

/// A record's file. What is not optional here, every record must have.
#[derive(Deserialize)]
pub(super) struct WrittenRecord {
    pub(super) cell: Cell,
    pub(super) config: Value,
    pub(super) result: Outcome,
    pub(super) program_version: Option<String>,
    pub(super) stop_reason: Option<String>,
    pub(super) adapter: Option<AdapterInfo>,
    pub(super) arithmetic: Option<Arithmetic>,
    pub(super) data: Option<DataFacts>,
    pub(super) timing: Option<Timing>,
    pub(super) ticket: Option<TicketRecord>,
    pub(super) history: Option<RunHistory>,
    pub(super) front: Option<ParetoFront>,
    pub(super) local_search: Option<LocalSearchFacts>,
    #[serde(default)]
    epochs: Vec<IgnoredAny>,
}

/// Multiply-adds of a baseline's training, all of whose products are dense: an epoch takes each sample forward, back to
/// the weights of every layer, and back through every layer but the first.
fn of_training(epochs: u64, samples: usize, layers: &Architecture) -> u64 {
    let first = layers.layers().next().map_or(0, |layer| layer.weights());
    let of_sample = (3 * layers.weights() - first) as u64;
    epochs.saturating_mul(samples as u64).saturating_mul(of_sample)
}

/// The walk of a local search that ended at its ticket, as a search's progress: a proposal of any of the chains,
/// which went side by side, counts as an evaluation. None where chains saw more and more samples, whose counts do
/// not compare.
fn walk(history: ChainHistory, algorithm: &Value, samples: usize) -> Option<RunHistory> {
    let number = |key: &str| algorithm[key].as_u64();
    let looked_at = number("train_samples").map_or(samples, |most| samples.min(most as usize));
    if !algorithm["growth"].is_null() || looked_at == 0 {
        return None;
    }
    let chains = number("chains").unwrap_or(1);
    let correct = |wrong: u64| (1.0 - wrong as f64 / looked_at as f64) * samples as f64;
    let mut best = 0;
    let mut best_so_far = |wrong: &u64| {
        best = best.max(correct(*wrong).round() as u32);
        best
    };
    Some(RunHistory {
        best_correct: history.wrong.iter().map(&mut best_so_far).collect(),
        evaluations: history.proposals.iter().map(|count| count.saturating_mul(chains)).collect(),
        seconds: history.seconds,
        ..RunHistory::default()
    })
}

impl ArchivedRun {
    /// Reads the JSON of a record. Where it `is_current`, of this program's own schema, all of it must be known;
    /// where it is to be `checked`, it must agree with itself.
    ///
    /// # Errors
    /// Says why the record cannot be used.
    pub(super) fn read(file: String, json: &Value, is_current: bool, checked: bool) -> Result<Self, Refusal> {
        let written: WrittenRecord = settings::read(json.clone()).map_err(Flaw::from)?;
        let accuracy = written.result.test_accuracy;
        if !(0.0..=1.0).contains(&accuracy) {
            let what = format!("result.test_accuracy is {accuracy}; an accuracy is a number from 0 to 1");
            return Err(Refusal::Unusable(what.into()));
        }
        let known = match settings::read::<Record>(json.clone()) {
            Ok(record) => Some(record),
            Err(reason) if is_current => return Err(Refusal::Unusable(reason.into())),
            Err(_) => None,
        };
        if checked {
            let unknown = match known.as_ref().map(serde_json::to_value) {
                Some(Ok(known)) if is_current => unknown_key(json, &known),
                _ => serde_json::to_value(&written.result)
                    .ok()
                    .and_then(|known| unknown_key(&json["result"], &known))
                    .map(|key| format!("result.{key}")),
            };
            if let Some(key) = unknown {
                return Err(Refusal::Contradiction(format!("{key}: a record has no such key").into()));
            }
            check::agreement(&written).map_err(Refusal::Contradiction)?;
            if let Some(data) = written.data.as_ref().filter(|_| is_current) {
                data.check_complete().map_err(Refusal::Contradiction)?;
            }
        }
        let accuracies = match &written.data {
            Some(data) if checked => written.result.check(data),
            _ => Ok(()),
        };
        let mut run = Self::new(file, written)?;
        run.config = match known.map(|record| serde_json::to_value(record.config)) {
            Some(Ok(config)) => config,
            _ => super::as_written_here(run.config),
        };
        run.data_identity = match json["data"]["checksum"].as_str() {
            Some(checksum) => checksum.to_owned(),
            None => run.config["dataset"].to_string(),
        };
        match accuracies {
            Ok(()) => Ok(run),
            Err(what) => Err(Refusal::Accuracy(Box::new(run), what)),
        }
    }

    fn new(file: String, written: WrittenRecord) -> Result<Self, Flaw> {
        let config = written.config;
        let seed =
            config.get("seed").and_then(Value::as_u64).ok_or("config.seed is missing or no whole number")?;
        let kind = config["algorithm"]["kind"].as_str().map(str::to_owned);
        let kind =
            kind.ok_or("config.algorithm.kind is missing: nothing says which algorithm made the run")?;
        let samples = written.data.as_ref().map_or(0, |data| data.train_samples);
        let work = written.local_search.as_ref().map(|search| search.work);
        let test_samples = written.data.as_ref().map_or(0, |data| data.test_samples);
        let front_in_training = written
            .front
            .iter()
            .flat_map(|front| &front.masks)
            .map(|mask| (mask.sparsity, f64::from(mask.train_correct) / samples.max(1) as f64));
        let front_in_training = front_in_training.collect();
        let sparser = written.local_search.iter().flat_map(|search| &search.front);
        let sparser = sparser.map(|point| (point.sparsity, point.test_correct));
        let other = written.front.iter().flat_map(|front| front.masks.iter().skip(1));
        let other = other.map(|mask| (mask.sparsity, mask.test_correct));
        let front = sparser
            .chain(other)
            .filter(|_| test_samples > 0)
            .map(|(sparsity, correct)| (sparsity, f64::from(correct) / test_samples as f64))
            .collect();
        let mut result = written.result;
        result.multiply_adds = result.multiply_adds.or(work.map(|work| work.multiply_adds));
        let epochs = Some(written.epochs.len() as u64).filter(|&epochs| epochs > 0);
        let walked =
            || written.local_search.and_then(|search| walk(search.history, &config["algorithm"], samples));
        let history = written.history.or_else(walked).unwrap_or_default();
        let part = |key: &str| config.get(key).cloned().unwrap_or(Value::Null);
        let mut run = Self {
            file,
            name: part("name").as_str().unwrap_or_default().to_owned(),
            seed,
            kind,
            dataset: serde_json::from_value(part("dataset")).ok(),
            network: serde_json::from_value(part("network")).ok(),
            config,
            cell: written.cell,
            program_version: written.program_version,
            stop_reason: written.stop_reason,
            adapter: written.adapter,
            arithmetic: written.arithmetic,
            data: written.data,
            data_identity: String::new(),
            result,
            proposals: work.map(|work| work.proposals),
            epochs,
            timing: written.timing.unwrap_or_default(),
            mask_hex: written.ticket.map(|ticket| ticket.mask_hex),
            history,
            front,
            front_in_training,
            hypervolume: written.front.map(|front| front.hypervolume),
        };
        if let (Some(epochs), None, Some(layers)) = (epochs, run.result.multiply_adds, run.layers()) {
            run.result.multiply_adds = Some(of_training(epochs, samples, layers)).filter(|&count| count > 0);
        }
        run.history.shorten();
        Ok(run)
    }

    /// Without a checksum, the identity of the data is their configuration, as JSON.
    pub(super) fn has_checksum(&self) -> bool {
        !self.data_identity.starts_with('{')
    }

    /// Did the user stop the run before its end?
    pub fn is_interrupted(&self) -> bool {
        self.stop_reason.as_deref() == Some("interrupted")
    }

    /// The layer widths, where the configuration says them.
    pub fn layers(&self) -> Option<&Architecture> {
        Some(&self.network.as_ref()?.layers)
    }

    /// `moons`, `blobs`, …: the kind of the data set, or what its cell calls it.
    pub fn dataset_kind(&self) -> &str {
        self.config["dataset"]["kind"].as_str().unwrap_or(&self.cell.dataset)
    }

    /// The configuration without what tells runs of one cell apart.
    pub fn shared_config(&self) -> Value {
        without(&self.config, &["seed", "name"])
    }

    /// The best training accuracy per generation.
    pub fn best_accuracy(&self) -> Vec<f64> {
        let samples = self.data.as_ref().map_or(0, |data| data.train_samples);
        if samples == 0 {
            return Vec::new();
        }
        self.history.best_correct.iter().map(|&count| f64::from(count) / samples as f64).collect()
    }
}

/// A configuration without some of its sections.
pub(super) fn without(config: &Value, sections: &[&str]) -> Value {
    let mut config = config.clone();
    if let Value::Object(settings) = &mut config {
        settings.retain(|key, _| !sections.contains(&key.as_str()));
    }
    config
}

impl RunHistory {
    /// The columns' names and lengths.
    pub(super) fn lengths(&self) -> [(&'static str, usize); 11] {
        macro_rules! lengths {
            ($($column:ident)*) => { [$((stringify!($column), self.$column.len())),*] };
        }
        lengths!(mean_accuracy best_sparsity highest_sparsity highest_sparsity_so_far diversity accuracy_bound
            evaluations incumbents children mutants migrants)
    }

    /// The columns of shares.
    pub(super) fn shares(&self) -> [(&'static str, &[f32]); 5] {
        [
            ("mean_accuracy", &self.mean_accuracy),
            ("best_sparsity", &self.best_sparsity),
            ("highest_sparsity", &self.highest_sparsity),
            ("highest_sparsity_so_far", &self.highest_sparsity_so_far),
            ("diversity", &self.diversity),
        ]
    }

    /// Columns that do not match the first in length cannot be drawn against it: they are dropped.
    fn shorten(&mut self) {
        let length = self.best_correct.len();
        macro_rules! keep {
            ($($column:ident)*) => { $(if self.$column.len() != length { self.$column.clear() })* };
        }
        keep!(mean_accuracy best_sparsity highest_sparsity highest_sparsity_so_far diversity accuracy_bound
            evaluations seconds incumbents children mutants migrants);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_training_takes_three_products_of_every_layer_but_the_first() {
        let layers: Architecture = vec![2, 5, 3].try_into().expect("an architecture");
        // Forward 10 + 15, to the weights 10 + 15, to the hidden neurons 15.
        assert_eq!(of_training(4, 100, &layers), 4 * 100 * (25 + 25 + 15));
    }

    #[test]
    fn a_local_search_progresses_by_the_proposals_of_all_its_chains() {
        let history = json!({
            "proposals": [0, 10, 20], "seconds": [0.0, 0.5, 0.9], "cost": [9, 4, 6], "wrong": [50, 20, 30],
            "weights_kept": [7, 7, 7],
        });
        let progress = |algorithm: Value| {
            walk(serde_json::from_value(history.clone()).expect("a history"), &algorithm, 200)
        };
        let whole = progress(json!({"chains": 3})).expect("a progress");
        assert_eq!((whole.evaluations, whole.seconds), (vec![0, 30, 60], vec![0.0, 0.5, 0.9]));
        assert_eq!(whole.best_correct, [150, 180, 180], "the best so far, of all samples");
        // Of 100 samples that were looked at, 80% were right.
        let sample = progress(json!({"chains": 1, "train_samples": 100})).expect("a progress");
        assert_eq!(sample.best_correct, [100, 160, 160]);
        assert!(progress(json!({"growth": {"samples": 10}})).is_none(), "growing samples do not compare");
    }
}
