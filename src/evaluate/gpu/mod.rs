//! The wgpu evaluator: masks go up as packed words, one count per mask comes back, and where it is wanted a
//! loss.
//!
//! Everything that can be decided without a device is decided in `plan`, `pace` and the two kernels'
//! text modules; this module uploads, dispatches and reads back.

mod arithmetic;
mod backend;
mod clock;
mod device;
mod device_data;
mod fused;
pub mod neighbours;
mod peak;
mod pipelines;
pub mod plan;
#[cfg(test)]
mod spirv;
mod submission_time;
mod submissions;
mod tiled;
mod tuning;
mod upload;

pub use backend::GpuBackend;
pub use device::{AdapterDescription, GpuDevice, SOFTWARE, adapters};
pub(crate) use device::{Interfaces, enumerate};
pub use tuning::cache_file;

use crate::dataset::{Dataset, Split};
use crate::evaluate::overflow::FeatureBounds;
use crate::evaluate::{
    AdapterInfo, Arithmetic, Batch, EvaluateError, Evaluator, HostTimes, Question, check_labels,
};
use crate::network::{Architecture, Network};
use crate::objective::margin::Margin;
use crate::objective::{Objective, Score};
use bytemuck::{Pod, Zeroable};
use clock::Clock;
use device_data::{BatchBuffers, Chunk, Networks};
use pipelines::{Compilation, Pipelines, Variant};
use plan::{Limits, Plan, SUMS, Shape};
use std::path::Path;
use std::time::{Duration, Instant};
use submission_time::Pace;
use submissions::{Flight, IN_FLIGHT};
use upload::Uplink;

/// The part of a batch that one submission covers; `Window` of `shaders/batch.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
struct Window {
    first_mask: u32,
    masks: u32,
    first_vector: u32,
    end_vector: u32,
    stride: u32,
    first_count: u32,
    first_extra: u32,
    first_loss: u32,
}

/// How an evaluator is built where the device's own answer is not wanted.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The kernel, one of [`plan::candidates`].
    pub shape: Option<Shape>,
    /// Limits below the device's own.
    pub limits: Option<Limits>,
    /// Multiply-adds of one submission, at most, beside what the measured speed allows.
    pub most_work: u64,
    /// Let the shaders check every index and bound every loop. Software adapters do by default, where it
    /// costs nothing measurable; hardware does not.
    pub checked: Option<bool>,
    /// Sum over subgroups first; by default where the device has them, without which it is an error.
    pub subgroups: Option<bool>,
}

impl Default for Options {
    fn default() -> Self {
        Self { shape: None, limits: None, most_work: u64::MAX, checked: None, subgroups: None }
    }
}

/// Scores masks on a wgpu device.
#[derive(Debug)]
pub struct GpuEvaluator {
    device: GpuDevice,
    architecture: Architecture,
    plan: Plan,
    options: Options,
    pipelines: Pipelines,
    networks: Networks,
    /// `[split]`
    chunks: [Vec<Chunk>; 3],
    batch: BatchBuffers,
    uplink: Uplink,
    clock: Option<Clock>,
    pace: Pace,
    device_time: Option<Duration>,
    host_times: HostTimes,
    /// `[masks]` of the last batch.
    executed: Vec<u64>,
    found_wrong: Vec<u32>,
    bounds: FeatureBounds,
    /// `[split]`: why there are no losses, where a sample's class has no output.
    no_loss: [Option<String>; 3],
}

impl GpuEvaluator {
    /// Uploads `networks` (all of `architecture`) and both sets of `dataset`, and builds the kernels.
    ///
    /// # Errors
    /// [`EvaluateError::Unsupported`] where the device cannot hold one network or a few samples; errors of
    /// the device.
    pub fn new(
        device: &GpuDevice,
        architecture: &Architecture,
        networks: &[Network],
        dataset: &Dataset,
    ) -> Result<Self, EvaluateError> {
        Self::with_options(device, architecture, networks, dataset, Options::default())
    }

    /// As [`new`](Self::new), with the kernel that is fastest here: as remembered in the file `choices`
    /// ([`cache_file`]), else by a measurement of a few seconds, which is remembered.
    pub fn tuned(
        device: &GpuDevice,
        architecture: &Architecture,
        networks: &[Network],
        dataset: &Dataset,
        choices: &Path,
    ) -> Result<Self, EvaluateError> {
        let shape = tuning::choose(device, architecture, dataset.train.len(), choices)?;
        let options = Options { shape: Some(shape), ..Options::default() };
        Self::with_options(device, architecture, networks, dataset, options)
    }

