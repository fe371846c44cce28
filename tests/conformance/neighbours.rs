//! Whole masks cost exactly what the plain forms say; neighbours cost what whole masks do, within rounding;
//! what is accepted and refreshed is exact.

use super::*;
use supermask::evaluate::cpu::instructions::Instructions;
use supermask::evaluate::neighbours::{Candidate, Landscape, Race, Resident, Scratch};

/// Layers of the last two have more inputs than a slice, and just as many.
const SHAPES: [&[usize]; 7] = [
    &[2, 20, 2],
    &[13, 17, 10],
    &[5, 9, 6, 3],
    &[3, 9, 8, 9, 4],
    &[40, 7, 3],
    &[131, 9, 4],
    &[10, 64, 65, 3],
];

/// Of a screened cost, relative to the cost: a few hundred roundings of 2^-24 each, squared hinges growing
/// by twice the relative error of what they square, near the margin by more.
const SCREENING_TOLERANCE: f64 = 1e-3;

/// Of a kept pre-activation after a hundred flips, relative to the largest: at most a few roundings of
/// 2^-24 a flip.
const DRIFT_TOLERANCE: f32 = 1e-4;

fn objectives() -> [Objective; 2] {
    [Objective::Accuracy, Objective::Margin(Margin::new(0.7).expect("a margin"))]
}

#[test]
fn whole_masks_cost_what_the_plain_forms_say_on_every_instruction_set() {
    let mut compared = 0;
    for (n, widths) in SHAPES.into_iter().enumerate() {
        let network = network(widths, 3);
        let mask = random_mask(&network, n as u64);
        for count in [1, 63, 200] {
            let samples = samples(count, network.architecture(), 7);
            for arithmetic in [Arithmetic::Fused, Arithmetic::Separate] {
                for objective in objectives() {
                    let expected = plain_cost(&network, &mask, &samples, objective, arithmetic);
                    for instructions in Instructions::available() {
                        let landscape = Landscape::with_instructions(
                            &network,
                            tiles(&samples),
                            objective,
                            arithmetic,
                            instructions,
                        )
                        .expect("shapes match");
                        let cost = landscape.cost(&mask, &mut Scratch::default());
                        assert_eq!(cost, expected, "{widths:?} {count} {arithmetic:?} {instructions:?}");
                        compared += 1;
                    }
                }
            }
        }
    }
    assert!(compared >= 60);
}

#[test]
fn arithmetics_are_told_apart_by_the_margin_loss() {
    let network = network(&[13, 17, 10], 3);
    let samples = samples(200, network.architecture(), 7);
    let mask = random_mask(&network, 1);
    let objective = objectives()[1];
    let costs = [Arithmetic::Fused, Arithmetic::Separate]
        .map(|arithmetic| plain_cost(&network, &mask, &samples, objective, arithmetic));
    assert_ne!(costs[0], costs[1]);
}

/// The change of the cost by `flips` alone.
fn screen(
    resident: &Resident<'_>,
    flips: &[u32],
    allowed: i64,
    race: Option<Race>,
    first_chunk: usize,
    scratch: &mut Scratch,
) -> Option<i64> {
    resident.screen(&[Candidate { flips, allowed }], race, first_chunk, scratch)[0]
}

fn accept(resident: &mut Resident<'_>, flips: &[u32], scratch: &mut Scratch) {
    assert!(resident.attempt(Candidate { flips, allowed: i64::MAX }, None, 0, scratch));
}

#[test]
fn neighbours_cost_what_whole_masks_do_within_rounding() {
    for widths in SHAPES {
        let network = network(widths, 4);
        let samples = samples(300, network.architecture(), 8);
        for objective in objectives() {
            let landscape = Landscape::new(&network, tiles(&samples), objective, Arithmetic::Fused)
                .expect("shapes match");
            let scratch = &mut Scratch::default();
            let parent = random_mask(&network, 5);
            let resident = landscape.resident(&parent, scratch);
            assert_eq!(resident.cost(), landscape.cost(&parent, scratch));
            let mut rng = stream(1, Concern::LocalSearch);
            let mut moved = 0;
            for n in 0..200 {
                let flips = flips(&network, &mut rng);
                let mut neighbour = parent.clone();
                flips.iter().for_each(|&flip| mask::flip(&mut neighbour, flip as usize));
                let exact = landscape.cost(&neighbour, scratch) as i64 - resident.cost() as i64;
                let screened = screen(&resident, &flips, i64::MAX, None, n, scratch).expect("all is allowed");
                let tolerance = match objective {
                    Objective::Accuracy => 2.0,
                    _ => SCREENING_TOLERANCE * resident.cost() as f64,
                };
                let error = (screened - exact).abs() as f64;
                assert!(error <= tolerance, "{widths:?} {flips:?}: {screened} for {exact}");
                assert_eq!(screen(&resident, &flips, screened - 1, None, n, scratch), None);
                moved += usize::from(exact != 0);
            }
            assert!(moved >= 10, "{moved} of 200 neighbours of {widths:?} differ");
        }
    }
}

