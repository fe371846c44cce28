//! The frame that all figures share: axes with units, a legend above the plot.
//!
//! Drawn by `plotters` into SVG text. Ink and grid have colours of their own, so that a page can show them
//! light on dark.

use super::style::{GRID, INK, MUTED, Mark, SeriesStyle};
use super::ticks::{self, number, power};
use crate::printable;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::coord::types::RangedCoordf64;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::ops::Range;

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
const SWATCH: u32 = 22;
/// Half the height of a mark in a legend.
const LEGEND_MARK: i32 = 4;

/// What the horizontal axis shows.
#[derive(Clone, Copy, Debug)]
pub enum Ticks<'a> {
    Numbers,
    /// Numbers of things that cannot be divided.
    Counts,
    /// Places are logarithms to base ten; ticks show the numbers themselves.
    Logarithms,
    /// A name at 0, 1, 2, …
    Names(&'a [String]),
}

/// Series by name.
pub type Legend = Vec<(String, SeriesStyle)>;

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
    pub legend: Legend,
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
    fn x_axis(&self) -> TickedAxis {
        let ticks = match self.ticks {
            Ticks::Numbers => ticks::linear(&self.x, 0.0),
            Ticks::Counts => ticks::linear(&self.x, 1.0),
            Ticks::Logarithms => ticks::logarithmic(&self.x),
            Ticks::Names(_) => Vec::new(),
        };
        TickedAxis::new(&self.x, ticks)
    }

    fn y_axis(&self) -> TickedAxis {
        let ticks =
            if self.y_is_logarithmic { ticks::logarithmic(&self.y) } else { ticks::linear(&self.y, 0.0) };
        TickedAxis::new(&self.y, ticks)
    }

    /// One place for each name.
    pub fn of_names(names: &'a [String]) -> Self {
        Self { x: -0.5..names.len() as f64 - 0.5, ticks: Ticks::Names(names), ..Self::default() }
    }
}

/// An axis with ticks of ours.
struct TickedAxis {
    range: RangedCoordf64,
    ticks: Vec<f64>,
}

impl TickedAxis {
    fn new(range: &Range<f64>, ticks: Vec<f64>) -> Self {
        Self { range: range.clone().into(), ticks }
    }
}

impl Ranged for TickedAxis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.range.map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.range.range()
    }
}

type Plane = Cartesian2d<TickedAxis, TickedAxis>;

/// All of a drawing, in pixels.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// A plot to paint on, in the coordinates of its axes.
pub struct Canvas<'a, 'b> {
    root: &'a Area<'b>,
    chart: ChartContext<'a, SVGBackend<'b>, Plane>,
}

/// Drawing into memory has nothing that can fail.
const IN_MEMORY: &str = "a drawing in memory";

impl Canvas<'_, '_> {
    pub fn line(
        &mut self,
        points: impl IntoIterator<Item = (f64, f64)>,
        style: impl Into<SeriesStyle>,
        width: u32,
    ) {
        self.faint_line(points, style, width, 1.0);
    }

