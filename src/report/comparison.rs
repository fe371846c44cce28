//! Two algorithms of a folder of records, compared data set by data set.

use super::cells::algorithm;
use crate::archive::{Archive, ArchivedRun, data_settings};
use crate::printable;
use crate::stats::compare::{
    CompareError, ComparedAlgorithm, Comparison, RunAccuracy, compare, supported_effects,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A comparison on one data set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OnDataset {
    pub dataset: String,
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// Comparisons, and what a user should know of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    pub on: Vec<OnDataset>,
    pub notes: Vec<String>,
}

/// Why two algorithms cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum FolderCompareError {
    #[error("--{role} {name}: no record has this algorithm; those here are: {known}")]
    Unknown { role: &'static str, name: String, known: String },
    #[error(
        "--reference {reference} and --target {target} both mean {run}; name two algorithms that share no runs"
    )]
    Overlap { reference: String, target: String, run: String },
    #[error(
        "{reference} and {target} share no data set: {reference} has {of_reference}, {target} {of_target}"
    )]
    NoCommonDataset { reference: String, target: String, of_reference: String, of_target: String },
    #[error(transparent)]
    Compare(#[from] CompareError),
}

/// `GA (adaptive AB)`, `ga-adaptive-ab` and `ga_adaptive_ab` are one name.
fn normalized(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("-")
}

/// Every name that a run's algorithm answers to.
fn names(run: &ArchivedRun) -> [String; 4] {
    let full: Vec<&str> =
        std::iter::once(&run.cell.algorithm).chain(&run.cell.settings).map(String::as_str).collect();
    [
        normalized(&run.cell.algorithm),
        normalized(&full.join(" ")),
        normalized(&algorithm(&run.cell, Some(run))),
        normalized(&run.kind),
    ]
}

fn chosen<'a>(
    archive: &'a Archive,
    role: &'static str,
    name: &str,
) -> Result<Vec<&'a ArchivedRun>, FolderCompareError> {
    let wanted = normalized(name);
    // A label is meant before a kind: a sweep may call one of two genetic algorithms "GA".
    for candidates in [0..3, 3..4] {
        let runs: Vec<&ArchivedRun> =
            archive.runs.iter().filter(|run| names(run)[candidates.clone()].contains(&wanted)).collect();
        if !runs.is_empty() {
            return Ok(runs);
        }
    }
    let known: BTreeSet<String> = archive.runs.iter().map(|run| run.cell.algorithm.clone()).collect();
    let known = known.into_iter().collect::<Vec<_>>().join(", ");
    Err(FolderCompareError::Unknown { role, name: name.to_owned(), known })
}

/// What a run's data are called, with what a sweep varies of them.
pub(super) fn dataset_name(run: &ArchivedRun) -> String {
    let parts = std::iter::once(&run.cell.dataset).chain(data_settings(&run.cell));
    printable::line(&parts.cloned().collect::<Vec<_>>().join(" ")).into_owned()
}

/// Says where one name stands for several settings, whose runs are taken together.
fn pooled(name: &str, runs: &[&ArchivedRun]) -> Option<String> {
    let settings: BTreeSet<String> = runs
        .iter()
        .map(|run| {
            let of_data: Vec<&String> = data_settings(&run.cell).collect();
            let mut cell = run.cell.clone();
            cell.settings.retain(|setting| !of_data.contains(&setting));
            algorithm(&cell, Some(run))
        })
        .collect();
    let listed = || settings.iter().cloned().collect::<Vec<_>>().join(", ");
    (settings.len() > 1).then(|| {
        format!(
            "{name} means {} settings, whose runs are taken together; name one in full: {}",
            settings.len(),
            listed()
        )
    })
}

/// Test accuracies by data set.
fn outcomes(runs: &[&ArchivedRun]) -> BTreeMap<String, Vec<RunAccuracy>> {
    let mut by_dataset: BTreeMap<String, Vec<RunAccuracy>> = BTreeMap::new();
    for run in runs {
        by_dataset.entry(dataset_name(run)).or_default().push(RunAccuracy {
            architecture: printable::line(&run.cell.architecture).into_owned(),
            seed: run.seed,
            accuracy: run.result.test_accuracy,
        });
    }
    by_dataset
}

/// Compares the records of two algorithms, named by label or kind, on every data set that both have.
///
/// # Errors
/// If a name is unknown, both mean the same runs, or they share no data set.
pub fn by_name(archive: &Archive, reference: &str, target: &str) -> Result<Compared, FolderCompareError> {
    let of_reference = chosen(archive, "reference", reference)?;
    let of_target = chosen(archive, "target", target)?;
    if let Some(run) = of_reference.iter().find(|run| of_target.iter().any(|other| other.file == run.file)) {
        let (reference, target) = (reference.to_owned(), target.to_owned());
        return Err(FolderCompareError::Overlap { reference, target, run: run.file.clone() });
    }
    let notes = [(reference, &of_reference), (target, &of_target)];
    let notes = notes.into_iter().filter_map(|(name, runs)| pooled(name, runs)).collect();
    Ok(Compared { on: between((reference, &of_reference), (target, &of_target))?, notes })
}

/// Compares two named sets of runs on every data set that both have.
pub fn between(
    (reference, of_reference): (&str, &[&ArchivedRun]),
    (target, of_target): (&str, &[&ArchivedRun]),
) -> Result<Vec<OnDataset>, FolderCompareError> {
    let (of_reference, of_target) = (outcomes(of_reference), outcomes(of_target));
    let mut compared = Vec::new();
    for (dataset, outcomes) in &of_reference {
        let Some(others) = of_target.get(dataset) else { continue };
        let effects = supported_effects(outcomes, others);
        let comparison = compare(
            ComparedAlgorithm { name: reference, outcomes },
            ComparedAlgorithm { name: target, outcomes: others },
            effects,
        )?;
        compared.push(OnDataset { dataset: dataset.clone(), comparison });
    }
    if compared.is_empty() {
        let list =
            |sets: &BTreeMap<String, Vec<RunAccuracy>>| sets.keys().cloned().collect::<Vec<_>>().join(", ");
        return Err(FolderCompareError::NoCommonDataset {
            reference: reference.to_owned(),
            target: target.to_owned(),
            of_reference: list(&of_reference),
            of_target: list(&of_target),
        });
    }
    Ok(compared)
}
