//! Edge-popup by the initialisation of its network.

use super::boxes::boxes_by_series;
use super::{Figure, Material, NoData, panels_by_dataset, percent_range};
use crate::archive::ArchivedRun;
use crate::report::cells::{CellRuns, DatasetGroup, distinct};
use crate::report::plot::Axes;
use crate::report::style::SeriesStyle;

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
                       cells vary); boxes: quartiles and median, marks: means."
            .to_owned();
    let panels = panels_by_dataset(groups, &mut caption, |group| panel(material, group));
    Ok(Figure::new("edge-popup", "Edge-popup by initialisation", caption, panels))
}

fn runs<'a>(group: &'a DatasetGroup<'_>) -> impl Iterator<Item = &'a ArchivedRun> {
    group.runs().filter(|run| run.kind == KIND)
}

/// How a run's weights are drawn, and the label of its algorithm where that says more than its kind.
fn series(run: &ArchivedRun) -> String {
    let weights = &run.config["network"]["weights"];
    let init = weights["init"].as_str().unwrap_or("unknown").replace('_', " ");
    let scaled = if weights["keep_fraction"].is_number() { " (scaled)" } else { "" };
    match run.cell.algorithm.as_str() {
        KIND => format!("{init}{scaled}"),
        label if label.to_lowercase().contains(&init) => format!("{label}{scaled}"),
        label => format!("{label}, {init}{scaled}"),
    }
}

/// That of the algorithm whose runs a series has.
fn style(material: &Material<'_>, group: &DatasetGroup<'_>, name: &str) -> SeriesStyle {
    let has_runs =
        |cell: &&&CellRuns<'_>| cell.runs.iter().any(|run| run.kind == KIND && series(run) == name);
    let cell = group.cells.iter().find(has_runs);
    material.style(&cell.map(|cell| cell.algorithm()).unwrap_or_default())
}

fn panel(material: &Material<'_>, group: &DatasetGroup<'_>) -> String {
    let architectures: Vec<(&str, String)> = group.architectures();
    let names: Vec<String> = architectures.iter().map(|(_, name)| name.clone()).collect();
    let all = distinct(runs(group).map(series));
    let legend = all.iter().map(|name| (name.clone(), style(material, group, name))).collect();
    let axes = Axes {
        y: percent_range(runs(group).map(|run| run.result.test_accuracy)),
        x_title: "architecture (hidden neurons per layer)",
        ..Axes::of_names(&names)
    };
    boxes_by_series(axes, legend, |index, place| {
        let (key, _) = architectures[index];
        let drawn = runs(group).filter(|run| run.cell.architecture == key && series(run) == all[place]);
        drawn.map(|run| run.result.test_accuracy).collect()
    })
}
