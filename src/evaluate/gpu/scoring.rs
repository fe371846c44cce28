//! How a batch is scored: in uploads of masks, and windows of masks and samples, each a submission.

use super::GpuEvaluator;
use super::buffers::compute_pass;
use super::clock::{Clock, STAMP_BYTES};
use super::device::GpuDevice;
use super::plan::SUMS;
use super::sources::Variant;
use super::submissions::Submissions;
use crate::dataset::Split;
use crate::evaluate::{Batch, EvaluateError, HostTimes};
use crate::objective::Score;
use crate::objective::margin::Margin;
use bytemuck::{Pod, Zeroable};
use std::time::{Duration, Instant};

/// The part of a batch that one submission covers; `Window` of `shaders/batch.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub(super) struct Window {
    pub first_mask: u32,
    pub masks: u32,
    pub first_vector: u32,
    pub end_vector: u32,
    stride: u32,
    first_count: u32,
    first_extra: u32,
    first_loss: u32,
}

/// What goes up with each mask beside its bits; slices are `[masks]`.
#[derive(Clone, Copy)]
pub(super) enum Extra<'a> {
    Nothing,
    Margins(&'a [Margin]),
    /// Nothing, and the losses are cross-entropies.
    CrossEntropy,
    /// How many samples each mask may get wrong before it is given up.
    Allowed(&'a [u32]),
}

impl Extra<'_> {
    /// The kernels that read it.
    fn variant(&self) -> Variant {
        match self {
            Extra::Nothing => Variant::Counts,
            Extra::Margins(_) => Variant::Margins,
            Extra::CrossEntropy => Variant::CrossEntropy,
            Extra::Allowed(_) => Variant::Minimum,
        }
    }
}

/// Masks that go up together.
pub(super) struct Upload<'a> {
    pub batch: &'a Batch<'a>,
    pub extra: Extra<'a>,
    /// Indices of the masks in the batch; their networks lie in one shard.
    pub members: &'a [usize],
    shard: usize,
    /// Index of the shard's first network.
    pub first_network: u32,
    /// Where the first mask's count goes.
    first_count: usize,
}

/// A window of an upload.
pub(super) struct WindowPart {
    pub window: Window,
    pub split: Split,
    /// Index of its samples' chunk.
    pub chunk: usize,
    /// Do the upload's masks go up with it?
    with_masks: bool,
}

/// A batch under way.
struct BatchRun {
    split: Split,
    variant: Variant,
    recording: Recording,
    submissions: Submissions,
}

/// The commands of the next submission, and their multiply-adds.
pub(super) struct Recording {
    pub encoder: wgpu::CommandEncoder,
    work: u64,
}

impl Recording {
    pub fn new(device: &GpuDevice) -> Self {
        Self { encoder: device.encoder("score"), work: 0 }
    }
}

impl GpuEvaluator {
    /// What comes back of a checked batch, one answer per mask, in the batch's order: where masks have a minimum,
    /// wrong samples in the place of correct ones.
    pub(super) fn sums(
        &mut self,
        split: Split,
        batch: &Batch<'_>,
        extra: Extra<'_>,
    ) -> Result<Vec<Score>, EvaluateError> {
        self.note_executed(split, batch);
        if batch.networks.is_empty() || self.samples(split) == 0 {
            return Ok(vec![Score::default(); batch.networks.len()]);
        }
        let device = self.device.clone();
        device.occupied(|| self.run(split, batch, extra))
    }

    /// As [`sums`](Self::sums), of masks and samples that there are.
    fn run(
        &mut self,
        split: Split,
        batch: &Batch<'_>,
        extra: Extra<'_>,
    ) -> Result<Vec<Score>, EvaluateError> {
        let begun = Instant::now();
        let (masks, variant) = (batch.networks.len(), extra.variant());
        let words = if variant.has_losses() { masks * SUMS } else { masks };
        self.begin(split, masks, variant);
        let recording = Recording::new(&self.device);
        let submissions = Submissions::new(variant == Variant::Minimum);
        let mut run = BatchRun { split, variant, recording, submissions };
        self.buffers.clear_counts(&mut run.recording.encoder, words);
        let order = self.networks.order(batch.networks);
        self.each_upload(batch, extra, &order, |this, upload| this.score_upload(&mut run, upload))?;
        let sums = self.finish(run, words)?;
        let scores = in_batch_order(&sums, &order);
        if let Extra::Allowed(allowed) = extra {
            let whole = scores.iter().zip(allowed).filter(|(score, allowed)| score.correct <= **allowed);
            let least = (whole.count() * self.samples(split) * self.plan.weights) as u64;
            let time = self.device_time.unwrap_or_else(|| begun.elapsed());
            self.limit.learn(least, u64::MAX, time);
        }
        Ok(scores)
    }

