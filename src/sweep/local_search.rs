//! Local searches as runs: on the CPU, recorded like any other.

use crate::config::{AlgorithmConfig, RunConfig};
use crate::dataset::Dataset;
use crate::evaluate::cpu::CpuEvaluator;
use crate::evaluate::{Arithmetic, Evaluator};
use crate::evolve::StopReason;
use crate::local_search::{self, SearchError};
use crate::mask;
use crate::record::{Cell, DataFacts, Outcome, Record, SCHEMA_VERSION, Ticket, Timing};
use std::sync::Arc;

/// The record of a local search with a resolved configuration.
///
/// # Errors
/// When the settings make no sense.
///
/// # Panics
/// If the algorithm is no local search.
pub fn run(config: RunConfig, cell: Cell, dataset: &Arc<Dataset>) -> Result<Record, SearchError> {
    let AlgorithmConfig::LocalSearch(settings) = &config.algorithm else {
        unreachable!("{} is no local search", config.algorithm.kind())
    };
    let architecture = config.network.layers();
    let network = config.network.build(config.seed)?;
    let networks = std::slice::from_ref(&network);
    let mut evaluator = CpuEvaluator::new(architecture, networks, Arc::clone(dataset), Arithmetic::Fused)?;
    let found = local_search::search(settings, &network, dataset, &mut evaluator, 0, config.seed)?;
    let mask = Some(&found.mask[..]);
    let result = Outcome::new(architecture, dataset, mask, found.train_correct, found.test_correct);
    Ok(Record {
        schema_version: SCHEMA_VERSION,
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        cell,
        stop_reason: StopReason::Proposals,
        adapter: evaluator.adapter().clone(),
        arithmetic: evaluator.arithmetic(),
        data: DataFacts::of(dataset),
        result,
        timing: Timing { total_s: found.seconds, evaluate_s: 0.0, host_s: 0.0, lockstep: 1 },
        ticket: Some(Ticket { mask_hex: mask::to_hex(&found.mask, architecture.weights()) }),
        history: None,
        local_search: Some(found.facts),
        epochs: Vec::new(),
        config,
    })
}
