//! The CPU evaluator equals its plain form, bit for bit: in all arithmetics, on every instruction set that
//! this processor has, over odd shapes.

use super::*;
use supermask::check::scores::Asked;
use supermask::evaluate::cpu::CpuEvaluator;
use supermask::evaluate::cpu::instructions::Instructions;
use supermask::evaluate::{EvaluateError, Evaluator};
use supermask::objective::margin::LIMIT;

fn on_cpu(case: &EvaluationCase, arithmetic: Arithmetic, instructions: Instructions) -> CpuEvaluator {
    CpuEvaluator::with_instructions(
        case.architecture(),
        &case.networks,
        case.dataset.clone(),
        arithmetic,
        instructions,
    )
    .expect("a case that can be scored")
}

/// Multiply-adds that an evaluator executes for each mask.
fn executed(case: &EvaluationCase, instructions: Instructions) -> Vec<u64> {
    let mut evaluator = on_cpu(case, Arithmetic::Fused, instructions);
    evaluator.score(Split::Train, case.batch()).expect("scores");
    evaluator.executed().to_vec()
}

/// Compares every evaluator with the plain form, by all objectives on all splits.
fn check(case: EvaluationCase) {
    for arithmetic in ARITHMETICS {
        let expected = case.plain_answers(arithmetic);
        // Subnormal numbers are flushed by portable code only.
        let sets = if arithmetic.flushes() { 1 } else { Instructions::available().len() };
        for &instructions in &Instructions::available()[..sets] {
            let mut asked = Asked::Other(Box::new(on_cpu(&case, arithmetic, instructions)));
            for split in Split::ALL {
                asked.scores(&case, split, &expected[split as usize]).unwrap_or_else(|fault| {
                    panic!("{} {arithmetic:?} {instructions:?}: {fault}", case.architecture())
                });
            }
        }
    }
}

/// Masks of every kind: all ones, all zeros, and five densities.
fn every_kind_of_mask(widths: &[usize], each: usize) -> Vec<u32> {
    let mut all = mixed_masks(widths, 2);
    for density in [0.02, 0.1, 0.5, 0.9, 0.97] {
        all.extend(masks(&architecture(widths), each, density, 7));
    }
    all
}

#[test]
fn every_shape_is_scored_as_in_the_plain_form() {
    for widths in [
        &[2, 1, 2][..],
        &[1, 1, 1],
        &[2, 20, 2],
        &[2, 75, 2],
        &[2, 100, 7],
        &[2, 50, 50, 2],
        &[33, 33, 33],
        &[33, 33, 2],
        &[5, 33, 33, 33, 3],
        &[64, 50, 50, 10],
        &[64, 20, 2],
        &[65, 130, 2],
        &[3, 7, 9, 11, 2],
        &[200, 150, 129, 4],
        &[17, 70, 64, 130, 5],
        &[2, 70, 70, 3],
        &[4, 130, 90, 20, 5],
    ] {
        // Several blocks of each instruction set, the last ones not full; a mask of a kind is enough where it is large.
        let each = if architecture(widths).weights() < 2_000 { 3 } else { 1 };
        check(EvaluationCase::new(widths, 203, 2, every_kind_of_mask(widths, each)));
    }
}

#[test]
fn one_sample_is_enough() {
    for widths in [&[2, 20, 2][..], &[9, 70, 5]] {
        check(EvaluationCase::new(widths, 1, 2, every_kind_of_mask(widths, 5)));
    }
}

#[test]
fn no_sample_gives_no_correct_sample() {
    check(EvaluationCase::new(&[2, 20, 2], 0, 2, every_kind_of_mask(&[2, 20, 2], 1)));
}

#[test]
fn no_mask_gives_no_count() {
    check(EvaluationCase::new(&[2, 20, 2], 10, 2, Vec::new()));
}

#[test]
fn many_samples_are_scored_as_in_the_plain_form() {
    check(EvaluationCase::new(&[2, 3, 2], 65_537, 2, every_kind_of_mask(&[2, 3, 2], 1)));
}

