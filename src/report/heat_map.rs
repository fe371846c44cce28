//! Matrices as pictures: a network's layers, and a number for every pair of two settings. Written as SVG by hand:
//! thousands of rectangles become one path for each shade.

use super::plot::{Legend, shortened};
use super::style::{INK, MUTED, colour};
use crate::printable;
use maud::{Markup, html};
use plotters::style::RGBColor;
use std::fmt::Write as _;

const WIDTH: usize = 480;
const MARGIN: usize = 10;
const LINE: usize = 20;
const TEXT: usize = 12;
/// Of a character at that size, on the safe side.
const CHARACTER: f64 = 7.2;

/// Shades of a share between none and all.
const SHADES: usize = 10;

/// A layer of a network as a matrix: a row for each neuron, a column for each of its inputs.
pub struct LayerMatrix {
    pub title: String,
    pub columns: usize,
    pub rows: usize,
    pub cells: MatrixCells,
}

/// Row by row.
pub enum MatrixCells {
    /// A weight each: the number of its colour, none where it was pruned.
    Weights(Vec<Option<usize>>),
    /// The share of several weights that is kept.
    Shares(Vec<f32>),
}

/// Layers of a network, the first on top. Returns SVG text.
pub fn layers(matrices: &[LayerMatrix], legend: &Legend) -> String {
    let mut below = MARGIN + LINE * (legend.len() + 1);
    let mut placed = Vec::new();
    for matrix in matrices {
        below += LINE;
        let height = (matrix.rows * if matrix.rows > 40 { 3 } else { 5 }).clamp(24, 240);
        placed.push((matrix, below, height));
        below += height + MARGIN;
    }
    let inner = WIDTH - 2 * MARGIN;
    svg(
        below,
        html! {
            @for (row, (name, style)) in legend.iter().enumerate() {
                rect x=(MARGIN) y=(MARGIN + LINE * row + 2) width="22" height="8" fill=(hex(style.colour)) {}
                (words(MARGIN + 28, MARGIN + LINE * row + 10, "start", INK, name))
            }
            (words(MARGIN, MARGIN + LINE * legend.len() + 10, "start", MUTED,
                "rows: a layer's neurons; columns: their inputs; empty: pruned"))
            @for (matrix, top, height) in placed {
                (words(MARGIN, top - 5, "start", INK, &matrix.title))
                g transform=(format!("translate({MARGIN} {top}) scale({:.4} {:.4})",
                        inner as f64 / matrix.columns as f64, height as f64 / matrix.rows as f64)) {
                    @for (fill, opacity, path) in paths(matrix) {
                        path fill=(fill) opacity=[opacity] shape-rendering="crispEdges" d=(path) {}
                    }
                }
                rect x=(MARGIN) y=(top) width=(inner) height=(height) fill="none" stroke="#DDDDDD" {}
            }
        },
    )
}

/// Colour, opacity and path of each shade that occurs; a path is in columns and rows.
fn paths(matrix: &LayerMatrix) -> Vec<(String, Option<String>, String)> {
    // The number of a colour and of a shade; no cell where nothing is kept.
    let shade = |index: usize| match &matrix.cells {
        MatrixCells::Weights(colours) => colours[index].map(|colour| (colour, SHADES)),
        MatrixCells::Shares(shares) => {
            let shade = (shares[index] * SHADES as f32).ceil() as usize;
            (shade > 0).then_some((0, shade))
        }
    };
    let mut found: Vec<((usize, usize), String)> = Vec::new();
    for row in 0..matrix.rows {
        let mut column = 0;
        while column < matrix.columns {
            let here = shade(row * matrix.columns + column);
            let end = (column + 1..matrix.columns).find(|&next| shade(row * matrix.columns + next) != here);
            let end = end.unwrap_or(matrix.columns);
            if let Some(key) = here {
                let place = found.iter().position(|(other, _)| *other == key).unwrap_or_else(|| {
                    found.push((key, String::new()));
                    found.len() - 1
                });
                let length = end - column;
                let _ = write!(found[place].1, "M{column} {row}h{length}v1h-{length}z");
            }
            column = end;
        }
    }
    let opacity = |shade: usize| (shade < SHADES).then(|| format!("{:.1}", shade as f64 / SHADES as f64));
    found.into_iter().map(|((number, shade), path)| (hex(colour(number)), opacity(shade), path)).collect()
}

/// A number for each pair of values of two settings.
pub struct PairTable {
    pub x_title: String,
    pub y_title: String,
    pub x_names: Vec<String>,
    pub y_names: Vec<String>,
    /// Row by row, the first on top; none where there is no run.
    pub values: Vec<Option<f64>>,
}

