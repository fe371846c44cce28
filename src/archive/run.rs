//! A record, read so that whatever can be used is used.
//!
//! This is the one place that knows which parts of a record may be missing: a baseline has no ticket or no
//! generations, and a later program may know algorithms that this one does not.

use crate::dataset::DatasetConfig;
use crate::evaluate::{AdapterInfo, Arithmetic};
use crate::network::{Architecture, NetworkConfig};
use crate::record::{Cell, DataFacts, Timing};
use serde::Deserialize;
use serde_json::Value;

/// A record, as far as reports need it.
#[derive(Clone, Debug)]
pub struct Run {
    pub file: String,
    pub cell: Cell,
    pub name: String,
    pub seed: u64,
    /// `algorithm.kind` of the configuration: `ga`, `edge_popup`, …
    pub kind: String,
    /// The resolved configuration as it was written.
    pub config: Value,
    /// Absent where this program does not know the data set.
    pub dataset: Option<DatasetConfig>,
    pub network: Option<NetworkConfig>,
    pub program_version: Option<String>,
    pub stop_reason: Option<String>,
    pub adapter: Option<AdapterInfo>,
    pub arithmetic: Option<Arithmetic>,
    pub data: Option<DataFacts>,
    pub result: Scores,
    pub timing: Timing,
    pub mask_hex: Option<String>,
    pub history: Progress,
    /// Sparsity and test accuracy, fractions, of the sparser masks that the search went on to.
    pub front: Vec<(f64, f64)>,
}

/// What a run reached. Accuracies and sparsities are fractions.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Scores {
    pub train_accuracy: Option<f64>,
    pub test_accuracy: f64,
    pub validation_accuracy: Option<f64>,
    pub test_accuracy_best_of_population: Option<f64>,
    pub sparsity: Option<f64>,
    pub weights: Option<usize>,
    pub weights_kept: Option<usize>,
    pub hidden_neurons: Option<usize>,
    pub dead_neurons: Option<usize>,
    pub generations: Option<usize>,
    pub evaluations: Option<Evaluations>,
    /// Executed by the search; of a local search, for its proposals.
    pub multiply_adds: Option<u64>,
}

/// See [`Counters`](crate::evolve::Counters).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Evaluations {
    pub asked: u64,
    pub made: u64,
}

/// The columns of [`History`](crate::evolve::History) that there are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Progress {
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

/// A record's file. What is not optional here, every record must have.
#[derive(Deserialize)]
pub(super) struct Written {
    pub(super) schema_version: Value,
    cell: Cell,
    config: Value,
    result: Scores,
    program_version: Option<String>,
    stop_reason: Option<String>,
    adapter: Option<AdapterInfo>,
    arithmetic: Option<Arithmetic>,
    data: Option<DataFacts>,
    timing: Option<Timing>,
    ticket: Option<Value>,
    history: Option<Progress>,
    local_search: Option<WrittenSearch>,
}

/// What a record says of a local search, as far as it is drawn.
#[derive(Deserialize)]
struct WrittenSearch {
    history: crate::local_search::History,
    work: Option<crate::local_search::Work>,
    #[serde(default)]
    front: Vec<WrittenPoint>,
}

/// What is drawn of a [`FrontPoint`](crate::local_search::FrontPoint).
#[derive(Deserialize)]
struct WrittenPoint {
    sparsity: f64,
    test_correct: u32,
}

impl WrittenSearch {
    /// The walk that ended at the ticket, as a search's progress: a proposal of any of the chains, which went
    /// side by side, counts as an evaluation. None where chains saw more and more samples, whose counts do not
    /// compare.
    fn progress(self, algorithm: &Value, samples: usize) -> Option<Progress> {
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
        Some(Progress {
            best_correct: self.history.wrong.iter().map(&mut best_so_far).collect(),
            evaluations: self.history.proposals.iter().map(|count| count * chains).collect(),
            seconds: self.history.seconds,
            ..Progress::default()
        })
    }
}

