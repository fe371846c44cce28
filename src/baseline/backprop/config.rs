//! Settings of backpropagation, and the paper's.

use crate::baseline::optimizer::Schedule;
use crate::baseline::{decay, not_negative, positive};
use crate::network::Architecture;
use crate::settings::{BadSetting, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The optimiser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Solver {
    /// Kingma and Ba 2015.
    #[default]
    Adam,
    /// Stochastic gradient descent with momentum.
    Sgd,
}

/// How two classes are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BinaryOutput {
    /// One logistic output, as in scikit-learn. The trained network has two all the same: the first is
    /// always 0, the second is the logit.
    #[default]
    Logistic,
    /// A softmax over two outputs.
    Softmax,
}

/// Settings; the defaults are scikit-learn's, but for `max_epochs`, which is the paper's (200 there).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BackpropConfig {
    /// The optimiser.
    pub solver: Solver,
    /// Learning rate at first.
    pub learning_rate_init: f64,
    /// How the learning rate changes; SGD only.
    pub schedule: Schedule,
    /// Exponent of the inverse-scaling schedule.
    pub power_t: f64,
    /// Share of the last step in the next; SGD only.
    pub momentum: f64,
    /// Nesterov's form of the momentum; SGD only.
    pub nesterov: bool,
    /// Decay of the first moment; Adam only.
    pub beta_1: f64,
    /// Decay of the second moment; Adam only.
    pub beta_2: f64,
    /// Added to the root of the second moment; Adam only.
    pub epsilon: f64,
    /// L2 penalty on the weights (not the biases), divided by the size of the minibatch.
    pub alpha: f64,
    /// Samples per minibatch; larger than the training set means all of it.
    pub batch_size: usize,
    /// Draw a new order of the samples for every epoch.
    pub shuffle: bool,
    /// Passes over the training set at most.
    pub max_epochs: u32,
    /// An epoch improves the loss if it lies below the best so far by at least this much.
    pub tolerance: f64,
    /// Training ends (or the adaptive rate falls) after more than this many epochs without improvement.
    pub patience: u32,
    /// How two classes are told apart.
    pub binary_output: BinaryOutput,
}

impl Default for BackpropConfig {
    fn default() -> Self {
        Self {
            solver: Solver::Adam,
            learning_rate_init: 0.001,
            schedule: Schedule::Constant,
            power_t: 0.5,
            momentum: 0.9,
            nesterov: true,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            alpha: 1e-4,
            batch_size: 200,
            shuffle: true,
            max_epochs: 1000,
            tolerance: 1e-4,
            patience: 10,
            binary_output: BinaryOutput::Logistic,
        }
    }
}

impl BackpropConfig {
    /// Refuses values without meaning.
    ///
    /// # Errors
    /// Names the key.
    pub fn validate(&self) -> Result<(), BadSetting> {
        positive("learning_rate_init", self.learning_rate_init)?;
        positive("epsilon", self.epsilon)?;
        not_negative("power_t", self.power_t)?;
        not_negative("alpha", self.alpha)?;
        not_negative("tolerance", self.tolerance)?;
        decay("momentum", self.momentum)?;
        decay("beta_1", self.beta_1)?;
        decay("beta_2", self.beta_2)?;
        ensure(self.batch_size > 0, "batch_size", "at least 1", self.batch_size)?;
        ensure(self.max_epochs > 0, "max_epochs", "at least 1", self.max_epochs)
    }

    /// The paper's hyperparameters (Table 2) for `moons` or `circles` and an architecture `A` to `D`, given
    /// by its widths; none for anything else.
    pub fn preset(dataset: &str, architecture: &Architecture) -> Option<Self> {
        let adam = |learning_rate_init, batch_size, alpha| Self {
            solver: Solver::Adam,
            learning_rate_init,
            epsilon: 4.64e-9,
            batch_size,
            alpha,
            ..Self::default()
        };
        let sgd = |learning_rate_init, batch_size, momentum| Self {
            solver: Solver::Sgd,
            schedule: Schedule::Adaptive,
            learning_rate_init,
            batch_size,
            alpha: 0.046416,
            momentum,
            ..Self::default()
        };
        match (dataset, architecture.widths()) {
            ("moons", [2, 20, 2]) => Some(adam(0.021544, 128, 0.0001)),
            ("moons", [2, 75, 2] | [2, 100, 2] | [2, 50, 50, 2]) => Some(adam(0.001, 64, 0.000215)),
            ("circles", [2, 20, 2]) => Some(sgd(0.1, 64, 0.0)),
            ("circles", [2, 75, 2]) => Some(sgd(0.004642, 128, 0.5)),
            ("circles", [2, 100, 2]) => Some(adam(0.001, 64, 0.000215)),
            ("circles", [2, 50, 50, 2]) => Some(sgd(0.1, 128, 0.0)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::testing::architecture;

    #[test]
    fn all_eight_published_cells_have_a_valid_preset() {
        for dataset in ["moons", "circles"] {
            for widths in [&[2, 20, 2][..], &[2, 75, 2], &[2, 100, 2], &[2, 50, 50, 2]] {
                let preset = BackpropConfig::preset(dataset, &architecture(widths)).expect("a preset");
                preset.validate().expect("a valid preset");
            }
        }
        assert_eq!(BackpropConfig::preset("digits", &architecture(&[64, 20, 10])), None);
    }

    #[test]
    fn impossible_settings_are_refused_by_their_key() {
        let refusal = |config: BackpropConfig| config.validate().expect_err("a refusal").to_string();
        assert!(
            refusal(BackpropConfig { momentum: 1.0, ..BackpropConfig::default() }).starts_with("momentum: ")
        );
        assert!(
            refusal(BackpropConfig { batch_size: 0, ..BackpropConfig::default() })
                .starts_with("batch_size: ")
        );
        assert!(
            refusal(BackpropConfig { alpha: f64::INFINITY, ..BackpropConfig::default() })
                .starts_with("alpha: ")
        );
        assert!(serde_json::from_str::<BackpropConfig>(r#"{"tol": 0.5}"#).is_err());
    }
}
