//! What the types of settings cannot say of themselves to a JSON Schema: which keys may be left out, and that a word
//! alone may stand for settings of a kind.

use schemars::Schema;
use serde_json::{Value, json};

/// None of the keys must be given: what is left out has the default of its kind.
pub(crate) fn all_optional(schema: &mut Schema) {
    schema.remove("required");
}

/// `key` may be left out, though its type has no default.
pub(crate) fn optional(key: &'static str) -> impl Fn(&mut Schema) {
    move |schema| {
        if let Some(Value::Array(required)) = schema.get_mut("required") {
            required.retain(|name| name != key);
        }
    }
}

/// The kind at `tag` alone, as a word, stands for settings that are all left out.
pub(crate) fn or_word(tag: &'static str) -> impl Fn(&mut Schema) {
    move |schema| {
        let Some(Value::Array(kinds)) = schema.get_mut("oneOf") else { return };
        let is_enough = |kind: &&Value| kind["required"] == json!([tag]);
        let words: Vec<Value> =
            kinds.iter().filter(is_enough).map(|kind| kind["properties"][tag]["const"].clone()).collect();
        let description = "The kind alone, all its settings having their defaults.";
        kinds.push(json!({ "description": description, "type": "string", "enum": words }));
    }
}
