//! What the wgpu evaluator has beside its answers: a choice of kernels, a clock, devices that are lost, errors.

use super::*;
use std::path::Path;
use supermask::evaluate::adapter::{AdapterError, faster, open};
use supermask::evaluate::gpu::{GpuEvaluator, GpuOptions, KernelShape, Limits, candidates};
use supermask::evaluate::{EvaluateError, Evaluator, Occasion};

/// As many `masks` of `networks` networks.
fn case(widths: &[usize], train: usize, networks: usize, masks: usize) -> EvaluationCase {
    EvaluationCase::new(widths, train, networks, mixed_masks(widths, masks))
}

fn on_gpu(case: &EvaluationCase, options: GpuOptions) -> GpuEvaluator {
    GpuEvaluator::new(device(), &case.problem(), options).expect("an evaluator")
}

/// All kernels that the device may choose.
fn kernels(case: &EvaluationCase) -> Vec<KernelShape> {
    let limits = &device().description().limits;
    candidates(case.architecture(), limits, device().maker()).expect("kernels")
}

#[test]
fn a_network_too_wide_for_the_fused_kernel_is_tiled() {
    let case = case(&[20, 300, 130, 5], 70, 2, 4);
    assert!(kernels(&case).iter().all(|shape| matches!(shape, KernelShape::Tiled(_))));
}

