//! What a sweep will take: its evaluations, their time, and memory.
//!
//! What a configuration leaves open is left open here: generations lie between the least and the most that it
//! allows. Masks are taken to be half full, and no two of a run alike; sparser ones take less.

use super::host::Host;
use super::{Calibration, CostError, Profile};
use crate::dataset::Split;
use crate::evaluate::Backend;
use crate::evaluate::cpu;
use crate::mask;
use crate::network::Architecture;
use crate::random::{self, Concern};
use crate::run::Run;
use crate::run::config::AlgorithmConfig;
use crate::search::genetic::GeneticConfig;
use crate::sweep::Outline;
use crate::sweep::plan::{self, WORKERS_PER_DEVICE};
use std::collections::BTreeMap;
use std::time::Duration;

/// Random masks that stand for all masks of a search.
const PROBES: usize = 4;

/// How long the host's share of a search is measured.
const HOST_BUDGET: Duration = Duration::from_millis(50);

/// Candidates for the accuracy bound that are scored together.
const CANDIDATES: usize = 256;

/// Steps of the bound below this power of a tenth do not count as falling.
const MOST_EXPONENT: f64 = 8.0;

/// An amount from the least to the most that a configuration allows; without a most where it sets none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    pub least: f64,
    pub most: Option<f64>,
}

impl Range {
    const NOTHING: Self = Self { least: 0.0, most: Some(0.0) };

    fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self { least: f(self.least), most: self.most.map(f) }
    }

    fn zip(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        let most = self.most.zip(other.most).map(|(a, b)| f(a, b));
        Self { least: f(self.least, other.least), most }
    }
}

/// What the runs of a sweep that are still to do will take.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// Runs of genetic search.
    pub searches: usize,
    /// Of a run: the least of any configuration, and the most.
    pub generations: Range,
    pub evaluations: Range,
    /// Wall time of the searches.
    pub seconds: Range,
    /// What one more generation of every search takes.
    pub seconds_per_generation: f64,
    /// The host's own part of that, in seconds of one thread.
    pub host_seconds_per_generation: f64,
    /// Does an accuracy bound reject candidates, whose number is not known?
    pub has_bound: bool,
    /// Memory at the same time, at most, in bytes.
    pub host_bytes: u64,
    pub device_bytes: u64,
    /// Runs whose time is not predicted: their number, and what they do, by kind.
    pub others: BTreeMap<&'static str, Other>,
}

/// Runs whose time is not predicted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Other {
    pub runs: usize,
    /// Proposals of local searches, or epochs of training, at most and in all.
    pub steps: u64,
}

/// One device, its costs, and the memory of its batches.
#[derive(Clone, Copy, Debug)]
pub struct Means<'a> {
    pub device: &'a dyn Backend,
    pub calibration: &'a Calibration,
    /// As `--memory`, in bytes.
    pub memory: u64,
}

/// Adds up the groups of a sweep.
///
/// # Errors
/// When a network does not fit the device, or its kernel was not calibrated.
pub fn forecast(groups: &[Outline], means: Means<'_>) -> Result<Forecast, CostError> {
    let mut all = Forecast {
        searches: 0,
        generations: Range { least: f64::INFINITY, most: Some(0.0) },
        evaluations: Range::NOTHING,
        seconds: Range::NOTHING,
        seconds_per_generation: 0.0,
        host_seconds_per_generation: 0.0,
        has_bound: false,
        host_bytes: 0,
        device_bytes: 0,
        others: BTreeMap::new(),
    };
    for group in groups {
        for run in &group.runs {
            all.add_other(run);
        }
        // Runs of one group may differ in their settings: each kind is a forecast of its own.
        let mut kinds: Vec<(&GeneticConfig, usize)> = Vec::new();
        for genetic in group.runs.iter().filter_map(|run| run.config.algorithm.genetic()) {
            match kinds.iter_mut().find(|(known, _)| *known == genetic) {
                Some((_, runs)) => *runs += 1,
                None => kinds.push((genetic, 1)),
            }
        }
        for (genetic, runs) in kinds {
            let together = if groups.len() > 1 { runs } else { runs.div_ceil(WORKERS_PER_DEVICE) };
            all.add(&Searches { group, genetic, runs, together, means })?;
        }
    }
    Ok(all)
}

