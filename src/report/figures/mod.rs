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
mod settings;
mod throughput;

pub use critical_difference::critical_difference;
pub use network::network;
pub use progress::{accuracy as accuracy_of_run, places, sparsity as sparsity_of_run};
pub use scaling::{scaling, slopes};
pub use throughput::throughput_and_roofline;

use super::cells::{self, CellRuns, DatasetGroup, ShortSetting, best, by_dataset};
use super::plot::Legend;
use super::style::SeriesStyle;
use super::ticks;
use crate::archive::ArchivedRun;
use crate::archive::throughput::BenchResult;
use crate::table::Table;
use std::collections::HashMap;
use std::hash::Hash;

/// Panels of one figure at most: a page is for reading. What is left out is said.
const MAX_PANELS: usize = 12;

/// A figure of one or more panels, with the tables that belong to it.
#[derive(Clone, Debug)]
pub struct Figure {
    /// A file's name: `box-plots`.
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
    /// Algorithms by name; the place decides how they are drawn, on all of the page.
    pub algorithms: Vec<String>,
    /// Where algorithms differ in the values of the same settings alone: by name, settings and values, and values alone.
    values: HashMap<String, [String; 2]>,
    /// Measured throughput.
    pub benches: &'a [(String, BenchResult)],
}

impl<'a> Material<'a> {
    pub fn new(cells: &'a [CellRuns<'a>], benches: &'a [(String, BenchResult)]) -> Self {
        let filled = || cells.iter().filter(|cell| !cell.runs.is_empty());
        let algorithms = cells::algorithms(filled());
        Self { cells, groups: by_dataset(cells), algorithms, values: values_alone(filled()), benches }
    }

    /// Of the runs of each data set that are `wanted` the best, with the title of the data.
    fn best_runs(&self, wanted: impl Fn(&ArchivedRun) -> bool) -> Vec<(&str, &'a ArchivedRun)> {
        let best_of =
            |group: &DatasetGroup<'a>| best(&group.runs().filter(|run| wanted(run)).collect::<Vec<_>>());
        let runs = self.groups.iter().filter_map(|group| Some((group.title.as_str(), best_of(group)?)));
        runs.collect()
    }

    pub fn style(&self, algorithm: &str) -> SeriesStyle {
        SeriesStyle::numbered(self.algorithms.iter().position(|name| name == algorithm).unwrap_or_default())
    }

    /// Where only values differ, the first entry says of what they are.
    fn legend(&self, algorithms: &[String]) -> Legend {
        let short = |index: usize, name: &String| match self.values.get(name) {
            Some([full, values]) => if index == 0 { full } else { values }.clone(),
            None => name.clone(),
        };
        algorithms.iter().enumerate().map(|(index, name)| (short(index, name), self.style(name))).collect()
    }
}

/// See [`Material::values`]; nothing where algorithms differ in more.
fn values_alone<'a>(cells: impl Iterator<Item = &'a CellRuns<'a>>) -> HashMap<String, [String; 2]> {
    let mut values = HashMap::new();
    let mut common: Option<(String, Vec<&str>)> = None;
    for cell in cells {
        let settings: Vec<_> = cell.settings.iter().filter(|setting| !setting.is_of_data).collect();
        let keys: Vec<&str> = settings.iter().map(|setting| setting.key.as_str()).collect();
        let of_cell = (cell.algorithm_name().to_owned(), keys);
        if settings.is_empty() || common.get_or_insert_with(|| of_cell.clone()) != &of_cell {
            return HashMap::new();
        }
        let joined = |text: &dyn Fn(&ShortSetting) -> String| {
            settings.iter().map(|setting| text(setting)).collect::<Vec<_>>().join(", ")
        };
        let full = joined(&|setting| format!("{}={}", setting.key, setting.value));
        values.insert(cell.algorithm(), [full, joined(&|setting| setting.value.clone())]);
    }
    values
}

/// Why the records have no data for a figure, as the end of a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoData(String);

