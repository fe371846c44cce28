//! Accuracy over the number of classes, a figure for each kind of data.

use super::boxes::boxes_by_series;
use super::{Figure, Material, NoData, Panel, bounded, percent_range};
use crate::report::cells::{CellRuns, algorithms, architecture, distinct};
use crate::report::plot::Axes;

/// Kinds of data that the records have with several numbers of classes.
pub fn kinds<'a>(material: &Material<'a>) -> Vec<&'a str> {
    let kinds = distinct(material.groups.iter().map(|group| group.kind));
    let several = |kind: &&str| {
        let of_kind = material.groups.iter().filter(|group| group.kind == *kind);
        distinct(of_kind.filter_map(|group| group.classes)).len() > 1
    };
    kinds.into_iter().filter(several).collect()
}

/// A figure for each of those kinds.
pub fn figures(material: &Material<'_>) -> Result<Vec<Figure>, NoData> {
    let kinds = kinds(material);
    if kinds.is_empty() {
        return Err(NoData("no kind of data set has records with several numbers of classes".to_owned()));
    }
    Ok(kinds.into_iter().map(|kind| figure(material, kind)).collect())
}

fn figure(material: &Material<'_>, kind: &str) -> Figure {
    let groups: Vec<_> = material.groups.iter().filter(|group| group.kind == kind).collect();
    let mut classes = distinct(groups.iter().filter_map(|group| group.classes));
    classes.sort_unstable();
    let cells: Vec<&CellRuns<'_>> = groups.iter().flat_map(|group| group.cells.iter().copied()).collect();
    let hidden = |cell: &CellRuns<'_>| cell.first().map(architecture).unwrap_or_default();
    let mut caption = format!(
        "Test accuracy on {kind} of {} classes; boxes: quartiles and median, marks: means.",
        listed(&classes)
    );
    let architectures = distinct(cells.iter().map(|cell| hidden(cell)));
    let panels = bounded(architectures, |name| (name.clone(), ""), &mut caption).into_iter().map(|name| {
        let of_panel: Vec<&CellRuns<'_>> =
            cells.iter().copied().filter(|cell| hidden(cell) == name).collect();
        Panel { title: format!("{kind}, {name}"), svg: panel(material, &of_panel, &classes) }
    });
    let panels = panels.collect();
    Figure::new(&format!("classes-{kind}"), &format!("Several classes: {kind}"), caption, panels)
}

/// `2, 3 and 5`.
fn listed(numbers: &[usize]) -> String {
    let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
    match numbers.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => numbers.concat(),
    }
}

/// Cells of one architecture over the number of classes.
fn panel(material: &Material<'_>, cells: &[&CellRuns<'_>], classes: &[usize]) -> String {
    let algorithms = algorithms(cells.iter().copied());
    let names: Vec<String> = classes.iter().map(usize::to_string).collect();
    let axes = Axes {
        y: percent_range(cells.iter().flat_map(|cell| cell.accuracies())),
        x_title: "classes",
        ..Axes::of_names(&names)
    };
    let classes_of = |cell: &CellRuns<'_>| cell.first()?.data.as_ref().map(|data| data.classes);
    boxes_by_series(axes, material.legend(&algorithms), |index, place| {
        let of_box = cells
            .iter()
            .filter(|cell| classes_of(cell) == Some(classes[index]) && cell.algorithm() == algorithms[place]);
        of_box.flat_map(|cell| cell.accuracies()).collect()
    })
}
