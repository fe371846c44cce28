//! The kernel families, and which of their shapes suit an architecture and a device.

use super::fused::{self, Fused};
use super::plan::{Limits, PlanError, activation_pairs};
use super::tiled::{self, LayerPart};
use crate::network::{Architecture, Layer};
use serde::{Deserialize, Serialize};

/// Threads of the kernels that have no better reason for a number.
const THREADS: usize = 128;
/// Registers (values times samples) that a thread's named values should not exceed on a GPU.
const REGISTERS: usize = 112;
/// An unrolled text has at most this many multiply-adds: compiling takes a third of a millisecond each.
const MAX_UNROLLED: usize = 4_096;
/// Registers that a candidate's named values may take: with more, compilers spill.
const MOST_REGISTERS: usize = 176;
/// What staging a vector of four parameters takes, roughly; a sample takes one instruction per weight.
const STAGING_INSTRUCTIONS: usize = 40;
/// Threads of a subgroup, at most: WGSL has none larger.
const LARGEST_SUBGROUP: usize = 128;
/// Threads of the kernel that counts correct predictions.
pub const COUNT_THREADS: usize = 64;

/// A kernel family and how it is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelShape {
    Fused(fused::FusedShape),
    Tiled(tiled::TiledShape),
}

impl KernelShape {
    /// Samples in one vector.
    pub fn lanes(&self) -> usize {
        match self {
            KernelShape::Fused(shape) => shape.lanes,
            KernelShape::Tiled(_) => tiled::LANES,
        }
    }

    /// Does it pay to give masks up on the device? Not where every neuron is written out: software adapters,
    /// for which that is, took 1.9 to 2.6 times as long for masks that reach their minimum once all of the
    /// text stood behind a condition, and longer than for a whole count even for masks beyond hope.
    pub fn gives_up(&self) -> bool {
        match self {
            KernelShape::Fused(shape) => !shape.unrolled,
            KernelShape::Tiled(_) => true,
        }
    }
}

/// The kernels for one architecture on one device.
#[derive(Clone, Debug)]
pub enum Kernel {
    Fused(Fused, fused::FusedShape),
    /// The layers, in as many parts as bindings demand, one after the other.
    Tiled(Vec<LayerPart>),
}

impl Kernel {
    /// The parameters of one network in each of its buffers.
    pub fn parameters(&self) -> Vec<usize> {
        match self {
            Kernel::Fused(fused, _) => vec![fused.staged_quads() * 4],
            Kernel::Tiled(parts) => parts.iter().map(LayerPart::parameters).collect(),
        }
    }
}

/// A kernel of `shape`, where the architecture has one and a workgroup holds it.
pub(super) fn fit(architecture: &Architecture, limits: &Limits, shape: KernelShape) -> Option<Kernel> {
    let (kernel, threads, bytes) = match shape {
        KernelShape::Fused(shape) => {
            let fused = Fused::new(architecture)?;
            // What `add_to_group_loss` of shaders/group_sums.wgsl adds up in one word.
            if shape.lanes * shape.sets * shape.blocks * LARGEST_SUBGROUP > 1 << 16 {
                return None;
            }
            let bytes = fused.workgroup_bytes();
            (Kernel::Fused(fused, shape), shape.threads, bytes)
        }
        KernelShape::Tiled(shape) => {
            // The first layer's neurons are those of all masks.
            let pairs = activation_pairs(architecture, limits);
            let parameters = limits.binding_bytes.min(limits.buffer_bytes) / 4;
            let parameters = usize::try_from(parameters).unwrap_or(usize::MAX);
            let parts = |layer: Layer| {
                LayerPart::cut(&layer, parameters).map(move |(first, neurons)| {
                    let tile = if layer.first_bias == 0 { shape } else { shape.for_layer(neurons, pairs) };
                    LayerPart { layer, first, neurons, tile }
                })
            };
            let parts = architecture.layers().flat_map(parts).collect();
            (Kernel::Tiled(parts), shape.threads().max(COUNT_THREADS), shape.workgroup_bytes())
        }
    };
    let fits = threads <= limits.workgroup_threads as usize && bytes <= limits.workgroup_bytes as usize;
    fits.then_some(kernel)
}

/// Who compiles kernels, where that decides which come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// A software adapter, which likes long texts without loops.
    Software,
    /// AMD: Mesa 25 brings what threads read alike to scalar registers, spills, and copies it to others, unless that is
    /// hidden from it; Mesa 22 loses little by it.
    Amd,
    Other,
}

/// Every shape worth trying for `architecture` on a device of `limits`; the first is taken where nothing
/// was measured.
///
/// # Errors
/// When there is none.
pub fn candidates(
    architecture: &Architecture,
    limits: &Limits,
    maker: Maker,
) -> Result<Vec<KernelShape>, PlanError> {
    let fused = Fused::new(architecture).map(|fused| fused_shapes(&fused, architecture, limits, maker));
    let fitting: Vec<KernelShape> = fused
        .into_iter()
        .flatten()
        .map(KernelShape::Fused)
        .chain(tiled_shapes(maker).map(KernelShape::Tiled))
        .filter(|shape| fit(architecture, limits, *shape).is_some())
        .collect();
    if fitting.is_empty() {
        return Err(PlanError::WorkgroupTooSmall {
            threads: limits.workgroup_threads,
            bytes: limits.workgroup_bytes,
        });
    }
    Ok(fitting)
}

