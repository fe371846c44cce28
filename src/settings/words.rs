//! What serde says of a value, in the words of those who wrote it.

use crate::excerpt;

/// What to do about 1e3, 10.0, 2.5 and 1e30, which JSON takes for fractions where they stand for a whole number.
const WHOLE: &str = "; write it in digits alone, without a point or an exponent, below 2^64";

/// serde's sentence in the words of JSON.
pub fn of_users(error: &str) -> String {
    for start in ["invalid type: ", "invalid value: ", "invalid length "] {
        if let Some((found, expected)) = error.strip_prefix(start).and_then(|e| e.rsplit_once(", expected "))
        {
            let is_written_otherwise =
                found.starts_with("floating point") && expected_words(expected).contains("whole");
            let hint = if is_written_otherwise { WHOLE } else { "" };
            return format!("expected {}, found {}{hint}", expected_words(expected), found_words(found));
        }
    }
    for (start, words) in [("unknown field `", "unknown key "), ("unknown variant `", "unknown value ")] {
        if let Some((found, expected)) = error.strip_prefix(start).and_then(|e| e.rsplit_once("`, ")) {
            // The last backtick before a comma may stand in the list of what is expected.
            let (found, expected) = match error[start.len()..].find("`, expected ") {
                Some(end) => (&error[start.len()..][..end], &error[start.len() + end + 3..]),
                None => (found, expected),
            };
            return format!("{words}{}, {}", excerpt::quoted(found), expected.replace('`', ""));
        }
    }
    match error.strip_prefix("missing field `").and_then(|error| error.strip_suffix('`')) {
        Some(key) => format!("the key {key} is missing"),
        None => error.to_owned(),
    }
}

/// What serde calls what it expected, and what that is to a user.
fn expected_words(expected: &str) -> String {
    match expected {
        "usize" | "u64" => "a whole number of at least 0".to_owned(),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "u8" => format!("a whole number from 0 to {}", u8::MAX),
        "i64" | "i32" => "a whole number".to_owned(),
        "f64" | "f32" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "an object".to_owned(),
        "a string" | "path string" | "string or map" => "a text between quotes".to_owned(),
        "a character" => "one character between quotes".to_owned(),
        _ => {
            let sizes = ["an array of length ", "a tuple of size "];
            if let Some(size) = sizes.iter().find_map(|start| expected.strip_prefix(start)) {
                format!("a list of {size} values")
            } else if expected.starts_with("struct ") || expected.starts_with("internally tagged enum ") {
                "an object of settings".to_owned()
            } else if expected.starts_with("enum ") {
                "a text between quotes".to_owned()
            } else {
                expected.to_owned()
            }
        }
    }
}

/// What serde found: ``integer `-1` `` is -1, `string "much"` is "much".
fn found_words(found: &str) -> String {
    if let Some(text) = found.strip_prefix("string ") {
        return excerpt::shown(text);
    }
    if let Some((_, value)) = found.strip_suffix('`').and_then(|found| found.split_once('`')) {
        return excerpt::shown(value);
    }
    match found {
        "map" => "an object".to_owned(),
        "sequence" => "a list".to_owned(),
        "unit value" | "Option value" => "null".to_owned(),
        other => excerpt::shown(other),
    }
}