#[test]
fn a_single_mask_is_cut_into_parts_without_changing_its_count() {
    let widths = [2, 20, 3];
    check(EvaluationCase::new(&widths, 5_000, 2, masks(&architecture(&widths), 1, 0.5, 3)));
}

#[test]
fn a_thousand_masks_are_scored_in_their_order() {
    let widths = [2, 12, 2];
    check(EvaluationCase::new(&widths, 100, 2, masks(&architecture(&widths), 1000, 0.5, 4)));
}

#[test]
fn a_changed_weight_changes_a_count() {
    let widths = [2, 20, 2];
    let mut full = vec![0; architecture(&widths).mask_words()];
    mask::fill(&mut full, architecture(&widths).weights());
    let mut case = EvaluationCase::new(&widths, 2_000, 2, full);
    let before = plain_counts(&case, Arithmetic::Fused);
    // A strong weight from the first neuron that is ever active to the first output.
    let neuron =
        (0..20).find(|&n| case.networks[0].biases()[n] > 0.0).expect("a neuron with a positive bias");
    case.networks[0].weights_mut()[40 + neuron] += 5.0;
    for instructions in Instructions::available() {
        let mut evaluator = on_cpu(&case, Arithmetic::Fused, instructions);
        assert_ne!(evaluator.score(Split::Train, case.batch()).expect("scores"), before);
    }
    check(case);
}

#[test]
fn a_loss_is_what_a_hand_makes_of_it() {
    // With no active weight every output is its bias; half of the samples saturate.
    let widths = [2, 4, 2];
    let mut case = EvaluationCase::new(&widths, 99, 2, vec![0; architecture(&widths).mask_words()]);
    let dataset = Arc::make_mut(&mut case.dataset);
    dataset.train.labels = (0..99).map(|n| u32::from(n < 50)).collect();
    case.networks.iter_mut().for_each(|network| network.biases_mut()[4..].copy_from_slice(&[1e20, 0.25]));
    let tau = 0.5;
    let margin = Margin::new(tau).expect("a margin");
    for instructions in Instructions::available() {
        let mut evaluator = on_cpu(&case, Arithmetic::Fused, instructions);
        let scores = evaluator.judge(Split::Train, case.batch(), &[Objective::Margin(margin)]);
        let expected = Score { loss: 50 * LIMIT as u64, correct: 49 };
        assert_eq!(scores.expect("losses"), [expected]);
    }
    case.networks.iter_mut().for_each(|network| network.biases_mut()[4..].copy_from_slice(&[0.5, 0.25]));
    let mut evaluator = on_cpu(&case, Arithmetic::Fused, Instructions::best());
    let scores = evaluator.judge(Split::Train, case.batch(), &[Objective::Margin(margin)]);
    let steps = |hinge: f32| (hinge * hinge * margin.scale()) as u64;
    let expected = Score { loss: 50 * steps(tau + 0.25) + 49 * steps(tau - 0.25), correct: 49 };
    assert_eq!(scores.expect("losses"), [expected]);
}

#[test]
fn masks_that_miss_their_minimum_give_none_and_the_others_their_count() {
    for (widths, samples) in [(&[2, 20, 2][..], 5_000), (&[64, 50, 50, 10], 700)] {
        let case = EvaluationCase::new(widths, samples, 2, every_kind_of_mask(widths, 2));
        let counts = plain_counts(&case, Arithmetic::Fused);
        for instructions in Instructions::available() {
            let mut evaluator = on_cpu(&case, Arithmetic::Fused, instructions);
            let whole = executed(&case, instructions);
            for minimum in minimums(&counts, samples as u32) {
                let expected = reaching(&counts, &minimum);
                let found = evaluator.score_at_least(Split::Train, case.batch(), &minimum).expect("scores");
                assert_eq!(found, expected);
                let executed = whole.iter().zip(&found).map(|(&n, count)| count.map_or(0, |_| n));
                assert_eq!(
                    evaluator.executed(),
                    executed.collect::<Vec<_>>(),
                    "what is abandoned counts nothing"
                );
            }
        }
    }
}

