//! What a mask is judged by.
//!
//! A sample's loss is rounded to whole steps, so that sums are exact in any order. Sixty-four bits hold the sum of 2^34
//! samples, each of them saturated.

pub mod cross_entropy;
pub mod margin;

use crate::arithmetic::Arithmetic;
use margin::Margin;
use serde::{Deserialize, Serialize};

/// The name of an objective in configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fitness {
    /// The number of correct training samples, as in the paper.
    Accuracy,
    /// The margin loss: see [`margin`].
    Margin,
    /// Cross-entropy, on the CPU only: see [`cross_entropy`].
    CrossEntropy,
}

/// What a mask is judged by: the number of correct samples, or a loss, a function of a sample's outputs and class, not
/// negative, that falls as the network tells it apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// The number of correct samples, as in the paper.
    Accuracy,
    /// The squared hinge of [`margin`], equal bit for bit on every evaluator of one arithmetic.
    Margin(Margin),
    /// Softmax and cross-entropy, on the CPU only: WGSL leaves open how exponentials round.
    CrossEntropy,
}

/// How a mask did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Score {
    /// Correctly classified samples.
    pub correct: u32,
    /// The objective's loss over all samples, in steps ([`Objective::steps_per_unit`]); zero where it is accuracy.
    pub loss: u64,
}

impl Objective {
    /// Its name in configurations.
    pub fn fitness(&self) -> Fitness {
        match self {
            Self::Accuracy => Fitness::Accuracy,
            Self::Margin(_) => Fitness::Margin,
            Self::CrossEntropy => Fitness::CrossEntropy,
        }
    }

    /// The margin, where it has one.
    pub fn margin(&self) -> Option<Margin> {
        match self {
            Self::Margin(margin) => Some(*margin),
            Self::Accuracy | Self::CrossEntropy => None,
        }
    }

    /// Steps of the loss in its own unit, tau² or a nat; none where there is no loss.
    pub fn steps_per_unit(&self) -> Option<f64> {
        match self {
            Self::Accuracy => None,
            Self::Margin(margin) => Some(f64::from(margin.scale()) * f64::from(margin.tau()).powi(2)),
            Self::CrossEntropy => Some(cross_entropy::STEPS_PER_NAT),
        }
    }

    /// The loss of one sample with `outputs` (`[classes]`) of class `label`, in steps.
    pub fn sample_steps(&self, outputs: &[f32], label: u32, arithmetic: Arithmetic) -> u32 {
        match self {
            Self::Accuracy => 0,
            Self::Margin(margin) => margin.sample_steps(outputs, label, arithmetic),
            Self::CrossEntropy => cross_entropy::sample_steps(outputs, label),
        }
    }
}
