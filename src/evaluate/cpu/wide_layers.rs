//! Wide layers, sample by sample: a vector's lanes are neurons, and of each sample only those inputs are added
//! that ReLU let through, about half of them.
//!
//! The other kernels leave out an input only where it is zero for a whole block of samples. Here an
//! input that is zero adds a zero to every sum, which no comparison sees, and is left out for its sample alone. Sums
//! run over their inputs in ascending order here as well.

#![allow(clippy::needless_range_loop, reason = "several arrays of vectors are indexed in step")]

use super::aligned::AlignedValues;
use super::bits::{self, CHUNK};
use super::layer_io::LayerIo;
use super::row_tiles::{self, RowTiles, TILE};
use crate::evaluate::vector::{LaneKernel, Vector};
use crate::network::Activation;

/// Values between samples, beside a multiple of a chunk: rows that are a power of two apart compete for a few
/// places of a cache.
const STAGGER: usize = 16;

/// A layer's samples side by side, before it and behind.
#[derive(Default)]
pub struct Transposed {
    /// `[sample][input]`
    inputs: AlignedValues,
    /// `[sample][row]`
    sums: AlignedValues,
    /// `[chunk][sample]`: the inputs that are above zero.
    active: Vec<u64>,
    /// Values from one sample to the next, in both.
    stride: usize,
}

impl Transposed {
    /// For layers of up to `widest` neurons and blocks of `block` samples.
    pub fn new(widest: usize, block: usize) -> Self {
        let stride = widest.next_multiple_of(CHUNK) + STAGGER;
        let values = || AlignedValues::zeroed(stride * block);
        Self { inputs: values(), sums: values(), active: vec![0; widest.div_ceil(CHUNK) * block], stride }
    }
}

/// [`run`] of a layer; `io` is its, and so are the tiles, packed for the vectors; `transposed` is made for both.
pub struct WideRows<'a, const N: usize> {
    pub tiles: &'a RowTiles,
    pub activation: Activation,
    pub transposed: &'a mut Transposed,
    pub io: LayerIo<'a>,
}

impl<const N: usize> LaneKernel for WideRows<'_, N> {
    type Output = u64;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> u64 {
        // SAFETY: by the maker's word.
        unsafe { run::<V, N>(self.tiles, self.activation, self.transposed, self.io) }
    }
}

/// Takes a block through the layer of these `tiles`; the samples behind `io.samples` get values without meaning.
/// Returns the multiply-adds of all samples, those with masked weights included.
///
/// # Safety
/// The processor has `V`'s instructions, and the tiles are packed for it; `io` is their layer's, in blocks of
/// `N` vectors, with room for its inputs and outputs padded to whole vectors; `transposed` is made for them.
#[inline(always)]
unsafe fn run<V: Vector, const N: usize>(
    tiles: &RowTiles,
    activation: Activation,
    transposed: &mut Transposed,
    io: LayerIo<'_>,
) -> u64 {
    let LayerIo { input, present, output, above, samples } = io;
    let block = N * V::LANES;
    let Transposed { inputs: values, sums, active, stride } = transposed;
    let (values, sums) = (values.as_mut_slice().as_mut_ptr(), sums.as_mut_slice().as_mut_ptr());
    let (stride, rows, inputs) = (*stride, tiles.vectors() * V::LANES, tiles.inputs());
    let columns = samples.next_multiple_of(V::LANES);
    let mut terms = 0;
    // SAFETY: by this function's contract; a sample's values are padded to whole chunks.
    unsafe {
        transpose::<V>(input, block, values, stride, inputs.next_multiple_of(V::LANES), columns);
        for (c, active) in active.chunks_exact_mut(block).take(inputs.div_ceil(CHUNK)).enumerate() {
            let present = present[c] & !bits::from(inputs - c * CHUNK);
            for (s, active) in active[..samples].iter_mut().enumerate() {
                *active = above_zero::<V>(values.add(s * stride + c * CHUNK)) & present;
                terms += u64::from(active.count_ones());
            }
        }
    }
    if !activation.is_zero_below_zero() {
        above.fill(u64::MAX);
    }
    let relu = activation == Activation::Relu;
    let rows_of = Rows { tiles, relu, values, sums, stride, active, block, samples };
    for (first, width) in row_tiles::tiles(tiles.vectors()) {
        // SAFETY: by this function's contract; `width` is at most `TILE`.
        unsafe {
            match width {
                1 => rows_of.tile::<V, 1>(first, above),
                2 => rows_of.tile::<V, 2>(first, above),
                3 => rows_of.tile::<V, 3>(first, above),
                4 => rows_of.tile::<V, 4>(first, above),
                5 => rows_of.tile::<V, 5>(first, above),
                _ => rows_of.tile::<V, TILE>(first, above),
            }
        }
    }
    // SAFETY: by this function's contract.
    unsafe { transpose::<V>(sums, stride, output, block, columns, rows) };
    terms * rows as u64
}

