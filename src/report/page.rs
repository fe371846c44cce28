//! One self-contained page: no network, no fonts from elsewhere; light and dark; from a laptop to a phone.

use super::Report;
use super::cells::CellRuns;
use super::figures::{Figure, accuracy_of_run, in_turns, network, sparsity_of_run};
use super::paper;
use super::progress_line::progress_line;
use super::results::{NONE, is_accuracy, results};
use crate::archive::{Archive, ArchivedRun, LeftOutFile};
use crate::printable;
use crate::table::{Align, Table};
use crate::timing::TotalTime;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::collections::{BTreeSet, HashMap, HashSet};

/// With more runs than this, only the best, the median and the worst of each cell get pictures.
const ALL_PICTURED: usize = 40;

/// Runs with pictures at most.
const MAX_PICTURED: usize = 90;

/// Problems that are listed one by one.
const MAX_LISTED: usize = 100;

/// The page as HTML text. Every text from records is escaped.
pub fn page(report: &Report<'_>) -> String {
    let title = format!("supermask report: {}", report.archive.name);
    let numbers: HashMap<&str, usize> =
        report.archive.runs.iter().enumerate().map(|(number, run)| (run.file.as_str(), number)).collect();
    let pictured = pictured(&report.cells);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(include_str!("page.css"))) }
            }
            body {
                header { h1 { (title) } (summary(report)) }
                nav {
                    a href="#results" { "Results" }
                    @for figure in &report.figures.drawn { a href=(format!("#{}", figure.name)) { (figure.title) } }
                    a href="#runs" { "Runs" }
                }
                main {
                    (problems(report))
                    section #results {
                        h2 { "Results" }
                        (results_table(&results(&report.cells)))
                        p.note {
                            "Accuracies are on the test set, of the individual that is best on the training set, as "
                            "mean ± standard deviation over runs. “Best of population” is the highest test accuracy of "
                            "the final population, a choice made by looking at the test set."
                            @if has_paper(report) { " “Paper”: " (paper::source()) }
                        }
                    }
                    @for figure in &report.figures.drawn { (show(figure)) }
                    @if !report.figures.left_out.is_empty() {
                        section #left-out {
                            h2 { "Figures without data" }
                            ul { @for line in &report.figures.left_out { li { (line) } } }
                        }
                    }
                    (runs_table(report, &numbers))
                    (run_sections(report, &numbers, &pictured))
                }
                footer { "Made by supermask " (env!("CARGO_PKG_VERSION")) " from the records of " (report.archive.name) "." }
                script { (PreEscaped(include_str!("page.js"))) }
            }
        }
    };
    printable::lines(&page.into_string()).into_owned()
}

/// The runs that get pictures, by file.
fn pictured<'a>(cells: &[CellRuns<'a>]) -> HashSet<&'a str> {
    let total: usize = cells.iter().map(|cell| cell.runs.len()).sum();
    if total <= ALL_PICTURED {
        return cells.iter().flat_map(|cell| &cell.runs).map(|run| run.file.as_str()).collect();
    }
    let filled: Vec<&CellRuns<'a>> = cells.iter().filter(|cell| !cell.runs.is_empty()).collect();
    let of_data = in_turns(&filled, |cell| (cell.dataset(), cell.runs[0].dataset_kind()), MAX_PICTURED / 3);
    let chosen = of_data.into_iter().map(|place| filled[place].ranked());
    let three = |ranked: Vec<&'a ArchivedRun>| {
        [ranked.len() - 1, ranked.len() / 2, 0].map(|index| ranked[index].file.as_str())
    };
    chosen.flat_map(three).collect()
}

