//! One chain: a mask, and flips of it, accepted or not.

use super::config::{LocalSearchConfig, Temperature};
use super::history::{History, Point};
use crate::evaluate::neighbours::{Candidate, Landscape, Objective, Race, Resident, Scratch};
use crate::evolve::config::MutationSite;
use crate::mask;
use crate::random::{self, Stream};
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Entries of a chain's history, the first and the last state apart.
const HISTORY_POINTS: u64 = 50;

/// What a chain did and found.
#[derive(Clone, Debug)]
pub struct Walk {
    /// The mask of the smallest cost that was met.
    pub mask: Vec<u32>,
    /// Its exact cost in the landscape that was searched, without the price of weights.
    pub cost: u64,
    pub proposals: u64,
    pub accepted: u64,
    pub multiply_adds: u64,
    pub history: History,
}

/// How a stretch of a chain goes.
#[derive(Clone, Debug)]
pub struct Stretch<'a> {
    pub config: &'a LocalSearchConfig,
    pub proposals: u64,
    pub temperature: &'a Temperature,
    /// In place of the configuration's.
    pub weight_price: f64,
}

/// One or two bits to flip, ascending.
#[derive(Clone, Copy, Debug)]
struct Proposal {
    bits: [u32; 2],
    count: usize,
    /// The most by which the cost may rise, the price of weights included.
    allowed: i64,
}

impl Proposal {
    fn flips(&self) -> &[u32] {
        &self.bits[..self.count]
    }

    /// What is to be judged: the price of weights is left out.
    fn candidate(&self, price: i64, mask: &[u32]) -> Candidate<'_> {
        let allowed = self.allowed - price * self.weights_gained(mask);
        Candidate { flips: self.flips(), allowed }
    }

    /// By how many the kept weights become more.
    fn weights_gained(&self, mask: &[u32]) -> i64 {
        self.flips().iter().map(|&bit| if mask::get(mask, bit as usize) { -1 } else { 1 }).sum()
    }
}

/// Walks from `start` through `landscape`.
pub fn walk(landscape: &Landscape, start: &[u32], stretch: &Stretch<'_>, rng: &mut Stream) -> Walk {
    let began = Instant::now();
    let pool = Mutex::new(Vec::new());
    let mut scratch = Scratch::default();
    let mut resident = landscape.resident(start, &mut scratch);
    let mut unit = cost_unit(landscape, landscape.tiles().samples());
    let mut price = (stretch.weight_price * unit).round() as i64;
    let config = stretch.config;
    let race = config.race.map(|deviations| Race { deviations });
    let total = |resident: &Resident<'_>, price: i64| {
        resident.cost() as i64 + price * mask::count_ones(resident.mask()) as i64
    };
    let mut looked_at = landscape.tiles().chunks().len();
    let mut history = History::default();
    let mut present = total(&resident, price);
    let (mut best, mut best_mask) = (present, resident.mask().to_vec());
    let (mut done, mut accepted) = (0, 0);
    let mut proposals = Vec::with_capacity(config.batch);
    let mut next_point = 0;
    loop {
        if done >= next_point || done == stretch.proposals {
            history.push(Point {
                proposals: done,
                seconds: began.elapsed().as_secs_f64(),
                cost: resident.cost(),
                wrong: resident.wrong(&mut scratch),
                weights_kept: mask::count_ones(resident.mask()),
            });
            next_point += (stretch.proposals / HISTORY_POINTS).max(1);
        }
        if done == stretch.proposals {
            break;
        }
        let wanted = chunks_at(landscape, config, done as f64 / stretch.proposals as f64);
        if wanted != looked_at {
            looked_at = wanted;
            resident.look_at(wanted, &mut scratch);
            unit = cost_unit(landscape, resident.samples());
            price = (stretch.weight_price * unit).round() as i64;
            present = total(&resident, price);
            best = present;
            best_mask.copy_from_slice(resident.mask());
        }
        let batch = (stretch.proposals - done).min(config.batch as u64);
        let temperature = unit * temperature_at(stretch.temperature, done as f64 / stretch.proposals as f64);
        proposals.clear();
        proposals.extend((0..batch).map(|_| draw(landscape, config, resident.mask(), temperature, rng)));
        let first_chunk = random::index(rng, looked_at);
        let mut passed = screen(&resident, &proposals, price, race, first_chunk, &pool);
        while !passed.is_empty() {
            let joint = Joint::new(&proposals, &passed, price, resident.mask());
            let before = resident.cost() as i64;
            if !resident.attempt(joint.candidate(), race, first_chunk, &mut scratch) {
                passed.truncate(passed.len() / 2);
                continue;
            }
            present += price * joint.weights_gained + resident.cost() as i64 - before;
            accepted += passed.len() as u64;
            if present < best {
                best = present;
                best_mask.copy_from_slice(resident.mask());
            }
            if resident.since_refresh() >= config.refresh {
                resident.refresh(&mut scratch);
                present = total(&resident, price);
            }
            break;
        }
        done += batch;
    }
    // Where cold walks went sideways last, they end as well off as they ever were.
    if present <= best {
        best_mask.copy_from_slice(resident.mask());
    }
    let cost = landscape.cost(&best_mask, &mut scratch);
    let pooled = pool.into_inner().unwrap_or_else(PoisonError::into_inner);
    let multiply_adds = pooled.iter().fold(scratch.multiply_adds, |sum, used| sum + used.multiply_adds);
    Walk { mask: best_mask, cost, proposals: stretch.proposals, accepted, multiply_adds, history }
}

