//! From a mask to its program: what is dead, what is constant, and which form each layer takes.

use super::bits::{self, Bits, CHUNK};
use super::compact::Compact;
use super::program::{Feeder, Pair, Program, Stored, TILE_ROWS, Target};
use super::wide_layers::{ChunkOfRow, Pack};
use crate::evaluate::Arithmetic;
use crate::network::{Architecture, Layer, Network};

/// Above this share of active weights multiplying by zero is cheaper than skipping (measured on
/// [64, 512, 512, 10] and [784, 300, 100, 10] with AVX-512).
const DENSE_ABOVE: f64 = 0.85;

/// Above this share of active weights a layer behind a ReLU goes sample by sample (`wide_layers`), masked weights being
/// multiplied by zero: it breaks even at 0.55 between layers of 512 neurons, at 0.7 between layers of 100.
const BY_SAMPLE_ABOVE: f64 = 0.65;

/// Layers with fewer inputs or outputs than this never go sample by sample: a sample's sums would be over soon.
const BY_SAMPLE_AT_LEAST: usize = 64;

/// Nor do layers of networks with fewer features than this: of samples that lie so near each other, a block
/// leaves out about as much (measured with 2 to 32 features).
const BY_SAMPLE_FEATURES: usize = 16;

/// Layers with fewer rows or inputs than this are never dense: their tiles would be mostly padding.
const DENSE_AT_LEAST: usize = 8;

/// First layers of up to so many inputs are bounded block by block (`bounds`): with more, the ranges of a
/// block's features hardly ever keep a neuron silent.
const BOUNDED_INPUTS: usize = 4;

/// Layers of fewer rows are not bounded.
const LEAST_BOUNDED: usize = 8;

/// Second hidden layers are bounded from so many blocks on, where they do not feed two outputs: the samples of
/// a block lie near enough to each other then (measured with 2,000 to 50,000 samples).
const BOUNDED_BEHIND_FROM_BLOCKS: usize = 128;

impl Pair {
    /// Whether bounding the feeders block by block pays: for few, or those with few terms, it takes longer than
    /// computing them (measured on the paper's A to C at densities 0.1, 0.5 and 0.9).
    fn gains_by_bounds(&self) -> bool {
        let terms =
            |f: &Feeder| f.active.count_ones() as usize + usize::from(f.reads[0]) + usize::from(f.reads[1]);
        let all: usize = self.feeders.iter().map(terms).sum();
        self.feeders.len() >= LEAST_BOUNDED && 2 * all >= 5 * self.feeders.len()
    }
}

/// In place of a row.
const NOTHING_READS: usize = usize::MAX;

/// State of the compilation, kept for its allocations.
#[derive(Default)]
pub(super) struct Compiler {
    /// Per layer, `[output][chunk]`: the mask.
    masks: Vec<Vec<u64>>,
    /// Per layer, its outputs that reach an output of the network.
    live: Vec<Bits>,
    inputs: Signals,
    outputs: Signals,
    /// `[row]`: the input from which on the row's terms are emitted.
    first: Vec<usize>,
    /// `[output]`: the row that computes it, or [`NOTHING_READS`].
    rows: Vec<usize>,
    spare_pair: Pair,
}

/// What is known of a layer's inputs.
#[derive(Default)]
struct Signals {
    /// Those that are not a constant zero.
    present: Bits,
    /// Those that differ between samples.
    variable: Bits,
    /// Value of each present one that is constant.
    constant: Vec<f32>,
    any_constant: bool,
}

impl Signals {
    /// `count` inputs, all variable.
    fn set_features(&mut self, count: usize) {
        self.clear(count);
        self.present.fill(count);
        self.variable.fill(count);
    }

