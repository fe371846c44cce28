//! What the kernels execute for one mask: the work that is left of the network, each layer in a form of its own.

use super::bits::CHUNK;
use super::bounds::Bounds;
use super::compact::Compact;
use super::row_tiles::RowTiles;
use crate::network::Activation;

/// Rows of a tile of the dense kernel.
pub const TILE_ROWS: usize = 6;

/// The active weights of rows, one after the other.
#[derive(Default)]
pub struct Terms {
    weights: Vec<f32>,
    length: usize,
}

impl Terms {
    /// Becomes no weights, and has room for those that are expected.
    pub fn clear(&mut self, expected: usize) {
        self.length = 0;
        // A row's chunk is written as a whole before its length is known, and kernels read whole vectors.
        let needed = expected + CHUNK;
        if self.weights.len() < needed {
            self.weights.resize(needed, 0.0);
        }
    }

    /// Appends the active of a row's chunk of weights.
    pub fn push(&mut self, compact: Compact, weights: &[f32], active: u64) {
        let to = self.weights[self.length..].first_chunk_mut().expect("space for a whole chunk");
        self.length += compact.run(weights, active, to);
    }

    /// The weights, and behind them [`CHUNK`] values without meaning, or more.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }
}

/// Rows of active weights.
///
/// Inputs come in chunks of 64, whose activations stay in the first-level cache while all rows read them.
#[derive(Default)]
pub struct Sparse {
    /// `[chunk][row]`: which of the chunk's inputs are added.
    pub active: Vec<u64>,
    /// The weights of `active`, in its order.
    pub terms: Terms,
}

/// How a layer's sums are computed. All forms give the same values.
pub enum Form {
    /// Of all rows, the active weights alone.
    Sparse(Sparse),
    /// Of rows that the ranges of the first layer's neurons let above zero in a block, the active weights alone.
    SparseBounded(Sparse, Bounds),
    /// Of rows that the ranges of the few features let above zero in a block, all weights, the masked ones being zero.
    Bounded {
        bounds: Bounds,
        /// Whether a later layer is bounded by the ranges of these rows.
        gives_ranges: bool,
    },
    /// `[row][input]`: all weights, zero where masked, in rows that are padded to whole tiles of [`TILE_ROWS`].
    Dense(Vec<f32>),
    /// All weights, zero where masked; of each sample the inputs that are above zero alone.
    Wide(RowTiles),
}

/// A layer whose outputs are stored, `[neuron][sample]`.
pub struct StoredLayer {
    pub inputs: usize,
    pub activation: Activation,
    /// `[row]`: the neuron whose value the row computes. The others are never read, or only times zero. Rows of
    /// padding have the number of neurons for a neuron.
    pub neurons: Vec<u32>,
    /// `[row]`
    pub biases: Vec<f32>,
    /// Whether the next layer is told which neurons are silent for a whole block, and gains by leaving them out.
    pub marks_silent: bool,
    pub form: Form,
}

/// A neuron of the last hidden layer, whose value goes straight into two outputs.
#[derive(Clone, Copy)]
pub struct Feeder {
    pub neuron: usize,
    pub bias: f32,
    /// Where its weights begin among the terms.
    pub terms: usize,
    /// Which inputs are added.
    pub active: u64,
    /// Weight to each output, if active.
    pub out: [f32; 2],
    pub reads: [bool; 2],
}

/// How the feeders of two outputs are computed.
pub enum FeederForm {
    /// All of them, by their active weights alone.
    Sparse(Terms),
    /// As [`Form::SparseBounded`].
    SparseBounded(Terms, Bounds),
    /// As [`Form::Bounded`].
    Bounded(Bounds),
}

/// The last hidden layer, a ReLU behind it, and a layer of two outputs in one.
pub struct TwoOutputs {
    /// Inputs of the hidden layer, at most [`CHUNK`].
    pub inputs: usize,
    pub biases: [f32; 2],
    /// `[row]`
    pub feeders: Vec<Feeder>,
    pub form: FeederForm,
}

/// Where a network's outputs are.
pub enum End {
    /// The last of the stored layers computes so many.
    Stored(usize),
    /// Two, which are not stored, behind the last of the stored layers.
    TwoOutputs(TwoOutputs),
}

/// What the kernels execute for one mask.
pub struct MaskProgram {
    /// Layers whose outputs are stored, in order.
    pub layers: Vec<StoredLayer>,
    pub end: End,
}

impl Default for MaskProgram {
    /// The program of no network, with nothing allocated.
    fn default() -> Self {
        Self { layers: Vec::new(), end: End::Stored(0) }
    }
}

impl MaskProgram {
    /// Outputs of the network.
    pub fn classes(&self) -> usize {
        match self.end {
            End::Stored(classes) => classes,
            End::TwoOutputs(_) => 2,
        }
    }
}
