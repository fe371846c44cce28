//! The final accuracy per architecture and algorithm, and the mean of backpropagation.

use super::{Figure, Material, NoData, panels_by_dataset, percent_range};
use crate::report::cells::{CellRuns, DatasetGroup};
use crate::report::paper;
use crate::report::plot::{Axes, Canvas, Legend, Ticks, plot};
use crate::report::style::{INK, SeriesStyle};
use crate::stats::summary::Summary;
use crate::table::Table;

/// Half the width of a group of boxes; groups are 1 apart.
const HALF_GROUP: f64 = 0.38;

/// Whiskers reach to the last value within this many interquartile ranges of the box (Tukey).
const WHISKER: f64 = 1.5;

pub fn figure(material: &Material<'_>) -> Result<Figure, NoData> {
    let several_classes = super::classes::kinds(material);
    let groups: Vec<&DatasetGroup<'_>> = material
        .groups
        .iter()
        .filter(|group| group.architectures().len() > 1 || !several_classes.contains(&group.kind))
        .collect();
    if groups.is_empty() {
        return Err(NoData(
            "every data set has one architecture only and stands under “Several classes”".to_owned(),
        ));
    }
    let mut caption = "Test accuracy of the individual that is best on the training set. Boxes: quartiles \
                       and median; whiskers: the last run within 1.5 interquartile ranges; rings: runs beyond; \
                       marks: means."
        .to_owned();
    let mut table = summary_table();
    let mut has_line = [false; 2];
    let panels = panels_by_dataset(groups, &mut caption, |group| {
        group.cells.iter().for_each(|cell| push_summary(&mut table, &group.title, cell));
        let lines = backpropagation_lines(group);
        let of_paper = lines.iter().any(|line| line.is_of_paper);
        has_line = [has_line[0] || lines.len() > usize::from(of_paper), has_line[1] || of_paper];
        panel(material, group, &lines)
    });
    if has_line[0] {
        caption += " Lines across: the mean of backpropagation in the records.";
    }
    if has_line[1] {
        caption += " Dashed lines across: the mean of backpropagation that the paper publishes for these data and \
                    networks.";
    }
    Ok(Figure { tables: vec![table], ..Figure::new("box-plots", "Final accuracy", caption, panels) })
}

/// A table of what box plots show.
fn summary_table() -> Table {
    let columns = [
        "data set",
        "architecture",
        "algorithm",
        ">n",
        ">mean %",
        ">deviation %",
        ">lowest %",
        ">lower quartile %",
        ">median %",
        ">upper quartile %",
        ">highest %",
    ];
    Table::new("box-plots", "Test accuracy in numbers", &columns)
}

fn push_summary(table: &mut Table, dataset: &str, cell: &CellRuns<'_>) {
    let Ok(summary) = Summary::new(&cell.accuracies()) else { return };
    let percent = |share: f64| format!("{:.2}", 100.0 * share);
    table.push(vec![
        dataset.to_owned(),
        cell.cell.architecture.clone(),
        cell.algorithm(),
        summary.count.to_string(),
        percent(summary.mean),
        summary.spread.map_or_else(|| "–".to_owned(), |spread| percent(spread.standard_deviation)),
        percent(summary.minimum),
        percent(summary.lower_quartile),
        percent(summary.median),
        percent(summary.upper_quartile),
        percent(summary.maximum),
    ]);
}

/// The mean accuracy of backpropagation on an architecture.
struct BackpropagationLine {
    /// The architecture's number.
    index: usize,
    mean: f64,
    /// Is it published, and not of the records?
    is_of_paper: bool,
}

/// Those of the records, and where they have none those of the paper.
fn backpropagation_lines(group: &DatasetGroup<'_>) -> Vec<BackpropagationLine> {
    let line = |index: usize, key: &str| {
        let cells = || group.cells.iter().filter(|cell| cell.cell.architecture == key);
        let of_records = cells()
            .find(|cell| is_backpropagation(cell))
            .and_then(|cell| Summary::new(&cell.accuracies()).ok());
        match of_records {
            Some(summary) => Some(BackpropagationLine { index, mean: summary.mean, is_of_paper: false }),
            None => {
                let published = cells().filter_map(|cell| cell.first()).find_map(paper::backpropagation)?;
                Some(BackpropagationLine { index, mean: published.mean / 100.0, is_of_paper: true })
            }
        }
    };
    let architectures = group.architectures();
    architectures.iter().enumerate().filter_map(|(index, (key, _))| line(index, key)).collect()
}

fn is_backpropagation(cell: &CellRuns<'_>) -> bool {
    cell.first().is_some_and(|run| run.kind == "backprop")
}

