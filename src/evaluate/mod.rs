//! Scores masked networks: how many samples does each classify correctly?
//!
//! A neuron's value is `acc = bias`, then for each active input in ascending order
//! `acc = fma(weight, input, acc)`. Hidden layers apply ReLU; the prediction is the largest output, ties
//! going to the lowest index. Every evaluator keeps that order, so that within one [`Arithmetic`] mode all
//! of them agree bit for bit.

pub mod adapter;
pub mod backend;
mod batch_file;
pub mod cpu;
pub mod gpu;
mod neighbourhood;
pub mod neighbours;
mod overflow;
pub mod plain;

pub use crate::objective::{Loss, LossScore};
pub use adapter::AdapterChoice;
pub use backend::{Backend, Capacity, Demand, PeakRates, Problem};
pub use batch_file::{BatchFile, BatchFileError};
pub use cpu::CpuBackend;
pub use gpu::GpuBackend;
pub use neighbourhood::{Neighbourhood, Parent};

use crate::dataset::{Dataset, Split};
use crate::network::Network;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How `fma(a, b, c)` rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arithmetic {
    /// Once, as hardware does.
    Fused,
    /// Twice: the product, then the sum. WGSL leaves this to the adapter; lavapipe does it.
    Separate,
}

/// Masks to score, each on the network that it names.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// `[masks, words per mask]`: packed masks one after the other.
    pub masks: &'a [u32],
    /// `[masks]`: index of each mask's network among those that the evaluator was given.
    pub networks: &'a [u32],
}

/// Scores masks of networks of one architecture on one data set. Network and data are uploaded once.
pub trait Evaluator: Send {
    /// What computes.
    fn adapter(&self) -> &AdapterInfo;

    /// How this evaluator rounds.
    fn arithmetic(&self) -> Arithmetic;

    /// Replaces the network at `index`; the architecture stays.
    fn set_network(&mut self, index: usize, network: &Network) -> Result<(), EvaluateError>;

    /// The number of correctly classified samples of `split`, per mask, in the batch's order.
    fn score(&mut self, split: Split, batch: Batch<'_>) -> Result<Vec<u32>, EvaluateError>;

    /// As [`score`](Self::score), but only for masks that reach a minimum (one per mask): the others may
    /// be abandoned as soon as they cannot reach it any more, and give `None`.
    fn score_at_least(
        &mut self,
        split: Split,
        batch: Batch<'_>,
        minimum: &[u32],
    ) -> Result<Vec<Option<u32>>, EvaluateError> {
        let counts = self.score(split, batch)?;
        Ok(counts.into_iter().zip(minimum).map(|(count, &least)| (count >= least).then_some(count)).collect())
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

    /// Does this evaluator compute `loss`?
    ///
    /// # Errors
    /// [`EvaluateError::Unsupported`] when it does not.
    fn check_loss(&self, _loss: &Loss) -> Result<(), EvaluateError> {
        Ok(())
    }

    /// The loss on `split`, and the count of [`score`](Self::score), per mask, in the batch's order; each
    /// mask has a loss of its own, `losses: [masks]`.
    ///
    /// # Errors
    /// [`EvaluateError::Unsupported`] for a loss that this evaluator does not compute, and for samples of a
    /// class without an output.
    fn score_losses(
        &mut self,
        split: Split,
        batch: Batch<'_>,
        losses: &[Loss],
    ) -> Result<Vec<LossScore>, EvaluateError>;
}

/// What the host did for a batch beside waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostTimes {
    /// Writing masks into mapped memory, which the device copies from.
    pub upload: Duration,
    /// Reading counts, once the device was done.
    pub read_back: Duration,
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    #[error("the device refused the work: {0}")]
    Device(String),
    #[error("{0}")]
    Unsupported(String),
}
