//! Correct before timed: an evaluator's counts against the plain form's.

use crate::bench::Workload;
use crate::dataset::Split;
use crate::evaluate::plain;
use crate::evaluate::{Batch, EvaluateError, Evaluator};

/// Masks that the plain form scores, spread over the batch.
const MASKS: usize = 4;

/// Multiply-adds that the plain form does at most, beyond the fewest samples: a second's work.
const MULTIPLY_ADDS: usize = 20_000_000;

/// The fewest samples of a check: no multiple of any block, so that the last one is not full.
const FEWEST_SAMPLES: usize = 19;

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

/// How many samples of their own a network of so many weights is checked on: an odd number. None where the
/// plain form can do all of `timed`, the samples that are timed.
pub fn samples(weights: usize, timed: usize) -> Option<usize> {
    let most = MULTIPLY_ADDS / MASKS / weights.max(1);
    (timed > most).then(|| most.max(FEWEST_SAMPLES) | 1)
}

/// Scores the whole batch on `split`, and compares some of its masks with the plain form, in the evaluator's
/// arithmetic.
///
/// # Errors
/// Names the first mask whose count differs.
pub fn check(evaluator: &mut dyn Evaluator, workload: &Workload, split: Split) -> Result<(), CheckError> {
    let masks = workload.size.masks;
    let networks = vec![0; masks];
    let samples = workload.dataset.split(split);
    let counts = evaluator.score(split, Batch { masks: &workload.masks, networks: &networks })?;
    let words = workload.size.network.mask_words();
    let chosen = MASKS.min(masks);
    for turn in 0..chosen {
        // The first and the last are among them.
        let mask = if chosen == 1 { 0 } else { turn * (masks - 1) / (chosen - 1) };
        let bits = &workload.masks[mask * words..][..words];
        let expected = plain::count_correct(&workload.network, bits, samples, evaluator.arithmetic());
        if counts.get(mask) != Some(&expected) {
            return Err(CheckError::Mismatch {
                network: workload.size.network.to_string(),
                mask,
                samples: samples.len(),
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
    use crate::archive::throughput::WorkloadSize;
    use crate::evaluate::Arithmetic;
    use crate::evaluate::cpu::CpuEvaluator;
    use crate::network::Architecture;
    use std::sync::Arc;

    /// A workload, and an evaluator that was made for it.
    fn case() -> (Workload, CpuEvaluator) {
        let network = Architecture::try_from(vec![2, 9, 2]).expect("an architecture");
        let size = WorkloadSize { network, masks: 5, samples: 20, density: 0.5 };
        let workload = Workload::new(size, 301).expect("a workload");
        let networks = std::slice::from_ref(&workload.network);
        let dataset = Arc::new(workload.dataset.clone());
        let evaluator = CpuEvaluator::new(&workload.size.network, networks, dataset, Arithmetic::Fused);
        (workload, evaluator.expect("an evaluator"))
    }

    #[test]
    fn the_evaluator_agrees_with_the_plain_form() {
        let (workload, mut evaluator) = case();
        for split in [Split::Train, Split::Test] {
            check(&mut evaluator, &workload, split).expect("equal counts");
        }
    }

    #[test]
    fn a_count_that_is_off_by_one_is_found() {
        let (mut workload, mut evaluator) = case();
        workload.dataset.train.labels[0] ^= 1;
        let error = check(&mut evaluator, &workload, Split::Train).expect_err("a difference").to_string();
        assert!(error.contains("mask 0") && error.contains("[2, 9, 2]"), "{error}");
    }

    #[test]
    fn small_work_is_checked_as_a_whole_and_large_work_on_fewer_samples() {
        assert_eq!(samples(80, 50_000), None);
        assert_eq!(samples(100_000, 1_347), Some(51));
        assert_eq!(samples(300_000_000, 20), Some(FEWEST_SAMPLES));
    }
}
