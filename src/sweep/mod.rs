//! Many runs: in lock-step on one device or several, into a folder of records.

pub mod estimate;
mod folder;
mod grid;
pub mod plan;
mod queue;
mod worker;

pub use folder::{Claim, FailedRun, Folder, FolderError, Found};
pub use grid::{PlannedRun, Sweep};
pub use queue::{Outline, PrepareError, Prepared, Queue};
pub use worker::{Event, SweepFailure, SweepOptions, TicketFile, work};
