//! How a batch's time grows with masks, samples, width and depth.

use crate::archive::throughput::Measurement;
use crate::bench::{ScalingCurve, slope};
use crate::report::plot::{Axes, Ticks, above, beside, plot};
use crate::report::style::colour;
use crate::report::ticks::decades;

/// The four curves with their measured points, two by two, as SVG text.
pub fn scaling(curves: &[(ScalingCurve, Vec<Measurement>)]) -> String {
    let panels: Vec<String> = curves.iter().map(|(curve, points)| panel(curve, points)).collect();
    let rows = panels.chunks(2).map(|row| match row {
        [left, right] => beside(left, right),
        [one] => one.clone(),
        _ => String::new(),
    });
    rows.reduce(|top, bottom| above(&top, &bottom)).unwrap_or_default()
}

/// The slope over all points, and that over the last factor of ten.
pub fn slopes(curve: &ScalingCurve, points: &[Measurement]) -> (Option<f64>, Option<f64>) {
    let all: Vec<(f64, f64)> = places(curve, points).collect();
    let end = all.last().map_or(0.0, |last| last.0);
    let last: Vec<(f64, f64)> = all.iter().copied().filter(|place| 10.0 * place.0 >= end).collect();
    (slope(&all), slope(&last))
}

/// What varies, and the median time.
fn places(curve: &ScalingCurve, points: &[Measurement]) -> impl Iterator<Item = (f64, f64)> {
    curve.values.iter().zip(points).map(|(&value, point)| (value as f64, point.batch_s.median))
}

fn panel(curve: &ScalingCurve, points: &[Measurement]) -> String {
    let height = |seconds: f64| (1e3 * seconds).max(f64::MIN_POSITIVE).log10();
    let places: Vec<(f64, f64)> =
        places(curve, points).map(|(value, seconds)| (value.log10(), height(seconds))).collect();
    let number = |slope: Option<f64>| slope.map_or_else(|| "–".to_owned(), |slope| format!("{slope:.2}"));
    let (all, last) = slopes(curve, points);
    let colour = colour(0);
    let axes = Axes {
        width: 520,
        x: decades(places.iter().map(|place| place.0)),
        y: decades(places.iter().map(|place| place.1)),
        x_title: curve.axis.title(),
        y_title: "milliseconds of a batch",
        ticks: Ticks::Logarithms,
        y_is_logarithmic: true,
        legend: vec![
            (curve.fixed.clone(), colour.into()),
            (format!("slope {}; over the last factor of ten {}", number(all), number(last)), colour.into()),
        ],
        ..Axes::default()
    };
    plot(&axes, |canvas| {
        canvas.line(places.iter().copied(), colour, 2);
        for (place, point) in places.iter().zip(points) {
            canvas.line([point.batch_s.lower, point.batch_s.upper].map(|s| (place.0, height(s))), colour, 1);
            canvas.dot(*place, 3, colour, 1.0);
        }
    })
}
