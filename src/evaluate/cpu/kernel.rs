//! The kernels: one block of samples through one compiled mask.
//!
//! Activations lie as `[neuron][sample]`; a vector's lanes are samples, so that every sum runs over its
//! inputs in ascending order, in every kernel. `N` vectors make a block.

#![allow(clippy::needless_range_loop, reason = "several arrays of vectors are indexed in step")]

use super::bits::CHUNK;
use super::blocks::{AlignedValues, Blocks};
use super::program::{Pair, Program, Stored, TILE_ROWS, Terms};
use super::vector::Vector;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

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
}

/// Adds the misclassified samples of the work's blocks to its `wrong`.
///
/// # Safety
/// The processor has `V`'s instructions; the blocks have `N * V::LANES` samples each, and the activations hold the program's largest layer, rounded up to
/// [`TILE_ROWS`].
#[inline(always)]
pub unsafe fn run<V: Vector, const N: usize, const TILE: usize>(work: Work<'_>) {
    let [even, odd] = work.activations;
    let buffers = [even.as_mut_slice().as_mut_ptr(), odd.as_mut_slice().as_mut_ptr()];
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
                Some((hidden, pair)) => count_pair::<V, N>(hidden, pair, input, labels),
                None => {
                    let classes = work.program.layers().last().map_or(0, |layer| layer.rows);
                    count_largest::<V, N>(input, classes, labels)
                }
            }
        };
        let wrong = work.blocks.samples_in(block) as u32 - correct;
        if work.wrong.fetch_add(wrong, Ordering::Relaxed) + wrong > work.allowed {
            return;
        }
    }
}

/// Where the next term is read.
#[derive(Clone, Copy)]
struct Cursor {
    weight: *const f32,
    rank: *const u8,
}

impl Cursor {
    fn new(terms: &Terms) -> Self {
        Self { weight: terms.weights().as_ptr(), rank: terms.ranks().as_ptr() }
    }
}

/// Adds the next `count` terms to `acc`; returns what lies behind them.
///
/// # Safety
/// As [`run`]; `terms` has `count` terms more, whose ranks lie in `input`.
#[inline(always)]
unsafe fn add_terms<V: Vector, const N: usize>(
    acc: &mut [V; N],
    terms: Cursor,
    count: u32,
    input: *const f32,
) -> Cursor {
    unsafe {
        for t in 0..count as usize {
            let weight = V::splat(*terms.weight.add(t));
            let samples = input.add(*terms.rank.add(t) as usize * N * V::LANES);
            for n in 0..N {
                acc[n] = V::multiply_add(weight, V::load(samples.add(n * V::LANES)), acc[n]);
            }
        }
        Cursor { weight: terms.weight.add(count as usize), rank: terms.rank.add(count as usize) }
    }
}

/// Only active weights are visited.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn sparse<V: Vector, const N: usize>(layer: &Stored, mut input: *const f32, output: *mut f32) {
    let mut terms = Cursor::new(&layer.terms);
    let last = layer.chunks.len() - 1;
    for (c, &width) in layer.chunks.iter().enumerate() {
        let relu = layer.relu && c == last;
        let counts = &layer.counts[c * layer.rows..][..layer.rows];
        for (row, &count) in counts.iter().enumerate() {
            unsafe {
                let output = output.add(row * N * V::LANES);
                let mut acc = [V::splat(layer.biases[row]); N];
                if c > 0 {
                    for n in 0..N {
                        acc[n] = V::load(output.add(n * V::LANES));
                    }
                }
                terms = add_terms(&mut acc, terms, count, input);
                for n in 0..N {
                    let value = if relu { acc[n].relu() } else { acc[n] };
                    value.store(output.add(n * V::LANES));
                }
            }
        }
        // SAFETY: the chunks' widths add up to the rows of the input.
        input = unsafe { input.add(width as usize * N * V::LANES) };
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
    let tiles = layer.biases.len() / TILE_ROWS;
    let mut first = 0;
    while first < layer.inputs {
        let width = CHUNK.min(layer.inputs - first);
        let relu = layer.relu && first + width == layer.inputs;
        for tile in 0..tiles {
            for part in 0..N / TILE {
                unsafe {
                    let column = part * TILE * V::LANES;
                    let mut samples = input.add(first * N * V::LANES + column);
                    let output = output.add(tile * TILE_ROWS * N * V::LANES + column);
                    let mut acc = [[V::splat(0.0); TILE]; TILE_ROWS];
                    for r in 0..TILE_ROWS {
                        for n in 0..TILE {
                            acc[r][n] = if first == 0 {
                                V::splat(*layer.biases.get_unchecked(tile * TILE_ROWS + r))
                            } else {
                                V::load(output.add((r * N + n) * V::LANES))
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
                            value.store(output.add((r * N + n) * V::LANES));
                        }
                    }
                }
            }
        }
        first += width;
    }
}

/// The last hidden layer and two outputs, all in registers; returns the number of correct samples.
///
/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn count_pair<V: Vector, const N: usize>(
    hidden: &Stored,
    pair: &Pair,
    input: *const f32,
    labels: *const f32,
) -> u32 {
    unsafe {
        let mut first = [V::splat(pair.biases[0]); N];
        let mut second = [V::splat(pair.biases[1]); N];
        let mut terms = Cursor::new(&hidden.terms);
        for feeder in &pair.feeders {
            let mut acc = [V::splat(feeder.bias); N];
            terms = add_terms(&mut acc, terms, feeder.terms, input);
            for n in 0..N {
                acc[n] = acc[n].relu();
            }
            if feeder.reads[0] {
                let weight = V::splat(feeder.out[0]);
                for n in 0..N {
                    first[n] = V::multiply_add(weight, acc[n], first[n]);
                }
            }
            if feeder.reads[1] {
                let weight = V::splat(feeder.out[1]);
                for n in 0..N {
                    second[n] = V::multiply_add(weight, acc[n], second[n]);
                }
            }
        }
        let (zero, one) = (V::splat(0.0), V::splat(1.0));
        let mut correct = 0;
        for n in 0..N {
            let class = V::select_greater(second[n], first[n], one, zero);
            correct += V::count_equal(class, V::load(labels.add(n * V::LANES)));
        }
        correct
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
