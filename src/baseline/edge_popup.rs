//! Edge-popup (Ramanujan et al. 2020, *What's hidden in a randomly weighted neural network?*): a score per
//! frozen weight; the forward pass keeps each layer's weights of largest absolute score; gradients pass
//! straight through that choice to the scores.

mod config;

pub use config::{EdgePopupConfig, EdgePopupInit, frozen_network, network_config};

use crate::baseline::course::{Course, packed_floats};
use crate::baseline::dense::{BatchScore, Dense};
use crate::baseline::optimizer::{GradientMomentum, are_finite, cosine};
use crate::baseline::{BaselineError, Outside, TrainingOutcome, all_rows, check_shapes, init, outcome};
use crate::dataset::Dataset;
use crate::flaw::Flaw;
use crate::mask;
use crate::network::{Architecture, Network};
use crate::random::{self, Concern};
use crate::search::StopReason;
use serde::{Deserialize, Serialize};

/// A subnetwork found by edge-popup.
#[derive(Clone, Debug, PartialEq)]
pub struct EdgePopup {
    pub outcome: TrainingOutcome,
    /// The frozen network.
    pub network: Network,
    /// The winning mask, packed ([`crate::mask`]). On `network`, in fused arithmetic, every evaluator gives
    /// the outcome's counts.
    pub mask: Vec<u32>,
    /// Share of zero bits, over all layers.
    pub sparsity: f64,
}

/// Where a training stands between two minibatches.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EdgePopupState {
    course: Course,
    /// `[weights]`.
    #[serde(with = "packed_floats")]
    scores: Vec<f32>,
    optimizer: GradientMomentum,
}

impl EdgePopupState {
    /// With these scores, before the first minibatch of the samples at `rows`.
    fn new(scores: Vec<f32>, config: &EdgePopupConfig, rows: Vec<u32>, seed: u64) -> Self {
        Self {
            course: Course::new(rows, random::stream(seed, Concern::TrainingOrder)),
            optimizer: GradientMomentum::new(scores.len(), config.momentum, config.weight_decay),
            scores,
        }
    }

    /// Could this be the state of a training of `architecture` with these settings on `samples` samples?
    ///
    /// # Errors
    /// Says what is impossible.
    pub fn check(
        &self,
        config: &EdgePopupConfig,
        architecture: &Architecture,
        samples: usize,
    ) -> Result<(), Flaw> {
        let fresh = GradientMomentum::new(architecture.weights(), config.momentum, config.weight_decay);
        let fits = self.scores.len() == architecture.weights() && are_finite(&self.scores);
        if !fits || !self.optimizer.is_like(&fresh) {
            return Err("impossible scores".into());
        }
        self.course.check(samples, config.epochs)
    }

    /// Where it stands, as in `epoch 12`.
    pub fn whereabouts(&self) -> String {
        format!("epoch {}", self.course.history.len())
    }
}

/// Trains scores on `network`, which stays as it is, from `state` on if there is one, as long as `outside` lets it.
///
/// # Errors
/// If the configuration is out of range, or the data do not fit the network.
pub fn train(
    dataset: &Dataset,
    network: Network,
    config: &EdgePopupConfig,
    seed: u64,
    state: Option<EdgePopupState>,
    outside: &impl Outside,
) -> Result<EdgePopup, BaselineError> {
    config.validate()?;
    check_shapes(dataset, network.architecture())?;
    let state = state.unwrap_or_else(|| {
        let scores =
            init::scores(network.architecture(), &mut random::stream(seed, Concern::EdgePopupScores));
        EdgePopupState::new(scores, config, all_rows(&dataset.train), seed)
    });
    let mut training = EdgePopupTraining::new(network, state, config, dataset.train.len());
    let stop = training.run(dataset, outside);
    training.prune();
    let mask = training.mask();
    let EdgePopupTraining { network, parameters, mut dense, state, .. } = training;
    let outcome = outcome(&mut dense, &parameters, dataset, state.course.history, stop);
    let bits = network.architecture().weights();
    let sparsity = (bits - mask::count_ones(&mask)) as f64 / bits as f64;
    Ok(EdgePopup { outcome, network, mask, sparsity })
}

/// Training in progress.
struct EdgePopupTraining<'a> {
    config: &'a EdgePopupConfig,
    network: Network,
    state: EdgePopupState,
    /// `[weights]`.
    kept: Vec<bool>,
    /// Weights (0 where pruned), then biases.
    parameters: Vec<f32>,
    gradients: Vec<f32>,
    dense: Dense,
    batch_size: usize,
    /// Indices into one layer's scores, for the choice of the lowest.
    ranking: Vec<u32>,
}

