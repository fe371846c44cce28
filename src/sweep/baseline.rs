//! Baselines as runs: trained on one thread each, recorded like any other.

use crate::baseline::{BaselineError, Stop, backprop, edge_popup};
use crate::config::{AlgorithmConfig, RunConfig};
use crate::dataset::Dataset;
use crate::evaluate::Arithmetic;
use crate::evaluate::cpu::{self, instructions::Instructions};
use crate::evolve::StopReason;
use crate::mask;
use crate::meter::{Meter, Taken};
use crate::record::{Cell, Correct, DataFacts, Outcome, Record, SCHEMA_VERSION, Ticket, Timing};

/// The record of a baseline with a resolved configuration.
///
/// # Errors
/// When the settings make no sense.
///
/// # Panics
/// If the algorithm is no baseline.
pub fn train(config: RunConfig, cell: Cell, dataset: &Dataset) -> Result<Record, BaselineError> {
    let meter = Meter::after(Taken::default());
    let architecture = config.network.layers();
    let (outcome, ticket) = match &config.algorithm {
        AlgorithmConfig::EdgePopup(settings) => {
            let network = edge_popup::frozen_network(architecture, settings, config.seed)?;
            let found =
                meter.account().charge(|| edge_popup::train(dataset, network, settings, config.seed))?;
            (found.outcome, Some(found.mask))
        }
        AlgorithmConfig::Backprop(settings) => {
            let train = || backprop::train(dataset, architecture, settings, config.seed);
            (meter.account().charge(train)?.outcome, None)
        }
        other => unreachable!("{} is no baseline", other.kind()),
    };
    let correct = Correct {
        train: outcome.train_correct,
        test: outcome.test_correct,
        validation: outcome.validation_correct,
    };
    let result = Outcome::new(architecture, dataset, ticket.as_deref(), correct);
    Ok(Record {
        schema_version: SCHEMA_VERSION,
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        cell,
        stop_reason: match outcome.stop {
            Stop::Epochs => StopReason::Epochs,
            Stop::Converged => StopReason::Converged,
            Stop::Diverged => StopReason::Diverged,
        },
        adapter: cpu::describe(Instructions::best()),
        arithmetic: Arithmetic::Fused,
        data: DataFacts::of(dataset),
        result,
        timing: Timing::of(meter.taken(), 1),
        ticket: ticket.map(|ticket| Ticket { mask_hex: mask::to_hex(&ticket, architecture.weights()) }),
        history: None,
        local_search: None,
        epochs: outcome.history,
        config,
    })
}
