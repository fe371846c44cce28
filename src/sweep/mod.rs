//! Many runs: in lock-step on one device.

mod grid;
mod lockstep;

pub use grid::{Run, Sweep, SweepError};
pub use lockstep::{Elapsed, Lane, Lockstep};
