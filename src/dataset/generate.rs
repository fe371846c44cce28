//! scikit-learn's `make_moons`, `make_circles` and `make_blobs`, value for value (version 1.9.1).

use std::f64::consts::PI;

use super::RawSamples;
use super::elementary::Elementary;
use super::numpy_random::RandomState;

/// `numpy.linspace(0, stop, n)`, with or without the end point.
fn linspace(stop: f64, n: usize, endpoint: bool) -> Vec<f64> {
    let intervals = if endpoint { n.saturating_sub(1) } else { n };
    let step = stop / intervals as f64;
    let mut points: Vec<f64> = (0..n).map(|i| if i == 0 { 0.0 } else { i as f64 * step }).collect();
    if endpoint && n > 1 {
        points[n - 1] = stop;
    }
    points
}

/// `make_moons(samples, noise=noise, random_state=seed)`: two interleaved half circles, `[samples, 2]`.
pub(super) fn moons(samples: usize, noise: f64, seed: u32, elementary: Elementary) -> RawSamples {
    let Elementary { sin, cos, .. } = elementary;
    let outer = samples / 2;
    let outer_points = linspace(PI, outer, true).into_iter().map(|t| [cos(t), sin(t)]);
    let inner_points =
        linspace(PI, samples - outer, true).into_iter().map(|t| [1.0 - cos(t), 1.0 - sin(t) - 0.5]);
    two_shapes(outer_points.collect(), inner_points.collect(), noise, seed, elementary)
}

/// `make_circles(samples, noise=noise, factor=factor, random_state=seed)`: a circle in a circle,
/// `[samples, 2]`.
pub(super) fn circles(
    samples: usize,
    noise: f64,
    factor: f64,
    seed: u32,
    elementary: Elementary,
) -> RawSamples {
    let Elementary { sin, cos, .. } = elementary;
    let outer = samples / 2;
    let outer_points = linspace(2.0 * PI, outer, false).into_iter().map(|t| [cos(t), sin(t)]);
    let inner_points =
        linspace(2.0 * PI, samples - outer, false).into_iter().map(|t| [cos(t) * factor, sin(t) * factor]);
    two_shapes(outer_points.collect(), inner_points.collect(), noise, seed, elementary)
}

/// Shuffles the points of class 0 and class 1 together, then adds the noise.
fn two_shapes(
    class_0: Vec<[f64; 2]>,
    class_1: Vec<[f64; 2]>,
    noise: f64,
    seed: u32,
    elementary: Elementary,
) -> RawSamples {
    let first_of_class_1 = class_0.len();
    let mut points = class_0;
    points.extend(class_1);
    let mut random = RandomState::new(seed, elementary);
    let order = random.shuffled_indices(points.len());
    let features = order.iter().flat_map(|&i| points[i]).map(|x| x + random.normal(0.0, noise)).collect();
    let labels = order.iter().map(|&i| u32::from(i >= first_of_class_1)).collect();
    RawSamples { features, labels, width: 2 }
}

/// What `make_blobs` is asked for.
pub(super) struct Blobs {
    pub samples: usize,
    pub classes: usize,
    /// Features per sample.
    pub width: usize,
    /// Standard deviation of each blob in each feature.
    pub cluster_std: f64,
    /// Blob centres are uniform on this interval in each feature.
    pub center_box: [f64; 2],
    pub seed: u32,
}

/// `make_blobs(samples, n_features=width, centers=classes, …)`: normal clouds, `[samples, width]`.
pub(super) fn blobs(blobs: &Blobs, elementary: Elementary) -> RawSamples {
    let &Blobs { samples, classes, width, cluster_std, center_box: [low, high], seed } = blobs;
    let mut random = RandomState::new(seed, elementary);
    let centers: Vec<f64> = (0..classes * width).map(|_| random.uniform(low, high)).collect();
    let mut points = Vec::with_capacity(samples * width);
    let mut classes_of_points = Vec::with_capacity(samples);
    for (class, center) in centers.chunks_exact(width).enumerate() {
        let size = samples / classes + usize::from(class < samples % classes);
        for _ in 0..size {
            points.extend(center.iter().map(|&loc| random.normal(loc, cluster_std)));
            classes_of_points.push(class as u32);
        }
    }
    let order = random.shuffled_indices(samples);
    RawSamples {
        features: order.iter().flat_map(|&i| &points[i * width..][..width]).copied().collect(),
        labels: order.iter().map(|&i| classes_of_points[i]).collect(),
        width,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_f32(samples: &RawSamples) -> Vec<f32> {
        samples.features.iter().map(|&x| x as f32).collect()
    }

    /// Platforms without glibc differ in the last bit of some f64 values. As f32, they do not.
    #[test]
    fn the_f32_features_do_not_depend_on_the_platforms_mathematics() {
        let (numpy, portable) = (Elementary::numpy(), Elementary::portable());
        assert_eq!(as_f32(&moons(50_000, 0.07, 42, numpy)), as_f32(&moons(50_000, 0.07, 42, portable)));
        assert_eq!(
            as_f32(&circles(50_000, 0.07, 0.8, 42, numpy)),
            as_f32(&circles(50_000, 0.07, 0.8, 42, portable))
        );
        let clouds = Blobs {
            samples: 50_000,
            classes: 10,
            width: 2,
            cluster_std: 1.0,
            center_box: [-20.0, 40.0],
            seed: 10,
        };
        assert_eq!(as_f32(&blobs(&clouds, numpy)), as_f32(&blobs(&clouds, portable)));
    }

    #[test]
    fn an_odd_number_of_samples_gives_class_1_one_more() {
        let labels = moons(7, 0.0, 0, Elementary::numpy()).labels;
        assert_eq!(labels.iter().filter(|&&label| label == 1).count(), 4);
    }
}
