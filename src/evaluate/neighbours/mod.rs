//! Cheap neighbours: the cost of a mask with a few bits flipped, at the price of what the flips touch.
//!
//! A [`Landscape`] is one network, samples, and an objective. A [`Parent`](super::Parent) is a mask with all its
//! pre-activations kept. Flipping a bit changes one neuron and what lies behind it:
//! [`Parent::screen`](super::Parent::screen) adds the products that are gained and subtracts those that are lost.
//!
//! The rule. Proposals are *screened*: scored by differences, whose rounding differs from that of the
//! evaluators' sums. What is accepted keeps the screened pre-activations until [`Parent::refresh`](super::Parent::refresh)
//! computes them in the evaluators' order, so that drift is bounded by the flips between two refreshes.
//! Costs of whole masks ([`Landscape::cost`]) and refreshed ones are exact: equal bit for bit to the plain
//! forms, [`plain::score`](super::plain::score) and
//! [`plain::count_correct`](super::plain::count_correct). Screening is the same on every instruction set and
//! with any number of threads.

mod changes;
mod cost;
mod dispatch;
mod forward;
mod kept;
mod landscape;
mod parent;
mod plan;
mod program;
mod race;
mod tiles;

pub use landscape::{Landscape, Scratch};
pub use parent::Candidate;
pub(crate) use plan::{ChangePlan, TermSource};
pub use race::Race;
pub(crate) use race::judge;
pub use tiles::{Chunk, TILE, Tiles};

use super::EvaluateError;
use crate::objective::Objective;
use crate::objective::margin::Margin;

/// The margin of the loss that masks are to make small; none where that is the number of wrong samples.
///
/// # Errors
/// [`EvaluateError::Unsupported`] for cross-entropy and measures.
pub(crate) fn incremental(objective: Objective) -> Result<Option<Margin>, EvaluateError> {
    match objective {
        Objective::Accuracy => Ok(None),
        Objective::Margin(margin) => Ok(Some(margin)),
        Objective::Measure(_) | Objective::Judged => Err(EvaluateError::Unsupported(
            "a measure of all predicted classes, costs among them, and what a judge says, is no sum over samples that flips could change; \
             local search goes by accuracy or by the margin loss"
                .to_owned(),
        )),
        Objective::CrossEntropy => Err(EvaluateError::Unsupported(
            "cross-entropy has no incremental form: every flip would cost exponentials of all samples; local search \
             goes by accuracy or by the margin loss"
                .to_owned(),
        )),
    }
}
