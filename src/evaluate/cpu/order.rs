//! An order of samples in which those near each other come together.

use crate::dataset::Samples;

/// Samples of a group that its spread is estimated from.
const LOOKED_AT: usize = 256;

/// The indices of all samples, such that runs of `block` of them are near each other: groups are halved
/// across the feature that varies most, until they fill one block (Bentley 1975, k-d trees). Only the last
/// run may be shorter.
pub fn near_together(samples: &Samples, block: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..samples.len() as u32).collect();
    halve(samples, block, &mut order);
    order
}

fn halve(samples: &Samples, block: usize, group: &mut [u32]) {
    if group.len() <= block {
        return;
    }
    let feature = most_varied(samples, group);
    let middle = (group.len().div_ceil(block) / 2) * block;
    // Values beside each other: a look-up for each comparison would miss the caches.
    let value = |&sample: &u32| (samples.features[sample as usize * samples.width + feature], sample);
    let mut keyed: Vec<(f32, u32)> = group.iter().map(value).collect();
    keyed.select_nth_unstable_by(middle, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    group.iter_mut().zip(keyed).for_each(|(place, (_, sample))| *place = sample);
    let (low, high) = group.split_at_mut(middle);
    rayon::join(|| halve(samples, block, low), || halve(samples, block, high));
}

/// The feature of the largest variance over some of the group's samples.
fn most_varied(samples: &Samples, group: &[u32]) -> usize {
    let mut sums = vec![[0.0f64; 2]; samples.width];
    let step = group.len().div_ceil(LOOKED_AT);
    let looked_at = group.iter().step_by(step);
    let count = looked_at.len() as f64;
    for &sample in looked_at {
        let features = &samples.features[sample as usize * samples.width..][..samples.width];
        for (sum, &value) in sums.iter_mut().zip(features) {
            let value = f64::from(value);
            *sum = [sum[0] + value, sum[1] + value * value];
        }
    }
    let variance = |&[sum, squares]: &[f64; 2]| squares - sum * sum / count;
    let largest = sums.iter().map(variance).enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
    largest.map_or(0, |(feature, _)| feature)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points of a lattice of 16 × 16, in rows.
    fn lattice() -> Samples {
        let point = |n: usize| [(n % 16) as f32, (n / 16) as f32];
        Samples { features: (0..256).flat_map(point).collect(), labels: vec![0; 256], width: 2 }
    }

    #[test]
    fn blocks_are_the_squares_of_a_lattice() {
        let samples = lattice();
        for block in near_together(&samples, 16).chunks(16) {
            for feature in 0..2 {
                let values = || block.iter().map(|&n| samples.features[n as usize * 2 + feature]);
                let (low, high) = (values().fold(f32::MAX, f32::min), values().fold(f32::MIN, f32::max));
                assert!(high - low <= 3.0, "a block of 16 points spans {low} to {high}");
            }
        }
    }

    #[test]
    fn every_sample_comes_once_whatever_the_block() {
        let samples = lattice();
        for block in [1, 7, 16, 100, 256, 1000] {
            let mut order = near_together(&samples, block);
            order.sort_unstable();
            assert_eq!(order, (0..256).collect::<Vec<u32>>());
        }
        let none = Samples { features: Vec::new(), labels: Vec::new(), width: 3 };
        assert!(near_together(&none, 8).is_empty());
    }
}
