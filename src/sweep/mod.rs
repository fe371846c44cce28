//! Many runs: in lock-step on one device.

mod lockstep;

pub use lockstep::{Elapsed, Lane, Lockstep};
