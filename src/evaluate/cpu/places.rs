//! What is kept of a block's outputs, sample by sample.

#![allow(clippy::needless_range_loop, reason = "several arrays of vectors are indexed in step")]

use crate::evaluate::detail::Places;
use crate::evaluate::vector::{Line, MOST_LANES, Vector};
use std::sync::atomic::Ordering;

/// Confusion counts of so many classes are counted cell by cell, vectors of samples at a time.
const CLASSES_BY_CELL: usize = 3;

/// Added to whole numbers below it, it leaves them in the lowest bits.
const SHIFT: f32 = (1 << 23) as f32;

/// A block of samples and what a mask's outputs are for it.
#[derive(Clone, Copy)]
pub struct BlockOutputs<'a> {
    /// `[class][sample]`
    pub outputs: *const f32,
    pub classes: usize,
    /// `[sample]`: the class as a float.
    pub labels: *const f32,
    /// `[sample]`: where each stands in the data, padding left out.
    pub order: &'a [u32],
}

/// Per vector of the block: the class of the largest output, the lowest of equals, as a float.
///
/// # Safety
/// The processor has `V`'s instructions; `outputs` holds `classes` rows of `N` vectors.
#[inline(always)]
pub unsafe fn predicted<V: Vector, const N: usize>(outputs: *const f32, classes: usize) -> [V; N] {
    // SAFETY: by this function's contract.
    unsafe {
        let mut all = [V::splat(0.0); N];
        for n in 0..N {
            let mut largest = V::load(outputs.add(n * V::LANES));
            for candidate in 1..classes {
                let value = V::load(outputs.add((candidate * N + n) * V::LANES));
                all[n] = V::select_greater(value, largest, V::splat(candidate as f32), all[n]);
                largest = V::select_greater(value, largest, value, largest);
            }
        }
        all
    }
}

/// Whole numbers from 0 to 2^23, as the lowest bits of floats: cheaper than to convert them one by one.
///
/// # Safety
/// The processor has `V`'s instructions.
#[inline(always)]
unsafe fn shifted<V: Vector>(numbers: V) -> V {
    // SAFETY: by this function's contract.
    unsafe { V::multiply_add(numbers, V::splat(1.0), V::splat(SHIFT)) }
}

/// Notes what is wanted of a block; confusion counts are added to `counts`, `[class, class]`.
///
/// # Safety
/// The processor has `V`'s instructions; outputs and labels hold rows of `N` vectors.
#[inline(always)]
pub unsafe fn note<V: Vector, const N: usize>(
    places: Places<'_>,
    block: BlockOutputs<'_>,
    counts: &mut [u32],
) {
    let BlockOutputs { outputs, classes, labels, order } = block;
    // SAFETY: by this function's contract; a line holds the widest vector.
    unsafe {
        match places {
            Places::Outputs(to) => {
                for class in 0..classes {
                    for (s, &sample) in order.iter().enumerate() {
                        let value = *outputs.add(class * N * V::LANES + s);
                        to[sample as usize * classes + class]
                            .store((value + 0.0).to_bits(), Ordering::Relaxed);
                    }
                }
            }
            Places::Predictions(to) => {
                let predicted = predicted::<V, N>(outputs, classes);
                let mut of_vector = Line([0.0; MOST_LANES]);
                for (n, samples) in order.chunks(V::LANES).enumerate() {
                    shifted(predicted[n]).store(of_vector.0.as_mut_ptr());
                    for (&sample, class) in samples.iter().zip(&of_vector.0) {
                        to[sample as usize].store(class.to_bits() as u8, Ordering::Relaxed);
                    }
                }
            }
            Places::Confusion(_) => {
                let width = V::splat(classes as f32);
                let predicted = predicted::<V, N>(outputs, classes);
                let mut of_vector = Line([0.0; MOST_LANES]);
                for (n, samples) in order.chunks(V::LANES).enumerate() {
                    // Whole numbers below 2^23 are exact; that of padding is negative.
                    let label = V::load(labels.add(n * V::LANES));
                    let cell = V::multiply_add(label, width, predicted[n]);
                    if classes <= CLASSES_BY_CELL {
                        for (index, count) in counts.iter_mut().enumerate() {
                            *count += V::count_equal(cell, V::splat(index as f32));
                        }
                        continue;
                    }
                    shifted(cell).store(of_vector.0.as_mut_ptr());
                    for cell in &of_vector.0[..samples.len()] {
                        counts[(cell.to_bits() - SHIFT.to_bits()) as usize] += 1;
                    }
                }
            }
        }
    }
}
