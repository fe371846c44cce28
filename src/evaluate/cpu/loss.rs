//! The losses of a block, from its outputs.

#![allow(clippy::needless_range_loop, reason = "several arrays of vectors are indexed in step")]

use super::blocks::NO_CLASS;
use crate::evaluate::vector::{Vector, add_steps};
use crate::objective::Objective;
use crate::objective::cross_entropy::{CUT, FARTHEST, LOGARITHM, POWER, STEPS_OF_LN_2, STEPS_PER_NAT};
use crate::objective::margin::Margin;
use std::f32::consts::{LOG2_E, SQRT_2};

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
    // SAFETY: the caller's.
    unsafe {
        match objective {
            Objective::Accuracy | Objective::Measure(_) | Objective::Judged => 0,
            Objective::Margin(margin) => margin_of_block::<V, N>(margin, outputs, classes, labels),
            Objective::CrossEntropy => cross_entropy_of_block::<V, N>(outputs, classes, labels),
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

/// # Safety
/// As [`of_block`].
#[inline(always)]
unsafe fn cross_entropy_of_block<V: Vector, const N: usize>(
    outputs: *const f32,
    classes: usize,
    labels: *const f32,
) -> u64 {
    // SAFETY: the caller's.
    unsafe {
        let [zero, one] = [0.0, 1.0].map(|value| V::splat(value));
        let mut steps = V::nothing();
        for n in 0..N {
            let label = V::load(labels.add(n * V::LANES));
            let output = |class: usize| V::load(outputs.add((class * N + n) * V::LANES));
            let mut largest = output(0);
            for class in 1..classes {
                largest = V::select_greater(output(class), largest, output(class), largest);
            }
            let (mut right, mut sum) = (zero, zero);
            for class in 0..classes {
                right = V::select_equal(label, V::splat(class as f32), output(class), right);
                let below = V::subtract(largest, output(class)).min(V::splat(CUT));
                let scaled = V::multiply_add(below, V::splat(LOG2_E), zero);
                let whole = scaled.floor();
                let power = polynomial(&POWER, V::subtract(scaled, whole));
                sum = V::multiply_add(power, whole.half_to_the(), sum);
            }
            let (exponent, mantissa) = sum.exponent_and_mantissa();
            let half = V::multiply_add(mantissa, V::splat(0.5), zero);
            let above = V::subtract(V::select_greater(mantissa, V::splat(SQRT_2), half, mantissa), one);
            let more = V::multiply_add(exponent, one, one);
            let exponent = V::select_greater(mantissa, V::splat(SQRT_2), more, exponent);
            let logarithm = V::multiply_add(above, polynomial(&LOGARITHM, above), zero);
            let of_mantissa = V::multiply_add(logarithm, V::splat(STEPS_PER_NAT), zero).floor();
            let of_sum = V::multiply_add(exponent, V::splat(STEPS_OF_LN_2), of_mantissa);
            let distance = V::subtract(largest, right).min(V::splat(FARTHEST));
            for (part, scale) in [(of_sum, one), (distance, V::splat(STEPS_PER_NAT))] {
                let part = V::select_equal(label, V::splat(NO_CLASS), zero, part);
                steps = add_steps(steps, part, scale);
            }
        }
        V::total(steps)
    }
}

/// By Horner's rule.
///
/// # Safety
/// The processor has `V`'s instructions.
#[inline(always)]
unsafe fn polynomial<V: Vector, const COUNT: usize>(coefficients: &[f32; COUNT], at: V) -> V {
    // SAFETY: the caller's.
    unsafe {
        let mut value = V::splat(coefficients[COUNT - 1]);
        for n in (0..COUNT - 1).rev() {
            value = V::multiply_add(value, at, V::splat(coefficients[n]));
        }
        value
    }
}
