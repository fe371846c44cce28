//! How far runs have come, step by step, as names and numbers: what logs write.

use super::Progress;
use super::record::Record;
use crate::baseline::Epoch;
use crate::search::chains::ChainProgress;
use crate::search::genetic::History;
use serde_json::{Value, json};

/// Where a run stood.
#[derive(Clone, Debug, PartialEq)]
pub struct RunStep {
    /// `generation`, `proposals` or `epoch`.
    pub unit: &'static str,
    pub number: u64,
    /// Numbers by name; what is not known is left out.
    pub values: Vec<(&'static str, Value)>,
}

/// What of a run was not told yet. Generations and epochs are told one by one, whenever it is asked.
#[derive(Debug, Default)]
pub struct Untold {
    /// The first step to be told next.
    next: u64,
    /// The best training accuracy of a local search so far.
    best: f64,
}

impl Untold {
    /// Everything behind the step `last`.
    pub fn behind(last: u64) -> Self {
        Self { next: last + 1, best: 0.0 }
    }

    /// What is new.
    pub fn of(&mut self, progress: &Progress<'_>) -> Vec<RunStep> {
        match progress {
            Progress::Generations(search) => self.generations(search.history(), search.ranking().samples()),
            Progress::Proposals { made, latest } => self.proposals(*made, *latest).into_iter().collect(),
            Progress::Epochs(epochs) => self.epochs(epochs),
        }
    }

    /// What came behind the last progress.
    pub fn of_record(&mut self, record: &Record) -> Vec<RunStep> {
        match &record.history {
            Some(history) => self.generations(history, record.data.train_samples),
            None => self.epochs(&record.epochs),
        }
    }

    /// The steps from `next` on, of `count` whose numbers begin with `first`.
    fn rows(&mut self, first: u64, count: usize, row: impl Fn(usize) -> RunStep) -> Vec<RunStep> {
        let begin = usize::try_from(self.next.saturating_sub(first)).unwrap_or(usize::MAX).min(count);
        self.next = self.next.max(first + count as u64);
        (begin..count).map(row).collect()
    }

    fn generations(&mut self, history: &History, samples: usize) -> Vec<RunStep> {
        self.rows(0, history.len(), |n| {
            let best = history.best_correct[n];
            let mut values = vec![
                ("best_correct", json!(best)),
                ("best_accuracy", json!(f64::from(best) / samples as f64)),
                ("mean_accuracy", json!(history.mean_accuracy[n])),
                ("sparsity", json!(history.best_sparsity[n])),
                ("highest_sparsity", json!(history.highest_sparsity[n])),
                ("diversity", json!(history.diversity[n])),
                ("evaluations", json!(history.evaluations[n])),
            ];
            values.extend(history.accuracy_bound[n].map(|bound| ("accuracy_bound", json!(bound))));
            values.extend(history.best_loss.get(n).map(|loss| ("loss", json!(loss))));
            values.extend(history.hypervolume.get(n).map(|volume| ("hypervolume", json!(volume))));
            RunStep { unit: "generation", number: n as u64, values }
        })
    }

    fn proposals(&mut self, made: u64, latest: ChainProgress) -> Option<RunStep> {
        self.best = self.best.max(latest.accuracy());
        let is_new = made >= self.next;
        self.next = self.next.max(made + 1);
        let values = vec![
            ("best_accuracy", json!(self.best)),
            ("accuracy", json!(latest.accuracy())),
            ("loss", json!(latest.loss)),
            ("weights_kept", json!(latest.weights_kept)),
            ("sparsity", json!(latest.sparsity())),
        ];
        is_new.then_some(RunStep { unit: "proposals", number: made, values })
    }

    /// Epochs are counted from 1: an entry says what one came to.
    fn epochs(&mut self, epochs: &[Epoch]) -> Vec<RunStep> {
        self.rows(1, epochs.len(), |n| {
            let Epoch { loss, accuracy } = epochs[n];
            let values = [("accuracy", accuracy), ("loss", loss)].map(|(name, value)| (name, json!(value)));
            RunStep { unit: "epoch", number: n as u64 + 1, values: values.to_vec() }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_told_once_each_also_behind_those_of_an_earlier_start() {
        let epochs = [Epoch { loss: 1.0, accuracy: 0.5 }; 4];
        let numbers = |untold: &mut Untold, count: usize| -> Vec<u64> {
            untold.of(&Progress::Epochs(&epochs[..count])).iter().map(|step| step.number).collect()
        };
        let mut fresh = Untold::default();
        assert_eq!(
            [numbers(&mut fresh, 1), numbers(&mut fresh, 3), numbers(&mut fresh, 3)],
            [vec![1], vec![2, 3], vec![]]
        );
        let mut later = Untold::behind(2);
        assert_eq!([numbers(&mut later, 2), numbers(&mut later, 4)], [vec![], vec![3, 4]]);
    }
}
