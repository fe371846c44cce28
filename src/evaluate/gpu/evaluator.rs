//! The wgpu evaluator: masks go up as packed words, one count per mask comes back, and where it is wanted a
//! loss.

use super::batch_buffers::BatchBuffers;
use super::clock::Clock;
use super::device::GpuDevice;
use super::kernel::{KernelShape, candidates};
use super::networks::Networks;
use super::pipelines::{Compilation, Pipelines};
use super::plan::{BatchPlan, PlanError};
use super::samples::{SampleChunk, chunks};
use super::scoring::Extra;
use super::staging::StagingRing;
use super::submission_limit::SubmissionLimit;
use super::submissions::AT_ONCE;
use crate::dataset::Split;
use crate::evaluate::overflow::FeatureBounds;
use crate::evaluate::{
    AdapterInfo, Arithmetic, Batch, Detail, EvaluateError, Evaluator, HostTimes, Problem, Question,
    check_labels,
};
use crate::memory;
use crate::network::{Architecture, Network};
use crate::objective::margin::Margin;
use crate::objective::measure::{Confusion, Measure};
use crate::objective::{Needs, Objective, Score};
use std::collections::BTreeMap;
use std::time::Duration;

/// How an evaluator is built where the device's own answer is not wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct GpuOptions {
    /// The kernel, one of the [`candidates`].
    pub shape: Option<KernelShape>,
    /// Multiply-adds of one submission, at most, beside what the measured speed allows.
    pub most_work: Option<u64>,
    /// Let the shaders check every index and bound every loop. Software adapters do by default, where it
    /// costs nothing measurable; hardware does not.
    pub checked: Option<bool>,
    /// Sum over subgroups first; by default where the device has them, without which it is an error.
    pub subgroups: Option<bool>,
}

/// Scores masks on a wgpu device.
#[derive(Debug)]
pub struct GpuEvaluator {
    pub(super) device: GpuDevice,
    architecture: Architecture,
    pub(super) plan: BatchPlan,
    pub(super) most_work: u64,
    pub(super) pipelines: Pipelines,
    pub(super) networks: Networks,
    /// `[split]`
    pub(super) chunks: [Vec<SampleChunk>; 3],
    pub(super) buffers: BatchBuffers,
    pub(super) staging: StagingRing,
    pub(super) clock: Option<Clock>,
    pub(super) limit: SubmissionLimit,
    pub(super) device_time: Option<Duration>,
    pub(super) host_times: HostTimes,
    /// `[masks]` of the last batch.
    executed: Vec<u64>,
    found_wrong: Vec<u32>,
    bounds: FeatureBounds,
    /// `[split]`: have the samples losses? Not where a class has no output.
    have_losses: [Result<(), EvaluateError>; 3],
}

impl GpuEvaluator {
    /// Uploads the networks of `problem` and all sets of its data, and builds the kernels.
    ///
    /// # Errors
    /// [`EvaluateError::Unsupported`] where shapes do not match, or the device cannot hold one network or a few
    /// samples; errors of the device.
    pub fn new(
        device: &GpuDevice,
        problem: &Problem<'_>,
        options: GpuOptions,
    ) -> Result<Self, EvaluateError> {
        let &Problem { architecture, networks, dataset } = problem;
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
        let arithmetic = device.arithmetic();
        networks.iter().try_for_each(|network| check_network(architecture, &bounds, network, arithmetic))?;
        let plan = plan(device, architecture, options.shape)?;
        require_memory(device, &plan, problem)?;
        let compilation = Compilation {
            checked: options.checked.unwrap_or(device.is_software()),
            subgroups: options.subgroups.unwrap_or(device.description().subgroups),
        };
        device.guarded(|| {
            let pipelines = Pipelines::new(device, architecture, &plan, compilation);
            Ok(Self {
                networks: Networks::new(device, &plan, &pipelines, networks),
                chunks: Split::ALL.map(|split| chunks(device, &plan, &pipelines, dataset.split(split))),
                buffers: BatchBuffers::new(device, &pipelines, &plan, architecture.mask_words()),
                device: device.clone(),
                architecture: architecture.clone(),
                plan,
                most_work: options.most_work.unwrap_or(u64::MAX),
                pipelines,
                staging: StagingRing::new(device, AT_ONCE + 1),
                clock: Clock::new(device),
                limit: SubmissionLimit::default(),
                device_time: None,
                host_times: HostTimes::default(),
                executed: Vec::new(),
                found_wrong: Vec::new(),
                bounds,
                have_losses: Split::ALL.map(|split| check_labels(dataset.split(split), architecture)),
            })
        })
    }

    /// The samples that were found wrong of each mask of the last
    /// [`score_at_least`](Evaluator::score_at_least): of one that was given up, not all that are.
    pub fn found_wrong(&self) -> &[u32] {
        &self.found_wrong
    }

    /// Fills every buffer that a kernel writes with `word`, so that a test sees what is read unwritten.
    pub fn poison(&mut self, word: u32) -> Result<(), EvaluateError> {
        self.device.guarded(|| {
            self.buffers.poison(&self.device, word);
            Ok(())
        })
    }

