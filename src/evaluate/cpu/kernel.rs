//! The kernels: one block of samples through one compiled mask.
//!
//! Activations lie as `[neuron][sample]`; a vector's lanes are samples, so that every sum runs over its
//! inputs in ascending order, in every kernel. `N` vectors make a block.

#![allow(clippy::needless_range_loop, reason = "several arrays of vectors are indexed in step")]

use super::aligned::AlignedValues;
use super::bits::CHUNK;
use super::blocks::Blocks;
use super::bounds::Outlook;
use super::dense::DenseRows;
use super::layer_io::LayerIo;
use super::loss;
use super::places::{self, BlockOutputs};
use super::program::{End, FeederForm, Form, MaskProgram, StoredLayer, TwoOutputs};
use super::sparse::{BoundedRows, SparseRows};
use super::two_outputs::{Active, BothOutputs, Bounded, Ends};
use super::wide_layers::{Transposed, WideRows};
use crate::evaluate::detail::Places;
use crate::evaluate::vector::{LaneKernel, MOST_LANES, Vector};
use crate::objective::Objective;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// One mask on a range of blocks.
pub struct Work<'a> {
    pub program: &'a MaskProgram,
    pub blocks: &'a Blocks,
    pub range: Range<usize>,
    pub scratch: &'a mut KernelScratch,
    pub tally: &'a Tally,
    /// The mask is given up as soon as `tally.wrong` exceeds this.
    pub allowed: u32,
    /// Its loss, if it has one, is summed up beside.
    pub objective: Objective,
    /// Where more of its outputs than that goes, where it is wanted; then it is never given up.
    pub places: Option<Places<'a>>,
}

/// What is counted of one mask, over all threads that work on it.
#[derive(Default)]
pub struct Tally {
    /// Misclassified samples.
    pub wrong: AtomicU32,
    /// Steps of the loss, where one is asked for.
    pub loss: AtomicU64,
    /// Multiply-adds of all samples, those with zeros in dense tiles included.
    pub multiply_adds: AtomicU64,
}

impl Tally {
    /// Multiply-adds so far.
    pub fn executed(&self) -> u64 {
        self.multiply_adds.load(Ordering::Relaxed)
    }
}

/// What the layers of a block hand on.
pub struct KernelScratch {
    /// Activations of two layers, `[neuron][sample]`, one neuron more than the widest has.
    activations: [AlignedValues; 2],
    /// `[chunk]` of the same layers: neurons that are above zero for some sample of the block. The
    /// activations of the others are not written.
    present: [Vec<u64>; 2],
    outlook: Outlook,
    transposed: Transposed,
    /// Confusion counts of the work, `[class, class]`.
    counts: Vec<u32>,
}

impl KernelScratch {
    /// For layers of up to `widest` neurons and blocks of `block` samples; some layers may be wide, or none.
    pub fn new(widest: usize, block: usize, any_wide: bool) -> Self {
        let activations = || AlignedValues::zeroed((widest + 1).next_multiple_of(MOST_LANES) * block);
        let chunks = (widest + 1).div_ceil(CHUNK);
        Self {
            activations: [activations(), activations()],
            present: [vec![0; chunks], vec![0; chunks]],
            outlook: Outlook::new(widest),
            transposed: if any_wide { Transposed::new(widest, block) } else { Transposed::default() },
            counts: Vec::new(),
        }
    }
}

/// Adds the misclassified samples of the work's blocks, their loss, and what was executed, to its tally.
///
/// A term whose input is zero for the whole block is left out: it would not change the sum.
///
/// # Safety
/// The processor has `V`'s instructions; the blocks have `N * V::LANES` samples each, of as many features as the
/// program's network has inputs; the scratch is made for such blocks and for the network's widest layer, all values in
/// it being finite.
#[inline(always)]
pub unsafe fn run<V: Vector, const N: usize, const TILE: usize, const PAIR: usize>(work: Work<'_>) {
    let KernelScratch {
        activations: [even, odd],
        present: [even_present, odd_present],
        outlook,
        transposed,
        counts,
    } = work.scratch;
    let classes = work.program.classes();
    if let Some(Places::Confusion(_)) = work.places {
        counts.clear();
        counts.resize(classes * classes, 0);
    }
    let buffers = [even.as_mut_slice().as_mut_ptr(), odd.as_mut_slice().as_mut_ptr()];
    let depth = work.program.layers.len();
    let mut multiply_adds = 0;
    for block in work.range {
        let samples = work.blocks.samples_in(block);
        let mut input = work.blocks.features(block).as_ptr();
        let mut present = work.blocks.present(block);
        let ranges = work.blocks.ranges(block);
        let labels = work.blocks.labels(block).as_ptr();
        for (l, layer) in work.program.layers.iter().enumerate() {
            let (output, [from, to]) = match l % 2 {
                0 => (buffers[0], [&mut *odd_present, &mut *even_present]),
                _ => (buffers[1], [&mut *even_present, &mut *odd_present]),
            };
            let present = if l == 0 { present } else { from };
            to.fill(0);
            let io = LayerIo { input, present, output, above: to, samples };
            // SAFETY: input and output hold the layer's inputs and outputs, by this function's contract;
            // they differ, because consecutive layers alternate between the buffers.
            multiply_adds += unsafe { through::<V, N, TILE>(layer, io, ranges, outlook, transposed) };
            input = output;
        }
        present = match depth {
            0 => present,
            depth if depth % 2 == 1 => even_present,
            _ => odd_present,
        };
        // SAFETY: as above; labels hold one block.
        let (correct, outputs) = unsafe {
            match &work.program.end {
                End::TwoOutputs(two) => {
                    // Outputs that are fused need no memory where nobody but the count asks for them.
                    let are_read = work.objective.is_summed() || work.places.is_some();
                    let outputs = if are_read { buffers[depth % 2] } else { std::ptr::null_mut() };
                    let ends = Ends { input, labels, outputs };
                    let (correct, more) = count_two::<V, N, PAIR>(two, ends, present[0], ranges, outlook);
                    multiply_adds += more * samples as u64;
                    (correct, outputs.cast_const())
                }
                End::Stored(classes) => (count_largest::<V, N>(input, *classes, labels), input),
            }
        };
        if work.objective.is_summed() {
            // SAFETY: as above; the outputs of the block lie there, one row per class.
            let more = unsafe { loss::of_block::<V, N>(&work.objective, outputs, classes, labels) };
            work.tally.loss.fetch_add(more, Ordering::Relaxed);
        }
        if let Some(places) = work.places {
            let of_block = BlockOutputs { outputs, classes, labels, order: work.blocks.order(block) };
            // SAFETY: as above.
            unsafe { places::note::<V, N>(places, of_block, counts) };
        }
        let wrong = samples as u32 - correct;
        if work.tally.wrong.fetch_add(wrong, Ordering::Relaxed) + wrong > work.allowed {
            break;
        }
    }
    work.tally.multiply_adds.fetch_add(multiply_adds, Ordering::Relaxed);
    if let Some(Places::Confusion(to)) = work.places {
        for (to, &count) in to.iter().zip(&*counts) {
            to.fetch_add(count, Ordering::Relaxed);
        }
    }
}

