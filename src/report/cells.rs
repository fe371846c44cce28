//! Runs that differ in their seed alone, and the order in which tables and figures name them.

use super::paper;
use crate::archive::{Archive, ArchivedFailure, ArchivedRun, data_settings};
use crate::run::algorithm::{self, ALGORITHMS};
use crate::run::record::Cell;
use std::collections::{BTreeMap, BTreeSet};

/// A setting that a sweep varies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortSetting {
    /// The last words of its path that tell it from the other settings.
    pub key: String,
    pub value: String,
    pub is_of_data: bool,
}

/// The runs of one cell.
#[derive(Clone, Debug)]
pub struct CellRuns<'a> {
    pub cell: &'a Cell,
    /// By seed. Empty if every run of the cell failed.
    pub runs: Vec<&'a ArchivedRun>,
    pub failed: Vec<&'a ArchivedFailure>,
    /// The cell's settings, as far as other cells of the archive have others.
    pub settings: Vec<ShortSetting>,
}

impl<'a> CellRuns<'a> {
    pub fn first(&self) -> Option<&'a ArchivedRun> {
        self.runs.first().copied()
    }

    pub fn accuracies(&self) -> Vec<f64> {
        self.runs.iter().map(|run| run.result.test_accuracy).collect()
    }

    /// The runs from the lowest test accuracy to the highest.
    pub fn ranked(&self) -> Vec<&'a ArchivedRun> {
        let mut runs = self.runs.clone();
        runs.sort_by(|a, b| a.result.test_accuracy.total_cmp(&b.result.test_accuracy));
        runs
    }

    /// The run that is best on the training set: a choice that does not look at the test set.
    pub fn best(&self) -> Option<&'a ArchivedRun> {
        best(&self.runs)
    }

    /// What the algorithm is called, and the settings that tell cells of it apart.
    pub fn algorithm(&self) -> String {
        self.algorithm_without(&[])
    }

    /// The same without the settings of these keys.
    pub fn algorithm_without(&self, keys: &[&str]) -> String {
        let is_named = |setting: &&ShortSetting| !setting.is_of_data && !keys.contains(&setting.key.as_str());
        with_settings(self.algorithm_name(), self.settings.iter().filter(is_named))
    }

    /// What the algorithm is called, whatever its settings.
    pub fn algorithm_name(&self) -> &str {
        match self.first() {
            Some(run) if run.kind == self.cell.algorithm => kind_name(&run.kind),
            _ => &self.cell.algorithm,
        }
    }

    /// What the data are called, and the settings that tell data of this name apart.
    pub fn dataset(&self) -> String {
        with_settings(&self.cell.dataset, self.settings.iter().filter(|setting| setting.is_of_data))
    }

    /// What tells the cell from others.
    pub fn title(&self) -> String {
        format!("{} {} {}", self.dataset(), self.cell.architecture, self.algorithm())
    }
}

fn with_settings<'a>(name: &str, settings: impl Iterator<Item = &'a ShortSetting>) -> String {
    settings.fold(name.to_owned(), |name, setting| format!("{name} {}={}", setting.key, setting.value))
}

/// The run that is best on the training set, the first of equals.
pub fn best<'a>(runs: &[&'a ArchivedRun]) -> Option<&'a ArchivedRun> {
    let accuracy = |run: &ArchivedRun| run.result.train_accuracy;
    runs.iter().copied().reduce(|best, run| if accuracy(run) > accuracy(best) { run } else { best })
}

/// The cells of an archive in the order data set, architecture, algorithm, settings.
pub fn cells(archive: &Archive) -> Vec<CellRuns<'_>> {
    let mut by_cell: BTreeMap<&Cell, CellRuns<'_>> = BTreeMap::new();
    let empty = |cell| CellRuns { cell, runs: Vec::new(), failed: Vec::new(), settings: Vec::new() };
    for run in &archive.runs {
        by_cell.entry(&run.cell).or_insert_with(|| empty(&run.cell)).runs.push(run);
    }
    for failed in &archive.failed {
        if let Some(cell) = &failed.cell {
            by_cell.entry(cell).or_insert_with(|| empty(cell)).failed.push(failed);
        }
    }
    let mut cells: Vec<CellRuns<'_>> = by_cell.into_values().collect();
    let settings = ShortSettings::of(&cells);
    for cell in &mut cells {
        cell.runs.sort_by_key(|run| run.seed);
        cell.settings = settings.shorten(cell.cell);
    }
    cells.sort_by_cached_key(|cell| {
        let widths = cell.first().and_then(ArchivedRun::layers).map(|layers| layers.widths().to_vec());
        let kind = cell.first().map_or("", |run| run.kind.as_str());
        (
            natural_key(&cell.dataset()),
            widths.as_ref().map_or(0, Vec::len),
            widths,
            natural_key(&cell.cell.architecture),
            rank(kind),
            natural_key(&cell.cell.algorithm),
            cell.cell.settings.iter().map(|setting| natural_key(setting)).collect::<Vec<_>>(),
        )
    });
    cells
}

