//! **supermask** finds *strong lottery tickets*: subnetworks of a randomly initialised network that
//! solve a task with no training at all. Binary pruning masks are evolved by a genetic algorithm; a GPU
//! (or the CPU) scores whole populations at once.
//!
//! ```text
//! config ─▶ dataset ─┐
//!        ─▶ network ─┴▶ evaluate (wgpu | cpu) ◀─ masks ── search ─▶ record ─▶ report
//!                          └── counts ──▶
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`dataset`] | scikit-learn's generators, bit for bit; CSV, NumPy and IDX files; normalisation |
//! | [`network`] | architectures and their random or loaded weights |
//! | [`mask`] | packed pruning masks and their operations on words |
//! | [`evaluate`] | scores masked networks: the CPU and the wgpu evaluator, equal bit for bit |
//! | [`search`] | the genetic algorithm, and local search by cheap neighbours |
//! | [`baseline`] | edge-popup, backpropagation, and its hyperparameter search |
//! | [`random`] | named, reproducible random streams |
//! | [`export`] | tickets for other programs: safetensors, ONNX, NumPy, CSV; compaction |
//! | [`archive`] | records on disk, read once for every command that looks at them |
//! | [`report`] | tables, figures and a page from an archive |
//! | [`bench`](mod@bench) | throughput beside what the machine can do |
//! | [`table`] | tables as text, CSV, Markdown and LaTeX |
//! | [`stats`] | summaries, rank tests, and the mixed model that compares two algorithms |

// They panic where the stream is closed or full; `cli::output` does not.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod account;
pub mod archive;
mod arithmetic;
pub mod baseline;
pub mod bench;
mod cache;
pub mod cli;
pub mod dataset;
pub mod evaluate;
mod excerpt;
pub mod export;
mod files;
mod flaw;
mod foreign;
mod json;
pub mod mask;
mod memory;
pub mod meter;
pub mod network;
pub mod objective;
mod printable;
pub mod random;
pub mod report;
pub mod run;
pub mod search;
mod settings;
pub mod stats;
pub mod sweep;
pub mod table;
mod threads;
pub mod timing;
