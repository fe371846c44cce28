//! What a mask leaves of a network: no dead neurons, no constants.
//!
//! What is left out never changes a bit of the result:
//! - a *dead* neuron (no active path to an output) is read by nobody;
//! - a neuron whose value is the same for every sample is a *constant*; a constant zero adds nothing, and
//!   constants that lead a sum are added to its bias here, in the sum's own order and arithmetic.

use super::bits::{self, Bits, CHUNK};
use super::program::Feeder;
use crate::arithmetic::{Arithmetic, fma};
use crate::network::{Layer, Network};

/// The weights and biases of one layer.
#[derive(Clone, Copy)]
pub struct Parameters<'a> {
    weights: &'a [f32],
    biases: &'a [f32],
    inputs: usize,
}

impl<'a> Parameters<'a> {
    pub fn of(network: &'a Network, layer: &Layer) -> Self {
        Self {
            weights: network.layer_weights(layer),
            biases: network.layer_biases(layer),
            inputs: layer.inputs,
        }
    }

    pub fn weight(&self, o: usize, i: usize) -> f32 {
        self.weights[o * self.inputs + i]
    }

    /// Weights of neuron `o` to the inputs of chunk `c`.
    pub fn chunk(&self, o: usize, c: usize) -> &'a [f32] {
        let row = &self.weights[o * self.inputs..][..self.inputs];
        &row[c * CHUNK..row.len().min((c + 1) * CHUNK)]
    }
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

/// What is left of one layer.
#[derive(Default)]
pub struct Rest {
    /// Chunks of a row of the mask.
    chunks: usize,
    /// `[output][chunk]`: the mask.
    mask: Vec<u64>,
    /// Outputs that reach an output of the network.
    live: Bits,
    inputs: Signals,
    /// `[row]`: the neurons that are left, ascending.
    pub neurons: Vec<u32>,
    /// `[row]`
    pub biases: Vec<f32>,
    /// `[row]`: the input from which on the row's terms are added.
    first: Vec<usize>,
    /// Active weights of all rows.
    pub terms: usize,
}

impl Rest {
    /// The mask's chunks of neuron `o`.
    fn row(&self, o: usize) -> &[u64] {
        &self.mask[o * self.chunks..][..self.chunks]
    }

    /// The inputs of chunk `c` that row `row` adds.
    pub fn active(&self, row: usize, c: usize) -> u64 {
        let mask = self.mask[self.neurons[row] as usize * self.chunks + c];
        mask & self.inputs.present.chunks()[c] & bits::from(self.first[row].saturating_sub(c * CHUNK))
    }

    /// Classifies neuron `o`.
    fn kind(&self, parameters: &Parameters<'_>, arithmetic: Arithmetic, o: usize) -> Kind {
        let row = self.row(o);
        let present = self.inputs.present.chunks();
        let variable = self.inputs.variable.chunks();
        let mut terms: u32 = row.iter().zip(present).map(|(row, present)| (row & present).count_ones()).sum();
        let mut acc = parameters.biases[o];
        let first = row
            .iter()
            .zip(variable)
            .position(|(row, variable)| row & variable != 0)
            .map(|c| c * CHUNK + (row[c] & variable[c]).trailing_zeros() as usize);
        if self.inputs.any_constant {
            let end = first.unwrap_or(parameters.inputs);
            for c in 0..end.div_ceil(CHUNK) {
                for i in bits::ones(row[c] & present[c] & !bits::from(end - c * CHUNK)) {
                    let i = c * CHUNK + i;
                    acc = fma(arithmetic, parameters.weight(o, i), self.inputs.constant[i], acc);
                    terms -= 1;
                }
            }
        }
        match first {
            Some(first) => Kind::Variable { bias: acc, first, terms: terms as usize },
            None => Kind::Constant(acc),
        }
    }

    /// Finds the rows that are left, and what is known of them as inputs of the layer above, if there is one.
    fn find_rows(
        &mut self,
        layer: &Layer,
        parameters: &Parameters<'_>,
        arithmetic: Arithmetic,
        mut above: Option<&mut Signals>,
    ) {
        self.neurons.clear();
        self.biases.clear();
        self.first.clear();
        self.terms = 0;
        if let Some(signals) = &mut above {
            signals.clear(layer.outputs);
        }
        for o in self.live.ones() {
            let (bias, first, value) = match self.kind(parameters, arithmetic, o) {
                Kind::Constant(sum) => (sum, layer.inputs, Some(layer.activation.apply(sum))),
                Kind::Variable { bias, first, terms } => {
                    self.terms += terms;
                    (bias, first, None)
                }
            };
            if let Some(signals) = &mut above {
                match value {
                    Some(0.0) => continue,
                    Some(value) => {
                        signals.constant[o] = value;
                        signals.any_constant = true;
                    }
                    None => signals.variable.set(o),
                }
                signals.present.set(o);
            }
            self.neurons.push(o as u32);
            self.biases.push(bias);
            self.first.push(first);
        }
    }
}

