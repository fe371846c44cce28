//! Figure 9: sparsity and accuracy of every ticket, of the sparser masks that a local search went on to, of the fronts of
//! searches by several objectives, and the front of those that no other beats in both.

use super::{Figure, Material, NoData, panels_by_dataset};
use crate::report::cells::DatasetGroup;
use crate::report::plot::{self, Axes, INK};

/// Marks of one panel at most; of more runs, evenly many are drawn.
const MAX_MARKS: usize = 600;

pub fn figure(material: &Material<'_>) -> Result<Figure, NoData> {
    let mut caption = "Every mark is a run's ticket; small marks are the sparser masks that a local search went on to \
                       from there, or the front of a search by several objectives, which is one on the training set and need \
                       not be one here. The black line joins those than which none is both sparser and more accurate."
        .to_owned();
    let panels =
        panels_by_dataset(material.groups.iter().collect(), &mut caption, |group| panel(material, group));
    Ok(Figure::new("figure-9-sparsity", "Figure 9: sparsity and accuracy", caption, panels))
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

/// A run's ticket and the sparser masks behind it: sparsity and accuracy in percent.
struct TicketPath {
    algorithm: String,
    points: Vec<(f64, f64)>,
}

fn panel(material: &Material<'_>, group: &DatasetGroup<'_>) -> String {
    let paths: Vec<TicketPath> = group
        .cells
        .iter()
        .flat_map(|cell| cell.runs.iter().map(|run| (cell.algorithm(), run)))
        .map(|(algorithm, run)| {
            let ticket = (run.result.sparsity, run.result.test_accuracy);
            let points = std::iter::once(&ticket).chain(&run.front);
            let points = points.map(|(sparsity, accuracy)| (100.0 * sparsity, 100.0 * accuracy)).collect();
            TicketPath { algorithm, points }
        })
        .collect();
    let points = || paths.iter().flat_map(|path| path.points.iter().copied());
    let algorithms = group.algorithms();
    let axes = Axes {
        x: plot::range(points().map(|point| point.0), 0.0..100.0),
        y: plot::range(points().map(|point| point.1), 0.0..100.0),
        x_title: "sparsity (% of weights pruned)",
        y_title: "test accuracy (%)",
        legend: material.legend(&algorithms),
        ..Axes::default()
    };
    plot::plot(&axes, |canvas| {
        canvas.line(front(points()), INK, 1);
        let step = paths.len().div_ceil(MAX_MARKS).max(1);
        for TicketPath { algorithm, points } in paths.iter().step_by(step) {
            let colour = material.colour(algorithm);
            canvas.faint_line(points.iter().copied(), colour, 1, 0.4);
            for (n, &point) in points.iter().enumerate() {
                canvas.dot(point, if n == 0 { 3 } else { 2 }, colour, 0.8);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::front;

    #[test]
    fn the_front_holds_what_nothing_beats_in_both() {
        let points = [(0.5, 0.9), (0.6, 0.8), (0.4, 0.85), (0.6, 0.7), (0.3, 0.95)];
        assert_eq!(front(points), [(0.6, 0.8), (0.5, 0.9), (0.3, 0.95)]);
    }
}
