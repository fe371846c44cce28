//! The frame that all figures share: axes with units, a legend above the plot, one palette.
//!
//! Drawn by `plotters` into SVG text. Ink and grid have colours of their own, so that a page can show them
//! light on dark.

use crate::printable;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::ops::Range;

/// Text, axes, outlines.
pub const INK: RGBColor = RGBColor(0x1a, 0x1a, 0x1a);
/// Lines of the grid, and connections that were pruned.
pub const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
/// Titles of axes.
pub const MUTED: RGBColor = RGBColor(0x55, 0x55, 0x55);

/// Okabe and Ito's colours, which colour-blind readers can tell apart; yellow, too light on white, is last.
/// More than eight series share them in turn.
pub const PALETTE: [RGBColor; 8] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x80, 0x80, 0x80),
    RGBColor(0xf0, 0xe4, 0x42),
];

/// The colour of the series with this number.
pub fn colour(index: usize) -> RGBColor {
    PALETTE[index % PALETTE.len()]
}

/// Text size in pixels of the SVG's own grid.
const TEXT: u32 = 14;
/// Width of an average character of a sans-serif font at that size, on the safe side.
const CHARACTER: u32 = 8;
const LEGEND_ROW: u32 = 22;
const Y_LABELS: u32 = 58;
const X_LABELS: u32 = 44;
const MARGIN: u32 = 10;
/// Characters of a name that still tell something.
const LEGIBLE: u32 = 5;
const SWATCH: u32 = 18;

/// What the horizontal axis shows.
#[derive(Clone, Copy, Debug)]
pub enum Ticks<'a> {
    Numbers,
    /// Places are logarithms to base ten; ticks show the numbers themselves.
    Logarithms,
    /// A name at 0, 1, 2, …
    Names(&'a [String]),
}

/// A plot's frame.
#[derive(Clone, Debug)]
pub struct Axes<'a> {
    pub width: u32,
    pub height: u32,
    pub x: Range<f64>,
    pub y: Range<f64>,
    /// With the unit.
    pub x_title: &'a str,
    pub y_title: &'a str,
    pub ticks: Ticks<'a>,
    /// The vertical axis is of logarithms to base ten, as [`Ticks::Logarithms`].
    pub y_is_logarithmic: bool,
    pub legend: Vec<(String, RGBColor)>,
}

impl Default for Axes<'_> {
    fn default() -> Self {
        Self {
            width: 480,
            height: 330,
            x: 0.0..1.0,
            y: 0.0..1.0,
            x_title: "",
            y_title: "",
            ticks: Ticks::Numbers,
            y_is_logarithmic: false,
            legend: Vec::new(),
        }
    }
}

impl<'a> Axes<'a> {
    /// One place for each name.
    pub fn of_names(names: &'a [String]) -> Self {
        Self { x: -0.5..names.len() as f64 - 0.5, ticks: Ticks::Names(names), ..Self::default() }
    }
}

type Plane = Cartesian2d<RangedCoordf64, RangedCoordf64>;

/// All of a drawing, in pixels.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// A plot to paint on, in the coordinates of its axes.
pub struct Canvas<'a, 'b> {
    chart: ChartContext<'a, SVGBackend<'b>, Plane>,
}

/// Drawing into memory has nothing that can fail.
const IN_MEMORY: &str = "a drawing in memory";

impl Canvas<'_, '_> {
    pub fn line(&mut self, points: impl IntoIterator<Item = (f64, f64)>, colour: RGBColor, width: u32) {
        self.faint_line(points, colour, width, 1.0);
    }

    pub fn faint_line(
        &mut self,
        points: impl IntoIterator<Item = (f64, f64)>,
        colour: RGBColor,
        width: u32,
        opacity: f64,
    ) {
        let points: Vec<(f64, f64)> = points.into_iter().collect();
        if points.len() >= 2 {
            self.chart
                .plotting_area()
                .draw(&PathElement::new(points, colour.mix(opacity).stroke_width(width)))
                .expect(IN_MEMORY);
        }
    }

