//! A mask whose pre-activations are kept, so that its neighbours are cheap.

use super::kernel::{Kept, Space};
use super::landscape::{Landscape, Scratch};
use super::plan::Plan;
use super::race::{Race, Standing};
use super::tiles::{Chunk, TILE};
use crate::account::Current;
use crate::mask;
use rayon::prelude::*;

/// A parent: its mask, its pre-activations over the samples that it looks at, and its cost.
///
/// Kept pre-activations follow accepted flips by differences and so drift from the exact sums by rounding;
/// [`refresh`](Self::refresh) computes them anew. A cost is *exact* directly after a refresh and *screened*
/// in between.
pub struct Resident<'a> {
    landscape: &'a Landscape,
    mask: Vec<u32>,
    /// `[chunk]`: of those that are looked at.
    kept: Vec<Kept>,
    cost: u64,
    since_refresh: usize,
}

/// A neighbour to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The bits that are flipped: ascending, without repetition.
    pub flips: &'a [u32],
    /// By how much the cost may change.
    pub allowed: i64,
}

/// Chunks are worked on by all threads where there are so many.
pub(super) const MANY_CHUNKS: usize = 16;

impl<'a> Resident<'a> {
    pub(super) fn new(landscape: &'a Landscape, mask: &[u32], chunks: usize, scratch: &mut Scratch) -> Self {
        let mut resident =
            Self { landscape, mask: mask.to_vec(), kept: Vec::new(), cost: 0, since_refresh: 0 };
        resident.look_at(chunks, scratch);
        resident
    }

    pub fn mask(&self) -> &[u32] {
        &self.mask
    }

    /// The present cost: exact after a refresh, else screened.
    pub fn cost(&self) -> u64 {
        self.cost
    }

    /// Flips accepted since the pre-activations were last exact.
    pub fn since_refresh(&self) -> usize {
        self.since_refresh
    }

