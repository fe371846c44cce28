//! Local searches as runs on a device.

use super::local_search_driver;
use super::{Control, Keeper, Phase, Progress, Run, RunError, SavedSearch, Watch};
use crate::dataset::Dataset;
use crate::evaluate::Backend;
use crate::run::record::{Computed, Correct, Details, Ended, Record, Timing};
use crate::search::StopReason;
use crate::search::chains::{ChainProgress, LocalSearchConfig};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The record of a local search.
pub fn run(
    run: &Run,
    settings: &LocalSearchConfig,
    dataset: &Arc<Dataset>,
    device: &dyn Backend,
    control: Control<'_>,
) -> Result<Record, RunError> {
    let architecture = run.config.network.layers();
    let network = run.config.network.build(run.config.seed)?;
    let check = |state: &SavedSearch| {
        state.search.check(settings, architecture)?;
        Ok(format!("proposal {}", state.search.proposals()))
    };
    let interval = control.saving.as_ref().map(|saving| saving.interval);
    let stop = control.stop;
    let (keeper, state) = Keeper::open(run, dataset, device.arithmetic(), control, check);
    let save = |state: &SavedSearch| {
        keeper.save(state);
        if keeper.has_failed() {
            // Nothing can be saved any more: nobody should go on computing.
            stop.store(true, Ordering::SeqCst);
        }
    };
    let announce = |phase: Phase| keeper.phase(&phase.to_string());
    let mut watch = Watch::new(stop).saving(&save).announcing(&announce);
    if let Some(interval) = interval {
        watch = watch.every(interval);
    }
    if let Some(state) = state {
        watch = watch.from(state);
    }
    let tell = |made: u64, latest: Option<ChainProgress>| {
        keeper.progress(&Progress::Proposals { made, latest });
    };
    let watch = watch.telling(&tell);
    let found = local_search_driver::search(settings, &network, dataset, device, run.config.seed, &watch)?;
    keeper.close()?;
    let computed = Computed { adapter: device.info(), arithmetic: device.arithmetic() };
    let ended = Ended {
        stop_reason: if found.is_stopped { StopReason::Interrupted } else { StopReason::Proposals },
        mask: Some(found.mask),
        correct: Correct {
            train: found.train_correct,
            test: found.test_correct,
            validation: found.validation_correct,
        },
        timing: Timing::of(found.taken, 1),
        details: Details::LocalSearch(found.facts),
    };
    Ok(Record::new(run, dataset, computed, ended))
}
