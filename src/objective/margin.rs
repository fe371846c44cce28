//! The margin loss: how far a masked network is from telling the classes apart, as an exact integer.
//!
//! A sample of class `y` with outputs `z` has the squared hinge `Σ_{c≠y} max(0, z_c − (z_y − τ))²`. It falls
//! where the count of correct samples stands still, and needs nothing but multiply-add, subtract and
//! maximum, so that it is equal bit for bit on every evaluator of one [`Arithmetic`] mode. The order is:
//!
//! 1. `least = z_y − τ`, rounded;
//! 2. `loss = 0`, then for each class `c ≠ y` in ascending order `h = max(0, z_c − least)`,
//!    `loss = fma(h, h, loss)`;
//! 3. `steps = truncate(min(loss · scale, 2^30))`, `scale` being a power of two (so that the product is
//!    exact): the loss in fixed point, at most [`LIMIT`] steps;
//! 4. the steps of all samples are summed as 64-bit integers, in any order.
//!
//! [`sample_steps`](Margin::sample_steps) is the plain form.
//!
//! A hinge of [`enough`](Margin::enough) or more saturates a sample by itself, and further classes only add
//! to it: kernels may cut hinges there. WGSL's do, because no infinity may arise in them.

use super::Fitness;
use crate::arithmetic::{Arithmetic, fma};
use crate::settings::{BadSetting, ensure, without_effect};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A sample's loss saturates at this many steps: about 1000 τ beyond the margin.
pub const LIMIT: f32 = (1u32 << 30) as f32;

/// Steps per τ² are between half of this and this number.
const STEPS_PER_UNIT: f64 = 1024.0;

/// The smallest and the largest τ: between them no power of two involved leaves f32's range.
const SMALLEST_TAU: f32 = 1e-6;
const LARGEST_TAU: f32 = 1e6;

/// The margin τ and the fixed-point step that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Margin {
    tau: f32,
    scale: f32,
}

/// How the margin of a run is set; part of the configurations of searches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MarginConfig {
    /// Tau, in units of the network's outputs; without it, `spread_factor` times the spread of the outputs.
    pub tau: Option<f32>,
    /// Tau in units of the outputs' spread, a standard deviation over half-full masks.
    pub spread_factor: f64,
}

impl Default for MarginConfig {
    fn default() -> Self {
        Self { tau: None, spread_factor: 1.0 }
    }
}

impl MarginConfig {
    /// Refuses what no margin comes of, and a margin that was set where another `fitness` does not read it.
    ///
    /// # Errors
    /// Names the key within the search's settings.
    pub fn check(&self, fitness: &Fitness) -> Result<(), BadSetting> {
        self.validate().map_err(|error| error.below("margin"))?;
        without_effect(
            *fitness != Fitness::Margin && *self != Self::default(),
            "margin",
            serde_json::to_string(self).unwrap_or_default(),
            "remove it, or set fitness to \"margin\"",
        )
    }

    fn validate(&self) -> Result<(), BadSetting> {
        let factor = self.spread_factor;
        ensure(factor > 0.0 && factor.is_finite(), "spread_factor", "above 0", factor)?;
        let Some(tau) = self.tau else { return Ok(()) };
        let needed = format_args!("between {SMALLEST_TAU:e} and {LARGEST_TAU:e}");
        ensure(Margin::new(tau).is_ok(), "tau", needed, tau)
    }
}

/// A tau that is no margin's.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("tau is {0}, but must lie between {SMALLEST_TAU:e} and {LARGEST_TAU:e}")]
pub struct MarginError(pub f32);

impl Margin {
    /// The margin `tau`, in units of the network's outputs.
    ///
    /// # Errors
    /// When `tau` is not between 10^-6 and 10^6.
    pub fn new(tau: f32) -> Result<Self, MarginError> {
        if !(SMALLEST_TAU..=LARGEST_TAU).contains(&tau) {
            return Err(MarginError(tau));
        }
        let steps = (STEPS_PER_UNIT / (f64::from(tau) * f64::from(tau))) as f32;
        // The exponent alone: the power of two at or below.
        let scale = f32::from_bits(steps.to_bits() & 0x7f80_0000);
        Ok(Self { tau, scale })
    }

    /// τ, in units of the network's outputs.
    pub fn tau(&self) -> f32 {
        self.tau
    }

    /// Steps per unit of squared hinge, a power of two.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// The smallest power of two whose square saturates a sample's loss.
    pub fn enough(&self) -> f32 {
        let exponent = 30 - (self.scale.to_bits() >> 23) as i32 + 127;
        2f32.powi((exponent + 1).div_euclid(2))
    }

    /// The loss of one sample with `outputs` (`[classes]`) of class `label`, in steps.
    pub fn sample_steps(&self, outputs: &[f32], label: u32, arithmetic: Arithmetic) -> u32 {
        let least = outputs[label as usize] - self.tau;
        let mut loss = 0.0;
        for (c, &output) in outputs.iter().enumerate() {
            if c != label as usize {
                let hinge = (output - least).max(0.0);
                loss = fma(arithmetic, hinge, hinge, loss);
            }
        }
        (loss * self.scale).min(LIMIT) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_is_the_squared_hinge_over_wrong_classes() {
        let margin = Margin::new(2.0).expect("a margin");
        assert_eq!(margin.scale(), 256.0);
        // Class 1 is right: class 0 lies 1.5 below, so inside the margin by 0.5; class 2 is 1 above: 3.
        let steps = margin.sample_steps(&[0.5, 2.0, 3.0], 1, Arithmetic::Fused);
        assert_eq!(steps, (256.0 * (0.25 + 9.0)) as u32);
        assert_eq!(margin.sample_steps(&[0.0, 2.0, -1.0], 1, Arithmetic::Fused), 0);
    }

    #[test]
    fn a_loss_beyond_the_limit_saturates() {
        let margin = Margin::new(1.0).expect("a margin");
        assert_eq!(margin.sample_steps(&[1e30, 0.0], 1, Arithmetic::Separate), LIMIT as u32);
    }

    #[test]
    fn a_hinge_cut_where_it_saturates_gives_the_same_loss() {
        for tau in [1e-6, 3e-4, 0.7, 1.0, 1.5, 60.0, 1e6] {
            let margin = Margin::new(tau).expect("a margin");
            let enough = margin.enough();
            let least = f64::from(LIMIT) / f64::from(margin.scale());
            assert!(f64::from(enough).powi(2) >= least && f64::from(enough).powi(2) < 4.0 * least, "{tau}");
        }
    }

    #[test]
    fn no_margin_is_made_of_zero_or_of_no_number() {
        for tau in [0.0, -1.0, f32::NAN, f32::INFINITY, 1e-7] {
            assert!(Margin::new(tau).is_err(), "{tau}");
        }
    }
}
