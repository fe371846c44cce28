//! How fast masks are scored here, and how close that is to what the machine can do.
//!
//! A [`Workload`] is a network with random weights, random data and random masks. Each is first
//! [checked](check) against the plain form, then [measured](measure()), and the machine's own
//! [`Peaks`](crate::archive::throughput::Peaks) say what a figure is worth. A
//! [`BenchResult`](crate::archive::throughput::BenchResult) holds all of it; `supermask report` draws those that lie in
//! a folder of records.

pub mod check;
mod comparison;
mod measure;
mod scaling;
mod table;
mod workload;

pub use comparison::{BenchComparison, Ratio};
pub use measure::{BenchError, measure};
pub use scaling::{ScalingAxis, ScalingCurve, curves, slope};
pub use table::table;
pub use workload::{Preset, Workload, WorkloadError};