/// The pairs as shades, from the least value to the largest, with their numbers. Returns SVG text.
pub fn pairs(table: &PairTable) -> String {
    const ROW: usize = 34;
    let longest = table.y_names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let left = MARGIN + ((longest as f64 * CHARACTER) as usize).clamp(30, WIDTH / 3) + 6;
    let top = MARGIN + LINE;
    let width = (WIDTH - left - MARGIN) as f64 / table.x_names.len().max(1) as f64;
    let room = |pixels: f64| (pixels / CHARACTER) as usize;
    let bottom = top + ROW * table.y_names.len();
    let known = || table.values.iter().flatten().copied();
    let (low, high) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    let opacity = |value: f64| {
        let share = if high > low { (value - low) / (high - low) } else { 1.0 };
        format!("{:.2}", 0.06 + 0.54 * share)
    };
    // Of very many columns only every so many-th has room for its name.
    let step = 3usize.div_ceil(room(width).max(1));
    let cells = table.values.iter().enumerate();
    svg(
        bottom + 2 * LINE + MARGIN,
        html! {
            (words(MARGIN, MARGIN + 10, "start", MUTED, &table.y_title))
            (words(WIDTH - MARGIN, MARGIN + 10, "end", MUTED, "mean test accuracy (%)"))
            @for (index, value) in cells {
                @let (row, column) = (index / table.x_names.len(), index % table.x_names.len());
                @let x = left as f64 + column as f64 * width;
                @if let Some(value) = value {
                    rect x=(format!("{x:.1}")) y=(top + ROW * row) width=(format!("{:.1}", width - 1.0)) height=(ROW - 1)
                        fill=(hex(colour(0))) opacity=(opacity(*value)) {}
                    @if room(width) >= 5 {
                        (words((x + width / 2.0) as usize, top + ROW * row + 21, "middle", INK, &format!("{value:.1}")))
                    }
                }
            }
            @for (row, name) in table.y_names.iter().enumerate() {
                (words(left - 6, top + ROW * row + 21, "end", INK, &shortened(name, room((left - MARGIN) as f64))))
            }
            @for (column, name) in table.x_names.iter().enumerate().step_by(step) {
                (words((left as f64 + (column as f64 + 0.5) * width) as usize, bottom + 16, "middle", INK,
                    &shortened(name, room(step as f64 * width).saturating_sub(1))))
            }
            (words((left + WIDTH - MARGIN) / 2, bottom + LINE + 16, "middle", MUTED, &table.x_title))
        },
    )
}

/// A line of text whose base is at `y`.
fn words(x: usize, y: usize, anchor: &str, colour: RGBColor, text: &str) -> Markup {
    html! {
        text x=(x) y=(y) text-anchor=(anchor) font-family="sans-serif" font-size=(TEXT) fill=(hex(colour)) { (text) }
    }
}

fn hex(colour: RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", colour.0, colour.1, colour.2)
}

fn svg(height: usize, inside: Markup) -> String {
    let drawing = html! {
        svg width=(WIDTH) height=(height) viewBox=(format!("0 0 {WIDTH} {height}"))
            xmlns="http://www.w3.org/2000/svg" { (inside) }
    };
    printable::lines(&drawing.into_string()).into_owned() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_one_shade_are_one_rectangle() {
        let cells = MatrixCells::Weights(vec![Some(0), Some(0), None, Some(1), None, Some(0)]);
        let found = paths(&LayerMatrix { title: String::new(), columns: 3, rows: 2, cells });
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].2, "M0 0h2v1h-2zM2 1h1v1h-1z");
        assert_eq!(found[1].2, "M0 1h1v1h-1z");
        let cells = MatrixCells::Shares(vec![0.0, 0.01, 0.55, 1.0]);
        let found = paths(&LayerMatrix { title: String::new(), columns: 4, rows: 1, cells });
        let opacities: Vec<Option<&str>> = found.iter().map(|path| path.1.as_deref()).collect();
        assert_eq!(opacities, [Some("0.1"), Some("0.6"), None]);
    }

    #[test]
    fn names_of_settings_are_escaped() {
        let table = PairTable {
            x_title: "<b>".into(),
            y_title: "&".into(),
            x_names: vec!["<script>".into()],
            y_names: vec!["\"".into()],
            values: vec![Some(90.0)],
        };
        let svg = pairs(&table);
        assert!(!svg.contains("<b>") && !svg.contains("<script>") && svg.contains(">90.0<"), "{svg}");
    }
}