    /// Makes everything ready for so many `masks` on `split`.
    pub(super) fn begin(&mut self, split: Split, masks: usize, variant: Variant) {
        self.pipelines.prepare(&self.device, variant);
        let samples = self.chunks[split as usize].iter().map(|chunk| chunk.samples).max().unwrap_or(0);
        self.buffers.reserve(&self.device, &self.pipelines, &self.plan, masks, samples);
        self.device_time = None;
        self.host_times = HostTimes::default();
        if let Some(clock) = &mut self.clock {
            clock.start();
        }
    }

    /// Cuts a batch, whose masks by shard are `order`, into uploads, and does with each what `work` does.
    pub(super) fn each_upload(
        &mut self,
        batch: &Batch<'_>,
        extra: Extra<'_>,
        order: &[usize],
        mut work: impl FnMut(&mut Self, &Upload<'_>) -> Result<(), EvaluateError>,
    ) -> Result<(), EvaluateError> {
        let most = self.plan.masks_per_upload;
        let mut first_count = 0;
        let runs: Vec<(usize, &[usize])> = self.networks.runs(order, batch.networks).collect();
        for (shard, members) in runs {
            let first_network = self.networks.first_of(shard) as u32;
            for members in members.chunks(most) {
                work(self, &Upload { batch, extra, members, shard, first_network, first_count })?;
                first_count += members.len();
            }
        }
        Ok(())
    }

    /// Scores the masks of one upload on all samples. The last window's commands are left in `run`.
    fn score_upload(&mut self, run: &mut BatchRun, upload: &Upload<'_>) -> Result<(), EvaluateError> {
        let variant = run.variant;
        let size = |this: &Self, masks, vectors, work| {
            Ok(match variant {
                Variant::Minimum => this.plan.window_to_give_up(masks, vectors, work),
                _ => this.plan.window(masks, vectors, work),
            })
        };
        self.each_window(run.split, upload, size, |this, part| {
            if run.recording.work > 0 {
                let full = std::mem::replace(&mut run.recording, Recording::new(&this.device));
                this.submit(full, &mut run.submissions);
            }
            run.submissions.make_room(&this.device, &mut this.limit)?;
            let batch = this.buffers.binding.clone();
            this.record(&mut run.recording, upload, part, &batch, variant)
        })
    }

    /// Cuts the masks of one upload and all samples into windows, of as many masks and vectors as `size` makes of those
    /// that are left and of the work that a submission may be, and does with each what `work` does.
    pub(super) fn each_window(
        &mut self,
        split: Split,
        upload: &Upload<'_>,
        size: impl Fn(&Self, usize, usize, u64) -> Result<(usize, usize), EvaluateError>,
        mut work: impl FnMut(&mut Self, &WindowPart) -> Result<(), EvaluateError>,
    ) -> Result<(), EvaluateError> {
        let masks = upload.members.len();
        let mut with_masks = true;
        for chunk in 0..self.chunks[split as usize].len() {
            let samples = &self.chunks[split as usize][chunk];
            let (vectors, stride) = (samples.samples.div_ceil(self.plan.lanes), samples.stride_vectors);
            let mut first_mask = 0;
            while first_mask < masks {
                let most_work = self.limit.work().min(self.most_work);
                let (window_masks, window_vectors) = size(self, masks - first_mask, vectors, most_work)?;
                for first_vector in (0..vectors).step_by(window_vectors) {
                    let window = Window {
                        first_mask: first_mask as u32,
                        masks: window_masks as u32,
                        first_vector: first_vector as u32,
                        end_vector: vectors.min(first_vector + window_vectors) as u32,
                        stride: stride as u32,
                        first_count: upload.first_count as u32,
                        first_extra: masks as u32,
                        first_loss: upload.batch.networks.len() as u32,
                    };
                    work(self, &WindowPart { window, split, chunk, with_masks })?;
                    with_masks = false;
                }
                first_mask += window_masks;
            }
        }
        Ok(())
    }

    /// Records one window, and before it the upload of its masks where that is due.
    pub(super) fn record(
        &mut self,
        recording: &mut Recording,
        upload: &Upload<'_>,
        part: &WindowPart,
        batch: &wgpu::BindGroup,
        variant: Variant,
    ) -> Result<(), EvaluateError> {
        let (window, encoder) = (&part.window, &mut recording.encoder);
        let begun = Instant::now();
        let masks = part.with_masks.then_some(upload);
        self.buffers.write(&self.device, &mut self.staging, encoder, window, masks)?;
        self.host_times.upload += begun.elapsed();
        let samples = &self.chunks[part.split as usize][part.chunk];
        let mut pass = compute_pass(encoder, "score", self.clock.as_mut().and_then(Clock::stamps));
        let bindings = (batch, self.networks.bindings(upload.shard), &samples.binding);
        self.pipelines.encode(&mut pass, window, self.buffers.activations.as_ref(), bindings, variant);
        drop(pass);
        let vectors = u64::from(window.end_vector - window.first_vector);
        recording.work = u64::from(window.masks) * vectors * (self.plan.weights * self.plan.lanes) as u64;
        Ok(())
    }

    pub(super) fn submit(
        &mut self,
        recording: Recording,
        submissions: &mut Submissions,
    ) -> wgpu::SubmissionIndex {
        let submission = self.device.queue.submit([recording.encoder.finish()]);
        self.staging.release();
        submissions.add(submission.clone(), recording.work);
        submission
    }

    /// Submits what is left of `run`, waits for it, and reads the first `words` words of counts and losses.
    fn finish(&mut self, run: BatchRun, words: usize) -> Result<Vec<u32>, EvaluateError> {
        let BatchRun { mut recording, mut submissions, .. } = run;
        self.buffers.copy_counts(&mut recording.encoder, words);
        if let Some(clock) = &self.clock {
            clock.resolve(&mut recording.encoder, &self.buffers.read_back);
        }
        let submission = self.submit(recording, &mut submissions);
        self.device.wait(submission.clone())?;
        let done = Instant::now();
        let (sums, stamps) = self.buffers.read_counts(&self.device, words, submission)?;
        self.host_times.read_back = done.elapsed();
        let times = self.clock.as_ref().and_then(|clock| clock.times(&stamps));
        self.device_time = times.as_ref().map(|times| times.iter().sum());
        submissions.end(&mut self.limit, times.as_deref());
        Ok(sums)
    }
}

impl GpuEvaluator {
    /// The time of each submission since [`begin`](Self::begin), where the device's clock timed all of them.
    pub(super) fn read_clock(&self) -> Result<Option<Vec<Duration>>, EvaluateError> {
        let Some(clock) = &self.clock else { return Ok(None) };
        let mut encoder = self.device.encoder("time stamps");
        clock.resolve(&mut encoder, &self.buffers.read_back);
        let submission = self.device.queue.submit([encoder.finish()]);
        let stamps = self.device.read(&self.buffers.read_back, STAMP_BYTES, submission)?;
        Ok(clock.times(&stamps))
    }
}

/// The scores of the masks of `order` from their counts and, where they were asked for, losses in two words each.
fn in_batch_order(sums: &[u32], order: &[usize]) -> Vec<Score> {
    let (counts, losses) = sums.split_at(order.len());
    let mut scores = vec![Score::default(); order.len()];
    for (&count, &mask) in counts.iter().zip(order) {
        scores[mask].correct = count;
    }
    for (words, &mask) in losses.chunks_exact(2).zip(order) {
        scores[mask].loss = u64::from(words[0]) | u64::from(words[1]) << 32;
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::Window;
    use crate::evaluate::gpu::wgsl::BATCH;
    use crate::evaluate::gpu::wgsl::tests::{assert_lies_as, offsets};

    #[test]
    fn the_window_lies_in_memory_as_the_kernels_read_it() {
        let fields = offsets!(
            Window: first_mask, masks, first_vector, end_vector, stride, first_count, first_extra, first_loss
        );
        assert_lies_as(BATCH, "Window", size_of::<Window>(), fields);
    }
}
