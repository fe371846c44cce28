//! A mask whose pre-activations are kept in memory, so that its neighbours are cheap; proposals that come in batches are
//! scored on all threads.

use super::changes::Space;
use super::kept::{Kept, KeptChunk};
use super::landscape::{Landscape, Scratch};
use super::plan::ChangePlan;
use super::race::{Race, RaceStanding};
use super::tiles::{Chunk, TILE, Tiles};
use crate::account::Current;
use crate::evaluate::cpu::{self, instructions::Instructions};
use crate::evaluate::{AdapterInfo, EvaluateError, Neighbourhood, Parent};
use crate::mask;
use crate::network::Network;
use crate::objective::Objective;
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// A neighbour to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The bits that are flipped: ascending, without repetition.
    pub flips: &'a [u32],
    /// By how much the cost may change.
    pub allowed: i64,
}

impl Neighbourhood for Landscape {
    fn parent<'a>(&'a self, mask: &[u32], chunks: usize) -> Result<Box<dyn Parent + 'a>, EvaluateError> {
        Ok(Box::new(CpuParent::new(self, mask, chunks)))
    }

    fn network(&self) -> &Network {
        self.network()
    }

    fn tiles(&self) -> &Tiles {
        self.tiles()
    }

    fn objective(&self) -> Objective {
        self.objective()
    }

    fn adapter(&self) -> AdapterInfo {
        cpu::describe(Instructions::best())
    }
}

/// A parent: its mask, its pre-activations over the samples that it looks at, and its cost.
///
/// Kept pre-activations follow accepted flips by differences and so drift from the exact sums by rounding; a refresh
/// computes them anew. A cost is *exact* directly after a refresh and *screened* in between.
struct CpuParent<'a> {
    landscape: &'a Landscape,
    mask: Vec<u32>,
    /// `[chunk]`: of those that are looked at.
    kept: Vec<Kept>,
    cost: u64,
    since_refresh: usize,
    scratch: Scratch,
    /// What the threads that screen a batch need.
    pool: Mutex<Vec<Scratch>>,
}

/// Chunks are worked on by all threads where there are so many.
pub(super) const MANY_CHUNKS: usize = 16;

impl<'a> CpuParent<'a> {
    fn new(landscape: &'a Landscape, mask: &[u32], chunks: usize) -> Self {
        let mut parent = Self {
            landscape,
            mask: mask.to_vec(),
            kept: Vec::new(),
            cost: 0,
            since_refresh: 0,
            scratch: Scratch::default(),
            pool: Mutex::default(),
        };
        parent.keep(chunks);
        parent
    }

