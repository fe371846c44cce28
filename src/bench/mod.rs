//! How fast masks are scored here, and how close that is to what the machine can do.
//!
//! A [`Workload`] is a network shape with random weights, random data and random masks. Each is first
//! [checked](check) against the plain form, then [measured](measure()), and the machine's own [`Peaks`] say
//! what a figure is worth. A [`BenchResult`] holds all of it; `supermask report` draws those that lie in a
//! folder of records.

pub mod check;
mod comparison;
mod measure;
mod result;
mod scaling;
mod table;
mod workload;

pub use comparison::{Comparison, Ratio};
pub use measure::{BenchError, measure};
pub use result::{BenchResult, Peaks, Point, Quartiles, ReadError, SCHEMA_VERSION, Split};
pub use scaling::{Axis, Curve, curves, slope};
pub use table::table;
pub use workload::{Preset, Shape, Workload, WorkloadError};
