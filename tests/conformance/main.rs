//! Every evaluator equals the plain form, bit for bit; and what is said of neighbours, on every backend.
//!
//! `backends` holds whatever is a [`Backend`] to the same contract, from a list that a new one joins. `cpu` and `gpu`
//! add what only these have: instruction sets, kernels, limits. Whatever is expected comes from `evaluate::plain`.

mod backends;
mod cpu;
mod gpu;
mod gpu_neighbours;
mod neighbours;

use rand::Rng;
use std::sync::{Arc, OnceLock};
use supermask::dataset::{Dataset, Samples, Schema, Split};
use supermask::evaluate::adapter::{self, AdapterChoice};
use supermask::evaluate::gpu::{GpuBackend, GpuDevice};
use supermask::evaluate::neighbours::Tiles;
use supermask::evaluate::{Arithmetic, Backend, Batch, CpuBackend, MockBackend, Problem, plain};
use supermask::mask;
use supermask::network::{Architecture, Network};
use supermask::objective::margin::Margin;
use supermask::objective::{Objective, Score};
use supermask::random::{Concern, Stream, chance, index, stream, unit};

const ARITHMETICS: [Arithmetic; 2] = [Arithmetic::Fused, Arithmetic::Separate];

/// From margins that saturate nearly every sample to one that no sample reaches.
const TAUS: [f32; 5] = [1e-6, 0.01, 1.0, 7.5, 1e6];

/// The software adapter, opened anew; a machine without one fails.
fn software() -> GpuBackend {
    adapter::open_gpu(&AdapterChoice::Software)
        .expect("these tests need a software adapter (Mesa's lavapipe)")
}

/// The software adapter's device, shared by all tests.
fn device() -> &'static GpuDevice {
    static GPU: OnceLock<GpuBackend> = OnceLock::new();
    GPU.get_or_init(software).device()
}

/// All that scores masks.
fn all_backends() -> Vec<Box<dyn Backend>> {
    let on_host = ARITHMETICS.iter().flat_map(|&arithmetic| -> [Box<dyn Backend>; 2] {
        [Box::new(CpuBackend(arithmetic)), Box::new(MockBackend::plain(arithmetic))]
    });
    let software: Box<dyn Backend> = Box::new(GpuBackend::new(device().clone(), true));
    on_host.chain([software]).collect()
}

/// The margin of each of `masks`, in turn.
fn margins(masks: usize) -> Vec<Objective> {
    let margin = |mask: usize| Margin::new(TAUS[mask % TAUS.len()]).expect("a margin");
    (0..masks).map(|mask| Objective::Margin(margin(mask))).collect()
}

/// From -1 to 1.
fn uniform(rng: &mut Stream) -> f32 {
    (2.0 * unit(rng) - 1.0) as f32
}

fn architecture(widths: &[usize]) -> Architecture {
    widths.to_vec().try_into().expect("a valid architecture")
}

fn network(widths: &[usize], seed: u64) -> Network {
    let architecture = architecture(widths);
    let mut rng = stream(seed, Concern::Network);
    let weights = (0..architecture.weights()).map(|_| uniform(&mut rng)).collect();
    let biases = (0..architecture.biases()).map(|_| uniform(&mut rng)).collect();
    Network::new(architecture, weights, biases).expect("a network")
}

fn samples(count: usize, architecture: &Architecture, seed: u64) -> Samples {
    let mut rng = stream(seed, Concern::Split);
    let (width, classes) = (architecture.inputs(), architecture.outputs());
    Samples {
        features: (0..count * width).map(|_| uniform(&mut rng)).collect(),
        labels: (0..count).map(|_| rng.next_u32() % classes as u32).collect(),
        width,
    }
}

/// All of `samples`.
fn tiles(samples: &Samples) -> Tiles {
    let all: Vec<usize> = (0..samples.len()).collect();
    Tiles::new(samples, &all, &mut stream(0, Concern::Subsample))
}

fn random_mask(network: &Network, seed: u64) -> Vec<u32> {
    let mut mask = vec![0; network.architecture().mask_words()];
    mask::randomize(
        &mut mask,
        network.architecture().weights(),
        &mut stream(seed, Concern::InitialPopulation),
    );
    mask
}

/// `count` masks whose bits are set with probability `density`.
fn masks(architecture: &Architecture, count: usize, density: f64, seed: u64) -> Vec<u32> {
    let mut rng = stream(seed, Concern::InitialPopulation);
    let words = architecture.mask_words();
    let mut masks = vec![0; count * words];
    for mask in masks.chunks_exact_mut(words) {
        for bit in (0..architecture.weights()).filter(|_| chance(&mut rng, density)) {
            mask::flip(mask, bit);
        }
    }
    masks
}

