//! One mask, compiled into the work that is left: lists of active weights, no dead neurons, no constants.
//!
//! What is left out never changes a bit of the result:
//! - a *dead* neuron (no active path to an output) is read by nobody;
//! - a neuron whose value is the same for every sample is a *constant*; a constant zero adds nothing, and
//!   constants that lead a sum are added to its bias here, in the sum's own order and arithmetic.

use super::bits::{self, Bits};
use crate::evaluate::Arithmetic;
use crate::network::{Layer, Network};

/// Rows of a tile of the dense kernel.
pub const TILE_ROWS: usize = 6;

/// Inputs whose activations stay in the first-level cache while all rows read them, in chunks of 64.
const CHUNKS_PER_INPUT_BLOCK: usize = 1;

/// Layers with no more inputs than this, in chunks of 64, are not cut into input blocks.
const UNCUT_CHUNKS: usize = 1;

/// Above this share of active weights multiplying by zero is cheaper than skipping.
const DENSE_ABOVE: f64 = 0.65;

/// Layers with fewer rows or inputs than this are never dense: their tiles would be mostly padding.
const DENSE_AT_LEAST: usize = 8;

/// One active weight.
#[derive(Clone, Copy)]
pub struct Term {
    pub weight: f32,
    /// Where the input's samples start in the block of activations.
    pub offset: u32,
}

/// A layer whose outputs are stored, `[row][sample]`.
#[derive(Default)]
pub struct Stored {
    pub rows: usize,
    /// `[row]`; in a dense layer padded to whole tiles.
    pub biases: Vec<f32>,
    /// `[input block][row]`: number of terms.
    pub counts: Vec<u32>,
    /// In the order of `counts`, ascending inputs within each. Empty in a dense layer.
    pub terms: Vec<Term>,
    /// `[input block][tile][input][TILE_ROWS]`: weights, zero where masked. Empty in a sparse layer.
    pub dense: Vec<f32>,
    /// Inputs that are there, and the inputs of each block of the dense weights (the last may have fewer).
    pub inputs: usize,
    pub input_block: usize,
    pub relu: bool,
}

impl Stored {
    fn clear(&mut self) {
        self.biases.clear();
        self.counts.clear();
        self.terms.clear();
        self.dense.clear();
    }

    pub fn is_dense(&self) -> bool {
        !self.dense.is_empty()
    }

    fn is_uncut_and_sparse(&self) -> bool {
        !self.is_dense() && self.counts.len() == self.biases.len()
    }
}

/// A neuron of the last hidden layer, whose value goes straight into two outputs.
#[derive(Clone, Copy)]
pub struct Feeder {
    pub bias: f32,
    pub terms: u32,
    /// Weight to each output, if active.
    pub out: [f32; 2],
    pub reads: [bool; 2],
}

/// The last hidden layer and a two-class output layer in one.
#[derive(Default)]
pub struct Pair {
    pub biases: [f32; 2],
    pub feeders: Vec<Feeder>,
}

/// What the kernels execute for one mask.
#[derive(Default)]
pub struct Program {
    /// Layers in use are the first `depth`; the others keep their allocations for the next mask.
    layers: Vec<Stored>,
    depth: usize,
    /// Set when the last of the layers is fused with two outputs.
    pair: Option<Pair>,
    compiler: Compiler,
}

/// State of the compilation, kept for its allocations.
#[derive(Default)]
struct Compiler {
    /// Per layer, its outputs that reach an output of the network.
    live: Vec<Bits>,
    inputs: Signals,
    outputs: Signals,
    /// `[row]`: the neuron behind it, and the input from which on its terms are emitted.
    rows: Vec<(usize, usize)>,
    spare_feeders: Vec<Feeder>,
}

/// What is known of a layer's inputs.
#[derive(Default)]
struct Signals {
    /// Those that are not a constant zero.
    present: Bits,
    /// Those that differ between samples.
    variable: Bits,
    /// Row of each present one.
    position: Vec<u32>,
    /// Value of each present one that is constant.
    constant: Vec<f32>,
}

impl Signals {
    /// All of `count` inputs, variable, in place.
    fn set_features(&mut self, count: usize) {
        self.present.fill(count);
        self.variable.fill(count);
        self.position.clear();
        self.position.extend(0..count as u32);
        self.constant.clear();
        self.constant.resize(count, 0.0);
    }

    fn clear(&mut self, count: usize) {
        self.present.clear(count);
        self.variable.clear(count);
        self.position.clear();
        self.position.resize(count, 0);
        self.constant.clear();
        self.constant.resize(count, 0.0);
    }
}

/// `a * b + c`, rounded as `arithmetic` says.
fn multiply_add(arithmetic: Arithmetic, a: f32, b: f32, c: f32) -> f32 {
    match arithmetic {
        Arithmetic::Fused => a.mul_add(b, c),
        Arithmetic::Separate => a * b + c,
    }
}

