//! One run, whatever its algorithm: from a resolved configuration, on a backend, under a control, to a record.
//!
//! [`run`] is the one function for all algorithms. The command line and the sweep call it; searches of the genetic
//! algorithm that share batches are driven by a [`Lockstep`], of which a single one is the simplest case.

pub mod algorithm;
mod baseline;
mod checkpoint;
pub mod config;
mod control;
mod front;
mod keeper;
mod local_search;
mod lockstep;
pub mod log;
mod parent_seat;
pub mod procedure;
pub mod record;
mod running_program;
mod save_interval;
pub mod start;
mod steps;
pub mod tensorboard;

pub use control::{Begun, Control, Observer, PopulationView, Progress, Saving, SharedObserver};
pub use lockstep::Lockstep;

use crate::baseline::BaselineError;
use crate::dataset::Dataset;
use crate::evaluate::spread::SpreadError;
use crate::evaluate::{Backend, EvaluateError};
use crate::network::NetworkError;
use crate::settings::BadSetting;
use config::ResolvedConfig;
use keeper::Keeper;
use record::{Cell, Record};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// How often the state of a run is saved unless told otherwise, in seconds.
pub const CHECKPOINT_SECONDS: f64 = 5.0;

/// A run: what it computes, and how tables name it.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Resolved against the data that the run is on.
    pub config: ResolvedConfig,
    pub cell: Cell,
}

/// Why a run gave no record.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Setting(#[from] BadSetting),
    #[error("algorithm.margin: {0}; give another margin.tau")]
    Margin(#[from] SpreadError),
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    #[error("cannot write {}: {source}", path.display())]
    Save { path: PathBuf, source: io::Error },
}

impl RunError {
    /// Is the run itself at fault, by its settings or its files, and not the device or the disk?
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Evaluate(error) => matches!(error, EvaluateError::Unsupported(_)),
            Self::Save { .. } => false,
            _ => true,
        }
    }
}

/// Makes a run on the data that its configuration was resolved against. None where it was stopped before there was
/// anything to record; a record that says [`Interrupted`](crate::search::StopReason::Interrupted) is of a run that the
/// same call goes on with.
///
/// The record depends on the configuration and the backend's arithmetic alone (times and the adapter's name apart).
///
/// # Errors
/// When a setting makes no sense, the device fails, or a state cannot be saved.
pub fn run(
    run: &Run,
    dataset: &Arc<Dataset>,
    backend: &dyn Backend,
    control: &Control<'_>,
) -> Result<Option<Record>, RunError> {
    run.config.algorithm.procedure().run(run, dataset, backend, control.clone())
}
