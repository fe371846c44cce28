//! **supermask** finds *strong lottery tickets*: subnetworks of a randomly initialised network that
//! solve a task with no training at all. Binary pruning masks are evolved by a genetic algorithm; a GPU
//! (or the CPU) scores whole populations at once.
//!
//! ```text
//! config ─▶ problem (network, data) ─▶ evaluator (wgpu | cpu) ◀─ masks ── search ─▶ record ─▶ report
//!                      objective ────────────┘└── scores ──▶
//! ```
//!
//! Five nouns, one verb. A [`Problem`](evaluate::Problem) is networks of one shape and their data; an
//! [`Objective`](objective::Objective) is what a mask is judged by; a [`Backend`](evaluate::Backend) makes evaluators of
//! a problem; a [search] asks for masks to be judged and is told how they did; a [`Record`](run::record::Record) is what
//! is left of a run. [`run::run`] makes one of all this, for every algorithm:
//!
//! ```
//! use std::sync::{Arc, atomic::AtomicBool};
//! use supermask::evaluate::{Arithmetic, CpuBackend};
//! use supermask::run::{self, Control, Run, config::RunConfig};
//!
//! let text = r#"{"name": "first", "dataset": "moons", "network": {"hidden": [6]},
//!     "algorithm": {"kind": "ga", "population": 20, "termination": {"max_generations": 3}}}"#;
//! let config = RunConfig::from_value(serde_json::from_str(text)?)?;
//! let data = Arc::new(config.dataset.load()?);
//! let config = config.resolve(&data)?;
//! let (run, stop) = (Run { cell: config.cell(), config }, AtomicBool::new(false));
//! let record = run::run(&run, &data, &CpuBackend(Arithmetic::Fused), &Control::stopping_at(&stop))?;
//! assert!(record.is_some_and(|record| record.result.generations == Some(3)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A search of your own needs an evaluator and nothing else of this: masks go in, correct samples come out. Here, the
//! best of some random masks:
//!
//! ```
//! use std::sync::Arc;
//! use supermask::dataset::{DatasetConfig, Split};
//! use supermask::evaluate::{Arithmetic, Backend, Batch, CpuBackend, Problem};
//! use supermask::random::{self, Concern};
//! use supermask::{mask, network::NetworkInit};
//!
//! let data: DatasetConfig = serde_json::from_str(r#"{"kind": "moons", "train_samples": 200, "test_samples": 80}"#)?;
//! let data = Arc::new(data.load()?);
//! let network = NetworkInit::plain(vec![2, 20, 2].try_into()?).build(7)?;
//! let mut evaluator = CpuBackend(Arithmetic::Fused).evaluator(&Problem::of(&network, &data))?;
//! let mut score = |mask: &[u32]| evaluator.score(Split::Train, Batch { masks: mask, networks: &[0] });
//!
//! let (weights, words) = (network.architecture().weights(), network.architecture().mask_words());
//! let rng = &mut random::stream(7, Concern::InitialPopulation);
//! let (mut ticket, mut best) = (vec![0; words], 0);
//! for _ in 0..300 {
//!     let mut tried = vec![0; words];
//!     mask::randomize(&mut tried, weights, rng);
//!     let correct = score(&tried)?[0];
//!     if correct > best {
//!         (ticket, best) = (tried, correct);
//!     }
//! }
//! assert_eq!(score(&ticket)?[0], best);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/own_mutation.rs` is a genetic algorithm with a mutation operator of its own, over whole populations;
//! [`evaluate::adapter::open`] makes the backend of a GPU in place of [`evaluate::CpuBackend`].
//!
//! Each line of this table imports only from lines above it; what stands on no line (files, settings, errors, time,
//! memory, tables) is the ground of all.
//!
//! | module | what it holds |
//! |---|---|
//! | [`random`] | named, reproducible random streams |
//! | [`network`], [`mask`] | architectures and their random or loaded weights; packed pruning masks |
//! | [`dataset`] | scikit-learn's generators, bit for bit; CSV, NumPy and IDX files; normalisation |
//! | [`objective`] | what a mask is judged by: correct samples, or a loss in whole steps |
//! | [`evaluate`] | scores masked networks and their neighbours: the CPU and the wgpu backend, equal bit for bit |
//! | [`search`] | the genetic algorithm, and local search by cheap neighbours: ask and tell, without a device |
//! | [`baseline`] | edge-popup, backpropagation, and its hyperparameter search |
//! | [`run`](mod@run) | one run: configuration, control, checkpoint, record |
//! | [`sweep`] | many runs: grids, lock-step, a folder of records |
//! | [`stats`], [`bench`](mod@bench), [`table`] | the mixed model and rank tests; throughput; tables as text, CSV, Markdown, LaTeX |
//! | [`archive`] | records on disk, read once for every command that looks at them |
//! | [`check`] | what an adapter computes, against the plain form: for users and for the tests |
//! | [`export`] | tickets for other programs: safetensors, ONNX, NumPy, CSV; compaction |
//! | [`report`] | tables, figures and a page from an archive |
//! | [`cli`] | the commands |

// They panic where the stream is closed or full; `cli::output` does not.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod account;
pub mod archive;
mod arithmetic;
pub mod baseline;
pub mod bench;
mod cache;
pub mod check;
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
pub mod settings;
pub mod stats;
pub mod sweep;
pub mod table;
mod threads;
pub mod timing;
