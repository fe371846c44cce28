//! What lies on the device: data sets and networks for good, a batch's buffers for as long as they suffice.

use super::clock::STAMP_BYTES;
use super::device::GpuDevice;
use super::fused::{ALWAYS_KEPT, IMPOSSIBLE_LABEL, Slot};
use super::pipelines::Pipelines;
use super::plan::{self, Kernel, Plan, SAMPLE_PADDING, SUMS, UPLOAD_FACTS};
use super::upload::Uplink;
use super::{Extra, Upload, Window};
use crate::dataset::Samples;
use crate::evaluate::EvaluateError;
use crate::network::{Architecture, Network};
use crate::objective::margin::Margin;

/// Some samples of one split.
#[derive(Debug)]
pub(super) struct Chunk {
    pub samples: usize,
    /// Vectors from one feature to the next.
    pub stride_vectors: usize,
    pub binding: wgpu::BindGroup,
}

/// Uploads `samples`, `[inputs, stride]` per chunk.
pub(super) fn chunks(
    device: &GpuDevice,
    plan: &Plan,
    pipelines: &Pipelines,
    samples: &Samples,
) -> Vec<Chunk> {
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
            padded.resize(stride, IMPOSSIBLE_LABEL);
            let features = read_only(device, "features", bytemuck::cast_slice(&columns));
            let labels_buffer = read_only(device, "labels", bytemuck::cast_slice(&padded));
            Chunk {
                samples: labels.len(),
                stride_vectors: stride / plan.lanes,
                binding: bind(device, "samples", &pipelines.samples_layout, &[&features, &labels_buffer]),
            }
        })
        .collect()
}

/// The networks' parameters in the kernel's order, in as many buffers as bindings demand.
#[derive(Debug)]
pub(super) struct Networks {
    count: usize,
    per_shard: usize,
    parameters: usize,
    /// The fused kernel's order.
    slots: Option<Vec<Slot>>,
    shards: Vec<(wgpu::Buffer, wgpu::BindGroup)>,
}

impl Networks {
    pub fn new(
        device: &GpuDevice,
        architecture: &Architecture,
        plan: &Plan,
        pipelines: &Pipelines,
        networks: &[Network],
    ) -> Self {
        let slots = match &plan.kernel {
            Kernel::Fused(fused, _) => Some(fused.slots()),
            Kernel::Tiled(_) => None,
        };
        let mask_bits = slots.as_ref().map(|slots| {
            let bits: Vec<u32> = slots
                .iter()
                .map(|slot| match *slot {
                    Slot::Weight(index) => index as u32,
                    Slot::Bias(_) | Slot::Padding => ALWAYS_KEPT,
                })
                .collect();
            read_only(device, "mask bits", bytemuck::cast_slice(&bits))
        });
        let shards = networks
            .chunks(plan.networks_per_shard)
            .map(|members| {
                let values: Vec<f32> =
                    members.iter().flat_map(|network| arrange(network, slots.as_deref())).collect();
                let buffer = read_only(device, "parameters", bytemuck::cast_slice(&values));
                let buffers: Vec<&wgpu::Buffer> = [&buffer].into_iter().chain(&mask_bits).collect();
                let binding = bind(device, "parameters", &pipelines.network_layout, &buffers);
                (buffer, binding)
            })
            .collect();
        Self {
            count: networks.len(),
            per_shard: plan.networks_per_shard,
            parameters: plan::parameters(architecture, &plan.kernel),
            slots,
            shards,
        }
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn binding(&self, shard: usize) -> &wgpu::BindGroup {
        &self.shards[shard].1
    }

    /// Index of the shard's first network.
    pub fn first_of(&self, shard: usize) -> usize {
        shard * self.per_shard
    }

    pub fn set(&self, device: &GpuDevice, index: usize, network: &Network) {
        let values = arrange(network, self.slots.as_deref());
        let offset = (index % self.per_shard * self.parameters * 4) as u64;
        let (buffer, _) = &self.shards[index / self.per_shard];
        device.queue.write_buffer(buffer, offset, bytemuck::cast_slice(&values));
    }

    /// The masks of a batch by shard, otherwise in order.
    pub fn order(&self, networks: &[u32]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..networks.len()).collect();
        if self.shards.len() > 1 {
            order.sort_by_key(|&mask| networks[mask] as usize / self.per_shard);
        }
        order
    }

    /// Cuts `order` where the shard changes.
    pub fn runs<'a>(
        &self,
        order: &'a [usize],
        networks: &'a [u32],
    ) -> impl Iterator<Item = (usize, &'a [usize])> + use<'a> {
        let per_shard = self.per_shard;
        let shard = move |mask: usize| networks[mask] as usize / per_shard;
        order.chunk_by(move |&a, &b| shard(a) == shard(b)).map(move |run| (shard(run[0]), run))
    }
}

