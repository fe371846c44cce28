//! The name of an objective in configurations.

use super::Objective;
use super::costs::Costs;
use super::measure::Measure;
use crate::settings::{BadSetting, ensure};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// What masks are ranked by, as a configuration names it: a word, or an object with costs or with a program.
#[derive(Clone, Debug, PartialEq)]
pub enum Fitness {
    /// The number of correct training samples, as in the paper.
    Accuracy,
    /// The margin loss: see [`margin`](super::margin).
    Margin,
    /// Cross-entropy: see [`cross_entropy`](super::cross_entropy).
    CrossEntropy,
    /// A measure of predicted classes.
    Measure(Measure),
    /// What the caller's own [`Judge`](crate::evaluate::Judge) says; from the library alone.
    Own,
    /// What a program says.
    Program(JudgeProgram),
}

/// A program that is started once, is shown masks in batches, and answers a score for each; larger is better.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct JudgeProgram {
    /// The command and its arguments, started in the working folder.
    pub program: Vec<String>,
    /// What it is shown.
    pub needs: Needs,
    /// Seconds within which it must answer a batch.
    #[schemars(default = "default_timeout_s")]
    pub timeout_s: f64,
}

/// The time that a program has where the configuration does not say.
fn default_timeout_s() -> f64 {
    60.0
}

/// Costs, as a configuration has them.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Costs", deny_unknown_fields)]
struct OfCosts {
    /// What predicting the column's class costs for a sample of the row's: a whole number for each of both.
    #[schemars(with = "Vec<Vec<u32>>")]
    costs: Costs,
}

/// What a judge is shown of each mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Needs {
    /// The predicted class of every sample.
    Predictions,
    /// The network's outputs for every sample.
    Outputs,
    /// How many samples of each class each class is predicted for.
    Confusion,
}

/// Words that name a fitness, with what they name.
const NAMES: [(&str, Fitness); 9] = [
    ("accuracy", Fitness::Accuracy),
    ("margin", Fitness::Margin),
    ("cross_entropy", Fitness::CrossEntropy),
    ("balanced_accuracy", Fitness::Measure(Measure::BalancedAccuracy)),
    ("macro_f1", Fitness::Measure(Measure::MacroF1)),
    ("cohen_kappa", Fitness::Measure(Measure::CohenKappa)),
    ("matthews_correlation", Fitness::Measure(Measure::MatthewsCorrelation)),
    ("worst_class_recall", Fitness::Measure(Measure::WorstClassRecall)),
    ("own", Fitness::Own),
];

impl Fitness {
    /// The word in configurations; of costs and programs, `costs` and `program`.
    pub fn name(&self) -> &'static str {
        let unnamed = if let Self::Measure(_) = self { "costs" } else { "program" };
        NAMES.iter().find(|(_, fitness)| fitness == self).map_or(unnamed, |(name, _)| name)
    }

    /// Is `objective` of this name?
    pub fn names(&self, objective: &Objective) -> bool {
        match (self, objective) {
            (Self::Accuracy, Objective::Accuracy)
            | (Self::Margin, Objective::Margin(_))
            | (Self::CrossEntropy, Objective::CrossEntropy)
            | (Self::Own | Self::Program(_), Objective::Judged) => true,
            (Self::Measure(named), Objective::Measure(measure)) => named == measure,
            _ => false,
        }
    }

    /// Is it what a caller of the library or a program says?
    pub fn is_judged(&self) -> bool {
        matches!(self, Self::Own | Self::Program(_))
    }

    /// Checks the values of a program, and whether costs are of so many `classes`.
    ///
    /// # Errors
    /// Names the key.
    pub fn validate(&self, classes: usize) -> Result<(), BadSetting> {
        if let Self::Measure(Measure::Costs(costs)) = self {
            let needed = format_args!("{classes} by {classes}, a row and a column for each class");
            let found = costs.classes();
            return ensure(found == classes, "costs", needed, format_args!("{found} by {found}"));
        }
        let Self::Program(JudgeProgram { program, timeout_s, .. }) = self else { return Ok(()) };
        let is_named = program.first().is_some_and(|command| !command.is_empty());
        ensure(is_named, "program", "a command, and its arguments", format_args!("{program:?}"))?;
        let is_time = *timeout_s > 0.0 && timeout_s.is_finite();
        ensure(is_time, "timeout_s", "above 0", timeout_s)
    }
}

impl JsonSchema for Fitness {
    fn schema_name() -> Cow<'static, str> {
        "Fitness".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let of_library = |name: &&str| *name == Fitness::Own.name();
        let names: Vec<&str> =
            NAMES.map(|(name, _)| name).into_iter().filter(|name| !of_library(name)).collect();
        json_schema!({
            "description": "What masks are ranked by: a word, costs (what predicting the column costs for the row), or a program.",
            "anyOf": [
                { "type": "string", "enum": names },
                generator.subschema_for::<OfCosts>(),
                generator.subschema_for::<JudgeProgram>()
            ]
        })
    }
}

impl Serialize for Fitness {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Program(program) => program.serialize(serializer),
            Self::Measure(Measure::Costs(costs)) => OfCosts { costs: *costs }.serialize(serializer),
            _ => serializer.serialize_str(self.name()),
        }
    }
}

/// What objects are read as: either costs, or a program with what it needs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FitnessObject {
    costs: Option<Costs>,
    program: Option<Vec<String>>,
    needs: Option<Needs>,
    timeout_s: Option<f64>,
}

impl FitnessObject {
    fn fitness<E: Error>(self) -> Result<Fitness, E> {
        match self {
            Self { costs: Some(costs), program: None, needs: None, timeout_s: None } => {
                Ok(Fitness::Measure(Measure::Costs(costs)))
            }
            Self { costs: Some(_), .. } => Err(E::custom("`costs` stand alone, without a program")),
            Self { program: None, .. } => Err(E::custom("missing field `program`, or `costs`")),
            Self { needs: None, .. } => Err(E::missing_field("needs")),
            Self { program: Some(program), needs: Some(needs), timeout_s, .. } => {
                let timeout_s = timeout_s.unwrap_or_else(default_timeout_s);
                Ok(Fitness::Program(JudgeProgram { program, needs, timeout_s }))
            }
        }
    }
}

/// Reads a word or an object.
struct FitnessVisitor;

impl<'de> Visitor<'de> for FitnessVisitor {
    type Value = Fitness;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = NAMES.map(|(name, _)| format!("`{name}`")).join(", ");
        write!(f, "one of {names}, or an object with `costs`, or with `program` and `needs`")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Fitness, E> {
        let found = NAMES.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, fitness)| fitness).ok_or_else(|| E::invalid_value(Unexpected::Str(name), &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Fitness, A::Error> {
        FitnessObject::deserialize(MapAccessDeserializer::new(map))?.fitness()
    }
}

impl<'de> Deserialize<'de> for Fitness {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FitnessVisitor)
    }
}