fn summary(report: &Report<'_>) -> Markup {
    let runs = &report.archive.runs;
    let adapters: BTreeSet<String> = runs
        .iter()
        .filter_map(|run| run.adapter.as_ref())
        .map(|adapter| format!("{} ({})", adapter.name, adapter.backend))
        .collect();
    let versions: BTreeSet<&str> = runs.iter().filter_map(|run| run.program_version.as_deref()).collect();
    let evaluations: u64 = runs.iter().filter_map(|run| run.result.evaluations).map(|count| count.made).sum();
    let list = |values: Vec<String>| values.join(", ");
    let mut facts = vec![
        ("runs", runs.len().to_string()),
        ("cells", report.cells.len().to_string()),
        ("failed runs", report.archive.failed.len().to_string()),
        ("files left out", left_out(report.archive).len().to_string()),
        ("evaluations", evaluations.to_string()),
        ("adapters", list(adapters.into_iter().collect())),
        ("program versions", list(versions.into_iter().map(str::to_owned).collect())),
    ];
    let mut total = TotalTime::default();
    total.extend(runs.iter().map(|run| &run.timing));
    facts.extend(total.named().into_iter().map(|(name, seconds)| (name, duration(seconds))));
    html! {
        dl.facts {
            @for (name, value) in &facts {
                @if !value.is_empty() { div { dt { (name) } dd { (value) } } }
            }
        }
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// Files that do not count, and why.
fn left_out(archive: &Archive) -> Vec<LeftOutFile> {
    let mut files = archive.problems.clone();
    files.extend(archive.contradictions.iter().map(|problem| LeftOutFile {
        file: problem.file.clone(),
        what: format!("it contradicts itself: {}", problem.what),
    }));
    files.extend(archive.conflicts.iter().map(|conflict| LeftOutFile {
        file: conflict.files[0].clone(),
        what: format!("{conflict}; none of them counts"),
    }));
    files.extend(archive.interrupted.iter().map(|file| LeftOutFile {
        file: file.clone(),
        what: "the run was stopped before its end".to_owned(),
    }));
    files.extend(archive.copies.iter().map(|copy| LeftOutFile {
        file: copy.file.clone(),
        what: format!("the run of {}, which counts already", copy.of),
    }));
    files
}

fn problems(report: &Report<'_>) -> Markup {
    let failed: Vec<LeftOutFile> = report
        .archive
        .failed
        .iter()
        .map(|failed| LeftOutFile {
            file: failed.file.clone(),
            what: match failed.seed {
                Some(seed) => format!("seed {seed} failed: {}", failed.error),
                None => format!("failed: {}", failed.error),
            },
        })
        .collect();
    html! {
        @if !report.archive.told_apart.is_empty() {
            section.warning #told-apart {
                h2 { "Told apart" }
                ul { @for what in &report.archive.told_apart { li { (what) } } }
            }
        }
        @for (id, title, list) in [
            ("files", "Files left out", &left_out(report.archive)),
            ("failed", "Failed runs", &failed),
        ] {
            @if !list.is_empty() {
                section.warning id=(format!("problems-{id}")) {
                    h2 { (title) " (" (list.len()) ")" }
                    ul {
                        @for problem in list.iter().take(MAX_LISTED) {
                            li { code { (problem.file) } ": " (problem.what) }
                        }
                        @if list.len() > MAX_LISTED { li { "and " (list.len() - MAX_LISTED) " more" } }
                    }
                }
            }
        }
    }
}

/// Does the paper have the data and the network of a cell, or comparisons on its data?
fn has_paper(report: &Report<'_>) -> bool {
    report.cells.iter().filter_map(|cell| cell.first()).any(|run| paper::accuracy(run).is_some())
}

fn table(table: &Table) -> Markup {
    html! {
        div.scroll tabindex="0" {
            table {
                thead { tr { @for column in &table.columns {
                    th.number[column.align == Align::Right] scope="col" { (column.name) }
                } } }
                tbody { @for row in &table.rows {
                    tr { @for (cell, column) in row.iter().zip(&table.columns) {
                        td.number[column.align == Align::Right] { (cell) }
                    } }
                } }
            }
        }
    }
}

/// Where the screen is narrow, each row is a card, the accuracy first; a dash is then left out.
fn results_table(table: &Table) -> Markup {
    html! {
        div.scroll.results tabindex="0" {
            table role="table" {
                thead role="rowgroup" { tr role="row" { @for column in &table.columns {
                    th.number[column.align == Align::Right] scope="col" role="columnheader" { (column.name) }
                } } }
                tbody role="rowgroup" { @for row in &table.rows {
                    tr role="row" { @for (cell, column) in row.iter().zip(&table.columns) {
                        td.number[column.align == Align::Right] .accuracy[is_accuracy(&column.name)]
                            .none[cell == NONE] role="cell" data-name=(column.name) { (cell) }
                    } }
                } }
            }
        }
    }
}

fn show(figure: &Figure) -> Markup {
    html! {
        section id=(figure.name) {
            h2 { (figure.title) }
            div.panels {
                @for panel in &figure.panels {
                    figure { figcaption { (panel.title) } (drawing(&panel.svg, &panel.title)) }
                }
            }
            p.note { (figure.caption) }
            @for each in &figure.tables { h3 { (each.title) } (table(each)) }
        }
    }
}

/// A drawing of ours, named for those who cannot see it.
fn drawing(svg: &str, name: &str) -> Markup {
    html! { div.drawing role="img" aria-label=(name) { (PreEscaped(svg)) } }
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.2}", 100.0 * share))
}

fn hundredths(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "–".to_owned(), |seconds| format!("{seconds:.2}"))
}

fn count<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| value.to_string())
}

/// A column of the table of runs: its title, whether it holds numbers, and what it says of a run.
type RunColumn = (&'static str, bool, fn(&CellRuns<'_>, &ArchivedRun) -> String);

/// What stands behind the name of each run; a narrow screen shows the first.
const RUN_COLUMNS: [RunColumn; 13] = [
    ("test %", true, |_, run| percent(Some(run.result.test_accuracy))),
    ("seed", true, |_, run| run.seed.to_string()),
    ("data set", false, |cell, _| cell.dataset()),
    ("architecture", false, |cell, _| cell.cell.architecture.clone()),
    ("algorithm", false, |cell, _| cell.algorithm()),
    ("train %", true, |_, run| percent(Some(run.result.train_accuracy))),
    ("best of population %", true, |_, run| percent(run.result.test_accuracy_best_of_population)),
    ("sparsity %", true, |_, run| percent(Some(run.result.sparsity))),
    ("generations", true, |_, run| count(run.result.generations)),
    ("evaluations", true, |_, run| count(run.result.evaluations.map(|evaluations| evaluations.made))),
    ("processor s", true, |_, run| hundredths(run.timing.processor_s)),
    ("device s", true, |_, run| hundredths(run.timing.device_s)),
    ("wall s", true, |_, run| hundredths(run.timing.wall())),
];

