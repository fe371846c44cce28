//! Baselines as runs: trained on one thread each, on the CPU whatever the backend.

use super::{Control, Keeper, Progress, Run, RunError};
use crate::baseline::backprop::{self, BackpropConfig};
use crate::baseline::edge_popup::{self, EdgePopupConfig};
use crate::baseline::{Epoch, Outside, TrainingOutcome};
use crate::dataset::Dataset;
use crate::evaluate::Arithmetic;
use crate::evaluate::cpu::{self, instructions::Instructions};
use crate::run::record::{Computed, Correct, Details, Ended, Record, Timing};
use serde::Serialize;

impl Outside for Keeper<'_> {
    fn goes_on(&self, state: &impl Serialize) -> bool {
        Keeper::goes_on(self, state)
    }

    fn epoch(&self, history: &[Epoch]) {
        self.progress(&Progress::Epochs(history));
    }
}

/// Trains the scores of a network's weights.
pub fn edge_popup(
    run: &Run,
    settings: &EdgePopupConfig,
    dataset: &Dataset,
    control: Control<'_>,
) -> Result<Record, RunError> {
    let architecture = &run.config.network.layers;
    let network = edge_popup::frozen_network(architecture, settings, run.config.seed)?;
    let check = |state: &edge_popup::EdgePopupState| {
        state.check(settings, architecture, dataset.train.len())?;
        Ok(state.whereabouts())
    };
    let (keeper, state) = Keeper::open(run, dataset, Arithmetic::Fused, control, check);
    keeper.phase("training");
    let account = keeper.meter().account().clone();
    let train = || edge_popup::train(dataset, network, settings, run.config.seed, state, &keeper);
    let found = account.charge(train)?;
    record(run, dataset, keeper, found.outcome, Some(found.mask))
}

/// Trains all weights of a network.
pub fn backprop(
    run: &Run,
    settings: &BackpropConfig,
    dataset: &Dataset,
    control: Control<'_>,
) -> Result<Record, RunError> {
    let architecture = &run.config.network.layers;
    let check = |state: &backprop::BackpropState| {
        state.check(settings, architecture, dataset)?;
        Ok(state.whereabouts())
    };
    let (keeper, state) = Keeper::open(run, dataset, Arithmetic::Fused, control, check);
    keeper.phase("training");
    let account = keeper.meter().account().clone();
    let train = || backprop::train(dataset, architecture, settings, run.config.seed, state, &keeper);
    let outcome = account.charge(train)?.outcome;
    record(run, dataset, keeper, outcome, None)
}

fn record(
    run: &Run,
    dataset: &Dataset,
    keeper: Keeper<'_>,
    outcome: TrainingOutcome,
    mask: Option<Vec<u32>>,
) -> Result<Record, RunError> {
    let taken = keeper.close()?;
    let computed = Computed { adapter: cpu::describe(Instructions::best()), arithmetic: Arithmetic::Fused };
    let ended = Ended {
        stop_reason: outcome.stop,
        mask,
        correct: Correct {
            train: outcome.train_correct,
            test: outcome.test_correct,
            validation: outcome.validation_correct,
        },
        timing: Timing::of(taken, 1),
        details: Details::Training(outcome.history),
    };
    Ok(Record::new(run, dataset, computed, ended))
}
