//! Measures what the terms cost on an adapter, and checks it on batches that the fit has not seen.

use super::fit::least_squares;
use super::{CostError, Family, Profile, Term};
use crate::bench::{Quartiles, Shape, Workload};
use crate::cache;
use crate::dataset::Split;
use crate::evaluate::gpu::{GpuEvaluator, Options};
use crate::evaluate::{Backend, Batch, EvaluateError, Evaluator, Problem};
use crate::network::{Architecture, Network};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What one kind of points is made of.
struct Series {
    networks: &'static [&'static [usize]],
    /// Samples of the training and of the test set.
    samples: [usize; 2],
    densities: &'static [f64],
}

/// The points that costs are fitted to.
const FITTED: Series = Series {
    networks: &[
        &[2, 20, 2],
        &[2, 100, 2],
        &[2, 50, 50, 2],
        &[2, 200, 2],
        &[8, 40, 2],
        &[12, 48, 32, 2],
        &[16, 64, 64, 4],
        &[64, 75, 10],
        &[20, 140, 6],
        &[24, 160, 160, 4],
        &[64, 512, 512, 10],
        &[784, 300, 100, 10],
        &[64, 1024, 1024, 10],
    ],
    samples: [8192, 512],
    densities: &[0.1, 0.5, 0.9],
};

/// The points that they are checked on: other networks, samples and densities.
const HELD_OUT: Series = Series {
    networks: &[
        &[2, 75, 2],
        &[5, 30, 24, 2],
        &[3, 40, 3],
        &[32, 48, 5],
        &[64, 60, 12],
        &[64, 256, 10],
        &[32, 128, 128, 128, 5],
        &[256, 700, 20],
    ],
    samples: [5000, 700],
    densities: &[0.3, 0.7],
};

/// A software adapter gets so many fewer samples, and no networks of more weights than this.
const SOFTWARE_SAMPLES: usize = 8;
const SOFTWARE_WEIGHTS: usize = 100_000;

/// Masks of a point at most, and the factor from one point to the next.
const MOST_MASKS: usize = 1024;
const STEP: usize = 4;

/// Different masks of a batch, which repeats them: drawing masks takes longer than scoring them.
const POOL: usize = 8;

/// How often all points are measured: what disturbs one round has often passed by the next.
const ROUNDS: usize = 3;

/// Batches of a point in a round at least.
const FEWEST_BATCHES: usize = 3;

/// How long to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// A few seconds in all.
    Quick,
    /// Some ten seconds.
    Thorough,
}

impl Effort {
    /// Time of a point.
    fn budget(self) -> Duration {
        Duration::from_millis(if self == Self::Quick { 5 } else { 30 })
    }

    /// A batch takes at most this long, in seconds, where the first of its kind allows: short ones find moments in
    /// which nothing else runs.
    fn longest(self) -> f64 {
        if self == Self::Quick { 0.004 } else { 0.01 }
    }
}

/// What the terms cost on one adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// `release`, or `debug`.
    pub build: String,
    /// Of the CPU evaluator.
    pub threads: usize,
    /// How long it took, in seconds.
    pub took_s: f64,
    pub fits: Vec<Fit>,
}

/// The costs of one family of kernels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    pub family: Family,
    /// In seconds for one of each.
    pub costs: Vec<(Term, f64)>,
    /// The measurements that the costs were fitted to.
    pub fitted: Vec<Check>,
    /// Those that they were not fitted to.
    pub held_out: Vec<Check>,
}

/// A batch's time as predicted and as measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    #[serde(flatten)]
    pub shape: Shape,
    pub predicted_s: f64,
    pub measured_s: f64,
}

impl Check {
    /// The prediction's relative error: 0.1 is a tenth too long.
    pub fn error(&self) -> f64 {
        self.predicted_s / self.measured_s - 1.0
    }
}

impl Fit {
    /// A batch's time, in seconds, from its amounts in the order of [`Family::terms`].
    fn seconds(&self, amounts: &[f64]) -> f64 {
        self.costs.iter().zip(amounts).map(|((_, cost), amount)| cost * amount).sum()
    }

    /// Predictions for the points of its family.
    fn checks(&self, points: &[Measured]) -> Vec<Check> {
        let own = points.iter().filter(|point| point.family == self.family);
        own.map(|point| Check {
            shape: point.shape.clone(),
            predicted_s: self.seconds(&point.amounts),
            measured_s: point.seconds,
        })
        .collect()
    }

