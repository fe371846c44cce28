//! Scores masked networks: how many samples does each classify correctly?
//!
//! A neuron's value is `acc = bias`, then for each active input in ascending order
//! `acc = fma(weight, input, acc)`. Hidden layers apply ReLU; the prediction is the largest output, ties
//! going to the lowest index. Every evaluator keeps that order, so that within one [`Arithmetic`] mode all
//! of them agree bit for bit.

pub mod adapter;
pub mod backend;
mod batch_file;
mod contest;
pub mod cpu;
mod detail;
pub mod gpu;
mod judge;
mod mock;
mod neighbourhood;
pub mod neighbours;
mod overflow;
pub mod plain;
pub mod spread;
mod vector;

pub use crate::arithmetic::Arithmetic;
pub use adapter::AdapterChoice;
pub use backend::{Backend, Capacity, Demand, PeakRates, Problem};
pub use batch_file::{BatchFile, BatchFileError};
pub use contest::{Contest, Occasion};
pub use cpu::CpuBackend;
pub use detail::Detail;
pub use gpu::GpuBackend;
pub use judge::{Evidence, Exhibit, Judge, JudgeError, JudgedBackend, JudgedEvaluator};
pub use mock::{MockBackend, Trial};
pub use neighbourhood::{Neighbourhood, Parent};

use crate::dataset::{Dataset, Samples, Split};
use crate::network::{Architecture, Network};
use crate::objective::costs::Costs;
use crate::objective::measure::{Confusion, Measure};
use crate::objective::{Objective, Score};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Masks to score, each on the network that it names.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// `[masks, words per mask]`: packed masks one after the other.
    pub masks: &'a [u32],
    /// `[masks]`: index of each mask's network among those that the evaluator was given.
    pub networks: &'a [u32],
}

impl Batch<'_> {
    /// Are these whole masks of `architecture`, each on one of so many `networks`?
    ///
    /// # Errors
    /// [`EvaluateError::Unsupported`] where they are not.
    fn check(&self, architecture: &Architecture, networks: usize) -> Result<(), EvaluateError> {
        let expected = self.networks.len() * architecture.mask_words();
        if self.masks.len() != expected {
            return Err(EvaluateError::Unsupported(format!(
                "{} masks of {architecture} need {expected} words, found {}",
                self.networks.len(),
                self.masks.len()
            )));
        }
        match self.networks.iter().find(|&&network| network as usize >= networks) {
            Some(network) => {
                Err(EvaluateError::Unsupported(format!("a mask names network {network} of {networks}")))
            }
            None => Ok(()),
        }
    }
}

/// What is asked of each mask of a batch; slices are `[masks]`.
#[derive(Clone, Copy, Debug)]
pub enum Question<'a> {
    /// The number of correct samples.
    Counts,
    /// The same where it reaches a minimum: masks that cannot any more may be abandoned at once.
    AtLeast(&'a [u32]),
    /// The loss of an objective too, each mask having its own.
    Objectives(&'a [Objective]),
}

impl Question<'_> {
    /// Is it one question for each of so many `masks`?
    ///
    /// # Errors
    /// [`EvaluateError::Unsupported`] where it is not.
    fn check(&self, masks: usize) -> Result<(), EvaluateError> {
        let (what, count) = match self {
            Self::Counts => return Ok(()),
            Self::AtLeast(minimum) => ("minimum counts", minimum.len()),
            Self::Objectives(objectives) => ("objectives", objectives.len()),
        };
        if let Self::Objectives(objectives) = self
            && objectives.contains(&Objective::Judged)
        {
            return Err(no_judge());
        }
        if count == masks {
            return Ok(());
        }
        Err(EvaluateError::Unsupported(format!("{masks} masks came with {count} {what}")))
    }

    /// What the mask at this index is to reach.
    fn minimum(&self, mask: usize) -> u32 {
        if let Self::AtLeast(minimum) = self { minimum[mask] } else { 0 }
    }

    /// What it is judged by.
    fn objective(&self, mask: usize) -> Objective {
        if let Self::Objectives(objectives) = self { objectives[mask] } else { Objective::Accuracy }
    }

    /// The scores of those masks that do.
    fn reaching(&self, scores: Vec<Score>) -> Vec<Option<Score>> {
        let reaching = |(mask, score): (usize, Score)| (score.correct >= self.minimum(mask)).then_some(score);
        scores.into_iter().enumerate().map(reaching).collect()
    }
}

