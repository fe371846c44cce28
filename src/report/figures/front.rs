//! Sparsity and accuracy of every ticket, of the sparser masks that a local search went on to, of the fronts of
//! searches by several objectives, and the front of those that no other beats in both.

use super::{Figure, Material, NoData, panels_by_dataset};
use crate::archive::ArchivedRun;
use crate::report::cells::{CellRuns, DatasetGroup};
use crate::report::plot::{self, Axes};
use crate::report::style::{INK, SeriesStyle};
use crate::report::ticks::range;

/// Marks of one panel at most; of more runs, evenly many are drawn.
const MAX_MARKS: usize = 600;

pub fn figure(material: &Material<'_>) -> Result<Figure, NoData> {
    let mut caption = "Every mark is a run's ticket; small marks are the sparser masks that a local search went on to \
                       from there, or those on the front of a search by several objectives, which is one on the training set \
                       (“Fronts of several objectives”). The black line joins those than which none is both sparser and more accurate. \
                       Where a sweep varies what a weight costs or what share of them is kept, runs of all its values look \
                       alike, and a line joins the means of each value."
        .to_owned();
    let panels =
        panels_by_dataset(material.groups.iter().collect(), &mut caption, |group| panel(material, group));
    Ok(Figure::new("sparsity", "Sparsity and accuracy", caption, panels))
}

/// Of points (sparsity, accuracy) those that no other reaches in both, by falling sparsity.
fn front(points: impl IntoIterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = points.into_iter().collect();
    points.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)));
    let mut front: Vec<(f64, f64)> = Vec::new();
    for point in points {
        if front.last().is_none_or(|last| point.1 > last.1) {
            front.push(point);
        }
    }
    front
}

/// The fronts of searches by several objectives, as they are on the training set.
pub fn several_objectives(material: &Material<'_>) -> Result<Figure, NoData> {
    let has_front = |group: &&DatasetGroup<'_>| group.runs().any(|run| !run.front_in_training.is_empty());
    let groups: Vec<&DatasetGroup<'_>> = material.groups.iter().filter(has_front).collect();
    if groups.is_empty() {
        return Err(NoData("no search had several objectives".to_owned()));
    }
    let mut caption = "Sparsity and training accuracy of the masks on the front of each search by several objectives, a \
                       line a run, larger marks being tickets. The black line is the front of all runs together."
        .to_owned();
    let panels = panels_by_dataset(groups, &mut caption, |group| panel_in_training(material, group));
    Ok(Figure::new("fronts", "Fronts of several objectives", caption, panels))
}

fn panel_in_training(material: &Material<'_>, group: &DatasetGroup<'_>) -> String {
    let mut paths = paths(group, |run| run.front_in_training.clone());
    paths.retain(|path| !path.points.is_empty());
    let mut algorithms = group.algorithms();
    algorithms.retain(|name| paths.iter().any(|path| path.algorithm == *name));
    let axes = axes(material, &paths, &algorithms, "training accuracy (%)");
    plot::plot(&axes, |canvas| {
        canvas.line(stairs(front(paths.iter().flat_map(|path| path.points.iter().copied()))), INK, 2);
        let step = paths.len().div_ceil(MAX_MARKS).max(1);
        for TicketPath { algorithm, points, .. } in paths.iter().step_by(step) {
            let style = material.style(algorithm);
            canvas.faint_line(stairs(front(points.iter().copied())), style, 1, 0.6);
            for (n, &point) in points.iter().enumerate() {
                canvas.dot(point, if n == 0 { 4 } else { 2 }, style, 0.8);
            }
        }
    })
}

/// The border of what the points of a front reach together.
fn stairs(front: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let mut border: Vec<(f64, f64)> = Vec::new();
    for point in front {
        if let Some(&(_, accuracy)) = border.last() {
            border.push((point.0, accuracy));
        }
        border.push(point);
    }
    border
}

/// A run's ticket and other masks that it found: sparsity and accuracy in percent.
struct TicketPath {
    algorithm: String,
    /// Did the search go from each to the next?
    is_walk: bool,
    points: Vec<(f64, f64)>,
}

/// What every run of `group` found, shares being `points` of it.
fn paths(group: &DatasetGroup<'_>, points: impl Fn(&ArchivedRun) -> Vec<(f64, f64)>) -> Vec<TicketPath> {
    let percent = |(sparsity, accuracy): (f64, f64)| (100.0 * sparsity, 100.0 * accuracy);
    let path = |algorithm: String, run: &ArchivedRun| TicketPath {
        algorithm,
        is_walk: run.front_in_training.is_empty(),
        points: points(run).into_iter().map(percent).collect(),
    };
    let runs = group.cells.iter().flat_map(|cell| cell.runs.iter().map(|run| (cell.algorithm(), run)));
    runs.map(|(algorithm, run)| path(algorithm, run)).collect()
}

