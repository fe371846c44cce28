//! The kernels: one block of samples through one compiled mask.
//!
//! Activations lie as `[neuron][sample]`; a vector's lanes are samples, so that every sum runs over its
//! inputs in ascending order, in every kernel. `N` vectors make a block.

#![allow(clippy::needless_range_loop, reason = "several arrays of vectors are indexed in step")]

use super::bits::{self, CHUNK};
use super::blocks::{AlignedValues, Blocks};
use super::bounds::{self, bounded_row, members};
use super::loss;
use super::program::{Program, Stored, TILE_ROWS};
use super::two_outputs::{Active, Bounded, count_pair};
use super::vector::{MOST_LANES, Vector};
use super::wide_layers::{self, Passage};
use crate::objective::Objective;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// One mask on a range of blocks.
pub struct Work<'a> {
    pub program: &'a Program,
    pub blocks: &'a Blocks,
    pub range: Range<usize>,
    pub scratch: &'a mut Scratch,
    pub tally: &'a Tally,
    /// The mask is given up as soon as `tally.wrong` exceeds this.
    pub allowed: u32,
    /// Its loss, if it has one, is summed up beside.
    pub objective: Objective,
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
pub struct Scratch {
    /// Activations of two layers, `[neuron][sample]`, one neuron more than the widest has.
    activations: [AlignedValues; 2],
    /// `[chunk]` of the same layers: neurons that are above zero for some sample of the block. The
    /// activations of the others are not written.
    present: [Vec<u64>; 2],
    bounds: bounds::Space,
    by_sample: wide_layers::Space,
}

impl Scratch {
    /// For layers of up to `widest` neurons and blocks of `block` samples; some layers may go by sample, or none.
    pub fn new(widest: usize, block: usize, by_sample: bool) -> Self {
        let activations = || AlignedValues::zeroed((widest + 1).next_multiple_of(MOST_LANES) * block);
        let chunks = (widest + 1).div_ceil(CHUNK);
        Self {
            activations: [activations(), activations()],
            present: [vec![0; chunks], vec![0; chunks]],
            bounds: bounds::Space::new(widest),
            by_sample: if by_sample {
                wide_layers::Space::new(widest, block)
            } else {
                wide_layers::Space::default()
            },
        }
    }
}

/// Adds the misclassified samples of the work's blocks, their loss, and what was executed, to its tally.
///
/// A term whose input is zero for the whole block is left out: it would not change the sum.
///
/// # Safety
/// The processor has `V`'s instructions; the blocks have `N * V::LANES` samples each, and the scratch is made
/// for these and for the program's widest layer, all values in it being finite.
#[inline(always)]
pub unsafe fn run<V: Vector, const N: usize, const TILE: usize, const PAIR: usize>(work: Work<'_>) {
    let Scratch {
        activations: [even, odd],
        present: [even_present, odd_present],
        bounds: outlook,
        by_sample: space,
    } = work.scratch;
    let is_behind = match work.program.pair() {
        Some((_, pair)) if !pair.bounds_behind.is_empty() => true,
        _ => work.program.layers().get(1).is_some_and(|layer| !layer.bounds_behind.is_empty()),
    };
    let buffers = [even.as_mut_slice().as_mut_ptr(), odd.as_mut_slice().as_mut_ptr()];
    // Outputs that are fused need no memory where nobody but the count asks for them.
    let pair_outputs = match work.objective {
        Objective::Accuracy => std::ptr::null_mut(),
        Objective::Margin(_) | Objective::CrossEntropy => buffers[work.program.layers().len() % 2],
    };
    let mut multiply_adds = 0;
    for block in work.range {
        // Multiply-adds per sample.
        let mut executed = 0;
        let samples = work.blocks.samples_in(block);
        let mut input = work.blocks.features(block).as_ptr();
        let mut present = work.blocks.present(block);
        let ranges = work.blocks.ranges(block);
        let labels = work.blocks.labels(block).as_ptr();
        for (l, layer) in work.program.layers().iter().enumerate() {
            let (output, [from, to]) = match l % 2 {
                0 => (buffers[0], [&mut *odd_present, &mut *even_present]),
                _ => (buffers[1], [&mut *even_present, &mut *odd_present]),
            };
            let present = if l == 0 { present } else { from };
            to.fill(0);
            // SAFETY: input and output hold the layer's inputs and outputs, by this function's contract;
            // they differ, because consecutive layers alternate between the buffers.
            executed += unsafe {
                if layer.goes_by_sample() {
                    let passage = Passage { input, present, output, above: to, block: N * V::LANES, samples };
                    multiply_adds += wide_layers::run::<V>(layer, space, passage);
                    0
                } else if layer.is_dense() {
                    dense::<V, N, TILE>(layer, input, present, output, to)
                } else if !layer.bounds.is_empty() {
                    let rows = match is_behind {
                        true => outlook.first_with_ranges::<V>(&layer.bounds, ranges),
                        false => outlook.first::<V>(&layer.bounds, ranges),
                    };
                    bounded::<V, N>(layer, rows, input, output, to)
                } else if !layer.bounds_behind.is_empty() {
                    let rows = outlook.second::<V>(&layer.bounds_behind);
                    sparse::<V, N, true>(layer, rows, input, present, output, to)
                } else {
                    sparse::<V, N, false>(layer, &[], input, present, output, to)
                }
            };
            input = output;
        }
        present = match work.program.layers().len() {
            0 => present,
            depth if depth % 2 == 1 => even_present,
            _ => odd_present,
        };
        // SAFETY: as above; labels hold one block.
        let correct = unsafe {
            match work.program.pair() {
                Some((hidden, pair)) => {
                    let outputs = pair_outputs;
                    let active = Active { hidden, present: present[0] };
                    let (correct, more) = if !pair.bounds_behind.is_empty() {
                        let rows = members(outlook.second::<V>(&pair.bounds_behind));
                        count_pair::<V, N, PAIR>(active, rows, pair, input, labels, outputs)
                    } else if !pair.bounds.is_empty() {
                        let rows = members(outlook.first::<V>(&pair.bounds, ranges));
                        let bounded = Bounded { bounds: &pair.bounds, inputs: hidden.inputs };
                        count_pair::<V, N, PAIR>(bounded, rows, pair, input, labels, outputs)
                    } else {
                        count_pair::<V, N, PAIR>(active, 0..pair.feeders.len(), pair, input, labels, outputs)
                    };
                    executed += more;
                    correct
                }
                None => count_largest::<V, N>(input, work.program.classes(), labels),
            }
        };
        if work.objective != Objective::Accuracy {
            let outputs = if work.program.pair().is_some() { pair_outputs.cast_const() } else { input };
            // SAFETY: as above; the outputs of the block lie there, one row per class.
            let more =
                unsafe { loss::of_block::<V, N>(&work.objective, outputs, work.program.classes(), labels) };
            work.tally.loss.fetch_add(more, Ordering::Relaxed);
        }
        multiply_adds += executed * samples as u64;
        let wrong = samples as u32 - correct;
        if work.tally.wrong.fetch_add(wrong, Ordering::Relaxed) + wrong > work.allowed {
            break;
        }
    }
    work.tally.multiply_adds.fetch_add(multiply_adds, Ordering::Relaxed);
}

