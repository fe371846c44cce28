//! What masks of one network are judged on: samples and an objective.

use super::changes::Space;
use super::dispatch::Kernels;
use super::incremental;
use super::kept::{Kept, KeptChunk};
use super::parent::{MANY_CHUNKS, in_parallel};
use super::plan::ChangePlan;
use super::program::ForwardProgram;
use super::tiles::{BLOCK_SAMPLES, Chunk, Tiles};
use crate::account::Current;
use crate::evaluate::cpu::instructions::Instructions;
use crate::evaluate::overflow::FeatureBounds;
use crate::evaluate::vector::Line;
use crate::evaluate::{Arithmetic, EvaluateError};
use crate::network::{Layer, Network};
use crate::objective::Objective;
use crate::objective::margin::Margin;
use rayon::prelude::*;

/// One network, samples, and the objective that masks are to make small.
pub struct Landscape {
    network: Network,
    layers: Vec<Layer>,
    tiles: Tiles,
    objective: Objective,
    /// Of the objective.
    margin: Option<Margin>,
    kernels: Kernels,
}

/// What one thread needs to judge masks.
#[derive(Default)]
pub struct Scratch {
    pub(super) plans: Vec<ChangePlan>,
    pub(super) space: Space,
    pub(super) program: ForwardProgram,
    /// What a mask that is not resident gives on one chunk, and the costs of its tiles.
    whole: (Kept, Vec<u64>),
    /// `[tile]` of a chunk, or of all samples that are looked at.
    pub(super) costs: Vec<u64>,
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
        let architecture = network.architecture();
        let kernels = Kernels::new(instructions, arithmetic).ok_or_else(|| {
            EvaluateError::Unsupported(format!("this processor has no {} instructions", instructions.name()))
        })?;
        tiles.check(architecture)?;
        if arithmetic.flushes() {
            FeatureBounds::of_tiles(&tiles).check(network, arithmetic)?;
        }
        Ok(Self {
            margin: incremental(objective)?,
            layers: architecture.layers().collect(),
            network: network.clone(),
            tiles,
            objective,
            kernels,
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

    pub(super) fn margin(&self) -> Option<Margin> {
        self.margin
    }

    pub(super) fn layers(&self) -> &[Layer] {
        &self.layers
    }

    pub(super) fn kernels(&self) -> &Kernels {
        &self.kernels
    }

    /// Number of classes that the network tells apart.
    pub(super) fn outputs(&self) -> usize {
        self.network.architecture().outputs()
    }

    /// Multiply-adds of the objective per sample.
    pub(super) fn objective_products(&self) -> usize {
        self.margin.map_or(0, |_| self.outputs() - 1)
    }

    /// The exact cost of `mask`: wrong samples, or steps of the margin loss.
    pub fn cost(&self, mask: &[u32], scratch: &mut Scratch) -> u64 {
        scratch.program.compile(&self.network, &self.layers, mask);
        let program = &scratch.program;
        let of = |(kept, costs): &mut (Kept, Vec<u64>), chunk: &Chunk| {
            kept.fit(self, chunk);
            self.kernels.forward(self, chunk, program, kept);
            KeptChunk { landscape: self, chunk, kept }.cost(self.margin, costs)
        };
        let chunks = self.tiles.chunks();
        scratch.multiply_adds +=
            ((program.products() + self.objective_products()) * self.tiles.samples()) as u64;
        if in_parallel(chunks) {
            let chunks = chunks.par_iter().with_min_len(MANY_CHUNKS / 2);
            let account = Current::get();
            return chunks
                .map_init(|| (Default::default(), account.help()), |(space, _), chunk| of(space, chunk))
                .sum();
        }
        chunks.iter().map(|chunk| of(&mut scratch.whole, chunk)).sum()
    }

    /// How far the outputs of the wrong classes lie from that of the right one, `|z_c − z_y|`, under `mask`: of all
    /// samples, in no order.
    pub fn distances(&self, mask: &[u32], scratch: &mut Scratch) -> Vec<f32> {
        scratch.program.compile(&self.network, &self.layers, mask);
        let kept = &mut scratch.whole.0;
        let mut distances = Vec::with_capacity(self.tiles.samples() * self.outputs());
        for chunk in self.tiles.chunks() {
            kept.fit(self, chunk);
            self.kernels.forward(self, chunk, &scratch.program, kept);
            let outputs: Vec<&[Line]> =
                kept.layers[self.layers.len() - 1].chunks_exact(chunk.lines()).collect();
            for (line, (valid, &right)) in chunk.valid.iter().zip(&chunk.classes).enumerate() {
                let right = right as usize;
                for lane in (0..BLOCK_SAMPLES).filter(|&lane| valid.0[lane] != 0) {
                    let wrong = (0..outputs.len()).filter(|&class| class != right);
                    let z = |class: usize| outputs[class][line].0[lane];
                    distances.extend(wrong.map(|class| (z(class) - z(right)).abs()));
                }
            }
        }
        distances
    }
}
