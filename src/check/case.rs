//! What is asked in a check: networks, data and masks from fixed seeds, and what the plain form says of them.

use crate::dataset::{Dataset, Samples, Schema, Split};
use crate::evaluate::neighbours::Tiles;
use crate::evaluate::{Arithmetic, Batch, Problem, plain};
use crate::mask;
use crate::network::{Architecture, Network};
use crate::objective::margin::Margin;
use crate::objective::measure::Measure;
use crate::objective::{Objective, Score};
use crate::random::{Concern, Stream, chance, index, stream, unit};
use rand::Rng;
use std::sync::Arc;

/// From margins that saturate nearly every sample to one that no sample reaches.
pub const TAUS: [f32; 5] = [1e-6, 0.01, 1.0, 7.5, 1e6];

/// The loss of a margin.
pub fn margin(tau: f32) -> Objective {
    Objective::Margin(Margin::new(tau).expect("a finite margin above zero"))
}

/// An objective for each of `masks`, in turn: every margin, the count, cross-entropy, and two measures.
pub fn objectives(masks: usize) -> Vec<Objective> {
    let others = [Objective::Accuracy, Objective::CrossEntropy].into_iter();
    let measures = [Measure::BalancedAccuracy, Measure::MatthewsCorrelation].map(Objective::Measure);
    let kinds: Vec<Objective> = TAUS.into_iter().map(margin).chain(others).chain(measures).collect();
    kinds.into_iter().cycle().take(masks).collect()
}

/// From -1 to 1.
fn uniform(rng: &mut Stream) -> f32 {
    (2.0 * unit(rng) - 1.0) as f32
}

/// Layers of these `widths`, none of which is zero.
pub fn architecture(widths: &[usize]) -> Architecture {
    widths.to_vec().try_into().expect("a valid architecture")
}

/// Weights and biases from -1 to 1.
pub fn network(widths: &[usize], seed: u64) -> Network {
    let architecture = architecture(widths);
    let mut rng = stream(seed, Concern::Network);
    let weights = (0..architecture.weights()).map(|_| uniform(&mut rng)).collect();
    let biases = (0..architecture.biases()).map(|_| uniform(&mut rng)).collect();
    Network::new(architecture, weights, biases).expect("as many as the architecture has")
}

/// Features from -1 to 1, and any classes.
pub fn samples(count: usize, architecture: &Architecture, seed: u64) -> Samples {
    let mut rng = stream(seed, Concern::Split);
    let (width, classes) = (architecture.inputs(), architecture.outputs());
    Samples {
        features: (0..count * width).map(|_| uniform(&mut rng)).collect(),
        labels: (0..count).map(|_| rng.next_u32() % classes as u32).collect(),
        width,
    }
}

/// All of `samples`.
pub fn tiles(samples: &Samples) -> Tiles {
    let all: Vec<usize> = (0..samples.len()).collect();
    Tiles::new(samples, &all, &mut stream(0, Concern::Subsample))
}

/// A mask of `network` whose bits are fair coins.
pub fn random_mask(network: &Network, seed: u64) -> Vec<u32> {
    let architecture = network.architecture();
    let mut mask = vec![0; architecture.mask_words()];
    mask::randomize(&mut mask, architecture.weights(), &mut stream(seed, Concern::InitialPopulation));
    mask
}