/// What a neuron computes, seen before any sample.
enum Kind {
    Constant(f32),
    /// Sum of the bias and the constants before `first`; the terms from `first` on remain.
    Variable {
        bias: f32,
        first: usize,
        terms: usize,
    },
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

    /// Compiles `mask` for blocks of `block` samples.
    pub fn compile(&mut self, network: &Network, mask: &[u32], arithmetic: Arithmetic, block: usize) {
        let layers: Vec<Layer> = network.architecture.layers().collect();
        if let Some(pair) = self.pair.take() {
            self.compiler.spare_feeders = pair.feeders;
        }
        self.layers.resize_with(layers.len(), Stored::default);
        let mut compiler = std::mem::take(&mut self.compiler);
        compiler.find_live(&layers, mask);
        compiler.inputs.set_features(network.architecture.inputs());
        self.depth = layers.len();
        for (l, layer) in layers.iter().enumerate() {
            let last = l + 1 == layers.len();
            if last && layer.outputs == 2 && self.layers[l - 1].is_uncut_and_sparse() {
                self.depth = l - 1;
                self.pair = Some(compiler.pair(network, layer, mask, arithmetic, &self.layers[l - 1]));
            } else {
                compiler.stored(network, layer, l, last, mask, arithmetic, block, &mut self.layers[l]);
            }
            std::mem::swap(&mut compiler.inputs, &mut compiler.outputs);
        }
        self.compiler = compiler;
    }
}

impl Compiler {
    fn find_live(&mut self, layers: &[Layer], mask: &[u32]) {
        self.live.resize_with(layers.len(), Bits::default);
        for l in (0..layers.len()).rev() {
            if l + 1 == layers.len() {
                self.live[l].fill(layers[l].outputs);
            } else {
                let above = &layers[l + 1];
                let (below, reached) = self.live.split_at_mut(l + 1);
                let union = &mut below[l];
                union.clear(layers[l].outputs);
                for o in reached[0].ones() {
                    union.unite_row(mask, above.first_weight + o * above.inputs);
                }
            }
        }
    }

    /// Classifies neuron `o` of `layer`.
    fn kind(&self, network: &Network, layer: &Layer, o: usize, mask: &[u32], arithmetic: Arithmetic) -> Kind {
        let start = layer.first_weight + o * layer.inputs;
        let mut first = layer.inputs;
        let mut terms = 0;
        for (c, (&present, &variable)) in
            self.inputs.present.chunks().iter().zip(self.inputs.variable.chunks()).enumerate()
        {
            let row = bits::row_chunk(mask, start, layer.inputs, c);
            if first == layer.inputs && row & variable != 0 {
                first = c * 64 + (row & variable).trailing_zeros() as usize;
                terms += (row & present & (u64::MAX << (first % 64))).count_ones() as usize;
            } else if first < layer.inputs {
                terms += (row & present).count_ones() as usize;
            }
        }
        let mut acc = network.biases[layer.first_bias + o];
        for (c, (&present, &variable)) in
            self.inputs.present.chunks().iter().zip(self.inputs.variable.chunks()).enumerate()
        {
            if c * 64 >= first || present == variable {
                continue;
            }
            let mut constants = bits::row_chunk(mask, start, layer.inputs, c) & present;
            while constants != 0 {
                let i = c * 64 + constants.trailing_zeros() as usize;
                if i >= first {
                    break;
                }
                acc = multiply_add(arithmetic, network.weights[start + i], self.inputs.constant[i], acc);
                constants &= constants - 1;
            }
        }
        if first == layer.inputs { Kind::Constant(acc) } else { Kind::Variable { bias: acc, first, terms } }
    }

