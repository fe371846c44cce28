//! Rank tests of two algorithms on one problem, two-sided, with SciPy's conventions (1.17).

use super::normal;
use super::{SampleError, check_sample};
use serde::Serialize;

/// SciPy's `wilcoxon` is exact up to this many differences if none is zero and none are tied,
const EXACT_DIFFERENCES: usize = 50;
/// and up to this many in any case.
const EXACT_TIED_DIFFERENCES: usize = 13;
/// SciPy's `mannwhitneyu` is exact if one sample is no larger than this and no values are tied.
const EXACT_SAMPLE: usize = 8;

/// Where a p-value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Every outcome under the null hypothesis, counted.
    Exact,
    /// The normal approximation, corrected for ties.
    Normal,
}

/// The result of a rank test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RankTest {
    /// Wilcoxon: the smaller of the two rank sums. Mann-Whitney: `U` of the first sample.
    pub statistic: f64,
    /// Two-sided.
    pub p: f64,
    pub distribution: Distribution,
}

/// Ranks from 1, ties sharing their mean rank, and the size of each group of equal values.
pub(super) fn ranks(values: &[f64]) -> (Vec<f64>, Vec<usize>) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut sizes = Vec::new();
    let mut before = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        for &index in equal {
            ranks[index] = before as f64 + (equal.len() + 1) as f64 / 2.0;
        }
        before += equal.len();
        sizes.push(equal.len());
    }
    (ranks, sizes)
}

/// `Σ t³ - t` over the groups of equal values.
fn tie_term(sizes: &[usize]) -> f64 {
    sizes.iter().map(|&size| (size as f64).powi(3) - size as f64).sum()
}

/// Probability that the sum of the ranks with positive sign lies as far out as `positive`, over all signs.
fn signed_rank_probability(ranks: &[f64], positive: f64) -> f64 {
    // Mean ranks are halves: doubled, sums are integers. At most 2^50 outcomes: exact in 64 bits.
    let doubled: Vec<usize> = ranks.iter().map(|rank| (2.0 * rank) as usize).collect();
    let mut outcomes = vec![0u64; doubled.iter().sum::<usize>() + 1];
    outcomes[0] = 1;
    for &rank in &doubled {
        for sum in (rank..outcomes.len()).rev() {
            outcomes[sum] += outcomes[sum - rank];
        }
    }
    let observed = (2.0 * positive) as usize;
    let below: u64 = outcomes[..=observed].iter().sum();
    let above: u64 = outcomes[observed..].iter().sum();
    let all = (1u64 << ranks.len()) as f64;
    (2.0 * below.min(above) as f64 / all).min(1.0)
}

/// Wilcoxon's signed-rank test of paired differences against symmetry around zero.
///
/// Zeros are dropped (`zero_method="wilcox"`), no continuity correction. Unlike SciPy, which finds no
/// p-value there, differences that are all zero give p = 1.
///
/// # Errors
/// If there are no differences, or one is not finite.
pub fn wilcoxon_signed_rank(differences: &[f64]) -> Result<RankTest, SampleError> {
    check_sample(differences)?;
    let nonzero: Vec<f64> = differences.iter().copied().filter(|&d| d != 0.0).collect();
    if nonzero.is_empty() {
        return Ok(RankTest { statistic: 0.0, p: 1.0, distribution: Distribution::Exact });
    }
    let (ranks, sizes) = ranks(&nonzero.iter().map(|d| d.abs()).collect::<Vec<_>>());
    let signed = ranks.iter().zip(&nonzero);
    let positive: f64 = signed.filter(|(_, d)| **d > 0.0).map(|(rank, _)| rank).sum();
    let n = nonzero.len() as f64;
    let statistic = positive.min(n * (n + 1.0) / 2.0 - positive);

    let plain = nonzero.len() == differences.len() && sizes.len() == nonzero.len();
    let limit = if plain { EXACT_DIFFERENCES } else { EXACT_TIED_DIFFERENCES };
    if differences.len() <= limit {
        let p = signed_rank_probability(&ranks, positive);
        return Ok(RankTest { statistic, p, distribution: Distribution::Exact });
    }
    let variance = (n * (n + 1.0) * (2.0 * n + 1.0) - tie_term(&sizes) / 2.0) / 24.0;
    let z = (positive - n * (n + 1.0) / 4.0) / variance.sqrt();
    let p = normal::beyond(z);
    Ok(RankTest { statistic, p, distribution: Distribution::Normal })
}

/// Probability that `U` of samples of sizes `m` and `n` is at most `u`, without ties.
fn mann_whitney_probability(m: usize, n: usize, u: usize) -> f64 {
    // The counts are the coefficients of Gauss's binomial Π (1 - q^(n+i)) / (1 - q^i), i = 1..=m. Modulo
    // 2^128 the intermediate ones may wrap; the final ones are below C(m+n, m), with m at most 8.
    let mut counts = vec![0u128; u + 1];
    counts[0] = 1;
    for i in 1..=m {
        for sum in (n + i..=u).rev() {
            counts[sum] = counts[sum].wrapping_sub(counts[sum - n - i]);
        }
        for sum in i..=u {
            counts[sum] = counts[sum].wrapping_add(counts[sum - i]);
        }
    }
    let all = (1..=m).fold(1.0, |product, i| product * (n + i) as f64 / i as f64);
    counts.iter().sum::<u128>() as f64 / all
}

