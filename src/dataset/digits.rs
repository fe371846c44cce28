//! scikit-learn's digits: 1,797 grey images of handwritten digits, 8 by 8, values 0 to 16.

use std::io::Read;

use flate2::read::GzDecoder;

use super::RawSamples;

/// `sklearn/datasets/data/digits.csv.gz`; see `data/README.md` for its origin and licence.
const DIGITS: &[u8] = include_bytes!("../../data/digits.csv.gz");

/// Pixels of an image.
const PIXELS: usize = 64;

/// The digits below `classes`, in file order, `[samples, 64]`.
pub(super) fn digits(classes: usize) -> RawSamples {
    let mut text = String::new();
    GzDecoder::new(DIGITS).read_to_string(&mut text).expect("the embedded digits are intact");
    let mut samples = RawSamples { features: Vec::new(), labels: Vec::new(), width: PIXELS };
    for line in text.lines() {
        let numbers: Vec<u32> =
            line.split(',').map(|cell| cell.parse().expect("the embedded digits are integers")).collect();
        let [pixels @ .., label] = numbers.as_slice() else { unreachable!("split yields at least one cell") };
        if (*label as usize) < classes {
            samples.features.extend(pixels.iter().map(|&pixel| f64::from(pixel)));
            samples.labels.push(*label);
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_digits_are_there_with_64_pixels_each() {
        let samples = digits(10);
        assert_eq!(samples.labels.len(), 1797);
        assert_eq!(samples.features.len(), 1797 * PIXELS);
        assert!(samples.features.iter().all(|&pixel| (0.0..=16.0).contains(&pixel)));
    }
}
