//! The times of runs that share batches and threads: together never more than what was used.
//!
//! One test, so that this process does nothing beside it.
#![cfg(unix)]

use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use supermask::dataset::Dataset;
use supermask::evaluate::{Arithmetic, Backend, CpuBackend, Problem};
use supermask::meter::covered_seconds;
use supermask::run::config::{ResolvedConfig, RunConfig};
use supermask::run::record::{Record, Timing};
use supermask::run::{Control, Lockstep, Run};

const THREADS: usize = 2;
const RUNS_OF_A_WORKER: u64 = 3;

/// Of the processor time that the whole process used, what runs have for their own at least: the rest made evaluators
/// and records. By the clocks of threads, so that what else the machine does has no part in it.
const LEAST_SHARE: f64 = 0.6;

/// Stamps are rounded to milliseconds, at both ends.
const ROUNDING_S: f64 = 2e-3;

fn used() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn configuration() -> (ResolvedConfig, Arc<Dataset>) {
    let config = json!({
        "name": "timing",
        "dataset": {"kind": "moons", "train_samples": 4000, "test_samples": 100},
        "network": {"hidden": [75]},
        "algorithm": {"kind": "ga", "termination": {"max_generations": 40}},
    });
    let config = RunConfig::from_value(config).expect("a valid configuration");
    let dataset = Arc::new(config.dataset.load().expect("generated data"));
    (config.resolve(&dataset).expect("a network that fits"), dataset)
}

/// The records of some runs in lock-step, as one of a sweep's workers makes them.
fn work(config: &ResolvedConfig, dataset: &Arc<Dataset>, first_seed: u64) -> Vec<Record> {
    let layers = &config.network.layers;
    let seeds = first_seed..first_seed + RUNS_OF_A_WORKER;
    let networks: Vec<_> = seeds.clone().map(|seed| config.network.build(seed).expect("a network")).collect();
    let problem = Problem { architecture: layers, networks: &networks, dataset };
    let evaluator = CpuBackend(Arithmetic::Fused).evaluator(&problem).expect("an evaluator");
    let mut lockstep = Lockstep::new(evaluator, Arc::clone(dataset), networks.len());
    let stop = AtomicBool::new(false);
    for ((index, network), seed) in networks.iter().enumerate().zip(seeds) {
        let config = ResolvedConfig { seed, ..config.clone() };
        let run = Run { cell: config.cell(), config };
        lockstep.start(index, &run, network, Control::stopping_at(&stop)).expect("a free lane");
    }
    while lockstep.step().expect("scores") {}
    let ended = std::iter::from_fn(|| lockstep.take_ended().expect("a record"));
    ended.map(|(_, record)| record).collect()
}

#[test]
fn the_shares_of_runs_side_by_side_are_no_more_than_what_the_process_used() {
    rayon::ThreadPoolBuilder::new().num_threads(THREADS).build_global().expect("the only pool");
    let (config, dataset) = configuration();
    let (used_before, begun) = (used(), Instant::now());
    let records = std::thread::scope(|scope| {
        let (config, dataset) = (&config, &dataset);
        let workers = [0, RUNS_OF_A_WORKER].map(|seed| scope.spawn(move || work(config, dataset, seed)));
        workers.map(|worker| worker.join().expect("records")).concat()
    });
    let (used, wall) = ((used() - used_before).as_secs_f64(), begun.elapsed().as_secs_f64());

    let timings: Vec<&Timing> = records.iter().map(|record| &record.timing).collect();
    let processor: f64 = timings.iter().map(|timing| timing.processor_s.expect("a share")).sum();
    assert!(processor <= used, "{processor} s of {used} s");
    assert!(processor >= LEAST_SHARE * used, "{processor} s of {used} s");
    // The threads of the pool, and the two workers.
    assert!(processor <= (THREADS + 2) as f64 * wall, "{processor} s in {wall} s");
    let covered = covered_seconds(timings.iter().flat_map(|timing| timing.stretches.iter().copied()));
    assert!(covered > 0.0 && covered <= wall + ROUNDING_S, "{covered} s of {wall} s");
    for timing in timings {
        assert_eq!((timing.lockstep, timing.device_s), (RUNS_OF_A_WORKER as usize, None));
        assert!(timing.host_s.is_some_and(|host| host > 0.0 && host < timing.processor_s.unwrap_or(0.0)));
        assert!(timing.wall().is_some_and(|wall| wall > 0.0 && wall <= covered + ROUNDING_S));
    }
}
