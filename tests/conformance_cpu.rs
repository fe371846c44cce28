//! The CPU evaluator equals its plain form, bit for bit: in both arithmetics, on every instruction set that
//! this processor has, over odd shapes.

use rand::Rng;
use std::sync::Arc;
use supermask::dataset::{Dataset, Samples, Schema, Split};
use supermask::evaluate::cpu::CpuEvaluator;
use supermask::evaluate::cpu::instructions::Instructions;
use supermask::evaluate::plain::{self, count_correct};
use supermask::evaluate::{Arithmetic, Batch, EvaluateError, Evaluator};
use supermask::mask;
use supermask::network::{Architecture, Network};
use supermask::objective::margin::{LIMIT, Margin};
use supermask::objective::{Objective, Score};
use supermask::random::{Concern, Stream, chance, stream, unit};

const ARITHMETICS: [Arithmetic; 2] = [Arithmetic::Fused, Arithmetic::Separate];

/// From margins that saturate nearly every sample to one that no sample reaches.
const TAUS: [f32; 5] = [1e-6, 0.01, 1.0, 7.5, 1e6];

/// A loss for each of `masks`, in turn.
fn objectives(masks: usize) -> Vec<Objective> {
    let margins = TAUS.map(|tau| Objective::Margin(Margin::new(tau).expect("a margin")));
    let all = [&margins[..], &[Objective::CrossEntropy]].concat();
    (0..masks).map(|mask| all[mask % all.len()]).collect()
}

fn architecture(widths: &[usize]) -> Architecture {
    widths.to_vec().try_into().expect("a valid architecture")
}

fn uniform(rng: &mut Stream) -> f32 {
    (2.0 * unit(rng) - 1.0) as f32
}

fn network(architecture: &Architecture, seed: u64) -> Network {
    let mut rng = stream(seed, Concern::Network);
    Network {
        architecture: architecture.clone(),
        weights: (0..architecture.weights()).map(|_| uniform(&mut rng)).collect(),
        biases: (0..architecture.biases()).map(|_| uniform(&mut rng)).collect(),
    }
}

fn samples(count: usize, width: usize, classes: usize, seed: u64) -> Samples {
    let mut rng = stream(seed, Concern::Split);
    Samples {
        features: (0..count * width).map(|_| uniform(&mut rng)).collect(),
        labels: (0..count).map(|_| rng.next_u32() % classes as u32).collect(),
        width,
    }
}

fn dataset(architecture: &Architecture, train: usize, test: usize) -> Arc<Dataset> {
    let (width, classes) = (architecture.inputs(), architecture.outputs());
    Arc::new(Dataset::new(
        samples(train, width, classes, 1),
        samples(test, width, classes, 2),
        samples(53, width, classes, 3),
        Schema::numbered(classes),
    ))
}

/// `count` masks whose bits are set with probability `density`.
fn masks(architecture: &Architecture, count: usize, density: f64, seed: u64) -> Vec<u32> {
    let mut rng = stream(seed, Concern::InitialPopulation);
    let words = architecture.mask_words();
    let mut masks = vec![0; count * words];
    for mask in masks.chunks_exact_mut(words) {
        for bit in (0..architecture.weights()).filter(|_| chance(&mut rng, density)) {
            mask::flip(mask, bit);
        }
    }
    masks
}

/// One case: two networks that the masks name in turn.
struct Case {
    networks: Vec<Network>,
    dataset: Arc<Dataset>,
    masks: Vec<u32>,
    names: Vec<u32>,
}

impl Case {
    fn new(widths: &[usize], samples: usize, masks: Vec<u32>) -> Self {
        let architecture = architecture(widths);
        let names = (0..masks.len() / architecture.mask_words()).map(|n| n as u32 % 2).collect();
        Self {
            networks: vec![network(&architecture, 5), network(&architecture, 6)],
            dataset: dataset(&architecture, samples, samples / 3),
            masks,
            names,
        }
    }

