//! The last hidden layer and two outputs in one: its neurons go from registers straight into both sums.

#![allow(clippy::needless_range_loop, reason = "several arrays of vectors are indexed in step")]

use super::bounds::{Bounds, bounded_row};
use super::program::{Feeder, Terms, TwoOutputs};
use super::sparse::add_active;
use crate::evaluate::vector::Vector;

/// How the neurons of a last hidden layer are computed.
pub trait Hidden<V: Vector> {
    /// The values of a row, before ReLU, of the samples from `input` on; the outputs that it is to be added to; and
    /// the multiply-adds per sample, those of the outputs included.
    ///
    /// # Safety
    /// The processor has `V`'s instructions; `feeder` is that of the row, and `input` holds the present inputs, `N` vectors
    /// each.
    unsafe fn row<const N: usize, const PART: usize>(
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

impl<V: Vector> Hidden<V> for Active<'_> {
    #[inline(always)]
    unsafe fn row<const N: usize, const PART: usize>(
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

impl<V: Vector> Hidden<V> for Bounded<'_> {
    #[inline(always)]
    unsafe fn row<const N: usize, const PART: usize>(
        &self,
        row: usize,
        _: &Feeder,
        input: *const f32,
    ) -> ([V; PART], [bool; 2], u64) {
        // SAFETY: by the trait's contract.
        let acc = unsafe { bounded_row::<V, N, PART>(self.bounds, self.inputs, row, input) };
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

/// The `rows` of the last hidden layer, ascending, and two outputs, all in registers, `PAIR` vectors at a time;
/// returns the number of correct samples and the multiply-adds per sample, and leaves the outputs in `outputs`,
/// unless that is null. Rows that are left out are zero for the whole block.
///
/// # Safety
/// The processor has `V`'s instructions; `input` holds the hidden layer's present inputs and `labels` those of the block,
/// in vectors of which a block has `N`; `rows` are rows of feeders; `PAIR` divides `N`; `outputs` is null or has room for
/// two rows, apart from the inputs.
#[inline(always)]
pub unsafe fn count<V: Vector, const N: usize, const PAIR: usize>(
    hidden: impl Hidden<V>,
    rows: impl Iterator<Item = usize> + Clone,
    two: &TwoOutputs,
    ends: Ends,
) -> (u32, u64) {
    let Ends { input, labels, outputs } = ends;
    // SAFETY: by this function's contract.
    let (zero, one) = unsafe { (V::splat(0.0), V::splat(1.0)) };
    let (mut correct, mut executed) = (0, 0);
    for part in 0..N / PAIR {
        // SAFETY: by this function's contract.
        unsafe {
            let column = part * PAIR * V::LANES;
            let mut first = [V::splat(two.biases[0]); PAIR];
            let mut second = [V::splat(two.biases[1]); PAIR];
            for row in rows.clone() {
                let feeder = two.feeders.get_unchecked(row);
                let (mut acc, reads, more) = hidden.row::<N, PAIR>(row, feeder, input.add(column));
                executed += more;
                for n in 0..PAIR {
                    acc[n] = acc[n].relu();
                }
                for (sums, o) in [(&mut first, 0), (&mut second, 1)] {
                    if reads[o] {
                        let weight = V::splat(feeder.out[o]);
                        for n in 0..PAIR {
                            sums[n] = V::multiply_add(weight, acc[n], sums[n]);
                        }
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
    (correct, executed / (N / PAIR) as u64)
}
