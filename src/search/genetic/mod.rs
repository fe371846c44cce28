//! The genetic algorithm of the paper (section 4), in both of its configurations.
//!
//! A [`Search`] knows no evaluator: it says which masks it wants scored ([`Search::request`]), is told
//! their scores ([`Search::supply`]), and so evolves one generation after the other. Whoever drives it may
//! put the requests of many searches into one batch.

pub mod accuracy_bound;
pub mod config;
pub mod crossover;
pub mod history;
pub mod migration;
pub mod mutation;
pub mod population;
pub mod ranking;
mod search;
mod seen;
pub mod selection;
pub mod termination;

pub use config::{AccuracyBound, GeneticConfig, MutationOperator, ResolvedGenetic, Selection};
pub use history::History;
pub use population::{Individual, Origin, Population};
pub use ranking::Ranking;
pub use search::{Counters, Request, Search};