    fn batch(&self) -> Batch<'_> {
        Batch { masks: &self.masks, networks: &self.names }
    }

    fn evaluator(&self, arithmetic: Arithmetic, instructions: Instructions) -> CpuEvaluator {
        CpuEvaluator::with_instructions(
            &self.networks[0].architecture,
            &self.networks,
            self.dataset.clone(),
            arithmetic,
            instructions,
        )
        .expect("a case that can be scored")
    }

    fn plain(&self, split: Split, arithmetic: Arithmetic) -> Vec<u32> {
        let words = self.networks[0].architecture.mask_words();
        self.masks
            .chunks_exact(words)
            .zip(&self.names)
            .map(|(mask, &name)| {
                count_correct(&self.networks[name as usize], mask, self.dataset.split(split), arithmetic)
            })
            .collect()
    }

    fn plain_losses(&self, split: Split, losses: &[Objective], arithmetic: Arithmetic) -> Vec<Score> {
        let words = self.networks[0].architecture.mask_words();
        let masks = self.masks.chunks_exact(words).zip(&self.names).zip(losses);
        masks
            .map(|((mask, &name), loss)| {
                let network = &self.networks[name as usize];
                plain::score(network, mask, self.dataset.split(split), loss, arithmetic)
            })
            .collect()
    }

    /// Compares every evaluator with the plain form, on both splits.
    fn check(&self) {
        for arithmetic in ARITHMETICS {
            for split in Split::ALL {
                let losses = objectives(self.names.len());
                let expected_losses = self.plain_losses(split, &losses, arithmetic);
                let expected: Vec<u32> = expected_losses.iter().map(|score| score.correct).collect();
                for instructions in Instructions::available() {
                    let mut evaluator = self.evaluator(arithmetic, instructions);
                    let counts = evaluator.score(split, self.batch()).expect("scores");
                    assert_eq!(
                        counts, expected,
                        "{} {arithmetic:?} {instructions:?} {split:?}",
                        self.networks[0].architecture
                    );
                    let scores = evaluator.judge(split, self.batch(), &losses).expect("losses");
                    assert_eq!(
                        scores, expected_losses,
                        "{} {arithmetic:?} {instructions:?} {split:?}",
                        self.networks[0].architecture
                    );
                }
            }
        }
    }
}

/// Masks of every kind: all ones, all zeros, and three densities.
fn every_kind_of_mask(widths: &[usize], each: usize) -> Vec<u32> {
    let architecture = architecture(widths);
    let mut full = vec![0; architecture.mask_words()];
    mask::fill(&mut full, architecture.weights());
    let mut all = [full, vec![0; architecture.mask_words()]].concat();
    for density in [0.02, 0.1, 0.5, 0.9, 0.97] {
        all.extend(masks(&architecture, each, density, 7));
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
        Case::new(widths, 333, every_kind_of_mask(widths, 3)).check();
    }
}

#[test]
fn one_sample_is_enough() {
    for widths in [&[2, 20, 2][..], &[9, 70, 5]] {
        Case::new(widths, 1, every_kind_of_mask(widths, 5)).check();
    }
}

#[test]
fn no_sample_gives_no_correct_sample() {
    Case::new(&[2, 20, 2], 0, every_kind_of_mask(&[2, 20, 2], 1)).check();
}

#[test]
fn no_mask_gives_no_count() {
    Case::new(&[2, 20, 2], 10, Vec::new()).check();
}

#[test]
fn many_samples_are_scored_as_in_the_plain_form() {
    Case::new(&[2, 3, 2], 65_537, every_kind_of_mask(&[2, 3, 2], 1)).check();
}

#[test]
fn a_single_mask_is_cut_into_parts_without_changing_its_count() {
    let widths = [2, 20, 3];
    Case::new(&widths, 5_000, masks(&architecture(&widths), 1, 0.5, 3)).check();
}

#[test]
fn a_thousand_masks_are_scored_in_their_order() {
    let widths = [2, 12, 2];
    Case::new(&widths, 100, masks(&architecture(&widths), 1000, 0.5, 4)).check();
}

