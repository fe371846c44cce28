//! What every run has, whatever its algorithm: a state that is saved while it goes on, and that the same command
//! goes on from.

pub mod checkpoint;
pub mod config;
mod demand;
mod keeper;
pub mod local_search_driver;
mod parent_seat;
pub mod record;
mod save_interval;
pub mod watch;

pub use checkpoint::{Checkpoint, Resume};
pub use keeper::Keeper;
pub use local_search_driver::{LocalSearchResult, SearchError};
pub use save_interval::SaveInterval;
pub use watch::{Phase, SavedSearch, Watch};

/// How often the state of a run is saved unless told otherwise, in seconds.
pub const CHECKPOINT_SECONDS: f64 = 5.0;

/// How a run begins that has a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// From this place on, such as `generation 12`.
    GoesOn(String),
    /// From its beginning, for this reason.
    Anew(String),
}
