//! The table of results: one row a cell.

use super::cells::{CellRuns, algorithm};
use super::paper;
use crate::archive::ArchivedRun;
use crate::stats::summary::Summary;
use crate::table::Table;

/// The column that people look for first.
const ACCURACY: &str = ">test accuracy %";

/// Is a column of [`results`] the one that people look for first?
pub fn is_accuracy(name: &str) -> bool {
    ACCURACY.strip_prefix('>') == Some(name)
}

/// Columns of tables for programs: what tables for people have at `data set` and `algorithm`, and figures too.
pub(super) const LABELS: [&str; 2] = ["dataset_label", "algorithm_label"];

/// A dash where there is no number.
pub(super) const NONE: &str = "–";

/// Mean and standard deviation, in percent.
pub fn percent(summary: &Summary) -> String {
    match &summary.spread {
        Some(spread) => format!("{:.2} ± {:.2}", 100.0 * summary.mean, 100.0 * spread.standard_deviation),
        None => format!("{:.2}", 100.0 * summary.mean),
    }
}

/// The summary of what `value` finds, where any run has it.
fn summarise(cell: &CellRuns<'_>, value: impl Fn(&ArchivedRun) -> Option<f64>) -> Option<Summary> {
    let values: Vec<f64> = cell.runs.iter().filter_map(|run| value(run)).collect();
    Summary::new(&values).ok()
}

/// How people read a measure.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum MeasureFormat {
    Percent,
    Whole,
    Hundredths,
    Thousandths,
    Scientific,
}

pub(super) struct ResultMeasure {
    pub name: &'static str,
    reading: MeasureFormat,
    /// Not a column where no run has it.
    is_rare: bool,
    pub value: fn(&ArchivedRun) -> Option<f64>,
}

impl ResultMeasure {
    /// The column's name for people.
    pub fn title(&self) -> String {
        if self.reading == MeasureFormat::Percent { format!("{} %", self.name) } else { self.name.to_owned() }
    }

    /// A number of it for people.
    pub fn shown(&self, number: f64) -> String {
        match self.reading {
            MeasureFormat::Percent => format!("{:.2}", 100.0 * number),
            MeasureFormat::Hundredths => format!("{number:.2}"),
            MeasureFormat::Thousandths => format!("{number:.3}"),
            MeasureFormat::Whole => format!("{number:.0}"),
            MeasureFormat::Scientific => format!("{number:.3e}"),
        }
    }
}

const fn measure(
    name: &'static str,
    reading: MeasureFormat,
    value: fn(&ArchivedRun) -> Option<f64>,
) -> ResultMeasure {
    ResultMeasure { name, reading, is_rare: false, value }
}

const fn rare(
    name: &'static str,
    reading: MeasureFormat,
    value: fn(&ArchivedRun) -> Option<f64>,
) -> ResultMeasure {
    ResultMeasure { is_rare: true, ..measure(name, reading, value) }
}

/// What is summarised beside the test accuracy.
const MEASURES: [ResultMeasure; 13] = [
    rare("validation accuracy", MeasureFormat::Percent, |run| run.result.validation_accuracy),
    rare("fitness on the test set", MeasureFormat::Thousandths, |run| {
        Some(run.result.measure.as_ref()?.test)
    }),
    measure("best of population", MeasureFormat::Percent, |run| run.result.test_accuracy_best_of_population),
    measure("sparsity", MeasureFormat::Percent, |run| Some(run.result.sparsity)),
    rare("hypervolume", MeasureFormat::Thousandths, |run| run.hypervolume),
    // What a run did: each algorithm counts in its own unit, and multiply-adds are common to all.
    rare("generations", MeasureFormat::Whole, |run| run.result.generations.map(|count| count as f64)),
    rare("evaluations", MeasureFormat::Whole, evaluations),
    rare("proposals", MeasureFormat::Whole, |run| run.proposals.map(|count| count as f64)),
    rare("epochs", MeasureFormat::Whole, |run| run.epochs.map(|count| count as f64)),
    measure("multiply-adds", MeasureFormat::Scientific, |run| {
        run.result.multiply_adds.map(|count| count as f64)
    }),
    // A run's shares of what it used, and the time that passed meanwhile, which runs of one batch have in common.
    rare("processor seconds", MeasureFormat::Hundredths, |run| run.timing.processor_s),
    rare("device seconds", MeasureFormat::Hundredths, |run| run.timing.device_s),
    rare("wall seconds", MeasureFormat::Hundredths, |run| run.timing.wall()),
];

