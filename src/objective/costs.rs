//! What predicting one class for another costs.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// A matrix of costs, of which there is one in memory however often it is named: objectives are copied mask by mask.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Costs(&'static [Vec<u32>]);

/// The matrices that were named so far. A program names a few in its life, and they stay.
static NAMED: Mutex<BTreeSet<&'static [Vec<u32>]>> = Mutex::new(BTreeSet::new());

/// Why a matrix is none of costs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CostsError {
    #[error("row {row} has {found} costs, but there are {rows} rows: a row and a column for each class")]
    NotSquare { row: usize, found: usize, rows: usize },
    #[error(
        "row {row}: predicting the right class costs {right}, and predicting class {class} {wrong}; the right one must not \
         cost more"
    )]
    Wrong { row: usize, class: usize, right: u32, wrong: u32 },
    #[error("every row has one cost for all classes, so that nothing that is predicted makes a difference")]
    Indifferent,
}

impl Costs {
    /// `rows[c][p]` is what predicting class `p` costs for a sample of class `c`.
    ///
    /// # Errors
    /// When they are no square, a wrong class costs less than the right one, or all cost the same.
    pub fn new(rows: Vec<Vec<u32>>) -> Result<Self, CostsError> {
        let classes = rows.len();
        for (row, costs) in rows.iter().enumerate() {
            if costs.len() != classes {
                return Err(CostsError::NotSquare { row, found: costs.len(), rows: classes });
            }
            let right = costs[row];
            if let Some(class) = costs.iter().position(|&wrong| wrong < right) {
                return Err(CostsError::Wrong { row, class, right, wrong: costs[class] });
            }
        }
        if rows.iter().all(|costs| costs.iter().all(|cost| *cost == costs[0])) {
            return Err(CostsError::Indifferent);
        }
        let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = named.get(&rows[..]) {
            return Ok(Self(known));
        }
        let rows: &'static [Vec<u32>] = rows.leak();
        named.insert(rows);
        Ok(Self(rows))
    }

    /// Number of classes.
    pub fn classes(self) -> usize {
        self.0.len()
    }

    /// The highest cost of a prediction.
    pub fn highest(self) -> u32 {
        self.0.iter().flatten().copied().max().unwrap_or(0)
    }

    /// The costs of all predictions, of confusion `counts`, `[classes, classes]`.
    pub fn sum(self, counts: &[u32]) -> u64 {
        let cells = counts.iter().zip(self.0.iter().flatten());
        cells.map(|(&count, &cost)| u64::from(count) * u64::from(cost)).sum()
    }
}

impl fmt::Debug for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Costs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Costs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Vec::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_the_same_however_often_it_is_named() {
        let rows = || vec![vec![0, 5], vec![1, 0]];
        let [one, other] = [Costs::new(rows()), Costs::new(rows())].map(|costs| costs.expect("costs"));
        assert!(std::ptr::eq(one.0, other.0));
        assert_eq!((one.classes(), one.highest(), one.sum(&[7, 2, 3, 8])), (2, 5, 13));
        assert_eq!(one.sum(&[0, u32::MAX >> 1, 0, 0]), 5 * u64::from(u32::MAX >> 1));
    }

    #[test]
    fn what_is_no_matrix_of_costs_is_refused_with_the_row() {
        for (rows, part) in [
            (vec![vec![0, 1], vec![1]], "row 1 has 1 costs"),
            (vec![vec![0, 1, 2], vec![1, 0, 2]], "row 0 has 3 costs, but there are 2 rows"),
            (
                vec![vec![0, 1], vec![1, 2]],
                "row 1: predicting the right class costs 2, and predicting class 0 1",
            ),
            (vec![vec![3, 3], vec![1, 1]], "makes a difference"),
            (vec![], "makes a difference"),
        ] {
            let error = Costs::new(rows).expect_err(part).to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
