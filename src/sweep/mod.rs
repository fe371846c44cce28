//! Many runs: in lock-step on one device or several, into a folder of records.

pub mod baseline;
mod folder;
mod grid;
pub mod local_search;
mod lockstep;
pub mod plan;
mod queue;
mod worker;

pub use folder::{Claim, FailedRun, Folder, FolderError, Found};
pub use grid::{Run, Sweep, SweepError};
pub use lockstep::{Elapsed, Lane, Lockstep};
pub use queue::{Outline, PrepareError, Prepared, Queue};
pub use worker::{Event, Options, SweepFailure, work};
