//! The contract of every backend.

use super::*;
use supermask::evaluate::neighbours::Candidate;
use supermask::evaluate::{Demand, EvaluateError};

/// Objectives of both kinds that every backend computes, in turn.
fn objectives(masks: usize) -> Vec<Objective> {
    let mut objectives = margins(masks);
    objectives.iter_mut().step_by(4).for_each(|objective| *objective = Objective::Accuracy);
    objectives
}

#[test]
fn every_backend_scores_as_the_plain_form_does() {
    for (widths, train, networks, masks) in [
        (&[2, 1, 1][..], 5, 2, 3),
        (&[2, 20, 2], 333, 1, 40),
        (&[2, 50, 50, 2], 90, 3, 7),
        (&[20, 130, 70, 5], 70, 2, 4),
    ] {
        let case = Case::new(widths, train, networks, mixed_masks(widths, masks));
        let objectives = objectives(masks);
        let scores = |arithmetic| Split::ALL.map(|split| case.plain_scores(split, &objectives, arithmetic));
        let scores = ARITHMETICS.map(scores);
        for backend in all_backends() {
            let mut evaluator = backend.evaluator(&case.problem()).expect("an evaluator");
            let arithmetic = backend.arithmetic();
            assert_eq!((evaluator.arithmetic(), evaluator.adapter()), (arithmetic, &backend.info()));
            for split in Split::ALL {
                let place = format!("{widths:?} {split:?} {backend:?}");
                let expected = &scores[usize::from(arithmetic != ARITHMETICS[0])][split as usize];
                let counts: Vec<u32> = expected.iter().map(|score| score.correct).collect();
                assert!(masks < 20 || counts.iter().any(|&count| count != counts[0]), "masks tell");
                assert_eq!(evaluator.score(split, case.batch()).expect("counts"), counts, "{place}");
                assert_eq!(evaluator.executed().len(), masks, "{place}");
                let found = evaluator.judge(split, case.batch(), &objectives).expect("scores");
                assert_eq!(&found, expected, "{place}");
                // What is given up is given up alike on every split: the largest is enough.
                let all = if split == Split::Train { minimums(&counts, train as u32) } else { vec![] };
                for minimum in all {
                    let found = evaluator.score_at_least(split, case.batch(), &minimum).expect("counts");
                    assert_eq!(found, reaching(&counts, &minimum), "{place} {minimum:?}");
                }
            }
        }
    }
}

#[test]
fn a_replaced_network_is_the_one_that_is_scored() {
    let widths = [2, 9, 3];
    for backend in all_backends() {
        let mut case = Case::new(&widths, 100, 3, mixed_masks(&widths, 12));
        let mut evaluator = backend.evaluator(&case.problem()).expect("an evaluator");
        let before = evaluator.score(Split::Train, case.batch()).expect("counts");
        case.networks[1] = network(&widths, 99);
        evaluator.set_network(1, &case.networks[1]).expect("replaced");
        let after = evaluator.score(Split::Train, case.batch()).expect("counts");
        assert_eq!(after, case.plain(Split::Train, backend.arithmetic()));
        assert_ne!(before, after, "{backend:?}");
        assert!(evaluator.set_network(3, &case.networks[1]).is_err(), "{backend:?}");
        assert!(evaluator.set_network(0, &network(&[2, 8, 3], 1)).is_err(), "{backend:?}");
    }
}

#[test]
fn an_empty_batch_and_an_empty_split_give_no_counts_and_zeros() {
    let mut case = Case::new(&[2, 4, 2], 10, 1, mixed_masks(&[2, 4, 2], 3));
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
        let scores = evaluator.judge(Split::Test, case.batch(), &margins(3)).expect("scores");
        assert_eq!(scores, [Score::default(); 3]);
    }
}

