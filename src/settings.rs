//! Settings read from JSON, with errors that name the key.

mod by_key;
mod schema;
mod words;

pub(crate) use schema::{all_optional, optional, or_word};

use crate::excerpt;
use crate::flaw::Flaw;
use by_key::ByKey;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error};
use serde_json::{Map, Value, json};
use std::fmt;

/// What is wrong with a setting: the one error of every configuration's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSetting {
    /// The path of the key, `dataset.normalization.range`; empty for the whole. Who checks a section knows the path
    /// within it, and who holds the section puts its name before ([`below`](Self::below)).
    key: String,
    reason: String,
}

impl fmt::Display for BadSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => f.write_str(&self.reason),
            key => write!(f, "{}: {}", excerpt::shown(key), self.reason),
        }
    }
}

impl std::error::Error for BadSetting {}

impl From<BadSetting> for Flaw {
    fn from(error: BadSetting) -> Self {
        error.to_string().into()
    }
}

/// Stands around a key in the text of an error that goes through serde, which knows no keys.
const KEY: char = '\u{1}';

impl BadSetting {
    pub(crate) fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { key: key.into(), reason: reason.into() }
    }

    /// `key` has a value that must be `needed`.
    pub(crate) fn needs(key: impl Into<String>, needed: impl fmt::Display, found: impl fmt::Display) -> Self {
        let found = excerpt::shown(&found.to_string());
        Self::new(key, format!("must be {needed}, found {found}"))
    }

    /// The same in the words of who holds the section `outer`.
    pub(crate) fn below(mut self, outer: &str) -> Self {
        let dot = if outer.is_empty() || self.key.is_empty() { "" } else { "." };
        self.key.insert_str(0, &format!("{outer}{dot}"));
        self
    }

    /// The same with a word on where, behind the reason.
    pub(crate) fn noting(mut self, note: impl fmt::Display) -> Self {
        self.reason.push_str(&format!(" ({note})"));
        self
    }

    /// The path of the key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The same for whoever deserialises the object around it: [`read`] puts its key before this one's.
    pub(crate) fn within<E: Error>(self) -> E {
        E::custom(format_args!("{KEY}{}{KEY}{}", self.key, self.reason))
    }

    /// An error of serde at the key `outer`.
    fn at(outer: String, error: &str) -> Self {
        let outer = if outer == "." { String::new() } else { outer };
        match error.strip_prefix(KEY).and_then(|error| error.split_once(KEY)) {
            None => Self { key: outer, reason: words::of_users(error) },
            Some((inner, reason)) => Self::new(inner, reason).below(&outer),
        }
    }
}

/// Reads the object `value`; an error has the path of its key.
///
/// # Errors
/// What is wrong, in a sentence.
pub fn read<T: DeserializeOwned>(value: Value) -> Result<T, BadSetting> {
    if !value.is_object() {
        return Err(BadSetting::new(
            "",
            format!("expected an object of settings, found {}", kind_of(&value)),
        ));
    }
    read_any(value)
}

/// The same for a value that need not be an object.
fn read_any<T: DeserializeOwned>(value: Value) -> Result<T, BadSetting> {
    serde_path_to_error::deserialize(ByKey(value))
        .map_err(|error| BadSetting::at(error.path().to_string(), &error.inner().to_string()))
}

/// Reads `value`, settings or a word for their kind, which stand at the key `outer` of what encloses them.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_tagged<T: DeserializeOwned>(outer: &str, value: Value) -> Result<T, BadSetting> {
    read_any(value).map_err(|error: BadSetting| error.below(outer))
}

/// Refuses `found` at `key` unless it `holds` that it is `needed`.
///
/// # Errors
/// Names the key, what is needed and what was found.
pub(crate) fn ensure(
    holds: bool,
    key: &str,
    needed: impl fmt::Display,
    found: impl fmt::Display,
) -> Result<(), BadSetting> {
    if holds { Ok(()) } else { Err(BadSetting::needs(key, needed, found)) }
}

/// Refuses a setting at `key` that was changed though nothing reads it; `remedy` says what to do instead.
///
/// # Errors
/// Where it `is_changed`; names the key and what was found.
pub(crate) fn without_effect(
    is_changed: bool,
    key: &str,
    found: impl fmt::Display,
    remedy: &str,
) -> Result<(), BadSetting> {
    match is_changed {
        false => Ok(()),
        true => Err(BadSetting::new(key, format!("{found} has no effect here; {remedy}"))),
    }
}

/// Reads settings that say at `tag` of what kind they are, one of `kinds`; a word alone is the kind, nothing else being
/// given.
///
/// # Errors
/// When they are no object and no word, or when the kind is missing or none of `kinds`.
pub(crate) fn of_kind<'de, D: Deserializer<'de>>(
    deserializer: D,
    tag: &str,
    kinds: &[&'static str],
) -> Result<(&'static str, Map<String, Value>), D::Error> {
    let mut given = match Value::deserialize(deserializer)? {
        Value::Object(given) => given,
        Value::String(word) => Map::from_iter([(tag.to_owned(), word.into())]),
        other => {
            let reason = format!(
                "expected an object of settings, or one of {}, found {}",
                kinds.join(", "),
                kind_of(&other)
            );
            return Err(BadSetting::new("", reason).within());
        }
    };
    let kind = kind(&mut given, tag, kinds).map_err(BadSetting::within)?;
    Ok((kind, given))
}

/// The key that says of what kind the settings of a section are.
fn tag_of(section: &str) -> &'static str {
    match section {
        "weights" | "biases" => "init",
        "normalization" => "method",
        _ => "kind",
    }
}

/// Sets the value at a dotted path. What is a word on the way becomes the settings of that kind.
///
/// # Errors
/// When what is on the way is neither a word nor an object.
pub(crate) fn set(settings: &mut Value, path: &str, value: Value) -> Result<(), BadSetting> {
    let (mut place, mut section) = (settings, "");
    for key in path.split('.') {
        if let Value::String(kind) = place {
            *place = json!({ tag_of(section): kind });
        }
        let Value::Object(object) = place else {
            let reason = format!("{key} cannot be set inside {}", kind_of(place));
            return Err(BadSetting::new(path, reason));
        };
        place = object.entry(key).or_insert_with(|| json!({}));
        section = key;
    }
    *place = value;
    Ok(())
}

/// A value as messages show it.
fn kind_of(value: &Value) -> String {
    if value.is_array() { "a list".to_owned() } else { excerpt::shown(&value.to_string()) }
}

/// Takes the value of `tag` out of an object of settings, which says of what kind they are.
///
/// # Errors
/// When it is missing or none of `kinds`.
fn kind(
    settings: &mut Map<String, Value>,
    tag: &str,
    kinds: &[&'static str],
) -> Result<&'static str, BadSetting> {
    let found = settings.remove(tag);
    let expected = || format!("expected one of {}", kinds.join(", "));
    let Some(found) = found else {
        return Err(BadSetting::new(tag, format!("missing; {}", expected())));
    };
    let kind = kinds.iter().find(|kind| found.as_str() == Some(**kind));
    kind.copied().ok_or_else(|| {
        let found = excerpt::shown(&found.to_string());
        BadSetting::new(tag, format!("unknown {tag} {found}, {}", expected()))
    })
}

#[cfg(test)]
mod tests;
