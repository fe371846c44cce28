//! A trained network: backpropagation with the semantics of scikit-learn's `MLPClassifier` (1.9).

use crate::baseline::course::{Course, packed_floats};
use crate::baseline::dense::Dense;
use crate::baseline::optimizer::{
    ADAPTIVE_DIVISOR, ADAPTIVE_FLOOR, Adam, Schedule, StepMomentum, are_finite,
};
use crate::baseline::{BaselineError, Outcome, Outside, all_rows, check_shapes, init, outcome};
use crate::dataset::{Dataset, Samples};
use crate::flaw::Flaw;
use crate::network::{Architecture, Network};
use crate::random::{self, Concern};
use crate::search::StopReason;
use crate::settings::{BadSetting, ensure};
use serde::{Deserialize, Serialize};

/// The optimiser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Solver {
    #[default]
    Adam,
    Sgd,
}

/// How two classes are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BinaryOutput {
    /// One logistic output, as in scikit-learn. The trained network has two all the same: the first is
    /// always 0, the second is the logit.
    #[default]
    Logistic,
    /// A softmax over two outputs.
    Softmax,
}

/// Settings; the defaults are scikit-learn's, but for `max_epochs`, which is the paper's (200 there).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackpropConfig {
    pub solver: Solver,
    pub learning_rate_init: f64,
    /// SGD only.
    pub schedule: Schedule,
    /// Exponent of the inverse-scaling schedule.
    pub power_t: f64,
    /// SGD only.
    pub momentum: f64,
    /// Nesterov's form of the momentum; SGD only.
    pub nesterov: bool,
    /// Adam only, as `beta_2` and `epsilon`.
    pub beta_1: f64,
    pub beta_2: f64,
    pub epsilon: f64,
    /// L2 penalty on the weights (not the biases), divided by the size of the minibatch.
    pub alpha: f64,
    /// Samples per minibatch; larger than the training set means all of it.
    pub batch_size: usize,
    /// Draw a new order of the samples for every epoch.
    pub shuffle: bool,
    pub max_epochs: u32,
    /// An epoch improves the loss if it lies below the best so far by at least this much.
    pub tolerance: f64,
    /// Training ends (or the adaptive rate falls) after more than this many epochs without improvement.
    pub patience: u32,
    pub binary_output: BinaryOutput,
}

impl Default for BackpropConfig {
    fn default() -> Self {
        Self {
            solver: Solver::Adam,
            learning_rate_init: 0.001,
            schedule: Schedule::Constant,
            power_t: 0.5,
            momentum: 0.9,
            nesterov: true,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            alpha: 1e-4,
            batch_size: 200,
            shuffle: true,
            max_epochs: 1000,
            tolerance: 1e-4,
            patience: 10,
            binary_output: BinaryOutput::Logistic,
        }
    }
}

impl BackpropConfig {
    /// Refuses values without meaning.
    ///
    /// # Errors
    /// Names the key.
    pub fn validate(&self) -> Result<(), BadSetting> {
        let positive =
            |key, value: f64| ensure(value > 0.0 && value.is_finite(), key, "positive and finite", value);
        let natural =
            |key, value: f64| ensure(value >= 0.0 && value.is_finite(), key, "at least 0 and finite", value);
        let share =
            |key, value: f64| ensure((0.0..1.0).contains(&value), key, "at least 0 and below 1", value);
        positive("learning_rate_init", self.learning_rate_init)?;
        positive("epsilon", self.epsilon)?;
        natural("power_t", self.power_t)?;
        natural("alpha", self.alpha)?;
        natural("tolerance", self.tolerance)?;
        share("momentum", self.momentum)?;
        share("beta_1", self.beta_1)?;
        share("beta_2", self.beta_2)?;
        ensure(self.batch_size > 0, "batch_size", "at least 1", self.batch_size)?;
        ensure(self.max_epochs > 0, "max_epochs", "at least 1", self.max_epochs)
    }

