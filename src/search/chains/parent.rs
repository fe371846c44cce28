//! Where the neighbours of a search are scored: on the CPU or on a device, by one rule and with one result.

use super::on_cpu::CpuParent;
use super::on_device::SharedLandscape;
use crate::evaluate::cpu::{self, instructions::Instructions};
use crate::evaluate::neighbours::{Candidate, Landscape, Objective, Race, Tiles};
use crate::evaluate::{AdapterInfo, Device, EvaluateError};
use crate::network::Network;

/// A mask whose neighbours are scored, on some of the samples. What a chain does follows from these answers
/// alone, so that every implementation of one arithmetic leads to the same ticket. Only a device can fail.
pub trait Parent: Send {
    fn mask(&self) -> &[u32];

    /// The present cost on the samples that are looked at: exact after a refresh, else screened.
    fn cost(&self) -> u64;

    /// Chunks that are looked at.
    fn chunks(&self) -> usize;

    /// Moves since the pre-activations were last exact.
    fn since_refresh(&self) -> usize;

    /// From now on looks at the first `chunks` chunks of the samples; refreshes.
    fn look_at(&mut self, chunks: usize) -> Result<(), EvaluateError>;

    /// Makes the pre-activations and the cost exact.
    fn refresh(&mut self) -> Result<(), EvaluateError>;

    /// Wrong samples, by the kept pre-activations, of those that are looked at.
    fn wrong(&mut self) -> Result<u64, EvaluateError>;

    /// By how much each of the `candidates` changes the cost; none where by more than allowed. Chunks are
    /// judged from `first_chunk` on.
    fn screen(
        &mut self,
        candidates: &[Candidate<'_>],
        race: Option<Race>,
        first_chunk: usize,
    ) -> Result<Vec<Option<i64>>, EvaluateError>;

    /// Flips the bits of `candidate` if it passes as in [`screen`](Self::screen); says if so.
    fn attempt(
        &mut self,
        candidate: Candidate<'_>,
        race: Option<Race>,
        first_chunk: usize,
    ) -> Result<bool, EvaluateError>;

    /// The exact cost of `mask` on all samples. The parent is not to be gone on with.
    fn exact_cost(&mut self, mask: &[u32]) -> Result<u64, EvaluateError>;

    /// Multiply-adds executed since this was last asked.
    fn take_multiply_adds(&mut self) -> u64;
}

/// What scores neighbours of one network's masks on samples.
pub enum Scorer {
    Cpu(Landscape),
    Device(Box<SharedLandscape>),
}

impl Scorer {
    /// On `device`, for at most `parents` parents at a time.
    ///
    /// # Errors
    /// [`EvaluateError::Unsupported`] when shapes do not match or do not fit; errors of the device.
    pub fn new(
        device: &Device,
        network: &Network,
        tiles: Tiles,
        objective: Objective,
        parents: usize,
    ) -> Result<Self, EvaluateError> {
        Ok(match device {
            Device::Cpu(arithmetic) => Self::Cpu(Landscape::new(network, tiles, objective, *arithmetic)?),
            Device::Gpu { device, .. } => {
                let shared = SharedLandscape::new(device, network, tiles, objective, parents)?;
                Self::Device(Box::new(shared))
            }
        })
    }

    /// A parent with `mask`, which looks at the first `chunks` chunks of the samples.
    ///
    /// # Errors
    /// Errors of the device.
    pub fn parent<'a>(&'a self, mask: &[u32], chunks: usize) -> Result<Box<dyn Parent + 'a>, EvaluateError> {
        Ok(match self {
            Self::Cpu(landscape) => Box::new(CpuParent::new(landscape, mask, chunks)),
            Self::Device(landscape) => Box::new(landscape.parent(mask, chunks)?),
        })
    }

    pub fn tiles(&self) -> &Tiles {
        match self {
            Self::Cpu(landscape) => landscape.tiles(),
            Self::Device(landscape) => landscape.tiles(),
        }
    }

    pub fn network(&self) -> &Network {
        match self {
            Self::Cpu(landscape) => landscape.network(),
            Self::Device(landscape) => landscape.network(),
        }
    }

    pub fn objective(&self) -> Objective {
        match self {
            Self::Cpu(landscape) => landscape.objective(),
            Self::Device(landscape) => landscape.objective(),
        }
    }

    /// What computes.
    pub fn adapter(&self) -> AdapterInfo {
        match self {
            Self::Cpu(_) => cpu::describe(Instructions::best()),
            Self::Device(landscape) => landscape.adapter(),
        }
    }

    /// Are pre-activations computed anew for every call, so that nothing drifts?
    pub fn is_recomputed(&self) -> bool {
        match self {
            Self::Cpu(_) => false,
            Self::Device(landscape) => landscape.is_recomputed(),
        }
    }
}