    /// The chunks that are looked at.
    fn chunks(&self) -> &'a [Chunk] {
        &self.landscape.tiles().chunks()[..self.kept.len()]
    }

    /// Number of tiles that are looked at.
    fn tiles(&self) -> usize {
        self.chunks().iter().map(Chunk::tiles).sum()
    }

    /// The chunk at `index`, with what is kept on it.
    fn kept_chunk(&self, index: usize) -> KeptChunk<'_> {
        KeptChunk { landscape: self.landscape, chunk: &self.chunks()[index], kept: &self.kept[index] }
    }

    /// From now on looks at the first `chunks` chunks of the samples, exactly.
    fn keep(&mut self, chunks: usize) {
        self.kept.resize_with(chunks, Kept::default);
        for (kept, chunk) in self.kept.iter_mut().zip(self.landscape.tiles().chunks()) {
            kept.fit(self.landscape, chunk);
        }
        self.compute();
    }

    /// Computes everything anew, in the evaluators' order of summation.
    fn compute(&mut self) {
        let (landscape, chunks, scratch) = (self.landscape, self.chunks(), &mut self.scratch);
        scratch.program.compile(landscape.network(), landscape.layers(), &self.mask);
        let program = &scratch.program;
        each_chunk(chunks, &mut self.kept, |chunk, kept, _| {
            landscape.kernels().forward(landscape, chunk, program, kept);
            let mut costs = std::mem::take(&mut kept.costs);
            let at = KeptChunk { landscape, chunk, kept };
            landscape.kernels().cost(at, landscape.margin(), &mut costs);
            kept.costs = costs;
        });
        let products = scratch.program.products() + landscape.objective_products();
        let samples: usize = chunks.iter().map(Chunk::samples).sum();
        scratch.multiply_adds += (products * samples) as u64;
        self.cost = self.kept.iter().flat_map(|kept| &kept.costs).sum();
        self.since_refresh = 0;
    }

    /// Makes `plan` that of flipping the bits `flips`.
    fn plan(&self, plan: &mut ChangePlan, flips: &[u32]) {
        plan.make(self.landscape.network(), self.landscape.layers(), &self.mask, flips);
    }

    /// By how much each of the `candidates` changes the cost; none where by more than allowed. Chunks are looked at from
    /// `first_chunk` on, each by all candidates that are not given up, so that its samples are fetched once.
    fn screen_on_a_thread(
        &self,
        candidates: &[Candidate<'_>],
        race: Option<Race>,
        first_chunk: usize,
        scratch: &mut Scratch,
    ) -> Vec<Option<i64>> {
        let landscape = self.landscape;
        let Scratch { plans, space, costs, .. } = scratch;
        plans.resize_with(candidates.len().max(plans.len()), ChangePlan::default);
        let mut standings = vec![RaceStanding::default(); candidates.len()];
        let mut running: Vec<usize> = Vec::with_capacity(candidates.len());
        for (n, candidate) in candidates.iter().enumerate() {
            self.plan(&mut plans[n], candidate.flips);
            if plans[n].reaches_outputs() {
                running.push(n);
            }
        }
        let all = self.tiles();
        let mut products = 0;
        for chunk in (0..self.kept.len()).map(|n| (first_chunk + n) % self.kept.len()) {
            let at = self.kept_chunk(chunk);
            costs.resize(at.chunk.tiles(), 0);
            running.retain(|&n| {
                // SAFETY: the plan was made of this landscape's layers above.
                unsafe { landscape.kernels().screen(at, &plans[n], space, costs) };
                products += (plans[n].terms.len() + landscape.objective_products()) * at.chunk.tiles();
                standings[n].add(&at.kept.costs, costs);
                !standings[n].is_lost(race, all, candidates[n].allowed)
            });
            if running.is_empty() {
                break;
            }
        }
        scratch.multiply_adds += (products * TILE) as u64;
        let outcome =
            |(standing, candidate): (&RaceStanding, &Candidate<'_>)| standing.outcome(candidate.allowed);
        standings.iter().zip(candidates).map(outcome).collect()
    }

    /// Is the change of the cost by `plan` allowed? If so, leaves the costs of all tiles in the scratch.
    ///
    /// # Safety
    /// `plan` was made of the landscape's layers.
    unsafe fn measure(
        &mut self,
        plan: &ChangePlan,
        allowed: i64,
        race: Option<Race>,
        first_chunk: usize,
    ) -> bool {
        let mut scratch = std::mem::take(&mut self.scratch);
        let (landscape, chunks, all) = (self.landscape, self.chunks(), self.tiles());
        let screen = |n: usize, costs: &mut [u64], space: &mut Space| {
            // SAFETY: by this function's contract.
            unsafe { landscape.kernels().screen(self.kept_chunk(n), plan, space, costs) };
        };
        scratch.costs.resize(all, 0);
        let costs = scratch.costs.chunks_mut(chunks[0].tiles());
        let mut work: Vec<(usize, &mut [u64])> = costs.enumerate().collect();
        work.rotate_left(first_chunk % chunks.len());
        // Most that is bad is given up soon: threads are worth their while for the rest alone.
        let alone = if in_parallel(chunks) { work.len() / 8 } else { work.len() };
        let mut standing = RaceStanding::default();
        for n in 0..work.len() {
            if n == alone {
                let account = Current::get();
                work[alone..].par_iter_mut().with_min_len(MANY_CHUNKS / 2).for_each_init(
                    || (Space::default(), account.help()),
                    |(space, _), (chunk, costs)| screen(*chunk, costs, space),
                );
            }
            let (chunk, costs) = &mut work[n];
            if n < alone {
                screen(*chunk, costs, &mut scratch.space);
            }
            standing.add(&self.kept[*chunk].costs, costs);
            if standing.is_lost(race, all, allowed) {
                break;
            }
        }
        let products = plan.terms.len() + landscape.objective_products();
        scratch.multiply_adds += (products * standing.seen() * TILE) as u64;
        self.scratch = scratch;
        standing.outcome(allowed).is_some()
    }

    /// Makes the changes of `plan`, whose costs the scratch holds.
    ///
    /// # Safety
    /// `plan` was made of the landscape's layers.
    unsafe fn apply(&mut self, plan: &ChangePlan) {
        let (landscape, chunks) = (self.landscape, self.chunks());
        each_chunk(chunks, &mut self.kept, |chunk, kept, space| {
            // SAFETY: by this function's contract.
            unsafe { landscape.kernels().apply(landscape, chunk, kept, plan, space) };
        });
        self.scratch.multiply_adds += (plan.terms.len() * self.tiles() * TILE) as u64;
        if plan.reaches_outputs() {
            let mut costs = &self.scratch.costs[..];
            for kept in &mut self.kept {
                let (own, others) = costs.split_at(kept.costs.len());
                kept.costs.copy_from_slice(own);
                costs = others;
            }
            self.cost = self.scratch.costs.iter().sum();
        }
    }
}

impl Parent for CpuParent<'_> {
    fn cost(&self) -> u64 {
        self.cost
    }

    fn since_refresh(&self) -> usize {
        self.since_refresh
    }

    fn look_at(&mut self, chunks: usize) -> Result<(), EvaluateError> {
        self.keep(chunks);
        Ok(())
    }

    fn refresh(&mut self) -> Result<(), EvaluateError> {
        self.compute();
        Ok(())
    }

    fn wrong(&mut self) -> Result<u64, EvaluateError> {
        let mut costs = std::mem::take(&mut self.scratch.costs);
        let wrong = |n| self.kept_chunk(n).cost(None, &mut costs);
        let all = (0..self.kept.len()).map(wrong).sum();
        self.scratch.costs = costs;
        Ok(all)
    }

    fn screen(
        &mut self,
        candidates: &[Candidate<'_>],
        race: Option<Race>,
        first_chunk: usize,
    ) -> Result<Vec<Option<i64>>, EvaluateError> {
        let parent = &*self;
        let threads = rayon::current_num_threads();
        let share = if threads == 1 { candidates.len() } else { candidates.len().div_ceil(threads * 2) };
        let account = Current::get();
        let parts = candidates.par_chunks(share).map(|part| {
            let _charging = account.help();
            let pool = || parent.pool.lock().unwrap_or_else(PoisonError::into_inner);
            let mut scratch = pool().pop().unwrap_or_default();
            let changes = parent.screen_on_a_thread(part, race, first_chunk, &mut scratch);
            pool().push(scratch);
            changes
        });
        Ok(parts.collect::<Vec<_>>().concat())
    }

    fn attempt(
        &mut self,
        candidate: Candidate<'_>,
        race: Option<Race>,
        first_chunk: usize,
    ) -> Result<bool, EvaluateError> {
        let mut plan = self.scratch.plans.pop().unwrap_or_default();
        self.plan(&mut plan, candidate.flips);
        let passed = if plan.reaches_outputs() {
            // SAFETY: the plan was made of this landscape's layers.
            unsafe { self.measure(&plan, candidate.allowed, race, first_chunk) }
        } else {
            candidate.allowed >= 0
        };
        if passed {
            // SAFETY: as above.
            unsafe { self.apply(&plan) };
            for &flip in candidate.flips {
                mask::flip(&mut self.mask, flip as usize);
            }
            self.since_refresh += 1;
        }
        self.scratch.plans.push(plan);
        Ok(passed)
    }

    fn exact_cost(&mut self, mask: &[u32]) -> Result<u64, EvaluateError> {
        Ok(self.landscape.cost(mask, &mut self.scratch))
    }

    fn take_multiply_adds(&mut self) -> u64 {
        let pool = self.pool.get_mut().unwrap_or_else(PoisonError::into_inner);
        let scratches = pool.iter_mut().chain([&mut self.scratch]);
        scratches.map(|scratch| std::mem::take(&mut scratch.multiply_adds)).sum()
    }
}

/// Is it worth while to share the work on `chunks` out to all threads?
pub(super) fn in_parallel(chunks: &[Chunk]) -> bool {
    chunks.len() >= MANY_CHUNKS && rayon::current_num_threads() > 1
}

/// Does `work` on every chunk and what is kept of it.
fn each_chunk(chunks: &[Chunk], kept: &mut [Kept], work: impl Fn(&Chunk, &mut Kept, &mut Space) + Sync) {
    if !in_parallel(chunks) {
        let mut space = Space::default();
        return chunks.iter().zip(kept).for_each(|(chunk, kept)| work(chunk, kept, &mut space));
    }
    let pairs = chunks.par_iter().zip(kept).with_min_len(MANY_CHUNKS / 2);
    let account = Current::get();
    pairs.for_each_init(
        || (Space::default(), account.help()),
        |(space, _), (chunk, kept)| work(chunk, kept, space),
    );
}
