//! Figure 1: a network with all its connections, and the subnetwork that was evolved.

use super::{Figure, Material, NoData, Panel, bounded};
use crate::archive::ArchivedRun;
use crate::mask;
use crate::report::cells::CellRuns;
use crate::report::plot::{GRID, INK, colour, picture};

/// Networks with more connections than this would be a block of colour.
const MAX_WEIGHTS: usize = 12_000;

/// From this many connections on they are drawn thinner, to be told apart.
const DENSE: usize = 1_000;

/// A connection persists in a set of tickets if at least this share of them keeps it. (Chance alone keeps
/// about half.)
const PERSISTENT: f64 = 0.75;

pub fn figure(material: &Material<'_>) -> Result<Figure, NoData> {
    let drawable: Vec<(&CellRuns<'_>, &ArchivedRun)> = material
        .cells
        .iter()
        .filter_map(|cell| Some((cell, cell.best()?)))
        .filter(|(_, run)| is_drawable(run))
        .collect();
    if drawable.is_empty() {
        return Err(NoData(format!("no record has a ticket of a network of at most {MAX_WEIGHTS} weights")));
    }
    let mut caption = "Inputs are on the left, outputs on the right. Pale: all connections; strong: those of the \
                       ticket that is best on the training set. Connections that at least three quarters of the \
                       cell's tickets keep have a colour of their own (each run has other weights, so this is how \
                       often a place in the network is used, not a weight)."
        .to_owned();
    let panels: Vec<Panel> = bounded(drawable, |(_, run)| run.dataset_kind(), &mut caption)
        .into_iter()
        .filter_map(|(cell, run)| {
            let title = format!("{} (seed {} of {} runs)", cell.cell, run.seed, cell.runs.len());
            Some(Panel { title, svg: network(run, &cell.runs)? })
        })
        .collect();
    Ok(Figure::new("figure-1-networks", "Figure 1: evolved subnetworks", caption, panels))
}

fn is_drawable(run: &ArchivedRun) -> bool {
    run.mask_hex.is_some() && run.layers().is_some_and(|layers| layers.weights() <= MAX_WEIGHTS)
}

/// The mask of a run's ticket, without making its weights.
fn mask_of(run: &ArchivedRun) -> Option<Vec<u32>> {
    mask::from_hex(run.mask_hex.as_ref()?, run.layers()?.weights()).ok()
}

/// The network of `run`, where it is small enough, among its cell's runs. Returns SVG text.
pub fn network(run: &ArchivedRun, cell: &[&ArchivedRun]) -> Option<String> {
    if !is_drawable(run) {
        return None;
    }
    let architecture = run.layers()?;
    let bits = mask_of(run)?;
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
    let widths = architecture.widths();
    let at = |layer: usize, neuron: usize| {
        let x = 0.02 + 0.96 * layer as f64 / (widths.len() - 1) as f64;
        (x, 1.0 - (neuron as f64 + 0.5) / widths[layer] as f64)
    };
    let legend = match masks.len() {
        0 | 1 => vec![("connection kept".to_owned(), colour(1))],
        count => vec![
            (format!("kept here and in 75% of {count} tickets"), colour(0)),
            ("kept here, rarer".to_owned(), colour(1)),
        ],
    };
    Some(picture((480, 380), legend, |canvas| {
        // One stroke a neuron, to and fro: a line for each connection would be many times as long.
        let opacity = if architecture.weights() > DENSE { 0.4 } else { 1.0 };
        let mut stars = |colour, drawn: &dyn Fn(usize) -> bool| {
            for (depth, layer) in architecture.layers().enumerate() {
                for output in 0..layer.outputs {
                    let centre = at(depth + 1, output);
                    let inputs = (0..layer.inputs)
                        .filter(|input| drawn(layer.first_weight + output * layer.inputs + input));
                    let star =
                        std::iter::once(centre).chain(inputs.flat_map(|input| [at(depth, input), centre]));
                    canvas.faint_line(star, colour, 1, opacity);
                }
            }
        };
        stars(GRID, &|_| true);
        stars(colour(1), &|index| mask::get(&bits, index) && !persists(index));
        stars(colour(0), &|index| mask::get(&bits, index) && persists(index));
        for (layer, &width) in widths.iter().enumerate() {
            let radius = if width > 64 {
                1
            } else if width > 30 {
                2
            } else {
                4
            };
            (0..width).for_each(|neuron| canvas.dot(at(layer, neuron), radius, INK, 1.0));
        }
    }))
}
