//! Figure 7: accuracy over the number of classes.

use super::boxes::{draw_box, offset, width};
use super::{Figure, LeftOut, Material, Panel, percent_range};
use crate::report::cells::{CellRuns, architecture, distinct};
use crate::report::plot::{Axes, colour, plot};

/// Kinds of data that the records have with several numbers of classes.
pub fn kinds<'a>(material: &Material<'a>) -> Vec<&'a str> {
    let kinds = distinct(material.groups.iter().map(|group| group.kind));
    let several = |kind: &&str| {
        let of_kind = material.groups.iter().filter(|group| group.kind == *kind);
        distinct(of_kind.filter_map(|group| group.classes)).len() > 1
    };
    kinds.into_iter().filter(several).collect()
}

pub fn figure(material: &Material<'_>) -> Result<Figure, LeftOut> {
    let kinds = kinds(material);
    if kinds.is_empty() {
        return Err("no kind of data set has records with several numbers of classes".to_owned());
    }
    let panels =
        kinds.into_iter().map(|kind| Panel { title: kind.to_owned(), svg: panel(material, kind) }).collect();
    Ok(Figure {
        name: "figure-7-classes".into(),
        title: "Figure 7: several classes".into(),
        caption:
            "Test accuracy over the number of classes; box plots as in Figure 3. The blobs themselves are in \
                  Figure 2."
                .into(),
        panels,
        tables: Vec::new(),
    })
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
        y_title: "test accuracy (%)",
        legend: all.iter().enumerate().map(|(index, name)| (name.clone(), colour(index))).collect(),
        ..Axes::of_names(&names)
    };
    plot(&axes, |canvas| {
        for (index, &count) in classes.iter().enumerate() {
            for (place, name) in all.iter().enumerate() {
                let cells =
                    groups.iter().filter(|group| group.classes == Some(count)).flat_map(|group| &group.cells);
                let values: Vec<f64> =
                    cells.filter(|cell| series(cell) == *name).flat_map(|cell| cell.accuracies()).collect();
                draw_box(canvas, offset(index, place, all.len()), width(all.len()), &values, colour(place));
            }
        }
    })
}
