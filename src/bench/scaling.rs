//! How a batch's time grows with one property, the others fixed.

use crate::archive::throughput::WorkloadSize;
use crate::network::Architecture;

/// The property that varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalingAxis {
    Masks,
    Samples,
    /// Neurons of each hidden layer.
    Width,
    /// Layers of weights.
    Depth,
}

impl ScalingAxis {
    /// As the title of an axis.
    pub fn title(self) -> &'static str {
        match self {
            Self::Masks => "masks of a batch",
            Self::Samples => "samples",
            Self::Width => "neurons of each hidden layer",
            Self::Depth => "layers of weights",
        }
    }
}

/// The sizes of one curve, ascending.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalingCurve {
    pub axis: ScalingAxis,
    /// What does not vary, in words.
    pub fixed: String,
    pub values: Vec<usize>,
    pub sizes: Vec<WorkloadSize>,
}

/// How far each property goes. The largest batch takes about as long as a second's work allows, and a few
/// hundred megabytes.
struct ScalingRange {
    masks: &'static [usize],
    masks_samples: usize,
    samples: &'static [usize],
    samples_masks: usize,
    /// Width varies over `[inputs, w, w, 10]`, depth over as many layers of `layer` neurons.
    width: &'static [usize],
    inputs: usize,
    layer: usize,
    depth: &'static [usize],
    wide_masks: usize,
    wide_samples: usize,
}

const HARDWARE: ScalingRange = ScalingRange {
    masks: &[1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000],
    masks_samples: 2_000,
    samples: &[1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000],
    samples_masks: 16,
    width: &[16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096],
    inputs: 64,
    layer: 256,
    depth: &[2, 3, 4, 5, 6, 7, 8],
    wide_masks: 8,
    wide_samples: 512,
};

/// A software adapter is for testing: some hundredths of the work.
const SOFTWARE: ScalingRange = ScalingRange {
    masks: &[1, 3, 10, 30, 100, 300, 1_000],
    masks_samples: 500,
    samples: &[100, 300, 1_000, 3_000, 10_000, 30_000],
    samples_masks: 8,
    width: &[16, 32, 64, 128],
    inputs: 16,
    layer: 64,
    depth: &[2, 3, 4, 5, 6],
    wide_masks: 2,
    wide_samples: 128,
};

/// The network of the curves over masks and over samples: the paper's B.
const SMALL: [usize; 3] = [2, 75, 2];
const DENSITY: f64 = 0.5;
const OUTPUTS: usize = 10;

/// The curves to measure, with a `software` adapter's smaller sizes.
pub fn curves(software: bool) -> Vec<ScalingCurve> {
    let extent = if software { &SOFTWARE } else { &HARDWARE };
    let wide = |hidden: Vec<usize>| {
        let widths = [extent.inputs].into_iter().chain(hidden).chain([OUTPUTS]).collect();
        size(widths, extent.wide_masks, extent.wide_samples)
    };
    let (masks, samples) = (extent.wide_masks, extent.wide_samples);
    let of = |axis, fixed: String, values: &[usize], size: &dyn Fn(usize) -> WorkloadSize| ScalingCurve {
        axis,
        fixed,
        values: values.to_vec(),
        sizes: values.iter().map(|&value| size(value)).collect(),
    };
    vec![
        of(
            ScalingAxis::Masks,
            format!("{SMALL:?}, {} samples", extent.masks_samples),
            extent.masks,
            &|masks| size(SMALL.to_vec(), masks, extent.masks_samples),
        ),
        of(
            ScalingAxis::Samples,
            format!("{SMALL:?}, {} masks", extent.samples_masks),
            extent.samples,
            &|samples| size(SMALL.to_vec(), extent.samples_masks, samples),
        ),
        of(
            ScalingAxis::Width,
            format!("[{}, w, w, {OUTPUTS}], {masks} masks, {samples} samples", extent.inputs),
            extent.width,
            &|width| wide(vec![width; 2]),
        ),
        of(
            ScalingAxis::Depth,
            format!("hidden layers of {}, {masks} masks, {samples} samples", extent.layer),
            extent.depth,
            &|depth| wide(vec![extent.layer; depth - 1]),
        ),
    ]
}

fn size(widths: Vec<usize>, masks: usize, samples: usize) -> WorkloadSize {
    let network = Architecture::try_from(widths).expect("widths of a network");
    WorkloadSize { network, masks, samples, density: DENSITY }
}

/// The slope of a straight line through the logarithms of points: the power with which y grows with x. By
/// least squares; none through fewer than two places.
pub fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let logarithms: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logarithms.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| logarithms.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let product = |of: &dyn Fn(f64, f64) -> f64| {
        logarithms.iter().map(|point| of(point.0 - x, point.1 - y)).sum::<f64>()
    };
    let (above, below) = (product(&|dx, dy| dx * dy), product(&|dx, _| dx * dx));
    (below > 0.0).then(|| above / below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_is_found_again_as_the_slope() {
        let points: Vec<(f64, f64)> = [1.0, 3.0, 10.0, 250.0].map(|x: f64| (x, 7.0 * x.powf(1.5))).to_vec();
        assert!((slope(&points).expect("a slope") - 1.5).abs() < 1e-12);
        assert_eq!(slope(&points[..1]), None);
        assert_eq!(slope(&[]), None);
    }

    #[test]
    fn curves_vary_one_property_and_bound_their_memory() {
        // Data, masks and parameters of one batch.
        const MOST_BYTES: f64 = 300e6;
        for software in [false, true] {
            for curve in curves(software) {
                assert!(curve.values.is_sorted() && curve.values.len() == curve.sizes.len());
                for (value, size) in curve.values.iter().zip(&curve.sizes) {
                    size.validate().expect("a possible size");
                    assert!(size.least_bytes() <= MOST_BYTES, "{size:?}");
                    let found = match curve.axis {
                        ScalingAxis::Masks => size.masks,
                        ScalingAxis::Samples => size.samples,
                        ScalingAxis::Width => size.network.widths()[1],
                        ScalingAxis::Depth => size.network.layer_count(),
                    };
                    assert_eq!(found, *value);
                }
            }
        }
    }
}
