//! From a mask to its program: what is left of each layer, in the form that is chosen for it.

use super::bits::{self, CHUNK};
use super::bounds::Bounds;
use super::compact::Compact;
use super::forms::{self, Choice, FormKind};
use super::program::{End, FeederForm, Form, MaskProgram, Sparse, StoredLayer, TILE_ROWS, TwoOutputs};
use super::reduce::{Parameters, Reduction, Rest};
use super::row_tiles::{ChunkOfRow, Pack, RowTiles};
use crate::evaluate::Arithmetic;
use crate::network::{Architecture, Layer, Network};

/// In place of a row.
const NOTHING_READS: usize = usize::MAX;

/// What programs are made for.
pub struct Target {
    layers: Vec<Layer>,
    arithmetic: Arithmetic,
    compact: Compact,
    pack: Pack,
    /// Whether the last two layers are fused.
    fuses: bool,
}

impl Target {
    /// Networks of `architecture` on kernels that fuse a last hidden layer of up to `pair_inputs` inputs, at most
    /// [`CHUNK`], with two outputs.
    pub fn new(
        architecture: &Architecture,
        arithmetic: Arithmetic,
        compact: Compact,
        pack: Pack,
        pair_inputs: usize,
    ) -> Self {
        let layers: Vec<Layer> = architecture.layers().collect();
        Self { fuses: forms::fuse(&layers, pair_inputs), layers, arithmetic, compact, pack }
    }

    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }
}

/// What a layer's forms leave behind for those of the next mask, so that none allocates in the steady state.
#[derive(Default)]
struct Spare {
    neurons: Vec<u32>,
    biases: Vec<f32>,
    sparse: Sparse,
    bounds: Bounds,
    dense: Vec<f32>,
    tiles: RowTiles,
}

impl Spare {
    fn keep(&mut self, layer: StoredLayer) {
        self.neurons = layer.neurons;
        self.biases = layer.biases;
        match layer.form {
            Form::Sparse(sparse) => self.sparse = sparse,
            Form::SparseBounded(sparse, bounds) => (self.sparse, self.bounds) = (sparse, bounds),
            Form::Bounded { bounds, .. } => self.bounds = bounds,
            Form::Dense(weights) => self.dense = weights,
            Form::Wide(tiles) => self.tiles = tiles,
        }
    }

    fn keep_feeders(&mut self, form: FeederForm) {
        match form {
            FeederForm::Sparse(terms) => self.sparse.terms = terms,
            FeederForm::SparseBounded(terms, bounds) => (self.sparse.terms, self.bounds) = (terms, bounds),
            FeederForm::Bounded(bounds) => self.bounds = bounds,
        }
    }
}

/// Compiles masks; kept from mask to mask for its allocations.
#[derive(Default)]
pub struct Compiler {
    left: Reduction,
    /// `[layer]`
    spare: Vec<Spare>,
    /// `[output]` of a layer: the row that computes it, or [`NOTHING_READS`].
    rows: Vec<usize>,
}

impl Compiler {
    /// Makes `program` that of `mask`, for samples in so many `blocks`.
    pub fn compile(
        &mut self,
        target: &Target,
        network: &Network,
        mask: &[u32],
        blocks: usize,
        program: &mut MaskProgram,
    ) {
        let &Target { ref layers, arithmetic, fuses, .. } = target;
        self.take_back(program, layers.len());
        self.left.reduce(network, layers, mask, arithmetic, fuses);
        let choice = Choice { layers, left: &self.left, fused: fuses, blocks };
        let stored = layers.len() - 2 * usize::from(fuses);
        let gives_ranges = choice.form(1) == FormKind::SparseBounded;
        for (l, layer) in layers[..stored].iter().enumerate() {
            let source = LayerToCompile {
                target,
                layer,
                parameters: Parameters::of(network, layer),
                rest: &self.left.layers[l],
                first: &self.left.layers[0].neurons,
            };
            let spare = &mut self.spare[l];
            let form = source.form(choice.form(l), gives_ranges, spare, &mut self.rows);
            let marks_silent = choice.marks_silent(l);
            program.layers.push(source.stored(form, marks_silent, spare));
        }
        program.end = match layers.get(stored) {
            None => End::Stored(layers[stored - 1].outputs),
            Some(layer) => {
                let source = LayerToCompile {
                    target,
                    layer,
                    parameters: Parameters::of(network, layer),
                    rest: &self.left.layers[stored],
                    first: &self.left.layers[0].neurons,
                };
                let form = source.feeder_form(choice.form(stored), &self.left, &mut self.spare[stored]);
                let feeders = std::mem::take(&mut self.left.feeders);
                let biases = self.left.output_biases;
                End::TwoOutputs(TwoOutputs { inputs: layer.inputs, biases, feeders, form })
            }
        };
    }

