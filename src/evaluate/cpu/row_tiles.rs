//! The weights of wide layers that are gone through sample by sample: side by side, for vectors of rows.

use super::aligned::AlignedValues;
use super::bits::{self, CHUNK};
use crate::evaluate::vector::{MOST_LANES, Vector};

/// Vectors of rows that a tile holds at most: as many sums hide the time that a multiply-add takes, and a tile's
/// weights for 64 inputs stay in the first-level cache.
pub const TILE: usize = 6;

/// The weights of a layer, for vectors of rows.
#[derive(Default)]
pub struct RowTiles {
    inputs: usize,
    /// `[tile][input][row of the tile]`: weights, zero where masked or where nothing reads the row. Inputs are
    /// padded to whole vectors.
    weights: AlignedValues,
    /// `[row]`, padded likewise.
    biases: AlignedValues,
    /// Vectors of rows.
    vectors: usize,
}

impl RowTiles {
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// `[tile][input][row of the tile]`, inputs padded to whole vectors.
    pub fn weights(&self) -> &[f32] {
        self.weights.as_slice()
    }

    /// `[row]`, padded to whole vectors.
    pub fn biases(&self) -> &[f32] {
        self.biases.as_slice()
    }

    /// Vectors of rows.
    pub fn vectors(&self) -> usize {
        self.vectors
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
        self.inputs = inputs;
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

/// [`pack`], compiled for an instruction set.
type PackForm = unsafe fn(&[ChunkOfRow<'_>], usize, *mut f32, usize);

/// Puts rows side by side, compiled for an instruction set.
#[derive(Clone, Copy)]
pub struct Pack {
    form: PackForm,
    lanes: usize,
}

impl Pack {
    /// # Safety
    /// `form` is [`pack`] for vectors of so many lanes, of instructions that the processor has.
    pub unsafe fn new(form: PackForm, lanes: usize) -> Self {
        Self { form, lanes }
    }

    fn run(self, rows: &[ChunkOfRow<'_>], inputs: usize, to: &mut [f32], stride: usize) {
        let written = (inputs.next_multiple_of(self.lanes) - 1) * stride + self.lanes;
        assert!(
            rows.len() == self.lanes && inputs <= CHUNK && written <= to.len(),
            "room for {written} values"
        );
        // SAFETY: what is written fits, and `new`'s caller answers for the instructions. Rows begin at whole vectors of
        // values that are aligned to a cache line.
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
pub fn tiles(vectors: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = vectors.div_ceil(TILE);
    let first = move |tile: usize| vectors * tile / count;
    (0..count).map(move |tile| (first(tile), first(tile + 1) - first(tile)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
