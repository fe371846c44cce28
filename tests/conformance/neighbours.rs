//! Whole masks cost exactly what the plain forms say; neighbours cost what whole masks do, within rounding;
//! what is accepted and refreshed is exact.

use super::*;
use supermask::evaluate::cpu::instructions::Instructions;
use supermask::evaluate::neighbours::{Candidate, Landscape, Race, Scratch};
use supermask::evaluate::{Neighbourhood, Parent};

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
            for (arithmetic, objective) in ARITHMETICS.iter().flat_map(|&a| objectives().map(|o| (a, o))) {
                let expected = plain_cost(&network, &mask, &samples, objective, arithmetic);
                let sets = if arithmetic.flushes() { 1 } else { Instructions::available().len() };
                for &instructions in &Instructions::available()[..sets] {
                    let tiles = tiles(&samples);
                    let landscape =
                        Landscape::with_instructions(&network, tiles, objective, arithmetic, instructions)
                            .expect("shapes match");
                    let cost = landscape.cost(&mask, &mut Scratch::default());
                    assert_eq!(cost, expected, "{widths:?} {count} {arithmetic:?} {instructions:?}");
                    compared += 1;
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
    let costs = ARITHMETICS.map(|arithmetic| plain_cost(&network, &mask, &samples, objective, arithmetic));
    assert_ne!(costs[0], costs[1]);
}

/// A parent with `mask` that looks at all samples.
fn parent<'a>(landscape: &'a Landscape, mask: &[u32]) -> Box<dyn Parent + 'a> {
    landscape.parent(mask, landscape.tiles().chunks().len()).expect("a processor has room")
}

/// The change of the cost by `flips` alone.
fn screen(
    parent: &mut dyn Parent,
    flips: &[u32],
    allowed: i64,
    race: Option<Race>,
    first_chunk: usize,
) -> Option<i64> {
    parent.screen(&[Candidate { flips, allowed }], race, first_chunk).expect("a processor does not fail")[0]
}

/// Flips the bits of `parent`, and of its `mask`, whatever it costs.
fn accept(parent: &mut dyn Parent, mask: &mut [u32], flips: &[u32]) {
    assert!(
        parent.attempt(Candidate { flips, allowed: i64::MAX }, None, 0).expect("a processor does not fail")
    );
    flips.iter().for_each(|&flip| mask::flip(mask, flip as usize));
}

/// Calls `check` with each shape and objective: a landscape, its samples, and how much screened costs may be off.
fn on_every_shape(mut check: impl FnMut(&Landscape, &Samples, f64)) {
    for widths in SHAPES {
        let network = network(widths, 4);
        let samples = samples(300, network.architecture(), 8);
        for objective in objectives() {
            let landscape = Landscape::new(&network, tiles(&samples), objective, Arithmetic::Fused)
                .expect("shapes match");
            let cost = landscape.cost(&random_mask(&network, 5), &mut Scratch::default()) as f64;
            let tolerance = if objective == Objective::Accuracy { 2.0 } else { SCREENING_TOLERANCE * cost };
            check(&landscape, &samples, tolerance);
        }
    }
}

#[test]
fn neighbours_cost_what_whole_masks_do_within_rounding() {
    on_every_shape(|landscape, _, tolerance| {
        let scratch = &mut Scratch::default();
        let network = landscape.network();
        let mask = random_mask(network, 5);
        let mut parent = parent(landscape, &mask);
        assert_eq!(parent.cost(), landscape.cost(&mask, scratch));
        let mut rng = stream(1, Concern::LocalSearch);
        let mut moved = 0;
        for n in 0..100 {
            let flips = flips(network, &mut rng);
            let mut neighbour = mask.clone();
            flips.iter().for_each(|&flip| mask::flip(&mut neighbour, flip as usize));
            let exact = landscape.cost(&neighbour, scratch) as i64 - parent.cost() as i64;
            let screened = screen(&mut *parent, &flips, i64::MAX, None, n).expect("all is allowed");
            let error = (screened - exact).abs() as f64;
            let widths = network.architecture();
            assert!(error <= tolerance, "{widths} {flips:?}: {screened} for {exact}");
            assert_eq!(screen(&mut *parent, &flips, screened - 1, None, n), None);
            moved += usize::from(exact != 0);
        }
        assert!(moved >= 5, "{moved} of 100 neighbours of {} differ", network.architecture());
    });
}

#[test]
fn screening_is_equal_on_every_instruction_set() {
    let network = network(&[5, 9, 6, 3], 4);
    let samples = samples(300, network.architecture(), 8);
    let objective = objectives()[1];
    let race = Some(Race { deviations: 2.0 });
    let screened = |instructions| {
        let tiles = tiles(&samples);
        let landscape =
            Landscape::with_instructions(&network, tiles, objective, Arithmetic::Fused, instructions)
                .expect("shapes match");
        let mut mask = random_mask(&network, 5);
        let mut parent = parent(&landscape, &mask);
        let mut rng = stream(1, Concern::LocalSearch);
        let mut next = || {
            let flips = flips(&network, &mut rng);
            let change = screen(&mut *parent, &flips, 0, race, 0);
            if change.is_some() {
                accept(&mut *parent, &mut mask, &flips);
            }
            change
        };
        (0..100).map(|_| next()).collect::<Vec<Option<i64>>>()
    };
    let screened: Vec<_> = Instructions::available().into_iter().map(screened).collect();
    assert!(screened[0].iter().any(Option::is_some) && screened[0].iter().any(Option::is_none));
    assert!(screened.iter().all(|one| *one == screened[0]));
}

