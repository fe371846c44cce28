//! SHA-256 of arrays and of whole data sets.

use sha2::{Digest, Sha256};

use super::{Normalizer, Samples, Schema};

/// Bytes hashed at a time: a call for every number would cost more than the hash.
const BLOCK: usize = 1 << 16;

/// A SHA-256 that grows by numbers.
struct Checksum {
    hash: Sha256,
    block: Vec<u8>,
}

impl Checksum {
    fn new() -> Self {
        Self { hash: Sha256::new(), block: Vec::with_capacity(BLOCK + 8) }
    }

    fn add<const N: usize>(&mut self, numbers: impl Iterator<Item = [u8; N]>) {
        for bytes in numbers {
            self.block.extend_from_slice(&bytes);
            if self.block.len() >= BLOCK {
                self.hash.update(&self.block);
                self.block.clear();
            }
        }
    }

    fn add_count(&mut self, count: usize) {
        self.add(std::iter::once((count as u64).to_le_bytes()));
    }

    fn add_names(&mut self, names: &[String]) {
        self.add_count(names.len());
        for name in names {
            self.add_count(name.len());
            self.add(name.bytes().map(|byte| [byte]));
        }
    }

    fn add_statistics(&mut self, statistics: &[f64]) {
        self.add_count(statistics.len());
        self.add(statistics.iter().map(|x| x.to_le_bytes()));
    }

    /// In hexadecimal digits.
    fn finish(mut self) -> String {
        self.hash.update(&self.block);
        self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Of numbers, byte by byte.
pub(super) fn of_numbers<const N: usize>(numbers: impl Iterator<Item = [u8; N]>) -> String {
    let mut sum = Checksum::new();
    sum.add(numbers);
    sum.finish()
}

/// Of a data set: for each set the numbers of samples and features, the features and the labels, then the names of
/// classes and features and the statistics of the normalisation, without which data in other units would look the
/// same; every list with its length first, so that no two data sets give the same bytes.
pub(super) fn of(sets: [&Samples; 3], schema: &Schema) -> String {
    let mut sum = Checksum::new();
    for samples in sets {
        sum.add_count(samples.len());
        sum.add_count(samples.width);
        sum.add(samples.features.iter().map(|x| x.to_le_bytes()));
        sum.add(samples.labels.iter().map(|label| label.to_le_bytes()));
    }
    sum.add_names(&schema.class_names);
    sum.add_names(schema.feature_names.as_deref().unwrap_or_default());
    let (first, second): (&[f64], &[f64]) = match &schema.normalizer {
        Normalizer::None {} => (&[], &[]),
        Normalizer::MinMax { min, max, .. } => (min, max),
        Normalizer::Standard { mean, deviation, .. } => (mean, deviation),
    };
    sum.add_statistics(first);
    sum.add_statistics(second);
    sum.finish()
}

#[cfg(test)]
mod tests {
    use super::super::{Dataset, Precision};
    use super::*;

    fn dataset(features: &[f32], labels: &[u32], schema: Schema) -> Dataset {
        let samples = Samples { features: features.to_vec(), labels: labels.to_vec(), width: 1 };
        Dataset::new(samples.clone(), samples, Samples::none(1), schema)
    }

    #[test]
    fn the_checksum_changes_with_every_sample_label_and_name_and_with_nothing_else() {
        let base = dataset(&[1.0, 2.0], &[0, 1], Schema::numbered(2));
        assert_eq!(base.checksum(), dataset(&[1.0, 2.0], &[0, 1], Schema::numbered(2)).checksum());
        let named = |class_names: &[&str], feature_names: Option<&str>| Schema {
            class_names: class_names.iter().map(|&name| name.to_owned()).collect(),
            feature_names: feature_names.map(|name| vec![name.to_owned()]),
            ..Schema::numbered(2)
        };
        let scaled = |max| Schema {
            normalizer: Normalizer::MinMax {
                range: [0.0, 1.0],
                min: vec![0.0],
                max: vec![max],
                precision: Precision::Double,
            },
            ..Schema::numbered(2)
        };
        let others = [
            dataset(&[1.0, 2.0], &[0, 1], scaled(4.0)),
            dataset(&[1.0, 2.0], &[0, 1], scaled(4000.0)),
            dataset(&[1.0, 2.5], &[0, 1], Schema::numbered(2)),
            dataset(&[2.0, 1.0], &[0, 1], Schema::numbered(2)),
            dataset(&[1.0, 2.0], &[1, 0], Schema::numbered(2)),
            dataset(&[1.0, 2.0], &[0, 1], named(&["no", "yes"], None)),
            dataset(&[1.0, 2.0], &[0, 1], named(&["n", "oyes"], None)),
            dataset(&[1.0, 2.0], &[0, 1], named(&["0", "1"], Some("x"))),
            Dataset::new(base.train.clone(), Samples::none(1), base.test.clone(), Schema::numbered(2)),
        ];
        let mut sums: Vec<&str> = others.iter().map(Dataset::checksum).collect();
        sums.push(base.checksum());
        sums.sort_unstable();
        sums.dedup();
        assert_eq!(sums.len(), others.len() + 1);
    }
}