    /// As [`new`](Self::new), with `options`.
    pub fn with_options(
        device: &GpuDevice,
        architecture: &Architecture,
        networks: &[Network],
        dataset: &Dataset,
        options: Options,
    ) -> Result<Self, EvaluateError> {
        if let Some(other) = networks.iter().find(|network| network.architecture() != architecture) {
            return Err(unsupported(format!("a network {} among {architecture}", other.architecture())));
        }
        for samples in Split::ALL.map(|split| dataset.split(split)) {
            if samples.width != architecture.inputs() {
                return Err(unsupported(format!(
                    "the data have {} features, the architecture {architecture} takes {}",
                    samples.width,
                    architecture.inputs()
                )));
            }
        }
        let bounds = FeatureBounds::of(dataset);
        networks.iter().try_for_each(|network| bounds.check(network))?;
        let limits = options.limits.unwrap_or(device.description().limits);
        let plan = options
            .shape
            .map_or_else(
                || plan::candidates(architecture, &limits, device.is_software()).map(|shapes| shapes[0]),
                Ok,
            )
            .and_then(|shape| Plan::new(architecture, &limits, shape))
            .map_err(|error| unsupported(format!("{}: {error}", device.description().info.name)))?;
        let no_loss = Split::ALL.map(|split| {
            check_labels(dataset.split(split), architecture).err().map(|error| error.to_string())
        });
        let compilation = Compilation {
            checked: options.checked.unwrap_or(device.is_software()),
            subgroups: options.subgroups.unwrap_or(device.description().subgroups),
        };
        device.guarded(|| {
            let pipelines = Pipelines::new(device, architecture, &plan.kernel, compilation);
            let networks = Networks::new(device, architecture, &plan, &pipelines, networks);
            let chunks =
                Split::ALL.map(|split| device_data::chunks(device, &plan, &pipelines, dataset.split(split)));
            let batch = BatchBuffers::new(device, &pipelines, architecture.mask_words());
            Ok(Self {
                device: device.clone(),
                architecture: architecture.clone(),
                plan,
                options,
                pipelines,
                networks,
                chunks,
                batch,
                uplink: Uplink::new(device, IN_FLIGHT + 1),
                clock: Clock::new(device),
                pace: Pace::default(),
                device_time: None,
                host_times: HostTimes::default(),
                executed: Vec::new(),
                found_wrong: Vec::new(),
                bounds,
                no_loss,
            })
        })
    }

    /// The kernel in use.
    pub fn shape(&self) -> Shape {
        self.plan.shape
    }

    /// How batches are cut.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The samples that were found wrong of each mask of the last
    /// [`score_at_least`](Evaluator::score_at_least): of one that was given up, not all that are.
    pub fn found_wrong(&self) -> &[u32] {
        &self.found_wrong
    }

    /// Fills every buffer that a kernel writes with `word`, so that a test sees what is read unwritten.
    pub fn poison(&mut self, word: u32) -> Result<(), EvaluateError> {
        self.device.guarded(|| {
            self.batch.poison(&self.device, word);
            Ok(())
        })
    }

    /// As [`sums`](Self::sums), of a batch that is not empty: one answer per mask, in the batch's order.
    fn run(
        &mut self,
        split: Split,
        batch: &Batch<'_>,
        extra: Extra<'_>,
    ) -> Result<Vec<Score>, EvaluateError> {
        let begun = Instant::now();
        let masks = batch.networks.len();
        let sums = if extra.variant() == Variant::Losses { masks * SUMS } else { masks };
        self.pipelines.prepare(&self.device, extra.variant());
        let samples = self.chunks(split).iter().map(|chunk| chunk.samples).max().unwrap_or(0);
        self.batch.reserve(&self.device, &self.pipelines, &self.plan, masks, samples);
        self.device_time = None;
        self.host_times = HostTimes::default();
        if let Some(clock) = &mut self.clock {
            clock.start();
        }
        let order = self.networks.order(batch.networks);
        let mut flight = Flight::new(extra.variant() == Variant::Minimum);
        let mut recording = Recording::new(&self.device);
        self.batch.clear_counts(&mut recording.encoder, sums);
        let mut done = 0;
        for (shard, members) in self.networks.runs(&order, batch.networks) {
            for members in members.chunks(self.plan.masks_per_upload) {
                let upload = Upload { batch, extra, members, shard, first_count: done };
                self.score_upload(split, &upload, &mut recording, &mut flight)?;
                done += members.len();
            }
        }
        self.batch.copy_counts(&mut recording.encoder, sums);
        if let Some(clock) = &self.clock {
            clock.resolve(&mut recording.encoder, &self.batch.read_back);
        }
        let submission = self.submit(recording, &mut flight);
        self.device.wait(submission.clone())?;
        let done = Instant::now();
        let (sums, stamps) = self.batch.read_counts(&self.device, sums, submission)?;
        self.host_times.read_back = done.elapsed();
        let times = self.clock.as_ref().and_then(|clock| clock.times(&stamps));
        self.device_time = times.as_ref().map(|times| times.iter().sum());
        flight.landed(&mut self.pace, times.as_deref());

        let mut in_batch_order = vec![Score::default(); masks];
        let (counts, losses) = sums.split_at(masks);
        for (&count, &mask) in counts.iter().zip(&order) {
            in_batch_order[mask].correct = count;
        }
        for (words, &mask) in losses.chunks_exact(2).zip(&order) {
            in_batch_order[mask].loss = u64::from(words[0]) | u64::from(words[1]) << 32;
        }
        if let Extra::Allowed(allowed) = extra {
            let whole = in_batch_order.iter().zip(allowed).filter(|(sum, allowed)| sum.correct <= **allowed);
            let samples: usize = self.chunks(split).iter().map(|chunk| chunk.samples).sum();
            let least = (whole.count() * samples * self.plan.weights) as u64;
            self.pace.learn_between(least, u64::MAX, self.device_time.unwrap_or_else(|| begun.elapsed()));
        }
        Ok(in_batch_order)
    }

