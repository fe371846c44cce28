//! Figure 3: the final accuracy per architecture and algorithm, and the mean of backpropagation.

use super::{Figure, Material, NoData, panels_by_dataset, percent_range};
use crate::report::cells::{CellRuns, DatasetGroup};
use crate::report::paper;
use crate::report::plot::{Axes, Canvas, INK, Ticks, colour, plot};
use crate::stats::summary::Summary;
use crate::table::Table;
use plotters::style::RGBColor;

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
        return Err(NoData("every data set has one architecture only and stands in Figure 7".to_owned()));
    }
    let mut caption = "Test accuracy of the individual that is best on the training set. Boxes: quartiles \
                       and median; whiskers: the last run within 1.5 interquartile ranges; rings: runs beyond; \
                       dots: means. Horizontal lines across: mean of backpropagation, from the records where they have it, \
                       else from the paper."
        .to_owned();
    let mut table = summary_table();
    let panels = panels_by_dataset(groups, &mut caption, |group| {
        group.cells.iter().for_each(|cell| push_summary(&mut table, &group.title, cell));
        panel(material, group)
    });
    Ok(Figure {
        tables: vec![table],
        ..Figure::new("figure-3-box-plots", "Figure 3: final accuracy", caption, panels)
    })
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
    Table::new("figure-3-box-plots", "Test accuracy in numbers", &columns)
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

/// Mean accuracy of backpropagation: of the records, or as published.
fn backpropagation(cells: &[&CellRuns<'_>]) -> Option<f64> {
    let of_records = cells.iter().find(|cell| cell.first().is_some_and(|run| run.kind == "backprop"));
    match of_records {
        Some(cell) => Summary::new(&cell.accuracies()).ok().map(|summary| summary.mean),
        None => cells
            .iter()
            .filter_map(|cell| cell.first())
            .find_map(paper::backpropagation)
            .map(|paper| paper.mean / 100.0),
    }
}

fn panel(material: &Material<'_>, group: &DatasetGroup<'_>) -> String {
    let architectures = group.architectures();
    let is_backprop = |cell: &CellRuns<'_>| cell.first().is_some_and(|run| run.kind == "backprop");
    let boxed: Vec<&CellRuns<'_>> = group.cells.iter().copied().filter(|cell| !is_backprop(cell)).collect();
    let algorithms: Vec<String> = group
        .algorithms()
        .into_iter()
        .filter(|name| boxed.iter().any(|cell| cell.algorithm() == *name))
        .collect();
    let lines: Vec<(usize, f64)> = architectures
        .iter()
        .enumerate()
        .filter_map(|(index, (key, _))| {
            let cells: Vec<&CellRuns<'_>> =
                group.cells.iter().copied().filter(|cell| cell.cell.architecture == *key).collect();
            Some((index, backpropagation(&cells)?))
        })
        .collect();
    let values = boxed.iter().flat_map(|cell| cell.accuracies()).chain(lines.iter().map(|line| line.1));
    let names: Vec<String> = architectures.iter().map(|(_, name)| name.clone()).collect();
    let mut legend = material.legend(&algorithms);
    if !lines.is_empty() {
        legend.push(("Backpropagation (mean)".to_owned(), INK));
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
                draw_box(canvas, x, width(algorithms.len()), &cell.accuracies(), material.colour(name));
            }
        }
        for &(index, mean) in &lines {
            let (x, y) = (index as f64, 100.0 * mean);
            canvas.line([(x - HALF_GROUP - 0.06, y), (x + HALF_GROUP + 0.06, y)], INK, 2);
        }
    })
}

/// Box plots at each of the names of `axes`, one a series, whose place decides its colour. `shares` are those of a
/// series at the name with this number.
pub fn boxes_by_series(
    axes: Axes<'_>,
    series: &[String],
    shares: impl Fn(usize, &str) -> Vec<f64>,
) -> String {
    let Ticks::Names(names) = axes.ticks else { return String::new() };
    let legend = series.iter().enumerate().map(|(index, name)| (name.clone(), colour(index))).collect();
    plot(&Axes { y_title: "test accuracy (%)", legend, ..axes }, |canvas| {
        for index in 0..names.len() {
            for (place, name) in series.iter().enumerate() {
                let x = offset(index, place, series.len());
                draw_box(canvas, x, width(series.len()), &shares(index, name), colour(place));
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
fn draw_box(canvas: &mut Canvas<'_, '_>, x: f64, width: f64, shares: &[f64], colour: RGBColor) {
    let Ok(summary) = Summary::new(shares) else { return };
    let percent = |share: f64| 100.0 * share;
    let reach = WHISKER * (summary.upper_quartile - summary.lower_quartile);
    let (lowest, highest) = (summary.lower_quartile - reach, summary.upper_quartile + reach);
    let within = || shares.iter().copied().filter(|share| (lowest..=highest).contains(share));
    let low = percent(within().fold(summary.lower_quartile, f64::min));
    let high = percent(within().fold(summary.upper_quartile, f64::max));
    let (left, right) = (x - width / 2.0, x + width / 2.0);
    let (lower, upper) = (percent(summary.lower_quartile), percent(summary.upper_quartile));
    canvas.line([(x, low), (x, lower)], colour, 1);
    canvas.line([(x, upper), (x, high)], colour, 1);
    for end in [low, high] {
        canvas.line([(x - width / 4.0, end), (x + width / 4.0, end)], colour, 1);
    }
    canvas.rectangle([(left, lower), (right, upper)], colour, 0.35);
    canvas.frame([(left, lower), (right, upper)], colour);
    let median = percent(summary.median);
    canvas.line([(left, median), (right, median)], colour, 3);
    canvas.dot((x, percent(summary.mean)), 3, INK, 1.0);
    for &share in shares.iter().filter(|share| !(lowest..=highest).contains(share)) {
        canvas.ring((x, percent(share)), 3, colour);
    }
}
