//! The settings of the local search.

use crate::objective::Fitness;
use crate::objective::margin::MarginConfig;
use crate::random::{self, Stream};
use crate::search::MutationSite;
use crate::settings::{BadSetting, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of a local search: bits are flipped one at a time, each flip scored incrementally, and kept when
/// the fitness does not get worse or, at a temperature, with the chance of Metropolis et al. 1953
/// (simulated annealing, Kirkpatrick et al. 1983).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LocalSearchConfig {
    /// What flips are judged by: accuracy or the margin loss. The ticket is the chain with the most correct training samples in any case.
    pub fitness: Fitness,
    /// The margin of `fitness: margin`.
    pub margin: MarginConfig,
    /// The budget of one chain, in proposals. Time never ends a search.
    pub proposals: u64,
    /// Independent chains, each from a mask of its own.
    pub chains: usize,
    /// Proposals that are scored against the same mask, in parallel. Those that pass are made together if
    /// that gains at least half of what they gain one by one; else the better half of them is tried, and so
    /// on. Part of the result, as the number of threads is not.
    pub batch: usize,
    /// How readily a worse mask is taken.
    pub temperature: Temperature,
    /// Share of bits set in the mask that a chain begins with.
    pub initial_density: f64,
    /// How the flipped bit is drawn.
    pub site: MutationSite,
    /// Chance of a proposal to flip two weights of one neuron, one on and one off where that can be.
    pub swap_rate: f64,
    /// Search on so many training samples, drawn at random; the result is confirmed on all of them.
    pub train_samples: Option<usize>,
    /// Begin on fewer samples.
    pub growth: Option<GrowthConfig>,
    /// Give up a proposal when the samples seen so far say, by so many standard errors, that it is too bad.
    pub race: Option<f64>,
    /// Accepted flips after which the kept pre-activations are computed anew.
    pub refresh: usize,
    /// What a kept weight costs: as much as this share of training samples wrong, or as much mean loss in
    /// units of tau².
    pub weight_price: f64,
    /// Remove weights from the ticket, as long as no fewer training samples are correct.
    pub prune: bool,
    /// Search on for sparser masks, from the ticket.
    pub front: Option<FrontConfig>,
}

/// A temperature that falls geometrically from the first proposal to the last, in units of the fitness: a
/// share of training samples, or a mean loss in units of tau². Zero accepts nothing that is worse.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Temperature {
    /// At the first proposal.
    pub start: f64,
    /// At the last.
    pub end: f64,
}

/// A search that begins on few samples, which double again and again until all are looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GrowthConfig {
    /// Samples at first, about.
    pub samples: usize,
    /// Share of the proposals after which all samples are looked at.
    pub until: f64,
}

impl Default for GrowthConfig {
    fn default() -> Self {
        Self { samples: 4096, until: 0.5 }
    }
}

/// A front of sparsity and accuracy: the search goes on from the ticket while the price of a weight rises.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FrontConfig {
    /// The price of a weight in the first step, in the units of `weight_price`.
    pub first_price: f64,
    /// What the price is multiplied by from step to step.
    pub growth: f64,
    /// How often the price rises.
    pub steps: usize,
    /// Proposals of a step.
    pub proposals: u64,
}

impl Default for FrontConfig {
    fn default() -> Self {
        Self { first_price: 1e-5, growth: 2.0, steps: 8, proposals: 100_000 }
    }
}

impl Default for LocalSearchConfig {
    fn default() -> Self {
        Self {
            fitness: Fitness::Margin,
            margin: MarginConfig::default(),
            proposals: 400_000,
            chains: 1,
            batch: 1,
            temperature: Temperature::default(),
            initial_density: 0.5,
            site: MutationSite::Weight,
            swap_rate: 0.0,
            train_samples: None,
            growth: None,
            race: Some(3.0),
            refresh: 1000,
            weight_price: 0.0,
            prune: false,
            front: None,
        }
    }
}

