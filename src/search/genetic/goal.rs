//! The names of several objectives in configurations.

use crate::objective::Fitness;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::borrow::Cow;

/// The word for sparsity in configurations.
const SPARSITY: &str = "sparsity";

/// One of several objectives, as a configuration names it.
#[derive(Clone, Debug, PartialEq)]
pub enum Goal {
    /// As few weights as possible.
    Sparsity,
    Fitness(Fitness),
}

impl Goal {
    /// The word in configurations; of a program, `program`.
    pub fn name(&self) -> &'static str {
        self.fitness().map_or(SPARSITY, Fitness::name)
    }

    /// What masks are judged by for it, where they are.
    pub fn fitness(&self) -> Option<&Fitness> {
        match self {
            Self::Sparsity => None,
            Self::Fitness(fitness) => Some(fitness),
        }
    }
}

impl JsonSchema for Goal {
    fn schema_name() -> Cow<'static, str> {
        "Goal".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A fitness, or sparsity: as few weights as possible.",
            "anyOf": [{ "const": SPARSITY }, generator.subschema_for::<Fitness>()]
        })
    }
}

impl Serialize for Goal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Sparsity => serializer.serialize_str(SPARSITY),
            Self::Fitness(fitness) => fitness.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Goal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if value == SPARSITY {
            return Ok(Self::Sparsity);
        }
        let fitness = serde_json::from_value(value).map(Self::Fitness);
        fitness.map_err(|error| D::Error::custom(format!("{error}, or `{SPARSITY}`")))
    }
}
