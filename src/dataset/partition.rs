//! Dividing one table of samples into a training and a test set.

use serde::{Deserialize, Serialize};

use super::load::test_samples;
use crate::random::{Concern, index, stream};

/// How one table is divided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SplitConfig {
    /// `ceil(test_fraction * n)` samples are for testing, the last ones.
    pub test_fraction: f64,
    /// Shuffle the rows first.
    pub shuffle: bool,
    /// Seed of the shuffle.
    pub seed: u64,
    /// Give each class the same share of the test set, rounded to the nearest, and leave each at least one
    /// training sample.
    pub stratify: bool,
}

impl Default for SplitConfig {
    fn default() -> Self {
        Self { test_fraction: 0.25, shuffle: true, seed: 0, stratify: true }
    }
}

impl SplitConfig {
    /// The rows of the training and of the test set, given each row's class.
    pub(super) fn rows(&self, classes: &[u32]) -> (Vec<usize>, Vec<usize>) {
        let mut order: Vec<usize> = (0..classes.len()).collect();
        if self.shuffle {
            let mut random = stream(self.seed, Concern::Split);
            for i in (1..order.len()).rev() {
                order.swap(i, index(&mut random, i + 1));
            }
        }
        if !self.stratify {
            let test = test_samples(classes.len(), self.test_fraction).min(classes.len());
            let test = order.split_off(classes.len() - test);
            return (order, test);
        }
        let mut quota = vec![0usize; classes.iter().max().map_or(0, |&last| last as usize + 1)];
        for &class in classes {
            quota[class as usize] += 1;
        }
        for quota in &mut quota {
            let share = (self.test_fraction * *quota as f64).round() as usize;
            *quota = share.min(quota.saturating_sub(1));
        }
        let (mut train, mut test) = (Vec::new(), Vec::new());
        for row in order.into_iter().rev() {
            let quota = &mut quota[classes[row] as usize];
            if *quota > 0 {
                *quota -= 1;
                test.push(row);
            } else {
                train.push(row);
            }
        }
        train.reverse();
        test.reverse();
        (train, test)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(shuffle: bool, stratify: bool) -> SplitConfig {
        SplitConfig { test_fraction: 0.25, shuffle, seed: 1, stratify }
    }

    #[test]
    fn every_row_lands_in_one_set() {
        let classes: Vec<u32> = (0..101).map(|i| i % 3).collect();
        for (shuffle, stratify) in [(false, false), (false, true), (true, false), (true, true)] {
            let (train, test) = split(shuffle, stratify).rows(&classes);
            let mut all = [train, test].concat();
            all.sort_unstable();
            assert_eq!(all, (0..101).collect::<Vec<_>>());
        }
    }

    #[test]
    fn without_shuffling_the_last_rows_are_the_test_set() {
        let (train, test) = split(false, false).rows(&[0, 0, 1, 1, 0]);
        assert_eq!((train, test), (vec![0, 1, 2], vec![3, 4]));
    }

    #[test]
    fn a_stratified_split_gives_each_class_its_share_and_never_its_last_sample() {
        let classes = [[0; 40].as_slice(), &[1; 8], &[2]].concat();
        let (train, test) = split(true, true).rows(&classes);
        let count = |rows: &[usize], class| rows.iter().filter(|&&row| classes[row] == class).count();
        assert_eq!([0, 1, 2].map(|class| count(&test, class)), [10, 2, 0]);
        assert_eq!([0, 1, 2].map(|class| count(&train, class)), [30, 6, 1]);
    }

    #[test]
    fn the_seed_decides_the_shuffle() {
        let classes = [0; 50];
        let rows = |seed| SplitConfig { seed, ..split(true, false) }.rows(&classes);
        assert_eq!(rows(0), rows(0));
        assert_ne!(rows(0), rows(1));
    }
}
