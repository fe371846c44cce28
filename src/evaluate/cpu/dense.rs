//! Tiles of all weights, the masked ones being zero, through a block of samples.

#![allow(clippy::needless_range_loop, reason = "several arrays of vectors are indexed in step")]

use super::bits::{self, CHUNK};
use super::layer_io::LayerIo;
use super::program::{StoredLayer, TILE_ROWS};
use crate::evaluate::vector::{Vector, any_positive};
use crate::network::Activation;

/// All `weights` of present inputs are visited, in tiles of [`TILE_ROWS`] rows and `TILE` vectors. Marks the neurons that
/// are above zero, all of them where the activation has no zeros to mark, and returns the multiply-adds per sample.
///
/// # Safety
/// The processor has `V`'s instructions; `io` is this layer's, in blocks of `N` vectors; `weights` has all
/// weights of its rows; `TILE` divides `N`.
#[inline(always)]
pub unsafe fn run<V: Vector, const N: usize, const TILE: usize>(
    layer: &StoredLayer,
    weights: &[f32],
    io: LayerIo<'_>,
) -> u64 {
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
                // SAFETY: by this function's contract; rows are whole tiles, those of padding go to one neuron more.
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
                    let weights = weights.as_ptr().add(tile * TILE_ROWS * layer.inputs + c * CHUNK);
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
