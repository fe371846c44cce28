//! Finds out what a device makes of the operations that the kernels are made of: WGSL leaves it to the adapter whether
//! `fma` rounds once or twice and whether subnormal numbers are kept, and some compilers rearrange sums.

use super::buffers::compute_pass;
use super::device::GpuDevice;
use super::wgsl::{with_constants, with_margin_loss};
use crate::arithmetic::{flushed, fma};
use crate::evaluate::{Arithmetic, EvaluateError};
use crate::random::{self, Concern, Stream};
use wgpu::BufferUsages as Usages;

const TEXT: &str = include_str!("../../../shaders/arithmetic.wgsl");
const THREADS: usize = 64;
/// Vectors of each kind of operands.
const VECTORS: usize = 1_024;
/// Lanes of a vector.
const LANES: usize = 4;
/// Vectors of results: `fma` on vectors, as the kernels have it, and on scalars, difference, maximum, comparison, hinge.
const OPERATIONS: usize = 6;
const HINGE: usize = 5;

/// What was found out about a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProbeFindings {
    pub arithmetic: Arithmetic,
    /// Is the margin loss's hinge that of the host?
    pub exact_hinge: bool,
}

/// Has `device` compute on a few thousand operands and compares with every arithmetic.
pub(super) fn probe(device: &GpuDevice) -> Result<ProbeFindings, EvaluateError> {
    let operands = all_operands();
    let results = device.guarded(|| run(device, &operands))?;
    classify(&operands, &results).ok_or_else(|| {
        EvaluateError::Unsupported(format!(
            "{} rounds fma neither once nor after the product and the sum, or keeps some subnormal numbers and flushes \
             others; results would depend on the adapter. Choose another (supermask adapters lists them) or \
             --adapter cpu",
            device.description().info.name
        ))
    })
}

/// What operands are there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operands {
    /// In [-1, 1): how sums round.
    Ordinary,
    /// Normal numbers with subnormal results.
    SubnormalResults,
    /// Subnormal numbers, which are no operands where results are flushed ([`crate::evaluate::overflow`]).
    Subnormal,
}

const KINDS: [Operands; 3] = [Operands::Ordinary, Operands::SubnormalResults, Operands::Subnormal];

/// `[KINDS, VECTORS, 3, LANES]`
fn all_operands() -> Vec<f32> {
    let mut rng = random::stream(0, Concern::Network);
    let mut all = Vec::with_capacity(KINDS.len() * VECTORS * 3 * LANES);
    for kind in KINDS {
        for vector in 0..VECTORS {
            let lanes: [[f32; 3]; LANES] = std::array::from_fn(|_| operands(kind, vector, &mut rng));
            all.extend((0..3).flat_map(|operand| lanes.map(|lane| lane[operand])));
        }
    }
    all
}

/// The operands of a lane.
fn operands(kind: Operands, vector: usize, rng: &mut Stream) -> [f32; 3] {
    /// From a half to one, of either sign, times a power of two.
    fn about(rng: &mut Stream, exponent: i32) -> f32 {
        let sign = if random::unit(rng) < 0.5 { -1.0 } else { 1.0 };
        (sign * (0.5 + random::unit(rng) / 2.0) * 2f64.powi(exponent)) as f32
    }
    match (kind, vector % 4) {
        (Operands::Ordinary, _) => std::array::from_fn(|_| (2.0 * random::unit(rng) - 1.0) as f32),
        // A product.
        (Operands::SubnormalResults, 0) => [about(rng, -66), about(rng, -64), 0.0],
        // A product that is lost in a sum, or is not.
        (Operands::SubnormalResults, 1) => [about(rng, -64), about(rng, -64), about(rng, -124)],
        // A sum in which nearly everything cancels.
        (Operands::SubnormalResults, 2) => {
            let (a, b) = (about(rng, -60), about(rng, -60));
            [a, b, -(a * b) * (1.0 - 2f32.powi(-12))]
        }
        // A difference.
        (Operands::SubnormalResults, _) => {
            let a = about(rng, -120);
            [a, a * (1.0 - 2f32.powi(-10)), about(rng, 0)]
        }
        // A product that is normal.
        (Operands::Subnormal, 0) => [about(rng, -130), about(rng, 20), 0.0],
        // A sum.
        (Operands::Subnormal, 1) => [about(rng, -1), about(rng, -1), about(rng, -130)],
        (Operands::Subnormal, 2) => [about(rng, -70), about(rng, -70), about(rng, -132)],
        // A difference, a maximum and a comparison.
        (Operands::Subnormal, _) => [about(rng, -130), about(rng, -130), about(rng, 0)],
    }
}

