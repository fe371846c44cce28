//! A split's samples on a device, in chunks that a binding holds.

use super::device::GpuDevice;
use super::pipelines::Pipelines;
use super::plan::{BatchPlan, SAMPLE_PADDING};
use super::wgsl::NO_CLASS;
use crate::dataset::Samples;

/// Some samples of one split.
#[derive(Debug)]
pub(super) struct SampleChunk {
    pub samples: usize,
    /// Vectors from one feature to the next.
    pub stride_vectors: usize,
    pub binding: wgpu::BindGroup,
}

/// Uploads `samples`, `[inputs, stride]` per chunk.
pub(super) fn chunks(
    device: &GpuDevice,
    plan: &BatchPlan,
    pipelines: &Pipelines,
    samples: &Samples,
) -> Vec<SampleChunk> {
    let width = samples.width;
    samples
        .labels
        .chunks(plan.samples_per_chunk)
        .zip(samples.features.chunks(plan.samples_per_chunk * width))
        .map(|(labels, features)| {
            let stride = labels.len().next_multiple_of(SAMPLE_PADDING);
            let mut columns = vec![0.0f32; width * stride];
            for (n, sample) in features.chunks_exact(width).enumerate() {
                for (i, &feature) in sample.iter().enumerate() {
                    columns[i * stride + n] = feature;
                }
            }
            let mut padded = labels.to_vec();
            padded.resize(stride, NO_CLASS);
            let padded = device.read_only("labels", &padded);
            let features = device.read_only("features", &columns);
            SampleChunk {
                samples: labels.len(),
                stride_vectors: stride / plan.lanes,
                binding: device.bind("samples", &pipelines.samples_layout, &[&features, &padded]),
            }
        })
        .collect()
}
