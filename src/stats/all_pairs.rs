//! Several algorithms on the same problems: all pairs with Holm's correction, effect sizes, mean ranks.
//!
//! As Demšar 2006 and Benavoli et al. 2016 advise: ranks are of algorithms within a block (a problem that all have solved),
//! Friedman's test asks whether they differ at all, and Wilcoxon's signed-rank test of each pair, corrected by Holm's
//! method, which. Pairs that are not told apart form the groups of a critical-difference diagram.

use super::compare::{self, CellTest, CompareError, ComparedAlgorithm};
use super::rank_test::{mann_whitney, ranks, wilcoxon_signed_rank};
use super::summary::Summary;
use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF};
use std::collections::BTreeMap;

/// Two algorithms on the same data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparedPair {
    pub first: String,
    pub second: String,
    pub first_runs: Summary,
    pub second_runs: Summary,
    /// Vargha and Delaney's A12: the chance that a run of the first is better than one of the second, a tie being half.
    pub a12: f64,
    #[serde(flatten)]
    pub test: CellTest,
    /// The p-value by Holm's method, over the pairs of these data.
    pub p_holm: f64,
}

/// How algorithms rank over blocks that all of them have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeanRanks {
    pub blocks: usize,
    /// From the best mean rank on; 1 is best.
    pub algorithms: Vec<MeanRank>,
    /// None for two algorithms.
    pub friedman: Option<Friedman>,
    pub pairs: Vec<RankedPair>,
    /// What is significant: a pair whose `p_holm` is below.
    pub alpha: f64,
    /// The largest sets of neighbours by mean rank of which no two are significantly different.
    pub groups: Vec<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeanRank {
    pub algorithm: String,
    pub mean_rank: f64,
}

/// Friedman's test, corrected for ties, as SciPy's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Friedman {
    pub chi_squared: f64,
    pub p: f64,
}

/// Two algorithms over all blocks: Wilcoxon's signed-rank test.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RankedPair {
    pub first: String,
    pub second: String,
    pub p: f64,
    pub p_holm: f64,
}

/// How large an effect A12 is, by the usual thresholds of Vargha and Delaney 2000.
pub fn magnitude(a12: f64) -> &'static str {
    match (a12 - 0.5).abs() {
        distance if distance < 0.06 => "negligible",
        distance if distance < 0.14 => "small",
        distance if distance < 0.21 => "medium",
        _ => "large",
    }
}

/// P-values by Holm's step-down method, in their order.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut corrected = vec![0.0; p.len()];
    let mut highest: f64 = 0.0;
    for (place, &index) in order.iter().enumerate() {
        highest = highest.max(p[index] * (p.len() - place) as f64).min(1.0);
        corrected[index] = highest;
    }
    corrected
}

/// Every pair of places, the earlier first.
fn pairs_of(count: usize) -> Vec<(usize, usize)> {
    (0..count).flat_map(|first| (first + 1..count).map(move |second| (first, second))).collect()
}

/// All pairs of algorithms on one data set.
///
/// # Errors
/// If an algorithm has no runs, or an accuracy is not finite.
pub fn all_pairs(algorithms: &[ComparedAlgorithm<'_>]) -> Result<Vec<ComparedPair>, CompareError> {
    algorithms.iter().try_for_each(|algorithm| compare::check("compared", *algorithm))?;
    let accuracies = |algorithm: &ComparedAlgorithm<'_>| -> Vec<f64> {
        algorithm.outcomes.iter().map(|run| run.accuracy).collect()
    };
    let mut pairs = Vec::new();
    for (first, second) in pairs_of(algorithms.len()) {
        let (first, second) = (algorithms[first], algorithms[second]);
        let (of_first, of_second) = (accuracies(&first), accuracies(&second));
        let better = mann_whitney(&of_first, &of_second).map(|test| test.statistic);
        let runs = |algorithm: ComparedAlgorithm<'_>| algorithm.outcomes.len() as f64;
        let test = compare::test(&compare::all(second), &compare::all(first));
        let (Ok(better), Ok(test)) = (better, test) else { continue };
        let (Ok(first_runs), Ok(second_runs)) = (Summary::new(&of_first), Summary::new(&of_second)) else {
            continue;
        };
        pairs.push(ComparedPair {
            first: first.name.to_owned(),
            second: second.name.to_owned(),
            first_runs,
            second_runs,
            a12: better / (runs(first) * runs(second)),
            test,
            p_holm: 1.0,
        });
    }
    let corrected = holm(&pairs.iter().map(|pair| pair.test.test.p).collect::<Vec<_>>());
    pairs.iter_mut().zip(corrected).for_each(|(pair, p)| pair.p_holm = p);
    Ok(pairs)
}