/// The audible `rows` of a bounded layer. Marks and returns what [`sparse`] does.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn bounded<V: Vector, const N: usize>(
    layer: &Stored,
    rows: &[u64],
    input: *const f32,
    output: *mut f32,
    above: &mut [u64],
) -> u64 {
    let mut count = 0;
    for row in members(rows) {
        unsafe {
            let neuron = *layer.neurons.get_unchecked(row) as usize;
            let mut acc = bounded_row::<V, N, N>(&layer.bounds, layer.inputs, row, input);
            for n in 0..N {
                acc[n] = acc[n].relu();
                acc[n].store(output.add((neuron * N + n) * V::LANES));
            }
            above[neuron / CHUNK] |= u64::from(any_positive(&acc)) << (neuron % CHUNK);
        }
        count += layer.inputs as u64;
    }
    count
}

/// Adds the `active` of up to 64 inputs to `acc`, which is `PART` of a block's `N` vectors, those left out
/// that are not `present`. `weights` are those of the active inputs. Returns the number of terms.
///
/// # Safety
/// As [`run`]; `weights` has one value per active input, and `input` holds the present inputs.
#[inline(always)]
pub unsafe fn add_active<V: Vector, const N: usize, const PART: usize>(
    acc: &mut [V; PART],
    weights: *const f32,
    active: u64,
    present: u64,
    input: *const f32,
) -> u64 {
    let terms = active & present;
    let mut rest = terms;
    let mut next = weights;
    while rest != 0 {
        unsafe {
            if terms != active {
                let before = active & (rest & rest.wrapping_neg()).wrapping_sub(1);
                next = weights.add(before.count_ones() as usize);
            }
            let weight = V::splat(*next);
            next = next.add(1);
            let samples = input.add(rest.trailing_zeros() as usize * N * V::LANES);
            for n in 0..PART {
                acc[n] = V::multiply_add(weight, V::load(samples.add(n * V::LANES)), acc[n]);
            }
        }
        rest &= rest - 1;
    }
    u64::from(terms.count_ones())
}

/// Whether any of the values, which come out of ReLU, is above zero.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn any_positive<V: Vector, const PART: usize>(values: &[V; PART]) -> bool {
    unsafe {
        let mut bits = values[0];
        for n in 1..PART {
            bits = bits.or(values[n]);
        }
        bits.any_bit()
    }
}