/// A network's parameters in the kernel's order: as the fused kernel reads them, else weights, biases.
fn arrange(network: &Network, slots: Option<&[Slot]>) -> Vec<f32> {
    match slots {
        Some(slots) => slots
            .iter()
            .map(|slot| match *slot {
                Slot::Weight(index) => network.weights()[index],
                Slot::Bias(index) => network.biases()[index],
                Slot::Padding => 0.0,
            })
            .collect(),
        None => network.weights().iter().chain(network.biases()).copied().collect(),
    }
}

/// A batch's buffers, which grow to the largest batch.
#[derive(Debug)]
pub(super) struct BatchBuffers {
    mask_words: usize,
    /// Masks that `masks` and `mask_networks` hold.
    upload_capacity: usize,
    /// Masks whose counts and losses `counts` and `read_back` hold.
    count_capacity: usize,
    window: wgpu::Buffer,
    masks: wgpu::Buffer,
    mask_networks: wgpu::Buffer,
    counts: wgpu::Buffer,
    /// The time stamps, then the counts, then the losses.
    pub read_back: wgpu::Buffer,
    pub binding: wgpu::BindGroup,
    pub activations: Option<Activations>,
    /// The networks of an upload, within their shard, and the masks' margins, or what they may get wrong.
    facts: Vec<u32>,
}

/// The outputs of even and of odd layers, of the tiled kernel.
#[derive(Debug)]
pub(super) struct Activations {
    buffers: [wgpu::Buffer; 2],
    /// `bindings[n]`: buffer `n` is read, the other written.
    pub bindings: [wgpu::BindGroup; 2],
}

/// Batches smaller than this need no new buffers.
const FIRST_CAPACITY: usize = 128;

impl BatchBuffers {
    pub fn new(device: &GpuDevice, pipelines: &Pipelines, mask_words: usize) -> Self {
        let window = buffer(
            device,
            "window",
            size_of::<Window>(),
            wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        );
        let (masks, mask_networks) = upload_buffers(device, 1, mask_words);
        let (counts, read_back) = count_buffers(device, 1);
        let binding =
            bind(device, "batch", &pipelines.batch_layout, &[&window, &masks, &mask_networks, &counts]);
        Self {
            mask_words,
            upload_capacity: 1,
            count_capacity: 1,
            window,
            masks,
            mask_networks,
            counts,
            read_back,
            binding,
            activations: None,
            facts: Vec::new(),
        }
    }

    /// Makes room for a batch of `masks`, scored on chunks of at most `samples`.
    pub fn reserve(
        &mut self,
        device: &GpuDevice,
        pipelines: &Pipelines,
        plan: &Plan,
        masks: usize,
        samples: usize,
    ) {
        let roomy = masks.next_power_of_two().max(FIRST_CAPACITY);
        let mut renewed = false;
        let upload = roomy.min(plan.masks_per_upload);
        if upload > self.upload_capacity {
            (self.masks, self.mask_networks) = upload_buffers(device, upload, self.mask_words);
            self.upload_capacity = upload;
            renewed = true;
        }
        if masks > self.count_capacity {
            (self.counts, self.read_back) = count_buffers(device, roomy);
            self.count_capacity = roomy;
            renewed = true;
        }
        if renewed {
            let buffers = [&self.window, &self.masks, &self.mask_networks, &self.counts];
            self.binding = bind(device, "batch", &pipelines.batch_layout, &buffers);
        }
        if let Some(tiled) = pipelines.tiled() {
            let pairs = plan.most_pairs(roomy, samples);
            let bytes = tiled.widths.map(|width| pairs * width as u64 * 16);
            let enough = |held: &Activations| held.buffers.iter().zip(bytes).all(|(b, n)| b.size() >= n);
            if !self.activations.as_ref().is_some_and(enough) {
                self.activations = None;
                let buffers = bytes.map(|bytes| {
                    buffer(
                        device,
                        "activations",
                        bytes as usize,
                        wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
                    )
                });
                let [even, odd] = &buffers;
                let bindings = [[even, odd], [odd, even]]
                    .map(|pair| bind(device, "activations", &tiled.activations_layout, &pair));
                self.activations = Some(Activations { buffers, bindings });
            }
        }
    }

    pub fn poison(&self, device: &GpuDevice, word: u32) {
        let activations = self.activations.iter().flat_map(|held| &held.buffers);
        for buffer in [&self.counts].into_iter().chain(activations) {
            let words = vec![word; (buffer.size() / 4) as usize];
            device.queue.write_buffer(buffer, 0, bytemuck::cast_slice(&words));
        }
    }