pub(super) fn text() -> String {
    let constants = [("THREADS", THREADS), ("OPERATIONS", OPERATIONS)];
    with_constants(&constants, &with_margin_loss(TEXT))
}

fn run(device: &GpuDevice, operands: &[f32]) -> Result<Vec<f32>, EvaluateError> {
    let pipeline = device.pipeline(&text(), "probe", &[], true);
    let input = device.read_only("probe operands", operands);
    let vectors = KINDS.len() * VECTORS;
    let bytes = vectors * OPERATIONS * LANES * 4;
    let output = device.buffer("probe results", bytes, Usages::STORAGE | Usages::COPY_SRC);
    let read_back = device.buffer("probe read-back", bytes, Usages::MAP_READ | Usages::COPY_DST);
    let bindings = device.bind("probe", &pipeline.get_bind_group_layout(0), &[&input, &output]);
    let mut encoder = device.encoder("arithmetic probe");
    let mut pass = compute_pass(&mut encoder, "arithmetic probe", None);
    pass.set_pipeline(&pipeline);
    pass.set_bind_group(0, &bindings, &[]);
    pass.dispatch_workgroups(vectors.div_ceil(THREADS) as u32, 1, 1);
    drop(pass);
    encoder.copy_buffer_to_buffer(&output, 0, &read_back, 0, Some(bytes as u64));
    let submission = device.queue.submit([encoder.finish()]);
    let words = device.read(&read_back, bytes as u64, submission)?;
    Ok(words.into_iter().map(f32::from_bits).collect())
}

/// What the kernel is to give for the operands of a vector (`[3, LANES]`) in a lane, `[OPERATIONS]`.
fn expected(arithmetic: Arithmetic, operands: &[f32], lane: usize) -> [f32; OPERATIONS] {
    let [a, b, c] = [0, 1, 2].map(|operand| operands[operand * LANES + lane]);
    let settled = |value: f32| if arithmetic.flushes() { flushed(value) } else { value };
    let sum = fma(arithmetic, a, b, c);
    // The margin is one for all lanes.
    let least = settled(b - operands[2 * LANES]);
    let hinge = settled(a - least).max(0.0);
    [sum, sum, settled(a - b), a.max(0.0), f32::from(u8::from(a > b)), hinge]
}