    /// The area between two curves over the same places.
    pub fn band(&mut self, low: &[(f64, f64)], high: &[(f64, f64)], colour: RGBColor, opacity: f64) {
        let outline: Vec<(f64, f64)> = low.iter().chain(high.iter().rev()).copied().collect();
        if outline.len() >= 3 {
            let polygon = Polygon::new(outline, colour.mix(opacity).filled());
            self.chart.plotting_area().draw(&polygon).expect(IN_MEMORY);
        }
    }

    pub fn rectangle(&mut self, corners: [(f64, f64); 2], colour: RGBColor, opacity: f64) {
        let rectangle = Rectangle::new(corners, colour.mix(opacity).filled());
        self.chart.plotting_area().draw(&rectangle).expect(IN_MEMORY);
    }

    pub fn frame(&mut self, corners: [(f64, f64); 2], colour: RGBColor) {
        let rectangle = Rectangle::new(corners, colour.stroke_width(1));
        self.chart.plotting_area().draw(&rectangle).expect(IN_MEMORY);
    }

    pub fn dot(&mut self, at: (f64, f64), radius: u32, colour: RGBColor, opacity: f64) {
        let circle = Circle::new(at, radius, colour.mix(opacity).filled());
        self.chart.plotting_area().draw(&circle).expect(IN_MEMORY);
    }

    pub fn ring(&mut self, at: (f64, f64), radius: u32, colour: RGBColor) {
        let circle = Circle::new(at, radius, colour.stroke_width(1));
        self.chart.plotting_area().draw(&circle).expect(IN_MEMORY);
    }
}

/// As far as an axis may reach. Where a step beyond its end leaves f64's range, plotters looks for its ticks for ever.
pub const FARTHEST: f64 = 1e300;

/// Draws a plot: the frame, then what `paint` puts into it. Returns SVG text.
pub fn plot(axes: &Axes<'_>, paint: impl FnOnce(&mut Canvas<'_, '_>)) -> String {
    let rows = legend_rows(&axes.legend, axes.width - 2 * MARGIN);
    // A legend of many rows makes the drawing higher, not the plot lower.
    let height = axes.height + rows.len().saturating_sub(1) as u32 * LEGEND_ROW;
    drawing((axes.width, height), |root| {
        let mut builder = ChartBuilder::on(root);
        builder
            .margin_top(draw_legend(root, &axes.legend, &rows))
            .margin_right(MARGIN + 4)
            .margin_left(4)
            .margin_bottom(4)
            .x_label_area_size(X_LABELS)
            .y_label_area_size(Y_LABELS);
        let mut chart = builder.build_cartesian_2d(axes.x.clone(), axes.y.clone()).expect(IN_MEMORY);
        let number = |range: &Range<f64>, is_logarithmic: bool| {
            let step = (range.end - range.start) / 8.0;
            move |value: &f64| if is_logarithmic { power(*value) } else { tick(*value, step) }
        };
        let x_format = number(&axes.x, matches!(axes.ticks, Ticks::Logarithms));
        let y_format = number(&axes.y, axes.y_is_logarithmic);
        let text = |colour: RGBColor| ("sans-serif", TEXT).into_font().color(&colour);
        let mut mesh = chart.configure_mesh();
        mesh.light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(INK)
            .label_style(text(INK))
            .axis_desc_style(text(MUTED))
            .x_desc(axes.x_title)
            .y_desc(axes.y_title)
            .y_labels(6)
            .y_label_formatter(&y_format)
            .x_label_formatter(&x_format);
        let empty = |_: &f64| String::new();
        match axes.ticks {
            Ticks::Numbers | Ticks::Logarithms => mesh.x_labels(7),
            Ticks::Names(_) => mesh
                .disable_x_mesh()
                .x_labels(2)
                .x_label_formatter(&empty)
                .set_tick_mark_size(LabelAreaPosition::Bottom, 0),
        };
        mesh.draw().expect(IN_MEMORY);
        if let Ticks::Names(names) = axes.ticks {
            draw_names(root, &chart, axes, names);
        }
        paint(&mut Canvas { chart });
    })
}