#[test]
fn screening_is_equal_on_every_instruction_set() {
    let network = network(&[5, 9, 6, 3], 4);
    let samples = samples(300, network.architecture(), 8);
    let objective = objectives()[1];
    let race = Some(Race { deviations: 2.0 });
    let screened: Vec<Vec<Option<i64>>> = Instructions::available()
        .into_iter()
        .map(|instructions| {
            let landscape = Landscape::with_instructions(
                &network,
                tiles(&samples),
                objective,
                Arithmetic::Fused,
                instructions,
            )
            .expect("shapes match");
            let scratch = &mut Scratch::default();
            let mut resident = landscape.resident(&random_mask(&network, 5), scratch);
            let mut rng = stream(1, Concern::LocalSearch);
            (0..100)
                .map(|_| {
                    let flips = flips(&network, &mut rng);
                    let change = screen(&resident, &flips, 0, race, 0, scratch);
                    if change.is_some() {
                        accept(&mut resident, &flips, scratch);
                    }
                    change
                })
                .collect()
        })
        .collect();
    assert!(screened[0].iter().any(Option::is_some) && screened[0].iter().any(Option::is_none));
    assert!(screened.iter().all(|one| *one == screened[0]));
}

#[test]
fn accepted_flips_drift_a_little_and_a_refresh_makes_them_exact() {
    for widths in SHAPES {
        let network = network(widths, 4);
        let samples = samples(300, network.architecture(), 8);
        for objective in objectives() {
            let landscape = Landscape::new(&network, tiles(&samples), objective, Arithmetic::Fused)
                .expect("shapes match");
            let scratch = &mut Scratch::default();
            let mut resident = landscape.resident(&random_mask(&network, 5), scratch);
            let mut rng = stream(2, Concern::LocalSearch);
            for _ in 0..100 {
                let flips = flips(&network, &mut rng);
                let expected = resident.cost() as i64
                    + screen(&resident, &flips, i64::MAX, None, 0, scratch).expect("all is allowed");
                accept(&mut resident, &flips, scratch);
                assert_eq!(resident.cost() as i64, expected, "accepting does what screening said");
            }
            assert_eq!(resident.since_refresh(), 100);
            let (drift, size) = resident.drift(scratch);
            assert!(drift > 0.0, "a hundred flips leave no trace: is anything kept?");
            assert!(drift <= DRIFT_TOLERANCE * size, "{widths:?}: {drift} of {size}");
            let exact = plain_cost(&network, resident.mask(), &samples, objective, Arithmetic::Fused);
            assert_eq!(resident.refresh(scratch), exact);
            assert_eq!(resident.drift(scratch).0, 0.0);
        }
    }
}

#[test]
fn a_race_gives_up_bad_flips_early_and_passes_exact_changes() {
    let network = network(&[13, 17, 10], 3);
    let samples = samples(2000, network.architecture(), 7);
    let objective = objectives()[1];
    let landscape =
        Landscape::new(&network, tiles(&samples), objective, Arithmetic::Fused).expect("shapes match");
    let (full, raced) = (&mut Scratch::default(), &mut Scratch::default());
    let resident = landscape.resident(&random_mask(&network, 5), full);
    let (mut agreed, mut passed) = (0, 0);
    for bit in 0..network.architecture().weights() as u32 {
        let slow = screen(&resident, &[bit], 0, None, 0, full);
        let fast = screen(&resident, &[bit], 0, Some(Race { deviations: 3.0 }), 0, raced);
        agreed += usize::from(slow == fast);
        passed += usize::from(fast.is_some());
        assert!(fast.is_none() || fast == slow, "what passes is known in full");
    }
    assert!(passed >= 50, "{passed}");
    // A race errs on the side of rejection, rarely at three standard errors.
    assert!(agreed >= network.architecture().weights() * 95 / 100, "{agreed}");
    assert!(raced.multiply_adds < full.multiply_adds * 3 / 4);
}

#[test]
fn on_many_samples_any_number_of_threads_makes_the_same_of_a_mask() {
    let network = network(&[2, 20, 2], 3);
    let samples = samples(9000, network.architecture(), 7);
    for objective in objectives() {
        let walk = || {
            let landscape = Landscape::new(&network, tiles(&samples), objective, Arithmetic::Fused)
                .expect("shapes match");
            assert!(landscape.tiles().chunks().len() >= 16 && landscape.tiles().chunks()[0].tiles() > 1);
            let scratch = &mut Scratch::default();
            let mut resident = landscape.resident(&random_mask(&network, 5), scratch);
            let mut rng = stream(2, Concern::LocalSearch);
            let passed: Vec<bool> = (0..100)
                .map(|n| {
                    let candidate = Candidate { flips: &flips(&network, &mut rng), allowed: 0 };
                    resident.attempt(candidate, Some(Race { deviations: 3.0 }), n % 5, scratch)
                })
                .collect();
            let screened = resident.cost();
            let exact = plain_cost(&network, resident.mask(), &samples, objective, Arithmetic::Fused);
            assert_eq!(resident.refresh(scratch), exact);
            assert_eq!(landscape.cost(resident.mask(), scratch), exact);
            (passed, screened, resident.mask().to_vec(), scratch.multiply_adds)
        };
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(walk)
        };
        let alone = with(1);
        assert!(alone.0.contains(&true) && alone.0.contains(&false));
        assert_eq!(alone, with(3));
    }
}