/// Ranks algorithms over the blocks that all of them have: an architecture and a seed, several runs of which count as their
/// mean. None without such a block or without two algorithms.
pub fn mean_ranks(algorithms: &[ComparedAlgorithm<'_>], alpha: f64) -> Option<MeanRanks> {
    let means: Vec<BTreeMap<(&str, u64), f64>> =
        algorithms.iter().map(|algorithm| compare::seed_means(&compare::all(*algorithm))).collect();
    let (first, others) = means.split_first()?;
    let mut blocks: Vec<Vec<f64>> = Vec::new();
    for (key, accuracy) in first {
        let others: Option<Vec<f64>> = others.iter().map(|means| means.get(key).copied()).collect();
        blocks.extend(others.map(|others| [vec![*accuracy], others].concat()));
    }
    if algorithms.len() < 2 || blocks.is_empty() {
        return None;
    }
    let ranked: Vec<(Vec<f64>, Vec<usize>)> = blocks.iter().map(|block| ranks(&negated(block))).collect();
    let mean = |place: usize| ranked.iter().map(|(ranks, _)| ranks[place]).sum::<f64>() / blocks.len() as f64;
    let mean_ranks: Vec<f64> = (0..algorithms.len()).map(mean).collect();
    let mut order: Vec<usize> = (0..algorithms.len()).collect();
    order.sort_by(|&a, &b| mean_ranks[a].total_cmp(&mean_ranks[b]));
    let column = |place: usize| {
        let index = order[place];
        blocks.iter().map(move |block| block[index])
    };
    let test = |&(first, second): &(usize, usize)| {
        let differences: Vec<f64> =
            column(first).zip(column(second)).map(|(a, b)| compare::untied(a - b)).collect();
        wilcoxon_signed_rank(&differences).map_or(1.0, |test| test.p)
    };
    let places = pairs_of(algorithms.len());
    let p: Vec<f64> = places.iter().map(test).collect();
    let corrected = holm(&p);
    let name = |place: usize| algorithms[order[place]].name.to_owned();
    let pairs = places.iter().zip(p.iter().zip(&corrected));
    let differ = |pair: (usize, usize)| {
        places.iter().position(|other| *other == pair).is_some_and(|index| corrected[index] < alpha)
    };
    Some(MeanRanks {
        blocks: blocks.len(),
        algorithms: order
            .iter()
            .map(|&index| MeanRank {
                algorithm: algorithms[index].name.to_owned(),
                mean_rank: mean_ranks[index],
            })
            .collect(),
        friedman: (algorithms.len() > 2).then(|| friedman(&ranked, algorithms.len())),
        pairs: pairs
            .map(|(&(first, second), (&p, &p_holm))| RankedPair {
                first: name(first),
                second: name(second),
                p,
                p_holm,
            })
            .collect(),
        alpha,
        groups: groups(algorithms.len(), differ).into_iter().map(|group| group.map(name).collect()).collect(),
    })
}

/// The higher an accuracy, the lower its rank; differences that rounding made are none.
fn negated(block: &[f64]) -> Vec<f64> {
    block.iter().map(|accuracy| -compare::untied(*accuracy)).collect()
}

/// The largest runs of neighbours, of two or more, of which no two `differ`.
fn groups(count: usize, differ: impl Fn((usize, usize)) -> bool) -> Vec<std::ops::Range<usize>> {
    let mut groups: Vec<std::ops::Range<usize>> = Vec::new();
    for first in 0..count {
        let alike = |end: &usize| pairs_of(end - first).iter().all(|(a, b)| !differ((first + a, first + b)));
        let end = (first + 1..=count).take_while(alike).last().unwrap_or(first + 1);
        if end - first > 1 && groups.last().is_none_or(|last| last.end < end) {
            groups.push(first..end);
        }
    }
    groups
}

/// Friedman's test of blocks whose ranks, and sizes of ties, are given.
fn friedman(ranked: &[(Vec<f64>, Vec<usize>)], algorithms: usize) -> Friedman {
    let (n, k) = (ranked.len() as f64, algorithms as f64);
    let sum = |place: usize| ranked.iter().map(|(ranks, _)| ranks[place]).sum::<f64>();
    let squares: f64 = (0..algorithms).map(|place| sum(place).powi(2)).sum();
    let ties: f64 =
        ranked.iter().flat_map(|(_, sizes)| sizes).map(|&size| (size as f64).powi(3) - size as f64).sum();
    let untied = 1.0 - ties / (k * (k * k - 1.0) * n);
    if untied <= 0.0 {
        return Friedman { chi_squared: 0.0, p: 1.0 };
    }
    let chi_squared = (12.0 / (k * n * (k + 1.0)) * squares - 3.0 * n * (k + 1.0)) / untied;
    let p = ChiSquared::new(k - 1.0).map_or(1.0, |distribution| distribution.sf(chi_squared));
    Friedman { chi_squared, p }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::compare::RunAccuracy;
    use serde::Deserialize;

    /// Both sides round; statrs' incomplete gamma function is good to this.
    const SCIPY: f64 = 1e-9;

    /// Made by `tests/goldens/all_pairs.py`.
    #[derive(Deserialize)]
    struct Golden {
        /// `[algorithm, block]`
        accuracies: Vec<Vec<f64>>,
        mean_ranks: Vec<f64>,
        chi_squared: f64,
        friedman_p: f64,
        /// `[pair]`, of algorithms in their order.
        a12: Vec<f64>,
        wilcoxon_p: Vec<f64>,
        wilcoxon_holm: Vec<f64>,
    }

    fn runs(accuracies: &[f64]) -> Vec<RunAccuracy> {
        let run = |(seed, &accuracy): (usize, &f64)| RunAccuracy {
            architecture: "a".to_owned(),
            seed: seed as u64,
            accuracy,
        };
        accuracies.iter().enumerate().map(run).collect()
    }

    #[track_caller]
    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= SCIPY * expected.abs().max(1e-12), "{found}, not {expected}");
    }

    #[test]
    fn ranks_and_pairs_equal_scipy_and_statsmodels() {
        let goldens: Vec<Golden> =
            serde_json::from_str(include_str!("../../tests/goldens/all_pairs.json")).expect("goldens");
        assert!(goldens.len() >= 3);
        for golden in goldens {
            let names: Vec<String> = (0..golden.accuracies.len()).map(|n| format!("algorithm {n}")).collect();
            let outcomes: Vec<Vec<RunAccuracy>> = golden.accuracies.iter().map(|all| runs(all)).collect();
            let algorithms: Vec<ComparedAlgorithm<'_>> = names
                .iter()
                .zip(&outcomes)
                .map(|(name, outcomes)| ComparedAlgorithm { name, outcomes })
                .collect();
            let pairs = all_pairs(&algorithms).expect("pairs");
            assert_eq!(pairs.len(), golden.a12.len());
            for (index, pair) in pairs.iter().enumerate() {
                close(pair.a12, golden.a12[index]);
                close(pair.test.test.p, golden.wilcoxon_p[index]);
                close(pair.p_holm, golden.wilcoxon_holm[index]);
            }
            let ranks = mean_ranks(&algorithms, 0.05).expect("ranks");
            let friedman = ranks.friedman.expect("three algorithms");
            close(friedman.chi_squared, golden.chi_squared);
            close(friedman.p, golden.friedman_p);
            for (name, expected) in names.iter().zip(&golden.mean_ranks) {
                let found = ranks.algorithms.iter().find(|rank| rank.algorithm == *name).expect("a rank");
                close(found.mean_rank, *expected);
            }
            for (place, (first, second)) in pairs_of(names.len()).into_iter().enumerate() {
                let is_it = |pair: &&RankedPair| {
                    [&pair.first, &pair.second]
                        .iter()
                        .all(|name| [&names[first], &names[second]].contains(name))
                };
                close(ranks.pairs.iter().find(is_it).expect("a pair").p_holm, golden.wilcoxon_holm[place]);
            }
        }
    }

    #[test]
    fn groups_are_the_largest_sets_of_neighbours_that_are_not_told_apart() {
        let differ = |pairs: &'static [(usize, usize)]| move |pair| pairs.contains(&pair);
        assert_eq!(groups(4, differ(&[(0, 2), (0, 3), (1, 3)])), [0..2, 1..3, 2..4]);
        assert_eq!(groups(4, differ(&[(0, 3)])), [0..3, 1..4]);
        assert_eq!(groups(3, differ(&[(0, 1), (0, 2), (1, 2)])), []);
        assert_eq!(groups(3, differ(&[])), vec![std::ops::Range { start: 0, end: 3 }]);
    }

    #[test]
    fn blocks_that_not_all_algorithms_have_do_not_count() {
        let (two, three) = (runs(&[0.5, 0.6]), runs(&[0.4, 0.7, 0.9]));
        let algorithms =
            [("a", &two), ("b", &three)].map(|(name, outcomes)| ComparedAlgorithm { name, outcomes });
        assert_eq!(mean_ranks(&algorithms, 0.05).expect("ranks").blocks, 2);
        let other = vec![RunAccuracy { architecture: "b".to_owned(), seed: 0, accuracy: 0.5 }];
        let apart = [("a", &two), ("c", &other)].map(|(name, outcomes)| ComparedAlgorithm { name, outcomes });
        assert_eq!(mean_ranks(&apart, 0.05), None);
    }
}