    /// The paper's hyperparameters (Table 2) for `moons` or `circles` and an architecture `A` to `D`, given
    /// by its widths; none for anything else.
    pub fn preset(dataset: &str, architecture: &Architecture) -> Option<Self> {
        let adam = |learning_rate_init, batch_size, alpha| Self {
            solver: Solver::Adam,
            learning_rate_init,
            epsilon: 4.64e-9,
            batch_size,
            alpha,
            ..Self::default()
        };
        let sgd = |learning_rate_init, batch_size, momentum| Self {
            solver: Solver::Sgd,
            schedule: Schedule::Adaptive,
            learning_rate_init,
            batch_size,
            alpha: 0.046416,
            momentum,
            ..Self::default()
        };
        match (dataset, architecture.widths()) {
            ("moons", [2, 20, 2]) => Some(adam(0.021544, 128, 0.0001)),
            ("moons", [2, 75, 2] | [2, 100, 2] | [2, 50, 50, 2]) => Some(adam(0.001, 64, 0.000215)),
            ("circles", [2, 20, 2]) => Some(sgd(0.1, 64, 0.0)),
            ("circles", [2, 75, 2]) => Some(sgd(0.004642, 128, 0.5)),
            ("circles", [2, 100, 2]) => Some(adam(0.001, 64, 0.000215)),
            ("circles", [2, 50, 50, 2]) => Some(sgd(0.1, 128, 0.0)),
            _ => None,
        }
    }
}

/// A trained network.
#[derive(Clone, Debug, PartialEq)]
pub struct Backprop {
    pub outcome: Outcome,
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
    state: Option<State>,
    outside: &impl Outside,
) -> Result<Backprop, BaselineError> {
    config.validate()?;
    check_shapes(dataset, architecture)?;
    let trained = trained_architecture(architecture, dataset.classes(), config.binary_output);
    let mut fit = Fit::new(&trained, config, all_rows(&dataset.train), seed);
    if let Some(state) = state {
        fit.state = state;
    }
    let stop = fit.run(&dataset.train, outside);
    let Fit { mut dense, state: State { course, parameters, .. }, .. } = fit;
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
    let mut fit = Fit::new(&architecture, config, rows, seed);
    if fit.run(samples, outside) == StopReason::Interrupted {
        return None;
    }
    let correct = fit.dense.count_correct(&fit.state.parameters, samples, held_out);
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
pub struct State {
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

impl State {
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
struct Fit<'a> {
    config: &'a BackpropConfig,
    dense: Dense,
    /// Number of weights, and so the index of the first bias.
    weights: usize,
    gradients: Vec<f32>,
    batch_size: usize,
    state: State,
}

impl<'a> Fit<'a> {
    fn new(architecture: &Architecture, config: &'a BackpropConfig, rows: Vec<u32>, seed: u64) -> Self {
        let batch_size = config.batch_size.min(rows.len());
        let state = State::new(architecture, config, rows, seed);
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
            if let Some(stop) = self.judge() {
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
            let mut fit = Fit::new(&trained, &config, rows.clone(), 0);
            fit.state.parameters = golden.initial;
            fit.run(&samples, &AtomicBool::new(false));
            let Fit { mut dense, state, .. } = fit;
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
            assert!(found.outcome.test_accuracy() >= 0.95, "{}", found.outcome.test_accuracy());
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

    #[test]
    fn all_eight_published_cells_have_a_valid_preset() {
        for dataset in ["moons", "circles"] {
            for widths in [&[2, 20, 2][..], &[2, 75, 2], &[2, 100, 2], &[2, 50, 50, 2]] {
                let preset = BackpropConfig::preset(dataset, &architecture(widths)).expect("a preset");
                preset.validate().expect("a valid preset");
            }
        }
        assert_eq!(BackpropConfig::preset("digits", &architecture(&[64, 20, 10])), None);
    }

    #[test]
    fn impossible_settings_are_refused_by_their_key() {
        let refusal = |config: BackpropConfig| config.validate().expect_err("a refusal").to_string();
        assert!(refusal(BackpropConfig { momentum: 1.0, ..config() }).starts_with("momentum: "));
        assert!(refusal(BackpropConfig { batch_size: 0, ..config() }).starts_with("batch_size: "));
        assert!(refusal(BackpropConfig { alpha: f64::INFINITY, ..config() }).starts_with("alpha: "));
        assert!(serde_json::from_str::<BackpropConfig>(r#"{"tol": 0.5}"#).is_err());
    }
}
