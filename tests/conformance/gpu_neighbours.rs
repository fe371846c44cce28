//! Neighbours on a software adapter: whole masks cost what the plain forms say, and flips cost what they do on
//! the CPU, bit for bit.

use super::*;
use supermask::evaluate::gpu::Limits;
use supermask::evaluate::neighbours::{Candidate, Race};
use supermask::evaluate::{Demand, Neighbourhood, Parent};

const SHAPES: [&[usize]; 4] = [&[2, 20, 2], &[13, 17, 10], &[5, 9, 6, 3], &[3, 9, 8, 9, 4]];

/// A small and a saturating margin, and the count.
fn objectives() -> [Objective; 3] {
    let margin = |tau| Objective::Margin(Margin::new(tau).expect("a margin"));
    [Objective::Accuracy, margin(0.7), margin(1e-3)]
}

/// A neighbour that is accepted whatever it costs.
fn any(flips: &[u32]) -> Candidate<'_> {
    Candidate { flips, allowed: i64::MAX }
}

fn flip(mask: &mut [u32], bits: &[u32]) {
    bits.iter().for_each(|&bit| mask::flip(mask, bit as usize));
}

/// What `mask` costs by the plain form, in the device's arithmetic.
fn exact_cost(network: &Network, mask: &[u32], samples: &Samples, objective: Objective) -> u64 {
    plain_cost(network, mask, samples, objective, device().arithmetic())
}

/// With places for two parents, whatever the machine has of threads.
fn neighbourhood(
    backend: &dyn Backend,
    network: &Network,
    samples: &Samples,
    objective: Objective,
) -> Box<dyn Neighbourhood> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool");
    let demand = Demand { parents: 2, batch: 64 };
    let new = || backend.neighbourhood(network, tiles(samples), objective, demand);
    pool.install(new).expect("a neighbourhood")
}

/// On the CPU in the device's arithmetic, and on the device.
fn on_both(network: &Network, samples: &Samples, objective: Objective) -> [Box<dyn Neighbourhood>; 2] {
    let backends: [&dyn Backend; 2] =
        [&CpuBackend(device().arithmetic()), &GpuBackend::new(device().clone(), true)];
    backends.map(|backend| neighbourhood(backend, network, samples, objective))
}

/// A parent that looks at all samples.
fn whole<'a>(neighbourhood: &'a dyn Neighbourhood, mask: &[u32]) -> Box<dyn Parent + 'a> {
    neighbourhood.parent(mask, neighbourhood.tiles().chunks().len()).expect("a parent")
}

#[test]
fn whole_masks_cost_what_the_plain_forms_say() {
    for widths in SHAPES {
        let network = network(widths, 3);
        for (count, objective) in [1, 64, 200].into_iter().zip(objectives()) {
            let samples = samples(count, network.architecture(), 8);
            let [_, on_device] = on_both(&network, &samples, objective);
            let random = random_mask(&network, 1);
            let masks = [vec![0; random.len()], random];
            let parents = masks.each_ref().map(|mask| whole(&*on_device, mask));
            for (parent, mask) in parents.iter().zip(&masks) {
                let expected = exact_cost(&network, mask, &samples, objective);
                assert_eq!(parent.cost(), expected, "{widths:?} {objective:?}");
            }
        }
    }
}

#[test]
fn flips_cost_what_they_do_on_the_cpu_bit_for_bit() {
    let mut rng = stream(4, Concern::LocalSearch);
    let mut distinct = std::collections::BTreeSet::new();
    for widths in SHAPES {
        let network = network(widths, 3);
        let samples = samples(200, network.architecture(), 8);
        for objective in objectives() {
            let on_both = on_both(&network, &samples, objective);
            let masks = [random_mask(&network, 5), random_mask(&network, 6)];
            // Both parents are kept at a time.
            let parents = masks.each_ref().map(|mask| on_both.each_ref().map(|on| whole(&**on, mask)));
            for (mut mask, [mut on_cpu, mut on_device]) in masks.into_iter().zip(parents) {
                for round in 0..4 {
                    let proposals: Vec<Vec<u32>> = (0..6).map(|_| flips(&network, &mut rng)).collect();
                    let candidates: Vec<Candidate<'_>> = proposals.iter().map(|bits| any(bits)).collect();
                    let changes = on_device.screen(&candidates, None, 0).expect("changes");
                    let expected = on_cpu.screen(&candidates, None, 0).expect("changes");
                    assert_eq!(changes, expected, "{widths:?} {objective:?} round {round} {proposals:?}");
                    distinct.extend(changes.iter().flatten().map(|change| on_cpu.cost() as i64 + change));
                    // What is accepted drifts alike.
                    for parent in [&mut on_cpu, &mut on_device] {
                        assert!(parent.attempt(candidates[round], None, 0).expect("no failure"));
                    }
                    assert_eq!(on_device.cost(), on_cpu.cost());
                    flip(&mut mask, &proposals[round]);
                }
                assert_eq!(on_device.wrong().expect("a count"), on_cpu.wrong().expect("a count"));
                on_device.refresh().expect("no failure");
                assert_eq!(on_device.cost(), exact_cost(&network, &mask, &samples, objective));
            }
        }
    }
    assert!(distinct.len() > 300, "the proposals tell costs apart: {}", distinct.len());
}

