//! Baselines as runs: trained on one thread each, recorded like any other.

use crate::baseline::{BaselineError, Stop, backprop, edge_popup};
use crate::dataset::Dataset;
use crate::evaluate::Arithmetic;
use crate::evaluate::cpu::{self, instructions::Instructions};
use crate::mask;
use crate::run::config::{AlgorithmConfig, RunConfig};
use crate::run::record::{Cell, Correct, DataFacts, Outcome, Record, SCHEMA_VERSION, Ticket, Timing};
use crate::run::{Begun, Keeper};
use crate::search::StopReason;

/// The record of a baseline with a resolved configuration. It goes on from the checkpoint of `keeper`, if there is
/// one, of which `tell` is told, and ends when `keeper` says so.
///
/// # Errors
/// When the settings make no sense.
///
/// # Panics
/// If the algorithm is no baseline.
pub fn train(
    config: RunConfig,
    cell: Cell,
    dataset: &Dataset,
    keeper: &mut Keeper<'_>,
    tell: impl Fn(Begun),
) -> Result<Record, BaselineError> {
    let architecture = config.network.layers();
    let (outcome, ticket) = match &config.algorithm {
        AlgorithmConfig::EdgePopup(settings) => {
            let network = edge_popup::frozen_network(architecture, settings, config.seed)?;
            let check = |state: &edge_popup::State| state.check(settings, architecture, dataset.train.len());
            let state = keeper.load(check, |reason| tell(Begun::Anew(reason)));
            state.iter().for_each(|state| tell(Begun::GoesOn(state.whereabouts())));
            let account = keeper.meter().account().clone();
            let train = || edge_popup::train(dataset, network, settings, config.seed, state, keeper);
            let found = account.charge(train)?;
            (found.outcome, Some(found.mask))
        }
        AlgorithmConfig::Backprop(settings) => {
            let check = |state: &backprop::State| state.check(settings, architecture, dataset);
            let state = keeper.load(check, |reason| tell(Begun::Anew(reason)));
            state.iter().for_each(|state| tell(Begun::GoesOn(state.whereabouts())));
            let account = keeper.meter().account().clone();
            let train = || backprop::train(dataset, architecture, settings, config.seed, state, keeper);
            (account.charge(train)?.outcome, None)
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
            Stop::Interrupted => StopReason::Interrupted,
        },
        adapter: cpu::describe(Instructions::best()),
        arithmetic: Arithmetic::Fused,
        data: DataFacts::of(dataset),
        result,
        timing: Timing::of(keeper.meter().taken(), 1),
        ticket: ticket.map(|ticket| Ticket { mask_hex: mask::to_hex(&ticket, architecture.weights()) }),
        history: None,
        local_search: None,
        epochs: outcome.history,
        config,
    })
}