    /// Takes the allocations of the last mask's program, of so many `layers`.
    fn take_back(&mut self, program: &mut MaskProgram, layers: usize) {
        self.spare.resize_with(layers, Spare::default);
        let stored = program.layers.len();
        for (spare, layer) in self.spare.iter_mut().zip(program.layers.drain(..)) {
            spare.keep(layer);
        }
        if let End::TwoOutputs(two) = std::mem::replace(&mut program.end, End::Stored(0)) {
            self.left.feeders = two.feeders;
            self.spare[stored].keep_feeders(two.form);
        }
    }
}

/// The layer that is compiled.
struct LayerToCompile<'a> {
    target: &'a Target,
    layer: &'a Layer,
    parameters: Parameters<'a>,
    rest: &'a Rest,
    /// `[row]` of the first layer: its neuron.
    first: &'a [u32],
}

impl LayerToCompile<'_> {
    /// The layer in this form.
    fn stored(&self, form: Form, marks_silent: bool, spare: &mut Spare) -> StoredLayer {
        let (mut neurons, mut biases) =
            (std::mem::take(&mut spare.neurons), std::mem::take(&mut spare.biases));
        neurons.clone_from(&self.rest.neurons);
        biases.clone_from(&self.rest.biases);
        if let Form::Dense(_) = form {
            let rows = neurons.len().next_multiple_of(TILE_ROWS);
            biases.resize(rows, 0.0);
            neurons.resize(rows, self.layer.outputs as u32);
        }
        let Layer { inputs, activation, .. } = *self.layer;
        StoredLayer { inputs, activation, neurons, biases, marks_silent, form }
    }

    /// Its weights in the form of this kind, in what is `spare`.
    fn form(&self, kind: FormKind, gives_ranges: bool, spare: &mut Spare, rows: &mut Vec<usize>) -> Form {
        match kind {
            FormKind::Sparse => Form::Sparse(self.sparse(std::mem::take(&mut spare.sparse))),
            FormKind::SparseBounded => {
                let sparse = self.sparse(std::mem::take(&mut spare.sparse));
                let (active, count) = (&sparse.active, self.rest.neurons.len());
                let rows = self.rest.neurons.iter().zip(&self.rest.biases).enumerate();
                let rows = rows.map(|(row, (&neuron, &bias))| {
                    (neuron as usize, bias, move |c: usize| active[c * count + row])
                });
                let bounds = self.bounds_behind(std::mem::take(&mut spare.bounds), rows);
                Form::SparseBounded(sparse, bounds)
            }
            FormKind::Bounded => {
                let rows = self.rest.neurons.iter().zip(&self.rest.biases).enumerate();
                let rows =
                    rows.map(|(row, (&neuron, &bias))| (neuron as usize, bias, self.rest.active(row, 0)));
                let bounds = self.bounds(std::mem::take(&mut spare.bounds), rows);
                Form::Bounded { bounds, gives_ranges }
            }
            FormKind::Dense => Form::Dense(self.dense(std::mem::take(&mut spare.dense))),
            FormKind::Wide => Form::Wide(self.tiles(std::mem::take(&mut spare.tiles), rows)),
        }
    }

    /// The feeders' weights in the form of this kind, in what is `spare`.
    fn feeder_form(&self, kind: FormKind, left: &Reduction, spare: &mut Spare) -> FeederForm {
        let bounds = &mut spare.bounds;
        let mut terms = || {
            let mut terms = std::mem::take(&mut spare.sparse.terms);
            terms.clear(self.rest.terms);
            for feeder in &left.feeders {
                terms.push(self.target.compact, self.parameters.chunk(feeder.neuron, 0), feeder.active);
            }
            terms
        };
        let rows = left.feeders.iter();
        match kind {
            FormKind::Bounded => {
                let rows = rows.map(|feeder| (feeder.neuron, feeder.bias, feeder.active));
                FeederForm::Bounded(self.bounds(std::mem::take(bounds), rows))
            }
            FormKind::SparseBounded => {
                let rows = rows.map(|feeder| (feeder.neuron, feeder.bias, |_| feeder.active));
                let bounds = self.bounds_behind(std::mem::take(bounds), rows);
                FeederForm::SparseBounded(terms(), bounds)
            }
            FormKind::Sparse | FormKind::Dense | FormKind::Wide => FeederForm::Sparse(terms()),
        }
    }

    fn sparse(&self, mut sparse: Sparse) -> Sparse {
        sparse.active.clear();
        sparse.terms.clear(self.rest.terms);
        for c in 0..self.layer.inputs.div_ceil(CHUNK) {
            for (row, &neuron) in self.rest.neurons.iter().enumerate() {
                let active = self.rest.active(row, c);
                sparse.active.push(active);
                sparse.terms.push(self.target.compact, self.parameters.chunk(neuron as usize, c), active);
            }
        }
        sparse
    }

    /// Bounds by the ranges of the features; each row's neuron, bias and active features.
    fn bounds(&self, mut bounds: Bounds, rows: impl ExactSizeIterator<Item = (usize, f32, u64)>) -> Bounds {
        bounds.set(self.layer.inputs, |o, i| self.parameters.weight(o, i), rows);
        bounds
    }

    /// Bounds by the ranges of the first layer's neurons; each row's neuron, bias, and active inputs by chunk.
    fn bounds_behind<'a>(
        &self,
        mut bounds: Bounds,
        rows: impl ExactSizeIterator<Item = (usize, f32, impl Fn(usize) -> u64 + 'a)>,
    ) -> Bounds {
        bounds.set_behind(self.first, |o, i| self.parameters.weight(o, i), rows);
        bounds
    }

    fn dense(&self, mut weights: Vec<f32>) -> Vec<f32> {
        let Layer { inputs, .. } = *self.layer;
        let padded = self.rest.neurons.len().next_multiple_of(TILE_ROWS) * inputs;
        weights.clear();
        weights.reserve(padded);
        for (row, &neuron) in self.rest.neurons.iter().enumerate() {
            for c in 0..inputs.div_ceil(CHUNK) {
                let active = self.rest.active(row, c);
                let chunk = self.parameters.chunk(neuron as usize, c).iter().enumerate();
                weights.extend(chunk.map(|(i, &weight)| bits::masked(weight, active, i)));
            }
        }
        weights.resize(padded, 0.0);
        weights
    }

    fn tiles(&self, mut tiles: RowTiles, rows: &mut Vec<usize>) -> RowTiles {
        let Layer { inputs, outputs, .. } = *self.layer;
        rows.clear();
        rows.resize(outputs, NOTHING_READS);
        for (row, &neuron) in self.rest.neurons.iter().enumerate() {
            rows[neuron as usize] = row;
        }
        let neurons = self.rest.neurons.iter().map(|&neuron| neuron as usize);
        let biases = neurons.zip(self.rest.biases.iter().copied());
        tiles.set(self.target.pack, inputs, outputs, biases, |o, c| match rows[o] {
            NOTHING_READS => ChunkOfRow::default(),
            row => ChunkOfRow { weights: self.parameters.chunk(o, c), active: self.rest.active(row, c) },
        });
        tiles
    }
}
