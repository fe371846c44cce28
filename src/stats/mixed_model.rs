//! A linear mixed model of two algorithms' accuracies, fitted by restricted maximum likelihood (REML).
//!
//! `response = intercept + coefficient · algorithm + group + seed within group + residual`, where group and
//! seed are normal with a variance each. The conventions are those of statsmodels' `MixedLM` (Lindstrom
//! and Bates 1988), so that numbers can be compared: the log-likelihood with its constant, standard errors
//! from the full Hessian of the profile likelihood, z and p from the normal distribution.

mod blocks;
mod maximum;

use super::normal;
use blocks::{Derivatives, Ratios, RowGroups, Weighted, fixed_part};
use maximum::{NoMaximum, maximum};
use nalgebra::{Matrix2, Matrix3, Vector2, Vector3};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The least part of a variance's trace in the data that no other variance has, where it can be told from them: the
/// sums are of whole numbers, so that what cannot be told apart leaves rounding only.
const TOLD_APART: f64 = 1e-9;

/// Residual variation below this share of the response's is rounding: sums of squares carry 1e-16 each.
const NO_RESIDUAL: f64 = 1e-13;

/// One accuracy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelRow<'a> {
    /// Accuracy, usually standardised.
    pub response: f64,
    /// Is this the target algorithm (1), not the reference (0)?
    pub target: bool,
    /// Architecture.
    pub group: &'a str,
    /// Network initialisation. Seeds count within their group: equal seeds of two groups are unrelated.
    pub seed: u64,
}

/// What [`MixedModelError::NotIdentified`] calls the variance of seeds within an architecture.
pub const SEEDS: &str = "seeds";

/// What it calls the variance of architectures.
const ARCHITECTURES: &str = "architectures";

/// Which effects are random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RandomEffects {
    /// An intercept per group.
    Intercept,
    /// An intercept per group, and one per seed within a group.
    InterceptAndSeed,
    /// An intercept per seed within a group only.
    SeedOnly,
}

impl RandomEffects {
    /// Every choice, smallest model first.
    pub const ALL: [Self; 3] = [Self::Intercept, Self::InterceptAndSeed, Self::SeedOnly];

    fn of_groups(self) -> bool {
        self != Self::SeedOnly
    }

    fn of_seeds(self) -> bool {
        self != Self::Intercept
    }
}

impl fmt::Display for RandomEffects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Intercept => "architecture",
            Self::InterceptAndSeed => "architecture and seed within architecture",
            Self::SeedOnly => "seed within architecture",
        })
    }
}

/// A fixed effect and its test against zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FixedEffect {
    pub coefficient: f64,
    pub standard_error: f64,
    pub z: f64,
    /// Two-sided, from the normal distribution.
    pub p: f64,
    /// 95% interval from the normal distribution.
    pub interval: [f64; 2],
}

/// A fitted model. Variances are in squared units of the response.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MixedModelFit {
    pub effects: RandomEffects,
    pub rows: usize,
    pub intercept: FixedEffect,
    /// Target minus reference.
    pub algorithm: FixedEffect,
    /// Variance of the groups' intercepts, if the model has them; 0 is the boundary.
    pub group_variance: Option<f64>,
    /// Variance of the seeds' intercepts, if the model has them; 0 is the boundary.
    pub seed_variance: Option<f64>,
    /// Residual variance.
    pub residual_variance: f64,
    /// REML log-likelihood.
    pub log_likelihood: f64,
    /// Predicted intercept of each group, by name; empty without group intercepts.
    pub group_intercepts: BTreeMap<String, f64>,
}

/// Why a mixed model cannot be fitted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MixedModelError {
    #[error("row {row} has the response {value}: every accuracy must be a finite number")]
    NotFinite { row: usize, value: f64 },
    #[error("{rows} rows are too few: the two fixed effects and the residual variance need at least 3")]
    TooFewRows { rows: usize },
    #[error(
        "all {rows} rows belong to the {only} algorithm: a comparison needs rows of reference and target"
    )]
    OneAlgorithm { rows: usize, only: &'static str },
    #[error(
        "a random intercept per architecture needs at least two architectures, found only `{group}`: \
         compare with the seed as the only random effect, or add architectures"
    )]
    OneGroup { group: String },
    #[error(
        "the rows cannot tell the variance of {component} from the rest: it needs several of them, each \
         with several rows, and both algorithms within some; choose fewer random effects"
    )]
    NotIdentified { component: &'static str },
    #[error(
        "the fixed and random effects explain every response exactly: there is no residual variance to \
         test against"
    )]
    NoResidual,
}

