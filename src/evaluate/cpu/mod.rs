//! The CPU evaluator: masks and blocks of samples over all cores, samples over vector lanes.
//!
//! [`plain`] defines the right answer. A mask is compiled (`compile`) into a `program`: what is left of the
//! network (`reduce`), each layer in a form of its own (`forms`). `kernel` runs blocks of samples (`blocks`) through it,
//! with a kernel for each form (`sparse`, `dense`, `wide_layers`, `two_outputs`), on the vectors (`evaluate::vector`) of the
//! instruction set that the processor has ([`instructions`]). Networks that no form serves are scored by the plain form.
//!
//! Each of these files imports only from those before it: `bits`, [`instructions`], `aligned`; `order`, `blocks`,
//! `compact`, `row_tiles`, `bounds`; `program`, `reduce`, `forms`, `compile`; `layer_io`, `sparse`, `dense`, `wide_layers`,
//! `two_outputs`, `loss`, `places`, `kernel`; `peak_loop`, `dispatch`, [`peak`]; `backend`.

mod aligned;
mod backend;
mod bits;
mod blocks;
mod bounds;
mod compact;
mod compile;
mod dense;
mod dispatch;
mod forms;
pub mod instructions;
mod kernel;
mod layer_io;
mod loss;
mod order;
pub mod peak;
mod peak_loop;
mod places;
mod program;
mod reduce;
mod row_tiles;
mod sparse;
#[cfg(test)]
mod tests;
mod two_outputs;
mod wide_layers;

pub use backend::CpuBackend;

use crate::account;
use crate::dataset::{Dataset, Split};
use crate::evaluate::detail::{Detail, Places};
use crate::evaluate::overflow::FeatureBounds;
use crate::evaluate::plain;
use crate::evaluate::{
    AdapterInfo, Arithmetic, Batch, EvaluateError, Evaluator, Question, check_labels, measured_distances,
};
use crate::network::{Architecture, Network};
use crate::objective::Score;
use crate::objective::measure::Measure;
use blocks::Blocks;
use compile::{Compiler, Target};
use dispatch::CpuKernel;
use instructions::Instructions;
use kernel::{KernelScratch, Tally, Work};
use program::MaskProgram;
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Tasks per thread that a batch is cut into at least, so that threads finish together.
const TASKS_PER_THREAD: usize = 4;

/// The parts that the blocks of samples are cut into, each a task for each mask.
fn parts(masks: usize, blocks: usize, threads: usize) -> usize {
    (threads * TASKS_PER_THREAD).div_ceil(masks.max(1)).clamp(1, blocks.max(1))
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
    kernel: CpuKernel,
    target: Target,
    adapter: AdapterInfo,
    /// `[masks]` of the last batch.
    executed: Vec<u64>,
    /// Spaces that tasks borrow, so that none allocates in the steady state.
    spaces: Mutex<Vec<ScoringSpace>>,
}