/// Only active weights of present inputs are visited, and with `BOUNDED` only the `audible` rows. Marks the neurons that
/// are above zero in `above`, all of them where the next layer would not gain by it, and returns the multiply-adds
/// per sample.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn sparse<V: Vector, const N: usize, const BOUNDED: bool>(
    layer: &Stored,
    audible: &[u64],
    input: *const f32,
    present: &[u64],
    output: *mut f32,
    above: &mut [u64],
) -> u64 {
    if !layer.skips {
        above.fill(u64::MAX);
    }
    let mut weights = layer.terms.weights().as_ptr();
    let mut executed = 0;
    let chunks = layer.inputs.div_ceil(CHUNK);
    let count = layer.neurons.len();
    for c in 0..chunks {
        let relu = layer.relu && c + 1 == chunks;
        let active = &layer.active[c * count..][..count];
        for row in 0..count {
            let terms = weights;
            // SAFETY: the layer's terms are those of its active weights.
            weights = unsafe { weights.add(active[row].count_ones() as usize) };
            if BOUNDED && audible[row / CHUNK] >> (row % CHUNK) & 1 == 0 {
                continue;
            }
            unsafe {
                let input = input.add(c * CHUNK * N * V::LANES);
                let neuron = *layer.neurons.get_unchecked(row) as usize;
                let output = output.add(neuron * N * V::LANES);
                let mut acc = [V::splat(*layer.biases.get_unchecked(row)); N];
                if c > 0 {
                    for n in 0..N {
                        acc[n] = V::load(output.add(n * V::LANES));
                    }
                }
                executed += add_active::<V, N, N>(&mut acc, terms, active[row], present[c], input);
                if relu {
                    for n in 0..N {
                        acc[n] = acc[n].relu();
                    }
                    if layer.skips {
                        above[neuron / CHUNK] |= u64::from(any_positive(&acc)) << (neuron % CHUNK);
                    }
                }
                for n in 0..N {
                    acc[n].store(output.add(n * V::LANES));
                }
            }
        }
    }
    executed
}

/// All weights of present inputs are visited, the masked ones being zero, in tiles of [`TILE_ROWS`] rows and
/// `TILE` vectors. Marks and returns what [`sparse`] does.
///
/// # Safety
/// As [`run`]; `TILE` divides `N`.
#[inline(always)]
unsafe fn dense<V: Vector, const N: usize, const TILE: usize>(
    layer: &Stored,
    input: *const f32,
    present: &[u64],
    output: *mut f32,
    above: &mut [u64],
) -> u64 {
    let tiles = layer.neurons.len() / TILE_ROWS;
    let chunks = layer.inputs.div_ceil(CHUNK);
    let mut inputs = 0;
    for c in 0..chunks {
        let relu = layer.relu && c + 1 == chunks;
        let present = present[c] & !bits::from(layer.inputs - c * CHUNK);
        inputs += u64::from(present.count_ones());
        for tile in 0..tiles {
            for part in 0..N / TILE {
                unsafe {
                    let column = part * TILE * V::LANES;
                    let samples = input.add(c * CHUNK * N * V::LANES + column);
                    let neuron = |r| *layer.neurons.get_unchecked(tile * TILE_ROWS + r) as usize;
                    let row = |r| output.add(neuron(r) * N * V::LANES + column);
                    let mut acc = [[V::splat(0.0); TILE]; TILE_ROWS];
                    for r in 0..TILE_ROWS {
                        for n in 0..TILE {
                            acc[r][n] = if c == 0 {
                                V::splat(*layer.biases.get_unchecked(tile * TILE_ROWS + r))
                            } else {
                                V::load(row(r).add(n * V::LANES))
                            };
                        }
                    }
                    let weights = layer.dense.as_ptr().add(tile * TILE_ROWS * layer.inputs + c * CHUNK);
                    let mut rest = present;
                    while rest != 0 {
                        let i = rest.trailing_zeros() as usize;
                        let mut x = [V::splat(0.0); TILE];
                        for n in 0..TILE {
                            x[n] = V::load(samples.add((i * N + n) * V::LANES));
                        }
                        for r in 0..TILE_ROWS {
                            let w = V::splat(*weights.add(r * layer.inputs + i));
                            for n in 0..TILE {
                                acc[r][n] = V::multiply_add(w, x[n], acc[r][n]);
                            }
                        }
                        rest &= rest - 1;
                    }
                    for r in 0..TILE_ROWS {
                        if relu {
                            for n in 0..TILE {
                                acc[r][n] = acc[r][n].relu();
                            }
                            above[neuron(r) / CHUNK] |=
                                u64::from(any_positive(&acc[r])) << (neuron(r) % CHUNK);
                        }
                        for n in 0..TILE {
                            acc[r][n].store(row(r).add(n * V::LANES));
                        }
                    }
                }
            }
        }
    }
    inputs * layer.neurons.len() as u64
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
    unsafe {
        let mut correct = 0;
        for n in 0..N {
            let mut largest = V::load(outputs.add(n * V::LANES));
            let mut class = V::splat(0.0);
            for candidate in 1..classes {
                let value = V::load(outputs.add((candidate * N + n) * V::LANES));
                class = V::select_greater(value, largest, V::splat(candidate as f32), class);
                largest = V::select_greater(value, largest, value, largest);
            }
            correct += V::count_equal(class, V::load(labels.add(n * V::LANES)));
        }
        correct
    }
}
