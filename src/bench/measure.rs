//! Times one workload on one device.

use crate::archive::throughput::{Measurement, Peaks, Quartiles, TimeSplit, WorkloadSize};
use crate::bench::check::{self, CheckError};
use crate::bench::{Workload, WorkloadError};
use crate::dataset;
use crate::evaluate::{Backend, Batch, EvaluateError, Evaluator, HostTimes, Problem};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Batches that are timed at least.
const FEWEST_BATCHES: usize = 5;

/// Share of the time that warms up before: clocks rise, a GPU's submissions find their size.
const WARM_UP: f64 = 0.2;

/// The fewest that every generator makes.
const LEAST_TEST_SAMPLES: usize = 2;

/// Why a workload has no figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    #[error("{network}: two batches of the same masks have different counts; nothing is timed that is wrong")]
    Unsteady { network: String },
}

/// Checks `size` on `device` against the plain form, then times it for about `time`. Shares of `peaks` are filled in.
///
/// # Errors
/// If the evaluator's counts are wrong, or it fails.
pub fn measure(
    device: &dyn Backend,
    size: WorkloadSize,
    time: Duration,
    peaks: &Peaks,
) -> Result<Measurement, BenchError> {
    let can_reset = reset_peak_resident();
    let weights = size.network.weights();
    let few = check::samples(weights, size.samples);
    let checked = if few.is_some() { dataset::Split::Test } else { dataset::Split::Train };
    let mut workload = Workload::new(size, few.unwrap_or(LEAST_TEST_SAMPLES))?;
    let dataset = Arc::new(workload.dataset.clone());
    if checked == dataset::Split::Test {
        // Memory is measured: the check needs its own samples only.
        workload.dataset.train.features = Vec::new();
        workload.dataset.train.labels = Vec::new();
    }
    let networks = vec![0; workload.size.masks];
    let batch = Batch { masks: &workload.masks, networks: &networks };

    let first_result = |device: &dyn Backend| -> Result<_, EvaluateError> {
        let begin = Instant::now();
        let mut evaluator = device.evaluator(&Problem::of(&workload.network, &dataset))?;
        let counts = evaluator.score(dataset::Split::Train, batch)?;
        Ok((evaluator, counts, begin.elapsed().as_secs_f64()))
    };
    let first_result_untuned_s = match device.without_tuning() {
        Some(untuned) => Some(first_result(&*untuned)?.2),
        None => None,
    };
    let (mut evaluator, counts, first_result_s) = first_result(device)?;
    check::check(&mut *evaluator, &workload, checked)?;

    let timed = Timed::new(&mut *evaluator, batch, time, &counts)?;
    let timed = timed.ok_or_else(|| BenchError::Unsteady { network: workload.size.network.to_string() })?;
    let executed: u64 = evaluator.executed().iter().sum();
    let peak_resident_bytes = if can_reset { peak_resident() } else { None };
    let size = workload.size;
    let batch_s = Quartiles::of(&timed.seconds);
    let rate = |count: f64| count / batch_s.median;
    let gfma_dense_per_s = rate(size.dense_multiply_adds()) / 1e9;
    let gfma_executed_per_s = Some(rate(executed as f64) / 1e9);
    Ok(Measurement {
        repeats: timed.seconds.len(),
        masks_per_s: rate(size.masks as f64),
        sample_masks_per_s: rate(size.masks as f64 * size.samples as f64),
        share_of_peak_dense: gfma_dense_per_s / peaks.gfma_per_s,
        share_of_peak_executed: gfma_executed_per_s.map(|rate| rate / peaks.gfma_per_s),
        gfma_dense_per_s,
        gfma_executed_per_s,
        least_bytes: size.least_bytes(),
        batch_s,
        split: timed.split(),
        first_result_s,
        first_result_untuned_s,
        peak_resident_bytes,
        size,
    })
}

/// Batches that were timed, in seconds.
#[derive(Default)]
struct Timed {
    seconds: Vec<f64>,
    /// The device's own time in kernels, where it tells.
    computed: Vec<f64>,
    /// The host's copies, where there are any.
    carried: Vec<HostTimes>,
}

impl Timed {
    /// Times `batch` for about `time`, after a warm-up; none where its counts are not always `counts`.
    fn new(
        evaluator: &mut dyn Evaluator,
        batch: Batch<'_>,
        time: Duration,
        counts: &[u32],
    ) -> Result<Option<Self>, EvaluateError> {
        let warm = Instant::now();
        while warm.elapsed() < time.mul_f64(WARM_UP) {
            evaluator.score(dataset::Split::Train, batch)?;
        }
        let mut timed = Self::default();
        let begin = Instant::now();
        while timed.seconds.len() < FEWEST_BATCHES || begin.elapsed() < time {
            let start = Instant::now();
            let again = evaluator.score(dataset::Split::Train, batch)?;
            timed.seconds.push(start.elapsed().as_secs_f64());
            timed.computed.extend(evaluator.device_time().map(|time| time.as_secs_f64()));
            timed.carried.extend(evaluator.host_times());
            if again != counts {
                return Ok(None);
            }
        }
        Ok(Some(timed))
    }

    /// Where a batch's time goes, where the device told it of every one.
    fn split(&self) -> Option<TimeSplit> {
        let rest = self.seconds.iter().zip(&self.computed).map(|(all, part)| (all - part).max(0.0));
        let median = |of: fn(&HostTimes) -> Duration| {
            let times: Vec<f64> = self.carried.iter().map(|times| of(times).as_secs_f64()).collect();
            (!times.is_empty()).then(|| Quartiles::of(&times).median)
        };
        (self.computed.len() == self.seconds.len()).then(|| TimeSplit {
            compute_s: Quartiles::of(&self.computed).median,
            transfer_s: Quartiles::of(&rest.collect::<Vec<f64>>()).median,
            upload_s: median(|times| times.upload),
            read_back_s: median(|times| times.read_back),
        })
    }
}

/// Lets Linux forget the process's largest memory so far (`proc_pid_clear_refs(5)`); false elsewhere.
fn reset_peak_resident() -> bool {
    cfg!(target_os = "linux") && std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The process's largest memory since then, in bytes.
fn peak_resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(1024 * kibibytes)
}