impl Run {
    pub(super) fn new(file: String, written: Written) -> Result<Self, String> {
        let config = written.config;
        let accuracy = written.result.test_accuracy;
        if !(0.0..=1.0).contains(&accuracy) {
            return Err(format!("result.test_accuracy is {accuracy}; an accuracy is a number from 0 to 1"));
        }
        let seed =
            config.get("seed").and_then(Value::as_u64).ok_or("config.seed is missing or no whole number")?;
        let samples = written.data.as_ref().map_or(0, |data| data.train_samples);
        let work = written.local_search.as_ref().and_then(|search| search.work);
        let test_samples = written.data.as_ref().map_or(0, |data| data.test_samples);
        let points = written.local_search.iter().flat_map(|search| &search.front);
        let front = points
            .filter(|_| test_samples > 0)
            .map(|point| (point.sparsity, f64::from(point.test_correct) / test_samples as f64))
            .collect();
        let mut result = written.result;
        result.multiply_adds = result.multiply_adds.or(work.map(|work| work.multiply_adds));
        let walked =
            || written.local_search.and_then(|search| search.progress(&config["algorithm"], samples));
        let history = written.history.or_else(walked).unwrap_or_default();
        let part = |key: &str| config.get(key).cloned().unwrap_or(Value::Null);
        let mut run = Self {
            file,
            name: part("name").as_str().unwrap_or_default().to_owned(),
            seed,
            kind: part("algorithm").get("kind").and_then(Value::as_str).unwrap_or("unknown").to_owned(),
            dataset: serde_json::from_value(part("dataset")).ok(),
            network: serde_json::from_value(part("network")).ok(),
            config,
            cell: written.cell,
            program_version: written.program_version,
            stop_reason: written.stop_reason,
            adapter: written.adapter,
            arithmetic: written.arithmetic,
            data: written.data,
            result,
            timing: written.timing.unwrap_or_default(),
            mask_hex: written.ticket.and_then(|ticket| Some(ticket.get("mask_hex")?.as_str()?.to_owned())),
            history,
            front,
        };
        run.history.shorten();
        Ok(run)
    }

    /// The layer widths, where the configuration says them.
    pub fn layers(&self) -> Option<&Architecture> {
        self.network.as_ref()?.layers.as_ref()
    }

    /// `moons`, `blobs`, …: the kind of the data set, or what its cell calls it.
    pub fn dataset_kind(&self) -> &str {
        self.config["dataset"]["kind"].as_str().unwrap_or(&self.cell.dataset)
    }

    /// The configuration without what tells runs of one cell apart.
    pub fn shared_config(&self) -> Value {
        let mut config = self.config.clone();
        if let Value::Object(settings) = &mut config {
            settings.shift_remove("seed");
            settings.shift_remove("name");
        }
        config
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

impl Progress {
    /// Columns that do not match the first in length cannot be drawn against it: they are dropped.
    fn shorten(&mut self) {
        fn keep<T>(column: &mut Vec<T>, length: usize) {
            if column.len() != length {
                column.clear();
            }
        }
        let length = self.best_correct.len();
        keep(&mut self.mean_accuracy, length);
        keep(&mut self.best_sparsity, length);
        keep(&mut self.highest_sparsity, length);
        keep(&mut self.highest_sparsity_so_far, length);
        keep(&mut self.diversity, length);
        keep(&mut self.accuracy_bound, length);
        keep(&mut self.evaluations, length);
        keep(&mut self.seconds, length);
        keep(&mut self.incumbents, length);
        keep(&mut self.children, length);
        keep(&mut self.mutants, length);
        keep(&mut self.migrants, length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_local_search_progresses_by_the_proposals_of_all_its_chains() {
        let history = json!({
            "proposals": [0, 10, 20], "seconds": [0.0, 0.5, 0.9], "cost": [9, 4, 6], "wrong": [50, 20, 30],
            "weights_kept": [7, 7, 7],
        });
        let progress = |algorithm: Value| {
            let search: WrittenSearch =
                serde_json::from_value(json!({ "history": history })).expect("a history");
            search.progress(&algorithm, 200)
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
