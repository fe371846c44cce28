//! Activations that the forms do not all serve: the evaluator equals the plain form on each.

use super::*;
use crate::dataset::{Samples, Schema};
use crate::network::Activation;
use crate::objective::Objective;
use crate::objective::measure::Measure;
use crate::random::{Concern, Stream, stream, unit};
use rand::Rng;

fn uniform(rng: &mut Stream) -> f32 {
    (2.0 * unit(rng) - 1.0) as f32
}

fn samples(count: usize, width: usize, classes: usize, rng: &mut Stream) -> Samples {
    Samples {
        features: (0..count * width).map(|_| uniform(rng)).collect(),
        labels: (0..count).map(|_| rng.next_u32() % classes as u32).collect(),
        width,
    }
}

/// Shapes, and numbers of samples, with which masks of all densities take every form there is where there are ReLUs: so
/// many samples are enough blocks of the portable instructions to bound a second hidden layer by.
const SHAPES: [(&[usize], usize); 5] = [
    (&[2, 40, 2], 300),
    (&[2, 30, 30, 3], 2100),
    (&[3, 20, 20, 2], 300),
    (&[20, 70, 66, 3], 100),
    (&[10, 12, 12, 4], 100),
];

/// Whether the evaluator's counts and losses are those of the plain form, of networks with `hidden` between layers.
/// Also says whether any count is another than that of the same networks with ReLUs.
fn equals_the_plain_form(hidden: Activation) -> bool {
    let mut differs = false;
    for (widths, train) in SHAPES {
        let mut rng = stream(7, Concern::Network);
        let relu = Architecture::try_from(widths.to_vec()).expect("a valid architecture");
        let architecture = relu.clone().with_hidden(hidden);
        let weights: Vec<f32> = (0..architecture.weights()).map(|_| uniform(&mut rng)).collect();
        let biases: Vec<f32> = (0..architecture.biases()).map(|_| uniform(&mut rng)).collect();
        let with_relus = Network::new(relu, weights.clone(), biases.clone()).expect("its parameters");
        let network = Network::new(architecture.clone(), weights, biases).expect("its parameters");
        let (width, classes) = (architecture.inputs(), architecture.outputs());
        let mut set = |count| samples(count, width, classes, &mut rng);
        let dataset = Arc::new(Dataset::new(set(train), set(77), set(5), Schema::numbered(classes)));
        let words = architecture.mask_words();
        let mut masks: Vec<u32> = Vec::new();
        for density in [0.1, 0.5, 0.7, 0.95, 1.0] {
            let mut mask = vec![0u32; words];
            for bit in (0..architecture.weights()).filter(|_| unit(&mut rng) < density) {
                mask[bit / 32] |= 1 << (bit % 32);
            }
            masks.extend(mask);
        }
        let count = masks.len() / words;
        let batch = Batch { masks: &masks, networks: &vec![0; count] };
        for (arithmetic, instructions) in [Arithmetic::Fused, Arithmetic::Separate]
            .into_iter()
            .zip([Instructions::best(), Instructions::Portable])
        {
            let mut evaluator = CpuEvaluator::with_instructions(
                &architecture,
                std::slice::from_ref(&network),
                Arc::clone(&dataset),
                arithmetic,
                instructions,
            )
            .expect("instructions that this processor has");
            for split in [Split::Train, Split::Test] {
                let samples = dataset.split(split);
                let plain = |mask| plain::count_correct(&network, mask, samples, arithmetic);
                let expected: Vec<u32> = masks.chunks_exact(words).map(plain).collect();
                let of_relus = |mask| plain::count_correct(&with_relus, mask, samples, arithmetic);
                differs |= masks.chunks_exact(words).map(of_relus).ne(expected.iter().copied());
                assert_eq!(
                    evaluator.score(split, batch).expect("a good batch"),
                    expected,
                    "{widths:?} {hidden:?}"
                );
                let scores = evaluator.judge(split, batch, &vec![Objective::CrossEntropy; count]);
                for (mask, score) in masks.chunks_exact(words).zip(scores.expect("a good batch")) {
                    let loss = plain::score(&network, mask, samples, &Objective::CrossEntropy, arithmetic);
                    assert_eq!(score, loss, "{widths:?} {hidden:?}");
                }
                details_are_plain(&mut evaluator, &network, split, batch);
            }
        }
    }
    differs
}

/// Predictions, outputs, confusion counts and a measure of `batch` are those of the plain form.
fn details_are_plain(evaluator: &mut CpuEvaluator, network: &Network, split: Split, batch: Batch<'_>) {
    let (samples, classes) = (evaluator.dataset.split(split).clone(), network.architecture().outputs());
    let (masks, words) = (batch.networks.len(), network.architecture().mask_words());
    let mut predictions = vec![u8::MAX; masks * samples.len()];
    let mut outputs = vec![f32::NAN; masks * samples.len() * classes];
    evaluator.detail(split, batch, Detail::Predictions(&mut predictions)).expect("bytes");
    evaluator.detail(split, batch, Detail::Outputs(&mut outputs)).expect("values");
    let confusion = evaluator.confusion(split, batch).expect("counts");
    let measures = vec![Objective::Measure(Measure::MatthewsCorrelation); masks];
    let measured = evaluator.judge(split, batch, &measures).expect("a measure");
    for (n, mask) in batch.masks.chunks_exact(words).enumerate() {
        let mut counts = vec![0; classes * classes];
        for (s, sample) in samples.features.chunks_exact(samples.width).enumerate() {
            let plain = plain::outputs(network, mask, sample, evaluator.arithmetic);
            let at = n * samples.len() + s;
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&outputs[at * classes..][..classes]), bits(&plain), "sample {s} of mask {n}");
            let predicted = plain::largest(&plain);
            assert_eq!(u32::from(predictions[at]), predicted, "sample {s} of mask {n}");
            counts[samples.labels[s] as usize * classes + predicted as usize] += 1;
        }
        assert_eq!(confusion[n * classes * classes..][..classes * classes], counts, "mask {n}");
        let expected = plain::score(network, mask, &samples, &measures[n], evaluator.arithmetic);
        assert_eq!(measured[n], expected, "mask {n}");
    }
}

#[test]
fn what_has_no_room_is_refused() {
    let architecture = Architecture::try_from(vec![2, 3, 2]).expect("a valid architecture");
    let network = Network::of_zeros(architecture.clone());
    let set = || samples(9, 2, 2, &mut stream(7, Concern::Network));
    let dataset = Arc::new(Dataset::new(set(), set(), set(), Schema::numbered(2)));
    let mut evaluator =
        CpuEvaluator::new(&architecture, std::slice::from_ref(&network), dataset, Arithmetic::Fused)
            .expect("an evaluator");
    let batch = Batch { masks: &[0, 0], networks: &[0, 0] };
    let refused = evaluator.detail(Split::Train, batch, Detail::Outputs(&mut [0.0; 35]));
    let message = refused.expect_err("36 outputs").to_string();
    assert_eq!(message, "2 masks give 36 outputs, but there is room for 35");
}

#[test]
fn relus_are_scored_as_in_the_plain_form() {
    assert!(!equals_the_plain_form(Activation::Relu));
}

#[test]
fn an_activation_that_is_monotone_but_not_zero_below_zero_leaves_no_neuron_out() {
    assert!(equals_the_plain_form(Activation::Identity));
}

#[test]
fn an_activation_without_any_property_falls_to_the_plain_form() {
    assert!(equals_the_plain_form(Activation::Magnitude));
}
