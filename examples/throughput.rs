//! Prints what the CPU evaluator does in a second, over the networks, data and densities of `docs/RESULTS.md`:
//! moons, digits, and normal numbers in the shape of MNIST. Beside it the multiply-adds that were executed and
//! the share of the cores' peak that they reach:
//! `cargo run --release --example throughput [-- NETWORK [INSTRUCTIONS]]`.

use rand::Rng;
use std::sync::Arc;
use std::time::Instant;
use supermask::dataset::{Dataset, DatasetConfig, DigitsConfig, MoonsConfig, Samples, Schema, Split};
use supermask::evaluate::cpu::{CpuEvaluator, instructions::Instructions, peak::multiply_adds_per_second};
use supermask::evaluate::{Arithmetic, Batch, Evaluator};
use supermask::mask;
use supermask::network::{Architecture, Network};
use supermask::random::{Concern, Stream, chance, stream, unit};

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

/// Twelve uniform numbers make a normal one, nearly.
fn normal(rng: &mut Stream) -> f32 {
    ((0..12).map(|_| unit(rng)).sum::<f64>() - 6.0) as f32
}

fn data(architecture: &Architecture, count: usize, rng: &mut Stream) -> Dataset {
    let config = match architecture.inputs() {
        2 => DatasetConfig::Moons(MoonsConfig { train_samples: count, ..MoonsConfig::default() }),
        64 => DatasetConfig::Digits(DigitsConfig::default()),
        width => {
            let mut samples = |count| Samples {
                features: (0..count * width).map(|_| normal(rng)).collect(),
                labels: (0..count).map(|_| rng.next_u32() % architecture.outputs() as u32).collect(),
                width,
            };
            let classes = architecture.outputs();
            let (train, test) = (samples(count), samples(1));
            return Dataset::new(train, test, Samples::none(width), Schema::numbered(classes));
        }
    };
    config.load().expect("data without files")
}

fn main() {
    let only = std::env::args().nth(1).unwrap_or_default();
    let named = std::env::args().nth(2).unwrap_or_default();
    let instructions =
        Instructions::available().into_iter().find(|i| i.name() == named).unwrap_or(Instructions::best());
    println!(
        "{} threads, {}\n{:<12}{:>8}{:>12}{:>12}{:>12}{:>12}{:>9}",
        rayon::current_num_threads(),
        instructions.name(),
        "network",
        "density",
        "masks/s",
        "best",
        "GFMA/s",
        "executed",
        "of peak"
    );
    for (name, widths, count, masks) in WORK.into_iter().filter(|work| only.is_empty() || work.0 == only) {
        let architecture = Architecture::try_from(widths.to_vec()).expect("a valid architecture");
        let mut rng = stream(0, Concern::Network);
        let weights = (0..architecture.weights()).map(|_| uniform(&mut rng)).collect();
        let biases = (0..architecture.biases()).map(|_| uniform(&mut rng)).collect();
        let network = Network::new(architecture.clone(), weights, biases).expect("a network");
        let dataset = Arc::new(data(&architecture, count, &mut rng));
        let mut evaluator = CpuEvaluator::with_instructions(
            &architecture,
            &[network],
            dataset,
            Arithmetic::Fused,
            instructions,
        )
        .expect("an evaluator");
        for density in [0.1, 0.5, 0.9] {
            let words = architecture.mask_words();
            let mut packed = vec![0; masks * words];
            for mask in packed.chunks_exact_mut(words) {
                for bit in (0..architecture.weights()).filter(|_| chance(&mut rng, density)) {
                    mask::flip(mask, bit);
                }
            }
            let names = vec![0; masks];
            let mut seconds = Vec::new();
            let begin = Instant::now();
            while seconds.len() < 5 || begin.elapsed().as_secs_f64() < 0.7 {
                let start = Instant::now();
                let batch = Batch { masks: &packed, networks: &names };
                let counts = evaluator.score(Split::Train, batch).expect("scores");
                seconds.push(start.elapsed().as_secs_f64());
                std::hint::black_box(counts);
            }
            seconds.sort_by(f64::total_cmp);
            let (median, best) = (seconds[seconds.len() / 2], seconds[0]);
            let dense = (masks * count * architecture.weights()) as f64 / 1e9;
            let batch = Batch { masks: &packed, networks: &names };
            let counted = evaluator.multiply_adds(Split::Train, batch).expect("a good batch");
            let executed = counted.iter().sum::<u64>() as f64 / 1e9;
            let peak = multiply_adds_per_second(instructions).expect("instructions of this processor") / 1e9
                * rayon::current_num_threads() as f64;
            println!(
                "{name:<12}{density:>8}{:>12.0}{:>12.0}{:>12.1}{:>12.1}{:>8.0}%",
                masks as f64 / median,
                masks as f64 / best,
                dense / best,
                executed / best,
                100.0 * executed / best / peak
            );
        }
    }
}