type Draw = fn(&Material<'_>) -> Result<Vec<Figure>, NoData>;

/// Draws every figure that `cells` and `benches` have data for.
pub fn figures(cells: &[CellRuns<'_>], benches: &[(String, BenchResult)]) -> Figures {
    let material = Material::new(cells, benches);
    let all: [(&str, Draw); 12] = [
        ("Evolved subnetworks", |material| one(network::figure(material))),
        ("Decision regions", |material| one(regions::figure(material))),
        ("Final accuracy", |material| one(boxes::figure(material))),
        ("Comparison over architectures", |material| one(comparison::figure(material))),
        ("Accuracy over settings", |material| one(settings::figure(material))),
        ("Several classes", classes::figures),
        ("Edge-popup by initialisation", |material| one(popup::figure(material))),
        ("Accuracy against effort", |material| one(efficiency::figure(material))),
        ("Sparsity and accuracy", |material| one(front::figure(material))),
        ("Fronts of several objectives", |material| one(front::several_objectives(material))),
        ("Progress of a run", |material| one(progress::figure(material))),
        ("Throughput and roofline", |material| one(throughput::figure(material))),
    ];
    let mut figures = Figures::default();
    for (name, draw) in all {
        match draw(&material) {
            Ok(drawn) => figures.drawn.extend(drawn),
            Err(reason) => figures.left_out.push(format!("{name}: left out, {reason}.")),
        }
    }
    figures
}

fn one(figure: Result<Figure, NoData>) -> Result<Vec<Figure>, NoData> {
    figure.map(|figure| vec![figure])
}

/// At most [`MAX_PANELS`] items: of every data set one, then of each a second and so on, and where there are more data
/// sets than places, of every kind of them. `of` says an item's data set and its kind. In their order, and with a
/// sentence about the others if there are more.
fn bounded<T>(items: Vec<T>, of: impl Fn(&T) -> (String, &str), caption: &mut String) -> Vec<T> {
    let all = items.len();
    if all <= MAX_PANELS {
        return items;
    }
    let chosen = in_turns(&items, of, MAX_PANELS);
    *caption += &format!(" {MAX_PANELS} of {all} are shown, of each data set as many as of the others.");
    let mut place = 0..;
    let mut items = items;
    items.retain(|_| place.next().is_some_and(|place| chosen.contains(&place)));
    items
}

/// The places of as many `items` as may be chosen, as [`bounded`] chooses them.
pub fn in_turns<T>(items: &[T], of: impl Fn(&T) -> (String, &str), most: usize) -> Vec<usize> {
    let mut of_datasets: HashMap<String, usize> = HashMap::new();
    let mut of_kinds: HashMap<(usize, String), usize> = HashMap::new();
    let mut turns: Vec<(usize, usize, usize)> = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        let (dataset, kind) = of(item);
        let turn = next(&mut of_datasets, dataset);
        turns.push((turn, next(&mut of_kinds, (turn, kind.to_owned())), place));
    }
    turns.sort_unstable();
    turns.into_iter().take(most).map(|(.., place)| place).collect()
}

/// How often `key` was asked for before.
fn next<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: K) -> usize {
    let count = counts.entry(key).or_default();
    *count += 1;
    *count - 1
}

/// A panel for each data set, as far as [`bounded`] takes them.
fn panels_by_dataset(
    groups: Vec<&DatasetGroup<'_>>,
    caption: &mut String,
    mut draw: impl FnMut(&DatasetGroup<'_>) -> String,
) -> Vec<Panel> {
    let groups = bounded(groups, |group| (group.title.clone(), group.kind), caption).into_iter();
    groups.map(|group| Panel { title: group.title.clone(), svg: draw(group) }).collect()
}

/// An interval for an axis of percentages.
fn percent_range(shares: impl IntoIterator<Item = f64>) -> std::ops::Range<f64> {
    ticks::range(shares.into_iter().map(|share| 100.0 * share), 0.0..100.0)
}

#[cfg(test)]
mod tests {
    use super::in_turns;

    #[test]
    fn every_data_set_is_seen_before_one_is_seen_twice() {
        fn of<'a>(item: &'a (&str, &str)) -> (String, &'a str) {
            (item.0.to_owned(), item.1)
        }
        let items: Vec<(&str, &str)> = [("moons", "moons"); 20]
            .into_iter()
            .chain([("a", "blobs"), ("b", "blobs"), ("c", "digits")])
            .collect();
        assert_eq!(in_turns(&items, of, 5), [0, 20, 22, 21, 1]);
        assert_eq!(in_turns(&items, of, 2), [0, 20]);
    }
}