/// What a task writes to.
struct ScoringSpace {
    compiler: Compiler,
    program: MaskProgram,
    scratch: KernelScratch,
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
        let kernel = CpuKernel::new(instructions, arithmetic).ok_or_else(|| {
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
            check_network(architecture, network, &bounds, arithmetic)?;
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

    /// What is counted per mask, on all samples of the split, or until it is clear that a mask misses its minimum. More of
    /// what a mask's outputs are goes to its place in `places`, which has one for each mask, or none at all.
    fn tally(
        &self,
        split: Split,
        batch: &Batch<'_>,
        question: Question<'_>,
        places: &[Option<Places<'_>>],
    ) -> Vec<Tally> {
        if !forms::serve(self.target.layers()) {
            return self.tally_plainly(split, batch, question, places);
        }
        let samples = self.dataset.split(split).len() as u32;
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
                let ScoringSpace { compiler, program, scratch } = &mut space;
                self.compile(compiler, batch, mask, blocks.count(), program);
                let work = Work {
                    program,
                    blocks,
                    range,
                    scratch,
                    tally: &tallies[mask],
                    // A minimum above the number of samples is out of reach: the first that is wrong ends it.
                    allowed: samples.saturating_sub(question.minimum(mask)),
                    objective: question.objective(mask),
                    places: places.get(mask).copied().flatten(),
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
        question: Question<'_>,
        places: &[Option<Places<'_>>],
    ) -> Vec<Tally> {
        let (samples, words) = (self.dataset.split(split), self.architecture.mask_words());
        let tally = |(n, mask): (usize, &[u32])| {
            let network = &self.networks[batch.networks[n] as usize];
            if let Some(places) = places.get(n).copied().flatten() {
                places.note_plainly(network, mask, samples, self.arithmetic);
            }
            let score = plain::score(network, mask, samples, &question.objective(n), self.arithmetic);
            let active: u64 = mask.iter().map(|word| u64::from(word.count_ones())).sum();
            Tally {
                wrong: (samples.len() as u32 - score.correct).into(),
                loss: score.loss.into(),
                multiply_adds: (active * samples.len() as u64).into(),
            }
        };
        batch.masks.par_chunks_exact(words).enumerate().map(tally).collect()
    }

    /// Compiles a mask for samples in so many `blocks`.
    fn compile(
        &self,
        compiler: &mut Compiler,
        batch: &Batch<'_>,
        mask: usize,
        blocks: usize,
        program: &mut MaskProgram,
    ) {
        let words = self.architecture.mask_words();
        let network = &self.networks[batch.networks[mask] as usize];
        compiler.compile(&self.target, network, &batch.masks[mask * words..][..words], blocks, program);
    }

    fn borrow_space(&self) -> ScoringSpace {
        let space = self.spaces.lock().unwrap_or_else(PoisonError::into_inner).pop();
        space.unwrap_or_else(|| {
            let widest = self.architecture.widths()[1..].iter().max().copied().unwrap_or(0);
            let any_wide = forms::any_wide(self.target.layers());
            let scratch = KernelScratch::new(widest, self.kernel.block(), any_wide);
            ScoringSpace { compiler: Compiler::default(), program: MaskProgram::default(), scratch }
        })
    }

    fn return_space(&self, space: ScoringSpace) {
        self.spaces.lock().unwrap_or_else(PoisonError::into_inner).push(space);
    }
}

/// Checks that `network` has the evaluator's shape and cannot overflow on data of these bounds.
fn check_network(
    architecture: &Architecture,
    network: &Network,
    bounds: &FeatureBounds,
    arithmetic: Arithmetic,
) -> Result<(), EvaluateError> {
    if network.architecture() != architecture {
        return Err(EvaluateError::Unsupported(format!(
            "the evaluator scores networks {architecture}, but was given one of {}",
            network.architecture()
        )));
    }
    bounds.check(network, arithmetic)
}

impl Evaluator for CpuEvaluator {
    fn adapter(&self) -> &AdapterInfo {
        &self.adapter
    }

    fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    fn architecture(&self) -> &Architecture {
        &self.architecture
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
        check_network(&self.architecture, network, &self.bounds, self.arithmetic)?;
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
        let (samples, classes) = (samples.len() as u32, self.architecture.outputs());
        let measures: Vec<_> = (0..batch.networks.len()).map(|n| question.objective(n).measure()).collect();
        let measured = measures.iter().flatten().count();
        let mut counts = vec![0; measured * classes * classes];
        let mut places = Detail::Confusion(&mut counts).into_places(measured).into_iter();
        let places: Vec<_> = measures.iter().map(|measure| measure.and_then(|_| places.next())).collect();
        let tallies = self.tally(split, &batch, question, &places);
        let mut distances = measured_distances(&counts, classes, measures.iter().flatten());
        let score = |(tally, measure): (&Tally, &Option<Measure>)| Score {
            correct: samples - tally.wrong.load(Ordering::Relaxed),
            loss: match measure {
                Some(_) => distances.next().expect("one for each measure"),
                None => tally.loss.load(Ordering::Relaxed),
            },
        };
        let scores = question.reaching(tallies.iter().zip(&measures).map(score).collect());
        let executed = tallies.iter().zip(&scores);
        self.executed = executed.map(|(tally, score)| score.map_or(0, |_| tally.executed())).collect();
        Ok(scores)
    }

    fn detail(&mut self, split: Split, batch: Batch<'_>, detail: Detail<'_>) -> Result<(), EvaluateError> {
        batch.check(&self.architecture, self.networks.len())?;
        let samples = self.dataset.split(split);
        let labels = || check_labels(samples, &self.architecture);
        detail.check(batch.networks.len(), samples.len(), &self.architecture, labels)?;
        let places: Vec<_> = detail.into_places(batch.networks.len()).into_iter().map(Some).collect();
        let tallies = self.tally(split, &batch, Question::Counts, &places);
        self.executed = tallies.iter().map(Tally::executed).collect();
        Ok(())
    }
}
