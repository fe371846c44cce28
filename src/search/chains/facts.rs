//! What is told of a search beside its ticket.

use super::front::FrontPoint;
use super::history::ChainHistory;
use super::pruning::Pruned;
use super::walk::Walk;
use crate::evaluate::AdapterInfo;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is told of a search beside its ticket; part of every record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LocalSearchFacts {
    /// What scored the neighbours, in the arithmetic of the record's adapter, which counted what they led to.
    #[serde(default)]
    pub neighbours: Option<AdapterInfo>,
    /// Did the device have no room for the pre-activations of one mask, or was it to take less? They were then computed anew for every call
    /// and did not drift, so that the walk may differ from the CPU's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recomputed: bool,
    /// Tau of the margin loss, where that is the fitness.
    pub tau: Option<f32>,
    pub work: ChainWork,
    /// Correct training samples of what every chain came to, the ticket's before it was pruned included.
    pub members_train_correct: Vec<u32>,
    /// How the walk went that ended at the ticket.
    pub history: ChainHistory,
    /// What pruning took from the ticket, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pruned: Option<Pruned>,
    /// Sparser masks, where a front was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub front: Vec<FrontPoint>,
}

/// What a search took, all chains together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChainWork {
    pub proposals: u64,
    pub accepted: u64,
    /// Multiply-adds executed, the squares of the margin loss and all refreshes included. They depend on what scored
    /// the neighbours: a device looks at all samples also where a race is lost.
    pub multiply_adds: u64,
}

impl std::ops::AddAssign for ChainWork {
    fn add_assign(&mut self, other: Self) {
        self.proposals += other.proposals;
        self.accepted += other.accepted;
        self.multiply_adds += other.multiply_adds;
    }
}

impl ChainWork {
    pub(super) fn add(&mut self, walk: &Walk) {
        let &Walk { proposals, accepted, multiply_adds, .. } = walk;
        *self += Self { proposals, accepted, multiply_adds };
    }
}
