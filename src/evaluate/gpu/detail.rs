//! How predictions, outputs and confusion counts of a batch come back: window by window, each read while the next is
//! computed.

use super::GpuEvaluator;
use super::evaluator::unfit;
use super::scoring::{Extra, Recording, Upload, WindowPart};
use super::sources::Variant;
use super::submissions::{AT_ONCE, Submissions};
use crate::dataset::Split;
use crate::evaluate::{Batch, Detail, EvaluateError};
use crate::objective::Needs;
use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

/// A window whose details were asked for.
struct DetailWindow {
    turn: usize,
    submission: wgpu::SubmissionIndex,
    /// Indices of its masks in the batch.
    masks: Vec<usize>,
    /// Its samples among those of the split.
    samples: Range<usize>,
    /// Words of each mask.
    words: usize,
}

/// A batch whose details come back.
struct DetailRun<'a> {
    needs: Needs,
    to: Detail<'a>,
    /// Samples of the split.
    samples: usize,
    /// Outputs of the network.
    outputs: usize,
    submissions: Submissions,
    asked: VecDeque<DetailWindow>,
    turns: usize,
}

impl DetailRun<'_> {
    /// Puts what was `kept` of some `samples` of a mask in its place.
    fn put(&mut self, kept: &[u32], mask: usize, samples: Range<usize>) {
        let first = mask * self.samples + samples.start;
        match &mut self.to {
            Detail::Predictions(to) => {
                to[first..][..samples.len()].copy_from_slice(&bytemuck::cast_slice(kept)[..samples.len()]);
            }
            Detail::Outputs(to) => {
                let kept: &[f32] = bytemuck::cast_slice(kept);
                let to = &mut to[first * self.outputs..][..samples.len() * self.outputs];
                // Without the sign of zeros, which a weight that is multiplied by zero may have changed.
                to.iter_mut().zip(kept).for_each(|(to, value)| *to = value + 0.0);
            }
            Detail::Confusion(to) => {
                let counts = &mut to[mask * kept.len()..][..kept.len()];
                counts.iter_mut().zip(kept).for_each(|(count, more)| *count += more);
            }
        }
    }
}

impl GpuEvaluator {
    /// Puts what is wanted of each mask of a checked batch in its place, for which there is room.
    pub(super) fn details(
        &mut self,
        split: Split,
        batch: &Batch<'_>,
        mut detail: Detail<'_>,
    ) -> Result<(), EvaluateError> {
        self.note_executed(split, batch);
        let needs = match &mut detail {
            Detail::Predictions(_) => Needs::Predictions,
            Detail::Outputs(_) => Needs::Outputs,
            Detail::Confusion(counts) => {
                counts.fill(0);
                Needs::Confusion
            }
        };
        if batch.networks.is_empty() || self.samples(split) == 0 {
            return Ok(());
        }
        let device = self.device.clone();
        device.occupied(|| {
            self.begin(split, batch.networks.len(), Variant::Detail(needs));
            let submissions = Submissions::new(false);
            let (samples, outputs) = (self.samples(split), self.plan.kept(needs).outputs);
            let asked = VecDeque::new();
            let mut run = DetailRun { needs, to: detail, samples, outputs, submissions, asked, turns: 0 };
            let order = self.networks.order(batch.networks);
            self.each_upload(batch, Extra::Nothing, &order, |this, upload| {
                let size = |this: &Self, masks, vectors, work| {
                    let size = this.plan.window_to_keep(needs, (masks, vectors), work);
                    size.map_err(|error| unfit(&this.device, &error))
                };
                this.each_window(split, upload, size, |this, part| this.ask(&mut run, upload, part))
            })?;
            while let Some(asked) = run.asked.pop_front() {
                self.collect(&mut run, &asked)?;
            }
            let times = self.read_clock()?;
            self.device_time = times.as_ref().map(|times| times.iter().sum());
            run.submissions.end(&mut self.limit, times.as_deref());
            Ok(())
        })
    }

    /// Submits one window, once the one before the last was read.
    fn ask(
        &mut self,
        run: &mut DetailRun<'_>,
        upload: &Upload<'_>,
        part: &WindowPart,
    ) -> Result<(), EvaluateError> {
        run.submissions.make_room(&self.device, &mut self.limit)?;
        if run.asked.len() == AT_ONCE
            && let Some(asked) = run.asked.pop_front()
        {
            self.collect(run, &asked)?;
        }
        let (window, turn) = (&part.window, run.turns);
        let masks = window.first_mask as usize..(window.first_mask + window.masks) as usize;
        let words = self.plan.detail_words(run.needs, (window.end_vector - window.first_vector) as usize);
        let all_words = words * masks.len();
        self.buffers.reserve_details(&self.device, &self.pipelines, turn, all_words as u64 * 4);
        let mut recording = Recording::new(&self.device);
        let details = self.buffers.details(turn);
        if run.needs != Needs::Outputs {
            details.clear(&mut recording.encoder, all_words);
        }
        let binding = details.binding.clone();
        self.record(&mut recording, upload, part, &binding, Variant::Detail(run.needs))?;
        self.buffers.details(turn).copy(&mut recording.encoder, all_words);
        let submission = self.submit(recording, &mut run.submissions);
        let chunks = &self.chunks[part.split as usize];
        let first: usize = chunks[..part.chunk].iter().map(|chunk| chunk.samples).sum();
        let end = first + chunks[part.chunk].samples.min(window.end_vector as usize * self.plan.lanes);
        let samples = first + window.first_vector as usize * self.plan.lanes..end;
        run.asked.push_back(DetailWindow {
            turn,
            submission,
            masks: upload.members[masks].to_vec(),
            samples,
            words,
        });
        run.turns += 1;
        Ok(())
    }

    /// Reads a window's details and puts them in their places.
    fn collect(&mut self, run: &mut DetailRun<'_>, asked: &DetailWindow) -> Result<(), EvaluateError> {
        let DetailWindow { turn, submission, masks, samples, words } = asked;
        self.device.wait(submission.clone())?;
        let done = Instant::now();
        let kept = self.buffers.details(*turn);
        kept.read(&self.device, words * masks.len(), submission.clone(), |kept| {
            for (kept, &mask) in kept.chunks_exact(*words).zip(masks) {
                run.put(kept, mask, samples.clone());
            }
        })?;
        self.host_times.read_back += done.elapsed();
        Ok(())
    }
}
