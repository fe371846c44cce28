//! Accuracy over the settings that a sweep varies: over each, and over every two of them at once.

use super::{Figure, Material, NoData, Panel, bounded, percent_range};
use crate::report::cells::{CellRuns, ShortSetting, architecture, distinct, natural_key};
use crate::report::heat_map::{self, PairTable};
use crate::report::plot::{Axes, Legend, Ticks, plot};
use crate::report::style::SeriesStyle;
use crate::report::ticks::{self, asks_for_logarithm};
use crate::stats::summary::Summary;

/// The cells of one label of data, whatever the settings of data or search.
struct Swept<'a> {
    dataset: &'a str,
    kind: &'a str,
    cells: Vec<&'a CellRuns<'a>>,
}

pub fn figure(material: &Material<'_>) -> Result<Figure, NoData> {
    let mut swept: Vec<Swept<'_>> = Vec::new();
    for cell in material.cells {
        let Some(run) = cell.first() else { continue };
        match swept.iter_mut().find(|swept| swept.dataset == cell.cell.dataset) {
            Some(swept) => swept.cells.push(cell),
            None => {
                swept.push(Swept {
                    dataset: &cell.cell.dataset,
                    kind: run.dataset_kind(),
                    cells: vec![cell],
                });
            }
        }
    }
    let all = distinct(swept.iter().flat_map(|swept| &swept.cells).map(|cell| series(cell)));
    let mut panels: Vec<(String, &str, Panel)> = Vec::new();
    for swept in &swept {
        let keys = swept.keys();
        for (place, key) in keys.iter().enumerate() {
            let title = format!("{}: {key}", swept.dataset);
            let panel = Panel { title, svg: swept.over(key, &all) };
            panels.push((swept.dataset.to_owned(), swept.kind, panel));
            for other in &keys[place + 1..] {
                let of_pair = swept.pairs(key, other).into_iter();
                panels.extend(of_pair.map(|panel| (swept.dataset.to_owned(), swept.kind, panel)));
            }
        }
    }
    if panels.is_empty() {
        return Err(NoData("no data set has records with several values of a setting".to_owned()));
    }
    let mut caption = "Mean test accuracy over each setting that differs between cells, with its 95% interval (Student's \
                       t; without a bar: one run), and over two of them at once in percent. Runs that differ in other \
                       settings are taken together, so that intervals are of those too."
        .to_owned();
    let panels = bounded(panels, |(dataset, kind, _)| (dataset.clone(), kind), &mut caption);
    let panels = panels.into_iter().map(|(.., panel)| panel).collect();
    Ok(Figure::new("settings", "Accuracy over settings", caption, panels))
}

/// What stays the same along a curve: the algorithm, whatever its settings, and the network.
fn series(cell: &CellRuns<'_>) -> String {
    let hidden = cell.first().map(architecture).unwrap_or_default();
    format!("{}, {hidden}", cell.algorithm_name())
}

fn value<'a>(cell: &'a CellRuns<'_>, key: &str) -> Option<&'a ShortSetting> {
    cell.settings.iter().find(|setting| setting.key == key)
}

/// Of the runs of several cells.
fn summary<'a>(cells: impl Iterator<Item = &'a CellRuns<'a>>) -> Option<Summary> {
    Summary::new(&cells.flat_map(CellRuns::accuracies).collect::<Vec<_>>()).ok()
}

