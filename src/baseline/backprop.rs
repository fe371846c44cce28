//! A trained network: backpropagation with the semantics of scikit-learn's `MLPClassifier` (1.9).

mod config;

pub use config::{BackpropConfig, BinaryOutput, Solver};

use crate::baseline::course::{Course, packed_floats};
use crate::baseline::dense::Dense;
use crate::baseline::optimizer::{
    ADAPTIVE_DIVISOR, ADAPTIVE_FLOOR, Adam, Schedule, StepMomentum, are_finite,
};
use crate::baseline::{BaselineError, Outside, TrainingOutcome, all_rows, check_shapes, init, outcome};
use crate::dataset::{Dataset, Samples};
use crate::flaw::Flaw;
use crate::network::{Architecture, Network};
use crate::random::{self, Concern};
use crate::search::StopReason;
use serde::{Deserialize, Serialize};

/// A trained network.
#[derive(Clone, Debug, PartialEq)]
pub struct Backprop {
    pub outcome: TrainingOutcome,
    /// With the architecture asked for, also where training had a single logistic output.
    pub network: Network,
}

/// Trains a network from its own initialisation, or from `state` on, as long as `outside` lets it.
///
/// # Errors
/// If the configuration is out of range, or the data do not fit the architecture.
pub fn train(
    dataset: &Dataset,
    architecture: &Architecture,
    config: &BackpropConfig,
    seed: u64,
    state: Option<BackpropState>,
    outside: &impl Outside,
) -> Result<Backprop, BaselineError> {
    config.validate()?;
    check_shapes(dataset, architecture)?;
    let trained = trained_architecture(architecture, dataset.classes(), config.binary_output);
    let mut training = BackpropTraining::new(&trained, config, all_rows(&dataset.train), seed);
    if let Some(state) = state {
        training.state = state;
    }
    let stop = training.run(&dataset.train, outside);
    let BackpropTraining { mut dense, state: BackpropState { course, parameters, .. }, .. } = training;
    let outcome = outcome(&mut dense, &parameters, dataset, course.history, stop);
    Ok(Backprop { outcome, network: widen(parameters, &trained, architecture) })
}

/// The accuracy on the samples at `held_out` after training on those at `rows`; none if `outside` stops it.
pub(super) fn validation_accuracy(
    samples: &Samples,
    (rows, held_out): (Vec<u32>, &[u32]),
    (architecture, classes): (&Architecture, usize),
    config: &BackpropConfig,
    seed: u64,
    outside: &impl Outside,
) -> Option<f64> {
    let architecture = trained_architecture(architecture, classes, config.binary_output);
    let mut training = BackpropTraining::new(&architecture, config, rows, seed);
    if training.run(samples, outside) == StopReason::Interrupted {
        return None;
    }
    let correct = training.dense.count_correct(&training.state.parameters, samples, held_out);
    Some(f64::from(correct) / held_out.len() as f64)
}

/// The architecture that is trained: with one output where that is logistic.
fn trained_architecture(architecture: &Architecture, classes: usize, output: BinaryOutput) -> Architecture {
    if classes != 2 || architecture.outputs() != 2 || output != BinaryOutput::Logistic {
        return architecture.clone();
    }
    let mut widths = architecture.widths().to_vec();
    *widths.last_mut().expect("an architecture has widths") = 1;
    widths.try_into().expect("fewer outputs than a valid architecture")
}

/// The trained parameters as a network of `architecture`: a logistic output becomes the second of two, the
/// first of which is 0 (no weights, no bias), so that the larger one is the prediction.
fn widen(parameters: Vec<f32>, trained: &Architecture, architecture: &Architecture) -> Network {
    let (weights, biases) = parameters.split_at(trained.weights());
    let (mut weights, mut biases) = (weights.to_vec(), biases.to_vec());
    if trained != architecture {
        let last = architecture.layer(architecture.layer_count() - 1);
        weights.splice(last.first_weight..last.first_weight, std::iter::repeat_n(0.0, last.inputs));
        biases.insert(last.first_bias, 0.0);
    }
    Network::new(architecture.clone(), weights, biases).expect("as many parameters as the architecture has")
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Optimizer {
    Adam(Adam),
    Sgd(StepMomentum),
}

/// Where a training stands between two minibatches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackpropState {
    course: Course,
    #[serde(with = "packed_floats")]
    parameters: Vec<f32>,
    optimizer: Optimizer,
    rate: f64,
    /// The lowest loss of an epoch.
    best: Option<f64>,
    /// Epochs since the loss improved.
    stale: u32,
}

