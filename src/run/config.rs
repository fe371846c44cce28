//! Run configurations: one JSON file becomes one validated value before any work begins.

mod file;

pub use file::{Assignment, ConfigFile};
pub(crate) use file::{absolute, set_key};

use super::algorithm::{Algorithm, AlgorithmConfig};
use crate::baseline::edge_popup;
use crate::dataset::{Dataset, DatasetConfig};
use crate::excerpt;
use crate::flaw::Flaw;
use crate::memory::{TooMuch, require, sum};
use crate::network::{NetworkConfig, NetworkError, NetworkInit};
use crate::printable;
use crate::run::record::Cell;
use crate::run::start::StartConfig;
use crate::settings::{self, BadSetting};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The configuration of a run as it is written.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = settings::optional("name"))]
pub struct RunConfig {
    /// Names the record. By default the configuration file's name.
    pub name: String,
    /// Root of all random numbers: one seed, one network and one ticket.
    #[serde(default)]
    pub seed: u64,
    /// The data.
    pub dataset: DatasetConfig,
    /// The network whose subnetworks are looked for.
    pub network: NetworkConfig,
    /// How a subnetwork is looked for.
    #[serde(default)]
    pub algorithm: AlgorithmConfig,
    /// Masks that a genetic or a local search begins with. By default they are drawn at random.
    #[serde(default)]
    pub start: Option<StartConfig>,
    /// What is to be told of how the configuration was read.
    #[serde(skip)]
    pub notes: Vec<String>,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{}: cannot read the configuration: {source}", absolute(path))]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path}: {reason}")]
    Content { path: PathBuf, reason: Flaw },
    #[error("{path}: {source}")]
    Value { path: PathBuf, source: BadSetting },
    #[error(
        "network.layers {layers} has {found} inputs, but the data have {needed} features; start it with {needed}"
    )]
    Inputs { layers: String, found: usize, needed: usize },
    #[error(
        "network.layers {layers} has {found} outputs, but the data have {needed} classes; end it with {needed}"
    )]
    Outputs { layers: String, found: usize, needed: usize },
    #[error(transparent)]
    Setting(#[from] BadSetting),
    #[error(transparent)]
    Network(#[from] NetworkError),
}

impl RunConfig {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// Names the file and the place in it.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        ConfigFile::read(path)?.run()
    }

    /// Checks the JSON found at `path`.
    pub fn parse(path: &Path, value: Value) -> Result<Self, ConfigError> {
        ConfigFile::held(path, value).run()
    }

    /// Checks a configuration held in memory, whose relative paths begin in the working folder.
    ///
    /// `"dataset": "moons"` is short for `"dataset": {"kind": "moons"}`, and likewise wherever settings are of a kind.
    pub fn from_value(value: Value) -> Result<Self, BadSetting> {
        let config: Self = settings::read(value)?;
        config.network.validate().map_err(|error| error.below("network"))?;
        if let Some(problem) = problem_with_name(&config.name) {
            return Err(BadSetting::new("name", problem));
        }
        Ok(config)
    }

    /// The name of the record's file, without an ending: `moons-b-seed3`.
    pub fn stem(&self) -> String {
        stem(&self.name, self.seed)
    }

    /// Checks the configuration against its data, and fills in what depends on them.
    ///
    /// # Errors
    /// When the architecture does not fit the data, or a setting makes no sense.
    pub fn resolve(self, dataset: &Dataset) -> Result<ResolvedConfig, ConfigError> {
        let (features, classes) = (dataset.train.width, dataset.classes());
        let mut network = self.network.resolve(features, classes)?;
        let layers = network.layers.to_string();
        if network.layers.inputs() != features {
            return Err(ConfigError::Inputs { layers, found: network.layers.inputs(), needed: features });
        }
        if network.layers.outputs() != classes {
            return Err(ConfigError::Outputs { layers, found: network.layers.outputs(), needed: classes });
        }
        let majority = majority_share(&dataset.train.labels, classes);
        let algorithm = self.algorithm.resolve(&network.layers, self.dataset.kind(), majority)?;
        if let Algorithm::EdgePopup(settings) = &algorithm {
            let of_settings = edge_popup::network_config(&network.layers, settings);
            if network != NetworkInit::plain(network.layers.clone()) && network != of_settings {
                let reason = "edge-popup's weights and biases follow algorithm.weight_init; remove network.weights and network.biases";
                return Err(BadSetting::new("network", reason).into());
            }
            network = of_settings;
        }
        let (name, seed, start) = (self.name, self.seed, self.start.map(StartConfig::resolve));
        let resolved = ResolvedConfig { name, seed, dataset: self.dataset, network, algorithm, start };
        resolved.check_start(dataset)?;
        Ok(resolved)
    }
}