/// The arithmetic that explains all `results` (`[KINDS, VECTORS, OPERATIONS, LANES]`), if there is one, and whether the
/// hinges among them are right.
fn classify(operands: &[f32], results: &[f32]) -> Option<ProbeFindings> {
    if results.len() != KINDS.len() * VECTORS * OPERATIONS * LANES {
        return None;
    }
    let is_explained = |arithmetic: Arithmetic, operations: std::ops::Range<usize>| {
        let vectors = operands.chunks_exact(3 * LANES).zip(results.chunks_exact(OPERATIONS * LANES));
        vectors.enumerate().all(|(vector, (operands, results))| {
            let is_asked = !(arithmetic.flushes() && KINDS[vector / VECTORS] == Operands::Subnormal);
            let is_same = |lane: usize| {
                let expected = expected(arithmetic, operands, lane);
                // Zeros of both signs are one number to everything that follows.
                operations.clone().all(|operation| results[operation * LANES + lane] == expected[operation])
            };
            !is_asked || (0..LANES).all(is_same)
        })
    };
    let arithmetic = Arithmetic::ALL.into_iter().find(|&arithmetic| is_explained(arithmetic, 0..HINGE))?;
    Some(ProbeFindings { arithmetic, exact_hinge: is_explained(arithmetic, HINGE..OPERATIONS) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a device of this arithmetic gives.
    fn results(arithmetic: Arithmetic) -> Vec<f32> {
        let of = |operands: &[f32]| {
            let lanes = [0, 1, 2, 3].map(|lane| expected(arithmetic, operands, lane));
            (0..OPERATIONS).flat_map(|operation| lanes.map(|lane| lane[operation])).collect::<Vec<_>>()
        };
        all_operands().chunks_exact(3 * LANES).flat_map(of).collect()
    }

    /// Where the results of this kind of operands are.
    fn of_kind(kind: Operands) -> std::ops::Range<usize> {
        let place = KINDS.iter().position(|one| *one == kind).expect("a kind");
        let each = VECTORS * OPERATIONS * LANES;
        place * each..(place + 1) * each
    }

    #[test]
    fn all_arithmetics_are_told_apart() {
        for arithmetic in Arithmetic::ALL {
            let found = classify(&all_operands(), &results(arithmetic));
            assert_eq!(found, Some(ProbeFindings { arithmetic, exact_hinge: true }));
        }
    }

    #[test]
    fn operands_are_what_they_are_called() {
        let operands = all_operands();
        let kinds = KINDS.iter().zip(operands.chunks_exact(VECTORS * 3 * LANES));
        for (kind, operands) in kinds {
            let any = operands.iter().any(|value| value.is_subnormal());
            assert_eq!(any, *kind == Operands::Subnormal, "{kind:?}");
        }
        let kept = results(Arithmetic::Separate);
        let subnormal = |kind| kept[of_kind(kind)].iter().filter(|value| value.is_subnormal()).count();
        assert_eq!(subnormal(Operands::Ordinary), 0);
        assert!(subnormal(Operands::SubnormalResults) > VECTORS * LANES);
    }

    #[test]
    fn a_single_other_result_is_noticed() {
        let operands = all_operands();
        for arithmetic in Arithmetic::ALL {
            let mut one_wrong = results(arithmetic);
            one_wrong[of_kind(Operands::SubnormalResults).start + LANES] += 1.0;
            assert_eq!(classify(&operands, &one_wrong), None);
        }
        assert_eq!(classify(&operands, &[]), None);
    }

    #[test]
    fn who_keeps_some_subnormal_numbers_only_is_neither() {
        let operands = all_operands();
        let mut mixed = results(Arithmetic::Fused);
        let flushed = results(Arithmetic::FusedFlushed);
        let products = of_kind(Operands::SubnormalResults).step_by(OPERATIONS * LANES);
        products.for_each(|first| mixed[first] = flushed[first]);
        assert_eq!(classify(&operands, &mixed), None);
        // What becomes of operands that never are does not matter to who flushes.
        let mut flushing = flushed.clone();
        flushing[of_kind(Operands::Subnormal)].fill(7.0);
        let found = classify(&operands, &flushing).expect("an arithmetic");
        assert_eq!(found.arithmetic, Arithmetic::FusedFlushed);
    }

    #[test]
    fn a_rearranged_hinge_is_noticed() {
        let operands = all_operands();
        let mut rearranged = results(Arithmetic::Fused);
        let vectors = operands.chunks_exact(3 * LANES).zip(rearranged.chunks_exact_mut(OPERATIONS * LANES));
        for (operands, results) in vectors {
            for lane in 0..LANES {
                let (value, right, tau) = (operands[lane], operands[LANES + lane], operands[2 * LANES]);
                results[HINGE * LANES + lane] = ((value - right) + tau).max(0.0);
            }
        }
        let found = classify(&operands, &rearranged);
        assert_eq!(found, Some(ProbeFindings { arithmetic: Arithmetic::Fused, exact_hinge: false }));
    }

    #[test]
    fn a_product_with_minus_one_subtracts_exactly() {
        let operands = all_operands();
        for arithmetic in [Arithmetic::Fused, Arithmetic::Separate] {
            for pair in operands.chunks_exact(2) {
                let (output, least) = (pair[0], pair[1]);
                assert_eq!(fma(arithmetic, least, -1.0, output).to_bits(), (output - least).to_bits());
            }
        }
    }

    #[test]
    fn the_probe_is_valid_wgsl() {
        crate::evaluate::gpu::wgsl::tests::validate(&text());
    }
}
