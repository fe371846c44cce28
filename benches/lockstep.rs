//! Runs in lock-step against the same runs one at a time, in one process.
//!
//! `cargo bench --bench lockstep` compares them on the CPU evaluator, and on the software adapter where
//! there is one. Both do the same work: the same seeds, generations and evaluations.

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use supermask::dataset::Dataset;
use supermask::evaluate::{AdapterChoice, Backend, Problem, adapter};
use supermask::run::config::{ResolvedConfig, RunConfig};
use supermask::run::{Control, Lockstep, Run};

const RUNS: u64 = 16;

fn configuration(samples: usize) -> (ResolvedConfig, Arc<Dataset>) {
    let config = json!({
        "name": "lockstep",
        "dataset": {"kind": "moons", "train_samples": samples, "test_samples": 100},
        "network": {"hidden": [20]},
        "algorithm": {"kind": "ga", "termination": {"max_generations": 20}},
    });
    let config = RunConfig::from_value(config).expect("a valid configuration");
    let dataset = Arc::new(config.dataset.load().expect("generated data"));
    (config.resolve(&dataset).expect("a network that fits"), dataset)
}

/// Does the runs `lanes` at a time, and returns the evaluations made.
fn evolve(device: &dyn Backend, config: &ResolvedConfig, dataset: &Arc<Dataset>, lanes: u64) -> u64 {
    let layers = &config.network.layers;
    let mut made = 0;
    for first in (0..RUNS).step_by(lanes as usize) {
        let networks: Vec<_> =
            (first..first + lanes).map(|seed| config.network.build(seed).expect("a network")).collect();
        let problem = Problem { architecture: layers, networks: &networks, dataset };
        let evaluator = device.evaluator(&problem).expect("an evaluator");
        let mut lockstep = Lockstep::new(evaluator, Arc::clone(dataset), networks.len());
        let stop = AtomicBool::new(false);
        for (index, network) in networks.iter().enumerate() {
            let config = ResolvedConfig { seed: first + index as u64, ..config.clone() };
            let run = Run { cell: config.cell(), config };
            lockstep.start(index, &run, network, Control::stopping_at(&stop)).expect("a free lane");
        }
        while lockstep.step().expect("scores") {}
        made += lockstep.searches().map(|search| search.counters().made).sum::<u64>();
    }
    made
}

fn lockstep(criterion: &mut Criterion) {
    for (name, samples) in [("cpu", 2_000), ("cpu", 50_000), ("software", 2_000)] {
        let choice: AdapterChoice = name.parse().unwrap_or_default();
        let Ok(opened) = adapter::open(&choice, None) else { continue };
        println!("{}", opened.notice);
        let device = opened.backend;
        let (config, dataset) = configuration(samples);
        let together = evolve(&*device, &config, &dataset, RUNS);
        assert_eq!(together, evolve(&*device, &config, &dataset, 1), "both ways do the same work");
        let mut group = criterion.benchmark_group(format!("{RUNS} runs, {samples} samples, {name}"));
        group.sample_size(10);
        group.bench_function("one at a time", |bench| {
            bench.iter(|| black_box(evolve(&*device, &config, &dataset, 1)));
        });
        group.bench_function("lock-step", |bench| {
            bench.iter(|| black_box(evolve(&*device, &config, &dataset, RUNS)));
        });
        group.finish();
    }
}

criterion_group!(benches, lockstep);
criterion_main!(benches);
