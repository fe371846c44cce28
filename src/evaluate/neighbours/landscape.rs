//! What masks of one network are judged on: samples and an objective.

use super::kernel::{Kernel, Space};
use super::plan::Plan;
use super::program::Program;
use super::tiles::{BLOCKS, Line, Tiles};
use super::{Objective, Resident};
use crate::evaluate::cpu::instructions::Instructions;
use crate::evaluate::{Arithmetic, EvaluateError};
use crate::network::{Layer, Network};

/// One network, samples, and the objective that masks are to make small.
pub struct Landscape {
    network: Network,
    layers: Vec<Layer>,
    tiles: Tiles,
    objective: Objective,
    kernel: Kernel,
}

/// What one thread needs to judge masks: nothing is allocated in the steady state.
#[derive(Default)]
pub struct Scratch {
    pub(super) plan: Plan,
    pub(super) space: Space,
    pub(super) program: Program,
    /// `[layer]`, `[neuron][block]`: one tile's pre-activations.
    pub(super) tile: Vec<Vec<Line>>,
    /// Multiply-adds executed so far, the squares of the margin loss included.
    pub multiply_adds: u64,
}

impl Landscape {
    /// Masks of `network` on `tiles`, with the processor's best instructions.
    ///
    /// # Errors
    /// [`EvaluateError::Unsupported`] when shapes do not match.
    pub fn new(
        network: &Network,
        tiles: Tiles,
        objective: Objective,
        arithmetic: Arithmetic,
    ) -> Result<Self, EvaluateError> {
        Self::with_instructions(network, tiles, objective, arithmetic, Instructions::best())
    }

    /// As [`new`](Self::new), with instructions of the caller's choice.
    ///
    /// # Errors
    /// Also when the processor does not have these instructions.
    pub fn with_instructions(
        network: &Network,
        tiles: Tiles,
        objective: Objective,
        arithmetic: Arithmetic,
        instructions: Instructions,
    ) -> Result<Self, EvaluateError> {
        let architecture = &network.architecture;
        let kernel = Kernel::new(instructions, arithmetic).ok_or_else(|| {
            EvaluateError::Unsupported(format!("this processor has no {} instructions", instructions.name()))
        })?;
        if tiles.width() != architecture.inputs() {
            return Err(EvaluateError::Unsupported(format!(
                "the network {architecture} reads {} features, but the samples have {}",
                architecture.inputs(),
                tiles.width()
            )));
        }
        if let Some(class) = tiles.largest_class().filter(|&class| class as usize >= architecture.outputs()) {
            return Err(EvaluateError::Unsupported(format!(
                "the network {architecture} has {} outputs, but a sample is of class {class}",
                architecture.outputs()
            )));
        }
        Ok(Self {
            layers: architecture.layers().collect(),
            network: network.clone(),
            tiles,
            objective,
            kernel,
        })
    }

    pub fn network(&self) -> &Network {
        &self.network
    }

    pub fn tiles(&self) -> &Tiles {
        &self.tiles
    }

    pub fn objective(&self) -> Objective {
        self.objective
    }

    pub(super) fn layers(&self) -> &[Layer] {
        &self.layers
    }

    pub(super) fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Number of classes that the network tells apart.
    pub(super) fn outputs(&self) -> usize {
        self.network.architecture.outputs()
    }

    /// Multiply-adds of the objective per sample.
    pub(super) fn objective_products(&self) -> usize {
        match self.objective {
            Objective::Accuracy => 0,
            Objective::Margin(_) => self.outputs() - 1,
        }
    }

    /// Have kept pre-activations the shape of this landscape?
    pub(super) fn is_shape_of(&self, kept: &[Vec<Line>]) -> bool {
        kept.len() == self.layers.len()
            && self
                .layers
                .iter()
                .zip(kept)
                .all(|(layer, kept)| kept.len() == self.tiles.count() * layer.outputs * BLOCKS)
    }

    /// The exact cost of `mask`: wrong samples, or steps of the margin loss.
    pub fn cost(&self, mask: &[u32], scratch: &mut Scratch) -> u64 {
        self.cost_as(self.objective, mask, scratch)
    }

    /// The exact number of samples that `mask` classifies wrongly.
    pub fn wrong(&self, mask: &[u32], scratch: &mut Scratch) -> u64 {
        self.cost_as(Objective::Accuracy, mask, scratch)
    }

    fn cost_as(&self, objective: Objective, mask: &[u32], scratch: &mut Scratch) -> u64 {
        let Scratch { program, tile: kept, .. } = scratch;
        program.compile(&self.network, &self.layers, mask);
        kept.resize(self.layers.len(), Vec::new());
        for (kept, layer) in kept.iter_mut().zip(&self.layers) {
            kept.resize(layer.outputs * BLOCKS, bytemuck::Zeroable::zeroed());
        }
        let mut cost = 0;
        for tile in 0..self.tiles.count() {
            self.kernel.forward(self, program, kept, tile, 0);
            cost += self.kernel.cost(self, &kept[self.layers.len() - 1], objective, tile);
        }
        scratch.multiply_adds +=
            ((program.products() + self.objective_products()) * self.tiles.samples()) as u64;
        cost
    }

    /// A parent with `mask`, whose neighbours are to be judged.
    pub fn resident(&self, mask: &[u32], scratch: &mut Scratch) -> Resident<'_> {
        Resident::new(self, mask, scratch)
    }
}