    fn clear(&mut self, count: usize) {
        self.present.clear(count);
        self.variable.clear(count);
        self.constant.clear();
        self.constant.resize(count, 0.0);
        self.any_constant = false;
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
    /// Compiles `mask`.
    pub fn compile(&mut self, network: &Network, mask: &[u32], target: &Target) {
        let &Target { arithmetic, pair_inputs, .. } = target;
        let layers: Vec<Layer> = network.architecture().layers().collect();
        if let Some(pair) = self.pair.take() {
            self.compiler.spare_pair = pair;
        }
        self.layers.resize_with(layers.len(), Stored::default);
        self.depth = layers.len();
        let mut compiler = std::mem::take(&mut self.compiler);
        compiler.unpack(&layers, mask);
        compiler.find_live(&layers);
        compiler.inputs.set_features(network.architecture().inputs());
        for (l, layer) in layers.iter().enumerate() {
            let feeds_pair =
                l + 2 == layers.len() && layers[l + 1].outputs == 2 && layer.inputs <= pair_inputs;
            let source = Source { network, layer, l, last: l + 1 == layers.len(), feeds_pair, arithmetic };
            if source.last && layer.outputs == 2 && self.layers[l - 1].inputs <= pair_inputs {
                self.depth = l - 1;
                let mut pair = compiler.pair(&source, &self.layers[l - 1]);
                let hidden = Source { layer: &layers[l - 1], l: l - 1, last: false, ..source };
                if hidden.bounded() && pair.gains_by_bounds() {
                    let rows = pair.feeders.iter().map(|feeder| (feeder.neuron, feeder.bias, feeder.active));
                    pair.bounds.set(hidden.layer.inputs, |o, i| hidden.weight(o, i), rows);
                }
                if hidden.behind_bounds(&self.layers, pair.feeders.len()) {
                    let rows = pair.feeders.iter();
                    let rows =
                        rows.map(|&Feeder { neuron, bias, active, .. }| (neuron, bias, move |_| active));
                    pair.bounds_behind.set_behind(&self.layers[0].neurons, |o, i| hidden.weight(o, i), rows);
                }
                self.pair = Some(pair);
            } else {
                compiler.stored(&source, target, &mut self.layers[l]);
                let skips = self.layers[l].has_long_sums();
                if let Some(below) = l.checked_sub(1).map(|below| &mut self.layers[below]) {
                    below.skips = skips;
                    if !skips {
                        below.bounds.clear();
                        below.bounds_behind.clear();
                    }
                }
                if !feeds_pair && source.may_follow_bounds(target) {
                    let (below, layer) = self.layers.split_at_mut(l);
                    bound_behind(&source, below, &mut layer[0]);
                }
                std::mem::swap(&mut compiler.inputs, &mut compiler.outputs);
            }
        }
        self.compiler = compiler;
    }
}

/// Gives a sparse layer bounds from those of the first of the layers `below`, where it has some.
fn bound_behind(source: &Source<'_>, below: &[Stored], stored: &mut Stored) {
    let Stored { neurons, biases, active, bounds_behind, .. } = stored;
    let (active, count) = (&*active, neurons.len());
    if active.is_empty() || !source.behind_bounds(below, count) {
        return;
    }
    let rows = neurons.iter().zip(&*biases).enumerate();
    let rows =
        rows.map(|(row, (&neuron, &bias))| (neuron as usize, bias, move |c: usize| active[c * count + row]));
    bounds_behind.set_behind(&below[0].neurons, |o, i| source.weight(o, i), rows);
}

/// Whether the layer at depth `l` goes sample by sample where its mask is dense.
fn may_go_by_sample(architecture: &Architecture, l: usize, layer: &Layer) -> bool {
    l > 0
        && architecture.inputs() >= BY_SAMPLE_FEATURES
        && layer.inputs.min(layer.outputs) >= BY_SAMPLE_AT_LEAST
}

/// Whether masks of this architecture can have layers that go sample by sample.
pub fn any_by_sample(architecture: &Architecture) -> bool {
    architecture.layers().enumerate().any(|(l, layer)| may_go_by_sample(architecture, l, &layer))
}

/// The layer that is compiled.
struct Source<'a> {
    network: &'a Network,
    layer: &'a Layer,
    /// Its depth.
    l: usize,
    last: bool,
    /// Whether two outputs are fused to it, which is worth more than being dense.
    feeds_pair: bool,
    arithmetic: Arithmetic,
}

impl Source<'_> {
    /// Whether its rows get bounds by the features.
    fn bounded(&self) -> bool {
        self.l == 0 && !self.last && self.layer.inputs <= BOUNDED_INPUTS
    }

    /// Whether `rows` of it get bounds from those of the first of `layers`.
    fn behind_bounds(&self, layers: &[Stored], rows: usize) -> bool {
        self.l == 1 && !self.last && rows >= LEAST_BOUNDED && !layers[0].bounds.is_empty()
    }

    /// Whether its rows, stored, get bounds from the first layer's, where those have some.
    fn may_follow_bounds(&self, target: &Target) -> bool {
        self.l == 1
            && !self.last
            && self.network.architecture().inputs() <= BOUNDED_INPUTS
            && target.blocks >= BOUNDED_BEHIND_FROM_BLOCKS
    }

    fn bias(&self, o: usize) -> f32 {
        self.network.biases()[self.layer.first_bias + o]
    }

    fn weight(&self, o: usize, i: usize) -> f32 {
        self.network.weights()[self.layer.first_weight + o * self.layer.inputs + i]
    }

    /// Weights of row `o` to the inputs of chunk `c`.
    fn chunk(&self, o: usize, c: usize) -> &[f32] {
        let row = &self.network.layer_weights(self.layer)[o * self.layer.inputs..][..self.layer.inputs];
        &row[c * CHUNK..row.len().min((c + 1) * CHUNK)]
    }
}