fn runs_table(report: &Report<'_>, numbers: &HashMap<&str, usize>) -> Markup {
    let titles = RUN_COLUMNS.iter().map(|&(title, is_number, _)| (title, is_number));
    html! {
        section #runs {
            h2 { "Runs (" (report.archive.runs.len()) ")" }
            p { label { "Search " input #search type="search" autocomplete="off" placeholder="moons ga 75"; } " "
                span #found {} }
            div.scroll tabindex="0" {
                table #run-table {
                    thead { tr { @for (title, is_number) in std::iter::once(("run", false)).chain(titles) {
                        th.number[is_number] scope="col" aria-sort="none" { button type="button" { (title) } }
                    } } }
                    tbody { @for cell in &report.cells {
                        @for run in &cell.runs {
                            tr {
                                td { a href=(format!("#r{}", numbers[run.file.as_str()])) { (run.name) } }
                                @for (_, _, of) in &RUN_COLUMNS { td { (of(cell, run)) } }
                            }
                        }
                    } }
                }
            }
        }
    }
}

fn run_sections(report: &Report<'_>, numbers: &HashMap<&str, usize>, pictured: &HashSet<&str>) -> Markup {
    html! {
        section #each-run {
            h2 { "Each run" }
            p.note {
                "Each cell's configuration is given once. To repeat a run, save the configuration under the "
                "file name in the command; " code { "supermask evaluate" } " scores the recorded ticket once more."
                @if pictured.len() < report.archive.runs.len() {
                    " Of this many runs, " (pictured.len()) " have full pictures (the best, the median and the worst of \
                     cells); the others have their curve of the best training accuracy."
                }
            }
            @for cell in &report.cells {
                @if let Some(first) = cell.first() {
                    @let shared = first.shared_config();
                    details.cell open[report.cells.len() <= 12] {
                        summary { (cell.title()) " (" (cell.runs.len()) " runs)" }
                        details.config {
                            summary { "Configuration" }
                            pre { (serde_json::to_string_pretty(&shared).unwrap_or_default()) }
                        }
                        @for run in &cell.runs {
                            (run_section(run, cell, numbers[run.file.as_str()], pictured.contains(run.file.as_str())))
                            @if run.shared_config() != shared {
                                details.config {
                                    summary { "This run's own configuration" }
                                    pre { (serde_json::to_string_pretty(&run.shared_config()).unwrap_or_default()) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn run_section(run: &ArchivedRun, cell: &CellRuns<'_>, number: usize, with_pictures: bool) -> Markup {
    let result = &run.result;
    let kept = format!("{} of {} weights kept", result.weights_kept, result.weights);
    let dead = format!("{} of {} hidden neurons dead", result.dead_neurons, result.hidden_neurons);
    let validation = result
        .validation_accuracy
        .map(|accuracy| format!("{}% of the samples held out for validation", percent(Some(accuracy))));
    let stop = run.stop_reason.as_ref().map(|reason| format!("stopped: {}", reason.replace('_', " ")));
    let adapter = run.adapter.as_ref().map(|adapter| format!("{} ({})", adapter.name, adapter.backend));
    let facts: Vec<String> =
        [kept, dead, validation.unwrap_or_default(), stop.unwrap_or_default(), adapter.unwrap_or_default()]
            .into_iter()
            .filter(|fact| !fact.is_empty())
            .collect();
    html! {
        details.run id=(format!("r{number}")) {
            summary { (run.name) " seed " (run.seed) ": " (percent(Some(result.test_accuracy))) "%" }
            p { (run.file) @for fact in &facts { " · " (fact) } }
            pre { "supermask run " (shell(&format!("{}.json", run.name))) " --seed " (run.seed) "\n"
                  "supermask evaluate " (shell(&run.file)) }
            @if with_pictures {
                div.panels {
                    @if run.history.best_correct.len() > 1 {
                        figure { figcaption { "accuracy" } (drawing(&accuracy_of_run(run), "training accuracy over generations")) }
                    }
                    @if let Some(svg) = sparsity_of_run(run) {
                        figure { figcaption { "sparsity" } (drawing(&svg, "sparsity over generations")) }
                    }
                    @if let Some(svg) = network(run, &cell.runs) {
                        figure { figcaption { "network" } (drawing(&svg, "the network and its subnetwork")) }
                    }
                }
            } @else {
                (progress_line(run))
            }
        }
    }
}

/// A file's name as one word of a shell's command.
fn shell(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if !name.is_empty() && name.chars().all(plain) {
        name.to_owned()
    } else {
        format!("'{}'", name.replace('\'', "'\\''"))
    }
}
