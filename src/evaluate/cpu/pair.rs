//! The last hidden layer and two outputs in one: its neurons go from registers straight into both sums.

#![allow(clippy::needless_range_loop, reason = "several arrays of vectors are indexed in step")]

use super::bounds::{bounded_row, members};
use super::kernel::add_active;
use super::program::{Feeder, Pair, Stored};
use super::vector::Vector;

/// The neurons of a last hidden layer, one after the other.
pub trait Hidden<V: Vector> {
    /// Calls `each` with every neuron's feeder, its values, before ReLU, of the samples from `input` on, and the
    /// outputs that it is to be added to; returns the multiply-adds per sample, those of the outputs included.
    ///
    /// # Safety
    /// As [`kernel::run`](super::kernel::run).
    unsafe fn for_each<const N: usize, const PART: usize>(
        &self,
        input: *const f32,
        each: impl FnMut(&Feeder, [V; PART], [bool; 2]),
    ) -> u64;
}

/// Active inputs alone, where they are present.
pub struct Active<'a> {
    pub hidden: &'a Stored,
    pub pair: &'a Pair,
    pub present: u64,
}

impl<V: Vector> Hidden<V> for Active<'_> {
    #[inline(always)]
    unsafe fn for_each<const N: usize, const PART: usize>(
        &self,
        input: *const f32,
        mut each: impl FnMut(&Feeder, [V; PART], [bool; 2]),
    ) -> u64 {
        let mut executed = 0;
        for feeder in &self.pair.feeders {
            executed += unsafe { self.feed::<V, N, PART>(feeder, input, &mut each) };
        }
        executed
    }
}

impl Active<'_> {
    /// One neuron of [`Hidden::for_each`].
    ///
    /// # Safety
    /// As [`kernel::run`](super::kernel::run).
    #[inline(always)]
    unsafe fn feed<V: Vector, const N: usize, const PART: usize>(
        &self,
        feeder: &Feeder,
        input: *const f32,
        each: &mut impl FnMut(&Feeder, [V; PART], [bool; 2]),
    ) -> u64 {
        unsafe {
            let mut acc = [V::splat(feeder.bias); PART];
            let terms = self.hidden.terms.weights().as_ptr().add(feeder.terms);
            let added = add_active::<V, N, PART>(&mut acc, terms, feeder.active, self.present, input);
            each(feeder, acc, feeder.reads);
            added + u64::from(feeder.reads[0]) + u64::from(feeder.reads[1])
        }
    }
}

/// The same of neurons behind a bounded layer, where they are audible.
pub struct ActiveAudible<'a> {
    pub active: Active<'a>,
    pub rows: &'a [u64],
}

impl<V: Vector> Hidden<V> for ActiveAudible<'_> {
    #[inline(always)]
    unsafe fn for_each<const N: usize, const PART: usize>(
        &self,
        input: *const f32,
        mut each: impl FnMut(&Feeder, [V; PART], [bool; 2]),
    ) -> u64 {
        let mut executed = 0;
        for row in members(self.rows) {
            unsafe {
                let feeder = self.active.pair.feeders.get_unchecked(row);
                executed += self.active.feed::<V, N, PART>(feeder, input, &mut each);
            }
        }
        executed
    }
}

/// Bounded neurons, where they are audible.
pub struct Audible<'a> {
    pub pair: &'a Pair,
    pub inputs: usize,
    pub rows: &'a [u64],
}

impl<V: Vector> Hidden<V> for Audible<'_> {
    #[inline(always)]
    unsafe fn for_each<const N: usize, const PART: usize>(
        &self,
        input: *const f32,
        mut each: impl FnMut(&Feeder, [V; PART], [bool; 2]),
    ) -> u64 {
        let mut executed = 0;
        for row in members(self.rows) {
            unsafe {
                let acc = bounded_row::<V, N, PART>(&self.pair.bounds, self.inputs, row, input);
                // An output that does not read the neuron adds it times zero.
                each(self.pair.feeders.get_unchecked(row), acc, [true; 2]);
            }
            executed += self.inputs as u64 + 2;
        }
        executed
    }
}

/// The last hidden layer and two outputs, all in registers, `PAIR` vectors at a time; returns the number of
/// correct samples and the multiply-adds per sample, and leaves the outputs in `outputs`, unless that is null.
///
/// # Safety
/// As [`kernel::run`](super::kernel::run); `PAIR` divides `N`; `outputs` is null or has room for two rows, apart from the inputs.
#[inline(always)]
pub unsafe fn count_pair<V: Vector, const N: usize, const PAIR: usize>(
    hidden: impl Hidden<V>,
    pair: &Pair,
    input: *const f32,
    labels: *const f32,
    outputs: *mut f32,
) -> (u32, u64) {
    let (zero, one) = unsafe { (V::splat(0.0), V::splat(1.0)) };
    let (mut correct, mut executed) = (0, 0);
    for part in 0..N / PAIR {
        unsafe {
            let column = part * PAIR * V::LANES;
            let mut first = [V::splat(pair.biases[0]); PAIR];
            let mut second = [V::splat(pair.biases[1]); PAIR];
            executed += hidden.for_each::<N, PAIR>(input.add(column), |feeder, mut acc, reads| {
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
            });
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
