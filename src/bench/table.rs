//! A result as text.

use crate::archive::throughput::BenchResult;
use crate::bench::BenchComparison;
use crate::table::Table;

/// One row a point, with units.
pub fn table(result: &BenchResult, comparison: Option<&BenchComparison>) -> Table {
    let mut columns = vec![
        "network",
        ">masks",
        ">samples",
        ">density",
        ">masks/s",
        ">min",
        ">max",
        ">10^6 sample-masks/s",
        ">GFMA/s dense",
        ">executed",
        ">% of peak",
        ">upload ms",
        ">compute ms",
        ">read-back ms",
        ">other ms",
        ">first result ms",
        ">untuned",
        ">memory MB",
    ];
    if comparison.is_some() {
        columns.push(">ratio");
    }
    let mut table = Table::new("throughput", "Throughput", &columns);
    for point in &result.points {
        let size = &point.size;
        let per_second = |seconds: f64| significant(size.masks as f64 / seconds);
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
        let milliseconds = |seconds: Option<f64>| or_dash(seconds.map(|seconds| significant(1e3 * seconds)));
        let share = point.share_of_peak_executed.unwrap_or(point.share_of_peak_dense);
        let mut row = vec![
            size.network.to_string(),
            size.masks.to_string(),
            size.samples.to_string(),
            size.density.to_string(),
            significant(point.masks_per_s),
            per_second(point.batch_s.max),
            per_second(point.batch_s.min),
            significant(point.sample_masks_per_s / 1e6),
            significant(point.gfma_dense_per_s),
            or_dash(point.gfma_executed_per_s.map(significant)),
            format!("{:.1}", 100.0 * share),
            milliseconds(point.split.and_then(|split| split.upload_s)),
            milliseconds(point.split.map(|split| split.compute_s)),
            milliseconds(point.split.and_then(|split| split.read_back_s)),
            milliseconds(point.split.map(|split| split.other_s())),
            significant(1e3 * point.first_result_s),
            milliseconds(point.first_result_untuned_s),
            or_dash(point.peak_resident_bytes.map(|bytes| significant(bytes as f64 / 1e6))),
        ];
        if let Some(comparison) = comparison {
            row.push(or_dash(comparison.ratio(size).map(|ratio| format!("×{ratio:.2}"))));
        }
        table.push(row);
    }
    table
}

/// Three digits at least, and none beyond the point that say nothing.
fn significant(value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}
