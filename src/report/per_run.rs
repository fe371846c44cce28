//! The table of runs: one row a run, one column a setting that differs.

use super::cells::{CellRuns, algorithm, distinct};
use super::results::{LABELS, NONE, ResultMeasure, measures};
use crate::archive::{ArchivedFailure, ArchivedRun};
use crate::run::record::Cell;
use crate::table::Table;

/// Why a run has no result.
const FAILED: &str = "failed";

/// A row: a run that ended, or one that failed.
#[derive(Clone, Copy)]
enum RunRow<'a> {
    Ended(&'a ArchivedRun),
    Failed(&'a ArchivedFailure),
}

/// How a table of runs writes what it has.
struct Writing {
    missing: &'static str,
    accuracy: fn(f64) -> String,
    measure: fn(&ResultMeasure, f64) -> String,
}

const FOR_PEOPLE: Writing = Writing {
    missing: NONE,
    accuracy: |share| format!("{:.2}", 100.0 * share),
    measure: |measure, number| measure.shown(number),
};

const FOR_PROGRAMS: Writing =
    Writing { missing: "", accuracy: |share| share.to_string(), measure: |_, number| number.to_string() };

/// A setting of a cell and its value; what is no `setting=value` is a value without a name.
fn setting(text: &str) -> (&str, &str) {
    text.split_once('=').unwrap_or(("setting", text))
}

/// The names of the settings in which cells differ, in the order of their first appearance.
fn settings<'a>(cells: &[CellRuns<'a>]) -> Vec<&'a str> {
    distinct(cells.iter().flat_map(|cell| &cell.cell.settings).map(|text| setting(text).0))
}

/// Every run as people read it: accuracies and sparsities in percent.
pub fn runs(cells: &[CellRuns<'_>]) -> Table {
    let (settings, measures) = (settings(cells), measures(cells));
    let mut columns = ["data set", "architecture", "algorithm"].map(str::to_owned).to_vec();
    columns.extend(settings.iter().map(|name| (*name).to_owned()));
    columns.extend([">seed", ">train accuracy %", ">test accuracy %"].map(str::to_owned));
    columns.extend(measures.iter().map(|measure| format!(">{}", measure.title())));
    columns.push("ended".to_owned());
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new("runs", "Runs", &names);
    for (CellRuns { cell, .. }, run) in rows(cells) {
        let mut row = vec![cell.dataset.clone(), cell.architecture.clone(), named(cell, run)];
        row.extend(values(&settings, cell, NONE));
        row.extend(numbers(run, &measures, &FOR_PEOPLE));
        row.push(ended(run).replace('_', " "));
        table.push(row);
    }
    table
}

/// Every run for programs: a number a column, accuracies and sparsities as fractions, and the record's name.
pub fn runs_in_numbers(cells: &[CellRuns<'_>]) -> Table {
    let (settings, measures) = (settings(cells), measures(cells));
    let mut columns = ["record", "dataset", "architecture", "algorithm", "kind"].map(str::to_owned).to_vec();
    columns.extend(settings.iter().map(|name| (*name).to_owned()));
    columns.extend(["seed", "train_accuracy", "test_accuracy"].map(str::to_owned));
    columns.extend(measures.iter().map(|measure| measure.name.replace([' ', '-'], "_")));
    columns.push("stop_reason".to_owned());
    columns.extend(LABELS.map(str::to_owned));
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new("runs", "Runs", &names);
    for (of_cell, run) in rows(cells) {
        let cell = of_cell.cell;
        let (file, kind) = match run {
            RunRow::Ended(run) => (run.file.clone(), run.kind.clone()),
            RunRow::Failed(failed) => (failed.file.clone(), kind_of(failed)),
        };
        let mut row = vec![file, cell.dataset.clone(), cell.architecture.clone(), named(cell, run), kind];
        row.extend(values(&settings, cell, ""));
        row.extend(numbers(run, &measures, &FOR_PROGRAMS));
        row.push(ended(run).to_owned());
        row.extend([of_cell.dataset(), of_cell.algorithm()]);
        table.push(row);
    }
    table
}

/// All runs, cell by cell, those that failed behind those that ended.
fn rows<'a, 'c>(cells: &'c [CellRuns<'a>]) -> Vec<(&'c CellRuns<'a>, RunRow<'a>)> {
    let of_cell = |cell: &'c CellRuns<'a>| {
        let ended = cell.runs.iter().map(|run| RunRow::Ended(run));
        let failed = cell.failed.iter().map(|failed| RunRow::Failed(failed));
        ended.chain(failed).map(|row| (cell, row)).collect::<Vec<_>>()
    };
    cells.iter().flat_map(of_cell).collect()
}

/// The algorithm's name without the settings, which have columns of their own.
fn named(cell: &Cell, row: RunRow<'_>) -> String {
    let run = match row {
        RunRow::Ended(run) => Some(run),
        RunRow::Failed(_) => None,
    };
    algorithm(&Cell { settings: Vec::new(), ..cell.clone() }, run)
}

fn kind_of(failed: &ArchivedFailure) -> String {
    let kind = failed.config.as_ref().and_then(|config| config["algorithm"]["kind"].as_str());
    kind.unwrap_or_default().to_owned()
}

fn values(settings: &[&str], cell: &Cell, missing: &str) -> Vec<String> {
    let value = |name: &&str| {
        let found: Vec<&str> = cell
            .settings
            .iter()
            .map(|text| setting(text))
            .filter(|(own, _)| own == name)
            .map(|(_, value)| value)
            .collect();
        if found.is_empty() { missing.to_owned() } else { found.join(" ") }
    };
    settings.iter().map(value).collect()
}

/// Seed, accuracies and measures.
fn numbers(row: RunRow<'_>, measures: &[&ResultMeasure], writing: &Writing) -> Vec<String> {
    let run = match row {
        RunRow::Ended(run) => run,
        RunRow::Failed(failed) => {
            let seed = failed.seed.map_or_else(|| writing.missing.to_owned(), |seed| seed.to_string());
            let none = std::iter::repeat_n(writing.missing.to_owned(), 2 + measures.len());
            return std::iter::once(seed).chain(none).collect();
        }
    };
    let mut numbers = vec![run.seed.to_string()];
    numbers.extend([run.result.train_accuracy, run.result.test_accuracy].map(writing.accuracy));
    numbers.extend(measures.iter().map(|measure| match (measure.value)(run) {
        Some(number) => (writing.measure)(measure, number),
        None => writing.missing.to_owned(),
    }));
    numbers
}

/// Why the run ended.
fn ended(row: RunRow<'_>) -> &str {
    match row {
        RunRow::Ended(run) => run.stop_reason.as_deref().unwrap_or_default(),
        RunRow::Failed(_) => FAILED,
    }
}
