//! Figure 9: sparsity and accuracy of every ticket, and the front of those that no other beats in both.

use super::{Figure, LeftOut, Material, Panel, bounded, percent_range};
use crate::report::cells::Group;
use crate::report::plot::{Axes, INK, plot};

/// Marks of one panel at most; of more runs, evenly many are drawn.
const MAX_MARKS: usize = 600;

pub fn figure(material: &Material<'_>) -> Result<Figure, LeftOut> {
    let groups: Vec<&Group<'_>> = material
        .groups
        .iter()
        .filter(|group| {
            group.cells.iter().flat_map(|cell| &cell.runs).any(|run| run.result.sparsity.is_some())
        })
        .collect();
    if groups.is_empty() {
        return Err("no record has a sparsity".to_owned());
    }
    let mut caption =
        "Every mark is a run. The line joins the tickets than which none is both sparser and more \
                       accurate."
            .to_owned();
    let panels = bounded(groups, |group| group.kind, &mut caption)
        .into_iter()
        .map(|group| Panel { title: group.title.clone(), svg: panel(material, group) })
        .collect();
    Ok(Figure {
        name: "figure-9-sparsity".into(),
        title: "Figure 9: sparsity and accuracy".into(),
        caption,
        panels,
        tables: Vec::new(),
    })
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

fn panel(material: &Material<'_>, group: &Group<'_>) -> String {
    let marks: Vec<(String, f64, f64)> = group
        .cells
        .iter()
        .flat_map(|cell| cell.runs.iter().map(|run| (cell.algorithm(), run)))
        .filter_map(|(name, run)| Some((name, run.result.sparsity?, run.result.test_accuracy)))
        .collect();
    let algorithms = group.algorithms();
    let axes = Axes {
        x: percent_range(marks.iter().map(|mark| mark.1)),
        y: percent_range(marks.iter().map(|mark| mark.2)),
        x_title: "sparsity (% of weights pruned)",
        y_title: "test accuracy (%)",
        legend: material.legend(&algorithms),
        ..Axes::default()
    };
    plot(&axes, |canvas| {
        let front = front(marks.iter().map(|&(_, sparsity, accuracy)| (100.0 * sparsity, 100.0 * accuracy)));
        canvas.line(front, INK, 1);
        let step = marks.len().div_ceil(MAX_MARKS).max(1);
        for (name, sparsity, accuracy) in marks.iter().step_by(step) {
            canvas.dot((100.0 * sparsity, 100.0 * accuracy), 3, material.colour(name), 0.8);
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
