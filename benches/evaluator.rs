//! Throughput of the CPU evaluator: one hundred masks (32 for the widest network) on data of the shapes in
//! `docs/RESULTS.md`, at three densities. The rate is in multiply-adds, masked-out weights counted too.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::Rng;
use std::sync::Arc;
use std::time::Duration;
use supermask::dataset::{Dataset, Samples, Schema, Split};
use supermask::evaluate::cpu::CpuEvaluator;
use supermask::evaluate::{Arithmetic, Batch, Evaluator};
use supermask::mask;
use supermask::network::{Architecture, Network};
use supermask::random::{Concern, Stream, chance, stream, unit};

/// Name, widths, samples, masks.
const WORK: [(&str, &[usize], usize, usize); 6] = [
    ("A", &[2, 20, 2], 50_000, 100),
    ("B", &[2, 75, 2], 50_000, 100),
    ("C", &[2, 100, 2], 50_000, 100),
    ("D", &[2, 50, 50, 2], 50_000, 100),
    ("digits-512", &[64, 512, 512, 10], 1_347, 100),
    ("mnist-shape", &[784, 300, 100, 10], 10_000, 32),
];

fn uniform(rng: &mut Stream) -> f32 {
    (2.0 * unit(rng) - 1.0) as f32
}

fn throughput(criterion: &mut Criterion) {
    for (name, widths, count, masks) in WORK {
        let architecture = Architecture::try_from(widths.to_vec()).expect("a valid architecture");
        let mut rng = stream(0, Concern::Network);
        let weights = (0..architecture.weights()).map(|_| uniform(&mut rng)).collect();
        let biases = (0..architecture.biases()).map(|_| uniform(&mut rng)).collect();
        let network = Network::new(architecture.clone(), weights, biases).expect("a network");
        let mut samples = |count| Samples {
            features: (0..count * architecture.inputs()).map(|_| uniform(&mut rng)).collect(),
            labels: (0..count).map(|_| rng.next_u32() % architecture.outputs() as u32).collect(),
            width: architecture.inputs(),
        };
        let dataset = Arc::new(Dataset::new(
            samples(count),
            samples(1),
            Samples::none(architecture.inputs()),
            Schema::numbered(architecture.outputs()),
        ));
        let mut evaluator =
            CpuEvaluator::new(&architecture, &[network], dataset, Arithmetic::Fused).expect("an evaluator");
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10).warm_up_time(Duration::from_millis(300));
        group.measurement_time(Duration::from_secs(1));
        group.throughput(Throughput::Elements((masks * count * architecture.weights()) as u64));
        for density in [0.1, 0.5, 0.9] {
            let words = architecture.mask_words();
            let mut packed = vec![0; masks * words];
            for mask in packed.chunks_exact_mut(words) {
                for bit in (0..architecture.weights()).filter(|_| chance(&mut rng, density)) {
                    mask::flip(mask, bit);
                }
            }
            let batch = Batch { masks: &packed, networks: &vec![0; masks] };
            group.bench_function(BenchmarkId::from_parameter(density), |bencher| {
                bencher.iter(|| evaluator.score(Split::Train, batch).expect("scores"));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, throughput);
criterion_main!(benches);
