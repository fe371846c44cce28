//! What an adapter is like, beside being right: how it rounds, its clock, its limits, how fast it is beside the CPU.

use super::Subject;
use super::case::{EvaluationCase, mixed_masks};
use crate::archive::throughput::{Peaks, WorkloadSize};
use crate::bench;
use crate::dataset::Split;
use crate::evaluate::gpu::{GpuDevice, GpuEvaluator, GpuOptions, Limits};
use crate::evaluate::{AdapterInfo, Arithmetic, CpuBackend, EvaluateError, Evaluator};
use serde::Serialize;
use std::time::{Duration, Instant};

/// What was found of an adapter.
#[derive(Clone, Debug, Serialize)]
pub struct CheckFacts {
    pub adapter: AdapterInfo,
    pub arithmetic: Arithmetic,
    /// None of the CPU evaluator.
    pub device: Option<DeviceFacts>,
    /// Empty where it was not measured.
    pub speed: Vec<Speed>,
    /// What could not be found, and why.
    pub unknown: Vec<String>,
}

/// What a device says of itself, and what becomes of it.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceFacts {
    pub limits: Limits,
    /// Threads of a subgroup, least and most, where there are subgroups.
    pub subgroup_threads: Option<[u32; 2]>,
    /// None where it could not be tried.
    pub clock: Option<ClockFact>,
    /// Do subnormal results become zero?
    pub flushes_subnormals: bool,
    /// Is the margin loss computed as it is written? Else it is refused.
    pub exact_hinge: bool,
}

/// What the device's time stamps are worth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockFact {
    /// It has none.
    Missing,
    /// It has some, but a batch of some milliseconds took no time by them.
    Standing,
    /// A batch took longer by them than it did for the host.
    Fast {
        device_s: f64,
        host_s: f64,
    },
    Usable {
        device_s: f64,
        host_s: f64,
    },
}

/// Throughput on one network, at half of all weights kept.
#[derive(Clone, Debug, Serialize)]
pub struct Speed {
    pub network: String,
    /// Compiling the default kernel for counts, where the driver remembers it from before not at all.
    pub compile_s: f64,
    pub masks_per_s: f64,
    pub cpu_masks_per_s: f64,
    /// Multiply-adds of the dense network per second, in 10^9, and their share of the device's own peak.
    pub gfma_per_s: f64,
    pub share_of_peak: f64,
}

/// Networks that are timed: those of the paper, and wider ones. Widths, samples and masks.
const TIMED: [(&[usize], usize, usize); 4] = [
    (&[2, 20, 2], 50_000, 100),
    (&[2, 50, 50, 2], 50_000, 100),
    (&[64, 75, 10], 10_000, 100),
    (&[64, 512, 512, 10], 1_347, 100),
];

/// A software adapter gets a part of the samples and masks, this one of so many.
const SOFTWARE_PART: usize = 10;

/// For each measurement.
const TIME: Duration = Duration::from_millis(300);

impl CheckFacts {
    /// Finds out about `subject`; how fast it is takes longest, and may be left out.
    pub fn gather(subject: &Subject, with_speed: bool, mut observe: impl FnMut(&str)) -> Self {
        let backend = subject.backend();
        let (adapter, arithmetic) = (backend.info(), backend.arithmetic());
        let mut facts = Self { adapter, arithmetic, device: None, speed: Vec::new(), unknown: Vec::new() };
        let Some(device) = subject.device() else { return facts };
        observe("clock");
        let clock = clock(device).map_err(|error| facts.unknown.push(format!("clock: {error}"))).ok();
        let description = device.description();
        facts.device = Some(DeviceFacts {
            limits: description.limits,
            subgroup_threads: description.subgroups.then(|| device.subgroup_threads()),
            clock,
            flushes_subnormals: arithmetic.flushes(),
            exact_hinge: device.has_exact_hinge(),
        });
        if with_speed {
            observe("the device's peak");
            facts.measure(subject, device, observe);
        }
        facts
    }

    fn measure(&mut self, subject: &Subject, device: &GpuDevice, mut observe: impl FnMut(&str)) {
        let backend = subject.backend();
        let peaks = match backend.peak_rates() {
            Ok(rates) => Peaks::from(rates),
            Err(error) => return self.unknown.push(format!("speed: {error}")),
        };
        for (widths, samples, masks) in TIMED {
            observe(&format!("speed of {widths:?}"));
            let part = if device.is_software() { SOFTWARE_PART } else { 1 };
            let case = EvaluationCase::new(widths, 1, 1, mixed_masks(widths, 1));
            let network = case.architecture().clone();
            let size = WorkloadSize { network, samples: samples / part, masks: masks / part, density: 0.5 };
            let speed = compile_time(device, &case).map_err(bench::BenchError::from).and_then(|compile| {
                let here = bench::measure(backend, size.clone(), TIME, &peaks)?;
                let cpu = bench::measure(&CpuBackend(backend.arithmetic()), size.clone(), TIME, &peaks)?;
                Ok(Speed {
                    network: size.network.to_string(),
                    compile_s: compile.as_secs_f64(),
                    masks_per_s: here.masks_per_s,
                    cpu_masks_per_s: cpu.masks_per_s,
                    gfma_per_s: here.gfma_dense_per_s,
                    share_of_peak: here.share_of_peak_dense,
                })
            });
            match speed {
                Ok(speed) => self.speed.push(speed),
                Err(error) => self.unknown.push(format!("speed of {widths:?}: {error}")),
            }
        }
    }
}

fn compile_time(device: &GpuDevice, case: &EvaluationCase) -> Result<Duration, EvaluateError> {
    let begun = Instant::now();
    GpuEvaluator::new(device, &case.problem(), GpuOptions::default())?;
    Ok(begun.elapsed())
}

/// Times a batch of some milliseconds by the device's clock and by the host's.
fn clock(device: &GpuDevice) -> Result<ClockFact, EvaluateError> {
    if !device.description().timestamps {
        return Ok(ClockFact::Missing);
    }
    let case = EvaluationCase::new(&[2, 50, 2], 5_000, 1, mixed_masks(&[2, 50, 2], 50));
    let mut evaluator = GpuEvaluator::new(device, &case.problem(), GpuOptions::default())?;
    // The first batch's kernels may be compiled while it waits.
    evaluator.score(Split::Train, case.batch())?;
    let begun = Instant::now();
    evaluator.score(Split::Train, case.batch())?;
    let host_s = begun.elapsed().as_secs_f64();
    Ok(match evaluator.device_time().map(|time| time.as_secs_f64()) {
        None | Some(0.0) => ClockFact::Standing,
        Some(device_s) if device_s > host_s => ClockFact::Fast { device_s, host_s },
        Some(device_s) => ClockFact::Usable { device_s, host_s },
    })
}
