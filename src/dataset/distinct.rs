//! Values that were told apart in a file and are not any more.

use rayon::prelude::*;

use super::Samples;
use super::unscaled::Unscaled;

/// A feature whose values fell together by more than this share is worth a word. Among a million random numbers,
/// single precision makes some 2% equal to another.
const NOTABLE_SHARE: f64 = 0.1;

/// How many values of each feature differ.
pub(super) fn counts(samples: &Unscaled) -> Vec<usize> {
    let column = |column: usize| (column..samples.features.len()).step_by(samples.width);
    (0..samples.width)
        .into_par_iter()
        .map(|n| distinct(column(n).map(|index| samples.features.get(index))))
        .collect()
}

/// The features of which notably fewer values differ after normalisation than `before`: number from 0, values
/// before, values after.
pub(super) fn merged(before: &[usize], normalized: &Samples) -> Vec<(usize, usize, usize)> {
    before
        .par_iter()
        .enumerate()
        .map(|(column, &before)| {
            let values = normalized.features.iter().skip(column).step_by(normalized.width);
            (column, before, distinct(values.map(|&x| f64::from(x))))
        })
        .filter(|&(_, before, after)| (after as f64) < (1.0 - NOTABLE_SHARE) * before as f64)
        .collect()
}

fn distinct(values: impl Iterator<Item = f64>) -> usize {
    // Zeros of either sign are one number.
    let mut bits: Vec<u64> = values.map(|x| (x + 0.0).to_bits()).collect();
    bits.sort_unstable();
    bits.dedup();
    bits.len()
}

#[cfg(test)]
mod tests {
    use super::super::numbers::Numbers;
    use super::*;

    #[test]
    fn features_whose_values_fell_together_are_found() {
        let raw = [0.0, 1e9, -0.0, 1e9 + 1.0, 1.0, 1e9 + 2.0, 2.0, 1e9 + 3.0];
        let mut features = Numbers::default();
        raw.into_iter().for_each(|x| features.push(x));
        let before = counts(&Unscaled { features, labels: vec![0; 4], width: 2 });
        assert_eq!(before, [3, 4]);
        let rounded = |raw: f64| raw as f32;
        let samples = Samples { features: raw.map(rounded).to_vec(), labels: vec![0; 4], width: 2 };
        assert_eq!(merged(&before, &samples), [(1, 4, 1)]);
    }
}
