//! The figures of a report, one concept a file: drawn from records alone.

mod boxes;
mod classes;
mod comparison;
mod critical_difference;
mod efficiency;
mod front;
mod network;
mod popup;
mod progress;
mod regions;
mod scaling;
mod throughput;

pub use critical_difference::critical_difference;
pub use network::network;
pub use progress::{accuracy as accuracy_of_run, places, sparsity as sparsity_of_run};
pub use scaling::{scaling, slopes};
pub use throughput::throughput_and_roofline;

use super::cells::{CellRuns, DatasetGroup, best, by_dataset, distinct};
use super::plot::{self, colour};
use crate::archive::ArchivedRun;
use crate::archive::throughput::BenchResult;
use crate::table::Table;
use plotters::style::RGBColor;
use std::collections::HashMap;

/// Panels of one figure at most: a page is for reading. What is left out is said.
const MAX_PANELS: usize = 12;

/// A figure of one or more panels, with the tables that belong to it.
#[derive(Clone, Debug)]
pub struct Figure {
    /// A file's name: `figure-3-box-plots`.
    pub name: String,
    pub title: String,
    pub caption: String,
    pub panels: Vec<Panel>,
    pub tables: Vec<Table>,
}

impl Figure {
    /// A figure without tables.
    fn new(name: &str, title: &str, caption: String, panels: Vec<Panel>) -> Self {
        Self { name: name.to_owned(), title: title.to_owned(), caption, panels, tables: Vec::new() }
    }
}

#[derive(Clone, Debug)]
pub struct Panel {
    pub title: String,
    pub svg: String,
}

/// The figures that the records have data for, and a line about each of the others.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub drawn: Vec<Figure>,
    pub left_out: Vec<String>,
}

/// What all figures draw from.
pub struct Material<'a> {
    pub cells: &'a [CellRuns<'a>],
    pub groups: Vec<DatasetGroup<'a>>,
    /// Algorithms by name; the place decides the colour, on all of the page.
    pub algorithms: Vec<String>,
    /// Measured throughput.
    pub benches: &'a [(String, BenchResult)],
}

impl<'a> Material<'a> {
    pub fn new(cells: &'a [CellRuns<'a>], benches: &'a [(String, BenchResult)]) -> Self {
        let filled = cells.iter().filter(|cell| !cell.runs.is_empty());
        let algorithms = distinct(filled.map(CellRuns::algorithm));
        Self { cells, groups: by_dataset(cells), algorithms, benches }
    }

    /// Of the runs of each data set that are `wanted` the best, with the title of the data.
    fn best_runs(&self, wanted: impl Fn(&ArchivedRun) -> bool) -> Vec<(&str, &'a ArchivedRun)> {
        let best_of =
            |group: &DatasetGroup<'a>| best(&group.runs().filter(|run| wanted(run)).collect::<Vec<_>>());
        let runs = self.groups.iter().filter_map(|group| Some((group.title.as_str(), best_of(group)?)));
        runs.collect()
    }

    pub fn colour(&self, algorithm: &str) -> RGBColor {
        colour(self.algorithms.iter().position(|name| name == algorithm).unwrap_or_default())
    }

    fn legend(&self, algorithms: &[String]) -> Vec<(String, RGBColor)> {
        algorithms.iter().map(|name| (name.clone(), self.colour(name))).collect()
    }
}

/// Why the records have no data for a figure, as the end of a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoData(String);

type Draw = fn(&Material<'_>) -> Result<Figure, NoData>;

/// Draws every figure that `cells` and `benches` have data for.
pub fn figures(cells: &[CellRuns<'_>], benches: &[(String, BenchResult)]) -> Figures {
    let material = Material::new(cells, benches);
    let all: [(&str, Draw); 11] = [
        ("Figure 1, networks", network::figure),
        ("Figure 2, data sets and decision regions", regions::figure),
        ("Figure 3, box plots", boxes::figure),
        ("Figure 4, progress of a run", progress::figure),
        ("Figure 5, edge-popup by initialisation", popup::figure),
        ("Figure 6, comparison over architectures", comparison::figure),
        ("Figure 7, several classes", classes::figure),
        ("Figure 8, accuracy against effort", efficiency::figure),
        ("Figure 9, sparsity and accuracy", front::figure),
        ("Figure 10, throughput and roofline", throughput::figure),
        ("Figure 11, fronts", front::several_objectives),
    ];
    let mut figures = Figures::default();
    for (name, draw) in all {
        match draw(&material) {
            Ok(figure) => figures.drawn.push(figure),
            Err(reason) => figures.left_out.push(format!("{name}: left out, {reason}.")),
        }
    }
    figures
}

/// At most [`MAX_PANELS`] items, of every kind of data set equally many as far as they go, in their order;
/// and a sentence about the others if there are more.
fn bounded<T>(items: Vec<T>, kind: impl Fn(&T) -> &str, caption: &mut String) -> Vec<T> {
    let all = items.len();
    if all <= MAX_PANELS {
        return items;
    }
    *caption += &format!(" {MAX_PANELS} of {all} are shown.");
    let mut before: HashMap<String, usize> = HashMap::new();
    let mut turns: Vec<(usize, usize)> = Vec::with_capacity(all);
    for (place, item) in items.iter().enumerate() {
        let turn = before.entry(kind(item).to_owned()).or_default();
        turns.push((*turn, place));
        *turn += 1;
    }
    turns.sort_unstable();
    let chosen: Vec<usize> = turns.into_iter().take(MAX_PANELS).map(|(_, place)| place).collect();
    let mut place = 0..;
    let mut items = items;
    items.retain(|_| place.next().is_some_and(|place| chosen.contains(&place)));
    items
}

/// A panel for each data set, as far as [`bounded`] takes them.
fn panels_by_dataset(
    groups: Vec<&DatasetGroup<'_>>,
    caption: &mut String,
    mut draw: impl FnMut(&DatasetGroup<'_>) -> String,
) -> Vec<Panel> {
    let groups = bounded(groups, |group| group.kind, caption).into_iter();
    groups.map(|group| Panel { title: group.title.clone(), svg: draw(group) }).collect()
}

/// An interval for an axis of percentages.
fn percent_range(shares: impl IntoIterator<Item = f64>) -> std::ops::Range<f64> {
    plot::range(shares.into_iter().map(|share| 100.0 * share), 0.0..100.0)
}
