//! Neighbours on a software adapter: whole masks cost what the plain forms say, and flips cost what they do on
//! the CPU, bit for bit.

use super::*;
use supermask::evaluate::Neighbourhood;
use supermask::evaluate::gpu::Limits;
use supermask::evaluate::gpu::neighbours::{DEFAULT_MEMORY, Flips, GpuLandscape, Keeping};
use supermask::evaluate::neighbours::{Candidate, Landscape, Race, judge};

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

/// What `mask` costs by the plain form, in the device's arithmetic.
fn exact_cost(network: &Network, mask: &[u32], samples: &Samples, objective: Objective) -> u64 {
    plain_cost(network, mask, samples, objective, device().arithmetic())
}

fn cpu(network: &Network, samples: &Samples, objective: Objective) -> Landscape {
    Landscape::new(network, tiles(samples), objective, device().arithmetic()).expect("shapes match")
}

fn gpu(network: &Network, samples: &Samples, objective: Objective, parents: usize) -> GpuLandscape {
    GpuLandscape::new(device(), network, &tiles(samples), objective, parents, DEFAULT_MEMORY)
        .expect("a landscape")
}

#[test]
fn whole_masks_cost_what_the_plain_forms_say() {
    for widths in SHAPES {
        let network = network(widths, 3);
        for (count, objective) in [1, 64, 200].into_iter().zip(objectives()) {
            let samples = samples(count, network.architecture(), 8);
            let mut landscape = gpu(&network, &samples, objective, 2);
            assert_eq!(
                landscape.cost(0),
                exact_cost(&network, &vec![0; landscape.mask(0).len()], &samples, objective)
            );
            let mask = random_mask(&network, 1);
            let cost = landscape.set_parent(1, &mask).expect("a cost");
            assert_eq!(cost, exact_cost(&network, &mask, &samples, objective), "{widths:?} {objective:?}");
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
            let landscape = cpu(&network, &samples, objective);
            let mut device = gpu(&network, &samples, objective, 2);
            let mut masks = [random_mask(&network, 5), random_mask(&network, 6)];
            let chunks = landscape.tiles().chunks().len();
            let mut parents = masks.each_ref().map(|mask| landscape.parent(mask, chunks).expect("a parent"));
            for (n, mask) in masks.iter().enumerate() {
                device.set_parent(n, mask).expect("a cost");
            }
            for round in 0..4 {
                let proposals: Vec<(usize, Vec<u32>)> =
                    (0..12).map(|n| (n % 2, flips(&network, &mut rng))).collect();
                let asked: Vec<Flips<'_>> =
                    proposals.iter().map(|(parent, bits)| Flips { parent: *parent, bits }).collect();
                let costs = device.screen(&asked).expect("costs");
                for ((parent, bits), costs) in proposals.iter().zip(costs) {
                    let cost: u64 = costs.iter().sum();
                    let changes = parents[*parent].screen(&[any(bits)], None, 0).expect("changes");
                    let change = changes[0].expect("all is allowed");
                    let expected = (parents[*parent].cost() as i64 + change) as u64;
                    assert_eq!(cost, expected, "{widths:?} {objective:?} round {round} flips {bits:?}");
                    distinct.insert(cost);
                }
                // What is accepted drifts alike.
                let (parent, bits) = &proposals[round];
                assert!(parents[*parent].attempt(any(bits), None, 0).expect("no failure"));
                bits.iter().for_each(|&bit| mask::flip(&mut masks[*parent], bit as usize));
                let cost = device.accept(Flips { parent: *parent, bits }).expect("a cost");
                assert_eq!((cost, device.mask(*parent)), (parents[*parent].cost(), &masks[*parent][..]));
            }
            for (n, parent) in parents.iter_mut().enumerate() {
                parent.refresh().expect("no failure");
                assert_eq!(device.refresh(n).expect("a cost"), parent.cost());
                assert_eq!(device.cost(n), exact_cost(&network, device.mask(n), &samples, objective));
                assert_eq!(device.wrong(n).expect("a count"), parent.wrong().expect("a count"));
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
    let asked: Vec<Flips<'_>> = proposals.iter().map(|bits| Flips { parent: 1, bits }).collect();
    let mut whole = gpu(&network, &samples, objective, 2);
    whole.set_parent(1, &mask).expect("a cost");
    let expected = whole.screen(&asked).expect("costs");
    // Two parents of 18 rows and 64 samples: 9 KiB and a little more.
    let limits = Limits { binding_bytes: 10 << 10, ..device().description().limits };
    for (memory, keeping) in [(DEFAULT_MEMORY, Keeping::Resident), (1 << 10, Keeping::Recomputed)] {
        let tiles = tiles(&samples);
        let mut cut = GpuLandscape::with_limits(device(), &network, &tiles, objective, 2, memory, limits)
            .expect("a landscape");
        assert!(cut.memory_plan().chunks > 1 && cut.memory_plan().keeping == keeping);
        let most = GpuLandscape::most_resident(device(), &network, &tiles, 3, memory);
        assert_eq!(most, if keeping == Keeping::Resident { 3 } else { 1 });
        assert_eq!(cut.set_parent(1, &mask).expect("a cost"), whole.cost(1));
        assert_eq!(cut.screen(&asked).expect("costs"), expected);
        let cost = cut.accept(asked[0]).expect("a cost");
        if keeping == Keeping::Recomputed {
            assert_eq!(cost, exact_cost(&network, cut.mask(1), &samples, objective));
        } else {
            assert_eq!(cost, expected[0].iter().sum::<u64>());
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
        let landscape = cpu(&network, &samples, objective);
        let chunks = landscape.tiles().chunks();
        let mut device = gpu(&network, &samples, objective, 2);
        // Two parents that look at different numbers of tiles share a dispatch.
        let looked_at = [chunks.len(), chunks.len() / 2];
        let masks = [random_mask(&network, 5), random_mask(&network, 6)];
        let mut parents = [0, 1].map(|n| landscape.parent(&masks[n], looked_at[n]).expect("a parent"));
        for (n, mask) in masks.iter().enumerate() {
            let tiles = chunks[..looked_at[n]].iter().map(|chunk| chunk.tiles()).sum();
            assert_eq!(device.place(n, mask, tiles).expect("a cost"), parents[n].cost());
        }
        let proposals: Vec<(usize, Vec<u32>)> = (0..60).map(|n| (n % 2, flips(&network, &mut rng))).collect();
        let asked: Vec<Flips<'_>> =
            proposals.iter().map(|(parent, bits)| Flips { parent: *parent, bits }).collect();
        let costs = device.screen(&asked).expect("costs");
        for ((parent, bits), after) in proposals.iter().zip(costs) {
            let first_chunk = index(&mut rng, looked_at[*parent]);
            let change = after.iter().sum::<u64>() as i64 - device.cost(*parent) as i64;
            // Just enough to pass on all samples: a race gives some of these up.
            let allowed = if index(&mut rng, 4) == 0 { change - 1 } else { change };
            let candidate = [Candidate { flips: bits, allowed }];
            for race in [None, Some(Race { deviations: 0.1 })] {
                let costs = (device.tile_costs(*parent), &after[..]);
                let judged = judge(race, chunks[0].tiles(), first_chunk, costs, allowed);
                let screened = parents[*parent].screen(&candidate, race, first_chunk).expect("changes");
                assert_eq!(judged, screened[0]);
                match (race, judged) {
                    (_, Some(_)) => passed += 1,
                    (None, None) => lost += 1,
                    (Some(_), None) => given_up += 1,
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
    for (samples, part) in [(narrow, "reads 5 features"), (foreign, "of class 7")] {
        let built =
            GpuLandscape::new(device(), &network, &tiles(&samples), Objective::Accuracy, 1, DEFAULT_MEMORY);
        let error = built.err().expect("an error").to_string();
        assert!(error.contains(part), "{error}");
    }
}
