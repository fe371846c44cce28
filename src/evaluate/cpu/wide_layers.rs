//! Wide layers, sample by sample: a vector's lanes are neurons, and of each sample only those inputs are added
//! that ReLU let through, about half of them.
//!
//! The other kernels (`kernel`) leave out an input only where it is zero for a whole block of samples. Here an
//! input that is zero adds a zero to every sum, which no comparison sees, and is left out for its sample alone. Sums
//! run over their inputs in ascending order here as well.

#![allow(clippy::needless_range_loop, reason = "several arrays of vectors are indexed in step")]

use super::bits::{self, CHUNK};
use super::blocks::AlignedValues;
use super::program::Stored;
use super::vector::{MOST_LANES, Vector};

/// Vectors of rows that a tile holds at most: as many sums hide the time that a multiply-add takes, and a tile's
/// weights for 64 inputs stay in the first-level cache.
const TILE: usize = 6;

/// Values between samples, beside a multiple of a chunk: rows that are a power of two apart compete for a few
/// places of a cache.
const STAGGER: usize = 16;

/// The weights of a layer, for vectors of rows.
#[derive(Default)]
pub struct RowTiles {
    /// `[tile][input][row of the tile]`: weights, zero where masked or where nothing reads the row. Inputs are
    /// padded to whole vectors.
    weights: AlignedValues,
    /// `[row]`, padded likewise.
    biases: AlignedValues,
    /// Vectors of rows; none in a layer of another form.
    vectors: usize,
}

impl RowTiles {
    /// Becomes the tiles of no layer.
    pub fn clear(&mut self) {
        self.vectors = 0;
    }

    pub fn is_empty(&self) -> bool {
        self.vectors == 0
    }

    /// Becomes the tiles of a layer of so many inputs and outputs; `row` gives the weights of an output to the inputs of
    /// a chunk and which of them count, and `biases` pairs of an output and its bias, zero for the others.
    pub fn set<'a>(
        &mut self,
        pack: Pack,
        inputs: usize,
        outputs: usize,
        biases: impl Iterator<Item = (usize, f32)>,
        row: impl Fn(usize, usize) -> ChunkOfRow<'a>,
    ) {
        let lanes = pack.lanes;
        let padded = inputs.next_multiple_of(lanes);
        self.vectors = outputs.div_ceil(lanes);
        self.biases.reset(self.vectors * lanes);
        for (output, bias) in biases {
            self.biases.as_mut_slice()[output] = bias;
        }
        self.weights.grow(self.vectors * lanes * padded);
        let mut rows = [ChunkOfRow::default(); MOST_LANES];
        for (first, width) in tiles(self.vectors) {
            for n in 0..width {
                for c in 0..inputs.div_ceil(CHUNK) {
                    for (lane, place) in rows[..lanes].iter_mut().enumerate() {
                        let output = (first + n) * lanes + lane;
                        *place = if output < outputs { row(output, c) } else { ChunkOfRow::default() };
                    }
                    let begin = first * lanes * padded + c * CHUNK * width * lanes + n * lanes;
                    let count = CHUNK.min(inputs - c * CHUNK);
                    pack.run(&rows[..lanes], count, &mut self.weights.as_mut_slice()[begin..], width * lanes);
                }
            }
        }
    }
}

/// A row's weights for up to 64 inputs, and which of them count.
#[derive(Clone, Copy, Default)]
pub struct ChunkOfRow<'a> {
    pub weights: &'a [f32],
    pub active: u64,
}