/// A proposal that passed by itself.
#[derive(Clone, Copy, Debug)]
struct Passed {
    proposal: usize,
    /// By how much less than allowed the cost would change.
    slack: i64,
}

/// Proposals that are made at once.
#[derive(Clone, Debug, Default)]
struct Joint {
    flips: Vec<u32>,
    allowed: i64,
    weights_gained: i64,
}

impl Joint {
    /// Together they may use up half of their slack.
    fn new(proposals: &[Proposal], passed: &[Passed], price: i64, mask: &[u32]) -> Self {
        let mut joint = Self::default();
        for &Passed { proposal, slack } in passed {
            let proposal = &proposals[proposal];
            if proposal.flips().iter().any(|flip| joint.flips.contains(flip)) {
                continue;
            }
            joint.flips.extend(proposal.flips());
            joint.allowed += proposal.candidate(price, mask).allowed - slack / 2;
            joint.weights_gained += proposal.weights_gained(mask);
        }
        joint.flips.sort_unstable();
        joint
    }

    fn candidate(&self) -> Candidate<'_> {
        Candidate { flips: &self.flips, allowed: self.allowed }
    }
}

/// Which of the `proposals` are allowed, by themselves? The one with the most slack first.
fn screen(
    resident: &Resident<'_>,
    proposals: &[Proposal],
    price: i64,
    race: Option<Race>,
    first_chunk: usize,
    pool: &Mutex<Vec<Scratch>>,
) -> Vec<Passed> {
    if let [_] = proposals {
        // The attempt itself judges it.
        return vec![Passed { proposal: 0, slack: 0 }];
    }
    let candidates: Vec<Candidate<'_>> =
        proposals.iter().map(|proposal| proposal.candidate(price, resident.mask())).collect();
    let threads = rayon::current_num_threads();
    let share = if threads == 1 { candidates.len() } else { candidates.len().div_ceil(threads * 2) };
    let parts = candidates.par_chunks(share).map(|part| {
        let mut scratch = pool.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let changes = resident.screen(part, race, first_chunk, &mut scratch);
        pool.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
        changes
    });
    let changes = parts.collect::<Vec<_>>().concat();
    let passed = changes.into_iter().zip(&candidates).enumerate();
    let mut passed: Vec<Passed> = passed
        .filter_map(|(proposal, (change, candidate))| {
            Some(Passed { proposal, slack: candidate.allowed - change? })
        })
        .collect();
    passed.sort_by_key(|passed| std::cmp::Reverse(passed.slack));
    passed
}

/// The cost of one unit of the fitness: all samples wrong, or a mean loss of tau².
fn cost_unit(landscape: &Landscape, samples: usize) -> f64 {
    let samples = samples as f64;
    match landscape.objective() {
        Objective::Accuracy => samples,
        Objective::Margin(margin) => {
            samples * f64::from(margin.tau()) * f64::from(margin.tau()) * f64::from(margin.scale())
        }
    }
}

/// The number of chunks that are looked at.
fn chunks_at(landscape: &Landscape, config: &LocalSearchConfig, progress: f64) -> usize {
    let all = landscape.tiles().chunks().len();
    let Some(growth) = config.growth.as_ref().filter(|growth| progress < growth.until) else { return all };
    let doublings = (landscape.tiles().samples() / growth.samples).max(1).ilog2();
    let done = (progress / growth.until * f64::from(doublings)) as u32;
    (all >> (doublings - done)).max(1)
}

fn temperature_at(temperature: &Temperature, progress: f64) -> f64 {
    if temperature.start == 0.0 {
        return 0.0;
    }
    temperature.start * libm::pow(temperature.end / temperature.start, progress)
}

fn draw(
    landscape: &Landscape,
    config: &LocalSearchConfig,
    mask: &[u32],
    temperature: f64,
    rng: &mut Stream,
) -> Proposal {
    let architecture = &landscape.network().architecture;
    let bit = match config.site {
        MutationSite::Weight => random::index(rng, architecture.weights()),
        MutationSite::LayerThenWeight => {
            let layer = architecture.layer(random::index(rng, architecture.layer_count()));
            layer.first_weight + random::index(rng, layer.weights())
        }
    };
    let mut proposal = Proposal { bits: [bit as u32; 2], count: 1, allowed: 0 };
    if config.swap_rate > 0.0 && random::chance(rng, config.swap_rate) {
        let layer = architecture.layers().rfind(|layer| layer.first_weight <= bit).expect("a layer's bit");
        let row = bit - (bit - layer.first_weight) % layer.inputs;
        for _ in 0..SWAP_TRIES {
            let other = row + random::index(rng, layer.inputs);
            if mask::get(mask, other) != mask::get(mask, bit) {
                proposal.bits = [bit.min(other) as u32, bit.max(other) as u32];
                proposal.count = 2;
                break;
            }
        }
    }
    if temperature > 0.0 {
        // Metropolis: exp(-change / temperature) above a uniform number.
        let uniform = 1.0 - random::unit(rng);
        proposal.allowed = (-temperature * libm::log(uniform)).floor() as i64;
    }
    proposal
}

/// Draws of a partner of the other kind before a swap becomes a flip.
const SWAP_TRIES: usize = 8;
