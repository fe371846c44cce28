//! An evaluator is asked everything, and its answers are held against the plain form's.

use super::Fault;
use super::case::{EvaluationCase, counts, minimums, reaching};
use super::fault::{compare, compare_one};
use crate::dataset::Split;
use crate::evaluate::gpu::GpuEvaluator;
use crate::evaluate::plain::largest;
use crate::evaluate::{Detail, EvaluateError, Evaluator};
use crate::network::Network;
use crate::objective::Score;

/// An evaluator that is asked.
pub enum Asked {
    /// Whose buffers are filled with nonsense before every question, so that what a kernel leaves unwritten is seen.
    OnDevice(Box<GpuEvaluator>),
    Other(Box<dyn Evaluator>),
}

impl Asked {
    fn poison(&mut self, word: u32) -> Result<(), EvaluateError> {
        match self {
            Self::OnDevice(evaluator) => evaluator.poison(word),
            Self::Other(_) => Ok(()),
        }
    }

    fn evaluator(&mut self) -> &mut dyn Evaluator {
        match self {
            Self::OnDevice(evaluator) => &mut **evaluator,
            Self::Other(evaluator) => &mut **evaluator,
        }
    }

    pub(super) fn set_network(&mut self, index: usize, network: &Network) -> Result<(), EvaluateError> {
        self.evaluator().set_network(index, network)
    }

    /// Every question about `case`, to which the plain form has the answers `expected` (`[split]`).
    ///
    /// # Errors
    /// The first answer that differs, or the evaluator's error.
    pub fn everything(&mut self, case: &EvaluationCase, expected: &[Vec<Score>; 3]) -> Result<(), Fault> {
        Split::ALL.into_iter().try_for_each(|split| self.scores(case, split, &expected[split as usize]))?;
        // What is given up is given up alike on every split: the largest is enough.
        let counts = counts(&expected[Split::Train as usize]);
        let minimums = minimums(&counts, case.dataset.train.len() as u32);
        minimums.iter().try_for_each(|minimum| self.reaching(case, &counts, minimum))
    }

    /// Counts, then losses.
    ///
    /// # Errors
    /// As [`everything`](Self::everything).
    pub fn scores(&mut self, case: &EvaluationCase, split: Split, expected: &[Score]) -> Result<(), Fault> {
        self.poison(u32::MAX)?;
        let found = self.evaluator().score(split, case.batch())?;
        compare(&format!("count on {split:?}"), &found, &counts(expected))?;
        compare("number of executed", &[self.evaluator().executed().len()], &[expected.len()])?;
        self.poison(f32::NAN.to_bits())?;
        let found = self.evaluator().judge(split, case.batch(), &case.objectives)?;
        compare(&format!("loss on {split:?}"), &found, expected)
    }

    /// Predictions, outputs and confusion counts on the training samples, for which the plain form has these `outputs`.
    ///
    /// # Errors
    /// As [`everything`](Self::everything).
    pub fn details(&mut self, case: &EvaluationCase, outputs: &[f32]) -> Result<(), Fault> {
        let (labels, classes) = (&case.dataset.train.labels, case.architecture().outputs());
        let predicted: Vec<u32> = outputs.chunks_exact(classes).map(largest).collect();
        let mut confusion = vec![0; case.names.len() * classes * classes];
        for (n, &predicted) in predicted.iter().enumerate() {
            let (mask, label) = (n / labels.len(), labels[n % labels.len()] as usize);
            confusion[(mask * classes + label) * classes + predicted as usize] += 1;
        }
        self.poison(u32::MAX)?;
        let found = self.evaluator().confusion(Split::Train, case.batch())?;
        compare("confusion count", &found, &confusion)?;

        self.poison(f32::NAN.to_bits())?;
        let mut found = vec![f32::NAN; outputs.len()];
        self.evaluator().detail(Split::Train, case.batch(), Detail::Outputs(&mut found))?;
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        compare("output, in bits", &bits(&found), &bits(outputs))?;
        compare("number of executed", &[self.evaluator().executed().len()], &[case.names.len()])?;

        self.poison(u32::MAX)?;
        let mut found = vec![u8::MAX; predicted.len()];
        let answer = self.evaluator().detail(Split::Train, case.batch(), Detail::Predictions(&mut found));
        if classes > usize::from(u8::MAX) + 1 {
            return compare_one("refusal of predictions that do not fit a byte", answer.is_err(), true);
        }
        answer?;
        let found: Vec<u32> = found.into_iter().map(u32::from).collect();
        compare("prediction", &found, &predicted)
    }

    /// The training samples' `counts` where they reach a `minimum`, which masks that cannot are given up by.
    ///
    /// # Errors
    /// As [`everything`](Self::everything).
    pub fn reaching(&mut self, case: &EvaluationCase, counts: &[u32], minimum: &[u32]) -> Result<(), Fault> {
        self.poison(u32::MAX)?;
        let found = self.evaluator().score_at_least(Split::Train, case.batch(), minimum)?;
        compare(&format!("count that reaches {minimum:?}"), &found, &reaching(counts, minimum))
    }
}