    /// Samples of `split`.
    pub(super) fn samples(&self, split: Split) -> usize {
        self.chunks[split as usize].iter().map(|chunk| chunk.samples).sum()
    }

    /// As [`Question::AtLeast`] asks, masks being given up on the device.
    fn count_at_least(
        &mut self,
        split: Split,
        batch: &Batch<'_>,
        minimum: &[u32],
    ) -> Result<Vec<Option<Score>>, EvaluateError> {
        let samples = self.samples(split) as u32;
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

    /// Counts and losses of checked masks, each by its objective.
    fn judged(
        &mut self,
        split: Split,
        batch: &Batch<'_>,
        objectives: &[Objective],
    ) -> Result<Vec<Score>, EvaluateError> {
        self.have_losses[split as usize].clone()?;
        let mut ways: BTreeMap<Judging, Vec<usize>> = BTreeMap::new();
        for (mask, objective) in objectives.iter().enumerate() {
            ways.entry(Judging::of(objective)).or_default().push(mask);
        }
        if let (1, Some((way, _))) = (ways.len(), ways.first_key_value()) {
            return self.judged_alike(*way, split, batch, objectives);
        }
        let mut scores = vec![Score::default(); objectives.len()];
        let (mut device_time, mut host_times) = (Some(Duration::ZERO), HostTimes::default());
        for (way, masks) in ways {
            let of_masks: Vec<Objective> = masks.iter().map(|&mask| objectives[mask]).collect();
            let (networks, words) = self.part(batch, &masks);
            let part = Batch { masks: &words, networks: &networks };
            let answers = self.judged_alike(way, split, &part, &of_masks)?;
            masks.iter().zip(answers).for_each(|(&mask, score)| scores[mask] = score);
            device_time = device_time.zip(self.device_time).map(|(one, other)| one + other);
            host_times.upload += self.host_times.upload;
            host_times.read_back += self.host_times.read_back;
        }
        (self.device_time, self.host_times) = (device_time, host_times);
        self.note_executed(split, batch);
        Ok(scores)
    }

    /// Counts and losses of checked masks, all of whose objectives are judged in this `way`.
    fn judged_alike(
        &mut self,
        way: Judging,
        split: Split,
        batch: &Batch<'_>,
        objectives: &[Objective],
    ) -> Result<Vec<Score>, EvaluateError> {
        match way {
            Judging::Margins => self.by_margins(split, batch, objectives),
            Judging::CrossEntropy => {
                self.device.check_hinge()?;
                self.sums(split, batch, Extra::CrossEntropy)
            }
            Judging::Confusion => {
                let counts = self.confusion(split, *batch)?;
                let classes = self.architecture.outputs();
                let measures = objectives.iter().filter_map(|objective| objective.measure());
                let judge = |(counts, measure): (&[u32], Measure)| {
                    let confusion = Confusion::new(counts, classes);
                    Score { correct: confusion.correct(), loss: measure.distance(&confusion) }
                };
                Ok(counts.chunks_exact(classes * classes).zip(measures).map(judge).collect())
            }
        }
    }

    /// Networks and words of some masks of a batch.
    fn part(&self, batch: &Batch<'_>, masks: &[usize]) -> (Vec<u32>, Vec<u32>) {
        let words = self.architecture.mask_words();
        let networks = masks.iter().map(|&mask| batch.networks[mask]).collect();
        (networks, masks.iter().flat_map(|&mask| &batch.masks[mask * words..][..words]).copied().collect())
    }

    /// Counts and losses of checked masks, each judged by a margin or by accuracy.
    fn by_margins(
        &mut self,
        split: Split,
        batch: &Batch<'_>,
        objectives: &[Objective],
    ) -> Result<Vec<Score>, EvaluateError> {
        let margin = |objective| margin_for(objective, &self.device);
        let margins = objectives.iter().map(margin).collect::<Result<Vec<Margin>, _>>()?;
        let sums = self.sums(split, batch, Extra::Margins(&margins))?;
        let score = |(sum, objective): (Score, &Objective)| match objective.margin() {
            Some(_) => sum,
            None => Score { loss: 0, ..sum },
        };
        Ok(sums.into_iter().zip(objectives).map(score).collect())
    }

    /// Notes what the kernels execute for each mask on all samples of `split`.
    pub(super) fn note_executed(&mut self, split: Split, batch: &Batch<'_>) {
        let samples = self.samples(split) as u64;
        let masks = batch.masks.chunks_exact(self.architecture.mask_words());
        self.executed = masks.map(|mask| self.plan.multiply_adds_of(mask) * samples).collect();
    }
}

fn unsupported(message: String) -> EvaluateError {
    EvaluateError::Unsupported(message)
}

/// Is `network` of `architecture`, and can its sums not overflow?
fn check_network(
    architecture: &Architecture,
    bounds: &FeatureBounds,
    network: &Network,
    arithmetic: Arithmetic,
) -> Result<(), EvaluateError> {
    if network.architecture() != architecture {
        return Err(unsupported(format!("a network {} among {architecture}", network.architecture())));
    }
    bounds.check(network, arithmetic)
}

/// How batches are cut, for the kernel of `shape` or the first candidate.
pub(super) fn plan(
    device: &GpuDevice,
    architecture: &Architecture,
    shape: Option<KernelShape>,
) -> Result<BatchPlan, EvaluateError> {
    let limits = &device.description().limits;
    let first = || Ok(candidates(architecture, limits, device.maker())?[0]);
    let plan = shape.map_or_else(first, Ok).and_then(|shape| BatchPlan::new(architecture, limits, shape));
    plan.map_err(|error| unfit(device, &error))
}

/// Refuses what a software adapter, whose memory is the machine's, has no room for. Hardware does not say what it has: it
/// refuses buffers, before anything is computed.
fn require_memory(device: &GpuDevice, plan: &BatchPlan, problem: &Problem<'_>) -> Result<(), EvaluateError> {
    if !device.is_software() {
        return Ok(());
    }
    let samples = Split::ALL.iter().map(|&split| problem.dataset.split(split).len()).sum();
    let networks = problem.networks.len();
    let needed = plan.device_bytes(problem.architecture, networks, samples);
    let what = || format!("{networks} networks {} on this adapter", problem.architecture);
    memory::require(needed, what).map_err(|error| unsupported(error.to_string()))
}

/// What does not fit the device.
pub(super) fn unfit(device: &GpuDevice, error: &PlanError) -> EvaluateError {
    unsupported(format!("{}: {error}", device.description().info.name))
}

impl Evaluator for GpuEvaluator {
    fn adapter(&self) -> &AdapterInfo {
        &self.device.description().info
    }

