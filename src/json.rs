//! JSON as people write it: a byte-order mark is passed over, and a key given twice is an error, because
//! one of the two values would be lost without a word. Files of settings may have comments (`//` to the end of the line,
//! `/* … */`) and a comma behind the last of several values.

use crate::flaw::Flaw;
use crate::{excerpt, files, foreign};
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;
use std::path::Path;

/// Why a file's JSON cannot be had.
#[derive(Debug)]
pub enum JsonError {
    Read(std::io::Error),
    /// What is wrong with the contents.
    Content(Flaw),
}

/// The JSON in a file of settings, or without a path in standard input. It may have comments.
///
/// # Errors
/// As [`parse`], and when it cannot be read.
pub(crate) fn read(path: Option<&Path>) -> Result<Value, JsonError> {
    let bytes = files::read(path).map_err(JsonError::Read)?;
    text(&bytes).and_then(|text| plain(text).and_then(|plain| parse_text(&plain))).map_err(JsonError::Content)
}

/// The JSON in a text.
///
/// # Errors
/// What is wrong and where: no UTF-8 text, no JSON, or a key given twice, with its full path.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Flaw> {
    parse_text(text(bytes)?)
}

fn parse_text(text: &str) -> Result<Value, Flaw> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Unique { place: None }.deserialize(&mut deserializer);
    value.and_then(|value| deserializer.end().map(|()| value)).map_err(|error| problem(text, &error).into())
}

const MARK: &[u8] = b"\xef\xbb\xbf";

fn text(bytes: &[u8]) -> Result<&str, Flaw> {
    let bytes = bytes.strip_prefix(MARK).unwrap_or(bytes);
    if let Some(kind) = foreign::kind(&bytes[..bytes.len().min(foreign::BEGINNING)]) {
        return Err(format!("not JSON: this is {kind}").into());
    }
    // The length of a header, of 64 bits, and the header itself.
    if bytes.get(4..9) == Some(b"\0\0\0\0{") {
        return Err(
            "not JSON: this is a safetensors file; the record of a ticket is the .json beside it".into()
        );
    }
    if bytes.trim_ascii().is_empty() {
        return Err("the file is empty".into());
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
        format!("line {line} is not UTF-8 text; save the file as UTF-8").into()
    })
}

/// The parser's message, and for what other formats allow and JSON does not, what to write instead.
fn problem(text: &str, error: &serde_json::Error) -> String {
    let message = error.to_string();
    if error.is_data() {
        return message;
    }
    let line = text.split('\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    // The parser counts bytes from 1, and stops at or behind the character that it does not understand.
    let at = error.column().saturating_sub(1).min(line.len());
    let start = line.as_bytes()[..at]
        .iter()
        .rposition(|byte| !byte.is_ascii_alphanumeric())
        .map_or(0, |before| before + 1);
    let rest = line.get(start..).unwrap_or_default();
    let here = line.get(at..).unwrap_or_default();
    let hint = if ["NaN", "Infinity", "inf", "nan"].iter().any(|word| rest.starts_with(word)) {
        "; JSON has no such number"
    } else if ["True", "False", "None"].iter().any(|word| rest.starts_with(word)) {
        "; JSON writes true, false and null"
    } else if here.starts_with(['/', '#']) {
        "; comments are for configurations, and begin with //"
    } else if here.starts_with('\'') {
        "; JSON's quotes are double quotes"
    } else {
        ""
    };
    format!("not valid JSON: {message}{hint}")
}

/// The same text with spaces in place of comments and of commas that nothing follows, so that every line and column
/// stays what it is.
///
/// # Errors
/// When a comment does not end.
fn plain(text: &str) -> Result<String, Flaw> {
    let mut bytes = text.as_bytes().to_vec();
    // The last comma behind a value, as long as nothing but space has followed it.
    let mut comma = None;
    let mut before = b'[';
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text.as_bytes()[at..];
        let length = match rest {
            [b'/', b'/', ..] => rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len()),
            [b'/', b'*', inside @ ..] => match inside.windows(2).position(|pair| pair == b"*/") {
                Some(end) => end + 4,
                None => {
                    let line = 1 + text.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count();
                    return Err(format!(
                        "the comment that begins in line {line} does not end; end it with */"
                    )
                    .into());
                }
            },
            [b'"', ..] => {
                (comma, before) = (None, b'"');
                at += text_length(rest);
                continue;
            }
            [byte, ..] => {
                if let (b']' | b'}', Some(comma)) = (byte, comma) {
                    bytes[comma] = b' ';
                }
                if !byte.is_ascii_whitespace() {
                    let follows_a_value = !matches!(before, b'[' | b'{' | b',' | b':');
                    comma = (*byte == b',' && follows_a_value).then_some(at);
                    before = *byte;
                }
                at += 1;
                continue;
            }
            [] => break,
        };
        for byte in &mut bytes[at..at + length] {
            if !matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        at += length;
    }
    Ok(String::from_utf8(bytes).expect("whole characters were replaced"))
}