/// `count` masks: all ones, all zeros, then random ones.
fn mixed_masks(widths: &[usize], count: usize) -> Vec<u32> {
    let architecture = architecture(widths);
    let mut all = vec![0; 2 * architecture.mask_words()];
    mask::fill(&mut all[..architecture.mask_words()], architecture.weights());
    all.extend(masks(&architecture, count.saturating_sub(2), 0.5, 7));
    all.truncate(count * architecture.mask_words());
    all
}

/// Masks of every kind: all ones, all zeros, and five densities.
fn every_kind_of_mask(widths: &[usize], each: usize) -> Vec<u32> {
    let mut all = mixed_masks(widths, 2);
    for density in [0.02, 0.1, 0.5, 0.9, 0.97] {
        all.extend(masks(&architecture(widths), each, density, 7));
    }
    all
}

/// One to three distinct bits, ascending.
fn flips(network: &Network, rng: &mut Stream) -> Vec<u32> {
    let count = 1 + index(rng, 3);
    let mut flips: Vec<u32> =
        (0..count).map(|_| index(rng, network.architecture().weights()) as u32).collect();
    flips.sort_unstable();
    flips.dedup();
    flips
}

/// What a mask costs in a neighbourhood, by the plain form: wrong samples, or steps of the loss.
fn plain_cost(
    network: &Network,
    mask: &[u32],
    samples: &Samples,
    objective: Objective,
    arithmetic: Arithmetic,
) -> u64 {
    let score = plain::score(network, mask, samples, &objective, arithmetic);
    if objective == Objective::Accuracy {
        samples.len() as u64 - u64::from(score.correct)
    } else {
        score.loss
    }
}

/// Minimum counts of all kinds, `[masks]` each, beside the masks' `counts`: just reached; just missed; these two and
/// none; half of the samples; all of them; more than there are; none.
fn minimums(counts: &[u32], samples: u32) -> Vec<Vec<u32>> {
    let one_more = |counts: &[u32]| counts.iter().map(|count| count + 1).collect::<Vec<u32>>();
    let mut mixed = one_more(counts);
    mixed.iter_mut().zip(counts).step_by(2).for_each(|(least, &count)| *least = count);
    mixed.iter_mut().step_by(3).for_each(|least| *least = 0);
    let same = |least: u32| vec![least; counts.len()];
    let mut beyond = same(samples + 1);
    beyond.iter_mut().step_by(2).for_each(|least| *least = u32::MAX);
    vec![counts.to_vec(), one_more(counts), mixed, same(samples / 2), same(samples), beyond, same(0)]
}

/// What masks with these `counts` give when they are asked to reach `minimum`.
fn reaching(counts: &[u32], minimum: &[u32]) -> Vec<Option<u32>> {
    counts.iter().zip(minimum).map(|(&count, &least)| (count >= least).then_some(count)).collect()
}

/// Networks that masks name in turn, and data.
struct Case {
    networks: Vec<Network>,
    dataset: Arc<Dataset>,
    masks: Vec<u32>,
    names: Vec<u32>,
}

impl Case {
    fn new(widths: &[usize], train: usize, networks: usize, masks: Vec<u32>) -> Self {
        let architecture = architecture(widths);
        let of = |count, seed| samples(count, &architecture, seed);
        let schema = Schema::numbered(architecture.outputs());
        let count = masks.len() / architecture.mask_words();
        Self {
            networks: (0..networks as u64).map(|n| network(widths, 5 + n)).collect(),
            dataset: Arc::new(Dataset::new(of(train, 1), of(train.min(37), 2), of(53, 3), schema)),
            masks,
            names: (0..count).map(|n| (n * 5 % networks) as u32).collect(),
        }
    }

    fn architecture(&self) -> &Architecture {
        self.networks[0].architecture()
    }

    fn batch(&self) -> Batch<'_> {
        Batch { masks: &self.masks, networks: &self.names }
    }

    fn problem(&self) -> Problem<'_> {
        Problem { architecture: self.architecture(), networks: &self.networks, dataset: &self.dataset }
    }

    /// What the plain form gives each mask, for objectives of its own.
    fn plain_scores(&self, split: Split, objectives: &[Objective], arithmetic: Arithmetic) -> Vec<Score> {
        let masks = self.masks.chunks_exact(self.architecture().mask_words()).zip(&self.names);
        let score = |((mask, &name), objective): ((&[u32], &u32), &Objective)| {
            let network = &self.networks[name as usize];
            plain::score(network, mask, self.dataset.split(split), objective, arithmetic)
        };
        masks.zip(objectives).map(score).collect()
    }

    /// The counts alone.
    fn plain(&self, split: Split, arithmetic: Arithmetic) -> Vec<u32> {
        let scores = self.plain_scores(split, &vec![Objective::Accuracy; self.names.len()], arithmetic);
        scores.into_iter().map(|score| score.correct).collect()
    }
}