impl Compiler {
    /// Brings the mask's rows to whole chunks.
    fn unpack(&mut self, layers: &[Layer], mask: &[u32]) {
        self.masks.resize_with(layers.len(), Vec::new);
        for (rows, layer) in self.masks.iter_mut().zip(layers) {
            rows.clear();
            for o in 0..layer.outputs {
                let start = layer.first_weight + o * layer.inputs;
                rows.extend(
                    (0..layer.inputs.div_ceil(CHUNK)).map(|c| bits::row_chunk(mask, start, layer.inputs, c)),
                );
            }
        }
    }

    fn find_live(&mut self, layers: &[Layer]) {
        self.live.resize_with(layers.len(), Bits::default);
        for (live, layer) in self.live.iter_mut().zip(layers) {
            live.clear(layer.outputs);
        }
        let last = layers.len() - 1;
        self.live[last].fill(layers[last].outputs);
        for l in (0..last).rev() {
            let (below, above) = self.live.split_at_mut(l + 1);
            let chunks = layers[l].outputs.div_ceil(CHUNK);
            for o in above[0].ones() {
                below[l].unite(&self.masks[l + 1][o * chunks..][..chunks]);
            }
        }
    }

    /// The mask's chunks of row `o`.
    fn row(&self, source: &Source<'_>, o: usize) -> &[u64] {
        let chunks = source.layer.inputs.div_ceil(CHUNK);
        &self.masks[source.l][o * chunks..][..chunks]
    }

    /// Classifies neuron `o`.
    fn kind(&self, source: &Source<'_>, o: usize) -> Kind {
        let row = self.row(source, o);
        let present = self.inputs.present.chunks();
        let variable = self.inputs.variable.chunks();
        let mut terms: u32 = row.iter().zip(present).map(|(row, present)| (row & present).count_ones()).sum();
        let mut acc = source.bias(o);
        let first = row
            .iter()
            .zip(variable)
            .position(|(row, variable)| row & variable != 0)
            .map(|c| c * CHUNK + (row[c] & variable[c]).trailing_zeros() as usize);
        if self.inputs.any_constant {
            let end = first.unwrap_or(source.layer.inputs);
            for c in 0..end.div_ceil(CHUNK) {
                for i in bits::ones(row[c] & present[c] & !bits::from(end - c * CHUNK)) {
                    let i = c * CHUNK + i;
                    acc = multiply_add(source.arithmetic, source.weight(o, i), self.inputs.constant[i], acc);
                    terms -= 1;
                }
            }
        }
        match first {
            Some(first) => Kind::Variable { bias: acc, first, terms: terms as usize },
            None => Kind::Constant(acc),
        }
    }

    /// Compiles one layer into `stored`, and what its outputs are into `self.outputs`.
    fn stored(&mut self, source: &Source<'_>, target: &Target, stored: &mut Stored) {
        let Source { layer, l, last, .. } = *source;
        stored.clear();
        stored.relu = !last;
        stored.inputs = layer.inputs;
        stored.outputs = layer.outputs;
        self.outputs.clear(layer.outputs);
        self.first.clear();
        let mut terms = 0;
        for o in self.live[l].ones() {
            let (bias, first) = match self.kind(source, o) {
                Kind::Constant(value) if last || value > 0.0 => {
                    self.outputs.any_constant = true;
                    (value, layer.inputs)
                }
                Kind::Constant(_) => continue,
                Kind::Variable { bias, first, terms: more } => {
                    terms += more;
                    self.outputs.variable.set(o);
                    (bias, first)
                }
            };
            self.outputs.present.set(o);
            self.outputs.constant[o] = bias;
            self.first.push(first);
            stored.neurons.push(o as u32);
            stored.biases.push(bias);
        }
        let slots = layer.inputs * stored.neurons.len();
        if !source.feeds_pair
            && may_go_by_sample(source.network.architecture(), l, layer)
            && terms as f64 > BY_SAMPLE_ABOVE * slots as f64
        {
            self.emit_tiles(source, target.pack, stored);
        } else if !source.feeds_pair
            // Leaving rows out, by bounds, saves more than tiles do.
            && !source.may_follow_bounds(target)
            && stored.neurons.len().min(layer.inputs) >= DENSE_AT_LEAST
            && terms as f64 > DENSE_ABOVE * slots as f64
        {
            self.emit_dense(source, stored);
        } else {
            stored.terms.clear(terms);
            self.emit_sparse(source, target.compact, stored);
            if source.bounded() && !source.feeds_pair {
                let rows = stored.neurons.iter().zip(&stored.biases).zip(&stored.active);
                let rows = rows.map(|((&o, &bias), &active)| (o as usize, bias, active));
                stored.bounds.set(layer.inputs, |o, i| source.weight(o, i), rows);
            }
        }
    }

