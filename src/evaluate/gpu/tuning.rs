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
const PROCEDURE: u32 = 3;

/// Samples and masks of a measurement: enough to fill a large GPU with a small network.
const SAMPLES: usize = 16_384;
const MASKS: usize = 256;
/// Multiply-adds of a measurement, at most; wide networks get fewer masks.
const WORK: usize = 1 << 34;
/// A kernel that lasts longer than this many times the shortest, each in its second run, is not timed any more.
const HOPELESS: u32 = 2;
/// Each kernel is timed for so long in all,
const LONG_ENOUGH: Duration = Duration::from_millis(20);
/// in turns with the others, this often at least.
const ROUNDS: usize = 3;
/// What is not faster than the kernel that hardware begins with by this ratio may owe that to chance.
const MARGIN: f64 = 1.03;

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
    candidates(architecture, limits, device.maker())
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
    let arithmetic = device.arithmetic().name();
    cache::key(&[&info.name, &info.backend, &info.driver, arithmetic, &what[0], &what[1]])
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

    let mut timed: Vec<TimedKernel> = Vec::new();
    for shape in shapes.into_iter().filter(worthwhile) {
        let options = GpuOptions { shape: Some(shape), ..GpuOptions::default() };
        let mut evaluator = GpuEvaluator::new(device, &problem, options)?;
        // The first run compiles, and wakes the device up.
        time(&mut evaluator, batch)?;
        let second = time(&mut evaluator, batch)?;
        if timed.iter().any(|kernel| second.is_hopeless_beside(&kernel.least)) {
            continue;
        }
        timed.retain(|kernel| !kernel.least.is_hopeless_beside(&second));
        timed.push(TimedKernel { shape, evaluator, least: second, spent: Duration::ZERO });
    }
    let mut round = 0;
    while round < ROUNDS || timed.iter().any(|kernel| kernel.spent < LONG_ENOUGH) {
        for kernel in &mut timed {
            let took = time(&mut kernel.evaluator, batch)?;
            kernel.least = kernel.least.least(took);
            kernel.spent += took.wall;
        }
        round += 1;
    }
    let times: Vec<(KernelShape, Took)> = timed.iter().map(|kernel| (kernel.shape, kernel.least)).collect();
    Ok(fastest(&times))
}

/// A kernel that takes part in a measurement.
struct TimedKernel {
    shape: KernelShape,
    evaluator: GpuEvaluator,
    least: Took,
    spent: Duration,
}

/// How long a batch took.
#[derive(Clone, Copy)]
struct Took {
    /// By the device's clock, where it has one and every submission was timed.
    device: Option<Duration>,
    wall: Duration,
}

impl Took {
    fn least(self, other: Self) -> Self {
        let device = self.device.zip(other.device).map(|(one, other)| one.min(other));
        Self { device, wall: self.wall.min(other.wall) }
    }

    /// Is there no point in timing what takes so long, `other` being the time of another kernel?
    fn is_hopeless_beside(&self, other: &Self) -> bool {
        let (mine, theirs) = self.device.zip(other.device).unwrap_or((self.wall, other.wall));
        mine > theirs.saturating_mul(HOPELESS)
    }
}

/// The first of `times`, unless the shortest is shorter by more than chance: by the device's clock where it timed all of
/// them, as times by two clocks do not compare.
///
/// # Panics
/// Where nothing was timed.
fn fastest(times: &[(KernelShape, Took)]) -> KernelShape {
    let all_by_device = times.iter().all(|(_, took)| took.device.is_some());
    let time = |took: &Took| took.device.filter(|_| all_by_device).unwrap_or(took.wall);
    let shortest = times.iter().min_by_key(|(_, took)| time(took)).expect("a kernel is left");
    let is_faster = time(&times[0].1).as_secs_f64() > MARGIN * time(&shortest.1).as_secs_f64();
    if is_faster { shortest.0 } else { times[0].0 }
}

/// What `batch` takes.
fn time(evaluator: &mut GpuEvaluator, batch: Batch<'_>) -> Result<Took, EvaluateError> {
    let start = Instant::now();
    evaluator.score(Split::Train, batch)?;
    Ok(Took { device: evaluator.device_time(), wall: start.elapsed() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::gpu::tiled::TiledShape;

    #[test]
    fn another_kernel_than_the_first_is_taken_only_where_it_is_faster_by_more_than_chance() {
        let shape = |rows| KernelShape::Tiled(TiledShape { columns: 8, lines: 8, rows, quads: 1, depth: 16 });
        let by_wall = |time| Took { device: None, wall: Duration::from_micros(time) };
        let times = |times: [u64; 3]| {
            let times = times.into_iter().zip(1..);
            times.map(|(time, rows)| (shape(rows), by_wall(time))).collect::<Vec<_>>()
        };
        assert_eq!(fastest(&times([1_000, 990, 980])), shape(1));
        assert_eq!(fastest(&times([1_000, 990, 900])), shape(3));
        assert_eq!(fastest(&times([1_000, 900, 950])), shape(2));
    }

    #[test]
    fn no_neuron_of_the_measured_network_can_be_skipped() {
        for widths in [&[2, 75, 2][..], &[784, 100, 10], &[4, 8, 8, 3]] {
            let architecture: Architecture = widths.to_vec().try_into().expect("a valid architecture");
            let network = drawn(&architecture).expect("a network");
            assert_eq!(network.weights().len(), architecture.weights());
            assert!(network.weights().iter().all(|&weight| weight != 0.0), "{architecture}");
        }
    }

    #[test]
    fn kernels_are_compared_by_one_clock() {
        let tiled = |rows| KernelShape::Tiled(TiledShape { columns: 8, lines: 8, rows, quads: 1, depth: 16 });
        let took = |device: Option<u64>, wall| Took {
            device: device.map(Duration::from_millis),
            wall: Duration::from_millis(wall),
        };
        let of = |times: [Took; 2]| fastest(&[(tiled(4), times[0]), (tiled(8), times[1])]);
        assert_eq!(of([took(Some(5), 9), took(Some(6), 8)]), tiled(4));
        // A device whose stamps are zeros has no times.
        assert_eq!(of([took(None, 9), took(None, 8)]), tiled(8));
        assert_eq!(of([took(Some(5), 9), took(None, 8)]), tiled(8));
        assert_eq!(of([took(None, 8), took(None, 8)]), tiled(4));
    }

    #[test]
    fn what_is_hopeless_is_so_by_one_clock() {
        let took = |device: Option<u64>, wall| Took {
            device: device.map(Duration::from_millis),
            wall: Duration::from_millis(wall),
        };
        // Compiling counts on the wall only.
        assert!(!took(Some(2), 900).is_hopeless_beside(&took(Some(1), 2)));
        assert!(took(Some(21), 22).is_hopeless_beside(&took(Some(1), 20)));
        assert!(took(None, 41).is_hopeless_beside(&took(Some(1), 2)));
        let least = took(Some(3), 5).least(took(None, 4));
        assert_eq!((least.device, least.wall), (None, Duration::from_millis(4)));
    }
}
