//! Decides, without a device, how a batch is cut to what a device can do.

use super::fused::{self, Fused};
use super::tiled;
use crate::network::Architecture;
use serde::{Deserialize, Serialize};

/// What matters of a device's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Largest storage binding, bytes.
    pub binding_bytes: u64,
    /// Largest buffer, bytes.
    pub buffer_bytes: u64,
    /// Workgroups of a dispatch, in each dimension.
    pub groups_per_dimension: u32,
    /// Memory of a workgroup, bytes.
    pub workgroup_bytes: u32,
    /// Threads of a workgroup, in all.
    pub workgroup_threads: u32,
}

/// The samples of every buffer are padded to a multiple of this, so that each vector width divides it.
pub const SAMPLE_PADDING: usize = 32;

/// Threads of the kernels that have no better reason for a number.
const THREADS: usize = 128;
/// Masks are uploaded this many bytes at a time.
const UPLOAD_BYTES: u64 = 64 << 20;
/// One of the two buffers of activations is at most this large.
const ACTIVATION_BYTES: u64 = 128 << 20;
/// Registers (values times samples) that a thread's named values should not exceed on a GPU.
const REGISTERS: usize = 112;
/// An unrolled text has at most this many multiply-adds.
const MAX_UNROLLED: usize = 8_192;

/// Which kernels to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelChoice {
    /// The fused kernel where it fits, else the tiled one.
    Fitting,
    /// The tiled kernel, whatever would fit.
    Tiled,
}

/// The kernels for one architecture on one device.
#[derive(Clone, Debug)]
pub enum Kernel {
    Fused(Fused, fused::Shape),
    Tiled(tiled::Shape),
}

impl Kernel {
    /// Samples in one vector.
    pub fn lanes(&self) -> usize {
        match self {
            Kernel::Fused(_, shape) => shape.lanes,
            Kernel::Tiled(_) => tiled::LANES,
        }
    }
}

/// Why an architecture cannot be evaluated on a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error(
        "one network's {what} take {bytes} bytes, the adapter binds at most {limit}; use --adapter cpu for this architecture"
    )]
    TooLarge { what: &'static str, bytes: u64, limit: u64 },
    #[error(
        "the adapter's workgroups ({threads} threads, {bytes} bytes of memory) are too small for every kernel"
    )]
    WorkgroupTooSmall { threads: u32, bytes: u32 },
    #[error("a layer has {width} neurons, the adapter's dispatches reach {most}; use --adapter cpu")]
    TooWide { width: u64, most: u64 },
}

/// How everything is cut.
#[derive(Clone, Debug)]
pub struct Plan {
    pub kernel: Kernel,
    /// Networks in one buffer of parameters.
    pub networks_per_shard: usize,
    /// Masks in one upload.
    pub masks_per_upload: usize,
    /// Samples in one pair of buffers of features and labels; a multiple of [`SAMPLE_PADDING`].
    pub samples_per_chunk: usize,
    /// Masks in one dispatch, at most.
    pub masks_per_window: usize,
    /// Vectors of samples in one dispatch, at most.
    pub vectors_per_window: usize,
    /// Masks times vectors in one dispatch, at most: what the activations' buffers hold.
    pub pairs_per_window: u64,
    /// Weights of a network: multiply-adds per mask and sample.
    pub weights: usize,
}

