//! Figure 5: edge-popup by the initialisation of its network.

use super::boxes::{draw_box, offset, width};
use super::{Figure, LeftOut, Material, Panel, bounded, percent_range};
use crate::archive::Run;
use crate::report::cells::{Group, distinct};
use crate::report::plot::{Axes, colour, plot};

/// The kind of algorithm that this figure is about.
const KIND: &str = "edge_popup";

pub fn figure(material: &Material<'_>) -> Result<Figure, LeftOut> {
    let groups: Vec<&Group<'_>> =
        material.groups.iter().filter(|group| runs(group).next().is_some()).collect();
    if groups.is_empty() {
        return Err("no record is of edge-popup".to_owned());
    }
    let mut caption =
        "Test accuracy of edge-popup by how the network's weights are drawn (and by what else its \
                       cells vary); box plots as in Figure 3."
            .to_owned();
    let panels = bounded(groups, |group| group.kind, &mut caption)
        .into_iter()
        .map(|group| Panel { title: group.title.clone(), svg: panel(group) })
        .collect();
    Ok(Figure {
        name: "figure-5-edge-popup".into(),
        title: "Figure 5: edge-popup by initialisation".into(),
        caption,
        panels,
        tables: Vec::new(),
    })
}

fn runs<'a>(group: &'a Group<'_>) -> impl Iterator<Item = &'a Run> {
    group.cells.iter().flat_map(|cell| &cell.runs).copied().filter(|run| run.kind == KIND)
}

/// How a run's weights are drawn, and the label of its algorithm where that says more than its kind.
fn series(run: &Run) -> String {
    let weights = &run.config["network"]["weights"];
    let init = weights["init"].as_str().unwrap_or("unknown").replace('_', " ");
    let scaled = if weights["keep_fraction"].is_number() { " (scaled)" } else { "" };
    let label = if run.cell.algorithm == KIND { String::new() } else { format!("{} ", run.cell.algorithm) };
    format!("{label}{init}{scaled}")
}

fn panel(group: &Group<'_>) -> String {
    let architectures: Vec<(&str, String)> = group.architectures();
    let names: Vec<String> = architectures.iter().map(|(_, name)| name.clone()).collect();
    let all = distinct(runs(group).map(series));
    let axes = Axes {
        y: percent_range(runs(group).map(|run| run.result.test_accuracy)),
        x_title: "architecture (hidden neurons per layer)",
        y_title: "test accuracy (%)",
        legend: all.iter().enumerate().map(|(index, name)| (name.clone(), colour(index))).collect(),
        ..Axes::of_names(&names)
    };
    plot(&axes, |canvas| {
        for (index, (key, _)) in architectures.iter().enumerate() {
            for (place, name) in all.iter().enumerate() {
                let values: Vec<f64> = runs(group)
                    .filter(|run| run.cell.architecture == *key && series(run) == *name)
                    .map(|run| run.result.test_accuracy)
                    .collect();
                draw_box(canvas, offset(index, place, all.len()), width(all.len()), &values, colour(place));
            }
        }
    })
}