impl BackpropState {
    fn new(architecture: &Architecture, config: &BackpropConfig, rows: Vec<u32>, seed: u64) -> Self {
        let parameters =
            init::glorot_uniform(architecture, &mut random::stream(seed, Concern::BackpropWeights));
        Self {
            course: Course::new(rows, random::stream(seed, Concern::TrainingOrder)),
            optimizer: Optimizer::new(parameters.len(), config),
            parameters,
            rate: config.learning_rate_init,
            best: None,
            stale: 0,
        }
    }

    /// Could this be the state of a training of `architecture` with these settings on `dataset`?
    ///
    /// # Errors
    /// Says what is impossible.
    pub fn check(
        &self,
        config: &BackpropConfig,
        architecture: &Architecture,
        dataset: &Dataset,
    ) -> Result<(), Flaw> {
        let trained = trained_architecture(architecture, dataset.classes(), config.binary_output);
        let parameters = trained.weights() + trained.biases();
        let optimizer = match (&self.optimizer, &Optimizer::new(parameters, config)) {
            (Optimizer::Adam(adam), Optimizer::Adam(fresh)) => adam.is_like(fresh),
            (Optimizer::Sgd(sgd), Optimizer::Sgd(fresh)) => sgd.is_like(fresh),
            _ => false,
        };
        let is_rate = self.rate > 0.0 && self.rate <= config.learning_rate_init;
        let fits = self.parameters.len() == parameters && are_finite(&self.parameters);
        if !optimizer || !is_rate || !fits || !self.best.is_none_or(f64::is_finite) {
            return Err("impossible parameters".into());
        }
        self.course.check(dataset.train.len(), config.max_epochs)
    }

    /// Where it stands, as in `epoch 12`.
    pub fn whereabouts(&self) -> String {
        format!("epoch {}", self.course.history.len())
    }
}

impl Optimizer {
    fn new(parameters: usize, config: &BackpropConfig) -> Self {
        match config.solver {
            Solver::Adam => Self::Adam(Adam::new(parameters, config.beta_1, config.beta_2, config.epsilon)),
            Solver::Sgd => Self::Sgd(StepMomentum::new(parameters, config.momentum, config.nesterov)),
        }
    }
}

/// Training in progress.
struct BackpropTraining<'a> {
    config: &'a BackpropConfig,
    dense: Dense,
    /// Number of weights, and so the index of the first bias.
    weights: usize,
    gradients: Vec<f32>,
    batch_size: usize,
    state: BackpropState,
}

impl<'a> BackpropTraining<'a> {
    fn new(architecture: &Architecture, config: &'a BackpropConfig, rows: Vec<u32>, seed: u64) -> Self {
        let batch_size = config.batch_size.min(rows.len());
        let state = BackpropState::new(architecture, config, rows, seed);
        Self {
            config,
            dense: Dense::new(architecture, batch_size),
            weights: architecture.weights(),
            gradients: vec![0.0; state.parameters.len()],
            batch_size,
            state,
        }
    }

    /// Trains until a reason to stop.
    fn run(&mut self, samples: &Samples, outside: &impl Outside) -> StopReason {
        while self.state.course.history.len() < self.config.max_epochs as usize {
            if !self.epoch(samples, outside) {
                return StopReason::Interrupted;
            }
            let stop = self.judge();
            outside.epoch(&self.state.course.history);
            if let Some(stop) = stop {
                return stop;
            }
        }
        StopReason::Epochs
    }

