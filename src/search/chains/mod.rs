//! Local search: chains of flips, each accepted or not by what it costs.
//!
//! A [`LocalSearch`] is the whole of it as a state that is saved and gone on from; a [`Chain`] and a [`Pruning`] ask for
//! what is to be done with one mask ([`ParentRequest`]) and are told what came of it ([`ParentAnswer`]). None knows what
//! scores the neighbours: [`run`](crate::run) does.

mod chain;
mod combined_move;
mod config;
mod facts;
mod front;
mod history;
mod parent_request;
mod proposal;
mod pruning;
mod schedule;
mod scored;
mod search;
mod walk;

pub use chain::{Chain, ChainProgress};
pub use config::{FrontConfig, GrowthConfig, LocalSearchConfig, Temperature};
pub use facts::{ChainWork, LocalSearchFacts};
pub use front::FrontPoint;
pub use history::ChainHistory;
pub use parent_request::{ParentAnswer, ParentRequest};
pub use pruning::{Pruned, Pruning, PruningState};
pub use schedule::{ChainSchedule, Terrain};
pub use scored::{LARGEST_SCORE, ScoredSearch, ScoredState};
pub use search::LocalSearch;
pub use walk::{ChainState, Walk};

#[cfg(test)]
mod tests;
