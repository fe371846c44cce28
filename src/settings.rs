//! Settings read from JSON, with errors that name the key.

mod schema;

pub(crate) use schema::{all_optional, optional, or_word};

use crate::excerpt;
use crate::flaw::Flaw;
use serde::Deserialize;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
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
            None => Self { key: outer, reason: in_users_words(error) },
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

/// JSON in which settings have names: serde would take a list for the values of a structure's keys in the order of their
/// declaration, which nobody who writes a list there means.
struct ByKey(Value);

impl<'de> Deserializer<'de> for ByKey {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.0 {
            Value::Array(values) => visitor.visit_seq(SeqDeserializer::new(values.into_iter().map(ByKey))),
            Value::Object(object) => {
                let entries = object.into_iter().map(|(key, value)| (key, ByKey(value)));
                visitor.visit_map(MapDeserializer::new(entries))
            }
            single => single.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        match self.0 {
            Value::Array(_) => Err(Error::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, serde_json::Error> for ByKey {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
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

/// What to do about 1e3, 10.0, 2.5 and 1e30, which JSON takes for fractions where they stand for a whole number.
const WHOLE: &str = "; write it in digits alone, without a point or an exponent, below 2^64";

/// serde's sentence in the words of JSON.
fn in_users_words(error: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::DatasetConfig;
    use crate::run::config::RunConfig;

    fn refused(value: Value) -> String {
        read::<DatasetConfig>(value).expect_err("a wrong setting").to_string()
    }

    #[test]
    fn an_error_names_its_key_and_speaks_of_numbers() {
        assert_eq!(
            refused(json!({"kind": "digits", "augmentation": {"copies": -1}})),
            "augmentation.copies: expected a whole number of at least 0, found -1"
        );
        assert_eq!(
            refused(json!({"kind": "moons", "noise": "much"})),
            "noise: expected a number, found \"much\""
        );
        assert_eq!(refused(json!({"kind": "moons", "noise": null})), "noise: expected a number, found null");
        let unknown = refused(json!({"kind": "moon"}));
        assert!(unknown.starts_with("kind: unknown kind \"moon\", expected one of moons, "), "{unknown}");
        let missing = refused(json!({}));
        assert!(missing.starts_with("kind: missing; expected one of moons, "), "{missing}");
    }

    #[test]
    fn keys_inside_sections_have_their_full_path() {
        let with = |section: &str, settings: Value| {
            let mut run = json!({"name": "a", "dataset": {"kind": "moons"}, "network": {"hidden": [5]}});
            run[section] = settings;
            RunConfig::from_value(run).expect_err("a wrong setting").to_string()
        };
        let moons = |normalization: Value| json!({"kind": "moons", "normalization": normalization});
        for (section, settings, start) in [
            ("network", json!(5), "network: expected an object of settings, found 5"),
            ("network", json!({"hidden": [5], "layers": [2, 5, 2]}), "network: has both layers and hidden; "),
            ("network", json!({}), "network: needs either layers (all widths"),
            ("network", json!([null, [8]]), "network: expected an object of settings, found a list"),
            (
                "dataset",
                json!({"kind": "csv", "train": "a.csv", "split": [0.3]}),
                "dataset.split: expected an object of settings, found a list",
            ),
            (
                "algorithm",
                json!({"kind": "ga", "termination": [5, 5, null]}),
                "algorithm.termination: expected an object of settings, found a list",
            ),
            (
                "algorithm",
                json!({"kind": "ga_adaptive_ab", "accuracy_bound": null}),
                "algorithm.accuracy_bound: ga_adaptive_ab has a bound, found null",
            ),
            ("network", json!({"layers": "2,5,2"}), "network.layers: expected a list, found \"2,5,2\""),
            ("network", json!({"hidden": [5.5]}), "network.hidden[0]: expected a whole number"),
            ("network", json!({"layers": [2, 2]}), "network.layers: "),
            ("network", json!({"hiden": [5]}), "network.hiden: unknown key \"hiden\", expected"),
            (
                "network",
                json!({"hidden": [5], "weights": {"init": "he"}}),
                "network.weights.init: unknown init",
            ),
            ("network", json!({"hidden": [5], "weights": {"bound": 1}}), "network.weights.init: missing"),
            (
                "network",
                json!({"hidden": [5], "weights": {"init": "uniform", "bound": "1"}}),
                "network.weights.bound: expected a number, found \"1\"",
            ),
            (
                "network",
                json!({"hidden": [5], "biases": {"init": "zero", "bound": 1}}),
                "network.biases.bound: unknown key",
            ),
            (
                "dataset",
                json!({"kind": "moons", "noise": true}),
                "dataset.noise: expected a number, found true",
            ),
            (
                "dataset",
                moons(json!(1)),
                "dataset.normalization: expected an object of settings, or one of none, ",
            ),
            ("dataset", moons(json!("max")), "dataset.normalization.method: unknown method \"max\""),
            ("dataset", json!(5), "dataset: expected an object of settings, or one of moons, "),
            (
                "dataset",
                moons(json!({"method": "max"})),
                "dataset.normalization.method: unknown method \"max\"",
            ),
            (
                "dataset",
                moons(json!({"method": "min_max", "range": [1]})),
                "dataset.normalization.range: expected a list of 2 values, found 1",
            ),
            (
                "dataset",
                moons(json!({"method": "standard", "scope": "all"})),
                "dataset.normalization.scope: unknown value \"all\", expected matrix or feature",
            ),
            (
                "dataset",
                moons(json!({"method": "standard", "range": [0, 1]})),
                "dataset.normalization.range: unknown key \"range\"",
            ),
            ("algorithm", json!({"kind": "ga", "population": -1}), "algorithm.population: expected a whole"),
            (
                "algorithm",
                json!({"kind": "local_search", "margin": {"tau": "x"}}),
                "algorithm.margin.tau: expected a number, found \"x\"",
            ),
            (
                "algorithm",
                json!({"kind": "local_search", "margin": 3}),
                "algorithm.margin: expected an object",
            ),
            ("algorithm", json!(7), "algorithm: expected an object"),
            ("seed", json!("0"), "seed: expected a whole number of at least 0, found \"0\""),
            ("seed", json!(-1), "seed: expected a whole number of at least 0, found -1"),
        ] {
            let error = with(section, settings);
            assert!(error.starts_with(start), "{start}: {error}");
            assert!(!error.contains("struct") && !error.contains("Config"), "{error}");
        }
    }

    /// Every place in a value, as a JSON pointer.
    fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
        found.push(at.to_owned());
        match value {
            Value::Object(object) => {
                object.iter().for_each(|(key, inner)| pointers(inner, &format!("{at}/{key}"), found));
            }
            Value::Array(list) => {
                let inner = list.iter().enumerate();
                inner.for_each(|(index, inner)| pointers(inner, &format!("{at}/{index}"), found));
            }
            _ => {}
        }
    }

    /// Words that mean something to whoever wrote the program alone.
    fn words_of_the_source(message: &str) -> Option<&str> {
        const WORDS: [&str; 14] = [
            "struct", "enum", "variant", "tuple", "sequence", "untagged", "usize", "u64", "u32", "u16",
            "i64", "f64", "f32", "Option",
        ];
        message.split(|c: char| !c.is_alphanumeric() && c != '_').find(|word| {
            let is_type = word
                .as_bytes()
                .windows(2)
                .any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
            is_type || WORDS.contains(word)
        })
    }

    #[test]
    fn no_value_of_any_setting_is_refused_in_words_of_the_source() {
        let part = |value: Value| {
            serde_json::to_value(
                read::<RunConfig>(value).map(|run| (run.dataset, run.algorithm)).expect("a configuration"),
            )
            .expect("JSON")
        };
        let file = json!("a.csv");
        let datasets = [
            json!("moons"),
            json!("circles"),
            json!("blobs"),
            json!({"kind": "digits", "augmentation": {"copies": 1}, "normalization": "standard"}),
            json!({"kind": "csv", "train": file, "drop": ["a"], "features": [0], "comment": "#", "split": {"test_fraction": 0.5}}),
            json!({"kind": "npy", "train_features": file, "train_labels": file}),
            json!({"kind": "npz", "file": file}),
            json!({"kind": "idx", "folder": "f"}),
        ];
        let algorithms = [
            json!({"kind": "ga", "fitness": {"program": ["a"], "needs": "outputs"}}),
            json!("ga_adaptive_ab"),
            json!({"kind": "local_search", "growth": {}, "front": {}, "train_samples": 5, "margin": {"tau": 1}}),
            json!("edge_popup"),
            json!("backprop"),
            json!("backprop_paper"),
        ];
        let weights = ["uniform", "kaiming_normal", "xavier_normal"].map(|init| json!(init));
        let tensors = json!({"init": "safetensors", "path": file, "order": ["a"], "checksum": "b"});
        let networks = weights
            .into_iter()
            .chain([json!({"init": "signed_kaiming_constant", "keep_fraction": 0.5}), tensors]);
        let networks = networks.map(
            |weights| json!({"hidden": [5], "weights": weights, "biases": {"init": "uniform", "bound": 1}}),
        );
        let networks: Vec<Value> = networks.chain([json!({"layers": [2, 5, 2], "biases": "zero"})]).collect();
        let odd = [
            json!(null),
            json!(true),
            json!(-1),
            json!(1e30),
            json!(0.5),
            json!("x"),
            json!(""),
            json!([]),
            json!([[]]),
            json!(["x", 1, null]),
            json!({}),
            json!({"x": 1}),
            json!([{}]),
        ];
        let mut refused = 0;
        for n in 0..datasets.len().max(algorithms.len()) {
            let pick = |list: &[Value]| list[n % list.len()].clone();
            let written = json!({
                "name": "a", "seed": 1, "dataset": pick(&datasets), "network": pick(&networks), "algorithm": pick(&algorithms)
            });
            let filled = part(written.clone());
            let mut whole = written;
            whole["dataset"] = filled[0].clone();
            whole["algorithm"] = filled[1].clone();
            let mut places = Vec::new();
            pointers(&whole, "", &mut places);
            for place in &places {
                for value in &odd {
                    let mut changed = whole.clone();
                    *changed.pointer_mut(place).expect("a place") = value.clone();
                    if let Err(error) = RunConfig::from_value(changed) {
                        refused += 1;
                        let message = error.to_string();
                        assert_eq!(words_of_the_source(&message), None, "{place} = {value}: {message}");
                    }
                }
            }
        }
        assert!(refused > 1000, "{refused}");
        assert!(words_of_the_source("invalid type: map, expected struct RunConfig").is_some());
    }

    #[test]
    fn a_list_is_no_object_of_settings() {
        for (value, found) in [(json!(["moons"]), "a list"), (json!(null), "null"), (json!("a"), "\"a\"")] {
            let error = read::<RunConfig>(value).expect_err("no object").to_string();
            assert_eq!(error, format!("expected an object of settings, found {found}"));
        }
        let error = refused(json!({"kind": "moons", "seed": 5_000_000_000_u64}));
        assert_eq!(error, "seed: expected a whole number from 0 to 4294967295, found 5000000000");
    }

    #[test]
    fn a_long_value_is_cut() {
        let long = "x".repeat(3_000_000);
        for value in [
            json!({"kind": &long}),
            json!({"kind": "moons", "noise": &long}),
            json!({"kind": "moons", (&long): 1}),
            json!({"kind": "csv", "train": "a", "header": &long}),
        ] {
            let error = refused(value);
            assert!(error.len() < 1000, "{} bytes", error.len());
        }
    }
}
