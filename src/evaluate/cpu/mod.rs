//! The CPU evaluator: masks and blocks of samples over all cores, samples over vector lanes.
//!
//! [`plain`] defines the right answer. A mask is compiled (`compile`) into a `program`: what is left of the
//! network (`reduce`), each layer in a form of its own (`forms`). `kernel` runs blocks of samples (`blocks`) through it,
//! with a kernel for each form (`sparse`, `dense`, `by_sample`, `two_outputs`), on vectors (`vector`) of the instruction
//! set that the processor has ([`instructions`]). Networks that no form serves are scored by the plain form.
//!
//! Each of these files imports only from those before it: `bits`, [`instructions`], `aligned`, `vector`; `order`, `blocks`,
//! `compact`, `bounds`, `row_tiles`; `program`, `reduce`, `forms`, `compile`; `passage`, `sparse`, `dense`, `by_sample`,
//! `two_outputs`, `loss`, `kernel`; `spin`, `dispatch`, [`peak`]; `backend`.

mod aligned;
mod backend;
mod bits;
mod blocks;
mod bounds;
mod by_sample;
mod compact;
mod compile;
mod dense;
mod dispatch;
mod forms;
pub mod instructions;
mod kernel;
mod loss;
mod order;
mod passage;
pub mod peak;
mod program;
mod reduce;
mod row_tiles;
mod sparse;
mod spin;
#[cfg(test)]
mod tests;
mod two_outputs;
mod vector;

pub use backend::CpuBackend;

use crate::account;
use crate::dataset::{Dataset, Split};
use crate::evaluate::overflow::FeatureBounds;
use crate::evaluate::plain;
use crate::evaluate::{AdapterInfo, Arithmetic, Batch, EvaluateError, Evaluator, Question, check_labels};
use crate::network::{Architecture, Network};
use crate::objective::{Objective, Score};
use blocks::Blocks;
use compile::{Compiler, Target};
use dispatch::Kernel;
use instructions::Instructions;
use kernel::{Scratch, Tally, Work};
use program::Program;
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Tasks per thread that a batch is cut into at least, so that threads finish together.
const TASKS_PER_THREAD: usize = 4;

/// The parts that the blocks of samples are cut into, each a task for each mask.
pub fn parts(masks: usize, blocks: usize, threads: usize) -> usize {
    (threads * TASKS_PER_THREAD).div_ceil(masks.max(1)).clamp(1, blocks.max(1))
}

/// Samples of a block with the processor's best instructions: the last one of a data set is padded to it.
pub fn block_samples() -> usize {
    let kernel = Kernel::new(Instructions::best(), Arithmetic::Fused);
    kernel.expect("the best instructions that there are").block()
}

/// The processor as an adapter, with the instructions in use.
pub fn describe(instructions: Instructions) -> AdapterInfo {
    AdapterInfo {
        name: instructions::processor_name(),
        backend: "cpu".to_owned(),
        driver: instructions.name().to_owned(),
        kind: "cpu".to_owned(),
    }
}

/// Scores masks on the processor's cores.
pub struct CpuEvaluator {
    architecture: Architecture,
    networks: Vec<Network>,
    dataset: Arc<Dataset>,
    bounds: FeatureBounds,
    /// `[split]`
    blocks: [Blocks; 3],
    arithmetic: Arithmetic,
    kernel: Kernel,
    target: Target,
    adapter: AdapterInfo,
    /// `[masks]` of the last batch.
    executed: Vec<u64>,
    /// Spaces that tasks borrow, so that none allocates in the steady state.
    spaces: Mutex<Vec<Space>>,
}

/// What a task writes to.
struct Space {
    compiler: Compiler,
    program: Program,
    scratch: Scratch,
}

impl CpuEvaluator {
    /// An evaluator of `networks` on `dataset`, with the processor's best instructions.
    ///
    /// # Errors
    /// [`EvaluateError::Unsupported`] when shapes do not match, or when activations could overflow.
    pub fn new(
        architecture: &Architecture,
        networks: &[Network],
        dataset: Arc<Dataset>,
        arithmetic: Arithmetic,
    ) -> Result<Self, EvaluateError> {
        Self::with_instructions(architecture, networks, dataset, arithmetic, Instructions::best())
    }

