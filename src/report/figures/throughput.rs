//! Throughput and roofline, from results of `supermask bench`.

use super::{Figure, Material, NoData, Panel};
use crate::archive::throughput::{BenchResult, Measurement, WorkloadSize};
use crate::bench::table;
use crate::printable::counted;
use crate::report::plot::{Axes, Legend, Ticks, beside, plot};
use crate::report::style::{INK, SeriesStyle};
use crate::report::ticks::decades;

const CAPTION: &str = "Throughput: multiply-adds per second by the dense count, masked-out weights counted too, \
    transfers included; the mark is the median batch, the line through it reaches over the middle half of them. \
    Roofline: multiply-adds as executed where the evaluator counts them, else the dense count, over the bytes that a \
    batch moves at least (data, labels, weights, biases and masks read once, counts written once); the roof is what \
    a copy and multiply-adds from registers reached in the same process.";

pub fn figure(material: &Material<'_>) -> Result<Figure, NoData> {
    if material.benches.is_empty() {
        return Err(NoData("no result of supermask bench (*.bench.json) in the folder".to_owned()));
    }
    let mut panels = Vec::new();
    let mut tables = Vec::new();
    for (number, (file, result)) in material.benches.iter().enumerate() {
        let on = format!("{file}, {}", result.adapter.name);
        panels.push(Panel { title: format!("{on}: throughput"), svg: throughput(result) });
        panels.push(Panel { title: format!("{on}: roofline"), svg: roofline(result) });
        let mut table = table(result, None);
        table.title = format!("{on}, {}, {} build", counted(result.threads, "thread"), result.build);
        table.name = format!("throughput-{}", number + 1);
        tables.push(table);
    }
    let figure = Figure::new("throughput", "Throughput and roofline", CAPTION.to_owned(), panels);
    Ok(Figure { tables, ..figure })
}

/// Both panels side by side, as SVG text.
pub fn throughput_and_roofline(result: &BenchResult) -> String {
    beside(&throughput(result), &roofline(result))
}

/// A property of points that may vary along the horizontal axis.
struct Along {
    title: &'static str,
    of: fn(&WorkloadSize) -> f64,
    is_logarithmic: bool,
}

const ALONG: [Along; 3] = [
    Along { title: "density (share of weights kept)", of: |size| size.density, is_logarithmic: false },
    Along { title: "masks of a batch", of: |size| size.masks as f64, is_logarithmic: true },
    Along { title: "samples", of: |size| size.samples as f64, is_logarithmic: true },
];

/// Points of one colour, under the name of what they share.
struct Series<'a> {
    name: String,
    points: Vec<&'a Measurement>,
}

/// The points of each name, names in the order of their first points.
fn series<'a>(result: &'a BenchResult, name: impl Fn(&Measurement) -> String) -> Vec<Series<'a>> {
    let mut all: Vec<Series<'a>> = Vec::new();
    for point in &result.points {
        let name = name(point);
        match all.iter_mut().find(|series| series.name == name) {
            Some(series) => series.points.push(point),
            None => all.push(Series { name, points: vec![point] }),
        }
    }
    all
}

/// A point's network, and what varies for that network besides what lies along the axis.
fn name(point: &Measurement, result: &BenchResult, along: &Along) -> String {
    let size = &point.size;
    let of_network = || result.points.iter().filter(|other| other.size.network == size.network);
    let varies = |of: fn(&WorkloadSize) -> f64| of_network().any(|other| of(&other.size) != of(size));
    let mut name = size.network.to_string();
    for (other, unit) in ALONG.iter().zip(["density", "masks", "samples"]) {
        if other.title != along.title && varies(other.of) {
            name += &format!(" {} {unit}", (other.of)(size));
        }
    }
    name
}

