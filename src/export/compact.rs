//! A ticket without what does not count: dead neurons go, constant ones become part of the biases that
//! read them.
//!
//! A neuron is *constant* when no input reaches it: it has no active weights, or only ones from constant
//! neurons. Its value is relu of its sum, and what a reader adds for it is known beforehand. Adding it to
//! the reader's bias moves it to the front of the reader's sum, and so may round differently;
//! [`Folding::Exact`] folds only where it was at the front already.

use super::Ticket;
use crate::arithmetic::fma;
use crate::dataset::Samples;
use crate::evaluate::Arithmetic;
use crate::evaluate::plain;
use crate::mask;
use crate::network::{Architecture, Layer, Network};
use rayon::prelude::*;

/// Which constants are folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folding {
    /// Every constant. Sums may differ in their last bits.
    All,
    /// Those that keep the order of every sum: all outputs stay equal bit for bit (but for the sign of a
    /// zero).
    Exact,
}

/// A ticket made smaller.
#[derive(Clone, Debug, PartialEq)]
pub struct Compacted {
    pub ticket: Ticket,
    pub folding: Folding,
    /// Hidden neurons that were dead.
    pub dead: usize,
    /// Hidden neurons that were live but constant, and are now part of biases.
    pub folded: usize,
    /// Samples on which every prediction was compared, where there were any.
    pub compared: Option<usize>,
}

/// What a neuron of the layer below gives.
#[derive(Clone, Copy, Debug, PartialEq)]
enum NeuronOutput {
    /// Something that depends on the input; the neuron has this number in the smaller network.
    Varies(usize),
    /// Always this, and part of the readers' biases.
    Folded(f32),
    /// Always this, in a neuron of this number that stays.
    Kept(f32, usize),
    /// Nothing reads it.
    Dead,
}

impl NeuronOutput {
    fn constant(self) -> Option<f32> {
        match self {
            Self::Folded(value) | Self::Kept(value, _) => Some(value),
            Self::Varies(_) | Self::Dead => None,
        }
    }

    fn number(self) -> Option<usize> {
        match self {
            Self::Varies(number) | Self::Kept(_, number) => Some(number),
            Self::Folded(_) | Self::Dead => None,
        }
    }
}

/// A layer of the smaller network as it grows.
#[derive(Default)]
struct Built {
    biases: Vec<f32>,
    /// Active weights of each neuron: number of the input, weight.
    rows: Vec<Vec<(usize, f32)>>,
}

/// The smallest ticket that predicts the same on `samples`: with every constant folded if that changes no
/// prediction, else with those that are exact. Without samples to compare on, the exact one.
pub fn compact(ticket: &Ticket, arithmetic: Arithmetic, samples: &[&Samples]) -> Compacted {
    if samples.is_empty() {
        return fold(ticket, arithmetic, Folding::Exact);
    }
    let all = fold(ticket, arithmetic, Folding::All);
    let chosen = if differences(ticket, &all.ticket, arithmetic, samples) == 0 {
        all
    } else {
        fold(ticket, arithmetic, Folding::Exact)
    };
    Compacted { compared: Some(samples.iter().map(|samples| samples.len()).sum()), ..chosen }
}

/// The number of samples that two tickets classify differently.
pub fn differences(one: &Ticket, other: &Ticket, arithmetic: Arithmetic, samples: &[&Samples]) -> usize {
    let predict =
        |ticket: &Ticket, sample: &[f32]| plain::predict(&ticket.network, &ticket.mask, sample, arithmetic);
    samples
        .iter()
        .map(|samples| {
            let rows = samples.features.par_chunks_exact(samples.width);
            rows.filter(|sample| predict(one, sample) != predict(other, sample)).count()
        })
        .sum()
}

/// Removes dead neurons and folds constants.
pub fn fold(ticket: &Ticket, arithmetic: Arithmetic, folding: Folding) -> Compacted {
    let Ticket { network, mask } = ticket;
    let architecture = network.architecture();
    let live = mask::live_neurons(mask, architecture);
    let layers: Vec<Layer> = architecture.layers().collect();
    let mut below: Vec<NeuronOutput> = (0..architecture.inputs()).map(NeuronOutput::Varies).collect();
    let mut built: Vec<Built> = Vec::new();
    let (mut dead, mut folded) = (0, 0);
    for (depth, layer) in layers.iter().enumerate() {
        let is_last = depth + 1 == layers.len();
        let mut here = Built::default();
        let mut sources = Vec::with_capacity(layer.outputs);
        for output in 0..layer.outputs {
            if !is_last && !mask::get(&live[depth], output) {
                dead += 1;
                sources.push(NeuronOutput::Dead);
                continue;
            }
            let active = active_inputs(ticket, layer, output);
            let bias = network.layer_biases(layer)[output];
            if !is_last && active.iter().all(|&(input, _)| below[input].constant().is_some()) {
                let sum = active.iter().fold(bias, |acc, &(input, weight)| {
                    let value = below[input].constant().unwrap_or_default();
                    fma(arithmetic, weight, value, acc)
                });
                sources.push(NeuronOutput::Folded(sum.max(0.0)));
                continue;
            }
            let (bias, row) = folded_row(bias, &active, &below, arithmetic);
            sources.push(NeuronOutput::Varies(here.rows.len()));
            here.biases.push(bias);
            here.rows.push(row);
        }
        if !is_last {
            if folding == Folding::Exact {
                keep_what_is_not_in_front(ticket, &layers[depth + 1], &live, depth + 1, &mut sources);
            }
            here = renumbered(here, &mut sources);
            folded += sources.iter().filter(|source| matches!(source, NeuronOutput::Folded(_))).count();
        }
        built.push(here);
        below = sources;
    }
    Compacted { ticket: assembled(architecture.inputs(), built), folding, dead, folded, compared: None }
}

