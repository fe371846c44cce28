//! Figure 8: accuracy against evaluations, multiply-adds and time.

use super::{Figure, Material, NoData, Panel, bounded, percent_range};
use crate::archive::ArchivedRun;
use crate::report::cells::{CellRuns, DatasetGroup};
use crate::report::plot::{Axes, FARTHEST, plot};

/// Places along the horizontal axis.
const PLACES: usize = 80;

/// What an accuracy takes.
struct Effort {
    name: &'static str,
    /// With the unit.
    title: &'static str,
    /// It passes by a clock, where the record has one.
    is_time: bool,
    /// What the whole run took of it, where its record says so.
    of: TakenByRun,
}

type TakenByRun = fn(&ArchivedRun) -> Option<f64>;

const fn work(name: &'static str, title: &'static str, of: TakenByRun) -> Effort {
    Effort { name, title, is_time: false, of }
}

const fn time(name: &'static str, title: &'static str, of: TakenByRun) -> Effort {
    Effort { name, title, is_time: true, of }
}

/// Older records do not say what was executed, and know no time but that of the wall.
const EFFORTS: [Effort; 5] = [
    work("evaluations", "evaluations", |run| run.history.evaluations.last().map(|&count| count as f64)),
    work("multiply-adds", "multiply-adds (10⁹)", |run| {
        run.result.multiply_adds.map(|count| count as f64 / 1e9)
    }),
    time("processor seconds", "processor time of a run (s)", |run| run.timing.processor_s),
    time("device seconds", "device time of a run (s)", |run| run.timing.device_s),
    time("wall seconds", "wall time, other runs of the batch included (s)", |run| {
        run.timing.wall().filter(|_| run.timing.processor_s.is_none())
    }),
];

impl Effort {
    /// What the run took, where that is no more than an axis can show.
    fn of(&self, run: &ArchivedRun) -> Option<f64> {
        (self.of)(run).filter(|&effort| effort <= FARTHEST)
    }

    fn is_known(&self, run: &ArchivedRun) -> bool {
        has_history(run) && self.of(run).is_some()
    }
}

pub fn figure(material: &Material<'_>) -> Result<Figure, NoData> {
    let mut panels: Vec<(usize, &DatasetGroup<'_>, &str, Vec<&CellRuns<'_>>)> = Vec::new();
    for group in &material.groups {
        for (key, _) in group.architectures() {
            let cells: Vec<&CellRuns<'_>> = group
                .cells
                .iter()
                .copied()
                .filter(|cell| cell.cell.architecture == key && cell.runs.iter().any(|run| has_history(run)))
                .collect();
            if !cells.is_empty() {
                panels.push((cells.len(), group, key, cells));
            }
        }
    }
    if panels.is_empty() {
        return Err(NoData("no record has a history of evaluations".to_owned()));
    }
    // Where several algorithms can be compared comes first.
    panels.sort_by_key(|(algorithms, ..)| std::cmp::Reverse(*algorithms));
    let mut caption = "Best training accuracy so far: mean of the runs and, as a band, one standard deviation. A run \
                       that has ended keeps its last value. A run's time is its share of what the \
                       processor and the device were used. Records of generations have no clock: it is spread over the \
                       run's evaluations evenly, other work included, and so are its multiply-adds, which are those \
                       executed and depend on the adapter. Evaluations of a local search are its proposals, which cost \
                       a fraction of one; its time goes with its own clock."
        .to_owned();
    let panels = bounded(panels, |(_, group, ..)| group.kind, &mut caption)
        .into_iter()
        .flat_map(|(_, group, architecture, cells)| {
            let drawn = |effort: &Effort| {
                let known = |cell: &&CellRuns<'_>| cell.runs.iter().any(|run| effort.is_known(run));
                let cells: Vec<&CellRuns<'_>> = cells.iter().copied().filter(known).collect();
                (!cells.is_empty()).then(|| Panel {
                    title: format!("{} {architecture}: {}", group.title, effort.name),
                    svg: panel(material, &cells, effort),
                })
            };
            EFFORTS.iter().filter_map(drawn).collect::<Vec<_>>()
        })
        .collect();
    Ok(Figure::new("figure-8-effort", "Figure 8: accuracy against effort", caption, panels))
}

