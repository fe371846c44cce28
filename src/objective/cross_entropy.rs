//! Cross-entropy, for comparison with searches that minimise it (arXiv 2508.08877).
//!
//! Outputs are f32 in the evaluator's arithmetic; exponentials, their sum in ascending order of classes and
//! the logarithm are f64, by functions that do not depend on the platform. The plain form and every CPU
//! kernel share this function, and so are equal bit for bit.

use super::margin::LIMIT;

/// Steps per nat. A sample's loss saturates at 2^30 steps, which are 16,384 nats.
pub const STEPS_PER_NAT: f64 = 65_536.0;

/// `−ln softmax(outputs)[label]` of one sample, in steps.
pub fn sample_steps(outputs: &[f32], label: u32) -> u32 {
    let largest = f64::from(outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = outputs.iter().map(|&output| libm::exp(f64::from(output) - largest)).sum();
    let nats = libm::log(sum) + (largest - f64::from(outputs[label as usize]));
    (nats * STEPS_PER_NAT).min(f64::from(LIMIT)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_outputs_cost_the_logarithm_of_their_number() {
        assert_eq!(sample_steps(&[3.0; 8], 5), (STEPS_PER_NAT * 8f64.ln()) as u32);
        assert_eq!(sample_steps(&[-1e30], 0), 0);
    }

    #[test]
    fn a_hopeless_sample_costs_its_distance_and_saturates() {
        assert_eq!(sample_steps(&[100.0, 0.0, 0.0], 2), 100 * STEPS_PER_NAT as u32);
        assert_eq!(sample_steps(&[1e38, -1e38], 1), LIMIT as u32);
    }
}
