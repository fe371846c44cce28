//! Finds the fastest kernel for an adapter and architecture by a short measurement, and remembers it.
//!
//! All kernels give the same counts, so that a choice made by the clock changes no result. The network, the
//! samples and the masks of a measurement are drawn here: an evaluator may be made before its networks are known, and of
//! a network of zeros the looped kernels skip every hidden neuron.

use super::device::{AdapterDescription, GpuDevice};
use super::kernel::{KernelShape, candidates};
use super::{GpuEvaluator, GpuOptions};
use crate::cache;
use crate::dataset::{Dataset, Samples, Schema, Split};
use crate::evaluate::{Batch, EvaluateError, Evaluator, Problem};
use crate::mask;
use crate::network::{Architecture, Network, NetworkInit};
use crate::random::{self, Concern};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How kernels are measured: another number means that choices made before say nothing.
const PROCEDURE: u32 = 2;

/// Samples and masks of a measurement: enough to fill a large GPU with a small network.
const SAMPLES: usize = 16_384;
const MASKS: usize = 256;
/// Multiply-adds of a measurement, at most; wide networks get fewer masks.
const WORK: usize = 1 << 34;
/// Each kernel is timed this often, after a first run that compiles it; the least counts.
const RUNS: usize = 3;
/// A kernel whose first run takes longer than this many times the best is not timed.
const HOPELESS: u32 = 20;

/// Where choices are remembered: the user's cache folder.
pub(super) fn cache_file() -> Option<PathBuf> {
    cache::file("kernels.json")
}

/// The shape to use: as remembered in `file`, else measured on so many `samples` and remembered there.
pub(super) fn choose(
    device: &GpuDevice,
    architecture: &Architecture,
    samples: usize,
    file: &Path,
) -> Result<KernelShape, EvaluateError> {
    // One measurement at a time: workers that share a device would slow each other down.
    static MEASURING: Mutex<()> = Mutex::new(());
    let _one = MEASURING.lock().unwrap_or_else(PoisonError::into_inner);
    let shapes = shapes(device, architecture)?;
    if let Some(shape) = recall(device, architecture, file, &shapes) {
        return Ok(shape);
    }
    let shape = measure(device, architecture, samples.min(SAMPLES), shapes)?;
    // Where it cannot be written, the next evaluator measures again.
    let _ = cache::remember(file, key(device, architecture), &shape);
    Ok(shape)
}

fn shapes(device: &GpuDevice, architecture: &Architecture) -> Result<Vec<KernelShape>, EvaluateError> {
    let AdapterDescription { info, limits, .. } = device.description();
    candidates(architecture, limits, device.is_software())
        .map_err(|error| EvaluateError::Unsupported(format!("{}: {error}", info.name)))
}

fn recall(
    device: &GpuDevice,
    architecture: &Architecture,
    file: &Path,
    shapes: &[KernelShape],
) -> Option<KernelShape> {
    cache::recall(file, &key(device, architecture)).filter(|shape| shapes.contains(shape))
}

fn key(device: &GpuDevice, architecture: &Architecture) -> String {
    let info = &device.description().info;
    let what = [architecture.to_string(), format!("procedure {PROCEDURE}")];
    cache::key(&[&info.name, &info.backend, &info.driver, &what[0], &what[1]])
}

/// The network that kernels are measured with, whose hidden neurons are as alive as those of a run.
fn drawn(architecture: &Architecture) -> Result<Network, EvaluateError> {
    NetworkInit::plain(architecture.clone())
        .build(0)
        .map_err(|error| EvaluateError::Unsupported(error.to_string()))
}

/// Samples that no network drawn above overflows on; what they are changes no kernel's work.
fn drawn_samples(count: usize, width: usize) -> Samples {
    let mut rng = random::stream(0, Concern::Bench);
    let features = (0..count * width).map(|_| random::unit(&mut rng) as f32).collect();
    Samples { features, labels: vec![0; count], width }
}

/// The fastest of `shapes`.
fn measure(
    device: &GpuDevice,
    architecture: &Architecture,
    samples: usize,
    shapes: Vec<KernelShape>,
) -> Result<KernelShape, EvaluateError> {
    let network = drawn(architecture)?;
    let drawn = |count: usize| drawn_samples(count, architecture.inputs());
    let schema = Schema::numbered(architecture.outputs());
    let dataset = Arc::new(Dataset::new(drawn(samples), drawn(0), drawn(0), schema));
    let problem = Problem::of(&network, &dataset);
    let masks = (WORK / (architecture.weights() * samples.max(1))).clamp(1, MASKS);
    let mut words = vec![0; masks * architecture.mask_words()];
    let mut rng = random::stream(0, Concern::InitialPopulation);
    for one in words.chunks_exact_mut(architecture.mask_words()) {
        mask::randomize(one, architecture.weights(), &mut rng);
    }
    let batch = Batch { masks: &words, networks: &vec![0; masks] };
    // A small network's tiled kernel is slower by far on a software adapter.
    let any_fused = shapes.iter().any(|shape| matches!(shape, KernelShape::Fused(_)));
    let worthwhile =
        |shape: &KernelShape| !(device.is_software() && any_fused && matches!(shape, KernelShape::Tiled(_)));

    let mut best = (Duration::MAX, shapes[0]);
    for shape in shapes.into_iter().filter(worthwhile) {
        let options = GpuOptions { shape: Some(shape), ..GpuOptions::default() };
        let mut evaluator = GpuEvaluator::new(device, &problem, options)?;
        let first = time(&mut evaluator, batch)?;
        if first > best.0.saturating_mul(HOPELESS) {
            continue;
        }
        for _ in 0..RUNS {
            let took = time(&mut evaluator, batch)?;
            if took < best.0 {
                best = (took, shape);
            }
        }
    }
    Ok(best.1)
}

/// The device's time for `batch`, or the wall's where the device has no clock.
fn time(evaluator: &mut GpuEvaluator, batch: Batch<'_>) -> Result<Duration, EvaluateError> {
    let start = Instant::now();
    evaluator.score(Split::Train, batch)?;
    Ok(evaluator.device_time().unwrap_or_else(|| start.elapsed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_neuron_of_the_measured_network_can_be_skipped() {
        for widths in [&[2, 75, 2][..], &[784, 100, 10], &[4, 8, 8, 3]] {
            let architecture: Architecture = widths.to_vec().try_into().expect("a valid architecture");
            let network = drawn(&architecture).expect("a network");
            assert_eq!(network.weights().len(), architecture.weights());
            assert!(network.weights().iter().all(|&weight| weight != 0.0), "{architecture}");
        }
    }
}
