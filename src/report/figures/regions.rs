//! Data of two features, and the decision regions of a ticket.

use super::{Figure, Material, NoData, Panel, bounded};
use crate::archive::ArchivedRun;
use crate::dataset::{Dataset, DatasetConfig};
use crate::evaluate::Arithmetic;
use crate::evaluate::plain;
use crate::export::Ticket;
use crate::flaw::Flaw;
use crate::printable;
use crate::report::plot::{Axes, plot};
use crate::report::style::{SeriesStyle, colour};
use crate::report::ticks::range;
use crate::run::record::{Match, other_data};
use rayon::prelude::*;

/// Samples drawn at most.
const MAX_SAMPLES: usize = 300;

/// Larger networks take seconds to ask at every place.
const MAX_WEIGHTS: usize = 100_000;

/// Places at which the ticket is asked, across and up.
const GRID: (usize, usize) = (120, 90);

pub fn figure(material: &Material<'_>) -> Result<Figure, NoData> {
    let chosen = material.best_runs(|run| run.mask_hex.is_some() && is_drawable(run));
    if chosen.is_empty() {
        return Err(NoData(format!(
            "no record has a ticket of at most {MAX_WEIGHTS} weights for data of two features"
        )));
    }
    let mut caption = format!(
        "Test samples ({MAX_SAMPLES} at most, evenly taken) and the decision regions of the ticket that is best on \
         the training set. Features as the network reads them."
    );
    let chosen = bounded(chosen, |(title, run)| ((*title).to_owned(), run.dataset_kind()), &mut caption);
    let drawn: Vec<Result<Panel, Flaw>> = chosen
        .into_par_iter()
        .map(|(title, run)| {
            let fail = |reason: Flaw| Flaw::from(format!("{title}: {reason}"));
            let config = run.dataset.as_ref().ok_or_else(|| fail("an unknown data set".into()))?;
            let svg = panel(run, config).map_err(fail)?;
            Ok(Panel { title: format!("{title}, {} seed {}", run.name, run.seed), svg })
        })
        .collect();
    let mut panels = Vec::new();
    for panel in drawn {
        match panel {
            Ok(panel) => panels.push(panel),
            Err(reason) => caption += &format!(" Left out: {reason}."),
        }
    }
    if panels.is_empty() {
        return Err(NoData(caption));
    }
    Ok(Figure::new("decision-regions", "Data sets and decision regions", caption, panels))
}

fn is_drawable(run: &ArchivedRun) -> bool {
    run.layers().is_some_and(|layers| layers.inputs() == 2 && layers.weights() <= MAX_WEIGHTS)
}

fn panel(run: &ArchivedRun, config: &DatasetConfig) -> Result<String, Flaw> {
    let ticket = Ticket::of(run).map_err(|error| error.to_string())?;
    let dataset = config.load().map_err(|error| error.to_string())?;
    if let Some(Match::Other(difference)) = run.data.as_ref().map(|data| data.compare(&dataset)) {
        return Err(other_data(config, &difference).into());
    }
    let Dataset { test, schema, .. } = dataset;
    let arithmetic = run.arithmetic.unwrap_or(Arithmetic::Fused);
    let feature = |column: usize| test.features.iter().skip(column).step_by(2).map(|&x| f64::from(x));
    let unlimited = f64::NEG_INFINITY..f64::INFINITY;
    let titles = [0, 1].map(|column| {
        let named = schema.feature_names.as_ref().map(|names| printable::line(&names[column]).into_owned());
        named.unwrap_or_else(|| format!("feature {}", column + 1))
    });
    let axes = Axes {
        width: 460,
        height: 400,
        x: range(feature(0), unlimited.clone()),
        y: range(feature(1), unlimited),
        x_title: &titles[0],
        y_title: &titles[1],
        legend: schema
            .class_names
            .iter()
            .enumerate()
            .map(|(index, name)| (format!("class {name}"), SeriesStyle::numbered(index)))
            .collect(),
        ..Axes::default()
    };
    let (across, up) = GRID;
    let place = |range: &std::ops::Range<f64>, index: f64, count: usize| {
        range.start + (range.end - range.start) * index / count as f64
    };
    let classes: Vec<Vec<u32>> = (0..up)
        .into_par_iter()
        .map(|row| {
            let y = place(&axes.y, row as f64 + 0.5, up) as f32;
            (0..across)
                .map(|column| {
                    let x = place(&axes.x, column as f64 + 0.5, across) as f32;
                    plain::predict(&ticket.network, &ticket.mask, &[x, y], arithmetic)
                })
                .collect()
        })
        .collect();
    Ok(plot(&axes, |canvas| {
        for (row, classes) in classes.iter().enumerate() {
            let mut start = 0;
            for run in classes.chunk_by(|a, b| a == b) {
                let end = start + run.len();
                let corner = |column: usize, row: usize| {
                    (place(&axes.x, column as f64, across), place(&axes.y, row as f64, up))
                };
                canvas.rectangle([corner(start, row), corner(end, row + 1)], colour(run[0] as usize), 0.25);
                start = end;
            }
        }
        let step = test.len().div_ceil(MAX_SAMPLES);
        for sample in (0..test.len()).step_by(step.max(1)) {
            let at = (f64::from(test.features[2 * sample]), f64::from(test.features[2 * sample + 1]));
            canvas.dot(at, 2, SeriesStyle::numbered(test.labels[sample] as usize), 1.0);
        }
    }))
}
