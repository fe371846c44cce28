//! Neighbours of kept masks, scored on the CPU or on a device, by one rule and with one result.

use super::neighbours::{Candidate, Race, Tiles};
use super::{AdapterInfo, EvaluateError};
use crate::network::Network;
use crate::objective::Objective;

/// What scores neighbours of one network's masks on samples.
pub trait Neighbourhood: Send + Sync {
    /// A parent with `mask`, which looks at the first `chunks` chunks of the samples; waits where the device has no
    /// room for another.
    ///
    /// # Errors
    /// Errors of the device.
    fn parent<'a>(&'a self, mask: &[u32], chunks: usize) -> Result<Box<dyn Parent + 'a>, EvaluateError>;

    fn network(&self) -> &Network;

    fn tiles(&self) -> &Tiles;

    fn objective(&self) -> Objective;

    /// What computes.
    fn adapter(&self) -> AdapterInfo;

    /// Are pre-activations computed anew for every call, so that nothing drifts?
    fn is_recomputed(&self) -> bool {
        false
    }
}

/// A mask whose neighbours are scored, on some of the samples. What a chain does follows from these answers
/// alone, so that every implementation of one arithmetic leads to the same ticket. Only a device can fail.
pub trait Parent: Send {
    /// The present cost on the samples that are looked at: exact after a refresh, else screened.
    fn cost(&self) -> u64;

    /// Moves since the pre-activations were last exact.
    fn since_refresh(&self) -> usize;

    /// From now on looks at the first `chunks` chunks of the samples; refreshes.
    fn look_at(&mut self, chunks: usize) -> Result<(), EvaluateError>;

    /// Makes the pre-activations and the cost exact.
    fn refresh(&mut self) -> Result<(), EvaluateError>;

    /// Wrong samples, by the kept pre-activations, of those that are looked at.
    fn wrong(&mut self) -> Result<u64, EvaluateError>;

    /// By how much each of the `candidates` changes the cost; none where by more than allowed. Chunks are
    /// judged from `first_chunk` on.
    fn screen(
        &mut self,
        candidates: &[Candidate<'_>],
        race: Option<Race>,
        first_chunk: usize,
    ) -> Result<Vec<Option<i64>>, EvaluateError>;

    /// Flips the bits of `candidate` if it passes as in [`screen`](Self::screen); says if so.
    fn attempt(
        &mut self,
        candidate: Candidate<'_>,
        race: Option<Race>,
        first_chunk: usize,
    ) -> Result<bool, EvaluateError>;

    /// The exact cost of `mask` on all samples. The parent is not to be gone on with.
    fn exact_cost(&mut self, mask: &[u32]) -> Result<u64, EvaluateError>;

    /// Multiply-adds executed since this was last asked.
    fn take_multiply_adds(&mut self) -> u64;
}