/// Bytes of the text between quotes that `rest` begins with; all of it where it does not end.
fn text_length(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Where a value stands in the file.
struct JsonPlace<'a> {
    outer: Option<&'a JsonPlace<'a>>,
    step: Step<'a>,
}

enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

impl fmt::Display for JsonPlace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(outer) = self.outer {
            outer.fmt(f)?;
        }
        match self.step {
            Step::Key(key) if self.outer.is_some() => write!(f, ".{}", excerpt::shown(key)),
            Step::Key(key) => write!(f, "{}", excerpt::shown(key)),
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// Reads a value in which no object has a key twice.
struct Unique<'a> {
    place: Option<&'a JsonPlace<'a>>,
}

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let place = JsonPlace { outer: self.place, step: Step::Index(list.len()) };
            let Some(value) = items.next_element_seed(Unique { place: Some(&place) })? else {
                return Ok(Value::Array(list));
            };
            list.push(value);
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let place = JsonPlace { outer: self.place, step: Step::Key(&key) };
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("{place} is given twice, the second time")));
            }
            let value = entries.next_value_seed(Unique { place: Some(&place) })?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_same_values_are_read_as_by_the_plain_parser() {
        let text = r#"{"b": [1, -1, 1.5, 1e300, 18446744073709551615, null, true, "é"], "a": {"b": {}}}"#;
        let plain: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(parse(text.as_bytes()).as_ref(), Ok(&plain));
        assert_eq!(parse(text.as_bytes()).expect("JSON").to_string(), plain.to_string());
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        assert_eq!(parse(b"\xef\xbb\xbf{\"a\": 1}"), Ok(json!({"a": 1})));
    }

    #[test]
    fn a_key_given_twice_is_named_with_its_path() {
        for (text, place) in [
            (r#"{"a": 1, "a": 1}"#, "a is given twice"),
            (r#"{"a": {"b": 1, "c": 2, "b": 3}}"#, "a.b is given twice"),
            (r#"{"grid": [{"x": 1}, {"x": 1, "x": 2}]}"#, "grid[1].x is given twice"),
            ("{\"a\": {},\n \"a\": {}}", "line 2"),
            (r#"{"é": 1, "\u00e9": 2}"#, "é is given twice"),
        ] {
            let error = parse(text.as_bytes()).expect_err(text).to_string();
            assert!(error.contains(place), "{text}: {error}");
        }
    }

    #[test]
    fn comments_and_last_commas_of_settings_are_passed_over_and_places_stay() {
        let settings = |text: &str| plain(text).and_then(|text| parse_text(&text));
        for (text, value) in [
            ("{// é\n\"a\": [1, 2, /* , */],\n}", json!({"a": [1, 2]})),
            ("/* one\n two */ {\"a\": \"// no /* comment, }\"} // end", json!({"a": "// no /* comment, }"})),
            (r#"{"a\\": "\",]", "b": {},}"#, json!({"a\\": "\",]", "b": {}})),
            ("{\"a\": 1 /**/ , /**/ }", json!({"a": 1})),
        ] {
            assert_eq!(settings(text), Ok(value), "{text}");
        }
        for (text, part) in [
            ("{\"a\": 1, /* why", "the comment that begins in line 1 does not end"),
            ("{\"a\": /* é */ 1 2}", "line 1 column 18"),
            ("{\"a\": 1,, }", "not valid JSON"),
            ("{, }", "not valid JSON"),
            ("[1, /*\n*/ 2, x]", "line 2 column 7"),
            ("{\"a\": 1, # why\n}", "begin with //"),
            ("{\"a\": 1, // why\n\"a\": 2}", "a is given twice"),
            ("// nothing", "EOF"),
            ("{\"a", "EOF"),
        ] {
            let error = settings(text).expect_err(part).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_no_json_is_named() {
        let utf16: Vec<u8> = "{\"a\": 1}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let deep = "[".repeat(100_000);
        for (bytes, part) in [
            (&b""[..], "the file is empty"),
            (b"\xef\xbb\xbf \n", "the file is empty"),
            (&utf16, "UTF-16"),
            (b"\xff\xfe{\0", "UTF-16"),
            (b"{\"a\":\n \"\xe9\"}", "line 2 is not UTF-8"),
            (b"{\"a\": 1,}", "trailing comma"),
            (b"{\"a\": 1, // why\n}", "comments are for configurations"),
            (b"{\"a\": 1 # why\n}", "begin with //"),
            (b"{'a': 1}", "double quotes"),
            (b"{\"a\": NaN}", "no such number"),
            (b"{\"a\": -Infinity}", "no such number"),
            (b"{\"a\": True}", "true, false and null"),
            (b"{\"a\": 1e999}", "out of range"),
            (b"{\"a\": 1} {\"a\": 2}", "trailing characters"),
            (b"PK\x03\x04", "zip archive"),
            (deep.as_bytes(), "recursion limit"),
        ] {
            let error = parse(bytes).expect_err(part).to_string();
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