    /// As [`new`](Self::new), with instructions of the caller's choice.
    ///
    /// # Errors
    /// Also when the processor does not have these instructions.
    pub fn with_instructions(
        architecture: &Architecture,
        networks: &[Network],
        dataset: Arc<Dataset>,
        arithmetic: Arithmetic,
        instructions: Instructions,
    ) -> Result<Self, EvaluateError> {
        let kernel = Kernel::new(instructions, arithmetic).ok_or_else(|| {
            EvaluateError::Unsupported(format!(
                "this processor has no {} instructions; it has {}",
                instructions.name(),
                Instructions::available().iter().map(|i| i.name()).collect::<Vec<_>>().join(", ")
            ))
        })?;
        for samples in Split::ALL.map(|split| dataset.split(split)) {
            if samples.width != architecture.inputs() {
                return Err(EvaluateError::Unsupported(format!(
                    "the network {architecture} reads {} features, but the samples have {}",
                    architecture.inputs(),
                    samples.width
                )));
            }
        }
        let bounds = FeatureBounds::of(&dataset);
        for network in networks {
            check_network(architecture, network, &bounds)?;
        }
        let blocks = |split| Blocks::new(dataset.split(split), kernel.block(), architecture.outputs());
        Ok(Self {
            architecture: architecture.clone(),
            networks: networks.to_vec(),
            blocks: Split::ALL.map(blocks),
            dataset,
            bounds,
            target: Target::new(
                architecture,
                arithmetic,
                kernel.compact(),
                kernel.pack(),
                kernel.pair_inputs(),
            ),
            arithmetic,
            kernel,
            adapter: describe(instructions),
            executed: Vec::new(),
            spaces: Mutex::new(Vec::new()),
        })
    }

    /// What is counted per mask; more misclassified samples than `allowed(mask)` mean: given up.
    fn tally(
        &self,
        split: Split,
        batch: &Batch<'_>,
        allowed: impl Fn(usize) -> u32 + Sync,
        objective: impl Fn(usize) -> Objective + Sync,
    ) -> Vec<Tally> {
        if !forms::serve(self.target.layers()) {
            return self.tally_plainly(split, batch, objective);
        }
        let blocks = &self.blocks[split as usize];
        let masks = batch.networks.len();
        let tallies: Vec<Tally> = (0..masks).map(|_| Tally::default()).collect();
        let threads = rayon::current_num_threads();
        let parts = parts(masks, blocks.count(), threads);
        let tasks = masks * parts;
        let (next, account) = (AtomicUsize::new(0), account::Current::get());
        // Threads fetch tasks one by one, so that each asks for its space and for its processor time once a batch.
        (0..threads.min(tasks)).into_par_iter().with_max_len(1).for_each(|_| {
            let _charging = account.help();
            let mut space = self.borrow_space();
            loop {
                let task = next.fetch_add(1, Ordering::Relaxed);
                if task >= tasks {
                    break;
                }
                let (mask, part) = (task / parts, task % parts);
                let range = blocks.count() * part / parts..blocks.count() * (part + 1) / parts;
                let Space { compiler, program, scratch } = &mut space;
                self.compile(compiler, batch, mask, blocks.count(), program);
                let work = Work {
                    program,
                    blocks,
                    range,
                    scratch,
                    tally: &tallies[mask],
                    allowed: allowed(mask),
                    objective: objective(mask),
                };
                // SAFETY: blocks and space are made for this kernel and this architecture, and networks and samples were
                // checked to be of its shape; so was the batch, by all callers.
                unsafe { self.kernel.run(work) };
            }
            self.return_space(space);
        });
        tallies
    }

    /// As [`tally`](Self::tally) of masks that are never given up, by the plain form.
    fn tally_plainly(
        &self,
        split: Split,
        batch: &Batch<'_>,
        objective: impl Fn(usize) -> Objective + Sync,
    ) -> Vec<Tally> {
        let (samples, words) = (self.dataset.split(split), self.architecture.mask_words());
        let tally = |(n, mask): (usize, &[u32])| {
            let network = &self.networks[batch.networks[n] as usize];
            let score = plain::score(network, mask, samples, &objective(n), self.arithmetic);
            let active: u64 = mask.iter().map(|word| u64::from(word.count_ones())).sum();
            Tally {
                wrong: (samples.len() as u32 - score.correct).into(),
                loss: score.loss.into(),
                multiply_adds: (active * samples.len() as u64).into(),
            }
        };
        batch.masks.par_chunks_exact(words).enumerate().map(tally).collect()
    }