/// `count` masks whose bits are set with probability `density`, `[count, words]`.
pub fn masks(architecture: &Architecture, count: usize, density: f64, seed: u64) -> Vec<u32> {
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
pub fn mixed_masks(widths: &[usize], count: usize) -> Vec<u32> {
    let architecture = architecture(widths);
    let mut all = vec![0; 2 * architecture.mask_words()];
    mask::fill(&mut all[..architecture.mask_words()], architecture.weights());
    all.extend(masks(&architecture, count.saturating_sub(2), 0.5, 7));
    all.truncate(count * architecture.mask_words());
    all
}

/// One to three distinct bits, ascending.
pub fn flips(network: &Network, rng: &mut Stream) -> Vec<u32> {
    let count = 1 + index(rng, 3);
    let mut flips: Vec<u32> =
        (0..count).map(|_| index(rng, network.architecture().weights()) as u32).collect();
    flips.sort_unstable();
    flips.dedup();
    flips
}

/// What a mask costs in a neighbourhood, by the plain form: wrong samples, or steps of the loss.
pub fn plain_cost(
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

/// The counts among `scores`.
pub fn counts(scores: &[Score]) -> Vec<u32> {
    scores.iter().map(|score| score.correct).collect()
}

/// Minimum counts of all kinds, `[masks]` each, beside the masks' `counts`: just reached; just missed; these two and
/// none; half of the samples; all of them; more than there are; none.
pub fn minimums(counts: &[u32], samples: u32) -> Vec<Vec<u32>> {
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
pub fn reaching(counts: &[u32], minimum: &[u32]) -> Vec<Option<u32>> {
    counts.iter().zip(minimum).map(|(&count, &least)| (count >= least).then_some(count)).collect()
}

/// Networks that masks name in turn, data, and an objective for each mask.
#[derive(Clone, Debug)]
pub struct EvaluationCase {
    pub networks: Vec<Network>,
    pub dataset: Arc<Dataset>,
    /// `[masks, words]`
    pub masks: Vec<u32>,
    /// `[masks]`
    pub names: Vec<u32>,
    /// `[masks]`
    pub objectives: Vec<Objective>,
}

impl EvaluationCase {
    /// `masks` of so many `networks`, on so many training samples and some few others, by all objectives.
    pub fn new(widths: &[usize], train: usize, networks: usize, masks: Vec<u32>) -> Self {
        let architecture = architecture(widths);
        let of = |count, seed| samples(count, &architecture, seed);
        let schema = Schema::numbered(architecture.outputs());
        let count = masks.len() / architecture.mask_words();
        Self {
            networks: (0..networks as u64).map(|n| network(widths, 5 + n)).collect(),
            dataset: Arc::new(Dataset::new(of(train, 1), of(train.min(37), 2), of(53, 3), schema)),
            masks,
            names: (0..count).map(|n| (n * 5 % networks) as u32).collect(),
            objectives: objectives(count),
        }
    }

    /// Networks whose sums are about the smallest normal number in their second layer; their biases are zero.
    pub fn of_subnormal_sums(masks: usize) -> Self {
        let widths = [3, 9, 4];
        let case = Self::new(&widths, 90, 2, mixed_masks(&widths, masks));
        let scaled = |network: &Network| {
            let weights = network.weights().iter().map(|weight| weight * 2f32.powi(-63)).collect();
            let biases = vec![0.0; network.architecture().biases()];
            Network::new(network.architecture().clone(), weights, biases).expect("as many as before")
        };
        Self { networks: case.networks.iter().map(scaled).collect(), ..case }
    }

    pub fn architecture(&self) -> &Architecture {
        self.networks[0].architecture()
    }

    pub fn batch(&self) -> Batch<'_> {
        Batch { masks: &self.masks, networks: &self.names }
    }

    pub fn problem(&self) -> Problem<'_> {
        Problem { architecture: self.architecture(), networks: &self.networks, dataset: &self.dataset }
    }

    /// What the plain form gives each mask by its objective.
    pub fn plain_scores(&self, split: Split, arithmetic: Arithmetic) -> Vec<Score> {
        let masks = self.masks.chunks_exact(self.architecture().mask_words()).zip(&self.names);
        let score = |((mask, &name), objective): ((&[u32], &u32), &Objective)| {
            let network = &self.networks[name as usize];
            plain::score(network, mask, self.dataset.split(split), objective, arithmetic)
        };
        masks.zip(&self.objectives).map(score).collect()
    }

    /// The outputs of all masks for the samples of `split` by the plain form, `[masks, samples, outputs]`, zeros being
    /// without a sign.
    pub fn plain_outputs(&self, split: Split, arithmetic: Arithmetic) -> Vec<f32> {
        let (samples, words) = (self.dataset.split(split), self.architecture().mask_words());
        let of_mask = |(mask, &name): (&[u32], &u32)| {
            let network = &self.networks[name as usize];
            let outputs = |sample| plain::outputs(network, mask, sample, arithmetic);
            samples
                .features
                .chunks_exact(samples.width)
                .flat_map(outputs)
                .map(|value| value + 0.0)
                .collect::<Vec<_>>()
        };
        self.masks.chunks_exact(words).zip(&self.names).flat_map(of_mask).collect()
    }

    /// What the plain form gives on every split, `[split]`.
    pub fn plain_answers(&self, arithmetic: Arithmetic) -> [Vec<Score>; 3] {
        Split::ALL.map(|split| self.plain_scores(split, arithmetic))
    }
}
