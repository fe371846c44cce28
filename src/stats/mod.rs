//! Statistics of finished runs: summaries, rank tests, and the mixed model that compares two algorithms.
//!
//! Moments and Student's t come from `statrs`. Its quantiles (type 8), its normal tails (good to 1e-10) and
//! its Mann-Whitney test (which lists every combination, and loses small p to cancellation) do not give the
//! numbers researchers compare with, so those follow NumPy and SciPy here.

pub mod all_pairs;
pub mod compare;
pub mod mixed_model;
mod normal;
pub mod rank_test;
pub mod summary;

/// Why a sample has no statistics.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum SampleError {
    #[error("an empty sample has no statistics: at least one value is needed")]
    Empty,
    #[error("value {index} of the sample is {value}: every value must be a finite number")]
    NotFinite { index: usize, value: f64 },
}

/// Refuses empty samples and values that are not finite.
fn check_sample(values: &[f64]) -> Result<(), SampleError> {
    if values.is_empty() {
        return Err(SampleError::Empty);
    }
    match values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        Some((index, &value)) => Err(SampleError::NotFinite { index, value }),
        None => Ok(()),
    }
}