/// Puts rows side by side, compiled for an instruction set.
#[derive(Clone, Copy)]
pub struct Pack {
    /// [`pack`] for vectors of so many lanes.
    pub form: unsafe fn(&[ChunkOfRow<'_>], usize, *mut f32, usize),
    pub lanes: usize,
}

impl Pack {
    fn run(self, rows: &[ChunkOfRow<'_>], inputs: usize, to: &mut [f32], stride: usize) {
        let written = (inputs.next_multiple_of(self.lanes) - 1) * stride + self.lanes;
        assert!(
            rows.len() == self.lanes && inputs <= CHUNK && written <= to.len(),
            "room for {written} values"
        );
        // SAFETY: what is written fits, and the dispatcher made `self` for this processor.
        unsafe { (self.form)(rows, inputs, to.as_mut_ptr(), stride) }
    }
}

/// Writes the active weights of `LANES` rows for up to 64 inputs as `[input][row]`, zeros for the others, inputs
/// being `stride` values apart.
///
/// # Safety
/// The processor has `V`'s instructions; `to` is aligned to vectors and has room for `inputs`, padded to whole
/// vectors.
#[inline(always)]
pub unsafe fn pack<V: Vector>(rows: &[ChunkOfRow<'_>], inputs: usize, to: *mut f32, stride: usize) {
    #[repr(align(64))]
    struct Rows([[f32; CHUNK]; MOST_LANES]);
    let mut values = Rows([[0.0; CHUNK]; MOST_LANES]);
    for (values, row) in values.0.iter_mut().zip(rows) {
        for (i, (value, weight)) in values.iter_mut().zip(row.weights).enumerate() {
            *value = bits::masked(*weight, row.active, i);
        }
    }
    for first in (0..inputs).step_by(V::LANES) {
        // SAFETY: a square of `LANES` rows lies in `values`, and one of `LANES` inputs in `to`.
        unsafe {
            V::transpose(values.0.as_ptr().cast::<f32>().add(first), CHUNK, to.add(first * stride), stride)
        };
    }
}

/// The tiles of so many vectors of rows, about equal: the first vector of each, and how many it has.
fn tiles(vectors: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = vectors.div_ceil(TILE);
    let first = move |tile: usize| vectors * tile / count;
    (0..count).map(move |tile| (first(tile), first(tile + 1) - first(tile)))
}

/// What one layer's samples need.
#[derive(Default)]
pub struct Space {
    /// `[sample][input]`
    inputs: AlignedValues,
    /// `[sample][row]`
    sums: AlignedValues,
    /// `[chunk][sample]`: the inputs that are above zero.
    active: Vec<u64>,
    /// Values from one sample to the next, in both.
    stride: usize,
}

impl Space {
    /// For layers of up to `widest` neurons and blocks of `block` samples.
    pub fn new(widest: usize, block: usize) -> Self {
        let stride = widest.next_multiple_of(CHUNK) + STAGGER;
        let values = || AlignedValues::zeroed(stride * block);
        Self { inputs: values(), sums: values(), active: vec![0; widest.div_ceil(CHUNK) * block], stride }
    }
}

/// A block of samples on its way through a layer, `[neuron][sample]` both before and behind.
pub struct Passage<'a> {
    pub input: *const f32,
    /// `[chunk]`: inputs that are above zero for some sample; the others are not written.
    pub present: &'a [u64],
    pub output: *mut f32,
    /// `[chunk]`: where outputs that are above zero for some sample are marked.
    pub above: &'a mut [u64],
    /// Values from one neuron to the next.
    pub block: usize,
    /// Samples of the block, padding excluded.
    pub samples: usize,
}

/// Takes a block through a layer; the samples behind `passage.samples` get values without meaning. Returns the
/// multiply-adds of all samples, those with masked weights included.
///
/// # Safety
/// The processor has `V`'s instructions. Input and output have room for the layer's neurons, padded to whole vectors,
/// aligned to vectors and finite; `space` is made for them.
#[inline(always)]
pub unsafe fn run<V: Vector>(layer: &Stored, space: &mut Space, passage: Passage<'_>) -> u64 {
    let Passage { input, present, output, above, block, samples } = passage;
    let Space { inputs: values, sums, active, stride } = space;
    let (values, sums) = (values.as_mut_slice().as_mut_ptr(), sums.as_mut_slice().as_mut_ptr());
    let (stride, rows) = (*stride, layer.tiles.vectors * V::LANES);
    let columns = samples.next_multiple_of(V::LANES);
    let mut terms = 0;
    unsafe {
        transpose::<V>(input, block, values, stride, layer.inputs.next_multiple_of(V::LANES), columns);
        for (c, active) in active.chunks_exact_mut(block).take(layer.inputs.div_ceil(CHUNK)).enumerate() {
            let present = present[c] & !bits::from(layer.inputs - c * CHUNK);
            for (s, active) in active[..samples].iter_mut().enumerate() {
                *active = above_zero::<V>(values.add(s * stride + c * CHUNK)) & present;
                terms += u64::from(active.count_ones());
            }
        }
    }
    let rows_of = Rows { layer, values, sums, stride, active, block, samples };
    for (first, width) in tiles(layer.tiles.vectors) {
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
    unsafe { transpose::<V>(sums, stride, output, block, columns, rows) };
    terms * rows as u64
}

/// A layer's sums over the samples of a block.
struct Rows<'a> {
    layer: &'a Stored,
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
        let tiles = &self.layer.tiles;
        let padded = self.layer.inputs.next_multiple_of(V::LANES);
        let chunks = self.layer.inputs.div_ceil(CHUNK);
        unsafe {
            let weights = tiles.weights.as_slice().as_ptr().add(row * padded);
            let biases = tiles.biases.as_slice().as_ptr().add(row);
            let mut most = [V::splat(0.0); WIDTH];
            for c in 0..chunks {
                let relu = self.layer.relu && c + 1 == chunks;
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
    use crate::evaluate::cpu::vector::portable::Portable;

    #[test]
    fn tiles_are_about_equal_and_cover_all_rows() {
        assert_eq!(tiles(7).collect::<Vec<_>>(), [(0, 3), (3, 4)]);
        for vectors in 1..40 {
            let all: Vec<_> = tiles(vectors).collect();
            assert_eq!(all.iter().map(|tile| tile.1).sum::<usize>(), vectors);
            assert!(all.iter().all(|tile| (1..=TILE).contains(&tile.1)), "{all:?}");
            assert!(all.windows(2).all(|pair| pair[0].0 + pair[0].1 == pair[1].0), "{all:?}");
        }
    }

    /// Inputs, some zero, through a layer whose rows keep two of three weights.
    fn goes_through<V: Vector>(inputs: usize, outputs: usize, samples: usize) {
        let block = 32;
        let weight = |o: usize, i: usize| ((o * 7 + i * 3) % 11) as f32 - 5.0;
        let active = |o: usize, i: usize| !(o + i).is_multiple_of(3);
        let value = |i: usize, s: usize| ((i + 2 * s) % 5) as f32 - 2.0;
        let weights: Vec<Vec<f32>> =
            (0..outputs).map(|o| (0..inputs).map(|i| weight(o, i)).collect()).collect();
        let form: unsafe fn(&[ChunkOfRow<'_>], usize, *mut f32, usize) = |rows, inputs, to, stride| unsafe {
            pack::<V>(rows, inputs, to, stride);
        };
        let mut layer = Stored { inputs, outputs, relu: true, ..Stored::default() };
        let biases = (0..outputs).map(|o| (o, o as f32 - 8.0));
        layer.tiles.set(Pack { form, lanes: V::LANES }, inputs, outputs, biases, |o, c| {
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
        let mut space = Space::new(widest, block);
        let passage = Passage {
            input: input.as_slice().as_ptr(),
            present: &present,
            output: output.as_mut_slice().as_mut_ptr(),
            above: &mut above,
            block,
            samples,
        };
        unsafe { run::<V>(&layer, &mut space, passage) };
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
            goes_through::<Portable<true>>(inputs, outputs, samples);
        }
    }
}
