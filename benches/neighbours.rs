//! Flips scored by what they touch, against whole evaluations of the flipped masks: digits, [64, 75, 10].
//!
//! `cargo bench --bench neighbours` times 256 single flips of one parent on the CPU, and on the software adapter
//! where there is one.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use std::hint::black_box;
use std::sync::Arc;
use supermask::dataset::Split;
use supermask::evaluate::adapter::{AdapterChoice, open_gpu};
use supermask::evaluate::cpu::CpuEvaluator;
use supermask::evaluate::neighbours::{Candidate, Landscape, Tiles};
use supermask::evaluate::{Arithmetic, Backend, Batch, Demand, Evaluator, Neighbourhood};
use supermask::mask;
use supermask::objective::Objective;
use supermask::objective::margin::Margin;
use supermask::random::{Concern, index, stream};
use supermask::run::config::RunConfig;

const FLIPS: usize = 256;

fn neighbours(criterion: &mut Criterion) {
    let config = json!({
        "name": "neighbours",
        "dataset": "digits",
        "network": {"hidden": [75]},
        "algorithm": {"kind": "ga"},
    });
    let config = RunConfig::from_value(config).expect("a valid configuration");
    let dataset = Arc::new(config.dataset.load().expect("embedded data"));
    let config = config.resolve(&dataset).expect("a network that fits");
    let network = config.network.build(0).expect("a network");
    let weights = network.architecture().weights();
    let mut rng = stream(0, Concern::Bench);
    let mut parent = vec![0; network.architecture().mask_words()];
    mask::randomize(&mut parent, weights, &mut rng);
    let flips: Vec<u32> = (0..FLIPS).map(|_| index(&mut rng, weights) as u32).collect();
    let objective = Objective::Margin(Margin::new(10.0).expect("a margin"));

    let mut group = criterion.benchmark_group(format!("{FLIPS} flips of {}", network.architecture()));
    group.throughput(Throughput::Elements(FLIPS as u64)).sample_size(20);

    let mut evaluator = CpuEvaluator::new(
        network.architecture(),
        std::slice::from_ref(&network),
        dataset.clone(),
        Arithmetic::Fused,
    )
    .expect("an evaluator");
    let mut masks = Vec::new();
    for &flip in &flips {
        let mut flipped = parent.clone();
        mask::flip(&mut flipped, flip as usize);
        masks.extend(flipped);
    }
    let batch = Batch { masks: &masks, networks: &[0; FLIPS] };
    group.bench_function("whole evaluations, cpu, all threads", |bench| {
        bench.iter(|| black_box(evaluator.score(Split::Train, batch).expect("counts")));
    });

    let all: Vec<usize> = (0..dataset.train.len()).collect();
    let tiles = Tiles::new(&dataset.train, &all, &mut rng);
    let landscape =
        Landscape::new(&network, tiles.clone(), objective, Arithmetic::Fused).expect("shapes match");
    let mut kept = landscape.parent(&parent, landscape.tiles().chunks().len()).expect("a parent");
    let candidates: Vec<Candidate<'_>> =
        flips.chunks(1).map(|flips| Candidate { flips, allowed: i64::MAX }).collect();
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    group.bench_function("flips, cpu, one thread", |bench| {
        alone.install(|| bench.iter(|| black_box(kept.screen(&candidates, None, 0).expect("changes"))));
    });

    if let Ok(gpu) = open_gpu(&AdapterChoice::Software) {
        let demand = Demand { parents: 1, batch: FLIPS };
        let neighbourhood = gpu.neighbourhood(&network, tiles, objective, demand).expect("a neighbourhood");
        let chunks = neighbourhood.tiles().chunks().len();
        let mut kept = neighbourhood.parent(&parent, chunks).expect("a parent");
        group.bench_function("flips, software adapter", |bench| {
            bench.iter(|| black_box(kept.screen(&candidates, None, 0).expect("changes")));
        });
    }
    group.finish();
}

criterion_group!(benches, neighbours);
criterion_main!(benches);
