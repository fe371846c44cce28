//! How a chain is to go, and what it knows of where it goes.

use super::config::{FrontConfig, LocalSearchConfig, Temperature};
use crate::evaluate::neighbours::Race;
use crate::network::Architecture;
use std::sync::Arc;

/// What a chain knows of the masks that it walks among and of the samples that they are judged on.
#[derive(Clone, Debug)]
pub struct Terrain {
    pub architecture: Architecture,
    /// The cost of one unit of the fitness per sample: of a wrong one, or a loss of tau².
    pub unit_per_sample: f64,
    /// `[chunk]`: the number of its samples.
    pub chunk_samples: Vec<usize>,
}

impl Terrain {
    /// The cost of one unit of the fitness on the first `chunks` chunks: all their samples wrong, or a mean loss of
    /// tau².
    pub(super) fn cost_unit(&self, chunks: usize) -> f64 {
        self.samples(chunks) as f64 * self.unit_per_sample
    }

    /// Samples of the first `chunks` chunks.
    pub(super) fn samples(&self, chunks: usize) -> usize {
        self.chunk_samples[..chunks].iter().sum()
    }
}

/// How a chain is to go.
#[derive(Clone, Debug)]
pub struct ChainSchedule {
    pub(super) config: Arc<LocalSearchConfig>,
    pub(super) proposals: u64,
    temperature: Temperature,
    pub(super) weight_price: f64,
}

impl ChainSchedule {
    /// Of the chains that a search begins with.
    pub fn of_chains(config: &Arc<LocalSearchConfig>) -> Self {
        let LocalSearchConfig { proposals, weight_price, .. } = **config;
        Self { config: Arc::clone(config), proposals, temperature: config.temperature.clone(), weight_price }
    }

    /// Of a chain of the `front`, under the price of a weight `weight_price`.
    pub fn of_front(config: &Arc<LocalSearchConfig>, front: &FrontConfig, weight_price: f64) -> Self {
        let (config, proposals) = (Arc::clone(config), front.proposals);
        Self { config, proposals, temperature: Temperature::default(), weight_price }
    }

    pub(super) fn race(&self) -> Option<Race> {
        self.config.race.map(|deviations| Race { deviations })
    }

    /// The temperature after `done` proposals, in units of the fitness.
    pub(super) fn temperature(&self, done: u64) -> f64 {
        let Temperature { start, end } = self.temperature;
        if start == 0.0 { 0.0 } else { start * libm::pow(end / start, self.progress(done)) }
    }

    /// The number of chunks that are looked at after `done` proposals.
    pub(super) fn chunks(&self, terrain: &Terrain, done: u64) -> usize {
        let all = terrain.chunk_samples.len();
        let progress = self.progress(done);
        let growth = self.config.growth.as_ref().filter(|growth| progress < growth.until);
        let Some(growth) = growth else { return all };
        let doublings = (terrain.samples(all) / growth.samples).max(1).ilog2();
        let past = (progress / growth.until * f64::from(doublings)) as u32;
        (all >> (doublings - past)).max(1)
    }

    fn progress(&self, done: u64) -> f64 {
        done as f64 / self.proposals as f64
    }
}