/// Large tiles save memory traffic; small ones fit narrow layers and small devices.
fn tiled_shapes(maker: Maker) -> impl Iterator<Item = tiled::TiledShape> {
    let large = tiled::TiledShape { columns: 16, lines: 16, rows: 4, quads: 2, depth: 16 };
    let medium = tiled::TiledShape { quads: 1, ..large };
    let small = tiled::TiledShape { columns: 8, lines: 8, ..medium };
    let tiny = tiled::TiledShape { columns: 4, lines: 4, rows: 2, quads: 1, depth: 8 };
    match maker {
        Maker::Software => [medium, small, large, tiny],
        Maker::Amd | Maker::Other => [large, medium, small, tiny],
    }
    .into_iter()
}

/// Lanes and sets of a thread, by samples.
const THREAD_SAMPLES: [(usize, usize); 5] = [(4, 4), (4, 2), (4, 1), (2, 1), (1, 1)];

fn fused_shapes(
    fused: &Fused,
    architecture: &Architecture,
    limits: &Limits,
    maker: Maker,
) -> Vec<fused::FusedShape> {
    let weights = architecture.weights();
    let shape = |threads: usize, (lanes, sets): (usize, usize)| {
        let threads = threads.min(limits.workgroup_threads as usize);
        // Staging should take a twentieth of the time.
        let staging = fused.staged_quads().div_ceil(threads) * STAGING_INSTRUCTIONS;
        let blocks = (staging * 20).div_ceil(weights * lanes * sets).clamp(1, 16);
        fused::FusedShape { threads, lanes, sets, blocks, unrolled: false, scattered: false }
    };
    if maker == Maker::Software {
        // Loops took 6 times as long on lavapipe, even with 16 samples a thread.
        let long = fused::FusedShape { unrolled: true, blocks: 1, ..shape(THREADS, (4, 1)) };
        let short = shape(THREADS, (4, 4));
        return if weights <= MAX_UNROLLED { vec![long, short] } else { vec![short] };
    }
    let registers = |samples: &(usize, usize)| fused.named_values() * samples.0 * samples.1;
    let best = THREAD_SAMPLES.into_iter().find(|samples| registers(samples) <= REGISTERS).unwrap_or((1, 1));
    let first = fused::FusedShape { scattered: maker == Maker::Amd, ..shape(THREADS, best) };
    let mut shapes = vec![first, fused::FusedShape { scattered: !first.scattered, ..first }];
    for samples in THREAD_SAMPLES.into_iter().filter(|samples| registers(samples) <= MOST_REGISTERS) {
        for threads in [64, 128, 256] {
            let candidate = shape(threads, samples);
            if !shapes.contains(&candidate) {
                shapes.push(candidate);
            }
        }
    }
    shapes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::gpu::plan::tests::{LAVAPIPE, architecture, first_plan, plan};

    #[test]
    fn the_papers_networks_are_fused_and_wide_ones_tiled() {
        for widths in [&[2, 20, 2][..], &[2, 75, 2], &[2, 100, 2], &[2, 50, 50, 2], &[64, 50, 50, 10]] {
            assert!(matches!(plan(widths, &LAVAPIPE).kernel, Kernel::Fused(..)), "{widths:?}");
        }
        for widths in [&[64, 512, 512, 10][..], &[784, 300, 100, 10]] {
            assert!(matches!(plan(widths, &LAVAPIPE).kernel, Kernel::Tiled(_)), "{widths:?}");
        }
    }

    #[test]
    fn workgroup_memory_decides_between_fused_and_tiled() {
        let needed = Fused::new(&architecture(&[2, 75, 2])).expect("few values").workgroup_bytes() as u32;
        let exact = Limits { workgroup_bytes: needed, ..LAVAPIPE };
        assert!(matches!(plan(&[2, 75, 2], &exact).kernel, Kernel::Fused(..)));
        let short = Limits { workgroup_bytes: needed - 1, ..LAVAPIPE };
        assert!(matches!(plan(&[2, 75, 2], &short).kernel, Kernel::Tiled(_)));
    }

    #[test]
    fn workgroups_that_hold_no_kernel_are_refused() {
        let tiny = Limits { workgroup_bytes: 64, ..LAVAPIPE };
        let refused = first_plan(&[2, 75, 2], &tiny);
        assert!(matches!(refused, Err(PlanError::WorkgroupTooSmall { bytes: 64, .. })));
        let narrow = Limits { workgroup_threads: 8, ..LAVAPIPE };
        let refused = first_plan(&[64, 512, 10], &narrow);
        assert!(matches!(refused, Err(PlanError::WorkgroupTooSmall { threads: 8, .. })));
    }
}
