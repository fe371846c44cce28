//! What gradients find in the same networks on the same data: edge-popup and backpropagation.
//!
//! Both train on the CPU, one thread per run; callers spread runs over threads. Results depend on the
//! configuration and the seed alone, not on the number of threads or the processor's vector width.

pub mod backprop;
mod course;
mod dense;
pub mod edge_popup;
mod init;
mod optimizer;
mod product;
pub mod tune;

#[cfg(test)]
mod testing;

pub use optimizer::Schedule;

use crate::dataset::{Dataset, Samples};
use crate::network::{Architecture, NetworkError};
use crate::search::StopReason;
use crate::settings::{BadSetting, ensure};
use dense::Dense;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};

/// What happened in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Epoch {
    /// Mean training loss over the epoch's minibatches, each before its step; with the L2 penalty where
    /// the method has one in its loss. Not finite where training diverged, which JSON can only write as null.
    #[serde(deserialize_with = "number_or_null")]
    #[schemars(with = "Option<f64>")]
    pub loss: f64,
    /// Share of training samples classified correctly, each before its minibatch's step.
    pub accuracy: f64,
}

fn number_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// Who says, between two minibatches, whether a training goes on, and may save its state.
pub trait Outside {
    /// Does the training go on from `state`?
    fn goes_on(&self, state: &impl Serialize) -> bool;

    /// An epoch is complete, the last of these.
    fn epoch(&self, _history: &[Epoch]) {}
}

/// Stops a training when it is true.
impl Outside for AtomicBool {
    fn goes_on(&self, _state: &impl Serialize) -> bool {
        !self.load(Ordering::Relaxed)
    }
}

/// What training led to. Accuracies are those of the final parameters, not of the best epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingOutcome {
    pub train_correct: u32,
    pub test_correct: u32,
    /// None where no samples are held out.
    pub validation_correct: Option<u32>,
    /// One entry per epoch run.
    pub history: Vec<Epoch>,
    pub stop: StopReason,
}

/// Why a baseline cannot run.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    #[error("the data have {features} features, but {architecture} has {} inputs; change the architecture's first width", .architecture.inputs())]
    Inputs { features: usize, architecture: Architecture },
    #[error("the data have {classes} classes, but {architecture} has {} outputs; change the architecture's last width", .architecture.outputs())]
    Outputs { classes: usize, architecture: Architecture },
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error("the {0} samples are empty")]
    NoSamples(&'static str),
    #[error(transparent)]
    Setting(#[from] BadSetting),
    #[error("interrupted")]
    Interrupted,
    #[error("{path} is in use by another process; wait for its end, or name another file")]
    Busy { path: String },
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
    #[error("{path}, line {line}: {message}; mend or remove the file")]
    Journal { path: String, line: usize, message: String },
    #[error("{path} belongs to another search ({difference}); name another file, or repeat that search")]
    OtherSearch { path: String, difference: String },
}

/// Refuses a setting unless it is positive.
fn positive(key: &str, value: f64) -> Result<(), BadSetting> {
    ensure(value > 0.0 && value.is_finite(), key, "positive and finite", value)
}

fn not_negative(key: &str, value: f64) -> Result<(), BadSetting> {
    ensure(value >= 0.0 && value.is_finite(), key, "at least 0 and finite", value)
}

/// Refuses what is not the share of a moving average that stays from step to step.
fn decay(key: &str, value: f64) -> Result<(), BadSetting> {
    ensure((0.0..1.0).contains(&value), key, "at least 0 and below 1", value)
}

/// Can a network of this architecture be trained on these data?
fn check_shapes(dataset: &Dataset, architecture: &Architecture) -> Result<(), BaselineError> {
    check_samples("training", &dataset.train, architecture)?;
    check_samples("test", &dataset.test, architecture)?;
    check_classes(dataset.classes(), architecture)
}

fn check_samples(
    name: &'static str,
    samples: &Samples,
    architecture: &Architecture,
) -> Result<(), BaselineError> {
    if samples.is_empty() {
        return Err(BaselineError::NoSamples(name));
    }
    if samples.width != architecture.inputs() {
        let architecture = architecture.clone();
        return Err(BaselineError::Inputs { features: samples.width, architecture });
    }
    Ok(())
}

fn check_classes(classes: usize, architecture: &Architecture) -> Result<(), BaselineError> {
    if architecture.outputs() < classes.max(2) {
        let architecture = architecture.clone();
        return Err(BaselineError::Outputs { classes, architecture });
    }
    Ok(())
}

/// The indices of all samples.
fn all_rows(samples: &Samples) -> Vec<u32> {
    (0..samples.len() as u32).collect()
}

/// Counts the final parameters' correct samples and completes the outcome.
fn outcome(
    dense: &mut Dense,
    parameters: &[f32],
    dataset: &Dataset,
    history: Vec<Epoch>,
    stop: StopReason,
) -> TrainingOutcome {
    let mut correct = |samples: &Samples| dense.count_correct(parameters, samples, &all_rows(samples));
    TrainingOutcome {
        train_correct: correct(&dataset.train),
        test_correct: correct(&dataset.test),
        validation_correct: (!dataset.validation.is_empty()).then(|| correct(&dataset.validation)),
        history,
        stop,
    }
}