/// Runs of genetic search that share data, architecture and settings.
struct Searches<'a> {
    group: &'a Outline,
    genetic: &'a GeneticConfig,
    runs: usize,
    /// Of these, those that a worker takes.
    together: usize,
    means: Means<'a>,
}

impl Forecast {
    fn add_other(&mut self, run: &Run) {
        let steps = match &run.config.algorithm {
            AlgorithmConfig::Ga(_) | AlgorithmConfig::GaAdaptiveAb(_) => return,
            AlgorithmConfig::LocalSearch(settings) => settings.total_proposals(),
            AlgorithmConfig::EdgePopup(settings) => u64::from(settings.epochs),
            AlgorithmConfig::Backprop(settings) => u64::from(settings.max_epochs),
            // Resolved configurations have the settings in full.
            AlgorithmConfig::BackpropPaper {} => 0,
        };
        let other = self.others.entry(run.config.algorithm.kind()).or_default();
        other.runs += 1;
        other.steps = other.steps.saturating_add(steps);
    }

    fn add(&mut self, searches: &Searches<'_>) -> Result<(), CostError> {
        let Searches { group, genetic, runs, means, .. } = *searches;
        let Means { device, calibration, .. } = means;
        let lanes = searches.lanes();
        let profile = searches.profile()?;
        // A run's part of a batch of all that share it.
        let of_batch = |masks: usize| -> Result<f64, CostError> {
            Ok(calibration.seconds(&profile, lanes * masks, Split::Train)? / lanes as f64)
        };
        let offspring = plan::offspring(genetic);
        let first = of_batch(genetic.population)?;
        let each = of_batch(offspring)?;
        let candidate = of_batch(CANDIDATES)? / CANDIDATES as f64;
        let test = calibration.seconds(&profile, genetic.population, Split::Test)?;
        let mut host = Host::new(genetic, &group.architecture, profile.samples()[0]);
        let (host, _) = host.generations(HOST_BUDGET);
        let each = match device.gpu() {
            // Both take the same cores.
            None => each + host / rayon::current_num_threads() as f64,
            // The device computes while the host evolves other runs.
            Some(_) => each.max(host),
        };

        let generations = generations(genetic);
        let rejected = rejected(genetic, generations);
        let evaluations = generations
            .map(|g| (genetic.population + offspring * g as usize) as f64)
            .zip(rejected, |a, b| a + b);
        let seconds = generations.map(|g| first + g * each + test).zip(rejected, |a, b| a + b * candidate);
        let all_runs = |range: Range| range.map(|amount| amount * runs as f64);
        let sum = |a: f64, b: f64| a + b;
        self.searches += runs;
        self.generations = self.generations.zip(generations, |a, b| a.max(b));
        self.generations.least = self.generations.least.min(generations.least);
        self.evaluations = self.evaluations.zip(all_runs(evaluations), sum);
        self.seconds = self.seconds.zip(all_runs(seconds), sum);
        self.seconds_per_generation += each * runs as f64;
        self.host_seconds_per_generation += host * runs as f64;
        self.has_bound |= genetic.accuracy_bound.is_some();
        let (host_bytes, device_bytes) = searches.bytes(lanes, &profile);
        self.host_bytes = self.host_bytes.max(host_bytes);
        self.device_bytes = self.device_bytes.max(device_bytes);
        Ok(())
    }
}

