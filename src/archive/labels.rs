//! Runs of one name that differ in more than their seed are told apart: by a short label of what differs.

use super::run::without;
use crate::evaluate::Arithmetic;
use crate::run::record::Cell;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Digits of a checksum that are shown.
const DIGITS: usize = 8;

/// Labels that one line lists.
const LISTED: usize = 4;

/// A run, or one that failed: what names it, and what it did.
pub(super) struct NamedRun<'a> {
    pub cell: &'a mut Cell,
    pub config: &'a Value,
    /// See [`ArchivedRun`](super::ArchivedRun).
    pub data_identity: String,
    pub arithmetic: Option<Arithmetic>,
}

impl NamedRun<'_> {
    /// Without one, the identity of the data is their configuration, as JSON.
    fn has_checksum(&self) -> bool {
        !self.data_identity.starts_with('{')
    }
}

/// A setting's path and its value, in the order written; settings without a value are left out.
type Leaves = Vec<(String, Value)>;

/// Gives runs of one cell that are of different data, or have different settings, cells of their own. Says what was
/// told apart.
pub(super) fn tell_apart(runs: &mut [NamedRun<'_>]) -> Vec<String> {
    let mut notes = tell_data_apart(runs);
    notes.extend(tell_settings_apart(runs));
    notes
}

/// The settings of a cell that are of its data, as sweeps name them.
pub fn data_settings(cell: &Cell) -> impl Iterator<Item = &String> {
    cell.settings.iter().filter(|setting| setting.starts_with("dataset."))
}

/// Where one label means different data in different records, of whatever cells, the label says which.
fn tell_data_apart(runs: &mut [NamedRun<'_>]) -> Vec<String> {
    let mut by_label: BTreeMap<Vec<String>, Vec<usize>> = BTreeMap::new();
    for (index, run) in runs.iter().enumerate() {
        let label = std::iter::once(&run.cell.dataset).chain(data_settings(run.cell)).cloned().collect();
        by_label.entry(label).or_default().push(index);
    }
    let mut notes = Vec::new();
    for (label, members) in by_label {
        let mut variants: BTreeMap<&str, Leaves> = BTreeMap::new();
        for run in members.iter().map(|&index| &runs[index]) {
            variants.entry(&run.data_identity).or_insert_with(|| {
                let mut leaves = leaves_of(&run.config["dataset"]);
                if run.has_checksum() {
                    let digits = run.data_identity.chars().take(DIGITS).collect();
                    leaves.push(("data".to_owned(), Value::String(digits)));
                }
                leaves
            });
        }
        if variants.len() < 2 {
            continue;
        }
        let labels = labels(&variants.values().collect::<Vec<_>>(), data_label);
        let labels = labels.into_iter().map(|parts| parts.join(" "));
        let labels: BTreeMap<String, String> =
            variants.keys().map(|identity| (*identity).to_owned()).zip(labels).collect();
        for index in members {
            let run = &mut runs[index];
            run.cell.dataset = format!("{} {}", run.cell.dataset, labels[&run.data_identity]);
        }
        notes.push(format!(
            "the records of {} are of different data, and have rows of their own: {}",
            label.join(" "),
            listed(labels.into_values().collect())
        ));
    }
    notes
}

/// Where records of one cell differ in their settings, the cell says in which.
fn tell_settings_apart(runs: &mut [NamedRun<'_>]) -> Vec<String> {
    let mut by_cell: BTreeMap<Cell, Vec<usize>> = BTreeMap::new();
    for (index, run) in runs.iter().enumerate() {
        by_cell.entry(run.cell.clone()).or_default().push(index);
    }
    let mut notes = Vec::new();
    for (cell, members) in by_cell {
        let settings = |run: &NamedRun<'_>| {
            let mut leaves = leaves_of(&without(run.config, &["seed", "name", "dataset"]));
            let arithmetic = run.arithmetic.and_then(|arithmetic| serde_json::to_value(arithmetic).ok());
            leaves.extend(arithmetic.map(|name| ("arithmetic".to_owned(), name)));
            leaves
        };
        let of_members: Vec<Leaves> = members.iter().map(|&index| settings(&runs[index])).collect();
        let identities: Vec<Leaves> = of_members.iter().map(without_known_files).collect();
        // A failed run has no arithmetic, and joins the first that has its settings: it comes after those that ended.
        let is_of = |variant: &usize, leaves: &Leaves| identities[*variant].starts_with(leaves);
        let mut variants: Vec<usize> = Vec::new();
        for (place, leaves) in identities.iter().enumerate() {
            if !variants.iter().any(|variant| is_of(variant, leaves)) {
                variants.push(place);
            }
        }
        if variants.len() < 2 {
            continue;
        }
        let of_variants: Vec<&Leaves> = variants.iter().map(|&place| &of_members[place]).collect();
        let labels = labels(&of_variants, setting_label);
        for (index, leaves) in members.into_iter().zip(&identities) {
            let place = variants.iter().position(|variant| is_of(variant, leaves)).unwrap_or_default();
            runs[index].cell.settings.extend(labels[place].iter().cloned());
        }
        notes.push(format!(
            "the records of {cell} differ in their settings, and have rows of their own: {}",
            listed(labels.into_iter().map(|parts| parts.join(" ")).collect())
        ));
    }
    notes
}

/// Settings without the paths of files whose checksums stand beside them: one file has many paths.
fn without_known_files(leaves: &Leaves) -> Leaves {
    let has_checksum = |path: &str| {
        let section = path.rsplit_once('.').map_or("", |(section, _)| section);
        leaves.iter().any(|(other, _)| *other == format!("{section}.checksum"))
    };
    let is_file = |path: &str| ["path", "ticket"].iter().any(|name| path.ends_with(&format!(".{name}")));
    leaves.iter().filter(|(path, _)| !(is_file(path) && has_checksum(path))).cloned().collect()
}

fn listed(mut labels: Vec<String>) -> String {
    labels.sort();
    let shown = labels.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    if labels.len() > LISTED { format!("{shown} and {} more", labels.len() - LISTED) } else { shown }
}

/// Every value of a section with its path; lists are values.
fn leaves_of(section: &Value) -> Leaves {
    fn collect(path: &str, value: &Value, leaves: &mut Leaves) {
        match value {
            Value::Null => {}
            Value::Object(settings) => {
                for (key, value) in settings {
                    let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    collect(&inner, value, leaves);
                }
            }
            value => leaves.push((path.to_owned(), value.clone())),
        }
    }
    let mut leaves = Leaves::new();
    collect("", section, &mut leaves);
    leaves
}

/// The parts of a label for each of several distinct variants, from as few of the settings in which they differ as tell them apart.
fn labels(variants: &[&Leaves], label: fn(&str, &[Option<&Value>], usize) -> String) -> Vec<Vec<String>> {
    let value = |leaves: &Leaves, path: &str| {
        leaves.iter().find(|(other, _)| other == path).map(|leaf| leaf.1.clone())
    };
    let mut paths: Vec<&str> = Vec::new();
    for (path, _) in variants.iter().copied().flatten() {
        if !paths.contains(&path.as_str()) {
            paths.push(path);
        }
    }
    let mut parts: Vec<Vec<String>> = vec![Vec::new(); variants.len()];
    let kinds = |parts: &[Vec<String>]| parts.iter().collect::<BTreeSet<_>>().len();
    for path in paths {
        let before = kinds(&parts);
        if before == variants.len() {
            break;
        }
        let values: Vec<Option<Value>> = variants.iter().map(|leaves| value(leaves, path)).collect();
        let values: Vec<Option<&Value>> = values.iter().map(Option::as_ref).collect();
        let mut longer = parts.clone();
        for (place, parts) in longer.iter_mut().enumerate() {
            parts.push(label(path, &values, place));
        }
        if kinds(&longer) > before {
            parts = longer;
        }
    }
    parts
}

/// A value as people write it.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn setting_label(path: &str, values: &[Option<&Value>], place: usize) -> String {
    format!("{path}={}", values[place].map_or_else(|| "unset".to_owned(), shown))
}

/// As a setting's, but files by their names alone, where these differ, and kinds and checksums by themselves.
fn data_label(path: &str, values: &[Option<&Value>], place: usize) -> String {
    let file = |value: &Value| Some(Path::new(value.as_str()?).file_name()?.to_string_lossy().into_owned());
    match (path, values[place]) {
        ("kind", Some(kind)) => shown(kind),
        ("data", checksum) => format!("data {}", checksum.map_or_else(|| "unknown".to_owned(), shown)),
        ("train" | "test" | "path" | "folder", Some(value @ Value::String(name))) => {
            let files: BTreeSet<_> = values.iter().map(|value| value.and_then(file)).collect();
            let paths: BTreeSet<_> = values.iter().map(|value| value.map(shown)).collect();
            let differ = files.len() == paths.len();
            file(value).filter(|_| differ).unwrap_or_else(|| name.clone())
        }
        _ => setting_label(path, values, place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cell() -> Cell {
        Cell {
            dataset: "csv".into(),
            architecture: "[2, 10, 2]".into(),
            algorithm: "ga".into(),
            settings: Vec::new(),
        }
    }

    /// The cells of runs with these configurations, data identities and arithmetics, and the notes.
    fn told(runs: &[(Value, &str, Arithmetic)]) -> (Vec<String>, Vec<String>) {
        let mut cells = vec![cell(); runs.len()];
        let named = cells.iter_mut().zip(runs).map(|(cell, (config, data, arithmetic))| NamedRun {
            cell,
            config,
            data_identity: (*data).to_owned(),
            arithmetic: Some(*arithmetic),
        });
        let notes = tell_apart(&mut named.collect::<Vec<_>>());
        (cells.iter().map(Cell::to_string).collect(), notes)
    }

    fn on(train: &str, population: usize, seed: usize) -> Value {
        json!({"name": "n", "seed": seed, "dataset": {"kind": "csv", "train": train},
               "algorithm": {"kind": "ga", "population": population, "gone": null}})
    }

    #[test]
    fn seeds_and_names_and_paths_of_the_same_data_do_not_tell_runs_apart() {
        let mut other = on("/elsewhere/easy.csv", 20, 1);
        other["name"] = json!("m");
        other["algorithm"].as_object_mut().expect("settings").shift_remove("gone");
        let (cells, notes) =
            told(&[(on("easy.csv", 20, 0), "aa", Arithmetic::Fused), (other, "aa", Arithmetic::Fused)]);
        assert_eq!(cells, ["csv [2, 10, 2] ga"; 2]);
        assert!(notes.is_empty());
    }

    #[test]
    fn a_file_with_a_checksum_is_the_same_under_every_path() {
        let start = |ticket: &str, checksum: &str| {
            let mut config = on("a.csv", 20, 0);
            config["start"] = json!({"ticket": ticket, "checksum": checksum});
            (config, "aa", Arithmetic::Fused)
        };
        let (cells, notes) = told(&[start("a.safetensors", "01"), start("/x/./a.safetensors", "01")]);
        assert_eq!(cells, ["csv [2, 10, 2] ga"; 2]);
        assert!(notes.is_empty());
        let (cells, _) = told(&[start("a.safetensors", "01"), start("b.safetensors", "02")]);
        assert_eq!(cells[1], "csv [2, 10, 2] ga start.ticket=b.safetensors");
        let (cells, _) = told(&[start("a.safetensors", "01"), start("a.safetensors", "02")]);
        assert_eq!(cells[1], "csv [2, 10, 2] ga start.checksum=02");
    }

    #[test]
    fn data_and_settings_and_arithmetic_each_get_labels() {
        let (cells, notes) = told(&[
            (on("data/easy.csv", 20, 0), "aa", Arithmetic::Fused),
            (on("data/easy.csv", 40, 1), "aa", Arithmetic::Fused),
            (on("data/hard.csv", 40, 0), "bb", Arithmetic::Fused),
            (on("data/hard.csv", 40, 1), "bb", Arithmetic::Separate),
        ]);
        assert_eq!(
            cells,
            [
                "csv easy.csv [2, 10, 2] ga algorithm.population=20",
                "csv easy.csv [2, 10, 2] ga algorithm.population=40",
                "csv hard.csv [2, 10, 2] ga arithmetic=fused",
                "csv hard.csv [2, 10, 2] ga arithmetic=separate",
            ]
        );
        assert_eq!(notes.len(), 3, "{notes:?}");
        assert!(notes[0].contains("csv are of different data"), "{notes:?}");
        assert!(notes[0].ends_with("easy.csv, hard.csv"), "{notes:?}");
    }

    #[test]
    fn a_file_that_changed_is_told_apart_by_its_checksum() {
        let (cells, _) = told(&[
            (on("a/x.csv", 20, 0), "0123456789", Arithmetic::Fused),
            (on("a/x.csv", 20, 1), "9876543210", Arithmetic::Fused),
        ]);
        assert_eq!(cells, ["csv data 01234567 [2, 10, 2] ga", "csv data 98765432 [2, 10, 2] ga"]);
        let (cells, _) = told(&[
            (on("a/x.csv", 20, 0), "0", Arithmetic::Fused),
            (on("b/x.csv", 20, 1), "1", Arithmetic::Fused),
        ]);
        assert_eq!(cells, ["csv a/x.csv [2, 10, 2] ga", "csv b/x.csv [2, 10, 2] ga"]);
    }
}
