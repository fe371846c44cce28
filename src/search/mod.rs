//! Searches for masks: each asks for masks to be judged, and is told how they did. No search knows a device.

pub mod chains;
pub mod genetic;
mod stop_reason;

pub use stop_reason::StopReason;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the bits of a mask are drawn that are flipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MutationSite {
    /// Uniformly among all weights.
    Weight,
    /// A layer uniformly, then a weight of it.
    LayerThenWeight,
}