    /// Compiles one layer into `stored`, and what its outputs are into `self.outputs`.
    #[allow(clippy::too_many_arguments)]
    fn stored(
        &mut self,
        network: &Network,
        layer: &Layer,
        l: usize,
        last: bool,
        mask: &[u32],
        arithmetic: Arithmetic,
        block: usize,
        stored: &mut Stored,
    ) {
        stored.clear();
        stored.relu = !last;
        stored.inputs = self.inputs.present.ones().count();
        self.outputs.clear(layer.outputs);
        self.rows.clear();
        let mut terms = 0;
        for o in self.live[l].ones() {
            let (bias, first) = match self.kind(network, layer, o, mask, arithmetic) {
                Kind::Constant(value) if last => (value, layer.inputs),
                Kind::Constant(value) if value > 0.0 => (value, layer.inputs),
                Kind::Constant(_) => continue,
                Kind::Variable { bias, first, terms: more } => {
                    terms += more;
                    self.outputs.variable.set(o);
                    (bias, first)
                }
            };
            self.outputs.present.set(o);
            self.outputs.position[o] = self.rows.len() as u32;
            self.outputs.constant[o] = bias;
            self.rows.push((o, first));
            stored.biases.push(bias);
        }
        stored.rows = self.rows.len();
        let chunks = layer.inputs.div_ceil(64);
        let chunks_per_block = if chunks <= UNCUT_CHUNKS { chunks } else { CHUNKS_PER_INPUT_BLOCK };
        let slots = stored.inputs * self.rows.len();
        if self.rows.len().min(stored.inputs) >= DENSE_AT_LEAST && terms as f64 > DENSE_ABOVE * slots as f64 {
            self.emit_dense(network, layer, mask, stored);
        } else {
            self.emit_sparse(network, layer, mask, block, chunks_per_block, terms, stored);
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn emit_sparse(
        &self,
        network: &Network,
        layer: &Layer,
        mask: &[u32],
        block: usize,
        chunks_per_block: usize,
        terms: usize,
        stored: &mut Stored,
    ) {
        stored.terms.reserve(terms);
        let present = self.inputs.present.chunks();
        for first_chunk in (0..present.len()).step_by(chunks_per_block) {
            for &(o, first) in &self.rows {
                let start = layer.first_weight + o * layer.inputs;
                let before = stored.terms.len();
                let chunks = first_chunk..(first_chunk + chunks_per_block).min(present.len());
                for c in chunks {
                    let mut active = bits::row_chunk(mask, start, layer.inputs, c)
                        & present[c]
                        & bits::from(first.saturating_sub(c * 64));
                    while active != 0 {
                        let i = c * 64 + active.trailing_zeros() as usize;
                        active &= active - 1;
                        stored.terms.push(Term {
                            weight: network.weights[start + i],
                            offset: self.inputs.position[i] * block as u32,
                        });
                    }
                }
                stored.counts.push((stored.terms.len() - before) as u32);
            }
        }
    }

    fn emit_dense(&self, network: &Network, layer: &Layer, mask: &[u32], stored: &mut Stored) {
        let tiles = self.rows.len().div_ceil(TILE_ROWS);
        stored.input_block = (CHUNKS_PER_INPUT_BLOCK * 64).min(stored.inputs);
        stored.dense.resize(tiles * TILE_ROWS * stored.inputs, 0.0);
        stored.biases.resize(tiles * TILE_ROWS, 0.0);
        for (r, &(o, first)) in self.rows.iter().enumerate() {
            let start = layer.first_weight + o * layer.inputs;
            for (c, &present) in self.inputs.present.chunks().iter().enumerate() {
                let mut active = bits::row_chunk(mask, start, layer.inputs, c)
                    & present
                    & bits::from(first.saturating_sub(c * 64));
                while active != 0 {
                    let i = c * 64 + active.trailing_zeros() as usize;
                    active &= active - 1;
                    let position = self.inputs.position[i] as usize;
                    let block_start = position / stored.input_block * stored.input_block;
                    let width = stored.input_block.min(stored.inputs - block_start);
                    let slot = block_start * tiles * TILE_ROWS
                        + (r / TILE_ROWS * width + position - block_start) * TILE_ROWS
                        + r % TILE_ROWS;
                    stored.dense[slot] = network.weights[start + i];
                }
            }
        }
    }

    /// Fuses the two outputs of `layer` with the hidden layer `hidden` before it.
    fn pair(
        &mut self,
        network: &Network,
        layer: &Layer,
        mask: &[u32],
        arithmetic: Arithmetic,
        hidden: &Stored,
    ) -> Pair {
        let mut pair = Pair { biases: [0.0; 2], feeders: std::mem::take(&mut self.spare_feeders) };
        pair.feeders.clear();
        pair.biases.copy_from_slice(&network.biases[layer.first_bias..][..2]);
        // Once an output has met a variable, later constants can no longer be added beforehand.
        let mut started = [false; 2];
        for (row, &(neuron, _)) in self.rows.iter().enumerate() {
            let variable = self.inputs.variable.get(neuron);
            let mut feeder = Feeder {
                bias: hidden.biases[row],
                terms: hidden.counts[row],
                out: [0.0; 2],
                reads: [false; 2],
            };
            for (o, started) in started.iter_mut().enumerate() {
                let w = layer.first_weight + o * layer.inputs + neuron;
                if !crate::mask::get(mask, w) {
                    continue;
                }
                if variable || *started {
                    *started = true;
                    feeder.out[o] = network.weights[w];
                    feeder.reads[o] = true;
                } else {
                    pair.biases[o] =
                        multiply_add(arithmetic, network.weights[w], hidden.biases[row], pair.biases[o]);
                }
            }
            if feeder.reads != [false; 2] {
                pair.feeders.push(feeder);
            }
        }
        pair
    }
}