    pub fn faint_line(
        &mut self,
        points: impl IntoIterator<Item = (f64, f64)>,
        style: impl Into<SeriesStyle>,
        width: u32,
        opacity: f64,
    ) {
        let points: Vec<(f64, f64)> = points.into_iter().collect();
        let SeriesStyle { colour, dash, .. } = style.into();
        if points.len() < 2 {
            return;
        }
        let (area, style) = (self.chart.plotting_area(), colour.mix(opacity).stroke_width(width));
        match dash {
            None => area.draw(&PathElement::new(points, style)),
            Some((dash, gap)) => area.draw(&DashedPathElement::new(points, dash, gap, style)),
        }
        .expect(IN_MEMORY);
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

    pub fn frame(&mut self, [(left, low), (right, high)]: [(f64, f64); 2], style: SeriesStyle) {
        self.line([(left, low), (right, low), (right, high), (left, high), (left, low)], style, 1);
    }

    /// A point as its series has it, so many pixels from its middle to its edge.
    pub fn dot(&mut self, at: (f64, f64), radius: u32, style: impl Into<SeriesStyle>, opacity: f64) {
        draw_mark(self.root, self.chart.backend_coord(&at), radius as i32, style.into(), opacity);
    }

    /// A mean and the ends of its interval, with strokes of twice `cap` across them.
    pub fn interval(&mut self, (x, mean): (f64, f64), ends: [f64; 2], cap: f64, style: SeriesStyle) {
        self.line(ends.map(|end| (x, end)), style.colour, 2);
        for end in ends {
            self.line([(x - cap, end), (x + cap, end)], style.colour, 2);
        }
        self.dot((x, mean), 4, style, 1.0);
    }

    pub fn ring(&mut self, at: (f64, f64), radius: u32, colour: RGBColor) {
        let circle = Circle::new(at, radius, colour.stroke_width(1));
        self.chart.plotting_area().draw(&circle).expect(IN_MEMORY);
    }
}

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
        let (x_axis, y_axis) = (axes.x_axis(), axes.y_axis());
        let x_numbers = tick_numbers(&x_axis.ticks, matches!(axes.ticks, Ticks::Logarithms));
        let y_numbers = tick_numbers(&y_axis.ticks, axes.y_is_logarithmic);
        let mut chart = builder.build_cartesian_2d(x_axis, y_axis).expect(IN_MEMORY);
        let text = |colour: RGBColor| ("sans-serif", TEXT).into_font().color(&colour);
        let mut mesh = chart.configure_mesh();
        mesh.light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(INK)
            .label_style(text(INK))
            .axis_desc_style(text(MUTED))
            .x_desc(axes.x_title)
            .y_desc(axes.y_title)
            .y_label_formatter(&y_numbers)
            .x_label_formatter(&x_numbers);
        if matches!(axes.ticks, Ticks::Names(_)) {
            mesh.disable_x_mesh().set_tick_mark_size(LabelAreaPosition::Bottom, 0);
        }
        mesh.draw().expect(IN_MEMORY);
        if let Ticks::Names(names) = axes.ticks {
            draw_names(root, &chart, axes, names);
        }
        paint(&mut Canvas { root, chart });
    })
}

/// How the places of an axis are written that have ticks.
fn tick_numbers(ticks: &[f64], is_logarithmic: bool) -> impl Fn(&f64) -> String + use<> {
    let value = move |place: f64| if is_logarithmic { 10f64.powf(place) } else { place };
    let steps = ticks.windows(2).map(|pair| value(pair[1]) - value(pair[0]));
    let step = steps.fold(f64::INFINITY, f64::min);
    let spans_decades = ticks.first().zip(ticks.last()).is_some_and(|(first, last)| last - first >= 0.7);
    move |place| if is_logarithmic && spans_decades { power(*place) } else { number(value(*place), step) }
}

/// Draws a picture without axes; coordinates run from 0 to 1, upwards.
pub fn picture(
    (width, height): (u32, u32),
    legend: Legend,
    paint: impl FnOnce(&mut Canvas<'_, '_>),
) -> String {
    drawing((width, height), |root| {
        let rows = legend_rows(&legend, width - 2 * MARGIN);
        let chart = ChartBuilder::on(root)
            .margin(MARGIN)
            .margin_top(draw_legend(root, &legend, &rows))
            .build_cartesian_2d(without_ticks(0.0..1.0), without_ticks(0.0..1.0))
            .expect(IN_MEMORY);
        paint(&mut Canvas { root, chart });
    })
}

/// A curve alone, as wide and high as asked, from its lowest to its highest point. Returns SVG text.
pub fn strip(size: (u32, u32), points: &[(f64, f64)], colour: RGBColor) -> String {
    drawing(size, |root| {
        let x = ticks::range(points.iter().map(|point| point.0), f64::NEG_INFINITY..f64::INFINITY);
        let y = ticks::range(points.iter().map(|point| point.1), f64::NEG_INFINITY..f64::INFINITY);
        let plane = ChartBuilder::on(root).build_cartesian_2d(without_ticks(x), without_ticks(y));
        Canvas { root, chart: plane.expect(IN_MEMORY) }.line(points.iter().copied(), colour, 2);
    })
}

