//! The contract of every backend.

use super::*;
use supermask::check::suite::{before_and_after, losses_beyond_a_word};
use supermask::check::{self, CaseGroup, CheckCase, Subject, neighbours};
use supermask::evaluate::{Demand, EvaluateError};

/// Every backend, with its kernels where it has some.
fn subjects() -> Vec<Subject> {
    let device = Subject::on_device(on_device());
    let mut backends = all_backends();
    backends.retain(|backend| backend.info() != device.backend().info());
    backends.into_iter().map(Subject::new).chain([device]).collect()
}

/// The mock alone has no neighbourhoods, and no searches that need them.
fn is_mock(subject: &Subject) -> bool {
    subject.backend().info().name == "mock"
}

/// Every case of `group` passes.
fn passes(group: CaseGroup, subjects: impl IntoIterator<Item = Subject>) {
    for subject in subjects {
        // All cases for what runs are made on; the mock is the plain form itself, and flushing is the same code.
        let is_quick = is_mock(&subject) || subject.backend().arithmetic().flushes();
        let cases = check::cases(&subject, is_quick);
        let cases: Vec<&CheckCase> = cases.iter().filter(|case| case.group == group).collect();
        assert!(is_quick || cases.len() >= 3, "{group}: {cases:?}");
        for case in cases {
            case.run(&subject).unwrap_or_else(|fault| panic!("{case:?} on {:?}: {fault}", subject.backend()));
        }
    }
}

#[test]
fn every_kernel_that_a_device_may_choose_is_equal() {
    passes(CaseGroup::Kernels, [Subject::on_device(on_device())]);
}

#[test]
fn networks_of_all_shapes_are_scored_as_in_the_plain_form() {
    passes(CaseGroup::Shapes, subjects());
}

#[test]
fn few_and_many_masks_and_samples_and_small_limits_change_nothing() {
    passes(CaseGroup::Sizes, subjects());
}

#[test]
fn neighbours_cost_what_the_plain_form_says_and_flips_what_they_do_on_the_cpu() {
    passes(CaseGroup::Neighbours, subjects().into_iter().filter(|subject| !is_mock(subject)));
}

#[test]
fn searches_come_to_the_cpus_tickets() {
    passes(CaseGroup::Tickets, subjects().into_iter().filter(|subject| !is_mock(subject)));
}

#[test]
fn the_cases_tell_masks_flips_and_races_apart() {
    let subject = Subject::new(Arc::new(CpuBackend(device().arithmetic())));
    let case = EvaluationCase::new(&[2, 20, 2], 333, 2, mixed_masks(&[2, 20, 2], 40));
    let scores = case.plain_answers(device().arithmetic());
    for scores in scores {
        // Counts that are all the same would hide a kernel that ignores its masks.
        assert!(counts(&scores).iter().any(|&count| count != scores[0].correct));
        assert!(scores.iter().any(|score| score.loss > 0));
    }
    let saturated = losses_beyond_a_word().plain_scores(Split::Train, device().arithmetic());
    assert!(saturated.iter().any(|score| score.loss > 1 << 40), "{saturated:?}");
    let [before, after] = before_and_after().map(|case| plain_counts(&case, device().arithmetic()));
    assert_ne!(before, after);
    let mut distinct = 0;
    for widths in neighbours::SHAPES {
        for objective in neighbours::objectives() {
            distinct += neighbours::walk(&subject, widths, objective).expect("equal costs");
        }
    }
    assert!(distinct > 300, "{distinct}");
    let [passed, lost, given_up] = neighbours::races(&subject, 600).expect("equal races");
    assert!(passed > 10 && lost > 10 && given_up > lost, "{passed} {lost} {given_up}");
}

