//! Finds the fastest kernel for an adapter and architecture by a short measurement, and remembers it.
//!
//! All kernels give the same counts, so that a choice made by the clock changes no result.

use super::device::{AdapterDescription, GpuDevice};
use super::plan::{self, Shape};
use super::{GpuEvaluator, Options};
use crate::cache;
use crate::dataset::{Dataset, Samples, Schema, Split};
use crate::evaluate::{Batch, EvaluateError, Evaluator};
use crate::mask;
use crate::network::{Architecture, Network};
use crate::random::{self, Concern};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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
pub fn cache_file() -> Option<PathBuf> {
    cache::file("kernels.json")
}

/// The shape that is taken where nothing is measured: as remembered in `file`, else the first that fits.
///
/// # Errors
/// [`EvaluateError::Unsupported`] where none fits.
pub(super) fn known(
    device: &GpuDevice,
    architecture: &Architecture,
    file: Option<&Path>,
) -> Result<Shape, EvaluateError> {
    let shapes = shapes(device, architecture)?;
    Ok(file.and_then(|file| recall(device, architecture, file, &shapes)).unwrap_or(shapes[0]))
}

/// The shape to use: as remembered in `file`, else measured on `dataset` and remembered there.
pub(super) fn choose(
    device: &GpuDevice,
    architecture: &Architecture,
    networks: &[Network],
    dataset: &Dataset,
    file: &Path,
) -> Result<Shape, EvaluateError> {
    let shapes = shapes(device, architecture)?;
    if let Some(shape) = recall(device, architecture, file, &shapes) {
        return Ok(shape);
    }
    let Some(network) = networks.first() else { return Ok(shapes[0]) };
    let shape = measure(device, architecture, network, dataset, shapes)?;
    // Where it cannot be written, the next evaluator measures again.
    let _ = cache::remember(file, key(device, architecture), &shape);
    Ok(shape)
}

fn shapes(device: &GpuDevice, architecture: &Architecture) -> Result<Vec<Shape>, EvaluateError> {
    let AdapterDescription { info, limits, .. } = device.description();
    plan::candidates(architecture, limits, device.is_software())
        .map_err(|error| EvaluateError::Unsupported(format!("{}: {error}", info.name)))
}

fn recall(device: &GpuDevice, architecture: &Architecture, file: &Path, shapes: &[Shape]) -> Option<Shape> {
    cache::recall(file, &key(device, architecture)).filter(|shape| shapes.contains(shape))
}

fn key(device: &GpuDevice, architecture: &Architecture) -> String {
    cache::key(&device.description().info, &architecture.to_string())
}

/// The fastest of `shapes`.
fn measure(
    device: &GpuDevice,
    architecture: &Architecture,
    network: &Network,
    dataset: &Dataset,
    shapes: Vec<Shape>,
) -> Result<Shape, EvaluateError> {
    let samples = dataset.train.len().min(SAMPLES);
    let some = |count: usize| Samples {
        features: dataset.train.features[..count * dataset.train.width].to_vec(),
        labels: dataset.train.labels[..count].to_vec(),
        width: dataset.train.width,
    };
    let part = Dataset::new(some(samples), some(0), some(0), Schema::numbered(dataset.classes()));
    let masks = (WORK / (architecture.weights() * samples.max(1))).clamp(1, MASKS);
    let mut words = vec![0; masks * architecture.mask_words()];
    let mut rng = random::stream(0, Concern::InitialPopulation);
    for one in words.chunks_exact_mut(architecture.mask_words()) {
        mask::randomize(one, architecture.weights(), &mut rng);
    }
    let batch = Batch { masks: &words, networks: &vec![0; masks] };
    // A small network's tiled kernel is slower by far on a software adapter.
    let any_fused = shapes.iter().any(|shape| matches!(shape, Shape::Fused(_)));
    let worthwhile = |shape: &Shape| !(device.is_software() && any_fused && matches!(shape, Shape::Tiled(_)));

    let mut best = (Duration::MAX, shapes[0]);
    for shape in shapes.into_iter().filter(worthwhile) {
        let options = Options { shape: Some(shape), ..Options::default() };
        let networks = std::slice::from_ref(network);
        let mut evaluator = GpuEvaluator::with_options(device, architecture, networks, &part, options)?;
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
