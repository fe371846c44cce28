//! Dividing one table of samples into a training and a test set.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::load::test_samples;
use crate::random::{Concern, shuffle, stream};

/// How one table is divided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
            shuffle(&mut order, &mut stream(self.seed, Concern::Split));
        }
        if !self.stratify {
            let test = test_samples(classes.len(), self.test_fraction).min(classes.len());
            let test = order.split_off(classes.len() - test);
            return (order, test);
        }
        stratified(order, classes, self.test_fraction)
    }
}

/// The rows to train on and those held out for validation, each ascending: every class is held out by its
/// `share`, rounded to the nearest, and keeps at least one sample. Which they are depends on nothing else, so
/// that all runs on the same data hold out the same.
pub(super) fn held_out(classes: &[u32], share: f64) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<usize> = (0..classes.len()).collect();
    shuffle(&mut order, &mut stream(0, Concern::Validation));
    let (mut train, mut validation) = stratified(order, classes, share);
    train.sort_unstable();
    validation.sort_unstable();
    (train, validation)
}

/// Divides `order` so that the second part has the last rows of each class, its `share` of them but for one.
fn stratified(order: Vec<usize>, classes: &[u32], share: f64) -> (Vec<usize>, Vec<usize>) {
    let mut quota = vec![0usize; classes.iter().max().map_or(0, |&last| last as usize + 1)];
    for &class in classes {
        quota[class as usize] += 1;
    }
    for quota in &mut quota {
        let wanted = (share * *quota as f64).round() as usize;
        *quota = wanted.min(quota.saturating_sub(1));
    }
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for row in order.into_iter().rev() {
        let quota = &mut quota[classes[row] as usize];
        if *quota > 0 {
            *quota -= 1;
            second.push(row);
        } else {
            first.push(row);
        }
    }
    first.reverse();
    second.reverse();
    (first, second)
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
    fn a_share_of_each_class_is_held_out_and_always_the_same() {
        let classes = [[0; 40].as_slice(), &[1; 8], &[2]].concat();
        let (train, validation) = held_out(&classes, 0.25);
        let count = |rows: &[usize], class| rows.iter().filter(|&&row| classes[row] == class).count();
        assert_eq!([0, 1, 2].map(|class| count(&validation, class)), [10, 2, 0]);
        assert_eq!([0, 1, 2].map(|class| count(&train, class)), [30, 6, 1]);
        assert!(train.is_sorted() && validation.is_sorted());
        assert_ne!(validation[..10], (30..40).collect::<Vec<_>>(), "they are drawn");
        let mut all = [&train[..], &validation].concat();
        all.sort_unstable();
        assert_eq!(all, (0..49).collect::<Vec<_>>());
        assert_eq!((train, validation), held_out(&classes, 0.25));
    }

    #[test]
    fn the_seed_decides_the_shuffle() {
        let classes = [0; 50];
        let rows = |seed| SplitConfig { seed, ..split(true, false) }.rows(&classes);
        assert_eq!(rows(0), rows(0));
        assert_ne!(rows(0), rows(1));
    }
}
