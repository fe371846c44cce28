//! Losses: what a mask is judged by where the number of correct samples says too little.
//!
//! A sample's loss is rounded to whole steps, so that sums are exact in any order. Sixty-four bits hold the
//! sum of 2^34 samples, each of them saturated.

use super::cross_entropy;
use super::margin::Margin;
use crate::dataset::Samples;
use crate::evaluate::{Arithmetic, EvaluateError};
use crate::network::Architecture;
use serde::{Deserialize, Serialize};

/// A function of a sample's outputs and class, not negative, that falls as the network tells it apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// The squared hinge of [`margin`](super::margin), equal bit for bit on every evaluator of one
    /// [`Arithmetic`].
    Margin(Margin),
    /// Softmax and cross-entropy, on the CPU only: WGSL leaves open how exponentials round.
    CrossEntropy,
}

/// A mask's loss and count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LossScore {
    /// Over all samples, in steps ([`Loss::steps_per_unit`]).
    pub loss: u64,
    /// Correctly classified samples.
    pub correct: u32,
}

impl Loss {
    /// Steps in the loss's own unit: tau² or a nat.
    pub fn steps_per_unit(&self) -> f64 {
        match self {
            Self::Margin(margin) => f64::from(margin.scale()) * f64::from(margin.tau()).powi(2),
            Self::CrossEntropy => cross_entropy::STEPS_PER_NAT,
        }
    }

    /// The loss of one sample with `outputs` (`[classes]`) of class `label`, in steps.
    pub fn sample_steps(&self, outputs: &[f32], label: u32, arithmetic: Arithmetic) -> u32 {
        match self {
            Self::Margin(margin) => margin.sample_steps(outputs, label, arithmetic),
            Self::CrossEntropy => cross_entropy::sample_steps(outputs, label),
        }
    }
}

/// Every sample must be of a class that the network has an output for.
///
/// # Errors
/// [`EvaluateError::Unsupported`] names a class without one.
pub(crate) fn check_labels(samples: &Samples, architecture: &Architecture) -> Result<(), EvaluateError> {
    match samples.labels.iter().find(|&&label| label as usize >= architecture.outputs()) {
        Some(class) => Err(EvaluateError::Unsupported(format!(
            "the network {architecture} has {} outputs, but a sample is of class {class}: it has no loss",
            architecture.outputs()
        ))),
        None => Ok(()),
    }
}
