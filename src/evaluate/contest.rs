//! Which of two backends of one arithmetic is faster on the problem at hand: measured once, and remembered. The choice
//! changes no ticket.

use super::{AdapterInfo, Backend, Batch, EvaluateError, Evaluator, Problem};
use crate::cache;
use crate::dataset::{Dataset, Samples, Split};
use crate::mask;
use crate::network::{Architecture, NetworkInit};
use crate::random::{self, Concern};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How backends are measured: another number means that what was measured before says nothing.
const PROCEDURE: u32 = 1;
/// Multiply-adds for a mask, at most: of more samples some are enough.
const WORK: usize = 1 << 27;
/// A batch that takes this long says how fast a backend is.
const LONG_ENOUGH: Duration = Duration::from_millis(25);
/// The least of so many is taken, where one batch is short.
const ROUNDS: usize = 3;

/// What an adapter is wanted for.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    pub architecture: &'a Architecture,
    pub dataset: &'a Arc<Dataset>,
    /// Masks of a batch.
    pub masks: usize,
}

/// What two backends score of the same masks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Contest {
    /// The GPU's name,
    pub gpu: String,
    /// and the processor's.
    pub cpu: String,
    pub gpu_masks_per_s: f64,
    pub cpu_masks_per_s: f64,
}

impl Contest {
    /// As remembered in `file`, else measured and remembered there.
    ///
    /// # Errors
    /// Where a backend cannot do it.
    pub fn hold(
        [gpu, cpu]: [&dyn Backend; 2],
        occasion: &Occasion<'_>,
        file: Option<&Path>,
    ) -> Result<Self, EvaluateError> {
        let key = key([gpu, cpu], occasion);
        if let Some(contest) = file.and_then(|file| cache::recall(file, &key)) {
            return Ok(contest);
        }
        let [gpu_rate, cpu_rate] = [gpu, cpu].map(|backend| masks_per_s(backend, occasion));
        let contest = Self {
            gpu: gpu.info().name,
            cpu: cpu.info().name,
            gpu_masks_per_s: gpu_rate?,
            cpu_masks_per_s: cpu_rate?,
        };
        if let Some(file) = file {
            // Where it cannot be written, the next run measures again.
            let _ = cache::remember(file, key, &contest);
        }
        Ok(contest)
    }

    /// Where contests are remembered: the user's cache folder.
    pub fn cache_file() -> Option<PathBuf> {
        cache::file("contests.json")
    }

    pub fn gpu_wins(&self) -> bool {
        self.gpu_masks_per_s > self.cpu_masks_per_s
    }
}

/// What a contest goes by: both sides with their drivers, how they round, and what is computed.
fn key([gpu, cpu]: [&dyn Backend; 2], occasion: &Occasion<'_>) -> String {
    let Occasion { architecture, dataset, masks } = occasion;
    let what = format!("{architecture}, {} samples, {masks} masks", dataset.train.len());
    let of =
        |AdapterInfo { name, backend, driver, .. }: AdapterInfo| format!("{name} | {backend} | {driver}");
    let threads = format!("{} threads", rayon::current_num_threads());
    let procedure = format!("procedure {PROCEDURE}");
    cache::key(&[&of(gpu.info()), &of(cpu.info()), &threads, gpu.arithmetic().name(), &what, &procedure])
}

/// The first training samples of `dataset`, as many as a mask is measured on.
fn part(dataset: &Dataset, architecture: &Architecture) -> Dataset {
    let Samples { features, labels, width } = &dataset.train;
    let samples = (WORK / architecture.weights().max(1)).clamp(1, labels.len().max(1)).min(labels.len());
    let first = |samples: usize| Samples {
        features: features[..samples * width].to_vec(),
        labels: labels[..samples].to_vec(),
        width: *width,
    };
    Dataset::new(first(samples), first(0), first(0), dataset.schema.clone())
}

/// Masks of a drawn network that `backend` scores in a second, in batches of as many as are wanted, or as take long
/// enough. Masks keep half of the weights.
fn masks_per_s(backend: &dyn Backend, occasion: &Occasion<'_>) -> Result<f64, EvaluateError> {
    let Occasion { architecture, dataset, masks: wanted } = *occasion;
    let network = NetworkInit::plain(architecture.clone()).build(0);
    let network = network.map_err(|error| EvaluateError::Unsupported(error.to_string()))?;
    let dataset = Arc::new(part(dataset, architecture));
    let mut evaluator = backend.evaluator(&Problem::of(&network, &dataset))?;
    let mut rng = random::stream(0, Concern::InitialPopulation);
    let words = architecture.mask_words();
    let mut masks = vec![0; words];
    mask::randomize(&mut masks, architecture.weights(), &mut rng);
    // The first batch compiles, and wakes the device up.
    time(&mut *evaluator, &masks)?;
    let mut took = time(&mut *evaluator, &masks)?;
    while took < LONG_ENOUGH && masks.len() < wanted * words {
        let more = (LONG_ENOUGH.as_secs_f64() / took.as_secs_f64().max(1e-9)).clamp(2.0, 16.0) as usize;
        let count = (masks.len() / words * more).min(wanted);
        let before = masks.len() / words;
        masks.resize(count * words, 0);
        for one in masks.chunks_exact_mut(words).skip(before) {
            mask::randomize(one, architecture.weights(), &mut rng);
        }
        took = time(&mut *evaluator, &masks)?;
    }
    for _ in 1..ROUNDS {
        if took < LONG_ENOUGH {
            took = took.min(time(&mut *evaluator, &masks)?);
        }
    }
    Ok((masks.len() / words) as f64 / took.as_secs_f64().max(1e-9))
}

/// What a batch of `masks` takes.
fn time(evaluator: &mut dyn Evaluator, masks: &[u32]) -> Result<Duration, EvaluateError> {
    let networks = vec![0; masks.len() / evaluator.architecture().mask_words()];
    let begun = Instant::now();
    evaluator.score(Split::Train, Batch { masks, networks: &networks })?;
    Ok(begun.elapsed())
}