/// A layer's sums over the samples of a block.
struct Rows<'a> {
    tiles: &'a RowTiles,
    relu: bool,
    values: *const f32,
    sums: *mut f32,
    stride: usize,
    active: &'a [u64],
    block: usize,
    samples: usize,
}

impl Rows<'_> {
    /// The tile of `WIDTH` vectors from `first` on.
    ///
    /// # Safety
    /// As [`run`].
    #[inline(always)]
    unsafe fn tile<V: Vector, const WIDTH: usize>(&self, first: usize, above: &mut [u64]) {
        let row = first * V::LANES;
        let padded = self.tiles.inputs().next_multiple_of(V::LANES);
        let chunks = self.tiles.inputs().div_ceil(CHUNK);
        // SAFETY: by `run`'s contract; the tile's weights and biases are those of its rows.
        unsafe {
            let weights = self.tiles.weights().as_ptr().add(row * padded);
            let biases = self.tiles.biases().as_ptr().add(row);
            let mut most = [V::splat(0.0); WIDTH];
            for c in 0..chunks {
                let relu = self.relu && c + 1 == chunks;
                let weights = weights.add(c * CHUNK * WIDTH * V::LANES);
                for s in 0..self.samples {
                    let values = self.values.add(s * self.stride + c * CHUNK);
                    let sums = self.sums.add(s * self.stride + row);
                    let begin = if c == 0 { biases } else { sums.cast_const() };
                    let mut acc = [V::splat(0.0); WIDTH];
                    for n in 0..WIDTH {
                        acc[n] = V::load(begin.add(n * V::LANES));
                    }
                    for i in bits::ones(*self.active.get_unchecked(c * self.block + s)) {
                        let value = V::splat(*values.add(i));
                        let weights = weights.add(i * WIDTH * V::LANES);
                        for n in 0..WIDTH {
                            acc[n] = V::multiply_add(V::load(weights.add(n * V::LANES)), value, acc[n]);
                        }
                    }
                    if relu {
                        for n in 0..WIDTH {
                            acc[n] = acc[n].relu();
                            most[n] = V::select_greater(acc[n], most[n], acc[n], most[n]);
                        }
                    }
                    for n in 0..WIDTH {
                        acc[n].store(sums.add(n * V::LANES));
                    }
                }
            }
            for n in 0..WIDTH {
                let row = row + n * V::LANES;
                above[row / CHUNK] |= most[n].greater(V::splat(0.0)) << (row % CHUNK);
            }
        }
    }
}

/// One bit for each of 64 values: above zero.
///
/// # Safety
/// As [`run`]; 64 values lie at `values`.
#[inline(always)]
unsafe fn above_zero<V: Vector>(values: *const f32) -> u64 {
    let mut bits = 0;
    for first in (0..CHUNK).step_by(V::LANES) {
        // SAFETY: by this function's contract.
        bits |= unsafe { V::load(values.add(first)).greater(V::splat(0.0)) } << first;
    }
    bits
}

