//! The wgpu evaluator on a software adapter against the plain form: equal counts on every mask.

use super::*;
use std::path::Path;
use supermask::evaluate::adapter::AdapterError;
use supermask::evaluate::gpu::{GpuEvaluator, GpuOptions, KernelShape, Limits, candidates};
use supermask::evaluate::{EvaluateError, Evaluator};

/// As many `masks` of `networks` networks.
fn case(widths: &[usize], train: usize, networks: usize, masks: usize) -> Case {
    Case::new(widths, train, networks, mixed_masks(widths, masks))
}

/// Is it a fused kernel that loops over neurons?
fn looped(shape: &KernelShape) -> bool {
    matches!(shape, KernelShape::Fused(shape) if !shape.unrolled)
}

/// With the kernel of `shape`, checking every index.
fn checked(shape: KernelShape) -> GpuOptions {
    GpuOptions { shape: Some(shape), checked: Some(true), ..GpuOptions::default() }
}

fn counts(scores: &[Score]) -> Vec<u32> {
    scores.iter().map(|score| score.correct).collect()
}

impl Case {
    fn on_gpu(&self, options: GpuOptions) -> GpuEvaluator {
        GpuEvaluator::new(device(), &self.problem(), options).expect("an evaluator")
    }

    /// All kernels that a device may choose.
    fn candidates(&self, software: bool) -> Vec<KernelShape> {
        candidates(self.architecture(), &device().description().limits, software).expect("kernels")
    }

    /// The first kernel of either family, as for a software adapter.
    fn kernels(&self) -> Vec<KernelShape> {
        let shapes = self.candidates(true);
        let first = |fused: bool| shapes.iter().find(|shape| matches!(shape, KernelShape::Fused(_)) == fused);
        [first(true), first(false)].into_iter().flatten().copied().collect()
    }

    /// Asks every question of an evaluator with each of the `options`: counts and losses on all splits, and all kinds
    /// of minimum counts.
    fn assert_equal(&self, device: &GpuDevice, options: impl IntoIterator<Item = GpuOptions>) {
        let expected = Split::ALL.map(|split| self.expected(split));
        let counts = counts(&expected[Split::Train as usize]);
        let minimums = minimums(&counts, self.dataset.train.len() as u32);
        for options in options {
            let mut asked = self.ask(device, options);
            for split in Split::ALL {
                asked.assert_scores(split, &expected[split as usize]);
            }
            for minimum in &minimums {
                asked.assert_reaching(&counts, minimum);
            }
        }
    }

    /// What the plain form says of all masks, each with a margin of its own.
    fn expected(&self, split: Split) -> Vec<Score> {
        let expected = self.plain_scores(split, &margins(self.names.len()), device().arithmetic());
        // Counts that are all the same would hide a kernel that ignores its masks.
        assert!(expected.len() < 20 || expected.iter().any(|score| score.correct != expected[0].correct));
        expected
    }

    fn ask(&self, device: &GpuDevice, options: GpuOptions) -> Asked<'_> {
        let evaluator = GpuEvaluator::new(device, &self.problem(), options).expect("an evaluator");
        Asked { case: self, options, evaluator }
    }

    fn assert_equal_on_both_kernels(&self) {
        self.assert_equal(device(), self.kernels().into_iter().map(checked));
    }
}

/// An evaluator that is asked about a case.
struct Asked<'a> {
    case: &'a Case,
    options: GpuOptions,
    evaluator: GpuEvaluator,
}

impl Asked<'_> {
    /// Counts, then losses, with poisoned buffers before each.
    fn assert_scores(&mut self, split: Split, expected: &[Score]) {
        let Self { case, options, evaluator } = self;
        evaluator.poison(u32::MAX).expect("poisoned");
        let found = evaluator.score(split, case.batch()).expect("counts");
        assert_eq!(found, counts(expected), "{} {split:?} {options:?}", case.architecture());
        evaluator.poison(f32::NAN.to_bits()).expect("poisoned");
        let found = evaluator.judge(split, case.batch(), &margins(expected.len())).expect("losses");
        assert_eq!(found, expected, "{} {split:?} {options:?}", case.architecture());
    }

    /// Gives up the masks that do not reach their `minimum`, with poisoned buffers before.
    fn assert_reaching(&mut self, counts: &[u32], minimum: &[u32]) {
        let Self { case, options, evaluator } = self;
        evaluator.poison(u32::MAX).expect("poisoned");
        let found = evaluator.score_at_least(Split::Train, case.batch(), minimum).expect("counts");
        assert_eq!(found, reaching(counts, minimum), "{} {minimum:?} {options:?}", case.architecture());
    }
}

