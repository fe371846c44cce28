//! A result beside an earlier one.

use crate::archive::throughput::{BenchResult, WorkloadSize};
use serde::Serialize;

/// Ratios of the points that both results have, in the later one's order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BenchComparison {
    /// The earlier result's file.
    pub with: String,
    pub ratios: Vec<Ratio>,
    /// What differs besides time, in words.
    pub differences: Vec<String>,
}

/// One point of both.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ratio {
    #[serde(flatten)]
    pub size: WorkloadSize,
    pub masks_per_s_before: f64,
    /// Masks per second, later over earlier: above 1 is faster.
    pub ratio: f64,
}

impl BenchComparison {
    /// Compares `now` with `before`, which the file `with` holds.
    pub fn new(now: &BenchResult, before: &BenchResult, with: &str) -> Self {
        let ratios = now.points.iter().filter_map(|point| {
            let earlier = before.points.iter().find(|earlier| earlier.size == point.size)?;
            Some(Ratio {
                size: point.size.clone(),
                masks_per_s_before: earlier.masks_per_s,
                ratio: point.masks_per_s / earlier.masks_per_s,
            })
        });
        let facts = |result: &BenchResult| {
            [
                ("adapter", format!("{} ({})", result.adapter.name, result.adapter.driver)),
                ("arithmetic", format!("{:?}", result.arithmetic).to_lowercase()),
                ("threads", result.threads.to_string()),
                ("build", result.build.clone()),
            ]
        };
        let differences = facts(now)
            .into_iter()
            .zip(facts(before))
            .filter(|(now, before)| now != before)
            .map(|((name, now), (_, before))| format!("{name}: {now}, before {before}"))
            .collect();
        Self { with: with.to_owned(), ratios: ratios.collect(), differences }
    }

    /// The ratio of one point.
    pub fn ratio(&self, size: &WorkloadSize) -> Option<f64> {
        self.ratios.iter().find(|ratio| ratio.size == *size).map(|ratio| ratio.ratio)
    }
}
