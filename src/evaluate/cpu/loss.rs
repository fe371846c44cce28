//! The losses of a block, from its outputs.

#![allow(clippy::needless_range_loop, reason = "several arrays of vectors are indexed in step")]

use super::blocks::NO_CLASS;
use crate::evaluate::vector::{Vector, add_steps};
use crate::objective::margin::Margin;
use crate::objective::{Objective, cross_entropy};

/// The steps of a block's samples, padding excluded; `outputs: [class][sample]`, `labels: [sample]`.
///
/// # Safety
/// The processor has `V`'s instructions; `outputs` holds `classes` rows, and `labels` one, of `N` vectors.
#[inline(always)]
pub unsafe fn of_block<V: Vector, const N: usize>(
    objective: &Objective,
    outputs: *const f32,
    classes: usize,
    labels: *const f32,
) -> u64 {
    let block = N * V::LANES;
    // SAFETY: the caller's.
    unsafe {
        match objective {
            Objective::Accuracy | Objective::Measure(_) | Objective::Judged => 0,
            Objective::Margin(margin) => margin_of_block::<V, N>(margin, outputs, classes, labels),
            Objective::CrossEntropy => cross_entropy_of_block(
                std::slice::from_raw_parts(outputs, classes * block),
                std::slice::from_raw_parts(labels, block),
            ),
        }
    }
}

/// # Safety
/// As [`of_block`].
#[inline(always)]
unsafe fn margin_of_block<V: Vector, const N: usize>(
    margin: &Margin,
    outputs: *const f32,
    classes: usize,
    labels: *const f32,
) -> u64 {
    // SAFETY: the caller's.
    unsafe {
        let zero = V::splat(0.0);
        let (tau, scale) = (V::splat(margin.tau()), V::splat(margin.scale()));
        let mut steps = V::nothing();
        for n in 0..N {
            let label = V::load(labels.add(n * V::LANES));
            let output = |class: usize| V::load(outputs.add((class * N + n) * V::LANES));
            let mut right = zero;
            for class in 0..classes {
                right = V::select_equal(label, V::splat(class as f32), output(class), right);
            }
            let least = V::subtract(right, tau);
            let mut loss = zero;
            for class in 0..classes {
                let hinge = V::subtract(output(class), least).relu();
                // A zero in the right class's place adds nothing.
                let hinge = V::select_equal(label, V::splat(class as f32), zero, hinge);
                loss = V::multiply_add(hinge, hinge, loss);
            }
            let loss = V::select_equal(label, V::splat(NO_CLASS), zero, loss);
            steps = add_steps(steps, loss, scale);
        }
        V::total(steps)
    }
}

fn cross_entropy_of_block(outputs: &[f32], labels: &[f32]) -> u64 {
    let block = labels.len();
    let mut of_sample = Vec::with_capacity(outputs.len() / block);
    let mut steps = 0;
    for (n, &label) in labels.iter().enumerate().filter(|&(_, &label)| label != NO_CLASS) {
        of_sample.clear();
        of_sample.extend(outputs.iter().skip(n).step_by(block));
        steps += u64::from(cross_entropy::sample_steps(&of_sample, label as u32));
    }
    steps
}