/// What settings of cells are called where only what differs between them is said.
struct ShortSettings {
    /// Settings that all cells have.
    common: BTreeSet<String>,
    /// By the path of a setting.
    keys: BTreeMap<String, String>,
}

impl ShortSettings {
    fn of(cells: &[CellRuns<'_>]) -> Self {
        let mut common: BTreeSet<String> =
            cells.first().map(|cell| cell.cell.settings.iter().cloned().collect()).unwrap_or_default();
        for cell in cells {
            common.retain(|setting| cell.cell.settings.contains(setting));
        }
        let differing = cells.iter().flat_map(|cell| &cell.cell.settings).filter(|s| !common.contains(*s));
        let paths: BTreeSet<&str> = differing.map(|setting| key_and_value(setting).0).collect();
        let last_words = |path: &str, count: usize| {
            let words: Vec<&str> = path.split('.').collect();
            words[words.len().saturating_sub(count)..].join(".")
        };
        let key = |path: &str| {
            let is_unique = |key: &String| {
                paths.iter().all(|other| *other == path || last_words(other, key.split('.').count()) != *key)
            };
            let words = path.split('.').count();
            (1..=words)
                .map(|count| last_words(path, count))
                .find(is_unique)
                .unwrap_or_else(|| path.to_owned())
        };
        let keys = paths.iter().map(|path| ((*path).to_owned(), key(path))).collect();
        Self { common, keys }
    }

    fn shorten(&self, cell: &Cell) -> Vec<ShortSetting> {
        let of_data: Vec<&String> = data_settings(cell).collect();
        let differing = cell.settings.iter().filter(|setting| !self.common.contains(*setting));
        let short = differing.map(|setting| {
            let (path, value) = key_and_value(setting);
            ShortSetting {
                key: self.keys.get(path).map_or(path, String::as_str).to_owned(),
                value: value.to_owned(),
                is_of_data: of_data.contains(&setting),
            }
        });
        short.collect()
    }
}

/// A label that is no assignment is a key alone.
fn key_and_value(setting: &str) -> (&str, &str) {
    setting.split_once('=').unwrap_or((setting, ""))
}

fn rank(kind: &str) -> usize {
    let position = ALGORITHMS.iter().position(|known| known.name == kind);
    // Algorithms of other programs stand before the baselines.
    position.or_else(|| ALGORITHMS.iter().position(|known| known.is_baseline)).unwrap_or(ALGORITHMS.len())
}

/// Sorts `classes=10` behind `classes=9`, and `rate=0.1` behind `rate=0.05` and `rate=5e-5`.
pub fn natural_key(text: &str) -> Vec<(String, u64)> {
    let mut key = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (word, tail) = rest.split_at(rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len()));
        let (number, tail) = tail.split_at(number_length(tail));
        // Floats that are not negative are ordered as their bits are.
        key.push((word.to_lowercase(), number.parse::<f64>().unwrap_or(0.0).to_bits()));
        rest = tail;
    }
    key
}

/// Bytes of the number that `text` begins with: digits, a fraction, an exponent.
fn number_length(text: &str) -> usize {
    let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let mut length = digits(0);
    for starts in [&["."][..], &["e-", "e+", "e"]] {
        let start = starts.iter().find(|start| text[length..].starts_with(**start));
        let more = start.map_or(0, |start| digits(length + start.len()));
        if let (Some(start), 1..) = (start, more) {
            length += start.len() + more;
        }
    }
    length
}

/// How an algorithm is called: its label, or for a plain kind the name in the field; and what the sweep
/// varies besides.
pub fn algorithm(cell: &Cell, run: Option<&ArchivedRun>) -> String {
    let label = match run {
        Some(run) if run.kind == cell.algorithm => kind_name(&run.kind).to_owned(),
        _ => cell.algorithm.clone(),
    };
    std::iter::once(label).chain(cell.settings.iter().cloned()).collect::<Vec<_>>().join(" ")
}

/// The name of a kind of algorithm.
pub fn kind_name(kind: &str) -> &str {
    algorithm::kind(kind).map_or(kind, |kind| kind.label)
}

