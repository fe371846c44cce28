//! The table of algorithms: what the parser, the command line's help, the dry run and the report know of each.

use super::procedure::Procedure;
use crate::baseline::backprop::BackpropConfig;
use crate::baseline::edge_popup::EdgePopupConfig;
use crate::network::Architecture;
use crate::objective::Fitness;
use crate::search::chains::LocalSearchConfig;
use crate::search::genetic::{GeneticConfig, ResolvedGenetic};
use crate::settings::{self, BadSetting};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

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
        read: |given| {
            let settings = over_defaults(&GeneticConfig::default(), given);
            settings.map(AlgorithmConfig::Ga).map_err(|error| {
                match error.key().starts_with("accuracy_bound") {
                    true => error.noting("the kind with this bound and its defaults is ga_adaptive_ab"),
                    false => error,
                }
            })
        },
    },
    AlgorithmKind {
        name: "ga_adaptive_ab",
        label: "GA (adaptive AB)",
        about: "the same with the adaptive accuracy bound",
        unit: "generations",
        is_baseline: false,
        read: |given| {
            let settings = over_defaults(&GeneticConfig::adaptive(), given)?;
            if settings.accuracy_bound.is_none() {
                let reason = "ga_adaptive_ab has a bound, found null; leave the key out, or use ga";
                return Err(BadSetting::new("accuracy_bound", reason));
            }
            Ok(AlgorithmConfig::GaAdaptiveAb(settings))
        },
    },
    AlgorithmKind {
        name: "local_search",
        label: "Local search",
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
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(transform = settings::or_word("kind"))]
pub enum AlgorithmConfig {
    /// The paper's genetic algorithm (section 5 and table 1).
    Ga(GeneticConfig),
    /// The same with the adaptive accuracy bound (section 4.2).
    GaAdaptiveAb(GeneticConfig),
    /// Local search by flips of single bits, whose effects are cheap to compute.
    LocalSearch(LocalSearchConfig),
    /// A baseline: masks by gradients on scores (Ramanujan et al. 2020).
    EdgePopup(EdgePopupConfig),
    /// A baseline: all weights trained, as by scikit-learn's `MLPClassifier`.
    Backprop(BackpropConfig),
    /// The same with the paper's hyperparameters (table 2), for its data sets and networks.
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
        let names = ALGORITHMS.each_ref().map(|kind| kind.name);
        let (name, given) = settings::of_kind(deserializer, "kind", &names)?;
        (kind(name).expect("a name of the table").read)(given).map_err(BadSetting::within)
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
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
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

    /// The settings of the genetic algorithm, where it is one whose runs can share batches: a judge of its own would be
    /// shown another run's masks.
    pub fn in_batches(&self) -> Option<&ResolvedGenetic> {
        self.genetic().filter(|settings| !settings.fitnesses().any(Fitness::is_judged))
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