#[test]
fn odd_shapes_are_equal_on_both_kernels() {
    for (widths, train, masks) in [
        (&[2, 1, 1][..], 5, 3),
        (&[2, 1, 2], 40, 4),
        (&[1, 3, 2], 33, 5),
        (&[33, 33, 33], 70, 4),
        (&[33, 33, 33, 33], 70, 4),
        (&[17, 5, 6, 3], 129, 6),
        (&[3, 9, 8, 7, 4], 65, 6),
        (&[2, 100, 2], 300, 6),
        (&[2, 50, 50, 2], 90, 5),
    ] {
        case(widths, train, 2, masks).assert_equal_on_both_kernels();
    }
}

#[test]
fn the_digits_network_is_equal_on_both_kernels() {
    case(&[64, 50, 50, 10], 150, 2, 5).assert_equal_on_both_kernels();
}

#[test]
fn a_network_too_wide_for_the_fused_kernel_is_equal() {
    let case = case(&[20, 300, 130, 5], 70, 2, 4);
    assert!(case.candidates(true).iter().all(|shape| matches!(shape, KernelShape::Tiled(_))));
    case.assert_equal(device(), [GpuOptions::default()]);
}

#[test]
fn every_kernel_that_a_device_may_choose_is_equal() {
    for (widths, train, masks) in [
        (&[2, 9, 2][..], 2_100, 3),
        (&[5, 6, 7, 3], 300, 3),
        (&[18, 6, 5], 300, 3),
        (&[3, 5, 6, 5, 4], 90, 3),
    ] {
        let case = case(widths, train, 2, masks);
        let mut shapes = case.candidates(false);
        let of_software = case.candidates(true).into_iter().filter(|shape| !shapes.contains(shape));
        shapes.extend(of_software.collect::<Vec<_>>());
        let options = shapes.into_iter().enumerate().map(|(n, shape)| {
            let (checked, subgroups) = (Some(n % 2 == 0), Some(n % 3 != 0));
            GpuOptions { shape: Some(shape), checked, subgroups, ..GpuOptions::default() }
        });
        case.assert_equal(device(), options);
    }
}

#[test]
fn a_tuned_evaluator_is_equal_and_remembers_its_kernel() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("kernels.json");
    let backend = GpuBackend::new(device().clone(), true).with_tuning(file.clone());
    for widths in [&[2, 6, 2][..], &[5, 9, 4, 3]] {
        let case = case(widths, 400, 2, 20);
        let shapes = case.candidates(true).into_iter();
        let shapes: Vec<_> = shapes.map(|shape| serde_json::to_value(shape).expect("a value")).collect();
        let mut chosen = Vec::new();
        for _ in 0..2 {
            let mut evaluator = backend.evaluator(&case.problem()).expect("an evaluator");
            let counts = evaluator.score(Split::Train, case.batch()).expect("counts");
            assert_eq!(counts, case.plain(Split::Train, evaluator.arithmetic()));
            let remembered = remembered(&file, case.architecture());
            assert!(remembered.len() == 1 && shapes.contains(&remembered[0]), "{remembered:?}");
            chosen.extend(remembered);
        }
        assert_eq!(chosen[0], chosen[1]);
    }
}

/// The choices for `architecture` in the file.
fn remembered(file: &Path, architecture: &Architecture) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(file).expect("a file of choices");
    let choices: serde_json::Value = serde_json::from_str(&text).expect("choices");
    let choices = choices.as_object().expect("by adapter and architecture").clone();
    let ours = choices.into_iter().filter(|(key, _)| key.contains(&architecture.to_string()));
    ours.map(|(_, value)| value).collect()
}

#[test]
fn a_software_adapter_tunes_where_that_is_asked_for_also_for_networks_that_come_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("kernels.json");
    let case = case(&[2, 6, 2], 400, 2, 20);
    let nothing = Network::of_zeros(case.architecture().clone());
    let networks = &vec![nothing; case.networks.len()];
    let problem = Problem { architecture: case.architecture(), networks, dataset: &case.dataset };
    let mut evaluator = GpuBackend::new(device().clone(), true)
        .with_tuning(file.clone())
        .evaluator(&problem)
        .expect("an evaluator");
    for (n, network) in case.networks.iter().enumerate() {
        evaluator.set_network(n, network).expect("a network");
    }
    let counts = evaluator.score(Split::Train, case.batch()).expect("counts");
    assert_eq!(counts, case.plain(Split::Train, evaluator.arithmetic()));
    assert_eq!(remembered(&file, case.architecture()).len(), 1);
}