impl Serialize for MixedModelError {
    /// As its message.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The profile likelihood at one pair of variance ratios.
struct Profile {
    log_likelihood: f64,
    fixed: Vector2<f64>,
    /// `X'V⁻¹X`.
    information: Matrix2<f64>,
    /// Residual variance.
    scale: f64,
}

/// Rows less fixed effects.
fn degrees_of_freedom(blocks: &RowGroups) -> f64 {
    blocks.rows - 2.0
}

/// The quadratic form `c'Mc`.
fn quadratic(matrix: &Matrix3<f64>, contrast: &Vector3<f64>) -> f64 {
    contrast.dot(&(matrix * contrast))
}

/// What turns `w = [1, algorithm, response]` into a residual.
fn residual_contrast(fixed: &Vector2<f64>) -> Vector3<f64> {
    Vector3::new(-fixed.x, -fixed.y, 1.0)
}

fn profile(blocks: &RowGroups, ratios: Ratios) -> Option<Profile> {
    let Weighted { moments, log_determinant } = blocks.weighted(ratios);
    let information = fixed_part(&moments);
    let fixed = information.try_inverse()? * Vector2::new(moments[(0, 2)], moments[(1, 2)]);
    let residual = quadratic(&moments, &residual_contrast(&fixed));
    let freedom = degrees_of_freedom(blocks);
    let scale = residual / freedom;
    let log_likelihood = -0.5
        * (log_determinant
            + information.determinant().ln()
            + freedom * ((std::f64::consts::TAU * scale).ln() + 1.0));
    (log_likelihood.is_finite()).then_some(Profile { log_likelihood, fixed, information, scale })
}

/// The log-likelihood, or the least number where rounding leaves none.
fn height(blocks: &RowGroups, ratios: Ratios) -> f64 {
    profile(blocks, ratios).map_or(f64::MIN, |profile| profile.log_likelihood)
}

/// The variance ratios of the highest profile likelihood.
///
/// One or two variables, each with a boundary at zero that is often the answer, and an evaluation that
/// costs microseconds: a nested search of one dimension each needs no derivative, no starting point and no
/// general optimiser, and cannot stop in front of the boundary.
fn best_ratios(blocks: &RowGroups, effects: RandomEffects) -> Result<Ratios, MixedModelError> {
    let refuse = |component| {
        move |reason| match reason {
            NoMaximum::Flat => MixedModelError::NotIdentified { component },
            NoMaximum::Unbounded => MixedModelError::NoResidual,
        }
    };
    let best_seed = |group: f64| maximum(|seed| height(blocks, Ratios { group, seed }));
    let group = match effects {
        RandomEffects::SeedOnly => 0.0,
        RandomEffects::Intercept => {
            maximum(|group| height(blocks, Ratios { group, seed: 0.0 })).map_err(refuse(ARCHITECTURES))?
        }
        RandomEffects::InterceptAndSeed => {
            let mut refused = None;
            let group = maximum(|group| match best_seed(group) {
                Ok(seed) => height(blocks, Ratios { group, seed }),
                Err(reason) => {
                    refused.get_or_insert(reason);
                    f64::MIN
                }
            });
            match refused {
                Some(reason) => return Err(refuse(SEEDS)(reason)),
                None => group.map_err(refuse(ARCHITECTURES))?,
            }
        }
    };
    let seed = if effects.of_seeds() { best_seed(group).map_err(refuse(SEEDS))? } else { 0.0 };
    Ok(Ratios { group, seed })
}

/// Blocks of the Hessian of the profile likelihood over fixed effects and variance ratios
/// (statsmodels' `MixedLM.hessian`): fixed × fixed is `-information / scale`.
struct Hessian {
    /// Fixed effects × variance ratios, one column a ratio.
    crossed: Matrix2<f64>,
    /// Variance ratios × variance ratios.
    ratios: Matrix2<f64>,
}

fn hessian(blocks: &RowGroups, ratios: Ratios, profile: &Profile) -> Option<Hessian> {
    let Derivatives { first, second, traces } = blocks.derivatives(ratios);
    let contrast = residual_contrast(&profile.fixed);
    let freedom = degrees_of_freedom(blocks);
    let residual = profile.scale * freedom;
    let inverse = profile.information.try_inverse()?;
    let slopes = first.map(|matrix| quadratic(&matrix, &contrast));
    let solved = first.map(|matrix| inverse * fixed_part(&matrix));
    let crossed = Matrix2::from_columns(&first.map(|matrix| {
        let with_residual = matrix * contrast;
        Vector2::new(with_residual.x, with_residual.y) * (-1.0 / profile.scale)
    }));
    let ratios = Matrix2::from_fn(|a, b| {
        let curvature =
            2.0 * quadratic(&second[a][b], &contrast) / residual - slopes[a] * slopes[b] / residual.powi(2);
        let restricted =
            (solved[a] * solved[b]).trace() - 2.0 * (inverse * fixed_part(&second[a][b])).trace();
        0.5 * (traces[a][b] - freedom * curvature + restricted)
    });
    Some(Hessian { crossed, ratios })
}

/// Covariance of the fixed effects: their block of the inverse of the negative Hessian, by Schur's
/// complement over the variance ratios that the model has.
///
/// On the boundary the likelihood need not be concave, and what the Hessian's inverse then holds is no covariance: it
/// depends on which algorithm is the reference, even where its diagonal is positive, which is all that statsmodels asks.
/// There the ratios are taken as known. Definiteness does not depend on how the algorithms are coded.
fn fixed_covariance(
    blocks: &RowGroups,
    ratios: Ratios,
    effects: RandomEffects,
    profile: &Profile,
) -> Option<Matrix2<f64>> {
    let Hessian { crossed, ratios: curvature } = hessian(blocks, ratios, profile)?;
    // A ratio outside the model is decoupled: curvature -1, no cross term.
    let present = [effects.of_groups(), effects.of_seeds()];
    let used = Matrix2::from_diagonal(&Vector2::from(present.map(|p| f64::from(u8::from(p)))));
    let curvature = used * curvature * used - (Matrix2::identity() - used);
    let crossed = crossed * used;
    let known = profile.information / profile.scale;
    let full = (-curvature).cholesky().and_then(|ratios| {
        (known - crossed * ratios.inverse() * crossed.transpose()).cholesky().map(|fixed| fixed.inverse())
    });
    full.or_else(|| known.try_inverse())
}

fn fixed_effect(coefficient: f64, variance: f64) -> FixedEffect {
    let standard_error = variance.sqrt();
    let z = coefficient / standard_error;
    let half = normal::Z_95 * standard_error;
    FixedEffect {
        coefficient,
        standard_error,
        z,
        p: normal::beyond(z),
        interval: [coefficient - half, coefficient + half],
    }
}

/// The variance that these rows cannot tell from those before it, in the order residual, group, seed.
///
/// Off the fixed effects, with the projection `P`, the covariance of the rows is `Σ variance_a P V_a P`. The variances
/// can be told apart where these matrices are linearly independent, that is, where the determinant of their products'
/// traces `tr(P V_a P V_b)`, scaled to a diagonal of ones, is not zero.
fn not_identified(blocks: &RowGroups, effects: RandomEffects) -> Option<&'static str> {
    let Derivatives { first, second, traces } = blocks.derivatives(Ratios::default());
    let inverse = fixed_part(&blocks.weighted(Ratios::default()).moments).try_inverse()?;
    let solved = first.map(|matrix| inverse * fixed_part(&matrix));
    let product = |a: usize, b: usize| match (a, b) {
        (0, 0) => degrees_of_freedom(blocks),
        (0, b) => blocks.rows - solved[b - 1].trace(),
        (a, 0) => blocks.rows - solved[a - 1].trace(),
        (a, b) => {
            let (a, b) = (a - 1, b - 1);
            traces[a][b] - 2.0 * (inverse * fixed_part(&second[a][b])).trace()
                + (solved[a] * solved[b]).trace()
        }
    };
    let correlation = |a: usize, b: usize| product(a, b) / (product(a, a) * product(b, b)).sqrt();
    // Nothing of a variance may be left off the fixed effects; no number is more than the tolerance then.
    let is_told = |determinant: f64, a: usize| {
        product(a, a) > TOLD_APART * blocks.rows * blocks.rows && determinant > TOLD_APART
    };
    let pair = |a: usize| is_told(1.0 - correlation(0, a).powi(2), a);
    let all =
        || is_told(Matrix3::from_fn(|a, b| if a == b { 1.0 } else { correlation(a, b) }).determinant(), 2);
    match effects {
        RandomEffects::SeedOnly => (!pair(2)).then_some(SEEDS),
        _ if !pair(1) => Some(ARCHITECTURES),
        RandomEffects::Intercept => None,
        RandomEffects::InterceptAndSeed => (!all()).then_some(SEEDS),
    }
}

