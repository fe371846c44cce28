//! What searches by flips ask of a parent, and what they are told.

use crate::evaluate::neighbours::{Candidate, Race};

/// What is to be done next with the parent: the mask whose neighbours are scored.
#[derive(Clone, Debug)]
pub enum ParentRequest<'a> {
    /// Take `mask` for the parent, exactly, on the first `chunks` chunks of the samples; then make `moves`, whatever
    /// they cost. [`ParentAnswer::Cost`].
    Begin {
        mask: &'a [u32],
        chunks: usize,
        moves: &'a [Vec<u32>],
        /// Were the multiply-adds that this takes counted before, by the search that is gone on with?
        is_again: bool,
    },
    /// Look at the first so many chunks of the samples, exactly. [`ParentAnswer::Cost`].
    LookAt(usize),
    /// Make the pre-activations exact. [`ParentAnswer::Cost`].
    Refresh,
    /// Count the wrong samples of those that are looked at. [`ParentAnswer::Wrong`].
    Wrong,
    /// Screen the candidates, from the chunk `first_chunk` on. [`ParentAnswer::Changes`].
    Screen { candidates: Vec<Candidate<'a>>, race: Option<Race>, first_chunk: usize },
    /// Move to the candidate if it passes. [`ParentAnswer::Attempt`].
    Attempt { candidate: Candidate<'a>, race: Option<Race>, first_chunk: usize },
    /// Count the exact cost of a mask on all samples; the parent is not gone on with. [`ParentAnswer::Cost`].
    ExactCost(&'a [u32]),
}

/// What an [`ParentRequest`] came to.
#[derive(Clone, Debug)]
pub enum ParentAnswer {
    /// The cost on the samples that were looked at.
    Cost(u64),
    /// Samples that are classified wrongly.
    Wrong(u64),
    /// Per candidate by how much it changes the cost; none where by more than allowed.
    Changes(Vec<Option<i64>>),
    Attempt {
        passed: bool,
        /// What the parent costs now.
        cost: u64,
        /// Are its pre-activations exact, as where none are kept?
        is_exact: bool,
    },
}