    /// Scores the masks of one upload on all samples. The last window's commands are left in `recording`.
    fn score_upload(
        &mut self,
        split: Split,
        upload: &Upload<'_>,
        recording: &mut Recording,
        flight: &mut Flight,
    ) -> Result<(), EvaluateError> {
        let masks = upload.members.len();
        let mut uploaded = false;
        for chunk in 0..self.chunks(split).len() {
            let vectors = self.chunks(split)[chunk].samples.div_ceil(self.plan.lanes);
            let mut first_mask = 0;
            while first_mask < masks {
                let work = self.pace.work().min(self.options.most_work);
                let left = masks - first_mask;
                let (window_masks, window_vectors) = match upload.extra.variant() {
                    Variant::Minimum => self.plan.window_to_give_up(left, vectors, work),
                    Variant::Counts | Variant::Losses => self.plan.window(left, vectors, work),
                };
                for first_vector in (0..vectors).step_by(window_vectors) {
                    let window = Window {
                        first_mask: first_mask as u32,
                        masks: window_masks as u32,
                        first_vector: first_vector as u32,
                        end_vector: vectors.min(first_vector + window_vectors) as u32,
                        stride: self.chunks(split)[chunk].stride_vectors as u32,
                        first_count: upload.first_count as u32,
                        first_extra: masks as u32,
                        first_loss: upload.batch.networks.len() as u32,
                    };
                    if recording.work > 0 {
                        let full = std::mem::replace(recording, Recording::new(&self.device));
                        self.submit(full, flight);
                    }
                    flight.make_room(&self.device, &mut self.pace)?;
                    self.record(split, chunk, &window, upload, !uploaded, recording)?;
                    uploaded = true;
                }
                first_mask += window_masks;
            }
        }
        Ok(())
    }

    /// Records one window, and before it the upload of its masks where that is due.
    fn record(
        &mut self,
        split: Split,
        chunk: usize,
        window: &Window,
        upload: &Upload<'_>,
        with_masks: bool,
        recording: &mut Recording,
    ) -> Result<(), EvaluateError> {
        let encoder = &mut recording.encoder;
        let masks = if with_masks { Some(upload) } else { None };
        let first_network = self.networks.first_of(upload.shard) as u32;
        let begun = Instant::now();
        self.batch.write(&self.device, &mut self.uplink, encoder, window, masks, first_network)?;
        self.host_times.upload += begun.elapsed();
        let samples = &self.chunks[split as usize][chunk];
        let stamps = self.clock.as_mut().and_then(Clock::stamps);
        let bindings = [self.networks.binding(upload.shard), &samples.binding];
        self.pipelines.encode(encoder, window, &self.batch, bindings, stamps, upload.extra.variant());
        let vectors = u64::from(window.end_vector - window.first_vector);
        recording.work = u64::from(window.masks) * vectors * (self.plan.weights * self.plan.lanes) as u64;
        Ok(())
    }

    fn submit(&mut self, recording: Recording, flight: &mut Flight) -> wgpu::SubmissionIndex {
        let submission = self.device.queue.submit([recording.encoder.finish()]);
        self.uplink.release();
        flight.launched(submission.clone(), recording.work);
        submission
    }