    /// Ends the epoch, adapts the learning rate, and says if training ends here.
    fn judge(&mut self) -> Option<StopReason> {
        let (config, state) = (self.config, &mut self.state);
        let epoch = state.course.end_epoch();
        if !epoch.loss.is_finite() {
            return Some(StopReason::Diverged);
        }
        let best = state.best.unwrap_or(f64::INFINITY);
        state.stale = if epoch.loss > best - config.tolerance { state.stale + 1 } else { 0 };
        state.best = Some(best.min(epoch.loss));
        if config.solver == Solver::Sgd && config.schedule == Schedule::InverseScaling {
            let seen = (state.course.history.len() * state.course.samples()) as f64;
            state.rate = config.learning_rate_init / libm::pow(seen + 1.0, config.power_t);
        }
        if state.stale > config.patience {
            let adaptive = config.solver == Solver::Sgd && config.schedule == Schedule::Adaptive;
            if !adaptive || state.rate <= ADAPTIVE_FLOOR {
                return Some(StopReason::Converged);
            }
            state.rate /= ADAPTIVE_DIVISOR;
            state.stale = 0;
        }
        None
    }

    /// The rest of one pass over the samples; says whether it came to its end.
    fn epoch(&mut self, samples: &Samples, outside: &impl Outside) -> bool {
        let (config, state) = (self.config, &mut self.state);
        while let Some(rows) = state.course.minibatch(self.batch_size, config.shuffle) {
            let decay = (config.alpha / rows.len() as f64) as f32;
            self.dense.load(samples, rows);
            self.dense.forward(&state.parameters);
            let score = self.dense.score();
            self.dense.backward(&state.parameters, &mut self.gradients);
            let penalty = penalize(&state.parameters[..self.weights], &mut self.gradients, decay);
            match &mut state.optimizer {
                Optimizer::Adam(adam) => adam.step(&mut state.parameters, &self.gradients, state.rate),
                Optimizer::Sgd(sgd) => sgd.step(&mut state.parameters, &self.gradients, state.rate),
            }
            // The penalty is divided by the minibatch's size, the epoch's loss weighs it by that size.
            state.course.add(score.loss + 0.5 * config.alpha * penalty, score.correct);
            if state.course.is_finite() && !outside.goes_on(state) {
                return false;
            }
        }
        true
    }
}

