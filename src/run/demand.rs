//! What a run takes of memory at least, from its resolved configuration.

use crate::baseline::backprop::Solver;
use crate::memory::{TooMuch, product, require, sum};
use crate::network::Architecture;
use crate::run::config::{AlgorithmConfig, RunConfig};
use crate::search::chains::LocalSearchConfig;
use crate::search::genetic::{GeneticConfig, Individual};

/// Bytes that a neuron of the widest layer takes on one thread: its activations for a block of samples, and those of
/// the layer before. The blocks of the CPU's kernels have 32 samples or more.
const NEURON: usize = 2 * 32 * size_of::<f32>();

/// Bytes of an individual beside its mask: itself, the hash by which its mask is remembered, its place in every order.
/// Populations of millions were measured to take 200.
const INDIVIDUAL: usize = size_of::<Individual>() + 100;

/// Bytes of a chain beside its masks: its random stream, its history, its moves. Measured: 2100.
const CHAIN: usize = 1500;

/// Bytes of a proposal of a batch: its flips, and what it is judged by. Measured: 250.
const PROPOSAL: usize = 200;

impl RunConfig {
    /// Bytes that the run takes at least, beside its data: its network, and the masks or the parameters that its
    /// algorithm keeps. What an adapter needs for its work comes on top.
    pub fn least_bytes(&self) -> u64 {
        let layers = self.network.layers();
        let kept = match &self.algorithm {
            AlgorithmConfig::Ga(genetic) | AlgorithmConfig::GaAdaptiveAb(genetic) => {
                sum(&[population(genetic, layers), activations(layers)])
            }
            AlgorithmConfig::LocalSearch(local) => sum(&[chains(local, layers), activations(layers)]),
            // Scores, their gradients, and their velocities.
            AlgorithmConfig::EdgePopup(_) => layers.bytes().saturating_mul(3),
            // Gradients, and one or two moments of them.
            AlgorithmConfig::Backprop(settings) => {
                layers.bytes().saturating_mul(if settings.solver == Solver::Adam { 3 } else { 2 })
            }
            AlgorithmConfig::BackpropPaper {} => 0,
        };
        sum(&[layers.bytes(), kept])
    }

    /// Refuses a run that does not fit into memory, before anything of it is made.
    ///
    /// # Errors
    /// Says what it would take and what there is.
    pub fn check_memory(&self) -> Result<(), TooMuch> {
        require(self.least_bytes(), || {
            let layers = self.network.layers();
            match &self.algorithm {
                AlgorithmConfig::Ga(genetic) | AlgorithmConfig::GaAdaptiveAb(genetic) => {
                    format!("a population of {} on the network {layers}", genetic.population)
                }
                AlgorithmConfig::LocalSearch(local) => {
                    let LocalSearchConfig { chains, batch, .. } = local;
                    format!("{chains} chains with a batch of {batch} on the network {layers}")
                }
                other => format!("{} of the network {layers}", other.kind()),
            }
        })
    }
}

/// What one thread takes to score a mask.
fn activations(layers: &Architecture) -> u64 {
    product(&[NEURON, layers.widths()[1..].iter().max().copied().unwrap_or(0)])
}

/// A population with the offspring of a generation, and the masks of the first batch.
fn population(genetic: &GeneticConfig, layers: &Architecture) -> u64 {
    let mask = product(&[layers.mask_words(), size_of::<u32>()]);
    let individuals = genetic.population.saturating_add(genetic.offspring()) as u64;
    let individual = sum(&[mask, INDIVIDUAL as u64]);
    sum(&[individuals.saturating_mul(individual), mask.saturating_mul(genetic.population as u64)])
}

/// The present and the best mask of every chain, and the proposals of one batch.
fn chains(local: &LocalSearchConfig, layers: &Architecture) -> u64 {
    let mask = product(&[layers.mask_words(), size_of::<u32>()]);
    let chain = sum(&[mask.saturating_mul(2), CHAIN as u64]);
    let batch = usize::try_from(local.proposals).unwrap_or(usize::MAX).min(local.batch);
    sum(&[chain.saturating_mul(local.chains as u64), product(&[PROPOSAL, batch])])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// The least bytes of a run on a network of 2 × 75 + 75 × 2 weights (10 words of a mask) and 77 biases.
    fn bytes(algorithm: Value) -> u64 {
        let config = json!({
            "name": "test", "dataset": "moons", "network": {"layers": [2, 75, 2]}, "algorithm": algorithm
        });
        RunConfig::from_value(config).expect("a configuration").least_bytes()
    }

    const NETWORK: u64 = 4 * (300 + 77);
    const ACTIVATIONS: u64 = 75 * NEURON as u64;

    #[test]
    fn a_population_takes_its_masks_with_those_of_its_offspring() {
        assert_eq!(
            bytes(json!({"kind": "ga"})),
            NETWORK + ACTIVATIONS + 153 * (40 + INDIVIDUAL as u64) + 100 * 40
        );
        let large = bytes(json!({"kind": "ga", "population": 1_000_000_000}));
        assert!(large > 100 << 30, "{large}");
        assert_eq!(bytes(json!({"kind": "ga", "population": u64::MAX})), u64::MAX);
    }

    #[test]
    fn chains_and_batches_take_their_masks_and_proposals() {
        let local = |more: Value| {
            let mut settings = json!({"kind": "local_search"});
            settings.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            bytes(settings)
        };
        let chain = 2 * 40 + CHAIN as u64;
        assert_eq!(local(json!({"chains": 3})), NETWORK + ACTIVATIONS + 3 * chain + PROPOSAL as u64);
        assert_eq!(local(json!({"batch": 1000})), NETWORK + ACTIVATIONS + chain + 1000 * PROPOSAL as u64);
        // A batch has no more proposals than the chain.
        assert_eq!(
            local(json!({"batch": 1000, "proposals": 10})),
            NETWORK + ACTIVATIONS + chain + 10 * PROPOSAL as u64
        );
        assert_eq!(local(json!({"chains": u64::MAX})), u64::MAX);
    }

    #[test]
    fn baselines_take_their_parameters_some_times() {
        assert_eq!(bytes(json!({"kind": "edge_popup"})), 4 * NETWORK);
        assert_eq!(bytes(json!({"kind": "backprop", "solver": "adam"})), 4 * NETWORK);
        assert_eq!(bytes(json!({"kind": "backprop", "solver": "sgd"})), 3 * NETWORK);
    }
}
