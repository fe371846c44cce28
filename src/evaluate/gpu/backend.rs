//! A GPU as a backend.

use super::neighbours::GpuNeighbourhood;
use super::{GpuDevice, GpuEvaluator, GpuOptions, evaluator, peak, tuning};
use crate::evaluate::backend::{CPU_MASKS, GPU_MASKS};
use crate::evaluate::neighbours::Tiles;
use crate::evaluate::{
    AdapterInfo, Arithmetic, Backend, Capacity, CpuBackend, Demand, EvaluateError, Evaluator, Neighbourhood,
    PeakRates, Problem,
};
use crate::network::{Architecture, Network};
use crate::objective::Objective;
use std::path::PathBuf;
use std::sync::Arc;

/// Neighbours that a GPU gets at a time at least, where the user has not asked for it: a round trip takes some hundred
/// microseconds, a neighbour on the CPU some microseconds.
const NEIGHBOURS_WORTH_A_ROUND_TRIP: usize = 64;

/// Memory of the device that pre-activations may take, where the caller does not say: 1 GiB.
const DEFAULT_MEMORY: u64 = 1 << 30;

/// A wgpu device.
#[derive(Clone, Debug)]
pub struct GpuBackend {
    device: GpuDevice,
    /// Where the fastest kernel of each architecture is remembered; `None` takes the defaults.
    choices: Option<PathBuf>,
    asked_for: bool,
    /// Bytes that the pre-activations of one neighbourhood may take.
    memory: u64,
}

impl GpuBackend {
    /// `asked_for`: did the user ask for this device, or was it simply there?
    pub fn new(device: GpuDevice, asked_for: bool) -> Self {
        // A software adapter is for testing: its kernels need no tuning.
        let choices = if device.is_software() { None } else { tuning::cache_file() };
        Self { device, choices, asked_for, memory: DEFAULT_MEMORY }
    }

    /// Measures which kernel is fastest, on a software adapter too, and remembers it in the file `choices`.
    pub fn with_tuning(self, choices: PathBuf) -> Self {
        Self { choices: Some(choices), ..self }
    }

    pub fn device(&self) -> &GpuDevice {
        &self.device
    }
}

impl Backend for GpuBackend {
    fn info(&self) -> AdapterInfo {
        self.device.description().info.clone()
    }

    fn arithmetic(&self) -> Arithmetic {
        self.device.arithmetic()
    }

    fn capacity(&self) -> Capacity {
        Capacity {
            binding_bytes: self.device.description().limits.binding_bytes,
            masks: if self.device.is_software() { CPU_MASKS } else { GPU_MASKS },
        }
    }

    fn evaluator(&self, problem: &Problem<'_>) -> Result<Box<dyn Evaluator>, EvaluateError> {
        let samples = problem.dataset.train.len();
        let choose = |file| tuning::choose(&self.device, problem.architecture, samples, file);
        let shape = self.choices.as_deref().map(choose).transpose()?;
        Ok(Box::new(GpuEvaluator::new(&self.device, problem, GpuOptions { shape, ..GpuOptions::default() })?))
    }

    fn evaluator_bytes(&self, architecture: &Architecture, networks: usize, samples: usize) -> u64 {
        let plan = evaluator::plan(&self.device, architecture, None);
        plan.map_or(0, |plan| plan.device_bytes(architecture, networks, samples))
    }

    /// Here, or on the CPU in the same arithmetic (and so with the same result) where nobody asked for this GPU and
    /// the batches are too small for it.
    fn neighbourhood(
        &self,
        network: &Network,
        tiles: Tiles,
        objective: Objective,
        demand: Demand,
    ) -> Result<Box<dyn Neighbourhood>, EvaluateError> {
        if !self.asked_for && demand.batch < NEIGHBOURS_WORTH_A_ROUND_TRIP {
            return CpuBackend(self.arithmetic()).neighbourhood(network, tiles, objective, demand);
        }
        let shared = GpuNeighbourhood::new(&self.device, network, tiles, objective, demand, self.memory)?;
        Ok(Box::new(shared))
    }

    fn peak_rates(&self) -> Result<PeakRates, EvaluateError> {
        peak::measure(&self.device)
    }

    fn without_tuning(&self) -> Option<Arc<dyn Backend>> {
        self.choices.as_ref()?;
        Some(Arc::new(Self { choices: None, ..self.clone() }))
    }

    fn with_memory(&self, bytes: u64) -> Option<Arc<dyn Backend>> {
        Some(Arc::new(Self { memory: bytes, ..self.clone() }))
    }
}
