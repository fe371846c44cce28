//! What a batch or a sweep will take, before it is done.
//!
//! A batch's time is a sum of [`Term`]s: an amount that follows from masks, samples, network and density
//! ([`Profile`]), times what one of it costs on this adapter. The costs come from a short measurement
//! ([`calibrate`]) by least squares on relative errors, are checked on points that the fit has not seen, and
//! are remembered in the user's cache folder. [`forecast`](mod@forecast) adds batches up to a sweep.

mod calibration;
mod fit;
pub mod forecast;
pub mod host;
mod profile;

pub use calibration::{Calibration, Check, Effort, Fit, calibrate, recall, remember};
pub use profile::{Family, Profile, Term};

use crate::bench::WorkloadError;
use crate::cache;
use crate::evaluate::EvaluateError;
use crate::network::NetworkError;
use std::path::PathBuf;

/// Where calibrations are remembered: the user's cache folder. The number rises with every change of families
/// or terms, so that earlier calibrations are made anew.
pub fn cache_file() -> Option<PathBuf> {
    cache::file("costs-3.json")
}

/// Why nothing can be predicted.
#[derive(Debug, thiserror::Error)]
pub enum CostError {
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error("{network}: its kernel ({family}) was not among those that were calibrated")]
    NotCalibrated { network: String, family: Family },
}
