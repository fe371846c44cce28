//! Statistics of finished runs: summaries, tests, and the mixed model that compares two algorithms.

pub mod mixed_model;