    fn arithmetic(&self) -> Arithmetic {
        self.device.arithmetic()
    }

    fn architecture(&self) -> &Architecture {
        &self.architecture
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
        check_network(&self.architecture, &self.bounds, network, self.arithmetic())?;
        if index >= self.networks.len() {
            return Err(unsupported(format!("network {index} of {}", self.networks.len())));
        }
        self.device.guarded(|| {
            self.networks.set(&self.device, index, network);
            Ok(())
        })
    }

    fn check_objective(&self, objective: &Objective) -> Result<(), EvaluateError> {
        if objective.measure().is_none() {
            return margin_for(objective, &self.device).map(drop);
        }
        let one = self.plan.window_to_keep(Needs::Confusion, (1, 1), 1);
        one.map(drop).map_err(|error| unfit(&self.device, &error))
    }

    fn answer(
        &mut self,
        split: Split,
        batch: Batch<'_>,
        question: Question<'_>,
    ) -> Result<Vec<Option<Score>>, EvaluateError> {
        batch.check(&self.architecture, self.networks.len())?;
        question.check(batch.networks.len())?;
        match question {
            Question::AtLeast(minimum)
                if self.plan.shape.gives_up() && minimum.iter().any(|&least| least > 0) =>
            {
                self.count_at_least(split, &batch, minimum)
            }
            Question::Counts | Question::AtLeast(_) => {
                let samples = self.samples(split) as u32;
                let sums = self.sums(split, &batch, Extra::Nothing)?;
                self.found_wrong = sums.iter().map(|sum| samples - sum.correct).collect();
                Ok(question.reaching(sums))
            }
            Question::Objectives(objectives) => {
                let scores = self.judged(split, &batch, objectives)?;
                Ok(scores.into_iter().map(Some).collect())
            }
        }
    }

    fn detail(&mut self, split: Split, batch: Batch<'_>, detail: Detail<'_>) -> Result<(), EvaluateError> {
        batch.check(&self.architecture, self.networks.len())?;
        let labels = || self.have_losses[split as usize].clone();
        detail.check(batch.networks.len(), self.samples(split), &self.architecture, labels)?;
        self.details(split, &batch, detail)
    }
}

/// What masks are judged by together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Judging {
    /// Margins, or counts alone.
    Margins,
    CrossEntropy,
    /// Measures of their confusion counts.
    Confusion,
}

impl Judging {
    fn of(objective: &Objective) -> Self {
        match objective {
            Objective::Measure(_) => Self::Confusion,
            Objective::CrossEntropy => Self::CrossEntropy,
            Objective::Accuracy | Objective::Margin(_) | Objective::Judged => Self::Margins,
        }
    }
}

/// The margin that a mask's loss is summed up with; any, where it is judged by something else.
fn margin_for(objective: &Objective, device: &GpuDevice) -> Result<Margin, EvaluateError> {
    let any = Margin::new(1.0).expect("a margin of 1");
    match objective {
        Objective::Margin(margin) => device.check_hinge().map(|()| *margin),
        Objective::CrossEntropy => device.check_hinge().map(|()| any),
        Objective::Accuracy | Objective::Measure(_) => Ok(any),
        Objective::Judged => Err(crate::evaluate::no_judge()),
    }
}
