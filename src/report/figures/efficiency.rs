//! Accuracy against evaluations, multiply-adds and time.

use super::{Figure, Material, NoData, Panel, bounded, percent_range};
use crate::archive::ArchivedRun;
use crate::printable::counted;
use crate::report::cells::{CellRuns, DatasetGroup, algorithms};
use crate::report::plot::{Axes, Ticks, plot};
use crate::report::ticks::{FARTHEST, asks_for_logarithm, rounded_logarithms};

/// Places along the horizontal axis.
const PLACES: usize = 80;

/// A logarithmic axis goes back to this share of its end at most.
const FIRST_SHARE: f64 = 1e-5;

/// More curves than this would hide each other's bands.
const MAX_BANDS: usize = 8;

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
    let mut caption = format!(
        "Best training accuracy so far: mean of the runs and, as a band where there are at most {MAX_BANDS} curves, one \
         standard deviation. A run that has ended keeps its last value. Axes are logarithmic where runs take very \
         different effort. A run's time is its share of what the processor and the device were used. Records of \
         generations have no clock: it is spread over the run's evaluations evenly, other work included, and so are \
         its multiply-adds, which are those executed and depend on the adapter. Evaluations of a local search are its \
         proposals, which cost a fraction of one; its time goes with its own clock."
    );
    caption += &without_history(material);
    let panels = bounded(panels, |(_, group, ..)| (group.title.clone(), group.kind), &mut caption)
        .into_iter()
        .flat_map(|(_, group, architecture, cells)| {
            let drawn = |effort: &Effort| {
                let known = |cell: &&CellRuns<'_>| cell.runs.iter().any(|run| effort.is_known(run));
                let (known, unknown): (Vec<_>, Vec<_>) = cells.iter().copied().partition(known);
                if known.is_empty() {
                    return None;
                }
                let mut title = format!("{} {architecture}: {}", group.title, effort.name);
                if !unknown.is_empty() {
                    title += &format!("; not in the records of {}", names(unknown.into_iter()));
                }
                Some(Panel { title, svg: panel(material, &known, effort) })
            };
            EFFORTS.iter().filter_map(drawn).collect::<Vec<_>>()
        })
        .collect();
    Ok(Figure::new("effort", "Accuracy against effort", caption, panels))
}

/// The names of the cells' algorithms, one after the other.
fn names<'a>(cells: impl Iterator<Item = &'a CellRuns<'a>>) -> String {
    algorithms(cells).join(", ")
}

/// A sentence about the runs that cannot be drawn.
fn without_history(material: &Material<'_>) -> String {
    let lacks = |cell: &CellRuns<'_>| cell.runs.iter().filter(|run| !has_history(run)).count();
    let lacking = || material.cells.iter().filter(|cell| lacks(cell) > 0);
    let runs: usize = lacking().map(lacks).sum();
    if runs == 0 {
        return String::new();
    }
    let runs = counted(runs, "run");
    let names = names(lacking());
    format!(" Left out, for their records have no history of evaluations: {runs} of {names}.")
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
    efforts.zip(best_so_far(run.best_accuracy())).collect()
}

/// Searches by a loss, or by several objectives, may give up accuracy that they had.
fn best_so_far(accuracies: Vec<f64>) -> Vec<f64> {
    let best = accuracies.into_iter().scan(0.0, |best: &mut f64, accuracy| {
        *best = best.max(accuracy);
        Some(*best)
    });
    best.collect()
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
    let (is_logarithmic, x) = axis(&curves);
    let effort_at = |place: f64| if is_logarithmic { 10f64.powf(place) } else { place };
    let place = |index: usize| x.start + (x.end - x.start) * index as f64 / (PLACES - 1) as f64;
    let bands: Vec<Vec<(f64, f64, f64)>> = curves
        .iter()
        .map(|runs| {
            let at = |index| {
                let (mean, deviation) = mean_and_deviation(runs, effort_at(place(index)))?;
                Some((place(index), mean, deviation))
            };
            (0..PLACES).filter_map(at).collect()
        })
        .collect();
    let algorithms: Vec<String> = cells.iter().map(|cell| cell.algorithm()).collect();
    let sorted = self::algorithms(cells.iter().copied());
    let has_bands = bands.len() <= MAX_BANDS;
    let values = bands
        .iter()
        .flatten()
        .map(|&(_, mean, deviation)| (mean, if has_bands { deviation } else { 0.0 }))
        .flat_map(|(mean, deviation)| [(mean - deviation).max(0.0), (mean + deviation).min(1.0)]);
    let axes = Axes {
        x: x.clone(),
        y: percent_range(values),
        x_title: effort.title,
        ticks: if is_logarithmic { Ticks::Logarithms } else { Ticks::Numbers },
        y_title: "best training accuracy (%)",
        legend: material.legend(&sorted),
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
            let style = material.style(name);
            if has_bands {
                canvas.band(&curve(|m, d| m - d), &curve(|m, d| m + d), style.colour, 0.2);
            }
            canvas.line(curve(|m, _| m), style, 2);
        }
    })
}

/// Is the horizontal axis of curves, by cell and run, logarithmic, and where does it begin and end?
fn axis(curves: &[Vec<Vec<(f64, f64)>>]) -> (bool, std::ops::Range<f64>) {
    let ends = || curves.iter().flatten().filter_map(|curve| curve.last()).map(|point| point.0);
    let last = ends().fold(0.0, f64::max);
    let shortest = ends().filter(|&end| end > 0.0).fold(f64::INFINITY, f64::min);
    if last <= 0.0 || !asks_for_logarithm(shortest, last) {
        return (false, 0.0..if last > 0.0 { last } else { 1.0 });
    }
    let begins = curves.iter().flatten().flatten().map(|point| point.0).filter(|&effort| effort > 0.0);
    let first = begins.fold(last, f64::min).max(FIRST_SHARE * last);
    (true, rounded_logarithms(first.log10(), last.log10()))
}

/// Mean and standard deviation at an effort by which every run has begun.
fn mean_and_deviation(runs: &[Vec<(f64, f64)>], effort: f64) -> Option<(f64, f64)> {
    let values: Vec<f64> = runs.iter().filter_map(|curve| at(curve, effort)).collect();
    if values.len() < runs.len() || values.is_empty() {
        return None;
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    Some((mean, if values.len() > 1 { (squares / (count - 1.0)).sqrt() } else { 0.0 }))
}

#[cfg(test)]
mod tests {
    use super::{axis, best_so_far};

    #[test]
    fn the_best_so_far_never_falls() {
        assert_eq!(best_so_far(vec![0.5, 0.7, 0.6, 0.8, 0.1]), [0.5, 0.7, 0.7, 0.8, 0.8]);
    }

    #[test]
    fn runs_of_very_different_effort_get_a_logarithmic_axis() {
        let run = |end: f64| vec![(end / 100.0, 0.5), (end, 0.9)];
        assert_eq!(axis(&[vec![run(100.0)], vec![run(400.0)]]), (false, 0.0..400.0));
        let (is_logarithmic, range) = axis(&[vec![run(100.0)], vec![run(1e5)]]);
        assert!(is_logarithmic && range.start.abs() < 1e-9 && (range.end - 5.0).abs() < 1e-9, "{range:?}");
        assert_eq!(axis(&[vec![vec![(0.0, 0.5)]]]), (false, 0.0..1.0));
    }
}
