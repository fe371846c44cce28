//! Softmax and cross-entropy, for searches that minimise it (arXiv 2508.08877), as an exact integer.
//!
//! A sample of class `y` with outputs `z` costs `−ln softmax(z)[y] = ln Σ_c exp(z_c − z_max) + (z_max − z_y)`. Polynomials
//! stand for the exponential and the logarithm, so that nothing is needed but multiply-add, subtract, minimum, floor
//! and the bits of an exponent, and it is equal bit for bit on every evaluator of one [`Arithmetic`] mode. The order is:
//!
//! 1. `sum = 0`, then for each class in ascending order `t = fma(min(z_max − z_c, CUT), log2 e, 0)`, `n = floor(t)`,
//!    `sum = fma(E(t − n), 2^−n, sum)`, where `E(f)` is nearly `2^−f` ([`POWER`], by Horner's rule in multiply-adds);
//! 2. `sum = 2^k · m` with `m` in `[1, 2)`; where `m > √2`, `m` is halved and `k` one more;
//! 3. the steps are `45426 k + floor(2^16 · fma(r, L(r), 0)) + truncate(2^16 · min(z_max − z_y, FARTHEST))` with
//!    `r = m − 1`, where `L(r)` is nearly `ln(1 + r) / r` ([`LOGARITHM`]); those of all samples are summed as 64-bit integers,
//!    in any order.
//!
//! Parts are rounded before they are added, because compilers of kernels reorder sums of floats with constants in them.
//! [`sample_steps`] is the plain form. It lies at most 3 steps, 5 · 10^-5 nats, below the exact loss.

use crate::arithmetic::{Arithmetic, fma};
use std::f32::consts::{LOG2_E, SQRT_2};

/// Steps per nat.
pub const STEPS_PER_NAT: f32 = 65_536.0;

/// Steps of the logarithm of 2, rounded.
pub const STEPS_OF_LN_2: f32 = 45_426.0;

/// Nats that the right output may lie below the largest, as far as they count: so a sample has at most 2^30 steps.
pub const FARTHEST: f32 = 16_368.0;

/// Nats below the largest output from which on another adds nothing to a sum of 1 and more.
pub const CUT: f32 = 44.0;

/// Coefficients of `2^−f` on `[0, 1]`, the lowest power first: minimax under `E(0) = 1`, to 2 parts in 10^9 before rounding.
pub const POWER: [f32; 7] =
    [1.0, -0.693_147_06, 0.240_224_36, -0.055_490_76, 0.009_579_18, -0.001_274_748_4, 0.000_109_023_24];

/// Coefficients of `ln(1 + r) / r` on `[√½ − 1, √2 − 1]`, the lowest power first: minimax, to 2 parts in 10^7.
pub const LOGARITHM: [f32; 8] = [
    0.999_999_94,
    -0.500_003_46,
    0.333_356_08,
    -0.249_715_6,
    0.198_842_36,
    -0.172_124_28,
    0.163_381_43,
    -0.103_787_065,
];

/// The loss of one sample with `outputs` (`[classes]`) of class `label`, in steps.
pub fn sample_steps(outputs: &[f32], label: u32, arithmetic: Arithmetic) -> u32 {
    let largest = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for &output in outputs {
        let scaled = fma(arithmetic, (largest - output).min(CUT), LOG2_E, 0.0);
        let whole = scaled.floor();
        let power = polynomial(&POWER, scaled - whole, arithmetic);
        sum = fma(arithmetic, power, f32::from_bits((127 - whole as u32) << 23), sum);
    }
    let mut exponent = (sum.to_bits() >> 23) as f32 - 127.0;
    let mut mantissa = f32::from_bits(sum.to_bits() & 0x007f_ffff | 0x3f80_0000);
    if mantissa > SQRT_2 {
        mantissa *= 0.5;
        exponent += 1.0;
    }
    let above = mantissa - 1.0;
    let logarithm = fma(arithmetic, above, polynomial(&LOGARITHM, above, arithmetic), 0.0);
    let of_sum = exponent * STEPS_OF_LN_2 + (logarithm * STEPS_PER_NAT).floor();
    let distance = (largest - outputs[label as usize]).min(FARTHEST);
    of_sum as u32 + (distance * STEPS_PER_NAT) as u32
}

fn polynomial(coefficients: &[f32], at: f32, arithmetic: Arithmetic) -> f32 {
    let powers = coefficients.iter().rev().copied();
    powers.reduce(|value, coefficient| fma(arithmetic, value, at, coefficient)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Concern, stream, unit};

    /// In f64, by the library's functions.
    fn exact(outputs: &[f32], label: u32) -> f64 {
        let largest = f64::from(outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let sum: f64 = outputs.iter().map(|&output| (f64::from(output) - largest).exp()).sum();
        (sum.ln() + (largest - f64::from(outputs[label as usize]))) * f64::from(STEPS_PER_NAT)
    }

    #[test]
    fn the_loss_is_cross_entropy_to_within_three_steps() {
        let mut rng = stream(7, Concern::Bench);
        for arithmetic in Arithmetic::ALL {
            for case in 0..20_000 {
                let classes = 2 + case % 12;
                let scale = [0.01, 1.0, 8.0, 60.0][case % 4];
                let outputs: Vec<f32> =
                    (0..classes).map(|_| (scale * (2.0 * unit(&mut rng) - 1.0)) as f32).collect();
                let label = (case / 3 % classes) as u32;
                let (found, exact) =
                    (f64::from(sample_steps(&outputs, label, arithmetic)), exact(&outputs, label));
                assert!(
                    (-0.2 - 1e-7 * exact..3.0).contains(&(exact - found)),
                    "{outputs:?}, {label}: {found}, {exact}"
                );
            }
        }
    }

    #[test]
    fn equal_outputs_cost_the_logarithm_of_their_number() {
        for classes in [1, 2, 3, 8, 100, 70_000] {
            let expected = f64::from(STEPS_PER_NAT) * f64::from(classes).ln();
            let found = sample_steps(&vec![3.0; classes as usize], 0, Arithmetic::Fused);
            assert!((f64::from(found) - expected).abs() <= 3.0, "{classes}: {found}");
        }
        assert_eq!(sample_steps(&[-1e30], 0, Arithmetic::Fused), 0);
    }

    #[test]
    fn a_hopeless_sample_costs_its_distance_and_saturates() {
        let hopeless = sample_steps(&[100.0, 0.0, 0.0], 2, Arithmetic::Separate);
        assert_eq!(hopeless, 100 * STEPS_PER_NAT as u32);
        let farthest = sample_steps(&[1e38, -1e38], 1, Arithmetic::Fused);
        assert_eq!(farthest, 16_368 * STEPS_PER_NAT as u32);
        let most = sample_steps(&[vec![1e38; 100_000], vec![-1e38]].concat(), 100_000, Arithmetic::Fused);
        assert!(farthest < most && most <= 1 << 30);
    }

    #[test]
    fn no_subnormal_difference_is_lost_where_they_are_flushed() {
        let outputs = [1e-39, 2e-39, -1e-39];
        for label in 0..3 {
            let [fused, separate, fused_flushed, separate_flushed] =
                Arithmetic::ALL.map(|arithmetic| sample_steps(&outputs, label, arithmetic));
            assert_eq!((fused, separate), (fused_flushed, separate_flushed));
        }
    }
}
