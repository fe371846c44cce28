//! Optimisers and learning-rate schedules.

use super::course::packed_floats;
use pulp::Arch;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Stochastic gradient descent with momentum as in PyTorch (`torch.optim.SGD`, no dampening): the velocity
/// sums *gradients*, and the learning rate scales the whole velocity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GradientMomentum {
    pub momentum: f32,
    /// L2 penalty, added to the gradient as `weight_decay * parameter`.
    pub weight_decay: f32,
    #[serde(with = "packed_floats")]
    velocity: Vec<f32>,
}

impl GradientMomentum {
    pub fn new(parameters: usize, momentum: f64, weight_decay: f64) -> Self {
        Self { momentum: momentum as f32, weight_decay: weight_decay as f32, velocity: vec![0.0; parameters] }
    }

    /// Can it go on where `fresh`, of the same settings, begins?
    pub fn is_like(&self, fresh: &Self) -> bool {
        let settings = |this: &Self| (this.momentum, this.weight_decay, this.velocity.len());
        settings(self) == settings(fresh) && are_finite(&self.velocity)
    }

    /// One step of size `rate`.
    pub fn step(&mut self, parameters: &mut [f32], gradients: &[f32], rate: f64) {
        let rate = rate as f32;
        for ((parameter, &gradient), velocity) in parameters.iter_mut().zip(gradients).zip(&mut self.velocity)
        {
            let gradient = gradient + self.weight_decay * *parameter;
            *velocity = flush(self.momentum * *velocity + gradient);
            *parameter -= rate * *velocity;
        }
    }
}

/// Stochastic gradient descent with momentum as in scikit-learn: the velocity sums *steps*, so that an
/// earlier step keeps the learning rate that it was taken with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepMomentum {
    pub momentum: f32,
    pub nesterov: bool,
    #[serde(with = "packed_floats")]
    velocity: Vec<f32>,
}

impl StepMomentum {
    pub fn new(parameters: usize, momentum: f64, nesterov: bool) -> Self {
        Self { momentum: momentum as f32, nesterov, velocity: vec![0.0; parameters] }
    }

    /// Can it go on where `fresh`, of the same settings, begins?
    pub fn is_like(&self, fresh: &Self) -> bool {
        let settings = |this: &Self| (this.momentum, this.nesterov, this.velocity.len());
        settings(self) == settings(fresh) && are_finite(&self.velocity)
    }

    /// One step of size `rate`.
    pub fn step(&mut self, parameters: &mut [f32], gradients: &[f32], rate: f64) {
        let rate = rate as f32;
        for ((parameter, &gradient), velocity) in parameters.iter_mut().zip(gradients).zip(&mut self.velocity)
        {
            *velocity = flush(self.momentum * *velocity - rate * gradient);
            *parameter += if self.nesterov { self.momentum * *velocity - rate * gradient } else { *velocity };
        }
    }
}

/// Adam (Kingma and Ba 2015) as in scikit-learn: the bias corrections scale the learning rate, so that
/// `epsilon` is added to the uncorrected root.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adam {
    pub beta_1: f64,
    pub beta_2: f64,
    pub epsilon: f32,
    steps: i32,
    #[serde(with = "packed_floats")]
    first: Vec<f32>,
    #[serde(with = "packed_floats")]
    second: Vec<f32>,
}

impl Adam {
    pub fn new(parameters: usize, beta_1: f64, beta_2: f64, epsilon: f64) -> Self {
        let (first, second) = (vec![0.0; parameters], vec![0.0; parameters]);
        Self { beta_1, beta_2, epsilon: epsilon as f32, steps: 0, first, second }
    }

    /// Can it go on where `fresh`, of the same settings, begins?
    pub fn is_like(&self, fresh: &Self) -> bool {
        let settings =
            |this: &Self| (this.beta_1, this.beta_2, this.epsilon, this.first.len(), this.second.len());
        let are_moments = are_finite(&self.first) && self.second.iter().all(|&x| x >= 0.0 && x.is_finite());
        settings(self) == settings(fresh) && self.steps >= 0 && are_moments
    }

    /// One step of size `rate`.
    pub fn step(&mut self, parameters: &mut [f32], gradients: &[f32], rate: f64) {
        self.steps = self.steps.saturating_add(1);
        let correction = (1.0 - libm::pow(self.beta_2, self.steps.into())).sqrt()
            / (1.0 - libm::pow(self.beta_1, self.steps.into()));
        let rate = (rate * correction) as f32;
        let (beta_1, beta_2) = (self.beta_1 as f32, self.beta_2 as f32);
        let (rest_1, rest_2) = ((1.0 - self.beta_1) as f32, (1.0 - self.beta_2) as f32);
        let moments = self.first.iter_mut().zip(&mut self.second);
        Arch::new().dispatch(|| {
            for ((parameter, &gradient), (first, second)) in parameters.iter_mut().zip(gradients).zip(moments)
            {
                *first = flush(beta_1 * *first + rest_1 * gradient);
                *second = flush(beta_2 * *second + rest_2 * (gradient * gradient));
                *parameter -= rate * *first / (second.sqrt() + self.epsilon);
            }
        });
    }
}

/// Are all of these numbers?
pub fn are_finite(values: &[f32]) -> bool {
    values.iter().all(|value| value.is_finite())
}

/// Zero for subnormal numbers. Moments of a dead neuron's parameters decay towards zero for ever, and
/// many processors compute slowly on subnormals.
#[inline(always)]
fn flush(value: f32) -> f32 {
    if value.abs() < f32::MIN_POSITIVE { 0.0 } else { value }
}

/// How the learning rate of stochastic gradient descent changes (scikit-learn's `learning_rate`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Never; training ends when the loss stops improving.
    #[default]
    Constant,
    /// `initial / (samples seen + 1)^power`, after each epoch (scikit-learn's `invscaling`).
    InverseScaling,
    /// Divided by 5 whenever the loss stops improving; training ends once it is at most 1e-6.
    Adaptive,
}

/// The adaptive schedule's divisor.
pub const ADAPTIVE_DIVISOR: f64 = 5.0;
/// The adaptive schedule ends at this learning rate.
pub const ADAPTIVE_FLOOR: f64 = 1e-6;

/// Cosine annealing from `initial` to 0, constant within an epoch (Loshchilov and Hutter 2017; the
/// `cosine_lr` of Ramanujan et al.'s code, without warm-up).
pub fn cosine(initial: f64, epoch: u32, epochs: u32) -> f64 {
    0.5 * initial * (1.0 + libm::cos(std::f64::consts::PI * f64::from(epoch) / f64::from(epochs)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cosine_schedule_starts_at_the_initial_rate_and_halves_midway() {
        assert_eq!(cosine(0.1, 0, 100), 0.1);
        assert!((cosine(0.1, 50, 100) - 0.05).abs() <= 1e-16);
        // 0.05 (1 - cos(pi / 100)).
        assert!((cosine(0.1, 99, 100) - 2.467_198e-5).abs() <= 1e-11);
    }

    #[test]
    fn moments_without_gradient_reach_zero_and_not_the_subnormals() {
        let mut adam = Adam::new(1, 0.9, 0.999, 1e-8);
        let mut parameters = [0.0];
        adam.step(&mut parameters, &[1.0], 0.001);
        for _ in 0..100_000 {
            adam.step(&mut parameters, &[0.0], 0.001);
        }
        assert_eq!((adam.first[0], adam.second[0]), (0.0, 0.0));
    }
}
