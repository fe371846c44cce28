//! Words that stand for a missing value.

/// In any case, as pandas, R, Weka and spreadsheets write them.
const WORDS: [&str; 11] = ["", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "?", "null", "none", "-"];

/// Does the cell say that its value is missing?
pub(super) fn is_missing(cell: &str) -> bool {
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(cell))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_nothing_are_known_in_any_case_and_names_are_not_taken_for_them() {
        for word in ["", "NA", "n/A", "NaN", "?", "NULL", "None", "-"] {
            assert!(is_missing(word), "{word:?}");
        }
        for name in ["Nan Goldin", "0", "-1", "no", "nil", "--x"] {
            assert!(!is_missing(name), "{name:?}");
        }
    }
}
