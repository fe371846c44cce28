//! A parent that is kept at a place of a device.

use super::landscape::Pass;
use super::neighbourhood::GpuNeighbourhood;
use super::program::ProposedFlips;
use crate::evaluate::neighbours::{Candidate, ChangePlan, Race, TILE, judge};
use crate::evaluate::{EvaluateError, Neighbourhood, Parent};
use crate::mask;

/// A parent at a place of a device: its pre-activations are there, its mask and its costs here.
pub(super) struct GpuParent<'a> {
    neighbourhood: &'a GpuNeighbourhood,
    pub place: usize,
    pub mask: Vec<u32>,
    /// `[tile]`: of those that are looked at.
    costs: Vec<u64>,
    since_refresh: usize,
    multiply_adds: u64,
    changes: ChangePlan,
}

impl<'a> GpuParent<'a> {
    /// A parent at `place`, which is free, with `mask`, looking at the first `chunks` chunks of the samples.
    pub fn new(
        neighbourhood: &'a GpuNeighbourhood,
        place: usize,
        mask: &[u32],
        chunks: usize,
    ) -> Result<Self, EvaluateError> {
        let mut parent = Self {
            neighbourhood,
            place,
            mask: mask.to_vec(),
            costs: Vec::new(),
            since_refresh: 0,
            multiply_adds: 0,
            changes: ChangePlan::default(),
        };
        parent.look_at(chunks)?;
        Ok(parent)
    }

    fn flip(&mut self, bits: &[u32]) {
        bits.iter().for_each(|&bit| mask::flip(&mut self.mask, bit as usize));
    }

    /// Flips of `bits`, on the tiles that are looked at.
    pub fn propose(&mut self, bits: &[u32]) -> ProposedFlips {
        let (network, layers) = (self.neighbourhood.network(), self.neighbourhood.layers());
        self.changes.make(network, layers, &self.mask, bits);
        ProposedFlips::new(layers, self.place, self.costs.len(), &self.changes)
    }

    /// The costs of `proposal`, once it is this caller's turn.
    fn costs_of(&self, proposal: ProposedFlips, pass: Pass) -> Result<Vec<u64>, EvaluateError> {
        Ok(self.neighbourhood.device().costs(&[proposal], pass)?.swap_remove(0))
    }

    /// Counts the multiply-adds of a sum of so many `terms`, and those of the objective.
    fn count(&mut self, terms: usize) {
        let per_sample = terms + self.neighbourhood.objective_products();
        self.multiply_adds += (per_sample * self.costs.len() * TILE) as u64;
    }

    /// Flips `bits` for good. The mask is flipped only where there is no error.
    fn accept(&mut self, bits: &[u32]) -> Result<(), EvaluateError> {
        if self.neighbourhood.is_recomputed() {
            self.flip(bits);
            return self.refresh().inspect_err(|_| self.flip(bits));
        }
        let proposal = self.propose(bits);
        let terms = proposal.terms;
        self.costs = self.costs_of(proposal, Pass::Commit)?;
        self.flip(bits);
        self.count(terms);
        self.since_refresh += 1;
        Ok(())
    }
}

impl Parent for GpuParent<'_> {
    fn cost(&self) -> u64 {
        self.costs.iter().sum()
    }

    fn since_refresh(&self) -> usize {
        self.since_refresh
    }

    fn look_at(&mut self, chunks: usize) -> Result<(), EvaluateError> {
        let tiles = self.neighbourhood.tiles().chunks()[..chunks].iter().map(|chunk| chunk.tiles()).sum();
        self.costs.resize(tiles, 0);
        self.refresh()
    }

    fn refresh(&mut self) -> Result<(), EvaluateError> {
        let proposal = self.propose(&[]);
        let mut device = self.neighbourhood.device();
        device.set_mask(self.place, &self.mask);
        self.costs = device.costs(&[proposal], Pass::Refresh)?.swap_remove(0);
        drop(device);
        self.count(mask::count_ones(&self.mask));
        self.since_refresh = 0;
        Ok(())
    }

    fn wrong(&mut self) -> Result<u64, EvaluateError> {
        let proposal = self.propose(&[]);
        Ok(self.costs_of(proposal, Pass::Count)?.iter().sum())
    }

    fn screen(
        &mut self,
        candidates: &[Candidate<'_>],
        race: Option<Race>,
        first_chunk: usize,
    ) -> Result<Vec<Option<i64>>, EvaluateError> {
        let mut proposals = Vec::with_capacity(candidates.len());
        let mut reaches_outputs = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            let proposal = self.propose(candidate.flips);
            reaches_outputs.push(self.changes.reaches_outputs());
            if self.changes.reaches_outputs() {
                self.count(proposal.terms);
                proposals.push(proposal);
            }
        }
        let mut found = self.neighbourhood.screen(self.place, proposals)?.into_iter();
        let per_chunk = self.neighbourhood.tiles().chunks()[0].tiles();
        let judged = candidates.iter().zip(reaches_outputs).map(|(candidate, reaches)| {
            // What does not reach the outputs changes no cost.
            let found = if reaches { found.next() } else { None };
            let after = found.as_ref().unwrap_or(&self.costs);
            judge(race, per_chunk, first_chunk, (&self.costs, after), candidate.allowed)
        });
        Ok(judged.collect())
    }

    fn attempt(
        &mut self,
        candidate: Candidate<'_>,
        race: Option<Race>,
        first_chunk: usize,
    ) -> Result<bool, EvaluateError> {
        let passes = self.screen(&[candidate], race, first_chunk)?[0].is_some();
        if passes {
            self.accept(candidate.flips)?;
        }
        Ok(passes)
    }

    fn exact_cost(&mut self, mask: &[u32]) -> Result<u64, EvaluateError> {
        self.mask.copy_from_slice(mask);
        self.look_at(self.neighbourhood.tiles().chunks().len())?;
        Ok(self.cost())
    }

    fn take_multiply_adds(&mut self) -> u64 {
        std::mem::take(&mut self.multiply_adds)
    }
}

impl Drop for GpuParent<'_> {
    fn drop(&mut self) {
        self.neighbourhood.free(self.place);
    }
}
