//! Finds out how a device rounds: WGSL leaves it to the adapter whether `fma` rounds once or twice.

use super::buffers::compute_pass;
use super::device::GpuDevice;
use super::wgsl::with_constants;
use crate::evaluate::{Arithmetic, EvaluateError};
use crate::random::{self, Concern};
use wgpu::BufferUsages as Usages;

const TEXT: &str = include_str!("../../../shaders/arithmetic.wgsl");
/// Vectors of four triples.
const VECTORS: usize = 1_024;
const THREADS: usize = 64;

/// Runs `fma` on a few thousand triples and compares with both ways of rounding.
pub(super) fn probe(device: &GpuDevice) -> Result<Arithmetic, EvaluateError> {
    let triples = triples();
    let results = device.guarded(|| run(device, &triples))?;
    classify(&triples, &results).ok_or_else(|| {
        EvaluateError::Unsupported(format!(
            "{} rounds fma neither once nor after the product and the sum; results would depend on the \
             adapter. Choose another (supermask adapters lists them) or --adapter cpu",
            device.description().info.name
        ))
    })
}

/// `[VECTORS, 3, 4]` values in [-1, 1).
fn triples() -> Vec<f32> {
    let mut rng = random::stream(0, Concern::Network);
    (0..VECTORS * 12).map(|_| (2.0 * random::unit(&mut rng) - 1.0) as f32).collect()
}

fn text() -> String {
    with_constants(&[("THREADS", THREADS)], TEXT)
}

fn run(device: &GpuDevice, triples: &[f32]) -> Result<Vec<f32>, EvaluateError> {
    let pipeline = device.pipeline(&text(), "probe", &[]);
    let input = device.read_only("probe triples", triples);
    let bytes = VECTORS * 8 * 4;
    let output = device.buffer("probe results", bytes, Usages::STORAGE | Usages::COPY_SRC);
    let read_back = device.buffer("probe read-back", bytes, Usages::MAP_READ | Usages::COPY_DST);
    let bindings = device.bind("probe", &pipeline.get_bind_group_layout(0), &[&input, &output]);
    let mut encoder = device.encoder("arithmetic probe");
    let mut pass = compute_pass(&mut encoder, "arithmetic probe", None);
    pass.set_pipeline(&pipeline);
    pass.set_bind_group(0, &bindings, &[]);
    pass.dispatch_workgroups(VECTORS.div_ceil(THREADS) as u32, 1, 1);
    drop(pass);
    encoder.copy_buffer_to_buffer(&output, 0, &read_back, 0, Some(bytes as u64));
    let submission = device.queue.submit([encoder.finish()]);
    let words = device.read(&read_back, bytes as u64, submission)?;
    Ok(words.into_iter().map(f32::from_bits).collect())
}

/// The one way of rounding that explains all `results` (`[VECTORS, 2, 4]`), if there is one.
fn classify(triples: &[f32], results: &[f32]) -> Option<Arithmetic> {
    let explained_by = |fma: fn(f32, f32, f32) -> f32| {
        triples.chunks_exact(12).zip(results.chunks_exact(8)).all(|(triple, result)| {
            (0..4).all(|n| {
                let expected = fma(triple[n], triple[4 + n], triple[8 + n]).to_bits();
                result[n].to_bits() == expected && result[4 + n].to_bits() == expected
            })
        })
    };
    if results.len() * 12 != triples.len() * 8 {
        return None;
    }
    if explained_by(f32::mul_add) {
        Some(Arithmetic::Fused)
    } else if explained_by(|a, b, c| a * b + c) {
        Some(Arithmetic::Separate)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(fma: impl Fn(f32, f32, f32) -> f32) -> Vec<f32> {
        let of = |t: &[f32]| (0..8).map(|n| fma(t[n % 4], t[4 + n % 4], t[8 + n % 4])).collect::<Vec<_>>();
        triples().chunks_exact(12).flat_map(of).collect()
    }

    #[test]
    fn both_ways_of_rounding_are_told_apart() {
        let triples = triples();
        assert_eq!(classify(&triples, &results(f32::mul_add)), Some(Arithmetic::Fused));
        assert_eq!(classify(&triples, &results(|a, b, c| a * b + c)), Some(Arithmetic::Separate));
    }

    #[test]
    fn a_single_other_result_is_noticed() {
        let triples = triples();
        let mut last_wrong = results(f32::mul_add);
        *last_wrong.last_mut().expect("results") += 1.0;
        assert_eq!(classify(&triples, &last_wrong), None);
        assert_eq!(classify(&triples, &[]), None);
    }

    #[test]
    fn the_probe_is_valid_wgsl() {
        crate::evaluate::gpu::wgsl::tests::validate(&text());
    }
}
