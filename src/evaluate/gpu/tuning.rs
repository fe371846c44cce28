//! Finds the fastest kernel for an adapter and architecture by a short measurement, and remembers it.
//!
//! All kernels give the same counts, so that a choice made by the clock changes no result.

use super::device::{AdapterDescription, GpuDevice};
use super::plan::{self, Shape};
use super::{GpuEvaluator, Options};
use crate::dataset::{Dataset, Samples, Split};
use crate::evaluate::{Batch, EvaluateError, Evaluator};
use crate::mask;
use crate::network::{Architecture, Network};
use crate::random::{self, Concern};
use std::collections::BTreeMap;
use std::io::Write;
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
    dirs::cache_dir().map(|folder| folder.join("supermask").join("kernels.json"))
}

/// The shape to use: as remembered in `file`, else measured on `dataset` and remembered there. A file
/// that cannot be read or written costs a new measurement, nothing else.
pub(super) fn choose(
    device: &GpuDevice,
    architecture: &Architecture,
    networks: &[Network],
    dataset: &Dataset,
    file: &Path,
) -> Result<Shape, EvaluateError> {
    let description = device.description();
    let shapes = plan::candidates(architecture, &description.limits, device.is_software())
        .map_err(|error| EvaluateError::Unsupported(format!("{}: {error}", description.info.name)))?;
    let key = key(description, architecture);
    let remembered = read(file).remove(&key).filter(|shape| shapes.contains(shape));
    if let Some(shape) = remembered {
        return Ok(shape);
    }
    let Some(network) = networks.first() else { return Ok(shapes[0]) };
    let shape = measure(device, architecture, network, dataset, shapes)?;
    // Others may have written since: their choices are kept.
    let mut choices = read(file);
    choices.insert(key, shape);
    let _ = write(file, &choices);
    Ok(shape)
}

/// What a choice depends on, the program's version included.
fn key(description: &AdapterDescription, architecture: &Architecture) -> String {
    let info = &description.info;
    format!(
        "{} | {} | {} | {architecture} | {}",
        info.name,
        info.backend,
        info.driver,
        env!("CARGO_PKG_VERSION")
    )
}

fn read(file: &Path) -> BTreeMap<String, Shape> {
    std::fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// Writes a temporary file, then renames it, so that a reader never sees half a file.
fn write(file: &Path, choices: &BTreeMap<String, Shape>) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let temporary = file.with_extension(format!("{}.tmp", std::process::id()));
    let mut out = std::fs::File::create(&temporary)?;
    serde_json::to_writer_pretty(&mut out, choices)?;
    out.flush()?;
    std::fs::rename(&temporary, file)
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
    let part =
        Dataset { train: some(samples), test: some(0), classes: dataset.classes, class_names: Vec::new() };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::gpu::tiled;

    #[test]
    fn choices_are_read_back_as_written_and_rubbish_as_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("new").join("kernels.json");
        assert!(read(&file).is_empty());
        let shape = Shape::Tiled(tiled::Shape { side: 16, rows: 4, quads: 1, depth: 16 });
        let choices = BTreeMap::from([("a GPU".to_owned(), shape)]);
        write(&file, &choices).expect("written");
        assert_eq!(read(&file), choices);
        std::fs::write(&file, b"{\"a GPU\": ").expect("written");
        assert!(read(&file).is_empty());
    }
}
