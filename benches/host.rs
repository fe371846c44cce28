//! The host's part of a generation: crossover, mutation, migration, selection and bookkeeping.
//!
//! `cargo bench --bench host`, without a filter, first prints the host's share of a generation beside the CPU evaluator (counts of
//! 1,347 samples, as many as the digits have), then times generations with made-up counts.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::sync::Arc;
use std::time::{Duration, Instant};
use supermask::archive::throughput::WorkloadSize;
use supermask::bench::Workload;
use supermask::dataset::Split;
use supermask::evaluate::cpu::CpuEvaluator;
use supermask::evaluate::{Arithmetic, Batch, Evaluator};
use supermask::network::Architecture;
use supermask::objective::{Fitness, Objective, Score};
use supermask::search::genetic::{Request, ResolvedGenetic, Search};

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

/// A search that never ends, on the host alone.
struct Host {
    search: Search,
    words: usize,
    samples: usize,
    /// Masks that were asked for, the initial population's left out.
    asked: usize,
    generations: usize,
}

impl Host {
    /// A search with these settings on so many training samples, with its initial population. Masks are judged
    /// by made-up counts, whatever the fitness.
    fn new(config: &ResolvedGenetic, architecture: &Architecture, samples: usize) -> Self {
        let mut config = config.clone();
        config.fitness = Fitness::Accuracy;
        config.termination.min_generations = usize::MAX;
        config.termination.max_generations = None;
        let search = Search::new(config, architecture.clone(), samples, &[Objective::Accuracy], 0);
        let mut host = Self { search, words: architecture.mask_words(), samples, asked: 0, generations: 0 };
        host.generation();
        (host.asked, host.generations) = (0, 0);
        host
    }

    /// Makes one generation. Returns the host's time, without that of making up the counts.
    fn generation(&mut self) -> Duration {
        let mut time = Duration::ZERO;
        loop {
            let start = Instant::now();
            let Some(request) = self.search.request() else { return time };
            time += start.elapsed();
            self.asked += request.minimum.len();
            let scores = made_up_scores(&request, self.words, self.samples);
            let start = Instant::now();
            self.search.supply(&scores);
            time += start.elapsed();
            if self.search.is_between_generations() {
                self.generations += 1;
                return time;
            }
        }
    }

    /// Makes generations for about `budget`, one at least. Returns the seconds and the evaluations of one.
    fn generations(&mut self, budget: Duration) -> (f64, f64) {
        let mut time = self.generation();
        while time < budget {
            time += self.generation();
        }
        let each = |all: f64| all / self.generations as f64;
        (each(time.as_secs_f64()), each(self.asked as f64))
    }
}

/// Scores without an evaluation: counts spread over the upper tenth, so that every accuracy bound accepts them
/// and most differ.
fn made_up_scores(request: &Request<'_>, words: usize, samples: usize) -> Vec<Option<Score>> {
    let spread = (samples as u32 / 10).max(1);
    let score = |mask: &[u32]| {
        let mixed = mask.iter().fold(0u32, |mixed, word| (mixed ^ word).wrapping_mul(0x9e37_79b9));
        Some(Score { loss: 0, correct: samples as u32 - (mixed >> 8) % spread })
    };
    request.masks.chunks_exact(words).map(score).collect()
}

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

fn config(population: usize) -> ResolvedGenetic {
    ResolvedGenetic { population, ..ResolvedGenetic::default() }
}

/// Seconds of one mask, the median over batches.
fn evaluation_seconds(network: &Architecture) -> f64 {
    let size = WorkloadSize { network: network.clone(), masks: EVALUATED, samples: SAMPLES, density: 0.5 };
    let Workload { network: weights, dataset, masks, .. } = Workload::new(size, 2).expect("a workload");
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
