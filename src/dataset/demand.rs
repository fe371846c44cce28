//! What data take of memory.

use super::DatasetConfig;
use crate::memory::{TooMuch, product, require, sum};

/// Bytes of a generated number, a rounded one, and a label.
const GENERATED: usize = size_of::<f64>();
const ROUNDED: usize = size_of::<f32>();
const LABEL: usize = size_of::<u32>();

impl DatasetConfig {
    /// Bytes that the data take at least while they are generated: their numbers twice (in double precision, then
    /// rounded), and of an array that is split a third time. Zero for data that are read from files.
    pub fn least_bytes(&self) -> u64 {
        let once = |samples: usize, features: usize| {
            let sample = sum(&[product(&[GENERATED + ROUNDED, features]), 2 * LABEL as u64]);
            sample.saturating_mul(samples as u64)
        };
        match self {
            Self::Moons(moons) => sum(&[once(moons.train_samples, 2), once(moons.test_samples, 2)]),
            Self::Circles(circles) => sum(&[once(circles.train_samples, 2), once(circles.test_samples, 2)]),
            Self::Blobs(blobs) => {
                let samples = blobs.classes.saturating_mul(blobs.samples_per_class);
                let whole = product(&[samples, blobs.features, GENERATED]);
                let centres = product(&[blobs.classes, blobs.features, GENERATED]);
                sum(&[whole, centres, once(samples, blobs.features)])
            }
            _ => 0,
        }
    }

    /// Refuses data that do not fit into memory.
    pub(super) fn check_memory(&self) -> Result<(), TooMuch> {
        require(self.least_bytes(), || match self {
            Self::Blobs(blobs) => format!(
                "blobs of {} classes × {} samples_per_class × {} features",
                blobs.classes, blobs.samples_per_class, blobs.features
            ),
            Self::Circles(circles) => both("circles", circles.train_samples, circles.test_samples),
            Self::Moons(moons) => both("moons", moons.train_samples, moons.test_samples),
            _ => "the data".to_owned(),
        })
    }
}

fn both(kind: &str, train: usize, test: usize) -> String {
    format!("{kind} of {train} train_samples and {test} test_samples")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(json: &str) -> u64 {
        serde_json::from_str::<DatasetConfig>(json).expect("a configuration").least_bytes()
    }

    #[test]
    fn generated_data_take_what_their_samples_and_features_do() {
        let moons = r#"{"kind": "moons", "train_samples": 1000, "test_samples": 10}"#;
        assert_eq!(bytes(moons), 1010 * (2 * (8 + 4) + 8));
        let blobs = r#"{"kind": "blobs", "classes": 3, "samples_per_class": 100, "features": 5}"#;
        assert_eq!(bytes(blobs), 300 * 5 * 8 + 3 * 5 * 8 + 300 * (5 * (8 + 4) + 8));
        assert_eq!(bytes(r#"{"kind": "csv", "train": "a.csv"}"#), 0);
    }

    #[test]
    fn numbers_beyond_all_bounds_do_not_wrap() {
        let blobs =
            r#"{"kind": "blobs", "classes": 4294967296, "samples_per_class": 4294967296, "features": 2}"#;
        assert_eq!(bytes(blobs), u64::MAX);
    }
}