#[test]
fn a_lost_device_is_an_error_and_no_panic() {
    let gpu = software();
    let device = gpu.device();
    let case = case(&[2, 4, 2], 10, 1, 3);
    let new = || GpuEvaluator::new(device, &case.problem(), GpuOptions::default());
    let mut evaluator = new().expect("an evaluator");
    assert!(evaluator.score(Split::Train, case.batch()).is_ok());
    device.destroy();
    for _ in 0..2 {
        let error = evaluator.score(Split::Train, case.batch()).expect_err("the device is gone");
        assert!(matches!(error, EvaluateError::DeviceLost(_)), "{error}");
    }
    assert!(matches!(new(), Err(EvaluateError::DeviceLost(_))));
}

#[test]
fn the_device_measures_its_own_time() {
    let case = case(&[2, 50, 2], 5_000, 1, 50);
    let mut evaluator = case.on_gpu(GpuOptions::default());
    let began = std::time::Instant::now();
    evaluator.score(Split::Train, case.batch()).expect("counts");
    let wall = began.elapsed();
    assert_eq!(device().description().timestamps, evaluator.device_time().is_some());
    let time = evaluator.device_time().expect("the software adapter has time stamps");
    assert!(!time.is_zero() && time <= wall, "{time:?} of {wall:?}");
}

#[test]
fn one_sample_and_one_mask_are_equal() {
    case(&[2, 20, 2], 1, 1, 1).assert_equal_on_both_kernels();
}

#[test]
fn many_samples_are_equal() {
    let case = case(&[2, 3, 2], 65_537, 1, 3);
    let expected = case.expected(Split::Train);
    let counts = counts(&expected);
    // Of every third mask nothing is asked; the others are just reached, or just missed.
    let mixed = &minimums(&counts, 65_537)[2];
    for shape in case.kernels() {
        let mut asked = case.ask(device(), checked(shape));
        asked.assert_scores(Split::Train, &expected);
        asked.assert_reaching(&counts, mixed);
    }
}

#[test]
fn a_thousand_masks_of_mixed_networks_are_equal() {
    case(&[2, 7, 2], 40, 7, 1_000).assert_equal_on_both_kernels();
}

#[test]
fn small_limits_split_everything_and_change_nothing() {
    let limits = Limits {
        binding_bytes: 1_200,
        buffer_bytes: 1 << 20,
        groups_per_dimension: 3,
        workgroup_bytes: 8 << 10,
        workgroup_threads: 256,
    };
    let case = case(&[3, 12, 3], 500, 5, 20);
    let shapes = case.kernels().into_iter().chain(case.candidates(true).into_iter().find(looped));
    let options = |shape| GpuOptions { most_work: Some(20_000), subgroups: Some(false), ..checked(shape) };
    case.assert_equal(&device().within(limits), shapes.map(options));
}

#[test]
fn a_replaced_network_is_the_one_that_is_scored() {
    for shape in case(&[2, 9, 3], 1, 1, 1).kernels() {
        let mut case = case(&[2, 9, 3], 100, 3, 12);
        let mut evaluator = case.on_gpu(GpuOptions { shape: Some(shape), ..GpuOptions::default() });
        let before = evaluator.score(Split::Train, case.batch()).expect("counts");
        case.networks[1] = case.networks[2].clone();
        evaluator.set_network(1, &case.networks[2]).expect("replaced");
        let after = evaluator.score(Split::Train, case.batch()).expect("counts");
        assert_eq!(after, case.plain(Split::Train, evaluator.arithmetic()));
        assert_ne!(before, after);
    }
}

#[test]
fn masks_beyond_hope_are_given_up_after_the_first_window_and_others_are_not() {
    let case = case(&[3, 12, 3], 2_000, 2, 6);
    let hopeless = [2, 3, 5];
    let samples = case.dataset.train.len() as u32;
    let full = case.plain(Split::Train, device().arithmetic());
    let minimum: Vec<u32> =
        (0..6).map(|mask| if hopeless.contains(&mask) { samples } else { full[mask] }).collect();
    let shapes = case.candidates(true);
    assert!(shapes.iter().filter(|shape| shape.gives_up()).count() >= 2, "one of either family: {shapes:?}");
    for shape in shapes {
        let options = GpuOptions { shape: Some(shape), most_work: Some(20_000), ..GpuOptions::default() };
        let mut evaluator = case.on_gpu(options);
        let scores = evaluator.score_at_least(Split::Train, case.batch(), &minimum).expect("counts");
        for (mask, &wrong) in evaluator.found_wrong().iter().enumerate() {
            let all = samples - full[mask];
            assert_eq!(scores[mask].is_none(), hopeless.contains(&mask));
            if hopeless.contains(&mask) && shape.gives_up() {
                assert!(all > 500 && 0 < wrong && wrong < all / 4, "{shape:?}: {wrong} of {all}");
            } else {
                assert_eq!(wrong, all, "{shape:?}");
            }
        }
    }
}

