//! What `supermask bench` writes: measurements, and what the machine itself can do.

use crate::evaluate::{AdapterInfo, Arithmetic, PeakRates};
use crate::network::Architecture;
use crate::stats::summary::quantile;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Raised whenever a field changes its meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// All measurements of one call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BenchResult {
    pub schema_version: u32,
    pub program_version: String,
    pub adapter: AdapterInfo,
    pub arithmetic: Arithmetic,
    /// Threads of the CPU evaluator, and of the host beside a GPU.
    pub threads: usize,
    /// `release`, or `debug`, whose figures mean little.
    pub build: String,
    pub peaks: Peaks,
    pub points: Vec<Measurement>,
}

/// What the machine itself reached, in the same process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Peaks {
    /// Multiply-adds from registers to registers, in 10^9 per second; on a CPU, a core's times the threads.
    pub gfma_per_s: f64,
    /// A copy in memory, bytes read and written together, in 10^9 per second.
    pub copy_gb_per_s: f64,
}

impl From<PeakRates> for Peaks {
    fn from(rates: PeakRates) -> Self {
        Self {
            gfma_per_s: rates.multiply_adds_per_second / 1e9,
            copy_gb_per_s: rates.copy_bytes_per_second / 1e9,
        }
    }
}

/// The size of one measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkloadSize {
    pub network: Architecture,
    pub masks: usize,
    pub samples: usize,
    /// The chance of a weight to be kept.
    pub density: f64,
}

impl WorkloadSize {
    /// Multiply-adds of a batch when masked-out weights count too.
    pub fn dense_multiply_adds(&self) -> f64 {
        self.network.weights() as f64 * self.samples as f64 * self.masks as f64
    }

    /// Bytes that a batch has to move at least: data, labels, weights, biases and masks are read once,
    /// counts are written once. Caches are taken to hold the rest.
    pub fn least_bytes(&self) -> f64 {
        let network = &self.network;
        let data = self.samples * (network.inputs() + 1);
        let parameters = network.weights() + network.biases();
        let masks = self.masks * (network.mask_words() + 1);
        4.0 * (data as f64 + parameters as f64 + masks as f64)
    }
}

/// One measurement. A batch is all masks on all samples, once; times include what goes to a device and
/// back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Measurement {
    #[serde(flatten)]
    pub size: WorkloadSize,
    /// Batches timed.
    pub repeats: usize,
    /// Wall time of a batch.
    pub batch_s: Quartiles,
    pub masks_per_s: f64,
    pub sample_masks_per_s: f64,
    /// 10^9 multiply-adds per second, masked-out weights counted too.
    pub gfma_dense_per_s: f64,
    /// As executed: without dead neurons and skipped weights, with zeros that dense tiles multiply and, on a
    /// GPU, with rows and inputs that pad a tile; padded samples do not count. None in results of earlier
    /// programs, which did not count it for GPUs.
    pub gfma_executed_per_s: Option<f64>,
    /// Of the machine's multiply-adds, by the dense count: above 1 where sparsity is used.
    pub share_of_peak_dense: f64,
    pub share_of_peak_executed: Option<f64>,
    /// Least bytes of a batch: data, labels, weights, biases and masks read once, counts written once.
    pub least_bytes: f64,
    /// Where a batch's time goes, for evaluators with a clock of their own.
    pub split: Option<TimeSplit>,
    /// From building the evaluator to the first counts of a batch; on a GPU with the kernels' compilation,
    /// and their choice where it is not remembered yet.
    pub first_result_s: f64,
    /// The same with the default kernels, where kernels are chosen by measurement.
    pub first_result_untuned_s: Option<f64>,
    /// Most memory of the process while this was measured, where the system tells it.
    pub peak_resident_bytes: Option<u64>,
}

/// Medians over the batches, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimeSplit {
    /// The device's own time in kernels.
    pub compute_s: f64,
    /// All else: upload, submission, waiting, read-back.
    pub transfer_s: f64,
    /// Of that, the host's writing of masks into memory that the device reads. The device's own copy from there
    /// is not told apart.
    pub upload_s: Option<f64>,
    /// Of that, the host's reading of counts, once the device is done.
    pub read_back_s: Option<f64>,
}

impl TimeSplit {
    /// What is neither computation nor the host's copies: submission, waiting, the device's own copies.
    pub fn other_s(&self) -> f64 {
        let carried = self.upload_s.unwrap_or(0.0) + self.read_back_s.unwrap_or(0.0);
        (self.transfer_s - carried).max(0.0)
    }
}

/// How repeated times spread.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quartiles {
    pub min: f64,
    pub lower: f64,
    pub median: f64,
    pub upper: f64,
    pub max: f64,
}

impl Quartiles {
    /// Of at least one value.
    ///
    /// # Panics
    /// If there is no value.
    pub fn of(values: &[f64]) -> Self {
        assert!(!values.is_empty(), "times of at least one batch");
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| quantile(&sorted, share);
        Self { min: at(0.0), lower: at(0.25), median: at(0.5), upper: at(0.75), max: at(1.0) }
    }
}

impl Measurement {
    /// Multiply-adds as executed where that is known, else the dense count, in 10^9 per second.
    pub fn gfma_per_s(&self) -> f64 {
        self.gfma_executed_per_s.unwrap_or(self.gfma_dense_per_s)
    }

    /// Of those, multiply-adds per byte that has to be moved.
    pub fn intensity(&self) -> f64 {
        self.gfma_per_s() * 1e9 * self.batch_s.median / self.least_bytes
    }
}

/// Why a file is no result.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("schema version {0}; this program reads version {SCHEMA_VERSION}")]
    Version(u64),
    #[error("not a result of `supermask bench`: {0}")]
    Format(#[from] serde_json::Error),
}

impl BenchResult {
    /// The result that a file holds.
    ///
    /// # Errors
    /// If it is none, or one of another version.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        let value: serde_json::Value = serde_json::from_slice(bytes)?;
        match value.get("schema_version").and_then(serde_json::Value::as_u64) {
            Some(version) if version != u64::from(SCHEMA_VERSION) => Err(ReadError::Version(version)),
            _ => Ok(serde_json::from_value(value)?),
        }
    }

    /// As JSON text.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("results serialise")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_interpolate_between_values() {
        let quartiles = Quartiles::of(&[4.0, 1.0, 3.0, 2.0]);
        let expected = Quartiles { min: 1.0, lower: 1.75, median: 2.5, upper: 3.25, max: 4.0 };
        assert_eq!(quartiles, expected);
        assert_eq!(Quartiles::of(&[7.0]).upper, 7.0);
    }

    #[test]
    fn a_result_of_another_version_is_told_from_a_file_that_is_none() {
        assert!(matches!(BenchResult::parse(b"{\"schema_version\": 2}"), Err(ReadError::Version(2))));
        assert!(matches!(BenchResult::parse(b"{\"schema_version\": 1}"), Err(ReadError::Format(_))));
        assert!(matches!(BenchResult::parse(b"{"), Err(ReadError::Format(_))));
    }
}
