//! Objectives of the caller's own: a judge is shown what masks make of the samples, and says how good each is.
//!
//! ```
//! use supermask::dataset::Split;
//! use supermask::evaluate::{CpuBackend, Arithmetic, Evidence, Judge, JudgedBackend, JudgeError, Exhibit};
//! use supermask::objective::Needs;
//! use std::sync::Arc;
//!
//! /// The share of samples that are predicted to be of class 1: nothing that a gradient passes through.
//! struct Ones;
//!
//! impl Judge for Ones {
//!     fn needs(&self) -> Needs {
//!         Needs::Predictions
//!     }
//!
//!     fn judge(&self, exhibit: &Exhibit<'_>) -> Result<Vec<f64>, JudgeError> {
//!         let Evidence::Predictions(classes) = exhibit.evidence else { unreachable!("what it needs") };
//!         let share = |mask: &[u8]| mask.iter().filter(|&&class| class == 1).count() as f64 / mask.len() as f64;
//!         Ok(classes.chunks(exhibit.samples()).map(share).collect())
//!     }
//! }
//!
//! // What `run::run` takes for a configuration whose fitness is "own".
//! let backend = JudgedBackend::new(Arc::new(CpuBackend(Arithmetic::Fused)), Arc::new(Ones));
//! ```

use super::neighbours::Tiles;
use super::plain::largest;
use super::{
    AdapterInfo, Arithmetic, Backend, Batch, Capacity, Demand, Detail, EvaluateError, Evaluator, HostTimes,
    Neighbourhood, PeakRates, Problem, Question,
};
use crate::dataset::{Dataset, Split};
use crate::network::{Architecture, Network};
use crate::objective::measure::Confusion;
use crate::objective::{Needs, Objective, Score, judged_loss};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of what a judge is shown at a time, at most, where it is more than one mask's.
const SHOWN_BYTES: usize = 256 << 20;

/// Says how good masks are.
pub trait Judge: Send + Sync {
    /// What it is shown.
    fn needs(&self) -> Needs;

    /// A score for each mask, larger being better: finite, and the same whenever the same is shown.
    ///
    /// # Errors
    /// Says in a sentence why there is none.
    fn judge(&self, exhibit: &Exhibit<'_>) -> Result<Vec<f64>, JudgeError>;
}

/// Why a judge says nothing of masks.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct JudgeError(pub String);

/// What masks make of the samples of a split.
#[derive(Clone, Copy, Debug)]
pub struct Exhibit<'a> {
    pub split: Split,
    /// `[samples]`: what class each is of.
    pub labels: &'a [u32],
    /// Number of masks.
    pub masks: usize,
    /// Outputs of the network.
    pub classes: usize,
    pub evidence: Evidence<'a>,
}

impl Exhibit<'_> {
    /// Number of samples.
    pub fn samples(&self) -> usize {
        self.labels.len()
    }
}

/// What a judge is shown of each mask.
#[derive(Clone, Copy, Debug)]
pub enum Evidence<'a> {
    /// `[masks, samples]`: predicted classes.
    Predictions(&'a [u8]),
    /// `[masks, samples, outputs]`
    Outputs(&'a [f32]),
    /// `[masks, classes, classes]`: samples of the row's class that the column's is predicted for.
    Confusion(&'a [u32]),
}

/// A backend whose evaluators ask a judge where an objective is [`Objective::Judged`].
#[derive(Clone)]
pub struct JudgedBackend {
    backend: Arc<dyn Backend>,
    judge: Arc<dyn Judge>,
}

impl JudgedBackend {
    /// What `backend` computes is shown to `judge`.
    pub fn new(backend: Arc<dyn Backend>, judge: Arc<dyn Judge>) -> Self {
        Self { backend, judge }
    }
}

impl fmt::Debug for JudgedBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JudgedBackend").field("backend", &self.backend).finish_non_exhaustive()
    }
}

impl Backend for JudgedBackend {
    fn info(&self) -> AdapterInfo {
        self.backend.info()
    }

    fn arithmetic(&self) -> Arithmetic {
        self.backend.arithmetic()
    }

    fn capacity(&self) -> Capacity {
        self.backend.capacity()
    }

    fn evaluator(&self, problem: &Problem<'_>) -> Result<Box<dyn Evaluator>, EvaluateError> {
        let evaluator = self.backend.evaluator(problem)?;
        Ok(Box::new(JudgedEvaluator::new(evaluator, Arc::clone(&self.judge), Arc::clone(problem.dataset))))
    }

