//! Tiles of all weights, the masked ones being zero, through a block of samples.

#![allow(clippy::needless_range_loop, reason = "several arrays of vectors are indexed in step")]

use super::bits::{self, CHUNK};
use super::layer_io::LayerIo;
use super::program::{StoredLayer, TILE_ROWS};
use crate::evaluate::vector::{LaneKernel, Vector, add_product, any_positive};
use crate::network::Activation;

/// All `weights` of present inputs are visited, in tiles of [`TILE_ROWS`] rows and `TILE` vectors. Marks the neurons that
/// are above zero, all of them where the activation has no zeros to mark, and returns the multiply-adds per sample.
///
/// `io` is that of the layer, in blocks of `N` vectors; `weights` has all weights of its rows; `TILE` divides `N`.
pub struct DenseRows<'a, const N: usize, const TILE: usize> {
    pub layer: &'a StoredLayer,
    pub weights: &'a [f32],
    pub io: LayerIo<'a>,
}

impl<const N: usize, const TILE: usize> LaneKernel for DenseRows<'_, N, TILE> {
    type Output = u64;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> u64 {
        let Self { layer, weights, io } = self;
        let LayerIo { input, present, output, above, .. } = io;
        if !layer.activation.is_zero_below_zero() {
            above.fill(u64::MAX);
        }
        let tiles = layer.neurons.len() / TILE_ROWS;
        let chunks = layer.inputs.div_ceil(CHUNK);
        let mut inputs = 0;
        for c in 0..chunks {
            let relu = layer.activation == Activation::Relu && c + 1 == chunks;
            let present = present[c] & !bits::from(layer.inputs - c * CHUNK);
            inputs += u64::from(present.count_ones());
            for tile in 0..tiles {
                for part in 0..N / TILE {
                    // SAFETY: by the maker's word; rows are whole tiles, those of padding go to one neuron more.
                    unsafe {
                        let column = part * TILE * V::LANES;
                        let samples = input.add(c * CHUNK * N * V::LANES + column);
                        let rows = DenseTile { layer, first: tile * TILE_ROWS, output: output.add(column) };
                        // Row by row, not in loops, which might leave the sums in memory.
                        let mut acc: [[V; TILE]; TILE_ROWS] = [
                            rows.begin::<V, N, TILE>(0, c == 0),
                            rows.begin::<V, N, TILE>(1, c == 0),
                            rows.begin::<V, N, TILE>(2, c == 0),
                            rows.begin::<V, N, TILE>(3, c == 0),
                            rows.begin::<V, N, TILE>(4, c == 0),
                            rows.begin::<V, N, TILE>(5, c == 0),
                        ];
                        let weights = weights.as_ptr().add(tile * TILE_ROWS * layer.inputs + c * CHUNK);
                        let mut rest = present;
                        while rest != 0 {
                            let i = rest.trailing_zeros() as usize;
                            let mut x = [V::splat(0.0); TILE];
                            for n in 0..TILE {
                                x[n] = V::load(samples.add((i * N + n) * V::LANES));
                            }
                            for r in 0..TILE_ROWS {
                                add_product(&mut acc[r], V::splat(*weights.add(r * layer.inputs + i)), x);
                            }
                            rest &= rest - 1;
                        }
                        rows.end::<V, N, TILE>(0, acc[0], relu, above);
                        rows.end::<V, N, TILE>(1, acc[1], relu, above);
                        rows.end::<V, N, TILE>(2, acc[2], relu, above);
                        rows.end::<V, N, TILE>(3, acc[3], relu, above);
                        rows.end::<V, N, TILE>(4, acc[4], relu, above);
                        rows.end::<V, N, TILE>(5, acc[5], relu, above);
                    }
                }
            }
        }
        inputs * layer.neurons.len() as u64
    }
}

/// The rows of a tile and where their sums lie.
struct DenseTile<'a> {
    layer: &'a StoredLayer,
    /// The tile's first row.
    first: usize,
    /// Those of neuron 0, of the tile's samples.
    output: *mut f32,
}

impl DenseTile<'_> {
    /// # Safety
    /// As [`DenseRows`]; `r` is below [`TILE_ROWS`].
    #[inline(always)]
    unsafe fn neuron(&self, r: usize) -> usize {
        // SAFETY: by this function's contract.
        unsafe { *self.layer.neurons.get_unchecked(self.first + r) as usize }
    }

    /// The sums of a row so far: its bias, or what lies in memory.
    ///
    /// # Safety
    /// As [`neuron`](Self::neuron), and the processor has `V`'s instructions.
    #[inline(always)]
    unsafe fn begin<V: Vector, const N: usize, const TILE: usize>(&self, r: usize, anew: bool) -> [V; TILE] {
        // SAFETY: by this function's contract.
        unsafe {
            let row = self.output.add(self.neuron(r) * N * V::LANES);
            let mut sums = [V::splat(*self.layer.biases.get_unchecked(self.first + r)); TILE];
            if !anew {
                for n in 0..TILE {
                    sums[n] = V::load(row.add(n * V::LANES));
                }
            }
            sums
        }
    }

    /// Puts the sums of a row where they belong, with `relu` those below zero as zeros, and marks the neuron.
    ///
    /// # Safety
    /// As [`begin`](Self::begin).
    #[inline(always)]
    unsafe fn end<V: Vector, const N: usize, const TILE: usize>(
        &self,
        r: usize,
        mut sums: [V; TILE],
        relu: bool,
        above: &mut [u64],
    ) {
        // SAFETY: by this function's contract.
        unsafe {
            let neuron = self.neuron(r);
            if relu {
                for n in 0..TILE {
                    sums[n] = sums[n].relu();
                }
                above[neuron / CHUNK] |= u64::from(any_positive(&sums)) << (neuron % CHUNK);
            }
            for n in 0..TILE {
                sums[n].store(self.output.add((neuron * N + n) * V::LANES));
            }
        }
    }
}
