//! What a mask is judged by.
//!
//! A sample's loss is rounded to whole steps, so that sums are exact in any order. Sixty-four bits hold the sum of 2^34
//! samples, each of them saturated. What is no sum over samples comes from confusion counts, which are exact too.

pub mod costs;
pub mod cross_entropy;
mod fitness;
pub mod margin;
pub mod measure;

pub use fitness::{Fitness, JudgeProgram, Needs};

use crate::arithmetic::Arithmetic;
use costs::Costs;
use margin::Margin;
use measure::Measure;
use serde::{Deserialize, Serialize};

/// What a mask is judged by: the number of correct samples; a loss, which is the sum of a function of a sample's outputs
/// and class, not negative, that falls as the network tells it apart; how far a measure of all predicted classes is from
/// perfect; or what a judge says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// The number of correct samples, as in the paper.
    Accuracy,
    /// The squared hinge of [`margin`], equal bit for bit on every evaluator of one arithmetic.
    Margin(Margin),
    /// The softmax and cross-entropy of [`cross_entropy`], equal as the margin is.
    CrossEntropy,
    /// A measure of the confusion counts.
    Measure(Measure),
    /// What a judge of the caller's says: see [`Judge`](crate::evaluate::Judge).
    Judged,
}

/// How a mask did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Score {
    /// Correctly classified samples.
    pub correct: u32,
    /// The objective's loss over all samples, or its measure's distance from perfect, in steps
    /// ([`Objective::steps_per_unit`]); zero where it is accuracy.
    pub loss: u64,
}

impl Objective {
    /// The margin, where it has one.
    pub fn margin(&self) -> Option<Margin> {
        match self {
            Self::Margin(margin) => Some(*margin),
            Self::Accuracy | Self::CrossEntropy | Self::Measure(_) | Self::Judged => None,
        }
    }

    /// The measure, where it has one.
    pub fn measure(&self) -> Option<Measure> {
        match self {
            Self::Measure(measure) => Some(*measure),
            Self::Accuracy | Self::Margin(_) | Self::CrossEntropy | Self::Judged => None,
        }
    }

    /// Is it a sum of losses of single samples?
    pub fn is_summed(&self) -> bool {
        matches!(self, Self::Margin(_) | Self::CrossEntropy)
    }

    /// Is it decided sample by sample, by correct ones or a sum of their losses?
    pub fn is_by_sample(&self) -> bool {
        *self == Self::Accuracy || self.is_summed()
    }

    /// Losses that the loss of so many `samples` is the sum of: those of all, or the measure alone.
    pub fn summands(&self, samples: usize) -> f64 {
        if self.is_by_sample() || self.costs().is_some() { samples as f64 } else { 1.0 }
    }

    /// The costs, where it has such.
    pub fn costs(&self) -> Option<Costs> {
        self.measure().and_then(Measure::costs)
    }

    /// A `loss` of so many `samples` in its own unit: a mean of tau², nats or costs, how far a measure is from 1, or the negative
    /// of a judge's score; none where there is no loss.
    pub fn value_of(&self, loss: u64, samples: usize) -> Option<f64> {
        if *self == Self::Judged {
            return Some(-judged_score(loss));
        }
        Some(loss as f64 / self.steps_per_unit()? / self.summands(samples))
    }

    /// What a `loss` of so many `samples` is to people: a measure, a score, or a mean loss; of accuracy the loss is 0.
    pub fn reading(&self, loss: u64, samples: usize) -> f64 {
        let value = self.value_of(loss, samples).unwrap_or(0.0);
        match self {
            Self::Measure(Measure::Costs(_)) => value,
            Self::Measure(_) => 1.0 - value,
            Self::Judged => -value,
            Self::Accuracy | Self::Margin(_) | Self::CrossEntropy => value,
        }
    }

    /// Steps of the loss in its own unit: tau², a nat, a cost, or a measure of 1; none where there is no loss.
    pub fn steps_per_unit(&self) -> Option<f64> {
        match self {
            Self::Accuracy | Self::Judged => None,
            Self::Margin(margin) => Some(f64::from(margin.scale()) * f64::from(margin.tau()).powi(2)),
            Self::CrossEntropy => Some(f64::from(cross_entropy::STEPS_PER_NAT)),
            Self::Measure(Measure::Costs(_)) => Some(1.0),
            Self::Measure(_) => Some(measure::STEPS_PER_UNIT as f64),
        }
    }

    /// The loss of one sample with `outputs` (`[classes]`) of class `label`, in steps; zero where there is no sum of them.
    pub fn sample_steps(&self, outputs: &[f32], label: u32, arithmetic: Arithmetic) -> u32 {
        match self {
            Self::Accuracy | Self::Measure(_) | Self::Judged => 0,
            Self::Margin(margin) => margin.sample_steps(outputs, label, arithmetic),
            Self::CrossEntropy => cross_entropy::sample_steps(outputs, label, arithmetic),
        }
    }
}

/// The loss that stands for a judge's `score`: in the order of floats, the larger score having the lower loss, without
/// any rounding.
pub fn judged_loss(score: f64) -> u64 {
    let bits = score.to_bits();
    let ascending = if score.is_sign_negative() { !bits } else { bits | 1 << 63 };
    u64::MAX - ascending
}

/// The score that `loss` stands for.
pub fn judged_score(loss: u64) -> f64 {
    let ascending = u64::MAX - loss;
    f64::from_bits(if ascending >> 63 == 1 { ascending & !(1 << 63) } else { !ascending })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_of_judged_scores_keep_their_order_and_their_value() {
        let scores = [f64::MIN, -2.5, -1e-300, 0.0, 5e-324, 0.1, 0.3, 7.0, f64::MAX];
        let losses = scores.map(judged_loss);
        assert!(losses.is_sorted_by(|low, high| low > high));
        assert_eq!(losses.map(judged_score), scores);
    }
}