    fn evaluator_bytes(&self, architecture: &Architecture, networks: usize, samples: usize) -> u64 {
        self.backend.evaluator_bytes(architecture, networks, samples)
    }

    fn neighbourhood(
        &self,
        network: &Network,
        tiles: Tiles,
        objective: Objective,
        demand: Demand,
    ) -> Result<Box<dyn Neighbourhood>, EvaluateError> {
        self.backend.neighbourhood(network, tiles, objective, demand)
    }

    fn peak_rates(&self) -> Result<PeakRates, EvaluateError> {
        self.backend.peak_rates()
    }
}

/// An evaluator that asks a judge where an objective is [`Objective::Judged`], and is another one otherwise.
pub struct JudgedEvaluator {
    evaluator: Box<dyn Evaluator>,
    judge: Arc<dyn Judge>,
    dataset: Arc<Dataset>,
    executed: Vec<u64>,
    shown: LastExhibit,
}

/// What was shown last, kept for its memory.
#[derive(Default)]
struct LastExhibit {
    predictions: Vec<u8>,
    outputs: Vec<f32>,
    confusion: Vec<u32>,
}

impl JudgedEvaluator {
    /// What `evaluator` computes on `dataset`, which it was made for, is shown to `judge`.
    pub fn new(evaluator: Box<dyn Evaluator>, judge: Arc<dyn Judge>, dataset: Arc<Dataset>) -> Self {
        Self { evaluator, judge, dataset, executed: Vec::new(), shown: LastExhibit::default() }
    }

    /// Masks that are shown at a time.
    fn masks_at_a_time(&self, samples: usize, classes: usize) -> usize {
        let bytes = match self.judge.needs() {
            Needs::Predictions => samples,
            Needs::Outputs => samples * classes * 4,
            Needs::Confusion => classes * classes * 4,
        };
        (SHOWN_BYTES / bytes.max(1)).max(1)
    }

    /// What is asked of each mask of `batch`, first of those that the judge scores, then of the others.
    fn answer_in_parts(
        &mut self,
        split: Split,
        batch: Batch<'_>,
        objectives: &[Objective],
    ) -> Result<Vec<Option<Score>>, EvaluateError> {
        let words = self.evaluator.architecture().mask_words();
        let mut scores = vec![None; objectives.len()];
        let mut executed = vec![0; objectives.len()];
        for is_judged in [true, false] {
            let wanted = |&n: &usize| (objectives[n] == Objective::Judged) == is_judged;
            let part: Vec<usize> = (0..objectives.len()).filter(wanted).collect();
            let masks: Vec<u32> =
                part.iter().flat_map(|n| &batch.masks[n * words..][..words]).copied().collect();
            let networks: Vec<u32> = part.iter().map(|&n| batch.networks[n]).collect();
            let asked: Vec<Objective> = part.iter().map(|&n| objectives[n]).collect();
            let of_part = Batch { masks: &masks, networks: &networks };
            let answers = self.answer(split, of_part, Question::Objectives(&asked))?;
            for ((n, answer), done) in part.into_iter().zip(answers).zip(&self.executed) {
                (scores[n], executed[n]) = (answer, *done);
            }
        }
        self.executed = executed;
        Ok(scores)
    }

    /// The scores of `batch`, few enough masks to be shown together.
    fn judged(&mut self, split: Split, batch: Batch<'_>) -> Result<Vec<Score>, EvaluateError> {
        let labels = &self.dataset.split(split).labels[..];
        let (masks, classes) = (batch.networks.len(), self.evaluator.architecture().outputs());
        let LastExhibit { predictions, outputs, confusion } = &mut self.shown;
        let evidence = match self.judge.needs() {
            Needs::Predictions => {
                predictions.resize(masks * labels.len(), 0);
                self.evaluator.detail(split, batch, Detail::Predictions(predictions))?;
                Evidence::Predictions(predictions)
            }
            Needs::Outputs => {
                outputs.resize(masks * labels.len() * classes, 0.0);
                self.evaluator.detail(split, batch, Detail::Outputs(outputs))?;
                Evidence::Outputs(outputs)
            }
            Needs::Confusion => {
                confusion.resize(masks * classes * classes, 0);
                self.evaluator.detail(split, batch, Detail::Confusion(confusion))?;
                Evidence::Confusion(confusion)
            }
        };
        self.executed.extend_from_slice(self.evaluator.executed());
        let exhibit = Exhibit { split, labels, masks, classes, evidence };
        let scores = self.judge.judge(&exhibit).map_err(|JudgeError(why)| EvaluateError::Judge(why))?;
        if scores.len() != masks {
            let found = scores.len();
            return Err(EvaluateError::Judge(format!("{found} scores came for {masks} masks")));
        }
        if let Some(n) = scores.iter().position(|score| !score.is_finite()) {
            let found = scores[n];
            return Err(EvaluateError::Judge(format!(
                "the score of mask {n} of {masks} is {found}; scores must be finite"
            )));
        }
        let score = |(correct, score): (u32, &f64)| Score { correct, loss: judged_loss(score + 0.0) };
        Ok(exhibit.correct().zip(&scores).map(score).collect())
    }
}