    /// What comes back of a checked batch: where masks have a minimum, wrong samples in the place of correct ones.
    fn sums(
        &mut self,
        split: Split,
        batch: &Batch<'_>,
        extra: Extra<'_>,
    ) -> Result<Vec<Score>, EvaluateError> {
        self.note_executed(split, batch);
        if batch.networks.is_empty() || self.chunks(split).is_empty() {
            return Ok(vec![Score::default(); batch.networks.len()]);
        }
        let device = self.device.clone();
        device.occupied(|| self.run(split, batch, extra))
    }

    /// As [`Question::AtLeast`] asks, masks being given up on the device.
    fn count_at_least(
        &mut self,
        split: Split,
        batch: &Batch<'_>,
        minimum: &[u32],
    ) -> Result<Vec<Option<Score>>, EvaluateError> {
        let samples: u32 = self.chunks(split).iter().map(|chunk| chunk.samples as u32).sum();
        let reachable = |mask: usize| samples.checked_sub(minimum[mask]);
        // A minimum above the number of samples is out of reach before the first of them.
        let allowed: Vec<u32> = (0..minimum.len()).map(|mask| reachable(mask).unwrap_or(0)).collect();
        let sums = self.sums(split, batch, Extra::Allowed(&allowed))?;
        let wrong: Vec<u32> = sums.into_iter().map(|sum| sum.correct).collect();
        let score = |mask: usize| {
            let is_reached = wrong[mask] <= reachable(mask)?;
            is_reached.then(|| Score { correct: samples - wrong[mask], loss: 0 })
        };
        let scores: Vec<Option<Score>> = (0..minimum.len()).map(score).collect();
        // How far each came that was given up depends on the order of workgroups.
        for (executed, score) in self.executed.iter_mut().zip(&scores) {
            *executed *= u64::from(score.is_some());
        }
        self.found_wrong = wrong;
        Ok(scores)
    }

    /// Notes what the kernels execute for each mask on all samples of `split`.
    fn note_executed(&mut self, split: Split, batch: &Batch<'_>) {
        let samples: usize = self.chunks(split).iter().map(|chunk| chunk.samples).sum();
        let masks = batch.masks.chunks_exact(self.architecture.mask_words());
        self.executed = masks.map(|mask| self.plan.multiply_adds_of(mask) * samples as u64).collect();
    }

    fn chunks(&self, split: Split) -> &[Chunk] {
        &self.chunks[split as usize]
    }
}

fn unsupported(message: String) -> EvaluateError {
    EvaluateError::Unsupported(message)
}

impl Evaluator for GpuEvaluator {
    fn adapter(&self) -> &AdapterInfo {
        &self.device.description().info
    }

    fn arithmetic(&self) -> Arithmetic {
        self.device.arithmetic()
    }

    fn executed(&self) -> &[u64] {
        &self.executed
    }

    fn device_time(&self) -> Option<Duration> {
        self.device_time
    }

    fn host_times(&self) -> Option<HostTimes> {
        Some(self.host_times)
    }

    fn set_network(&mut self, index: usize, network: &Network) -> Result<(), EvaluateError> {
        if *network.architecture() != self.architecture {
            return Err(unsupported(format!(
                "a network {} among {}",
                network.architecture(),
                self.architecture
            )));
        }
        if index >= self.networks.len() {
            return Err(unsupported(format!("network {index} of {}", self.networks.len())));
        }
        self.bounds.check(network)?;
        self.device.guarded(|| {
            self.networks.set(&self.device, index, network);
            Ok(())
        })
    }

    fn check_objective(&self, objective: &Objective) -> Result<(), EvaluateError> {
        margin_for(objective).map(drop)
    }

    fn answer(
        &mut self,
        split: Split,
        batch: Batch<'_>,
        question: Question<'_>,
    ) -> Result<Vec<Option<Score>>, EvaluateError> {
        let masks = batch.networks.len();
        batch.check(&self.architecture, self.networks.len())?;
        question.check(masks)?;
        let samples: u32 = self.chunks(split).iter().map(|chunk| chunk.samples as u32).sum();
        match question {
            Question::AtLeast(minimum)
                if self.plan.shape.gives_up() && minimum.iter().any(|&least| least > 0) =>
            {
                self.count_at_least(split, &batch, minimum)
            }
            Question::Counts | Question::AtLeast(_) => {
                let sums = self.sums(split, &batch, Extra::Nothing)?;
                self.found_wrong = sums.iter().map(|sum| samples - sum.correct).collect();
                let minimum =
                    |mask| if let Question::AtLeast(minimum) = question { minimum[mask] } else { 0 };
                let reaching = |(mask, sum): (usize, Score)| (sum.correct >= minimum(mask)).then_some(sum);
                Ok(sums.into_iter().enumerate().map(reaching).collect())
            }
            Question::Objectives(objectives) => {
                let margins = objectives.iter().map(margin_for).collect::<Result<Vec<Margin>, _>>()?;
                if let Some(reason) = &self.no_loss[split as usize] {
                    return Err(unsupported(reason.clone()));
                }
                let sums = self.sums(split, &batch, Extra::Margins(&margins))?;
                let has_loss = |objective: &Objective| objective.margin().is_some();
                let score =
                    |(sum, objective)| if has_loss(objective) { sum } else { Score { loss: 0, ..sum } };
                Ok(sums.into_iter().zip(objectives).map(|both| Some(score(both))).collect())
            }
        }
    }
}