    /// Sets the first `sums` words of counts and losses to zero.
    pub fn clear_counts(&self, encoder: &mut wgpu::CommandEncoder, sums: usize) {
        encoder.clear_buffer(&self.counts, 0, Some(sums as u64 * 4));
    }

    /// Records the upload of `window` and, where given, of masks; their networks count from
    /// `first_network`.
    pub fn write(
        &mut self,
        device: &GpuDevice,
        uplink: &mut Uplink,
        encoder: &mut wgpu::CommandEncoder,
        window: &Window,
        upload: Option<&Upload<'_>>,
        first_network: u32,
    ) -> Result<(), EvaluateError> {
        let window_words: &[u32] = bytemuck::cast_slice(std::slice::from_ref(window));
        let Some(Upload { batch, members, extra, .. }) = upload else {
            return uplink.write(device, encoder, &[(&self.window, &[window_words])]);
        };
        let words = self.mask_words;
        let first = members[0];
        let contiguous = members.iter().enumerate().all(|(n, &mask)| mask == first + n);
        let runs: Vec<&[u32]> = if contiguous {
            vec![&batch.masks[first * words..][..members.len() * words]]
        } else {
            members.iter().map(|&mask| &batch.masks[mask * words..][..words]).collect()
        };
        self.facts.clear();
        self.facts.extend(members.iter().map(|&mask| batch.networks[mask] - first_network));
        let words = |margin: &Margin| [margin.tau(), margin.scale(), margin.enough()].map(f32::to_bits);
        match extra {
            Extra::Nothing => {}
            Extra::Margins(margins) => {
                self.facts.extend(members.iter().flat_map(|&mask| words(&margins[mask])));
            }
            Extra::Allowed(allowed) => self.facts.extend(members.iter().map(|&mask| allowed[mask])),
        }
        let facts: &[u32] = &self.facts;
        uplink.write(
            device,
            encoder,
            &[(&self.window, &[window_words]), (&self.masks, &runs), (&self.mask_networks, &[facts])],
        )
    }

    pub fn copy_counts(&self, encoder: &mut wgpu::CommandEncoder, sums: usize) {
        encoder.copy_buffer_to_buffer(&self.counts, 0, &self.read_back, STAMP_BYTES, Some(sums as u64 * 4));
    }

    /// The first `sums` words of counts and losses, and the time stamps.
    pub fn read_counts(
        &self,
        device: &GpuDevice,
        sums: usize,
        submission: wgpu::SubmissionIndex,
    ) -> Result<(Vec<u32>, Vec<u32>), EvaluateError> {
        let mut stamps = device.read(&self.read_back, STAMP_BYTES + sums as u64 * 4, submission)?;
        let counts = stamps.split_off((STAMP_BYTES / 4) as usize);
        Ok((counts, stamps))
    }
}

fn upload_buffers(device: &GpuDevice, masks: usize, words: usize) -> (wgpu::Buffer, wgpu::Buffer) {
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
    (
        buffer(device, "masks", masks * words * 4, usage),
        buffer(device, "mask networks", masks * UPLOAD_FACTS * 4, usage),
    )
}

fn count_buffers(device: &GpuDevice, masks: usize) -> (wgpu::Buffer, wgpu::Buffer) {
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
    let read_back = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
    let read_bytes = STAMP_BYTES as usize + masks * SUMS * 4;
    (
        buffer(device, "counts", masks * SUMS * 4, usage),
        buffer(device, "counts read-back", read_bytes, read_back),
    )
}

pub(super) fn buffer(
    device: &GpuDevice,
    label: &str,
    bytes: usize,
    usage: wgpu::BufferUsages,
) -> wgpu::Buffer {
    device.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        size: bytes as u64,
        usage,
        mapped_at_creation: false,
    })
}

/// A buffer with `contents`. Written through the queue: wgpu's own short cut panics where memory runs out.
pub(super) fn read_only(device: &GpuDevice, label: &str, contents: &[u8]) -> wgpu::Buffer {
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
    let created = buffer(device, label, contents.len(), usage);
    device.queue.write_buffer(&created, 0, contents);
    created
}

/// Binds `buffers` at 0, 1, …
pub(super) fn bind(
    device: &GpuDevice,
    label: &str,
    layout: &wgpu::BindGroupLayout,
    buffers: &[&wgpu::Buffer],
) -> wgpu::BindGroup {
    let entries: Vec<wgpu::BindGroupEntry<'_>> = (0..)
        .zip(buffers)
        .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
        .collect();
    device.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some(label),
        layout,
        entries: &entries,
    })
}