impl<'a> EdgePopupTraining<'a> {
    fn new(network: Network, state: EdgePopupState, config: &'a EdgePopupConfig, samples: usize) -> Self {
        let batch_size = config.batch_size.min(samples);
        let parameters = [network.weights(), network.biases()].concat();
        Self {
            kept: vec![true; network.weights().len()],
            gradients: vec![0.0; parameters.len()],
            dense: Dense::new(network.architecture(), batch_size),
            ranking: Vec::new(),
            config,
            batch_size,
            network,
            state,
            parameters,
        }
    }

    /// Trains until a reason to stop.
    fn run(&mut self, dataset: &Dataset, outside: &impl Outside) -> StopReason {
        let config = self.config;
        while self.state.course.history.len() < config.epochs as usize {
            let epoch = self.state.course.history.len() as u32;
            let rate = cosine(config.learning_rate, epoch, config.epochs);
            while let Some(rows) = self.state.course.minibatch(self.batch_size, config.shuffle) {
                self.dense.load(&dataset.train, rows);
                let score = self.step(rate);
                let state = &mut self.state;
                state.course.add(score.loss, score.correct);
                if state.course.is_finite() && !outside.goes_on(state) {
                    return StopReason::Interrupted;
                }
            }
            let epoch = self.state.course.end_epoch();
            outside.epoch(&self.state.course.history);
            if !epoch.loss.is_finite() {
                return StopReason::Diverged;
            }
        }
        StopReason::Epochs
    }

    /// Keeps the weights of each layer with the largest absolute scores: all but the
    /// `floor((1 - keep_fraction) * weights)` lowest, as the original does (in the same f64 arithmetic).
    /// Of equal scores those of lower index go first; the original leaves that to its sort.
    fn prune(&mut self) {
        for layer in self.network.architecture().layers() {
            let range = layer.first_weight..layer.first_weight + layer.weights();
            let scores = &self.state.scores[range.clone()];
            let kept = &mut self.kept[range.clone()];
            let pruned = ((1.0 - self.config.keep_fraction) * layer.weights() as f64) as usize;
            kept.fill(true);
            if pruned > 0 {
                self.ranking.clear();
                self.ranking.extend(0..layer.weights() as u32);
                self.ranking.select_nth_unstable_by(pruned - 1, |&a, &b| {
                    scores[a as usize].abs().total_cmp(&scores[b as usize].abs()).then(a.cmp(&b))
                });
                for &index in &self.ranking[..pruned] {
                    kept[index as usize] = false;
                }
            }
            let weights = &self.network.weights()[range.clone()];
            for ((parameter, &weight), &kept) in self.parameters[range].iter_mut().zip(weights).zip(&*kept) {
                *parameter = if kept { weight } else { 0.0 };
            }
        }
    }

    /// One step on the loaded minibatch. Returns the score before it.
    fn step(&mut self, rate: f64) -> BatchScore {
        self.prune();
        self.dense.forward(&self.parameters);
        let score = self.dense.score();
        self.dense.backward(&self.parameters, &mut self.gradients);
        self.pass_gradients_to_scores();
        let EdgePopupState { scores, optimizer, .. } = &mut self.state;
        optimizer.step(scores, &self.gradients[..self.network.weights().len()], rate);
        score
    }

    /// From the gradient by a masked weight to that by its score, pruned or not: times the frozen weight
    /// (the choice is taken as the identity of |score|), times the score's sign (0 for 0).
    fn pass_gradients_to_scores(&mut self) {
        for ((gradient, &weight), &score) in
            self.gradients.iter_mut().zip(self.network.weights()).zip(&self.state.scores)
        {
            let sign = if score == 0.0 { 0.0 } else { score.signum() };
            *gradient *= weight * sign;
        }
    }