impl Swept<'_> {
    /// Settings with several values here.
    fn keys(&self) -> Vec<String> {
        let mut keys =
            distinct(self.cells.iter().flat_map(|cell| &cell.settings).map(|setting| setting.key.clone()));
        keys.retain(|key| self.values(key).len() > 1);
        keys
    }

    /// The values of a setting, in their natural order.
    fn values(&self, key: &str) -> Vec<String> {
        let found = self.cells.iter().filter_map(|cell| Some(value(cell, key)?.value.clone()));
        let mut values = distinct(found);
        values.sort_by_cached_key(|value| (value.parse::<f64>().map_or(u64::MAX, order), natural_key(value)));
        values
    }

    /// The cells with this value, where the algorithm and the network are those of `series`.
    fn cells_with<'b>(
        &'b self,
        key: &'b str,
        wanted: &'b str,
        of: &'b str,
    ) -> impl Iterator<Item = &'b CellRuns<'b>> {
        let has = move |cell: &&CellRuns<'_>| {
            series(cell) == of && value(cell, key).is_some_and(|setting| setting.value == wanted)
        };
        self.cells.iter().copied().filter(has)
    }

    /// Accuracy over one setting; the place among `all` series decides how one is drawn.
    fn over(&self, key: &str, all: &[String]) -> String {
        let values = self.values(key);
        let numbers: Option<Vec<f64>> = values.iter().map(|value| value.parse().ok()).collect();
        let numbers = numbers.filter(|numbers: &Vec<f64>| numbers.iter().all(|number| number.is_finite()));
        let is_logarithmic = numbers.as_ref().is_some_and(|numbers| {
            numbers.first().zip(numbers.last()).is_some_and(|(low, high)| asks_for_logarithm(*low, *high))
        });
        let place = |index: usize| match &numbers {
            Some(numbers) if is_logarithmic => numbers[index].log10(),
            Some(numbers) => numbers[index],
            None => index as f64,
        };
        let shown = distinct(self.cells.iter().map(|cell| series(cell)));
        let curves: Vec<(&String, Vec<(usize, Summary)>)> = shown
            .iter()
            .map(|series| {
                let summaries = values.iter().enumerate();
                let summaries = summaries.filter_map(|(index, value)| {
                    Some((index, summary(self.cells_with(key, value, series))?))
                });
                (series, summaries.collect())
            })
            .filter(|(_, summaries): &(_, Vec<_>)| !summaries.is_empty())
            .collect();
        let style = |name: &str| {
            SeriesStyle::numbered(all.iter().position(|other| other == name).unwrap_or_default())
        };
        let legend: Legend = curves.iter().map(|(name, _)| ((*name).clone(), style(name))).collect();
        let x = match &numbers {
            Some(_) => ticks::range((0..values.len()).map(place), f64::NEG_INFINITY..f64::INFINITY),
            None => -0.5..values.len() as f64 - 0.5,
        };
        let axes = Axes {
            width: 480,
            x: x.clone(),
            y: percent_range(
                curves.iter().flat_map(|(_, points)| points).flat_map(|(_, summary)| interval(summary)),
            ),
            x_title: key,
            y_title: "mean test accuracy (%)",
            ticks: match &numbers {
                Some(_) if is_logarithmic => Ticks::Logarithms,
                Some(_) => Ticks::Numbers,
                None => Ticks::Names(&values),
            },
            legend,
            ..Axes::default()
        };
        let cap = 0.006 * (x.end - x.start);
        plot(&axes, |canvas| {
            for (name, points) in &curves {
                canvas.line(
                    points.iter().map(|(index, summary)| (place(*index), 100.0 * summary.mean)),
                    style(name),
                    1,
                );
                for (index, summary) in points {
                    let [low, high] = interval(summary).map(|share| 100.0 * share);
                    canvas.interval((place(*index), 100.0 * summary.mean), [low, high], cap, style(name));
                }
            }
        })
    }

    /// Accuracy over two settings, a panel for each algorithm and network that has several values of both.
    fn pairs(&self, key: &str, other: &str) -> Vec<Panel> {
        let (columns, rows) = (self.values(key), self.values(other));
        let mut panels = Vec::new();
        for series in distinct(self.cells.iter().map(|cell| series(cell))) {
            let mean = |row: &String, column: &String| {
                let cells = self.cells_with(key, column, &series);
                let both =
                    cells.filter(|cell| value(cell, other).is_some_and(|setting| setting.value == *row));
                summary(both).map(|summary| 100.0 * summary.mean)
            };
            let values: Vec<Option<f64>> = rows
                .iter()
                .flat_map(|row| columns.iter().map(move |column| (row, column)))
                .map(|(row, column)| mean(row, column))
                .collect();
            if values.iter().flatten().count() < 2 {
                continue;
            }
            let table = PairTable {
                x_title: key.to_owned(),
                y_title: other.to_owned(),
                x_names: columns.clone(),
                y_names: rows.clone(),
                values,
            };
            let title = format!("{}: {other} and {key}, {series}", self.dataset);
            panels.push(Panel { title, svg: heat_map::pairs(&table) });
        }
        panels
    }
}

/// Bits that are ordered as the numbers are.
fn order(number: f64) -> u64 {
    let bits = number.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// The 95% interval of a mean, within what an accuracy can be.
pub fn interval(summary: &Summary) -> [f64; 2] {
    let [low, high] = summary.spread.map_or([summary.mean; 2], |spread| spread.t_interval);
    [low.max(0.0), high.min(1.0)]
}