fn axes<'a>(
    material: &Material<'_>,
    paths: &[TicketPath],
    algorithms: &[String],
    y_title: &'a str,
) -> Axes<'a> {
    let points = || paths.iter().flat_map(|path| path.points.iter().copied());
    Axes {
        x: range(points().map(|point| point.0), 0.0..100.0),
        y: range(points().map(|point| point.1), 0.0..100.0),
        x_title: "sparsity (% of weights pruned)",
        y_title,
        legend: material.legend(algorithms),
        ..Axes::default()
    }
}

/// Settings that a sweep varies to get masks of another sparsity.
const SPARSITY_SETTINGS: [&str; 2] = ["weight_price", "keep_fraction"];

/// Cells of one algorithm that differ in what sets their sparsity.
struct SparsitySeries<'a> {
    name: String,
    cells: Vec<&'a CellRuns<'a>>,
}

impl SparsitySeries<'_> {
    /// The means of the cells, by rising sparsity, in percent.
    fn means(&self) -> Vec<(f64, f64)> {
        let mean = |cell: &CellRuns<'_>, of: fn(&ArchivedRun) -> f64| {
            100.0 * cell.runs.iter().map(|run| of(run)).sum::<f64>() / cell.runs.len() as f64
        };
        let point = |cell: &&CellRuns<'_>| {
            (mean(cell, |run| run.result.sparsity), mean(cell, |run| run.result.test_accuracy))
        };
        let mut means: Vec<_> = self.cells.iter().map(point).collect();
        means.sort_by(|a, b| a.0.total_cmp(&b.0));
        means
    }
}

/// The cells of `group` by what they are called without the settings of sparsity; none where each is called otherwise.
fn series<'a>(group: &'a DatasetGroup<'a>) -> Vec<SparsitySeries<'a>> {
    let mut series: Vec<SparsitySeries<'a>> = Vec::new();
    for cell in &group.cells {
        let name = cell.algorithm_without(&SPARSITY_SETTINGS);
        match series.iter_mut().find(|series| series.name == name) {
            Some(series) => series.cells.push(cell),
            None => series.push(SparsitySeries { name, cells: vec![cell] }),
        }
    }
    let varies = |series: &SparsitySeries<'_>| {
        series.cells.iter().any(|cell| cell.algorithm() != series.cells[0].algorithm())
    };
    if !series.iter().any(varies) {
        series.clear();
    }
    series
}

fn panel(material: &Material<'_>, group: &DatasetGroup<'_>) -> String {
    let paths = paths(group, |run| {
        let ticket = (run.result.sparsity, run.result.test_accuracy);
        std::iter::once(ticket).chain(run.front.iter().copied()).collect()
    });
    let series = series(group);
    let style = |algorithm: &str| {
        let is_of =
            |series: &SparsitySeries<'_>| series.cells.iter().any(|cell| cell.algorithm() == algorithm);
        series.iter().position(is_of).map_or_else(|| material.style(algorithm), SeriesStyle::numbered)
    };
    let mut axes = axes(material, &paths, &group.algorithms(), "test accuracy (%)");
    if !series.is_empty() {
        let entry = |(index, series): (usize, &SparsitySeries<'_>)| {
            (series.name.clone(), SeriesStyle::numbered(index))
        };
        axes.legend = series.iter().enumerate().map(entry).collect();
    }
    plot::plot(&axes, |canvas| {
        canvas.line(front(paths.iter().flat_map(|path| path.points.iter().copied())), INK, 1);
        for (index, series) in series.iter().enumerate() {
            canvas.line(series.means(), SeriesStyle::numbered(index), 2);
        }
        let step = paths.len().div_ceil(MAX_MARKS).max(1);
        for TicketPath { algorithm, is_walk, points } in paths.iter().step_by(step) {
            let style = style(algorithm);
            if *is_walk {
                canvas.faint_line(points.iter().copied(), style, 1, 0.4);
            }
            for (n, &point) in points.iter().enumerate() {
                canvas.dot(point, if n == 0 { 3 } else { 2 }, style, 0.8);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{front, stairs};

    #[test]
    fn the_front_holds_what_nothing_beats_in_both() {
        let points = [(0.5, 0.9), (0.6, 0.8), (0.4, 0.85), (0.6, 0.7), (0.3, 0.95)];
        let found = front(points);
        assert_eq!(found, [(0.6, 0.8), (0.5, 0.9), (0.3, 0.95)]);
        assert_eq!(stairs(found), [(0.6, 0.8), (0.5, 0.8), (0.5, 0.9), (0.3, 0.9), (0.3, 0.95)]);
    }
}
