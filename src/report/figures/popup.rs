//! Figure 5: edge-popup by the initialisation of its network.

use super::boxes::boxes_by_series;
use super::{Figure, Material, NoData, panels_by_dataset, percent_range};
use crate::archive::ArchivedRun;
use crate::report::cells::{DatasetGroup, distinct};
use crate::report::plot::Axes;

/// The kind of algorithm that this figure is about.
const KIND: &str = "edge_popup";

pub fn figure(material: &Material<'_>) -> Result<Figure, NoData> {
    let groups: Vec<&DatasetGroup<'_>> =
        material.groups.iter().filter(|group| runs(group).next().is_some()).collect();
    if groups.is_empty() {
        return Err(NoData("no record is of edge-popup".to_owned()));
    }
    let mut caption =
        "Test accuracy of edge-popup by how the network's weights are drawn (and by what else its \
                       cells vary); box plots as in Figure 3."
            .to_owned();
    let panels = panels_by_dataset(groups, &mut caption, panel);
    Ok(Figure::new("figure-5-edge-popup", "Figure 5: edge-popup by initialisation", caption, panels))
}

fn runs<'a>(group: &'a DatasetGroup<'_>) -> impl Iterator<Item = &'a ArchivedRun> {
    group.runs().filter(|run| run.kind == KIND)
}

/// How a run's weights are drawn, and the label of its algorithm where that says more than its kind.
fn series(run: &ArchivedRun) -> String {
    let weights = &run.config["network"]["weights"];
    let init = weights["init"].as_str().unwrap_or("unknown").replace('_', " ");
    let scaled = if weights["keep_fraction"].is_number() { " (scaled)" } else { "" };
    let label = if run.cell.algorithm == KIND { String::new() } else { format!("{} ", run.cell.algorithm) };
    format!("{label}{init}{scaled}")
}

fn panel(group: &DatasetGroup<'_>) -> String {
    let architectures: Vec<(&str, String)> = group.architectures();
    let names: Vec<String> = architectures.iter().map(|(_, name)| name.clone()).collect();
    let all = distinct(runs(group).map(series));
    let axes = Axes {
        y: percent_range(runs(group).map(|run| run.result.test_accuracy)),
        x_title: "architecture (hidden neurons per layer)",
        ..Axes::of_names(&names)
    };
    boxes_by_series(axes, &all, |index, name| {
        let (key, _) = architectures[index];
        let drawn = runs(group).filter(|run| run.cell.architecture == key && series(run) == name);
        drawn.map(|run| run.result.test_accuracy).collect()
    })
}