#[test]
fn a_tuned_evaluator_is_equal_and_remembers_its_kernel() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("kernels.json");
    let backend = on_device().with_tuning(file.clone());
    for widths in [&[2, 6, 2][..], &[5, 9, 4, 3]] {
        let case = case(widths, 400, 2, 20);
        let shapes = kernels(&case).into_iter();
        let shapes: Vec<_> = shapes.map(|shape| serde_json::to_value(shape).expect("a value")).collect();
        let mut chosen = Vec::new();
        for _ in 0..2 {
            let mut evaluator = backend.evaluator(&case.problem()).expect("an evaluator");
            let counts = evaluator.score(Split::Train, case.batch()).expect("counts");
            assert_eq!(counts, plain_counts(&case, evaluator.arithmetic()));
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
    let mut evaluator = on_device().with_tuning(file.clone()).evaluator(&problem).expect("an evaluator");
    for (n, network) in case.networks.iter().enumerate() {
        evaluator.set_network(n, network).expect("a network");
    }
    let counts = evaluator.score(Split::Train, case.batch()).expect("counts");
    assert_eq!(counts, plain_counts(&case, evaluator.arithmetic()));
    assert_eq!(remembered(&file, case.architecture()).len(), 1);
}

#[test]
fn a_lost_device_is_an_error_and_no_panic() {
    let gpu = adapter::open();
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
    let mut evaluator = on_gpu(&case, GpuOptions::default());
    let began = std::time::Instant::now();
    evaluator.score(Split::Train, case.batch()).expect("counts");
    let wall = began.elapsed();
    assert_eq!(device().description().timestamps, evaluator.device_time().is_some());
    let time = evaluator.device_time().expect("the software adapter has time stamps");
    assert!(!time.is_zero() && time <= wall, "{time:?} of {wall:?}");
}

#[test]
fn masks_beyond_hope_are_given_up_after_the_first_window_and_others_are_not() {
    let case = case(&[3, 12, 3], 2_000, 2, 6);
    let hopeless = [2, 3, 5];
    let samples = case.dataset.train.len() as u32;
    let full = plain_counts(&case, device().arithmetic());
    let minimum: Vec<u32> =
        (0..6).map(|mask| if hopeless.contains(&mask) { samples } else { full[mask] }).collect();
    let shapes = kernels(&case);
    assert!(shapes.iter().filter(|shape| shape.gives_up()).count() >= 2, "one of either family: {shapes:?}");
    for shape in shapes {
        let options = GpuOptions { shape: Some(shape), most_work: Some(20_000), ..GpuOptions::default() };
        let mut evaluator = on_gpu(&case, options);
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
    let mut evaluator = on_gpu(&case, GpuOptions::default());
    let expected = plain_counts(&case, evaluator.arithmetic());
    let words = case.architecture().mask_words();
    for one in case.masks.chunks_exact_mut(words) {
        (0..8).for_each(|bit| mask::flip(one, bit));
    }
    assert_ne!(evaluator.score(Split::Train, case.batch()).expect("counts"), expected);
}

#[test]
fn evaluators_on_several_threads_share_a_device() {
    let case = Arc::new(case(&[2, 10, 2], 300, 2, 30));
    let expected = plain_counts(&case, device().arithmetic());
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let case = Arc::clone(&case);
            std::thread::spawn(move || {
                let mut evaluator = on_gpu(&case, GpuOptions::default());
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
    let mut evaluator = on_gpu(&case, GpuOptions::default());
    let unknown = Batch { masks: &case.masks, networks: &[0, 0, 9] };
    let error = evaluator.score(Split::Train, unknown).expect_err("no network 9");
    assert!(error.to_string().contains("network 9 of 1"), "{error}");
    let short = Batch { masks: &case.masks[1..], networks: &case.names };
    let error = evaluator.score(Split::Train, short).expect_err("a mask is missing");
    assert!(error.to_string().contains("need 3 words, found 2"), "{error}");
    let error = evaluator.judge(Split::Train, case.batch(), &case.objectives[1..]);
    assert!(error.expect_err("a loss is missing").to_string().contains("3 masks came with 2 objectives"));
    let error = evaluator.score_at_least(Split::Train, case.batch(), &[1, 1]);
    assert!(error.expect_err("one is missing").to_string().contains("3 masks came with 2 minimum counts"));
    let tiny = Limits { binding_bytes: 64, ..device().description().limits };
    let refused = GpuEvaluator::new(&device().within(tiny), &case.problem(), GpuOptions::default());
    assert!(matches!(refused, Err(EvaluateError::Unsupported(_))));
}

#[test]
fn asking_for_the_other_arithmetic_is_an_error() {
    for asked in ARITHMETICS {
        match open(&adapter::choice(), Some(asked)) {
            Ok(_) => assert_eq!(asked, device().arithmetic()),
            Err(refused) => {
                assert_ne!(asked, device().arithmetic());
                let is_named = matches!(refused, AdapterError::Arithmetic { .. });
                assert!(is_named && refused.is_usage(), "{refused}");
            }
        }
    }
}

#[test]
fn the_faster_of_two_is_taken_said_and_remembered() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("contests.json");
    let case = case(&[2, 9, 2], 3_000, 1, 20);
    let occasion =
        Occasion { architecture: case.architecture(), dataset: &case.dataset, masks: case.names.len() };
    let opened = faster(on_device(), &occasion, Some(&file));
    let contest = opened.contest.clone().expect("it was measured");
    assert_eq!(contest.gpu, device().description().info.name);
    for rate in [contest.gpu_masks_per_s, contest.cpu_masks_per_s] {
        assert!(rate > 0.0 && opened.notice.contains(&format!("{rate:.0}")), "{}", opened.notice);
    }
    let taken = opened.backend.info();
    assert_eq!(taken.name == contest.gpu, contest.gpu_wins(), "{contest:?}");
    assert_eq!(opened.backend.arithmetic(), device().arithmetic(), "no ticket depends on the choice");
    // What the file says is believed, the other way round too.
    let text = std::fs::read_to_string(&file).expect("a file of contests");
    let mut contests: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let entries = contests.as_object_mut().expect("contests by what they are of");
    assert_eq!(entries.len(), 1);
    for (key, entry) in entries.iter_mut() {
        let said = [&contest.gpu, device().arithmetic().name(), "[2, 9, 2]", "3000 samples"];
        assert!(said.iter().all(|part| key.contains(part)), "{key}");
        let winner = if contest.gpu_wins() { "cpu_masks_per_s" } else { "gpu_masks_per_s" };
        entry[winner] = serde_json::json!(1e12);
    }
    std::fs::write(&file, contests.to_string()).expect("written");
    let other = faster(on_device(), &occasion, Some(&file));
    assert_ne!(other.backend.info(), taken, "{}", other.notice);
    assert!(other.notice.contains("1000000000000 "), "{}", other.notice);
}

#[test]
fn a_gpu_that_cannot_do_it_leaves_it_to_the_cpu() {
    let case = case(&[2, 9, 2], 30, 1, 2);
    let tiny = Limits { binding_bytes: 64, ..device().description().limits };
    let gpu = GpuBackend::new(device().within(tiny), false);
    let occasion = Occasion { architecture: case.architecture(), dataset: &case.dataset, masks: 2 };
    let opened = faster(gpu, &occasion, None);
    assert_eq!((opened.backend.info().kind.as_str(), opened.contest), ("cpu", None));
    assert!(opened.notice.contains("cannot do this"), "{}", opened.notice);
}
