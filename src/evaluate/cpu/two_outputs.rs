//! The last hidden layer and two outputs in one: its neurons go from registers straight into both sums.

#![allow(clippy::needless_range_loop, reason = "several arrays of vectors are indexed in step")]

use super::bits::{self, CHUNK};
use super::bounds::{Bounds, bounded_row};
use super::program::{Feeder, Terms, TwoOutputs};
use super::sparse::add_active;
use crate::evaluate::vector::{LaneKernel, Vector, add_product};

/// How the neurons of a last hidden layer are computed.
pub trait Hidden {
    /// The values of a row, before ReLU, of the samples from `input` on; the outputs that it is to be added to; and
    /// the multiply-adds per sample, those of the outputs included.
    ///
    /// # Safety
    /// The processor has `V`'s instructions; `feeder` is that of the row, and `input` holds the present inputs, `N` vectors
    /// each.
    unsafe fn row<V: Vector, const N: usize, const PART: usize>(
        &self,
        row: usize,
        feeder: &Feeder,
        input: *const f32,
    ) -> ([V; PART], [bool; 2], u64);
}

/// Active inputs alone, where they are present.
pub struct Active<'a> {
    pub terms: &'a Terms,
    pub present: u64,
}

impl Hidden for Active<'_> {
    #[inline(always)]
    unsafe fn row<V: Vector, const N: usize, const PART: usize>(
        &self,
        _: usize,
        feeder: &Feeder,
        input: *const f32,
    ) -> ([V; PART], [bool; 2], u64) {
        // SAFETY: by the trait's contract; a feeder's terms are those of its active inputs.
        unsafe {
            let mut acc = [V::splat(feeder.bias); PART];
            let terms = self.terms.weights().as_ptr().add(feeder.terms);
            let added = add_active::<V, N, PART>(&mut acc, terms, feeder.active, self.present, input);
            (acc, feeder.reads, added + u64::from(feeder.reads[0]) + u64::from(feeder.reads[1]))
        }
    }
}

/// All of a few features, the masked ones times zero.
pub struct Bounded<'a> {
    pub bounds: &'a Bounds,
    pub inputs: usize,
}

impl Hidden for Bounded<'_> {
    #[inline(always)]
    unsafe fn row<V: Vector, const N: usize, const PART: usize>(
        &self,
        row: usize,
        _: &Feeder,
        input: *const f32,
    ) -> ([V; PART], [bool; 2], u64) {
        // SAFETY: by the trait's contract.
        let acc = unsafe { bounded_row::<V, N, PART, 0>(self.bounds, self.inputs, row, input, &[]) };
        // An output that does not read the neuron adds it times zero.
        (acc, [true; 2], self.inputs as u64 + 2)
    }
}

/// What stands before the last hidden layer and behind the outputs, over a block of samples.
#[derive(Clone, Copy)]
pub struct Ends {
    /// `[input][sample]` of the hidden layer.
    pub input: *const f32,
    /// `[sample]`
    pub labels: *const f32,
    /// `[class][sample]`; null where nobody asks for them.
    pub outputs: *mut f32,
}

/// Two outputs of some samples, so far.
struct OutputSums<V, const PAIR: usize> {
    sums: [[V; PAIR]; 2],
    executed: u64,
}

impl<V: Vector, const PAIR: usize> OutputSums<V, PAIR> {
    /// Adds a row to both, of the samples from `input` on.
    ///
    /// # Safety
    /// As [`BothOutputs`]; `row` is that of a feeder.
    #[inline(always)]
    unsafe fn add<const N: usize>(
        &mut self,
        hidden: &impl Hidden,
        two: &TwoOutputs,
        row: usize,
        input: *const f32,
    ) {
        // SAFETY: by this function's contract.
        unsafe {
            let feeder = two.feeders.get_unchecked(row);
            let (mut acc, reads, more) = hidden.row::<V, N, PAIR>(row, feeder, input);
            self.executed += more;
            for n in 0..PAIR {
                acc[n] = acc[n].relu();
            }
            for o in 0..2 {
                if reads[o] {
                    add_product(&mut self.sums[o], V::splat(feeder.out[o]), acc);
                }
            }
        }
    }
}

/// Rows of the last hidden layer, ascending, and two outputs, all in registers, `PAIR` vectors at a time: with `ALL` all
/// rows, else the members of `rows`; those that are left out are zero for the whole block. Returns the number of correct
/// samples and the multiply-adds per sample, and leaves the outputs in `ends.outputs`, unless that is null.
///
/// `ends.input` holds the hidden layer's present inputs and `ends.labels` those of the block, in vectors of which a block has
/// `N`; `rows` are rows of feeders; `PAIR` divides `N`; `ends.outputs` is null or has room for two rows, apart from the inputs.
pub struct BothOutputs<'a, H, const N: usize, const PAIR: usize, const ALL: bool> {
    pub hidden: H,
    pub rows: &'a [u64],
    pub two: &'a TwoOutputs,
    pub ends: Ends,
}

impl<H: Hidden, const N: usize, const PAIR: usize, const ALL: bool> LaneKernel
    for BothOutputs<'_, H, N, PAIR, ALL>
{
    type Output = (u32, u64);

    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> (u32, u64) {
        let Self { hidden, rows, two, ends } = self;
        let Ends { input, labels, outputs } = ends;
        // SAFETY: by the maker's word.
        let (zero, one) = unsafe { (V::splat(0.0), V::splat(1.0)) };
        let (mut correct, mut executed) = (0, 0);
        for part in 0..N / PAIR {
            // SAFETY: by the maker's word.
            unsafe {
                let column = part * PAIR * V::LANES;
                let sums = [[V::splat(two.biases[0]); PAIR], [V::splat(two.biases[1]); PAIR]];
                let mut both = OutputSums { sums, executed: 0 };
                if ALL {
                    for row in 0..two.feeders.len() {
                        both.add::<N>(&hidden, two, row, input.add(column));
                    }
                } else {
                    for (c, &chunk) in rows.iter().enumerate() {
                        for row in bits::ones(chunk) {
                            both.add::<N>(&hidden, two, c * CHUNK + row, input.add(column));
                        }
                    }
                }
                let OutputSums { sums: [first, second], executed: more } = both;
                executed += more;
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
        (correct, executed / (N / PAIR) as u64)
    }
}
