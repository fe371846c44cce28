//! What an algorithm's settings say of a run: how it is made, how long it is, and what it takes of memory at least.

use super::{Control, Run, RunError, baseline, local_search, lockstep};
use crate::baseline::backprop::{BackpropConfig, Solver};
use crate::baseline::edge_popup::EdgePopupConfig;
use crate::dataset::Dataset;
use crate::evaluate::Backend;
use crate::memory::{product, sum};
use crate::network::Architecture;
use crate::run::record::Record;
use crate::search::chains::LocalSearchConfig;
use crate::search::genetic::{Individual, ResolvedGenetic};
use std::sync::Arc;

/// An amount from the least to the most that a configuration allows; without a most where it sets none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    pub least: f64,
    pub most: Option<f64>,
}

impl Range {
    fn exactly(amount: f64) -> Self {
        Self { least: amount, most: Some(amount) }
    }
}

/// What an algorithm's settings say of a run: how it is made, how long it is, and what it takes of memory at least.
pub trait Procedure {
    /// Makes the run whose settings these are: see [`run`](super::run).
    ///
    /// # Errors
    /// See [`run`](super::run).
    fn run(
        &self,
        run: &Run,
        dataset: &Arc<Dataset>,
        backend: &dyn Backend,
        control: Control<'_>,
    ) -> Result<Option<Record>, RunError>;

    /// How long the run is, in the [`unit`](super::algorithm::AlgorithmKind::unit) of its kind.
    fn steps(&self) -> Range;

    /// Bytes of the masks or the parameters that it keeps beside the network.
    fn least_bytes(&self, layers: &Architecture) -> u64;

    /// What takes that memory, such as `a population of 100 on`.
    fn in_memory(&self) -> String;
}

impl Procedure for ResolvedGenetic {
    fn run(
        &self,
        run: &Run,
        dataset: &Arc<Dataset>,
        backend: &dyn Backend,
        control: Control<'_>,
    ) -> Result<Option<Record>, RunError> {
        lockstep::alone(run, dataset, backend, control)
    }

    fn steps(&self) -> Range {
        let stop = &self.termination;
        let least = stop.min_generations.max(stop.patience);
        let most = stop.max_generations;
        Range { least: most.map_or(least, |most| least.min(most)) as f64, most: most.map(|most| most as f64) }
    }

    /// A population with the offspring of a generation, and the masks of the first batch.
    fn least_bytes(&self, layers: &Architecture) -> u64 {
        let mask = mask_bytes(layers);
        let individuals = self.population.saturating_add(self.offspring()) as u64;
        let individual = sum(&[mask, INDIVIDUAL as u64]);
        let first_batch =
            mask.saturating_mul(self.population as u64).saturating_mul(self.evaluations_of_mask() as u64);
        sum(&[individuals.saturating_mul(individual), first_batch, activations(layers)])
    }

    fn in_memory(&self) -> String {
        format!("a population of {} on", self.population)
    }
}

impl Procedure for LocalSearchConfig {
    fn run(
        &self,
        run: &Run,
        dataset: &Arc<Dataset>,
        backend: &dyn Backend,
        control: Control<'_>,
    ) -> Result<Option<Record>, RunError> {
        local_search::run(run, self, dataset, backend, control).map(Some)
    }

    fn steps(&self) -> Range {
        Range::exactly(self.total_proposals() as f64)
    }

    /// The present and the best mask of every chain, and the proposals of one batch.
    fn least_bytes(&self, layers: &Architecture) -> u64 {
        let chain = sum(&[mask_bytes(layers).saturating_mul(2), CHAIN as u64]);
        let batch = usize::try_from(self.proposals).unwrap_or(usize::MAX).min(self.batch);
        let chains = chain.saturating_mul(self.chains as u64);
        sum(&[chains, product(&[PROPOSAL, batch]), activations(layers)])
    }

    fn in_memory(&self) -> String {
        format!("{} chains with a batch of {} on", self.chains, self.batch)
    }
}

impl Procedure for EdgePopupConfig {
    fn run(
        &self,
        run: &Run,
        dataset: &Arc<Dataset>,
        _: &dyn Backend,
        control: Control<'_>,
    ) -> Result<Option<Record>, RunError> {
        baseline::edge_popup(run, self, dataset, control).map(Some)
    }

    fn steps(&self) -> Range {
        Range::exactly(self.epochs.into())
    }

    /// Scores, their gradients, and their velocities.
    fn least_bytes(&self, layers: &Architecture) -> u64 {
        layers.bytes().saturating_mul(3)
    }

    fn in_memory(&self) -> String {
        "edge_popup of".to_owned()
    }
}

impl Procedure for BackpropConfig {
    fn run(
        &self,
        run: &Run,
        dataset: &Arc<Dataset>,
        _: &dyn Backend,
        control: Control<'_>,
    ) -> Result<Option<Record>, RunError> {
        baseline::backprop(run, self, dataset, control).map(Some)
    }

    fn steps(&self) -> Range {
        let most = f64::from(self.max_epochs);
        Range { least: most.min(f64::from(self.patience) + 1.0), most: Some(most) }
    }

    /// Gradients, and one or two moments of them.
    fn least_bytes(&self, layers: &Architecture) -> u64 {
        layers.bytes().saturating_mul(if self.solver == Solver::Adam { 3 } else { 2 })
    }

    fn in_memory(&self) -> String {
        "backprop of".to_owned()
    }
}

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

/// What one thread takes to score a mask.
fn activations(layers: &Architecture) -> u64 {
    product(&[NEURON, layers.widths()[1..].iter().max().copied().unwrap_or(0)])
}

fn mask_bytes(layers: &Architecture) -> u64 {
    product(&[layers.mask_words(), size_of::<u32>()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::algorithm::Algorithm;
    use crate::search::genetic::GeneticConfig;
    use serde_json::{Value, json};

    /// The least bytes of a run on a network of 2 × 75 + 75 × 2 weights (10 words of a mask) and 77 biases.
    fn bytes(algorithm: Value) -> u64 {
        let layers = Architecture::try_from(vec![2, 75, 2]).expect("an architecture");
        let algorithm: Algorithm = serde_json::from_value(algorithm).expect("settings");
        sum(&[layers.bytes(), algorithm.procedure().least_bytes(&layers)])
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

    #[test]
    fn generations_lie_between_what_the_configuration_sets() {
        let layers = Architecture::try_from(vec![2, 75, 2]).expect("an architecture");
        let steps = |config: GeneticConfig| config.resolve(&layers, 0.5).expect("settings").steps();
        assert_eq!(steps(GeneticConfig::default()), Range { least: 100.0, most: None });
        assert_eq!(steps(GeneticConfig::adaptive()), Range { least: 100.0, most: Some(200.0) });
        let mut short = GeneticConfig::default();
        short.termination.max_generations = Some(7);
        assert_eq!(steps(short), Range { least: 7.0, most: Some(7.0) });
    }
}
