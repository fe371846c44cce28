//! What the data say about a mixed model, reduced to sums that no longer grow with the rows.
//!
//! Within a group the covariance is, in units of the residual variance, `V = I + s Σ z_j z_j' + g 1 1'`
//! with the indicators `z_j` of the group's seeds. Woodbury's identity, once for the seeds and once for
//! the group, turns `V⁻¹` into scalars that depend on a seed only through its number of rows. So seeds of
//! equal size are summed beforehand, and one evaluation costs a few operations per group and size,
//! whatever the number of rows.

use super::ModelRow;
use nalgebra::{Matrix2, Matrix3, Vector3};
use std::collections::BTreeMap;

/// Variances of the random effects in units of the residual variance.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Ratios {
    /// Of the groups' intercepts.
    pub group: f64,
    /// Of the seeds within a group.
    pub seed: f64,
}

/// The seeds of one group that have equally many rows.
#[derive(Clone, Debug, Default)]
struct SizeClass {
    seeds: f64,
    /// Over the seeds, of `t = Σ w` over a seed's rows; `w = [1, algorithm, response]`.
    sums: Vector3<f64>,
    /// Over the seeds, of `t t'`.
    products: Matrix3<f64>,
}

/// One group's rows as sums of `w = [1, algorithm, response]`.
#[derive(Clone, Debug)]
struct RowGroup {
    /// `Σ (w - w̄)(w - w̄)'` over the rows, with the means `w̄` of their seeds.
    within: Matrix3<f64>,
    /// By the number of rows of a seed.
    classes: BTreeMap<usize, SizeClass>,
}

/// All groups, in the order of their names.
#[derive(Clone, Debug)]
pub(super) struct RowGroups {
    groups: Vec<RowGroup>,
    pub rows: f64,
}

/// Likelihood terms of a symmetric pair of variance components, in the order group, seed.
pub(super) type Pair<T> = [[T; 2]; 2];

/// `w'V⁻¹w` and the log-determinant, summed over the groups.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weighted {
    pub moments: Matrix3<f64>,
    pub log_determinant: f64,
}

/// Sums that the derivatives by the two variance ratios need; `V_a` is `∂V/∂a`.
#[derive(Clone, Debug, Default)]
pub(super) struct Derivatives {
    /// `w'V⁻¹ V_a V⁻¹w`.
    pub first: [Matrix3<f64>; 2],
    /// `w'V⁻¹ V_a V⁻¹ V_b V⁻¹w`, made symmetric.
    pub second: Pair<Matrix3<f64>>,
    /// `tr(V⁻¹ V_a V⁻¹ V_b)`.
    pub traces: Pair<f64>,
}

/// `H = (I + s Z Z')⁻¹` of one group, seen from the vector of ones.
struct FromOnes {
    /// `1'H w`.
    ones: Vector3<f64>,
    /// `1'H 1`.
    size: f64,
}

impl RowGroup {
    fn seen(&self, seed_ratio: f64) -> FromOnes {
        let mut seen = FromOnes { ones: Vector3::zeros(), size: 0.0 };
        for (&rows, class) in &self.classes {
            let h = 1.0 / (1.0 + seed_ratio * rows as f64);
            seen.ones += class.sums * h;
            seen.size += class.seeds * h * rows as f64;
        }
        seen
    }

    fn weighted(&self, ratios: Ratios) -> Weighted {
        let FromOnes { ones, size } = self.seen(ratios.seed);
        let mut log_determinant = (ratios.group * size).ln_1p();
        // Scatter of the seeds' means around the group's, then of the group's mean itself: sums of squares
        // instead of differences of large terms, which would drown in rounding at large ratios.
        let mut between = Matrix3::zeros();
        for (&rows, class) in &self.classes {
            let rows = rows as f64;
            between += class.products / (rows * (1.0 + ratios.seed * rows));
            log_determinant += class.seeds * (ratios.seed * rows).ln_1p();
        }
        let of_group = ones * ones.transpose() / size;
        between -= of_group;
        // The intercept is constant: it has no scatter but by rounding.
        between.fill_row(0, 0.0);
        between.fill_column(0, 0.0);
        let moments = self.within + between + of_group / (1.0 + ratios.group * size);
        Weighted { moments, log_determinant }
    }