/// An architecture in a few characters, for axes: the paper's letter and the hidden widths.
pub fn architecture(run: &ArchivedRun) -> String {
    let Some(layers) = run.layers() else { return run.cell.architecture.clone() };
    let widths = layers.widths();
    let hidden: Vec<String> = widths[1..widths.len() - 1].iter().map(usize::to_string).collect();
    let hidden = hidden.join("×");
    match paper::letter(run.dataset_kind(), widths) {
        Some(letter) => format!("{letter}: {hidden}"),
        None => hidden,
    }
}

/// The cells of one data set: what a panel of a figure compares.
#[derive(Clone, Debug)]
pub struct DatasetGroup<'a> {
    /// The label of the data set, with the number of classes where labels alone do not tell.
    pub title: String,
    /// `moons`, `blobs`, …
    pub kind: &'a str,
    pub classes: Option<usize>,
    pub cells: Vec<&'a CellRuns<'a>>,
}

impl<'a> DatasetGroup<'a> {
    /// The distinct architectures, as axes name them.
    pub fn architectures(&self) -> Vec<(&'a str, String)> {
        let mut found: Vec<(&str, String)> = Vec::new();
        for cell in &self.cells {
            let key = cell.cell.architecture.as_str();
            if found.iter().all(|(other, _)| *other != key)
                && let Some(run) = cell.first()
            {
                found.push((key, architecture(run)));
            }
        }
        let clash = |name: &String| found.iter().filter(|(_, other)| other == name).count() > 1;
        let full: Vec<bool> = found.iter().map(|(_, name)| clash(name)).collect();
        for ((key, name), full) in found.iter_mut().zip(full) {
            if full {
                *name = (*key).to_owned();
            }
        }
        found
    }

    /// All runs, cell by cell.
    pub fn runs(&self) -> impl Iterator<Item = &'a ArchivedRun> {
        self.cells.iter().flat_map(|cell| &cell.runs).copied()
    }

    /// The distinct algorithms by name, in the order that they have in all figures.
    pub fn algorithms(&self) -> Vec<String> {
        algorithms(self.cells.iter().copied())
    }
}

/// The distinct algorithms of cells by name: genetic searches first, baselines last, then by name and settings.
pub fn algorithms<'a>(cells: impl Iterator<Item = &'a CellRuns<'a>>) -> Vec<String> {
    let keyed = cells.map(|cell| {
        let kind = cell.first().map_or("", |run| run.kind.as_str());
        let settings: Vec<_> = cell.settings.iter().map(|setting| natural_key(&setting.value)).collect();
        ((rank(kind), natural_key(cell.algorithm_name()), settings), cell.algorithm())
    });
    let mut keyed: Vec<_> = keyed.collect();
    keyed.sort();
    distinct(keyed.into_iter().map(|(_, name)| name))
}

/// Values without repetitions, in the order of their first appearance.
pub fn distinct<T: PartialEq>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for value in values {
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

/// Cells with runs by data set, in the order of the cells.
pub fn by_dataset<'a>(cells: &'a [CellRuns<'a>]) -> Vec<DatasetGroup<'a>> {
    let mut groups: Vec<DatasetGroup<'_>> = Vec::new();
    for cell in cells {
        let Some(run) = cell.first() else { continue };
        let title = cell.dataset();
        let classes = run.data.as_ref().map(|data| data.classes);
        match groups.iter_mut().find(|group| group.title == title && group.classes == classes) {
            Some(group) => group.cells.push(cell),
            None => groups.push(DatasetGroup { title, kind: run.dataset_kind(), classes, cells: vec![cell] }),
        }
    }
    let titles: Vec<String> = groups.iter().map(|group| group.title.clone()).collect();
    for group in &mut groups {
        if titles.iter().filter(|other| **other == group.title).count() > 1
            && let Some(classes) = group.classes
        {
            group.title = format!("{}, {classes} classes", group.title);
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_sort_by_value() {
        let mut names = ["blobs classes=10", "blobs classes=9", "Blobs", "a"];
        names.sort_by_key(|name| natural_key(name));
        assert_eq!(names, ["a", "Blobs", "blobs classes=9", "blobs classes=10"]);
        let mut rates = ["rate=0.1", "rate=10", "rate=0.05", "rate=5e-5", "rate=1e-05", "rate=1.5", "rate=1"];
        rates.sort_by_key(|name| natural_key(name));
        let rising = ["rate=1e-05", "rate=5e-5", "rate=0.05", "rate=0.1", "rate=1", "rate=1.5", "rate=10"];
        assert_eq!(rates, rising);
    }
}
