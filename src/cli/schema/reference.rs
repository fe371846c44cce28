//! The reference of all keys, made from the schema: a section for the whole, then one for what each key holds.

use super::{document, of};
use crate::baseline::tune::TuneConfig;
use crate::run::config::RunConfig;
use crate::sweep::Sweep;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;

const INTRODUCTION: &str = "\
<!-- Made by `supermask schema --markdown` from the program's own types: change their doc comments, not this page. -->
# Configuration

Every key of a configuration: what it holds, what it is where it is left out, and what it means. Keys that stand on no
line are errors. Files are JSON, with comments (`//` to the end of the line, `/* … */`) and a comma behind a last value.

- `--set KEY=VALUE` sets a key on the command line, `-` in place of a file is standard input.
- Where settings are of a kind, the kind alone stands for all its defaults: `\"dataset\": \"moons\"`,
  `\"weights\": \"uniform\"`, `\"normalization\": \"standard\"`.
- Relative paths begin in the folder of the configuration. Up to version 0.1 they began in the working folder: a file that
  is only there is still taken, with a note. Records have the path from the working folder.
- `supermask schema > supermask.schema.json` writes a JSON Schema; editors complete and check a configuration that names
  it: `\"$schema\": \"supermask.schema.json\"`.
";

/// The page.
pub fn page() -> String {
    let all = document(|all| json!([of::<RunConfig>(all), of::<Sweep>(all), of::<TuneConfig>(all)]));
    let definitions = all["$defs"].as_object().cloned().unwrap_or_default();
    let mut page = Page { definitions, seen: BTreeSet::new(), text: INTRODUCTION.to_owned() };
    for (title, name, about) in [
        ("A run", "RunConfig", "What `supermask run`, `dataset` and `tune` read."),
        ("A sweep", "Sweep", "What `supermask sweep` reads."),
        ("Hyperparameter search", "TuneConfig", "What `supermask tune --settings` reads."),
    ] {
        _ = write!(page.text, "\n## {title}\n\n{about}\n");
        let schema = page.definitions[name].clone();
        page.section(&schema);
    }
    page.text
}

struct Page {
    definitions: Map<String, Value>,
    /// The definitions that have a section.
    seen: BTreeSet<String>,
    text: String,
}

impl Page {
    /// The keys of an object, then sections for what they hold.
    fn section(&mut self, schema: &Value) {
        self.table(schema);
        let keys = schema["properties"].as_object().into_iter().flatten();
        for (key, value) in keys {
            for name in self.names(value) {
                if self.seen.insert(name.clone()) {
                    self.definition(key, &self.definitions[&name].clone());
                }
            }
        }
    }

    /// The definitions with sections of their own that a value refers to.
    fn names(&self, value: &Value) -> Vec<String> {
        let parts = ["anyOf", "allOf"].iter().flat_map(|part| value[*part].as_array().into_iter().flatten());
        let name = |value: &Value| Some(value["$ref"].as_str()?.rsplit('/').next()?.to_owned());
        let names = parts.chain([value]).filter_map(name);
        // A word or an object is described with the object.
        names
            .flat_map(|name| match &self.definitions[&name]["anyOf"] {
                Value::Array(_) => self.names(&self.definitions[&name]),
                _ => vec![name],
            })
            .filter(|name| self.is_section(name))
            .collect()
    }

    fn is_section(&self, name: &str) -> bool {
        let schema = &self.definitions[name];
        schema["properties"].is_object() || kinds(schema).next().is_some()
    }

    fn definition(&mut self, key: &str, schema: &Value) {
        _ = write!(self.text, "\n### `{key}`\n\n{}\n", description(schema));
        if kinds(schema).next().is_none() {
            return self.section(schema);
        }
        let variants: Vec<Value> = kinds(schema).cloned().collect();
        for variant in &variants {
            let (tag, kind) = tagged(variant).expect("a kind has a tag");
            _ = write!(self.text, "\n#### `\"{tag}\": \"{kind}\"`\n\n{}\n", description(variant));
            self.table(variant);
        }
        for variant in &variants {
            let keys = variant["properties"].as_object().into_iter().flatten();
            for (key, value) in keys {
                for name in self.names(value) {
                    if self.seen.insert(name.clone()) {
                        self.definition(key, &self.definitions[&name].clone());
                    }
                }
            }
        }
    }

