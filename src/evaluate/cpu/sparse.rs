//! Rows of active weights through a block of samples.

#![allow(clippy::needless_range_loop, reason = "several arrays of vectors are indexed in step")]

use super::bits::{self, CHUNK};
use super::bounds::{Bounds, bounded_row};
use super::layer_io::LayerIo;
use super::program::{Sparse, StoredLayer};
use crate::evaluate::vector::{LaneKernel, Vector, add_samples, any_positive};
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
            let samples = input.add(rest.trailing_zeros() as usize * N * V::LANES);
            add_samples(acc, V::splat(*next), samples);
            next = next.add(1);
        }
        rest &= rest - 1;
    }
    u64::from(terms.count_ones())
}

/// As [`add_active`], where all the active inputs are present. Takes several weights out of one load: inputs alone are as
/// many loads as fit beside the multiply-adds.
///
/// # Safety
/// As [`add_active`], and a group can be read from any of the weights on.
#[inline(always)]
unsafe fn add_all<V: Vector, const N: usize>(
    acc: &mut [V; N],
    weights: *const f32,
    active: u64,
    input: *const f32,
) -> u64 {
    let mut rest = active;
    // SAFETY: by this function's contract.
    unsafe {
        let (mut next, mut left, mut group) = (weights, 0, V::splat(0.0));
        while rest != 0 {
            if left == 0 {
                (group, next, left) = (V::group(next), next.add(V::GROUP), V::GROUP);
            } else {
                group = group.rotated();
            }
            let samples = input.add(rest.trailing_zeros() as usize * N * V::LANES);
            add_samples(acc, group.first_of_group(), samples);
            (left, rest) = (left - 1, rest & (rest - 1));
        }
    }
    u64::from(active.count_ones())
}

/// Only active weights of present inputs are visited, and with `BOUNDED` only the `audible` rows. Marks the neurons that
/// are above zero, all of them where the next layer would not gain by it, and returns the multiply-adds per sample.
///
/// `io` is that of the layer, in blocks of `N` vectors; with `BOUNDED`, `audible` has a bit for each row.
pub struct SparseRows<'a, const N: usize, const BOUNDED: bool> {
    pub layer: &'a StoredLayer,
    pub sparse: &'a Sparse,
    pub audible: &'a [u64],
    pub io: LayerIo<'a>,
}

impl<const N: usize, const BOUNDED: bool> LaneKernel for SparseRows<'_, N, BOUNDED> {
    type Output = u64;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> u64 {
        let Self { layer, sparse, audible, io } = self;
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
                // SAFETY: by the maker's word; a layer has a neuron and a bias for each of `count` rows.
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
                    executed += match active[row] & !present[c] {
                        0 => add_all::<V, N>(&mut acc, terms, active[row], input),
                        _ => add_active::<V, N, N>(&mut acc, terms, active[row], present[c], input),
                    };
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
}

/// All weights of a few features are visited, of the audible `rows`. Marks and returns what [`SparseRows`] does.
///
/// `io` is that of the layer, behind which there is a ReLU, in blocks of `N` vectors; `rows` are rows of its.
pub struct BoundedRows<'a, const N: usize> {
    pub layer: &'a StoredLayer,
    pub bounds: &'a Bounds,
    pub rows: &'a [u64],
    pub io: LayerIo<'a>,
}

impl<const N: usize> LaneKernel for BoundedRows<'_, N> {
    type Output = u64;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> u64 {
        let Self { layer, bounds, rows, io } = self;
        // SAFETY: by the maker's word.
        unsafe {
            match layer.inputs {
                0 | 1 => bounded::<V, N, 0>(layer, bounds, rows, io),
                _ => bounded::<V, N, 2>(layer, bounds, rows, io),
            }
        }
    }
}

/// [`BoundedRows`], the first `HELD` features staying in registers.
///
/// # Safety
/// As there; the layer has so many features at least.
#[inline(always)]
unsafe fn bounded<V: Vector, const N: usize, const HELD: usize>(
    layer: &StoredLayer,
    bounds: &Bounds,
    rows: &[u64],
    io: LayerIo<'_>,
) -> u64 {
    let mut count = 0;
    // SAFETY: by this function's contract.
    unsafe {
        let mut held = [[V::splat(0.0); N]; HELD];
        for i in 0..HELD {
            for n in 0..N {
                held[i][n] = V::load(io.input.add((i * N + n) * V::LANES));
            }
        }
        for (c, &chunk) in rows.iter().enumerate() {
            for row in bits::ones(chunk) {
                let row = c * CHUNK + row;
                let neuron = *layer.neurons.get_unchecked(row) as usize;
                let mut acc = bounded_row::<V, N, N, HELD>(bounds, layer.inputs, row, io.input, &held);
                for n in 0..N {
                    acc[n] = acc[n].relu();
                    acc[n].store(io.output.add((neuron * N + n) * V::LANES));
                }
                io.above[neuron / CHUNK] |= u64::from(any_positive(&acc)) << (neuron % CHUNK);
            }
            count += u64::from(chunk.count_ones());
        }
    }
    count * layer.inputs as u64
}
