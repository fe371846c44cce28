//! The front of a search that had several objectives.

use super::check::{Checked, FrontFacts, ensure};
use super::{DataFacts, TicketRecord};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The masks of the last population that no other is as good as by every objective and better than by one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ParetoFront {
    /// As the configuration names them.
    pub objectives: Vec<String>,
    /// `[objective]`: the value from which on a mask adds nothing to the hypervolume.
    pub references: Vec<f64>,
    /// The hypervolume on the training set: see [`Goals::hypervolume`](crate::search::genetic::Goals::hypervolume).
    pub hypervolume: f64,
    /// The ticket first, then by falling fitness.
    pub masks: Vec<ParetoMask>,
}

/// One mask of a front.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ParetoMask {
    /// `[objective]`: its value on the training set, a share of samples or of weights pruned, a measure, a mean loss or
    /// a score.
    pub train: Vec<f64>,
    /// `[objective]`: the same on the test set.
    pub test: Vec<f64>,
    /// Share of weights that are pruned.
    pub sparsity: f64,
    pub weights_kept: usize,
    pub train_correct: u32,
    pub test_correct: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_correct: Option<u32>,
    /// The mask, as a record's ticket.
    pub mask_hex: String,
}

impl ParetoFront {
    /// Does the front agree with itself, with the data, and with the `ticket` of a network of so many `weights`?
    ///
    /// # Errors
    /// Says which two values contradict each other.
    pub fn check(&self, weights: usize, data: &DataFacts, ticket: Option<&TicketRecord>) -> Checked {
        let objectives = self.objectives.len();
        ensure(self.references.len() == objectives, || {
            format!("front.references has {} entries, front.objectives {objectives}", self.references.len())
        })?;
        let first = self.masks.first().map(|mask| &mask.mask_hex);
        ensure(first == ticket.map(|ticket| &ticket.mask_hex), || {
            "front.masks does not begin with the ticket".to_owned()
        })?;
        for (n, mask) in self.masks.iter().enumerate() {
            let place = format!("front.masks[{n}]");
            for (key, found) in [("train", mask.train.len()), ("test", mask.test.len())] {
                ensure(found == objectives, || {
                    format!("{place}.{key} has {found} entries, front.objectives {objectives}")
                })?;
            }
            FrontFacts {
                sparsity: mask.sparsity,
                weights_kept: mask.weights_kept,
                train_correct: mask.train_correct,
                test_correct: mask.test_correct,
                mask_hex: &mask.mask_hex,
            }
            .check(&place, weights, data)?;
        }
        Ok(())
    }
}
