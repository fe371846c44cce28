//! A batch's buffers, kept for as long as they suffice.

use super::clock::STAMP_BYTES;
use super::device::GpuDevice;
use super::pipelines::Pipelines;
use super::plan::{BatchPlan, SUMS, UPLOAD_FACTS};
use super::scoring::{Extra, Upload, Window};
use super::staging::StagingRing;
use super::submissions::AT_ONCE;
use crate::evaluate::EvaluateError;
use crate::objective::margin::Margin;
use wgpu::BufferUsages as Usages;

/// A batch's buffers, which grow to the largest batch.
#[derive(Debug)]
pub(super) struct BatchBuffers {
    mask_words: usize,
    /// Masks of the largest batch that they hold.
    capacity: usize,
    window: wgpu::Buffer,
    masks: wgpu::Buffer,
    mask_networks: wgpu::Buffer,
    counts: wgpu::Buffer,
    /// The time stamps, then the counts, then the losses.
    pub read_back: wgpu::Buffer,
    pub binding: wgpu::BindGroup,
    pub activations: Option<Activations>,
    /// Where details of windows go, in turns.
    details: [Option<DetailBuffers>; WINDOWS],
}

/// What is kept of a window's masks.
#[derive(Debug)]
pub(super) struct DetailBuffers {
    kept: wgpu::Buffer,
    read_back: wgpu::Buffer,
    /// The batch, with this in the place of counts.
    pub binding: wgpu::BindGroup,
}

/// The outputs of even and of odd layers, of the tiled kernel.
#[derive(Debug)]
pub(super) struct Activations {
    buffers: [wgpu::Buffer; 2],
    /// `bindings[n]`: buffer `n` is read, the other written.
    pub bindings: [wgpu::BindGroup; 2],
}

/// Windows whose details are under way: some are computed while others are read.
const WINDOWS: usize = AT_ONCE;

/// Batches smaller than this need no new buffers.
const FIRST_CAPACITY: usize = 128;

impl BatchBuffers {
    pub fn new(device: &GpuDevice, pipelines: &Pipelines, plan: &BatchPlan, mask_words: usize) -> Self {
        Self::of_capacity(device, pipelines, plan, mask_words, FIRST_CAPACITY)
    }

    fn of_capacity(
        device: &GpuDevice,
        pipelines: &Pipelines,
        plan: &BatchPlan,
        mask_words: usize,
        capacity: usize,
    ) -> Self {
        let uploaded = Usages::STORAGE | Usages::COPY_DST;
        let in_upload = capacity.min(plan.masks_per_upload);
        let window = device.buffer("window", size_of::<Window>(), Usages::UNIFORM | Usages::COPY_DST);
        let masks = device.buffer("masks", in_upload * mask_words * 4, uploaded);
        let mask_networks = device.buffer("mask networks", in_upload * UPLOAD_FACTS * 4, uploaded);
        let sums = capacity * SUMS * 4;
        let counts = device.buffer("counts", sums, uploaded | Usages::COPY_SRC);
        let read_back = Usages::MAP_READ | Usages::COPY_DST;
        Self {
            binding: device.bind(
                "batch",
                &pipelines.batch_layout,
                &[&window, &masks, &mask_networks, &counts],
            ),
            read_back: device.buffer("counts read-back", STAMP_BYTES as usize + sums, read_back),
            mask_words,
            capacity,
            window,
            masks,
            mask_networks,
            counts,
            activations: None,
            details: [const { None }; WINDOWS],
        }
    }

