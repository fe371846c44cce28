//! What computes: a [`Backend`] makes evaluators of whole masks and neighbourhoods of kept ones.

use super::neighbours::Tiles;
use super::{AdapterInfo, Arithmetic, EvaluateError, Evaluator, Neighbourhood};
use crate::dataset::Dataset;
use crate::network::{Architecture, Network};
use crate::objective::Objective;
use std::fmt;
use std::sync::Arc;

/// Where masks are scored: the CPU ([`CpuBackend`](super::CpuBackend)) or a GPU ([`GpuBackend`](super::GpuBackend)).
/// What is built on one backend shares it.
pub trait Backend: Send + Sync + fmt::Debug {
    /// What computes.
    fn info(&self) -> AdapterInfo;

    /// How everything that is built here rounds.
    fn arithmetic(&self) -> Arithmetic;

    /// What limits a batch here, and how many masks are worth one.
    fn capacity(&self) -> Capacity;

    /// An evaluator of the problem's networks on its data.
    ///
    /// # Errors
    /// [`EvaluateError::Unsupported`] where shapes do not match or do not fit; errors of the device.
    fn evaluator(&self, problem: &Problem<'_>) -> Result<Box<dyn Evaluator>, EvaluateError>;

    /// Bytes of a device's memory that an evaluator of so many `networks` takes at least, on so many `samples` of all
    /// sets; none where it has no device.
    fn evaluator_bytes(&self, _architecture: &Architecture, _networks: usize, _samples: usize) -> u64 {
        0
    }

    /// Flips of masks of `network`, judged on `tiles` by `objective`.
    ///
    /// # Errors
    /// As [`evaluator`](Self::evaluator).
    fn neighbourhood(
        &self,
        network: &Network,
        tiles: Tiles,
        objective: Objective,
        demand: Demand,
    ) -> Result<Box<dyn Neighbourhood>, EvaluateError>;

    /// Measures what the machine itself can do, in about a second.
    ///
    /// # Errors
    /// Errors of the device.
    fn peak_rates(&self) -> Result<PeakRates, EvaluateError>;

    /// The same without kernels that are chosen by measuring them; none where nothing is chosen so.
    fn without_tuning(&self) -> Option<Arc<dyn Backend>> {
        None
    }

    /// The same, whose neighbourhoods take at most so many `_bytes` of a device for pre-activations; none where they
    /// take nothing of a device.
    fn with_memory(&self, _bytes: u64) -> Option<Arc<dyn Backend>> {
        None
    }
}

/// Networks of one shape, and the data that their masks are judged on.
#[derive(Clone, Copy, Debug)]
pub struct Problem<'a> {
    pub architecture: &'a Architecture,
    /// All of `architecture`; masks name them by their index.
    pub networks: &'a [Network],
    pub dataset: &'a Arc<Dataset>,
}

impl<'a> Problem<'a> {
    /// Masks of one network.
    pub fn of(network: &'a Network, dataset: &'a Arc<Dataset>) -> Self {
        Self { architecture: network.architecture(), networks: std::slice::from_ref(network), dataset }
    }
}

/// What limits the batches of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Bytes of the largest buffer that a kernel can read; `u64::MAX` where nothing limits it.
    pub binding_bytes: u64,
    /// Masks that fill the device.
    pub masks: usize,
}

/// Masks that keep a processor's cores busy and hide what surrounds a batch.
pub const CPU_MASKS: usize = 256;

/// Masks that fill a GPU: a workgroup each, many for each of some hundred processors.
pub const GPU_MASKS: usize = 4096;

/// What a search asks of a neighbourhood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Parents that are kept at a time, at most.
    pub parents: usize,
    /// Flips that are judged at a time.
    pub batch: usize,
}

/// The two lines of a roofline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PeakRates {
    /// 32-bit multiply-adds per second, from registers to registers.
    pub multiply_adds_per_second: f64,
    /// Bytes read and bytes written per second, together.
    pub copy_bytes_per_second: f64,
}