/// The margin that a mask's loss is summed up with, the only loss that this evaluator has; any, where it has none.
fn margin_for(objective: &Objective) -> Result<Margin, EvaluateError> {
    match objective {
        Objective::Margin(margin) => Ok(*margin),
        Objective::Accuracy => Ok(Margin::new(1.0).expect("a margin of 1")),
        Objective::CrossEntropy => Err(unsupported(
            "cross-entropy is computed on the CPU only; use --adapter cpu, or the fitness \"margin\""
                .to_owned(),
        )),
    }
}

/// What goes up with each mask beside its bits; slices are `[masks]`.
#[derive(Clone, Copy)]
enum Extra<'a> {
    Nothing,
    Margins(&'a [Margin]),
    /// How many samples each mask may get wrong before it is given up.
    Allowed(&'a [u32]),
}

impl Extra<'_> {
    /// The kernels that read it.
    fn variant(&self) -> Variant {
        match self {
            Extra::Nothing => Variant::Counts,
            Extra::Margins(_) => Variant::Losses,
            Extra::Allowed(_) => Variant::Minimum,
        }
    }
}

/// Masks that go up together.
struct Upload<'a> {
    batch: &'a Batch<'a>,
    extra: Extra<'a>,
    /// Indices of the masks in the batch; their networks lie in one shard.
    members: &'a [usize],
    shard: usize,
    /// Where the first mask's count goes.
    first_count: usize,
}

/// The commands of the next submission, and their multiply-adds.
struct Recording {
    encoder: wgpu::CommandEncoder,
    work: u64,
}

impl Recording {
    fn new(device: &GpuDevice) -> Self {
        let label = wgpu::CommandEncoderDescriptor { label: Some("score") };
        Self { encoder: device.device.create_command_encoder(&label), work: 0 }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::Window;
    pub(crate) use super::pipelines::{BATCH, judging};

    /// Parses and validates WGSL without a device.
    pub fn validate(text: &str) -> naga::Module {
        let module = naga::front::wgsl::parse_str(text)
            .unwrap_or_else(|error| panic!("{}", error.emit_to_string(text)));
        naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::SUBGROUP)
            .validate(&module)
            .unwrap_or_else(|error| panic!("{}", error.emit_to_string(text)));
        module
    }

    /// The fields of the struct `name` with their offsets, and its size, as WGSL lays it out.
    pub fn fields(module: &naga::Module, name: &str) -> (Vec<(String, usize)>, usize) {
        let (members, span) = module
            .types
            .iter()
            .find_map(|(_, ty)| match (&ty.inner, ty.name.as_deref()) {
                (naga::TypeInner::Struct { members, span }, Some(found)) if found == name => {
                    Some((members, *span))
                }
                _ => None,
            })
            .unwrap_or_else(|| panic!("no struct {name}"));
        let field =
            |member: &naga::StructMember| (member.name.clone().unwrap_or_default(), member.offset as usize);
        (members.iter().map(field).collect(), span as usize)
    }

    #[test]
    fn the_window_lies_in_memory_as_the_kernels_read_it() {
        let ours = [
            ("first_mask", std::mem::offset_of!(Window, first_mask)),
            ("masks", std::mem::offset_of!(Window, masks)),
            ("first_vector", std::mem::offset_of!(Window, first_vector)),
            ("end_vector", std::mem::offset_of!(Window, end_vector)),
            ("stride", std::mem::offset_of!(Window, stride)),
            ("first_count", std::mem::offset_of!(Window, first_count)),
            ("first_extra", std::mem::offset_of!(Window, first_extra)),
            ("first_loss", std::mem::offset_of!(Window, first_loss)),
        ];
        let (theirs, span) = fields(&validate(BATCH), "Window");
        assert_eq!(span, size_of::<Window>());
        assert!(theirs.iter().map(|(field, offset)| (field.as_str(), *offset)).eq(ours));
    }
}