fn clamp(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// The tiled kernel's shapes, best first.
const TILED_SHAPES: [tiled::Shape; 4] = [
    tiled::Shape { side: 16, rows: 8, quads: 2, depth: 16 },
    tiled::Shape { side: 16, rows: 4, quads: 1, depth: 16 },
    tiled::Shape { side: 8, rows: 4, quads: 1, depth: 16 },
    tiled::Shape { side: 4, rows: 2, quads: 1, depth: 8 },
];

impl Plan {
    /// Cuts the evaluation of networks of `architecture` to `limits`. `software` chooses the text that
    /// suits a software adapter.
    pub fn new(
        architecture: &Architecture,
        limits: &Limits,
        choice: KernelChoice,
        software: bool,
    ) -> Result<Self, PlanError> {
        let kernel = kernel(architecture, limits, choice, software)?;
        let binding = limits.binding_bytes.min(limits.buffer_bytes);
        let fits = |what, bytes: u64| {
            if bytes <= binding {
                Ok(binding / bytes)
            } else {
                Err(PlanError::TooLarge { what, bytes, limit: binding })
            }
        };
        let parameters = parameters(architecture, &kernel) as u64 * 4;
        let mask_bytes = architecture.mask_words() as u64 * 4;
        let feature_bytes = (architecture.inputs() * SAMPLE_PADDING) as u64 * 4;
        let networks_per_shard = fits("weights and biases", parameters)?;
        let masks = fits("mask", mask_bytes)?.min((UPLOAD_BYTES / mask_bytes).max(1));
        let chunks = fits("features of a few samples", feature_bytes)?;
        let groups = u64::from(limits.groups_per_dimension);
        let samples_per_chunk = (chunks * SAMPLE_PADDING as u64).min(u64::from(u32::MAX / 2));

        let (masks_per_window, vectors_per_window, pairs_per_window) = match &kernel {
            Kernel::Fused(_, shape) => (groups, groups * shape.group_vectors() as u64, u64::MAX),
            Kernel::Tiled(shape) => {
                let widest = architecture.widths()[1..].iter().max().map_or(1, |&width| width as u64);
                let vector_bytes = widest * (tiled::LANES * 4) as u64;
                let pairs = fits("activations of a few samples", vector_bytes)?
                    .min((ACTIVATION_BYTES / vector_bytes).max(1));
                let rows = groups * shape.tile_rows() as u64;
                if widest > rows {
                    return Err(PlanError::TooWide { width: widest, most: rows });
                }
                let vectors = groups * shape.tile_vectors().min(COUNT_THREADS) as u64;
                (groups.min(rows / architecture.layer(0).outputs as u64), vectors, pairs)
            }
        };
        Ok(Self {
            kernel,
            networks_per_shard: clamp(networks_per_shard),
            masks_per_upload: clamp(masks),
            samples_per_chunk: clamp(samples_per_chunk),
            masks_per_window: clamp(masks_per_window),
            vectors_per_window: clamp(vectors_per_window),
            pairs_per_window,
            weights: architecture.weights(),
        })
    }

    /// Masks and vectors of samples of the next dispatch, of those that are left: as many as fit, with at
    /// most `work` multiply-adds where one mask and one vector allow it. All samples of few masks before
    /// some samples of many.
    pub fn window(&self, masks: usize, vectors: usize, work: u64) -> (usize, usize) {
        let pair_work = (self.weights * self.kernel.lanes()) as u64;
        let pairs = self.pairs_per_window.min((work / pair_work).max(1));
        let vectors = vectors.min(self.vectors_per_window).min(clamp(pairs));
        let masks = masks.min(self.masks_per_window).min(clamp(pairs / vectors as u64));
        (masks, vectors)
    }

    /// The largest number of pairs of a mask and a vector that [`window`](Self::window) gives for this
    /// many masks and samples.
    pub fn most_pairs(&self, masks: usize, samples: usize) -> u64 {
        let vectors = samples.min(self.samples_per_chunk).div_ceil(self.kernel.lanes());
        let vectors = vectors.min(self.vectors_per_window) as u64;
        let masks = masks.min(self.masks_per_upload).min(self.masks_per_window) as u64;
        (masks * vectors).min(self.pairs_per_window)
    }
}

/// The parameters of one network as the kernel stores them.
pub fn parameters(architecture: &Architecture, kernel: &Kernel) -> usize {
    match kernel {
        Kernel::Fused(fused, _) => fused.staged_quads() * 4,
        Kernel::Tiled(_) => architecture.weights() + architecture.biases(),
    }
}

fn kernel(
    architecture: &Architecture,
    limits: &Limits,
    choice: KernelChoice,
    software: bool,
) -> Result<Kernel, PlanError> {
    let threads_fit = |threads: usize| threads <= limits.workgroup_threads as usize;
    let bytes_fit = |bytes: usize| bytes <= limits.workgroup_bytes as usize;
    if choice == KernelChoice::Fitting {
        let fused = Fused::new(architecture).filter(|fused| bytes_fit(fused.workgroup_bytes()));
        if let Some(fused) = fused {
            let shape = fused_shape(&fused, architecture, limits, software);
            return Ok(Kernel::Fused(fused, shape));
        }
    }
    TILED_SHAPES
        .into_iter()
        .skip(usize::from(software))
        .find(|shape| threads_fit(shape.threads().max(COUNT_THREADS)) && bytes_fit(shape.workgroup_bytes()))
        .map(Kernel::Tiled)
        .ok_or(PlanError::WorkgroupTooSmall {
            threads: limits.workgroup_threads,
            bytes: limits.workgroup_bytes,
        })
}

/// Threads of the kernel that counts correct predictions.
pub const COUNT_THREADS: usize = 64;

fn fused_shape(fused: &Fused, architecture: &Architecture, limits: &Limits, software: bool) -> fused::Shape {
    let threads = THREADS.min(limits.workgroup_threads as usize);
    let values = fused.named_values();
    let samples = (REGISTERS / values).clamp(1, 8);
    let (lanes, sets) = match samples {
        1 => (1, 1),
        2 | 3 => (2, 1),
        4..=7 => (4, 1),
        _ => (4, 2),
    };
    if software {
        let unrolled = architecture.weights() <= MAX_UNROLLED;
        return fused::Shape { threads, lanes: 4, sets: 1, blocks: 1, unrolled };
    }
    // Staging a vector of parameters takes about 40 instructions, a sample one per weight; staging should
    // take a twentieth of the time.
    let staging = fused.staged_quads().div_ceil(threads) * 40;
    let blocks = (staging * 20).div_ceil(architecture.weights() * lanes * sets).clamp(1, 16);
    fused::Shape { threads, lanes, sets, blocks, unrolled: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LAVAPIPE: Limits = Limits {
        binding_bytes: 128 << 20,
        buffer_bytes: 2 << 30,
        groups_per_dimension: 65_535,
        workgroup_bytes: 32 << 10,
        workgroup_threads: 1_024,
    };

    fn architecture(widths: &[usize]) -> Architecture {
        widths.to_vec().try_into().expect("a valid architecture")
    }

    fn plan(widths: &[usize], limits: &Limits) -> Plan {
        Plan::new(&architecture(widths), limits, KernelChoice::Fitting, false).expect("fits")
    }

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
        let refused = Plan::new(&architecture(&[2, 75, 2]), &tiny, KernelChoice::Fitting, false);
        assert!(matches!(refused, Err(PlanError::WorkgroupTooSmall { bytes: 64, .. })));
        let narrow = Limits { workgroup_threads: 8, ..LAVAPIPE };
        let refused = Plan::new(&architecture(&[64, 512, 10]), &narrow, KernelChoice::Fitting, false);
        assert!(matches!(refused, Err(PlanError::WorkgroupTooSmall { threads: 8, .. })));
    }

    #[test]
    fn a_network_larger_than_a_binding_is_refused() {
        let small = Limits { binding_bytes: 1 << 20, ..LAVAPIPE };
        let refused = Plan::new(&architecture(&[784, 512, 10]), &small, KernelChoice::Fitting, false);
        assert!(matches!(refused, Err(PlanError::TooLarge { what: "weights and biases", .. })));
    }

    #[test]
    fn mnist_is_cut_into_chunks_that_can_be_bound() {
        let plan = plan(&[784, 300, 100, 10], &LAVAPIPE);
        assert_eq!(plan.samples_per_chunk % SAMPLE_PADDING, 0);
        assert!(plan.samples_per_chunk * 784 * 4 <= 128 << 20);
        assert!((plan.samples_per_chunk + SAMPLE_PADDING) * 784 * 4 > 128 << 20);
    }

    proptest! {
        #[test]
        fn a_window_keeps_every_limit_and_makes_progress(
            width in 1usize..700, masks in 1usize..100_000, vectors in 1usize..1_000_000,
            work in 0u64..1 << 40, binding in 22u32..31, groups in 100u32..70_000, tiled: bool
        ) {
            let limits = Limits {
                binding_bytes: 1 << binding, groups_per_dimension: groups, ..LAVAPIPE
            };
            let choice = if tiled { KernelChoice::Tiled } else { KernelChoice::Fitting };
            let architecture = architecture(&[3, width, 2]);
            let plan = Plan::new(&architecture, &limits, choice, false).expect("fits");
            let (m, v) = plan.window(masks, vectors, work);
            prop_assert!((1..=masks).contains(&m) && (1..=vectors).contains(&v));
            let pair_work = (plan.weights * plan.kernel.lanes()) as u64;
            prop_assert!((m * v) as u64 * pair_work <= work.max(pair_work));
            let groups = groups as usize;
            match &plan.kernel {
                Kernel::Fused(_, shape) => {
                    prop_assert!(m <= groups && v.div_ceil(shape.group_vectors()) <= groups);
                }
                Kernel::Tiled(shape) => {
                    prop_assert!(v.div_ceil(shape.tile_vectors()) <= groups && v.div_ceil(COUNT_THREADS) <= groups);
                    prop_assert!((m * width).div_ceil(shape.tile_rows()) <= groups);
                    prop_assert!((m * v * width * 16) as u64 <= limits.binding_bytes);
                }
            }
        }
    }
}