#[test]
fn a_wrong_count_and_a_device_that_fails_are_found_and_named_and_the_other_cases_go_on() {
    let plain = |trial: &supermask::evaluate::Trial<'_>| {
        supermask::evaluate::plain::score(
            trial.network,
            trial.mask,
            trial.samples,
            &trial.objective,
            Arithmetic::Fused,
        )
    };
    // One count of one network is one too high; another network's is never told.
    let wrong = MockBackend::new(move |trial| {
        let mut score = plain(trial);
        let widths = trial.network.architecture().widths();
        assert!(widths != [2, 1, 1], "the mock's driver is broken");
        let is_full = mask::count_ones(trial.mask) == trial.network.architecture().weights();
        score.correct += u32::from(widths == [33, 33, 33] && is_full);
        score
    });
    let subject = Subject::new(Arc::new(wrong));
    let cases = check::cases(&subject, false);
    let cases: Vec<CheckCase> = cases.into_iter().filter(|case| case.group == CaseGroup::Shapes).collect();
    let mut observed = 0;
    let findings = check::run(subject, &cases, || None, |_| observed += 1);
    assert_eq!((observed, findings.len()), (cases.len(), cases.len()));
    let failed: Vec<_> = findings.iter().filter(|finding| finding.fault.is_some()).collect();
    assert_eq!(failed.len(), 2, "{failed:?}");
    let broken = failed.iter().find(|finding| finding.case == "[2, 1, 1]").expect("named by its network");
    assert!(broken.fault.as_ref().is_some_and(|fault| fault.contains("the mock's driver is broken")));
    let wrong = failed.iter().find(|finding| finding.case == "[33, 33, 33]").expect("named by its network");
    let case = EvaluationCase::new(&[33, 33, 33], 70, 2, mixed_masks(&[33, 33, 33], 4));
    let right = plain_counts(&case, Arithmetic::Fused)[0];
    let both = format!("count on Train, 0 of 4 (1 differ): found {}, expected {right}", right + 1);
    assert_eq!(wrong.fault.as_deref(), Some(both.as_str()));
}

#[test]
fn a_lost_device_is_opened_anew_for_the_cases_that_follow() {
    let lost = adapter::open();
    let subject = Subject::on_device(lost.clone());
    let cases: Vec<CheckCase> = check::cases(&subject, true).into_iter().take(3).collect();
    lost.device().destroy();
    let reopen = || Some(Subject::on_device(on_device()));
    let findings = check::run(subject, &cases, reopen, |_| {});
    let faults: Vec<Option<&str>> = findings.iter().map(|finding| finding.fault.as_deref()).collect();
    assert!(faults[0].is_some_and(|fault| fault.contains("the device was lost")), "{faults:?}");
    assert_eq!(faults[1..], [None, None]);
}

#[test]
fn an_evaluator_is_of_its_backend() {
    let case = EvaluationCase::new(&[2, 4, 2], 10, 1, mixed_masks(&[2, 4, 2], 3));
    for backend in all_backends() {
        let evaluator = backend.evaluator(&case.problem()).expect("an evaluator");
        assert_eq!(
            (evaluator.arithmetic(), evaluator.adapter()),
            (backend.arithmetic(), &backend.info()),
            "{backend:?}"
        );
    }
}

#[test]
fn networks_that_cannot_replace_another_are_refused() {
    let widths = [2, 9, 3];
    let case = EvaluationCase::new(&widths, 100, 3, mixed_masks(&widths, 12));
    for backend in all_backends() {
        let mut evaluator = backend.evaluator(&case.problem()).expect("an evaluator");
        assert!(evaluator.set_network(3, &case.networks[1]).is_err(), "{backend:?}");
        assert!(evaluator.set_network(0, &network(&[2, 8, 3], 1)).is_err(), "{backend:?}");
    }
}

