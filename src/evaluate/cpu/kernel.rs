//! The kernels: one block of samples through one compiled mask.
//!
//! Activations lie as `[neuron][sample]`; a vector's lanes are samples, so that every sum runs over its
//! inputs in ascending order, in every kernel. `N` vectors make a block.

#![allow(clippy::needless_range_loop, reason = "several arrays of vectors are indexed in step")]

use super::bits::CHUNK;
use super::blocks::{AlignedValues, Blocks};
use super::loss;
use super::program::{Pair, Program, Stored, TILE_ROWS};
use super::vector::Vector;
use crate::evaluate::Loss;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// One mask on a range of blocks.
pub struct Work<'a> {
    pub program: &'a Program,
    pub blocks: &'a Blocks,
    pub range: Range<usize>,
    /// Space for the activations of two layers.
    pub activations: &'a mut [AlignedValues; 2],
    /// Misclassified samples of this mask so far, over all threads that work on it.
    pub wrong: &'a AtomicU32,
    /// The mask is given up as soon as `wrong` exceeds this.
    pub allowed: u32,
    /// A loss to sum up beside, and its steps so far, over all threads.
    pub loss: Option<(Loss, &'a AtomicU64)>,
}

/// Adds the misclassified samples of the work's blocks to its `wrong`, and their loss, where one is asked for,
/// to its steps.
///
/// # Safety
/// The processor has `V`'s instructions; the blocks have `N * V::LANES` samples each, and the activations hold one neuron more than the widest layer, all values
/// in them being finite.
#[inline(always)]
pub unsafe fn run<V: Vector, const N: usize, const TILE: usize, const PAIR: usize>(work: Work<'_>) {
    let [even, odd] = work.activations;
    let buffers = [even.as_mut_slice().as_mut_ptr(), odd.as_mut_slice().as_mut_ptr()];
    // Outputs that are fused need no memory where nobody but the count asks for them.
    let pair_outputs = match work.loss {
        Some(_) => buffers[work.program.layers().len() % 2],
        None => std::ptr::null_mut(),
    };
    for block in work.range {
        let mut input = work.blocks.features(block).as_ptr();
        let labels = work.blocks.labels(block).as_ptr();
        for (l, layer) in work.program.layers().iter().enumerate() {
            let output = buffers[l % 2];
            // SAFETY: input and output hold the layer's inputs and outputs, by this function's contract;
            // they differ, because consecutive layers alternate between the buffers.
            unsafe {
                if layer.is_dense() {
                    dense::<V, N, TILE>(layer, input, output);
                } else {
                    sparse::<V, N>(layer, input, output);
                }
            }
            input = output;
        }
        // SAFETY: as above; labels hold one block.
        let correct = unsafe {
            match work.program.pair() {
                Some((hidden, pair)) => count_pair::<V, N, PAIR>(hidden, pair, input, labels, pair_outputs),
                None => count_largest::<V, N>(input, work.program.classes(), labels),
            }
        };
        if let Some((loss, steps)) = &work.loss {
            let outputs = if work.program.pair().is_some() { pair_outputs.cast_const() } else { input };
            // SAFETY: as above; the outputs of the block lie there, one row per class.
            let more = unsafe { loss::of_block::<V, N>(loss, outputs, work.program.classes(), labels) };
            steps.fetch_add(more, Ordering::Relaxed);
        }
        let wrong = work.blocks.samples_in(block) as u32 - correct;
        if work.wrong.fetch_add(wrong, Ordering::Relaxed) + wrong > work.allowed {
            return;
        }
    }
}

/// Adds the `active` of up to 64 inputs to `acc`, which is `PART` of a block's `N` vectors, with the weights at `weights`; returns what lies behind
/// these.
///
/// # Safety
/// As [`run`]; `weights` has one value per active input, and `input` holds the active inputs.
#[inline(always)]
unsafe fn add_active<V: Vector, const N: usize, const PART: usize>(
    acc: &mut [V; PART],
    mut weights: *const f32,
    mut active: u64,
    input: *const f32,
) -> *const f32 {
    while active != 0 {
        unsafe {
            let weight = V::splat(*weights);
            let samples = input.add(active.trailing_zeros() as usize * N * V::LANES);
            for n in 0..PART {
                acc[n] = V::multiply_add(weight, V::load(samples.add(n * V::LANES)), acc[n]);
            }
            weights = weights.add(1);
        }
        active &= active - 1;
    }
    weights
}

/// Only active weights are visited.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn sparse<V: Vector, const N: usize>(layer: &Stored, input: *const f32, output: *mut f32) {
    let mut weights = layer.terms.weights().as_ptr();
    let chunks = layer.inputs.div_ceil(CHUNK);
    let rows = layer.neurons.len();
    for c in 0..chunks {
        let relu = layer.relu && c + 1 == chunks;
        let active = &layer.active[c * rows..][..rows];
        for row in 0..rows {
            unsafe {
                let input = input.add(c * CHUNK * N * V::LANES);
                let output = output.add(*layer.neurons.get_unchecked(row) as usize * N * V::LANES);
                let mut acc = [V::splat(*layer.biases.get_unchecked(row)); N];
                if c > 0 {
                    for n in 0..N {
                        acc[n] = V::load(output.add(n * V::LANES));
                    }
                }
                weights = add_active::<V, N, N>(&mut acc, weights, active[row], input);
                for n in 0..N {
                    let value = if relu { acc[n].relu() } else { acc[n] };
                    value.store(output.add(n * V::LANES));
                }
            }
        }
    }
}

