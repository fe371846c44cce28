//! The progress of one run, generation by generation.

use super::{Figure, Material, NoData, Panel, bounded, percent_range};
use crate::archive::ArchivedRun;
use crate::report::plot::{Axes, Ticks, plot};
use crate::report::style::{INK, colour};
use crate::report::ticks::range;
use plotters::style::RGBColor;

/// Points of one curve at most; longer histories are thinned, first and last kept.
const MAX_POINTS: usize = 300;

pub fn figure(material: &Material<'_>) -> Result<Figure, NoData> {
    let runs = material.best_runs(|run| run.history.mean_accuracy.len() > 1);
    if runs.is_empty() {
        return Err(NoData("no record has a history of generations".to_owned()));
    }
    let mut caption = "For each data set the run that is best on the training set: accuracy on the training set \
                       (with the bound on fresh individuals where there is one); sparsity of the fittest, the \
                       sparsest of the population and the sparsest so far; mean share of bits that differ from \
                       the fittest; where the survivors of each generation came from."
        .to_owned();
    let mut panels = Vec::new();
    for (title, run) in bounded(runs, |(title, run)| ((*title).to_owned(), run.dataset_kind()), &mut caption)
    {
        let title = |what: &str| format!("{title}, {} seed {}: {what}", run.name, run.seed);
        panels.push(Panel { title: title("accuracy"), svg: accuracy(run) });
        panels.extend(sparsity(run).map(|svg| Panel { title: title("sparsity"), svg }));
        panels.extend(diversity(run).map(|svg| Panel { title: title("diversity"), svg }));
        panels.extend(origins(run).map(|svg| Panel { title: title("origins of survivors"), svg }));
    }
    Ok(Figure::new("progress", "Progress of a run", caption, panels))
}

/// Places of a history of this length that are drawn.
pub fn places(length: usize, most: usize) -> Vec<usize> {
    if length <= most {
        return (0..length).collect();
    }
    (0..most).map(|point| point * (length - 1) / (most - 1)).collect()
}

struct HistoryCurve {
    name: &'static str,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

impl HistoryCurve {
    /// `shares` in percent, one a generation.
    fn new(name: &'static str, colour: RGBColor, shares: &[Option<f64>]) -> Self {
        let points = places(shares.len(), MAX_POINTS)
            .into_iter()
            .filter_map(|place| Some((place as f64, 100.0 * shares[place]?)))
            .collect();
        Self { name, colour, points }
    }
}

fn some(values: &[f32]) -> Vec<Option<f64>> {
    values.iter().map(|&value| Some(f64::from(value))).collect()
}

fn curves(y_title: &str, curves: &[HistoryCurve]) -> String {
    let last = curves.iter().filter_map(|curve| curve.points.last()).map(|point| point.0).fold(1.0, f64::max);
    let values = curves.iter().flat_map(|curve| &curve.points).map(|point| point.1 / 100.0);
    let axes = Axes {
        x: 0.0..last,
        y: percent_range(values),
        x_title: "generation",
        ticks: Ticks::Counts,
        y_title,
        legend: curves.iter().map(|curve| (curve.name.to_owned(), curve.colour.into())).collect(),
        height: 280,
        ..Axes::default()
    };
    plot(&axes, |canvas| {
        for curve in curves {
            canvas.line(curve.points.iter().copied(), curve.colour, 2);
        }
    })
}

/// Accuracy on the training set: best, mean, bound.
pub fn accuracy(run: &ArchivedRun) -> String {
    let best: Vec<Option<f64>> = run.best_accuracy().into_iter().map(Some).collect();
    let mut all = vec![HistoryCurve::new("best", colour(0), &best)];
    if !run.history.mean_accuracy.is_empty() {
        all.push(HistoryCurve::new("mean of population", colour(4), &some(&run.history.mean_accuracy)));
    }
    let bound: Vec<Option<f64>> =
        run.history.accuracy_bound.iter().map(|bound| bound.map(f64::from)).collect();
    if bound.iter().any(Option::is_some) {
        all.push(HistoryCurve::new("accuracy bound", INK, &bound));
    }
    curves("training accuracy (%)", &all)
}

/// Sparsity of the fittest, of the sparsest, and of the sparsest so far.
pub fn sparsity(run: &ArchivedRun) -> Option<String> {
    let history = &run.history;
    if history.best_sparsity.is_empty() {
        return None;
    }
    let mut all = vec![HistoryCurve::new("fittest", colour(0), &some(&history.best_sparsity))];
    for (name, place, column) in [
        ("sparsest of population", 4, &history.highest_sparsity),
        ("sparsest so far", 2, &history.highest_sparsity_so_far),
    ] {
        if !column.is_empty() {
            all.push(HistoryCurve::new(name, colour(place), &some(column)));
        }
    }
    Some(curves("sparsity (% of weights pruned)", &all))
}

fn diversity(run: &ArchivedRun) -> Option<String> {
    if run.history.diversity.is_empty() {
        return None;
    }
    let curve = HistoryCurve::new("mean distance to the fittest", colour(3), &some(&run.history.diversity));
    Some(curves("bits that differ (%)", &[curve]))
}

fn origins(run: &ArchivedRun) -> Option<String> {
    let history = &run.history;
    let layers = [
        ("incumbents", colour(6), &history.incumbents),
        ("children", colour(0), &history.children),
        ("mutants", colour(1), &history.mutants),
        ("migrants", colour(2), &history.migrants),
    ];
    let length = history.incumbents.len();
    if length < 2 || layers.iter().any(|(.., column)| column.len() != length) {
        return None;
    }
    let places = places(length, MAX_POINTS);
    let total = |place: usize| layers.iter().map(|(.., column)| f64::from(column[place])).sum::<f64>();
    let axes = Axes {
        x: 0.0..(length - 1) as f64,
        y: range(places.iter().map(|&place| total(place)).chain([0.0]), 0.0..f64::INFINITY),
        x_title: "generation",
        ticks: Ticks::Counts,
        y_title: "survivors (individuals)",
        legend: layers.iter().map(|(name, colour, _)| ((*name).to_owned(), (*colour).into())).collect(),
        height: 280,
        ..Axes::default()
    };
    Some(plot(&axes, |canvas| {
        let mut below: Vec<(f64, f64)> = places.iter().map(|&place| (place as f64, 0.0)).collect();
        for (_, colour, column) in layers {
            let above: Vec<(f64, f64)> = below
                .iter()
                .zip(&places)
                .map(|(&(x, y), &place)| (x, y + f64::from(column[place])))
                .collect();
            canvas.band(&below, &above, colour, 0.85);
            below = above;
        }
    }))
}
