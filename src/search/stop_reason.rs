//! Why a search, or the training of a baseline, ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a search, or the training of a baseline, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The best training accuracy stood still for `patience` generations.
    Stalled,
    /// `max_generations` were done.
    MaxGenerations,
    /// All proposals of a local search were made.
    Proposals,
    /// The user stopped the run.
    Interrupted,
    /// All epochs of training were run.
    Epochs,
    /// The training loss stopped improving.
    Converged,
    /// The training loss became infinite or undefined.
    Diverged,
}