    /// How far predictions of held-out points are off, by absolute value; `None` where there are none.
    pub fn errors(&self) -> Option<Quartiles> {
        let errors: Vec<f64> = self.held_out.iter().map(|check| check.error().abs()).collect();
        (!errors.is_empty()).then(|| Quartiles::of(&errors))
    }
}

impl Calibration {
    /// The time of a batch of `masks` on all samples of `split`, in seconds.
    ///
    /// # Errors
    /// [`CostError::NotCalibrated`] for a kernel of which nothing was measured.
    pub fn seconds(&self, profile: &Profile, masks: usize, split: Split) -> Result<f64, CostError> {
        let family = profile.family();
        let fit = self.fits.iter().find(|fit| fit.family == family);
        let network = || profile.architecture().to_string();
        let fit = fit.ok_or_else(|| CostError::NotCalibrated { network: network(), family })?;
        Ok(fit.seconds(&profile.amounts(masks, split)))
    }
}

/// Measures on `device`.
///
/// # Errors
/// Errors of the evaluator.
pub fn calibrate(device: &dyn Backend, effort: Effort) -> Result<Calibration, CostError> {
    let begin = Instant::now();
    let (mut fitted, mut held_out) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        measure(device, &FITTED, effort, &mut fitted)?;
        measure(device, &HELD_OUT, effort, &mut held_out)?;
    }
    let mut families: Vec<Family> = fitted.iter().map(|point| point.family).collect();
    families.sort_unstable();
    families.dedup();
    let fits = families.into_iter().map(|family| {
        let points: Vec<&Measured> = fitted.iter().filter(|point| point.family == family).collect();
        let amounts: Vec<Vec<f64>> = points.iter().map(|point| point.amounts.clone()).collect();
        let seconds: Vec<f64> = points.iter().map(|point| point.seconds).collect();
        let costs = family.terms().iter().copied().zip(least_squares(&amounts, &seconds)).collect();
        let mut fit = Fit { family, costs, fitted: Vec::new(), held_out: Vec::new() };
        fit.fitted = fit.checks(&fitted);
        fit.held_out = fit.checks(&held_out);
        fit
    });
    Ok(Calibration {
        build: build().to_owned(),
        threads: rayon::current_num_threads(),
        fits: fits.collect(),
        took_s: begin.elapsed().as_secs_f64(),
    })
}

/// What `file` remembers of this device, these threads and this build.
pub fn recall(file: &Path, device: &dyn Backend) -> Option<Calibration> {
    cache::recall(file, &key(device))
}

/// Remembers `calibration` for the next time.
///
/// # Errors
/// Where the file cannot be written.
pub fn remember(file: &Path, device: &dyn Backend, calibration: &Calibration) -> std::io::Result<()> {
    cache::remember(file, key(device), calibration)
}

fn key(device: &dyn Backend) -> String {
    let arithmetic = format!("{:?}", device.arithmetic()).to_lowercase();
    let what = format!("{arithmetic}, {} threads, {} build", rayon::current_num_threads(), build());
    cache::key(&device.info(), &what)
}

fn build() -> &'static str {
    if cfg!(debug_assertions) { "debug" } else { "release" }
}

/// A measurement.
struct Measured {
    shape: Shape,
    family: Family,
    amounts: Vec<f64>,
    /// The least time of a batch: the machine's own, without what else runs on it.
    seconds: f64,
}

/// Measures the points of a series, into those of earlier rounds.
fn measure(
    device: &dyn Backend,
    series: &Series,
    effort: Effort,
    points: &mut Vec<Measured>,
) -> Result<(), CostError> {
    for (number, widths) in series.networks.iter().enumerate() {
        let network = Architecture::try_from(widths.to_vec()).expect("widths of a network");
        if !is_software(device) || network.weights() <= SOFTWARE_WEIGHTS {
            measure_network(device, series, &network, number, effort, points)?;
        }
    }
    Ok(())
}

/// Adds a point, or gives it the lesser time where an earlier round has it.
fn enter(points: &mut Vec<Measured>, point: Measured) {
    match points.iter_mut().find(|known| known.shape == point.shape) {
        Some(known) => known.seconds = known.seconds.min(point.seconds),
        None => points.push(point),
    }
}

fn is_software(device: &dyn Backend) -> bool {
    device.gpu().is_some_and(|gpu| gpu.device().is_software())
}

