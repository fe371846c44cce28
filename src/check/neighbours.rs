//! Neighbours of kept masks: exact costs against the plain form, flips against the CPU in the same arithmetic, which
//! every implementation equals bit for bit.

use super::case::{flips, margin, network, plain_cost, random_mask, samples, tiles};
use super::fault::{compare, compare_one};
use super::{Fault, Subject};
use crate::dataset::Samples;
use crate::evaluate::gpu::{GpuBackend, Limits};
use crate::evaluate::neighbours::{Candidate, Race};
use crate::evaluate::{Backend, CpuBackend, Demand, EvaluateError, Neighbourhood, Parent};
use crate::mask;
use crate::network::Network;
use crate::objective::Objective;
use crate::random::{Concern, index, stream};
use std::collections::BTreeSet;

/// Networks whose neighbours are looked at.
pub const SHAPES: [&[usize]; 4] = [&[2, 20, 2], &[13, 17, 10], &[5, 9, 6, 3], &[3, 9, 8, 9, 4]];

/// The count, a small margin and one that saturates.
pub fn objectives() -> [Objective; 3] {
    [Objective::Accuracy, margin(0.7), margin(1e-3)]
}

/// A neighbour that is accepted whatever it costs.
fn any(flips: &[u32]) -> Candidate<'_> {
    Candidate { flips, allowed: i64::MAX }
}

fn flip(mask: &mut [u32], bits: &[u32]) {
    bits.iter().for_each(|&bit| mask::flip(mask, bit as usize));
}

/// A network, samples and an objective.
struct NeighbourCase {
    network: Network,
    samples: Samples,
    objective: Objective,
}

impl NeighbourCase {
    fn new(widths: &[usize], count: usize, objective: Objective) -> Self {
        let network = network(widths, 3);
        Self { samples: samples(count, network.architecture(), 8), network, objective }
    }

    /// With places for two parents, whatever the machine has of threads.
    fn on(&self, backend: &dyn Backend) -> Result<Box<dyn Neighbourhood>, Fault> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build();
        let pool = pool.map_err(|error| Fault::Setup(format!("cannot start threads: {error}")))?;
        let demand = Demand { parents: 2, batch: 64 };
        let new = || backend.neighbourhood(&self.network, tiles(&self.samples), self.objective, demand);
        Ok(pool.install(new)?)
    }

    /// On the CPU in the subject's arithmetic, and on the subject.
    fn on_both(&self, subject: &Subject) -> Result<[Box<dyn Neighbourhood>; 2], Fault> {
        let backend = subject.backend();
        Ok([self.on(&CpuBackend(backend.arithmetic()))?, self.on(backend)?])
    }

    /// What `mask` costs by the plain form.
    fn exact_cost(&self, subject: &Subject, mask: &[u32]) -> u64 {
        let arithmetic = subject.backend().arithmetic();
        plain_cost(&self.network, mask, &self.samples, self.objective, arithmetic)
    }
}

/// A parent that looks at all samples.
fn whole<'a>(on: &'a dyn Neighbourhood, mask: &[u32]) -> Result<Box<dyn Parent + 'a>, EvaluateError> {
    on.parent(mask, on.tiles().chunks().len())
}

/// The random mask and the empty one cost what the plain form says, on so many samples.
///
/// # Errors
/// What differs, or the device's error.
pub fn masks(subject: &Subject, widths: &[usize], samples: usize, objective: Objective) -> Result<(), Fault> {
    let case = NeighbourCase::new(widths, samples, objective);
    let on_subject = case.on(subject.backend())?;
    let random = random_mask(&case.network, 1);
    let masks = [vec![0; random.len()], random];
    // Both parents are kept at a time.
    let parents = [whole(&*on_subject, &masks[0])?, whole(&*on_subject, &masks[1])?];
    for (parent, mask) in parents.iter().zip(&masks) {
        compare_one("cost of a mask", parent.cost(), case.exact_cost(subject, mask))?;
    }
    Ok(())
}

/// Two kept masks go from neighbour to neighbour: what is screened, attempted and counted is the CPU's, and what is
/// refreshed the plain form's. Returns how many costs were told apart.
///
/// # Errors
/// As [`masks`].
pub fn walk(subject: &Subject, widths: &[usize], objective: Objective) -> Result<usize, Fault> {
    let case = NeighbourCase::new(widths, 200, objective);
    let [cpu, device] = case.on_both(subject)?;
    let masks = [random_mask(&case.network, 5), random_mask(&case.network, 6)];
    let mut kept = Vec::new();
    for mask in &masks {
        kept.push([whole(&*cpu, mask)?, whole(&*device, mask)?]);
    }
    let mut rng = stream(4, Concern::LocalSearch);
    let mut distinct = BTreeSet::new();
    for (mut mask, [mut on_cpu, mut on_device]) in masks.into_iter().zip(kept) {
        for round in 0..4 {
            let proposals: Vec<Vec<u32>> = (0..6).map(|_| flips(&case.network, &mut rng)).collect();
            let candidates: Vec<Candidate<'_>> = proposals.iter().map(|bits| any(bits)).collect();
            let expected = on_cpu.screen(&candidates, None, 0)?;
            let changes = on_device.screen(&candidates, None, 0)?;
            compare(&format!("screened change in round {round}"), &changes, &expected)?;
            distinct.extend(changes.iter().flatten().map(|change| on_cpu.cost() as i64 + change));
            // What is accepted drifts alike.
            for parent in [&mut on_cpu, &mut on_device] {
                let passed = parent.attempt(candidates[round], None, 0)?;
                compare_one("attempt at any cost", passed, true)?;
            }
            compare_one("cost after an attempt", on_device.cost(), on_cpu.cost())?;
            flip(&mut mask, &proposals[round]);
        }
        compare_one("wrong samples", on_device.wrong()?, on_cpu.wrong()?)?;
        on_device.refresh()?;
        compare_one("refreshed cost", on_device.cost(), case.exact_cost(subject, &mask))?;
        let other = random_mask(&case.network, 9);
        compare_one("exact cost", on_device.exact_cost(&other)?, case.exact_cost(subject, &other))?;
    }
    Ok(distinct.len())
}

