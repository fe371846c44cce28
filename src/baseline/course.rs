//! How far a training has come, its parameters apart.

use crate::baseline::Epoch;
use crate::flaw::Flaw;
use crate::mask::packed;
use crate::random::{self, Stream};
use serde::{Deserialize, Serialize};

/// Where a training stands between two minibatches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Course {
    order: Stream,
    /// The samples to train on, in the order of the present epoch.
    #[serde(with = "packed")]
    rows: Vec<u32>,
    /// Samples of the present epoch that have been trained on.
    done: usize,
    /// Sums over these samples.
    loss: f64,
    correct: u32,
    /// Complete epochs.
    pub history: Vec<Epoch>,
}

impl Course {
    /// Before the first epoch on the samples at `rows`; `order` shuffles them.
    pub fn new(rows: Vec<u32>, order: Stream) -> Self {
        Self { order, rows, done: 0, loss: 0.0, correct: 0, history: Vec::new() }
    }

    /// Number of samples to train on.
    pub fn samples(&self) -> usize {
        self.rows.len()
    }

    /// The next minibatch of the present epoch; none at its end. With `shuffle`, every epoch has an order of its own.
    pub fn minibatch(&mut self, size: usize, shuffle: bool) -> Option<&[u32]> {
        if self.done == 0 && shuffle {
            random::shuffle(&mut self.rows, &mut self.order);
        }
        let rows = &self.rows[self.done..];
        let rows = &rows[..rows.len().min(size)];
        self.done += rows.len();
        (!rows.is_empty()).then_some(rows)
    }

    /// Adds what the last minibatch gave.
    pub fn add(&mut self, loss: f64, correct: u32) {
        self.loss += loss;
        self.correct += correct;
    }

    /// Ends the present epoch, all of whose minibatches are done.
    pub fn end_epoch(&mut self) -> Epoch {
        let samples = self.rows.len() as f64;
        let epoch = Epoch { loss: self.loss / samples, accuracy: f64::from(self.correct) / samples };
        self.history.push(epoch);
        (self.done, self.loss, self.correct) = (0, 0.0, 0);
        epoch
    }

    /// Is the loss a number so far? Where it is not, training is about to end.
    pub fn is_finite(&self) -> bool {
        self.loss.is_finite()
    }

    /// Could this be a course over `samples` samples and at most `epochs` epochs?
    ///
    /// # Errors
    /// Says what is impossible.
    pub fn check(&self, samples: usize, epochs: u32) -> Result<(), Flaw> {
        let mut seen = vec![false; samples];
        let is_first =
            |&row: &u32| seen.get_mut(row as usize).is_some_and(|seen| !std::mem::replace(seen, true));
        if self.rows.len() != samples || !self.rows.iter().all(is_first) {
            return Err("an order of other samples".into());
        }
        let is_epoch = |epoch: &Epoch| epoch.loss.is_finite() && (0.0..=1.0).contains(&epoch.accuracy);
        let is_possible = self.done <= samples && self.correct as usize <= self.done && self.loss.is_finite();
        if is_possible && self.history.len() <= epochs as usize && self.history.iter().all(is_epoch) {
            return Ok(());
        }
        Err("impossible epochs".into())
    }
}

/// Numbers of single precision in checkpoints, bit for bit.
pub mod packed_floats {
    use super::packed;
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(values: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
        let words: Vec<u32> = values.iter().map(|value| value.to_bits()).collect();
        packed::serialize(&words, serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
        Ok(packed::deserialize(deserializer)?.into_iter().map(f32::from_bits).collect())
    }
}