/// Adds the L2 penalty's gradient, and returns the weights' squared norm.
fn penalize(weights: &[f32], gradients: &mut [f32], decay: f32) -> f64 {
    let mut square = [0.0; 16];
    for (weights, gradients) in weights.chunks(16).zip(gradients.chunks_mut(16)) {
        for ((&weight, gradient), square) in weights.iter().zip(gradients).zip(&mut square) {
            *gradient += decay * weight;
            *square += weight * weight;
        }
    }
    square.iter().map(|&x| f64::from(x)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::testing::{architecture, rings_dataset};
    use crate::evaluate::{Arithmetic, plain};
    use crate::mask;
    use std::sync::atomic::AtomicBool;

    #[derive(Deserialize)]
    struct Goldens {
        cases: Vec<Golden>,
    }

    #[derive(Deserialize)]
    struct Golden {
        widths: Vec<usize>,
        classes: usize,
        features: Vec<f32>,
        labels: Vec<u32>,
        initial: Vec<f32>,
        config: BackpropConfig,
        loss_curve: Vec<f64>,
        r#final: Vec<f64>,
        /// The learning rate at the end; SGD only.
        rate: Option<f64>,
        train_correct: u32,
    }

    /// Ours is single precision, the goldens are double; rounding grows over up to 60 epochs.
    const LOSS_TOLERANCE: f64 = 2e-5;
    /// As above; parameters drift further than the loss along its flat directions.
    const PARAMETER_TOLERANCE: f64 = 2e-4;

    #[test]
    fn every_epochs_loss_is_that_of_scikit_learn() {
        let text = include_str!("../../tests/goldens/backprop.json");
        let goldens = serde_json::from_str::<Goldens>(text).expect("a readable golden file").cases;
        assert_eq!(goldens.len(), 5);
        for (case, golden) in goldens.into_iter().enumerate() {
            let width = golden.widths[0];
            let samples = Samples { features: golden.features, labels: golden.labels, width };
            let config = BackpropConfig { shuffle: false, ..golden.config };
            let trained =
                trained_architecture(&architecture(&golden.widths), golden.classes, config.binary_output);
            let rows = all_rows(&samples);
            let mut training = BackpropTraining::new(&trained, &config, rows.clone(), 0);
            training.state.parameters = golden.initial;
            training.run(&samples, &AtomicBool::new(false));
            let BackpropTraining { mut dense, state, .. } = training;
            assert_eq!(state.course.history.len(), golden.loss_curve.len(), "case {case}");
            for (epoch, (ours, theirs)) in state.course.history.iter().zip(&golden.loss_curve).enumerate() {
                assert!((ours.loss - theirs).abs() <= LOSS_TOLERANCE, "case {case} epoch {epoch}");
            }
            assert_eq!(state.parameters.len(), golden.r#final.len());
            for (index, (&ours, &theirs)) in state.parameters.iter().zip(&golden.r#final).enumerate() {
                let difference = (f64::from(ours) - theirs).abs();
                assert!(difference <= PARAMETER_TOLERANCE, "case {case} parameter {index}: {ours} {theirs}");
            }
            if let Some(rate) = golden.rate {
                assert!((state.rate / rate - 1.0).abs() <= 1e-12, "case {case}: {} {rate}", state.rate);
            }
            let correct = dense.count_correct(&state.parameters, &samples, &rows);
            assert_eq!(correct, golden.train_correct, "case {case}");
        }
    }

    fn undisturbed(
        dataset: &Dataset,
        architecture: &Architecture,
        config: &BackpropConfig,
        seed: u64,
    ) -> Result<Backprop, BaselineError> {
        let stop = AtomicBool::new(false);
        train(dataset, architecture, config, seed, None, &stop)
    }

    fn config() -> BackpropConfig {
        BackpropConfig { learning_rate_init: 0.01, batch_size: 50, max_epochs: 60, ..Default::default() }
    }

    #[test]
    fn the_trained_network_gives_the_reported_counts_in_the_plain_evaluator() {
        let dataset = rings_dataset();
        let architecture = architecture(&[2, 20, 2]);
        for binary_output in [BinaryOutput::Logistic, BinaryOutput::Softmax] {
            let config = BackpropConfig { binary_output, ..config() };
            let found = undisturbed(&dataset, &architecture, &config, 1).expect("a trained network");
            assert_eq!(*found.network.architecture(), architecture);
            let mut full = vec![0; architecture.mask_words()];
            mask::fill(&mut full, architecture.weights());
            let count = |samples| plain::count_correct(&found.network, &full, samples, Arithmetic::Fused);
            assert_eq!(found.outcome.train_correct, count(&dataset.train));
            assert_eq!(found.outcome.test_correct, count(&dataset.test));
            let accuracy = f64::from(found.outcome.test_correct) / dataset.test.len() as f64;
            assert!(accuracy >= 0.95, "{accuracy}");
        }
    }

    #[test]
    fn a_seed_repeats_its_run_and_another_seed_differs() {
        let dataset = rings_dataset();
        let config = BackpropConfig { max_epochs: 3, ..config() };
        let run = |seed| undisturbed(&dataset, &architecture(&[2, 9, 2]), &config, seed).expect("a network");
        assert_eq!(run(0), run(0));
        assert_ne!(run(0), run(1));
    }

    #[test]
    fn training_ends_when_the_loss_stops_improving_or_is_lost() {
        let dataset = rings_dataset();
        let architecture = architecture(&[2, 9, 2]);
        let patient = BackpropConfig { tolerance: 10.0, patience: 3, ..config() };
        let found = undisturbed(&dataset, &architecture, &patient, 0).expect("a network");
        // The first epoch improves on infinity, the next four do not.
        assert_eq!((found.outcome.stop, found.outcome.history.len()), (StopReason::Converged, 5));
        let wild = BackpropConfig { solver: Solver::Sgd, learning_rate_init: 1e30, ..config() };
        let found = undisturbed(&dataset, &architecture, &wild, 0).expect("a network");
        assert_eq!(found.outcome.stop, StopReason::Diverged);
        let short = BackpropConfig { max_epochs: 2, ..config() };
        let found = undisturbed(&dataset, &architecture, &short, 0).expect("a network");
        assert_eq!((found.outcome.stop, found.outcome.history.len()), (StopReason::Epochs, 2));
    }
}
