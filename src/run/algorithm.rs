//! The table of algorithms: what the parser, the command line's help, the dry run and the report know of each, and how
//! it becomes a run.

use super::{Control, Run, RunError, baseline, local_search, lockstep};
use crate::baseline::backprop::{BackpropConfig, Solver};
use crate::baseline::edge_popup::EdgePopupConfig;
use crate::dataset::Dataset;
use crate::evaluate::Backend;
use crate::memory::{product, sum};
use crate::network::Architecture;
use crate::run::record::Record;
use crate::search::chains::LocalSearchConfig;
use crate::search::genetic::{GeneticConfig, Individual, ResolvedGenetic};
use crate::settings::{self, BadSetting};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;

/// A row of the table.
#[derive(Debug)]
pub struct AlgorithmKind {
    /// The value of `kind` in configurations and records.
    pub name: &'static str,
    /// How tables and figures call it.
    pub label: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// What its progress is counted in.
    pub unit: &'static str,
    /// Is it there to be compared with, and no search?
    pub is_baseline: bool,
    read: fn(Map<String, Value>) -> Result<AlgorithmConfig, BadSetting>,
}

/// The algorithms, in the order in which tables list them.
pub static ALGORITHMS: [AlgorithmKind; 6] = [
    AlgorithmKind {
        name: "ga",
        label: "GA",
        about: "the paper's genetic algorithm",
        unit: "generations",
        is_baseline: false,
        read: |given| over_defaults(&GeneticConfig::default(), given).map(AlgorithmConfig::Ga),
    },
    AlgorithmKind {
        name: "ga_adaptive_ab",
        label: "GA (adaptive AB)",
        about: "the same with the adaptive accuracy bound",
        unit: "generations",
        is_baseline: false,
        read: |given| over_defaults(&GeneticConfig::adaptive(), given).map(AlgorithmConfig::GaAdaptiveAb),
    },
    AlgorithmKind {
        name: "local_search",
        label: "local_search",
        about: "local search by flips of single bits, whose effects are cheap to compute",
        unit: "proposals",
        is_baseline: false,
        read: |given| over_defaults(&LocalSearchConfig::default(), given).map(AlgorithmConfig::LocalSearch),
    },
    AlgorithmKind {
        name: "edge_popup",
        label: "Edge-popup",
        about: "a baseline: masks by gradients on scores (Ramanujan et al. 2020)",
        unit: "epochs",
        is_baseline: true,
        read: |given| over_defaults(&EdgePopupConfig::default(), given).map(AlgorithmConfig::EdgePopup),
    },
    AlgorithmKind {
        name: "backprop",
        label: "Backpropagation",
        about: "a baseline: all weights trained, as by scikit-learn's MLPClassifier",
        unit: "epochs",
        is_baseline: true,
        read: |given| over_defaults(&BackpropConfig::default(), given).map(AlgorithmConfig::Backprop),
    },
    AlgorithmKind {
        name: "backprop_paper",
        label: "Backpropagation",
        about: "the same with the paper's hyperparameters (Table 2)",
        unit: "epochs",
        is_baseline: true,
        read: |given| match given.keys().next() {
            None => Ok(AlgorithmConfig::BackpropPaper),
            Some(key) => {
                Err(BadSetting::new(key, "backprop_paper has no settings; use backprop to give them"))
            }
        },
    },
];

/// The row of the algorithm `name`.
pub fn kind(name: &str) -> Option<&'static AlgorithmKind> {
    ALGORITHMS.iter().find(|kind| kind.name == name)
}

/// How a subnetwork is looked for, as it is written.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AlgorithmConfig {
    Ga(GeneticConfig),
    GaAdaptiveAb(GeneticConfig),
    LocalSearch(LocalSearchConfig),
    EdgePopup(EdgePopupConfig),
    Backprop(BackpropConfig),
    BackpropPaper,
}

impl Default for AlgorithmConfig {
    fn default() -> Self {
        Self::Ga(GeneticConfig::default())
    }
}

impl<'de> Deserialize<'de> for AlgorithmConfig {
    /// Reads `{"kind": …, …}`: the settings given are laid over the defaults of their kind.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut given = Map::deserialize(deserializer)?;
        let names = ALGORITHMS.each_ref().map(|kind| kind.name);
        settings::kind(&mut given, "kind", &names)
            .and_then(|name| (kind(name).expect("a name of the table").read)(given))
            .map_err(BadSetting::within)
    }
}

