//! Run configurations: one JSON file becomes one validated value before any work begins.

use crate::baseline::backprop::BackpropConfig;
use crate::baseline::edge_popup::{self, EdgePopupConfig};
use crate::dataset::{Dataset, DatasetConfig};
use crate::excerpt;
use crate::flaw::Flaw;
use crate::json::{self, JsonError};
use crate::network::{NetworkConfig, NetworkError};
use crate::printable;
use crate::run::record::Cell;
use crate::search::chains::LocalSearchConfig;
use crate::search::genetic::GeneticConfig;
use crate::settings::{self, BadSetting};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// Everything that decides what a run computes, apart from the arithmetic of its evaluator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Names the record. By default the configuration file's name.
    pub name: String,
    /// Root of all random streams.
    #[serde(default)]
    pub seed: u64,
    pub dataset: DatasetConfig,
    pub network: NetworkConfig,
    #[serde(default)]
    pub algorithm: AlgorithmConfig,
}

/// How a subnetwork is looked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AlgorithmConfig {
    /// The paper's "GA".
    Ga(GeneticConfig),
    /// The paper's "GA (adaptive AB)".
    GaAdaptiveAb(GeneticConfig),
    /// Local search by cheap neighbours.
    LocalSearch(LocalSearchConfig),
    /// Edge-popup, by gradients on scores (Ramanujan et al. 2020).
    EdgePopup(EdgePopupConfig),
    /// Training of all weights, as scikit-learn's `MLPClassifier` does.
    Backprop(BackpropConfig),
    /// The same with the paper's hyperparameters (Table 2); a resolved configuration has `backprop` and
    /// these in full.
    BackpropPaper {},
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
        settings::kind(&mut given, "kind", &Self::KINDS)
            .and_then(|kind| match kind {
                "ga" => over_defaults(&GeneticConfig::default(), given).map(Self::Ga),
                "ga_adaptive_ab" => over_defaults(&GeneticConfig::adaptive(), given).map(Self::GaAdaptiveAb),
                "local_search" => over_defaults(&LocalSearchConfig::default(), given).map(Self::LocalSearch),
                "edge_popup" => over_defaults(&EdgePopupConfig::default(), given).map(Self::EdgePopup),
                "backprop" => over_defaults(&BackpropConfig::default(), given).map(Self::Backprop),
                _ => match given.keys().next() {
                    None => Ok(Self::BackpropPaper {}),
                    Some(key) => {
                        let reason = "backprop_paper has no settings; use backprop to give them";
                        Err(BadSetting::new(key, reason))
                    }
                },
            })
            .map_err(BadSetting::within)
    }
}

impl AlgorithmConfig {
    /// The values of `kind`.
    pub const KINDS: [&str; 6] =
        ["ga", "ga_adaptive_ab", "local_search", "edge_popup", "backprop", "backprop_paper"];