/// An evaluator alone knows nothing of its caller's own fitness.
fn no_judge() -> EvaluateError {
    EvaluateError::Unsupported(
        "the fitness \"own\" is what a caller of the library says; name a program instead, such as \
         {\"program\": [\"python3\", \"judge.py\"], \"needs\": \"predictions\"}"
            .to_owned(),
    )
}

/// Costs must be there for each class that the network has an output for.
///
/// # Errors
/// [`EvaluateError::Unsupported`] says for how many they are.
fn check_costs(objective: &Objective, architecture: &Architecture) -> Result<(), EvaluateError> {
    match objective.costs().map(Costs::classes) {
        Some(classes) if classes != architecture.outputs() => Err(EvaluateError::Unsupported(format!(
            "the network {architecture} has {} outputs, but there are costs of {classes} classes",
            architecture.outputs()
        ))),
        _ => Ok(()),
    }
}

/// Every sample must be of a class that the network has an output for.
///
/// # Errors
/// [`EvaluateError::Unsupported`] names a class without one.
fn check_labels(samples: &Samples, architecture: &Architecture) -> Result<(), EvaluateError> {
    match samples.labels.iter().find(|&&label| label as usize >= architecture.outputs()) {
        Some(class) => Err(EvaluateError::Unsupported(format!(
            "the network {architecture} has {} outputs, but a sample is of class {class}: it has no loss",
            architecture.outputs()
        ))),
        None => Ok(()),
    }
}

/// Scores masks of networks of one architecture on one data set. Network and data are uploaded once.
pub trait Evaluator: Send {
    /// What computes.
    fn adapter(&self) -> &AdapterInfo;

    /// How this evaluator rounds.
    fn arithmetic(&self) -> Arithmetic;

    /// The shape of its networks.
    fn architecture(&self) -> &Architecture;

    /// Replaces the network at `index`; the architecture stays.
    fn set_network(&mut self, index: usize, network: &Network) -> Result<(), EvaluateError>;

    /// What is asked of each mask on `split`, in the batch's order; none for a mask that does not reach the minimum
    /// that was asked for.
    ///
    /// # Errors
    /// [`EvaluateError::Unsupported`] for a batch of the wrong shape, an objective that this evaluator does not
    /// compute, and samples of a class without an output, which have no loss; errors of the device.
    fn answer(
        &mut self,
        split: Split,
        batch: Batch<'_>,
        question: Question<'_>,
    ) -> Result<Vec<Option<Score>>, EvaluateError>;

    /// Puts what is wanted of each mask on `split` in its place.
    ///
    /// # Errors
    /// [`EvaluateError::Unsupported`] where the places do not fit, or the network has too many classes; otherwise as
    /// [`answer`](Self::answer).
    fn detail(&mut self, split: Split, batch: Batch<'_>, detail: Detail<'_>) -> Result<(), EvaluateError>;