/// Races on so many samples, or half of them, pass and give up as on the CPU. Returns how many proposals passed, cost
/// too much, and were given up.
///
/// # Errors
/// As [`masks`].
pub fn races(subject: &Subject, samples: usize) -> Result<[usize; 3], Fault> {
    let case = NeighbourCase::new(&[5, 9, 6, 3], samples, objectives()[1]);
    let on_both = case.on_both(subject)?;
    let chunks = on_both[0].tiles().chunks().len();
    let mut rng = stream(9, Concern::LocalSearch);
    let mut outcomes = [0; 3];
    for (looked_at, seed) in [(chunks, 5), (chunks / 2, 6)] {
        let mask = random_mask(&case.network, seed);
        let [mut on_cpu, mut on_device] =
            [on_both[0].parent(&mask, looked_at)?, on_both[1].parent(&mask, looked_at)?];
        compare_one("cost of a part", on_device.cost(), on_cpu.cost())?;
        for _ in 0..30 {
            let bits = flips(&case.network, &mut rng);
            let change = on_cpu.screen(&[any(&bits)], None, 0)?[0].unwrap_or_default();
            // Just enough to pass on all samples: a race gives some of these up.
            let allowed = if index(&mut rng, 4) == 0 { change - 1 } else { change };
            let candidate = [Candidate { flips: &bits, allowed }];
            let first_chunk = index(&mut rng, looked_at);
            for race in [None, Some(Race { deviations: 0.1 })] {
                let expected = on_cpu.screen(&candidate, race, first_chunk)?;
                let judged = on_device.screen(&candidate, race, first_chunk)?;
                compare("change in a race", &judged, &expected)?;
                outcomes[match (race, expected[0]) {
                    (_, Some(_)) => 0,
                    (None, None) => 1,
                    (Some(_), None) => 2,
                }] += 1;
            }
        }
    }
    Ok(outcomes)
}

/// Samples in chunks, and pre-activations computed anew where a device may keep too few, change no cost of a mask.
///
/// # Errors
/// As [`masks`].
pub fn cut(subject: &Subject) -> Result<(), Fault> {
    let Some(device) = subject.device() else { return Ok(()) };
    // Two parents of 18 rows and 64 samples: 9 KiB and a little more. Of 803 rows: 402 KiB, and a layer's weights take 625.
    for (widths, binding) in [(&[5, 9, 6, 3][..], 10 << 10), (&[3, 400, 400, 3], 412 << 10)] {
        let case = NeighbourCase::new(widths, 300, objectives()[1]);
        let limits = Limits { binding_bytes: binding, ..device.description().limits };
        cut_to(subject, &case, &GpuBackend::new(device.within(limits), true))?;
    }
    Ok(())
}

/// `case` on a `small` device, with and without memory for parents.
fn cut_to(subject: &Subject, case: &NeighbourCase, small: &GpuBackend) -> Result<(), Fault> {
    let mask = random_mask(&case.network, 7);
    let mut rng = stream(5, Concern::LocalSearch);
    let proposals: Vec<Vec<u32>> = (0..20).map(|_| flips(&case.network, &mut rng)).collect();
    let asked: Vec<Candidate<'_>> = proposals.iter().map(|bits| any(bits)).collect();
    let uncut = case.on(&CpuBackend(small.arithmetic()))?;
    let mut uncut = whole(&*uncut, &mask)?;
    let expected = uncut.screen(&asked, None, 0)?;
    for (memory, is_recomputed) in [(16 << 20, false), (1 << 10, true)] {
        let small = small.with_memory(memory).expect("a device that keeps parents");
        let on_device = case.on(&*small)?;
        compare_one("computed anew", on_device.is_recomputed(), is_recomputed)?;
        let mut parent = whole(&*on_device, &mask)?;
        compare_one("cost", parent.cost(), uncut.cost())?;
        compare("screened change", &parent.screen(&asked, None, 0)?, &expected)?;
        compare_one("attempt at any cost", parent.attempt(asked[0], None, 0)?, true)?;
        let mut flipped = mask.clone();
        flip(&mut flipped, &proposals[0]);
        let screened = uncut.cost() as i64 + expected[0].unwrap_or_default();
        let cost = if is_recomputed { case.exact_cost(subject, &flipped) } else { screened as u64 };
        compare_one("cost after an attempt", parent.cost(), cost)?;
    }
    Ok(())
}