    fn table(&mut self, schema: &Value) {
        let tag = tagged(schema).map(|(tag, _)| tag.to_owned());
        let required =
            |key: &str| schema["required"].as_array().is_some_and(|keys| keys.contains(&json!(key)));
        let keys = schema["properties"].as_object().into_iter().flatten();
        let mut keys = keys.filter(|(key, _)| Some(*key) != tag.as_ref() && *key != "$schema").peekable();
        if keys.peek().is_none() {
            return;
        }
        let mut text = "\n| key | value | default | |\n|---|---|---|---|\n".to_owned();
        for (key, value) in keys {
            let default = match value.get("default") {
                Some(Value::Null) | None if required(key) => "needed".to_owned(),
                None if value["type"] == "boolean" => "`false`".to_owned(),
                Some(Value::Null) | None => "–".to_owned(),
                Some(default) => shown(default),
            };
            let (kind, about) = (self.kind(value), self.about(value));
            let row = [format!("`{key}`"), kind, default, about];
            _ = writeln!(text, "| {} |", row.map(|cell| cell.replace('|', "\\|")).join(" | "));
        }
        self.text += &text;
    }

    /// What a key means, and what its words mean, where they say it.
    fn about(&self, value: &Value) -> String {
        let mut about = description(value);
        for schema in self.referred(value) {
            for word in schema["oneOf"].as_array().into_iter().flatten() {
                if let (Some(name), Some(meaning)) = (word["const"].as_str(), word["description"].as_str()) {
                    about += &format!(" `{name}`: {}", one_line(meaning));
                }
            }
        }
        about.trim().to_owned()
    }

    /// The definitions that a value refers to.
    fn referred<'a>(&'a self, value: &'a Value) -> Vec<&'a Value> {
        let parts = ["anyOf", "allOf"].iter().flat_map(|part| value[*part].as_array().into_iter().flatten());
        let parts = parts.chain([value, &value["items"]]);
        parts.filter_map(|part| self.definitions.get(part["$ref"].as_str()?.rsplit('/').next()?)).collect()
    }

    /// What a value is, in words.
    fn kind(&self, value: &Value) -> String {
        if let Some(name) = value["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
            let schema = &self.definitions[name];
            return match self.is_section(name) {
                true if kinds(schema).next().is_some() => "one of the kinds below".to_owned(),
                true => "settings, see below".to_owned(),
                false => self.kind(schema),
            };
        }
        for parts in ["anyOf", "oneOf", "allOf"] {
            if let Some(parts) = value[parts].as_array() {
                let kinds: Vec<String> = parts.iter().map(|part| self.kind(part)).collect();
                return kinds.join(" or ");
            }
        }
        if let Some(word) = value["const"].as_str() {
            return format!("`{word}`");
        }
        if let Some(words) = value["enum"].as_array() {
            let words: Vec<String> =
                words.iter().filter_map(|word| Some(format!("`{}`", word.as_str()?))).collect();
            return words.join(" or ");
        }
        match &value["type"] {
            Value::Array(types) => {
                let kinds: Vec<String> = types.iter().map(|kind| self.of_type(kind, value)).collect();
                kinds.join(" or ")
            }
            kind => self.of_type(kind, value),
        }
    }

    fn of_type(&self, kind: &Value, value: &Value) -> String {
        match kind.as_str().unwrap_or_default() {
            "integer" => "whole number".to_owned(),
            "number" => "number".to_owned(),
            "boolean" => "true or false".to_owned(),
            "null" => "null".to_owned(),
            "string" if value["maxLength"] == 1 => "one character".to_owned(),
            "string" => "text".to_owned(),
            "array" => {
                let inner = self.kind(&value["items"]);
                match value["maxItems"].as_u64() {
                    Some(length) => format!("list of {length}: {inner}"),
                    None => format!("list: {inner}"),
                }
            }
            _ => "object".to_owned(),
        }
    }
}

/// Characters of a default that a cell shows.
const SHOWN: usize = 120;

/// A default in a cell. Of many settings, those below have theirs each, and the kind says it all.
fn shown(default: &Value) -> String {
    match (default.to_string(), &default["kind"]) {
        (text, _) if text.len() <= SHOWN => format!("`{text}`"),
        (_, Value::String(kind)) => format!("`\"{kind}\"`"),
        _ => "see below".to_owned(),
    }
}

/// The kinds of settings of which there are some.
fn kinds(schema: &Value) -> impl Iterator<Item = &Value> {
    schema["oneOf"].as_array().into_iter().flatten().filter(|kind| tagged(kind).is_some())
}

/// The key that says of what kind settings are, and the kind.
fn tagged(schema: &Value) -> Option<(&str, &str)> {
    let keys = schema["properties"].as_object()?;
    keys.iter().find_map(|(key, value)| Some((key.as_str(), value["const"].as_str()?)))
}

fn description(schema: &Value) -> String {
    one_line(schema["description"].as_str().unwrap_or_default())
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
