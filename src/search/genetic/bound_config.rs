//! The settings of the adaptive accuracy bound.

use crate::network::Architecture;
use crate::settings::{self, BadSetting, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The adaptive accuracy bound (paper, section 4.2): fresh individuals must reach it, and it falls when
/// too few do. The reference measures time; here tries are counted, so that runs repeat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AccuracyBound", transform = settings::all_optional)]
pub struct AccuracyBound<B = Option<f64>> {
    /// The bound at the start of a run. By default 0.85, or 0.7 for small networks.
    pub start: B,
    /// The bound never falls below. By default the majority class's share of the training set + 0.01.
    pub floor: B,
    /// Acceptance within this many tries leaves the bound as it is.
    pub tries_soft: u32,
    /// After this many tries without acceptance the bound falls by `0.1^r`, and tries begin anew.
    pub tries_max: u32,
    /// Factor of the step after a late acceptance.
    pub step: f64,
    /// Constant part of that step.
    pub step_offset: f64,
    /// Weight of its exponential part.
    pub step_scale: f64,
    /// Decay of its exponential part per `t / (tries_max - tries_soft)`.
    pub step_decay: f64,
    /// `r` at the first exhausted round of a run.
    pub exhausted_exponent: f64,
    /// What `r` grows by with each exhausted round.
    pub exhausted_growth: f64,
}

impl Default for AccuracyBound {
    fn default() -> Self {
        Self {
            start: None,
            floor: None,
            tries_soft: 800,
            tries_max: 1000,
            step: 0.1,
            step_offset: 0.051,
            step_scale: 0.93,
            step_decay: 9.36,
            exhausted_exponent: 1.0,
            exhausted_growth: 0.15,
        }
    }
}

impl AccuracyBound {
    pub(super) fn resolve(
        self,
        architecture: &Architecture,
        majority: f64,
    ) -> Result<AccuracyBound<f64>, BadSetting> {
        let floor = self.floor.unwrap_or((majority + FLOOR_MARGIN).min(1.0));
        let start = self.start.unwrap_or_else(|| default_start(architecture).max(floor));
        let resolved = self.between(start, floor);
        resolved.validate()?;
        Ok(resolved)
    }

    /// The same schedule from `start` down to `floor`.
    pub(super) fn between(&self, start: f64, floor: f64) -> AccuracyBound<f64> {
        AccuracyBound {
            start,
            floor,
            tries_soft: self.tries_soft,
            tries_max: self.tries_max,
            step: self.step,
            step_offset: self.step_offset,
            step_scale: self.step_scale,
            step_decay: self.step_decay,
            exhausted_exponent: self.exhausted_exponent,
            exhausted_growth: self.exhausted_growth,
        }
    }
}

impl AccuracyBound<f64> {
    fn validate(&self) -> Result<(), BadSetting> {
        let &Self { start, floor, .. } = self;
        for (key, value) in [("accuracy_bound.start", start), ("accuracy_bound.floor", floor)] {
            ensure((0.0..=1.0).contains(&value), key, "between 0 and 1", value)?;
        }
        if start < floor {
            let reason = format!("{start} lies below accuracy_bound.floor {floor}");
            return Err(BadSetting::new("accuracy_bound.start", reason));
        }
        let below = format_args!("below tries_max {}", self.tries_max);
        ensure(self.tries_soft < self.tries_max, "accuracy_bound.tries_soft", below, self.tries_soft)?;
        for (key, value) in [
            ("accuracy_bound.step", self.step),
            ("accuracy_bound.step_offset", self.step_offset),
            ("accuracy_bound.step_scale", self.step_scale),
            ("accuracy_bound.step_decay", self.step_decay),
            ("accuracy_bound.exhausted_exponent", self.exhausted_exponent),
            ("accuracy_bound.exhausted_growth", self.exhausted_growth),
        ] {
            ensure(value >= 0.0 && value.is_finite(), key, "finite and at least 0", value)?;
        }
        Ok(())
    }
}

/// The reference's floor of 0.51 for two balanced classes is their majority rate and this.
const FLOOR_MARGIN: f64 = 0.01;

/// The reference's start: 0.7 when a single hidden layer is narrower than 40, or both of two are narrower
/// than 30; 0.85 otherwise.
fn default_start(architecture: &Architecture) -> f64 {
    let widths = architecture.widths();
    match widths[1..widths.len() - 1] {
        [hidden] if hidden < 40 => 0.7,
        [first, second] if first < 30 && second < 30 => 0.7,
        _ => 0.85,
    }
}
