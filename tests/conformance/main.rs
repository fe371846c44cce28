//! Every evaluator equals the plain form, bit for bit; and what is said of neighbours, on every backend.
//!
//! The cases are those of `supermask check`, which `backends` puts to whatever is a [`Backend`], from a list that a new
//! one joins. `cpu`, `gpu` and `neighbours` add what only these have: instruction sets, errors, what is executed.
//! Whatever is expected comes from `evaluate::plain`.

#[path = "../adapter/mod.rs"]
mod adapter;
mod backends;
mod cpu;
mod gpu;
mod neighbours;

use std::sync::{Arc, OnceLock};
use supermask::check::case::*;
use supermask::dataset::{Dataset, Samples, Split};
use supermask::evaluate::gpu::GpuDevice;
use supermask::evaluate::{Arithmetic, Backend, Batch, CpuBackend, GpuBackend, MockBackend, Problem};
use supermask::mask;
use supermask::network::{Architecture, Network};
use supermask::objective::margin::Margin;
use supermask::objective::{Objective, Score};
use supermask::random::{Concern, stream};

const ARITHMETICS: [Arithmetic; 4] = Arithmetic::ALL;

/// The adapter's device, shared by all tests.
fn device() -> &'static GpuDevice {
    static GPU: OnceLock<GpuBackend> = OnceLock::new();
    GPU.get_or_init(adapter::open).device()
}

/// The adapter's backend.
fn on_device() -> GpuBackend {
    GpuBackend::new(device().clone(), true)
}

/// All that scores masks.
fn all_backends() -> Vec<Arc<dyn Backend>> {
    let on_host = ARITHMETICS.iter().flat_map(|&arithmetic| -> [Arc<dyn Backend>; 2] {
        [Arc::new(CpuBackend(arithmetic)), Arc::new(MockBackend::plain(arithmetic))]
    });
    let on_device: Arc<dyn Backend> = Arc::new(on_device());
    on_host.chain([on_device]).collect()
}

/// Counts of the training samples by the plain form.
fn plain_counts(case: &EvaluationCase, arithmetic: Arithmetic) -> Vec<u32> {
    counts(&case.plain_scores(Split::Train, arithmetic))
}