impl AlgorithmConfig {
    /// Its row of the table.
    pub fn kind(&self) -> &'static AlgorithmKind {
        let [ga, ga_adaptive_ab, local_search, edge_popup, backprop, backprop_paper] = &ALGORITHMS;
        match self {
            Self::Ga(_) => ga,
            Self::GaAdaptiveAb(_) => ga_adaptive_ab,
            Self::LocalSearch(_) => local_search,
            Self::EdgePopup(_) => edge_popup,
            Self::Backprop(_) => backprop,
            Self::BackpropPaper => backprop_paper,
        }
    }

    /// The settings of the genetic algorithm, where it is one, to change.
    pub fn genetic_mut(&mut self) -> Option<&mut GeneticConfig> {
        match self {
            Self::Ga(config) | Self::GaAdaptiveAb(config) => Some(config),
            _ => None,
        }
    }

    /// Checks the settings, and fills in what depends on the network and on the data, whose kind is `dataset` and in
    /// which the largest class has the share `majority`.
    ///
    /// # Errors
    /// Names the key whose value makes no sense.
    pub fn resolve(
        self,
        layers: &Architecture,
        dataset: &str,
        majority: f64,
    ) -> Result<Algorithm, BadSetting> {
        let resolved = match self {
            Self::Ga(settings) => settings.resolve(layers, majority).map(Algorithm::Ga),
            Self::GaAdaptiveAb(settings) => settings.resolve(layers, majority).map(Algorithm::GaAdaptiveAb),
            Self::LocalSearch(settings) => settings.validate().map(|()| Algorithm::LocalSearch(settings)),
            Self::EdgePopup(settings) => settings.validate().map(|()| Algorithm::EdgePopup(settings)),
            Self::Backprop(settings) => settings.validate().map(|()| Algorithm::Backprop(settings)),
            Self::BackpropPaper => {
                BackpropConfig::preset(dataset, layers).map(Algorithm::Backprop).ok_or_else(|| {
                    let reason = format!(
                        "the paper has no hyperparameters of backpropagation for {dataset} and {layers}; use \"backprop\", with settings of your own or from `supermask tune`"
                    );
                    BadSetting::new("", reason)
                })
            }
        };
        resolved.map_err(|error| error.below("algorithm"))
    }
}

/// How a subnetwork is looked for, every setting having its value.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Algorithm {
    Ga(ResolvedGenetic),
    GaAdaptiveAb(ResolvedGenetic),
    LocalSearch(LocalSearchConfig),
    EdgePopup(EdgePopupConfig),
    Backprop(BackpropConfig),
}

impl Default for Algorithm {
    fn default() -> Self {
        Self::Ga(ResolvedGenetic::default())
    }
}

impl<'de> Deserialize<'de> for Algorithm {
    /// Reads what a record has: settings that an earlier version did not write have their defaults.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let open = || {
            let reason = "start and floor are missing, which a run has from its data";
            BadSetting::new("accuracy_bound", reason).within()
        };
        Ok(match AlgorithmConfig::deserialize(deserializer)? {
            AlgorithmConfig::Ga(settings) => Self::Ga(settings.resolved().ok_or_else(open)?),
            AlgorithmConfig::GaAdaptiveAb(settings) => {
                Self::GaAdaptiveAb(settings.resolved().ok_or_else(open)?)
            }
            AlgorithmConfig::LocalSearch(settings) => Self::LocalSearch(settings),
            AlgorithmConfig::EdgePopup(settings) => Self::EdgePopup(settings),
            AlgorithmConfig::Backprop(settings) => Self::Backprop(settings),
            AlgorithmConfig::BackpropPaper => {
                return Err(
                    BadSetting::new("kind", "a run that has its settings is of kind backprop").within()
                );
            }
        })
    }
}

impl Algorithm {
    /// Its row of the table.
    pub fn kind(&self) -> &'static AlgorithmKind {
        let [ga, ga_adaptive_ab, local_search, edge_popup, backprop, _] = &ALGORITHMS;
        match self {
            Self::Ga(_) => ga,
            Self::GaAdaptiveAb(_) => ga_adaptive_ab,
            Self::LocalSearch(_) => local_search,
            Self::EdgePopup(_) => edge_popup,
            Self::Backprop(_) => backprop,
        }
    }

    /// The settings of the genetic algorithm, where it is one.
    pub fn genetic(&self) -> Option<&ResolvedGenetic> {
        match self {
            Self::Ga(settings) | Self::GaAdaptiveAb(settings) => Some(settings),
            _ => None,
        }
    }

    /// The epochs at most, where it is trained in such, to change.
    pub fn epochs_mut(&mut self) -> Option<&mut u32> {
        match self {
            Self::EdgePopup(settings) => Some(&mut settings.epochs),
            Self::Backprop(settings) => Some(&mut settings.max_epochs),
            _ => None,
        }
    }

    /// What is done by these settings.
    pub fn procedure(&self) -> &dyn Procedure {
        match self {
            Self::Ga(settings) | Self::GaAdaptiveAb(settings) => settings,
            Self::LocalSearch(settings) => settings,
            Self::EdgePopup(settings) => settings,
            Self::Backprop(settings) => settings,
        }
    }
}