#[test]
fn a_changed_weight_changes_a_count() {
    let widths = [2, 20, 2];
    let mut full = vec![0; architecture(&widths).mask_words()];
    mask::fill(&mut full, architecture(&widths).weights());
    let mut case = Case::new(&widths, 2_000, full);
    let before = case.plain(Split::Train, Arithmetic::Fused);
    // A strong weight from the first neuron that is ever active to the first output.
    let neuron = (0..20).find(|&n| case.networks[0].biases[n] > 0.0).expect("a neuron with a positive bias");
    case.networks[0].weights[40 + neuron] += 5.0;
    for instructions in Instructions::available() {
        let mut evaluator = case.evaluator(Arithmetic::Fused, instructions);
        assert_ne!(evaluator.score(Split::Train, case.batch()).expect("scores"), before);
    }
    case.check();
}

#[test]
fn a_loss_is_what_a_hand_makes_of_it() {
    // With no active weight every output is its bias; half of the samples saturate.
    let widths = [2, 4, 2];
    let mut case = Case::new(&widths, 99, vec![0; architecture(&widths).mask_words()]);
    let dataset = Arc::make_mut(&mut case.dataset);
    dataset.train.labels = (0..99).map(|n| u32::from(n < 50)).collect();
    case.networks.iter_mut().for_each(|network| network.biases[4..].copy_from_slice(&[1e20, 0.25]));
    let tau = 0.5;
    let margin = Margin::new(tau).expect("a margin");
    for instructions in Instructions::available() {
        let mut evaluator = case.evaluator(Arithmetic::Fused, instructions);
        let scores = evaluator.judge(Split::Train, case.batch(), &[Objective::Margin(margin)]);
        let expected = Score { loss: 50 * LIMIT as u64, correct: 49 };
        assert_eq!(scores.expect("losses"), [expected]);
    }
    case.networks.iter_mut().for_each(|network| network.biases[4..].copy_from_slice(&[0.5, 0.25]));
    let mut evaluator = case.evaluator(Arithmetic::Fused, Instructions::best());
    let scores = evaluator.judge(Split::Train, case.batch(), &[Objective::Margin(margin)]);
    let steps = |hinge: f32| (hinge * hinge * margin.scale()) as u64;
    let expected = Score { loss: 50 * steps(tau + 0.25) + 49 * steps(tau - 0.25), correct: 49 };
    assert_eq!(scores.expect("losses"), [expected]);
}

#[test]
fn a_sample_of_a_class_without_an_output_has_no_loss() {
    let widths = [2, 4, 3];
    let mut case = Case::new(&widths, 20, masks(&architecture(&widths), 1, 0.5, 1));
    Arc::make_mut(&mut case.dataset).train.labels[7] = 3;
    let mut evaluator = case.evaluator(Arithmetic::Fused, Instructions::best());
    let error = evaluator.judge(Split::Train, case.batch(), &objectives(1)).expect_err("no loss");
    assert!(error.to_string().contains("3 outputs, but a sample is of class 3"), "{error}");
    assert!(evaluator.judge(Split::Test, case.batch(), &objectives(1)).is_ok());
    assert!(evaluator.judge(Split::Test, case.batch(), &objectives(2)).is_err());
}

#[test]
fn a_replaced_network_is_the_one_that_is_scored() {
    let widths = [2, 20, 2];
    let mut case = Case::new(&widths, 500, masks(&architecture(&widths), 6, 0.5, 3));
    let mut evaluator = case.evaluator(Arithmetic::Fused, Instructions::best());
    let before = evaluator.score(Split::Train, case.batch()).expect("scores");
    case.networks[1] = network(&architecture(&widths), 99);
    evaluator.set_network(1, &case.networks[1]).expect("a network of the right shape");
    let after = evaluator.score(Split::Train, case.batch()).expect("scores");
    assert_eq!(after, case.plain(Split::Train, Arithmetic::Fused));
    assert_ne!(after, before);
}