/// The measures that are columns of a table of `cells`.
pub(super) fn measures(cells: &[CellRuns<'_>]) -> Vec<&'static ResultMeasure> {
    let occurs = |measure: &ResultMeasure| {
        !measure.is_rare || cells.iter().flat_map(|cell| &cell.runs).any(|run| (measure.value)(run).is_some())
    };
    MEASURES.iter().filter(|measure| occurs(measure)).collect()
}

/// Runs of a cell that were interrupted, where any of any cell was.
fn interrupted<'a>(cells: &'a [CellRuns<'_>]) -> Option<impl Fn(&CellRuns<'_>) -> String + use<'a>> {
    let count = |cell: &CellRuns<'_>| cell.runs.iter().filter(|run| run.is_interrupted()).count();
    cells.iter().any(|cell| count(cell) > 0).then_some(move |cell: &CellRuns<'_>| count(cell).to_string())
}

fn evaluations(run: &ArchivedRun) -> Option<f64> {
    run.result.evaluations.map(|evaluations| evaluations.made as f64)
}

/// The results as people read them: accuracies and sparsities in percent.
pub fn results(cells: &[CellRuns<'_>]) -> Table {
    let measures = measures(cells);
    let mut columns: Vec<String> =
        ["data set", "architecture", "algorithm", ">n", ">failed", ACCURACY].map(str::to_owned).to_vec();
    let of_paper = |cell: &CellRuns<'_>| cell.first().and_then(paper::accuracy);
    let has_paper = cells.iter().any(|cell| of_paper(cell).is_some());
    columns.extend(has_paper.then(|| ">paper %".to_owned()));
    columns.extend(measures.iter().map(|measure| format!(">{}", measure.title())));
    let interrupted = interrupted(cells);
    columns.extend(interrupted.iter().map(|_| ">interrupted".to_owned()));
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new("results", "Results: mean ± standard deviation over runs", &columns);
    for cell in cells {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| NONE.to_owned());
        let mut row = vec![
            cell.dataset(),
            cell.cell.architecture.clone(),
            cell.algorithm(),
            cell.runs.len().to_string(),
            cell.failed.len().to_string(),
            or_none(Summary::new(&cell.accuracies()).ok().as_ref().map(percent)),
        ];
        if has_paper {
            let published =
                |paper: paper::Accuracy| format!("{:.1} ± {:.1}", paper.mean, paper.standard_deviation);
            row.push(or_none(of_paper(cell).map(published)));
        }
        for measure in &measures {
            row.push(or_none(summarise(cell, measure.value).map(|summary| match measure.reading {
                MeasureFormat::Percent => percent(&summary),
                _ => measure.shown(summary.mean),
            })));
        }
        row.extend(interrupted.iter().map(|count| count(cell)));
        table.push(row);
    }
    table
}

/// The same results for programs: a number a column, accuracies and sparsities as fractions.
pub fn results_in_numbers(cells: &[CellRuns<'_>]) -> Table {
    let measures = measures(cells);
    let mut columns: Vec<String> =
        ["dataset", "architecture", "algorithm", "kind", "n", "failed"].map(str::to_owned).to_vec();
    for name in std::iter::once("test accuracy").chain(measures.iter().map(|measure| measure.name)) {
        let name = name.replace([' ', '-'], "_");
        columns.push(format!("{name}_mean"));
        columns.push(format!("{name}_std"));
    }
    columns.extend(["test_accuracy_median", "paper_accuracy_mean", "paper_accuracy_std"].map(str::to_owned));
    let interrupted = interrupted(cells);
    columns.extend(interrupted.iter().map(|_| "interrupted".to_owned()));
    columns.extend(LABELS.map(str::to_owned));
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new("results", "Results", &names);
    for cell in cells {
        let mut row = vec![
            cell.cell.dataset.clone(),
            cell.cell.architecture.clone(),
            algorithm(cell.cell, cell.first()),
            cell.first().map(|run| run.kind.clone()).unwrap_or_default(),
            cell.runs.len().to_string(),
            cell.failed.len().to_string(),
        ];
        let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        let accuracy = Summary::new(&cell.accuracies()).ok();
        let summaries = measures.iter().map(|measure| summarise(cell, measure.value));
        for summary in std::iter::once(accuracy).chain(summaries) {
            row.push(number(summary.map(|summary| summary.mean)));
            row.push(number(summary.and_then(|summary| Some(summary.spread?.standard_deviation))));
        }
        let paper = cell.first().and_then(paper::accuracy);
        row.push(number(accuracy.map(|summary| summary.median)));
        row.push(number(paper.map(|paper| paper.mean / 100.0)));
        row.push(number(paper.map(|paper| paper.standard_deviation / 100.0)));
        row.extend(interrupted.iter().map(|count| count(cell)));
        row.extend([cell.dataset(), cell.algorithm()]);
        table.push(row);
    }
    table
}
