//! `supermask schema`: the settings that a configuration may have, for editors and as a page.

mod reference;

use super::output::{self, Failure};
use crate::archive::throughput::BenchResult;
use crate::baseline::tune::TuneConfig;
use crate::evaluate::BatchFile;
use crate::run::algorithm::AlgorithmConfig;
use crate::run::config::RunConfig;
use crate::run::record::Record;
use crate::sweep::Sweep;
use clap::{Args, ValueEnum};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// What the schema is of
    #[arg(long, value_enum, default_value = "config")]
    of: SchemaOf,

    /// Print the reference of all keys in Markdown, as docs/CONFIGURATION.md has it
    #[arg(long, conflicts_with = "of")]
    markdown: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SchemaOf {
    /// A run's or a sweep's configuration
    Config,
    /// A run's configuration
    Run,
    /// A sweep's configuration
    Sweep,
    /// What `tune --settings` reads
    Tune,
    /// A record
    Record,
    /// The masks that `evaluate` scores
    Batch,
    /// What `bench --out` writes
    Bench,
}

pub fn schema(args: &SchemaArgs) -> Result<(), Failure> {
    if args.markdown {
        return output::print(reference::page().trim_end());
    }
    output::print_json(&match args.of {
        SchemaOf::Config => document(|all| json!([of::<RunConfig>(all), of::<Sweep>(all)])),
        SchemaOf::Run => document(of::<RunConfig>),
        SchemaOf::Sweep => document(|all| {
            let sweep = of::<Sweep>(all);
            // What `base` may have is described with the runs.
            of::<RunConfig>(all);
            sweep
        }),
        SchemaOf::Tune => document(of::<TuneConfig>),
        SchemaOf::Record => document(of::<Record>),
        SchemaOf::Batch => document(of::<BatchFile>),
        SchemaOf::Bench => document(of::<BenchResult>),
    })
}

/// A reference to the schema of a type.
fn of<T: JsonSchema>(all: &mut SchemaGenerator) -> Value {
    all.subschema_for::<T>().to_value()
}

/// The schema of what `root` refers to: of one thing, or of any of a list.
fn document(root: impl FnOnce(&mut SchemaGenerator) -> Value) -> Value {
    let mut all = SchemaGenerator::default();
    let root = root(&mut all);
    let mut definitions = all.take_definitions(true);
    fill_in_defaults(&mut definitions);
    base_like_a_run(&mut definitions);
    for name in ["RunConfig", "Sweep", "TuneConfig"] {
        if let Some(Value::Object(keys)) =
            definitions.get_mut(name).and_then(|root| root.get_mut("properties"))
        {
            let description = "Where the schema is, for editors.";
            keys.insert("$schema".into(), json!({ "type": "string", "description": description }));
        }
    }
    let mut document = Map::new();
    document.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    document.insert("title".into(), "supermask".into());
    match root {
        Value::Array(roots) => _ = document.insert("anyOf".into(), roots.into()),
        root => _ = document.insert("allOf".into(), json!([root])),
    }
    document.insert("$defs".into(), definitions.into());
    document.into()
}

/// Defaults that differ between the kinds of algorithms, which the types of their settings cannot have.
fn fill_in_defaults(definitions: &mut Map<String, Value>) {
    let kinds = definitions.get_mut("AlgorithmConfig").and_then(|kinds| kinds["oneOf"].as_array_mut());
    let (mut end, mut bound) = (None, None);
    for kind in kinds.into_iter().flatten() {
        let name = kind["properties"]["kind"]["const"].clone();
        let Ok(defaults) = serde_json::from_value::<AlgorithmConfig>(json!({ "kind": name })) else {
            continue;
        };
        let defaults = serde_json::to_value(&defaults).expect("settings serialise");
        for (key, default) in defaults.as_object().into_iter().flatten().filter(|(key, _)| *key != "kind") {
            kind["properties"][key]["default"] = default.clone();
        }
        // The first kind that has one says what its default is: of the end, the plain genetic algorithm.
        end = end.or(defaults.get("termination").cloned());
        bound = bound.or(defaults.get("accuracy_bound").filter(|bound| bound.is_object()).cloned());
    }
    for (name, defaults) in [("Termination", end), ("AccuracyBound", bound)] {
        let Some(settings) = definitions.get_mut(name) else { continue };
        for (key, default) in defaults.iter().flat_map(|defaults| defaults.as_object()).flatten() {
            settings["properties"][key]["default"] = default.clone();
        }
    }
}

/// The settings that all runs of a sweep share are those of a run, none of which must be there.
fn base_like_a_run(definitions: &mut Map<String, Value>) {
    let Some(keys) = definitions.get("RunConfig").map(|run| run["properties"].clone()) else { return };
    if let Some(sweep) = definitions.get_mut("Sweep") {
        let base = &mut sweep["properties"]["base"];
        base["properties"] = keys;
        base["additionalProperties"] = false.into();
    }
}