impl LocalSearchConfig {
    /// The samples to search on, ascending: all, or as many as are asked for.
    pub fn draw_samples(&self, samples: usize, rng: &mut Stream) -> Vec<usize> {
        let mut chosen: Vec<usize> = (0..samples).collect();
        if let Some(wanted) = self.train_samples.filter(|&wanted| wanted < samples) {
            for n in 0..wanted {
                let other = n + random::index(rng, samples - n);
                chosen.swap(n, other);
            }
            chosen.truncate(wanted);
            chosen.sort_unstable();
        }
        chosen
    }

    /// Proposals of a whole search, as far as 64 bits count.
    pub fn total_proposals(&self) -> u64 {
        self.checked_total_proposals().unwrap_or(u64::MAX)
    }

    /// None where the number is no u64, which [`validate`](Self::validate) refuses.
    fn checked_total_proposals(&self) -> Option<u64> {
        let product = |a: usize, b: u64| u64::try_from(a).ok()?.checked_mul(b);
        let mut total = product(self.chains, self.proposals)?;
        if let Some(front) = &self.front {
            total = total.checked_add(product(front.steps, front.proposals)?)?;
        }
        Some(total)
    }

    /// Checks what the types leave open.
    ///
    /// # Errors
    /// Names the key, what is needed and what was found.
    pub fn validate(&self) -> Result<(), BadSetting> {
        let at_least_one = |key, found: usize| ensure(found > 0, key, "at least 1", found);
        let share = |key, found: f64| ensure((0.0..=1.0).contains(&found), key, "between 0 and 1", found);
        ensure(self.proposals > 0, "proposals", "at least 1", self.proposals)?;
        at_least_one("chains", self.chains)?;
        at_least_one("batch", self.batch)?;
        at_least_one("refresh", self.refresh)?;
        share("initial_density", self.initial_density)?;
        share("swap_rate", self.swap_rate)?;
        let price = self.weight_price;
        ensure(price >= 0.0 && price.is_finite(), "weight_price", "finite and at least 0", price)?;
        at_least_one("train_samples", self.train_samples.unwrap_or(1))?;
        if let Some(growth) = &self.growth {
            at_least_one("growth.samples", growth.samples)?;
            share("growth.until", growth.until)?;
        }
        let race = self.race.unwrap_or(1.0);
        ensure(race > 0.0 && race.is_finite(), "race", "above 0, or null", race)?;
        let needed =
            "\"accuracy\" or \"margin\": what a flip changes of any other cannot be told sample by sample";
        let is_incremental = matches!(self.fitness, Fitness::Accuracy | Fitness::Margin);
        ensure(is_incremental, "fitness", needed, format_args!("{:?}", self.fitness.name()))?;
        self.margin.check(&self.fitness)?;
        let is_countable = self.checked_total_proposals().is_some();
        let needed = "so small that all phases have less than 2^64";
        ensure(is_countable, "proposals", needed, self.proposals)?;
        self.temperature.validate()?;
        self.front.as_ref().map_or(Ok(()), FrontConfig::validate)
    }
}

impl Temperature {
    fn validate(&self) -> Result<(), BadSetting> {
        let &Self { start, end } = self;
        let is_cold = start == 0.0 && end == 0.0;
        let falls = start > 0.0 && end > 0.0 && start.is_finite() && end.is_finite();
        let needed = "0 to 0, or a start and an end above 0";
        ensure(is_cold || falls, "temperature", needed, format_args!("{start} to {end}"))
    }
}

impl FrontConfig {
    fn validate(&self) -> Result<(), BadSetting> {
        let &Self { first_price, growth, .. } = self;
        let is_rising = first_price > 0.0 && growth >= 1.0 && growth.is_finite();
        let needed = "a price above 0 and a growth of at least 1";
        ensure(is_rising, "front", needed, format_args!("{first_price} times {growth}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_entropy_is_refused_with_the_reason() {
        let config = LocalSearchConfig { fitness: Fitness::CrossEntropy, ..LocalSearchConfig::default() };
        let error = config.validate().expect_err("sample by sample");
        assert!(error.key() == "fitness" && error.to_string().contains("sample by sample"), "{error}");
    }
}
