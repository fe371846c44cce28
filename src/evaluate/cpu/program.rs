//! One mask, compiled into the work that is left: lists of active weights, no dead neurons, no constants.
//!
//! What is left out never changes a bit of the result:
//! - a *dead* neuron (no active path to an output) is read by nobody;
//! - a neuron whose value is the same for every sample is a *constant*; a constant zero adds nothing, and
//!   constants that lead a sum are added to its bias here, in the sum's own order and arithmetic.

use super::bits::CHUNK;
use super::bounds::Bounds;
use super::compact::Compact;
use super::compile::Compiler;
use super::wide_layers::{Pack, RowTiles};
use crate::evaluate::Arithmetic;

/// Rows of a tile of the dense kernel.
pub const TILE_ROWS: usize = 6;

/// Sums of fewer terms on average leave none of them out: which are left changes from block to block, and a
/// mispredicted branch takes as long as some terms.
const SKIP_FROM_TERMS: usize = 8;

/// The active weights of rows, one after the other.
#[derive(Default)]
pub struct Terms {
    weights: Vec<f32>,
    length: usize,
}

impl Terms {
    pub(super) fn clear(&mut self, expected: usize) {
        self.length = 0;
        // A row's chunk is written as a whole before its length is known.
        let needed = expected + CHUNK;
        if self.weights.len() < needed {
            self.weights.resize(needed, 0.0);
        }
    }

    /// Appends the active of a row's chunk of weights.
    pub(super) fn push(&mut self, compact: Compact, weights: &[f32], active: u64) {
        let to = self.weights[self.length..].first_chunk_mut().expect("space for a whole chunk");
        self.length += compact.run(weights, active, to);
    }

    pub fn weights(&self) -> &[f32] {
        &self.weights[..self.length]
    }
}

/// A layer whose outputs are stored, `[neuron][sample]`.
///
/// Its inputs come in chunks of 64, whose activations stay in the first-level cache while all rows read
/// them.
#[derive(Default)]
pub struct Stored {
    /// `[row]`: the neuron whose value the row computes. The others are never read, or only times zero. In
    /// a dense layer padded to whole tiles, with the number of neurons for a neuron.
    pub neurons: Vec<u32>,
    /// `[row]`
    pub biases: Vec<f32>,
    /// `[chunk][row]`: which of the chunk's inputs are added. Empty in a dense layer.
    pub active: Vec<u64>,
    /// The weights of `active`, in its order.
    pub terms: Terms,
    /// `[row][input]`: weights, zero where masked. Empty in a sparse layer.
    pub dense: Vec<f32>,
    /// The weights of a layer that goes sample by sample; it has neither of the others.
    pub tiles: RowTiles,
    /// Which rows a block can leave out, by its features.
    pub bounds: Bounds,
    /// Likewise by the ranges of the first layer's neurons.
    pub bounds_behind: Bounds,
    /// Whether the next layer leaves out neurons that are silent for a whole block.
    pub skips: bool,
    pub inputs: usize,
    pub outputs: usize,
    pub relu: bool,
}

impl Stored {
    pub(super) fn clear(&mut self) {
        self.neurons.clear();
        self.biases.clear();
        self.active.clear();
        self.terms.clear(0);
        self.dense.clear();
        self.tiles.clear();
        self.bounds.clear();
        self.bounds_behind.clear();
        self.skips = true;
    }

    /// Whether leaving out terms pays.
    pub(super) fn has_long_sums(&self) -> bool {
        self.is_dense() || self.goes_by_sample() || self.terms.length >= SKIP_FROM_TERMS * self.neurons.len()
    }

    pub fn is_dense(&self) -> bool {
        !self.dense.is_empty()
    }

    pub fn goes_by_sample(&self) -> bool {
        !self.tiles.is_empty()
    }
}

/// A neuron of the last hidden layer, whose value goes straight into two outputs.
#[derive(Clone, Copy)]
pub struct Feeder {
    pub(super) neuron: usize,
    pub bias: f32,
    /// Where its weights begin among the hidden layer's terms.
    pub terms: usize,
    /// Which inputs are added.
    pub active: u64,
    /// Weight to each output, if active.
    pub out: [f32; 2],
    pub reads: [bool; 2],
}

/// The last hidden layer and a two-class output layer in one.
#[derive(Default)]
pub struct Pair {
    pub biases: [f32; 2],
    pub feeders: Vec<Feeder>,
    /// Which feeders a block can leave out, by its features.
    pub bounds: Bounds,
    /// Likewise by the ranges of the first layer's neurons.
    pub bounds_behind: Bounds,
}

/// What programs are made for.
pub struct Target {
    pub arithmetic: Arithmetic,
    pub compact: Compact,
    pub pack: Pack,
    /// A last hidden layer of up to so many inputs, at most [`CHUNK`], is fused with two outputs.
    pub pair_inputs: usize,
    /// Blocks that the samples are cut into.
    pub blocks: usize,
}

/// What the kernels execute for one mask.
#[derive(Default)]
pub struct Program {
    /// Layers in use are the first `depth`; the others keep their allocations for the next mask.
    pub(super) layers: Vec<Stored>,
    pub(super) depth: usize,
    /// Set when the last of the layers is fused with two outputs.
    pub(super) pair: Option<Pair>,
    pub(super) compiler: Compiler,
}

impl Program {
    /// Layers whose outputs are stored, in order.
    pub fn layers(&self) -> &[Stored] {
        &self.layers[..self.depth]
    }

    /// The fused end; without one the last of [`layers`](Self::layers) holds the outputs.
    pub fn pair(&self) -> Option<(&Stored, &Pair)> {
        self.pair.as_ref().map(|pair| (&self.layers[self.depth], pair))
    }

    /// Neurons that were compiled: those that reach an output and are not zero for every sample.
    pub fn neurons(&self) -> usize {
        let stored = self.layers().iter().chain(self.pair().map(|(hidden, _)| hidden));
        stored.map(|layer| layer.neurons.len()).sum()
    }

    /// Outputs of the network.
    pub fn classes(&self) -> usize {
        if self.pair.is_some() { 2 } else { self.layers().last().map_or(0, |layer| layer.outputs) }
    }
}