#[test]
fn a_batch_of_the_wrong_size_is_an_error_and_no_panic() {
    let case = Case::new(&[2, 20, 2], 10, 2, mixed_masks(&[2, 20, 2], 1));
    for backend in all_backends() {
        let mut evaluator = backend.evaluator(&case.problem()).expect("an evaluator");
        let (whole, short) = (&case.masks[..], &case.masks[1..]);
        for (masks, networks) in [(short, &[0][..]), (whole, &[2]), (whole, &[])] {
            let found = evaluator.score(Split::Train, Batch { masks, networks });
            assert!(matches!(found, Err(EvaluateError::Unsupported(_))), "{backend:?}");
        }
        assert!(evaluator.score_at_least(Split::Train, case.batch(), &[]).is_err(), "{backend:?}");
        assert!(evaluator.judge(Split::Train, case.batch(), &margins(2)).is_err(), "{backend:?}");
    }
}

#[test]
fn a_sample_of_a_class_without_an_output_has_no_loss() {
    let mut case = Case::new(&[2, 4, 3], 20, 1, mixed_masks(&[2, 4, 3], 1));
    Arc::make_mut(&mut case.dataset).train.labels[7] = 3;
    for backend in all_backends() {
        let mut evaluator = backend.evaluator(&case.problem()).expect("an evaluator");
        let error = evaluator.judge(Split::Train, case.batch(), &margins(1)).expect_err("no loss");
        assert!(error.to_string().contains("3 outputs, but a sample is of class 3"), "{error}");
        assert!(evaluator.judge(Split::Test, case.batch(), &margins(1)).is_ok(), "{backend:?}");
    }
}

#[test]
fn parents_cost_what_the_plain_form_says_when_they_are_exact() {
    let widths = [5, 9, 6, 3];
    let (network, demand) = (network(&widths, 4), Demand { parents: 2, batch: 4 });
    let samples = samples(300, network.architecture(), 8);
    let neighbourhood = |backend: &dyn Backend, objective| {
        backend.neighbourhood(&network, tiles(&samples), objective, demand)
    };
    let mut compared = 0;
    for backend in all_backends() {
        let Ok(_) = neighbourhood(&*backend, Objective::Accuracy) else {
            assert_eq!(backend.info().name, "mock", "the mock alone has no neighbourhoods");
            continue;
        };
        for objective in [Objective::Accuracy, margins(3)[2]] {
            let cost = |mask: &[u32]| plain_cost(&network, mask, &samples, objective, backend.arithmetic());
            let neighbourhood = neighbourhood(&*backend, objective).expect("a neighbourhood");
            let chunks = neighbourhood.tiles().chunks().len();
            let mut mask = random_mask(&network, 5);
            let mut parent = neighbourhood.parent(&mask, chunks).expect("a parent");
            assert_eq!(parent.cost(), cost(&mask), "{backend:?}");
            let mut rng = stream(2, Concern::LocalSearch);
            let before = parent.cost();
            for _ in 0..20 {
                let flips = flips(&network, &mut rng);
                let candidate = Candidate { flips: &flips, allowed: i64::MAX };
                let change = parent.screen(&[candidate], None, 0).expect("changes")[0].expect("is allowed");
                let expected = parent.cost() as i64 + change;
                assert!(parent.attempt(candidate, None, 0).expect("no failure"));
                flips.iter().for_each(|&flip| mask::flip(&mut mask, flip as usize));
                assert_eq!(parent.cost() as i64, expected, "{backend:?}: accepting does what screening said");
            }
            parent.refresh().expect("no failure");
            assert_eq!(parent.cost(), cost(&mask), "{backend:?}");
            assert_ne!(parent.cost(), before, "twenty flips change something");
            let all = vec![u32::MAX >> 1; mask.len()];
            let all: Vec<u32> = all.iter().zip(&mask).map(|(ones, word)| ones & word).collect();
            assert_eq!(parent.exact_cost(&all).expect("a cost"), cost(&all), "{backend:?}");
            compared += 1;
        }
        let refused = neighbourhood(&*backend, Objective::CrossEntropy).err().expect("no such neighbourhood");
        assert!(refused.to_string().contains("no incremental form"), "{refused}");
    }
    assert_eq!(compared, 2 * 3, "three backends have neighbourhoods");
}