/// Enters points of one network: few and many samples, and masks by powers of [`STEP`] as long as that does not
/// take too long. Densities take turns, beginning with the one at `turn`.
fn measure_network(
    device: &dyn Backend,
    series: &Series,
    network: &Architecture,
    turn: usize,
    effort: Effort,
    points: &mut Vec<Measured>,
) -> Result<(), CostError> {
    let [many, few] =
        series.samples.map(|samples| if is_software(device) { samples / SOFTWARE_SAMPLES } else { samples });
    let mut kinds = Vec::new();
    for &density in series.densities {
        let shape = Shape { network: network.clone(), masks: POOL, samples: many, density };
        let workload = Workload::new(shape, few)?;
        let dataset = Arc::new(workload.dataset.clone());
        let profile = Profile::new(device, &workload.network, &dataset, &workload.masks)?;
        kinds.push((workload, profile));
    }
    // All have the same network and data.
    let (first, profile) = &kinds[0];
    let mut evaluator = evaluator(device, profile, &first.network, Arc::new(first.dataset.clone()))?;
    let mut one_mask = 0.0;
    for (split, samples) in [(Split::Test, few), (Split::Train, many)] {
        let mut expected = one_mask * samples as f64 / few as f64;
        let mut masks = 1;
        let mut turns = turn..;
        // The first two are worth a longer batch: without them a slow kernel would have no points.
        let longest = |masks| effort.longest() * if masks <= STEP { STEP as f64 } else { 1.0 };
        while masks <= MOST_MASKS && expected <= longest(masks) {
            let (workload, profile) = &kinds[turns.next().unwrap_or(0) % kinds.len()];
            let words: Vec<u32> =
                workload.masks.iter().copied().cycle().take(masks * network.mask_words()).collect();
            let batch = Batch { masks: &words, networks: &vec![0; masks] };
            let seconds = least_seconds(evaluator.as_mut(), split, batch, effort.budget())?;
            let point = Measured {
                shape: Shape { masks, samples, ..workload.shape.clone() },
                family: profile.family(),
                amounts: profile.amounts(masks, split),
                seconds,
            };
            enter(points, point);
            if one_mask == 0.0 {
                one_mask = seconds;
            }
            expected = STEP as f64 * seconds;
            masks *= STEP;
        }
    }
    Ok(())
}

/// An evaluator with the kernel of `profile`.
fn evaluator(
    device: &dyn Backend,
    profile: &Profile,
    network: &Network,
    dataset: Arc<crate::dataset::Dataset>,
) -> Result<Box<dyn Evaluator>, EvaluateError> {
    let (architecture, networks) = (network.architecture(), std::slice::from_ref(network));
    match (device.gpu(), profile.plan()) {
        (Some(gpu), Some(plan)) => {
            let options = Options { shape: Some(plan.shape), ..Options::default() };
            Ok(Box::new(GpuEvaluator::with_options(gpu.device(), architecture, networks, &dataset, options)?))
        }
        _ => device.evaluator(&Problem { architecture, networks, dataset: &dataset }),
    }
}

/// The least of several batches' times, after one that warms up.
fn least_seconds(
    evaluator: &mut dyn Evaluator,
    split: Split,
    batch: Batch<'_>,
    budget: Duration,
) -> Result<f64, EvaluateError> {
    evaluator.score(split, batch)?;
    let mut least = f64::INFINITY;
    let begin = Instant::now();
    let mut batches = 0;
    while batches < FEWEST_BATCHES || begin.elapsed() < budget {
        let start = Instant::now();
        evaluator.score(split, batch)?;
        least = least.min(start.elapsed().as_secs_f64());
        batches += 1;
    }
    Ok(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prediction_is_the_sum_of_amounts_times_costs() {
        let costs = vec![(Term::Call, 1e-5), (Term::MultiplyAdd, 2e-9)];
        let fit = Fit { family: Family::Tiled, costs, fitted: Vec::new(), held_out: Vec::new() };
        assert!((fit.seconds(&[1.0, 5e6]) - 1.001e-2).abs() < 1e-12);
        assert_eq!(fit.errors(), None);
    }

    #[test]
    fn a_calibration_is_remembered_for_its_device() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("costs.json");
        let [fused, separate] = [crate::evaluate::Arithmetic::Fused, crate::evaluate::Arithmetic::Separate]
            .map(crate::evaluate::CpuBackend);
        let fits = vec![Fit {
            family: Family::Cpu,
            costs: vec![(Term::Sum, 1e-9)],
            fitted: vec![],
            held_out: vec![],
        }];
        let calibration = Calibration { build: build().to_owned(), threads: 3, took_s: 0.5, fits };
        remember(&file, &fused, &calibration).expect("written");
        assert_eq!(recall(&file, &fused), Some(calibration));
        assert_eq!(recall(&file, &separate), None);
    }
}