/// Draws a picture without axes; coordinates run from 0 to 1, upwards.
pub fn picture(
    (width, height): (u32, u32),
    legend: Vec<(String, RGBColor)>,
    paint: impl FnOnce(&mut Canvas<'_, '_>),
) -> String {
    drawing((width, height), |root| {
        let rows = legend_rows(&legend, width - 2 * MARGIN);
        let chart = ChartBuilder::on(root)
            .margin(MARGIN)
            .margin_top(draw_legend(root, &legend, &rows))
            .build_cartesian_2d(0.0..1.0, 0.0..1.0)
            .expect(IN_MEMORY);
        paint(&mut Canvas { chart });
    })
}

/// A curve alone, as wide and high as asked, from its lowest to its highest point. Returns SVG text.
pub fn strip(size: (u32, u32), points: &[(f64, f64)], colour: RGBColor) -> String {
    drawing(size, |root| {
        let x = range(points.iter().map(|point| point.0), f64::NEG_INFINITY..f64::INFINITY);
        let y = range(points.iter().map(|point| point.1), f64::NEG_INFINITY..f64::INFINITY);
        let chart = ChartBuilder::on(root).build_cartesian_2d(x, y).expect(IN_MEMORY);
        Canvas { chart }.line(points.iter().copied(), colour, 2);
    })
}

/// What is drawn by `draw` on an area of this width and height, as SVG text.
pub fn drawing(size: (u32, u32), draw: impl FnOnce(&Area<'_>)) -> String {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        draw(&root);
        root.present().expect(IN_MEMORY);
    }
    printable::lines(&svg).into_owned()
}

/// Names under the axis, cut where they would touch.
fn draw_names(
    root: &Area<'_>,
    chart: &ChartContext<'_, SVGBackend<'_>, Plane>,
    axes: &Axes<'_>,
    names: &[String],
) {
    let room = (axes.width - Y_LABELS) / names.len().max(1) as u32 / CHARACTER;
    // With very many names, only every so many-th has room.
    let step = LEGIBLE.div_ceil(room.max(1)) as usize;
    let room = (room as usize * step).saturating_sub(1);
    let style = ("sans-serif", TEXT).into_font().color(&INK).pos(Pos::new(HPos::Center, VPos::Top));
    for (index, name) in names.iter().enumerate().step_by(step) {
        let (x, y) = chart.backend_coord(&(index as f64, axes.y.start));
        root.draw(&Text::new(shortened(name, room), (x, y + 6), style.clone())).expect(IN_MEMORY);
    }
}

/// `text` in at most so many characters.
pub fn shortened(text: &str, room: usize) -> String {
    let room = room.max(2);
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room - 1).chain(std::iter::once('…')).collect()
}

/// The entries of each row of the legend, with their left edges.
fn legend_rows(legend: &[(String, RGBColor)], width: u32) -> Vec<Vec<(usize, u32)>> {
    let mut rows: Vec<Vec<(usize, u32)>> = Vec::new();
    let mut x = 0;
    for (index, (name, _)) in legend.iter().enumerate() {
        let needed = SWATCH + 6 + name.chars().count() as u32 * CHARACTER + 14;
        if rows.is_empty() || x + needed > width {
            rows.push(Vec::new());
            x = 0;
        }
        if let Some(row) = rows.last_mut() {
            row.push((index, x));
        }
        x += needed;
    }
    rows
}

/// Draws the rows of a legend; returns where what is below them begins.
fn draw_legend(root: &Area<'_>, legend: &[(String, RGBColor)], rows: &[Vec<(usize, u32)>]) -> u32 {
    let style = ("sans-serif", TEXT).into_font().color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
    let room = ((root.dim_in_pixel().0 - 2 * MARGIN - SWATCH - 6) / CHARACTER) as usize;
    let entries =
        rows.iter().enumerate().flat_map(|(row, entries)| entries.iter().map(move |entry| (row, entry)));
    for (row, &(index, x)) in entries {
        let (name, colour) = &legend[index];
        let (x, y) = ((MARGIN + x) as i32, (MARGIN + row as u32 * LEGEND_ROW) as i32);
        let swatch = [(x, y + 2), (x + SWATCH as i32, y + 10)];
        root.draw(&Rectangle::new(swatch, colour.filled())).expect(IN_MEMORY);
        let at = (x + SWATCH as i32 + 6, y + 6);
        root.draw(&Text::new(shortened(name, room), at, style.clone())).expect(IN_MEMORY);
    }
    MARGIN + rows.len() as u32 * LEGEND_ROW
}

