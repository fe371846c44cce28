//! Rows of active weights through a block of samples.

#![allow(clippy::needless_range_loop, reason = "several arrays of vectors are indexed in step")]

use super::bits::CHUNK;
use super::bounds::{Bounds, bounded_row, members};
use super::layer_io::LayerIo;
use super::program::{Sparse, StoredLayer};
use crate::evaluate::vector::{Vector, any_positive};
use crate::network::Activation;

/// Adds the `active` of up to 64 inputs to `acc`, which is `PART` of a block's `N` vectors, those left out
/// that are not `present`. `weights` are those of the active inputs. Returns the number of terms.
///
/// # Safety
/// The processor has `V`'s instructions; `weights` has one value per active input, and `input` holds the present
/// inputs, `N` vectors each.
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
        // SAFETY: by this function's contract; there are as many weights before an input as active ones are.
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

/// Only active weights of present inputs are visited, and with `BOUNDED` only the `audible` rows. Marks the neurons that
/// are above zero, all of them where the next layer would not gain by it, and returns the multiply-adds per sample.
///
/// # Safety
/// The processor has `V`'s instructions; `io` is this layer's, in blocks of `N` vectors; with `BOUNDED`,
/// `audible` has a bit for each row.
#[inline(always)]
pub unsafe fn run<V: Vector, const N: usize, const BOUNDED: bool>(
    layer: &StoredLayer,
    sparse: &Sparse,
    audible: &[u64],
    io: LayerIo<'_>,
) -> u64 {
    let LayerIo { input, present, output, above, .. } = io;
    if !layer.marks_silent {
        above.fill(u64::MAX);
    }
    let mut weights = sparse.terms.weights().as_ptr();
    let mut executed = 0;
    let chunks = layer.inputs.div_ceil(CHUNK);
    let count = layer.neurons.len();
    for c in 0..chunks {
        let relu = layer.activation == Activation::Relu && c + 1 == chunks;
        let active = &sparse.active[c * count..][..count];
        for row in 0..count {
            let terms = weights;
            // SAFETY: the layer's terms are those of its active weights.
            weights = unsafe { weights.add(active[row].count_ones() as usize) };
            if BOUNDED && audible[row / CHUNK] >> (row % CHUNK) & 1 == 0 {
                continue;
            }
            // SAFETY: by this function's contract; a layer has a neuron and a bias for each of `count` rows.
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
                    if layer.marks_silent {
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

/// All weights of a few features are visited, of the audible `rows`. Marks and returns what [`run`] does.
///
/// # Safety
/// The processor has `V`'s instructions; `io` is this layer's, behind which there is a ReLU, in blocks of
/// `N` vectors; `rows` are rows of its.
#[inline(always)]
pub unsafe fn bounded<V: Vector, const N: usize>(
    layer: &StoredLayer,
    bounds: &Bounds,
    rows: &[u64],
    io: LayerIo<'_>,
) -> u64 {
    let mut count = 0;
    for row in members(rows) {
        // SAFETY: by this function's contract.
        unsafe {
            let neuron = *layer.neurons.get_unchecked(row) as usize;
            let mut acc = bounded_row::<V, N, N>(bounds, layer.inputs, row, io.input);
            for n in 0..N {
                acc[n] = acc[n].relu();
                acc[n].store(io.output.add((neuron * N + n) * V::LANES));
            }
            io.above[neuron / CHUNK] |= u64::from(any_positive(&acc)) << (neuron % CHUNK);
        }
        count += layer.inputs as u64;
    }
    count
}
