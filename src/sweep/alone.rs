//! Runs that ask nobody for scores: baselines and local searches.

use super::{baseline, local_search};
use crate::baseline::BaselineError;
use crate::config::{AlgorithmConfig, RunConfig};
use crate::dataset::Dataset;
use crate::local_search::SearchError;
use crate::record::{Cell, Record};
use std::sync::Arc;

/// Why such a run cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AloneError {
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    #[error(transparent)]
    LocalSearch(#[from] SearchError),
}

/// Makes the run of a resolved configuration, from first to last.
///
/// # Errors
/// When the settings make no sense.
///
/// # Panics
/// If the algorithm asks for scores.
pub fn run(config: RunConfig, cell: Cell, dataset: &Arc<Dataset>) -> Result<Record, AloneError> {
    Ok(match config.algorithm {
        AlgorithmConfig::LocalSearch(_) => local_search::run(config, cell, dataset)?,
        _ => baseline::train(config, cell, dataset)?,
    })
}
