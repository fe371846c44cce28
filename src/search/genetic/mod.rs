//! The genetic algorithm of the paper (section 4), in both of its configurations.
//!
//! A [`Search`] knows no evaluator: it says which masks it wants scored ([`Search::request`]), is told
//! their scores ([`Search::supply`]), and so evolves one generation after the other. Whoever drives it may
//! put the requests of many searches into one batch.

pub mod accuracy_bound;
mod bound_config;
pub mod config;
mod config_check;
pub mod crossover;
mod goal;
pub mod goals;
pub mod history;
pub mod hypervolume;
pub mod migration;
pub mod mutation;
pub mod nsga2;
pub mod population;
pub mod ranking;
mod search;
mod seen;
pub mod selection;
pub mod termination;

pub use bound_config::AccuracyBound;
pub use config::{GeneticConfig, MutationOperator, ResolvedGenetic, Selection};
pub use goal::Goal;
pub use goals::Goals;
pub use history::History;
pub use population::{Individual, Origin, Population, Scores};
pub use ranking::Ranking;
pub use search::{Counters, Request, Search};