fn throughput(result: &BenchResult) -> String {
    // The first property in which two points of one network differ; networks have sizes of their own.
    let varied = ALONG.iter().find(|along| {
        result.points.iter().any(|a| {
            let differs = |b: &Measurement| (along.of)(&b.size) != (along.of)(&a.size);
            result.points.iter().any(|b| a.size.network == b.size.network && differs(b))
        })
    });
    let along = varied.unwrap_or(&ALONG[0]);
    let place = |point: &Measurement| {
        let value = (along.of)(&point.size);
        if along.is_logarithmic { value.log10() } else { value }
    };
    let rate = |point: &Measurement, seconds: f64| {
        (point.gfma_dense_per_s * point.batch_s.median / seconds).max(f64::MIN_POSITIVE).log10()
    };
    let spread = result
        .points
        .iter()
        .flat_map(|point| [rate(point, point.batch_s.upper), rate(point, point.batch_s.lower)]);
    let mut series = series(result, |point| name(point, result, along));
    for series in &mut series {
        series.points.sort_by(|a, b| (along.of)(&a.size).total_cmp(&(along.of)(&b.size)));
    }
    let axes = Axes {
        x: match along.is_logarithmic {
            true => decades(result.points.iter().map(place)),
            false => 0.0..1.0,
        },
        y: decades(spread),
        x_title: along.title,
        y_title: "GFMA/s, dense count",
        ticks: if along.is_logarithmic { Ticks::Logarithms } else { Ticks::Numbers },
        y_is_logarithmic: true,
        legend: legend(&series),
        ..Axes::default()
    };
    plot(&axes, |canvas| {
        for (index, series) in series.iter().enumerate() {
            let style = SeriesStyle::numbered(index);
            let at = |point: &Measurement, seconds: f64| (place(point), rate(point, seconds));
            let medians = series.points.iter().map(|point| at(point, point.batch_s.median));
            canvas.line(medians.clone(), style, 2);
            for (point, median) in series.points.iter().zip(medians) {
                canvas.line(
                    [at(point, point.batch_s.lower), at(point, point.batch_s.upper)],
                    style.colour,
                    1,
                );
                canvas.dot(median, 3, style, 1.0);
            }
        }
    })
}

fn roofline(result: &BenchResult) -> String {
    let (peak, copy) = (result.peaks.gfma_per_s, result.peaks.copy_gb_per_s);
    let position = |point: &Measurement| {
        let log = |value: f64| value.max(f64::MIN_POSITIVE).log10();
        (log(point.intensity()), log(point.gfma_per_s()))
    };
    // Masks that keep nothing execute nothing, and have no place on a logarithmic axis.
    let shown = |point: &&Measurement| point.gfma_per_s() > 0.0;
    let places: Vec<(f64, f64)> = result.points.iter().filter(shown).map(position).collect();
    let ridge = (peak / copy).log10();
    let x = decades(places.iter().map(|place| place.0).chain([ridge]));
    let y = decades(places.iter().map(|place| place.1).chain([peak.log10()]));
    let series = series(result, |point| point.size.network.to_string());
    let mut legend = legend(&series);
    legend.push((format!("roof: {peak:.0} GFMA/s, {copy:.0} GB/s"), INK.into()));
    let axes = Axes {
        x: x.clone(),
        y: y.clone(),
        x_title: "arithmetic intensity (FMA per byte)",
        y_title: "GFMA/s",
        ticks: Ticks::Logarithms,
        y_is_logarithmic: true,
        legend,
        ..Axes::default()
    };
    plot(&axes, |canvas| {
        // Left of the ridge the roof rises by a decade a decade, from where it enters the plot.
        let enters = x.start.max(y.start - copy.log10()).min(ridge);
        canvas.line([(enters, enters + copy.log10()), (ridge, peak.log10()), (x.end, peak.log10())], INK, 2);
        for (index, series) in series.iter().enumerate() {
            for point in series.points.iter().copied().filter(shown) {
                canvas.dot(position(point), 4, SeriesStyle::numbered(index), 0.8);
            }
        }
    })
}

fn legend(series: &[Series<'_>]) -> Legend {
    series
        .iter()
        .enumerate()
        .map(|(index, series)| (series.name.clone(), SeriesStyle::numbered(index)))
        .collect()
}