/// The Mann-Whitney U test of two independent samples, with SciPy's continuity correction where the normal
/// approximation is used.
///
/// # Errors
/// If a sample is empty, or a value is not finite.
pub fn mann_whitney(first: &[f64], second: &[f64]) -> Result<RankTest, SampleError> {
    check_sample(first)?;
    check_sample(second)?;
    let (ranks, sizes) = ranks(&[first, second].concat());
    let (m, n) = (first.len() as f64, second.len() as f64);
    let statistic = ranks[..first.len()].iter().sum::<f64>() - m * (m + 1.0) / 2.0;
    let smaller = statistic.min(m * n - statistic);

    let fewer = first.len().min(second.len());
    let more = first.len().max(second.len());
    if fewer <= EXACT_SAMPLE && sizes.len() == ranks.len() {
        let p = (2.0 * mann_whitney_probability(fewer, more, smaller as usize)).min(1.0);
        return Ok(RankTest { statistic, p, distribution: Distribution::Exact });
    }
    let all = m + n;
    let variance = m * n / 12.0 * (all + 1.0 - tie_term(&sizes) / (all * (all - 1.0)));
    let distance = m * n / 2.0 - smaller - 0.5;
    // Values that are all equal have no variance and say nothing.
    let p = if variance > 0.0 { (2.0 * normal::above(distance / variance.sqrt())).min(1.0) } else { 1.0 };
    Ok(RankTest { statistic, p, distribution: Distribution::Normal })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SciPy 1.17.1 prints all digits; both sides round a few times.
    const SCIPY: f64 = 1e-12;

    #[track_caller]
    fn check(found: Result<RankTest, SampleError>, statistic: f64, p: f64, from: Distribution) {
        let found = found.expect("a test");
        assert_eq!((found.statistic, found.distribution), (statistic, from));
        assert!((found.p - p).abs() <= SCIPY * p, "{}, not {p}", found.p);
    }

    /// `±(7 i mod 53 + ½)` for `i` in `1..=n`, negative where 3 divides `i`: no ties, no zeros.
    fn untied(n: usize) -> Vec<f64> {
        let sign = |i: usize| if i.is_multiple_of(3) { -1.0 } else { 1.0 };
        (1..=n).map(|i| sign(i) * ((i * 7 % 53) as f64 + 0.5)).collect()
    }

    #[test]
    fn the_signed_rank_test_equals_scipy_where_it_is_exact() {
        let before = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30];
        let after = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.15, 1.29];
        let differences: Vec<f64> = before.iter().zip(after).map(|(b, a)| b - a).collect();
        check(wilcoxon_signed_rank(&differences), 5.0, 0.0390625, Distribution::Exact);
        check(wilcoxon_signed_rank(&untied(50)), 462.0, 0.09130577606126522, Distribution::Exact);
        let positive: Vec<f64> = (1..=30).map(f64::from).collect();
        check(wilcoxon_signed_rank(&positive), 0.0, 1.862645149230957e-9, Distribution::Exact);
    }

    #[test]
    fn the_signed_rank_test_equals_scipy_with_ties_and_zeros() {
        let few = [3.0, -1.0, 2.0, 2.0, -2.0, 5.0, 1.0, 0.0, 4.0, -3.0];
        check(wilcoxon_signed_rank(&few), 12.0, 0.2578125, Distribution::Exact);
        let many = [few.as_slice(), &[6.0, 7.0, 2.0, -1.0, 8.0]].concat();
        check(wilcoxon_signed_rank(&many), 18.0, 0.029717534080169455, Distribution::Normal);
    }

    #[test]
    fn the_mann_whitney_test_equals_scipy() {
        let first = [19.0, 22.0, 16.0, 29.0, 24.0];
        let second = [20.0, 11.0, 17.0, 12.0];
        check(mann_whitney(&first, &second), 17.0, 0.1111111111111111, Distribution::Exact);
        check(mann_whitney(&second, &first), 3.0, 0.1111111111111111, Distribution::Exact);
        let steps = |n: i32, width: f64, start: f64| -> Vec<f64> {
            (0..n).map(|i| f64::from(i) * width + start).collect()
        };
        let uneven = mann_whitney(&steps(8, 9.1, 0.05), &steps(40, 1.3, 7.0));
        check(uneven, 157.0, 0.945937908078801, Distribution::Exact);
        let apart = mann_whitney(&steps(8, 1.0, 1.0), &steps(9, 1.0, 10.0));
        check(apart, 0.0, 8.227067050596462e-5, Distribution::Exact);
        let many = mann_whitney(&steps(12, 1.7, 0.0), &steps(15, 1.3, 4.05));
        check(many, 59.0, 0.1366856053627003, Distribution::Normal);
        let tied = ([1.0, 2.0, 2.0, 3.0, 5.0, 8.0], [2.0, 3.0, 4.0, 5.0, 5.0, 9.0, 10.0]);
        check(mann_whitney(&tied.0, &tied.1), 11.5, 0.19294713116718787, Distribution::Normal);
        check(mann_whitney(&[1.0; 3], &[1.0; 2]), 3.0, 1.0, Distribution::Normal);
    }

    #[test]
    fn no_difference_at_all_is_no_evidence() {
        for n in [1, 13, 60] {
            check(wilcoxon_signed_rank(&vec![0.0; n]), 0.0, 1.0, Distribution::Exact);
        }
    }

    #[test]
    fn samples_without_numbers_are_refused() {
        assert_eq!(wilcoxon_signed_rank(&[]), Err(SampleError::Empty));
        assert_eq!(mann_whitney(&[1.0], &[]), Err(SampleError::Empty));
        assert!(wilcoxon_signed_rank(&[1.0, f64::INFINITY]).is_err());
    }
}