#[test]
fn counts_do_not_depend_on_the_number_of_threads() {
    let widths = [2, 50, 50, 2];
    let case = EvaluationCase::new(&widths, 3_000, 2, masks(&architecture(&widths), 3, 0.5, 8));
    let count = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        let mut evaluator = on_cpu(&case, Arithmetic::Fused, Instructions::best());
        pool.install(|| {
            evaluator.score(Split::Train, case.batch()).map(|scores| (scores, evaluator.executed().to_vec()))
        })
        .expect("scores")
    };
    let one = count(1);
    assert_eq!(count(2), one);
    assert_eq!(count(7), one);
}

#[test]
fn ties_go_to_the_lowest_class() {
    // With no active weight every output is its bias: all equal.
    let widths = [2, 4, 5];
    let mut case = EvaluationCase::new(&widths, 100, 2, vec![0; architecture(&widths).mask_words()]);
    case.networks.iter_mut().for_each(|network| network.biases_mut().fill(0.25));
    let zeros = case.dataset.train.labels.iter().filter(|&&label| label == 0).count() as u32;
    for instructions in Instructions::available() {
        let mut evaluator = on_cpu(&case, Arithmetic::Fused, instructions);
        assert_eq!(evaluator.score(Split::Train, case.batch()).expect("scores"), [zeros]);
    }
}

#[test]
fn subnormal_sums_are_kept_or_flushed_as_the_arithmetic_says() {
    check(EvaluationCase::of_subnormal_sums(20));
    let case = EvaluationCase::of_subnormal_sums(20);
    let counts = ARITHMETICS.map(|arithmetic| plain_counts(&case, arithmetic));
    assert_ne!(counts[0], counts[2]);
    assert_ne!(counts[1], counts[3]);
}

#[test]
fn subnormal_parameters_and_features_are_refused_where_they_are_flushed() {
    let case = EvaluationCase::of_subnormal_sums(2);
    let mut tiny = case.networks[0].clone();
    tiny.weights_mut()[1] = 1e-40;
    for arithmetic in ARITHMETICS {
        let mut evaluator = on_cpu(&case, arithmetic, Instructions::best());
        assert_eq!(evaluator.set_network(0, &tiny).is_err(), arithmetic.flushes());
        let mut dataset = Dataset::clone(&case.dataset);
        dataset.train.features[3] = -1e-40;
        let built = CpuEvaluator::new(case.architecture(), &case.networks, Arc::new(dataset), arithmetic);
        let refused = built.err().map(|error| error.to_string());
        assert_eq!(refused.is_some(), arithmetic.flushes());
        assert!(refused.is_none_or(|error| error.contains("the features hold numbers nearer to zero")));
    }
}

#[test]
fn activations_that_could_overflow_are_refused() {
    let widths = [2, 4, 2];
    let (architecture, dataset) =
        (architecture(&widths), EvaluationCase::new(&widths, 10, 1, Vec::new()).dataset);
    let mut huge = network(&widths, 1);
    huge.weights_mut().fill(1e20);
    let built =
        CpuEvaluator::new(&architecture, std::slice::from_ref(&huge), dataset.clone(), Arithmetic::Fused);
    assert!(matches!(built.err(), Some(EvaluateError::Unsupported(text)) if text.contains("32-bit floats")));
    let good = network(&widths, 1);
    let mut evaluator =
        CpuEvaluator::new(&architecture, &[good], dataset, Arithmetic::Fused).expect("a good network");
    assert!(evaluator.set_network(0, &huge).is_err());
    huge.weights_mut().fill(f32::NAN);
    assert!(evaluator.set_network(0, &huge).is_err());
}