    fn add_derivatives(&self, ratios: Ratios, total: &mut Derivatives) {
        let FromOnes { ones, size } = self.seen(ratios.seed);
        let p = 1.0 / (1.0 + ratios.group * size);
        let k = ratios.group * p;
        // Below, h and m = h·rows belong to one seed, x_j = z_j'V⁻¹w = h t_j − k m (1'Hw), and
        // z_i'V⁻¹z_j = [i = j] m_j − k m_i m_j.
        let from_group = ones * p;
        let mut seed_first = Matrix3::zeros();
        let mut seed_second = Matrix3::zeros();
        let mut weighted_x = Vector3::zeros();
        let [mut m2, mut m3] = [0.0; 2];
        for (&rows, class) in &self.classes {
            let h = 1.0 / (1.0 + ratios.seed * rows as f64);
            let m = h * rows as f64;
            let mixed = class.sums * ones.transpose();
            let outer = class.products * (h * h) - (mixed + mixed.transpose()) * (k * h * m)
                + ones * ones.transpose() * (k * k * m * m * class.seeds);
            seed_first += outer;
            seed_second += outer * m;
            weighted_x += class.sums * (m * h) - ones * (k * m * m * class.seeds);
            m2 += class.seeds * m * m;
            m3 += class.seeds * m * m * m;
        }
        seed_second -= weighted_x * weighted_x.transpose() * k;
        let crossed = from_group * weighted_x.transpose() * p;
        let crossed = (crossed + crossed.transpose()) * 0.5;
        let group_first = from_group * from_group.transpose();

        total.first[0] += group_first;
        total.first[1] += seed_first;
        total.second[0][0] += group_first * (p * size);
        total.second[0][1] += crossed;
        total.second[1][0] += crossed;
        total.second[1][1] += seed_second;
        total.traces[0][0] += (p * size).powi(2);
        total.traces[0][1] += p * p * m2;
        total.traces[1][0] += p * p * m2;
        total.traces[1][1] += m2 - 2.0 * k * m3 + (k * m2).powi(2);
    }
}

impl RowGroups {
    /// Sums over `rows`, with `centre` subtracted from each response; a seed counts within its group.
    pub fn new(rows: &[ModelRow<'_>], centre: f64) -> Self {
        let mut by_group: BTreeMap<&str, BTreeMap<u64, Vec<Vector3<f64>>>> = BTreeMap::new();
        for row in rows {
            let w = Vector3::new(1.0, f64::from(u8::from(row.target)), row.response - centre);
            by_group.entry(row.group).or_default().entry(row.seed).or_default().push(w);
        }
        let groups = by_group.into_values().map(|seeds| {
            let mut group = RowGroup { within: Matrix3::zeros(), classes: BTreeMap::new() };
            for rows in seeds.into_values() {
                let sum: Vector3<f64> = rows.iter().sum();
                let mean = sum / rows.len() as f64;
                let scatter = |w: &Vector3<f64>| (w - mean) * (w - mean).transpose();
                group.within += rows.iter().map(scatter).sum::<Matrix3<f64>>();
                let class = group.classes.entry(rows.len()).or_default();
                class.seeds += 1.0;
                class.sums += sum;
                class.products += sum * sum.transpose();
            }
            group
        });
        Self { groups: groups.collect(), rows: rows.len() as f64 }
    }

    pub fn weighted(&self, ratios: Ratios) -> Weighted {
        let mut total = Weighted::default();
        for group in &self.groups {
            let one = group.weighted(ratios);
            total.moments += one.moments;
            total.log_determinant += one.log_determinant;
        }
        total
    }

    pub fn derivatives(&self, ratios: Ratios) -> Derivatives {
        let mut total = Derivatives::default();
        for group in &self.groups {
            group.add_derivatives(ratios, &mut total);
        }
        total
    }

    /// Predicted intercept of each group, `g 1'V⁻¹r`, where the residual is `r = w·contrast`.
    pub fn group_intercepts(&self, ratios: Ratios, contrast: Vector3<f64>) -> Vec<f64> {
        let intercept = |group: &RowGroup| {
            let FromOnes { ones, size } = group.seen(ratios.seed);
            ratios.group / (1.0 + ratios.group * size) * ones.dot(&contrast)
        };
        self.groups.iter().map(intercept).collect()
    }
}

/// The fixed effects' part of a moment matrix.
pub(super) fn fixed_part(moments: &Matrix3<f64>) -> Matrix2<f64> {
    moments.fixed_view::<2, 2>(0, 0).into_owned()
}
