//! Settings of edge-popup, and the frozen network that they describe.

use crate::baseline::{BaselineError, decay, not_negative, positive};
use crate::network::{self, Architecture, BiasInit, Network, NetworkInit};
use crate::settings::{BadSetting, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The frozen weights' distribution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EdgePopupInit {
    /// Weights and biases uniform on [-1, 1], as for the genetic algorithm.
    #[default]
    Uniform,
    /// Normal with variance `2 / (fan_in * keep_fraction)`, no biases.
    KaimingNormal,
    /// Plus or minus `sqrt(2 / (fan_in * keep_fraction))`, no biases.
    SignedKaimingConstant,
}

/// Settings; the defaults are the paper's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EdgePopupConfig {
    /// Share of each layer's weights that the mask keeps. The original code calls it `prune_rate`, and
    /// there scales the Kaiming initialisations by one minus it; here it is the fraction kept throughout.
    pub keep_fraction: f64,
    /// How the frozen weights are drawn.
    pub weight_init: EdgePopupInit,
    /// Passes over the training set.
    pub epochs: u32,
    /// Samples per minibatch; larger than the training set means all of it. The paper has 1,000 for moons
    /// and circles, 250 for digits.
    pub batch_size: usize,
    /// Learning rate of the first epoch; it then falls to 0 along half a cosine.
    pub learning_rate: f64,
    /// Of stochastic gradient descent.
    pub momentum: f64,
    /// L2 penalty on the scores.
    pub weight_decay: f64,
    /// Draw a new order of the samples for every epoch. Without, minibatches follow the data's order.
    pub shuffle: bool,
}

impl Default for EdgePopupConfig {
    fn default() -> Self {
        Self {
            keep_fraction: 0.5,
            weight_init: EdgePopupInit::Uniform,
            epochs: 100,
            batch_size: 1000,
            learning_rate: 0.1,
            momentum: 0.9,
            weight_decay: 1e-4,
            shuffle: false,
        }
    }
}

impl EdgePopupConfig {
    /// Refuses values without meaning.
    ///
    /// # Errors
    /// Names the key.
    pub fn validate(&self) -> Result<(), BadSetting> {
        ensure(
            self.keep_fraction > 0.0 && self.keep_fraction <= 1.0,
            "keep_fraction",
            "above 0 and at most 1",
            self.keep_fraction,
        )?;
        ensure(self.epochs > 0, "epochs", "at least 1", self.epochs)?;
        ensure(self.batch_size > 0, "batch_size", "at least 1", self.batch_size)?;
        positive("learning_rate", self.learning_rate)?;
        decay("momentum", self.momentum)?;
        not_negative("weight_decay", self.weight_decay)
    }
}

/// The frozen network of a run, from the seed's network stream: with uniform weights it is the network that
/// the genetic algorithm searches under the same seed.
///
/// # Errors
/// If the fraction kept is out of range.
pub fn frozen_network(
    architecture: &Architecture,
    config: &EdgePopupConfig,
    seed: u64,
) -> Result<Network, BaselineError> {
    Ok(network_config(architecture, config).build(seed)?)
}

/// The `network` section of a run's configuration that gives the frozen network.
pub fn network_config(architecture: &Architecture, config: &EdgePopupConfig) -> NetworkInit {
    let keep_fraction = Some(config.keep_fraction);
    let (weights, biases) = match config.weight_init {
        EdgePopupInit::Uniform => (network::WeightInit::Uniform { bound: 1.0 }, BiasInit::AsWeights),
        EdgePopupInit::KaimingNormal => {
            (network::WeightInit::KaimingNormal { keep_fraction }, BiasInit::Zero {})
        }
        EdgePopupInit::SignedKaimingConstant => {
            (network::WeightInit::SignedKaimingConstant { keep_fraction }, BiasInit::Zero {})
        }
    };
    NetworkInit { layers: architecture.clone(), weights, biases }
}