fn stem(name: &str, seed: u64) -> String {
    format!("{name}-seed{seed}")
}

/// Everything that decides what a run computes, apart from the arithmetic of its evaluator. Written as JSON, it is a
/// configuration that leaves nothing to the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolvedConfig {
    pub name: String,
    #[serde(default)]
    pub seed: u64,
    pub dataset: DatasetConfig,
    pub network: NetworkInit,
    pub algorithm: Algorithm,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<StartConfig>,
}

impl ResolvedConfig {
    /// The name of the record's file, without an ending: `moons-b-seed3`.
    pub fn stem(&self) -> String {
        stem(&self.name, self.seed)
    }

    /// The same configuration, its files being found where those of `other` are, as from another working folder. What
    /// the files hold is compared by checksums.
    pub(crate) fn with_files_of(&self, other: &Self) -> Self {
        let mut same = self.clone();
        for (own, other) in same.dataset.files_mut().into_iter().zip(other.dataset.files()) {
            *own = other.to_owned();
        }
        same.network.weights = same.network.weights.found_with(&other.network.weights);
        if let (Some(own), Some(other)) = (&mut same.start, &other.start)
            && own.checksum == other.checksum
        {
            own.ticket.clone_from(&other.ticket);
        }
        same
    }

    /// The same configuration, a genetic search ending when that of `other` does.
    pub(crate) fn with_end_of(&self, other: &Self) -> Self {
        let mut same = self.clone();
        if let (Algorithm::Ga(own), Algorithm::Ga(other))
        | (Algorithm::GaAdaptiveAb(own), Algorithm::GaAdaptiveAb(other)) =
            (&mut same.algorithm, &other.algorithm)
        {
            own.termination = other.termination.clone();
        }
        same
    }

    /// Refuses masks to begin with that are of another network or other data, or that the algorithm does not take.
    fn check_start(&self, dataset: &Dataset) -> Result<(), ConfigError> {
        let Some(start) = &self.start else { return Ok(()) };
        let kind = self.algorithm.kind();
        if kind.is_baseline {
            let reason = format!("the algorithm {} begins with no mask; remove it", kind.name);
            return Err(BadSetting::new("start", reason).into());
        }
        let network = self.network.build(self.seed)?;
        start.masks(&network, Some(dataset))?;
        Ok(())
    }

    /// How tables name a single run: by its data set, its layers and its algorithm.
    pub fn cell(&self) -> Cell {
        Cell {
            dataset: self.dataset.kind().to_owned(),
            architecture: self.network.layers.to_string(),
            algorithm: self.algorithm.kind().name.to_owned(),
            settings: Vec::new(),
        }
    }

    /// Bytes that the run takes at least, beside its data: its network, and the masks or the parameters that its
    /// algorithm keeps. What an adapter needs for its work comes on top.
    pub fn least_bytes(&self) -> u64 {
        let layers = &self.network.layers;
        sum(&[layers.bytes(), self.algorithm.procedure().least_bytes(layers)])
    }

    /// Refuses a run that does not fit into memory, before anything of it is made.
    ///
    /// # Errors
    /// Says what it would take and what there is.
    pub fn check_memory(&self) -> Result<(), TooMuch> {
        require(self.least_bytes(), || {
            format!("{} the network {}", self.algorithm.procedure().in_memory(), self.network.layers)
        })
    }
}

/// Bytes of a name at most: file systems allow 255 for it with the seed and an ending.
const MAX_NAME: usize = 200;

/// What keeps a name from being part of a file's name.
pub fn problem_with_name(name: &str) -> Option<String> {
    if name.len() > MAX_NAME {
        let name = excerpt::quoted(name);
        return Some(format!("{name} is longer than {MAX_NAME} bytes; give a shorter one"));
    }
    if printable::is_unprintable(name) {
        return Some(format!("{name:?} has control characters, which no terminal shows; leave them out"));
    }
    let unusable = name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\', '\0']);
    if name.starts_with('.') && !unusable && !name.chars().all(|c| c == '.') {
        let shown = name.trim_start_matches('.');
        return Some(format!(
            "{name:?} begins with a dot, and files of such names are hidden; name it {shown:?}"
        ));
    }
    unusable.then(|| {
        let name = excerpt::quoted(name);
        format!("{name} cannot be part of a file's name; leave out slashes, and do not leave it empty")
    })
}

/// The share of the most frequent label.
fn majority_share(labels: &[u32], classes: usize) -> f64 {
    let mut counts = vec![0usize; classes];
    for &label in labels {
        counts[label as usize] += 1;
    }
    counts.into_iter().max().unwrap_or(0) as f64 / labels.len() as f64
}
