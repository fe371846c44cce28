//! Decides, without a device, how a batch is cut to what a device can do.

use super::kernel::{COUNT_THREADS, Kernel, KernelShape, fit};
use super::tiled;
use super::wgsl::DetailLayout;
use crate::memory;
use crate::network::Architecture;
use crate::objective::Needs;
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

/// Masks are uploaded this many bytes at a time.
const UPLOAD_BYTES: u64 = 64 << 20;
/// Words that go up beside a mask, at most: its network, and three of its margin.
pub const UPLOAD_FACTS: usize = 4;
/// Words that come back: a mask's count, and two of its loss.
pub const SUMS: usize = 3;
/// One of the two buffers of activations is at most this large.
const ACTIVATION_BYTES: u64 = 128 << 20;
/// Masks of a batch that is no larger than it must be.
const FEW_MASKS: usize = 128;
/// What is kept of a window's masks beside counts takes at most this much of the device, and of the host.
const DETAIL_BYTES: u64 = 32 << 20;
/// A workgroup sums up confusion counts in memory of its own, where there are not more than this many: of more classes its
/// threads seldom add to one.
const MOST_GROUP_CELLS: usize = 1 << 10;
/// Masks that may be given up are looked at after each of this many parts of the samples,
const GIVE_UP_PARTS: usize = 16;
/// unless a part is less work than this many multiply-adds: some hundred microseconds of a desktop's GPU, beside
/// which a submission's own time is small.
const GIVE_UP_WORK: u64 = 1 << 29;

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
    #[error("the kernel {0:?} does not fit the architecture or the adapter")]
    Unfit(KernelShape),
    #[error("a layer has {width} neurons, the adapter's dispatches reach {most}; use --adapter cpu")]
    TooWide { width: u64, most: u64 },
}

/// Pairs of a mask and a vector of samples of which the tiled kernel's buffers hold the widest layer; none, where not
/// even one fits.
pub(super) fn activation_pairs(architecture: &Architecture, limits: &Limits) -> u64 {
    let vector_bytes = activation_bytes(architecture);
    let binding = limits.binding_bytes.min(limits.buffer_bytes);
    (binding / vector_bytes).min((ACTIVATION_BYTES / vector_bytes).max(1))
}

/// Bytes that the widest layer of a mask takes for a vector of samples.
fn activation_bytes(architecture: &Architecture) -> u64 {
    let widest = architecture.widths()[1..].iter().max().map_or(1, |&width| width as u64);
    widest * (tiled::LANES * 4) as u64
}

/// How everything is cut.
#[derive(Clone, Debug)]
pub struct BatchPlan {
    pub kernel: Kernel,
    pub shape: KernelShape,
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
    /// Samples in one vector.
    pub lanes: usize,
    /// Outputs of a network.
    outputs: usize,
    /// Bytes of the largest binding.
    binding: u64,
    /// Confusion counts that a workgroup sums up in memory of its own.
    group_cells: usize,
}

