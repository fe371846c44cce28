//! What a check finds wrong.

use crate::evaluate::EvaluateError;
use crate::run::RunError;
use std::fmt::Debug;

/// Why a case does not pass.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("{what}: found {found}, expected {expected}")]
    Differs { what: String, found: String, expected: String },
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("the program panicked: {0}")]
    Panic(String),
    #[error("{0}")]
    Setup(String),
}

impl Fault {
    pub(super) fn lost_the_device(&self) -> bool {
        let (Self::Evaluate(error) | Self::Run(RunError::Evaluate(error))) = self else { return false };
        matches!(error, EvaluateError::DeviceLost(_))
    }

    pub(super) fn differs(what: &str, found: &impl Debug, expected: &impl Debug) -> Self {
        Self::Differs {
            what: what.to_owned(),
            found: format!("{found:?}"),
            expected: format!("{expected:?}"),
        }
    }
}

/// Are answers as many as they should be, and each what it should be?
///
/// # Errors
/// The first that is not, with its index and both values.
pub(super) fn compare<T: PartialEq + Debug>(what: &str, found: &[T], expected: &[T]) -> Result<(), Fault> {
    if found.len() != expected.len() {
        return Err(Fault::differs(&format!("{what}, answers"), &found.len(), &expected.len()));
    }
    let differs = |index: &usize| found[*index] != expected[*index];
    let Some(first) = (0..found.len()).find(differs) else { return Ok(()) };
    let more = (first..found.len()).filter(differs).count();
    let what = format!("{what}, {first} of {} ({more} differ)", found.len());
    Err(Fault::differs(&what, &found[first], &expected[first]))
}

/// The same of one value.
pub(super) fn compare_one<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Result<(), Fault> {
    if found == expected { Ok(()) } else { Err(Fault::differs(what, &found, &expected)) }
}
