//! How a chain went.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Columns of equal length, one entry per checkpoint of the winning chain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChainHistory {
    /// Proposals so far.
    pub proposals: Vec<u64>,
    /// Wall time so far.
    pub seconds: Vec<f64>,
    /// The cost: wrong samples, or steps of the margin loss, in the samples that were searched on.
    pub cost: Vec<u64>,
    /// Wrong samples among those.
    pub wrong: Vec<u64>,
    pub weights_kept: Vec<usize>,
}

/// One entry.
#[derive(Clone, Copy, Debug)]
pub struct HistoryPoint {
    pub proposals: u64,
    pub seconds: f64,
    pub cost: u64,
    pub wrong: u64,
    pub weights_kept: usize,
}

impl ChainHistory {
    /// Could this be the history of a chain that has made so many proposals?
    pub(super) fn is_within(&self, proposals: u64) -> bool {
        let lengths = [self.seconds.len(), self.cost.len(), self.wrong.len(), self.weights_kept.len()];
        lengths.iter().all(|&length| length == self.proposals.len())
            && self.proposals.is_sorted()
            && self.proposals.last().is_none_or(|&last| last <= proposals)
    }

    /// Adds an entry.
    pub fn push(&mut self, point: HistoryPoint) {
        self.proposals.push(point.proposals);
        self.seconds.push(point.seconds);
        self.cost.push(point.cost);
        self.wrong.push(point.wrong);
        self.weights_kept.push(point.weights_kept);
    }
}