/// What a mask leaves of a network; kept from mask to mask for its allocations.
#[derive(Default)]
pub struct Reduction {
    /// `[layer]`
    pub layers: Vec<Rest>,
    /// Where the last two layers are fused: the biases of both outputs, and what feeds them.
    pub output_biases: [f32; 2],
    pub feeders: Vec<Feeder>,
}

impl Reduction {
    /// Becomes what `mask` leaves of `network`, whose layers these are; with `fuses` the last of them, of two outputs,
    /// is given by what feeds it.
    pub fn reduce(
        &mut self,
        network: &Network,
        layers: &[Layer],
        mask: &[u32],
        arithmetic: Arithmetic,
        fuses: bool,
    ) {
        self.layers.resize_with(layers.len(), Rest::default);
        self.unpack(layers, mask);
        self.find_live(layers);
        self.layers[0].inputs.set_features(layers[0].inputs);
        let whole = layers.len() - usize::from(fuses);
        for (l, layer) in layers[..whole].iter().enumerate() {
            let [rest, above @ ..] = &mut self.layers[l..] else { continue };
            let above = above.first_mut().map(|above| &mut above.inputs);
            rest.find_rows(layer, &Parameters::of(network, layer), arithmetic, above);
        }
        if let [.., outputs] = layers
            && fuses
        {
            self.find_feeders(&Parameters::of(network, outputs), arithmetic);
        }
    }

    /// Brings the mask's rows to whole chunks.
    fn unpack(&mut self, layers: &[Layer], mask: &[u32]) {
        for (rest, layer) in self.layers.iter_mut().zip(layers) {
            rest.chunks = layer.inputs.div_ceil(CHUNK);
            rest.mask.clear();
            let start = |o: usize| layer.first_weight + o * layer.inputs;
            if layer.inputs <= bits::SHORT {
                rest.mask.extend((0..layer.outputs).map(|o| bits::short_row(mask, start(o), layer.inputs)));
                continue;
            }
            for o in 0..layer.outputs {
                let start = start(o);
                let chunks = (0..rest.chunks).map(|c| bits::row_chunk(mask, start, layer.inputs, c));
                rest.mask.extend(chunks);
            }
        }
    }

    fn find_live(&mut self, layers: &[Layer]) {
        for (rest, layer) in self.layers.iter_mut().zip(layers) {
            rest.live.clear(layer.outputs);
        }
        let last = layers.len() - 1;
        self.layers[last].live.fill(layers[last].outputs);
        for l in (0..last).rev() {
            let (below, above) = self.layers.split_at_mut(l + 1);
            for o in above[0].live.ones() {
                below[l].live.unite(above[0].row(o));
            }
        }
    }

    /// What of the last hidden layer feeds the two outputs above it.
    fn find_feeders(&mut self, outputs: &Parameters<'_>, arithmetic: Arithmetic) {
        let Self { layers, output_biases, feeders } = self;
        let [.., hidden, above] = &mut layers[..] else { return };
        above.neurons.clear();
        above.terms = 0;
        feeders.clear();
        *output_biases = [outputs.biases[0], outputs.biases[1]];
        // Once an output has met a variable, later constants can no longer be added beforehand.
        let mut started = [false; 2];
        let mut terms = 0;
        for (row, &neuron) in hidden.neurons.iter().enumerate() {
            let neuron = neuron as usize;
            let variable = above.inputs.variable.get(neuron);
            let active = hidden.active(row, 0);
            let bias = hidden.biases[row];
            let mut feeder = Feeder { neuron, bias, terms, active, out: [0.0; 2], reads: [false; 2] };
            for (o, started) in started.iter_mut().enumerate() {
                if above.row(o)[neuron / CHUNK] >> (neuron % CHUNK) & 1 == 0 {
                    continue;
                }
                let weight = outputs.weight(o, neuron);
                if variable || *started {
                    *started = true;
                    feeder.out[o] = weight;
                    feeder.reads[o] = true;
                } else {
                    let value = above.inputs.constant[neuron];
                    output_biases[o] = fma(arithmetic, weight, value, output_biases[o]);
                }
            }
            if feeder.reads != [false; 2] {
                feeders.push(feeder);
                terms += active.count_ones() as usize;
            }
        }
    }
}
