//! A batch's buffers, kept for as long as they suffice.

use super::clock::STAMP_BYTES;
use super::device::GpuDevice;
use super::pipelines::Pipelines;
use super::plan::{Plan, SUMS, UPLOAD_FACTS};
use super::scoring::{Extra, Upload, Window};
use super::staging::StagingRing;
use crate::evaluate::EvaluateError;
use crate::objective::margin::Margin;
use wgpu::BufferUsages as Usages;

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
        let window = device.buffer("window", size_of::<Window>(), Usages::UNIFORM | Usages::COPY_DST);
        let (masks, mask_networks) = upload_buffers(device, 1, mask_words);
        let (counts, read_back) = count_buffers(device, 1);
        let binding =
            device.bind("batch", &pipelines.batch_layout, &[&window, &masks, &mask_networks, &counts]);
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
            self.binding = device.bind("batch", &pipelines.batch_layout, &buffers);
        }
        if let Some(tiled) = pipelines.tiled() {
            let pairs = plan.most_pairs(roomy, samples);
            let bytes = tiled.widths.map(|width| pairs * width as u64 * 16);
            let enough = |held: &Activations| held.buffers.iter().zip(bytes).all(|(b, n)| b.size() >= n);
            if !self.activations.as_ref().is_some_and(enough) {
                self.activations = None;
                let buffers = bytes.map(|bytes| {
                    device.buffer("activations", bytes as usize, Usages::STORAGE | Usages::COPY_DST)
                });
                let [even, odd] = &buffers;
                let bindings = [[even, odd], [odd, even]]
                    .map(|pair| device.bind("activations", &tiled.activations_layout, &pair));
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

    /// Records the upload of `window` and, where given, of masks.
    pub fn write(
        &mut self,
        device: &GpuDevice,
        staging: &mut StagingRing,
        encoder: &mut wgpu::CommandEncoder,
        window: &Window,
        upload: Option<&Upload<'_>>,
    ) -> Result<(), EvaluateError> {
        let window_words: &[u32] = bytemuck::cast_slice(std::slice::from_ref(window));
        let Some(Upload { batch, members, extra, first_network, .. }) = upload else {
            return staging.write(device, encoder, &[(&self.window, &[window_words])]);
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
        staging.write(
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
    let usage = Usages::STORAGE | Usages::COPY_DST;
    (
        device.buffer("masks", masks * words * 4, usage),
        device.buffer("mask networks", masks * UPLOAD_FACTS * 4, usage),
    )
}

fn count_buffers(device: &GpuDevice, masks: usize) -> (wgpu::Buffer, wgpu::Buffer) {
    let usage = Usages::STORAGE | Usages::COPY_DST | Usages::COPY_SRC;
    let read_back = Usages::MAP_READ | Usages::COPY_DST;
    let read_bytes = STAMP_BYTES as usize + masks * SUMS * 4;
    (
        device.buffer("counts", masks * SUMS * 4, usage),
        device.buffer("counts read-back", read_bytes, read_back),
    )
}