fn check(rows: &[ModelRow<'_>], effects: RandomEffects) -> Result<(), MixedModelError> {
    if let Some((row, found)) = rows.iter().enumerate().find(|(_, row)| !row.response.is_finite()) {
        return Err(MixedModelError::NotFinite { row, value: found.response });
    }
    if rows.len() < 3 {
        return Err(MixedModelError::TooFewRows { rows: rows.len() });
    }
    if rows.iter().all(|row| row.target == rows[0].target) {
        let only = if rows[0].target { "target" } else { "reference" };
        return Err(MixedModelError::OneAlgorithm { rows: rows.len(), only });
    }
    if effects.of_groups() && rows.iter().all(|row| row.group == rows[0].group) {
        return Err(MixedModelError::OneGroup { group: rows[0].group.to_string() });
    }
    Ok(())
}

/// Fits the model with the random `effects` to `rows`, whose order does not matter.
///
/// # Errors
/// If a response is not finite, an algorithm or the groups are missing, a variance cannot be estimated from
/// these rows, or nothing is left to estimate the residual variance from.
pub fn fit(rows: &[ModelRow<'_>], effects: RandomEffects) -> Result<MixedModelFit, MixedModelError> {
    check(rows, effects)?;
    // Centring keeps the sums of squares free of cancellation; only the intercept notices.
    let centre = rows.iter().map(|row| row.response).sum::<f64>() / rows.len() as f64;
    let blocks = RowGroups::new(rows, centre);
    let total: f64 = rows.iter().map(|row| (row.response - centre).powi(2)).sum();
    let unweighted = profile(&blocks, Ratios::default()).ok_or(MixedModelError::NoResidual)?;
    if unweighted.scale * degrees_of_freedom(&blocks) <= NO_RESIDUAL * total {
        return Err(MixedModelError::NoResidual);
    }

    if let Some(component) = not_identified(&blocks, effects) {
        return Err(MixedModelError::NotIdentified { component });
    }
    let ratios = best_ratios(&blocks, effects)?;
    let best = profile(&blocks, ratios).ok_or(MixedModelError::NoResidual)?;
    if best.scale * degrees_of_freedom(&blocks) <= NO_RESIDUAL * total {
        return Err(MixedModelError::NoResidual);
    }
    let covariance = fixed_covariance(&blocks, ratios, effects, &best).ok_or(MixedModelError::NoResidual)?;

    let names: BTreeSet<&str> = rows.iter().map(|row| row.group).collect();
    let group_intercepts = if effects.of_groups() {
        let predicted = blocks.group_intercepts(ratios, residual_contrast(&best.fixed));
        names.into_iter().map(str::to_string).zip(predicted).collect()
    } else {
        BTreeMap::new()
    };
    Ok(MixedModelFit {
        effects,
        rows: rows.len(),
        intercept: fixed_effect(best.fixed.x + centre, covariance[(0, 0)]),
        algorithm: fixed_effect(best.fixed.y, covariance[(1, 1)]),
        group_variance: effects.of_groups().then_some(ratios.group * best.scale),
        seed_variance: effects.of_seeds().then_some(ratios.seed * best.scale),
        residual_variance: best.scale,
        log_likelihood: best.log_likelihood,
        group_intercepts,
    })
}