    /// The number of correctly classified samples of `split`, per mask.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    fn score(&mut self, split: Split, batch: Batch<'_>) -> Result<Vec<u32>, EvaluateError> {
        let scores = self.answer(split, batch, Question::Counts)?;
        Ok(scores.into_iter().map(|score| score.expect("there is no minimum").correct).collect())
    }

    /// The same for masks that reach a minimum.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    fn score_at_least(
        &mut self,
        split: Split,
        batch: Batch<'_>,
        minimum: &[u32],
    ) -> Result<Vec<Option<u32>>, EvaluateError> {
        let scores = self.answer(split, batch, Question::AtLeast(minimum))?;
        Ok(scores.into_iter().map(|score| score.map(|score| score.correct)).collect())
    }

    /// Counts and losses, per mask.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    fn judge(
        &mut self,
        split: Split,
        batch: Batch<'_>,
        objectives: &[Objective],
    ) -> Result<Vec<Score>, EvaluateError> {
        let scores = self.answer(split, batch, Question::Objectives(objectives))?;
        Ok(scores.into_iter().map(|score| score.expect("there is no minimum")).collect())
    }

    /// Confusion counts, `[masks, classes, classes]`: samples of `split` of the row's class that the column's is predicted
    /// for.
    ///
    /// # Errors
    /// As [`detail`](Self::detail).
    fn confusion(&mut self, split: Split, batch: Batch<'_>) -> Result<Vec<u32>, EvaluateError> {
        let classes = self.architecture().outputs();
        let mut counts = vec![0; batch.networks.len() * classes * classes];
        self.detail(split, batch, Detail::Confusion(&mut counts))?;
        Ok(counts)
    }

    /// Multiply-adds executed for each mask of the last batch, `[masks]`, in the batch's order, those of a loss and
    /// of padding left out. Masks that were abandoned count as nothing: how far each came is a matter of timing. The
    /// rest is the same on any number of threads, but differs from evaluator to evaluator: the CPU skips what is
    /// masked out, dead or silent, most kernels of GPUs multiply it by zero.
    fn executed(&self) -> &[u64];

    /// How long a device computed for the last batch, by its own clock, where it has one.
    fn device_time(&self) -> Option<Duration> {
        None
    }

    /// What the host did for the last batch beside waiting, where there is a device to wait for.
    fn host_times(&self) -> Option<HostTimes> {
        None
    }

    /// Does this evaluator compute `objective`?
    ///
    /// # Errors
    /// [`EvaluateError::Unsupported`] when it does not.
    fn check_objective(&self, objective: &Objective) -> Result<(), EvaluateError> {
        check_costs(objective, self.architecture())?;
        if *objective == Objective::Judged { Err(no_judge()) } else { Ok(()) }
    }
}

/// What the host did for a batch beside waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostTimes {
    /// Writing masks into mapped memory, which the device copies from.
    pub upload: Duration,
    /// Reading counts, once the device was done.
    pub read_back: Duration,
}

/// How far masks are from a perfect score, each by its measure: those of confusion `counts`, `[masks, classes, classes]`.
fn measured_distances<'a>(
    counts: &'a [u32],
    classes: usize,
    measures: impl Iterator<Item = &'a Measure> + 'a,
) -> impl Iterator<Item = u64> + 'a {
    let masks = counts.chunks_exact(classes * classes).zip(measures);
    masks.map(move |(counts, measure)| measure.distance(&Confusion::new(counts, classes)))
}

/// The number of samples that `mask` of the network at `index` classifies correctly among those of `dataset`, which
/// the evaluator has, that are held out for validation; none where there are none.
pub fn validation_correct(
    evaluator: &mut dyn Evaluator,
    dataset: &Dataset,
    index: u32,
    mask: &[u32],
) -> Result<Option<u32>, EvaluateError> {
    if dataset.validation.is_empty() {
        return Ok(None);
    }
    Ok(Some(evaluator.score(Split::Validation, Batch { masks: mask, networks: &[index] })?[0]))
}

/// What an evaluator runs on; part of every record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdapterInfo {
    /// `NVIDIA H100`, or the processor's name.
    pub name: String,
    /// `vulkan`, `metal`, `dx12`, `gl` or `cpu`.
    pub backend: String,
    /// Driver name and version; for the CPU evaluator the vector instructions in use.
    pub driver: String,
    /// `discrete_gpu`, `integrated_gpu`, `virtual_gpu`, `software` or `cpu`.
    pub kind: String,
}

/// Why masks could not be scored.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EvaluateError {
    #[error(
        "the device was lost ({0}); a long dispatch on a desktop driver, or a driver reset, can cause this"
    )]
    DeviceLost(String),
    #[error("out of memory on the device ({0}); lower the batch size or the number of samples")]
    OutOfMemory(String),
    #[error(
        "{adapter} has not ended in {} s what should take it a tenth of a second: its driver hangs, or another program \
         keeps it busy; run the command again, or with --adapter cpu", .waited.as_secs()
    )]
    Unfinished { adapter: String, waited: Duration },
    #[error("the device refused the work: {0}")]
    Device(String),
    /// A judge of the caller's gave no scores.
    #[error("{0}")]
    Judge(String),
    #[error("{0}")]
    Unsupported(String),
}