/// A tick's number with as many decimals as ticks this far apart need; thousands as `12k`.
fn tick(value: f64, step: f64) -> String {
    if value.abs() >= 1e6 {
        return format!("{}M", trimmed(value / 1e6, 2));
    }
    if step >= 500.0 {
        return if value == 0.0 { "0".to_owned() } else { format!("{}k", trimmed(value / 1e3, 1)) };
    }
    trimmed(value, (1.0 - step.log10().floor()).clamp(0.0, 6.0) as usize)
}

/// Ten to the power of `exponent`, with two digits.
fn power(exponent: f64) -> String {
    let value = 10f64.powf(exponent);
    let unit = 10f64.powf(exponent.floor() - 1.0);
    tick((value / unit).round() * unit, unit)
}

/// Two drawings side by side in one.
pub fn beside(left: &str, right: &str) -> String {
    let ((left_width, left_height), (right_width, right_height)) = (size(left), size(right));
    together(left, right, (left_width, 0), (left_width + right_width, left_height.max(right_height)))
}

/// Two drawings in one, one above the other.
pub fn above(top: &str, bottom: &str) -> String {
    let ((top_width, top_height), (bottom_width, bottom_height)) = (size(top), size(bottom));
    together(top, bottom, (0, top_height), (top_width.max(bottom_width), top_height + bottom_height))
}

/// Width and height of a drawing of ours.
fn size(svg: &str) -> (u32, u32) {
    let of = |key: &str| -> u32 {
        let rest = svg.split_once(key).map_or("", |(_, rest)| rest);
        rest.split('"').next().and_then(|number| number.parse().ok()).unwrap_or_default()
    };
    (of("width=\""), of("height=\""))
}

/// The second drawing moved to `(x, y)`, beside the first.
fn together(first: &str, second: &str, (x, y): (u32, u32), (width, height): (u32, u32)) -> String {
    let moved = second.replacen("<svg ", &format!("<svg x=\"{x}\" y=\"{y}\" "), 1);
    format!(
        "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         xmlns=\"http://www.w3.org/2000/svg\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{first}{moved}</svg>\n",
    )
}

fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// An interval for an axis that holds `values` with some room, within `limits`.
pub fn range(values: impl IntoIterator<Item = f64>, limits: Range<f64>) -> Range<f64> {
    let (low, high) = values
        .into_iter()
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return limits;
    }
    let room = (0.05 * (high - low)).max(1e-3 * high.abs()).max(1e-6);
    // A hair beyond the limits, so that a mark on the limit is not cut off.
    let hair = 2e-3 * (high - low).max(1e-6) + room / 4.0;
    (low - room).max(limits.start - hair)..(high + room).min(limits.end + hair)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_have_the_decimals_that_their_distance_needs() {
        assert_eq!(tick(90.0, 2.0), "90");
        assert_eq!(tick(99.95, 0.01), "99.95");
        assert_eq!(tick(0.25, 0.1), "0.25");
        assert_eq!(tick(12_500.0, 2_000.0), "12.5k");
        assert_eq!(tick(-0.0, 0.1), "0");
    }

    #[test]
    fn an_axis_is_drawn_as_far_as_it_may_reach() {
        let axes = Axes { x: 0.0..FARTHEST, ..Axes::default() };
        let svg = plot(&axes, |canvas| canvas.line([(0.0, 0.0), (FARTHEST, 1.0)], INK, 1));
        assert!(svg.ends_with("</svg>\n"), "{svg}");
    }

    #[test]
    fn names_from_records_are_escaped_in_a_drawing() {
        let names = ["<script>alert(1)</script>".to_owned()];
        let legend = vec![("<b>&\"".to_owned(), INK)];
        let svg = plot(&Axes { legend, ..Axes::of_names(&names) }, |_| ());
        assert!(!svg.contains("<script") && !svg.contains("<b>"), "{svg}");
    }
}