impl Searches<'_> {
    /// Runs that share a batch.
    fn lanes(&self) -> usize {
        let budget = plan::Budget::of(self.means.device, self.means.memory / WORKERS_PER_DEVICE as u64);
        plan::lanes(&budget, self.genetic, &self.group.architecture, self.together)
    }

    /// What random masks of the first run's network take on the group's data.
    fn profile(&self) -> Result<Profile, CostError> {
        let Self { group, means, .. } = self;
        let config = &group.runs[0].config;
        let network = config.network.build(config.seed)?;
        let mut masks = vec![0; PROBES * group.architecture.mask_words()];
        let mut rng = random::stream(0, Concern::Bench);
        for mask in masks.chunks_exact_mut(group.architecture.mask_words()) {
            mask::randomize(mask, group.architecture.weights(), &mut rng);
        }
        Profile::new(means.device, &network, &group.dataset, &masks)
    }

    /// Memory of all workers on host and device, each with a batch of `lanes` runs.
    fn bytes(&self, lanes: usize, profile: &Profile) -> (u64, u64) {
        let Self { group, genetic, runs, means, .. } = self;
        let architecture: &Architecture = &group.architecture;
        let workers = WORKERS_PER_DEVICE.min(*runs) as u64;
        let samples = profile.samples();
        let data = 4 * (samples.iter().sum::<usize>() * (architecture.inputs() + 1)) as u64;
        let searches = lanes as u64 * plan::run_bytes(genetic, architecture);
        let masks = lanes * genetic.population;
        match (means.device.gpu(), profile.plan()) {
            (Some(_), Some(plan)) => {
                let device = plan.device_bytes(architecture, lanes, masks, samples);
                (data + workers * searches, workers * device)
            }
            _ => {
                let widest = architecture.widths().iter().max().map_or(0, |&width| width as u64 + 1);
                let thread = 2 * 4 * widest * cpu::block_samples() as u64 + 8 * architecture.weights() as u64;
                let threads = rayon::current_num_threads() as u64;
                (data + workers * (data + searches + threads * thread), 0)
            }
        }
    }
}

/// The fewest and the most generations of a run.
fn generations(genetic: &GeneticConfig) -> Range {
    let stop = &genetic.termination;
    let least = stop.min_generations.max(stop.patience);
    let most = stop.max_generations;
    Range { least: most.map_or(least, |most| least.min(most)) as f64, most: most.map(|most| most as f64) }
}

/// Candidates that the accuracy bound rejects in so many generations: from none to all tries that there are.
/// No most where the bound may never reach its floor.
fn rejected(genetic: &GeneticConfig, generations: Range) -> Range {
    let Some(bound) = &genetic.accuracy_bound else { return Range::NOTHING };
    let fall = bound.start.unwrap_or(1.0) - bound.floor.unwrap_or(0.0);
    let (mut rounds, mut fallen, mut exponent) = (0u32, 0.0, bound.exhausted_exponent);
    while fallen < fall && exponent < MOST_EXPONENT {
        fallen += 0.1f64.powf(exponent);
        exponent += bound.exhausted_growth;
        rounds += 1;
    }
    let fresh = |g: f64| genetic.population as f64 + g * genetic.migrants() as f64;
    let tries = f64::from(bound.tries_max);
    let most = generations
        .most
        .filter(|_| fallen >= fall)
        .map(|g| tries * (fresh(g) + f64::from(rounds)) - fresh(g));
    Range { least: 0.0, most }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(genetic: GeneticConfig) -> GeneticConfig {
        let network = Architecture::try_from(vec![2, 20, 2]).expect("an architecture");
        genetic.resolve(&network, 0.5).expect("valid")
    }

    #[test]
    fn generations_lie_between_what_the_configuration_sets() {
        let plain = generations(&resolved(GeneticConfig::default()));
        assert_eq!(plain, Range { least: 100.0, most: None });
        let adaptive = generations(&resolved(GeneticConfig::adaptive()));
        assert_eq!(adaptive, Range { least: 100.0, most: Some(200.0) });
        let mut short = GeneticConfig::default();
        short.termination.max_generations = Some(7);
        assert_eq!(generations(&resolved(short)), Range { least: 7.0, most: Some(7.0) });
    }

    #[test]
    fn a_bound_that_falls_to_its_floor_ends_the_tries() {
        let adaptive = resolved(GeneticConfig::adaptive());
        let range = rejected(&adaptive, Range { least: 0.0, most: Some(0.0) });
        // From 0.7 to 0.51 in steps of 0.1, 0.071, 0.05: three rounds, then a try each at the floor.
        assert_eq!(range, Range { least: 0.0, most: Some(1000.0 * 103.0 - 100.0) });
        let mut slow = adaptive.clone();
        slow.accuracy_bound.as_mut().expect("a bound").exhausted_growth = 5.0;
        assert_eq!(rejected(&slow, Range { least: 0.0, most: Some(0.0) }).most, None);
        assert_eq!(rejected(&resolved(GeneticConfig::default()), Range::NOTHING), Range::NOTHING);
    }
}