/// All weights are visited, the masked ones being zero, in tiles of [`TILE_ROWS`] rows and `TILE` vectors.
///
/// # Safety
/// As [`run`]; `TILE` divides `N`.
#[inline(always)]
unsafe fn dense<V: Vector, const N: usize, const TILE: usize>(
    layer: &Stored,
    input: *const f32,
    output: *mut f32,
) {
    let tiles = layer.neurons.len() / TILE_ROWS;
    let mut first = 0;
    while first < layer.inputs {
        let width = CHUNK.min(layer.inputs - first);
        let relu = layer.relu && first + width == layer.inputs;
        for tile in 0..tiles {
            for part in 0..N / TILE {
                unsafe {
                    let column = part * TILE * V::LANES;
                    let mut samples = input.add(first * N * V::LANES + column);
                    let row = |r| {
                        let neuron = *layer.neurons.get_unchecked(tile * TILE_ROWS + r) as usize;
                        output.add(neuron * N * V::LANES + column)
                    };
                    let mut acc = [[V::splat(0.0); TILE]; TILE_ROWS];
                    for r in 0..TILE_ROWS {
                        for n in 0..TILE {
                            acc[r][n] = if first == 0 {
                                V::splat(*layer.biases.get_unchecked(tile * TILE_ROWS + r))
                            } else {
                                V::load(row(r).add(n * V::LANES))
                            };
                        }
                    }
                    let mut weight = layer.dense.as_ptr().add(tile * TILE_ROWS * layer.inputs + first);
                    for _ in 0..width {
                        let mut x = [V::splat(0.0); TILE];
                        for n in 0..TILE {
                            x[n] = V::load(samples.add(n * V::LANES));
                        }
                        for r in 0..TILE_ROWS {
                            let w = V::splat(*weight.add(r * layer.inputs));
                            for n in 0..TILE {
                                acc[r][n] = V::multiply_add(w, x[n], acc[r][n]);
                            }
                        }
                        weight = weight.add(1);
                        samples = samples.add(N * V::LANES);
                    }
                    for r in 0..TILE_ROWS {
                        for n in 0..TILE {
                            let value = if relu { acc[r][n].relu() } else { acc[r][n] };
                            value.store(row(r).add(n * V::LANES));
                        }
                    }
                }
            }
        }
        first += width;
    }
}

/// The last hidden layer and two outputs, all in registers, `PAIR` vectors at a time; returns the number of
/// correct samples, and leaves the outputs in `outputs`, unless that is null.
///
/// # Safety
/// As [`run`]; `PAIR` divides `N`; `outputs` is null or has room for two rows, apart from the inputs.
#[inline(always)]
unsafe fn count_pair<V: Vector, const N: usize, const PAIR: usize>(
    hidden: &Stored,
    pair: &Pair,
    input: *const f32,
    labels: *const f32,
    outputs: *mut f32,
) -> u32 {
    let (zero, one) = unsafe { (V::splat(0.0), V::splat(1.0)) };
    let mut correct = 0;
    for part in 0..N / PAIR {
        unsafe {
            let column = part * PAIR * V::LANES;
            let mut first = [V::splat(pair.biases[0]); PAIR];
            let mut second = [V::splat(pair.biases[1]); PAIR];
            let mut weights = hidden.terms.weights().as_ptr();
            for feeder in &pair.feeders {
                let mut acc = [V::splat(feeder.bias); PAIR];
                weights = add_active::<V, N, PAIR>(&mut acc, weights, feeder.active, input.add(column));
                for n in 0..PAIR {
                    acc[n] = acc[n].relu();
                }
                if feeder.reads[0] {
                    let weight = V::splat(feeder.out[0]);
                    for n in 0..PAIR {
                        first[n] = V::multiply_add(weight, acc[n], first[n]);
                    }
                }
                if feeder.reads[1] {
                    let weight = V::splat(feeder.out[1]);
                    for n in 0..PAIR {
                        second[n] = V::multiply_add(weight, acc[n], second[n]);
                    }
                }
            }
            for n in 0..PAIR {
                let class = V::select_greater(second[n], first[n], one, zero);
                correct += V::count_equal(class, V::load(labels.add(column + n * V::LANES)));
            }
            if !outputs.is_null() {
                for n in 0..PAIR {
                    first[n].store(outputs.add(column + n * V::LANES));
                    second[n].store(outputs.add(column + (N + n) * V::LANES));
                }
            }
        }
    }
    correct
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