#[test]
fn accepted_flips_drift_a_little_and_a_refresh_makes_them_exact() {
    let mut drifted = 0;
    on_every_shape(|landscape, samples, tolerance| {
        let mut mask = random_mask(landscape.network(), 5);
        let mut parent = parent(landscape, &mask);
        let mut rng = stream(2, Concern::LocalSearch);
        for _ in 0..100 {
            let flips = flips(landscape.network(), &mut rng);
            let change = screen(&mut *parent, &flips, i64::MAX, None, 0).expect("all is allowed");
            let expected = parent.cost() as i64 + change;
            accept(&mut *parent, &mut mask, &flips);
            assert_eq!(parent.cost() as i64, expected, "accepting does what screening said");
        }
        assert_eq!(parent.since_refresh(), 100);
        let screened = parent.cost();
        let objective = landscape.objective();
        let exact = plain_cost(landscape.network(), &mask, samples, objective, Arithmetic::Fused);
        let drift = screened.abs_diff(exact);
        let widths = landscape.network().architecture();
        assert!(drift as f64 <= tolerance, "{widths}: {screened} for {exact}");
        drifted += usize::from(drift > 0);
        parent.refresh().expect("a processor does not fail");
        assert_eq!((parent.cost(), parent.since_refresh()), (exact, 0));
    });
    assert!(drifted >= SHAPES.len() / 2, "a hundred flips leave no trace: is anything kept?");
}

#[test]
fn a_race_gives_up_bad_flips_early_and_passes_exact_changes() {
    let network = network(&[13, 17, 10], 3);
    let samples = samples(2000, network.architecture(), 7);
    let objective = objectives()[1];
    let landscape =
        Landscape::new(&network, tiles(&samples), objective, Arithmetic::Fused).expect("shapes match");
    let mask = random_mask(&network, 5);
    let [mut full, mut raced] = [parent(&landscape, &mask), parent(&landscape, &mask)];
    assert_eq!(raced.take_multiply_adds(), full.take_multiply_adds());
    let (mut agreed, mut passed) = (0, 0);
    for bit in 0..network.architecture().weights() as u32 {
        let slow = screen(&mut *full, &[bit], 0, None, 0);
        let fast = screen(&mut *raced, &[bit], 0, Some(Race { deviations: 3.0 }), 0);
        agreed += usize::from(slow == fast);
        passed += usize::from(fast.is_some());
        assert!(fast.is_none() || fast == slow, "what passes is known in full");
    }
    assert!(passed >= 50, "{passed}");
    // A race errs on the side of rejection, rarely at three standard errors.
    assert!(agreed >= network.architecture().weights() * 95 / 100, "{agreed}");
    assert!(raced.take_multiply_adds() < full.take_multiply_adds() * 4 / 5);
}

#[test]
fn on_many_samples_any_number_of_threads_makes_the_same_of_a_mask() {
    let network = network(&[2, 20, 2], 3);
    let samples = samples(9000, network.architecture(), 7);
    for objective in objectives() {
        let landscape =
            Landscape::new(&network, tiles(&samples), objective, Arithmetic::Fused).expect("shapes match");
        assert!(landscape.tiles().chunks().len() >= 16 && landscape.tiles().chunks()[0].tiles() > 1);
        let walk = || {
            let mut mask = random_mask(&network, 5);
            let mut parent = parent(&landscape, &mask);
            let mut rng = stream(2, Concern::LocalSearch);
            let mut passed = Vec::new();
            for n in 0..100 {
                let flips = flips(&network, &mut rng);
                let candidate = Candidate { flips: &flips, allowed: 0 };
                let race = Some(Race { deviations: 3.0 });
                passed.push(parent.attempt(candidate, race, n % 5).expect("a processor does not fail"));
                if passed[n] {
                    flips.iter().for_each(|&flip| mask::flip(&mut mask, flip as usize));
                }
            }
            let screened = parent.cost();
            parent.refresh().expect("a processor does not fail");
            assert_eq!(parent.exact_cost(&mask).expect("a cost"), parent.cost());
            (passed, screened, parent.cost(), parent.take_multiply_adds(), mask)
        };
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(walk)
        };
        let alone = with(1);
        assert!(alone.0.contains(&true) && alone.0.contains(&false));
        let exact = plain_cost(&network, &alone.4, &samples, objective, Arithmetic::Fused);
        assert_eq!(alone.2, exact);
        assert_eq!(alone, with(3));
    }
}