#[test]
fn only_multiply_adds_that_matter_are_executed() {
    // Hidden neuron 0 has both inputs and feeds output 1; neuron 1 has an input but no reader; neuron 2 has
    // a reader but no input, and a negative bias: a constant zero.
    let widths = [2, 3, 2];
    let mut case = EvaluationCase::new(&widths, 10, 2, vec![0]);
    for bit in [0, 1, 2, 6 + 3, 6 + 2] {
        mask::flip(&mut case.masks, bit);
    }
    case.networks[0].biases_mut()[2] = -0.5;
    for instructions in Instructions::available() {
        assert_eq!(executed(&case, instructions), [3 * 10]);
    }
    check(case);
}

#[test]
fn a_neuron_that_is_silent_for_a_whole_block_costs_nothing() {
    // All features lie in [-1, 1], so that sums of two or five terms stay below the bias's five.
    for (widths, products) in [([2, 20, 3], 0), ([5, 20, 3], 20 * 5)] {
        let words = architecture(&widths).mask_words();
        let mut case = EvaluationCase::new(&widths, 200, 2, vec![u32::MAX; words]);
        case.networks[0].biases_mut()[..20].fill(-5.5);
        for instructions in Instructions::available() {
            assert_eq!(executed(&case, instructions), [products * 200], "{widths:?}, {instructions:?}");
        }
        check(case);
    }
}

#[test]
fn a_neuron_that_is_silent_for_a_sample_costs_a_wide_layer_nothing_for_it() {
    // Hidden neuron i hands on feature i alone where it is above zero; the second hidden layer has all its
    // weights and biases that keep it above zero.
    let widths = [64, 64, 64, 3];
    let architecture = architecture(&widths);
    let mut case = EvaluationCase::new(&widths, 200, 2, vec![u32::MAX; architecture.mask_words()]);
    let first = 64 * 64;
    for bit in (0..first).filter(|bit| bit / 64 != bit % 64) {
        mask::flip(&mut case.masks, bit);
    }
    let network = &mut case.networks[0];
    network.weights_mut()[..first].fill(1.0);
    network.biases_mut()[..64].fill(0.0);
    network.biases_mut()[64..128].fill(100.0);
    let audible = case.dataset.train.features.iter().filter(|&&feature| feature > 0.0).count() as u64;
    for instructions in Instructions::available() {
        assert_eq!(executed(&case, instructions), [200 * (64 + 3 * 64) + 64 * audible], "{instructions:?}");
    }
    check(case);
}

#[test]
fn second_hidden_layers_are_bounded_where_blocks_are_many() {
    // So many samples make 128 blocks with every instruction set.
    const SAMPLES: usize = 16_400;
    for widths in [&[2, 20, 20, 3][..], &[3, 20, 70, 12, 4]] {
        let of_density = |density| masks(&architecture(widths), 1, density, 7);
        check(EvaluationCase::new(widths, SAMPLES, 2, [0.1, 0.5, 0.9].map(of_density).concat()));
    }
    for (widths, hidden) in [([2, 20, 20, 3], 20), ([2, 20, 9, 2], 9)] {
        let words = architecture(&widths).mask_words();
        let mut case = EvaluationCase::new(&widths, SAMPLES, 2, vec![u32::MAX; words]);
        case.networks[0].biases_mut()[..20].fill(5.0);
        case.networks[0].biases_mut()[20..20 + hidden].fill(-200.0);
        for instructions in Instructions::available() {
            assert_eq!(
                executed(&case, instructions),
                [2 * 20 * SAMPLES as u64],
                "{widths:?}, {instructions:?}"
            );
        }
        check(case);
    }
}

#[test]
fn features_that_are_zero_for_a_whole_block_cost_nothing() {
    let mut case = EvaluationCase::new(&[6, 9, 3], 200, 2, vec![u32::MAX; 3]);
    let dataset = Arc::make_mut(&mut case.dataset);
    for sample in dataset.train.features.chunks_exact_mut(6) {
        sample[1] = 0.0;
        sample[4] = 0.0;
    }
    let executed = executed(&case, Instructions::best());
    assert!(executed[0] <= 200 * 9 * (4 + 3), "{executed:?}");
    check(case);
}
