//! A genetic algorithm with a mutation operator of one's own, over an evaluator.
//!
//! `cargo run --release --example own_mutation`. The operator moves connections: as many weights are switched on as off,
//! so that a mask keeps as many as the random one that it comes from.

use std::sync::Arc;
use supermask::dataset::{DatasetConfig, Split};
use supermask::evaluate::{Arithmetic, Backend, Batch, CpuBackend, Problem};
use supermask::mask;
use supermask::network::NetworkInit;
use supermask::random::{self, Concern, Stream};

const POPULATION: usize = 50;

/// Switches one kept weight of the mask off, and one that is pruned on.
fn move_connection(mask: &mut [u32], weights: usize, rng: &mut Stream) {
    for is_kept in [true, false] {
        let mut bit = random::index(rng, weights);
        while mask::get(mask, bit) != is_kept {
            bit = random::index(rng, weights);
        }
        mask::flip(mask, bit);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = r#"{"kind": "moons", "train_samples": 5000, "test_samples": 2000}"#;
    let dataset = Arc::new(serde_json::from_str::<DatasetConfig>(data)?.load()?);
    let network = NetworkInit::plain(vec![2, 75, 2].try_into()?).build(1)?;
    let (weights, words) = (network.architecture().weights(), network.architecture().mask_words());
    let mut evaluator = CpuBackend(Arithmetic::Fused).evaluator(&Problem::of(&network, &dataset))?;
    let mut score = |split, masks: &[Vec<u32>]| {
        let (flat, networks) = (masks.concat(), vec![0; masks.len()]);
        evaluator.score(split, Batch { masks: &flat, networks: &networks })
    };

    let rng = &mut random::stream(1, Concern::Mutation);
    let mut population = vec![vec![0; words]; POPULATION];
    population.iter_mut().for_each(|mask| mask::randomize(mask, weights, rng));
    for generation in 1..=200 {
        let mut children = population.clone();
        for child in &mut children {
            (0..=random::index(rng, 3)).for_each(|_| move_connection(child, weights, rng));
        }
        population.extend(children);
        let counts = score(Split::Train, &population)?;
        let mut order: Vec<usize> = (0..population.len()).collect();
        order.sort_by_key(|&index| std::cmp::Reverse(counts[index]));
        population = order[..POPULATION].iter().map(|&index| population[index].clone()).collect();
        if generation % 50 == 0 {
            let correct = f64::from(counts[order[0]]) / dataset.train.len() as f64;
            println!("generation {generation}: {:.2}% of the training samples", 100.0 * correct);
        }
    }
    let test = f64::from(score(Split::Test, &population[..1])?[0]) / dataset.test.len() as f64;
    let kept = mask::count_ones(&population[0]);
    println!("the ticket keeps {kept} of {weights} weights: {:.2}% of the test samples", 100.0 * test);
    Ok(())
}