fn has_history(run: &ArchivedRun) -> bool {
    run.history.evaluations.len() > 1 && run.data.is_some()
}

/// Effort and best accuracy so far, generation by generation.
fn curve(run: &ArchivedRun, effort: &Effort) -> Vec<(f64, f64)> {
    let history = &run.history;
    let all = effort.of(run).unwrap_or_default();
    // A share of all, where the run was at each point of its history.
    let places: Vec<f64> = match effort.is_time && !history.seconds.is_empty() {
        true => history.seconds.clone(),
        false => history.evaluations.iter().map(|&count| count as f64).collect(),
    };
    let last = places.last().copied().filter(|&last| last > 0.0).unwrap_or(1.0);
    let efforts = places.into_iter().map(|place| place * all / last);
    efforts.zip(run.best_accuracy()).collect()
}

/// The value of a step function; before its first step there is none.
fn at(curve: &[(f64, f64)], x: f64) -> Option<f64> {
    let after = curve.partition_point(|point| point.0 <= x);
    Some(curve[after.checked_sub(1)?].1)
}

fn panel(material: &Material<'_>, cells: &[&CellRuns<'_>], effort: &Effort) -> String {
    let curves: Vec<Vec<Vec<(f64, f64)>>> = cells
        .iter()
        .map(|cell| {
            cell.runs.iter().filter(|run| effort.is_known(run)).map(|run| curve(run, effort)).collect()
        })
        .collect();
    let last =
        curves.iter().flatten().filter_map(|curve| curve.last()).map(|point| point.0).fold(0.0, f64::max);
    let last = if last > 0.0 { last } else { 1.0 };
    let bands: Vec<Vec<(f64, f64, f64)>> = curves.iter().map(|runs| mean_and_deviation(runs, last)).collect();
    let algorithms: Vec<String> = cells.iter().map(|cell| cell.algorithm()).collect();
    let values = bands
        .iter()
        .flatten()
        .flat_map(|&(_, mean, deviation)| [(mean - deviation).max(0.0), (mean + deviation).min(1.0)]);
    let axes = Axes {
        x: 0.0..last,
        y: percent_range(values),
        x_title: effort.title,
        y_title: "best training accuracy (%)",
        legend: material.legend(&algorithms),
        height: 300,
        ..Axes::default()
    };
    plot(&axes, |canvas| {
        for (name, band) in algorithms.iter().zip(&bands) {
            let curve = |value: fn(f64, f64) -> f64| -> Vec<(f64, f64)> {
                band.iter()
                    .map(|&(x, mean, deviation)| (x, 100.0 * value(mean, deviation).clamp(0.0, 1.0)))
                    .collect()
            };
            let colour = material.colour(name);
            canvas.band(&curve(|m, d| m - d), &curve(|m, d| m + d), colour, 0.2);
            canvas.line(curve(|m, _| m), colour, 2);
        }
    })
}

/// Place, mean and standard deviation where every run has begun.
fn mean_and_deviation(runs: &[Vec<(f64, f64)>], last: f64) -> Vec<(f64, f64, f64)> {
    let mut band = Vec::new();
    for place in 0..PLACES {
        let x = last * place as f64 / (PLACES - 1) as f64;
        let values: Vec<f64> = runs.iter().filter_map(|curve| at(curve, x)).collect();
        if values.len() < runs.len() || values.is_empty() {
            continue;
        }
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        let deviation = if values.len() > 1 { (squares / (count - 1.0)).sqrt() } else { 0.0 };
        band.push((x, mean, deviation));
    }
    band
}