fn panel(material: &Material<'_>, group: &DatasetGroup<'_>, lines: &[BackpropagationLine]) -> String {
    let architectures = group.architectures();
    let boxed: Vec<&CellRuns<'_>> =
        group.cells.iter().copied().filter(|cell| !is_backpropagation(cell)).collect();
    let algorithms: Vec<String> = group
        .algorithms()
        .into_iter()
        .filter(|name| boxed.iter().any(|cell| cell.algorithm() == *name))
        .collect();
    let values = boxed.iter().flat_map(|cell| cell.accuracies()).chain(lines.iter().map(|line| line.mean));
    let names: Vec<String> = architectures.iter().map(|(_, name)| name.clone()).collect();
    let mut legend = material.legend(&algorithms);
    let line_style = |is_of_paper| if is_of_paper { SeriesStyle::dashed(INK) } else { INK.into() };
    for (is_of_paper, name) in
        [(false, "Backpropagation (mean)"), (true, "Backpropagation (the paper's mean)")]
    {
        if lines.iter().any(|line| line.is_of_paper == is_of_paper) {
            legend.push((name.to_owned(), line_style(is_of_paper)));
        }
    }
    let axes = Axes {
        y: percent_range(values),
        x_title: "architecture (hidden neurons per layer)",
        y_title: "test accuracy (%)",
        legend,
        ..Axes::of_names(&names)
    };
    plot(&axes, |canvas| {
        for (index, (key, _)) in architectures.iter().enumerate() {
            for (place, name) in algorithms.iter().enumerate() {
                let cell =
                    boxed.iter().find(|cell| cell.cell.architecture == *key && cell.algorithm() == *name);
                let Some(cell) = cell else { continue };
                let x = offset(index, place, algorithms.len());
                draw_box(canvas, x, width(algorithms.len()), &cell.accuracies(), material.style(name));
            }
        }
        for line in lines {
            let (x, y) = (line.index as f64, 100.0 * line.mean);
            let ends = [(x - HALF_GROUP - 0.06, y), (x + HALF_GROUP + 0.06, y)];
            canvas.line(ends, line_style(line.is_of_paper), 2);
        }
    })
}

/// Box plots at each of the names of `axes`, one a series. `shares` are those of a series at the name with this number.
pub fn boxes_by_series(axes: Axes<'_>, series: Legend, shares: impl Fn(usize, usize) -> Vec<f64>) -> String {
    let Ticks::Names(names) = axes.ticks else { return String::new() };
    plot(&Axes { y_title: "test accuracy (%)", legend: series.clone(), ..axes }, |canvas| {
        for index in 0..names.len() {
            for (place, (_, style)) in series.iter().enumerate() {
                let x = offset(index, place, series.len());
                draw_box(canvas, x, width(series.len()), &shares(index, place), *style);
            }
        }
    })
}

/// The middle of the box at `place` among `count` at `index`.
fn offset(index: usize, place: usize, count: usize) -> f64 {
    index as f64 - HALF_GROUP + (place as f64 + 0.5) * 2.0 * HALF_GROUP / count.max(1) as f64
}

/// The width of each of `count` boxes.
fn width(count: usize) -> f64 {
    (2.0 * HALF_GROUP / count.max(1) as f64 * 0.8).min(0.3)
}

/// A box plot of `shares`, drawn in percent.
fn draw_box(canvas: &mut Canvas<'_, '_>, x: f64, width: f64, shares: &[f64], style: SeriesStyle) {
    let Ok(summary) = Summary::new(shares) else { return };
    let percent = |share: f64| 100.0 * share;
    let reach = WHISKER * (summary.upper_quartile - summary.lower_quartile);
    let (lowest, highest) = (summary.lower_quartile - reach, summary.upper_quartile + reach);
    let within = || shares.iter().copied().filter(|share| (lowest..=highest).contains(share));
    let low = percent(within().fold(summary.lower_quartile, f64::min));
    let high = percent(within().fold(summary.upper_quartile, f64::max));
    let (left, right) = (x - width / 2.0, x + width / 2.0);
    let (lower, upper) = (percent(summary.lower_quartile), percent(summary.upper_quartile));
    let colour = style.colour;
    canvas.line([(x, low), (x, lower)], colour, 1);
    canvas.line([(x, upper), (x, high)], colour, 1);
    for end in [low, high] {
        canvas.line([(x - width / 4.0, end), (x + width / 4.0, end)], colour, 1);
    }
    canvas.rectangle([(left, lower), (right, upper)], colour, 0.35);
    canvas.frame([(left, lower), (right, upper)], style);
    let median = percent(summary.median);
    canvas.line([(left, median), (right, median)], colour, 3);
    canvas.dot((x, percent(summary.mean)), 3, SeriesStyle { colour: INK, ..style }, 1.0);
    for &share in shares.iter().filter(|share| !(lowest..=highest).contains(share)) {
        canvas.ring((x, percent(share)), 3, colour);
    }
}