    /// Makes room for a batch of `masks`, scored on chunks of at most `samples`.
    pub fn reserve(
        &mut self,
        device: &GpuDevice,
        pipelines: &Pipelines,
        plan: &BatchPlan,
        masks: usize,
        samples: usize,
    ) {
        if masks > self.capacity {
            let capacity = masks.next_power_of_two();
            let larger = Self::of_capacity(device, pipelines, plan, self.mask_words, capacity);
            *self = Self { activations: self.activations.take(), ..larger };
        }
        let Some(tiled) = pipelines.tiled() else { return };
        let pairs = plan.most_pairs(self.capacity, samples);
        let bytes = tiled.widths.map(|width| pairs * width as u64 * 16);
        let enough = |held: &Activations| held.buffers.iter().zip(bytes).all(|(b, n)| b.size() >= n);
        if !self.activations.as_ref().is_some_and(enough) {
            // The old ones go first.
            self.activations = None;
            let usage = Usages::STORAGE | Usages::COPY_DST;
            let buffers = bytes.map(|bytes| device.buffer("activations", bytes as usize, usage));
            let [even, odd] = &buffers;
            let bindings = [[even, odd], [odd, even]]
                .map(|pair| device.bind("activations", &tiled.activations_layout, &pair));
            self.activations = Some(Activations { buffers, bindings });
        }
    }

    /// Makes room for so many `bytes` of details of a window, whose buffers are those of its `turn`.
    pub fn reserve_details(&mut self, device: &GpuDevice, pipelines: &Pipelines, turn: usize, bytes: u64) {
        let place = &mut self.details[turn % WINDOWS];
        if place.as_ref().is_some_and(|held| held.kept.size() >= bytes) {
            return;
        }
        // The old ones go first.
        *place = None;
        let buffer = |label, usage| device.buffer(label, bytes as usize, usage | Usages::COPY_DST);
        let kept = buffer("details", Usages::STORAGE | Usages::COPY_SRC);
        let batch = [&self.window, &self.masks, &self.mask_networks, &kept];
        *place = Some(DetailBuffers {
            binding: device.bind("batch and details", &pipelines.batch_layout, &batch),
            read_back: buffer("details read-back", Usages::MAP_READ),
            kept,
        });
    }

    /// Where the details of the window of this `turn` go.
    ///
    /// # Panics
    /// Where no room was made for them.
    pub fn details(&self, turn: usize) -> &DetailBuffers {
        self.details[turn % WINDOWS].as_ref().expect("room for details")
    }

    pub fn poison(&self, device: &GpuDevice, word: u32) {
        let activations = self.activations.iter().flat_map(|held| &held.buffers);
        let details = self.details.iter().flatten().map(|details| &details.kept);
        for buffer in [&self.counts].into_iter().chain(activations).chain(details) {
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
        &self,
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
        // The networks within their shard, and the masks' margins, or what they may get wrong.
        let mut facts: Vec<u32> = members.iter().map(|&mask| batch.networks[mask] - first_network).collect();
        let words = |margin: &Margin| [margin.tau(), margin.scale(), margin.enough()].map(f32::to_bits);
        match extra {
            Extra::Nothing | Extra::CrossEntropy => {}
            Extra::Margins(margins) => {
                facts.extend(members.iter().flat_map(|&mask| words(&margins[mask])));
            }
            Extra::Allowed(allowed) => facts.extend(members.iter().map(|&mask| allowed[mask])),
        }
        staging.write(
            device,
            encoder,
            &[(&self.window, &[window_words]), (&self.masks, &runs), (&self.mask_networks, &[&facts])],
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

impl DetailBuffers {
    /// Sets the first `words` to zero.
    pub fn clear(&self, encoder: &mut wgpu::CommandEncoder, words: usize) {
        encoder.clear_buffer(&self.kept, 0, Some(words as u64 * 4));
    }

    pub fn copy(&self, encoder: &mut wgpu::CommandEncoder, words: usize) {
        encoder.copy_buffer_to_buffer(&self.kept, 0, &self.read_back, 0, Some(words as u64 * 4));
    }

    /// Shows `take` the first `words`, once `submission` is done, which copies them.
    pub fn read(
        &self,
        device: &GpuDevice,
        words: usize,
        submission: wgpu::SubmissionIndex,
        take: impl FnOnce(&[u32]),
    ) -> Result<(), EvaluateError> {
        device.read_with(&self.read_back, words as u64 * 4, submission, |bytes| {
            take(bytemuck::cast_slice(bytes))
        })
    }
}
