//! Figure 7: accuracy over the number of classes.

use super::boxes::boxes_by_series;
use super::{Figure, Material, NoData, Panel, percent_range};
use crate::report::cells::{CellRuns, architecture, distinct};
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

pub fn figure(material: &Material<'_>) -> Result<Figure, NoData> {
    let kinds = kinds(material);
    if kinds.is_empty() {
        return Err(NoData("no kind of data set has records with several numbers of classes".to_owned()));
    }
    let panels =
        kinds.into_iter().map(|kind| Panel { title: kind.to_owned(), svg: panel(material, kind) }).collect();
    let caption =
        "Test accuracy over the number of classes; box plots as in Figure 3. The blobs themselves are in \
                   Figure 2."
            .to_owned();
    Ok(Figure::new("figure-7-classes", "Figure 7: several classes", caption, panels))
}

/// Algorithm and hidden layers.
fn series(cell: &CellRuns<'_>) -> String {
    match cell.first() {
        Some(run) => format!("{}, {}", cell.algorithm(), architecture(run)),
        None => cell.algorithm(),
    }
}

fn panel(material: &Material<'_>, kind: &str) -> String {
    let groups: Vec<_> = material.groups.iter().filter(|group| group.kind == kind).collect();
    let mut classes = distinct(groups.iter().filter_map(|group| group.classes));
    classes.sort_unstable();
    let all = distinct(groups.iter().flat_map(|group| &group.cells).map(|cell| series(cell)));
    let names: Vec<String> = classes.iter().map(usize::to_string).collect();
    let axes = Axes {
        y: percent_range(groups.iter().flat_map(|group| &group.cells).flat_map(|cell| cell.accuracies())),
        x_title: "classes",
        ..Axes::of_names(&names)
    };
    boxes_by_series(axes, &all, |index, name| {
        let groups = groups.iter().filter(|group| group.classes == Some(classes[index]));
        let cells = groups.flat_map(|group| &group.cells).filter(|cell| series(cell) == name);
        cells.flat_map(|cell| cell.accuracies()).collect()
    })
}