/// An amount from the least to the most that a configuration allows; without a most where it sets none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    pub least: f64,
    pub most: Option<f64>,
}

impl Range {
    fn exactly(amount: f64) -> Self {
        Self { least: amount, most: Some(amount) }
    }
}

/// What an algorithm's settings say of a run: how it is made, how long it is, and what it takes of memory at least.
pub trait Procedure {
    /// Makes the run whose settings these are: see [`run`](super::run).
    ///
    /// # Errors
    /// See [`run`](super::run).
    fn run(
        &self,
        run: &Run,
        dataset: &Arc<Dataset>,
        backend: &dyn Backend,
        control: Control<'_>,
    ) -> Result<Option<Record>, RunError>;

    /// How long the run is, in the [`unit`](AlgorithmKind::unit) of its kind.
    fn steps(&self) -> Range;

    /// Bytes of the masks or the parameters that it keeps beside the network.
    fn least_bytes(&self, layers: &Architecture) -> u64;

    /// What takes that memory, such as `a population of 100 on`.
    fn in_memory(&self) -> String;
}

impl Procedure for ResolvedGenetic {
    fn run(
        &self,
        run: &Run,
        dataset: &Arc<Dataset>,
        backend: &dyn Backend,
        control: Control<'_>,
    ) -> Result<Option<Record>, RunError> {
        lockstep::alone(run, dataset, backend, control)
    }

    fn steps(&self) -> Range {
        let stop = &self.termination;
        let least = stop.min_generations.max(stop.patience);
        let most = stop.max_generations;
        Range { least: most.map_or(least, |most| least.min(most)) as f64, most: most.map(|most| most as f64) }
    }

    /// A population with the offspring of a generation, and the masks of the first batch.
    fn least_bytes(&self, layers: &Architecture) -> u64 {
        let mask = mask_bytes(layers);
        let individuals = self.population.saturating_add(self.offspring()) as u64;
        let individual = sum(&[mask, INDIVIDUAL as u64]);
        let first_batch = mask.saturating_mul(self.population as u64);
        sum(&[individuals.saturating_mul(individual), first_batch, activations(layers)])
    }

    fn in_memory(&self) -> String {
        format!("a population of {} on", self.population)
    }
}

impl Procedure for LocalSearchConfig {
    fn run(
        &self,
        run: &Run,
        dataset: &Arc<Dataset>,
        backend: &dyn Backend,
        control: Control<'_>,
    ) -> Result<Option<Record>, RunError> {
        local_search::run(run, self, dataset, backend, control).map(Some)
    }

    fn steps(&self) -> Range {
        Range::exactly(self.total_proposals() as f64)
    }

    /// The present and the best mask of every chain, and the proposals of one batch.
    fn least_bytes(&self, layers: &Architecture) -> u64 {
        let chain = sum(&[mask_bytes(layers).saturating_mul(2), CHAIN as u64]);
        let batch = usize::try_from(self.proposals).unwrap_or(usize::MAX).min(self.batch);
        let chains = chain.saturating_mul(self.chains as u64);
        sum(&[chains, product(&[PROPOSAL, batch]), activations(layers)])
    }

    fn in_memory(&self) -> String {
        format!("{} chains with a batch of {} on", self.chains, self.batch)
    }
}

impl Procedure for EdgePopupConfig {
    fn run(
        &self,
        run: &Run,
        dataset: &Arc<Dataset>,
        _: &dyn Backend,
        control: Control<'_>,
    ) -> Result<Option<Record>, RunError> {
        baseline::edge_popup(run, self, dataset, control).map(Some)
    }

    fn steps(&self) -> Range {
        Range::exactly(self.epochs.into())
    }

    /// Scores, their gradients, and their velocities.
    fn least_bytes(&self, layers: &Architecture) -> u64 {
        layers.bytes().saturating_mul(3)
    }

    fn in_memory(&self) -> String {
        "edge_popup of".to_owned()
    }
}

impl Procedure for BackpropConfig {
    fn run(
        &self,
        run: &Run,
        dataset: &Arc<Dataset>,
        _: &dyn Backend,
        control: Control<'_>,
    ) -> Result<Option<Record>, RunError> {
        baseline::backprop(run, self, dataset, control).map(Some)
    }

    fn steps(&self) -> Range {
        let most = f64::from(self.max_epochs);
        Range { least: most.min(f64::from(self.patience) + 1.0), most: Some(most) }
    }

    /// Gradients, and one or two moments of them.
    fn least_bytes(&self, layers: &Architecture) -> u64 {
        layers.bytes().saturating_mul(if self.solver == Solver::Adam { 3 } else { 2 })
    }

    fn in_memory(&self) -> String {
        "backprop of".to_owned()
    }
}

