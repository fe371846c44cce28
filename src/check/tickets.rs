//! Small searches of every kind, whose tickets are the CPU's in the same arithmetic.

use super::fault::compare_one;
use super::{Fault, Subject};
use crate::evaluate::{Backend, CpuBackend, Evidence, Exhibit, Judge, JudgeError, JudgedBackend};
use crate::objective::Needs;
use crate::run::config::RunConfig;
use crate::run::{self, Control, Run};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What is the same in two records that came to the same ticket by the same way.
const PARTS: [&str; 7] = [
    "/result/train_correct",
    "/result/test_correct",
    "/result/weights_kept",
    "/result/loss",
    "/history",
    "/local_search/history/cost",
    "/ticket",
];

/// Characters of a value that are shown.
const SHOWN: usize = 60;

/// Searches of every kind, by name.
pub fn kinds() -> [(&'static str, Value); 7] {
    let moons = json!({"kind": "moons", "train_samples": 200, "test_samples": 80});
    let digits = json!({"kind": "digits", "classes": 4});
    let genetic = |kind: &str, more: &[(&str, Value)]| {
        let ends = json!({"min_generations": 5, "patience": 4, "max_generations": 10});
        let mut settings = json!({"kind": kind, "population": 20, "termination": ends});
        more.iter().for_each(|(key, value)| settings[*key] = value.clone());
        settings
    };
    let run = |dataset: &Value, hidden: &[usize], algorithm: Value| {
        let network = json!({"hidden": hidden});
        json!({"name": "check", "seed": 7, "dataset": dataset, "network": network, "algorithm": algorithm})
    };
    let local =
        |batch: usize| json!({"kind": "local_search", "proposals": 600, "refresh": 50, "batch": batch});
    [
        ("genetic, counts", run(&moons, &[6], genetic("ga", &[]))),
        ("genetic, losses", run(&digits, &[12, 8], genetic("ga", &[("fitness", json!("margin"))]))),
        ("genetic, a measure", run(&digits, &[12], genetic("ga", &[("fitness", json!("macro_f1"))]))),
        ("genetic, a judge", run(&moons, &[6], genetic("ga", &[("fitness", json!("own"))]))),
        ("genetic, adaptive bound", run(&moons, &[12], genetic("ga_adaptive_ab", &[]))),
        ("local search", run(&digits, &[12], local(1))),
        ("local search, batches", run(&digits, &[12, 10], local(16))),
    ]
}

/// Asks for large outputs of the right class.
struct Distance;

impl Judge for Distance {
    fn needs(&self) -> Needs {
        Needs::Outputs
    }

    fn judge(&self, exhibit: &Exhibit<'_>) -> Result<Vec<f64>, JudgeError> {
        let Evidence::Outputs(outputs) = exhibit.evidence else {
            return Err(JudgeError("it is shown no outputs".to_owned()));
        };
        let of_sample = |(outputs, &label): (&[f32], &u32)| f64::from(outputs[label as usize]).min(1.0);
        let of_mask =
            |outputs: &[f32]| outputs.chunks_exact(exhibit.classes).zip(exhibit.labels).map(of_sample).sum();
        Ok(outputs.chunks_exact(exhibit.samples() * exhibit.classes).map(of_mask).collect())
    }
}

/// The record of the search that `settings` describe, as JSON.
fn record(settings: &Value, backend: Arc<dyn Backend>) -> Result<Value, Fault> {
    let setup = |error: &dyn std::fmt::Display| Fault::Setup(error.to_string());
    let config = RunConfig::from_value(settings.clone()).map_err(|error| setup(&error))?;
    let data = Arc::new(config.dataset.load().map_err(|error| setup(&error))?);
    let config = config.resolve(&data).map_err(|error| setup(&error))?;
    let (run, never) = (Run { cell: config.cell(), config }, AtomicBool::new(false));
    // Asked where a configuration's fitness is its caller's own.
    let backend = JudgedBackend::new(backend, Arc::new(Distance));
    let record = run::run(&run, &data, &backend, &Control::stopping_at(&never))?;
    let record = record.ok_or_else(|| Fault::Setup("the search gave no record".to_owned()))?;
    serde_json::to_value(&record).map_err(|error| setup(&error))
}

/// The search that `settings` describe comes to the same ticket on the subject as on the CPU.
///
/// # Errors
/// The first part of the record that differs, or the device's error.
pub fn same_as_on_the_cpu(subject: &Subject, settings: &Value) -> Result<(), Fault> {
    let backend = subject.with_default_kernels();
    let on_cpu: Arc<dyn Backend> = Arc::new(CpuBackend(backend.arithmetic()));
    let [expected, found] = [on_cpu, backend].map(|backend| record(settings, backend));
    let (expected, found) = (expected?, found?);
    let has_ticket = |record: &Value| record["ticket"].is_object();
    compare_one("tickets", [&found, &expected].map(has_ticket), [true, true])?;
    for part in PARTS {
        if found.pointer(part) != expected.pointer(part) {
            let [found, expected] = [&found, &expected].map(|record| shown(record.pointer(part)));
            return Err(Fault::Differs { what: part.to_owned(), found, expected });
        }
    }
    Ok(())
}

fn shown(value: Option<&Value>) -> String {
    let text = value.map_or("nothing".to_owned(), Value::to_string);
    if text.len() <= SHOWN { text } else { text.chars().take(SHOWN).chain(['…']).collect() }
}