    /// Multiply-adds that are executed for each of the batch's masks over all samples of `split`: those of
    /// active weights, less what dead neurons, constants and inputs save that are zero for whole blocks of
    /// samples (for a sample, in wide layers), more what dense layers multiply by zero. Scores the batch to find out.
    ///
    /// # Errors
    /// [`EvaluateError::Unsupported`] for a batch of the wrong shape.
    pub fn multiply_adds(&self, split: Split, batch: Batch<'_>) -> Result<Vec<u64>, EvaluateError> {
        batch.check(&self.architecture, self.networks.len())?;
        let tallies = self.tally(split, &batch, |_| u32::MAX, |_| Objective::Accuracy);
        Ok(tallies.iter().map(Tally::executed).collect())
    }

    /// Compiles a mask for samples in so many `blocks`.
    fn compile(
        &self,
        compiler: &mut Compiler,
        batch: &Batch<'_>,
        mask: usize,
        blocks: usize,
        program: &mut Program,
    ) {
        let words = self.architecture.mask_words();
        let network = &self.networks[batch.networks[mask] as usize];
        compiler.compile(&self.target, network, &batch.masks[mask * words..][..words], blocks, program);
    }

    fn borrow_space(&self) -> Space {
        let space = self.spaces.lock().unwrap_or_else(PoisonError::into_inner).pop();
        space.unwrap_or_else(|| {
            let widest = self.architecture.widths()[1..].iter().max().copied().unwrap_or(0);
            let by_sample = forms::any_by_sample(self.target.layers());
            let scratch = Scratch::new(widest, self.kernel.block(), by_sample);
            Space { compiler: Compiler::default(), program: Program::default(), scratch }
        })
    }

    fn return_space(&self, space: Space) {
        self.spaces.lock().unwrap_or_else(PoisonError::into_inner).push(space);
    }
}

/// Checks that `network` has the evaluator's shape and cannot overflow on data of these bounds.
fn check_network(
    architecture: &Architecture,
    network: &Network,
    bounds: &FeatureBounds,
) -> Result<(), EvaluateError> {
    if network.architecture() != architecture {
        return Err(EvaluateError::Unsupported(format!(
            "the evaluator scores networks {architecture}, but was given one of {}",
            network.architecture()
        )));
    }
    bounds.check(network)
}

impl Evaluator for CpuEvaluator {
    fn adapter(&self) -> &AdapterInfo {
        &self.adapter
    }

    fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    fn executed(&self) -> &[u64] {
        &self.executed
    }

    fn set_network(&mut self, index: usize, network: &Network) -> Result<(), EvaluateError> {
        if index >= self.networks.len() {
            return Err(EvaluateError::Unsupported(format!(
                "network {index} cannot be replaced: the evaluator has {}",
                self.networks.len()
            )));
        }
        check_network(&self.architecture, network, &self.bounds)?;
        self.networks[index] = network.clone();
        Ok(())
    }

    fn answer(
        &mut self,
        split: Split,
        batch: Batch<'_>,
        question: Question<'_>,
    ) -> Result<Vec<Option<Score>>, EvaluateError> {
        batch.check(&self.architecture, self.networks.len())?;
        question.check(batch.networks.len())?;
        let samples = self.dataset.split(split);
        if let Question::Objectives(_) = question {
            check_labels(samples, &self.architecture)?;
        }
        let samples = samples.len() as u32;
        // A minimum above the number of samples is out of reach before the first of them.
        let allowed = |mask: usize| match question {
            Question::AtLeast(minimum) => samples.checked_sub(minimum[mask]),
            _ => Some(samples),
        };
        let objective = |mask: usize| match question {
            Question::Objectives(objectives) => objectives[mask],
            _ => Objective::Accuracy,
        };
        let tallies = self.tally(split, &batch, |mask| allowed(mask).unwrap_or(0), objective);
        let score = |(mask, tally): (usize, &Tally)| {
            let wrong = tally.wrong.load(Ordering::Relaxed);
            let loss = tally.loss.load(Ordering::Relaxed);
            (wrong <= allowed(mask)?).then(|| Score { correct: samples - wrong, loss })
        };
        let scores: Vec<Option<Score>> = tallies.iter().enumerate().map(score).collect();
        let executed = tallies.iter().zip(&scores);
        self.executed = executed.map(|(tally, score)| score.map_or(0, |_| tally.executed())).collect();
        Ok(scores)
    }
}
