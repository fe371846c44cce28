//! The host's part of a generation: crossover, mutation, migration, selection and bookkeeping.
//!
//! `cargo bench --bench host`, without a filter, first prints the host's share of a generation beside the CPU evaluator (counts of
//! 1,347 samples, as many as the digits have), then times generations with made-up counts.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::sync::Arc;
use std::time::{Duration, Instant};
use supermask::bench::{Shape, Workload};
use supermask::cost::host::Host;
use supermask::dataset::Split;
use supermask::evaluate::cpu::CpuEvaluator;
use supermask::evaluate::{Arithmetic, Batch, Evaluator};
use supermask::network::Architecture;
use supermask::search::genetic::GeneticConfig;

/// From 80 to a million weights.
const NETWORKS: [&[usize]; 5] =
    [&[2, 20, 2], &[2, 50, 50, 2], &[64, 300, 10], &[784, 300, 100, 10], &[64, 1000, 930, 10]];
const POPULATIONS: [usize; 3] = [100, 1_000, 10_000];
const SAMPLES: usize = 1_347;

/// Words of a population's masks at most, so that the largest takes half a gigabyte.
const MOST_WORDS: usize = 1 << 27;

/// Masks that are evaluated to know what one takes, and how often.
const EVALUATED: usize = 64;
const EVALUATIONS: usize = 5;

/// Networks and populations that fit into memory.
fn cases() -> impl Iterator<Item = (Architecture, usize)> {
    NETWORKS.into_iter().flat_map(|widths| {
        let network = Architecture::try_from(widths.to_vec()).expect("an architecture");
        let fits = {
            let words = network.mask_words();
            move |population: &usize| population * words <= MOST_WORDS
        };
        POPULATIONS.into_iter().filter(fits).map(move |population| (network.clone(), population))
    })
}

fn config(population: usize) -> GeneticConfig {
    GeneticConfig { population, ..GeneticConfig::default() }
}

/// Seconds of one mask, the median over batches.
fn evaluation_seconds(network: &Architecture) -> f64 {
    let shape = Shape { network: network.clone(), masks: EVALUATED, samples: SAMPLES, density: 0.5 };
    let Workload { network: weights, dataset, masks, .. } = Workload::new(shape, 2).expect("a workload");
    let mut evaluator =
        CpuEvaluator::new(network, &[weights], Arc::new(dataset), Arithmetic::Fused).expect("an evaluator");
    let batch = Batch { masks: &masks, networks: &[0; EVALUATED] };
    let mut seconds: Vec<f64> = (0..EVALUATIONS)
        .map(|_| {
            let start = Instant::now();
            evaluator.score(Split::Train, batch).expect("scores");
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[EVALUATIONS / 2] / EVALUATED as f64
}

fn shares() {
    println!("{} threads for the evaluator, {SAMPLES} samples, density 0.5", rayon::current_num_threads());
    println!("{:>24}{:>12}{:>14}{:>18}{:>10}", "network", "population", "host ms", "evaluation ms", "host %");
    for (network, population) in cases() {
        let config = config(population);
        let mut host = Host::new(&config, &network, SAMPLES);
        let (seconds, asked) = host.generations(Duration::from_millis(200));
        let evaluation = evaluation_seconds(&network) * asked;
        println!(
            "{:>24}{population:>12}{:>14.3}{:>18.3}{:>10.2}",
            network.to_string(),
            1e3 * seconds,
            1e3 * evaluation,
            100.0 * seconds / (seconds + evaluation)
        );
    }
}

fn host(criterion: &mut Criterion) {
    if std::env::args().skip(1).all(|argument| argument.starts_with("--")) {
        shares();
    }
    let mut group = criterion.benchmark_group("generation");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500));
    for (network, population) in cases() {
        let mut host = Host::new(&config(population), &network, SAMPLES);
        let name = format!("{} weights", network.weights());
        group.bench_function(BenchmarkId::new(name, population), |bencher| {
            bencher.iter_custom(|rounds| (0..rounds).map(|_| host.generation()).sum());
        });
    }
    group.finish();
}

criterion_group!(benches, host);
criterion_main!(benches);
