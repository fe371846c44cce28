//! Local searches as runs on a device; recorded like any other run.

use crate::dataset::Dataset;
use crate::evaluate::Backend;
use crate::mask;
use crate::run::config::{AlgorithmConfig, RunConfig};
use crate::run::record::{Cell, Correct, DataFacts, Outcome, Record, SCHEMA_VERSION, Ticket, Timing};
use crate::run::{Checkpoint, SavedSearch, SearchError, Watch, local_search_driver};
use crate::search::StopReason;

use std::sync::Arc;

/// The state that a local search goes on from, and where that is, such as `proposal 1200`; `note` is told why a
/// checkpoint is not gone on from.
///
/// # Panics
/// If the algorithm is no local search.
pub fn resume(checkpoint: &Checkpoint<'_>, note: impl FnOnce(String)) -> Option<(SavedSearch, String)> {
    let config = checkpoint.config();
    let AlgorithmConfig::LocalSearch(settings) = &config.algorithm else {
        unreachable!("{} is no local search", config.algorithm.kind())
    };
    let check = |state: &SavedSearch| state.search.check(settings, config.network.layers());
    let state = checkpoint.load(check).state(note)?;
    let from = format!("proposal {}", state.search.proposals());
    Some((state, from))
}

/// The record of a local search with a resolved configuration.
///
/// # Errors
/// When the settings make no sense, or the device fails.
///
/// # Panics
/// If the algorithm is no local search.
pub fn run(
    config: RunConfig,
    cell: Cell,
    dataset: &Arc<Dataset>,
    device: &dyn Backend,
    watch: &Watch<'_>,
) -> Result<Record, SearchError> {
    let AlgorithmConfig::LocalSearch(settings) = &config.algorithm else {
        unreachable!("{} is no local search", config.algorithm.kind())
    };
    let architecture = config.network.layers();
    let network = config.network.build(config.seed)?;
    let found = local_search_driver::search(settings, &network, dataset, device, config.seed, watch)?;
    let mask = Some(&found.mask[..]);
    let correct = Correct {
        train: found.train_correct,
        test: found.test_correct,
        validation: found.validation_correct,
    };
    let result = Outcome::new(architecture, dataset, mask, correct);
    Ok(Record {
        schema_version: SCHEMA_VERSION,
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        cell,
        stop_reason: if found.is_stopped { StopReason::Interrupted } else { StopReason::Proposals },
        adapter: device.info(),
        arithmetic: device.arithmetic(),
        data: DataFacts::of(dataset),
        result,
        timing: Timing::of(found.taken, 1),
        ticket: Some(Ticket { mask_hex: mask::to_hex(&found.mask, architecture.weights()) }),
        history: None,
        local_search: Some(found.facts),
        epochs: Vec::new(),
        config,
    })
}
