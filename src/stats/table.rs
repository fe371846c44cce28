//! Accuracies of two algorithms as plain columns, the form that data frames are exchanged in.

use super::compare::Outcome;
use serde::Deserialize;

/// One entry a run in every column.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    pub accuracy: Vec<f64>,
    /// 0 for the reference, 1 for the target.
    pub algorithm: Vec<u8>,
    pub architecture: Vec<String>,
    /// Seed of the network's initialisation.
    pub seed: Vec<u64>,
    /// Number of the run; not used.
    #[serde(default)]
    pub run: Option<Vec<u64>>,
}

/// Why a table cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    #[error("the column `{column}` has {found} entries, `accuracy` has {expected}: make them equal")]
    Length { column: &'static str, found: usize, expected: usize },
    #[error("`algorithm` is {found} in row {row}: write 0 for the reference and 1 for the target")]
    Algorithm { row: usize, found: u8 },
}

impl Table {
    /// The outcomes of the reference and of the target.
    ///
    /// # Errors
    /// If columns differ in length, or an algorithm is neither 0 nor 1.
    pub fn split(&self) -> Result<[Vec<Outcome>; 2], TableError> {
        let expected = self.accuracy.len();
        for (column, found) in [
            ("algorithm", self.algorithm.len()),
            ("architecture", self.architecture.len()),
            ("seed", self.seed.len()),
        ] {
            if found != expected {
                return Err(TableError::Length { column, found, expected });
            }
        }
        let mut sides = [Vec::new(), Vec::new()];
        for (row, &found) in self.algorithm.iter().enumerate() {
            let side = sides.get_mut(usize::from(found)).ok_or(TableError::Algorithm { row, found })?;
            side.push(Outcome {
                architecture: self.architecture[row].clone(),
                seed: self.seed[row],
                accuracy: self.accuracy[row],
            });
        }
        Ok(sides)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(json: &str) -> Table {
        serde_json::from_str(json).expect("a table")
    }

    #[test]
    fn rows_go_to_their_algorithm() {
        let [reference, target] = table(
            r#"{"accuracy": [0.5, 0.75], "algorithm": [1, 0], "architecture": ["A", "B"], "seed": [3, 4]}"#,
        )
        .split()
        .expect("two rows");
        assert_eq!(reference, [Outcome { architecture: "B".into(), seed: 4, accuracy: 0.75 }]);
        assert_eq!(target, [Outcome { architecture: "A".into(), seed: 3, accuracy: 0.5 }]);
    }

    #[test]
    fn a_short_column_and_an_unknown_algorithm_are_named() {
        let short = r#"{"accuracy": [1.0], "algorithm": [0], "architecture": ["A"], "seed": []}"#;
        assert_eq!(table(short).split(), Err(TableError::Length { column: "seed", found: 0, expected: 1 }));
        let third = r#"{"accuracy": [1.0], "algorithm": [2], "architecture": ["A"], "seed": [0]}"#;
        assert_eq!(table(third).split(), Err(TableError::Algorithm { row: 0, found: 2 }));
    }
}
