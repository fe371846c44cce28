//! Small data sets for this module's tests.

use crate::dataset::{Dataset, Samples, Schema};
use crate::network::Architecture;
use crate::random::{Concern, stream, unit};

pub fn architecture(widths: &[usize]) -> Architecture {
    widths.to_vec().try_into().expect("a valid architecture")
}

/// Points of the square [-1, 1]^2, labelled by whether they lie in the circle that holds half of them.
pub fn rings(n: usize, seed: u64) -> Samples {
    let mut rng = stream(seed, Concern::Split);
    let features: Vec<f32> = (0..2 * n).map(|_| (2.0 * unit(&mut rng) - 1.0) as f32).collect();
    let inside = |point: &[f32]| point[0] * point[0] + point[1] * point[1] < 2.0 / std::f32::consts::PI;
    let labels = features.chunks_exact(2).map(|point| u32::from(inside(point))).collect();
    Samples { features, labels, width: 2 }
}

pub fn rings_dataset() -> Dataset {
    Dataset::new(rings(1000, 1), rings(500, 2), rings(200, 3), Schema::numbered(2))
}