    fn mask(&self) -> Vec<u32> {
        let mut mask = vec![0; self.network.architecture().mask_words()];
        for (index, _) in self.kept.iter().enumerate().filter(|(_, kept)| **kept) {
            mask::flip(&mut mask, index);
        }
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::testing::{architecture, rings_dataset};
    use crate::dataset::Samples;
    use crate::evaluate::{Arithmetic, plain};
    use std::sync::atomic::AtomicBool;

    #[derive(Deserialize)]
    struct Goldens {
        cases: Vec<Golden>,
    }

    #[derive(Deserialize)]
    struct Golden {
        widths: Vec<usize>,
        keep_fraction: f64,
        epochs: u32,
        batch_size: usize,
        learning_rate: f64,
        momentum: f64,
        weight_decay: f64,
        weights: Vec<f32>,
        biases: Vec<f32>,
        initial_scores: Vec<f32>,
        features: Vec<f32>,
        labels: Vec<u32>,
        steps: Vec<GoldenStep>,
    }

    #[derive(Deserialize)]
    struct GoldenStep {
        rows: Vec<u32>,
        rate: f64,
        loss: f64,
        mask: String,
        gradients: Option<Vec<f64>>,
        scores: Option<Vec<f64>>,
    }

    /// Ours is single precision, the goldens are double; values are about 1, and a dozen steps add up.
    const GOLDEN_TOLERANCE: f64 = 2e-6;

    fn assert_close(ours: &[f32], golden: &[f64]) {
        assert_eq!(ours.len(), golden.len());
        for (index, (&a, &b)) in ours.iter().zip(golden).enumerate() {
            assert!((f64::from(a) - b).abs() <= GOLDEN_TOLERANCE, "{index}: {a} {b}");
        }
    }

    fn goldens() -> Vec<Golden> {
        let text = include_str!("../../tests/goldens/edge_popup.json");
        serde_json::from_str::<Goldens>(text).expect("a readable golden file").cases
    }

    impl Golden {
        fn config(&self) -> EdgePopupConfig {
            EdgePopupConfig {
                keep_fraction: self.keep_fraction,
                epochs: self.epochs,
                batch_size: self.batch_size,
                learning_rate: self.learning_rate,
                momentum: self.momentum,
                weight_decay: self.weight_decay,
                ..EdgePopupConfig::default()
            }
        }

        fn samples(&self) -> Samples {
            let (features, labels) = (self.features.clone(), self.labels.clone());
            Samples { features, labels, width: self.widths[0] }
        }

        /// A training of the frozen network from the golden's scores, or from `scores`.
        fn training<'a>(&self, config: &'a EdgePopupConfig, scores: Vec<f32>) -> EdgePopupTraining<'a> {
            let (weights, biases) = (self.weights.clone(), self.biases.clone());
            let network = Network::new(architecture(&self.widths), weights, biases).expect("a network");
            let state = EdgePopupState::new(scores, config, all_rows(&self.samples()), 0);
            EdgePopupTraining::new(network, state, config, self.labels.len())
        }
    }

    #[test]
    fn every_step_is_that_of_pytorch() {
        let (mut steps, mut compared) = (0, 0);
        for golden in goldens() {
            let (config, samples) = (golden.config(), golden.samples());
            let mut training = golden.training(&config, golden.initial_scores.clone());
            let batches = samples.len().div_ceil(golden.batch_size);
            for (n, step) in golden.steps.iter().enumerate() {
                let rate = cosine(golden.learning_rate, (n / batches) as u32, golden.epochs);
                assert!((rate - step.rate).abs() <= 1e-15, "step {n}: {rate} {}", step.rate);
                training.dense.load(&samples, &step.rows);
                let score = training.step(rate);
                let mask: String = training.kept.iter().map(|&kept| if kept { '1' } else { '0' }).collect();
                assert_eq!(mask, step.mask, "step {n}");
                let loss = score.loss / step.rows.len() as f64;
                assert!((loss - step.loss).abs() <= GOLDEN_TOLERANCE, "step {n}: {loss} {}", step.loss);
                steps += 1;
                if let (Some(gradients), Some(scores)) = (&step.gradients, &step.scores) {
                    assert_close(&training.gradients[..training.state.scores.len()], gradients);
                    assert_close(&training.state.scores, scores);
                    compared += 1;
                }
            }
        }
        assert_eq!((steps, compared), (9 + 12, 4 + 4));
    }

    #[test]
    fn the_lowest_scores_go_and_ties_go_by_index() {
        let golden = &goldens()[0];
        let mut scores = vec![0.5, -0.5, 0.5, 0.1, -0.9, 0.5, 0.5, 0.2, 0.5, -0.5];
        scores.extend([-3.0, 1.0, 2.0, -1.0, 0.0, 4.0, -5.0, 6.0, 7.0, 8.0]);
        let kept = |keep_fraction| -> String {
            let config = EdgePopupConfig { keep_fraction, ..golden.config() };
            let mut training = golden.training(&config, scores.clone());
            training.prune();
            training.kept.iter().map(|&kept| if kept { '1' } else { '0' }).collect()
        };
        // Five of ten each; of the seven 0.5 the first three go.
        assert_eq!(kept(golden.keep_fraction), "0000111011".to_owned() + "0000011111");
        // floor(0.732 * 10) = 7 of each layer's 10 go.
        assert_eq!(kept(0.268).matches('1').count(), 6);
        assert_eq!(kept(1.0), "1".repeat(20));
    }

    fn undisturbed(
        dataset: &Dataset,
        network: Network,
        config: &EdgePopupConfig,
        seed: u64,
    ) -> Result<EdgePopup, BaselineError> {
        train(dataset, network, config, seed, None, &AtomicBool::new(false))
    }

    fn config() -> EdgePopupConfig {
        EdgePopupConfig { epochs: 40, batch_size: 50, ..EdgePopupConfig::default() }
    }

    #[test]
    fn the_mask_gives_the_reported_counts_in_the_plain_evaluator() {
        let dataset = rings_dataset();
        for init in
            [EdgePopupInit::Uniform, EdgePopupInit::KaimingNormal, EdgePopupInit::SignedKaimingConstant]
        {
            let config = EdgePopupConfig { weight_init: init, keep_fraction: 0.4, ..config() };
            let network = frozen_network(&architecture(&[2, 30, 20, 2]), &config, 4).expect("a network");
            let found = undisturbed(&dataset, network.clone(), &config, 4).expect("a trained mask");
            assert_eq!(found.network, network);
            let count = |samples| plain::count_correct(&network, &found.mask, samples, Arithmetic::Fused);
            assert_eq!(found.outcome.train_correct, count(&dataset.train), "{init:?}");
            assert_eq!(found.outcome.test_correct, count(&dataset.test), "{init:?}");
            assert_eq!(found.outcome.history.len(), 40);
            // floor(0.6 * 60) + floor(0.6 * 600) + floor(0.6 * 40) of 700.
            assert_eq!(found.sparsity, 420.0 / 700.0);
        }
    }

    #[test]
    fn kaiming_networks_are_scaled_by_the_fraction_kept_and_have_no_biases() {
        let config = EdgePopupConfig {
            weight_init: EdgePopupInit::SignedKaimingConstant,
            keep_fraction: 0.25,
            ..config()
        };
        let network = frozen_network(&architecture(&[2, 8, 2]), &config, 0).expect("a network");
        // sqrt(2 / (fan_in * 0.25)): 2 and 1.
        assert!(network.weights()[..16].iter().all(|w| w.abs() == 2.0));
        assert!(network.weights()[16..].iter().all(|w| w.abs() == 1.0));
        assert!(network.biases().iter().all(|&b| b == 0.0));
    }

    #[test]
    fn training_finds_a_better_mask_than_the_initial_scores() {
        let dataset = rings_dataset();
        let network = frozen_network(&architecture(&[2, 60, 2]), &config(), 0).expect("a network");
        let found = undisturbed(&dataset, network, &config(), 0).expect("a trained mask");
        // The larger class holds about half.
        let accuracy = f64::from(found.outcome.test_correct) / dataset.test.len() as f64;
        assert!(accuracy >= 0.8, "{accuracy}");
        let (first, last) = (found.outcome.history[0], found.outcome.history[39]);
        assert!(last.loss < 0.8 * first.loss, "{first:?} {last:?}");
    }

    #[test]
    fn a_seed_repeats_its_run_and_another_seed_differs() {
        let dataset = rings_dataset();
        let config = EdgePopupConfig { epochs: 3, shuffle: true, ..config() };
        let run = |seed| {
            let network = frozen_network(&architecture(&[2, 20, 2]), &config, seed).expect("a network");
            undisturbed(&dataset, network, &config, seed).expect("a trained mask")
        };
        assert_eq!(run(0), run(0));
        assert_ne!(run(0).mask, run(1).mask);
    }

    #[test]
    fn impossible_settings_are_refused_by_their_key() {
        let dataset = rings_dataset();
        let attempt = |config: EdgePopupConfig, widths: &[usize]| {
            let network = frozen_network(&architecture(widths), &self::config(), 0).expect("a network");
            undisturbed(&dataset, network, &config, 0).expect_err("an impossible setting").to_string()
        };
        let none = EdgePopupConfig { keep_fraction: 0.0, ..config() };
        assert!(attempt(none, &[2, 4, 2]).contains("keep_fraction: "));
        let undefined = EdgePopupConfig { learning_rate: f64::NAN, ..config() };
        assert!(attempt(undefined, &[2, 4, 2]).contains("learning_rate: "));
        assert!(attempt(config(), &[3, 4, 2]).contains("3 inputs"));
        assert!(attempt(config(), &[2, 4, 1]).contains("1 outputs"));
        assert!(serde_json::from_str::<EdgePopupConfig>(r#"{"prune_rate": 0.5}"#).is_err());
    }
}
