//! The processor as a backend.

use super::instructions::Instructions;
use super::{CpuEvaluator, describe, peak};
use crate::evaluate::backend::CPU_MASKS;
use crate::evaluate::neighbours::{Landscape, Tiles};
use crate::evaluate::{
    AdapterInfo, Arithmetic, Backend, Capacity, Demand, EvaluateError, Evaluator, Neighbourhood, PeakRates,
    Problem,
};
use crate::network::Network;
use crate::objective::Objective;
use rayon::prelude::*;
use std::sync::Arc;
use std::time::Instant;

/// Values that are copied: with their copy beyond most processors' caches.
const COPIED: usize = 16 << 20;

/// Values of a task, so that every thread has several.
const TASK: usize = 1 << 18;

/// Copies, the best of which counts.
const COPIES: usize = 8;

/// The processor's cores with their best instructions, in one arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuBackend(pub Arithmetic);

impl Backend for CpuBackend {
    fn info(&self) -> AdapterInfo {
        describe(Instructions::best())
    }

    fn arithmetic(&self) -> Arithmetic {
        self.0
    }

    fn capacity(&self) -> Capacity {
        Capacity { binding_bytes: u64::MAX, masks: CPU_MASKS }
    }

    fn evaluator(&self, problem: &Problem<'_>) -> Result<Box<dyn Evaluator>, EvaluateError> {
        let &Problem { architecture, networks, dataset } = problem;
        Ok(Box::new(CpuEvaluator::new(architecture, networks, Arc::clone(dataset), self.0)?))
    }

    fn neighbourhood(
        &self,
        network: &Network,
        tiles: Tiles,
        objective: Objective,
        _: Demand,
    ) -> Result<Box<dyn Neighbourhood>, EvaluateError> {
        Ok(Box::new(Landscape::new(network, tiles, objective, self.0)?))
    }

    fn peak_rates(&self) -> Result<PeakRates, EvaluateError> {
        let core = peak::multiply_adds_per_second(Instructions::best());
        let core = core.expect("the best instructions that there are");
        Ok(PeakRates {
            multiply_adds_per_second: core * rayon::current_num_threads() as f64,
            copy_bytes_per_second: copied_bytes_per_second(),
        })
    }
}

/// Bytes that all threads read and write per second when they copy from memory to memory.
fn copied_bytes_per_second() -> f64 {
    let source = vec![1.0f32; COPIED];
    let mut target = vec![0.0f32; COPIED];
    let best = (0..COPIES)
        .map(|_| {
            let start = Instant::now();
            target
                .par_chunks_mut(TASK)
                .zip(source.par_chunks(TASK))
                .for_each(|(target, source)| target.copy_from_slice(source));
            std::hint::black_box(&mut target);
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    (2 * COPIED * size_of::<f32>()) as f64 / best
}
