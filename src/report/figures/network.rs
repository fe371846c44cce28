//! Networks with all their connections, and the subnetworks that were evolved: as graphs, larger ones as matrices.

use super::{Figure, Material, NoData, Panel, bounded};
use crate::archive::ArchivedRun;
use crate::mask;
use crate::network::{Architecture, Layer};
use crate::report::cells::CellRuns;
use crate::report::heat_map::{self, LayerMatrix, MatrixCells};
use crate::report::plot::{Legend, picture};
use crate::report::style::{GRID, INK, colour};

/// Networks with more connections than this would be a block of colour, and are shown as matrices.
const MAX_DRAWN: usize = 1_000;

/// A matrix with more rows or columns than this has several weights in a cell.
const MAX_SIDE: usize = 115;

/// Columns and rows of such a matrix, at most.
const POOLED: (usize, usize) = (48, 32);

/// Layers of a network whose matrices are drawn, so that pages stay small.
const MAX_LAYERS: usize = 6;

/// A connection persists in a set of tickets if at least this share of them keeps it. (Chance alone keeps
/// about half.)
const PERSISTENT: f64 = 0.75;

pub fn figure(material: &Material<'_>) -> Result<Figure, NoData> {
    let drawable: Vec<(&CellRuns<'_>, &ArchivedRun)> = material
        .cells
        .iter()
        .filter_map(|cell| Some((cell, cell.best()?)))
        .filter(|(_, run)| run.mask_hex.is_some() && run.layers().is_some())
        .collect();
    if drawable.is_empty() {
        return Err(NoData("no record has a ticket".to_owned()));
    }
    let mut caption = format!(
        "The ticket of each cell that is best on the training set. Up to {MAX_DRAWN} weights as a graph, inputs on the \
         left, outputs on the right; pale: all connections, strong: those kept. Above that a matrix for each layer, and \
         where one has more than {MAX_SIDE} rows or columns, its cells are the share that is kept of several weights. \
         Connections that at least three quarters of the cell's tickets keep have a colour of their own (each run has \
         other weights, so this is how often a place in the network is used, not a weight)."
    );
    let panels: Vec<Panel> = bounded(
        drawable,
        |(cell, run)| (format!("{} {}", cell.dataset(), cell.cell.architecture), run.dataset_kind()),
        &mut caption,
    )
    .into_iter()
    .filter_map(|(cell, run)| {
        let title = format!("{} (seed {} of {} runs)", cell.title(), run.seed, cell.runs.len());
        Some(Panel { title, svg: network(run, &cell.runs)? })
    })
    .collect();
    Ok(Figure::new("networks", "Evolved subnetworks", caption, panels))
}

/// The mask of a run's ticket, without making its weights.
fn mask_of(run: &ArchivedRun) -> Option<Vec<u32>> {
    mask::from_hex(run.mask_hex.as_ref()?, run.layers()?.weights()).ok()
}

/// The network of `run` among its cell's runs, where there is a ticket. Returns SVG text.
pub fn network(run: &ArchivedRun, cell: &[&ArchivedRun]) -> Option<String> {
    let architecture = run.layers()?;
    let bits = mask_of(run)?;
    let is_pooled = architecture.weights() > MAX_DRAWN && architecture.widths().iter().any(|&n| n > MAX_SIDE);
    if is_pooled {
        let legend = vec![("share of weights kept: all; fainter, fewer".to_owned(), colour(0).into())];
        return Some(heat_map::layers(&matrices(architecture, |layer| pooled(&bits, layer)), &legend));
    }
    let masks: Vec<Vec<u32>> = cell
        .iter()
        .filter(|other| other.layers() == Some(architecture))
        .filter_map(|other| mask_of(other))
        .collect();
    let persists = |index: usize| {
        masks.len() > 1
            && masks.iter().filter(|other| mask::get(other, index)).count() as f64
                >= PERSISTENT * masks.len() as f64
    };
    let legend = match masks.len() {
        0 | 1 => vec![("connection kept".to_owned(), colour(1).into())],
        count => vec![
            (format!("kept here and in 75% of {count} tickets"), colour(0).into()),
            ("kept here, rarer".to_owned(), colour(1).into()),
        ],
    };
    // The number of a connection's colour.
    let kept = |index: usize| mask::get(&bits, index).then(|| usize::from(!persists(index)));
    Some(if architecture.weights() > MAX_DRAWN {
        let weights = |layer: &Layer| {
            let indices = layer.first_weight..layer.first_weight + layer.inputs * layer.outputs;
            (layer.inputs, layer.outputs, MatrixCells::Weights(indices.map(kept).collect()))
        };
        heat_map::layers(&matrices(architecture, weights), &legend)
    } else {
        graph(architecture, legend, kept)
    })
}

/// A matrix for each of the first layers, whose columns, rows and cells are those of `cells`.
fn matrices(
    architecture: &Architecture,
    cells: impl Fn(&Layer) -> (usize, usize, MatrixCells),
) -> Vec<LayerMatrix> {
    let count = architecture.layers().count();
    let layers = architecture.layers().enumerate().take(MAX_LAYERS);
    let matrix = |(depth, layer): (usize, Layer)| {
        let (columns, rows, cells) = cells(&layer);
        let mut title =
            format!("layer {} of {count}: {} inputs, {} neurons", depth + 1, layer.inputs, layer.outputs);
        if (columns, rows) != (layer.inputs, layer.outputs) {
            let per_cell = (layer.inputs * layer.outputs) as f64 / (columns * rows) as f64;
            title += &format!("; a cell is {per_cell:.0} weights");
        }
        LayerMatrix { title, columns, rows, cells }
    };
    layers.map(matrix).collect()
}

/// Shares of a layer's weights that are kept, in fewer columns and rows.
fn pooled(bits: &[u32], layer: &Layer) -> (usize, usize, MatrixCells) {
    let (columns, rows) = (layer.inputs.min(POOLED.0), layer.outputs.min(POOLED.1));
    let mut counts = vec![(0u32, 0u32); columns * rows];
    for output in 0..layer.outputs {
        for input in 0..layer.inputs {
            let cell = output * rows / layer.outputs * columns + input * columns / layer.inputs;
            let (kept, all) = &mut counts[cell];
            *kept += u32::from(mask::get(bits, layer.first_weight + output * layer.inputs + input));
            *all += 1;
        }
    }
    let shares = counts.into_iter().map(|(kept, all)| kept as f32 / all.max(1) as f32);
    (columns, rows, MatrixCells::Shares(shares.collect()))
}

/// Neurons and their connections; `kept` has the number of a connection's colour, where it is kept.
fn graph(architecture: &Architecture, legend: Legend, kept: impl Fn(usize) -> Option<usize>) -> String {
    let widths = architecture.widths();
    let at = |layer: usize, neuron: usize| {
        let x = 0.02 + 0.96 * layer as f64 / (widths.len() - 1) as f64;
        (x, 1.0 - (neuron as f64 + 0.5) / widths[layer] as f64)
    };
    picture((480, 380), legend, |canvas| {
        // One stroke a neuron, to and fro: a line for each connection would be many times as long.
        let mut stars = |colour, drawn: &dyn Fn(usize) -> bool| {
            for (depth, layer) in architecture.layers().enumerate() {
                for output in 0..layer.outputs {
                    let centre = at(depth + 1, output);
                    let inputs = (0..layer.inputs)
                        .filter(|input| drawn(layer.first_weight + output * layer.inputs + input));
                    let star =
                        std::iter::once(centre).chain(inputs.flat_map(|input| [at(depth, input), centre]));
                    canvas.line(star, colour, 1);
                }
            }
        };
        stars(GRID, &|_| true);
        for number in [1, 0] {
            stars(colour(number), &|index| kept(index) == Some(number));
        }
        for (layer, &width) in widths.iter().enumerate() {
            let radius = match width {
                65.. => 1,
                31.. => 2,
                _ => 4,
            };
            (0..width).for_each(|neuron| canvas.dot(at(layer, neuron), radius, INK, 1.0));
        }
    })
}