/// Writes `to[column][row] = from[row][column]`; rows of `from` and of `to` are so many values apart.
///
/// # Safety
/// As [`run`]; both hold `rows` times `columns` values, both multiples of `V::LANES`.
#[inline(always)]
unsafe fn transpose<V: Vector>(
    from: *const f32,
    from_stride: usize,
    to: *mut f32,
    to_stride: usize,
    rows: usize,
    columns: usize,
) {
    for row in (0..rows).step_by(V::LANES) {
        for column in (0..columns).step_by(V::LANES) {
            // SAFETY: by this function's contract, a square lies at both places.
            unsafe {
                let square = from.add(row * from_stride + column);
                V::transpose(square, from_stride, to.add(column * to_stride + row), to_stride);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::cpu::row_tiles::{ChunkOfRow, Pack, pack};
    use crate::evaluate::vector::MOST_LANES;
    use crate::evaluate::vector::portable::Portable;

    /// Inputs, some zero, through a layer whose rows keep two of three weights.
    fn goes_through<V: Vector>(inputs: usize, outputs: usize, samples: usize) {
        const N: usize = 8;
        let block = N * V::LANES;
        let weight = |o: usize, i: usize| ((o * 7 + i * 3) % 11) as f32 - 5.0;
        let active = |o: usize, i: usize| !(o + i).is_multiple_of(3);
        let value = |i: usize, s: usize| ((i + 2 * s) % 5) as f32 - 2.0;
        let weights: Vec<Vec<f32>> =
            (0..outputs).map(|o| (0..inputs).map(|i| weight(o, i)).collect()).collect();
        // SAFETY: `V` is portable.
        let packer = unsafe { Pack::new(pack::<V>, V::LANES) };
        let mut tiles = RowTiles::default();
        let biases = (0..outputs).map(|o| (o, o as f32 - 8.0));
        tiles.set(packer, inputs, outputs, biases, |o, c| {
            let row = &weights[o][c * CHUNK..inputs.min((c + 1) * CHUNK)];
            let bits = (0..row.len()).filter(|i| active(o, c * CHUNK + i)).map(|i| 1 << i).sum();
            ChunkOfRow { weights: row, active: bits }
        });
        let widest = inputs.max(outputs);
        let room = || AlignedValues::zeroed(widest.next_multiple_of(MOST_LANES) * block);
        let (mut input, mut output) = (room(), room());
        for i in 0..inputs {
            for s in 0..samples {
                input.as_mut_slice()[i * block + s] = value(i, s).max(0.0);
            }
        }
        let present = vec![u64::MAX; inputs.div_ceil(CHUNK)];
        let mut above = vec![0; outputs.div_ceil(CHUNK)];
        let mut transposed = Transposed::new(widest, block);
        let io = LayerIo {
            input: input.as_slice().as_ptr(),
            present: &present,
            output: output.as_mut_slice().as_mut_ptr(),
            above: &mut above,
            samples,
        };
        // SAFETY: `V` is portable, and all have room for the widest layer.
        unsafe { run::<V, N>(&tiles, Activation::Relu, &mut transposed, io) };
        for o in 0..outputs {
            let sum = |s: usize| -> f32 {
                let terms =
                    (0..inputs).filter(|&i| active(o, i)).map(|i| weight(o, i) * value(i, s).max(0.0));
                (terms.sum::<f32>() + o as f32 - 8.0).max(0.0)
            };
            let expected: Vec<f32> = (0..samples).map(sum).collect();
            assert_eq!(output.as_slice()[o * block..][..samples], expected, "output {o}");
            assert_eq!(above[o / CHUNK] >> (o % CHUNK) & 1 == 1, expected.iter().any(|&sum| sum > 0.0));
        }
    }

    #[test]
    fn a_layer_goes_through_sample_by_sample() {
        for (inputs, outputs, samples) in [(33, 48, 32), (64, 50, 7), (130, 97, 31), (40, 300, 1)] {
            goes_through::<Portable<true, 4>>(inputs, outputs, samples);
        }
    }
}