/// Takes a block whose features lie in `ranges` through a layer; returns the multiply-adds of its samples.
///
/// # Safety
/// As [`run`]; `io` is the layer's, and the outlook is of the same block.
#[inline(always)]
unsafe fn through<V: Vector, const N: usize, const TILE: usize>(
    layer: &StoredLayer,
    io: LayerIo<'_>,
    ranges: &[[f32; 2]],
    outlook: &mut Outlook,
    transposed: &mut Transposed,
) -> u64 {
    let samples = io.samples as u64;
    // SAFETY: by this function's contract.
    let of_each = unsafe {
        match &layer.form {
            Form::Wide(tiles) => {
                let activation = layer.activation;
                return V::apart(WideRows::<N> { tiles, activation, transposed, io });
            }
            Form::Dense(weights) => V::apart(DenseRows::<N, TILE> { layer, weights, io }),
            Form::Bounded { bounds, gives_ranges } => {
                let rows = match gives_ranges {
                    true => outlook.first_with_ranges::<V>(bounds, ranges),
                    false => outlook.first::<V>(bounds, ranges),
                };
                V::apart(BoundedRows::<N> { layer, bounds, rows, io })
            }
            Form::SparseBounded(sparse, bounds) => {
                let audible = outlook.second::<V>(bounds);
                V::apart(SparseRows::<N, true> { layer, sparse, audible, io })
            }
            Form::Sparse(sparse) => V::apart(SparseRows::<N, false> { layer, sparse, audible: &[], io }),
        }
    };
    of_each * samples
}

/// [`BothOutputs`] of the feeders in their form, `present` being the hidden layer's inputs that are.
///
/// # Safety
/// As [`BothOutputs`]; the outlook is of the same block, whose features lie in `ranges`.
#[inline(always)]
unsafe fn count_two<V: Vector, const N: usize, const PAIR: usize>(
    two: &TwoOutputs,
    ends: Ends,
    present: u64,
    ranges: &[[f32; 2]],
    outlook: &mut Outlook,
) -> (u32, u64) {
    // Those of few terms a row are over so soon that a call would be felt.
    // SAFETY: by this function's contract.
    unsafe {
        match &two.form {
            FeederForm::Sparse(terms) => {
                let hidden = Active { terms, present };
                BothOutputs::<_, N, PAIR, true> { hidden, rows: &[], two, ends }.run::<V>()
            }
            FeederForm::SparseBounded(terms, bounds) => {
                let (hidden, rows) = (Active { terms, present }, outlook.second::<V>(bounds));
                V::apart(BothOutputs::<_, N, PAIR, false> { hidden, rows, two, ends })
            }
            FeederForm::Bounded(bounds) => {
                let rows = outlook.first::<V>(bounds, ranges);
                let hidden = Bounded { bounds, inputs: two.inputs };
                BothOutputs::<_, N, PAIR, false> { hidden, rows, two, ends }.run::<V>()
            }
        }
    }
}

/// The number of samples whose largest output, the lowest of equals, is their label's.
///
/// # Safety
/// As [`run`]; `outputs` holds `classes` rows.
#[inline(always)]
unsafe fn count_largest<V: Vector, const N: usize>(
    outputs: *const f32,
    classes: usize,
    labels: *const f32,
) -> u32 {
    // SAFETY: by this function's contract.
    unsafe {
        let predicted = places::predicted::<V, N>(outputs, classes);
        let mut correct = 0;
        for n in 0..N {
            correct += V::count_equal(predicted[n], V::load(labels.add(n * V::LANES)));
        }
        correct
    }
}