    /// The value of `kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ga(_) => "ga",
            Self::GaAdaptiveAb(_) => "ga_adaptive_ab",
            Self::LocalSearch(_) => "local_search",
            Self::EdgePopup(_) => "edge_popup",
            Self::Backprop(_) => "backprop",
            Self::BackpropPaper {} => "backprop_paper",
        }
    }

    /// The settings of the genetic algorithm, where it is one.
    pub fn genetic(&self) -> Option<&GeneticConfig> {
        match self {
            Self::Ga(config) | Self::GaAdaptiveAb(config) => Some(config),
            _ => None,
        }
    }

    /// The settings of the genetic algorithm, to change.
    pub fn genetic_mut(&mut self) -> Option<&mut GeneticConfig> {
        match self {
            Self::Ga(config) | Self::GaAdaptiveAb(config) => Some(config),
            _ => None,
        }
    }
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

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path}: cannot read the configuration: {source}")]
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
        Self::parse(path, read_json(path)?)
    }

    /// Checks the JSON found at `path`.
    pub fn parse(path: &Path, mut value: Value) -> Result<Self, ConfigError> {
        if let Value::Object(object) = &mut value {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            object.entry("name").or_insert_with(|| Value::String(stem.into_owned()));
        }
        Self::from_value(value).map_err(|source| ConfigError::Value { path: path.to_owned(), source })
    }

    /// Checks a configuration held in memory.
    ///
    /// `"dataset": "moons"` is short for `"dataset": {"kind": "moons"}`, and likewise for `algorithm`.
    pub fn from_value(mut value: Value) -> Result<Self, BadSetting> {
        for key in ["dataset", "algorithm"] {
            if let Some(kind @ Value::String(_)) = value.get(key).cloned() {
                value[key] = serde_json::json!({ "kind": kind });
            }
        }
        let config: Self = settings::read(value)?;
        config.network.validate().map_err(|error| error.below("network"))?;
        if let Some(problem) = problem_with_name(&config.name) {
            return Err(BadSetting::new("name", problem));
        }
        Ok(config)
    }

    /// Checks the configuration against its data, and fills in what depends on them.
    ///
    /// # Errors
    /// When the architecture does not fit the data, or a setting makes no sense.
    pub fn resolve(mut self, dataset: &Dataset) -> Result<Self, ConfigError> {
        let layers = self.network.architecture(dataset.train.width, dataset.classes())?;
        if layers.inputs() != dataset.train.width {
            let (found, needed) = (layers.inputs(), dataset.train.width);
            return Err(ConfigError::Inputs { layers: layers.to_string(), found, needed });
        }
        if layers.outputs() != dataset.classes() {
            let (found, needed) = (layers.outputs(), dataset.classes());
            return Err(ConfigError::Outputs { layers: layers.to_string(), found, needed });
        }
        let majority = majority_share(&dataset.train.labels, dataset.classes());
        self.network.hidden = None;
        self.network.layers = Some(layers.clone());
        self.network.weights.resolve();
        let in_algorithm = |error: BadSetting| error.below("algorithm");
        match &mut self.algorithm {
            AlgorithmConfig::Ga(settings) | AlgorithmConfig::GaAdaptiveAb(settings) => {
                *settings = settings.clone().resolve(&layers, majority).map_err(in_algorithm)?;
            }
            AlgorithmConfig::LocalSearch(settings) => settings.validate().map_err(in_algorithm)?,
            AlgorithmConfig::EdgePopup(settings) => {
                settings.validate().map_err(in_algorithm)?;
                let network = edge_popup::network_config(&layers, settings);
                let plain = NetworkConfig::plain(layers);
                if self.network != plain && self.network != network {
                    let reason = "edge-popup's weights and biases follow algorithm.weight_init; remove network.weights and network.biases";
                    return Err(BadSetting::new("network", reason).into());
                }
                self.network = network;
            }
            AlgorithmConfig::Backprop(settings) => settings.validate().map_err(in_algorithm)?,
            AlgorithmConfig::BackpropPaper {} => {
                let dataset = self.dataset_kind();
                let preset = BackpropConfig::preset(&dataset, &layers);
                let preset = preset.ok_or_else(|| {
                    let reason = format!(
                        "the paper has no hyperparameters of backpropagation for {dataset} and {layers}; use \"backprop\", with settings of your own or from `supermask tune`"
                    );
                    BadSetting::new("algorithm", reason)
                })?;
                self.algorithm = AlgorithmConfig::Backprop(preset);
            }
        }
        Ok(self)
    }
}

impl RunConfig {
    /// The `kind` of the data set.
    pub fn dataset_kind(&self) -> String {
        let settings = serde_json::to_value(&self.dataset).expect("settings serialise");
        settings["kind"].as_str().expect("data sets have a kind").to_owned()
    }

    /// How tables name a single run: by its data set, its layers and its algorithm.
    pub fn cell(&self) -> Cell {
        Cell {
            dataset: self.dataset_kind(),
            architecture: self.network.layers().to_string(),
            algorithm: self.algorithm.kind().to_owned(),
            settings: Vec::new(),
        }
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
    if name.starts_with('.') && !name.chars().all(|c| c == '.') {
        let shown = name.trim_start_matches('.');
        return Some(format!(
            "{name:?} begins with a dot, and files of such names are hidden; name it {shown:?}"
        ));
    }
    let unusable = name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\', '\0']);
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

/// The JSON of a file.
///
/// # Errors
/// Names the file, and what is wrong in it, and where.
pub fn read_json(path: &Path) -> Result<Value, ConfigError> {
    json::read(path).map_err(|error| match error {
        JsonError::Read(source) => ConfigError::Read { path: path.to_owned(), source },
        JsonError::Content(reason) => ConfigError::Content { path: path.to_owned(), reason },
    })
}