fn without_ticks(range: Range<f64>) -> TickedAxis {
    TickedAxis::new(&range, Vec::new())
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
fn legend_rows(legend: &[(String, SeriesStyle)], width: u32) -> Vec<Vec<(usize, u32)>> {
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
fn draw_legend(root: &Area<'_>, legend: &[(String, SeriesStyle)], rows: &[Vec<(usize, u32)>]) -> u32 {
    let text = ("sans-serif", TEXT).into_font().color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
    let room = ((root.dim_in_pixel().0 - 2 * MARGIN - SWATCH - 6) / CHARACTER) as usize;
    let entries =
        rows.iter().enumerate().flat_map(|(row, entries)| entries.iter().map(move |entry| (row, entry)));
    for (row, &(index, x)) in entries {
        let (name, style) = &legend[index];
        let (x, y) = ((MARGIN + x) as i32, (MARGIN + row as u32 * LEGEND_ROW) as i32);
        let end = x + SWATCH as i32;
        match style.dash {
            None => {
                let swatch = Rectangle::new([(x, y + 2), (end, y + 10)], style.colour.filled());
                root.draw(&swatch).expect(IN_MEMORY);
            }
            Some((dash, gap)) => {
                let line = style.colour.stroke_width(2);
                let line = DashedPathElement::new([(x, y + 6), (end, y + 6)], dash, gap, line);
                root.draw(&line).expect(IN_MEMORY);
                draw_mark(root, (x + SWATCH as i32 / 2, y + 6), LEGEND_MARK, *style, 1.0);
            }
        }
        let at = (x + SWATCH as i32 + 6, y + 6);
        root.draw(&Text::new(shortened(name, room), at, text.clone())).expect(IN_MEMORY);
    }
    MARGIN + rows.len() as u32 * LEGEND_ROW
}

/// The mark of a series around a place in pixels.
fn draw_mark(root: &Area<'_>, (x, y): (i32, i32), radius: i32, style: SeriesStyle, opacity: f64) {
    let fill = style.colour.mix(opacity).filled();
    let corners = match style.mark {
        Mark::Circle => {
            root.draw(&Circle::new((x, y), radius, fill)).expect(IN_MEMORY);
            return;
        }
        Mark::Square => vec![(-radius, -radius), (radius, -radius), (radius, radius), (-radius, radius)],
        Mark::Triangle => vec![(0, -radius - 1), (radius + 1, radius), (-radius - 1, radius)],
        Mark::Diamond => vec![(0, -radius - 2), (radius + 1, 0), (0, radius + 2), (-radius - 1, 0)],
    };
    let corners: Vec<(i32, i32)> = corners.into_iter().map(|(right, down)| (x + right, y + down)).collect();
    root.draw(&Polygon::new(corners, fill)).expect(IN_MEMORY);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ticks::FARTHEST;

    #[test]
    fn an_axis_is_drawn_as_far_as_it_may_reach() {
        let axes = Axes { x: 0.0..FARTHEST, ..Axes::default() };
        let svg = plot(&axes, |canvas| canvas.line([(0.0, 0.0), (FARTHEST, 1.0)], INK, 1));
        assert!(svg.ends_with("</svg>\n"), "{svg}");
    }

    #[test]
    fn names_from_records_are_escaped_in_a_drawing() {
        let names = ["<script>alert(1)</script>".to_owned()];
        let legend = vec![("<b>&\"".to_owned(), INK.into())];
        let svg = plot(&Axes { legend, ..Axes::of_names(&names) }, |_| ());
        assert!(!svg.contains("<script") && !svg.contains("<b>"), "{svg}");
    }
}
