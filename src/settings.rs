//! Settings read from JSON, with errors that name the key.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// What serde calls types, and what they are to a user.
const WORDS: [(&str, &str); 5] = [
    ("expected usize", "expected a whole number"),
    ("expected u64", "expected a whole number"),
    ("expected u32", "expected a whole number"),
    ("expected f64", "expected a number"),
    ("expected f32", "expected a number"),
];

/// Reads `value`; an error begins with the path of its key.
///
/// # Errors
/// What is wrong, in a sentence.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let inner = error.inner().to_string();
        let inner = WORDS.iter().fold(inner, |text, (name, words)| text.replace(name, words));
        match error.path().to_string().as_str() {
            "." => inner,
            path => format!("{path}: {inner}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::DatasetConfig;
    use serde_json::json;

    #[test]
    fn an_error_names_its_key_and_speaks_of_numbers() {
        let refused = |value| read::<DatasetConfig>(value).expect_err("a wrong setting");
        assert_eq!(
            refused(json!({"kind": "digits", "augmentation": {"copies": -1}})),
            "augmentation.copies: invalid value: integer `-1`, expected a whole number"
        );
        assert_eq!(
            refused(json!({"kind": "moons", "noise": "much"})),
            "noise: invalid type: string \"much\", expected a number"
        );
        assert!(
            refused(json!({"kind": "moon"})).starts_with("unknown kind \"moon\", expected one of moons, ")
        );
        assert_eq!(refused(json!({})), "missing field `kind`");
    }
}
