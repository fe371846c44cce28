//! Correct before timed: an evaluator's counts against the plain form's.

use crate::bench::Workload;
use crate::dataset::{Samples, Split};
use crate::evaluate::cpu::plain;
use crate::evaluate::{Arithmetic, Batch, EvaluateError, Evaluator};
use crate::network::Network;

/// Masks that the plain form scores, spread over the batch.
const MASKS: usize = 4;

/// Multiply-adds that the plain form does at most, beyond the fewest samples: a second's work.
const MULTIPLY_ADDS: usize = 20_000_000;

/// The samples of a check: no multiple of any block, so that the last one is not full.
const MOST_SAMPLES: usize = 301;
const FEWEST_SAMPLES: usize = 19;

/// Counts correct samples: what an evaluator is held against.
pub type Reference = fn(&Network, &[u32], &Samples, Arithmetic) -> u32;

/// The right answer.
pub const PLAIN: Reference = plain::count_correct;

/// An evaluator that does not compute what it should.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error(
        "mask {mask} of the network {network}: the evaluator counts {found} of {samples} samples correct, the plain \
         form {expected}; nothing is timed that is wrong"
    )]
    Mismatch { network: String, mask: usize, samples: usize, found: u32, expected: u32 },
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
}

/// How many samples a network of so many weights is checked on.
pub fn samples(weights: usize) -> usize {
    (MULTIPLY_ADDS / MASKS / weights.max(1)).clamp(FEWEST_SAMPLES, MOST_SAMPLES)
}

/// Scores the whole batch on the test set, and compares some of its masks with `reference`, in the
/// evaluator's arithmetic.
///
/// # Errors
/// Names the first mask whose count differs.
pub fn check(
    evaluator: &mut dyn Evaluator,
    workload: &Workload,
    reference: Reference,
) -> Result<(), CheckError> {
    let masks = workload.shape.masks;
    let networks = vec![0; masks];
    let counts = evaluator.score(Split::Test, Batch { masks: &workload.masks, networks: &networks })?;
    let words = workload.shape.network.mask_words();
    let chosen = MASKS.min(masks);
    for turn in 0..chosen {
        // The first and the last are among them.
        let mask = if chosen == 1 { 0 } else { turn * (masks - 1) / (chosen - 1) };
        let bits = &workload.masks[mask * words..][..words];
        let expected = reference(&workload.network, bits, &workload.dataset.test, evaluator.arithmetic());
        if counts.get(mask) != Some(&expected) {
            return Err(CheckError::Mismatch {
                network: workload.shape.network.to_string(),
                mask,
                samples: workload.dataset.test.len(),
                found: counts.get(mask).copied().unwrap_or_default(),
                expected,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Shape;
    use crate::evaluate::cpu::CpuEvaluator;
    use crate::network::Architecture;
    use std::sync::Arc;

    fn checked(reference: Reference) -> Result<(), CheckError> {
        let network = Architecture::try_from(vec![2, 9, 2]).expect("an architecture");
        let shape = Shape { network, masks: 5, samples: 20, density: 0.5 };
        let workload = Workload::new(shape, samples(36)).expect("a workload");
        let networks = std::slice::from_ref(&workload.network);
        let dataset = Arc::new(workload.dataset.clone());
        let mut evaluator = CpuEvaluator::new(&workload.shape.network, networks, dataset, Arithmetic::Fused)
            .expect("an evaluator");
        check(&mut evaluator, &workload, reference)
    }

    #[test]
    fn the_evaluator_agrees_with_the_plain_form() {
        checked(PLAIN).expect("equal counts");
    }

    #[test]
    fn a_count_that_is_off_by_one_is_found() {
        let wrong = |network: &Network, mask: &[u32], samples: &Samples, arithmetic| {
            plain::count_correct(network, mask, samples, arithmetic) ^ 1
        };
        let error = checked(wrong).expect_err("a difference").to_string();
        assert!(error.contains("mask 0") && error.contains("[2, 9, 2]"), "{error}");
    }

    #[test]
    fn large_networks_are_checked_on_fewer_samples() {
        assert_eq!(samples(80), MOST_SAMPLES);
        assert_eq!(samples(300_000_000), FEWEST_SAMPLES);
    }
}
