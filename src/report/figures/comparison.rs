//! Algorithms over architectures with 95% intervals, and the mixed models.

use super::settings::interval;
use super::{Figure, Material, NoData, panels_by_dataset, percent_range};
use crate::archive::ArchivedRun;
use crate::report::cells::{CellRuns, DatasetGroup};
use crate::report::comparison::between;
use crate::report::paper;
use crate::report::plot::{Axes, plot};
use crate::stats::summary::Summary;
use crate::table::Table;

/// Beyond this many algorithms each is compared with the first only.
const ALL_PAIRS: usize = 4;

/// Where a row of the table is from that is published.
const OF_PAPER: &str = "the paper";

/// Half the width that the algorithms at one architecture take; architectures are 1 apart.
const HALF_GROUP: f64 = 0.36;

pub fn figure(material: &Material<'_>) -> Result<Figure, NoData> {
    let groups: Vec<&DatasetGroup<'_>> =
        material.groups.iter().filter(|group| group.algorithms().len() > 1).collect();
    if groups.is_empty() {
        return Err(NoData("no data set has records of two algorithms".to_owned()));
    }
    let mut caption =
        "Mean test accuracy with its 95% interval (Student's t; without a bar: one run). The table: \
                       linear mixed model of the standardised accuracies (REML), algorithm as fixed effect, \
                       architecture and network seed as random effects."
            .to_owned();
    let mut table = Table::new(
        "mixed-models",
        "Linear mixed models",
        &[
            "data set",
            "reference",
            "target",
            ">coef",
            ">std err",
            ">z",
            ">P>|z|",
            ">[0.025",
            ">0.975]",
            "from",
        ],
    );
    let panels = panels_by_dataset(groups, &mut caption, |group| {
        push_models(&mut table, group);
        panel(material, group)
    });
    if table.rows.iter().any(|row| row.last().is_some_and(|from| from == OF_PAPER)) {
        caption += " Rows of the paper are those that it publishes for these data.";
    }
    Ok(Figure {
        tables: vec![table],
        ..Figure::new("comparison", "Comparison over architectures", caption, panels)
    })
}

fn panel(material: &Material<'_>, group: &DatasetGroup<'_>) -> String {
    let architectures = group.architectures();
    let algorithms = group.algorithms();
    let names: Vec<String> = architectures.iter().map(|(_, name)| name.clone()).collect();
    let summaries: Vec<Vec<(usize, Summary)>> = algorithms
        .iter()
        .map(|name| {
            let cell = |key: &str| {
                group.cells.iter().find(|cell| cell.cell.architecture == key && cell.algorithm() == *name)
            };
            let places = architectures.iter().enumerate();
            places
                .filter_map(|(index, (key, _))| Some((index, Summary::new(&cell(key)?.accuracies()).ok()?)))
                .collect()
        })
        .collect();
    // Side by side, so that intervals do not hide each other.
    let step = (2.0 * HALF_GROUP / algorithms.len() as f64).min(0.08);
    let axes = Axes {
        y: percent_range(summaries.iter().flatten().flat_map(|(_, summary)| interval(summary))),
        x_title: "architecture (hidden neurons per layer)",
        y_title: "mean test accuracy (%)",
        legend: material.legend(&algorithms),
        ..Axes::of_names(&names)
    };
    plot(&axes, |canvas| {
        for (place, (name, summaries)) in algorithms.iter().zip(&summaries).enumerate() {
            let style = material.style(name);
            let x = |index: usize| index as f64 + step * (place as f64 - (algorithms.len() - 1) as f64 / 2.0);
            canvas.line(summaries.iter().map(|(index, summary)| (x(*index), 100.0 * summary.mean)), style, 1);
            for (index, summary) in summaries {
                let ends = interval(summary).map(|share| 100.0 * share);
                canvas.interval((x(*index), 100.0 * summary.mean), ends, step / 3.0, style);
            }
        }
    })
}

fn push_models(table: &mut Table, group: &DatasetGroup<'_>) {
    let algorithms = group.algorithms();
    let runs = |name: &str| -> Vec<&ArchivedRun> {
        let cells = group.cells.iter().filter(|cell| cell.algorithm() == name);
        cells.flat_map(|cell: &&CellRuns<'_>| cell.runs.clone()).collect()
    };
    for (first, reference) in algorithms.iter().enumerate() {
        if first > 0 && algorithms.len() > ALL_PAIRS {
            break;
        }
        for target in &algorithms[first + 1..] {
            let compared = between((reference, &runs(reference)), (target, &runs(target)));
            let Some(on) = compared.ok().and_then(|mut compared| compared.pop()) else { continue };
            let mut row = vec![group.title.clone(), reference.clone(), target.clone()];
            match on.comparison.model {
                Ok(fit) => {
                    let effect = fit.algorithm;
                    let [low, high] = effect.interval;
                    row.extend(numbers(
                        effect.coefficient,
                        effect.standard_error,
                        effect.z,
                        effect.p,
                        low,
                        high,
                    ));
                    let without =
                        if on.comparison.left_out.is_some() { ", no variance of seeds" } else { "" };
                    row.push(format!("{} records{without}", fit.rows));
                }
                Err(reason) => {
                    row.extend(std::iter::repeat_n("–".to_owned(), 6));
                    row.push(format!("not fitted: {reason}"));
                }
            }
            table.push(row);
        }
    }
    for effect in group.runs().next().map_or(&[][..], paper::effects) {
        let [low, high] = effect.interval;
        let mut row = vec![group.title.clone(), effect.reference.clone(), effect.target.clone()];
        row.extend(numbers(effect.coefficient, effect.standard_error, effect.z, effect.p, low, high));
        row.push(OF_PAPER.to_owned());
        table.push(row);
    }
}

fn numbers(coefficient: f64, standard_error: f64, z: f64, p: f64, low: f64, high: f64) -> [String; 6] {
    let p = if p > 0.0 && p < 0.001 { format!("{p:.1e}") } else { format!("{p:.3}") };
    let short = |value: f64| format!("{value:.3}");
    [short(coefficient), short(standard_error), short(z), p, short(low), short(high)]
}