/// Bytes that a neuron of the widest layer takes on one thread: its activations for a block of samples, and those of
/// the layer before. The blocks of the CPU's kernels have 32 samples or more.
const NEURON: usize = 2 * 32 * size_of::<f32>();

/// Bytes of an individual beside its mask: itself, the hash by which its mask is remembered, its place in every order.
/// Populations of millions were measured to take 200.
const INDIVIDUAL: usize = size_of::<Individual>() + 100;

/// Bytes of a chain beside its masks: its random stream, its history, its moves. Measured: 2100.
const CHAIN: usize = 1500;

/// Bytes of a proposal of a batch: its flips, and what it is judged by. Measured: 250.
const PROPOSAL: usize = 200;

/// What one thread takes to score a mask.
fn activations(layers: &Architecture) -> u64 {
    product(&[NEURON, layers.widths()[1..].iter().max().copied().unwrap_or(0)])
}

fn mask_bytes(layers: &Architecture) -> u64 {
    product(&[layers.mask_words(), size_of::<u32>()])
}

/// `given` settings over `defaults`, key by key, also inside nested objects.
fn over_defaults<T: Serialize + DeserializeOwned>(
    defaults: &T,
    given: Map<String, Value>,
) -> Result<T, BadSetting> {
    let mut settings = serde_json::to_value(defaults).expect("settings serialise");
    overlay(&mut settings, Value::Object(given));
    settings::read(settings)
}

fn overlay(base: &mut Value, given: Value) {
    match (base, given) {
        (Value::Object(base), Value::Object(given)) => {
            for (key, value) in given {
                match base.get_mut(&key) {
                    Some(inner) => overlay(inner, value),
                    None => {
                        base.insert(key, value);
                    }
                }
            }
        }
        (base, given) => *base = given,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The least bytes of a run on a network of 2 × 75 + 75 × 2 weights (10 words of a mask) and 77 biases.
    fn bytes(algorithm: Value) -> u64 {
        let layers = Architecture::try_from(vec![2, 75, 2]).expect("an architecture");
        let algorithm: Algorithm = serde_json::from_value(algorithm).expect("settings");
        sum(&[layers.bytes(), algorithm.procedure().least_bytes(&layers)])
    }

    const NETWORK: u64 = 4 * (300 + 77);
    const ACTIVATIONS: u64 = 75 * NEURON as u64;

    #[test]
    fn a_population_takes_its_masks_with_those_of_its_offspring() {
        assert_eq!(
            bytes(json!({"kind": "ga"})),
            NETWORK + ACTIVATIONS + 153 * (40 + INDIVIDUAL as u64) + 100 * 40
        );
        let large = bytes(json!({"kind": "ga", "population": 1_000_000_000}));
        assert!(large > 100 << 30, "{large}");
        assert_eq!(bytes(json!({"kind": "ga", "population": u64::MAX})), u64::MAX);
    }

    #[test]
    fn chains_and_batches_take_their_masks_and_proposals() {
        let local = |more: Value| {
            let mut settings = json!({"kind": "local_search"});
            settings.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            bytes(settings)
        };
        let chain = 2 * 40 + CHAIN as u64;
        assert_eq!(local(json!({"chains": 3})), NETWORK + ACTIVATIONS + 3 * chain + PROPOSAL as u64);
        assert_eq!(local(json!({"batch": 1000})), NETWORK + ACTIVATIONS + chain + 1000 * PROPOSAL as u64);
        // A batch has no more proposals than the chain.
        assert_eq!(
            local(json!({"batch": 1000, "proposals": 10})),
            NETWORK + ACTIVATIONS + chain + 10 * PROPOSAL as u64
        );
        assert_eq!(local(json!({"chains": u64::MAX})), u64::MAX);
    }

    #[test]
    fn baselines_take_their_parameters_some_times() {
        assert_eq!(bytes(json!({"kind": "edge_popup"})), 4 * NETWORK);
        assert_eq!(bytes(json!({"kind": "backprop", "solver": "adam"})), 4 * NETWORK);
        assert_eq!(bytes(json!({"kind": "backprop", "solver": "sgd"})), 3 * NETWORK);
    }

    #[test]
    fn generations_lie_between_what_the_configuration_sets() {
        let layers = Architecture::try_from(vec![2, 75, 2]).expect("an architecture");
        let steps = |config: GeneticConfig| config.resolve(&layers, 0.5).expect("settings").steps();
        assert_eq!(steps(GeneticConfig::default()), Range { least: 100.0, most: None });
        assert_eq!(steps(GeneticConfig::adaptive()), Range { least: 100.0, most: Some(200.0) });
        let mut short = GeneticConfig::default();
        short.termination.max_generations = Some(7);
        assert_eq!(steps(short), Range { least: 7.0, most: Some(7.0) });
    }
}