    /// The inputs of chunk `c` that the row of neuron `o` adds, those before `first` left out.
    fn active(&self, source: &Source<'_>, o: usize, first: usize, c: usize) -> u64 {
        self.row(source, o)[c] & self.inputs.present.chunks()[c] & bits::from(first.saturating_sub(c * CHUNK))
    }

    fn emit_sparse(&self, source: &Source<'_>, compact: Compact, stored: &mut Stored) {
        for c in 0..source.layer.inputs.div_ceil(CHUNK) {
            for (&neuron, &first) in stored.neurons.iter().zip(&self.first) {
                let active = self.active(source, neuron as usize, first, c);
                stored.active.push(active);
                stored.terms.push(compact, source.chunk(neuron as usize, c), active);
            }
        }
    }

    fn emit_dense(&self, source: &Source<'_>, stored: &mut Stored) {
        let rows = stored.neurons.len().next_multiple_of(TILE_ROWS);
        stored.dense.reserve(rows * stored.inputs);
        for (&neuron, &first) in stored.neurons.iter().zip(&self.first) {
            for c in 0..source.layer.inputs.div_ceil(CHUNK) {
                let active = self.active(source, neuron as usize, first, c);
                let weights = source.chunk(neuron as usize, c).iter().enumerate();
                stored.dense.extend(weights.map(|(i, &weight)| bits::masked(weight, active, i)));
            }
        }
        stored.dense.resize(rows * stored.inputs, 0.0);
        stored.biases.resize(rows, 0.0);
        stored.neurons.resize(rows, source.layer.outputs as u32);
    }

    fn emit_tiles(&mut self, source: &Source<'_>, pack: Pack, stored: &mut Stored) {
        let Source { layer, .. } = *source;
        self.rows.clear();
        self.rows.resize(layer.outputs, NOTHING_READS);
        for (row, &neuron) in stored.neurons.iter().enumerate() {
            self.rows[neuron as usize] = row;
        }
        let biases = stored.neurons.iter().map(|&neuron| neuron as usize).zip(stored.biases.iter().copied());
        stored.tiles.set(pack, layer.inputs, layer.outputs, biases, |o, c| match self.rows[o] {
            NOTHING_READS => ChunkOfRow::default(),
            row => {
                ChunkOfRow { weights: source.chunk(o, c), active: self.active(source, o, self.first[row], c) }
            }
        });
    }

    /// Fuses the two outputs of the last layer with the hidden layer `hidden` before it.
    fn pair(&mut self, source: &Source<'_>, hidden: &Stored) -> Pair {
        let mut pair =
            Pair { biases: [source.bias(0), source.bias(1)], ..std::mem::take(&mut self.spare_pair) };
        pair.feeders.clear();
        pair.bounds.clear();
        pair.bounds_behind.clear();
        // Once an output has met a variable, later constants can no longer be added beforehand.
        let mut started = [false; 2];
        let mut terms = 0;
        for (row, &neuron) in hidden.neurons.iter().enumerate() {
            let neuron = neuron as usize;
            let variable = self.inputs.variable.get(neuron);
            let mut feeder = Feeder {
                neuron,
                bias: hidden.biases[row],
                active: hidden.active[row],
                terms,
                out: [0.0; 2],
                reads: [false; 2],
            };
            terms += feeder.active.count_ones() as usize;
            for (o, started) in started.iter_mut().enumerate() {
                if self.row(source, o)[neuron / CHUNK] >> (neuron % CHUNK) & 1 == 0 {
                    continue;
                }
                let weight = source.weight(o, neuron);
                if variable || *started {
                    *started = true;
                    feeder.out[o] = weight;
                    feeder.reads[o] = true;
                } else {
                    pair.biases[o] =
                        multiply_add(source.arithmetic, weight, hidden.biases[row], pair.biases[o]);
                }
            }
            if feeder.reads != [false; 2] {
                pair.feeders.push(feeder);
            }
        }
        pair
    }
}