#[test]
fn an_empty_batch_and_an_empty_split_give_no_counts_and_zeros() {
    let mut case = EvaluationCase::new(&[2, 4, 2], 10, 1, mixed_masks(&[2, 4, 2], 3));
    Arc::make_mut(&mut case.dataset).test = samples(0, &architecture(&[2, 4, 2]), 0);
    for backend in all_backends() {
        let mut evaluator = backend.evaluator(&case.problem()).expect("an evaluator");
        let none = Batch { masks: &[], networks: &[] };
        assert_eq!(evaluator.score(Split::Train, none).expect("counts"), Vec::<u32>::new());
        assert_eq!(evaluator.judge(Split::Train, none, &[]).expect("scores"), []);
        assert_eq!(evaluator.score_at_least(Split::Train, none, &[]).expect("counts"), []);
        assert_eq!(evaluator.score(Split::Test, case.batch()).expect("counts"), [0; 3]);
        let found = evaluator.score_at_least(Split::Test, case.batch(), &[0, 1, u32::MAX]);
        assert_eq!(found.expect("counts"), [Some(0), None, None]);
        let scores = evaluator.judge(Split::Test, case.batch(), &case.objectives).expect("scores");
        assert_eq!(scores, [Score::default(); 3]);
    }
}

#[test]
fn a_batch_of_the_wrong_size_is_an_error_and_no_panic() {
    let case = EvaluationCase::new(&[2, 20, 2], 10, 2, mixed_masks(&[2, 20, 2], 1));
    for backend in all_backends() {
        let mut evaluator = backend.evaluator(&case.problem()).expect("an evaluator");
        let (whole, short) = (&case.masks[..], &case.masks[1..]);
        for (masks, networks) in [(short, &[0][..]), (whole, &[2]), (whole, &[])] {
            let found = evaluator.score(Split::Train, Batch { masks, networks });
            assert!(matches!(found, Err(EvaluateError::Unsupported(_))), "{backend:?}");
        }
        assert!(evaluator.score_at_least(Split::Train, case.batch(), &[]).is_err(), "{backend:?}");
        let two = objectives(2);
        assert!(evaluator.judge(Split::Train, case.batch(), &two).is_err(), "{backend:?}");
    }
}

#[test]
fn a_sample_of_a_class_without_an_output_has_no_loss() {
    let mut case = EvaluationCase::new(&[2, 4, 3], 20, 1, mixed_masks(&[2, 4, 3], 1));
    Arc::make_mut(&mut case.dataset).train.labels[7] = 3;
    for backend in all_backends() {
        let mut evaluator = backend.evaluator(&case.problem()).expect("an evaluator");
        let error = evaluator.judge(Split::Train, case.batch(), &case.objectives).expect_err("no loss");
        assert!(error.to_string().contains("3 outputs, but a sample is of class 3"), "{error}");
        assert!(evaluator.judge(Split::Test, case.batch(), &case.objectives).is_ok(), "{backend:?}");
    }
}

#[test]
fn neighbourhoods_refuse_cross_entropy_and_shapes_that_do_not_match() {
    let network = network(&[5, 9, 3], 3);
    let of = |change: fn(&mut Samples)| {
        let mut samples = samples(10, network.architecture(), 8);
        change(&mut samples);
        samples
    };
    let (good, narrow) = (of(|_| ()), of(|samples| samples.width = 2));
    let foreign = of(|samples| samples.labels[3] = 7);
    let mut refused = 0;
    for backend in all_backends().into_iter().filter(|backend| backend.info().name != "mock") {
        for (samples, objective, part) in [
            (&narrow, Objective::Accuracy, "reads 5 features"),
            (&foreign, Objective::Accuracy, "of class 7"),
            (&good, Objective::CrossEntropy, "no incremental form"),
        ] {
            let demand = Demand { parents: 1, batch: 1 };
            let built = backend.neighbourhood(&network, tiles(samples), objective, demand);
            let error = built.err().expect("an error").to_string();
            assert!(error.contains(part), "{error}");
            refused += 1;
        }
    }
    assert_eq!(refused, 3 * 5, "five backends have neighbourhoods");
}