/// The active inputs of a neuron in ascending order, with their weights.
fn active_inputs(ticket: &Ticket, layer: &Layer, output: usize) -> Vec<(usize, f32)> {
    let weights = ticket.network.layer_weights(layer);
    (0..layer.inputs)
        .map(|input| (input, output * layer.inputs + input))
        .filter(|&(_, weight)| mask::get(&ticket.mask, layer.first_weight + weight))
        .map(|(input, weight)| (input, weights[weight]))
        .collect()
}

/// A neuron's bias with the folded constants in it, and the weights that remain.
fn folded_row(
    bias: f32,
    active: &[(usize, f32)],
    below: &[NeuronOutput],
    arithmetic: Arithmetic,
) -> (f32, Vec<(usize, f32)>) {
    let mut bias = bias;
    let mut row = Vec::new();
    for &(input, weight) in active {
        match below[input] {
            NeuronOutput::Folded(value) => bias = fma(arithmetic, weight, value, bias),
            source => row.extend(source.number().map(|number| (number, weight))),
        }
    }
    (bias, row)
}

/// Marks constants of one layer that some reader does not add before all else. A constant zero adds
/// nothing and can always go.
fn keep_what_is_not_in_front(
    ticket: &Ticket,
    readers: &Layer,
    live: &[Vec<u32>],
    depth: usize,
    sources: &mut [NeuronOutput],
) {
    let rows: Vec<Vec<(usize, f32)>> = (0..readers.outputs)
        .filter(|&output| live.get(depth).is_none_or(|live| mask::get(live, output)))
        .map(|output| active_inputs(ticket, readers, output))
        .filter(|row| depth == live.len() || row.iter().any(|&(input, _)| varies(sources[input])))
        .collect();
    let mut readers_of = vec![Vec::new(); sources.len()];
    for (reader, row) in rows.iter().enumerate() {
        row.iter().for_each(|&(input, _)| readers_of[input].push(reader));
    }
    // Has the reader added something that is computed at run time?
    let mut begun = vec![false; rows.len()];
    for (input, source) in sources.iter_mut().enumerate() {
        let stays = match *source {
            NeuronOutput::Varies(_) => true,
            NeuronOutput::Folded(value) if value != 0.0 => {
                readers_of[input].iter().any(|&reader| begun[reader])
            }
            _ => false,
        };
        if stays {
            if let NeuronOutput::Folded(value) = *source {
                *source = NeuronOutput::Kept(value, 0);
            }
            readers_of[input].iter().for_each(|&reader| begun[reader] = true);
        }
    }
}

fn varies(source: NeuronOutput) -> bool {
    matches!(source, NeuronOutput::Varies(_))
}

/// Puts the neurons that stay, constants among them, in their original order, and numbers them. A layer
/// has one neuron at least, if need be one that nothing reads.
fn renumbered(mut built: Built, sources: &mut [NeuronOutput]) -> Built {
    let mut ordered = Built::default();
    for source in sources.iter_mut() {
        let number = ordered.rows.len();
        match source {
            NeuronOutput::Varies(old) => {
                ordered.biases.push(built.biases[*old]);
                ordered.rows.push(std::mem::take(&mut built.rows[*old]));
                *old = number;
            }
            NeuronOutput::Kept(value, new) => {
                ordered.biases.push(*value);
                ordered.rows.push(Vec::new());
                *new = number;
            }
            NeuronOutput::Folded(_) | NeuronOutput::Dead => {}
        }
    }
    if ordered.rows.is_empty() {
        ordered.biases.push(0.0);
        ordered.rows.push(Vec::new());
    }
    ordered
}

