//! A backend whose answers are those of a function: for tests of what asks for scores, and for timing it alone.
//!
//! ```
//! use supermask::evaluate::{Backend, MockBackend};
//! use supermask::objective::Score;
//!
//! // Every mask is as good as the bits that it keeps are many.
//! let backend = MockBackend::new(|trial| {
//!     let kept: u32 = trial.mask.iter().map(|word| word.count_ones()).sum();
//!     Score { correct: kept, loss: 0 }
//! });
//! assert_eq!(backend.info().name, "mock");
//! ```

use super::neighbours::Tiles;
use super::{
    AdapterInfo, Arithmetic, Backend, Batch, Capacity, Demand, Detail, EvaluateError, Evaluator,
    Neighbourhood, PeakRates, Problem, Question, plain,
};
use crate::dataset::{Dataset, Samples, Split};
use crate::network::{Architecture, Network};
use crate::objective::{Objective, Score};
use std::fmt;
use std::sync::Arc;

/// A mask that is to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'a> {
    /// Packed words.
    pub mask: &'a [u32],
    /// The network that it masks, and that one's index.
    pub network: &'a Network,
    pub index: u32,
    pub split: Split,
    pub samples: &'a Samples,
    pub objective: Objective,
}

type TrialFunction = dyn Fn(&Trial<'_>) -> Score + Send + Sync;

/// Judges masks by a function, which should be pure. It has no neighbourhoods.
#[derive(Clone)]
pub struct MockBackend {
    judge: Arc<TrialFunction>,
    arithmetic: Arithmetic,
}

impl fmt::Debug for MockBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockBackend").field("arithmetic", &self.arithmetic).finish_non_exhaustive()
    }
}

impl MockBackend {
    /// Answers as `judge` does.
    pub fn new(judge: impl Fn(&Trial<'_>) -> Score + Send + Sync + 'static) -> Self {
        Self { judge: Arc::new(judge), arithmetic: Arithmetic::Fused }
    }

    /// Answers with the plain form: right, and slow.
    pub fn plain(arithmetic: Arithmetic) -> Self {
        let judge = move |trial: &Trial<'_>| {
            plain::score(trial.network, trial.mask, trial.samples, &trial.objective, arithmetic)
        };
        Self { judge: Arc::new(judge), arithmetic }
    }
}

impl Backend for MockBackend {
    fn info(&self) -> AdapterInfo {
        let [name, backend, driver, kind] = ["mock", "mock", "a function", "mock"].map(str::to_owned);
        AdapterInfo { name, backend, driver, kind }
    }

    fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    fn capacity(&self) -> Capacity {
        Capacity { binding_bytes: u64::MAX, masks: super::backend::CPU_MASKS }
    }

    fn evaluator(&self, problem: &Problem<'_>) -> Result<Box<dyn Evaluator>, EvaluateError> {
        Ok(Box::new(MockEvaluator {
            backend: self.clone(),
            info: self.info(),
            architecture: problem.architecture.clone(),
            networks: problem.networks.to_vec(),
            dataset: Arc::clone(problem.dataset),
            executed: Vec::new(),
        }))
    }

    fn neighbourhood(
        &self,
        _: &Network,
        _: Tiles,
        _: Objective,
        _: Demand,
    ) -> Result<Box<dyn Neighbourhood>, EvaluateError> {
        Err(EvaluateError::Unsupported("the mock has no neighbourhoods".to_owned()))
    }

    fn peak_rates(&self) -> Result<PeakRates, EvaluateError> {
        Err(EvaluateError::Unsupported("the mock computes nothing that a rate could be told of".to_owned()))
    }
}

struct MockEvaluator {
    backend: MockBackend,
    info: AdapterInfo,
    architecture: Architecture,
    networks: Vec<Network>,
    dataset: Arc<Dataset>,
    executed: Vec<u64>,
}

impl Evaluator for MockEvaluator {
    fn adapter(&self) -> &AdapterInfo {
        &self.info
    }

    fn arithmetic(&self) -> Arithmetic {
        self.backend.arithmetic
    }

    fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Zeros.
    fn executed(&self) -> &[u64] {
        &self.executed
    }

    fn set_network(&mut self, index: usize, network: &Network) -> Result<(), EvaluateError> {
        let count = self.networks.len();
        let place = self.networks.get_mut(index);
        let place = place.filter(|_| *network.architecture() == self.architecture).ok_or_else(|| {
            let found = network.architecture();
            EvaluateError::Unsupported(format!("network {index} of {count} cannot be one of {found}"))
        })?;
        *place = network.clone();
        Ok(())
    }

    fn answer(
        &mut self,
        split: Split,
        batch: Batch<'_>,
        question: Question<'_>,
    ) -> Result<Vec<Option<Score>>, EvaluateError> {
        batch.check(&self.architecture, self.networks.len())?;
        question.check(batch.networks.len())?;
        let samples = self.dataset.split(split);
        if let Question::Objectives(_) = question {
            super::check_labels(samples, &self.architecture)?;
        }
        let masks = batch.masks.chunks_exact(self.architecture.mask_words()).zip(batch.networks);
        let scores = masks.enumerate().map(|(n, (mask, &index))| {
            let (network, objective) = (&self.networks[index as usize], question.objective(n));
            (self.backend.judge)(&Trial { mask, network, index, split, samples, objective })
        });
        let scores: Vec<Score> = scores.collect();
        self.executed = vec![0; scores.len()];
        Ok(question.reaching(scores))
    }

    /// By the plain form: the function says nothing of it.
    fn detail(&mut self, split: Split, batch: Batch<'_>, detail: Detail<'_>) -> Result<(), EvaluateError> {
        batch.check(&self.architecture, self.networks.len())?;
        let (samples, masks) = (self.dataset.split(split), batch.networks.len());
        let labels = || super::check_labels(samples, &self.architecture);
        detail.check(masks, samples.len(), &self.architecture, labels)?;
        let masks = batch.masks.chunks_exact(self.architecture.mask_words()).zip(batch.networks);
        for ((mask, &index), places) in masks.zip(detail.into_places(batch.networks.len())) {
            let network = &self.networks[index as usize];
            places.note_plainly(network, mask, samples, self.backend.arithmetic);
        }
        Ok(())
    }
}