fn clamp(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

impl BatchPlan {
    /// Cuts the evaluation of networks of `architecture` to `limits`, with a kernel of `shape`.
    pub fn new(architecture: &Architecture, limits: &Limits, shape: KernelShape) -> Result<Self, PlanError> {
        let kernel = fit(architecture, limits, shape).ok_or(PlanError::Unfit(shape))?;
        let binding = limits.binding_bytes.min(limits.buffer_bytes);
        let fits = |what, bytes: u64| {
            if bytes <= binding {
                Ok(binding / bytes)
            } else {
                Err(PlanError::TooLarge { what, bytes, limit: binding })
            }
        };
        let parameters = kernel.parameters().into_iter().max().unwrap_or(0) as u64 * 4;
        let mask_bytes = architecture.mask_words() as u64 * 4;
        let feature_bytes = (architecture.inputs() * SAMPLE_PADDING) as u64 * 4;
        let networks_per_shard = fits("weights of a few neurons", parameters)?;
        // Beside its words a mask has a network and a margin.
        let upload_bytes = mask_bytes.max(UPLOAD_FACTS as u64 * 4);
        let masks = fits("mask", upload_bytes)?.min((UPLOAD_BYTES / upload_bytes).max(1));
        let chunks = fits("features of a few samples", feature_bytes)?;
        let groups = u64::from(limits.groups_per_dimension);
        let samples_per_chunk = (chunks * SAMPLE_PADDING as u64).min(u64::from(u32::MAX / 2));

        let (masks_per_window, vectors_per_window, pairs_per_window) = match &kernel {
            Kernel::Fused(_, shape) => (groups, groups * shape.group_vectors() as u64, u64::MAX),
            Kernel::Tiled(parts) => {
                fits("activations of a few samples", activation_bytes(architecture))?;
                let mut masks = groups;
                for part in parts {
                    let (width, most) = (part.neurons as u64, groups * part.tile.tile_rows() as u64);
                    if width > most {
                        return Err(PlanError::TooWide { width, most });
                    }
                    // The first layer's neurons are those of all masks.
                    if part.layer.first_bias == 0 {
                        masks = masks.min(most / width);
                    }
                }
                let narrowest = parts.iter().map(|part| part.tile.tile_vectors()).min().unwrap_or(1);
                let vectors = groups * narrowest.min(COUNT_THREADS) as u64;
                (masks, vectors, activation_pairs(architecture, limits))
            }
        };
        let outputs = architecture.outputs();
        let group_bytes = match &kernel {
            Kernel::Fused(fused, _) => fused.workgroup_bytes(),
            Kernel::Tiled(_) => 0,
        };
        let (cells, bytes) = (outputs * outputs, limits.workgroup_bytes as usize);
        let has_room = cells <= MOST_GROUP_CELLS && group_bytes + cells * 4 <= bytes;
        Ok(Self {
            outputs,
            binding,
            group_cells: if has_room { cells } else { 0 },
            kernel,
            shape,
            networks_per_shard: clamp(networks_per_shard),
            masks_per_upload: clamp(masks),
            samples_per_chunk: clamp(samples_per_chunk),
            masks_per_window: clamp(masks_per_window),
            vectors_per_window: clamp(vectors_per_window),
            pairs_per_window,
            weights: architecture.weights(),
            lanes: shape.lanes(),
        })
    }

    /// Masks and vectors of samples of the next dispatch, of those that are left: as many as fit, with at
    /// most `work` multiply-adds where one mask and one vector allow it; of the tiled kernel not fewer vectors than a
    /// tile has, which takes the same time for them. All samples of few masks before some samples of many.
    pub fn window(&self, masks: usize, vectors: usize, work: u64) -> (usize, usize) {
        let pair_work = (self.weights * self.lanes) as u64;
        let least = match &self.kernel {
            Kernel::Fused(..) => 1,
            Kernel::Tiled(parts) => parts[0].tile.tile_vectors() as u64,
        };
        let [pairs, in_tiles] =
            [1, least].map(|least| self.pairs_per_window.min((work / pair_work).max(least)));
        let vectors = vectors.min(self.vectors_per_window).min(clamp(in_tiles));
        let masks = masks.min(self.masks_per_window).min(clamp(pairs / vectors as u64).max(1));
        (masks, vectors)
    }

    /// As [`window`](Self::window), for masks that may be given up: the tiled kernel learns between dispatches
    /// which are, so that a dispatch takes some samples of many masks before all samples of few.
    pub fn window_to_give_up(&self, masks: usize, vectors: usize, work: u64) -> (usize, usize) {
        let Kernel::Tiled(parts) = &self.kernel else { return self.window(masks, vectors, work) };
        let vector_work = (self.weights * self.lanes * masks) as u64;
        let part = vectors.div_ceil(GIVE_UP_PARTS).max(clamp(GIVE_UP_WORK.div_ceil(vector_work)));
        self.window(masks, vectors.min(part.next_multiple_of(parts[0].tile.tile_vectors())), work)
    }

    /// What is kept where `needs` is.
    pub(super) fn kept(&self, needs: Needs) -> DetailLayout {
        DetailLayout { needs, outputs: self.outputs, lanes: self.lanes, group_cells: self.group_cells }
    }

    /// Words that what is kept of one mask takes for so many vectors of samples.
    pub fn detail_words(&self, needs: Needs, vectors: usize) -> usize {
        match needs {
            Needs::Predictions => (vectors * self.lanes).div_ceil(4),
            Needs::Outputs => vectors * self.lanes * self.outputs,
            Needs::Confusion => self.outputs * self.outputs,
        }
    }

    /// As [`window`](Self::window), where no more may be kept than a binding holds, nor more than the host should copy at
    /// a time.
    ///
    /// # Errors
    /// Where not even that of one mask and one vector fits.
    pub fn window_to_keep(
        &self,
        needs: Needs,
        (masks, vectors): (usize, usize),
        work: u64,
    ) -> Result<(usize, usize), PlanError> {
        let one = self.detail_words(needs, 1);
        let bytes = one as u64 * 4;
        if bytes > self.binding {
            let what =
                if needs == Needs::Confusion { "confusion counts" } else { "outputs of a few samples" };
            return Err(PlanError::TooLarge { what, bytes, limit: self.binding });
        }
        let most = clamp(DETAIL_BYTES.max(bytes).min(self.binding) / 4);
        let vectors = match needs {
            Needs::Predictions => vectors.min(most * 4 / self.lanes),
            Needs::Outputs => vectors.min(most / one),
            Needs::Confusion => vectors,
        };
        let (masks, vectors) = self.window(masks, vectors, work);
        Ok((masks.min(most / self.detail_words(needs, vectors)), vectors))
    }

    /// Bytes of a device that so many `networks` take, with so many `samples` of so many inputs in all, the masks of one
    /// upload, and the activations of one window.
    pub fn device_bytes(&self, architecture: &Architecture, networks: usize, samples: usize) -> u64 {
        let parameters: usize = self.kernel.parameters().iter().sum();
        let activations = match &self.kernel {
            Kernel::Fused(..) => 0,
            Kernel::Tiled(_) => {
                let pairs = self.most_pairs(self.masks_per_upload.min(FEW_MASKS), samples);
                2 * pairs.saturating_mul(activation_bytes(architecture))
            }
        };
        memory::sum(&[
            memory::product(&[networks, parameters, 4]),
            memory::product(&[samples, architecture.inputs() + 1, 4]),
            memory::product(&[self.masks_per_upload.min(FEW_MASKS), architecture.mask_words(), 4]),
            activations,
        ])
    }

    /// Multiply-adds per sample that the kernels execute for one mask, those of masked-out weights included, but not
    /// what tiles are padded with, in which masks have no share.
    pub fn multiply_adds_of(&self, mask: &[u32]) -> u64 {
        match &self.kernel {
            Kernel::Fused(fused, shape) => fused.multiply_adds(shape, mask),
            Kernel::Tiled(_) => self.weights as u64,
        }
    }

    /// The largest number of pairs of a mask and a vector that [`window`](Self::window) gives for this
    /// many masks and samples.
    pub fn most_pairs(&self, masks: usize, samples: usize) -> u64 {
        let vectors = samples.min(self.samples_per_chunk).div_ceil(self.lanes);
        let vectors = vectors.min(self.vectors_per_window) as u64;
        let masks = masks.min(self.masks_per_upload).min(self.masks_per_window) as u64;
        (masks * vectors).min(self.pairs_per_window)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::kernel::{Maker, candidates};
    use super::*;
    use proptest::prelude::*;

    pub const LAVAPIPE: Limits = Limits {
        binding_bytes: 128 << 20,
        buffer_bytes: 2 << 30,
        groups_per_dimension: 65_535,
        workgroup_bytes: 32 << 10,
        workgroup_threads: 1_024,
    };

    pub fn architecture(widths: &[usize]) -> Architecture {
        widths.to_vec().try_into().expect("a valid architecture")
    }

    pub fn first_plan(widths: &[usize], limits: &Limits) -> Result<BatchPlan, PlanError> {
        let architecture = architecture(widths);
        let shapes = candidates(&architecture, limits, Maker::Other)?;
        BatchPlan::new(&architecture, limits, shapes[0])
    }

    pub fn plan(widths: &[usize], limits: &Limits) -> BatchPlan {
        first_plan(widths, limits).expect("fits")
    }

    #[test]
    fn a_network_larger_than_a_binding_comes_in_parts_of_layers() {
        let plan = plan(&[784, 8_192, 8_192, 10], &LAVAPIPE);
        let Kernel::Tiled(parts) = &plan.kernel else { panic!("{:?}", plan.kernel) };
        assert_eq!(
            parts.iter().map(|part| part.neurons).collect::<Vec<_>>(),
            [8_192, 2_731, 2_731, 2_730, 10]
        );
        assert!(parts.iter().all(|part| part.parameters() as u64 * 4 <= LAVAPIPE.binding_bytes));
        assert_eq!((plan.networks_per_shard, plan.masks_per_upload), (1, 7));
        // Where not even one neuron's weights, or a mask, can be bound, it is refused.
        let small = Limits { binding_bytes: 1 << 11, ..LAVAPIPE };
        let refused = first_plan(&[784, 512, 10], &small);
        assert!(matches!(refused, Err(PlanError::TooLarge { what: "weights of a few neurons", .. })));
        let small = Limits { binding_bytes: 1 << 15, ..LAVAPIPE };
        let refused = first_plan(&[784, 512, 10], &small);
        assert!(matches!(refused, Err(PlanError::TooLarge { what: "mask", .. })));
    }

    #[test]
    fn mnist_is_cut_into_chunks_that_can_be_bound() {
        let plan = plan(&[784, 300, 100, 10], &LAVAPIPE);
        assert_eq!(plan.samples_per_chunk % SAMPLE_PADDING, 0);
        assert!(plan.samples_per_chunk * 784 * 4 <= 128 << 20);
        assert!((plan.samples_per_chunk + SAMPLE_PADDING) * 784 * 4 > 128 << 20);
    }

    #[test]
    fn masks_that_may_be_given_up_are_taken_part_by_part() {
        let wide = plan(&[64, 512, 512, 10], &LAVAPIPE);
        let (masks, vectors) = wide.window_to_give_up(1_000, 10_000, u64::MAX);
        assert_eq!(vectors, 640, "a sixteenth of the samples, in whole tiles of 32 vectors");
        assert!(masks > wide.window(1_000, 10_000, u64::MAX).0);
        // Little work is not cut.
        assert_eq!(wide.window_to_give_up(1, 100, u64::MAX), (1, 100));
        // The fused kernel looks before every workgroup.
        let small = plan(&[2, 20, 2], &LAVAPIPE);
        assert_eq!(small.window_to_give_up(1_000, 10_000, u64::MAX), (1_000, 10_000));
    }

    #[test]
    fn a_slow_device_still_gets_whole_tiles_of_samples() {
        let wide = plan(&[784, 2_000, 2_000, 10], &LAVAPIPE);
        let Kernel::Tiled(parts) = &wide.kernel else { panic!("too wide for the fused kernel") };
        assert_eq!(wide.window(5, 1_000, 0), (1, parts[0].tile.tile_vectors()));
        assert_eq!(wide.window(5, 3, 0), (1, 3));
        assert_eq!(plan(&[2, 20, 2], &LAVAPIPE).window(5, 1_000, 0), (1, 1));
    }

    proptest! {
        #[test]
        fn a_window_keeps_every_limit_and_makes_progress(
            width in 1usize..700, masks in 1usize..100_000, vectors in 1usize..1_000_000,
            work in 0u64..1 << 40, binding in 22u32..31, groups in 100u32..70_000, choice in 0usize..20
        ) {
            let limits = Limits {
                binding_bytes: 1 << binding, groups_per_dimension: groups, ..LAVAPIPE
            };
            let architecture = architecture(&[3, width, 2]);
            let shapes = candidates(&architecture, &limits, Maker::Other).expect("fits");
            let plan = BatchPlan::new(&architecture, &limits, shapes[choice % shapes.len()]).expect("fits");
            let groups = groups as usize;
            let mut windows = vec![plan.window(masks, vectors, work), plan.window_to_give_up(masks, vectors, work)];
            for needs in [Needs::Predictions, Needs::Outputs, Needs::Confusion] {
                let (m, v) = plan.window_to_keep(needs, (masks, vectors), work).expect("two outputs fit");
                let bytes = (m * plan.detail_words(needs, v)) as u64 * 4;
                prop_assert!(bytes <= limits.binding_bytes.min(DETAIL_BYTES));
                windows.push((m, v));
            }
            for (m, v) in windows {
                prop_assert!((1..=masks).contains(&m) && (1..=vectors).contains(&v));
                let pair_work = (plan.weights * plan.lanes) as u64;
                let least = match &plan.kernel {
                    Kernel::Tiled(parts) if m == 1 => parts[0].tile.tile_vectors() as u64,
                    _ => 1,
                };
                prop_assert!((m * v) as u64 * pair_work <= work.max(least * pair_work));
                match &plan.kernel {
                    Kernel::Fused(_, shape) => {
                        prop_assert!(m <= groups && v.div_ceil(shape.group_vectors()) <= groups);
                    }
                    Kernel::Tiled(parts) => {
                        prop_assert!(v.div_ceil(COUNT_THREADS) <= groups && m <= groups);
                        for part in parts {
                            prop_assert!(v.div_ceil(part.tile.tile_vectors()) <= groups);
                        }
                        prop_assert!((m * width).div_ceil(parts[0].tile.tile_rows()) <= groups);
                        prop_assert!((m * v * width * 16) as u64 <= limits.binding_bytes);
                    }
                }
            }
        }
    }
}