#[test]
fn another_mask_gives_another_count() {
    let mut case = case(&[2, 20, 2], 500, 1, 20);
    let mut evaluator = case.on_gpu(GpuOptions::default());
    let expected = case.plain(Split::Train, evaluator.arithmetic());
    let words = case.architecture().mask_words();
    for one in case.masks.chunks_exact_mut(words) {
        (0..8).for_each(|bit| mask::flip(one, bit));
    }
    assert_ne!(evaluator.score(Split::Train, case.batch()).expect("counts"), expected);
}

#[test]
fn sums_of_losses_carry_into_their_second_word() {
    // Every sample saturates: 2^30 steps each, so that workgroups and masks wrap often.
    let mut case = case(&[2, 3, 2], 5_001, 1, 7);
    case.networks[0].weights_mut().iter_mut().for_each(|weight| *weight *= 1e15);
    let expected = case.expected(Split::Train);
    assert!(expected.iter().any(|score| score.loss > 1 << 40), "{expected:?}");
    for shape in case.kernels() {
        for subgroups in [false, true] {
            let (shape, subgroups) = (Some(shape), Some(subgroups));
            let options = GpuOptions { shape, subgroups, ..GpuOptions::default() };
            case.ask(device(), options).assert_scores(Split::Train, &expected);
        }
    }
}

#[test]
fn evaluators_on_several_threads_share_a_device() {
    let case = Arc::new(case(&[2, 10, 2], 300, 2, 30));
    let expected = case.plain(Split::Train, device().arithmetic());
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let case = Arc::clone(&case);
            std::thread::spawn(move || {
                let mut evaluator = case.on_gpu(GpuOptions::default());
                (0..5)
                    .map(|_| evaluator.score(Split::Train, case.batch()).expect("counts"))
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    for thread in threads {
        for counts in thread.join().expect("no panic") {
            assert_eq!(counts, expected);
        }
    }
}

#[test]
fn what_does_not_fit_is_an_error_that_says_why() {
    let case = case(&[2, 4, 2], 10, 1, 3);
    let mut evaluator = case.on_gpu(GpuOptions::default());
    let unknown = Batch { masks: &case.masks, networks: &[0, 0, 9] };
    let error = evaluator.score(Split::Train, unknown).expect_err("no network 9");
    assert!(error.to_string().contains("network 9 of 1"), "{error}");
    let short = Batch { masks: &case.masks[1..], networks: &case.names };
    let error = evaluator.score(Split::Train, short).expect_err("a mask is missing");
    assert!(error.to_string().contains("need 3 words, found 2"), "{error}");
    let error = evaluator.judge(Split::Train, case.batch(), &margins(3)[1..]);
    assert!(error.expect_err("a loss is missing").to_string().contains("3 masks came with 2 objectives"));
    let error = evaluator.score_at_least(Split::Train, case.batch(), &[1, 1]);
    assert!(error.expect_err("one is missing").to_string().contains("3 masks came with 2 minimum counts"));
    let error = evaluator.judge(Split::Train, case.batch(), &[Objective::CrossEntropy; 3]);
    assert!(error.expect_err("not on a GPU").to_string().contains("use --adapter cpu"));
    let tiny = Limits { binding_bytes: 64, ..device().description().limits };
    let refused = GpuEvaluator::new(&device().within(tiny), &case.problem(), GpuOptions::default());
    assert!(matches!(refused, Err(EvaluateError::Unsupported(_))));
}

#[test]
fn asking_for_the_other_arithmetic_is_an_error() {
    let (has, other) = match device().arithmetic() {
        Arithmetic::Fused => (Arithmetic::Fused, Arithmetic::Separate),
        Arithmetic::Separate => (Arithmetic::Separate, Arithmetic::Fused),
    };
    assert!(adapter::open(&AdapterChoice::Software, Some(has)).is_ok());
    let refused = adapter::open(&AdapterChoice::Software, Some(other)).expect_err("not available");
    assert!(matches!(refused, AdapterError::Arithmetic { .. }) && refused.is_usage(), "{refused}");
}