impl Exhibit<'_> {
    /// Of each mask, the samples whose class is predicted.
    fn correct(&self) -> Box<dyn Iterator<Item = u32> + '_> {
        let (labels, classes) = (self.labels, self.classes);
        let count = |right: usize| right as u32;
        match self.evidence {
            Evidence::Predictions(all) => Box::new(all.chunks_exact(labels.len()).map(move |of_mask| {
                count(
                    of_mask.iter().zip(labels).filter(|&(&class, &label)| u32::from(class) == label).count(),
                )
            })),
            Evidence::Outputs(all) => {
                Box::new(all.chunks_exact(labels.len() * classes).map(move |of_mask| {
                    let outputs = of_mask.chunks_exact(classes).zip(labels);
                    count(outputs.filter(|&(outputs, &label)| largest(outputs) == label).count())
                }))
            }
            Evidence::Confusion(all) => Box::new(
                all.chunks_exact(classes * classes)
                    .map(move |counts| Confusion::new(counts, classes).correct()),
            ),
        }
    }
}

impl Evaluator for JudgedEvaluator {
    fn adapter(&self) -> &AdapterInfo {
        self.evaluator.adapter()
    }

    fn arithmetic(&self) -> Arithmetic {
        self.evaluator.arithmetic()
    }

    fn architecture(&self) -> &Architecture {
        self.evaluator.architecture()
    }

    fn set_network(&mut self, index: usize, network: &Network) -> Result<(), EvaluateError> {
        self.evaluator.set_network(index, network)
    }

    fn answer(
        &mut self,
        split: Split,
        batch: Batch<'_>,
        question: Question<'_>,
    ) -> Result<Vec<Option<Score>>, EvaluateError> {
        let are_judged = match question {
            Question::Objectives(objectives) => {
                objectives.iter().filter(|&&one| one == Objective::Judged).count()
            }
            Question::Counts | Question::AtLeast(_) => 0,
        };
        self.executed.clear();
        if are_judged == 0 {
            let scores = self.evaluator.answer(split, batch, question)?;
            self.executed.extend_from_slice(self.evaluator.executed());
            return Ok(scores);
        }
        if let Question::Objectives(objectives) = question
            && are_judged < objectives.len()
        {
            return self.answer_in_parts(split, batch, objectives);
        }
        let architecture = self.evaluator.architecture();
        let (words, classes) = (architecture.mask_words(), architecture.outputs());
        let together = self.masks_at_a_time(self.dataset.split(split).len(), classes);
        let mut scores = Vec::with_capacity(batch.networks.len());
        for (masks, networks) in batch.masks.chunks(together * words).zip(batch.networks.chunks(together)) {
            scores.extend(self.judged(split, Batch { masks, networks })?.into_iter().map(Some));
        }
        Ok(scores)
    }

    fn detail(&mut self, split: Split, batch: Batch<'_>, detail: Detail<'_>) -> Result<(), EvaluateError> {
        self.evaluator.detail(split, batch, detail)?;
        self.executed.clear();
        self.executed.extend_from_slice(self.evaluator.executed());
        Ok(())
    }

    fn executed(&self) -> &[u64] {
        &self.executed
    }

    fn device_time(&self) -> Option<Duration> {
        self.evaluator.device_time()
    }

    fn host_times(&self) -> Option<HostTimes> {
        self.evaluator.host_times()
    }

    fn check_objective(&self, objective: &Objective) -> Result<(), EvaluateError> {
        if *objective == Objective::Judged { Ok(()) } else { self.evaluator.check_objective(objective) }
    }
}
