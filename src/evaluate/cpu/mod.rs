//! The CPU evaluator.

pub mod plain;
