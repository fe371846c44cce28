//! What is kept of a mask, chunk by chunk.

use super::landscape::Landscape;
use super::tiles::Chunk;
use crate::evaluate::vector::{Line, MOST_LANES};
use crate::objective::margin::Margin;

/// What is kept of a mask on a chunk of samples.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// `[layer]`, `[neuron][tile][block]`: pre-activations.
    pub layers: Vec<Vec<Line>>,
    /// `[tile]`
    pub costs: Vec<u64>,
}

impl Kept {
    /// Gives this the shape of `chunk` in `landscape`.
    pub fn fit(&mut self, landscape: &Landscape, chunk: &Chunk) {
        self.layers.resize(landscape.layers().len(), Vec::new());
        for (kept, layer) in self.layers.iter_mut().zip(landscape.layers()) {
            kept.resize(layer.outputs * chunk.lines(), Line([0.0; MOST_LANES]));
        }
        self.costs.resize(chunk.tiles(), 0);
    }
}

/// A chunk of samples, with what is kept of a mask of the landscape on it.
#[derive(Clone, Copy)]
pub struct KeptChunk<'a> {
    pub landscape: &'a Landscape,
    pub chunk: &'a Chunk,
    pub kept: &'a Kept,
}

impl<'a> KeptChunk<'a> {
    /// Whether the samples are such as the landscape's networks read, and all of their pre-activations are there.
    pub fn fits(self) -> bool {
        let Self { landscape, chunk, kept } = self;
        let mut layers = kept.layers.iter().zip(landscape.layers());
        chunk.fits(landscape.network().architecture())
            && kept.layers.len() == landscape.layers().len()
            && layers.all(|(kept, layer)| kept.len() == layer.outputs * chunk.lines())
    }

    /// What this costs, in wrong samples or in steps of the loss with `margin`; leaves the costs of its tiles in `costs`.
    pub fn cost(self, margin: Option<Margin>, costs: &mut Vec<u64>) -> u64 {
        costs.resize(self.chunk.tiles(), 0);
        self.landscape.kernels().cost(self, margin, costs);
        costs.iter().sum()
    }

    /// `[input][tile][block]`: what the layer at `depth` reads, before its activation.
    pub fn below(self, depth: usize) -> &'a [Line] {
        if depth == 0 { &self.chunk.features } else { &self.kept.layers[depth - 1] }
    }
}