    /// The chunks that are looked at.
    pub fn chunks(&self) -> &'a [Chunk] {
        &self.landscape.tiles().chunks()[..self.kept.len()]
    }

    /// Number of samples that are looked at.
    pub fn samples(&self) -> usize {
        self.chunks().iter().map(Chunk::samples).sum()
    }

    /// From now on looks at the first `chunks` chunks of the samples; refreshes.
    pub fn look_at(&mut self, chunks: usize, scratch: &mut Scratch) {
        self.kept.resize_with(chunks, Kept::default);
        for (kept, chunk) in self.kept.iter_mut().zip(self.landscape.tiles().chunks()) {
            kept.fit(self.landscape, chunk);
        }
        self.refresh(scratch);
    }

    /// Computes everything anew, in the evaluators' order of summation. Returns the exact cost.
    pub fn refresh(&mut self, scratch: &mut Scratch) -> u64 {
        let (landscape, chunks) = (self.landscape, self.chunks());
        scratch.program.compile(landscape.network(), landscape.layers(), &self.mask);
        let program = &scratch.program;
        each_chunk(chunks, &mut self.kept, |chunk, kept, _| {
            landscape.kernel().forward(landscape, chunk, program, kept);
            let mut costs = std::mem::take(&mut kept.costs);
            landscape.kernel().cost(landscape, chunk, kept, landscape.margin(), &mut costs);
            kept.costs = costs;
        });
        let products = scratch.program.products() + landscape.objective_products();
        scratch.multiply_adds += (products * self.samples()) as u64;
        self.cost = self.kept.iter().flat_map(|kept| &kept.costs).sum();
        self.since_refresh = 0;
        self.cost
    }

    /// Puts another mask in place of the present one, exactly.
    pub fn replace(&mut self, mask: &[u32], scratch: &mut Scratch) {
        self.mask.copy_from_slice(mask);
        self.refresh(scratch);
    }

    /// Samples classified wrongly, by the kept pre-activations, of those that are looked at.
    pub fn wrong(&self, scratch: &mut Scratch) -> u64 {
        let wrong = |(chunk, kept)| self.landscape.cost_of(chunk, kept, None, &mut scratch.costs);
        self.chunks().iter().zip(&self.kept).map(wrong).sum()
    }

    fn plan(&self, plan: &mut Plan, flips: &[u32]) {
        plan.make(self.landscape.network(), self.landscape.layers(), &self.mask, flips);
    }

    /// By how much each of the `candidates` changes the cost, as screened; none where by more than allowed.
    /// Chunks are looked at from `first_chunk` on, each by all candidates that are not given up, so that its
    /// samples are fetched once.
    pub fn screen(
        &self,
        candidates: &[Candidate<'_>],
        race: Option<Race>,
        first_chunk: usize,
        scratch: &mut Scratch,
    ) -> Vec<Option<i64>> {
        let landscape = self.landscape;
        let Scratch { plans, space, costs, .. } = scratch;
        plans.resize_with(candidates.len().max(plans.len()), Plan::default);
        let mut standings = vec![Standing::default(); candidates.len()];
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
            let (kept, chunk) = (&self.kept[chunk], &self.chunks()[chunk]);
            costs.resize(chunk.tiles(), 0);
            running.retain(|&n| {
                landscape.kernel().screen(landscape, chunk, kept, &plans[n], space, costs);
                products += (plans[n].terms.len() + landscape.objective_products()) * chunk.tiles();
                standings[n].add(&kept.costs, costs);
                !standings[n].is_lost(race, all, candidates[n].allowed)
            });
            if running.is_empty() {
                break;
            }
        }
        scratch.multiply_adds += (products * TILE) as u64;
        let outcome =
            |(standing, candidate): (&Standing, &Candidate<'_>)| standing.outcome(candidate.allowed);
        standings.iter().zip(candidates).map(outcome).collect()
    }

    /// Number of tiles that are looked at.
    fn tiles(&self) -> usize {
        self.chunks().iter().map(Chunk::tiles).sum()
    }

    /// Flips the bits of `candidate` if the cost does not change by more than allowed; says if so. Judges as
    /// [`screen`](Self::screen) does, and on all threads.
    pub fn attempt(
        &mut self,
        candidate: Candidate<'_>,
        race: Option<Race>,
        first_chunk: usize,
        scratch: &mut Scratch,
    ) -> bool {
        if scratch.plans.is_empty() {
            scratch.plans.push(Plan::default());
        }
        let mut plan = std::mem::take(&mut scratch.plans[0]);
        self.plan(&mut plan, candidate.flips);
        let passed = !plan.reaches_outputs() && candidate.allowed >= 0
            || plan.reaches_outputs() && self.measure(&plan, candidate.allowed, race, first_chunk, scratch);
        if passed {
            self.apply(&plan, scratch);
            for &flip in candidate.flips {
                mask::flip(&mut self.mask, flip as usize);
            }
            self.since_refresh += 1;
        }
        scratch.plans[0] = plan;
        passed
    }

    /// Is the change of the cost by `plan` allowed? If so, leaves the costs of all tiles in `scratch`.
    fn measure(
        &self,
        plan: &Plan,
        allowed: i64,
        race: Option<Race>,
        first_chunk: usize,
        scratch: &mut Scratch,
    ) -> bool {
        let (landscape, chunks) = (self.landscape, self.chunks());
        let all = self.tiles();
        let screen = |n: usize, costs: &mut [u64], space: &mut Space| {
            landscape.kernel().screen(landscape, &chunks[n], &self.kept[n], plan, space, costs);
        };
        scratch.costs.resize(all, 0);
        let costs = scratch.costs.chunks_mut(chunks[0].tiles());
        let mut work: Vec<(usize, &mut [u64])> = costs.enumerate().collect();
        work.rotate_left(first_chunk % chunks.len());
        // Most that is bad is given up soon: threads are worth their while for the rest alone.
        let alone = if in_parallel(chunks) { work.len() / 8 } else { work.len() };
        let mut standing = Standing::default();
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
        standing.outcome(allowed).is_some()
    }

    /// Makes the changes of `plan`, whose costs `scratch` holds.
    fn apply(&mut self, plan: &Plan, scratch: &mut Scratch) {
        let (landscape, chunks) = (self.landscape, self.chunks());
        each_chunk(chunks, &mut self.kept, |chunk, kept, space| {
            landscape.kernel().apply(landscape, chunk, kept, plan, space);
        });
        scratch.multiply_adds += (plan.terms.len() * self.tiles() * TILE) as u64;
        if plan.reaches_outputs() {
            let mut costs = &scratch.costs[..];
            for kept in &mut self.kept {
                let (own, others) = costs.split_at(kept.costs.len());
                kept.costs.copy_from_slice(own);
                costs = others;
            }
            self.cost = scratch.costs.iter().sum();
        }
    }

    /// The largest difference between a kept pre-activation and the exact one, and the largest magnitude.
    pub fn drift(&self, scratch: &mut Scratch) -> (f32, f32) {
        let exact = Self::new(self.landscape, &self.mask, self.kept.len(), scratch);
        let pairs = self
            .kept
            .iter()
            .zip(&exact.kept)
            .flat_map(|(kept, exact)| kept.layers.iter().flatten().zip(exact.layers.iter().flatten()));
        let values = pairs.flat_map(|(kept, exact)| kept.0.into_iter().zip(exact.0));
        values.fold((0.0, 0.0), |(drift, size): (f32, f32), (kept, exact)| {
            (drift.max((kept - exact).abs()), size.max(exact.abs()))
        })
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