#[test]
fn neither_chunks_nor_recomputing_change_a_cost_of_an_exact_parent() {
    let network = network(&[5, 9, 6, 3], 3);
    let samples = samples(300, network.architecture(), 8);
    let objective = objectives()[1];
    let mask = random_mask(&network, 7);
    let mut rng = stream(5, Concern::LocalSearch);
    let proposals: Vec<Vec<u32>> = (0..20).map(|_| flips(&network, &mut rng)).collect();
    let asked: Vec<Candidate<'_>> = proposals.iter().map(|bits| any(bits)).collect();
    let [_, uncut] = on_both(&network, &samples, objective);
    let mut uncut = whole(&*uncut, &mask);
    let expected = uncut.screen(&asked, None, 0).expect("changes");
    // Two parents of 18 rows and 64 samples: 9 KiB and a little more.
    let limits = Limits { binding_bytes: 10 << 10, ..device().description().limits };
    let small = GpuBackend::new(device().within(limits), true);
    for (memory, is_recomputed) in [(1 << 20, false), (1 << 10, true)] {
        let small = small.with_memory(memory).expect("a device that keeps parents");
        let cut = neighbourhood(&*small, &network, &samples, objective);
        assert_eq!(cut.is_recomputed(), is_recomputed);
        let mut parent = whole(&*cut, &mask);
        assert_eq!(parent.cost(), uncut.cost());
        assert_eq!(parent.screen(&asked, None, 0).expect("changes"), expected);
        assert!(parent.attempt(asked[0], None, 0).expect("no failure"));
        if is_recomputed {
            let mut flipped = mask.clone();
            flip(&mut flipped, &proposals[0]);
            assert_eq!(parent.cost(), exact_cost(&network, &flipped, &samples, objective));
        } else {
            assert_eq!(parent.cost() as i64, uncut.cost() as i64 + expected[0].expect("is allowed"));
        }
    }
}

#[test]
fn races_are_judged_as_on_the_cpu_also_on_a_part_of_the_samples() {
    let network = network(&[5, 9, 6, 3], 3);
    let objective = objectives()[1];
    let mut rng = stream(9, Concern::LocalSearch);
    let (mut passed, mut lost, mut given_up) = (0, 0, 0);
    // Chunks of one tile, and of eight.
    for count in [600, 9_000] {
        let samples = samples(count, network.architecture(), 8);
        let on_both = on_both(&network, &samples, objective);
        let chunks = on_both[0].tiles().chunks().len();
        for (looked_at, mask) in [(chunks, random_mask(&network, 5)), (chunks / 2, random_mask(&network, 6))]
        {
            let parents = on_both.each_ref().map(|on| on.parent(&mask, looked_at).expect("a parent"));
            let [mut on_cpu, mut on_device] = parents;
            assert_eq!(on_device.cost(), on_cpu.cost());
            for _ in 0..30 {
                let bits = flips(&network, &mut rng);
                let change = on_device.screen(&[any(&bits)], None, 0).expect("changes")[0];
                let change = change.expect("all is allowed");
                // Just enough to pass on all samples: a race gives some of these up.
                let allowed = if index(&mut rng, 4) == 0 { change - 1 } else { change };
                let candidate = [Candidate { flips: &bits, allowed }];
                let first_chunk = index(&mut rng, looked_at);
                for race in [None, Some(Race { deviations: 0.1 })] {
                    let judged = on_device.screen(&candidate, race, first_chunk).expect("changes");
                    assert_eq!(judged, on_cpu.screen(&candidate, race, first_chunk).expect("changes"));
                    match (race, judged[0]) {
                        (_, Some(_)) => passed += 1,
                        (None, None) => lost += 1,
                        (Some(_), None) => given_up += 1,
                    }
                }
            }
        }
    }
    assert!(passed > 20 && lost > 20 && given_up > lost, "{passed} {lost} {given_up}");
}

#[test]
fn shapes_that_do_not_match_are_errors_that_name_them() {
    let network = network(&[5, 9, 3], 3);
    let mut narrow = samples(10, network.architecture(), 8);
    narrow.width = 2;
    let mut foreign = samples(10, network.architecture(), 8);
    foreign.labels[3] = 7;
    let backend = GpuBackend::new(device().clone(), true);
    let demand = Demand { parents: 1, batch: 1 };
    for (samples, part) in [(narrow, "reads 5 features"), (foreign, "of class 7")] {
        let built = backend.neighbourhood(&network, tiles(&samples), Objective::Accuracy, demand);
        let error = built.err().expect("an error").to_string();
        assert!(error.contains(part), "{error}");
    }
}