#[test]
fn masks_that_miss_their_minimum_give_none_and_the_others_their_count() {
    for (widths, samples) in [(&[2, 20, 2][..], 5_000), (&[64, 50, 50, 10], 700)] {
        let case = Case::new(widths, samples, every_kind_of_mask(widths, 5));
        let counts = case.plain(Split::Train, Arithmetic::Fused);
        for instructions in Instructions::available() {
            let mut evaluator = case.evaluator(Arithmetic::Fused, instructions);
            // Just reached, just missed, trivial, and impossible.
            for minimum in [
                counts.clone(),
                counts.iter().map(|count| count + 1).collect(),
                vec![0; counts.len()],
                vec![u32::MAX; counts.len()],
                vec![samples as u32 / 2; counts.len()],
            ] {
                let expected: Vec<Option<u32>> =
                    counts.iter().zip(&minimum).map(|(&n, &least)| (n >= least).then_some(n)).collect();
                let found = evaluator.score_at_least(Split::Train, case.batch(), &minimum).expect("scores");
                assert_eq!(found, expected);
                let whole = evaluator.multiply_adds(Split::Train, case.batch()).expect("a good batch");
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
    let case = Case::new(&widths, 3_000, masks(&architecture(&widths), 3, 0.5, 8));
    let count = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        let mut evaluator = case.evaluator(Arithmetic::Fused, Instructions::best());
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
    let mut case = Case::new(&widths, 100, vec![0; architecture(&widths).mask_words()]);
    case.networks.iter_mut().for_each(|network| network.biases.fill(0.25));
    let zeros = case.dataset.train.labels.iter().filter(|&&label| label == 0).count() as u32;
    for instructions in Instructions::available() {
        let mut evaluator = case.evaluator(Arithmetic::Fused, instructions);
        assert_eq!(evaluator.score(Split::Train, case.batch()).expect("scores"), [zeros]);
    }
}

#[test]
fn activations_that_could_overflow_are_refused() {
    let architecture = architecture(&[2, 4, 2]);
    let mut huge = network(&architecture, 1);
    huge.weights.fill(1e20);
    let dataset = dataset(&architecture, 10, 10);
    let built =
        CpuEvaluator::new(&architecture, std::slice::from_ref(&huge), dataset.clone(), Arithmetic::Fused);
    assert!(matches!(built.err(), Some(EvaluateError::Unsupported(text)) if text.contains("32-bit floats")));
    let good = network(&architecture, 1);
    let mut evaluator =
        CpuEvaluator::new(&architecture, &[good], dataset, Arithmetic::Fused).expect("a good network");
    assert!(evaluator.set_network(0, &huge).is_err());
    huge.weights.fill(f32::NAN);
    assert!(evaluator.set_network(0, &huge).is_err());
}

#[test]
fn a_batch_of_the_wrong_size_is_an_error_and_no_panic() {
    let case = Case::new(&[2, 20, 2], 10, vec![0; 3]);
    let mut evaluator = case.evaluator(Arithmetic::Fused, Instructions::best());
    for batch in [
        Batch { masks: &[0; 2], networks: &[0] },
        Batch { masks: &[0; 3], networks: &[2] },
        Batch { masks: &[0; 3], networks: &[] },
    ] {
        assert!(matches!(evaluator.score(Split::Train, batch), Err(EvaluateError::Unsupported(_))));
    }
    assert!(evaluator.score_at_least(Split::Train, case.batch(), &[]).is_err());
}

#[test]
fn only_multiply_adds_that_matter_are_executed() {
    // Hidden neuron 0 has both inputs and feeds output 1; neuron 1 has an input but no reader; neuron 2 has
    // a reader but no input, and a negative bias: a constant zero.
    let widths = [2, 3, 2];
    let mut case = Case::new(&widths, 10, vec![0]);
    for bit in [0, 1, 2, 6 + 3, 6 + 2] {
        mask::flip(&mut case.masks, bit);
    }
    case.networks[0].biases[2] = -0.5;
    for instructions in Instructions::available() {
        let evaluator = case.evaluator(Arithmetic::Fused, instructions);
        let executed = evaluator.multiply_adds(Split::Train, case.batch()).expect("a good batch");
        assert_eq!(executed, [3 * 10]);
    }
    case.check();
}

#[test]
fn a_neuron_that_is_silent_for_a_whole_block_costs_nothing() {
    // All features lie in [-1, 1], so that sums of two or five terms stay below the bias's five.
    for (widths, products) in [([2, 20, 3], 0), ([5, 20, 3], 20 * 5)] {
        let words = architecture(&widths).mask_words();
        let mut case = Case::new(&widths, 200, vec![u32::MAX; words]);
        case.networks[0].biases[..20].fill(-5.5);
        for instructions in Instructions::available() {
            let evaluator = case.evaluator(Arithmetic::Fused, instructions);
            let executed = evaluator.multiply_adds(Split::Train, case.batch()).expect("a good batch");
            assert_eq!(executed, [products * 200], "{widths:?}, {instructions:?}");
        }
        case.check();
    }
}

#[test]
fn a_neuron_that_is_silent_for_a_sample_costs_a_wide_layer_nothing_for_it() {
    // Hidden neuron i hands on feature i alone where it is above zero; the second hidden layer has all its
    // weights and biases that keep it above zero.
    let widths = [64, 64, 64, 3];
    let architecture = architecture(&widths);
    let mut case = Case::new(&widths, 200, vec![u32::MAX; architecture.mask_words()]);
    let first = 64 * 64;
    for bit in (0..first).filter(|bit| bit / 64 != bit % 64) {
        mask::flip(&mut case.masks, bit);
    }
    let network = &mut case.networks[0];
    network.weights[..first].fill(1.0);
    network.biases[..64].fill(0.0);
    network.biases[64..128].fill(100.0);
    let audible = case.dataset.train.features.iter().filter(|&&feature| feature > 0.0).count() as u64;
    for instructions in Instructions::available() {
        let evaluator = case.evaluator(Arithmetic::Fused, instructions);
        let executed = evaluator.multiply_adds(Split::Train, case.batch()).expect("a good batch");
        assert_eq!(executed, [200 * (64 + 3 * 64) + 64 * audible], "{instructions:?}");
    }
    case.check();
}

#[test]
fn second_hidden_layers_are_bounded_where_blocks_are_many() {
    // So many samples make 128 blocks with every instruction set.
    const SAMPLES: usize = 16_400;
    for widths in [&[2, 20, 20, 3][..], &[3, 20, 70, 12, 4]] {
        Case::new(widths, SAMPLES, every_kind_of_mask(widths, 1)).check();
    }
    for (widths, hidden) in [([2, 20, 20, 3], 20), ([2, 20, 9, 2], 9)] {
        let words = architecture(&widths).mask_words();
        let mut case = Case::new(&widths, SAMPLES, vec![u32::MAX; words]);
        case.networks[0].biases[..20].fill(5.0);
        case.networks[0].biases[20..20 + hidden].fill(-200.0);
        for instructions in Instructions::available() {
            let evaluator = case.evaluator(Arithmetic::Fused, instructions);
            let executed = evaluator.multiply_adds(Split::Train, case.batch()).expect("a good batch");
            assert_eq!(executed, [2 * 20 * SAMPLES as u64], "{widths:?}, {instructions:?}");
        }
        case.check();
    }
}

#[test]
fn features_that_are_zero_for_a_whole_block_cost_nothing() {
    let mut case = Case::new(&[6, 9, 3], 200, vec![u32::MAX; 3]);
    let dataset = Arc::make_mut(&mut case.dataset);
    for sample in dataset.train.features.chunks_exact_mut(6) {
        sample[1] = 0.0;
        sample[4] = 0.0;
    }
    let evaluator = case.evaluator(Arithmetic::Fused, Instructions::best());
    let executed = evaluator.multiply_adds(Split::Train, case.batch()).expect("a good batch");
    assert!(executed[0] <= 200 * 9 * (4 + 3), "{executed:?}");
    case.check();
}