fn assembled(inputs: usize, built: Vec<Built>) -> Ticket {
    let widths: Vec<usize> =
        std::iter::once(inputs).chain(built.iter().map(|layer| layer.rows.len())).collect();
    let architecture = Architecture::try_from(widths).expect("a layer has one neuron at least");
    let mut weights = vec![0.0; architecture.weights()];
    let mut mask = vec![0; architecture.mask_words()];
    for (layer, built) in architecture.layers().zip(&built) {
        for (output, row) in built.rows.iter().enumerate() {
            for &(input, weight) in row {
                let index = layer.first_weight + output * layer.inputs + input;
                weights[index] = weight;
                mask::flip(&mut mask, index);
            }
        }
    }
    let biases = built.into_iter().flat_map(|layer| layer.biases).collect();
    let network =
        Network::new(architecture, weights, biases).expect("as many parameters as the architecture has");
    Ticket { network, mask }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::NetworkInit;
    use crate::random::{self, Concern, stream};
    use proptest::prelude::*;

    /// Folding moves terms within sums of at most some 40 numbers of size about 10: their last bits differ,
    /// 40 · 10 · 2^-24.
    const ROUNDING: f32 = 1e-4;

    fn ticket(widths: &[usize], seed: u64, keep: f64) -> Ticket {
        let config: NetworkInit =
            serde_json::from_value(serde_json::json!({ "layers": widths })).expect("valid widths");
        let network = config.build(seed).expect("a network");
        let mut rng = stream(seed, Concern::InitialPopulation);
        let mut mask = vec![0; network.architecture().mask_words()];
        for index in 0..network.architecture().weights() {
            if random::chance(&mut rng, keep) {
                mask::flip(&mut mask, index);
            }
        }
        Ticket { network, mask }
    }

    fn samples(width: usize, count: usize, seed: u64) -> Samples {
        let mut rng = stream(seed, Concern::Split);
        let features = (0..width * count).map(|_| (2.0 * random::unit(&mut rng) - 1.0) as f32).collect();
        Samples { features, labels: vec![0; count], width }
    }

    /// The outputs before the largest is chosen.
    fn outputs(ticket: &Ticket, sample: &[f32], arithmetic: Arithmetic) -> Vec<f32> {
        let layers: Vec<Layer> = ticket.network.architecture().layers().collect();
        let mut values = sample.to_vec();
        for (depth, layer) in layers.iter().enumerate() {
            let biases = ticket.network.layer_biases(layer);
            let next = (0..layer.outputs).map(|output| {
                let active = active_inputs(ticket, layer, output);
                let sum =
                    active.iter().fold(biases[output], |acc, &(i, w)| fma(arithmetic, w, values[i], acc));
                if depth + 1 < layers.len() { sum.max(0.0) } else { sum }
            });
            values = next.collect();
        }
        values
    }

    proptest! {
        #[test]
        fn exact_folding_changes_no_output_and_full_folding_only_by_rounding(
            hidden in prop::collection::vec(1usize..14, 1..4),
            inputs in 1usize..6, classes in 2usize..5,
            seed in 0u64..10_000, keep in 0.02f64..0.9, fused: bool
        ) {
            let arithmetic = if fused { Arithmetic::Fused } else { Arithmetic::Separate };
            let widths: Vec<usize> =
                std::iter::once(inputs).chain(hidden).chain(std::iter::once(classes)).collect();
            let ticket = ticket(&widths, seed, keep);
            let samples = samples(inputs, 50, seed);
            let exact = fold(&ticket, arithmetic, Folding::Exact);
            let all = fold(&ticket, arithmetic, Folding::All);
            for sample in samples.features.chunks_exact(inputs) {
                let before = outputs(&ticket, sample, arithmetic);
                prop_assert_eq!(&before, &outputs(&exact.ticket, sample, arithmetic));
                for (a, b) in before.iter().zip(outputs(&all.ticket, sample, arithmetic)) {
                    prop_assert!((a - b).abs() <= ROUNDING, "{} and {}", a, b);
                }
            }
            let chosen = compact(&ticket, arithmetic, &[&samples]);
            prop_assert_eq!(differences(&ticket, &chosen.ticket, arithmetic, &[&samples]), 0);
            let hidden = |t: &Ticket| t.network.architecture().widths().iter().sum::<usize>();
            prop_assert!(hidden(&all.ticket) <= hidden(&exact.ticket));
            prop_assert!(hidden(&exact.ticket) <= hidden(&ticket));
        }
    }

    #[test]
    fn a_network_that_reads_no_input_shrinks_to_its_biases() {
        let mut ticket = ticket(&[3, 8, 8, 2], 1, 1.0);
        // No hidden neuron reads an input.
        (0..24).for_each(|index| mask::flip(&mut ticket.mask, index));
        let all = fold(&ticket, Arithmetic::Fused, Folding::All);
        assert_eq!(all.ticket.network.architecture().widths(), [3, 1, 1, 2]);
        assert_eq!(all.folded, 16);
        let sample = [0.3, -0.2, 0.9];
        assert_eq!(
            outputs(&ticket, &sample, Arithmetic::Fused),
            outputs(&all.ticket, &sample, Arithmetic::Fused)
        );
    }

    #[test]
    fn dead_neurons_go() {
        let mut ticket = ticket(&[2, 3, 2], 5, 1.0);
        // Hidden neuron 1 is read by neither output.
        mask::flip(&mut ticket.mask, 6 + 1);
        mask::flip(&mut ticket.mask, 6 + 4);
        let compacted = fold(&ticket, Arithmetic::Fused, Folding::Exact);
        assert_eq!((compacted.dead, compacted.folded), (1, 0));
        assert_eq!(compacted.ticket.network.architecture().widths(), [2, 2, 2]);
    }
}
